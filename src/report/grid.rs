//! The table of a grid: what each cell says, laid out for terminal and page.
//!
//! A cell tells of one variant. Which variants, metrics and divisors is in the summary.

use super::figures::short;
use crate::backend::record::Outcome;
use crate::experiment::result::{AxisSummary, CellSummary, Summary, TableSummary, VariantSummary};
use serde::Serialize;

/// A part of a table that stands by itself: one for each value of the first of several axes along the columns.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Part {
    /// Axis and value of the part; empty where there is one part only.
    pub(super) title: String,
    /// Names of the axes along the rows, then for each column its values.
    pub(super) head: (Vec<String>, Vec<Vec<String>>),
    /// Rows.
    pub(super) rows: Vec<Row>,
}

/// Values on the axes along the rows, cells, and the places of the cells' variants in the summary.
pub(super) type Row = (Vec<String>, Vec<String>, Vec<Option<usize>>);

/// Returns the parts of a summary's table; none where it has no table.
pub(super) fn parts(summary: &Summary) -> Vec<Part> {
    let Some(table) = &summary.table else { return Vec::new() };
    let (split, inner): (Option<&AxisSummary>, &[AxisSummary]) = match table.columns.as_slice() {
        [first, rest @ ..] if !rest.is_empty() => (Some(first), rest),
        columns => (None, columns),
    };
    let heads = combinations(inner);
    let titles: Vec<String> = match split {
        Some(axis) => {
            let by: Vec<&str> = inner.iter().map(|axis| axis.name.as_str()).collect();
            let by = by.join(" and ");
            axis.values.iter().map(|value| format!("{}: {value}, by {by}", axis.name)).collect()
        }
        None => vec![String::new()],
    };
    let rows = combinations(&table.rows);
    let part = |(index, title): (usize, String)| Part {
        title,
        head: (table.rows.iter().map(|axis| axis.name.clone()).collect(), heads.clone()),
        rows: rows
            .iter()
            .zip(&table.variants)
            .map(|(names, variants)| {
                let shown = &variants[index * heads.len()..(index + 1) * heads.len()];
                let cells = shown.iter().map(|name| cell(summary, table, name)).collect();
                let places = shown.iter().map(|name| summary.variants.get_index_of(name)).collect();
                (names.clone(), cells, places)
            })
            .collect(),
    };
    titles.into_iter().enumerate().map(part).collect()
}

/// Says what the numbers of a cell are.
pub(super) fn legend(summary: &Summary) -> String {
    let Some(table) = &summary.table else { return String::new() };
    let name = |cell: &CellSummary| match &cell.per {
        Some(per) => format!("{} in units of {per}", cell.metric),
        None => cell.metric.clone(),
    };
    let names: Vec<String> = table.cells.iter().map(name).collect();
    format!("Each cell: {}", names.join(" / "))
}

fn cell(summary: &Summary, table: &TableSummary, name: &str) -> String {
    let Some(variant) = summary.variants.get(name) else { return "not run".to_owned() };
    let numbers: Vec<String> = table.cells.iter().map(|cell| number(variant, cell)).collect();
    numbers.join("/")
}

fn number(variant: &VariantSummary, cell: &CellSummary) -> String {
    let values: Vec<f64> = variant
        .runs
        .iter()
        .filter_map(|run| {
            let metric = |name: &str| run.metrics.get(name).copied().flatten().map(|value| value.0);
            let value = metric(&cell.metric)?;
            match &cell.per {
                None => Some(value),
                // Shares of less than a tenth of the unit are delays of the control plane.
                Some(per) => metric(per).filter(|unit| *unit > 0.0).map(|unit| {
                    let tenths = (value / unit * 10.0).round();
                    tenths / 10.0
                }),
            }
        })
        .collect();
    let stuck = variant.runs.iter().filter(|run| run.outcome == Outcome::Stuck).count();
    let (low, high) = values
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(*v), high.max(*v)));
    let missing = variant.runs.len() - values.len();
    match (values.as_slice(), stuck) {
        ([], 0) => "–".to_owned(),
        ([], _) => "stuck".to_owned(),
        _ if missing > 0 => {
            let range = if high - low > 0.0 {
                format!("{}–{}", short(low), short(high))
            } else {
                short(low)
            };
            let what = if stuck == missing { "stuck" } else { "none" };
            format!("{range} ({missing} of {} {what})", variant.runs.len())
        }
        _ if high - low > 0.0 => format!("{}–{}", short(low), short(high)),
        _ => short(low),
    }
}

/// Returns all combinations of the values of axes, the last axis fastest.
fn combinations(axes: &[AxisSummary]) -> Vec<Vec<String>> {
    let mut combined = vec![Vec::new()];
    for axis in axes {
        let with = |before: Vec<String>| {
            axis.values.iter().map(move |value| {
                before.iter().cloned().chain([value.clone()]).collect::<Vec<String>>()
            })
        };
        combined = combined.into_iter().flat_map(with).collect();
    }
    combined
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::write::tests::sample;

    #[test]
    fn cells_show_ratios_ranges_and_who_is_stuck() {
        let mut summary = sample();
        let axis = |name: &str, values: &[&str]| AxisSummary {
            name: name.to_owned(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        };
        let metric = |metric: &str, per: Option<&str>| CellSummary {
            metric: metric.to_owned(),
            per: per.map(str::to_owned),
        };
        summary.table = Some(TableSummary {
            rows: vec![axis("who", &["base", "crowded", "absent"])],
            columns: vec![],
            cells: vec![
                metric("rollout_duration_s", Some("time_to_all_ready_s")),
                metric("groups_ready_min", None),
            ],
            variants: [["base"], ["crowded"], ["absent"]]
                .map(|row| row.map(str::to_owned).to_vec())
                .to_vec(),
        });
        let parts = parts(&summary);
        let cells: Vec<_> = parts[0].rows.iter().map(|(_, cells, _)| cells.join("|")).collect();
        assert_eq!(parts.len(), 1);
        assert_eq!(cells, ["1.7–2.3/1", "stuck/0", "not run"]);
        assert_eq!(
            legend(&summary),
            "Each cell: rollout_duration_s in units of time_to_all_ready_s / groups_ready_min"
        );
    }
}
