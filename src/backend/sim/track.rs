//! Turns changes of the store into records and keeps the group tracker up to date.
//!
//! Owns nothing but the translation; phases and rollouts are computed in `groups`.

use super::groups::{Group, Membership};
use super::object::{LwsRecord, NameId, Object, PodRecord, SetRecord};
use super::store::Change;
use super::world::World;
use crate::api::keys;
use crate::backend::record::{GroupPhase, PodChange, RolloutChange, What};
use std::sync::Arc;

impl World<'_> {
    /// Tells of a pod's change.
    pub(super) fn track_pod(&mut self, change: &Change) {
        let (old, new) = (as_pod(change.old.as_ref()), as_pod(change.new.as_ref()));
        let (Some(record), name) = (new.or(old), change.any().meta().name) else { return };
        if old.is_none() {
            self.pod_created(record);
        }
        let changes = pod_changes(old, new, |node| self.store.names.name(node).into());
        for pod_change in changes {
            self.record_pod(record, pod_change);
        }
        self.groups.update(name, |member| {
            member.is_bound = record.node.is_some();
            member.is_ready = record.is_ready;
            member.is_deleting = record.meta.deleting.is_some();
        });
        if new.is_none() {
            self.groups.remove(name);
        }
        self.refresh_group(name);
    }

    fn pod_created(&mut self, record: &PodRecord) {
        let to = self.membership(record);
        let change = PodChange::Created {
            group: Arc::clone(self.store.names.text(to.group)),
            revision: Arc::clone(&to.revision),
            accelerators: record.template.accelerators,
        };
        self.record_pod(record, change);
        self.groups.add(record.meta.name, to);
    }

    fn membership(&mut self, record: &PodRecord) -> Membership {
        let name = record.meta.name;
        if let Some(group) = &record.group {
            let leader = format!("{}-{}", self.store.names.text(group.lws), group.group_index);
            return Membership {
                set: group.lws,
                index: group.group_index.parse().unwrap_or(0),
                group: self.store.names.intern_text(&leader),
                revision: Arc::clone(&group.revision),
                size: record
                    .template
                    .annotations
                    .get(keys::SIZE)
                    .and_then(|size| size.parse().ok())
                    .unwrap_or(1),
                is_leader: record.is_leader,
            };
        }
        Membership {
            set: record.meta.owner.map_or(name, |owner| owner.name),
            index: u32::try_from(record.ordinal).unwrap_or(0),
            group: name,
            revision: Arc::clone(&record.set_revision),
            size: 1,
            is_leader: true,
        }
    }

    /// Tells of a change of a pod.
    pub(super) fn record_pod(&mut self, record: &PodRecord, change: PodChange) {
        let pod = Arc::clone(self.store.names.text(record.meta.name));
        self.record(What::Pod { pod, incarnation: record.incarnation, change });
    }

    /// Tells of the phase of a pod's group, if it has changed.
    pub(super) fn refresh_group(&mut self, pod: NameId) {
        let Some((set, _)) = self.groups.place_of(pod) else { return };
        let Some(group) = self.groups.refresh(pod) else { return };
        self.record_group(set, &group);
        if matches!(group.phase, Some(GroupPhase::Ready | GroupPhase::Gone)) {
            self.check_rollout(set);
        }
    }

    fn record_group(&mut self, set: NameId, group: &Group) {
        let names = &self.store.names;
        let what = What::Group {
            group: Arc::clone(names.text(group.name)),
            set: Arc::clone(names.text(set)),
            index: group.index,
            revision: Arc::clone(&group.revision),
            phase: group.phase.unwrap_or(GroupPhase::Waiting),
        };
        self.record(what);
    }

    /// Tells of a leader StatefulSet's size and partition.
    pub(super) fn track_set(&mut self, change: &Change) {
        let Some(Object::StatefulSet(record)) = &change.new else { return };
        let name = record.meta.name;
        if record.lws != Some(name) {
            self.track_plain_set(record);
            return;
        }
        let size = |record: &SetRecord| {
            (
                record.spec.body.replicas,
                record.spec.body.rolling_update.map_or(0, |(partition, _)| partition),
            )
        };
        let (replicas, partition) = size(record);
        let Some(applied) = &record.applied else { return };
        let track = self.groups.sets.entry(name).or_default();
        track.leader_set =
            Some((u32::try_from(replicas).unwrap_or(0), Arc::clone(&applied.2.key), applied.1));
        self.groups.version += 1;
        let is_moved = match &change.old {
            Some(Object::StatefulSet(old)) => size(old) != (replicas, partition),
            _ => true,
        };
        if is_moved {
            let set = Arc::clone(self.store.names.text(name));
            self.record(What::LeaderSet { set, replicas, partition });
        }
        self.check_rollout(name);
    }

    fn track_plain_set(&mut self, record: &SetRecord) {
        if record.lws.is_some() {
            return;
        }
        let replicas = u32::try_from(record.spec.body.replicas).unwrap_or(0);
        let track = self.groups.sets.entry(record.meta.name).or_default();
        if (track.replicas, track.size) != (replicas, 1) {
            (track.replicas, track.size) = (replicas, 1);
            let set = Arc::clone(self.store.names.text(record.meta.name));
            self.record(What::Wanted { set, replicas, size: 1 });
        }
    }

    /// Tells what the user wants of a set, and of rollouts that a write begins or ends.
    pub(super) fn track_wanted(
        &mut self,
        name: NameId,
        old: Option<&LwsRecord>,
        new: Option<&LwsRecord>,
    ) {
        let wanted = |record: &LwsRecord| {
            let spec = &record.lws.spec;
            let size = spec.leader_worker_template.size.unwrap_or(1);
            (as_count(spec.replicas.unwrap_or(1)), as_count(size))
        };
        let is_gone = new.is_none_or(|record| record.meta.deleting.is_some());
        let (replicas, size) = new.filter(|_| !is_gone).map_or((0, 0), wanted);
        let track = self.groups.sets.entry(name).or_default();
        let is_other = old.is_none() || (track.replicas, track.size) != (replicas, size);
        (track.replicas, track.size) = (replicas, size);
        if let Some(record) = new {
            let strategy = record.lws.spec.rollout_strategy.as_ref();
            let budget =
                strategy.and_then(|strategy| strategy.rolling_update_configuration.as_ref());
            track.partition = as_count(budget.and_then(|budget| budget.partition).unwrap_or(0));
            track.writes = record.writes;
        }
        let is_changed = matches!((old, new), (Some(old), Some(new)) if old.encoded != new.encoded);
        let rollouts = if is_gone {
            track.end_rollout(RolloutChange::Superseded)
        } else if is_changed {
            track.begin_rollout()
        } else {
            Vec::new()
        };
        self.groups.version += 1;
        let set = Arc::clone(self.store.names.text(name));
        if is_other {
            self.record(What::Wanted { set: Arc::clone(&set), replicas, size });
        }
        for (number, change) in rollouts {
            self.record(What::Rollout { set: Arc::clone(&set), number, change });
        }
        self.check_rollout(name);
    }

    fn check_rollout(&mut self, name: NameId) {
        let Some(track) = self.groups.sets.get_mut(&name) else { return };
        if !track.is_rolling || !track.is_rolled_out() {
            return;
        }
        for (number, change) in track.end_rollout(RolloutChange::Finished) {
            self.groups.version += 1;
            let set = Arc::clone(self.store.names.text(name));
            self.record(What::Rollout { set, number, change });
        }
    }
}

