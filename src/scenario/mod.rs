//! Scenarios: the YAML schema, loading with good errors, and lowering into the set-up of a run.
//!
//! [`load`] reads a file with everything that it names; [`lower`] turns one of its variants into a
//! [`Setup`](crate::backend::sim::setup::Setup). Problems come back as [`Diagnostic`]s, all that can be found at once.
//! Leaves behaviour to the layers below and drawing to `cli`.

#![expect(clippy::result_large_err, reason = "a diagnostic is made once, on the way out")]

mod checks;
mod decode;
mod diagnostic;
mod files;
mod gate;
mod load;
mod lower;
mod manifest;
mod overrides;
mod tree;

pub mod schema;

pub use diagnostic::{Code, Diagnostic, Severity, TextSpan, has_errors, nearest};
pub use gate::{Comparison, Gate, METRICS, Statistic, parse_gate};
pub use load::{Loaded, load};
pub use lower::{Lowered, builtin_profiles, lower};

/// Returns the JSON Schema of scenarios.
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(schema::Scenario).into()
}
