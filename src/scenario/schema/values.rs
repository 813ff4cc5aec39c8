//! Durations, sizes, distributions and the other values that are written as text.

use super::{KubernetesVersion, Seeds};
use crate::api::quantity::Quantity;
use crate::engine::Span;
use crate::scenario::decode::coded;
use crate::scenario::diagnostic::Code;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// A length of virtual time such as `90s`, `1h30m` or `250ms`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(pub Span);

/// Bytes, or bytes per second, as a Kubernetes quantity such as `12G` or `810Gi`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// A value that a distribution can be of.
pub trait Magnitude: Copy + fmt::Debug {
    /// What it is called, for messages and the schema.
    const NAME: &'static str;

    /// Returns the value in seconds or bytes.
    fn magnitude(self) -> f64;

    /// Reads a value.
    fn parse<E: Error>(text: &str) -> Result<Self, E>;
}

impl Magnitude for Duration {
    const NAME: &'static str = "Duration";

    fn magnitude(self) -> f64 {
        self.0.as_secs_f64()
    }

    fn parse<E: Error>(text: &str) -> Result<Self, E> {
        parse_duration(text).map(Self).map_err(|problem| {
            coded(
                Code::BadDuration,
                &problem,
                "durations look like `90s`, `1h30m`, `250ms`; units are d, h, m, s, ms, us, ns",
            )
        })
    }
}

impl Magnitude for Size {
    const NAME: &'static str = "Size";

    fn magnitude(self) -> f64 {
        self.0 as f64
    }

    fn parse<E: Error>(text: &str) -> Result<Self, E> {
        let bad = |problem: &str| {
            coded(
                Code::BadQuantity,
                &format!("`{text}` is not a size: {problem}"),
                "sizes are Kubernetes quantities such as `12G`, `810Gi`, `60M`",
            )
        };
        let quantity = Quantity::parse(text).map_err(|error| bad(&error.to_string()))?;
        u64::try_from(quantity.units_ceil()).map(Self).map_err(|_| bad("it is negative"))
    }
}

/// Reads a duration: numbers with units, in a row.
pub(in crate::scenario) fn parse_duration(text: &str) -> Result<Span, String> {
    const UNITS: [(&str, u64); 9] = [
        ("ns", 1),
        ("us", 1_000),
        ("µs", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
        ("d", 86_400_000_000_000),
        ("w", 604_800_000_000_000),
    ];
    let bad = |problem: &str| format!("`{text}` is not a duration: {problem}");
    let mut rest = text.trim();
    if rest == "0" {
        return Ok(Span::ZERO);
    }
    if rest.starts_with('-') {
        return Err(format!("`{text}` is negative, and time runs forward only"));
    }
    if rest.is_empty() {
        return Err(bad("it is empty"));
    }
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(number_end);
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_end);
        if number.is_empty() {
            return Err(bad("it does not begin with a number"));
        }
        if unit.is_empty() {
            return Err(bad("the unit is missing"));
        }
        let Some((_, scale)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(bad(&format!("there is no unit `{}`", unit.trim())));
        };
        total = total.saturating_add(
            decimal_times(number, *scale).ok_or_else(|| bad("the number is malformed"))?,
        );
        rest = next;
    }
    u64::try_from(total).map(Span).map_err(|_| bad("it is longer than 584 years"))
}

/// Returns a decimal number times a scale, exactly, with what is below one dropped.
fn decimal_times(number: &str, scale: u64) -> Option<u128> {
    // Digits after the point beyond nanoseconds of a week do not count.
    const FRACTION_DIGITS_MAX: usize = 18;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction = &fraction[..fraction.len().min(FRACTION_DIGITS_MAX)];
    let part: u128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let divisor = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let scale = u128::from(scale);
    whole.checked_mul(scale)?.checked_add(part.checked_mul(scale)? / divisor)
}

struct MagnitudeVisitor<V>(PhantomData<V>);

