//! The nodes of a scenario.

use crate::topology::{Shape, Taint};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The nodes: a generated shape, groups of shapes, a snapshot of a real cluster, or several of these together.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Cluster {
    /// A generated shape.
    pub shape: Option<Shape>,
    /// Several generated shapes side by side.
    pub groups: Vec<NodeGroup>,
    /// Output of `kubectl get nodes -o yaml` (or `-o json`), relative to the scenario.
    pub nodes: Option<String>,
    /// Output of `kubectl get pods -A -o yaml` (or `-o json`): what runs already, relative to the scenario. Pods
    /// without a node are left out.
    pub pods: Option<String>,
    /// A KubeSchedulerConfiguration as kube-scheduler reads it, relative to the scenario: profiles, plugins, weights,
    /// arguments and back-off of the simulated scheduler.
    pub scheduler: Option<String>,
    /// Nodes that are cordoned from the start, by name.
    pub cordoned: Vec<String>,
    /// Labels that all nodes get; those of a node win.
    pub labels: BTreeMap<String, String>,
    /// Taints that all nodes get.
    pub taints: Vec<Taint>,
}

/// A generated shape with a name and what its nodes have in common.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeGroup {
    /// Name; names of nodes begin with it.
    pub name: String,
    /// What it looks like.
    pub shape: Shape,
    /// Labels that its nodes get, over those of the shape.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Taints that its nodes get.
    #[serde(default)]
    pub taints: Vec<Taint>,
    /// Allocatable resources that its nodes get, over those of the shape; quantities as in Kubernetes.
    #[serde(default)]
    pub resources: BTreeMap<String, String>,
}
