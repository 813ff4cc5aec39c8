//! `lwsim run`: every variant of a scenario with every seed, into a results directory.

use super::diagnostics::Format;
use super::failure::Failure;
use super::progress::Progress;
use super::{diagnostics, output};
use crate::backend::sim;
use crate::experiment::directory::{DirectoryError, Staging};
use crate::experiment::prepare::{Prepared, prepare};
use crate::experiment::result::Summary;
use crate::experiment::run as experiment;
use crate::report;
use crate::scenario::{Code, Diagnostic, load};
use clap::Args;
use std::path::{Path, PathBuf};

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
    let Prepared { experiment, warnings } =
        prepare(&loaded, &arguments.variant, &told).map_err(wrong)?;
    output::tell(&diagnostics::draw_all(&warnings, arguments.format));

    let out = arguments.out.clone().unwrap_or_else(|| Path::new("results").join(&loaded.name));
    let staging =
        Staging::new(&out, arguments.force).map_err(|error| refused(error, arguments.format))?;
    let progress = Progress::new((experiment.variants.len() * experiment.seeds.len()) as u64);
    let simulate = experiment::run(&experiment, staging.dir(), arguments.jobs, &sim::run, &|| {
        progress.advance();
    });
    drop(progress);
    let summary = simulate.map_err(Failure::from_error)?;
    let written = report::write(staging.dir()).map_err(Failure::from_error)?;
    let page = out.join(
        written.page.strip_prefix(staging.dir()).expect("the page lies in the results directory"),
    );
    staging.commit().map_err(Failure::from_error)?;
    print(&summary, &page, arguments.format)?;
    match summary.gates.iter().filter(|gate| !gate.passed).count() {
        0 => Ok(()),
        missed => Err(Failure::Gates(missed)),
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
