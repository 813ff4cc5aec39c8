//! Which plugins a profile has, in which order and with which weight.
//!
//! Order and weights are those of the default profile of kube-scheduler 1.36.

use super::framework::{Filter, Plugin, Score};
use super::plugins::image_locality::ImageLocality;
use super::plugins::inter_pod_affinity::{AffinityFilter, AffinityScore};
use super::plugins::node_affinity::{NodeAffinity, OwnNodeSelector};
use super::plugins::node_name::NodeName;
use super::plugins::node_ports::NodePorts;
use super::plugins::node_resources_balanced_allocation::BalancedAllocation;
use super::plugins::node_resources_fit::{FitFilter, FitScore};
use super::plugins::node_unschedulable::NodeUnschedulable;
use super::plugins::pod_topology_spread::{SpreadFilter, SpreadScore};
use super::plugins::taint_toleration::TaintToleration;

/// How `NodeResourcesFit` scores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FitStrategy {
    /// Emptier nodes are better; the default.
    #[default]
    LeastAllocated,
    /// Fuller nodes are better.
    MostAllocated,
}

/// Resources that a score looks at, with weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScoredResources(pub Vec<(String, i64)>);

impl Default for ScoredResources {
    /// kube-scheduler's default: cpu and memory, each with weight 1.
    fn default() -> Self {
        Self(vec![("cpu".to_owned(), 1), ("memory".to_owned(), 1)])
    }
}

/// Settings of a scheduler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Minor version of Kubernetes, 33 to 37.
    pub minor: u32,
    /// How `NodeResourcesFit` scores.
    pub fit: FitStrategy,
    /// What it looks at.
    pub fit_resources: ScoredResources,
    /// What `NodeResourcesBalancedAllocation` looks at.
    pub balanced_resources: ScoredResources,
    /// Weights that differ from the default; 0 leaves a score out.
    pub weights: Vec<(Plugin, i64)>,
    /// Whether pods without constraints of their own are spread by the system's defaults.
    pub default_spreading: bool,
    /// `percentageOfNodesToScore`; 0 adapts to the number of nodes.
    pub percentage_of_nodes_to_score: u32,
}

impl Profile {
    /// Returns kube-scheduler's default profile of a Kubernetes minor version.
    pub fn default_of(minor: u32) -> Self {
        Self {
            minor,
            fit: FitStrategy::default(),
            fit_resources: ScoredResources::default(),
            balanced_resources: ScoredResources::default(),
            weights: Vec::new(),
            default_spreading: true,
            percentage_of_nodes_to_score: 0,
        }
    }

    /// Returns the weight of a score.
    pub fn weight(&self, plugin: Plugin) -> i64 {
        let own = self.weights.iter().find(|entry| entry.0 == plugin).map(|entry| entry.1);
        own.unwrap_or(match plugin {
            Plugin::TaintToleration => 3,
            Plugin::NodeAffinity | Plugin::PodTopologySpread | Plugin::InterPodAffinity => 2,
            _ => 1,
        })
    }

    #[expect(clippy::unused_self, reason = "profiles will choose their filters")]
    pub(super) fn filters(&self) -> Vec<Box<dyn Filter>> {
        vec![
            Box::new(NodeUnschedulable),
            Box::new(NodeName),
            Box::new(TaintToleration),
            Box::new(NodeAffinity),
            Box::new(OwnNodeSelector),
            Box::new(NodePorts),
            Box::new(FitFilter),
            Box::new(SpreadFilter::default()),
            Box::new(AffinityFilter::default()),
        ]
    }

    pub(super) fn scores(&self) -> Vec<(i64, Box<dyn Score>)> {
        let all: Vec<Box<dyn Score>> = vec![
            Box::new(TaintToleration),
            Box::new(NodeAffinity),
            Box::new(FitScore::new(self.fit, self.fit_resources.clone())),
            Box::new(SpreadScore::default()),
            Box::new(AffinityScore::default()),
            Box::new(BalancedAllocation::new(self.minor, self.balanced_resources.clone())),
            Box::new(ImageLocality),
        ];
        let weighted = all.into_iter().map(|score| (self.weight(score.plugin()), score));
        weighted.filter(|(weight, _)| *weight > 0).collect()
    }
}
