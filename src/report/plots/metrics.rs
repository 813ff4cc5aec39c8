//! Variants side by side: for each metric that differs a bar for each variant, with the range over its runs.

use super::axis::Axis;
use super::sheet::{Anchor, GRID, HUES, INK, MUTED, Sheet};
use crate::experiment::result::{Better, MetricSummary, Statistics, Summary};
use crate::report::figures::{cell, short};

const WIDTH: u32 = 960;
const PANEL_WIDTH: i32 = 464;
const ROW: i32 = 20;
const HEAD: i32 = 30;
const TOP: i32 = 48;
const LABEL_CHARS_MAX: usize = 18;
/// Variants in the picture; the page and `metrics.csv` hold all.
const VARIANTS_MAX: usize = 12;
/// Steps into which the longest bar is divided.
const FINE: f64 = 10_000.0;

/// Returns the picture.
pub(super) fn sheet(summary: &Summary) -> Sheet {
    let shown: Vec<&MetricSummary> =
        summary.metrics.iter().filter(|metric| differs(summary, &metric.name)).collect();
    let variants = i32::try_from(summary.variants.len().min(VARIANTS_MAX)).expect("at most 12");
    let panel_height = HEAD + variants * ROW + 14;
    let rows = i32::try_from(shown.len().div_ceil(2)).unwrap_or(i32::MAX).min(100);
    let height = TOP + rows.max(1) * panel_height;
    let mut sheet = Sheet::new(WIDTH, u32::try_from(height).expect("positive"));
    let title = format!("{}: metrics that differ between variants", summary.scenario.name);
    sheet.text((16, 24), title, 17, INK, Anchor::Start);
    if shown.is_empty() {
        sheet.text((16, TOP + 12), "none", 13, MUTED, Anchor::Start);
    }
    for (i, metric) in shown.iter().take(200).enumerate() {
        let i = i32::try_from(i).expect("at most 200");
        let left = 16 + (i % 2) * (PANEL_WIDTH + 8);
        draw_panel(&mut sheet, summary, metric, (left, TOP + (i / 2) * panel_height));
    }
    sheet
}

fn draw_panel(
    sheet: &mut Sheet,
    summary: &Summary,
    metric: &MetricSummary,
    (left, top): (i32, i32),
) {
    let better = match metric.better {
        Some(Better::Lower) => " (lower is better)",
        Some(Better::Higher) => " (higher is better)",
        None => "",
    };
    sheet.text((left, top + 10), format!("{}{better}", metric.name), 13, INK, Anchor::Start);
    let highest = statistics(summary, &metric.name).filter_map(|s| s.max).map(|max| max.0);
    let highest = highest.fold(0.0, f64::max);
    let (from, to) = (left + 124, left + PANEL_WIDTH - 150);
    let axis = Axis::new(fine(1.0), (from, to));
    let at = |value: f64| axis.at(fine(if highest > 0.0 { value / highest } else { 0.0 }));
    sheet.line(
        vec![(from, top + HEAD - 6), (from, top + HEAD + ROW * rows(summary) - 2)],
        GRID,
        1,
        None,
    );
    for (v, (name, variant)) in summary.variants.iter().take(VARIANTS_MAX).enumerate() {
        let y = top + HEAD + i32::try_from(v).expect("at most 12") * ROW;
        let middle = y + ROW / 2 - 2;
        let label: String = name.chars().take(LABEL_CHARS_MAX).collect();
        sheet.text((from - 8, middle), label, 12, MUTED, Anchor::End);
        let found = variant.statistics.get(&metric.name);
        let Some((mean, min, max)) = found.and_then(|s| Some((s.mean?.0, s.min?.0, s.max?.0)))
        else {
            sheet.text((from + 6, middle), "no value", 12, MUTED, Anchor::Start);
            continue;
        };
        sheet.fill((from, y), (at(mean).max(from + 1), y + ROW - 6), HUES[v % HUES.len()], 0.85);
        if max - min > 0.0 {
            sheet.line(vec![(at(min), middle), (at(max), middle)], INK, 1, None);
            for end in [at(min), at(max)] {
                sheet.line(vec![(end, middle - 4), (end, middle + 4)], INK, 1, None);
            }
        }
        let text = if max - min > 0.0 { cell(found) } else { short(mean) };
        sheet.text((at(max.max(mean)) + 6, middle), text, 12, INK, Anchor::Start);
    }
}

fn rows(summary: &Summary) -> i32 {
    i32::try_from(summary.variants.len().min(VARIANTS_MAX)).expect("at most 12")
}

fn statistics<'a>(summary: &'a Summary, metric: &'a str) -> impl Iterator<Item = &'a Statistics> {
    summary.variants.values().filter_map(move |variant| variant.statistics.get(metric))
}

/// Returns whether a metric tells variants apart.
fn differs(summary: &Summary, metric: &str) -> bool {
    let mut means =
        summary.variants.values().map(|v| v.statistics.get(metric).and_then(|s| s.mean));
    let first = means.next().flatten();
    means.any(|mean| mean != first)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share between 0 and 1, saturating beyond"
)]
fn fine(share: f64) -> u64 {
    (share * FINE) as u64
}
