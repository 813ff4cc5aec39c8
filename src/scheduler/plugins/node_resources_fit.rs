//! `NodeResourcesFit` (kube-scheduler 1.36): enough of everything, and scores by how much is or is not allocated.

use super::super::cluster::NodeIndex;
use super::super::framework::{
    Basis, Cycle, Filter, Plugin, PreScore, Reasons, SCORE_MAX, Score, Verdict,
};
use super::super::registry::{FitStrategy, ScoredResources};
use super::super::resources::ResourceId;

/// The filter.
#[derive(Debug, Default)]
pub(in super::super) struct FitFilter;

impl Filter for FitFilter {
    fn plugin(&self) -> Plugin {
        Plugin::NodeResourcesFit
    }

    fn basis(&self) -> Basis {
        Basis::Node
    }

    fn filter(&self, cycle: &Cycle<'_>, node: NodeIndex) -> Verdict {
        let (nodes, at) = (&cycle.cluster.nodes, node.at());
        let (mut reasons, mut is_hopeless) = (Reasons::default(), false);
        if nodes.requested(ResourceId::PODS)[at] + 1 > nodes.allocatable(ResourceId::PODS)[at] {
            reasons = Reasons::PODS;
        }
        for &(id, amount) in &cycle.pod.class.requests.asked {
            let allocatable = nodes.allocatable(id)[at];
            if amount > allocatable - nodes.requested(id)[at] {
                reasons = reasons.and(Reasons::insufficient(id));
                // Evicting pods cannot help where the node is too small.
                is_hopeless |= amount > allocatable;
            }
        }
        match (reasons.is_empty(), is_hopeless) {
            (true, _) => Verdict::Fits,
            (false, true) => Verdict::Hopeless(reasons),
            (false, false) => Verdict::Unschedulable(reasons),
        }
    }
}

/// The score.
#[derive(Debug)]
pub(in super::super) struct FitScore {
    strategy: FitStrategy,
    resources: ScoredResources,
    /// Resource, weight, what the pod asks.
    asked: Vec<(ResourceId, i64, i64)>,
}

impl FitScore {
    pub(in super::super) fn new(strategy: FitStrategy, resources: ScoredResources) -> Self {
        Self { strategy, resources, asked: Vec::new() }
    }
}

/// How full a node would be of a resource: what would be requested, scoring's defaults included, and what there is.
fn fill(cycle: &Cycle<'_>, node: NodeIndex, id: ResourceId, asked: i64) -> (i64, i64) {
    let nodes = &cycle.cluster.nodes;
    let requested = match id {
        ResourceId::CPU => nodes.nonzero(0)[node.at()],
        ResourceId::MEMORY => nodes.nonzero(1)[node.at()],
        _ => nodes.requested(id)[node.at()],
    };
    (requested + asked, nodes.allocatable(id)[node.at()])
}

impl Score for FitScore {
    fn plugin(&self) -> Plugin {
        Plugin::NodeResourcesFit
    }

    fn is_local(&self) -> bool {
        true
    }

    fn pre_score(&mut self, cycle: &Cycle<'_>, _feasible: &[NodeIndex]) -> PreScore {
        self.asked.clear();
        let requests = &cycle.pod.class.requests;
        for (name, weight) in &self.resources.0 {
            let Some(id) = cycle.cluster.resources.find(name) else { continue };
            let asked = match id {
                ResourceId::CPU => requests.nonzero[0],
                ResourceId::MEMORY => requests.nonzero[1],
                _ => requests.of(id),
            };
            // Scalars that the pod does not ask for are left out.
            if asked > 0 || id == ResourceId::CPU || id == ResourceId::MEMORY {
                self.asked.push((id, *weight, asked));
            }
        }
        PreScore::Run
    }

    fn score(&self, cycle: &Cycle<'_>, node: NodeIndex) -> i64 {
        let (mut sum, mut weights) = (0, 0);
        for &(id, weight, asked) in &self.asked {
            let (requested, capacity) = fill(cycle, node, id, asked);
            if capacity == 0 {
                continue;
            }
            let score = match self.strategy {
                FitStrategy::LeastAllocated if requested > capacity => 0,
                FitStrategy::LeastAllocated => (capacity - requested) * SCORE_MAX / capacity,
                FitStrategy::MostAllocated => requested.min(capacity) * SCORE_MAX / capacity,
            };
            sum += weight * score;
            weights += weight;
        }
        if weights == 0 { 0 } else { sum / weights }
    }
}
