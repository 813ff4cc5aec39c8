//! What to do: an ordered list of actions and when to look again.
//!
//! A backend carries the actions out in order; the first that fails drops the rest, emits
//! [`Action::failure_event`] and requeues with back-off.

use super::objects::{ServiceBody, SetBody};
use crate::api::Uid;
use crate::api::lws::LeaderWorkerSetStatus;
use crate::engine::Span;
use std::sync::Arc;

/// Ordered actions and the next look.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// What to do, in order.
    pub actions: Vec<Action>,
    /// When to look again once all actions succeeded.
    pub requeue: Requeue,
}

/// When a key is looked at again.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Requeue {
    /// When a watched object changes.
    #[default]
    No,
    /// After a fixed time; the key's back-off starts anew.
    After(Span),
    /// With back-off, as after an error; the text is what upstream logs.
    Error(String),
}

/// One write or event.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Creates a ControllerRevision.
    CreateRevision(NewRevision),
    /// Applies the leader StatefulSet (server-side, forced); `objects::leader_set` makes the body. A no-op if nothing differs.
    ApplyLeaderSet(LeaderSetApply),
    /// Creates a headless Service.
    CreateService(ServiceBody),
    /// Creates a worker StatefulSet; "already exists" is success.
    CreateWorkerSet(Box<SetBody>),
    /// Writes the status with the observed resource version; a conflict requeues with back-off and counts no error.
    UpdateStatus(Box<LeaderWorkerSetStatus>),
    /// Deletes a ControllerRevision.
    DeleteRevision {
        /// Object name.
        name: String,
    },
    /// Deletes a pod with foreground propagation and without precondition.
    DeletePodForeground {
        /// Object name.
        name: String,
    },
    /// Emits an event on the set.
    Emit(EventNote),
}

/// A ControllerRevision to create; labels are the set's name and `key`, the owner is the set.
#[derive(Clone, Debug, PartialEq)]
pub struct NewRevision {
    /// Object name.
    pub name: String,
    /// `revision`.
    pub number: i64,
    /// Label `template-revision-hash`.
    pub key: Arc<str>,
    /// `data`, as JSON text with sorted keys.
    pub data: Arc<str>,
}

/// What varies in the leader StatefulSet from pass to pass; all else follows from the set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderSetApply {
    /// Revision key in force.
    pub key: Arc<str>,
    /// `spec.replicas`, surge included.
    pub replicas: i32,
    /// `spec.updateStrategy.rollingUpdate.partition`.
    pub partition: i32,
    /// `spec.updateStrategy.rollingUpdate.maxUnavailable`.
    pub max_unavailable: i32,
    /// Whether a leader StatefulSet was observed: decides between the reasons `FailedCreate` and `FailedUpdate`.
    pub exists: bool,
}

/// An event on the set (events.k8s.io/v1, reporting controller `leaderworkerset`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventNote {
    /// Whether the type is Warning; else Normal.
    pub is_warning: bool,
    /// Reason.
    pub reason: &'static str,
    /// Action.
    pub action: &'static str,
    /// Note.
    pub note: String,
    /// Name and UID of a related pod, if any.
    pub related_pod: Option<(String, Uid)>,
}
