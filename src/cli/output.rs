//! Printing: data on standard output, everything else on standard error; `NO_COLOR` is honoured by both.

use super::failure::Failure;
use std::io::Write;

/// Prints data.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = anstream::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(Failure::output)
}

/// Prints a message for the user.
pub(super) fn tell(text: &str) {
    let mut stderr = anstream::stderr().lock();
    // There is no other place to say that this one is closed.
    drop(stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush()));
}

/// Prints an error that has no place in a file.
pub(super) fn tell_error(message: &str) {
    // Bold red, as the drawing of diagnostics has it; the stream takes it away where it is not wanted.
    tell(&format!("\u{1b}[1m\u{1b}[91merror\u{1b}[0m: {message}\n"));
}
