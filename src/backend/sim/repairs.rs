//! What repaired rules need beyond the views that upstream builds: pods that went unseen, starts, lost nodes, earlier
//! recreations, groups without room, and which version of the controller runs.
//!
//! The rules themselves are in `controller`; nothing here is read unless its switch is on.
//!
//! # Differs from the real thing
//! What the pod controller remembers (pods that went, recreations) is in its memory, as a work queue's back-off is: a restart
//! of the controller would lose it.

use super::object::{GroupLabels, NameId, Object, PodRecord};
use super::store::Change;
use super::timeline::clock;
use super::world::{Controller, Events, Process, World};
use crate::controller::{Fix, PodExtras, PodSeen, Recreations, Requeue};
use crate::engine::Time;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Taint of a node that answers no more (node-lifecycle controller, Kubernetes 1.36).
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";

/// What repaired controllers remember.
#[derive(Debug, Default)]
pub(super) struct Repairs {
    /// Workers that the cache saw go since the last pass over their name (B1).
    lost: FxHashMap<NameId, Arc<PodRecord>>,
    /// Recreations by leader (B7).
    recreations: FxHashMap<NameId, Recreations>,
    /// Whether the controller was replaced by a later version (B10).
    pub(super) is_later_version: bool,
}

impl Repairs {
    /// Loses what the controller remembers, since its process has ended; its version stays.
    pub(super) fn forget(&mut self) {
        let is_later_version = self.is_later_version;
        *self = Self { is_later_version, ..Self::default() };
    }
}

impl World<'_> {
    /// Takes in a change that the LWS manager's cache has seen.
    pub(super) fn repair_delivered(&mut self, change: &Change, events: &mut Events) {
        let fixes = self.setup.fixes;
        let (Some(Object::Pod(old)), new) = (&change.old, &change.new) else { return };
        let Some(group) = &old.group else { return };
        if fixes.has(Fix::B1) && new.is_none() && !old.is_leader {
            self.repairs.lost.insert(old.meta.name, Arc::clone(old));
        }
        if fixes.has(Fix::B8) {
            let lws = group.lws;
            self.enqueue(Controller::Lws, lws, events);
        }
    }

    /// Returns the worker that went since the last pass over its name.
    pub(super) fn lost_pod(&self, name: NameId) -> Option<Arc<PodRecord>> {
        self.repairs.lost.get(&name).cloned()
    }

    /// Forgets a worker that went, once a pass has looked at it and found nothing to do.
    pub(super) fn forget_lost_pod(&mut self, name: NameId, pass: &Process) {
        if pass.steps.is_empty() && pass.requeue == Requeue::No {
            self.repairs.lost.remove(&name);
        }
    }

    /// Returns what only repaired rules read of a pod.
    pub(super) fn pod_extras<'b>(
        &'b self,
        pod: &PodRecord,
        lost: Option<PodSeen<'b>>,
        leader: Option<NameId>,
    ) -> PodExtras<'b> {
        let fixes = self.setup.fixes;
        let started = |at: Time| (at > Time::ZERO).then(|| clock(at));
        let others = pod.group.iter().filter(|_| fixes.has(Fix::B5)).flat_map(|group| {
            self.lws_cache.group(group).filter(|other| other.meta.uid != pod.meta.uid)
        });
        PodExtras {
            fixes,
            lost,
            started_at: started(pod.started_at),
            others_started_at: others.map(|other| other.started_at).max().and_then(started),
            is_node_lost: fixes.has(Fix::B6) && self.is_node_lost(pod),
            recreations: leader
                .and_then(|leader| self.repairs.recreations.get(&leader).copied())
                .unwrap_or_default(),
            now: clock(self.now),
        }
    }

    /// Returns whether the cache knows a pod's node as unreachable, or does not know it.
    fn is_node_lost(&self, pod: &PodRecord) -> bool {
        let Some(node) = pod.node else { return false };
        let Some(record) = self.lws_cache.nodes.get(&node) else { return true };
        let taints = record.node.spec.as_ref().and_then(|spec| spec.taints.as_ref());
        taints.into_iter().flatten().any(|taint| taint.key == UNREACHABLE)
    }

    /// Notes that a leader was deleted so that its group starts anew.
    pub(super) fn note_recreation(&mut self, leader: NameId) {
        let now = clock(self.now);
        let before = self.repairs.recreations.entry(leader).or_default();
        *before = before.once_more(now);
    }

    /// Returns whether the scheduler has said of a pod of the group that it fits nowhere.
    pub(super) fn has_no_room(&self, group: &GroupLabels) -> bool {
        self.setup.fixes.has(Fix::B8)
            && self
                .lws_cache
                .group(group)
                .any(|pod| pod.is_unschedulable && pod.meta.deleting.is_none())
    }

    /// Replaces the LWS controller by a later version, which looks at every set.
    pub(super) fn upgrade_lws(&mut self, events: &mut Events) {
        self.repairs.is_later_version = true;
        let sets: Vec<NameId> = self
            .store
            .list::<super::object::LwsRecord>()
            .into_iter()
            .map(|record| record.meta.name)
            .collect();
        for set in sets {
            self.enqueue(Controller::Lws, set, events);
        }
    }
}
