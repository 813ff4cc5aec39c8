//! `NodeResourcesFit` (kube-scheduler 1.36): enough of everything, and scores by how much is or is not allocated.

use super::super::cluster::NodeIndex;
use super::super::framework::{
    Basis, Cycle, Filter, Plugin, PreScore, Reasons, SCORE_MAX, Score, Verdict,
};
use super::super::registry::{FitStrategy, ScoredResources};
use super::super::resources::ResourceId;

/// The filter.
#[derive(Debug, Default)]
pub(in super::super) struct FitFilter {
    ignored: Vec<String>,
}

impl FitFilter {
    /// Returns a filter that ignores these extended resources; a name that ends with `/` stands for all that begin with it.
    pub(in super::super) fn new(ignored: Vec<String>) -> Self {
        Self { ignored }
    }

    fn ignores(&self, cycle: &Cycle<'_>, id: ResourceId) -> bool {
        if self.ignored.is_empty() {
            return false;
        }
        let name = cycle.cluster.resources.name(id);
        name.contains('/')
            && self.ignored.iter().any(|ignored| {
                name == ignored || (ignored.ends_with('/') && name.starts_with(ignored.as_str()))
            })
    }
}

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
            if amount > allocatable - nodes.requested(id)[at] && !self.ignores(cycle, id) {
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
            let score = match &self.strategy {
                FitStrategy::LeastAllocated if requested > capacity => 0,
                FitStrategy::LeastAllocated => (capacity - requested) * SCORE_MAX / capacity,
                FitStrategy::MostAllocated => requested.min(capacity) * SCORE_MAX / capacity,
                FitStrategy::RequestedToCapacityRatio(shape) => {
                    let utilization =
                        if requested > capacity { 100 } else { requested * 100 / capacity };
                    let score = on_broken_line(shape, utilization);
                    if score == 0 {
                        continue; // kube-scheduler leaves it out of the mean.
                    }
                    score
                }
            };
            sum += weight * score;
            weights += weight;
        }
        match &self.strategy {
            _ if weights == 0 => 0,
            // Rounded half up where the others truncate.
            FitStrategy::RequestedToCapacityRatio(_) => (2 * sum + weights) / (2 * weights),
            FitStrategy::LeastAllocated | FitStrategy::MostAllocated => sum / weights,
        }
    }
}

/// Largest score of a point of a shape (kube-scheduler `MaxCustomPriorityScore`).
const SHAPE_SCORE_MAX: i64 = 10;

/// Returns the score on a broken line through points of at most [`SHAPE_SCORE_MAX`], scaled to [`SCORE_MAX`]; integers
/// between points are interpolated (`helper.BuildBrokenLinearFunction`).
fn on_broken_line(shape: &[(i64, i64)], utilization: i64) -> i64 {
    let scaled = |point: (i64, i64)| (point.0, point.1 * (SCORE_MAX / SHAPE_SCORE_MAX));
    let Some(at) = shape.iter().position(|point| utilization <= point.0) else {
        return shape.last().map_or(0, |&point| scaled(point).1);
    };
    let (right_x, right_y) = scaled(shape[at]);
    match at.checked_sub(1).map(|before| scaled(shape[before])) {
        Some((x, y)) => y + (right_y - y) * (utilization - x) / (right_x - x),
        None => right_y,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_is_a_broken_line() {
        // Kubernetes documentation of `RequestedToCapacityRatio`: utilization 0 scores 0, 100 scores 10.
        let check = |shape: &[(i64, i64)], utilization: i64, expected: i64| {
            assert_eq!(on_broken_line(shape, utilization), expected, "{shape:?} at {utilization}");
        };
        let packing = [(0, 0), (100, 10)];
        check(&packing, 0, 0);
        check(&packing, 50, 50);
        check(&packing, 100, 100);
        let spreading = [(0, 10), (100, 0)];
        check(&spreading, 33, 67);
        let dent = [(20, 4), (40, 1), (70, 10)];
        check(&dent, 0, 40);
        check(&dent, 30, 25);
        check(&dent, 55, 55);
        check(&dent, 90, 100);
    }
}
