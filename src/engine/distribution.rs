//! Distributions of durations and rates.
//!
//! Says how values are drawn, not what they are for: units are the caller's, mostly seconds. Where there is a closed form
//! a draw is the quantile of one uniform number, so that under one seed a longer distribution gives longer draws.
//! All arithmetic is portable (`engine::math`).

use super::math;
use super::random::Stream;
use super::time::Span;
use std::sync::Arc;

/// A distribution of a non-negative quantity, mostly seconds.
#[derive(Clone, Debug, PartialEq)]
pub enum Distribution {
    /// Always the same value.
    Constant(f64),
    /// Uniform between two values.
    Uniform {
        /// Smallest value.
        min: f64,
        /// Largest value.
        max: f64,
    },
    /// Exponential.
    Exponential {
        /// Mean.
        mean: f64,
    },
    /// Log-normal.
    LogNormal {
        /// Median.
        median: f64,
        /// Standard deviation of the logarithm.
        sigma: f64,
    },
    /// Weibull.
    Weibull {
        /// Scale.
        scale: f64,
        /// Shape.
        shape: f64,
    },
    /// Gamma.
    Gamma {
        /// Mean.
        mean: f64,
        /// Shape.
        shape: f64,
    },
    /// Drawn from measured values, sorted, with linear interpolation between them.
    Empirical(Arc<[f64]>),
    /// One of several distributions, chosen by weight.
    Mixture(Arc<[(f64, Distribution)]>),
}

/// Largest number of measured values in one distribution.
pub const VALUES_MAX: usize = 1_000_000;

/// Mixtures of mixtures may be nested this deep.
const NESTING_MAX: usize = 8;

/// Why a text holds no measured values.
#[derive(Debug, thiserror::Error)]
pub enum EmpiricalError {
    /// The text is no CSV.
    #[error("failed to read CSV")]
    Csv(#[from] csv::Error),
    /// The named column is not in the header.
    #[error("column `{column}` is missing; the columns are {}", quoted(.columns))]
    NoColumn {
        /// The column that was asked for.
        column: String,
        /// Those that are there.
        columns: Vec<String>,
    },
    /// A row has more than one field and no column was named.
    #[error("line {line} has {fields} fields: name the column to use")]
    ManyFields {
        /// Line, from 1.
        line: u64,
        /// Fields in it.
        fields: usize,
    },
    /// A field is no finite number of at least 0.
    #[error("line {line}: `{field}` is not a number of at least 0")]
    NoNumber {
        /// Line, from 1.
        line: u64,
        /// The field, cut after 40 characters.
        field: String,
    },
    /// There is no value.
    #[error("there are no values")]
    Empty,
    /// There are more than [`VALUES_MAX`] values.
    #[error("there are more than {VALUES_MAX} values")]
    TooMany,
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Reads the empirical distribution of a CSV text: one number a row, or the column that a header names.
///
/// Without `column` a first row that is not a number is taken as a header. Lines that start with `#` are comments, so that a
/// file can state its source.
pub fn empirical_from_csv(
    text: &str,
    column: Option<&str>,
) -> Result<Distribution, EmpiricalError> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .comment(Some(b'#'))
        .from_reader(text.as_bytes());
    let mut values = Vec::new();
    let mut index = None;
    let mut record = csv::StringRecord::new();
    let mut is_first = true;
    while reader.read_record(&mut record)? {
        let was_first = std::mem::take(&mut is_first);
        let line = record.position().map_or(0, csv::Position::line);
        let Some(column) = column else {
            if record.len() != 1 {
                return Err(EmpiricalError::ManyFields { line, fields: record.len() });
            }
            match number(&record[0], line) {
                Err(_) if was_first => {}
                value => push(&mut values, value?)?,
            }
            continue;
        };
        if let Some(index) = index {
            push(&mut values, number(record.get(index).unwrap_or_default(), line)?)?;
        } else {
            index = record.iter().position(|name| name == column);
            if index.is_none() {
                let columns = record.iter().map(str::to_owned).collect();
                return Err(EmpiricalError::NoColumn { column: column.to_owned(), columns });
            }
        }
    }
    Distribution::empirical(values).ok_or(EmpiricalError::Empty)
}

fn number(field: &str, line: u64) -> Result<f64, EmpiricalError> {
    let value = field.parse().ok().filter(|value: &f64| value.is_finite() && *value >= 0.0);
    value.ok_or_else(|| EmpiricalError::NoNumber { line, field: field.chars().take(40).collect() })
}

fn push(values: &mut Vec<f64>, value: f64) -> Result<(), EmpiricalError> {
    if values.len() == VALUES_MAX {
        return Err(EmpiricalError::TooMany);
    }
    values.push(value);
    Ok(())
}

impl Distribution {
    /// Returns the distribution of measured values, `None` if there are none.
    pub fn empirical(mut values: Vec<f64>) -> Option<Self> {
        values.sort_unstable_by(f64::total_cmp);
        (!values.is_empty()).then(|| Self::Empirical(values.into()))
    }