fn as_count(number: i32) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

fn as_pod(object: Option<&Object>) -> Option<&PodRecord> {
    match object {
        Some(Object::Pod(record)) => Some(record),
        _ => None,
    }
}

/// Returns what a write changed of a pod, in the order in which to tell it.
fn pod_changes(
    old: Option<&PodRecord>,
    new: Option<&PodRecord>,
    node_name: impl Fn(NameId) -> Arc<str>,
) -> Vec<PodChange> {
    let mut changes = Vec::new();
    let Some(new) = new else { return vec![PodChange::Gone] };
    if old.and_then(|old| old.node) != new.node
        && let Some(node) = new.node
    {
        changes.push(PodChange::Bound(node_name(node)));
    }
    let Some(old) = old else { return changes };
    if old.restarts < new.restarts {
        changes.push(PodChange::Restarted);
    }
    match (old.is_ready, new.is_ready) {
        (false, true) => changes.push(PodChange::Ready),
        (true, false) => changes.push(PodChange::Unready),
        _ => {}
    }
    if old.phase != new.phase && new.phase == crate::controller::Phase::Failed {
        changes.push(PodChange::Failed);
    }
    if old.meta.deleting.is_none() && new.meta.deleting.is_some() {
        changes.push(PodChange::Deleting);
    }
    changes
}
