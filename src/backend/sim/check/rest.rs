//! Rules `nothingLeftBehind`, `restIsEmpty`, `restIsTrue` and the half of `wholeGroups` that shows at rest only.
//!
//! Rest is when nothing that is pending can change the state. Keys whose passes fail for ever are left out: that they do
//! is what the run's waits tell.

use super::{Checks, Rule};
use crate::api::keys;
use crate::backend::sim::object::{
    ClaimRecord, Kind, LwsRecord, Meta, NameId, PodRecord, RevisionContent, RevisionRecord,
    ServiceRecord, SetRecord, Stored,
};
use crate::backend::sim::world::{Controller, Process, World, Write};
use crate::controller::{Action, Phase};

impl Checks {
    /// Looks at a state of rest.
    pub(super) fn rest(&mut self, world: &World<'_>) {
        self.left_behind(world);
        for name in names_of::<LwsRecord>(world) {
            if !world.is_failing(Controller::Lws, name) {
                // A leader pod's change does not wake the LWS controller, so that a pass with pods older than the
                // StatefulSet may be the last (B5 of LWS v0.10), until the resync after ten hours.
                if self.leaders.is_fresh(name) {
                    self.another_pass(world, &world.lws_pass(name));
                }
                self.set_at_rest(world, name);
            }
        }
        for name in names_of::<PodRecord>(world) {
            let process = world.pod_pass(name);
            if !world.is_failing(Controller::Pod, name) && self.is_up_to_date(&process) {
                self.another_pass(world, &process);
            }
        }
        for name in names_of::<SetRecord>(world) {
            // A set in foreground deletion has lost its revision to the garbage collector and would make it anew with its
            // next sync, which nothing wakes (Kubernetes 1.36: the controller handles no events of revisions).
            let is_going =
                world.store.get::<SetRecord>(name).is_some_and(|set| set.meta.deleting.is_some());
            if !is_going && !world.is_failing(Controller::StatefulSet, name) {
                self.another_pass(world, &world.set_pass(name));
            }
        }
    }

    fn left_behind(&mut self, world: &World<'_>) {
        let metas = [
            metas_of::<SetRecord>(world),
            metas_of::<PodRecord>(world),
            metas_of::<ServiceRecord>(world),
            metas_of::<RevisionRecord>(world),
            metas_of::<ClaimRecord>(world),
        ];
        for (kind, meta) in metas.into_iter().flatten() {
            let Some(owner) = meta.owner else { continue };
            if world.store.find(owner.uid).is_none() && meta.deleting.is_none() {
                let text = format!("its owner {} is gone", world.reference(owner.kind, owner.name));
                self.found(world, Rule::NothingLeftBehind, (kind, meta.name), text);
            }
        }
        // A set that was let go keeps its pods; all others of a deleted LWS go.
        for pod in world.store.list::<PodRecord>() {
            let Some(group) = &pod.group else { continue };
            let is_orphan = pod.meta.owner.is_none_or(|owner| {
                self.orphaned.contains(&owner.uid)
                    || self
                        .leader_of_set
                        .get(&owner.uid)
                        .is_some_and(|leader| world.store.find(*leader).is_some())
            });
            if pod.meta.deleting.is_none()
                && !is_orphan
                && world.store.get::<LwsRecord>(group.lws).is_none()
            {
                let text = format!("its set {} is gone", world.store.names.text(group.lws));
                self.found(world, Rule::NothingLeftBehind, (Kind::Pod, pod.meta.name), text);
            }
        }
    }

    /// Whether nothing has changed for a pod that does not wake its controller.
    ///
    /// The pod controller of LWS v0.10 does not watch sets, so an edit of a live policy reaches a pod with its next event
    /// only (P7); and a restart that had to wait for the start of the group is forgotten where its pod stays silent (P2).
    /// Upstream looks again after ten hours, when its informers resync; the simulator does not.
    fn is_up_to_date(&self, process: &Process) -> bool {
        let Some(lws) = process.lws.as_deref() else { return true };
        let annotations = lws.lws.metadata.annotations.as_ref();
        let is_late = annotations.is_some_and(|all| all.contains_key(keys::RECREATE_AFTER_START));
        let policy = lws.lws.spec.leader_worker_template.restart_policy.as_deref();
        self.read_by_pod.get(&process.key) == Some(&(lws.meta.uid, lws.writes))
            && !is_late
            && policy != Some("RecreateGroupAfterStart")
    }

    fn another_pass(&mut self, world: &World<'_>, process: &Process) {
        let kind = match process.controller {
            Controller::Lws => Kind::LeaderWorkerSet,
            Controller::Pod => Kind::Pod,
            Controller::StatefulSet => Kind::StatefulSet,
        };
        let write = process.steps.iter().flatten().find(|write| !is_no_op(world, process, write));
        if let Some(write) = write {
            let mut text = format!("another pass would write {write:?}");
            text.truncate(text.char_indices().nth(300).map_or(text.len(), |(at, _)| at));
            self.found(world, Rule::RestIsEmpty, (kind, process.key), text);
        }
    }

