//! What happens in a scenario, and when.

use super::fixes::UpgradeSpec;
use super::values::Duration;
use super::workload::WorkloadSpec;
use schemars::JsonSchema;
use serde::Deserialize;

/// One thing that happens: a time (`at`, `after`, `when`) and exactly one action.
///
/// Entries with `at` happen at that time. The others happen one after another, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EntrySpec {
    /// Time since the start.
    pub at: Option<Duration>,
    /// Time since `when` came true; without `when`, since the entry before this one happened.
    pub after: Option<Duration>,
    /// What must be true first.
    pub when: Option<WhenSpec>,
    /// Applies a manifest, as `kubectl apply` does.
    pub apply: Option<Box<WorkloadSpec>>,
    /// Changes fields of a set, as `kubectl patch --type=merge` does.
    pub patch: Option<PatchSpec>,
    /// Changes images, as `kubectl set image` does.
    pub set_image: Option<SetImageSpec>,
    /// Changes the number of groups, as `kubectl scale` does.
    pub scale: Option<ScaleSpec>,
    /// Deletes an object.
    pub delete: Option<DeleteSpec>,
    /// Marks nodes unschedulable.
    pub cordon: Option<NodeSpec>,
    /// Makes nodes schedulable again.
    pub uncordon: Option<NodeSpec>,
    /// Cordons nodes and evicts their pods.
    pub drain: Option<NodeSpec>,
    /// Ends a container of a pod; the kubelet starts it anew.
    pub kill_container: Option<PodSpec>,
    /// Deletes a pod, as `kubectl delete pod` does.
    pub kill_pod: Option<PodSpec>,
    /// Stops nodes without warning.
    pub node_down: Option<NodeSpec>,
    /// Starts nodes that are down.
    pub node_up: Option<NodeSpec>,
    /// Stops all nodes of a domain, for example of a rack.
    pub domain_down: Option<DomainSpec>,
    /// Removes Node objects, as a cloud does with machines that are gone.
    pub node_remove: Option<NodeSpec>,
    /// Taints nodes `node.kubernetes.io/out-of-service`, so that their pods are removed.
    pub out_of_service: Option<NodeSpec>,
    /// Replaces the LWS controller by a later version that writes something differently.
    pub upgrade_lws: Option<UpgradeSpec>,
}

/// What must be true before an entry happens.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum WhenSpec {
    /// Nothing is left that can change the state.
    Settled,
    /// Groups of a set are ready.
    Ready(GroupsSpec),
    /// Groups of a set are ready on the newest revision.
    Updated(GroupsSpec),
    /// A condition of a set is True.
    Condition(ConditionSpec),
}

/// Groups of a set.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GroupsSpec {
    /// The set: `name` or `namespace/name`.
    pub set: String,
    /// How many groups. Default: all that are wanted.
    pub groups: Option<u32>,
}

/// A condition of a set.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConditionSpec {
    /// The set: `name` or `namespace/name`.
    pub set: String,
    /// `Available`, `Progressing` or `UpdateInProgress`.
    #[serde(rename = "type")]
    pub type_: String,
}

/// A merge patch on a set.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PatchSpec {
    /// The set: `name` or `namespace/name`.
    pub set: String,
    /// A JSON merge patch (RFC 7386), for example `{spec: {replicas: 3}}`.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub merge: serde_json::Value,
}

/// New images for a set.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetImageSpec {
    /// The set: `name` or `namespace/name`.
    pub set: String,
    /// The image.
    pub image: String,
    /// The container. Default: all containers of leader and workers.
    pub container: Option<String>,
}

/// A new number of groups for a set.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScaleSpec {
    /// The set: `name` or `namespace/name`.
    pub set: String,
    /// Groups.
    pub replicas: u32,
}

/// An object to delete: a set or a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DeleteSpec {
    /// A set: `name` or `namespace/name`.
    pub set: Option<String>,
    /// A pod: `name` or `namespace/name`.
    pub pod: Option<String>,
    /// How its dependents go. Default: `background`.
    pub propagation: PropagationSpec,
}

/// How dependents of a deleted object go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PropagationSpec {
    /// After it.
    #[default]
    Background,
    /// Before it.
    Foreground,
    /// Not at all.
    Orphan,
}

/// Which nodes. Exactly one of the fields but `for` is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NodeSpec {
    /// A node's name, or `random` for any node that is up.
    pub node: Option<String>,
    /// Names of nodes.
    pub nodes: Option<Vec<String>>,
    /// This many nodes that are up, drawn from the seed.
    pub random: Option<u32>,
    /// The node of this pod: `name` or `namespace/name`.
    pub of_pod: Option<String>,
    /// The node of a pod of this set, drawn from the seed.
    pub of_set: Option<String>,
    /// How long it lasts; only for `nodeDown`. Default: for ever.
    #[serde(rename = "for")]
    pub lasts: Option<Duration>,
}

/// Which domain.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DomainSpec {
    /// Label key, for example `topology.kubernetes.io/zone`.
    pub key: String,
    /// Label value. Default: one that some node has, drawn from the seed.
    pub value: Option<String>,
    /// How long it lasts. Default: for ever.
    #[serde(rename = "for")]
    pub lasts: Option<Duration>,
}

/// Which pod. Exactly one of the fields is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PodSpec {
    /// A pod: `name` or `namespace/name`.
    pub pod: Option<String>,
    /// A pod of this set, drawn from the seed.
    pub set: Option<String>,
}
