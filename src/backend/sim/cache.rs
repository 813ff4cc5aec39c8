//! What the controllers' informers hold: the last delivered state of each object, with the indices that passes read.
//!
//! One cache for the LWS manager and one for the StatefulSet controller, because their watches lag separately.

use super::object::{
    ClaimRecord, GroupLabels, LwsRecord, NameId, NodeRecord, Object, PodRecord, RevisionContent,
    RevisionRecord, SetRecord,
};
use super::store::Change;
use crate::api::Uid;
use crate::controller::{Phase, Revision};
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a pass of the LWS controller reads of a leader pod: kept flat, because each pass reads every group of its set.
#[derive(Clone, Debug)]
pub(super) struct LeaderRow {
    /// Label `group-index`.
    pub(super) group_index: Arc<str>,
    /// Label `template-revision-hash`.
    pub(super) revision: Arc<str>,
    /// Phase.
    pub(super) phase: Phase,
    /// Condition `Ready`.
    pub(super) is_ready: bool,
}

impl LeaderRow {
    fn of(record: &PodRecord, group: &GroupLabels) -> Self {
        Self {
            group_index: Arc::clone(&group.group_index),
            revision: Arc::clone(&group.revision),
            phase: record.phase,
            is_ready: record.is_ready,
        }
    }
}

/// What a pass of the LWS controller reads of a worker StatefulSet, flat for the same reason.
#[derive(Clone, Debug)]
pub(super) struct WorkerSetRow {
    /// Label `group-index`; `None` where absent.
    pub(super) group_index: Option<Arc<str>>,
    /// Label `template-revision-hash`, `""` where absent.
    pub(super) revision: Arc<str>,
    /// `spec.replicas`.
    pub(super) replicas: i32,
    /// `status.availableReplicas`.
    pub(super) available: i32,
    /// Whether `status.currentRevision` equals `status.updateRevision`.
    pub(super) is_on_one_revision: bool,
}

impl WorkerSetRow {
    fn of(record: &SetRecord) -> Self {
        let (spec, status) = (&record.spec, &record.status);
        Self {
            group_index: spec.template.group.as_ref().map(|group| Arc::clone(&group.group_index)),
            revision: Arc::clone(&spec.revision),
            replicas: spec.body.replicas,
            available: status.available,
            is_on_one_revision: status.current_revision == status.update_revision,
        }
    }
}

/// The LWS manager's cache.
#[derive(Debug, Default)]
pub(super) struct LwsCache {
    /// LeaderWorkerSets.
    pub(super) sets: FxHashMap<NameId, Arc<LwsRecord>>,
    /// Pods.
    pub(super) pods: FxHashMap<NameId, Arc<PodRecord>>,
    /// StatefulSets.
    pub(super) stateful_sets: FxHashMap<NameId, Arc<SetRecord>>,
    /// Names of Services.
    pub(super) services: FxHashSet<NameId>,
    /// Nodes.
    pub(super) nodes: FxHashMap<NameId, Arc<NodeRecord>>,
    /// Leader pods of each set.
    pub(super) leaders: FxHashMap<NameId, BTreeMap<NameId, LeaderRow>>,
    /// Worker StatefulSets of each set.
    pub(super) worker_sets: FxHashMap<NameId, BTreeMap<NameId, WorkerSetRow>>,
    /// Revisions of each set.
    pub(super) revisions: FxHashMap<NameId, BTreeMap<NameId, Arc<Revision>>>,
    groups: FxHashMap<(NameId, Arc<str>), SmallVec<[NameId; 8]>>,
}

impl LwsCache {
    /// Takes in a delivered change.
    pub(super) fn apply(&mut self, change: &Change) {
        let name = change.any().meta().name;
        match (change.any(), &change.new) {
            (Object::LeaderWorkerSet(_), Some(Object::LeaderWorkerSet(record))) => {
                self.sets.insert(name, Arc::clone(record));
            }
            (Object::LeaderWorkerSet(_), _) => {
                self.sets.remove(&name);
            }
            (Object::Pod(_), Some(Object::Pod(record))) => self.put_pod(record),
            (Object::Pod(record), _) => self.drop_pod(record),
            (Object::StatefulSet(_), Some(Object::StatefulSet(record))) => self.put_set(record),
            (Object::StatefulSet(record), _) => {
                self.stateful_sets.remove(&name);
                if let Some(sets) = record.lws.and_then(|lws| self.worker_sets.get_mut(&lws)) {
                    sets.remove(&name);
                }
            }
            (Object::Service(_), new) => {
                if new.is_some() {
                    self.services.insert(name);
                } else {
                    self.services.remove(&name);
                }
            }
            (Object::Node(_), Some(Object::Node(record))) => {
                self.nodes.insert(name, Arc::clone(record));
            }
            (Object::Node(_), _) => {
                self.nodes.remove(&name);
            }
            (Object::ControllerRevision(record), new) => {
                if let RevisionContent::Lws(lws, revision) = &record.content {
                    let revisions = self.revisions.entry(*lws).or_default();
                    if new.is_some() {
                        revisions.insert(name, Arc::clone(revision));
                    } else {
                        revisions.remove(&name);
                    }
                }
            }
            (Object::PersistentVolumeClaim(_), _) => {}
        }
    }

