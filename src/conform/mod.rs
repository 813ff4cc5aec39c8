//! Replays of traces that were recorded from a real control plane, against the simulated one.
//!
//! A trace is JSON of one of several kinds, told apart by its keys: a step trace (`steps`), where each step is one action
//! and everything that followed from it, or a timed trace (`timeline`), on the clock. Replays drive the same store,
//! controllers and scheduler that `lwsim run` drives; nothing here decides what a controller does, and nothing depends on
//! the name of a case.

mod cluster;
mod placement;

use serde::Serialize;
use serde_json::Value;

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
