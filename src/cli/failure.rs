//! How a command fails, and with which exit code.

use super::diagnostics::{self, Format};
use super::output;
use crate::scenario::Diagnostic;
use std::process::ExitCode;

/// Why a command did not do all that it was asked for.
#[derive(Debug)]
pub(super) enum Failure {
    /// Wrong input.
    Input(Vec<Diagnostic>, Format),
    /// The file system refused, or a file is not what it should be.
    File(anyhow::Error),
    /// The run is done, and this many gates are missed.
    Gates(usize),
    /// The run is done, and rules were broken this many times.
    Rules(usize),
    /// This many histories end badly.
    Histories(u64),
    /// Traces differ, as the output says.
    Traces,
    /// Nobody reads the output any more.
    Closed,
}

impl Failure {
    /// Returns the failure of an error of a file.
    pub(super) fn from_error(error: impl Into<anyhow::Error>) -> Self {
        Self::File(error.into())
    }

    /// Returns the failure of an error of standard output.
    pub(super) fn output(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::Closed;
        }
        Self::File(anyhow::Error::new(error).context("failed to write standard output"))
    }

    /// Returns the failure of one wrong argument.
    pub(super) fn argument(diagnostic: Diagnostic) -> Self {
        Self::Input(vec![diagnostic], Format::Text)
    }

    /// Says what went wrong and returns the exit code.
    pub(super) fn report(&self) -> ExitCode {
        match self {
            Self::Input(found, format) => {
                output::tell(&diagnostics::draw_all(found, *format));
                ExitCode::from(2)
            }
            Self::File(error) => {
                output::tell_error(&format!("{error:#}"));
                ExitCode::from(3)
            }
            Self::Gates(missed) => {
                output::tell_error(&match missed {
                    1 => "a gate is missed".to_owned(),
                    _ => format!("{missed} gates are missed"),
                });
                ExitCode::from(1)
            }
            Self::Rules(broken) => {
                output::tell_error(&match broken {
                    1 => "a rule is broken".to_owned(),
                    _ => format!("rules are broken {broken} times"),
                });
                ExitCode::from(1)
            }
            Self::Histories(failed) => {
                output::tell_error(&match failed {
                    1 => "a history ends badly".to_owned(),
                    _ => format!("{failed} histories end badly"),
                });
                ExitCode::from(1)
            }
            // The closing line has told of it.
            Self::Traces => ExitCode::from(1),
            Self::Closed => ExitCode::SUCCESS,
        }
    }
}
