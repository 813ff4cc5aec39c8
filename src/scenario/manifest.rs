//! Kubernetes objects in files: what kind they are, and what a typed reading would silently drop.

use super::diagnostic::{Code, Diagnostic};
use super::tree::{Node, Sources, Value};
use serde_json::Value as Json;

/// Returns the objects of a file, those within lists included.
pub(super) fn items(documents: &[Node]) -> Vec<&Node> {
    let mut found = Vec::new();
    for document in documents {
        match document.get("items") {
            Some(list) if kind_of(document).ends_with("List") => found.extend(items(list.items())),
            _ => found.push(document),
        }
    }
    found
}

/// Returns the kind of an object, empty where it has none.
pub(super) fn kind_of(object: &Node) -> &str {
    object.get("kind").and_then(Node::as_str).unwrap_or_default()
}

/// Returns the API version of an object, empty where it has none.
pub(super) fn api_version_of(object: &Node) -> &str {
    object.get("apiVersion").and_then(Node::as_str).unwrap_or_default()
}

/// Returns the name of an object, empty where it has none.
pub(super) fn name_of(object: &Node) -> &str {
    object
        .get("metadata")
        .and_then(|metadata| metadata.get("name"))
        .and_then(Node::as_str)
        .unwrap_or_default()
}

/// Returns a warning for each field of `object` that is not in `kept`, which is what was read, as JSON.
///
/// The API server drops such fields too, and `kubectl apply` refuses them by default.
pub(super) fn unknown_fields(sources: &Sources, object: &Node, kept: &Json) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    compare(sources, object, kept, &mut warnings);
    warnings
}

fn compare(sources: &Sources, node: &Node, kept: &Json, warnings: &mut Vec<Diagnostic>) {
    match (&node.value, kept) {
        (Value::Map(entries), Json::Object(fields)) => {
            for (key, value) in entries {
                match fields.get(&key.name) {
                    Some(field) => compare(sources, value, field, warnings),
                    None if is_empty(value) => {}
                    None => {
                        let warning = Diagnostic::warning(
                            Code::UnknownField,
                            format!("Kubernetes has no field `{}` here", key.name),
                        )
                        .with_help("it is ignored here; `kubectl apply` would refuse it");
                        warnings.push(sources.place(warning, key.at));
                    }
                }
            }
        }
        (Value::List(items), Json::Array(elements)) => {
            for (item, element) in items.iter().zip(elements) {
                compare(sources, item, element, warnings);
            }
        }
        _ => {}
    }
}

fn is_empty(node: &Node) -> bool {
    match &node.value {
        Value::Null => true,
        Value::List(items) => items.is_empty(),
        Value::Map(entries) => entries.is_empty(),
        Value::Text(text) => text.is_empty(),
        Value::Int(number) => *number == 0,
        Value::Bool(value) => !value,
        Value::UInt(_) | Value::Float(_) => false,
    }
}
