//! The command line: one file per subcommand, plus output, progress and the drawing of diagnostics.
//!
//! Owns arguments, exit codes and printing. Never knows a domain rule.

use std::process::ExitCode;

/// Runs the command line and returns the exit code.
pub fn run() -> ExitCode {
    ExitCode::SUCCESS
}
