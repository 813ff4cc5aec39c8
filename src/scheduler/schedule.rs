//! One scheduling cycle (kube-scheduler 1.36 `schedulePod`): filter in rotated order, score, choose.
//!
//! # Differs from the real thing
//! Nodes are filtered one after another and not by 16 workers, so the number that is looked at is exact where the real one
//! overshoots by chance. Verdicts and scores that hang on nothing but class and node are kept until the node changes; the
//! outcome is the same.

use super::cluster::{Cluster, NodeIndex};
use super::diagnosis::Diagnosis;
use super::framework::{Basis, Cycle, Filter, Plugin, PreFilter, PreScore, Score, Verdict};
use super::incoming::Incoming;
use super::pod::{ClassId, PodKey, PodView};
use super::registry::Profile;
use crate::engine::Stream;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::sync::Arc;

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
    /// Pods that wait for a node to become free for them, with the node.
    pub(super) nominated: BTreeMap<PodKey, (PodView, NodeIndex)>,
    columns: FxHashMap<ClassId, Column>,
    /// Profiles that are not in use at the moment.
    others: Vec<Shelved>,
    next: usize,
    scratch: Scratch,
}

/// A profile with its plugins and what is known of nodes by them.
struct Shelved {
    profile: Profile,
    filters: Vec<Box<dyn Filter>>,
    scores: Vec<(i64, Box<dyn Score>)>,
    columns: FxHashMap<ClassId, Column>,
}

#[derive(Default)]
struct Scratch {
    active: Active,
    feasible: Vec<NodeIndex>,
    totals: Vec<i64>,
    scores: Vec<i64>,
    best: Vec<NodeIndex>,
}

/// Filters of basis [`Basis::Cluster`] that have something to say about a pod, by index.
#[derive(Default)]
struct Active {
    /// Those before the filters of basis [`Basis::Node`] in the profile's order…
    before: Vec<usize>,
    /// …and those after them.
    after: Vec<usize>,
}

/// What is known of every node for one class.
#[derive(Default)]
struct Column {
    /// How much of the log of node changes it has seen.
    seen: usize,
    /// For each node what filters of basis [`Basis::NodeObject`] say: 0, or 1 + index into `rejections`.
    codes: Vec<u8>,
    rejections: Vec<(Plugin, Verdict)>,
    local: Vec<Local>,
}

/// What is known of a node for one class as long as the node's version stays.
#[derive(Clone, Copy)]
struct Local {
    /// The node's version then; 0 is none.
    version: u32,
    verdict: LocalVerdict,
    /// Sum of the local scores with their weights.
    score: Option<i32>,
}

#[derive(Clone, Copy)]
enum LocalVerdict {
    Fits,
    /// Index into `rejections`.
    Rejected(u16),
}

impl Scheduler {
    /// Returns a scheduler of an empty cluster.
    pub fn new(profile: Profile) -> Self {
        let mut cluster = Cluster::default();
        let added = Arc::new(cluster.added_affinity(profile.added_affinity.as_deref()));
        Self {
            cluster,
            filters: profile.filters(&added),
            scores: profile.scores(&added),
            profile,
            nominated: BTreeMap::new(),
            columns: FxHashMap::default(),
            others: Vec::new(),
            next: 0,
            scratch: Scratch::default(),
        }
    }

    /// Adds a profile for pods that name it.
    pub fn add_profile(&mut self, profile: Profile) {
        let added = Arc::new(self.cluster.added_affinity(profile.added_affinity.as_deref()));
        self.others.push(Shelved {
            filters: profile.filters(&added),
            scores: profile.scores(&added),
            profile,
            columns: FxHashMap::default(),
        });
    }

    /// Decides by the profile of this name from now on; returns false where there is none.
    pub fn choose_profile(&mut self, name: &str) -> bool {
        if self.profile.name == name {
            return true;
        }
        let Some(other) = self.others.iter_mut().find(|other| other.profile.name == name) else {
            return false;
        };
        std::mem::swap(&mut self.profile, &mut other.profile);
        std::mem::swap(&mut self.filters, &mut other.filters);
        std::mem::swap(&mut self.scores, &mut other.scores);
        std::mem::swap(&mut self.columns, &mut other.columns);
        true
    }

