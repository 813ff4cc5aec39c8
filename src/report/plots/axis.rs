//! Where ticks go: round numbers, and units of time that fit the length of an axis.

use super::sheet::{Anchor, GRID, INK, MUTED, Sheet};

/// An axis from zero, laid along pixels.
pub(super) struct Axis {
    /// Value at the end.
    end: u64,
    /// Pixels of the start and the end.
    pixels: (i32, i32),
}

/// A unit of time of an axis.
struct Unit {
    name: &'static str,
    ms: u64,
    /// Distances between ticks to choose from, in tenths of the unit.
    steps: &'static [u64],
}

const SECONDS: Unit = Unit { name: "s", ms: 1_000, steps: &[2, 5, 10, 20, 50, 100, 200, 300] };
const MINUTES: Unit = Unit { name: "min", ms: 60_000, steps: &[10, 20, 50, 100, 150] };
const HOURS: Unit = Unit { name: "h", ms: 3_600_000, steps: &[5, 10, 20, 30, 60, 120] };
const DAYS: Unit =
    Unit { name: "d", ms: 86_400_000, steps: &[10, 20, 50, 100, 200, 500, 1_000, 2_000] };
const TICKS_MAX: u64 = 8;

impl Axis {
    /// Returns an axis that ends at `end`, at least 1.
    pub(super) fn new(end: u64, pixels: (i32, i32)) -> Self {
        Self { end: end.max(1), pixels }
    }

    /// Returns the pixel of a value.
    pub(super) fn at(&self, value: u64) -> i32 {
        let (from, to) = self.pixels;
        let length = i128::from(to - from);
        let offset = length * i128::from(value.min(self.end)) / i128::from(self.end);
        from + i32::try_from(offset).expect("no longer than the axis")
    }

    /// Draws vertical grid lines from `top` to `bottom` with times below, the axis counting milliseconds.
    pub(super) fn draw_time(&self, sheet: &mut Sheet, top: i32, bottom: i32) {
        let (unit, step) = time_step(self.end);
        let mut tick = 0;
        while tick * unit.ms / 10 <= self.end {
            let x = self.at(tick * unit.ms / 10);
            sheet.line(vec![(x, top), (x, bottom)], GRID, 1, None);
            let label = match (tick / 10, tick % 10) {
                (0, 0) => "0".to_owned(),
                (whole, 0) => format!("{whole} {}", unit.name),
                (whole, tenths) => format!("{whole}.{tenths} {}", unit.name),
            };
            sheet.text((x, bottom + 13), label, 12, MUTED, Anchor::Middle);
            tick += step;
        }
        sheet.line(vec![(self.pixels.0, bottom), (self.pixels.1, bottom)], INK, 1, None);
    }

    /// Draws horizontal grid lines from `left` to `right` with numbers before them.
    pub(super) fn draw_counts(&self, sheet: &mut Sheet, left: i32, right: i32) {
        let step = count_step(self.end);
        let mut tick = 0;
        while tick <= self.end {
            let y = self.at(tick);
            if tick > 0 {
                sheet.line(vec![(left, y), (right, y)], GRID, 1, None);
            }
            sheet.text((left - 8, y), tick.to_string(), 12, MUTED, Anchor::End);
            tick += step;
        }
    }
}

fn time_step(end_ms: u64) -> (Unit, u64) {
    for unit in [SECONDS, MINUTES, HOURS, DAYS] {
        for step in unit.steps {
            if end_ms * 10 / (unit.ms * step) <= TICKS_MAX {
                return (unit, *step);
            }
        }
    }
    let step = end_ms / (DAYS.ms * TICKS_MAX) + 1;
    (DAYS, step * 10)
}

fn count_step(end: u64) -> u64 {
    let mut step = 1;
    loop {
        for factor in [1, 2, 5] {
            if end / (step * factor) <= 6 {
                return step * factor;
            }
        }
        step *= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_have_round_distances() {
        for (end_ms, name, step) in [
            (900, "s", 2),
            (65_000, "s", 100),
            (2_400_000, "min", 50),
            (3 * 3_600_000, "h", 5),
            (6 * 3_600_000, "h", 10),
            (40 * 86_400_000, "d", 50),
        ] {
            let (unit, found) = time_step(end_ms);
            assert_eq!((unit.name, found), (name, step), "{end_ms} ms");
        }
        assert_eq!([1, 6, 7, 40, 1_000].map(count_step), [1, 1, 2, 10, 200]);
    }
}
