//! YAML as a tree in which each value knows its place.
//!
//! Variants and `--set` change any part of a scenario before it is read into types. A tree keeps the places through such
//! changes: a value that a variant brought points into the variant, one from a flag into the flag. Reading into types is
//! the business of `decode`.

use super::diagnostic::{Code, Diagnostic, TextSpan};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::budget::BudgetBreach;
use serde_yaml::{Error, Location, Spanned};
use std::fmt;
use std::sync::Arc;

/// A text that values come from: a file or a flag.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// How the user named it.
    pub(super) name: String,
    /// All of it.
    pub(super) text: Arc<str>,
}

/// All texts of one scenario; places refer to them by number.
#[derive(Clone, Debug, Default)]
pub(super) struct Sources(Vec<Source>);

impl Sources {
    /// Adds a text and returns its number.
    pub(super) fn add(&mut self, name: impl Into<String>, text: Arc<str>) -> usize {
        self.0.push(Source { name: name.into(), text });
        self.0.len() - 1
    }

    /// Returns `diagnostic` placed at `at`.
    #[must_use]
    pub(super) fn place(&self, mut diagnostic: Diagnostic, at: At) -> Diagnostic {
        let source = &self.0[at.source];
        diagnostic.file.clone_from(&source.name);
        let text = &source.text;
        let start = text.floor_char_boundary(at.start.min(text.len()));
        // A caret under many lines helps nobody: the first one is enough.
        let line_end = text[start..].find('\n').map_or(text.len(), |length| start + length);
        diagnostic.span = Some(TextSpan::new(text, start..at.end.clamp(start, line_end)));
        diagnostic.source = Some(Arc::clone(&source.text));
        diagnostic
    }
}

/// A place: a range of bytes of a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct At {
    /// Number of the source.
    pub(super) source: usize,
    /// First byte.
    pub(super) start: usize,
    /// One past the last byte.
    pub(super) end: usize,
}

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Where it stands.
    pub(super) at: At,
    /// What it is.
    pub(super) value: Value,
}

/// A YAML value.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Nothing.
    Null,
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number that is too large for `Int`.
    UInt(u64),
    /// A number with a fraction.
    Float(f64),
    /// A string.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order of the file.
    Map(Vec<(Key, Node)>),
}

/// Returns the names and numbers of a path such as `timeline[2].setImage.set`.
fn split(path: &str) -> impl Iterator<Item = &str> {
    path.split(['.', '['])
        .filter(|segment| !segment.is_empty())
        .map(|segment| segment.trim_end_matches(']'))
}

/// A key of a mapping and its place.
#[derive(Clone, Debug)]
pub(super) struct Key {
    /// Where it stands.
    pub(super) at: At,
    /// What it is.
    pub(super) name: String,
}