    fn put_pod(&mut self, record: &Arc<PodRecord>) {
        let name = record.meta.name;
        let is_new = self.pods.insert(name, Arc::clone(record)).is_none();
        let Some(group) = &record.group else { return };
        if record.is_leader {
            self.leaders.entry(group.lws).or_default().insert(name, LeaderRow::of(record, group));
        }
        if is_new {
            self.groups.entry(group_of(group)).or_default().push(name);
        }
    }

    fn drop_pod(&mut self, record: &PodRecord) {
        let name = record.meta.name;
        self.pods.remove(&name);
        let Some(group) = &record.group else { return };
        if let Some(leaders) = self.leaders.get_mut(&group.lws) {
            leaders.remove(&name);
        }
        let key = group_of(group);
        if let Some(members) = self.groups.get_mut(&key) {
            members.retain(|member| *member != name);
            if members.is_empty() {
                self.groups.remove(&key);
            }
        }
    }

    fn put_set(&mut self, record: &Arc<SetRecord>) {
        let name = record.meta.name;
        self.stateful_sets.insert(name, Arc::clone(record));
        if let Some(lws) = record.lws.filter(|lws| *lws != name) {
            self.worker_sets.entry(lws).or_default().insert(name, WorkerSetRow::of(record));
        }
    }

    /// Returns the pods of a group, in order of arrival.
    pub(super) fn group(&self, group: &GroupLabels) -> impl Iterator<Item = &Arc<PodRecord>> {
        self.groups
            .get(&group_of(group))
            .into_iter()
            .flatten()
            .filter_map(|name| self.pods.get(name))
    }
}

fn group_of(group: &GroupLabels) -> (NameId, Arc<str>) {
    (group.lws, Arc::clone(&group.group_index))
}

/// The StatefulSet controller's cache.
#[derive(Debug, Default)]
pub(super) struct SetCache {
    /// StatefulSets.
    pub(super) sets: FxHashMap<NameId, Arc<SetRecord>>,
    /// Pods by owner and ordinal.
    pub(super) pods: FxHashMap<Uid, BTreeMap<i32, Arc<PodRecord>>>,
    /// Claims by set, ordinal and name.
    pub(super) claims: FxHashMap<NameId, BTreeMap<(i32, NameId), Arc<ClaimRecord>>>,
    /// Revisions by owner, in order of arrival.
    pub(super) revisions: FxHashMap<Uid, Vec<Arc<RevisionRecord>>>,
}

impl SetCache {
    /// Takes in a delivered change.
    pub(super) fn apply(&mut self, change: &Change) {
        let name = change.any().meta().name;
        match (change.any(), &change.new) {
            (Object::StatefulSet(_), Some(Object::StatefulSet(record))) => {
                self.sets.insert(name, Arc::clone(record));
            }
            (Object::StatefulSet(_), _) => {
                self.sets.remove(&name);
            }
            (Object::Pod(record), new) => {
                if let Some(Object::Pod(old)) = &change.old
                    && old.meta.owner != record.meta.owner
                {
                    self.drop_pod(old);
                }
                match new {
                    Some(_) => self.put_pod(record),
                    None => self.drop_pod(record),
                }
            }
            (Object::ControllerRevision(record), new) => {
                let Some(owner) = record.meta.owner else { return };
                let revisions = self.revisions.entry(owner.uid).or_default();
                revisions.retain(|revision| revision.meta.name != name);
                if new.is_some() {
                    revisions.push(Arc::clone(record));
                } else if revisions.is_empty() {
                    self.revisions.remove(&owner.uid);
                }
            }
            (Object::PersistentVolumeClaim(record), new) => {
                let claims = self.claims.entry(record.set).or_default();
                if new.is_some() {
                    claims.insert((record.ordinal, name), Arc::clone(record));
                } else {
                    claims.remove(&(record.ordinal, name));
                }
            }
            _ => {}
        }
    }

    fn put_pod(&mut self, record: &Arc<PodRecord>) {
        if let Some(owner) = record.meta.owner {
            self.pods.entry(owner.uid).or_default().insert(record.ordinal, Arc::clone(record));
        }
    }

    fn drop_pod(&mut self, record: &PodRecord) {
        let Some(owner) = record.meta.owner else { return };
        if let Some(pods) = self.pods.get_mut(&owner.uid) {
            if pods.get(&record.ordinal).is_some_and(|known| known.meta.uid == record.meta.uid) {
                pods.remove(&record.ordinal);
            }
            if pods.is_empty() {
                self.pods.remove(&owner.uid);
            }
        }
    }
}
