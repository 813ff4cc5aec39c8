//! Arguments and their dispatch: one line for each subcommand.

use super::failure::Failure;
use super::{
    completions, conform, explain, explore, panic, report, run as scenario, schema, swarm,
};
use clap::{CommandFactory, Parser, Subcommand};
use std::process::ExitCode;

/// Exit code of a wrong command line, as of all wrong input.
const EXIT_USAGE: u8 = 2;

/// The command line; its about text is the package's description.
#[derive(Debug, Parser)]
#[command(name = "lwsim", version, about, arg_required_else_help = true, after_help = EXIT_CODES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 a gate was missed, a rule broken, or a trace differs, 2 wrong input, 3 a file could not be read or written, 101 a bug of lwsim";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a scenario: every variant with every seed
    Run(scenario::Arguments),
    /// Make plots and page of a results directory again
    Report(report::Arguments),
    /// Say what an object waited for, and why, in order
    Explain(explain::Arguments),
    /// Look for an order of events, a late watch event or a crash that breaks a rule
    Explore(explore::Arguments),
    /// Play random histories of a LeaderWorkerSet and check that each ends well
    Swarm(swarm::Arguments),
    /// Replay traces of a real control plane and compare
    Conform(conform::Arguments),
    /// Print the JSON Schema of scenarios
    Schema,
    /// Print completions for a shell
    Completions(completions::Arguments),
}

/// Runs the program with the arguments of the process.
pub fn run() -> ExitCode {
    panic::install();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let code =
                if error.use_stderr() { ExitCode::from(EXIT_USAGE) } else { ExitCode::SUCCESS };
            // A reader that has gone needs no help text.
            drop(error.print());
            return code;
        }
    };
    match arguments.command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

impl Command {
    fn run(self) -> Result<(), Failure> {
        match self {
            Self::Run(arguments) => scenario::run(&arguments),
            Self::Report(arguments) => report::run(&arguments),
            Self::Explain(arguments) => explain::run(&arguments),
            Self::Explore(arguments) => explore::run(&arguments),
            Self::Swarm(arguments) => swarm::run(&arguments),
            Self::Conform(arguments) => conform::run(&arguments),
            Self::Schema => schema::run(),
            Self::Completions(arguments) => completions::run(&arguments, Arguments::command()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_of_arguments_is_sound() {
        Arguments::command().debug_assert();
    }
}
