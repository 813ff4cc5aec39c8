//! Draws diagnostics: for people with the place in the file, for programs as JSON.

use crate::scenario::{Diagnostic, Severity};
use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use clap::ValueEnum;

/// The form of output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

/// Returns diagnostics as text with colours, one after another, or as a JSON array; nothing if there is none.
pub(super) fn draw_all(diagnostics: &[Diagnostic], format: Format) -> String {
    if diagnostics.is_empty() {
        return String::new();
    }
    match format {
        Format::Json => {
            let json =
                serde_json::to_string_pretty(diagnostics).expect("diagnostics have string keys");
            format!("{json}\n")
        }
        Format::Text => {
            let renderer = Renderer::styled().decor_style(DecorStyle::Ascii);
            let drawn = diagnostics.iter().map(|diagnostic| {
                draw(diagnostic, &renderer)
                    + "

"
            });
            drawn.collect()
        }
    }
}

fn draw(diagnostic: &Diagnostic, renderer: &Renderer) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group: Group<'_> =
        Group::with_title(level.primary_title(&diagnostic.message).id(diagnostic.code.as_str()));
    match (&diagnostic.source, &diagnostic.span) {
        (Some(source), Some(span)) => {
            let annotation =
                AnnotationKind::Primary.span(span.range.clone()).label(diagnostic.label.as_deref());
            group = group.element(
                Snippet::source(source.as_ref()).path(&diagnostic.file).annotation(annotation),
            );
        }
        _ if !diagnostic.file.is_empty() => group = group.element(Origin::path(&diagnostic.file)),
        _ => {}
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help));
    }
    renderer.render(&[group])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Code, TextSpan};

    fn diagnostic() -> Diagnostic {
        let text = "cluster:\n  nodes: 4\n  rack: 2\n";
        let mut diagnostic = Diagnostic::error(Code::UnknownField, "unknown field `rack`")
            .in_file("a.yaml")
            .with_label("not a field of a cluster")
            .with_help("did you mean `racks`?");
        diagnostic.span = Some(TextSpan::new(text, 22..26));
        diagnostic.source = Some(text.into());
        diagnostic
    }

    fn plain(diagnostic: &Diagnostic) -> String {
        draw(diagnostic, &Renderer::plain())
    }

    #[test]
    fn a_place_has_a_caret_and_a_way_out() {
        insta::assert_snapshot!(plain(&diagnostic()), @r"
        error[unknown-field]: unknown field `rack`
         --> a.yaml:3:3
          |
        3 |   rack: 2
          |   ^^^^ not a field of a cluster
          |
          = help: did you mean `racks`?
        ");
    }

    #[test]
    fn a_flag_is_named_where_there_is_no_text() {
        let diagnostic = Diagnostic::warning(Code::UnknownName, "no variant `x`")
            .in_file("--variant")
            .with_help("known: `a`");
        insta::assert_snapshot!(plain(&diagnostic), @r"
        warning[unknown-name]: no variant `x`
        --> --variant
         = help: known: `a`
        ");
    }

    #[test]
    fn programs_get_code_place_and_message_but_not_the_file() {
        let json: serde_json::Value =
            serde_json::from_str(&draw_all(&[diagnostic()], Format::Json)).unwrap();
        assert_eq!(json[0]["code"], "unknown-field");
        assert_eq!(json[0]["span"]["line"], 3);
        assert!(json[0].get("source").is_none());
        assert_eq!(draw_all(&[], Format::Json), "");
    }
}
