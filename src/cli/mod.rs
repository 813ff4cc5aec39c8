//! The command line: arguments, progress, diagnostics, exit codes and what is printed.
//!
//! `command` knows the subcommands, each of which is one file; `output` writes to the terminal, `diagnostics` draws what is
//! wrong with the user's input, and `failure` says with which exit code a command ends. Domain rules live in the layers below.

mod command;
mod completions;
mod conform;
mod diagnostics;
mod explain;
mod explore;
mod failure;
mod output;
mod panic;
mod progress;
mod report;
mod run;
mod schema;
mod swarm;

pub use command::run;
