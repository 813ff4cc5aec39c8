//! `lwsim schema`: the JSON Schema of scenarios, for editors.

use super::failure::Failure;
use super::output;

/// Prints the schema.
pub(super) fn run() -> Result<(), Failure> {
    let schema = crate::scenario::json_schema();
    let text = serde_json::to_string_pretty(&schema).expect("a JSON value can be printed");
    output::print(&format!("{text}\n"))
}