impl Value {
    /// Returns what it is, with its article, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::UInt(_) => "a whole number",
            Self::Float(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

impl Node {
    /// Returns the value of a key of a mapping.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(entries) => {
                entries.iter().find(|(key, _)| key.name == name).map(|(_, node)| node)
            }
            _ => None,
        }
    }

    /// Returns the value of a key of a mapping.
    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Self> {
        match &mut self.value {
            Value::Map(entries) => {
                entries.iter_mut().find(|(key, _)| key.name == name).map(|(_, node)| node)
            }
            _ => None,
        }
    }

    /// Returns the value at a path of keys joined by dots.
    pub(super) fn value_at_mut(&mut self, path: &str) -> Option<&mut Self> {
        split(path).try_fold(self, Self::get_mut)
    }

    /// Returns the string that it is.
    pub(super) fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the elements of the list that it is; none if it is none.
    pub(super) fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// Returns the value at a path such as `timeline[2].setImage.set`.
    pub(super) fn value_at(&self, path: &str) -> Option<&Self> {
        split(path).try_fold(self, Self::part)
    }

    /// Returns the place of the value at a path, or of the nearest value around it that exists.
    ///
    /// Names are compared without regard to case, for the webhook of LWS writes `SubGroupPolicy` in a path.
    pub(super) fn place_of(&self, path: &str) -> At {
        let mut node = self;
        let mut rest = path;
        while !rest.is_empty() {
            // A key may hold dots itself, as annotations do.
            if let Some(whole) = node.get(rest) {
                return whole.at;
            }
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            match node.part(rest[..end].trim_end_matches(']')) {
                Some(next) => node = next,
                None if end > 0 => break,
                None => {}
            }
            rest = rest[end..].get(1..).unwrap_or_default();
        }
        node.at
    }

    /// Returns the place of the key at the end of a path, or of the nearest value around it that exists.
    pub(super) fn place_of_key(&self, path: &str) -> At {
        let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
        let Some(Value::Map(entries)) = self.value_at(parent).map(|holder| &holder.value) else {
            return self.place_of(parent);
        };
        entries
            .iter()
            .find(|(key, _)| key.name == name)
            .map_or_else(|| self.place_of(parent), |(key, _)| key.at)
    }

    fn part(&self, segment: &str) -> Option<&Self> {
        match &self.value {
            Value::List(items) => items.get(segment.parse::<usize>().ok()?),
            Value::Map(entries) => entries
                .iter()
                .find(|(key, _)| key.name == segment)
                .or_else(|| entries.iter().find(|(key, _)| key.name.eq_ignore_ascii_case(segment)))
                .map(|(_, node)| node),
            _ => None,
        }
    }

    /// Sets the value at a path of keys, making mappings on the way.
    pub(super) fn set(&mut self, path: &[&str], value: Self) {
        let Some((last, parents)) = path.split_last() else {
            *self = value;
            return;
        };
        let mut holder = self;
        for name in parents {
            holder = holder.entry(name, value.at);
        }
        let place = holder.entry(last, value.at);
        *place = value;
    }

    /// Returns the value of a key, which is made if it is not there; what is no mapping becomes one.
    fn entry(&mut self, name: &str, at: At) -> &mut Self {
        if !matches!(self.value, Value::Map(_)) {
            self.value = Value::Map(Vec::new());
        }
        let Value::Map(entries) = &mut self.value else {
            unreachable!("it was made a mapping above")
        };
        let position = entries.iter().position(|(key, _)| key.name == name).unwrap_or_else(|| {
            entries.push((Key { at, name: name.to_owned() }, Self { at, value: Value::Null }));
            entries.len() - 1
        });
        &mut entries[position].1
    }

    /// Applies a JSON merge patch (RFC 7386).
    pub(super) fn merge(&mut self, patch: &Self) {
        let Value::Map(changes) = &patch.value else {
            *self = patch.clone();
            return;
        };
        for (key, change) in changes {
            if matches!(change.value, Value::Null) {
                if let Value::Map(entries) = &mut self.value {
                    entries.retain(|(old, _)| old.name != key.name);
                }
            } else {
                self.entry(&key.name, key.at).merge(change);
            }
        }
    }

    /// Returns the value as JSON, for patches and for Kubernetes objects.
    pub(super) fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Null => Json::Null,
            Value::Bool(value) => (*value).into(),
            Value::Int(value) => (*value).into(),
            Value::UInt(value) => (*value).into(),
            Value::Float(value) => {
                serde_json::Number::from_f64(*value).map_or(Json::Null, Json::Number)
            }
            Value::Text(text) => text.as_str().into(),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(entries) => Json::Object(
                entries.iter().map(|(key, node)| (key.name.clone(), node.to_json())).collect(),
            ),
        }
    }

    /// Gives all places the number of their source and lets lists and mappings reach to the end of their last part.
    fn settle(&mut self, source: usize) {
        self.at.source = source;
        match &mut self.value {
            Value::List(items) => {
                for item in items {
                    item.settle(source);
                    self.at.end = self.at.end.max(item.at.end);
                }
            }
            Value::Map(entries) => {
                for (key, node) in entries {
                    key.at.source = source;
                    node.settle(source);
                    self.at.end = self.at.end.max(key.at.end).max(node.at.end);
                }
            }
            _ => {}
        }
    }
}

impl At {
    fn from_location(location: Location) -> Self {
        let start =
            usize::try_from(location.span().byte_offset().unwrap_or(0)).unwrap_or(usize::MAX);
        let length = usize::try_from(location.span().byte_len().unwrap_or(0)).unwrap_or(0);
        Self { source: 0, start, end: start.saturating_add(length) }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self { at: At::from_location(spanned.referenced), value: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or(Value::UInt(value), Value::Int))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        if value.is_finite() {
            Ok(Value::Float(value))
        } else {
            Err(E::custom("numbers must be finite"))
        }
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, node)) = access.next_entry::<Spanned<String>, Node>()? {
            entries.push((Key { at: At::from_location(key.referenced), name: key.value }, node));
        }
        Ok(Value::Map(entries))
    }
}

/// What bounds the reading of a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Values at most, those that aliases repeat included.
    pub(super) nodes_max: usize,
}