    /// Returns the profile by which it decides.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Returns how this version breaks ties (scheduling research A4.3).
    pub fn tie_rule(&self) -> TieRule {
        if matches!(self.profile.minor, 35 | 36) { TieRule::First } else { TieRule::Random }
    }

    /// Decides where a pod goes. The cluster does not change: place the pod with [`Cluster::add_pod`].
    pub fn schedule(&mut self, pod: &PodView, tie: Tie<'_>) -> Decision {
        self.cluster.refresh();
        let reserved = self.reserved(pod);
        let incoming = self.resolve(pod);
        let Self { cluster, profile, filters, scores, columns, next, scratch, .. } = self;
        let cycle = Cycle { cluster, pod, incoming: &incoming };
        let nodes = cluster.nodes.order().len();
        let mut diagnosis = Diagnosis::new(nodes, profile.minor, pod.class.never_preempts);
        if nodes == 0 {
            return Decision::Unschedulable(Box::new(diagnosis));
        }
        if let Some((plugin, verdict)) = scratch.active.prepare(&cycle, filters) {
            diagnosis.count(plugin, verdict, diagnosis.nodes);
            return Decision::Unschedulable(Box::new(diagnosis));
        }
        if columns.len() > COLUMNS_MAX {
            columns.clear();
        }
        let column = columns.entry(pod.class.id).or_default();
        column.refresh(&cycle, filters);
        let active = &scratch.active;
        let mut search = Search { cycle: &cycle, filters, active, column, reserved: &reserved };
        if let Some(node) = pod.nominated.filter(|&node| search.judge(node).is_none()) {
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
                score_all(&cycle, scores, column, scratch);
                choose(scratch, tie, evaluated)
            }
        }
    }

    /// Returns the nodes that pods nominated to them keep this one from, and what the filters say about them then.
    fn reserved(&mut self, pod: &PodView) -> Vec<(NodeIndex, (Plugin, Verdict))> {
        let mut nodes: Vec<NodeIndex> = self.nominated.values().map(|(_, node)| *node).collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes.retain(|&node| self.cluster.is_present(node));
        nodes
            .into_iter()
            .filter_map(|node| Some((node, self.rejection_beside_nominated(pod, node)?)))
            .collect()
    }

    pub(super) fn resolve(&mut self, pod: &PodView) -> Incoming {
        Incoming::resolve(&mut self.cluster, pod, &self.profile.default_spreading)
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

impl Active {
    /// Runs `PreFilter`. Returns the plugin that rejects every node, if one does.
    fn prepare(
        &mut self,
        cycle: &Cycle<'_>,
        filters: &mut [Box<dyn Filter>],
    ) -> Option<(Plugin, Verdict)> {
        self.before.clear();
        self.after.clear();
        let first_local = filters
            .iter()
            .position(|filter| filter.basis() == Basis::Node)
            .unwrap_or(filters.len());
        for (at, filter) in filters.iter_mut().enumerate() {
            match filter.pre_filter(cycle) {
                PreFilter::Reject(verdict) => return Some((filter.plugin(), verdict)),
                PreFilter::Run if filter.basis() == Basis::Cluster && at < first_local => {
                    self.before.push(at);
                }
                PreFilter::Run if filter.basis() == Basis::Cluster => self.after.push(at),
                PreFilter::Run | PreFilter::Skip => {}
            }
        }
        None
    }
}

/// A rejection, by its index in the column where it is known there.
enum Rejection {
    Known(usize),
    Fresh(Plugin, Verdict),
}

struct Search<'a> {
    cycle: &'a Cycle<'a>,
    filters: &'a [Box<dyn Filter>],
    active: &'a Active,
    column: &'a mut Column,
    /// Nodes that are kept for others.
    reserved: &'a [(NodeIndex, (Plugin, Verdict))],
}

