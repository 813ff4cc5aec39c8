//! `lwsim report`: plots and page of a results directory, made again from the result files.

use super::failure::Failure;
use super::output;
use crate::experiment::result::Summary;
use crate::report;
use clap::Args;
use std::path::PathBuf;

/// Arguments of `lwsim report`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A results directory
    dir: PathBuf,
}

/// Makes the report, prints the table and names the page.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let written = report::write(&arguments.dir).map_err(Failure::from_error)?;
    let summary = Summary::read(&arguments.dir).map_err(Failure::from_error)?;
    output::print(&report::tables(&summary))?;
    output::print(&format!("\nopen {}\n", written.page.display()))
}
