//! One scheduling cycle (kube-scheduler 1.36 `schedulePod`): filter in rotated order, score, choose.
//!
//! # Differs from the real thing
//! Nodes are filtered one after another and not by 16 workers, so the number that is looked at is exact where the real one
//! overshoots by chance. Pods that are nominated to a node do not yet reserve its resources against others.

use super::cluster::{Cluster, NodeIndex};
use super::diagnosis::Diagnosis;
use super::framework::{Cycle, Filter, Plugin, PreFilter, PreScore, Score, Verdict};
use super::incoming::Incoming;
use super::pod::{ClassId, PodView};
use super::registry::Profile;
use crate::engine::Stream;
use rustc_hash::FxHashMap;

/// Classes whose static verdicts are kept. An assumption: a run has fewer templates at one time.
const COLUMNS_MAX: usize = 256;
/// Fewer nodes than this are all looked at (kube-scheduler `minFeasibleNodesToFind`).
const FEASIBLE_MIN: usize = 100;
/// At least this percentage of nodes is looked for (kube-scheduler `minFeasibleNodesPercentageToFind`).
const PERCENTAGE_MIN: usize = 5;

/// How to choose among nodes with the same score.
pub enum Tie<'a> {
    /// The first that was found.
    First,
    /// Any, by a draw from a stream.
    Random(&'a mut Stream),
}

/// How a version of kube-scheduler chooses among nodes with the same score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TieRule {
    /// The first that was found: 1.35 and 1.36, whose randomiser is not assigned without extenders (kubernetes PR 141024).
    First,
    /// Any with the same chance.
    Random,
}

/// Outcome of a cycle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The pod goes here.
    Placed {
        /// Node.
        node: NodeIndex,
        /// Weighted score; 0 where only one node was feasible and nothing was scored.
        score: i64,
        /// Nodes with this score.
        ties: usize,
        /// Feasible nodes that were found.
        feasible: usize,
        /// Nodes that were looked at.
        evaluated: usize,
    },
    /// No node fits.
    Unschedulable(Box<Diagnosis>),
}

/// The scheduler: cluster, plugins, and the place in the list of nodes where the next cycle begins.
pub struct Scheduler {
    /// What it knows.
    pub cluster: Cluster,
    pub(super) profile: Profile,
    pub(super) filters: Vec<Box<dyn Filter>>,
    pub(super) scores: Vec<(i64, Box<dyn Score>)>,
    columns: FxHashMap<ClassId, Column>,
    next: usize,
    scratch: Scratch,
}

#[derive(Default)]
struct Scratch {
    active: Vec<usize>,
    feasible: Vec<NodeIndex>,
    totals: Vec<i64>,
    scores: Vec<i64>,
    best: Vec<NodeIndex>,
}

/// Verdicts of the static filters on every node for one class.
#[derive(Default)]
struct Column {
    /// How much of the log of node changes it has seen.
    seen: usize,
    /// For each node 0, or 1 + index into `rejections`.
    codes: Vec<u8>,
    rejections: Vec<(Plugin, Verdict)>,
}

impl Scheduler {
    /// Returns a scheduler of an empty cluster.
    pub fn new(profile: Profile) -> Self {
        Self {
            cluster: Cluster::default(),
            filters: profile.filters(),
            scores: profile.scores(),
            profile,
            columns: FxHashMap::default(),
            next: 0,
            scratch: Scratch::default(),
        }
    }

    /// Returns how this version breaks ties (scheduling research A4.3).
    pub fn tie_rule(&self) -> TieRule {
        if matches!(self.profile.minor, 35 | 36) { TieRule::First } else { TieRule::Random }
    }

    /// Decides where a pod goes. The cluster does not change: place the pod with [`Cluster::add_pod`].
    pub fn schedule(&mut self, pod: &PodView, tie: Tie<'_>) -> Decision {
        self.cluster.refresh();
        let incoming = self.resolve(pod);
        let Self { cluster, profile, filters, scores, columns, next, scratch } = self;
        let cycle = Cycle { cluster, pod, incoming: &incoming };
        let nodes = cluster.nodes.order().len();
        let mut diagnosis = Diagnosis::new(nodes, profile.minor, pod.class.never_preempts);
        if nodes == 0 {
            return Decision::Unschedulable(Box::new(diagnosis));
        }
        scratch.active.clear();
        for (at, filter) in filters.iter_mut().enumerate() {
            match filter.pre_filter(&cycle) {
                PreFilter::Skip => {}
                PreFilter::Run if filter.is_static() => {}
                PreFilter::Run => scratch.active.push(at),
                PreFilter::Reject(verdict) => {
                    diagnosis.count(filter.plugin(), verdict, diagnosis.nodes);
                    return Decision::Unschedulable(Box::new(diagnosis));
                }
            }
        }
        if columns.len() > COLUMNS_MAX {
            columns.clear();
        }
        let column = columns.entry(pod.class.id).or_default();
        column.refresh(&cycle, filters);
        let search = Search { cycle: &cycle, filters, active: &scratch.active, column };
        if let Some(node) = pod.nominated.filter(|&node| search.fits(node)) {
            return Decision::Placed { node, score: 0, ties: 1, feasible: 1, evaluated: 1 };
        }
        let wanted =
            feasible_wanted(nodes, profile.percentage_of_nodes_to_score, !scores.is_empty());
        let evaluated = search.run(*next % nodes, wanted, &mut scratch.feasible, &mut diagnosis);
        *next = (*next + evaluated) % nodes;
        match scratch.feasible.as_slice() {
            [] => Decision::Unschedulable(Box::new(diagnosis)),
            &[node] => Decision::Placed { node, score: 0, ties: 1, feasible: 1, evaluated },
            _ => {
                score_all(&cycle, scores, scratch);
                choose(scratch, tie, evaluated)
            }
        }
    }

