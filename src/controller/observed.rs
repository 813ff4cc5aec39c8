//! What the caches show: the inputs of the LWS and the pod controller.
//!
//! Views borrow from whichever backend built them and hold only what a rule reads (`spec/lws-controllers.md` 2.0 and 5).

use super::fixes::{Fixes, PodExtras};
use crate::api::Uid;
use crate::api::lws::{LeaderWorkerSet, LeaderWorkerTemplate, NetworkConfig};
use std::sync::Arc;

/// Input of the LWS controller for one set.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    /// The set, defaulted; its status is the one in the cache.
    pub lws: &'a LeaderWorkerSet,
    /// What `revision::encode` makes of `lws`; a backend encodes once for each generation of the set.
    pub encoded: &'a str,
    /// The StatefulSet named like the set, if any.
    pub leader_set: Option<LeaderSetSeen<'a>>,
    /// Every ControllerRevision that carries the set's name label, in name order.
    pub revisions: &'a [Arc<Revision>],
    /// Every pod with the set's name label and worker index 0, in name order.
    pub leader_pods: &'a [LeaderPodSeen<'a>],
    /// Every StatefulSet with the set's name label but the leader's, in name order.
    pub worker_sets: &'a [SetSeen<'a>],
    /// Whether a Service named like the set exists.
    pub has_shared_service: bool,
    /// The instant of the pass, for condition times.
    pub now: jiff::Timestamp,
    /// Upstream bugs that are repaired.
    pub fixes: Fixes,
    /// Whether the controller is of a later version, whose leaders' template has one more label ([`LATER_VERSION`](crate::api::keys::LATER_VERSION)).
    pub is_later_version: bool,
}

/// A ControllerRevision of LWS, parsed once.
#[derive(Clone, Debug, PartialEq)]
pub struct Revision {
    /// Object name.
    pub name: String,
    /// `revision`.
    pub number: i64,
    /// Label `template-revision-hash`.
    pub key: Arc<str>,
    /// `data`, as the encoder of `revision` writes it (strategic merge patch, sorted keys).
    pub data: Arc<str>,
    /// The template that `data` holds.
    pub template: Arc<LeaderWorkerTemplate>,
    /// The network configuration that `data` holds.
    pub network_config: Option<NetworkConfig>,
    /// UID of the controller owner, if any.
    pub owner: Option<Uid>,
}

/// The leader StatefulSet as the cache shows it.
#[derive(Clone, Copy, Debug)]
pub struct LeaderSetSeen<'a> {
    /// Label `template-revision-hash` of its metadata, `""` where absent.
    pub key: &'a str,
    /// Annotation `replicas`, if present.
    pub replicas_annotation: Option<&'a str>,
    /// Whether it has a deletion time stamp.
    pub is_deleting: bool,
    /// `spec.replicas`.
    pub replicas: i32,
    /// `spec.updateStrategy.rollingUpdate.partition`.
    pub partition: i32,
    /// `status.replicas`.
    pub status_replicas: i32,
    /// Annotation of a rollout that has given up surge (fix B8), if present.
    pub surge_kept: Option<&'a str>,
    /// Whether its template has the label of a later version.
    pub has_later_label: bool,
}

/// A worker StatefulSet as the cache shows it.
#[derive(Clone, Copy, Debug)]
pub struct SetSeen<'a> {
    /// Object name.
    pub name: &'a str,
    /// Label `group-index`, `""` where absent.
    pub group_index: &'a str,
    /// Label `template-revision-hash`, `""` where absent.
    pub key: &'a str,
    /// `spec.replicas`.
    pub replicas: i32,
    /// `status.availableReplicas`.
    pub available: i32,
    /// Whether `status.currentRevision` equals `status.updateRevision`.
    pub is_on_one_revision: bool,
}

/// Phase of a pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Accepted, not all containers started; entered at creation, left when containers run or the pod ends.
    #[default]
    Pending,
    /// At least one container runs or restarts; left when all have ended.
    Running,
    /// All containers ended well and will not be restarted; final.
    Succeeded,
    /// All containers ended, at least one badly, or the pod was evicted or rejected; final.
    Failed,
    /// The node cannot be asked.
    Unknown,
}

