//! `NodeAffinity` (kube-scheduler 1.36): node selector, required and preferred node affinity.
//!
//! # Differs from the real thing
//! Terms that name nodes do not narrow the list of nodes: other nodes are looked at, and rejected, one by one. Placements are
//! the same; where there are 100 nodes and more, the number that is looked at differs.

use super::super::cluster::{NO_DOMAIN, NodeIndex};
use super::super::framework::{
    Basis, Cycle, Filter, Plugin, PreFilter, PreScore, Reasons, Score, Verdict, normalize_by_max,
};
use super::super::labels::Labelled;
use super::super::pod::NodeTerm;
use std::sync::Arc;

/// Node affinity that a profile adds to every pod's (`NodeAffinityArgs.addedAffinity`).
#[derive(Clone, Debug, Default, PartialEq)]
pub(in super::super) struct Added {
    /// Required: one of these must hold.
    pub(in super::super) required: Option<Vec<NodeTerm>>,
    /// Preferred: weight and term.
    pub(in super::super) preferred: Vec<(i64, NodeTerm)>,
}

/// Filter and score by what the class says, and by what the profile adds.
#[derive(Debug, Default)]
pub(in super::super) struct NodeAffinity {
    added: Arc<Added>,
}

impl NodeAffinity {
    pub(in super::super) fn new(added: Arc<Added>) -> Self {
        Self { added }
    }
}

/// Filter by node labels that a single pod needs beside its class.
#[derive(Debug, Default)]
pub(in super::super) struct OwnNodeSelector;

impl Filter for NodeAffinity {
    fn plugin(&self) -> Plugin {
        Plugin::NodeAffinity
    }

    fn basis(&self) -> Basis {
        Basis::NodeObject
    }

    fn pre_filter(&mut self, cycle: &Cycle<'_>) -> PreFilter {
        let is_idle = !has_wishes(cycle) && self.added.required.is_none();
        if is_idle { PreFilter::Skip } else { PreFilter::Run }
    }

    fn filter(&self, cycle: &Cycle<'_>, node: NodeIndex) -> Verdict {
        let enforced = self.added.required.as_ref();
        if enforced.is_some_and(|terms| !terms.iter().any(|term| term_matches(cycle, term, node))) {
            return Verdict::Hopeless(Reasons::ENFORCED_AFFINITY);
        }
        if class_matches(cycle, node) {
            Verdict::Fits
        } else {
            Verdict::Hopeless(Reasons::NODE_AFFINITY)
        }
    }
}

impl Filter for OwnNodeSelector {
    fn plugin(&self) -> Plugin {
        Plugin::NodeAffinity
    }

    fn pre_filter(&mut self, cycle: &Cycle<'_>) -> PreFilter {
        if cycle.incoming.domains.is_empty() { PreFilter::Skip } else { PreFilter::Run }
    }

    fn filter(&self, cycle: &Cycle<'_>, node: NodeIndex) -> Verdict {
        if own_matches(cycle, node) {
            Verdict::Fits
        } else {
            Verdict::Hopeless(Reasons::NODE_AFFINITY)
        }
    }
}

fn has_wishes(cycle: &Cycle<'_>) -> bool {
    !cycle.pod.class.node_selector.is_empty() || cycle.pod.class.node_terms.is_some()
}

/// Returns whether a node meets node selector and required affinity, of class and pod.
pub(in super::super) fn matches(cycle: &Cycle<'_>, node: NodeIndex) -> bool {
    own_matches(cycle, node) && (!has_wishes(cycle) || class_matches(cycle, node))
}

fn own_matches(cycle: &Cycle<'_>, node: NodeIndex) -> bool {
    let mut domains = cycle.incoming.domains.iter();
    domains.all(|&(topology, domain)| {
        domain != NO_DOMAIN && cycle.cluster.domain(topology, node) == domain
    })
}

fn class_matches(cycle: &Cycle<'_>, node: NodeIndex) -> bool {
    let labels = cycle.cluster.nodes.labels(node);
    let class = &cycle.pod.class;
    class.node_selector.iter().all(|&(key, value)| labels.value(key) == Some(value))
        && class
            .node_terms
            .as_ref()
            .is_none_or(|terms| terms.iter().any(|term| term_matches(cycle, term, node)))
}

fn term_matches(cycle: &Cycle<'_>, term: &NodeTerm, node: NodeIndex) -> bool {
    let (nodes, symbols) = (&cycle.cluster.nodes, &cycle.cluster.symbols);
    let labels = nodes.labels(node);
    term.labels.iter().all(|requirement| requirement.matches(labels, symbols))
        && term.names.iter().all(|requirement| requirement.holds(Some(nodes.name(node)), symbols))
}

impl Score for NodeAffinity {
    fn plugin(&self) -> Plugin {
        Plugin::NodeAffinity
    }

    fn pre_score(&mut self, cycle: &Cycle<'_>, _feasible: &[NodeIndex]) -> PreScore {
        let is_idle = cycle.pod.class.preferred_nodes.is_empty() && self.added.preferred.is_empty();
        if is_idle { PreScore::Skip } else { PreScore::Run }
    }

    fn score(&self, cycle: &Cycle<'_>, node: NodeIndex) -> i64 {
        let preferred = cycle.pod.class.preferred_nodes.iter().chain(&self.added.preferred);
        preferred
            .filter(|(_, term)| term_matches(cycle, term, node))
            .map(|(weight, _)| weight)
            .sum()
    }

    fn normalize(&self, scores: &mut [i64]) {
        normalize_by_max(scores, false);
    }
}
