//! `lwsim run`: every variant of a scenario with every seed, into a results directory.

use super::diagnostics::Format;
use super::failure::Failure;
use super::progress::Progress;
use super::{diagnostics, output};
use crate::backend::record::Record;
use crate::backend::sim::check::Violation;
use crate::backend::sim::explore::Schedule;
use crate::backend::sim::setup::Setup;
use crate::backend::sim::{self, Finished, Options};
use crate::experiment::directory::{DirectoryError, Staging};
use crate::experiment::explore::ScheduleFile;
use crate::experiment::orders::explore;
use crate::experiment::prepare::{Prepared, prepare};
use crate::experiment::result::Summary;
use crate::experiment::run::{self as experiment, Experiment};
use crate::report;
use crate::scenario::{Code, Diagnostic, load};
use clap::Args;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Arguments of `lwsim run`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A scenario file
    scenario: PathBuf,
    /// The results directory [default: results/<name of the scenario>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Run each variant with seeds 1 to N in place of the scenario's
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    seeds: Option<u32>,
    /// Run only this variant; may be given more than once
    #[arg(long, value_name = "NAME")]
    variant: Vec<String>,
    /// Set a value of the scenario, as a variant does; may be given more than once
    #[arg(long, value_name = "PATH=VALUE", value_parser = setting)]
    set: Vec<(String, String)>,
    /// Runs at a time; 0 is one for each core
    #[arg(long, value_name = "N", default_value_t = 0)]
    jobs: usize,
    /// Replace results that are there already
    #[arg(long)]
    force: bool,
    /// Watch each run for rules that Kubernetes and LWS keep; a broken one is printed and makes the exit code 1
    #[arg(long)]
    check: bool,
    /// Play this order of events that might as well come the other way round, as `--orders` numbers them
    #[arg(long, value_name = "K", default_value_t = 0)]
    order: u64,
    /// Play N orders of each run and say whether its outcome hangs on them; writes no results
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..),
          conflicts_with_all = ["order", "out", "force", "check"])]
    orders: Option<u64>,
    /// Play the deviations of a file that `lwsim explore` has written, with its variant and seed
    #[arg(long, value_name = "FILE", conflicts_with_all = ["order", "orders", "variant", "seeds"])]
    schedule: Option<PathBuf>,
    /// What to print at the end, and how to print what is wrong
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (path, value) = text.split_once('=').ok_or("it must have the form path=value")?;
    Ok((path.to_owned(), value.to_owned()))
}

/// Runs a scenario, prints the table or the summary, and names the page.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let wrong = |found| Failure::Input(found, arguments.format);
    let mut settings = arguments.set.clone();
    settings.extend(arguments.seeds.map(|seeds| ("seeds".to_owned(), seeds.to_string())));
    let loaded = load(&arguments.scenario, &settings).map_err(wrong)?;
    let told: Vec<_> =
        arguments.set.iter().map(|(path, value)| (path.clone(), json(value))).collect();
    let Prepared { mut experiment, warnings } =
        prepare(&loaded, &arguments.variant, &told).map_err(wrong)?;
    output::tell(&diagnostics::draw_all(&warnings, arguments.format));

    let schedule = match &arguments.schedule {
        None => None,
        Some(file) => Some(follow(file, &mut experiment).map_err(Failure::argument)?),
    };
    if let Some(orders) = arguments.orders {
        return play_orders(&experiment, orders, arguments);
    }

    let out = arguments.out.clone().unwrap_or_else(|| Path::new("results").join(&loaded.name));
    let staging =
        Staging::new(&out, arguments.force).map_err(|error| refused(error, arguments.format))?;
    let progress = Progress::new((experiment.variants.len() * experiment.seeds.len()) as u64);
    let broken = Broken::default();
    let options = Options { check: arguments.check, order: arguments.order, schedule };
    let simulate = |setup: &Setup, seed, sink: &mut dyn FnMut(&Record)| {
        let Finished { end, violations } = sim::run_with(setup, seed, &options, sink);
        broken.take(violations);
        end
    };
    let done = experiment::run(&experiment, staging.dir(), arguments.jobs, &simulate, &|| {
        progress.advance();
    });
    drop(progress);
    let summary = done.map_err(Failure::from_error)?;
    let written = report::write(staging.dir()).map_err(Failure::from_error)?;
    let page = out.join(
        written.page.strip_prefix(staging.dir()).expect("the page lies in the results directory"),
    );
    staging.commit().map_err(Failure::from_error)?;
    print(&summary, &page, arguments.format)?;
    broken.tell()?;
    match summary.gates.iter().filter(|gate| !gate.passed).count() {
        0 => Ok(()),
        missed => Err(Failure::Gates(missed)),
    }
}

