//! Distributions: checked, with their tables read, in the engine's form.

use super::Lowering;
use crate::engine::{Distribution, empirical_from_csv};
use crate::scenario::diagnostic::Code;
use crate::scenario::schema::{DistributionSpec, EmpiricalSpec, Form, Magnitude};
use std::sync::Arc;

impl Lowering<'_> {
    /// Returns the engine's form of a distribution that stands at a path.
    pub(super) fn distribution<V: Magnitude>(
        &mut self,
        spec: &DistributionSpec<V>,
        path: &str,
    ) -> Option<Distribution> {
        let distribution = match spec {
            DistributionSpec::Plain(value) => Distribution::Constant(value.magnitude()),
            DistributionSpec::Drawn(form) => self.form(form, path)?,
        };
        match distribution.validate() {
            Ok(()) => Some(distribution),
            Err(error) => {
                self.error(Code::InvalidValue, path, error);
                None
            }
        }
    }

    fn form<V: Magnitude>(&mut self, form: &Form<V>, path: &str) -> Option<Distribution> {
        let form = match form {
            Form::Constant(value) => Distribution::Constant(value.magnitude()),
            Form::Uniform { min, max } => {
                let (min, max) = (min.magnitude(), max.magnitude());
                if min > max {
                    self.error(
                        Code::InvalidValue,
                        &format!("{path}.uniform"),
                        "`min` is larger than `max`",
                    );
                    return None;
                }
                Distribution::Uniform { min, max }
            }
            Form::Exponential { mean } => Distribution::Exponential { mean: mean.magnitude() },
            Form::Lognormal { median, sigma } => {
                let sigma = self.number(*sigma, &format!("{path}.lognormal.sigma"), true)?;
                Distribution::LogNormal { median: median.magnitude(), sigma }
            }
            Form::Weibull { scale, shape } => {
                let shape = self.number(*shape, &format!("{path}.weibull.shape"), false)?;
                Distribution::Weibull { scale: scale.magnitude(), shape }
            }
            Form::Gamma { mean, shape } => {
                let shape = self.number(*shape, &format!("{path}.gamma.shape"), false)?;
                Distribution::Gamma { mean: mean.magnitude(), shape }
            }
            Form::Empirical(table) => return self.empirical(table, &format!("{path}.empirical")),
            Form::Mixture(parts) => {
                if parts.is_empty() {
                    self.error(
                        Code::InvalidValue,
                        &format!("{path}.mixture"),
                        "a mixture needs at least one part",
                    );
                    return None;
                }
                let mut weighted = Vec::with_capacity(parts.len());
                for (index, part) in parts.iter().enumerate() {
                    let path = format!("{path}.mixture[{index}]");
                    let weight = self.number(part.weight, &format!("{path}.weight"), false)?;
                    weighted.push((weight, self.distribution(&part.of, &format!("{path}.of"))?));
                }
                Distribution::Mixture(weighted.into())
            }
        };
        Some(form)
    }

    /// Returns a shape, sigma or weight, if it can be one.
    fn number(&mut self, value: f64, path: &str, may_be_zero: bool) -> Option<f64> {
        if value.is_finite() && (value > 0.0 || (may_be_zero && value.abs() <= 0.0)) {
            return Some(value);
        }
        let bound = if may_be_zero { "at least 0" } else { "larger than 0" };
        self.error(Code::InvalidValue, path, format!("expected a number {bound}, found {value}"));
        None
    }

    fn empirical(&mut self, spec: &EmpiricalSpec, path: &str) -> Option<Distribution> {
        let table = Arc::clone(self.loaded.files.tables.get(&spec.csv)?);
        match empirical_from_csv(&table, spec.column.as_deref()) {
            Ok(distribution) => Some(distribution),
            Err(error) => {
                let field = if spec.column.is_some() { "column" } else { "csv" };
                let message = format!("`{}` gives no distribution: {error}", spec.csv);
                self.error(Code::InvalidValue, &format!("{path}.{field}"), message);
                None
            }
        }
    }
}