impl Search<'_> {
    /// Returns what keeps the pod off a node.
    fn judge(&mut self, node: NodeIndex) -> Option<Rejection> {
        if let Some((_, (plugin, verdict))) = self.reserved.iter().find(|entry| entry.0 == node) {
            return Some(Rejection::Fresh(*plugin, *verdict));
        }
        match self.column.codes.get(node.at()) {
            Some(0) => {}
            Some(code) => return Some(Rejection::Known(usize::from(code - 1))),
            None => return Some(Rejection::Known(0)), // A nominated node that never was.
        }
        if let Some(rejection) = self.ask(&self.active.before, node) {
            return Some(rejection);
        }
        match self.column.local_verdict(self.cycle, self.filters, node) {
            LocalVerdict::Rejected(at) => Some(Rejection::Known(usize::from(at))),
            LocalVerdict::Fits => self.ask(&self.active.after, node),
        }
    }

    fn ask(&self, filters: &[usize], node: NodeIndex) -> Option<Rejection> {
        filters.iter().map(|&at| &self.filters[at]).find_map(|filter| {
            match filter.filter(self.cycle, node) {
                Verdict::Fits => None,
                verdict => Some(Rejection::Fresh(filter.plugin(), verdict)),
            }
        })
    }

    /// Looks at nodes from `start` on until `wanted` are feasible; returns how many it looked at.
    fn run(
        &mut self,
        start: usize,
        wanted: usize,
        feasible: &mut Vec<NodeIndex>,
        diagnosis: &mut Diagnosis,
    ) -> usize {
        feasible.clear();
        let (before, after) = self.cycle.cluster.nodes.order().split_at(start);
        let mut evaluated = 0;
        let mut times: Vec<u32> = Vec::new();
        for &node in after.iter().chain(before) {
            evaluated += 1;
            match self.judge(node) {
                Some(Rejection::Known(at)) => {
                    if at >= times.len() {
                        times.resize(at + 1, 0);
                    }
                    times[at] += 1;
                }
                Some(Rejection::Fresh(plugin, verdict)) => diagnosis.count(plugin, verdict, 1),
                None => {
                    feasible.push(node);
                    if feasible.len() == wanted {
                        break;
                    }
                }
            }
        }
        for (&times, &(plugin, verdict)) in times.iter().zip(&self.column.rejections) {
            if times > 0 {
                diagnosis.count(plugin, verdict, times);
            }
        }
        evaluated
    }
}

impl Local {
    const UNKNOWN: Self = Self { version: 0, verdict: LocalVerdict::Fits, score: None };
}

impl Column {
    /// Follows the changes of Node objects.
    fn refresh(&mut self, cycle: &Cycle<'_>, filters: &[Box<dyn Filter>]) {
        let nodes = &cycle.cluster.nodes;
        let changes = &nodes.changes()[self.seen..];
        let is_new = self.codes.is_empty();
        self.codes.resize(nodes.len(), 0);
        self.local.resize(nodes.len(), Local::UNKNOWN);
        let stale = if is_new || changes.len() > nodes.len() { nodes.order() } else { changes };
        for &node in stale {
            let rejection = first_rejection(cycle, filters, Basis::NodeObject, node);
            self.codes[node.at()] = rejection.map_or(0, |rejection| {
                u8::try_from(self.number(rejection) + 1)
                    .expect("Node objects are rejected for few reasons")
            });
        }
        self.seen = nodes.changes().len();
    }

    fn number(&mut self, rejection: (Plugin, Verdict)) -> usize {
        self.rejections.iter().position(|other| *other == rejection).unwrap_or_else(|| {
            self.rejections.push(rejection);
            self.rejections.len() - 1
        })
    }

