//! Which plugins a profile has, in which order, with which weight and which arguments.
//!
//! Order and weights are those of the default profile of kube-scheduler 1.36. How a user's file becomes a profile is in
//! `config`.

use super::framework::{Filter, Plugin, PluginSet, Score};
use super::plugins::image_locality::ImageLocality;
use super::plugins::inter_pod_affinity::{AffinityFilter, AffinityScore};
use super::plugins::node_affinity::{Added, NodeAffinity, OwnNodeSelector};
use super::plugins::node_name::NodeName;
use super::plugins::node_ports::NodePorts;
use super::plugins::node_resources_balanced_allocation::BalancedAllocation;
use super::plugins::node_resources_fit::{FitFilter, FitScore};
use super::plugins::node_unschedulable::NodeUnschedulable;
use super::plugins::pod_topology_spread::{SpreadFilter, SpreadScore};
use super::plugins::taint_toleration::TaintToleration;
use k8s_openapi::api::core::v1::{NodeAffinity as Affinity, TopologySpreadConstraint};
use std::sync::Arc;

/// How `NodeResourcesFit` scores.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum FitStrategy {
    /// Emptier nodes are better; the default.
    #[default]
    LeastAllocated,
    /// Fuller nodes are better.
    MostAllocated,
    /// A broken line: (utilization in percent, score from 0 to 10), utilization rising.
    RequestedToCapacityRatio(Vec<(i64, i64)>),
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

/// Constraints of pods that state none (`PodTopologySpreadArgs`).
#[derive(Clone, Debug, Default, PartialEq)]
pub enum DefaultSpreading {
    /// The system's: soft, over hosts with skew 3 and over zones with skew 5.
    #[default]
    System,
    /// These, with the selector of the pod's owner.
    List(Vec<TopologySpreadConstraint>),
}

/// Settings of a profile.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// `schedulerName`.
    pub name: String,
    /// Minor version of Kubernetes, 33 to 37.
    pub minor: u32,
    /// How `NodeResourcesFit` scores.
    pub fit: FitStrategy,
    /// What it looks at.
    pub fit_resources: ScoredResources,
    /// Extended resources that its filter ignores; a name that ends with `/` stands for all that begin with it.
    pub ignored_resources: Vec<String>,
    /// What `NodeResourcesBalancedAllocation` looks at.
    pub balanced_resources: ScoredResources,
    /// Weights that differ from the default; 0 leaves a score out.
    pub weights: Vec<(Plugin, i64)>,
    /// Filters that are left out.
    pub without_filters: PluginSet,
    /// Whether pods may evict others (`DefaultPreemption`).
    pub has_preemption: bool,
    /// Candidates of preemption at least: percentage of nodes, and number.
    pub preemption_candidates: (usize, usize),
    /// Constraints of pods that state none.
    pub default_spreading: DefaultSpreading,
    /// What a required affinity term of a placed pod weighs in scoring, 0 to 100.
    pub hard_pod_affinity_weight: i64,
    /// Whether terms of placed pods count for pods without preferred terms of their own.
    pub ignores_preferred_terms_of_existing_pods: bool,
    /// Node affinity that all pods of the profile get beside their own.
    pub added_affinity: Option<Arc<Affinity>>,
    /// `percentageOfNodesToScore`; 0 adapts to the number of nodes.
    pub percentage_of_nodes_to_score: u32,
}

impl Profile {
    /// Returns kube-scheduler's default profile of a Kubernetes minor version.
    pub fn default_of(minor: u32) -> Self {
        Self {
            name: "default-scheduler".to_owned(),
            minor,
            fit: FitStrategy::default(),
            fit_resources: ScoredResources::default(),
            ignored_resources: Vec::new(),
            balanced_resources: ScoredResources::default(),
            weights: Vec::new(),
            without_filters: PluginSet::default(),
            has_preemption: true,
            preemption_candidates: (10, 100),
            default_spreading: DefaultSpreading::System,
            hard_pod_affinity_weight: 1,
            ignores_preferred_terms_of_existing_pods: false,
            added_affinity: None,
            percentage_of_nodes_to_score: 0,
        }
    }

    /// Returns the weight of a score in the default profile.
    pub fn default_weight(plugin: Plugin) -> i64 {
        match plugin {
            Plugin::TaintToleration => 3,
            Plugin::NodeAffinity | Plugin::PodTopologySpread | Plugin::InterPodAffinity => 2,
            _ => 1,
        }
    }

    /// Returns the weight of a score.
    pub fn weight(&self, plugin: Plugin) -> i64 {
        let own = self.weights.iter().find(|entry| entry.0 == plugin).map(|entry| entry.1);
        own.unwrap_or_else(|| Self::default_weight(plugin))
    }

    pub(super) fn filters(&self, added: &Arc<Added>) -> Vec<Box<dyn Filter>> {
        let all: Vec<Box<dyn Filter>> = vec![
            Box::new(NodeUnschedulable),
            Box::new(NodeName),
            Box::new(TaintToleration),
            Box::new(NodeAffinity::new(Arc::clone(added))),
            Box::new(OwnNodeSelector),
            Box::new(NodePorts),
            Box::new(FitFilter::new(self.ignored_resources.clone())),
            Box::new(SpreadFilter::default()),
            Box::new(AffinityFilter::default()),
        ];
        all.into_iter().filter(|filter| !self.without_filters.contains(filter.plugin())).collect()
    }

    pub(super) fn scores(&self, added: &Arc<Added>) -> Vec<(i64, Box<dyn Score>)> {
        let all: Vec<Box<dyn Score>> = vec![
            Box::new(TaintToleration),
            Box::new(NodeAffinity::new(Arc::clone(added))),
            Box::new(FitScore::new(self.fit.clone(), self.fit_resources.clone())),
            Box::new(SpreadScore::default()),
            Box::new(AffinityScore::new(
                self.hard_pod_affinity_weight,
                self.ignores_preferred_terms_of_existing_pods,
            )),
            Box::new(BalancedAllocation::new(self.minor, self.balanced_resources.clone())),
            Box::new(ImageLocality),
        ];
        let weighted = all.into_iter().map(|score| (self.weight(score.plugin()), score));
        weighted.filter(|(weight, _)| *weight > 0).collect()
    }
}
