//! Step curves over virtual time, and the median and band of several.
//!
//! Instants are milliseconds: finer than a picture shows, and short to print.

/// A value that changes in steps; before the first step it is zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Curve {
    steps: Vec<(u64, i64)>,
}

/// Median, lowest and highest of several curves at each instant at which one of them may change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Band {
    /// Instants in milliseconds, growing.
    pub(super) t_ms: Vec<u64>,
    /// Median from each instant to the next.
    pub(super) median: Vec<i64>,
    /// Lowest.
    pub(super) low: Vec<i64>,
    /// Highest.
    pub(super) high: Vec<i64>,
}

impl Curve {
    /// Sets the value from `at_ms` on; instants must not go back.
    pub(super) fn set(&mut self, at_ms: u64, value: i64) {
        match self.steps.last_mut() {
            Some(last) if last.0 == at_ms => last.1 = value,
            Some(last) if last.1 == value => {}
            _ => self.steps.push((at_ms, value)),
        }
    }

    /// Returns the steps.
    pub(super) fn steps(&self) -> &[(u64, i64)] {
        &self.steps
    }

    /// Returns the value at an instant.
    #[cfg(test)]
    pub(super) fn at(&self, at_ms: u64) -> i64 {
        let after = self.steps.partition_point(|step| step.0 <= at_ms);
        after.checked_sub(1).map_or(0, |last| self.steps[last].1)
    }

    /// Returns the highest value.
    pub(super) fn highest(&self) -> i64 {
        self.steps.iter().map(|step| step.1).max().unwrap_or(0)
    }

    /// Returns the curve with at most `steps_max` steps, give or take one: in each slice of time the lowest value counts.
    ///
    /// The lowest, since a dip in capacity is what a reader must not miss.
    pub(super) fn thinned(&self, steps_max: usize) -> Self {
        let (Some(first), Some(last)) = (self.steps.first(), self.steps.last()) else {
            return Self::default();
        };
        if self.steps.len() <= steps_max {
            return self.clone();
        }
        let slice_ms = (last.0 - first.0) / steps_max as u64 + 1;
        let mut thin = Self::default();
        let mut value = 0;
        for slice in self.steps.chunk_by(|a, b| a.0 / slice_ms == b.0 / slice_ms) {
            let start_ms = slice[0].0 / slice_ms * slice_ms;
            let lowest = slice.iter().map(|step| step.1).min().unwrap_or(value);
            thin.set(start_ms, lowest.min(slice[slice.len() - 1].1));
            value = slice[slice.len() - 1].1;
            thin.set(start_ms + slice_ms - 1, value);
        }
        thin
    }
}

/// Returns the band of several curves with at most `points_max` points.
///
/// One curve is returned as it is, thinned; several are read at equal distances up to `end_ms`.
pub(super) fn band(curves: &[Curve], end_ms: u64, points_max: usize) -> Band {
    if let [only] = curves {
        let thin = only.thinned(points_max);
        let values: Vec<i64> = thin.steps.iter().map(|step| step.1).collect();
        let t_ms = thin.steps.iter().map(|step| step.0).collect();
        return Band { t_ms, median: values.clone(), low: values.clone(), high: values };
    }
    let mut band = Band::default();
    if curves.is_empty() {
        return band;
    }
    let step_ms = end_ms / points_max as u64 + 1;
    let mut next = vec![0usize; curves.len()];
    let mut values = vec![0i64; curves.len()];
    let mut t_ms = 0;
    while t_ms <= end_ms + step_ms {
        for (i, curve) in curves.iter().enumerate() {
            while curve.steps.get(next[i]).is_some_and(|step| step.0 <= t_ms) {
                values[i] = curve.steps[next[i]].1;
                next[i] += 1;
            }
        }
        let mut sorted = values.clone();
        sorted.sort_unstable();
        let (low, high) = (sorted[0], sorted[sorted.len() - 1]);
        let median = sorted[(sorted.len() - 1) / 2];
        let unchanged = band.t_ms.len() > 1
            && band.median.last() == Some(&median)
            && band.low.last() == Some(&low)
            && band.high.last() == Some(&high);
        if !unchanged {
            band.t_ms.push(t_ms);
            band.median.push(median);
            band.low.push(low);
            band.high.push(high);
        }
        t_ms += step_ms;
    }
    band
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(steps: &[(u64, i64)]) -> Curve {
        let mut curve = Curve::default();
        for (at_ms, value) in steps {
            curve.set(*at_ms, *value);
        }
        curve
    }

    #[test]
    fn a_curve_keeps_the_last_value_of_an_instant_and_drops_repeats() {
        let curve = curve(&[(0, 0), (5, 1), (5, 2), (7, 2), (9, 1)]);
        assert_eq!(curve.steps(), [(0, 0), (5, 2), (9, 1)]);
        assert_eq!([0, 4, 5, 8, 9, 99].map(|t| curve.at(t)), [0, 0, 2, 2, 1, 1]);
    }

    #[test]
    fn thinning_keeps_dips_and_the_end() {
        let mut full = Curve::default();
        for t in 0..10_000 {
            full.set(t, if t == 5_003 { 0 } else { 7 + i64::try_from(t % 2).unwrap() });
        }
        let thin = full.thinned(100);
        assert!(thin.steps().len() <= 202, "{} steps", thin.steps().len());
        assert!(thin.steps().iter().any(|step| step.1 == 0), "the dip is kept");
        assert_eq!(thin.at(10_000), full.at(10_000));
    }

    #[test]
    fn a_band_lies_between_its_lowest_and_highest_curve() {
        let curves = [curve(&[(0, 0), (100, 4)]), curve(&[(0, 0), (300, 4)]), curve(&[(0, 2)])];
        let band = band(&curves, 400, 40);
        let at = |t: u64| band.t_ms.partition_point(|start| *start <= t) - 1;
        for (t, low, median, high) in [(50, 0, 0, 2), (200, 0, 2, 4), (390, 2, 4, 4)] {
            let i = at(t);
            assert_eq!((band.low[i], band.median[i], band.high[i]), (low, median, high), "at {t}");
        }
    }
}
