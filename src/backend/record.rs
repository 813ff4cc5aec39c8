//! What happened, as a backend tells it: the only thing that results are made from.
//!
//! A record is an instant and one change. Records come in time order; those of one instant in the order in which they
//! happened. `experiment` turns them into metrics and `events.jsonl`; nothing here knows files.
//! Names of namespaced objects are written `namespace/name`.

use crate::engine::Time;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One change at one instant.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// When.
    pub at: Time,
    /// What.
    pub what: What,
}

/// A change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum What {
    /// The timeline did something, in the words of the scenario.
    Action(String),
    /// A set is wanted with this many groups of this many pods; after each user write that changes either.
    Wanted {
        /// The set.
        set: Arc<str>,
        /// Groups wanted; 0 after deletion.
        replicas: u32,
        /// Pods in a group.
        size: u32,
    },
    /// A rollout of a set began, ended or was overtaken by the next.
    Rollout {
        /// The set.
        set: Arc<str>,
        /// Counts the set's rollouts from 1.
        number: u32,
        /// What happened to it.
        change: RolloutChange,
    },
    /// The controller wrote the status of a set.
    Status {
        /// The set.
        set: Arc<str>,
        /// `status.replicas`.
        replicas: i32,
        /// `status.readyReplicas`.
        ready: i32,
        /// `status.updatedReplicas`.
        updated: i32,
        /// Types of the conditions that are True, in stored order.
        conditions: Vec<Arc<str>>,
    },
    /// A leader StatefulSet got another size or partition.
    LeaderSet {
        /// The set.
        set: Arc<str>,
        /// `spec.replicas`, surge included.
        replicas: i32,
        /// Partition.
        partition: i32,
    },
    /// A group entered a phase.
    Group {
        /// The leader pod's name, which is the group's.
        group: Arc<str>,
        /// The set; the StatefulSet or pod itself where no LWS owns it.
        set: Arc<str>,
        /// Index of the group.
        index: u32,
        /// Revision key of the leader.
        revision: Arc<str>,
        /// The phase entered.
        phase: GroupPhase,
    },
    /// A pod changed.
    Pod {
        /// The pod.
        pod: Arc<str>,
        /// Counts the incarnations of this name from 1.
        incarnation: u32,
        /// What changed.
        change: PodChange,
    },
    /// A node changed.
    Node {
        /// The node.
        node: Arc<str>,
        /// What changed.
        change: NodeChange,
    },
    /// A Kubernetes event was emitted.
    Event {
        /// The object, as `Kind/namespace/name`.
        regarding: Arc<str>,
        /// Whether the type is Warning.
        warning: bool,
        /// Reason.
        reason: Arc<str>,
        /// Note.
        note: String,
    },
}

/// What happened to a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RolloutChange {
    /// A write changed the template.
    Started,
    /// All wanted groups at or above the partition are ready on the new revision and no surge group is left.
    Finished,
    /// The next change came before it had finished, or the set was deleted.
    Superseded,
}

/// Phase of a group, as the Gantt chart shows it: the state of its slowest pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum GroupPhase {
    /// No pod of it is bound; entered at creation of the leader, left at the first bind.
    Waiting,
    /// Some pods are bound, others are not or do not exist yet.
    Scheduling,
    /// All are bound, at least one still fetches its image.
    Pulling,
    /// All images are there, at least one pod is still starting.
    Loading,
    /// All pods of the group are ready.
    Ready,
    /// It was ready and a pod is not any more, while none is being deleted.
    Broken,
    /// A pod of it is being deleted.
    Terminating,
    /// All of its pods are gone.
    Gone,
}

/// What changed of a pod.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PodChange {
    /// It was created.
    Created {
        /// Its group's leader pod, or itself.
        group: Arc<str>,
        /// Revision key, or the StatefulSet's revision name.
        revision: Arc<str>,
        /// Accelerators that it asks for (`nvidia.com/gpu`, `amd.com/gpu`, `google.com/tpu`, …).
        accelerators: u32,
    },
    /// No node fits; the text is the scheduler's.
    Unschedulable(String),
    /// It was bound to a node.
    Bound(Arc<str>),
    /// It began a stage of its start.
    Stage(Arc<str>),
    /// It became ready.
    Ready,
    /// It is not ready any more.
    Unready,
    /// A container ended and is started anew.
    Restarted,
    /// Its phase became Failed.
    Failed,
    /// It got a deletion time stamp.
    Deleting,
    /// It is gone from the API.
    Gone,
}

/// What changed of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NodeChange {
    /// It was marked unschedulable.
    Cordoned,
    /// It takes pods again.
    Uncordoned,
    /// It stopped.
    Down,
    /// It runs again.
    Up,
    /// The node controller marked it `NotReady`.
    NotReady,
    /// The node controller marked it Ready.
    Ready,
    /// The Node object was removed.
    Removed,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// Nothing left can change the state and every group that wants to be ready is.
    Settled,
    /// Nothing left can change the state while some group wants to be ready.
    Stuck,
    /// The horizon was reached first.
    Horizon,
    /// A limit of the run was reached, for example the number of events.
    Error,
}

/// The end of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunEnd {
    /// How.
    pub outcome: Outcome,
    /// When; for a settled or stuck run the instant of the last change.
    pub at: Time,
    /// Events that the engine handled.
    pub events: u64,
    /// For each group that wants to be ready and is not, the chain of waits that ends at the cause.
    pub waits: Vec<WaitChain>,
    /// What the run met and does not model, in words, sorted.
    pub not_modelled: Vec<String>,
}

/// Why a group is not ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitChain {
    /// The group (leader pod's name), or the set where the group does not exist.
    pub group: String,
    /// Who waits for what, from the group to the cause.
    pub chain: Vec<Wait>,
}

/// One link of a chain of waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// The object that waits, as `Kind/namespace/name`.
    pub object: String,
    /// What it waits for, and why.
    pub waits_for: String,
}