    /// Draws a value; never negative or NaN if the distribution is valid.
    pub fn sample(&self, stream: &mut Stream) -> f64 {
        match self {
            Self::Constant(value) => *value,
            Self::Gamma { mean, shape } => mean / shape * standard_gamma(*shape, stream),
            Self::Mixture(parts) => chosen(parts, stream.uniform()).sample(stream),
            _ => self
                .quantile(stream.uniform_open())
                .expect("all others have a closed form")
                .max(0.0),
        }
    }

    /// Draws a span of time, taking values as seconds.
    pub fn sample_span(&self, stream: &mut Stream) -> Span {
        Span::from_secs_f64(self.sample(stream))
    }

    /// Returns the value that a draw stays below with probability `p`, where there is a closed form.
    pub fn quantile(&self, p: f64) -> Option<f64> {
        let tail = || -math::ln_1p(-p);
        Some(match self {
            Self::Constant(value) => *value,
            Self::Uniform { min, max } => min + (max - min) * p,
            Self::Exponential { mean } => mean * tail(),
            Self::LogNormal { median, sigma } if *sigma > 0.0 => {
                median * math::exp(sigma * math::normal_quantile(p))
            }
            Self::LogNormal { median, .. } => *median,
            Self::Weibull { scale, shape } => scale * math::pow(tail(), 1.0 / shape),
            Self::Empirical(values) => interpolated(values, p),
            Self::Gamma { .. } | Self::Mixture(_) => return None,
        })
    }

    /// Returns the value that half of the draws stay below, where there is a closed form.
    pub fn median(&self) -> Option<f64> {
        self.quantile(0.5)
    }

    /// Returns the mean.
    pub fn mean(&self) -> f64 {
        match self {
            Self::Constant(value) => *value,
            Self::Uniform { min, max } => f64::midpoint(*min, *max),
            Self::Exponential { mean } | Self::Gamma { mean, .. } => *mean,
            Self::LogNormal { median, sigma } => median * math::exp(sigma * sigma / 2.0),
            Self::Weibull { scale, shape } => scale * math::gamma(1.0 + 1.0 / shape),
            Self::Empirical(values) => {
                let (first, last) = (values[0], values[values.len() - 1]);
                if values.len() == 1 {
                    return first;
                }
                // Draws are uniform within each gap: the ends count half.
                (values.iter().sum::<f64>() - f64::midpoint(first, last))
                    / (values.len() - 1) as f64
            }
            Self::Mixture(parts) => {
                let total: f64 = parts.iter().map(|(weight, _)| weight).sum();
                parts.iter().map(|(weight, part)| weight * part.mean()).sum::<f64>() / total
            }
        }
    }

    /// Returns the distribution of values `factor` times as large.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        match self {
            Self::Constant(value) => Self::Constant(value * factor),
            Self::Uniform { min, max } => Self::Uniform { min: min * factor, max: max * factor },
            Self::Exponential { mean } => Self::Exponential { mean: mean * factor },
            Self::LogNormal { median, sigma } => {
                Self::LogNormal { median: median * factor, sigma: *sigma }
            }
            Self::Weibull { scale, shape } => {
                Self::Weibull { scale: scale * factor, shape: *shape }
            }
            Self::Gamma { mean, shape } => Self::Gamma { mean: mean * factor, shape: *shape },
            Self::Empirical(values) => {
                Self::Empirical(values.iter().map(|value| value * factor).collect())
            }
            Self::Mixture(parts) => Self::Mixture(
                parts.iter().map(|(weight, part)| (*weight, part.scaled(factor))).collect(),
            ),
        }
    }

    /// Checks the parameters; the error is a lower-case fragment for the user.
    pub fn validate(&self) -> Result<(), String> {
        self.validate_nested(0)
    }

    fn validate_nested(&self, depth: usize) -> Result<(), String> {
        match self {
            Self::Constant(value) => at_least_0("the value", *value)?,
            Self::Uniform { min, max } => {
                at_least_0("min", *min)?;
                at_least_0("max", *max)?;
                if min > max {
                    return Err(format!("min {min} is above max {max}"));
                }
            }
            Self::Exponential { mean } => above_0("mean", *mean)?,
            Self::LogNormal { median, sigma } => {
                above_0("median", *median)?;
                at_least_0("sigma", *sigma)?;
            }
            Self::Weibull { scale, shape } => {
                above_0("scale", *scale)?;
                above_0("shape", *shape)?;
            }
            Self::Gamma { mean, shape } => {
                above_0("mean", *mean)?;
                above_0("shape", *shape)?;
            }
            Self::Empirical(values) => validate_values(values)?,
            Self::Mixture(parts) => {
                if depth == NESTING_MAX {
                    return Err(format!("mixtures are nested more than {NESTING_MAX} deep"));
                }
                if parts.is_empty() {
                    return Err("a mixture needs at least one part".to_owned());
                }
                for (weight, part) in parts.iter() {
                    above_0("weight", *weight)?;
                    part.validate_nested(depth + 1)?;
                }
                if !parts.iter().map(|(weight, _)| weight).sum::<f64>().is_finite() {
                    return Err("the sum of the weights is too large".to_owned());
                }
            }
        }
        let mean = self.mean();
        if mean.is_finite() {
            Ok(())
        } else {
            Err("the mean is infinite: the parameters are too extreme".to_owned())
        }
    }
}

