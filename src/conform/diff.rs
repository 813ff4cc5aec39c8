//! Where two JSON values differ, as JSON pointers, and how the changes of a trace are applied.

use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The views of all objects by name.
pub(super) type State = BTreeMap<String, Value>;

/// Calls `found` with pointer, expected and got value of every place where the two differ; lists are compared whole.
pub(super) fn differences(
    expected: &Value,
    got: &Value,
    path: &str,
    found: &mut impl FnMut(&str, &Value, &Value),
) {
    match (expected, got) {
        (Value::Object(expected), Value::Object(got)) => {
            let mut keys: Vec<&String> = expected.keys().chain(got.keys()).collect();
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                let pointer = format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
                let at = |side: &Map<String, Value>| side.get(key).cloned().unwrap_or_default();
                differences(&at(expected), &at(got), &pointer, found);
            }
        }
        _ if is_same(expected, got) => {}
        _ => found(path, expected, got),
    }
}

/// Whether two values say the same: an empty map is an absent one.
fn is_same(one: &Value, other: &Value) -> bool {
    let is_empty = |value: &Value| value.is_null() || value.as_object().is_some_and(Map::is_empty);
    one == other || (is_empty(one) && is_empty(other))
}

/// Applies a step's changes to a state.
///
/// # Errors
/// Says which change cannot be applied.
pub(super) fn apply(state: &mut State, changes: &BTreeMap<String, Value>) -> Result<(), String> {
    for (object, change) in changes {
        if change == "gone" {
            state.remove(object);
            continue;
        }
        let Some(fields) = change.as_object() else {
            return Err(format!("the change of {object} is neither a map nor `gone`"));
        };
        if let Some(new) = fields.get("new") {
            state.insert(object.clone(), new.clone());
            continue;
        }
        let Some(view) = state.get_mut(object) else {
            return Err(format!("{object} changes before it is new"));
        };
        for (pointer, value) in fields {
            set(view, pointer, value.clone());
        }
    }
    Ok(())
}

/// Sets the value at a pointer, making maps on the way; null takes it away.
fn set(target: &mut Value, pointer: &str, value: Value) {
    let mut place = target;
    let mut steps = pointer.split('/').skip(1).peekable();
    while let Some(step) = steps.next() {
        let key = step.replace("~1", "/").replace("~0", "~");
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        let fields = place.as_object_mut().expect("made above");
        if steps.peek().is_none() {
            if value.is_null() {
                fields.remove(&key);
            } else {
                fields.insert(key, value);
            }
            return;
        }
        place = fields.entry(key).or_insert(Value::Null);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn changes_make_maps_take_values_away_and_remove_objects() {
        let mut state = State::new();
        let mut check = |changes: Value, expected: Value| {
            apply(&mut state, &serde_json::from_value(changes).unwrap()).unwrap();
            assert_eq!(serde_json::to_value(&state).unwrap(), expected);
        };
        check(
            json!({"Pod/a#1": {"new": {"labels": {"k/1": "v"}}}}),
            json!({"Pod/a#1": {"labels": {"k/1": "v"}}}),
        );
        check(
            json!({"Pod/a#1": {"/labels/k~11": null, "/status/ready": true}}),
            json!({"Pod/a#1": {"labels": {}, "status": {"ready": true}}}),
        );
        check(json!({"Pod/a#1": "gone"}), json!({}));
        let unknown = serde_json::from_value(json!({"Pod/b#1": {"/x": 1}})).unwrap();
        assert!(apply(&mut State::new(), &unknown).is_err());
    }

    #[test]
    fn differences_name_the_place() {
        let mut found = Vec::new();
        let (one, other) = (json!({"a": {"b": [1]}, "c": {}}), json!({"a": {"b": [2], "d/e": 0}}));
        differences(&one, &other, "", &mut |path, expected, got| {
            found.push(format!("{path} {expected} {got}"));
        });
        assert_eq!(found, ["/a/b [1] [2]", "/a/d~1e null 0"]);
    }
}
