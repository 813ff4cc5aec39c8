//! Kubernetes objects in files, as trees: which there are and what they are called.
//!
//! What an object of a kind may hold is the business of `api::manifest`.

use super::tree::Node;

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
