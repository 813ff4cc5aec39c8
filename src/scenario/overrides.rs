//! Changes of any part of a scenario by path, as variants and `--set` make them.
//!
//! A path is a row of names joined by dots: `workloads.vllm.rollout.maxSurge`. An element of a list is named by its
//! number from 0, its `name`, or, for a workload, by an object of its manifest. A name that holds dots is quoted:
//! `cluster.labels."topology.kubernetes.io/zone"`. A value replaces what was there; `null` removes it.

use super::diagnostic::{Code, Diagnostic, suggestion};
use super::tree::{At, Key, Node, Sources, Value};
use std::collections::BTreeMap;

/// Other names of elements of lists: for each list (by its path) the names of each element.
pub(super) type Aliases = BTreeMap<String, Vec<Vec<String>>>;

/// Fields that belong to the experiment as a whole, so that a variant cannot have its own.
const NOT_IN_VARIANTS: [&str; 7] =
    ["variants", "grid", "table", "seeds", "metrics", "gates", "about"];

/// Sets the value at a path. `at` is where the path itself stands.
pub(super) fn apply(
    sources: &Sources,
    tree: &mut Node,
    aliases: &Aliases,
    path: &str,
    at: At,
    value: Node,
) -> Result<(), Diagnostic> {
    let bad = |message: String| sources.place(Diagnostic::error(Code::BadOverride, message), at);
    let segments = segments(path).ok_or_else(|| {
        bad(format!("`{path}` is not a path"))
            .with_help("paths look like `workloads.vllm.rollout.maxSurge`")
    })?;
    let (last, parents) =
        segments.split_last().ok_or_else(|| bad("the path is empty".to_owned()))?;
    let mut holder = tree;
    let mut walked = String::new();
    for segment in parents {
        if matches!(holder.value, Value::Null) {
            holder.value = Value::Map(Vec::new());
        }
        match &mut holder.value {
            Value::Map(entries) => {
                let position =
                    entries.iter().position(|(key, _)| key.name == *segment).unwrap_or_else(|| {
                        let key = Key { at, name: segment.clone() };
                        entries.push((key, Node { at, value: Value::Map(Vec::new()) }));
                        entries.len() - 1
                    });
                holder = &mut entries[position].1;
            }
            Value::List(items) => {
                let index = element(sources, items, aliases.get(&walked), segment, &walked, at)?;
                holder = &mut items[index];
            }
            other => return Err(bad(format!("`{walked}` is {} and has no parts", other.kind()))),
        }
        if !walked.is_empty() {
            walked.push('.');
        }
        walked.push_str(segment);
    }
    if matches!(holder.value, Value::Null) {
        holder.value = Value::Map(Vec::new());
    }
    match &mut holder.value {
        Value::Map(entries) => {
            let position = entries.iter().position(|(key, _)| key.name == *last);
            match (position, matches!(value.value, Value::Null)) {
                (Some(position), true) => {
                    entries.remove(position);
                }
                (None, true) => {}
                (Some(position), false) => entries[position].1 = value,
                (None, false) => entries.push((Key { at, name: last.clone() }, value)),
            }
        }
        Value::List(items) => {
            let index = element(sources, items, aliases.get(&walked), last, &walked, at)?;
            if matches!(value.value, Value::Null) {
                items.remove(index);
            } else {
                items[index] = value;
            }
        }
        other => return Err(bad(format!("`{walked}` is {} and has no parts", other.kind()))),
    }
    Ok(())
}

/// Returns why a variant cannot change the value at a path.
pub(super) fn refuse_in_variant(sources: &Sources, path: &str, at: At) -> Option<Diagnostic> {
    let first = path.split('.').next().unwrap_or_default();
    NOT_IN_VARIANTS.contains(&first).then(|| {
        let message =
            format!("a variant cannot change `{first}`: it belongs to all variants together");
        sources.place(Diagnostic::error(Code::BadOverride, message), at)
    })
}

