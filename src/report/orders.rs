//! What a terminal shows of the orders of a run.

use super::figures::short;
use crate::backend::record::Outcome;
use crate::experiment::orders::{Class, OrdersOfRun};
use crate::experiment::result::Figure;
use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};
use std::fmt::Write;

const UNFAILING: &str = "writing to a string cannot fail";

/// Returns the outcomes of the orders of some runs as text: one table for each run, ends with a line break.
pub fn orders(runs: &[OrdersOfRun]) -> String {
    let mut text = String::new();
    for run in runs {
        let count: usize = run.classes.iter().map(|class| class.orders).sum();
        let said = match run.classes.len() {
            1 => format!("the outcome is the same in all {count} orders"),
            classes => {
                format!("the outcome hangs on the order of events: {classes} in {count} orders")
            }
        };
        writeln!(text, "{} (seed {}): {said}\n\n{}\n", run.variant, run.seed, table(run, count))
            .expect(UNFAILING);
    }
    text
}

fn table(run: &OrdersOfRun, count: usize) -> String {
    let mut table = Table::new();
    let rule = LineStyle::none().fill('─').junction('─');
    table.load_style(TableStyle::new().header_separator(rule).bottom_border(rule));
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header([
        "share",
        "outcome",
        "fewest ready",
        "rollout s",
        "end s",
        "waits",
        "again with",
    ]);
    for class in &run.classes {
        table.add_row([
            format!("{} %", short(100.0 * class.orders as f64 / count as f64)),
            outcome(class).to_owned(),
            class.groups_ready_min.map_or_else(|| "–".to_owned(), |groups| short(groups.0)),
            class.rollout_duration_s.map_or_else(|| "–".to_owned(), range),
            range(class.end_s),
            waits(class),
            format!("--order {}", class.order),
        ]);
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        if matches!(index, 0 | 2 | 3 | 4) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

fn outcome(class: &Class) -> &'static str {
    match class.outcome {
        Outcome::Settled => "settled",
        Outcome::Stuck => "stuck",
        Outcome::Horizon => "horizon",
        Outcome::Error => "error",
    }
}

fn range((from, to): (Figure, Figure)) -> String {
    let (from, to) = (short(from.0), short(to.0));
    if from == to { from } else { format!("{from}–{to}") }
}

fn waits(class: &Class) -> String {
    match class.waiting.as_slice() {
        [] => "–".to_owned(),
        [one] => one.clone(),
        [first, ..] => format!("{first} and {} more", class.waiting.len() - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_whether_the_outcome_hangs_on_luck() {
        let class = |orders, order, outcome| Class {
            orders,
            order,
            outcome,
            groups_ready_min: Some(Figure(3.0)),
            waiting: if outcome == Outcome::Stuck { vec!["default/a-4".into()] } else { vec![] },
            rollout_duration_s: (outcome == Outcome::Settled)
                .then_some((Figure(10.0), Figure(12.5))),
            end_s: (Figure(20.0), Figure(20.0)),
        };
        let classes = vec![class(6, 0, Outcome::Settled), class(2, 3, Outcome::Stuck)];
        let run = OrdersOfRun { variant: "base".into(), seed: 1, classes };
        insta::assert_snapshot!(orders(&[run]), @r"
        base (seed 1): the outcome hangs on the order of events: 2 in 8 orders

         share   outcome   fewest ready   rollout s   end s   waits         again with
        ───────────────────────────────────────────────────────────────────────────────
          75 %   settled              3     10–12.5      20   –             --order 0
          25 %   stuck                3           –      20   default/a-4   --order 3
        ───────────────────────────────────────────────────────────────────────────────
        ");
    }
}
