//! Numbers as people read them: durations with a fitting unit, figures with a few digits.

use crate::experiment::result::{Figure, Statistics};

/// Returns a duration with three digits and the unit that fits it, for example `14.2 min`.
pub(super) fn duration(seconds: f64) -> String {
    const MINUTES_FROM_S: f64 = 120.0;
    const HOURS_FROM_S: f64 = 2.0 * 3_600.0;
    const DAYS_FROM_S: f64 = 48.0 * 3_600.0;
    if seconds < MINUTES_FROM_S {
        format!("{} s", three_digits(seconds))
    } else if seconds < HOURS_FROM_S {
        format!("{} min", three_digits(seconds / 60.0))
    } else if seconds < DAYS_FROM_S {
        format!("{} h", three_digits(seconds / 3_600.0))
    } else {
        format!("{} d", three_digits(seconds / 86_400.0))
    }
}

/// Returns a number with at most three decimals, fewer the larger it is, and groups of three digits from 10,000 on.
pub(super) fn short(value: f64) -> String {
    let size = value.abs();
    let decimals = match size {
        _ if size >= 1_000.0 => 0,
        _ if size >= 100.0 => 1,
        _ if size >= 0.1 => 2,
        _ => 3,
    };
    rounded(value, decimals)
}

fn three_digits(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        size if size >= 0.1 => 2,
        _ => 3,
    };
    rounded(value, decimals)
}

fn rounded(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    };
    grouped(if text == "-0" { "0" } else { &text })
}

/// Returns a metric of a variant as a table cell: the value, or mean and range when several runs differ.
pub(super) fn cell(statistics: Option<&Statistics>) -> String {
    let Some((mean, min, max)) = statistics.and_then(|s| Some((s.mean?.0, s.min?.0, s.max?.0)))
    else {
        return "–".to_owned();
    };
    if max - min > 0.0 {
        format!("{} ({}–{})", short(mean), short(min), short(max))
    } else {
        short(mean)
    }
}

/// Returns milliseconds since the start of a run, rounded to the nearest.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float to integer cast saturates, and instants are not negative"
)]
pub(super) fn milliseconds(seconds: Figure) -> u64 {
    (seconds.0 * 1_000.0 + 0.5) as u64
}

fn grouped(text: &str) -> String {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let (whole, fraction) = digits.find('.').map_or((digits, ""), |dot| digits.split_at(dot));
    if whole.len() < 5 {
        return text.to_owned();
    }
    let mut groups = sign.to_owned();
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            groups.push(',');
        }
        groups.push(digit);
    }
    groups + fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_take_the_unit_that_fits() {
        for (seconds, text) in [
            (0.0, "0 s"),
            (0.0421, "0.042 s"),
            (83.24, "83.2 s"),
            (852.0, "14.2 min"),
            (7_300.0, "2.03 h"),
            (432_000.0, "5 d"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn numbers_lose_digits_that_nobody_reads() {
        for (value, text) in [
            (3.0, "3"),
            (-0.0001, "0"),
            (0.12345, "0.12"),
            (1_314.26, "1314"),
            (1_234_567.0, "1,234,567"),
            (-12_345.6, "-12,346"),
        ] {
            assert_eq!(short(value), text);
        }
    }

    #[test]
    fn a_cell_shows_the_range_only_where_runs_differ() {
        let statistics = |mean, min, max| Statistics {
            mean: Some(Figure(mean)),
            min: Some(Figure(min)),
            max: Some(Figure(max)),
            ..Statistics::default()
        };
        assert_eq!(cell(Some(&statistics(2.0, 2.0, 2.0))), "2");
        assert_eq!(cell(Some(&statistics(2.0, 1.0, 4.0))), "2 (1–4)");
        assert_eq!(cell(Some(&Statistics::default())), "–");
        assert_eq!(cell(None), "–");
    }
}
