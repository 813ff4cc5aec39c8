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

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Returns a folder with the sample's result files.
    fn sample_dir() -> tempfile::TempDir {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/report");
        let dir = tempfile::tempdir().unwrap();
        std::fs::copy(from.join("summary.json"), dir.path().join("summary.json")).unwrap();
        for run in sample().variants.values().flat_map(|variant| &variant.runs) {
            let to = dir.path().join(&run.events_file);
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(from.join(&run.events_file), to).unwrap();
        }
        dir
    }

    /// Returns the sample's summary: a variant that is rolled and one that is stuck, each with two seeds.
    pub(in crate::report) fn sample() -> Summary {
        Summary::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/report")).unwrap()
    }

    fn names(written: &Written, dir: &Path) -> Vec<String> {
        let name = |path: &PathBuf| path.strip_prefix(dir).unwrap().display().to_string();
        written.files.iter().map(name).collect()
    }

    #[test]
    fn a_report_has_a_page_and_each_plot_in_two_formats() {
        let dir = sample_dir();
        let written = write(dir.path()).unwrap();
        let expected = [
            "plots/capacity.svg",
            "plots/capacity.png",
            "plots/gantt-base.svg",
            "plots/gantt-base.png",
            "plots/gantt-crowded.svg",
            "plots/gantt-crowded.png",
            "plots/metrics.svg",
            "plots/metrics.png",
            "index.html",
        ];
        assert_eq!(names(&written, dir.path()), expected);
        assert_eq!(written.page, dir.path().join("index.html"));
    }

    #[test]
    fn a_report_made_twice_has_the_same_bytes() {
        let (first, second) = (sample_dir(), sample_dir());
        let written = write(first.path()).unwrap();
        write(second.path()).unwrap();
        write(second.path()).unwrap();
        for name in names(&written, first.path()) {
            let read = |dir: &tempfile::TempDir| std::fs::read(dir.path().join(&name)).unwrap();
            assert!(read(&first) == read(&second), "{name} differs");
        }
    }

    #[test]
    fn the_page_holds_its_data_whatever_the_scenario_says() {
        let dir = sample_dir();
        let mut summary = sample();
        let hostile = "</script><script>alert(1)</script> <!-- {{script}} {{data}}";
        hostile.clone_into(&mut summary.scenario.text);
        hostile.clone_into(&mut summary.scenario.name);
        summary.write(dir.path()).unwrap();
        let page = std::fs::read_to_string(write(dir.path()).unwrap().page).unwrap();
        let (_, after) = page.split_once(r#"<script id="data" type="application/json">"#).unwrap();
        let (data, _) = after.split_once("</script>").unwrap();
        let data: serde_json::Value = serde_json::from_str(data).unwrap();
        assert_eq!(data["scenario"]["text"], hostile);
        assert_eq!(page.matches("</script>").count(), 2, "the data's and the script's own");
        assert!(page.contains("<title>&lt;/script>"));
    }

    #[test]
    fn a_folder_without_results_is_an_error_that_names_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let error = write(dir.path()).unwrap_err().to_string();
        let path = dir.path().join("summary.json");
        assert_eq!(error, format!("failed to read `{}`", path.display()));
    }
}