fn validate_values(values: &[f64]) -> Result<(), String> {
    if values.is_empty() {
        return Err("an empirical distribution needs at least one value".to_owned());
    }
    for value in values {
        at_least_0("a measured value", *value)?;
    }
    if !values.is_sorted() {
        return Err("measured values must be sorted".to_owned());
    }
    Ok(())
}

fn at_least_0(name: &str, value: f64) -> Result<(), String> {
    if value.is_finite() && value >= 0.0 {
        Ok(())
    } else {
        Err(format!("{name} must be a number of at least 0, not {value}"))
    }
}

fn above_0(name: &str, value: f64) -> Result<(), String> {
    if value.is_finite() && value > 0.0 {
        Ok(())
    } else {
        Err(format!("{name} must be a number above 0, not {value}"))
    }
}

/// Returns the part of a mixture at `u` of the total weight.
fn chosen(parts: &[(f64, Distribution)], u: f64) -> &Distribution {
    let total: f64 = parts.iter().map(|(weight, _)| weight).sum();
    let mut left = u * total;
    for (weight, part) in parts {
        if left < *weight {
            return part;
        }
        left -= weight;
    }
    // Rounding can leave a crumb of the total.
    &parts.last().expect("a valid mixture has a part").1
}

/// Returns the value at `p` of the way through sorted values.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the position lies within the values"
)]
fn interpolated(values: &[f64], p: f64) -> f64 {
    let position = p * (values.len() - 1) as f64;
    let below = math::floor(position);
    let index = below as usize;
    let value = values[index];
    values.get(index + 1).map_or(value, |next| value + (next - value) * (position - below))
}

