//! The wire form of what a LeaderWorkerSet holds: what Go writes and leaves out, and what the CRD's schema fills in.
//!
//! `wire_shapes.txt` lists the types. LWS hashes the bytes that Go writes (k8s.io/api v0.36.3, encoding/json), so that a
//! replacement that leaves out one field less makes other revisions. Which part is hashed is the business of
//! `controller::revision`.

use super::quantity::Quantity;
use rustc_hash::FxHashMap;
use serde_json::{Map, Value};
use std::fmt::Write;
use std::sync::LazyLock;

/// How Go holds and writes a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Pointer,
    Nullable,
    Text,
    Flag,
    Number,
    IntOrString,
    Quantity,
    List,
    ListOf(&'static str),
    Map,
    QuantityMap,
    Struct(&'static str),
}

#[derive(Clone, Copy, Debug)]
struct Field {
    name: &'static str,
    kind: Kind,
    /// Whether Go writes it even where it is empty.
    is_always: bool,
    default: Option<&'static str>,
}

/// Types by name; only looked up.
static SHAPES: LazyLock<FxHashMap<&'static str, Vec<Field>>> = LazyLock::new(|| {
    let lines = include_str!("wire_shapes.txt").lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let mut words = line.split(' ');
            (
                words.next().expect("split yields at least one word"),
                words.map(Field::parse).collect(),
            )
        })
        .collect()
});

fn shape(name: &str) -> &'static [Field] {
    SHAPES.get(name).unwrap_or_else(|| panic!("`wire_shapes.txt` lacks the type {name}"))
}

impl Field {
    fn parse(word: &'static str) -> Self {
        let (name, kind) = word
            .split_once(':')
            .unwrap_or_else(|| panic!("`{word}` in `wire_shapes.txt` has no kind"));
        let (kind, default) =
            kind.split_once('=').map_or((kind, None), |(kind, default)| (kind, Some(default)));
        let (kind, is_always) = kind.strip_suffix('!').map_or((kind, false), |kind| (kind, true));
        let kind = match kind {
            "-" => Kind::Pointer,
            "?" => Kind::Nullable,
            "s" => Kind::Text,
            "b" => Kind::Flag,
            "n" => Kind::Number,
            "i" => Kind::IntOrString,
            "q" => Kind::Quantity,
            "[]" => Kind::List,
            "{}" => Kind::Map,
            "{q}" => Kind::QuantityMap,
            list if list.starts_with('[') => Kind::ListOf(&list[1..list.len() - 1]),
            name => Kind::Struct(name),
        };
        Self { name, kind, is_always, default }
    }

    /// The value that Go writes for a field that was never set, if it writes one.
    fn zero(&self) -> Option<Value> {
        match self.kind {
            Kind::Nullable => Some(Value::Null),
            _ if !self.is_always => None,
            Kind::Text => Some(Value::String(String::new())),
            Kind::Flag => Some(Value::Bool(false)),
            Kind::Number | Kind::IntOrString => Some(Value::from(0)),
            Kind::Quantity => Some(Value::String("0".to_owned())),
            Kind::List | Kind::ListOf(_) | Kind::Map | Kind::QuantityMap | Kind::Pointer => {
                Some(Value::Null)
            }
            Kind::Struct(name) => {
                let mut fields = Value::Object(Map::new());
                normalize(&mut fields, name);
                Some(fields)
            }
        }
    }

    fn default(&self) -> Option<Value> {
        let text = self.default?;
        Some(match text {
            "false" => Value::Bool(false),
            _ => text.parse::<i64>().map_or_else(|_| Value::String(text.to_owned()), Value::from),
        })
    }

    fn is_left_out(&self, value: &Value) -> bool {
        match value {
            Value::Null => true,
            Value::String(text) => !self.is_always && self.kind == Kind::Text && text.is_empty(),
            Value::Bool(flag) => !self.is_always && self.kind == Kind::Flag && !flag,
            Value::Number(number) => {
                !self.is_always && self.kind == Kind::Number && number.as_i64() == Some(0)
            }
            Value::Array(items) => !self.is_always && items.is_empty(),
            Value::Object(fields) => {
                !self.is_always
                    && fields.is_empty()
                    && matches!(self.kind, Kind::Map | Kind::QuantityMap)
            }
        }
    }
}

/// Makes `value`, a Go value of type `type_name` as JSON, what Go writes after having read it: empty optional fields and
/// unknown ones go, fields that are always written appear, quantities become canonical.
pub fn normalize(value: &mut Value, type_name: &str) {
    round_trip(value, type_name, true);
}