impl<V: Magnitude> Visitor<'_> for MagnitudeVisitor<V> {
    type Value = V;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if V::NAME == "Size" {
            "a size such as `12G`"
        } else {
            "a duration such as `90s`"
        })
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<V, E> {
        V::parse(text)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<V, E> {
        V::parse(&value.to_string())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<V, E> {
        V::parse(&value.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<V, E> {
        V::parse(&value.to_string())
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MagnitudeVisitor(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MagnitudeVisitor(PhantomData))
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}ns", self.0.0))
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A length of virtual time such as `90s`, `1h30m` or `250ms`; units are w, d, h, m, s, ms, us, ns.",
            "anyOf": [
                {"type": "string", "pattern": "^(0|(([0-9]+(\\.[0-9]*)?|\\.[0-9]+)(w|d|h|m|s|ms|us|µs|ns))+)$"},
                {"const": 0}
            ]
        })
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Bytes, or bytes per second, as a Kubernetes quantity such as `12G`, `810Gi` or `60M`.",
            "type": ["string", "integer"]
        })
    }
}

/// A distribution of durations or sizes: a plain value is always the same.
#[derive(Clone, Debug, PartialEq)]
pub enum DistributionSpec<V> {
    /// Always this.
    Plain(V),
    /// Drawn anew each time.
    Drawn(Box<Form<V>>),
}

/// Forms of distributions.
#[derive(Clone, Debug, PartialEq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, bound = "V: Magnitude + Deserialize<'de>")]
#[schemars(bound = "V: Magnitude + JsonSchema")]
pub enum Form<V> {
    /// Always the same value.
    Constant(V),
    /// Any value between two, all as likely.
    Uniform {
        /// Smallest value.
        min: V,
        /// Largest value.
        max: V,
    },
    /// Exponential, as waiting times without memory are.
    Exponential {
        /// Mean.
        mean: V,
    },
    /// Log-normal, as most measured durations are.
    Lognormal {
        /// Median.
        median: V,
        /// Standard deviation of the logarithm: 0.33 makes the 95th percentile 1.7 times the median.
        sigma: f64,
    },
    /// Weibull.
    Weibull {
        /// Scale.
        scale: V,
        /// Shape.
        shape: f64,
    },
    /// Gamma.
    Gamma {
        /// Mean.
        mean: V,
        /// Shape.
        shape: f64,
    },
    /// Drawn from measured values, with linear interpolation between them.
    Empirical(EmpiricalSpec),
    /// One of several distributions, chosen by weight.
    Mixture(Vec<Weighted<V>>),
}

/// Measured values in a CSV file.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EmpiricalSpec {
    /// The file, relative to the scenario.
    pub csv: String,
    /// The column that a header line names: numbers in seconds or bytes. Default: the file has one column.
    pub column: Option<String>,
}

/// A part of a mixture.
#[derive(Clone, Debug, PartialEq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, bound = "V: Magnitude + Deserialize<'de>")]
#[schemars(bound = "V: Magnitude + JsonSchema")]
pub struct Weighted<V> {
    /// How often it is chosen, in proportion to the sum of the weights.
    pub weight: f64,
    /// What is drawn then.
    pub of: DistributionSpec<V>,
}

impl<'de, V: Magnitude + Deserialize<'de>> Deserialize<'de> for DistributionSpec<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DistributionVisitor(PhantomData))
    }
}

struct DistributionVisitor<V>(PhantomData<V>);

impl<'de, V: Magnitude + Deserialize<'de>> Visitor<'de> for DistributionVisitor<V> {
    type Value = DistributionSpec<V>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain =
            if V::NAME == "Size" { "a size such as `12G`" } else { "a duration such as `90s`" };
        write!(
            formatter,
            "{plain} or a distribution such as `{{lognormal: {{median: …, sigma: 0.33}}}}`"
        )
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        V::parse(text).map(DistributionSpec::Plain)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        V::parse(&value.to_string()).map(DistributionSpec::Plain)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        V::parse(&value.to_string()).map(DistributionSpec::Plain)
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Self::Value, A::Error> {
        let form = Form::deserialize(MapAccessDeserializer::new(access))?;
        Ok(DistributionSpec::Drawn(Box::new(form)))
    }
}

