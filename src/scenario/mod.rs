//! Scenarios: the YAML schema, loading with good errors, and lowering into the set-up of a run.
//!
//! [`load`] reads a file with everything that it names; [`lower`] turns one of its variants into a
//! [`Setup`](crate::backend::sim::setup::Setup). Problems come back as [`Diagnostic`]s, all that can be found at once.
//! Leaves behaviour to the layers below and drawing to `cli`.

mod checks;
mod decode;
mod diagnostic;
mod files;
mod gate;
mod grid;
mod load;
mod lower;
mod manifest;
mod overrides;
mod tree;

pub mod schema;

pub use diagnostic::{Code, Diagnostic, Severity, TextSpan, has_errors, nearest};
pub use gate::{Comparison, Gate, METRICS, Statistic, parse_gate};
pub use grid::{Axis, Table};
pub use load::{Loaded, load};
pub use lower::{Lowered, builtin_profiles, lower};

/// Returns the JSON Schema of scenarios.
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(schema::Scenario).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// Calls `found` for each property that no text describes.
    fn undescribed(schema: &Value, path: &str, found: &mut impl FnMut(String)) {
        match schema {
            Value::Object(fields) => {
                for (name, property) in
                    fields.get("properties").and_then(Value::as_object).into_iter().flatten()
                {
                    if property.get("description").is_none() {
                        found(format!("{path}.{name}"));
                    }
                }
                for (name, part) in fields {
                    undescribed(part, &format!("{path}.{name}"), found);
                }
            }
            Value::Array(parts) => {
                for (index, part) in parts.iter().enumerate() {
                    undescribed(part, &format!("{path}[{index}]"), found);
                }
            }
            _ => {}
        }
    }

    #[test]
    fn the_schema_describes_every_field_that_a_user_can_write() {
        let mut missing = Vec::new();
        undescribed(&json_schema(), "", &mut |path| missing.push(path));
        // A name of an externally tagged enum is described one level up.
        missing.retain(|path| !path.contains(".oneOf[") && !path.contains(".anyOf["));
        assert_eq!(missing, Vec::<String>::new());
    }
}
