//! Gantt chart of groups: the nearer a group is to serving, the taller its bar; colours tell revisions apart.

use super::axis::Axis;
use super::sheet::{Anchor, HUES, INK, MUTED, Sheet};
use crate::backend::record::GroupPhase;
use crate::report::replay::{GroupTrack, PhaseStart, Replay};
use plotters::style::RGBColor;

const WIDTH: u32 = 960;
const LEFT: i32 = 190;
const RIGHT: i32 = 940;
const TOP: i32 = 84;
const ROWS_MAX: usize = 60;
const LABEL_CHARS_MAX: usize = 24;
const BROKEN: RGBColor = RGBColor(0xc0, 0x34, 0x2b);
const ENDING: RGBColor = RGBColor(0x8b, 0x94, 0x9e);

/// Phases in the order of the legend, with their words.
const LEGEND: [(GroupPhase, &str); 7] = [
    (GroupPhase::Waiting, "waiting"),
    (GroupPhase::Scheduling, "scheduling"),
    (GroupPhase::Pulling, "pulling"),
    (GroupPhase::Loading, "loading"),
    (GroupPhase::Ready, "ready"),
    (GroupPhase::Broken, "broken"),
    (GroupPhase::Terminating, "terminating"),
];

/// Returns the picture of one run.
pub(super) fn sheet(variant: &str, replay: &Replay) -> Sheet {
    let total = replay.groups.len();
    let shown: Vec<&GroupTrack> = if total <= ROWS_MAX {
        replay.groups.iter().collect()
    } else {
        (0..ROWS_MAX).map(|i| &replay.groups[i * total / ROWS_MAX]).collect()
    };
    let row = if shown.len() <= 24 { 22 } else { 12 };
    let rows = i32::try_from(shown.len()).expect("at most 60");
    let bottom = TOP + rows.max(1) * row;
    let mut sheet = Sheet::new(WIDTH, u32::try_from(bottom + 32).expect("positive"));
    let few =
        if shown.len() < total { format!(" ({} of {total})", shown.len()) } else { String::new() };
    sheet.text((16, 24), format!("{variant}: groups over time{few}"), 17, INK, Anchor::Start);
    draw_legend(&mut sheet);
    // A little beyond the end, so that a last phase can be seen.
    let time = Axis::new(replay.end_ms + replay.end_ms / 64, (LEFT, RIGHT));
    time.draw_time(&mut sheet, TOP, bottom);
    for (i, track) in shown.iter().enumerate() {
        let y = TOP + i32::try_from(i).expect("at most 60") * row;
        let size = if row > 12 { 12 } else { 10 };
        sheet.text((LEFT - 8, y + row / 2), label(&track.name), size, INK, Anchor::End);
        let ends = track.phases.iter().skip(1).map(|next| next.at_ms).chain([replay.end_ms]);
        for (start, end_ms) in track.phases.iter().zip(ends) {
            let (from, to) = (time.at(start.at_ms), time.at(end_ms));
            draw_phase(&mut sheet, *start, (from, to), (y + 2, y + row - 2));
        }
    }
    sheet
}

fn draw_legend(sheet: &mut Sheet) {
    let mut x = 16;
    for (phase, word) in LEGEND {
        let start = PhaseStart { at_ms: 0, phase, revision: 0 };
        draw_phase(sheet, start, (x, x + 22), (46, 62));
        sheet.text((x + 28, 54), word, 12, MUTED, Anchor::Start);
        x += 46 + i32::try_from(word.len()).expect("short") * 8;
    }
}

fn draw_phase(
    sheet: &mut Sheet,
    start: PhaseStart,
    (from, to): (i32, i32),
    (top, bottom): (i32, i32),
) {
    let hue = HUES[start.revision % HUES.len()];
    let (percent, color, alpha) = match start.phase {
        GroupPhase::Gone => return,
        GroupPhase::Waiting => (14, hue, 0.55),
        GroupPhase::Scheduling => (32, hue, 0.45),
        GroupPhase::Pulling => (50, hue, 0.5),
        GroupPhase::Loading => (72, hue, 0.6),
        GroupPhase::Ready => (100, hue, 1.0),
        GroupPhase::Broken => (100, BROKEN, 0.25),
        GroupPhase::Terminating => (50, ENDING, 0.8),
    };
    // The pixel of the end belongs to the next phase.
    let to = (to - 1).max(from);
    let height = ((bottom - top) * percent / 100).max(2);
    sheet.fill((from, bottom - height), (to, bottom), color, alpha);
    if start.phase == GroupPhase::Broken {
        sheet.outline((from, bottom - height), (to, bottom), BROKEN);
        sheet.line(
            vec![(from, i32::midpoint(top, bottom)), (to, i32::midpoint(top, bottom))],
            BROKEN,
            1,
            Some((3, 3)),
        );
    }
}

/// Returns the name without namespace, shortened in the middle.
fn label(name: &str) -> String {
    let name = name.rsplit('/').next().unwrap_or(name);
    let letters: Vec<char> = name.chars().collect();
    if letters.len() <= LABEL_CHARS_MAX {
        return name.to_owned();
    }
    let keep = (LABEL_CHARS_MAX - 1) / 2;
    let start: String = letters[..keep].iter().collect();
    let end: String = letters[letters.len() - keep..].iter().collect();
    format!("{start}…{end}")
}