impl<V: Magnitude + JsonSchema> JsonSchema for DistributionSpec<V> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}Distribution", V::NAME).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let plain = generator.subschema_for::<V>();
        let form = generator.subschema_for::<Form<V>>();
        json_schema!({"description": "A plain value, or a distribution to draw from.", "anyOf": [plain, form]})
    }
}

impl<'de> Deserialize<'de> for KubernetesVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(VersionVisitor)
    }
}

struct VersionVisitor;

impl Visitor<'_> for VersionVisitor {
    type Value = KubernetesVersion;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a version such as `1.36`")
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<KubernetesVersion, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<KubernetesVersion, E> {
        let numbers: Option<Vec<u32>> =
            text.trim_start_matches('v').split('.').map(|number| number.parse().ok()).collect();
        match numbers.as_deref() {
            Some([1, minor @ 33..=37]) => Ok(KubernetesVersion { minor: *minor, patch: None }),
            Some([1, minor @ 33..=37, patch]) => {
                Ok(KubernetesVersion { minor: *minor, patch: Some(*patch) })
            }
            Some([_, _] | [_, _, _]) => Err(coded(
                Code::UnknownVersion,
                &format!("Kubernetes {text} is not simulated"),
                "known: `1.33`, `1.34`, `1.35`, `1.36`, `1.37`",
            )),
            _ => Err(coded(
                Code::UnknownVersion,
                &format!("`{text}` is not a version"),
                "write for example `1.36` or `1.35.2`",
            )),
        }
    }
}

impl JsonSchema for KubernetesVersion {
    fn schema_name() -> Cow<'static, str> {
        "KubernetesVersion".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [{"type": "string", "pattern": "^v?1\\.3[3-7](\\.[0-9]+)?$"}, {"type": "number"}]})
    }
}

impl<'de> Deserialize<'de> for Seeds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SeedsVisitor)
    }
}

struct SeedsVisitor;

impl<'de> Visitor<'de> for SeedsVisitor {
    type Value = Seeds;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number of seeds or a list of seeds")
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Seeds, E> {
        // Results of more runs than this do not fit into anybody's memory.
        const SEEDS_MAX: i64 = 1_000_000;
        match u32::try_from(value) {
            Ok(count) if (1..=SEEDS_MAX).contains(&value) => Ok(Seeds::Count(count)),
            _ => Err(E::custom(format_args!("expected 1 to {SEEDS_MAX} seeds, found {value}"))),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Seeds, A::Error> {
        let mut seeds = Vec::new();
        while let Some(seed) = access.next_element::<u64>()? {
            if seeds.contains(&seed) {
                return Err(A::Error::custom(format_args!("seed {seed} stands twice")));
            }
            seeds.push(seed);
        }
        if seeds.is_empty() {
            Err(A::Error::custom("the list of seeds is empty"))
        } else {
            Ok(Seeds::List(seeds))
        }
    }
}

impl JsonSchema for Seeds {
    fn schema_name() -> Cow<'static, str> {
        "Seeds".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": 1_000_000},
                {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 0}}
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<u64, &str>) {
        let found = parse_duration(text).map(|span| span.0);
        match expected {
            Ok(ns) => assert_eq!(found, Ok(ns), "{text}"),
            Err(part) => assert!(
                found.as_ref().is_err_and(|error| error.contains(part)),
                "{text}: {found:?}"
            ),
        }
    }

    #[test]
    fn durations_are_numbers_with_units() {
        check("90s", Ok(90_000_000_000));
        check("1h30m", Ok(5_400_000_000_000));
        check("250ms", Ok(250_000_000));
        check("1.5h", Ok(5_400_000_000_000));
        check(".5us", Ok(500));
        check("0", Ok(0));
        check("0s", Ok(0));
        check("1d", Ok(86_400_000_000_000));
        check("12", Err("the unit is missing"));
        check("-5s", Err("negative"));
        check("5 parsecs", Err("there is no unit `parsecs`"));
        check("s", Err("does not begin with a number"));
        check("", Err("empty"));
        check("1.2.3s", Err("malformed"));
        check(".s", Err("malformed"));
        check("999999999w", Err("584 years"));
    }
}