/// Draws from the gamma distribution with scale 1 (Marsaglia and Tsang 2000).
fn standard_gamma(shape: f64, stream: &mut Stream) -> f64 {
    if shape < 1.0 {
        // A draw for shape + 1, times U^(1/shape), has the right distribution.
        let boost = math::pow(stream.uniform_open(), 1.0 / shape);
        return boost * standard_gamma(shape + 1.0, stream);
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / math::sqrt(9.0 * d);
    for _ in 0..GAMMA_TRIES_MAX {
        let x = math::normal_quantile(stream.uniform_open());
        let cubed = (1.0 + c * x) * (1.0 + c * x) * (1.0 + c * x);
        if cubed <= 0.0 {
            continue;
        }
        let u = stream.uniform_open();
        if math::ln(u) < 0.5 * x * x + d - d * cubed + d * math::ln(cubed) {
            return d * cubed;
        }
    }
    // Each try fails with a probability of at most 5 %.
    unreachable!("{GAMMA_TRIES_MAX} draws in a row were rejected for the shape {shape}")
}

/// Tries for one gamma draw; that all fail has a probability below 1e-1000.
const GAMMA_TRIES_MAX: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Purpose, Streams};
    use proptest::prelude::*;

    fn stream(entity: u64) -> Stream {
        Streams::new(11).stream(Purpose::named("test"), entity)
    }

    fn every_kind() -> Vec<Distribution> {
        vec![
            Distribution::Constant(3.0),
            Distribution::Uniform { min: 1.0, max: 5.0 },
            Distribution::Exponential { mean: 2.0 },
            Distribution::LogNormal { median: 2.0, sigma: 0.5 },
            Distribution::LogNormal { median: 2.0, sigma: 0.0 },
            Distribution::Weibull { scale: 2.0, shape: 0.7 },
            Distribution::Weibull { scale: 2.0, shape: 3.0 },
            Distribution::Gamma { mean: 4.0, shape: 0.5 },
            Distribution::Gamma { mean: 4.0, shape: 9.0 },
            Distribution::empirical(vec![4.0, 1.0, 2.0, 9.0]).unwrap(),
            Distribution::empirical(vec![7.0]).unwrap(),
            Distribution::Mixture(
                [
                    (1.0, Distribution::Constant(1.0)),
                    (3.0, Distribution::Exponential { mean: 10.0 }),
                ]
                .into(),
            ),
        ]
    }

    #[test]
    fn the_first_draws_of_each_kind_never_change() {
        let rows = every_kind().into_iter().map(|distribution| {
            let mut stream = stream(1);
            let draws: Vec<String> =
                (0..3).map(|_| format!("{:?}", distribution.sample(&mut stream))).collect();
            format!("{distribution:?}: {}", draws.join(" "))
        });
        insta::assert_snapshot!(rows.collect::<Vec<_>>().join("\n"), @r#"
        Constant(3.0): 3.0 3.0 3.0
        Uniform { min: 1.0, max: 5.0 }: 1.0172670911715413 2.3172509236218652 1.9616071124373806
        Exponential { mean: 2.0 }: 0.008652233914687734 0.7989046351532005 0.549931281792663
        LogNormal { median: 2.0, sigma: 0.5 }: 0.5379606873575621 1.6035843203592104 1.4058495943986242
        LogNormal { median: 2.0, sigma: 0.0 }: 2.0 2.0 2.0
        Weibull { scale: 2.0, shape: 0.7 }: 0.0008395131532658237 0.5391308742225329 0.31622716862846995
        Weibull { scale: 2.0, shape: 3.0 }: 0.32588378201050483 1.47293973249846 1.3005372783452225
        Gamma { mean: 4.0, shape: 0.5 }: 0.00011204034615133521 0.14251216333804956 0.005530601134930677
        Gamma { mean: 4.0, shape: 9.0 }: 1.3361759872323444 3.0010856629882223 2.9963783491756475
        Empirical([1.0, 2.0, 4.0, 9.0]): 1.012950318378656 1.987938192716399 1.7212053343280354
        Empirical([7.0]): 7.0 7.0 7.0
        Mixture([(1.0, Constant(1.0)), (3.0, Exponential { mean: 10.0 })]): 1.0 2.749656408963315 1.0
        "#);
    }

    #[test]
    fn draws_have_the_mean_and_the_median_that_are_stated() {
        for (index, distribution) in every_kind().into_iter().enumerate() {
            distribution.validate().unwrap();
            let mut stream = stream(100 + index as u64);
            let n = 40_000;
            let mut draws: Vec<f64> = (0..n).map(|_| distribution.sample(&mut stream)).collect();
            let mean = draws.iter().sum::<f64>() / f64::from(n);
            let variance =
                draws.iter().map(|draw| (draw - mean) * (draw - mean)).sum::<f64>() / f64::from(n);
            let error = math::sqrt(variance / f64::from(n));
            assert!(
                (mean - distribution.mean()).abs() <= 4.0 * error + 1e-9,
                "{distribution:?}: {mean}"
            );
            if let Some(median) = distribution.median() {
                draws.sort_unstable_by(f64::total_cmp);
                let share = draws.partition_point(|&draw| draw < median) as f64 / f64::from(n);
                let is_constant = draws.first() == draws.last();
                assert!((share - 0.5).abs() < 0.01 || is_constant, "{distribution:?}: {share}");
            }
        }
    }

    #[test]
    fn gamma_draws_have_the_variance_that_the_shape_gives() {
        for shape in [0.5, 1.0, 4.0] {
            let distribution = Distribution::Gamma { mean: 2.0, shape };
            let mut stream = stream(5);
            let draws: Vec<f64> = (0..40_000).map(|_| distribution.sample(&mut stream)).collect();
            let variance =
                draws.iter().map(|draw| (draw - 2.0) * (draw - 2.0)).sum::<f64>() / 40_000.0;
            let expected = 4.0 / shape;
            assert!(
                (variance / expected - 1.0).abs() < 0.08,
                "shape {shape}: {variance} for {expected}"
            );
        }
    }

    #[test]
    fn an_empirical_draw_lies_between_its_neighbours() {
        let values = Distribution::empirical(vec![10.0, 0.0, 20.0]).unwrap();
        for (p, expected) in [(0.0, 0.0), (0.25, 5.0), (0.5, 10.0), (0.75, 15.0), (1.0, 20.0)] {
            assert_eq!(values.quantile(p), Some(expected), "p={p}");
        }
        assert!((values.mean() - 10.0).abs() < 1e-12);
    }

    #[test]
    fn wrong_parameters_are_named() {
        let check = |distribution: Distribution, expected: &str| {
            assert_eq!(distribution.validate().unwrap_err(), expected, "{distribution:?}");
        };
        check(Distribution::Constant(-1.0), "the value must be a number of at least 0, not -1");
        check(
            Distribution::Constant(f64::NAN),
            "the value must be a number of at least 0, not NaN",
        );
        check(Distribution::Uniform { min: 2.0, max: 1.0 }, "min 2 is above max 1");
        check(Distribution::Exponential { mean: 0.0 }, "mean must be a number above 0, not 0");
        check(
            Distribution::LogNormal { median: 0.0, sigma: 1.0 },
            "median must be a number above 0, not 0",
        );
        check(
            Distribution::LogNormal { median: 1.0, sigma: -0.1 },
            "sigma must be a number of at least 0, not -0.1",
        );
        check(
            Distribution::LogNormal { median: 1.0, sigma: 50.0 },
            "the mean is infinite: the parameters are too extreme",
        );
        check(
            Distribution::Weibull { scale: 1.0, shape: 0.0 },
            "shape must be a number above 0, not 0",
        );
        check(
            Distribution::Gamma { mean: f64::INFINITY, shape: 1.0 },
            "mean must be a number above 0, not inf",
        );
        check(
            Distribution::Empirical([].into()),
            "an empirical distribution needs at least one value",
        );
        check(Distribution::Empirical([2.0, 1.0].into()), "measured values must be sorted");
        check(Distribution::Mixture([].into()), "a mixture needs at least one part");
        check(
            Distribution::Mixture([(0.0, Distribution::Constant(1.0))].into()),
            "weight must be a number above 0, not 0",
        );
        let mut nested = Distribution::Constant(1.0);
        for _ in 0..=NESTING_MAX {
            nested = Distribution::Mixture([(1.0, nested)].into());
        }
        check(nested, "mixtures are nested more than 8 deep");
    }

    #[test]
    fn measured_values_are_read_from_csv() {
        let check = |text: &str, column: Option<&str>, expected: Result<&[f64], &str>| {
            let found = empirical_from_csv(text, column).map_err(|error| error.to_string());
            let expected = expected
                .map(|values| Distribution::Empirical(values.into()))
                .map_err(str::to_owned);
            assert_eq!(found, expected, "{text:?}");
        };
        check("3\n1\n2\n", None, Ok(&[1.0, 2.0, 3.0]));
        check("seconds\n3\n1e1\n", None, Ok(&[3.0, 10.0]));
        check("# from a paper\n\n3\n", None, Ok(&[3.0]));
        check("node,seconds\na,2\nb, 1.5\n", Some("seconds"), Ok(&[1.5, 2.0]));
        check("", None, Err("there are no values"));
        check("seconds\n", Some("seconds"), Err("there are no values"));
        check("1\nx\n", None, Err("line 2: `x` is not a number of at least 0"));
        check("1\n-3\n", None, Err("line 2: `-3` is not a number of at least 0"));
        check("1\ninf\n", None, Err("line 2: `inf` is not a number of at least 0"));
        check("1,2\n", None, Err("line 1 has 2 fields: name the column to use"));
        check("a,b\n1\n", Some("b"), Err("line 2: `` is not a number of at least 0"));
        check("a,b\n1,2\n", Some("c"), Err("column `c` is missing; the columns are `a`, `b`"));
    }

    proptest! {
        #[test]
        fn scaling_a_distribution_scales_its_draws(which in 0usize..12, entity: u64, factor in 0.001f64..1000.0) {
            let distribution = every_kind().swap_remove(which);
            let scaled = distribution.scaled(factor);
            prop_assert!(scaled.validate().is_ok());
            let (plain, large) = (distribution.sample(&mut stream(entity)), scaled.sample(&mut stream(entity)));
            prop_assert!((plain * factor - large).abs() <= 1e-12 * large.abs());
            prop_assert!((distribution.mean() * factor - scaled.mean()).abs() <= 1e-12 * scaled.mean());
        }

        #[test]
        fn draws_are_never_negative(which in 0usize..12, entity: u64) {
            let mut stream = stream(entity);
            let distribution = every_kind().swap_remove(which);
            for _ in 0..10 {
                prop_assert!(distribution.sample(&mut stream) >= 0.0);
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,60}", column in prop::option::of("[a-c]")) {
            if let Ok(distribution) = empirical_from_csv(&text, column.as_deref()) {
                prop_assert!(distribution.validate().is_ok());
            }
        }
    }
}
