//! The `lwsim` binary: parses arguments, calls [`lwsim::cli::run`] and turns the result into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    lwsim::cli::run()
}
