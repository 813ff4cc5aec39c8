//! What every plugin says about every node for a pod, without sampling.

use super::cluster::NodeIndex;
use super::framework::{Cycle, Plugin, PreFilter, PreScore, Verdict};
use super::pod::PodView;
use super::schedule::Scheduler;

/// An explanation of where a pod could go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Each node, in scheduling order.
    pub nodes: Vec<NodeExplanation>,
}

/// What is said about one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeExplanation {
    /// Node.
    pub node: NodeIndex,
    /// What the filters say.
    pub verdict: Verdict,
    /// The filter that rejected it.
    pub rejected_by: Option<Plugin>,
    /// Weighted scores after normalising, of the plugins that score this pod; empty where the node is not feasible.
    pub scores: Vec<(Plugin, i64)>,
    /// Their sum.
    pub total: i64,
}

impl Scheduler {
    /// Asks every filter about every node, and every score about every feasible one. Rotation is left as it is.
    pub fn explain(&mut self, pod: &PodView) -> Explanation {
        self.cluster.refresh();
        let incoming = self.resolve(pod);
        let cycle = Cycle { cluster: &self.cluster, pod, incoming: &incoming };
        let order = self.cluster.nodes.order();
        let start = |&node| NodeExplanation {
            node,
            verdict: Verdict::Fits,
            rejected_by: None,
            scores: Vec::new(),
            total: 0,
        };
        let mut nodes: Vec<NodeExplanation> = order.iter().map(start).collect();
        for filter in &mut self.filters {
            let answer = filter.pre_filter(&cycle);
            for entry in nodes.iter_mut().filter(|entry| entry.verdict == Verdict::Fits) {
                entry.verdict = match answer {
                    PreFilter::Skip => Verdict::Fits,
                    PreFilter::Run => filter.filter(&cycle, entry.node),
                    PreFilter::Reject(verdict) => verdict,
                };
                entry.rejected_by = (entry.verdict != Verdict::Fits).then(|| filter.plugin());
            }
        }
        let fits = |entry: &NodeExplanation| entry.verdict == Verdict::Fits;
        let feasible: Vec<NodeIndex> =
            nodes.iter().filter(|entry| fits(entry)).map(|entry| entry.node).collect();
        let mut scores = Vec::new();
        for (weight, plugin) in &mut self.scores {
            match plugin.pre_score(&cycle, &feasible) {
                PreScore::Skip => continue,
                PreScore::Constant(score) => {
                    scores.clear();
                    scores.resize(feasible.len(), score);
                }
                PreScore::Run => plugin.score_all(&cycle, &feasible, &mut scores),
            }
            for (entry, score) in nodes.iter_mut().filter(|entry| fits(entry)).zip(&scores) {
                entry.scores.push((plugin.plugin(), *weight * score));
                entry.total += *weight * score;
            }
        }
        Explanation { nodes }
    }
}
