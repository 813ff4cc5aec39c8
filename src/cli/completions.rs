//! `lwsim completions`: a script that completes arguments in a shell.

use super::failure::Failure;
use super::output;
use clap::{Args, Command};
use clap_complete::Shell;

/// Arguments of `lwsim completions`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The shell
    shell: Shell,
}

/// Prints the script for `command`.
pub(super) fn run(arguments: &Arguments, mut command: Command) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "lwsim", &mut script);
    output::print(&String::from_utf8(script).expect("completion scripts are UTF-8"))
}
