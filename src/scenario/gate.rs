//! Gates as a scenario writes them: `p95(rollout_duration_s) < 2h`.
//!
//! Reads and type-checks; `experiment` evaluates.

use super::diagnostic::{Code, Diagnostic, suggestion};
use super::schema::{Duration, Magnitude};
use serde::de::value::Error;

/// Names of the metrics, in the order of tables. Those that end with `_s` are in seconds.
pub const METRICS: [&str; 11] = [
    "groups_ready_min",
    "groups_ready_mean",
    "time_to_all_ready_s",
    "rollout_duration_s",
    "rollout_groups_ready_min",
    "rollout_surge_groups_max",
    "gpu_hours_ready",
    "gpu_hours_idle_held",
    "pods_created",
    "pods_unschedulable_max",
    "events",
];

/// A condition on a metric over all runs of a variant.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// As written.
    pub text: String,
    /// What is taken of the metric.
    pub statistic: Statistic,
    /// Name of the metric.
    pub metric: String,
    /// How value and bound compare.
    pub comparison: Comparison,
    /// The bound, in the unit of the metric.
    pub bound: f64,
}

/// What is taken of a metric over the runs of a variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistic {
    /// Arithmetic mean.
    Mean,
    /// Median.
    P50,
    /// 95th percentile.
    P95,
    /// Smallest.
    Min,
    /// Largest.
    Max,
}

/// How value and bound compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `==`
    Equal,
}

const STATISTICS: [(&str, Statistic); 6] = [
    ("mean", Statistic::Mean),
    ("median", Statistic::P50),
    ("p50", Statistic::P50),
    ("p95", Statistic::P95),
    ("min", Statistic::Min),
    ("max", Statistic::Max),
];

// Longer signs first, so that `<=` is not read as `<`.
const COMPARISONS: [(&str, Comparison); 5] = [
    ("<=", Comparison::LessOrEqual),
    (">=", Comparison::GreaterOrEqual),
    ("==", Comparison::Equal),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

/// Reads a gate. The diagnostic has no place yet.
pub fn parse_gate(text: &str) -> Result<Gate, Diagnostic> {
    let bad = |problem: String| {
        Diagnostic::error(Code::BadGate, format!("`{text}` is not a gate: {problem}")).with_help(
            "gates look like `p95(rollout_duration_s) < 2h` or `min(groups_ready_min) >= 3`",
        )
    };
    let Some((call, rest)) = text.split_once(')') else {
        return Err(bad("the metric must stand in parentheses".to_owned()));
    };
    let Some((statistic_name, metric)) = call.split_once('(') else {
        return Err(bad("the metric must stand in parentheses".to_owned()));
    };
    let statistic_name = statistic_name.trim();
    let Some((_, statistic)) = STATISTICS.iter().find(|(name, _)| *name == statistic_name) else {
        let known = STATISTICS.iter().map(|(name, _)| *name);
        let mut diagnostic = bad(format!("there is no statistic `{statistic_name}`"));
        diagnostic.help = suggestion(statistic_name, known);
        return Err(diagnostic);
    };
    let metric = metric.trim();
    if !METRICS.contains(&metric) {
        return Err(unknown_metric(metric));
    }
    let rest = rest.trim();
    let Some((sign, comparison)) = COMPARISONS.iter().find(|(sign, _)| rest.starts_with(sign))
    else {
        return Err(bad("after the metric comes one of `<`, `<=`, `>`, `>=`, `==`".to_owned()));
    };
    let bound_text = rest[sign.len()..].trim();
    let bound = if metric.ends_with("_s") {
        Duration::parse::<Error>(bound_text)
            .map(Magnitude::magnitude)
            .or_else(|_| bound_text.parse::<f64>())
            .map_err(|_| bad(format!("`{metric}` is compared with a duration or with seconds, not with `{bound_text}`")))?
    } else {
        bound_text.parse::<f64>().map_err(|_| {
            bad(format!("`{metric}` is compared with a number, not with `{bound_text}`"))
        })?
    };
    if !bound.is_finite() {
        return Err(bad("the bound must be finite".to_owned()));
    }
    Ok(Gate {
        text: text.to_owned(),
        statistic: *statistic,
        metric: metric.to_owned(),
        comparison: *comparison,
        bound,
    })
}

/// Returns the diagnostic for a metric that does not exist, without a place.
pub(super) fn unknown_metric(name: &str) -> Diagnostic {
    let mut diagnostic =
        Diagnostic::error(Code::UnknownName, format!("there is no metric `{name}`"));
    diagnostic.help = suggestion(name, METRICS);
    diagnostic
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<(Statistic, Comparison, f64), &str>) {
        let found = parse_gate(text);
        match expected {
            Ok(parts) => {
                let gate = found.unwrap();
                assert_eq!((gate.statistic, gate.comparison, gate.bound), parts, "{text}");
            }
            Err(part) => {
                let message = found.unwrap_err().message;
                assert!(message.contains(part), "{text}: {message}");
            }
        }
    }

    #[test]
    fn gates_compare_a_statistic_of_a_metric_with_a_bound_in_its_unit() {
        check("p95(rollout_duration_s) < 2h", Ok((Statistic::P95, Comparison::Less, 7200.0)));
        check("mean(rollout_duration_s)<=90", Ok((Statistic::Mean, Comparison::LessOrEqual, 90.0)));
        check(
            "min( groups_ready_min ) >= 3",
            Ok((Statistic::Min, Comparison::GreaterOrEqual, 3.0)),
        );
        check("max(pods_unschedulable_max) == 0", Ok((Statistic::Max, Comparison::Equal, 0.0)));
        check("min(groups_ready_min) >= 3h", Err("compared with a number"));
        check("p95(rollout_duration_s) < soon", Err("duration or with seconds"));
        check("p42(events) < 1", Err("no statistic `p42`"));
        check("p95(rollout_duration) < 1h", Err("no metric `rollout_duration`"));
        check("p95 rollout_duration_s < 1h", Err("parentheses"));
        check("p95(events) 3", Err("after the metric"));
    }
}
