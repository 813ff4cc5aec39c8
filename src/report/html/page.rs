//! Puts the page together from its parts and the data.

use super::detail::{self, Detail};
use super::model::{Model, RunModel, VariantModel, nodes_model};
use crate::experiment::result::{RunSummary, Summary};
use crate::report::curve::Band;
use crate::report::figures::milliseconds;
use crate::report::grid;
use crate::report::headline::{headline, run_headline};
use crate::report::replay::Replay;

/// Most bytes of detail about runs in one page, so that a phone can load it.
const DETAIL_BYTES_MAX: usize = 3_500_000;
const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("style.css");
/// The script's files, in the order in which they run.
const SCRIPTS: [&str; 6] = [
    include_str!("base.js"),
    include_str!("curve.js"),
    include_str!("gantt.js"),
    include_str!("map.js"),
    include_str!("tables.js"),
    include_str!("start.js"),
];

/// What the page shows of a variant.
pub(in crate::report) struct Pictured {
    /// Groups ready over time, over all runs.
    pub(in crate::report) ready: Band,
    /// What happened in the first runs, in their order; details of the others are not shown.
    pub(in crate::report) replays: Vec<Replay>,
}

/// Returns the page; `pictured` holds the variants in the summary's order.
pub(in crate::report) fn page(summary: &Summary, pictured: &[Pictured]) -> String {
    let mut details = details(summary, pictured);
    let mut tables = Vec::new();
    let variants = summary.variants.iter().zip(pictured).enumerate();
    let variants = variants
        .map(|(v, ((name, variant), pictured))| {
            let sets = summary.sets_of(variant);
            let table = nodes_model(&summary.nodes_of(variant));
            let nodes = tables.iter().position(|known| *known == table).unwrap_or_else(|| {
                tables.push(table);
                tables.len() - 1
            });
            let runs = variant.runs.iter().zip(details[v].drain(..));
            VariantModel {
                name,
                overrides: &variant.overrides,
                headline: headline(summary, variant),
                statistics: &variant.statistics,
                nodes,
                groups: sets.iter().map(|set| set.replicas).sum(),
                ready: (&pictured.ready).into(),
                runs: runs.map(|(run, detail)| run_model(run, &sets, detail)).collect(),
                sets,
            }
        })
        .collect();
    let model = Model {
        lwsim: &summary.lwsim,
        scenario: (&summary.scenario).into(),
        metrics: &summary.metrics,
        nodes: tables,
        grid: grid::parts(summary),
        grid_legend: grid::legend(summary),
        variants,
        gates: &summary.gates,
        not_modelled: &summary.not_modelled,
    };
    fill(&summary.scenario.name, &model)
}

fn run_model<'a>(
    run: &'a RunSummary,
    sets: &[crate::experiment::result::SetSummary],
    detail: Option<Detail>,
) -> RunModel<'a> {
    RunModel {
        seed: run.seed,
        outcome: run.outcome,
        end_ms: milliseconds(run.end_s),
        headline: run_headline(run, sets),
        metrics: &run.metrics,
        rollouts: &run.rollouts,
        waits: &run.waits,
        detail,
    }
}

/// Returns the details that fit, by variant and run: first runs before second ones, so that each variant can be looked at.
fn details(summary: &Summary, pictured: &[Pictured]) -> Vec<Vec<Option<Detail>>> {
    let variants: Vec<_> = summary.variants.values().collect();
    let mut details: Vec<Vec<Option<Detail>>> =
        variants.iter().map(|variant| variant.runs.iter().map(|_| None).collect()).collect();
    let rounds = pictured.iter().map(|pictured| pictured.replays.len()).max().unwrap_or(0);
    let first_max = DETAIL_BYTES_MAX / pictured.len().max(1);
    let mut left = DETAIL_BYTES_MAX;
    let order = (0..rounds).flat_map(|round| (0..pictured.len()).map(move |v| (round, v)));
    for (round, v) in order {
        let Some(replay) = pictured[v].replays.get(round) else { continue };
        let nodes = summary.nodes_of(variants[v]);
        let budget = if round == 0 { first_max } else { left };
        if let Some((detail, size)) = detail::fitting(replay, &nodes, budget) {
            left = left.saturating_sub(size);
            details[v][round] = Some(detail);
        }
    }
    details
}

fn fill(title: &str, model: &Model<'_>) -> String {
    // `<` can start `</script>` or `<!--`, which would end the data early; inside JSON strings it may be escaped.
    let data = serde_json::to_string(model)
        .expect("keys are strings and no value refuses to serialize")
        .replace('<', "\\u003c");
    let title = title.replace('&', "&amp;").replace('<', "&lt;");
    let script = SCRIPTS.concat();
    let parts = [
        ("{{title}}", title.as_str()),
        ("{{style}}", STYLE),
        ("{{data}}", &data),
        ("{{script}}", &script),
    ];
    // Each part is put in once and never searched, so that data cannot hold a placeholder.
    let mut page = String::with_capacity(PAGE.len() + STYLE.len() + script.len() + data.len());
    let mut rest = PAGE;
    for (placeholder, part) in parts {
        let (before, after) =
            rest.split_once(placeholder).expect("page.html holds each placeholder once, in order");
        page.push_str(before);
        page.push_str(part);
        rest = after;
    }
    page + rest
}
