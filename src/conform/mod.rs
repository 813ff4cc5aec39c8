//! Replays of traces that were recorded from a real control plane, against the simulated one.
//!
//! A trace is JSON of one of several kinds, told apart by its keys: a step trace (`steps`), where each step is one action
//! and everything that followed from it, or a timed trace (`timeline`), on the clock. Replays drive the same store,
//! controllers and scheduler that `lwsim run` drives; nothing here decides what a controller does, and nothing depends on
//! the name of a case.

mod cluster;
mod diff;
mod placement;
mod step;
pub mod timed;
mod trace;
mod view;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io;
use std::path::{Path, PathBuf};

/// What came of one trace.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The trace's own name.
    pub case: String,
    /// Its kind, for people: `step`, `timed`.
    pub kind: &'static str,
    /// What differs, first things first; empty where the trace passes.
    pub differences: Vec<Difference>,
    /// Measures of a replay that has some, such as errors of times: name and value in the unit that the name ends with.
    pub measures: Vec<(String, f64)>,
}

impl Verdict {
    /// Returns whether nothing differs.
    pub fn passes(&self) -> bool {
        self.differences.is_empty()
    }
}

/// Whether the feature gate `MaxUnavailableStatefulSet` was on where a step trace was recorded: the file does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gate {
    /// On if the name of the folder ends in `gate-on`.
    #[default]
    ByFolder,
    /// On.
    On,
    /// Off, as Kubernetes 1.36 has it by default.
    Off,
}

impl Gate {
    fn is_on(self, path: &Path) -> bool {
        let folder = path.parent().and_then(Path::file_name);
        match self {
            Self::ByFolder => {
                folder.is_some_and(|name| name.to_string_lossy().ends_with("gate-on"))
            }
            Self::On => true,
            Self::Off => false,
        }
    }
}

/// Why a file could not be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It cannot be read.
    #[error("failed to read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not JSON, or not of the form of its kind.
    #[error("`{}` is no trace: {source}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// It is JSON of no kind of trace that is known.
    #[error("`{}` is of no known kind of trace", path.display())]
    Kind {
        /// The file.
        path: PathBuf,
    },
}

/// Replays a trace of any kind.
///
/// # Errors
/// The file cannot be read, or is no trace.
pub fn replay(path: &Path, gate: Gate) -> Result<Verdict, ReplayError> {
    let form = |source| ReplayError::Form { path: path.to_owned(), source };
    let text = std::fs::read(path)
        .map_err(|source| ReplayError::Read { path: path.to_owned(), source })?;
    let value: Value = serde_json::from_slice(&text).map_err(form)?;
    let has = |key: &str| value.get(key).is_some();
    if has("nodes") && has("steps") {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let trace = placement::Trace::deserialize(&value).map_err(form)?;
        return Ok(placement::replay(&name, &trace));
    }
    if has("timeline") && has("log") {
        return Ok(timed::replay(&value));
    }
    if has("input") && has("steps") {
        let trace = trace::Trace::deserialize(&value).map_err(form)?;
        return Ok(step::replay(&trace, gate.is_on(path)));
    }
    Err(ReplayError::Kind { path: path.to_owned() })
}

/// One difference between the trace and the replay.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Number of the step, from 0; absent where it concerns the whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<usize>,
    /// What was done in that step, in short.
    pub action: String,
    /// `Kind/name#n`, or what else it concerns.
    pub object: String,
    /// JSON pointer into the object's view; empty for the whole object.
    pub path: String,
    /// The trace's value; `null` for none.
    pub expected: Value,
    /// The replay's value; `null` for none.
    pub got: Value,
}
