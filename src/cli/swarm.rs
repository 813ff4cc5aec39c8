//! `lwsim swarm`: random histories of a LeaderWorkerSet, each watched and judged; those that fail are kept as scenarios.

use super::failure::Failure;
use super::output;
use super::progress::Progress;
use crate::backend::sim::{self, Finished, Options};
use crate::experiment::history::{History, Phases};
use crate::scenario::{Diagnostic, load, lower};
use anyhow::Context;
use clap::Args;
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// Violations that are printed of one history.
const SHOWN_MAX: usize = 5;

/// Arguments of `lwsim swarm`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Number of the first history
    #[arg(long, value_name = "N", default_value_t = 1)]
    first: u64,
    /// How many histories
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
    /// Where the scenarios of histories that fail are kept; with `--count 1` that of any
    #[arg(long, value_name = "DIR", default_value = "swarm")]
    keep: PathBuf,
    /// Histories at a time; 0 is one for each core
    #[arg(long, value_name = "N", default_value_t = 0)]
    jobs: usize,
}

/// Plays histories and says which fail.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let keep = &arguments.keep;
    let creating = || format!("failed to create `{}`", keep.display());
    std::fs::create_dir_all(keep).with_context(creating).map_err(Failure::from_error)?;
    let threads = rayon::ThreadPoolBuilder::new()
        .num_threads(arguments.jobs)
        .build()
        .expect("the system can start threads");
    let progress = Progress::new(arguments.count);
    let numbers = arguments.first..arguments.first.saturating_add(arguments.count);
    let judged: Vec<Result<(u64, Vec<String>), Failure>> = threads.install(|| {
        numbers
            .into_par_iter()
            .map(|number| {
                let wrong = play(number, keep, arguments.count == 1);
                progress.advance();
                wrong.map(|wrong| (number, wrong))
            })
            .collect()
    });
    drop(progress);
    let mut failed = 0;
    for judged in judged {
        let (number, wrong) = judged?;
        if wrong.is_empty() {
            continue;
        }
        failed += 1;
        let file = keep.join(format!("history-{number}.yaml"));
        for text in wrong.iter().take(SHOWN_MAX) {
            output::tell(&format!("history {number}: {text}\n"));
        }
        output::tell(&format!("  again with: lwsim run {} --check\n", file.display()));
    }
    output::print(&format!(
        "{} of {} histories end well\n",
        arguments.count - failed,
        arguments.count
    ))?;
    // A directory that somebody else uses, or that holds failures, stays.
    drop(std::fs::remove_dir(keep));
    match failed {
        0 => Ok(()),
        failed => Err(Failure::Histories(failed)),
    }
}

/// Plays one history and returns what is wrong with it; its files stay only if something is, or if `is_kept`.
fn play(number: u64, keep: &Path, is_kept: bool) -> Result<Vec<String>, Failure> {
    let history = History::new(number);
    let scenario = keep.join(format!("history-{number}.yaml"));
    let manifest = keep.join(format!("history-{number}-set.yaml"));
    for (file, text) in [(&scenario, &history.scenario), (&manifest, &history.manifest)] {
        let writing = || format!("failed to write `{}`", file.display());
        std::fs::write(file, text).with_context(writing).map_err(Failure::from_error)?;
    }
    let refused = |found: Vec<Diagnostic>| vec![format!("it is refused: {found:?}")];
    let lowered = load(&scenario, &[]).and_then(|loaded| lower(&loaded, "base"));
    let wrong = match lowered {
        Err(found) => refused(found),
        Ok(lowered) => {
            let mut phases = Phases::default();
            let options = Options { check: true, ..Options::default() };
            let sink = &mut |record: &_| phases.observe(record);
            let Finished { end, violations } = sim::run_with(&lowered.setup, 1, &options, sink);
            let mut wrong: Vec<String> = violations.iter().map(ToString::to_string).collect();
            wrong.extend(history.judge(&end, &phases));
            wrong
        }
    };
    if wrong.is_empty() && !is_kept {
        for file in [&scenario, &manifest] {
            let removing = || format!("failed to remove `{}`", file.display());
            std::fs::remove_file(file).with_context(removing).map_err(Failure::from_error)?;
        }
    }
    Ok(wrong)
}
