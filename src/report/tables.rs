//! What a terminal shows of a summary: what happened, the metrics, gates, and what stands in the way.

use super::figures::{cell, short};
use super::grid::{self, Part};
use super::headline::headline;
use crate::backend::record::Outcome;
use crate::experiment::result::{Summary, VariantSummary};
use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};
use std::fmt::Write;
use std::ops::Range;

/// Columns that the text may take.
const WIDTH: u16 = 80;
/// Chains of waits that are printed for a run.
const CHAINS_MAX: usize = 5;
const UNFAILING: &str = "writing to a string cannot fail";

/// Returns a summary as text of at most 80 columns, readable without colour; ends with a line break.
pub fn tables(summary: &Summary) -> String {
    let mut text = String::new();
    let parts = grid::parts(summary);
    // A table of all variants of a grid tells what a sentence and a column for each would hide.
    let in_grid = |name: &str| {
        summary.table.iter().any(|table| table.variants.iter().flatten().any(|cell| cell == name))
    };
    let told: Vec<_> = summary.variants.iter().filter(|(name, _)| !in_grid(name)).collect();
    push_grid(&mut text, summary, &parts);
    for (name, variant) in &told {
        let line = match summary.variants.len() {
            1 => headline(summary, variant),
            _ => format!("{name}: {}", headline(summary, variant)),
        };
        push_wrapped(&mut text, "", &line);
    }
    for (name, variant) in &told {
        push_waits(&mut text, name, variant);
    }
    let mut variants = told;
    while !variants.is_empty() {
        // As many variants side by side as fit, one at least; the others come in further tables.
        let fits = |count: &usize| metrics_table(summary, &variants[..*count]).1 <= WIDTH;
        let count = (2..=variants.len()).take_while(fits).last().unwrap_or(1);
        let table = metrics_table(summary, &variants[..count]).0;
        writeln!(text, "\n{table}").expect(UNFAILING);
        variants.drain(..count);
    }
    if parts.is_empty() && summary.variants.values().any(|variant| variant.runs.len() > 1) {
        push_wrapped(&mut text, "", "Mean over the runs of a variant, with the lowest and highest");
    }
    push_gates(&mut text, summary);
    if !summary.not_modelled.is_empty() {
        text.push_str("\nNot modelled:\n");
        for what in &summary.not_modelled {
            push_wrapped(&mut text, "  - ", what);
        }
    }
    text
}

/// Adds the table of a grid, as many columns side by side as fit.
fn push_grid(text: &mut String, summary: &Summary, parts: &[Part]) {
    if parts.is_empty() {
        return;
    }
    push_wrapped(text, "", &grid::legend(summary));
    for part in parts {
        let count = part.head.1.len();
        let mut from = 0;
        while from < count {
            let fits = |to: &usize| grid_table(part, from..*to).1 <= WIDTH;
            let to = (from + 2..=count).take_while(fits).last().unwrap_or(from + 1);
            text.push('\n');
            if !part.title.is_empty() {
                push_wrapped(text, "", &part.title);
            }
            writeln!(text, "{}", grid_table(part, from..to).0).expect(UNFAILING);
            from = to;
        }
    }
}

/// Returns some columns of a part of a grid's table, and the width.
fn grid_table(part: &Part, columns: Range<usize>) -> (String, u16) {
    let mut table = plain_table();
    let heads = part.head.1[columns.clone()].iter().map(|values| values.join("\n"));
    table.set_header(part.head.0.iter().cloned().chain(heads));
    for (names, cells, _) in &part.rows {
        table.add_row(names.iter().chain(&cells[columns.clone()]));
    }
    // Less room between columns than a table of numbers has: grids are wide.
    for column in table.column_iter_mut() {
        column.set_padding((0, 1));
    }
    drawn(&mut table, part.head.0.len())
}

fn plain_table() -> Table {
    let mut table = Table::new();
    let rule = LineStyle::none().fill('─').junction('─');
    table.load_style(TableStyle::new().header_separator(rule).bottom_border(rule));
    table.set_content_arrangement(ContentArrangement::Disabled);
    table
}

/// Returns a table as text, with all but its first columns aligned to the right, and its width.
fn drawn(table: &mut Table, names: usize) -> (String, u16) {
    for column in table.column_iter_mut().skip(names) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    let width = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
    (lines.join("\n"), u16::try_from(width).unwrap_or(u16::MAX))
}

