//! What a shape says of one node.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A node, in words that need no Kubernetes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeDescription {
    /// Name, unique in the cluster.
    pub name: String,
    /// Labels, the host name included.
    pub labels: BTreeMap<String, String>,
    /// Taints.
    pub taints: Vec<Taint>,
    /// Allocatable resources, as quantities.
    pub resources: BTreeMap<String, String>,
    /// Label keys and values of its domains, from the widest to the narrowest.
    pub path: Vec<(String, String)>,
    /// The leaf switch of each rail: entry *r* serves GPU *r*. Empty where the fabric has no rails.
    pub rails: Vec<String>,
    /// Whether it takes no new pods.
    pub is_cordoned: bool,
}

/// A taint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Taint {
    /// Key.
    pub key: String,
    /// Value; empty by default.
    #[serde(default)]
    pub value: String,
    /// What it does to pods that do not tolerate it.
    pub effect: TaintEffect,
}

/// What a taint does to pods that do not tolerate it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TaintEffect {
    /// New ones stay away.
    NoSchedule,
    /// New ones stay away if they can.
    PreferNoSchedule,
    /// New ones stay away and those that run are evicted.
    NoExecute,
}

impl TaintEffect {
    /// Returns the effect as Kubernetes writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoSchedule => "NoSchedule",
            Self::PreferNoSchedule => "PreferNoSchedule",
            Self::NoExecute => "NoExecute",
        }
    }
}
