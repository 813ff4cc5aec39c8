//! `TaintToleration` (kube-scheduler 1.36): hard taints must be tolerated, soft ones that are not cost points.

use super::super::cluster::NodeIndex;
use super::super::framework::{
    Basis, Cycle, Filter, Plugin, PreScore, Reasons, SCORE_MAX, Score, Verdict, normalize_by_max,
};
use super::super::pod::{Effect, Taint};

/// Filter and score.
#[derive(Debug, Default)]
pub(in super::super) struct TaintToleration;

impl Filter for TaintToleration {
    fn plugin(&self) -> Plugin {
        Plugin::TaintToleration
    }

    fn basis(&self) -> Basis {
        Basis::NodeObject
    }

    fn filter(&self, cycle: &Cycle<'_>, node: NodeIndex) -> Verdict {
        if tolerates_all(cycle, node) { Verdict::Fits } else { Verdict::Hopeless(Reasons::TAINT) }
    }
}

/// Returns whether the pod tolerates the taints that keep pods away from a node.
pub(in super::super) fn tolerates_all(cycle: &Cycle<'_>, node: NodeIndex) -> bool {
    let hard = cycle
        .cluster
        .nodes
        .taints(node)
        .iter()
        .filter(|taint| taint.effect != Effect::PreferNoSchedule);
    hard.into_iter().all(|taint| tolerates(cycle, taint))
}

fn tolerates(cycle: &Cycle<'_>, taint: &Taint) -> bool {
    cycle
        .pod
        .class
        .tolerations
        .iter()
        .any(|toleration| toleration.tolerates(taint, &cycle.cluster.symbols))
}

impl Score for TaintToleration {
    fn plugin(&self) -> Plugin {
        Plugin::TaintToleration
    }

    fn pre_score(&mut self, cycle: &Cycle<'_>, _feasible: &[NodeIndex]) -> PreScore {
        if cycle.cluster.nodes.has_soft_taints() {
            PreScore::Run
        } else {
            PreScore::Constant(SCORE_MAX)
        }
    }

    fn score(&self, cycle: &Cycle<'_>, node: NodeIndex) -> i64 {
        let soft = cycle
            .cluster
            .nodes
            .taints(node)
            .iter()
            .filter(|taint| taint.effect == Effect::PreferNoSchedule);
        let untolerated = soft.filter(|taint| !tolerates(cycle, taint)).count();
        i64::try_from(untolerated).expect("a node has few taints")
    }

    fn normalize(&self, scores: &mut [i64]) {
        normalize_by_max(scores, true);
    }
}