/// Makes `value` what a mutating webhook's patch makes of it, that is [`normalize`] without the removals
/// (controller-runtime 0.24 drops those that the typed round trip alone would cause).
pub fn complete(value: &mut Value, type_name: &str) {
    round_trip(value, type_name, false);
}

fn round_trip(value: &mut Value, type_name: &str, removes: bool) {
    let Value::Object(fields) = value else { return };
    let shape = shape(type_name);
    if removes {
        fields.retain(|name, _| shape.iter().any(|field| field.name == name));
    }
    for field in shape {
        match fields.get_mut(field.name) {
            Some(present) if !field.is_left_out(present) => {
                round_trip_field(present, field.kind, removes);
            }
            present => match field.zero() {
                Some(zero) => {
                    fields.insert(field.name.to_owned(), zero);
                }
                None if removes && present.is_some() => {
                    fields.remove(field.name);
                }
                None => {}
            },
        }
    }
}

fn round_trip_field(value: &mut Value, kind: Kind, removes: bool) {
    match kind {
        Kind::Struct(name) => round_trip(value, name, removes),
        Kind::ListOf(name) => each_item(value, |item| round_trip(item, name, removes)),
        Kind::Quantity => canonicalize(value),
        Kind::QuantityMap => {
            if let Value::Object(entries) = value {
                entries.values_mut().for_each(canonicalize);
            }
        }
        _ => {}
    }
}

/// Rewrites a quantity; a text that is none stays, as validation refuses it.
fn canonicalize(value: &mut Value) {
    let text = match &*value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return,
    };
    if let Ok(quantity) = Quantity::parse(text.trim()) {
        *value = Value::String(quantity.canonical());
    }
}

/// Sets the schema's defaults in `value`, as the API server does to what it stores.
pub fn fill_defaults(value: &mut Value, type_name: &str) {
    let Value::Object(fields) = value else { return };
    for field in shape(type_name) {
        if let Some(default) = field.default() {
            let current = fields.entry(field.name).or_insert(Value::Null);
            if current.is_null() {
                *current = default;
            }
        }
        if let Some(present) = fields.get_mut(field.name) {
            match field.kind {
                Kind::Struct(name) => fill_defaults(present, name),
                Kind::ListOf(name) => each_item(present, |item| fill_defaults(item, name)),
                _ => {}
            }
        }
    }
}

/// Calls `found` with the path of every required field of `type_name` that `value` lacks.
pub fn missing_fields(value: &Value, type_name: &str, path: &str, found: &mut impl FnMut(String)) {
    let Value::Object(fields) = value else { return };
    for field in shape(type_name) {
        let present = fields.get(field.name).filter(|value| !value.is_null());
        let field_path = format!("{path}.{}", field.name);
        match (present, field.kind) {
            (None, kind) if field.is_always && is_required(field.name, kind) => found(field_path),
            (Some(present), Kind::Struct(name)) => {
                missing_fields(present, name, &field_path, &mut *found);
            }
            (Some(Value::Array(items)), Kind::ListOf(name)) => {
                for (index, item) in items.iter().enumerate() {
                    missing_fields(item, name, &format!("{field_path}[{index}]"), &mut *found);
                }
            }
            _ => {}
        }
    }
}

/// Whether the schema requires a field that Go always writes: not `resources`, `metadata` and the like, which Go writes
/// only because they are structs.
fn is_required(field: &str, kind: Kind) -> bool {
    match kind {
        Kind::Struct(_) => matches!(field, "workerTemplate" | "preference" | "podAffinityTerm"),
        Kind::Quantity => false,
        Kind::ListOf(_) => field != "sources", // Of a projected volume: optional, though Go writes it always.
        _ => true,
    }
}

/// Returns the most similar field of the object at `path` without its last name in a `type_name`, if any is similar to
/// that name. Types that are not listed have no fields.
pub fn nearest_field(type_name: &str, path: &str) -> Option<&'static str> {
    /// Similarity from which a name is taken for a misspelt one; as in rustc and clap about three letters in four agree.
    const SIMILARITY_MIN: f64 = 0.8;
    let (parents, name) = path.rsplit_once('.').unwrap_or(("", path));
    let mut fields = SHAPES.get(type_name)?;
    for parent in parents.split('.').filter(|parent| !parent.is_empty()) {
        let parent = parent.split('[').next().unwrap_or(parent);
        let field = fields.iter().find(|field| field.name == parent)?;
        let (Kind::Struct(type_name) | Kind::ListOf(type_name)) = field.kind else { return None };
        fields = SHAPES.get(type_name)?;
    }
    fields
        .iter()
        .map(|field| (strsim::jaro_winkler(name, field.name), field.name))
        .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