/// Rules that were broken, with the variant and seed of the run.
#[derive(Default)]
struct Broken(Mutex<Vec<(String, u64, Violation)>>);

impl Broken {
    fn take(&self, violations: Vec<Violation>) {
        if violations.is_empty() {
            return;
        }
        let (variant, seed) = experiment::current().expect("a run is under way");
        let mut all = self.0.lock().expect("no other run has panicked");
        all.extend(violations.into_iter().map(|found| (variant.clone(), seed, found)));
    }

    /// Prints what was broken, in the order of variants, seeds and time.
    fn tell(self) -> Result<(), Failure> {
        let mut all = self.0.into_inner().expect("no run has panicked");
        if all.is_empty() {
            return Ok(());
        }
        all.sort_by(|a, b| (&a.0, a.1, a.2.at).cmp(&(&b.0, b.1, b.2.at)));
        for (variant, seed, found) in &all {
            output::tell(&format!("{variant} (seed {seed}) {found}\n"));
        }
        Err(Failure::Rules(all.len()))
    }
}

/// Reads a schedule and leaves of the experiment the one run that it is for.
fn follow(file: &Path, experiment: &mut Experiment<Setup>) -> Result<Schedule, Diagnostic> {
    let wrong = |message: String| {
        Diagnostic::error(Code::InvalidValue, message).in_file(file.display().to_string())
    };
    let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    let found = ScheduleFile::from_yaml(&text).map_err(|error| wrong(error.to_string()))?;
    experiment.variants.retain(|variant| variant.name == found.variant);
    if experiment.variants.is_empty() {
        return Err(wrong(format!("the scenario has no variant `{}`", found.variant)));
    }
    experiment.seeds = vec![found.seed];
    Ok(found.schedule())
}

fn play_orders(
    experiment: &Experiment<Setup>,
    orders: u64,
    arguments: &Arguments,
) -> Result<(), Failure> {
    let runs = (experiment.variants.len() * experiment.seeds.len()) as u64;
    let progress = Progress::new(runs * orders);
    let play = |setup: &Setup, seed, order, sink: &mut dyn FnMut(&Record)| {
        sim::run_with(setup, seed, &Options { order, ..Options::default() }, sink).end
    };
    let done = explore(experiment, orders, arguments.jobs, &play, &|| progress.advance());
    drop(progress);
    match arguments.format {
        Format::Text => output::print(&report::orders(&done)),
        Format::Json => {
            let text = serde_json::to_string_pretty(&done).map_err(Failure::from_error)?;
            output::print(&format!("{text}\n"))
        }
    }
}

fn print(summary: &Summary, page: &Path, format: Format) -> Result<(), Failure> {
    match format {
        Format::Text => {
            output::print(&report::tables(summary))?;
            output::print(&format!("\nopen {}\n", page.display()))
        }
        Format::Json => output::print(&summary.to_json()),
    }
}

fn refused(error: DirectoryError, format: Format) -> Failure {
    let help = match &error {
        DirectoryError::HoldsResults(_) => "`--force` replaces them, `--out` writes elsewhere",
        DirectoryError::HoldsOther(_) => "name a directory that does not exist yet with `--out`",
        DirectoryError::Nameless(_) => "give the directory a name of its own with `--out`",
        DirectoryError::File(_) => return Failure::from_error(error),
    };
    let diagnostic =
        Diagnostic::error(Code::BadOutput, error.to_string()).in_file("--out").with_help(help);
    Failure::Input(vec![diagnostic], format)
}

/// Returns a value of the command line as the summary tells it.
fn json(text: &str) -> serde_json::Value {
    serde_yaml::from_str(text).unwrap_or_else(|_| text.into())
}
