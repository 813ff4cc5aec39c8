//! From a [`Node`] to typed values, with a place for each error.
//!
//! A serde deserializer over the tree: an error without a place gets that of the innermost value or key that it came
//! through. Works only with externally tagged enums and without `flatten` and `untagged`, for these make serde buffer.

use super::diagnostic::{Code, Diagnostic, suggestion};
use super::tree::{At, Key, Node, Sources, Value};
use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};
use std::fmt;

/// Separates code, message and help in the text of a custom error; no message holds it.
const SEPARATOR: char = '\u{1f}';

/// Returns the typed value of a tree.
pub(super) fn decode<T: DeserializeOwned>(sources: &Sources, node: &Node) -> Result<T, Diagnostic> {
    T::deserialize(node)
        .map_err(|failure| failure.with_place(node.at))
        .map_err(|failure| failure.diagnostic(sources))
}

/// Returns an error of a stated code from within an implementation of `Deserialize`.
pub(super) fn coded<E: de::Error>(code: Code, message: &str, help: &str) -> E {
    E::custom(format_args!("{SEPARATOR}{code}{SEPARATOR}{message}{SEPARATOR}{help}"))
}

/// Why a tree is not what was wanted.
#[derive(Debug)]
pub(super) struct Failure {
    code: Code,
    message: String,
    help: Option<String>,
    at: Option<At>,
}

impl Failure {
    fn new(code: Code, message: String) -> Self {
        Self { code, message, help: None, at: None }
    }

    fn with_place(mut self, at: At) -> Self {
        self.at.get_or_insert(at);
        self
    }

