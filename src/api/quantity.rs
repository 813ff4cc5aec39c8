//! Kubernetes quantities: exact values, parsed and written as apimachinery 0.36 does (`pkg/api/resource`).
//!
//! # Differs from the real thing
//! A decimal value beyond 1.7e29 is refused, not kept; a Kubernetes resource cannot use one.

use std::fmt;
use std::str::FromStr;

const NANO: i128 = 1_000_000_000;
/// Digits after the point that a quantity keeps.
const NANO_DIGITS: i64 = 9;
/// Digits that Go's fast path holds in 64 bits for certain.
const INT64_DIGITS: usize = 18;

/// How a quantity was written, which decides how it is written back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// `12e6`
    DecimalExponent,
    /// `12M`
    DecimalSi,
    /// `12Mi`
    BinarySi,
}

/// An exact amount with a memory of how it was written; equality is of the amount.
#[derive(Clone, Debug)]
pub struct Quantity {
    nanos: i128,
    format: Format,
    /// The text as given, where Go takes it for canonical and writes it back as it is.
    text: Option<String>,
}

/// Why a text is not a quantity; the texts are Go's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// The text does not have the form of a quantity.
    #[error(
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    )]
    Format,
    /// The suffix is not known.
    #[error("unable to parse quantity's suffix")]
    Suffix,
    /// The number before the suffix is none.
    #[error("unable to parse numeric part of quantity")]
    Numeric,
    /// The number is beyond what this program holds.
    #[error("the quantity is too large")]
    TooLarge,
}

impl Quantity {
    /// Returns the quantity that `text` stands for.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        let parts = Parts::split(text)?;
        let (base, exponent, format) = suffix(parts.suffix).ok_or(QuantityError::Suffix)?;
        let unscaled = parts.unscaled()?;
        let mut nanos = if base == 2 {
            let unscaled = unscaled.checked_mul(1 << exponent).ok_or(QuantityError::TooLarge)?;
            scale_up(unscaled, 0, parts.fraction.len())?
        } else {
            scale_up(unscaled, exponent, parts.fraction.len())?
        };
        let mut format = format;
        if format == Format::BinarySi {
            nanos = nanos.min(i128::from(i64::MAX) * NANO);
            if nanos > 0 && nanos < NANO {
                format = Format::DecimalSi; // Go: "this avoids rounding and hopefully confusion, too".
            }
        }
        let kept = parts.is_kept_as_written(format, exponent);
        if parts.is_negative {
            nanos = -nanos;
        }
        Ok(Self { nanos, format, text: kept.then(|| text.to_owned()) })
    }

    /// Returns a quantity of whole units.
    pub fn from_units(units: i64) -> Self {
        Self { nanos: i128::from(units) * NANO, format: Format::DecimalSi, text: None }
    }

    /// Returns the text that Go writes for this quantity: `500m` for `0.5`, `1Gi` for `1024Mi`.
    pub fn canonical(&self) -> String {
        if let Some(text) = &self.text {
            return text.clone();
        }
        if self.nanos == 0 {
            return "0".to_owned();
        }
        let is_whole = self.nanos % NANO == 0;
        if self.format == Format::BinarySi && is_whole && self.nanos.abs() >= 1024 * NANO {
            return canonical_binary(self.nanos / NANO);
        }
        canonical_decimal(self.nanos, self.format)
    }

    /// Returns whether the amount is zero.
    pub fn is_zero(&self) -> bool {
        self.nanos == 0
    }

    /// Returns the amount in thousandths, a remainder rounded away from zero, capped to 64 bits.
    pub fn milli_ceil(&self) -> i64 {
        self.divided(NANO / 1000)
    }

    /// Returns the amount in whole units, a remainder rounded away from zero, capped to 64 bits.
    pub fn units_ceil(&self) -> i64 {
        self.divided(NANO)
    }

    fn divided(&self, divisor: i128) -> i64 {
        let whole = self.nanos / divisor + (self.nanos % divisor).signum();
        i64::try_from(whole).unwrap_or(if whole < 0 { i64::MIN } else { i64::MAX })
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.canonical())
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// The pieces of a quantity's text.
struct Parts<'a> {
    is_negative: bool,
    /// Digits before the point, leading zeros removed.
    whole: &'a str,
    /// Digits after the point.
    fraction: &'a str,
    suffix: &'a str,
}

