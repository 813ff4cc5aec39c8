//! A progress bar for experiments that take long.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

/// How long an experiment runs before a bar appears.
const QUIET: Duration = Duration::from_secs(1);

/// A bar that counts runs; it shows only on a terminal, and only when the experiment takes long.
pub(super) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Starts a bar for `runs` runs.
    pub(super) fn new(runs: u64) -> Self {
        let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} runs, {eta} left")
            .expect("the template is a constant that a test draws");
        Self {
            bar: ProgressBar::with_draw_target(Some(runs), ProgressDrawTarget::hidden())
                .with_style(style),
        }
    }

    /// Counts a run.
    pub(super) fn advance(&self) {
        if self.bar.is_hidden() && self.bar.elapsed() > QUIET {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_counts_runs_and_is_quiet_at_first() {
        let progress = Progress::new(3);
        progress.advance();
        assert_eq!(progress.bar.position(), 1);
        assert!(progress.bar.is_hidden());
    }
}
