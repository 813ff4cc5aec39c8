//! What to do: an ordered list of actions and when to look again.
//!
//! A backend carries the actions out in order; the first that fails drops the rest, emits
//! [`Action::failure_event`] and requeues with back-off.

use super::objects::{ServiceBody, SetBody};
use crate::api::lws::LeaderWorkerSetStatus;
use crate::api::{Uid, keys};
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

impl Plan {
    /// Returns whether the plan holds no write but the apply of the leader StatefulSet, no event and no requeue.
    ///
    /// Whether that apply changes anything is for the receiver to see.
    pub fn is_idle(&self) -> bool {
        self.requeue == Requeue::No
            && self.actions.iter().all(|action| matches!(action, Action::ApplyLeaderSet(_)))
    }

    /// Returns a plan that does nothing and looks again with back-off.
    pub(super) fn error(text: impl Into<String>) -> Self {
        Self { actions: Vec::new(), requeue: Requeue::Error(text.into()) }
    }

    /// Appends an event.
    pub(super) fn emit(&mut self, event: EventNote) {
        self.actions.push(Action::Emit(event));
    }
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
    /// Creates a worker StatefulSet; "already exists" ends the plan as a success, without the event that follows.
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
    /// Deletes a pod with grace period 0, since nothing answers for it any more (fix B6).
    DeletePodForced {
        /// Object name.
        name: String,
    },
    /// Emits an event on the set.
    Emit(EventNote),
}

impl Action {
    /// Returns the event that upstream emits when the action fails with `error`.
    ///
    /// # Differs from the real thing
    ///
    /// Upstream passes the text as a format string, so that a `%` in it comes out mangled.
    pub fn failure_event(&self, error: &str) -> Option<EventNote> {
        match self {
            Self::ApplyLeaderSet(apply) => {
                let (reason, action, verb) = if apply.exists {
                    ("FailedUpdate", "Update", "update")
                } else {
                    ("FailedCreate", "Create", "create")
                };
                let note = format!("Failed to {verb} leader statefulset {}: {error}", apply.name);
                Some(EventNote::warning(reason, action, note))
            }
            // The pod controller says nothing when the Service of a group fails.
            Self::CreateService(body) if body.owner.kind == keys::KIND => {
                let note = format!("Failed to create headless service for error: {error}");
                Some(EventNote::warning("FailedCreate", "Create", note))
            }
            Self::CreateWorkerSet(body) => {
                let note = format!(
                    "Failed to create worker statefulset for leader pod {}: {error}",
                    body.owner.name
                );
                let related = Some((body.owner.name.clone(), body.owner.uid));
                Some(EventNote {
                    related_pod: related,
                    ..EventNote::warning("FailedCreate", "Create", note)
                })
            }
            Self::CreateService(_)
            | Self::CreateRevision(_)
            | Self::UpdateStatus(_)
            | Self::DeleteRevision { .. }
            | Self::DeletePodForeground { .. }
            | Self::DeletePodForced { .. }
            | Self::Emit(_) => None,
        }
    }
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
    /// Object name, which is the set's.
    pub name: String,
    /// Revision key in force.
    pub key: Arc<str>,
    /// `spec.replicas`, surge included.
    pub replicas: i32,
    /// `spec.updateStrategy.rollingUpdate.partition`.
    pub partition: i32,
    /// `spec.updateStrategy.rollingUpdate.maxUnavailable`.
    pub max_unavailable: i32,
    /// Surge groups that a rollout without room for more keeps (fix B8); `None` where nothing was given up.
    pub surge_kept: Option<i32>,
    /// Whether the template has the label of a later version of the controller.
    pub has_later_label: bool,
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

impl EventNote {
    /// Returns an event of type Normal without a related pod.
    pub(super) fn normal(reason: &'static str, action: &'static str, note: String) -> Self {
        Self { is_warning: false, reason, action, note, related_pod: None }
    }

    /// Returns an event of type Warning without a related pod.
    pub(super) fn warning(reason: &'static str, action: &'static str, note: String) -> Self {
        Self { is_warning: true, ..Self::normal(reason, action, note) }
    }
}