impl<'a> Parts<'a> {
    fn split(text: &'a str) -> Result<Self, QuantityError> {
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let number_end =
            unsigned.find(|character: char| !character.is_ascii_digit() && character != '.');
        let (number, suffix) = unsigned.split_at(number_end.unwrap_or(unsigned.len()));
        let letters_end = suffix
            .find(|character: char| !"eEinumkKMGTP".contains(character))
            .unwrap_or(suffix.len());
        let exponent =
            suffix[letters_end..].strip_prefix(['+', '-']).unwrap_or(&suffix[letters_end..]);
        if number.is_empty() || !exponent.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(QuantityError::Format);
        }
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
            return Err(QuantityError::Format);
        }
        let whole = whole.trim_start_matches('0');
        let whole = if whole.is_empty() { "0" } else { whole };
        Ok(Self { is_negative: text.starts_with('-'), whole, fraction, suffix })
    }

    fn unscaled(&self) -> Result<i128, QuantityError> {
        let digits =
            self.whole.bytes().chain(self.fraction.bytes()).map(|byte| i128::from(byte - b'0'));
        digits
            .into_iter()
            .try_fold(0_i128, |sum, digit| sum.checked_mul(10)?.checked_add(digit))
            .ok_or(QuantityError::TooLarge)
    }

    /// Whether Go's `ParseQuantity` takes the text for canonical and keeps it; its test is not exact, so that
    /// `1.500` or `+5` are written back as they are.
    fn is_kept_as_written(&self, format: Format, exponent: i32) -> bool {
        let digits = self.whole.len() + self.fraction.len();
        let shifted = format!("{}{}", self.whole, self.fraction);
        if format == Format::BinarySi {
            let bits = usize::try_from(exponent * 3 / 10)
                .expect("binary suffixes have positive exponents");
            let is_fast = self.fraction.is_empty() && self.whole.len() + bits < INT64_DIGITS - 3;
            return is_fast && shifted.parse::<i64>().is_ok_and(|value| value & 7 != 0);
        }
        let fraction = i32::try_from(self.fraction.len()).unwrap_or(i32::MAX);
        let scale = exponent.saturating_sub(fraction);
        let is_fast = digits <= INT64_DIGITS && scale >= -9;
        is_fast && scale % 3 == 0 && !shifted.ends_with("000") && !shifted.starts_with('0')
    }
}

/// Returns base, exponent and format of a suffix.
fn suffix(text: &str) -> Option<(i32, i32, Format)> {
    const DECIMAL: [(&str, i32); 10] = [
        ("n", -9),
        ("u", -6),
        ("m", -3),
        ("", 0),
        ("k", 3),
        ("M", 6),
        ("G", 9),
        ("T", 12),
        ("P", 15),
        ("E", 18),
    ];
    const BINARY: [(&str, i32); 6] =
        [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];
    if let Some((_, exponent)) = DECIMAL.iter().find(|(name, _)| *name == text) {
        return Some((10, *exponent, Format::DecimalSi));
    }
    if let Some((_, exponent)) = BINARY.iter().find(|(name, _)| *name == text) {
        return Some((2, *exponent, Format::BinarySi));
    }
    let exponent = text.strip_prefix(['e', 'E'])?.parse().ok()?;
    Some((10, exponent, Format::DecimalExponent))
}

/// Returns `unscaled` × 10^(exponent - fraction) in nanos, a remainder rounded up.
fn scale_up(unscaled: i128, exponent: i32, fraction: usize) -> Result<i128, QuantityError> {
    if unscaled == 0 {
        return Ok(0);
    }
    // Below so many digits even the largest number rounds to the smallest amount.
    let fraction = i64::try_from(fraction).unwrap_or(i64::from(i32::MAX));
    let places = i64::from(exponent) - fraction + NANO_DIGITS;
    let power =
        u32::try_from(places.unsigned_abs()).ok().and_then(|places| 10_i128.checked_pow(places));
    if places < 0 {
        // Too small to be told from the smallest amount: Go gives that, "if you want some resources, you should get some".
        return Ok(power.map_or(1, |power| unscaled / power + (unscaled % power).signum()));
    }
    power.and_then(|power| unscaled.checked_mul(power)).ok_or(QuantityError::TooLarge)
}

fn canonical_binary(mut units: i128) -> String {
    const SUFFIXES: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    let mut index = 0;
    while units % 1024 == 0 && index + 1 < SUFFIXES.len() {
        units /= 1024;
        index += 1;
    }
    format!("{units}{}", SUFFIXES[index])
}