    pub(super) fn resolve(&mut self, pod: &PodView) -> Incoming {
        let mut incoming = Incoming::resolve(&mut self.cluster, pod);
        if !self.profile.default_spreading && pod.class.spread.is_empty() {
            incoming.soft.clear();
        }
        incoming
    }
}

/// Returns how many feasible nodes are enough (kube-scheduler 1.36 `numFeasibleNodesToFind`).
pub(super) fn feasible_wanted(nodes: usize, percentage: u32, has_scores: bool) -> usize {
    if !has_scores {
        return 1;
    }
    if nodes < FEASIBLE_MIN {
        return nodes;
    }
    let percentage = match percentage as usize {
        0 => 50usize.saturating_sub(nodes / 125).max(PERCENTAGE_MIN),
        stated => stated,
    };
    (nodes * percentage / 100).clamp(FEASIBLE_MIN, nodes)
}

struct Search<'a> {
    cycle: &'a Cycle<'a>,
    filters: &'a [Box<dyn Filter>],
    active: &'a [usize],
    column: &'a Column,
}

impl Search<'_> {
    fn fits(&self, node: NodeIndex) -> bool {
        self.column.codes.get(node.at()) == Some(&0)
            && self
                .active
                .iter()
                .all(|&at| self.filters[at].filter(self.cycle, node) == Verdict::Fits)
    }

    /// Looks at nodes from `start` on until `wanted` are feasible; returns how many it looked at.
    fn run(
        &self,
        start: usize,
        wanted: usize,
        feasible: &mut Vec<NodeIndex>,
        diagnosis: &mut Diagnosis,
    ) -> usize {
        feasible.clear();
        let (before, after) = self.cycle.cluster.nodes.order().split_at(start);
        let mut evaluated = 0;
        let mut static_rejections = [0u32; 256];
        'nodes: for &node in after.iter().chain(before) {
            evaluated += 1;
            let code = self.column.codes[node.at()];
            if code != 0 {
                static_rejections[usize::from(code)] += 1;
                continue;
            }
            for &at in self.active {
                let verdict = self.filters[at].filter(self.cycle, node);
                if verdict != Verdict::Fits {
                    diagnosis.count(self.filters[at].plugin(), verdict, 1);
                    continue 'nodes;
                }
            }
            feasible.push(node);
            if feasible.len() == wanted {
                break;
            }
        }
        for (&times, &(plugin, verdict)) in
            static_rejections[1..].iter().zip(&self.column.rejections)
        {
            if times > 0 {
                diagnosis.count(plugin, verdict, times);
            }
        }
        evaluated
    }
}

impl Column {
    fn refresh(&mut self, cycle: &Cycle<'_>, filters: &[Box<dyn Filter>]) {
        let nodes = &cycle.cluster.nodes;
        let changes = &nodes.changes()[self.seen..];
        if changes.len() > nodes.len() || self.codes.is_empty() {
            self.codes.clear();
            self.codes.resize(nodes.len(), 0);
            for &node in nodes.order() {
                self.judge(cycle, filters, node);
            }
        } else {
            self.codes.resize(nodes.len(), 0);
            for &node in changes {
                self.judge(cycle, filters, node);
            }
        }
        self.seen = nodes.changes().len();
    }

    fn judge(&mut self, cycle: &Cycle<'_>, filters: &[Box<dyn Filter>], node: NodeIndex) {
        self.codes[node.at()] = 0;
        for filter in filters.iter().filter(|filter| filter.is_static()) {
            let rejection = (filter.plugin(), filter.filter(cycle, node));
            if rejection.1 == Verdict::Fits {
                continue;
            }
            let at =
                self.rejections.iter().position(|other| *other == rejection).unwrap_or_else(|| {
                    self.rejections.push(rejection);
                    self.rejections.len() - 1
                });
            self.codes[node.at()] = u8::try_from(at + 1).expect("static filters have few reasons");
            return;
        }
    }
}

fn score_all(cycle: &Cycle<'_>, scores: &mut [(i64, Box<dyn Score>)], scratch: &mut Scratch) {
    scratch.totals.clear();
    scratch.totals.resize(scratch.feasible.len(), 0);
    for (weight, plugin) in scores {
        match plugin.pre_score(cycle, &scratch.feasible) {
            PreScore::Skip => {}
            PreScore::Constant(score) => {
                scratch.totals.iter_mut().for_each(|total| *total += *weight * score);
            }
            PreScore::Run => {
                plugin.score_all(cycle, &scratch.feasible, &mut scratch.scores);
                for (total, score) in scratch.totals.iter_mut().zip(&scratch.scores) {
                    *total += *weight * score;
                }
            }
        }
    }
}

fn choose(scratch: &mut Scratch, tie: Tie<'_>, evaluated: usize) -> Decision {
    let score = scratch.totals.iter().copied().max().expect("there are feasible nodes");
    scratch.best.clear();
    let scored = scratch.feasible.iter().zip(&scratch.totals);
    scratch.best.extend(scored.filter(|(_, total)| **total == score).map(|(node, _)| *node));
    let ties = scratch.best.len();
    let at = match tie {
        Tie::Random(stream) if ties > 1 => stream.index(ties),
        Tie::First | Tie::Random(_) => 0,
    };
    Decision::Placed {
        node: scratch.best[at],
        score,
        ties,
        feasible: scratch.feasible.len(),
        evaluated,
    }
}
