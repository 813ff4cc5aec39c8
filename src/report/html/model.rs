//! The data that the page's script draws, as it is embedded.
//!
//! Short where it is repeated (nodes, curves), spelled out elsewhere. Instants are milliseconds.

use super::detail::Detail;
use crate::backend::record::{Outcome, WaitChain};
use crate::experiment::result::{
    Figure, GateSummary, MetricSummary, NodeSummary, RolloutSummary, ScenarioSummary, SetSummary,
    Statistics,
};
use crate::report::curve::Band;
use crate::report::figures::milliseconds;
use crate::report::grid::Part;
use indexmap::IndexMap;
use serde::Serialize;

/// Everything on the page.
#[derive(Serialize)]
pub(super) struct Model<'a> {
    pub(super) lwsim: &'a str,
    pub(super) scenario: ScenarioModel<'a>,
    pub(super) metrics: &'a [MetricSummary],
    /// Tables of nodes; variants name theirs by index.
    pub(super) nodes: Vec<NodesModel>,
    /// Parts of the table of a grid, and what a cell shows.
    pub(super) grid: Vec<Part>,
    pub(super) grid_legend: String,
    pub(super) variants: Vec<VariantModel<'a>>,
    pub(super) gates: &'a [GateSummary],
    pub(super) not_modelled: &'a [String],
}

/// What was run.
#[derive(Serialize)]
pub(super) struct ScenarioModel<'a> {
    name: &'a str,
    about: &'a str,
    kubernetes: &'a str,
    text: &'a str,
    horizon_ms: u64,
    seeds: u32,
}

/// Nodes of a variant.
#[derive(PartialEq, Serialize)]
pub(super) struct NodesModel {
    /// Topology label keys, from the widest domain to the narrowest.
    levels: Vec<String>,
    names: Vec<String>,
    accelerators: Vec<u64>,
    /// For each node the domain at each level.
    paths: Vec<Vec<String>>,
}

/// A variant.
#[derive(Serialize)]
pub(super) struct VariantModel<'a> {
    pub(super) name: &'a str,
    pub(super) overrides: &'a [(String, serde_json::Value)],
    pub(super) headline: String,
    pub(super) statistics: &'a IndexMap<String, Statistics>,
    pub(super) sets: Vec<SetSummary>,
    /// Index into [`Model::nodes`].
    pub(super) nodes: usize,
    /// Groups wanted at the start.
    pub(super) groups: u32,
    pub(super) ready: BandModel,
    pub(super) runs: Vec<RunModel<'a>>,
}

/// A run.
#[derive(Serialize)]
pub(super) struct RunModel<'a> {
    pub(super) seed: u64,
    pub(super) outcome: Outcome,
    pub(super) end_ms: u64,
    pub(super) headline: String,
    pub(super) metrics: &'a IndexMap<String, Option<Figure>>,
    pub(super) rollouts: &'a [RolloutSummary],
    pub(super) waits: &'a [WaitChain],
    /// `None` where it would make the page too large.
    pub(super) detail: Option<Detail>,
}

/// A curve with its band; `low` and `high` are left out where they equal the median.
#[derive(Serialize)]
pub(super) struct BandModel {
    t: Vec<u64>,
    median: Vec<i64>,
    low: Option<Vec<i64>>,
    high: Option<Vec<i64>>,
}

impl From<&Band> for BandModel {
    fn from(band: &Band) -> Self {
        let differing = |bound: &Vec<i64>| (*bound != band.median).then(|| bound.clone());
        let (low, high) = match (differing(&band.low), differing(&band.high)) {
            (None, None) => (None, None),
            _ => (Some(band.low.clone()), Some(band.high.clone())),
        };
        Self { t: band.t_ms.clone(), median: band.median.clone(), low, high }
    }
}

impl<'a> From<&'a ScenarioSummary> for ScenarioModel<'a> {
    fn from(scenario: &'a ScenarioSummary) -> Self {
        Self {
            name: &scenario.name,
            about: &scenario.about,
            kubernetes: &scenario.kubernetes,
            text: &scenario.text,
            horizon_ms: milliseconds(scenario.horizon_s),
            seeds: scenario.seeds,
        }
    }
}

/// Returns the table of some nodes.
pub(super) fn nodes_model(nodes: &[NodeSummary]) -> NodesModel {
    let longest = nodes.iter().map(|node| &node.path).max_by_key(|path| path.len());
    let levels: Vec<String> = longest.into_iter().flatten().map(|(key, _)| key.clone()).collect();
    let domain = |node: &NodeSummary, level: &String| {
        node.path.iter().find(|(key, _)| key == level).map_or_else(String::new, |d| d.1.clone())
    };
    NodesModel {
        names: nodes.iter().map(|node| node.name.clone()).collect(),
        accelerators: nodes.iter().map(|node| node.accelerators).collect(),
        paths: nodes
            .iter()
            .map(|node| levels.iter().map(|level| domain(node, level)).collect())
            .collect(),
        levels,
    }
}
