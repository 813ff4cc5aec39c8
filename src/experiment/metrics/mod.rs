//! Metrics of a run, computed from its records while it goes on.
//!
//! `tally` follows the records and counts in integers; `registry` has one line for each metric and turns the counts
//! into figures. What a state at one instant counts for is decided at the end of the instant: states that last no
//! time count nowhere.
//!
//! Groups count where a set was wanted: pods of other tenants take part in nothing but `pods_unschedulable_max`.

mod registry;
mod tally;

pub use registry::{METRICS, Metric};
pub use tally::{Metrics, RunMetrics, Tally};
