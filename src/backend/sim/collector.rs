//! The garbage collector: removes what has lost its owner, and what foreground deletion waits for.
//!
//! Follows kube-controller-manager's `pkg/controller/garbagecollector` (1.36.3): background, foreground and orphan
//! propagation, a dependent whose owner does not exist, a dependent with dependents of its own under foreground deletion.
//! Stands for the controller that protects claims in use as well.
//!
//! # Differs from the real thing
//! The dependency graph is read from the store at the moment of acting, while only the trigger is delayed; the real one
//! keeps a graph from its own watches and confirms with live reads before it deletes, which comes to the same.

use super::object::{
    ClaimRecord, Kind, LwsRecord, Meta, NameId, NodeRecord, Object, PodRecord, RevisionRecord,
    ServiceRecord, SetRecord,
};
use super::setup::Propagation;
use super::store::{ApiError, Change, Deletion};
use super::world::{Event, Events, World};
use crate::api::Uid;
use crate::engine::{Purpose, entity2};
use std::sync::Arc;

const COLLECT: Purpose = Purpose::named("garbage-collection");

impl World<'_> {
    /// Takes in a delivered change and looks at whatever it may have left behind.
    pub(super) fn deliver_collector(&mut self, change: &Change, events: &mut Events) {
        let meta = change.any().meta().clone();
        let kind = change.any().kind();
        let Some(new) = &change.new else {
            if let Object::Pod(pod) = change.any() {
                self.look_at_claims(&Arc::clone(pod), events);
            }
            self.look_at_dependents(meta.uid, events);
            if let Some(owner) = meta.owner {
                self.look_at(owner.kind, owner.name, owner.uid, events);
            }
            return;
        };
        let finalizers = &meta.finalizers;
        if new.meta().deleting.is_some()
            && (finalizers.foreground || finalizers.orphan || finalizers.claim)
        {
            self.look_at(kind, meta.name, meta.uid, events);
        }
        let is_new_dependent = match &change.old {
            None => meta.owner.is_some(),
            Some(old) => old.meta().owner != meta.owner && meta.owner.is_some(),
        };
        if let Some(owner) = meta.owner
            && is_new_dependent
            && self
                .store
                .find(owner.uid)
                .is_none_or(|(kind, name)| self.is_deleting_dependents(kind, name))
        {
            self.look_at(kind, meta.name, meta.uid, events);
        }
    }

    fn is_deleting_dependents(&self, kind: Kind, name: NameId) -> bool {
        self.store.object(kind, name).is_some_and(|object| is_deleting_dependents(object.meta()))
    }

    fn look_at(&mut self, kind: Kind, name: NameId, uid: Uid, events: &mut Events) {
        let entity = entity2(self.store.names.hash(name), kind as u64);
        let delay = self.draw(&self.setup.params.gc_delay, COLLECT, entity, name);
        let sent = self.collector_client.take(self.now);
        let at = self.reach_server(sent) + delay;
        events.at(at, Event::Collect(kind, name, uid));
    }

    fn look_at_dependents(&mut self, owner: Uid, events: &mut Events) {
        for (kind, name) in self.store.dependents(owner).to_vec() {
            if let Some(object) = self.store.object(kind, name)
                && object.meta().deleting.is_none()
            {
                self.look_at(kind, name, object.meta().uid, events);
            }
        }
    }

    /// Looks at the claims of a pod that is gone.
    fn look_at_claims(&mut self, pod: &PodRecord, events: &mut Events) {
        let Some(set) = pod.meta.owner else { return };
        let claims = self.set_cache.claims.get(&set.name);
        let claims: Vec<(NameId, Uid)> = claims
            .into_iter()
            .flat_map(|claims| claims.values())
            .filter(|claim| claim.ordinal == pod.ordinal && claim.meta.deleting.is_some())
            .map(|claim| (claim.meta.name, claim.meta.uid))
            .collect();
        for (name, uid) in claims {
            self.look_at(Kind::PersistentVolumeClaim, name, uid, events);
        }
    }

    /// Lets a deleted claim go that no pod on a node uses (`pkg/controller/volume/pvcprotection`, 1.36).
    fn release_claim(&mut self, claim: &ClaimRecord) {
        let text = format!("{}-{}", self.store.names.text(claim.set), claim.ordinal);
        let pod = self.store.names.find(&text).and_then(|name| self.pod(name));
        if pod.is_none_or(|pod| pod.node.is_none()) {
            let result = self.store.update::<ClaimRecord>(claim.meta.name, None, |record| {
                record.meta.finalizers.claim = false;
            });
            settle(&result.map(drop));
        }
    }

    /// Acts on one object, if it is still the same incarnation.
    pub(super) fn collect(&mut self, kind: Kind, name: NameId, uid: Uid, events: &mut Events) {
        let Some(object) = self.store.object(kind, name).filter(|object| object.meta().uid == uid)
        else {
            return;
        };
        let meta = object.meta();
        if let Object::PersistentVolumeClaim(claim) = &object
            && meta.deleting.is_some()
            && meta.finalizers.claim
        {
            self.release_claim(claim);
        } else if meta.deleting.is_some() && meta.finalizers.orphan {
            self.orphan_dependents(uid);
            let result = self.release_any(kind, name);
            settle(&result);
        } else if is_deleting_dependents(meta) {
            if self.store.dependents(uid).is_empty() {
                let result = self.release_any(kind, name);
                settle(&result);
            } else {
                self.look_at_dependents(uid, events);
            }
        } else if meta.deleting.is_none() {
            self.collect_by_owner(&object);
        }
    }

    fn collect_by_owner(&mut self, object: &Object) {
        let Some(owner) = object.meta().owner else { return };
        let propagation = match self.store.find(owner.uid) {
            None => Propagation::Background,
            Some((kind, name)) if self.is_deleting_dependents(kind, name) => {
                if self.store.dependents(object.meta().uid).is_empty() {
                    Propagation::Background
                } else {
                    Propagation::Foreground
                }
            }
            Some(_) => return,
        };
        let how = Deletion { propagation, uid: Some(object.meta().uid), is_forced: false };
        let result = self.delete_any(object.kind(), object.meta().name, how);
        settle(&result);
    }

    /// Deletes an object of any kind.
    pub(super) fn delete_any(
        &mut self,
        kind: Kind,
        name: NameId,
        how: Deletion,
    ) -> Result<(), ApiError> {
        let (store, now) = (&mut self.store, self.now);
        match kind {
            Kind::LeaderWorkerSet => store.delete::<LwsRecord>(now, name, how),
            Kind::StatefulSet => store.delete::<SetRecord>(now, name, how),
            Kind::Pod => store.delete::<PodRecord>(now, name, how),
            Kind::Service => store.delete::<ServiceRecord>(now, name, how),
            Kind::ControllerRevision => store.delete::<RevisionRecord>(now, name, how),
            Kind::PersistentVolumeClaim => store.delete::<ClaimRecord>(now, name, how),
            Kind::Node => store.delete::<NodeRecord>(now, name, how),
        }
    }

    fn release_any(&mut self, kind: Kind, name: NameId) -> Result<(), ApiError> {
        match kind {
            Kind::LeaderWorkerSet => self.store.release::<LwsRecord>(name),
            Kind::StatefulSet => self.store.release::<SetRecord>(name),
            Kind::Pod => self.store.release::<PodRecord>(name),
            Kind::Service => self.store.release::<ServiceRecord>(name),
            Kind::ControllerRevision => self.store.release::<RevisionRecord>(name),
            Kind::PersistentVolumeClaim => self.store.release::<ClaimRecord>(name),
            Kind::Node => self.store.release::<NodeRecord>(name),
        }
    }

    fn orphan_dependents(&mut self, owner: Uid) {
        for (kind, name) in self.store.dependents(owner).to_vec() {
            let result = match kind {
                Kind::StatefulSet => self
                    .store
                    .update::<SetRecord>(name, None, |record| record.meta.owner = None)
                    .map(drop),
                Kind::Pod => self
                    .store
                    .update::<PodRecord>(name, None, |record| record.meta.owner = None)
                    .map(drop),
                Kind::Service => self
                    .store
                    .update::<ServiceRecord>(name, None, |record| record.meta.owner = None)
                    .map(drop),
                Kind::ControllerRevision => self
                    .store
                    .update::<RevisionRecord>(name, None, |record| record.meta.owner = None)
                    .map(drop),
                Kind::PersistentVolumeClaim => self
                    .store
                    .update::<ClaimRecord>(name, None, |record| record.meta.owner = None)
                    .map(drop),
                Kind::LeaderWorkerSet | Kind::Node => Ok(()),
            };
            settle(&result);
        }
    }
}

/// Swallows an error that the next delivered change answers: the object went in the meantime.
fn settle(result: &Result<(), ApiError>) {
    debug_assert!(
        matches!(result, Ok(()) | Err(ApiError::NotFound(_) | ApiError::Conflict(_))),
        "the collector's writes need no validation: {result:?}"
    );
}

fn is_deleting_dependents(meta: &Meta) -> bool {
    meta.deleting.is_some() && meta.finalizers.foreground
}