fn canonical_decimal(nanos: i128, format: Format) -> String {
    let (mut mantissa, mut exponent) = (nanos, -9_i32);
    while mantissa % 1000 == 0 {
        mantissa /= 1000;
        exponent += 3;
    }
    let suffix = match (format, exponent) {
        (_, 0) => String::new(),
        (Format::DecimalExponent, _) => format!("e{exponent}"),
        (_, -9) => "n".to_owned(),
        (_, -6) => "u".to_owned(),
        (_, -3) => "m".to_owned(),
        (_, 3) => "k".to_owned(),
        (_, 6) => "M".to_owned(),
        (_, 9) => "G".to_owned(),
        (_, 12) => "T".to_owned(),
        (_, 15) => "P".to_owned(),
        (_, 18) => "E".to_owned(),
        // Go finds no suffix and writes none; the number is then wrong, and so is this one.
        _ => String::new(),
    };
    format!("{mantissa}{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_written_and_rounded_as_go_does() {
        // Made with k8s.io/apimachinery v0.36.3; units and milli are left out where Go overflows.
        for (text, canonical, units, milli) in [
            ("0.5", "500m", 1, 500),
            ("1024Mi", "1Gi", 1_073_741_824, 1_073_741_824_000),
            ("1000m", "1", 1, 1000),
            ("0", "0", 0, 0),
            ("1.5Ki", "1536", 1536, 1_536_000),
            ("0.5Gi", "512Mi", 536_870_912, 536_870_912_000),
            ("0.1Ki", "102400m", 103, 102_400),
            ("1e3", "1e3", 1000, 1_000_000),
            ("100Gi", "100Gi", 107_374_182_400, 107_374_182_400_000),
            ("1500m", "1500m", 2, 1500),
            ("2000", "2k", 2000, 2_000_000),
            ("1.0", "1", 1, 1000),
            ("1.500", "1.500", 2, 1500),
            ("0.100", "100m", 1, 100),
            ("0.0001n", "1n", 1, 1),
            ("-5.5", "-5500m", -6, -5500),
            ("-1500u", "-1500u", -1, -2),
            ("+5", "+5", 5, 5000),
            (".5", "500m", 1, 500),
            ("5.", "5.", 5, 5000),
            ("12e6", "12e6", 12_000_000, 12_000_000_000),
            ("1e4", "10e3", 10_000, 10_000_000),
            ("1e-3", "1e-3", 1, 1),
            ("1e-12", "1e-9", 1, 1),
            ("10e-1", "1", 1, 1000),
            ("10.5Mi", "10752Ki", 11_010_048, 11_010_048_000),
            ("1500u", "1500u", 1, 2),
            ("0Gi", "0", 0, 0),
            ("00", "0", 0, 0),
            ("1000k", "1M", 1_000_000, 1_000_000_000),
            ("-1.5Gi", "-1536Mi", -1_610_612_736, -1_610_612_736_000),
            ("8192Ki", "8Mi", 8_388_608, 8_388_608_000),
            ("0012Gi", "0012Gi", 12_884_901_888, 12_884_901_888_000),
            ("0.1234567891", "123456790n", 1, 124),
            ("1.5T", "1500G", 1_500_000_000_000, 1_500_000_000_000_000),
        ] {
            let quantity = Quantity::parse(text).unwrap();
            assert_eq!(
                (quantity.canonical().as_str(), quantity.units_ceil(), quantity.milli_ceil()),
                (canonical, units, milli),
                "{text}"
            );
        }
    }

    #[test]
    fn large_quantities_are_written_as_go_does() {
        for (text, canonical) in [
            ("1E", "1E"),
            ("9223372036854775808", "9223372036854775808"),
            ("16Ei", "9223372036854775807"),
            ("1e20", "100e18"),
            ("123456789012345678901", "123456789012345678901"),
            ("100000000000000Ki", "97656250000Mi"),
            ("1000E", "1"),
            ("1234567890123456789", "1234567890123456789"),
        ] {
            assert_eq!(Quantity::parse(text).unwrap().canonical(), canonical, "{text}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_refused_with_the_reason() {
        for (text, error) in [
            ("", QuantityError::Format),
            ("abc", QuantityError::Format),
            ("1 Gi", QuantityError::Format),
            (" 5", QuantityError::Format),
            ("1..5", QuantityError::Format),
            (".", QuantityError::Format),
            ("1e3k", QuantityError::Format),
            ("1e", QuantityError::Suffix),
            ("1m3", QuantityError::Suffix),
            ("1ei", QuantityError::Suffix),
            ("8gpu", QuantityError::Format),
            ("1e99999999999", QuantityError::Suffix),
            ("1e400", QuantityError::TooLarge),
            ("99999999999999999999999999999999999999999", QuantityError::TooLarge),
        ] {
            assert_eq!(Quantity::parse(text).unwrap_err(), error, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_parses_or_fails_and_the_written_form_is_stable(text in "[+-]?[0-9]{0,22}(\\.[0-9]{0,12})?(|[numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,3})") {
            if let Ok(quantity) = Quantity::parse(&text) {
                let written = quantity.canonical();
                let again = Quantity::parse(&written).unwrap();
                proptest::prop_assert_eq!(again.canonical(), written);
                // Beyond exa Go drops the suffix, so the amount is lost.
                if quantity.nanos.abs() < NANO * 1_000_000_000_000_000_000_000 {
                    proptest::prop_assert_eq!(again, quantity);
                }
            }
        }
    }
}