impl Bounds {
    /// For what people write: scenarios and manifests.
    pub(super) const WRITTEN: Self = Self { nodes_max: 250_000 };
    /// For what machines write: snapshots of nodes and pods.
    pub(super) const SNAPSHOT: Self = Self { nodes_max: 20_000_000 };
}

/// Reads all documents of a text; empty ones are left out.
pub(super) fn parse(
    sources: &Sources,
    source: usize,
    bounds: Bounds,
) -> Result<Vec<Node>, Diagnostic> {
    // Deeper nesting than this is not written by hand, and a scenario needs less than ten levels.
    const DEPTH_MAX: usize = 100;
    let mut options = serde_yaml::options! {
        budget: serde_yaml::budget! {
            max_nodes: bounds.nodes_max,
            max_events: bounds.nodes_max.saturating_mul(2),
            max_depth: DEPTH_MAX,
        },
        with_snippet: false,
        // Kubernetes reads `defaultMode: 0400` as octal.
        legacy_octal_numbers: true,
    };
    options.alias_limits.max_total_replayed_events = bounds.nodes_max;
    let text = &sources.0[source].text;
    let documents: Result<Vec<Node>, Error> = serde_yaml::from_multiple_with_options(text, options);
    match documents {
        Ok(mut documents) => {
            documents.retain(|document| !matches!(document.value, Value::Null));
            for document in &mut documents {
                document.settle(source);
            }
            Ok(documents)
        }
        Err(error) => Err(syntax_diagnostic(sources, source, &error)),
    }
}

/// Reads a text that holds one value, for `--set`.
pub(super) fn parse_value(
    sources: &Sources,
    source: usize,
    text: &str,
    offset: usize,
) -> Result<Node, Diagnostic> {
    let parsed: Result<Node, Error> =
        serde_yaml::from_str_with_options(text, serde_yaml::options! { with_snippet: false });
    let whole = At { source, start: offset, end: offset + text.len() };
    match parsed {
        Ok(mut node) => {
            node.settle(source);
            node.shift(offset);
            Ok(node)
        }
        Err(error) => {
            Err(sources.place(Diagnostic::error(Code::YamlSyntax, message_of(&error)), whole))
        }
    }
}

impl Node {
    fn shift(&mut self, offset: usize) {
        self.at.start += offset;
        self.at.end += offset;
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(|item| item.shift(offset)),
            Value::Map(entries) => {
                for (key, node) in entries {
                    key.at.start += offset;
                    key.at.end += offset;
                    node.shift(offset);
                }
            }
            _ => {}
        }
    }
}

fn message_of(error: &Error) -> String {
    let text = error.without_snippet().to_string();
    // The place is drawn, so it need not stand in the message as well.
    let end = text.find(" at line ").or_else(|| text.find(" (line ")).unwrap_or(text.len());
    text[..end].to_owned()
}

fn syntax_diagnostic(sources: &Sources, source: usize, error: &Error) -> Diagnostic {
    let mut inner = error.without_snippet();
    while let Error::AliasError { error, .. } = inner {
        inner = error;
    }
    let text = &sources.0[source].text;
    let start = error.location().map_or(0, |location| match location.span().byte_offset() {
        Some(_) => At::from_location(location).start,
        None => offset_of(text, location),
    });
    let start = text.floor_char_boundary(start.min(text.len()));
    let mut length = text[start..].chars().next().map_or(0, char::len_utf8);
    let diagnostic = match inner {
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or("?");
            if text[start..].starts_with(key) {
                length = key.len();
            }
            let message = format!("key `{key}` stands twice in one mapping");
            Diagnostic::error(Code::DuplicateKey, message).with_label("second one here")
        }
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => {
            Diagnostic::error(Code::YamlBudget, "this YAML is nested too deeply")
        }
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => {
            let help = "aliases that repeat aliases multiply: write the values out, or repeat fewer of them";
            Diagnostic::error(Code::YamlBudget, "this YAML grows too large").with_help(help)
        }
        Error::Message { msg, .. } => Diagnostic::error(Code::InvalidValue, msg.clone()),
        _ => {
            let message = format!("this is not valid YAML: {}", message_of(inner));
            Diagnostic::error(Code::YamlSyntax, message)
        }
    };
    sources.place(diagnostic, At { source, start, end: start + length })
}

fn offset_of(text: &str, location: Location) -> usize {
    let line = usize::try_from(location.line()).unwrap_or(1).max(1);
    let column = usize::try_from(location.column()).unwrap_or(1).max(1);
    let start: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
    start + text[start..].chars().take(column - 1).map(char::len_utf8).sum::<usize>()
}
