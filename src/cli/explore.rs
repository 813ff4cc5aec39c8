//! `lwsim explore`: looks for an order of events, a late watch event or a crash that breaks a rule.

use super::diagnostics::{self, Format};
use super::failure::Failure;
use super::output;
use super::progress::Progress;
use crate::backend::sim::explore::play;
use crate::backend::sim::setup::Setup;
use crate::experiment::explore::{Explored, Limits, ScheduleFile, explore};
use crate::experiment::prepare::{Prepared, prepare};
use crate::experiment::run::Variant;
use crate::scenario::load;
use anyhow::Context;
use clap::Args;
use std::fmt::Write;
use std::path::PathBuf;

const UNFAILING: &str = "writing to a string cannot fail";

/// Arguments of `lwsim explore`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A scenario file; its `explore` says what must hold always and never
    scenario: PathBuf,
    /// The variant
    #[arg(long, value_name = "NAME")]
    variant: Option<String>,
    /// The seed from whose order of events the others deviate
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Deviations of an order at the most
    #[arg(long, value_name = "N", default_value_t = 2)]
    deviations: u32,
    /// Orders to play at the most
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..))]
    runs: u64,
    /// Where an order that breaks a rule is written [default: <name of the scenario>-schedule.yaml]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Orders at a time; 0 is one for each core
    #[arg(long, value_name = "N", default_value_t = 0)]
    jobs: usize,
}

/// Explores a scenario and tells what was found.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let wrong = |found| Failure::Input(found, Format::Text);
    let loaded = load(&arguments.scenario, &[]).map_err(wrong)?;
    let names: Vec<String> = arguments.variant.iter().cloned().collect();
    let Prepared { experiment, warnings } = prepare(&loaded, &names, &[]).map_err(wrong)?;
    output::tell(&diagnostics::draw_all(&warnings, Format::Text));
    let mut total = 0;
    for variant in &experiment.variants {
        let explored = search(variant, arguments);
        output::print(&summary(&variant.name, &explored))?;
        let Some((schedule, played)) = explored.found else { continue };
        total += played.finished.violations.len();
        let name = || PathBuf::from(format!("{}-schedule.yaml", loaded.name));
        let out = arguments.out.clone().unwrap_or_else(name);
        let file = ScheduleFile::new(&variant.name, arguments.seed, &schedule);
        let text = serde_yaml::to_string(&file).map_err(Failure::from_error)?;
        let writing = || format!("failed to write `{}`", out.display());
        std::fs::write(&out, text).with_context(writing).map_err(Failure::from_error)?;
        let mut told = String::new();
        for line in &played.told {
            writeln!(told, "  {line}").expect(UNFAILING);
        }
        for violation in &played.finished.violations {
            writeln!(told, "  {violation}").expect(UNFAILING);
        }
        let again = arguments.scenario.display();
        writeln!(told, "\nagain with: lwsim run {again} --check --schedule {}", out.display())
            .expect(UNFAILING);
        output::print(&told)?;
        // One order is written; the next variant is another question.
        break;
    }
    if total > 0 { Err(Failure::Rules(total)) } else { Ok(()) }
}

fn search(variant: &Variant<Setup>, arguments: &Arguments) -> Explored {
    let setup = &*variant.setup;
    let progress = Progress::new(arguments.runs);
    let limits = Limits { deviations: arguments.deviations, runs: arguments.runs };
    explore(
        setup.params.explore.window,
        limits,
        arguments.jobs,
        &|schedule, is_known| play(setup, arguments.seed, schedule, is_known),
        &|_| progress.advance(),
    )
}

fn summary(variant: &str, explored: &Explored) -> String {
    let Explored { runs, states, complete_below, found } = explored;
    let what = match (found, complete_below) {
        (Some((schedule, _)), _) => {
            format!("a rule breaks with {} deviations", schedule.deviations.len())
        }
        (None, 0) => "no rule breaks".to_owned(),
        (None, below) => {
            format!("no rule breaks; all orders with up to {} deviations were played", below - 1)
        }
    };
    format!("{variant}: {what} ({runs} orders, {states} states)\n")
}
