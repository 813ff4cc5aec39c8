//! Makes plots and page of a results directory.

use super::curve::{Curve, band};
use super::html::{Pictured, page};
use super::plots;
use super::replay::Replay;
use crate::experiment::events::read_events;
use crate::experiment::result::{ResultError, Summary, VariantSummary};
use crate::report::figures::milliseconds;
use std::path::{Path, PathBuf};

/// Points of a curve in pictures.
const POINTS_MAX: usize = 1_000;
/// Runs of a variant that are looked at in detail; the curves are of all runs.
const DETAILED_RUNS_MAX: usize = 30;
/// Records of a variant beyond which no further run is kept in detail, to bound memory.
const DETAILED_HOLDINGS_MAX: usize = 400_000;
const PAGE_FILE: &str = "index.html";
const PLOTS_DIR: &str = "plots";

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The page.
    pub page: PathBuf,
    /// All files, the page among them, in the order in which they were made.
    pub files: Vec<PathBuf>,
}

/// Why a report cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A result file cannot be read, or a picture cannot be written.
    #[error(transparent)]
    Result(#[from] ResultError),
    /// A picture cannot be drawn.
    #[error("failed to draw `{plot}`: {reason}")]
    Plot {
        /// File name of the picture.
        plot: String,
        /// What the drawing library says.
        reason: String,
    },
}

/// Makes `plots/` and `index.html` of a results directory from its result files alone.
pub fn write(dir: &Path) -> Result<Written, ReportError> {
    let summary = Summary::read(dir)?;
    let pictured: Vec<Pictured> = summary
        .variants
        .values()
        .map(|variant| pictured(dir, variant))
        .collect::<Result<_, _>>()?;
    let mut files = Vec::new();
    let mut add = |name: String, bytes: &[u8]| {
        let path = dir.join(name);
        std::fs::write(&path, bytes).map_err(ResultError::writing(&path))?;
        files.push(path);
        Ok::<_, ResultError>(())
    };
    let plots_dir = dir.join(PLOTS_DIR);
    std::fs::create_dir_all(&plots_dir).map_err(ResultError::writing(&plots_dir))?;
    for plot in plots::all(&summary, &pictured)? {
        add(format!("{PLOTS_DIR}/{}", plot.file), &plot.bytes)?;
    }
    add(PAGE_FILE.to_owned(), page(&summary, &pictured).as_bytes())?;
    Ok(Written { page: dir.join(PAGE_FILE), files })
}

fn pictured(dir: &Path, variant: &VariantSummary) -> Result<Pictured, ReportError> {
    let mut curves: Vec<Curve> = Vec::new();
    let mut replays: Vec<Replay> = Vec::new();
    let mut holdings = 0;
    let mut end_ms = 0;
    for run in &variant.runs {
        let records = read_events(dir, &run.events_file)?;
        let replay = Replay::read(records, milliseconds(run.end_s))?;
        end_ms = end_ms.max(replay.end_ms);
        curves.push(replay.ready.clone());
        holdings += replay.holdings.len();
        let is_first = replays.is_empty();
        let fits = replays.len() < DETAILED_RUNS_MAX && holdings < DETAILED_HOLDINGS_MAX;
        if is_first || (fits && replays.len() + 1 == curves.len()) {
            replays.push(replay);
        }
    }
    Ok(Pictured { ready: band(&curves, end_ms, POINTS_MAX), replays })
}
