//! Capacity: groups ready over time, a curve for each variant, with the range over its runs.

use super::axis::Axis;
use super::sheet::{Anchor, HUES, INK, MUTED, Sheet};
use crate::experiment::result::Summary;
use crate::report::curve::Band;
use crate::report::html::Pictured;

const WIDTH: u32 = 960;
const PLOT: (i32, i32, i32, i32) = (64, 56, 940, 340);
const LEGEND_ROW: i32 = 20;
/// Dashes tell curves apart without colour: none, long, short, and so on.
const DASHES: [Option<(i32, i32)>; 4] = [None, Some((10, 4)), Some((3, 3)), Some((14, 8))];

/// Returns the picture.
pub(super) fn sheet(summary: &Summary, pictured: &[Pictured]) -> Sheet {
    let (left, top, right, bottom) = PLOT;
    let rows = i32::try_from(summary.variants.len()).unwrap_or(i32::MAX).min(40);
    let height = bottom + 48 + rows * LEGEND_ROW;
    let mut sheet = Sheet::new(WIDTH, u32::try_from(height).expect("positive"));
    let title = format!("{}: groups ready over time", summary.scenario.name);
    sheet.text((left, 24), title, 17, INK, Anchor::Start);
    let replays = || pictured.iter().flat_map(|pictured| &pictured.replays);
    let end_ms = replays().map(|replay| replay.end_ms);
    let end_ms = end_ms.chain(pictured.iter().filter_map(|p| p.ready.t_ms.last().copied())).max();
    let wanted = replays().map(|replay| replay.wanted.highest()).max().unwrap_or(0);
    let ready = pictured.iter().flat_map(|p| p.ready.high.iter().copied()).max().unwrap_or(0);
    let time = Axis::new(end_ms.unwrap_or(1), (left, right));
    let highest = unsigned(wanted.max(ready));
    let groups = Axis::new(highest + highest.div_ceil(20), (bottom, top));
    time.draw_time(&mut sheet, top, bottom);
    groups.draw_counts(&mut sheet, left, right);
    if wanted > 0 {
        let y = groups.at(unsigned(wanted));
        sheet.line(vec![(left, y), (right, y)], MUTED, 1, Some((2, 4)));
        sheet.text((right, y - 9), "wanted", 11, MUTED, Anchor::End);
    }
    for (v, pictured) in pictured.iter().enumerate() {
        let hue = HUES[v % HUES.len()];
        let band = &pictured.ready;
        if band.low != band.high {
            let mut outline = steps(band, &band.high, &time, &groups, right);
            outline.extend(steps(band, &band.low, &time, &groups, right).into_iter().rev());
            sheet.polygon(outline, hue, 0.16);
        }
        let line = steps(band, &band.median, &time, &groups, right);
        sheet.line(line, hue, 2, DASHES[v % DASHES.len()]);
    }
    for (row, (name, variant)) in summary.variants.iter().take(40).enumerate() {
        let y = bottom + 40 + i32::try_from(row).expect("at most 40") * LEGEND_ROW;
        let dash = DASHES[row % DASHES.len()];
        sheet.line(vec![(left, y), (left + 36, y)], HUES[row % HUES.len()], 2, dash);
        let label = match variant.runs.len() {
            1 => name.clone(),
            runs => format!("{name} (median of {runs} runs, range shaded)"),
        };
        sheet.text((left + 46, y), label, 12, INK, Anchor::Start);
    }
    sheet
}

/// Returns a step line through the points of a band, drawn on to the right edge.
fn steps(band: &Band, values: &[i64], time: &Axis, groups: &Axis, right: i32) -> Vec<(i32, i32)> {
    let mut points: Vec<(i32, i32)> = vec![(time.at(0), groups.at(0))];
    for (t_ms, value) in band.t_ms.iter().zip(values) {
        let x = time.at(*t_ms);
        let before = points[points.len() - 1].1;
        points.push((x, before));
        points.push((x, groups.at(unsigned(*value))));
    }
    let last = points[points.len() - 1].1;
    points.push((right, last));
    points.dedup();
    points
}

fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}
