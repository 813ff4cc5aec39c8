//! `NodeResourcesBalancedAllocation` (kube-scheduler): even use of cpu and memory, by the formula of 1.35 or that of 1.36.

use super::super::cluster::NodeIndex;
use super::super::framework::{Cycle, Plugin, PreScore, SCORE_MAX, Score};
use super::super::registry::ScoredResources;
use super::super::resources::ResourceId;
use smallvec::SmallVec;

/// The score.
#[derive(Debug)]
pub(in super::super) struct BalancedAllocation {
    /// Kubernetes 1.36 and later score the change, not the state.
    scores_change: bool,
    resources: ScoredResources,
    asked: Vec<(ResourceId, i64)>,
}

impl BalancedAllocation {
    pub(in super::super) fn new(minor: u32, resources: ScoredResources) -> Self {
        Self { scores_change: minor >= 36, resources, asked: Vec::new() }
    }
}

impl Score for BalancedAllocation {
    fn plugin(&self) -> Plugin {
        Plugin::NodeResourcesBalancedAllocation
    }

    fn is_local(&self) -> bool {
        true
    }

    fn pre_score(&mut self, cycle: &Cycle<'_>, _feasible: &[NodeIndex]) -> PreScore {
        let requests = &cycle.pod.class.requests;
        self.asked.clear();
        for (name, _) in &self.resources.0 {
            let Some(id) = cycle.cluster.resources.find(name) else { continue };
            let asked = requests.of(id);
            if asked > 0 || id == ResourceId::CPU || id == ResourceId::MEMORY {
                self.asked.push((id, asked));
            }
        }
        if self.asked.iter().all(|entry| entry.1 == 0) { PreScore::Skip } else { PreScore::Run }
    }

    fn score(&self, cycle: &Cycle<'_>, node: NodeIndex) -> i64 {
        let (nodes, at) = (&cycle.cluster.nodes, node.at());
        let (mut with, mut without) = (SmallVec::<[f64; 4]>::new(), SmallVec::<[f64; 4]>::new());
        for &(id, asked) in &self.asked {
            let (requested, capacity) = (nodes.requested(id)[at], nodes.allocatable(id)[at]);
            if capacity == 0 {
                continue;
            }
            with.push(((requested + asked) as f64 / capacity as f64).min(1.0));
            without.push((requested as f64 / capacity as f64).min(1.0));
        }
        if self.scores_change {
            let half = SCORE_MAX / 2;
            half + (half + evenness(&with) - evenness(&without)) / 2
        } else {
            evenness(&with)
        }
    }
}

/// 100 where all fractions are equal, less by their standard deviation.
#[expect(
    clippy::cast_possible_truncation,
    reason = "kube-scheduler truncates to an integer too; the value is within 0 to 100"
)]
fn evenness(fractions: &[f64]) -> i64 {
    let deviation = match *fractions {
        [first, second] => ((first - second) / 2.0).abs(),
        [] | [_] => 0.0,
        _ => {
            let count = fractions.len() as f64;
            let mean = fractions.iter().sum::<f64>() / count;
            let squares: f64 =
                fractions.iter().map(|fraction| (fraction - mean) * (fraction - mean)).sum();
            (squares / count).sqrt()
        }
    };
    ((1.0 - deviation) * SCORE_MAX as f64) as i64
}
