//! Names with ordinals, and numbers that may be percentages.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// Splits `parent-ordinal` (LWS `GetParentNameAndOrdinal`): the last dash and the digits after it.
///
/// Without a match the parent is empty and the ordinal -1; an ordinal that overflows 32 bits keeps the parent.
pub fn parent_and_ordinal(name: &str) -> (&str, i32) {
    match name.rsplit_once('-') {
        Some((parent, digits))
            if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            (parent, digits.parse().unwrap_or(-1))
        }
        _ => ("", -1),
    }
}

/// Which way a share of a total that is not whole is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    /// To the next lower whole number, as for `maxUnavailable`.
    Down,
    /// To the next higher whole number, as for `maxSurge`.
    Up,
}

/// Returns `value` as a number, a percentage being one of `total`; `None` if it is a string but no percentage
/// (apimachinery 0.36 `GetScaledValueFromIntOrPercent`, which calculates in 64-bit floats).
pub fn scaled(value: &IntOrString, total: i32, round: Round) -> Option<i32> {
    match value {
        IntOrString::Int(count) => Some(*count),
        IntOrString::String(text) => {
            let percent: i64 = text.strip_suffix('%')?.parse().ok()?;
            let share = percent as f64 * f64::from(total) / 100.0;
            let whole = match round {
                Round::Down => share.floor(),
                Round::Up => share.ceil(),
            };
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a cast from float to integer saturates"
            )]
            Some(whole as i32)
        }
    }
}

/// Returns the number before the `%` if `text` is digits and a percent sign.
pub fn percent(text: &str) -> Option<u64> {
    let digits = text.strip_suffix('%')?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// Returns the subgroup of worker `worker` in a group of `size` pods with subgroups of `subgroup_size` (LWS
/// `getSubGroupIndex`): where the leader is one too many it joins subgroup 0 besides that subgroup's workers.
/// `subgroup_size` must not be 0.
pub fn subgroup_index(size: i64, subgroup_size: i64, worker: i64) -> i64 {
    // Go's integers wrap around.
    let is_leader_extra = size.wrapping_sub(1).wrapping_rem(subgroup_size) == 0
        && size.wrapping_rem(subgroup_size) != 0;
    if is_leader_extra {
        worker.wrapping_sub(1).wrapping_div(subgroup_size)
    } else {
        worker.wrapping_div(subgroup_size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors;

    #[test]
    fn names_split_as_upstream_splits_them() {
        vectors::each("lws-utils.yaml", "parent_ordinal", |row: serde_json::Value| {
            let (parent, ordinal) = parent_and_ordinal(row["name"].as_str().unwrap());
            assert_eq!(serde_json::json!([parent, ordinal]), row["want"], "{row}");
        });
    }

    #[test]
    fn a_name_splits_at_its_last_dash_if_digits_follow() {
        for (name, expected) in [
            ("lws-samples-132", ("lws-samples", 132)),
            ("lws-samples-132-u", ("", -1)),
            ("lws-samples-", ("", -1)),
            ("lws-samples-0", ("lws-samples", 0)),
            ("lws-samples--1", ("lws-samples-", 1)),
            ("lws-samples1", ("", -1)),
            ("lws-samples-1-0", ("lws-samples-1", 0)),
            ("a-99999999999", ("a", -1)),
        ] {
            assert_eq!(parent_and_ordinal(name), expected, "{name}");
        }
    }

    #[test]
    fn a_percentage_is_scaled_and_rounded_as_asked() {
        let check = |value: &str, total, down, up| {
            let value = IntOrString::String(value.to_owned());
            assert_eq!(
                (scaled(&value, total, Round::Down), scaled(&value, total, Round::Up)),
                (down, up),
                "{value:?}"
            );
        };
        check("25%", 2, Some(0), Some(1));
        check("50%", 4, Some(2), Some(2));
        check("29%", 100, Some(29), Some(29));
        check("101%", 3, Some(3), Some(4));
        check("1", 3, None, None);
        check("abc%", 3, None, None);
        assert_eq!(scaled(&IntOrString::Int(-1), 3, Round::Up), Some(-1));
    }

    #[test]
    fn only_digits_with_a_percent_sign_are_a_percent() {
        for (text, expected) in [
            ("1", None),
            ("1%", Some(1)),
            ("101%", Some(101)),
            ("%", None),
            ("-5%", None),
            ("99999999999999999999%", Some(u64::MAX)),
        ] {
            assert_eq!(percent(text), expected, "{text}");
        }
    }

    #[test]
    fn an_extra_leader_joins_the_first_subgroup() {
        let check = |size, subgroup_size, expected: &[i64]| {
            let indices: Vec<i64> =
                (1..size).map(|worker| subgroup_index(size, subgroup_size, worker)).collect();
            assert_eq!(indices, expected, "{size} pods in subgroups of {subgroup_size}");
        };
        check(5, 2, &[0, 0, 1, 1]);
        check(4, 2, &[0, 1, 1]);
        check(3, 1, &[1, 2]);
    }
}
