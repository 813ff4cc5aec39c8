//! Statistics over runs.
//!
//! Sums run in the order of the seeds and use only operations that IEEE 754 defines to the last bit, so that figures
//! do not depend on machine or number of threads.

use super::result::{Figure, Statistics};

/// Returns the statistics of a metric over runs; runs without value are left out.
pub fn statistics(values: impl Iterator<Item = Option<Figure>>) -> Statistics {
    let values: Vec<f64> = values.flatten().map(|figure| figure.0).collect();
    let n = u32::try_from(values.len()).expect("seeds are 32 bits wide");
    if values.is_empty() {
        return Statistics::default();
    }
    let mean = values.iter().sum::<f64>() / f64::from(n);
    let mut sorted = values;
    sorted.sort_by(f64::total_cmp);
    let figure = |value| Some(Figure(value));
    Statistics {
        mean: figure(mean),
        p50: figure(percentile(&sorted, 50)),
        p95: figure(percentile(&sorted, 95)),
        min: figure(sorted[0]),
        max: figure(sorted[sorted.len() - 1]),
        n,
    }
}

/// Returns a percentile of sorted values, of which there is at least one: linear between the two nearest order statistics, the
/// smallest value being the 0th and the largest the 100th percentile.
///
/// This is definition 7 of Hyndman and Fan, "Sample Quantiles in Statistical Packages" (1996), the default of `NumPy` and R.
pub fn percentile(sorted: &[f64], percent: usize) -> f64 {
    assert!(
        percent <= 100 && !sorted.is_empty(),
        "percentile {percent} of {} values",
        sorted.len()
    );
    let rank_in_hundredths = (sorted.len() - 1) * percent;
    let (below, beyond) = (rank_in_hundredths / 100, rank_in_hundredths % 100);
    let low = sorted[below];
    if beyond == 0 { low } else { low + beyond as f64 / 100.0 * (sorted[below + 1] - low) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(values: &[Option<f64>], expected: &str) {
        let of = statistics(values.iter().map(|value| value.map(Figure)));
        let print = |figure: Option<Figure>| figure.map_or("-".into(), Figure::print);
        let got: Vec<_> = [of.mean, of.p50, of.p95, of.min, of.max].map(print).into();
        assert_eq!(format!("{} n={}", got.join(" "), of.n), expected);
    }

    #[test]
    fn percentiles_lie_linearly_between_order_statistics_and_runs_without_value_do_not_count() {
        check(&[], "- - - - - n=0");
        check(&[None], "- - - - - n=0");
        check(&[Some(3.0)], "3 3 3 3 3 n=1");
        check(&[Some(1.0), None, Some(2.0)], "1.5 1.5 1.95 1 2 n=2");
        // numpy.percentile([5, 1, 4, 2, 3, 10, 7], [50, 95]) = 4.0, 9.1
        check(&[5.0, 1.0, 4.0, 2.0, 3.0, 10.0, 7.0].map(Some), "4.571428571428571 4 9.1 1 10 n=7");
    }
}
