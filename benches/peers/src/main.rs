//! Runs the hold model on lwsim's queue and on other discrete-event engines, and prints one table.
//!
//! Hold model: with a fixed number of events pending, take the earliest and schedule one more. All engines get the same
//! exponential gaps from one table, so that none pays for drawing them. Numbers hang on the machine: compare within a run.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures host time")]

mod engines;

use lwsim::engine::{Distribution, Purpose, Streams};
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Command;
use std::time::Instant;

/// Events pending at a time.
const PENDING: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];

/// Events handled in a measurement.
const EVENTS: usize = 2_000_000;

/// Measurements of each cell; the best counts.
const REPEATS: usize = 3;

/// SimPy takes microseconds an event and kilobytes a process: it gets fewer events and no million processes.
const SIMPY_EVENTS: usize = 200_000;
const SIMPY_PENDING_MAX: usize = 100_000;

/// Gaps between an event and the one that it schedules: mean 1 s, in nanoseconds.
pub struct Gaps(Vec<u64>);

impl Gaps {
    fn new() -> Self {
        let mut stream = Streams::new(1).stream(Purpose::named("hold"), 0);
        let gap = Distribution::Exponential { mean: 1.0 };
        Self((0..1 << 16).map(|_| gap.sample_span(&mut stream).0.max(1)).collect())
    }

    /// Returns the gap of the `index`-th event.
    pub fn ns(&self, index: usize) -> u64 {
        self.0[index & ((1 << 16) - 1)]
    }
}

/// Something that can be measured.
pub trait Engine {
    /// Handles about this many events and returns how many they were.
    fn run(&mut self, events: usize) -> usize;
}

fn best_ns(mut engine: impl Engine) -> f64 {
    engine.run(EVENTS / 4); // Warm-up.
    let measure = |_| {
        let start = Instant::now();
        let handled = engine.run(EVENTS);
        start.elapsed().as_secs_f64() * 1e9 / handled as f64
    };
    (0..REPEATS).map(measure).fold(f64::INFINITY, f64::min)
}

/// Runs `hold.py`; `None` where Python or SimPy is missing.
fn simpy_ns(pending: usize) -> Option<f64> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/hold.py");
    let arguments =
        [script.to_owned(), pending.to_string(), SIMPY_EVENTS.to_string(), REPEATS.to_string()];
    let output = Command::new("python3").args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().parse().ok())?
}

fn main() -> std::io::Result<()> {
    let gaps = Gaps::new();
    let mut out = std::io::stdout();
    writeln!(out, "Hold model, ns an event (times lwsim's), best of {REPEATS} runs")?;
    writeln!(
        out,
        "{:>9} {:>9} {:>18} {:>18} {:>18}",
        "pending", "lwsim", "SimCore 0.1", "NeXosim 1.0", "SimPy"
    )?;
    for pending in PENDING {
        let ours = best_ns(engines::Lwsim::new(&gaps, pending));
        let simcore = best_ns(engines::SimCore::new(&gaps, pending));
        let nexosim = best_ns(engines::NeXosim::new(&gaps, pending));
        let simpy = (pending <= SIMPY_PENDING_MAX).then(|| simpy_ns(pending)).flatten();
        let mut row = format!("{pending:>9} {ours:>9.0}");
        for theirs in [Some(simcore), Some(nexosim), simpy] {
            let cell = theirs.map_or("-".to_owned(), |ns| format!("{ns:.0} ({:.1}x)", ns / ours));
            write!(row, " {cell:>18}").expect("a String takes everything");
        }
        writeln!(out, "{row}")?;
    }
    Ok(())
}