/// A leader pod as the LWS controller sees it.
#[derive(Clone, Copy, Debug)]
pub struct LeaderPodSeen<'a> {
    /// Object name.
    pub name: &'a str,
    /// Label `group-index`, `""` where absent.
    pub group_index: &'a str,
    /// Label `template-revision-hash`, `""` where absent.
    pub key: &'a str,
    /// `status.phase`.
    pub phase: Phase,
    /// Whether the condition `Ready` is True.
    pub is_ready: bool,
    /// Whether the scheduler has said of any pod of the group that it fits nowhere; only fix B8 reads it.
    pub is_unschedulable: bool,
}

/// Input of the pod controller for one pod.
#[derive(Clone, Copy, Debug)]
pub struct PodObserved<'a> {
    /// The pod.
    pub pod: PodSeen<'a>,
    /// The set that its name label names, if it exists.
    pub lws: Option<&'a LeaderWorkerSet>,
    /// The leader pod of its group, if it exists; for a leader the pod itself.
    pub leader: Option<PodSeen<'a>>,
    /// All pods with the same name and group index labels.
    pub group_pods: &'a [GroupPodSeen],
    /// The StatefulSet that is the pod's controller owner, if it exists with that UID: its own controller owner.
    pub owner_set_owner: Option<OwnerSeen<'a>>,
    /// Whether a StatefulSet named like the pod exists.
    pub has_worker_set: bool,
    /// Whether a Service named like the pod exists.
    pub has_pod_service: bool,
    /// Revisions of the set, as in [`Observed::revisions`].
    pub revisions: &'a [Arc<Revision>],
    /// Looks up labels of the node that the pod is bound to: `None` if the Node does not exist, else the value of the
    /// label with the exclusive topology key.
    pub node_domain: NodeDomain<'a>,
    /// What only repaired rules read.
    pub extras: PodExtras<'a>,
}

/// Value of the exclusive topology label of the leader's node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NodeDomain<'a> {
    /// The pod is not bound.
    #[default]
    Unbound,
    /// Its Node does not exist.
    NoNode,
    /// The Node lacks the label.
    NoLabel,
    /// The label's value.
    Value(&'a str),
}

/// Controller owner of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnerSeen<'a> {
    /// Kind of the owner.
    pub kind: &'a str,
    /// Name of the owner.
    pub name: &'a str,
    /// UID of the owner.
    pub uid: Uid,
}

/// A pod as the pod controller sees it.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own that one rule reads")]
#[derive(Clone, Copy, Debug)]
pub struct PodSeen<'a> {
    /// Namespace.
    pub namespace: &'a str,
    /// Object name.
    pub name: &'a str,
    /// Object UID.
    pub uid: Uid,
    /// Label `name`, `""` where absent.
    pub lws_name: &'a str,
    /// Label `worker-index`, `None` where absent.
    pub worker_index: Option<&'a str>,
    /// Label `group-index`, `""` where absent.
    pub group_index: &'a str,
    /// Label `group-key`, `""` where absent.
    pub group_key: &'a str,
    /// Label `template-revision-hash`, `""` where absent.
    pub key: &'a str,
    /// Whether the annotation `leader-name` is present.
    pub has_leader_name: bool,
    /// Whether it has a deletion time stamp.
    pub is_deleting: bool,
    /// `status.phase`.
    pub phase: Phase,
    /// Whether the condition `Ready` is True.
    pub is_ready: bool,
    /// Whether any init or app container has a restart count above 0.
    pub has_restarted: bool,
    /// `spec.nodeName`, `""` where unbound.
    pub node: &'a str,
    /// Controller owner, if any.
    pub owner: Option<OwnerSeen<'a>>,
    /// Whether any container or init container asks for `google.com/tpu`.
    pub requests_tpus: bool,
}

/// A pod of the same group: what the restart rule reads.
#[derive(Clone, Copy, Debug)]
pub struct GroupPodSeen {
    /// `status.phase`.
    pub phase: Phase,
}