    fn set_at_rest(&mut self, world: &World<'_>, name: NameId) {
        let Some(record) = world.store.get::<LwsRecord>(name) else { return };
        let leader_set = world.store.get::<SetRecord>(name);
        let is_going = record.meta.deleting.is_some()
            || leader_set.is_none_or(|set| set.meta.deleting.is_some());
        if is_going {
            return;
        }
        let object = (Kind::LeaderWorkerSet, name);
        let leaders: Vec<&PodRecord> = world
            .store
            .list::<PodRecord>()
            .into_iter()
            .map(AsRef::as_ref)
            .filter(|pod| pod.is_leader && pod.group.as_ref().is_some_and(|own| own.lws == name))
            .collect();
        if let Some(status) = &record.lws.status {
            let ready = leaders.iter().filter(|pod| pod.is_ready).count();
            if usize::try_from(status.replicas) != Ok(leaders.len()) {
                let text = format!("status.replicas is {} of {}", status.replicas, leaders.len());
                self.found(world, Rule::RestIsTrue, object, text);
            }
            if usize::try_from(status.ready_replicas).is_ok_and(|said| said > ready) {
                let text = format!("readyReplicas is {} of {ready}", status.ready_replicas);
                self.found(world, Rule::RestIsTrue, object, text);
            }
        }
        let network = record.lws.spec.network_config.as_ref();
        let policy = network.and_then(|network| network.subdomain_policy.as_deref());
        if policy.is_none_or(|policy| policy == "Shared")
            && world.store.get::<ServiceRecord>(name).is_none()
        {
            self.found(world, Rule::RestIsTrue, object, "it has no Service".to_owned());
        }
        let recorded = world.store.list::<RevisionRecord>();
        let is_recorded = |key: &str| {
            recorded.iter().any(|revision| {
                matches!(&revision.content, RevisionContent::Lws(lws, known) if *lws == name && *known.key == *key)
            })
        };
        for pod in &leaders {
            let key = pod.group.as_ref().map_or("", |group| &group.revision);
            if pod.meta.deleting.is_none() && !is_recorded(key) {
                let text = format!("there is no revision of its key {key}");
                self.found(world, Rule::RestIsTrue, (Kind::Pod, pod.meta.name), text);
            }
        }
        self.half_restarted(world, record, &leaders);
    }

    /// A pod that was restarted although its group is recreated when that happens.
    fn half_restarted(&mut self, world: &World<'_>, record: &LwsRecord, leaders: &[&PodRecord]) {
        let policy = record.lws.spec.leader_worker_template.restart_policy.as_deref();
        let annotations = record.lws.metadata.annotations.as_ref();
        let is_late = annotations.is_some_and(|all| all.contains_key(keys::RECREATE_AFTER_START));
        if policy != Some("RecreateGroupOnPodRestart") || is_late {
            return;
        }
        for pod in world.store.list::<PodRecord>() {
            let Some(group) = pod.group.as_ref().filter(|group| group.lws == record.meta.name)
            else {
                continue;
            };
            let leader = if pod.is_leader {
                Some(pod.meta.uid)
            } else {
                pod.meta.owner.and_then(|owner| self.leader_of_set.get(&owner.uid).copied())
            };
            let has_leader = leaders.iter().any(|own| {
                Some(own.meta.uid) == leader
                    && own.meta.deleting.is_none()
                    && own.group.as_ref().is_some_and(|known| known.revision == group.revision)
            });
            let is_seen =
                self.read_by_pod.get(&pod.meta.name) == Some(&(record.meta.uid, record.writes));
            if has_leader
                && is_seen
                && pod.restarts > 0
                && matches!(pod.phase, Phase::Running | Phase::Pending)
            {
                let text = format!("it was restarted {} times, its group stays", pod.restarts);
                self.found(world, Rule::WholeGroups, (Kind::Pod, pod.meta.name), text);
            }
        }
    }
}

/// Whether a write changes nothing or is one that upstream forgets: the Service of a group that went with the leader before
/// (P10 of LWS v0.10: its end wakes nobody), and otherwise the apply that upstream sends in every pass, where it holds what the last one did.
fn is_no_op(world: &World<'_>, process: &Process, write: &Write) -> bool {
    let apply = match write {
        Write::Lws(Action::ApplyLeaderSet(apply)) => apply,
        Write::Lws(Action::CreateService(_)) => return process.controller == Controller::Pod,
        _ => return false,
    };
    let (Some(lws), Some(set)) =
        (process.lws.as_deref(), world.store.get::<SetRecord>(process.key))
    else {
        return false;
    };
    set.applied.as_deref().is_some_and(|(uid, writes, applied)| {
        (*uid, *writes, applied) == (lws.meta.uid, lws.writes, apply)
    })
}

fn names_of<T: Stored>(world: &World<'_>) -> Vec<NameId>
where
    crate::backend::sim::store::Store: crate::backend::sim::store::HasTable<T>,
{
    world.store.list::<T>().into_iter().map(|record| record.meta().name).collect()
}

fn metas_of<T: Stored>(world: &World<'_>) -> Vec<(Kind, Meta)>
where
    crate::backend::sim::store::Store: crate::backend::sim::store::HasTable<T>,
{
    world.store.list::<T>().into_iter().map(|record| (T::KIND, record.meta().clone())).collect()
}
