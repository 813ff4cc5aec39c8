//! The form of a step trace: inputs, and for each step what was done, what changed and what was told.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use std::collections::BTreeMap;

/// A step trace.
#[derive(Debug, Deserialize)]
pub(super) struct Trace {
    /// Name of the case; the namespace follows from it.
    pub(super) case: String,
    /// In which order the kubelet takes pods.
    #[serde(default)]
    pub(super) order: Order,
    /// Pods that the kubelet leaves Pending from the start.
    #[serde(default)]
    pub(super) hold: Vec<String>,
    /// What was asked for.
    pub(super) input: Vec<Instruction>,
    /// What was done, one action each, and what followed.
    pub(super) steps: Vec<Step>,
    /// Whole objects as first seen.
    #[serde(default)]
    pub(super) full: BTreeMap<String, Value>,
    /// Prefixes of objects that hang on a race.
    #[serde(default)]
    pub(super) unstable: Vec<String>,
}

/// Order of pods by the numbers in their names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Order {
    /// Lower numbers first.
    #[default]
    Name,
    /// Higher numbers first.
    Reverse,
}

/// An instruction of the case's author.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Instruction {
    /// Applies an object or several.
    Apply(Value),
    /// Applies a JSON merge patch.
    Patch {
        /// Kind; a LeaderWorkerSet where absent.
        kind: Option<String>,
        /// Name.
        name: String,
        /// The patch.
        merge: Value,
    },
    /// Scales.
    Scale {
        /// Kind; a LeaderWorkerSet where absent.
        kind: Option<String>,
        /// Name.
        name: String,
        /// Replicas.
        replicas: i32,
    },
    /// Deletes.
    Delete {
        /// Kind; a LeaderWorkerSet where absent.
        kind: Option<String>,
        /// Name.
        name: String,
        /// Propagation; in the background where absent.
        propagation: Option<String>,
    },
    /// Lets a pod's kubelet act: action and pod.
    Kubelet(BTreeMap<String, String>),
    /// Lets kubelets act until nothing is left to do.
    Settle(IgnoredAny),
    /// Lets kubelets act this many times.
    Run(usize),
    /// Replaces the pods that stay Pending.
    Hold(Vec<String>),
    /// Lets seconds pass.
    Wait(f64),
}

/// One action and everything that followed from it.
#[derive(Debug, Deserialize)]
pub(super) struct Step {
    /// The action.
    #[serde(rename = "do")]
    pub(super) action: Value,
    /// Object → what differs from before.
    #[serde(default)]
    pub(super) changes: BTreeMap<String, Value>,
    /// Events: type, reason, regarding, related, action, note, count.
    #[serde(default)]
    pub(super) events: Vec<Event>,
}

/// A Kubernetes event: type, reason, regarding, related, action, note, count.
#[derive(Debug, Deserialize)]
pub(super) struct Event(
    pub(super) String,
    pub(super) String,
    pub(super) String,
    IgnoredAny,
    IgnoredAny,
    pub(super) String,
    pub(super) Value,
);
