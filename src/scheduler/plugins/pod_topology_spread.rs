//! `PodTopologySpread` (kube-scheduler 1.36): hard constraints filter; soft ones, and the system's defaults, score.

use super::super::cluster::{NO_DOMAIN, NodeIndex};
use super::super::framework::{
    Cycle, Filter, Plugin, PreFilter, PreScore, Reasons, SCORE_MAX, Score, Verdict,
};
use super::super::incoming::SpreadCount;
use super::super::tally::Tally;
use super::{node_affinity, taint_toleration};
use crate::engine::math;

/// Score of a node that lacks a key, before normalising.
const IGNORED: i64 = -1;

/// Returns whether a node's pods count for a constraint.
fn is_included(cycle: &Cycle<'_>, constraint: &SpreadCount, node: NodeIndex) -> bool {
    (!constraint.honors_affinity || node_affinity::matches(cycle, node))
        && (!constraint.honors_taints || taint_toleration::tolerates_all(cycle, node))
}

fn has_all_keys(cycle: &Cycle<'_>, constraints: &[SpreadCount], node: NodeIndex) -> bool {
    constraints
        .iter()
        .all(|constraint| cycle.cluster.domain(constraint.topology, node) != NO_DOMAIN)
}

/// Filter by hard constraints.
#[derive(Debug, Default)]
pub(in super::super) struct SpreadFilter {
    /// For each constraint: pods by domain, domains without any included.
    pods: Vec<Tally>,
    /// For each constraint: the least of them.
    least: Vec<i64>,
}

impl Filter for SpreadFilter {
    fn plugin(&self) -> Plugin {
        Plugin::PodTopologySpread
    }

    fn pre_filter(&mut self, cycle: &Cycle<'_>) -> PreFilter {
        let constraints = &cycle.incoming.hard;
        if constraints.is_empty() {
            return PreFilter::Skip;
        }
        self.pods.resize_with(constraints.len(), Tally::default);
        self.pods.iter_mut().for_each(Tally::clear);
        for &node in cycle.cluster.nodes.order() {
            if !has_all_keys(cycle, constraints, node) {
                continue;
            }
            for (constraint, pods) in constraints.iter().zip(&mut self.pods) {
                if is_included(cycle, constraint, node) {
                    let count = constraint
                        .pods
                        .as_ref()
                        .map_or(0, |pods| cycle.cluster.counts(pods).at(node.0));
                    pods.add(cycle.cluster.domain(constraint.topology, node), i64::from(count));
                }
            }
        }
        self.least.clear();
        for (constraint, pods) in constraints.iter().zip(&self.pods) {
            let has_too_few = i64::from(pods.touched()) < constraint.min_domains;
            // Without any domain nothing is too much (kube-scheduler starts from the largest 32-bit integer).
            self.least.push(if has_too_few {
                0
            } else {
                pods.min().unwrap_or(i64::from(i32::MAX))
            });
        }
        PreFilter::Run
    }

    fn filter(&self, cycle: &Cycle<'_>, node: NodeIndex) -> Verdict {
        for ((constraint, pods), least) in
            cycle.incoming.hard.iter().zip(&self.pods).zip(&self.least)
        {
            let domain = cycle.cluster.domain(constraint.topology, node);
            if domain == NO_DOMAIN {
                return Verdict::Hopeless(Reasons::SPREAD_LABEL);
            }
            let skew = pods.sum(domain) + i64::from(constraint.matches_self) - least;
            if skew > constraint.max_skew {
                return Verdict::Unschedulable(Reasons::SPREAD);
            }
        }
        Verdict::Fits
    }
}

/// Score by soft constraints.
#[derive(Debug, Default)]
pub(in super::super) struct SpreadScore {
    /// For each constraint: pods by domain of the feasible nodes; for hostnames by node.
    pods: Vec<Tally>,
    /// For each constraint: what a pod costs.
    weights: Vec<f64>,
    needs_all_keys: bool,
}