    fn local_verdict(
        &mut self,
        cycle: &Cycle<'_>,
        filters: &[Box<dyn Filter>],
        node: NodeIndex,
    ) -> LocalVerdict {
        let version = cycle.cluster.nodes.version(node);
        let known = self.local[node.at()];
        if known.version == version {
            return known.verdict;
        }
        let verdict = match first_rejection(cycle, filters, Basis::Node, node) {
            Some(rejection) => {
                let at = self.number(rejection);
                LocalVerdict::Rejected(u16::try_from(at).expect("a class asks for few resources"))
            }
            None => LocalVerdict::Fits,
        };
        self.local[node.at()] = Local { version, verdict, score: None };
        verdict
    }
}

fn first_rejection(
    cycle: &Cycle<'_>,
    filters: &[Box<dyn Filter>],
    basis: Basis,
    node: NodeIndex,
) -> Option<(Plugin, Verdict)> {
    filters.iter().filter(|filter| filter.basis() == basis).find_map(|filter| {
        match filter.filter(cycle, node) {
            Verdict::Fits => None,
            verdict => Some((filter.plugin(), verdict)),
        }
    })
}

fn score_all(
    cycle: &Cycle<'_>,
    scores: &mut [(i64, Box<dyn Score>)],
    column: &mut Column,
    scratch: &mut Scratch,
) {
    scratch.totals.clear();
    scratch.totals.resize(scratch.feasible.len(), 0);
    let mut local: SmallVec<[(i64, &dyn Score); 4]> = SmallVec::new();
    for (weight, plugin) in scores {
        match plugin.pre_score(cycle, &scratch.feasible) {
            PreScore::Skip => {}
            PreScore::Constant(score) => {
                scratch.totals.iter_mut().for_each(|total| *total += *weight * score);
            }
            PreScore::Run if plugin.is_local() => local.push((*weight, &**plugin)),
            PreScore::Run => {
                plugin.score_all(cycle, &scratch.feasible, &mut scratch.scores);
                for (total, score) in scratch.totals.iter_mut().zip(&scratch.scores) {
                    *total += *weight * score;
                }
            }
        }
    }
    for (total, &node) in scratch.totals.iter_mut().zip(&scratch.feasible) {
        // Feasible nodes have just been judged: what is kept is of their present version.
        let known = &mut column.local[node.at()];
        let score = *known.score.get_or_insert_with(|| {
            let sum: i64 =
                local.iter().map(|(weight, plugin)| weight * plugin.score(cycle, node)).sum();
            i32::try_from(sum).expect("weights are small")
        });
        *total += i64::from(score);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Purpose, Streams};
    use crate::scheduler::{ClusterEvent, PodLabels, Sym};
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
    use serde_json::{Value, json};

    /// A node of 96 cores, 1 TiB and 8 GPUs with these labels and its own hostname.
    fn node(name: &str, labels: &Value) -> k8s_openapi::api::core::v1::Node {
        let mut labels = labels.clone();
        labels["kubernetes.io/hostname"] = json!(name);
        serde_json::from_value(json!({
            "metadata": {"name": name, "labels": labels},
            "status": {"allocatable": {"cpu": "96", "memory": "1Ti", "pods": "110", "nvidia.com/gpu": "8"}},
        }))
        .unwrap()
    }

    fn scheduler(minor: u32, nodes: usize, zones: usize) -> Scheduler {
        let mut scheduler = Scheduler::new(Profile::default_of(minor));
        for number in 0..nodes {
            let labels = match zones {
                0 => json!({}),
                zones => {
                    json!({"topology.kubernetes.io/zone": format!("z{}", number * zones / nodes)})
                }
            };
            scheduler.cluster.add_node(&node(&format!("n{number}"), &labels));
        }
        scheduler
    }

    fn pod(scheduler: &mut Scheduler, gpus: u32, labels: &[(&str, &str)]) -> PodView {
        let spec = json!({"containers": [{"name": "c", "resources": {"requests": {"nvidia.com/gpu": gpus.to_string()}}}]});
        let class = scheduler.cluster.class("default", &serde_json::from_value(spec).unwrap());
        let labels = PodLabels::from_texts(&mut scheduler.cluster.symbols, labels.iter().copied());
        scheduler.cluster.view(&class, labels)
    }

    #[test]
    fn so_many_feasible_nodes_are_looked_for() {
        // scheduling research A4.1
        let table = [
            (99, 99),
            (100, 100),
            (250, 120),
            (500, 230),
            (1000, 420),
            (2000, 680),
            (3000, 780),
            (5000, 500),
            (5600, 336),
            (15_000, 750),
        ];
        for (nodes, expected) in table {
            assert_eq!(feasible_wanted(nodes, 0, true), expected, "{nodes} nodes");
        }
        assert_eq!(feasible_wanted(1000, 20, true), 200);
        assert_eq!(feasible_wanted(1000, 0, false), 1);
    }

    #[test]
    fn the_next_cycle_begins_where_the_last_one_ended() {
        let mut scheduler = scheduler(36, 250, 0);
        let view = pod(&mut scheduler, 1, &[]);
        let mut found = Vec::new();
        for _ in 0..4 {
            let Decision::Placed { node, feasible, evaluated, .. } =
                scheduler.schedule(&view, Tie::First)
            else {
                panic!("there is room")
            };
            assert_eq!((feasible, evaluated), (120, 120));
            found.push(scheduler.cluster.node_name(node).to_owned());
        }
        assert_eq!(found, ["n0", "n120", "n240", "n110"]);
    }

    #[test]
    fn zones_take_turns_in_the_order_of_nodes() {
        let mut scheduler = scheduler(36, 5, 2);
        scheduler.cluster.refresh();
        let names: Vec<&str> =
            scheduler.cluster.nodes().map(|node| scheduler.cluster.node_name(node)).collect();
        assert_eq!(names, ["n0", "n3", "n1", "n4", "n2"]);
    }

    #[test]
    fn ties_are_broken_as_the_version_does() {
        for (minor, rule) in [
            (33, TieRule::Random),
            (34, TieRule::Random),
            (35, TieRule::First),
            (36, TieRule::First),
            (37, TieRule::Random),
        ] {
            assert_eq!(scheduler(minor, 1, 0).tie_rule(), rule);
        }
        let mut scheduler = scheduler(34, 10, 0);
        let view = pod(&mut scheduler, 1, &[]);
        let mut stream = Streams::new(1).stream(Purpose::named("test"), 0);
        let mut seen = [0; 10];
        for _ in 0..1000 {
            let Decision::Placed { node, ties, .. } =
                scheduler.schedule(&view, Tie::Random(&mut stream))
            else {
                panic!("there is room")
            };
            assert_eq!(ties, 10);
            seen[node.at()] += 1;
        }
        assert!(seen.iter().all(|&times| (60..140).contains(&times)), "{seen:?}");
    }

    #[test]
    fn a_pod_that_met_no_node_waits_for_one() {
        let mut scheduler = scheduler(36, 0, 0);
        let view = pod(&mut scheduler, 1, &[]);
        let Decision::Unschedulable(diagnosis) = scheduler.schedule(&view, Tie::First) else {
            panic!("there is no node")
        };
        let index = scheduler.cluster.add_node(&node("n0", &json!({})));
        assert!(scheduler.would_wake(&view, diagnosis.rejected_by, ClusterEvent::NodeAdded(index)));
        assert!(!scheduler.would_wake(
            &view,
            diagnosis.rejected_by,
            ClusterEvent::PodRemoved(&view)
        ));
    }

    #[test]
    fn a_nominated_node_is_taken_if_it_fits() {
        let mut scheduler = scheduler(36, 3, 0);
        let mut view = pod(&mut scheduler, 8, &[]);
        let node = scheduler.cluster.node("n2").unwrap();
        view.nominated = Some(node);
        let placed = |decision| match decision {
            Decision::Placed { node, .. } => node,
            Decision::Unschedulable(_) => panic!("there is room"),
        };
        assert_eq!(placed(scheduler.schedule(&view, Tie::First)), node);
        scheduler.cluster.add_pod(PodKey(1), &view, node);
        assert_ne!(placed(scheduler.schedule(&view, Tie::First)), node);
    }

    #[test]
    fn the_message_is_kube_scheduler_s() {
        let mut scheduler = scheduler(33, 5, 0);
        let full = pod(&mut scheduler, 8, &[]);
        for number in 0..2u32 {
            scheduler.cluster.add_pod(PodKey(u64::from(number)), &full, NodeIndex(number));
        }
        for number in 2..5 {
            let mut object = node(&format!("n{number}"), &json!({}));
            object.spec =
                serde_json::from_value(json!({"taints": [{"key": "k", "effect": "NoSchedule"}]}))
                    .unwrap();
            scheduler.cluster.update_node(NodeIndex(number), &object);
        }
        let message = |scheduler: &mut Scheduler, view: &PodView| match scheduler
            .schedule(view, Tie::First)
        {
            Decision::Unschedulable(diagnosis) => diagnosis.message(&scheduler.cluster),
            Decision::Placed { .. } => panic!("there is no room"),
        };
        insta::assert_snapshot!(message(&mut scheduler, &full), @"0/5 nodes are available: 2 Insufficient nvidia.com/gpu, 3 node(s) had untolerated taint(s). preemption: 0/5 nodes are available: 2 No preemption victims found for incoming pod, 3 Preemption is not helpful for scheduling.");
        let mut nowhere = full.clone();
        nowhere.node_selector.push((Sym::ZONE, scheduler.cluster.symbols.intern("z9")));
        insta::assert_snapshot!(message(&mut scheduler, &nowhere), @"0/5 nodes are available: 2 node(s) didn't match Pod's node affinity/selector, 3 node(s) had untolerated taint(s). preemption: 0/5 nodes are available: 5 Preemption is not helpful for scheduling.");
        let mut empty = Scheduler::new(Profile::default_of(36));
        let view = pod(&mut empty, 1, &[]);
        assert_eq!(message(&mut empty, &view), "no nodes available to schedule pods");
    }

    /// Nodes of (zone, pods already there): scores of the system's default spreading (scheduling research A6.1).
    fn check_spread(nodes: &[(&str, usize)], expected: &[i64]) {
        let mut scheduler = Scheduler::new(Profile::default_of(36));
        let mut view = pod(&mut scheduler, 0, &[("app", "a")]);
        let selector: LabelSelector =
            serde_json::from_value(json!({"matchLabels": {"app": "a"}})).unwrap();
        view.owner_selector = scheduler.cluster.owner_selector("default", [&selector]);
        for (number, &(zone, pods)) in nodes.iter().enumerate() {
            let labels = if zone.is_empty() {
                json!({})
            } else {
                json!({"topology.kubernetes.io/zone": zone})
            };
            let index = scheduler.cluster.add_node(&node(&format!("n{number}"), &labels));
            for other in 0..pods {
                scheduler.cluster.add_pod(PodKey((number * 100 + other) as u64), &view, index);
            }
        }
        let explanation = scheduler.explain(&view);
        let score = |entry: &super::super::NodeExplanation| {
            let found = entry.scores.iter().find(|score| score.0 == Plugin::PodTopologySpread);
            found.unwrap().1 / 2
        };
        let mut scores: Vec<(NodeIndex, i64)> =
            explanation.nodes.iter().map(|entry| (entry.node, score(entry))).collect();
        scores.sort();
        assert_eq!(scores.iter().map(|entry| entry.1).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn default_spreading_prefers_empty_hosts_and_zones() {
        check_spread(&[("a", 0), ("a", 1), ("b", 0), ("b", 2)], &[100, 83, 83, 58]);
        check_spread(&[("", 0), ("", 1), ("", 0), ("", 2)], &[100, 66, 100, 33]);
        check_spread(
            &[("", 0), ("", 0), ("", 1), ("", 0), ("", 0), ("", 0), ("", 0), ("", 0)],
            &[100, 100, 50, 100, 100, 100, 100, 100],
        );
    }

    /// Used cpu and memory, asked cpu and memory (thousandths, GiB) on a node of 191 cores and 2000 GiB: scores for
    /// LeastAllocated, and balance by the formulas of 1.35 and 1.36 (scheduling research A6.1).
    fn check_resources(used: (u64, u64), asked: (u64, u64), expected: [i64; 3]) {
        let mut found = Vec::new();
        for minor in [35, 36] {
            let mut scheduler = Scheduler::new(Profile::default_of(minor));
            for name in ["n0", "n1"] {
                let object = json!({"metadata": {"name": name}, "status": {"allocatable": {
                    "cpu": "191", "memory": "2000Gi", "pods": "110"}}});
                scheduler.cluster.add_node(&serde_json::from_value(object).unwrap());
            }
            let mut view = |(cpu, memory): (u64, u64)| {
                let mut requests = json!({});
                if cpu > 0 {
                    requests = json!({"cpu": format!("{cpu}m"), "memory": format!("{memory}Gi")});
                }
                let spec =
                    json!({"containers": [{"name": "c", "resources": {"requests": requests}}]});
                let class =
                    scheduler.cluster.class("default", &serde_json::from_value(spec).unwrap());
                scheduler.cluster.view(&class, PodLabels::default())
            };
            let (used_by, asks) = (view(used), view(asked));
            if used.0 > 0 {
                scheduler.cluster.add_pod(PodKey(0), &used_by, NodeIndex(0));
            }
            let entry = scheduler.explain(&asks).nodes.swap_remove(0);
            let score = |plugin| {
                entry.scores.iter().find(|score| score.0 == plugin).map_or(-1, |score| score.1)
            };
            if minor == 35 {
                found.push(score(Plugin::NodeResourcesFit));
            }
            found.push(score(Plugin::NodeResourcesBalancedAllocation));
        }
        assert_eq!(found, expected, "{used:?} {asked:?}");
    }

    #[test]
    fn resources_score_as_in_each_version() {
        check_resources((0, 0), (0, 0), [99, -1, -1]);
        check_resources((0, 0), (8000, 64), [95, 99, 74]);
        check_resources((0, 0), (64_000, 512), [70, 96, 73]);
        check_resources((0, 0), (96_000, 1000), [49, 99, 74]);
        check_resources((0, 0), (180_000, 1800), [7, 97, 73]);
        check_resources((90_000, 200), (8000, 64), [67, 80, 74]);
        check_resources((90_000, 200), (8000, 500), [56, 91, 80]);
    }

    #[test]
    fn an_exclusive_leader_goes_where_no_other_group_is() {
        const KEY: &str = "leaderworkerset.sigs.k8s.io/group-key";
        let mut scheduler = scheduler(36, 6, 3);
        let zone = "topology.kubernetes.io/zone";
        let mut zones = Vec::new();
        for group in ["a", "b", "c", "d"] {
            let mut view = pod(&mut scheduler, 1, &[(KEY, group)]);
            view.extra =
                Some(scheduler.cluster.exclusive_terms("default", (KEY, group), zone, None));
            match scheduler.schedule(&view, Tie::First) {
                Decision::Placed { node, .. } => {
                    scheduler.cluster.add_pod(PodKey(zones.len() as u64), &view, node);
                    zones.push(node.at() / 2);
                }
                Decision::Unschedulable(diagnosis) => {
                    assert!(diagnosis.rejected_by.contains(Plugin::InterPodAffinity));
                    assert_eq!(
                        diagnosis.reasons(&scheduler.cluster),
                        [("node(s) didn't match pod anti-affinity rules".to_owned(), 6)]
                    );
                }
            }
        }
        assert_eq!(zones, [0, 1, 2]);
        // A worker of the first group, without terms of its own, is kept out of the other groups' zones.
        let worker = pod(&mut scheduler, 1, &[(KEY, "a")]);
        let explanation = scheduler.explain(&worker);
        let fits = explanation.nodes.iter().filter(|entry| entry.verdict == Verdict::Fits);
        let mut fits: Vec<usize> = fits.map(|entry| entry.node.at()).collect();
        fits.sort_unstable();
        assert_eq!(fits, [0, 1]);
    }
}