fn element(
    sources: &Sources,
    items: &[Node],
    aliases: Option<&Vec<Vec<String>>>,
    segment: &str,
    list: &str,
    at: At,
) -> Result<usize, Diagnostic> {
    if let Ok(index) = segment.parse::<usize>() {
        if index < items.len() {
            return Ok(index);
        }
        let message =
            format!("`{list}` has {} elements, so there is no element {index}", items.len());
        return Err(sources.place(Diagnostic::error(Code::BadOverride, message), at));
    }
    let own_name = |item: &Node| item.get("name").and_then(Node::as_str).map(str::to_owned);
    if let Some(index) =
        items.iter().position(|item| own_name(item).is_some_and(|name| name == segment))
    {
        return Ok(index);
    }
    let others =
        |index: usize| aliases.and_then(|aliases| aliases.get(index)).into_iter().flatten();
    if let Some(index) = (0..items.len()).find(|index| others(*index).any(|name| name == segment)) {
        return Ok(index);
    }
    let mut known: Vec<String> = items.iter().filter_map(own_name).collect();
    known.extend((0..items.len()).flat_map(others).cloned());
    let mut diagnostic = Diagnostic::error(
        Code::UnknownName,
        format!("`{list}` has no element that is called `{segment}`"),
    );
    diagnostic.help = suggestion(segment, known.iter().map(String::as_str));
    Err(sources.place(diagnostic, at))
}

/// Splits a path; `None` where a name is empty or a quote is left open.
fn segments(path: &str) -> Option<Vec<String>> {
    let mut segments = Vec::new();
    let mut rest = path.trim();
    loop {
        let (segment, after) = if let Some(quoted) = rest.strip_prefix('"') {
            quoted.split_once('"')?
        } else {
            rest.split_at(rest.find('.').unwrap_or(rest.len()))
        };
        if segment.trim().is_empty() {
            return None;
        }
        segments.push(segment.trim().to_owned());
        match after.strip_prefix('.') {
            Some(next) => rest = next,
            None if after.is_empty() => return Some(segments),
            None => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::tree::{Bounds, parse};

    fn check(path: &str, value: &str, expected: Result<&str, &str>) {
        let mut sources = Sources::default();
        let text = "a: {b: 1}\nlist: [{name: x, v: 1}, {v: 2}]\nnone:\nplain: text\n";
        let source = sources.add("file", text.into());
        let mut tree = parse(&sources, source, Bounds::WRITTEN).unwrap().remove(0);
        let source = sources.add("value", value.into());
        let value = parse(&sources, source, Bounds::WRITTEN)
            .unwrap()
            .pop()
            .unwrap_or(Node { at: At::default(), value: Value::Null });
        let aliases = Aliases::from([("list".to_owned(), vec![vec![], vec!["y".to_owned()]])]);
        let at = At { source: 0, start: 0, end: 1 };
        match (apply(&sources, &mut tree, &aliases, path, at, value), expected) {
            (Ok(()), Ok(json)) => assert_eq!(tree.to_json().to_string(), json, "{path}"),
            (Err(found), Err(part)) => {
                assert!(found.message.contains(part), "{path}: {}", found.message);
            }
            (found, _) => panic!("{path}: {found:?}"),
        }
    }

    #[test]
    fn values_are_replaced_added_and_removed_by_path() {
        check(
            "a.b",
            "2",
            Ok(r#"{"a":{"b":2},"list":[{"name":"x","v":1},{"v":2}],"none":null,"plain":"text"}"#),
        );
        check(
            "a.c.d",
            "2",
            Ok(
                r#"{"a":{"b":1,"c":{"d":2}},"list":[{"name":"x","v":1},{"v":2}],"none":null,"plain":"text"}"#,
            ),
        );
        check(
            "none.\"x.y\"",
            "2",
            Ok(
                r#"{"a":{"b":1},"list":[{"name":"x","v":1},{"v":2}],"none":{"x.y":2},"plain":"text"}"#,
            ),
        );
        check(
            "list.x.v",
            "3",
            Ok(r#"{"a":{"b":1},"list":[{"name":"x","v":3},{"v":2}],"none":null,"plain":"text"}"#),
        );
        check(
            "list.y",
            "~",
            Ok(r#"{"a":{"b":1},"list":[{"name":"x","v":1}],"none":null,"plain":"text"}"#),
        );
        check("plain", "~", Ok(r#"{"a":{"b":1},"list":[{"name":"x","v":1},{"v":2}],"none":null}"#));
    }

    #[test]
    fn paths_that_lead_nowhere_are_refused() {
        check("plain.x", "1", Err("`plain` is a string and has no parts"));
        check("list.z.v", "1", Err("no element that is called `z`"));
        check("list.7", "1", Err("no element 7"));
        check("a..b", "1", Err("is not a path"));
        check("\"a", "1", Err("is not a path"));
    }
}