    fn diagnostic(self, sources: &Sources) -> Diagnostic {
        let mut diagnostic = Diagnostic::error(self.code, self.message);
        diagnostic.help = self.help;
        match self.at {
            Some(at) => sources.place(diagnostic, at),
            None => diagnostic,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl de::Error for Failure {
    fn custom<T: fmt::Display>(text: T) -> Self {
        let text = text.to_string();
        let mut parts =
            text.strip_prefix(SEPARATOR).into_iter().flat_map(|rest| rest.split(SEPARATOR));
        let (Some(code), Some(message), Some(help)) = (parts.next(), parts.next(), parts.next())
        else {
            return Self::new(Code::InvalidValue, text);
        };
        let code = [Code::BadDuration, Code::BadQuantity, Code::UnknownVersion, Code::BadGate]
            .into_iter()
            .find(|known| known.as_str() == code)
            .unwrap_or(Code::InvalidValue);
        let help = (!help.is_empty()).then(|| help.to_owned());
        Self { help, ..Self::new(code, message.to_owned()) }
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new(
            Code::WrongType,
            format!("expected {}, found {}", wanted(expected), found(unexpected)),
        )
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let wanted = match expected.to_string().as_str() {
            "u32" => format!("a whole number from 0 to {}", u32::MAX),
            "u64" => "a whole number of at least 0".to_owned(),
            "i32" => format!("a whole number from {} to {}", i32::MIN, i32::MAX),
            _ => wanted(expected),
        };
        Self::new(Code::InvalidValue, format!("expected {wanted}, found {}", found(unexpected)))
    }

    fn invalid_length(length: usize, expected: &dyn de::Expected) -> Self {
        Self::new(
            Code::InvalidValue,
            format!("expected {}, found {length} elements", wanted(expected)),
        )
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let help = suggestion(field, expected.iter().copied())
            .or_else(|| Some("no field is allowed here".to_owned()));
        Self { help, ..Self::new(Code::UnknownField, format!("unknown field `{field}`")) }
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let help = suggestion(variant, expected.iter().copied());
        Self { help, ..Self::new(Code::UnknownVariant, format!("unknown name `{variant}`")) }
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(Code::MissingField, format!("field `{field}` is missing"))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(Code::DuplicateKey, format!("field `{field}` stands twice"))
    }
}

/// Returns what was expected in words that need no Rust.
fn wanted(expected: &dyn de::Expected) -> String {
    let text = expected.to_string();
    match text.as_str() {
        "u32" | "u64" | "i32" | "i64" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a mapping".to_owned(),
        _ if text.starts_with("struct ") => "a mapping".to_owned(),
        _ => text,
    }
}

fn found(unexpected: Unexpected<'_>) -> String {
    match unexpected {
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Map | Unexpected::StructVariant => "a mapping".to_owned(),
        Unexpected::Seq | Unexpected::TupleVariant => "a list".to_owned(),
        Unexpected::Str(text) => format!("the string `{text}`"),
        Unexpected::Unsigned(number) => format!("the number {number}"),
        Unexpected::Signed(number) => format!("the number {number}"),
        Unexpected::Float(number) => format!("the number {number}"),
        Unexpected::Bool(value) => format!("`{value}`"),
        other => other.to_string(),
    }
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Int(value) => visitor.visit_i64(*value),
            Value::UInt(value) => visitor.visit_u64(*value),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Text(text) => visitor.visit_borrowed_str(text),
            Value::List(items) => visitor.visit_seq(Items(items.iter())),
            Value::Map(entries) => {
                visitor.visit_map(Entries { entries: entries.iter(), value: None })
            }
        }
        .map_err(|failure: Failure| failure.with_place(self.at))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
        .map_err(|failure: Failure| failure.with_place(self.at))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_newtype_struct(self).map_err(|failure: Failure| failure.with_place(self.at))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        // serde would read the elements of a list as fields in the order of the declaration.
        if let Value::List(_) = self.value {
            let failure =
                Failure::new(Code::WrongType, "expected a mapping, found a list".to_owned());
            return Err(failure.with_place(self.at));
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let result = match &self.value {
            Value::Text(text) => {
                let key: StrDeserializer<'_, Failure> = text.as_str().into_deserializer();
                visitor.visit_enum(key)
            }
            Value::Map(entries) if entries.len() == 1 => {
                visitor.visit_enum(Variant { key: &entries[0].0, value: &entries[0].1 })
            }
            Value::Map(entries) => {
                let message = match entries.get(1) {
                    None => "expected one name with its value, found an empty mapping".to_owned(),
                    Some((key, _)) => {
                        format!("only one of these can be given: `{}` is one too many", key.name)
                    }
                };
                let mut failure = Failure::new(Code::InvalidValue, message);
                failure.at = entries.get(1).map(|(key, _)| key.at);
                failure.help = suggestion("", variants.iter().copied());
                Err(failure)
            }
            other => {
                let mut failure = Failure::new(
                    Code::WrongType,
                    format!("expected a name with its value, found {}", other.kind()),
                );
                failure.help = suggestion("", variants.iter().copied());
                Err(failure)
            }
        };
        result.map_err(|failure: Failure| failure.with_place(self.at))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

struct Items<'de>(std::slice::Iter<'de, Node>);

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Failure;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Failure> {
        let Some(node) = self.0.next() else { return Ok(None) };
        seed.deserialize(node).map(Some).map_err(|failure| failure.with_place(node.at))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

struct Entries<'de> {
    entries: std::slice::Iter<'de, (Key, Node)>,
    value: Option<&'de Node>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Failure> {
        let Some((key, node)) = self.entries.next() else { return Ok(None) };
        self.value = Some(node);
        let name: StrDeserializer<'_, Failure> = key.name.as_str().into_deserializer();
        seed.deserialize(name).map(Some).map_err(|failure| failure.with_place(key.at))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Failure> {
        let node = self.value.take().expect("serde asks for a value only after its key");
        seed.deserialize(node).map_err(|failure| failure.with_place(node.at))
    }
}

struct Variant<'de> {
    key: &'de Key,
    value: &'de Node,
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = Failure;
    type Variant = &'de Node;

    fn variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<(T::Value, &'de Node), Failure> {
        let name: StrDeserializer<'_, Failure> = self.key.name.as_str().into_deserializer();
        let variant = seed.deserialize(name).map_err(|failure| failure.with_place(self.key.at))?;
        Ok((variant, self.value))
    }
}

impl<'de> VariantAccess<'de> for &'de Node {
    type Error = Failure;

    fn unit_variant(self) -> Result<(), Failure> {
        match self.value {
            Value::Null => Ok(()),
            _ => Err(Failure::new(Code::WrongType, "this name takes no value".to_owned())
                .with_place(self.at)),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Failure> {
        seed.deserialize(self).map_err(|failure| failure.with_place(self.at))
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.deserialize_any(visitor)
    }
}
