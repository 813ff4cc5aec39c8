//! What is wrong with a user's file or flag: a value with a stable code, a place and a way out.
//!
//! Nothing here draws: `cli` turns a [`Diagnostic`] into text with a caret, or into JSON. Implements the first row of the
//! table of errors in the house rules: diagnostics are collected, and one is enough to end with exit code 2.

use serde::Serialize;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// The scenario runs, but not all of it is simulated, or it may not mean what it says.
    Warning,
    /// The scenario cannot run.
    Error,
}

/// A stable name of a kind of problem, for scripts and for searching.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// A file cannot be read.
    FileUnreadable,
    /// A path names a directory or a device.
    NotAFile,
    /// A file is larger than its kind may be.
    FileTooLarge,
    /// A file is not UTF-8 text.
    NotText,
    /// A file holds nothing.
    EmptyFile,
    /// A file is not YAML.
    YamlSyntax,
    /// A file would grow beyond bounds when its aliases are expanded, or is nested too deeply.
    YamlBudget,
    /// A key stands twice in one mapping.
    DuplicateKey,
    /// A field that the schema does not have.
    UnknownField,
    /// A variant that the schema does not have.
    UnknownVariant,
    /// A field that must be there is not.
    MissingField,
    /// A value of the wrong type.
    WrongType,
    /// A value out of its range, or of the wrong form.
    InvalidValue,
    /// A duration that cannot be read.
    BadDuration,
    /// A quantity that cannot be read.
    BadQuantity,
    /// A Kubernetes version or gate that is not simulated.
    UnknownVersion,
    /// Two things share a name.
    DuplicateName,
    /// A name that nothing has.
    UnknownName,
    /// A node label, or a value of it, that no node has.
    UnknownLabel,
    /// Stages of a start wait for each other in a circle.
    CyclicStages,
    /// A gate that cannot be read.
    BadGate,
    /// A results directory that cannot be written.
    BadOutput,
    /// A `--set` that cannot be applied.
    BadOverride,
    /// An object that the API server or its admission would refuse.
    InvalidObject,
    /// An object that is not simulated.
    NotSimulated,
    /// An object that is simulated as something else.
    Approximated,
}

impl Code {
    /// Returns the code as it is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FileUnreadable => "file-unreadable",
            Self::NotAFile => "not-a-file",
            Self::FileTooLarge => "file-too-large",
            Self::NotText => "not-text",
            Self::EmptyFile => "empty-file",
            Self::YamlSyntax => "yaml-syntax",
            Self::YamlBudget => "yaml-budget",
            Self::DuplicateKey => "duplicate-key",
            Self::UnknownField => "unknown-field",
            Self::UnknownVariant => "unknown-variant",
            Self::MissingField => "missing-field",
            Self::WrongType => "wrong-type",
            Self::InvalidValue => "invalid-value",
            Self::BadDuration => "bad-duration",
            Self::BadQuantity => "bad-quantity",
            Self::UnknownVersion => "unknown-version",
            Self::DuplicateName => "duplicate-name",
            Self::UnknownName => "unknown-name",
            Self::UnknownLabel => "unknown-label",
            Self::CyclicStages => "cyclic-stages",
            Self::BadGate => "bad-gate",
            Self::BadOutput => "bad-output",
            Self::BadOverride => "bad-override",
            Self::InvalidObject => "invalid-object",
            Self::NotSimulated => "not-simulated",
            Self::Approximated => "approximated",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A place in a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TextSpan {
    /// Bytes of the text.
    pub range: Range<usize>,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl TextSpan {
    /// Returns the span of `range` in `text`; a range that is out of bounds is cut, one within a character widened.
    pub fn new(text: &str, range: Range<usize>) -> Self {
        let start = text.floor_char_boundary(range.start.min(text.len()));
        let end = text.ceil_char_boundary(range.end.clamp(start, text.len()));
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            range: start..end,
            line: text[..start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
        }
    }
}

/// One problem with what the user gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Stable code.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong: one sentence without full stop.
    pub message: String,
    /// The file, as the user named it; a flag such as `--set`; empty where there is none.
    pub file: String,
    /// Where in the file.
    pub span: Option<TextSpan>,
    /// What to write beside the place.
    pub label: Option<String>,
    /// How to get on.
    pub help: Option<String>,
    /// The file's text, for drawing.
    #[serde(skip)]
    pub source: Option<Arc<str>>,
}

impl Diagnostic {
    /// Returns an error without a place.
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            file: String::new(),
            span: None,
            label: None,
            help: None,
            source: None,
        }
    }

    /// Returns a warning without a place.
    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// Returns the diagnostic, placed in a file as a whole.
    #[must_use]
    pub fn in_file(mut self, file: impl Into<String>) -> Self {
        self.file = file.into();
        self
    }

    /// Returns the diagnostic with a way out.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Returns the diagnostic with a note beside its place.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }
}

/// Returns whether any of `diagnostics` is an error.
pub fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
}

/// Returns the known name that is nearest to `name`, if one is near enough to be a slip.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // 0.75 lets one or two slips through in names of the usual length and keeps unrelated names out.
    const NEAR: f64 = 0.75;
    let lowercase = name.to_lowercase();
    let mut best: Option<(f64, &str)> = None;
    for candidate in known {
        let score = strsim::jaro_winkler(&lowercase, &candidate.to_lowercase());
        if score >= NEAR && best.is_none_or(|(highest, _)| score > highest) {
            best = Some((score, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Returns the sentence that helps with an unknown name: the nearest known one, else all of them.
pub(super) fn suggestion<'a>(
    name: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> Option<String> {
    // More names than this do not help anybody.
    const LISTED_MAX: usize = 40;
    if let Some(near) = nearest(name, known.clone()) {
        return Some(format!("did you mean `{near}`?"));
    }
    let names: Vec<String> = known.into_iter().map(|known| format!("`{known}`")).collect();
    match names.len() {
        0 => None,
        1..=LISTED_MAX => Some(format!("known: {}", names.join(", "))),
        count => Some(format!("known: {}, … ({count} in all)", names[..LISTED_MAX].join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_the_name_that_was_meant() {
        assert_eq!(
            nearest("nodesPerRak", ["nodes", "nodesPerRack", "racks"]),
            Some("nodesPerRack")
        );
        assert_eq!(nearest("Seeds", ["seeds", "shape"]), Some("seeds"));
        assert_eq!(nearest("xyz", ["nodes", "racks"]), None);
    }

    #[test]
    fn lines_and_columns_count_from_one_and_in_characters() {
        let span = TextSpan::new("a: 1\nö: ü: x\n", 9..10);
        assert_eq!((span.line, span.column), (2, 4));
        assert_eq!(TextSpan::new("ab", 7..9).range, 2..2);
    }

    #[test]
    fn codes_print_as_they_serialize() {
        for code in [
            Code::FileUnreadable,
            Code::NotAFile,
            Code::YamlBudget,
            Code::UnknownLabel,
            Code::Approximated,
        ] {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }
}
