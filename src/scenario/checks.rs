//! Checks of what belongs to a scenario as a whole, not to one variant.

use super::diagnostic::{Code, Diagnostic};
use super::gate::{METRICS, parse_gate, unknown_metric};
use super::load::Loaded;
use crate::engine::Span;

/// Checks horizon, metrics, gates and names of variants.
pub(super) fn experiment(loaded: &Loaded) -> Result<(), Vec<Diagnostic>> {
    let mut problems: Vec<Diagnostic> = Vec::new();
    super::grid::check(&loaded.scenario, |problem, path| {
        problems.push(loaded.sources.place(problem, loaded.tree.place_of(path)));
    });
    if !problems.is_empty() {
        return Err(problems);
    }
    for (name, variant) in &loaded.variants {
        let mut report = |diagnostic: Diagnostic, path: &str| {
            let placed = loaded.sources.place(diagnostic, variant.tree.place_of(path));
            if !problems.contains(&placed) {
                problems.push(placed);
            }
        };
        if variant.scenario.horizon.0 == Span::ZERO {
            report(
                Diagnostic::error(Code::InvalidValue, "the horizon must be longer than 0"),
                "horizon",
            );
        }
        for (index, metric) in variant.scenario.metrics.iter().enumerate() {
            if !METRICS.contains(&metric.as_str()) {
                report(unknown_metric(metric), &format!("metrics[{index}]"));
            }
        }
        for (index, gate) in variant.scenario.gates.iter().enumerate() {
            if let Err(problem) = parse_gate(gate) {
                report(problem, &format!("gates[{index}]"));
            }
        }
        if !is_name(name) {
            let message = format!("`{name}` cannot name a variant");
            let help = "names of variants consist of letters, digits, `-`, `_` and `.`, and begin with a letter or digit";
            let diagnostic = Diagnostic::error(Code::InvalidValue, message).with_help(help);
            let path = format!("variants.{name}");
            let at = if loaded.scenario.variants.contains_key(name) {
                variant.tree.place_of_key(&path)
            } else {
                variant.tree.place_of_key("grid")
            };
            problems.push(loaded.sources.place(diagnostic, at));
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// Returns whether a variant's name can be a name of a directory on every system.
fn is_name(name: &str) -> bool {
    const LENGTH_MAX: usize = 64;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    name.len() <= LENGTH_MAX
        && name.chars().all(allowed)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
}