/// Returns the table of metrics of some variants, and its width.
fn metrics_table(summary: &Summary, variants: &[(&String, &VariantSummary)]) -> (String, u16) {
    let mut table = plain_table();
    let names = variants.iter().map(|(name, _)| (*name).clone());
    table.set_header(std::iter::once("metric".to_owned()).chain(names));
    let outcomes = variants.iter().map(|(_, variant)| outcomes(variant));
    table.add_row(std::iter::once("outcome".to_owned()).chain(outcomes));
    for metric in &summary.metrics {
        let cells = variants.iter().map(|(_, v)| cell(v.statistics.get(&metric.name)));
        table.add_row(std::iter::once(metric.name.clone()).chain(cells));
    }
    drawn(&mut table, 1)
}

/// Returns the outcome of a variant's runs, with counts where they differ.
fn outcomes(variant: &VariantSummary) -> String {
    let all = [
        (Outcome::Settled, "settled"),
        (Outcome::Stuck, "stuck"),
        (Outcome::Horizon, "horizon"),
        (Outcome::Error, "error"),
    ];
    let counts = all.map(|(outcome, word)| {
        (variant.runs.iter().filter(|run| run.outcome == outcome).count(), word)
    });
    let met: Vec<_> = counts.into_iter().filter(|(count, _)| *count > 0).collect();
    match met.as_slice() {
        [] => "no run".to_owned(),
        [(_, word)] => (*word).to_owned(),
        several => {
            let words: Vec<_> = several.iter().map(|(n, word)| format!("{n} {word}")).collect();
            words.join(", ")
        }
    }
}

fn push_waits(text: &mut String, name: &str, variant: &VariantSummary) {
    let Some(run) = variant.runs.iter().find(|run| !run.waits.is_empty()) else { return };
    writeln!(text, "\nWhat `{name}` waits for (seed {}):", run.seed).expect(UNFAILING);
    for chain in run.waits.iter().take(CHAINS_MAX) {
        push_wrapped(text, "  ", &chain.group);
        for wait in &chain.chain {
            push_wrapped(text, "    → ", &format!("{} waits for {}", wait.object, wait.waits_for));
        }
    }
    if let Some(more) = run.waits.len().checked_sub(CHAINS_MAX + 1) {
        writeln!(text, "  and {} more groups", more + 1).expect(UNFAILING);
    }
}

fn push_gates(text: &mut String, summary: &Summary) {
    if summary.gates.is_empty() {
        return;
    }
    text.push_str("\nGates:\n");
    for gate in &summary.gates {
        let lead = if gate.passed { "  met     " } else { "  MISSED  " };
        let value = gate.value.map_or_else(|| "no value".to_owned(), |value| short(value.0));
        let line = format!("{} ({}): {value}", gate.gate, gate.variant);
        push_wrapped(text, lead, &line);
    }
}

/// Adds text that is broken at spaces to fit, further lines indented by as much as `lead` is wide.
fn push_wrapped(text: &mut String, lead: &str, line: &str) {
    let indent = lead.chars().count();
    let mut column = indent;
    text.push_str(lead);
    for (i, word) in line.split_whitespace().enumerate() {
        let width = word.chars().count();
        if i > 0 {
            if column + 1 + width > usize::from(WIDTH) {
                write!(text, "\n{:indent$}", "").expect(UNFAILING);
                column = indent;
            } else {
                text.push(' ');
                column += 1;
            }
        }
        text.push_str(word);
        column += width;
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::write::tests::sample;

    #[test]
    fn a_summary_reads_from_what_happened_to_what_is_not_modelled() {
        insta::assert_snapshot!("tables", tables(&sample()));
    }

    #[test]
    fn lines_fit_80_columns_with_many_variants_and_long_names() {
        let mut summary = sample();
        let variant = summary.variants["base"].clone();
        for i in 0..7 {
            let name = format!("a-variant-whose-name-says-what-it-does-{i}");
            summary.variants.insert(name, variant.clone());
        }
        summary.not_modelled.push("words ".repeat(40));
        let text = tables(&summary);
        for line in text.lines() {
            assert!(line.chars().count() <= usize::from(WIDTH), "{line}");
        }
        assert_eq!(text.matches("pods_created").count(), text.matches(" metric").count());
        assert!((0..7).all(|i| text.contains(&format!("does-{i}"))));
    }
}