impl SpreadScore {
    fn find_domains(&mut self, cycle: &Cycle<'_>, feasible: &[NodeIndex]) {
        let constraints = &cycle.incoming.soft;
        self.needs_all_keys = cycle.incoming.soft_needs_all_keys;
        self.pods.resize_with(constraints.len(), Tally::default);
        self.pods.iter_mut().for_each(Tally::clear);
        self.weights.clear();
        let is_scored =
            |node: &&NodeIndex| !self.needs_all_keys || has_all_keys(cycle, constraints, **node);
        for (constraint, pods) in constraints.iter().zip(&mut self.pods) {
            let mut scored = feasible.iter().filter(is_scored);
            let domains = if constraint.is_hostname {
                scored.count()
            } else {
                let domain_of = &cycle.cluster.topology_table(constraint.topology).domain_of;
                let mut has_unlabelled = false;
                scored.by_ref().for_each(|node| match domain_of[node.at()] {
                    NO_DOMAIN => has_unlabelled = true,
                    domain => pods.add(domain, 0),
                });
                // With default constraints nodes without the label are one more domain.
                pods.touched() as usize + usize::from(has_unlabelled)
            };
            self.weights.push(math::ln((domains + 2) as f64));
        }
    }

    /// Counts pods: in a domain those on all nodes that are included, feasible or not; for hostnames those on each node.
    fn count_pods(&mut self, cycle: &Cycle<'_>) {
        let constraints = &cycle.incoming.soft;
        for (constraint, pods) in constraints.iter().zip(&mut self.pods) {
            let Some(counted) = &constraint.pods else { continue };
            if constraint.is_hostname {
                let counts = cycle.cluster.counts(counted);
                counts.for_each(|node, count| pods.add(node, i64::from(count)));
                continue;
            }
            let domain_of = &cycle.cluster.topology_table(constraint.topology).domain_of;
            cycle.cluster.counts(counted).for_each(|node, count| {
                let node = NodeIndex(node);
                let domain = domain_of[node.at()];
                let has_keys = domain != NO_DOMAIN
                    && (!self.needs_all_keys || has_all_keys(cycle, constraints, node));
                if has_keys && is_included(cycle, constraint, node) {
                    pods.add_if_touched(domain, i64::from(count));
                }
            });
        }
    }
}

impl Score for SpreadScore {
    fn plugin(&self) -> Plugin {
        Plugin::PodTopologySpread
    }

    fn pre_score(&mut self, cycle: &Cycle<'_>, feasible: &[NodeIndex]) -> PreScore {
        if cycle.incoming.soft.is_empty() {
            return PreScore::Skip;
        }
        self.find_domains(cycle, feasible);
        self.count_pods(cycle);
        PreScore::Run
    }

    #[expect(clippy::cast_possible_truncation, reason = "kube-scheduler rounds to an integer too")]
    fn score(&self, cycle: &Cycle<'_>, node: NodeIndex) -> i64 {
        let constraints = &cycle.incoming.soft;
        if self.needs_all_keys && !has_all_keys(cycle, constraints, node) {
            return IGNORED;
        }
        let mut score = 0.0;
        for ((constraint, pods), weight) in constraints.iter().zip(&self.pods).zip(&self.weights) {
            let domain = cycle.cluster.domain(constraint.topology, node);
            if domain == NO_DOMAIN {
                continue;
            }
            let count = pods.sum(if constraint.is_hostname { node.0 } else { domain });
            score += count as f64 * weight + (constraint.max_skew - 1) as f64;
        }
        score.round() as i64
    }

    fn normalize(&self, scores: &mut [i64]) {
        let scored = || scores.iter().copied().filter(|score| *score != IGNORED);
        let (min, max) = (scored().min().unwrap_or(0), scored().max().unwrap_or(0));
        for score in scores {
            *score = match *score {
                IGNORED => 0,
                _ if max == 0 => SCORE_MAX,
                score => SCORE_MAX * (max + min - score) / max,
            };
        }
    }
}