fn each_item(value: &mut Value, change: impl Fn(&mut Value)) {
    if let Value::Array(items) = value {
        items.iter_mut().for_each(change);
    }
}

/// Writes `value` as Go's encoding/json writes a generic value: keys sorted by byte, no spaces, HTML characters and line
/// separators escaped, numbers through 64-bit floats.
pub fn to_go_json(value: &Value) -> String {
    let mut text = String::with_capacity(1024);
    write_value(&mut text, value);
    text
}

fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => write_number(out, number),
        Value::String(text) => write_string(out, text),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_value(out, item);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            // Sorted here and not by serde_json, whose feature `preserve_order` any dependency may switch on.
            let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
            fields.sort_unstable_by_key(|(key, _)| *key);
            out.push('{');
            for (index, (key, field)) in fields.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_string(out, key);
                out.push(':');
                write_value(out, field);
            }
            out.push('}');
        }
    }
}

fn write_number(out: &mut String, number: &serde_json::Number) {
    const EXACT_MAX: u64 = 1 << 53;
    let written = match number.as_i64() {
        Some(integer) if integer.unsigned_abs() <= EXACT_MAX => write!(out, "{integer}"),
        _ => write!(out, "{}", number.as_f64().unwrap_or(0.0)),
    };
    written.expect("writing to a string cannot fail");
}

fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                write!(out, "\\u{:04x}", u32::from(character))
                    .expect("writing to a string cannot fail");
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::lws::ClaimTemplate;
    use k8s_openapi::api::core::v1::PodTemplateSpec;
    use serde::Serialize;
    use serde::de::DeserializeOwned;
    use serde_json::json;

    #[test]
    fn every_type_that_is_named_is_listed() {
        let mut types: Vec<_> = SHAPES.iter().collect();
        types.sort_by_key(|(name, _)| *name);
        for (_, fields) in types {
            for field in fields {
                if let Kind::Struct(name) | Kind::ListOf(name) = field.kind {
                    assert!(SHAPES.contains_key(name), "{name}");
                }
            }
        }
    }

    #[test]
    fn strings_and_numbers_are_written_as_go_does() {
        let value = json!({"b": "<a&b>\u{2028}\u{1}\u{8}é\"\\\n", "a": 9_007_199_254_740_993_i64, "$patch": [null, true, -5], "c": i64::MAX});
        assert_eq!(
            to_go_json(&value),
            r#"{"$patch":[null,true,-5],"a":9007199254740992,"b":"\u003ca\u0026b\u003e\u2028\u0001\bé\"\\\n","c":9223372036854775807}"#
                .replace("9223372036854775807", "9223372036854776000")
        );
    }

    #[test]
    fn schema_defaults_fill_ports_probes_and_names() {
        let mut template = json!({"spec": {
            "containers": [{"name": "a", "ports": [{"containerPort": 1}, {"containerPort": 2, "protocol": "UDP"}],
                "livenessProbe": {"grpc": {"port": 3}}, "envFrom": [{"secretRef": {}}]}],
            "volumes": [{"name": "v", "azureDisk": {"diskName": "d", "diskURI": "u"}}],
        }});
        fill_defaults(&mut template, "PodTemplateSpec");
        assert_eq!(
            template,
            json!({"spec": {
                "containers": [{"name": "a", "ports": [{"containerPort": 1, "protocol": "TCP"}, {"containerPort": 2, "protocol": "UDP"}],
                    "livenessProbe": {"grpc": {"port": 3, "service": ""}}, "envFrom": [{"secretRef": {"name": ""}}]}],
                "volumes": [{"name": "v", "azureDisk": {"diskName": "d", "diskURI": "u", "fsType": "ext4", "readOnly": false}}],
            }})
        );
    }

    #[test]
    fn templates_and_claims_are_written_as_go_does() {
        // Made with k8s.io/api v0.36.3: read into the Go type, written, read into a map, written again.
        let cases: Value =
            serde_json::from_str(include_str!("../../tests/vectors/go-wire.json")).unwrap();
        for case in cases.as_array().unwrap() {
            let type_name = case["type"].as_str().unwrap();
            let mut value = match type_name {
                "PodTemplateSpec" => typed::<PodTemplateSpec>(&case["given"]),
                _ => typed::<ClaimTemplate>(&case["given"]),
            };
            normalize(&mut value, type_name);
            assert_eq!(to_go_json(&value), case["written"].as_str().unwrap(), "{}", case["given"]);
        }
    }

    fn typed<T: Serialize + DeserializeOwned>(given: &Value) -> Value {
        serde_json::to_value(serde_json::from_value::<T>(given.clone()).unwrap()).unwrap()
    }
}
