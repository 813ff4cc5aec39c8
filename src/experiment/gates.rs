//! Gates: conditions on statistics that a scenario must meet, else the program ends with exit code 1.

use super::result::{Figure, GateSummary, Statistics, VariantSummary};
use indexmap::IndexMap;

pub use crate::scenario::{Comparison, Gate, Statistic};

/// Returns the verdict on each gate for each variant. A gate is missed where a run of the variant gives the metric no value: a
/// rollout that never ended is no short rollout.
pub fn evaluate(gates: &[Gate], variants: &IndexMap<String, VariantSummary>) -> Vec<GateSummary> {
    let judge = |gate: &Gate, name: &String, variant: &VariantSummary| {
        let statistics = variant.statistics.get(&gate.metric).copied().unwrap_or_default();
        let value = chosen(gate.statistic, &statistics);
        let has_all = statistics.n as usize == variant.runs.len();
        let passed =
            has_all && value.is_some_and(|value| holds(gate.comparison, value.0, gate.bound));
        GateSummary { gate: gate.text.clone(), variant: name.clone(), value, passed }
    };
    gates
        .iter()
        .flat_map(|gate| variants.iter().map(move |(name, variant)| judge(gate, name, variant)))
        .collect()
}

/// Returns the statistic that a gate speaks of.
fn chosen(statistic: Statistic, of: &Statistics) -> Option<Figure> {
    match statistic {
        Statistic::Mean => of.mean,
        Statistic::P50 => of.p50,
        Statistic::P95 => of.p95,
        Statistic::Min => of.min,
        Statistic::Max => of.max,
    }
}

#[expect(clippy::float_cmp, reason = "the user asks for equality, and counts are exact")]
fn holds(comparison: Comparison, value: f64, bound: f64) -> bool {
    match comparison {
        Comparison::Less => value < bound,
        Comparison::LessOrEqual => value <= bound,
        Comparison::Greater => value > bound,
        Comparison::GreaterOrEqual => value >= bound,
        Comparison::Equal => value == bound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::result::tests::sample;
    use crate::experiment::stats::statistics;

    #[track_caller]
    fn check(
        values: &[Option<f64>],
        statistic: Statistic,
        comparison: Comparison,
        bound: f64,
        passed: bool,
    ) {
        let mut variants = sample().variants;
        let run = variants["base"].runs[0].clone();
        variants["base"].runs = vec![run; values.len()];
        let metric = "rollout_duration_s".to_owned();
        let over_runs = statistics(values.iter().map(|value| value.map(Figure)));
        variants["base"].statistics.insert(metric.clone(), over_runs);
        let gate = Gate { text: "…".into(), statistic, metric, comparison, bound };
        let [verdict] = &evaluate(&[gate], &variants)[..] else {
            panic!("one gate and one variant give one verdict")
        };
        assert_eq!((verdict.variant.as_str(), verdict.passed), ("base", passed), "{values:?}");
    }

    #[test]
    fn a_gate_compares_a_statistic_with_its_bound() {
        let values = [Some(1.0), Some(2.0), Some(6.0)];
        check(&values, Statistic::Mean, Comparison::Less, 3.1, true);
        check(&values, Statistic::Mean, Comparison::Less, 3.0, false);
        check(&values, Statistic::Mean, Comparison::LessOrEqual, 3.0, true);
        check(&values, Statistic::P50, Comparison::Equal, 2.0, true);
        check(&values, Statistic::Max, Comparison::Greater, 5.0, true);
        check(&values, Statistic::Min, Comparison::GreaterOrEqual, 1.5, false);
    }

    #[test]
    fn scenarios_know_the_metrics_that_runs_have() {
        let metrics: Vec<_> =
            crate::experiment::metrics::METRICS.iter().map(|metric| metric.name).collect();
        assert_eq!(metrics, crate::scenario::METRICS);
    }

    #[test]
    fn a_run_without_value_misses_the_gate() {
        check(&[Some(1.0), None], Statistic::Mean, Comparison::Less, 3.0, false);
        check(&[None], Statistic::Mean, Comparison::Less, 3.0, false);
    }
}
