//! `lwsim conform`: replays traces of a real control plane and says where the simulated one differs.

use super::diagnostics::Format;
use super::failure::Failure;
use super::output;
use crate::conform::{Difference, Gate, ReplayError, Verdict, replay};
use crate::scenario::{Code, Diagnostic};
use clap::Args;
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Longest value that is printed whole.
const VALUE_LENGTH_MAX: usize = 300;

/// Arguments of `lwsim conform`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Traces, or directories that are searched for `*.json`
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Differences to show of each trace
    #[arg(long, value_name = "N", default_value_t = 1)]
    show: usize,
    /// Step traces were recorded with the gate `MaxUnavailableStatefulSet` on [default: if the folder's name ends in `gate-on`]
    #[arg(long, conflicts_with = "gate_off")]
    gate_on: bool,
    /// Step traces were recorded with the gate off
    #[arg(long)]
    gate_off: bool,
}

/// Replays the traces and prints a line for each.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let gate = match (arguments.gate_on, arguments.gate_off) {
        (true, _) => Gate::On,
        (_, true) => Gate::Off,
        _ => Gate::ByFolder,
    };
    let mut files = Vec::new();
    for path in &arguments.paths {
        find(path, &mut files).map_err(|error| unreadable(path, &error, arguments.format))?;
    }
    let mut verdicts = Vec::new();
    for file in &files {
        let verdict =
            replay(file, gate).map_err(|error| refused(file, &error, arguments.format))?;
        if arguments.format == Format::Text {
            output::print(&draw(&verdict, arguments.show))?;
        }
        verdicts.push(verdict);
    }
    let failed = verdicts.iter().filter(|verdict| !verdict.passes()).count();
    let passed = verdicts.len() - failed;
    match arguments.format {
        Format::Text => output::print(&format!("{passed} passed, {failed} failed\n"))?,
        Format::Json => output::print(&format!(
            "{}\n",
            json!({"passed": passed, "failed": failed, "traces": verdicts})
        ))?,
    }
    if failed > 0 { Err(Failure::Traces) } else { Ok(()) }
}

/// Adds a file, or the traces of a directory in the order of their names.
fn find(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut entries = std::fs::read_dir(path)?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<Vec<_>>>()?;
    entries.sort();
    for entry in entries {
        if entry.is_dir() || entry.extension().is_some_and(|extension| extension == "json") {
            find(&entry, files)?;
        }
    }
    Ok(())
}

fn unreadable(path: &Path, error: &std::io::Error, format: Format) -> Failure {
    let message = format!("`{}` cannot be read: {error}", path.display());
    let diagnostic = Diagnostic::error(Code::FileUnreadable, message);
    Failure::Input(vec![diagnostic.in_file(path.display().to_string())], format)
}

fn refused(path: &Path, error: &ReplayError, format: Format) -> Failure {
    match error {
        ReplayError::Read { source, .. } => unreadable(path, source, format),
        ReplayError::Form { .. } | ReplayError::Kind { .. } => {
            let diagnostic = Diagnostic::error(Code::InvalidValue, error.to_string());
            let help =
                "a trace has `input` and `steps`, `timeline` and `log`, or `nodes` and `steps`";
            let diagnostic = diagnostic.in_file(path.display().to_string()).with_help(help);
            Failure::Input(vec![diagnostic], format)
        }
    }
}

/// Returns the line of a trace, and its first differences.
fn draw(verdict: &Verdict, show: usize) -> String {
    if verdict.passes() {
        let measures: Vec<String> = verdict
            .measures
            .iter()
            .filter(|(_, value)| *value != 0.0)
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        if measures.is_empty() {
            return format!("pass {}\n", verdict.case);
        }
        return format!("pass {} ({})\n", verdict.case, measures.join(", "));
    }
    let count = verdict.differences.len();
    let mut text = format!("FAIL {} ({count} differences)\n", verdict.case);
    let mut last = None;
    for difference in verdict.differences.iter().take(show) {
        if last != Some(difference.step) {
            let step =
                difference.step.map_or("whole trace".to_owned(), |step| format!("step {step}"));
            writeln!(text, "  {step}: {}", cut(&difference.action)).expect("text takes all writes");
        }
        last = Some(difference.step);
        draw_difference(difference, &mut text);
    }
    text
}

fn draw_difference(difference: &Difference, text: &mut String) {
    let Difference { object, path, expected, got, .. } = difference;
    writeln!(
        text,
        "    {object} {path}\n      expected: {}\n      got:      {}",
        value(expected),
        value(got)
    )
    .expect("text takes all writes");
}

fn value(value: &Value) -> String {
    match value {
        Value::Null => "(absent)".to_owned(),
        value => cut(&value.to_string()),
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(VALUE_LENGTH_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
