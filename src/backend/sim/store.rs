//! The simulated API server's store: tables of records with resource versions, optimistic concurrency, generations,
//! finalizers, owner references and graceful deletion.
//!
//! Owns the write semantics of the API server (Kubernetes 1.36.3, `apiserver/pkg/registry/generic/registry/store.go`).
//! Each write that changes something leaves a [`Change`] in the outbox, from which the world feeds watches and
//! trackers. Never decides what to write.

use super::object::{
    ClaimRecord, Kind, LwsRecord, NameId, Names, NodeRecord, Object, PodRecord, RevisionRecord,
    ServiceRecord, SetRecord, Stored,
};
use super::setup::Propagation;
use crate::api::Uid;
use crate::api::validation::Refusal;
use crate::engine::Time;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Why a write was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ApiError {
    /// 404.
    NotFound(String),
    /// 409 `AlreadyExists`.
    AlreadyExists(String),
    /// 409 Conflict: the resource version or UID is not the current one.
    Conflict(String),
    /// 422 with the server's message.
    Invalid(String),
    /// 403 or 422 of a LeaderWorkerSet.
    Refused(Box<Refusal>),
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotFound(text)
            | Self::AlreadyExists(text)
            | Self::Conflict(text)
            | Self::Invalid(text) => formatter.write_str(text),
            Self::Refused(refusal) => formatter.write_str(&refusal.message),
        }
    }
}

/// A write's effect, for watches and trackers.
#[derive(Clone, Debug)]
pub(super) struct Change {
    /// The object before; `None` if it was created.
    pub(super) old: Option<Object>,
    /// The object after; `None` if it is gone.
    pub(super) new: Option<Object>,
}

impl Change {
    /// Returns whichever state there is, the newer first.
    pub(super) fn any(&self) -> &Object {
        self.new.as_ref().or(self.old.as_ref()).expect("a change has a state before or after")
    }
}

/// How to delete an object.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Deletion {
    /// How its dependents go.
    pub(super) propagation: Propagation,
    /// Only this incarnation.
    pub(super) uid: Option<Uid>,
    /// Remove the object at once even if a kubelet runs it (grace period 0).
    pub(super) is_forced: bool,
}

type Table<T> = FxHashMap<NameId, Arc<T>>;

/// Access to the table of one kind.
pub(super) trait HasTable<T> {
    /// Returns the table.
    fn table(&self) -> &Table<T>;
    /// Returns the table for change.
    fn table_mut(&mut self) -> &mut Table<T>;
}

/// The store.
#[derive(Debug, Default)]
pub(super) struct Store {
    /// Interned names.
    pub(super) names: Names,
    sets: Table<LwsRecord>,
    stateful_sets: Table<SetRecord>,
    pods: Table<PodRecord>,
    services: Table<ServiceRecord>,
    revisions: Table<RevisionRecord>,
    claims: Table<ClaimRecord>,
    nodes: Table<NodeRecord>,
    /// Dependents by owner UID, with the kind and name of each, in order of creation.
    dependents: FxHashMap<Uid, Vec<(Kind, NameId)>>,
    /// Objects that exist, by UID.
    alive: FxHashMap<Uid, (Kind, NameId)>,
    version: u64,
    uids: u128,
    outbox: Vec<Change>,
}

macro_rules! has_table {
    ($record:ty, $field:ident) => {
        impl HasTable<$record> for Store {
            fn table(&self) -> &Table<$record> {
                &self.$field
            }
            fn table_mut(&mut self) -> &mut Table<$record> {
                &mut self.$field
            }
        }
    };
}

has_table!(LwsRecord, sets);
has_table!(SetRecord, stateful_sets);
has_table!(PodRecord, pods);
has_table!(ServiceRecord, services);
has_table!(RevisionRecord, revisions);
has_table!(ClaimRecord, claims);
has_table!(NodeRecord, nodes);

impl Store {
    /// Returns the object of a kind and name.
    pub(super) fn get<T: Stored>(&self, name: NameId) -> Option<&Arc<T>>
    where
        Self: HasTable<T>,
    {
        self.table().get(&name)
    }

    /// Returns all objects of a kind, in the order in which their names were first used.
    pub(super) fn list<T: Stored>(&self) -> Vec<&Arc<T>>
    where
        Self: HasTable<T>,
    {
        let names = u32::try_from(self.names.len()).expect("fewer than 2^32 names");
        (0..names).filter_map(|name| self.table().get(&NameId(name))).collect()
    }

    /// Returns the store's version: it moves with every write that changes something.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// Returns the kind and name of the object with a UID, if it exists.
    pub(super) fn find(&self, uid: Uid) -> Option<(Kind, NameId)> {
        self.alive.get(&uid).copied()
    }

    /// Returns the dependents of an owner, in order of creation.
    pub(super) fn dependents(&self, owner: Uid) -> &[(Kind, NameId)] {
        self.dependents.get(&owner).map_or(&[], Vec::as_slice)
    }

    /// Returns any object by kind and name.
    pub(super) fn object(&self, kind: Kind, name: NameId) -> Option<Object> {
        match kind {
            Kind::LeaderWorkerSet => {
                self.get::<LwsRecord>(name).cloned().map(Object::LeaderWorkerSet)
            }
            Kind::StatefulSet => self.get::<SetRecord>(name).cloned().map(Object::StatefulSet),
            Kind::Pod => self.get::<PodRecord>(name).cloned().map(Object::Pod),
            Kind::Service => self.get::<ServiceRecord>(name).cloned().map(Object::Service),
            Kind::ControllerRevision => {
                self.get::<RevisionRecord>(name).cloned().map(Object::ControllerRevision)
            }
            Kind::PersistentVolumeClaim => {
                self.get::<ClaimRecord>(name).cloned().map(Object::PersistentVolumeClaim)
            }
            Kind::Node => self.get::<NodeRecord>(name).cloned().map(Object::Node),
        }
    }

    /// Takes the changes since the last call, in order.
    pub(super) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.outbox)
    }

    /// Creates an object and gives it a UID, a version and a creation time.
    ///
    /// # Errors
    /// [`ApiError::AlreadyExists`] where the name is taken.
    pub(super) fn create<T: Stored>(&mut self, now: Time, mut record: T) -> Result<Arc<T>, ApiError>
    where
        Self: HasTable<T>,
    {
        let name = record.meta().name;
        if self.get::<T>(name).is_some() {
            let text =
                format!("{} \"{}\" already exists", resource(T::KIND), self.names.name(name));
            return Err(ApiError::AlreadyExists(text));
        }
        self.uids += 1;
        self.version += 1;
        let (uid, version) = (Uid(self.uids), self.version);
        let meta = record.meta_mut();
        meta.uid = uid;
        meta.version = version;
        meta.created = now;
        let owner = meta.owner;
        record.sync();
        if let Some(owner) = owner {
            self.dependents.entry(owner.uid).or_default().push((T::KIND, name));
        }
        self.alive.insert(uid, (T::KIND, name));
        let record = Arc::new(record);
        self.table_mut().insert(name, Arc::clone(&record));
        self.outbox.push(Change { old: None, new: Some(T::wrap(Arc::clone(&record))) });
        Ok(record)
    }

    /// Changes an object. A change that leaves it as it was is not a write.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], or [`ApiError::Conflict`] where `expected` is not its version.
    pub(super) fn update<T: Stored>(
        &mut self,
        name: NameId,
        expected: Option<u64>,
        change: impl FnOnce(&mut T),
    ) -> Result<Arc<T>, ApiError>
    where
        Self: HasTable<T>,
    {
        let old = Arc::clone(self.get::<T>(name).ok_or_else(|| self.not_found(T::KIND, name))?);
        if expected.is_some_and(|version| version != old.meta().version) {
            let text = format!(
                "Operation cannot be fulfilled on {} \"{}\": the object has been modified; please apply your changes to the latest version and try again",
                resource(T::KIND),
                self.names.name(name)
            );
            return Err(ApiError::Conflict(text));
        }
        let mut new = T::clone(&old);
        change(&mut new);
        if new == *old {
            return Ok(old);
        }
        self.version += 1;
        new.meta_mut().version = self.version;
        new.sync();
        self.move_dependent(
            old.meta().owner.map(|owner| owner.uid),
            new.meta().owner.map(|owner| owner.uid),
            T::KIND,
            name,
        );
        let is_done = new.meta().deleting.is_some()
            && new.meta().finalizers.is_empty()
            && !new.needs_kubelet();
        let new = Arc::new(new);
        self.table_mut().insert(name, Arc::clone(&new));
        self.outbox.push(Change { old: Some(T::wrap(old)), new: Some(T::wrap(Arc::clone(&new))) });
        if is_done {
            self.remove::<T>(name);
        }
        Ok(new)
    }

    fn move_dependent(&mut self, from: Option<Uid>, to: Option<Uid>, kind: Kind, name: NameId) {
        if from == to {
            return;
        }
        if let Some(list) = from.and_then(|owner| self.dependents.get_mut(&owner)) {
            list.retain(|entry| *entry != (kind, name));
        }
        if let Some(owner) = to {
            self.dependents.entry(owner).or_default().push((kind, name));
        }
    }

    /// Deletes an object: at once, or by marking it where finalizers or a kubelet stand in the way.
    ///
    /// A pod that is bound stays with a deletion time stamp until its kubelet confirms; one that is not bound goes at once.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], or [`ApiError::Conflict`] where the UID is another.
    pub(super) fn delete<T: Stored>(
        &mut self,
        now: Time,
        name: NameId,
        how: Deletion,
    ) -> Result<(), ApiError>
    where
        Self: HasTable<T>,
    {
        let old = Arc::clone(self.get::<T>(name).ok_or_else(|| self.not_found(T::KIND, name))?);
        if how.uid.is_some_and(|uid| uid != old.meta().uid) {
            let text = format!(
                "Precondition failed: UID in precondition: {}, UID in object meta: {}",
                how.uid.unwrap_or_default(),
                old.meta().uid
            );
            return Err(ApiError::Conflict(text));
        }
        let mut finalizers = old.meta().finalizers.clone();
        if old.meta().deleting.is_none() || how.propagation != Propagation::Background {
            finalizers.foreground = how.propagation == Propagation::Foreground;
            finalizers.orphan = how.propagation == Propagation::Orphan;
        }
        if finalizers.is_empty() && (how.is_forced || !old.needs_kubelet()) {
            self.remove::<T>(name);
            return Ok(());
        }
        self.update::<T>(name, None, |record| {
            let meta = record.meta_mut();
            meta.finalizers = finalizers;
            if meta.deleting.is_none() {
                meta.deleting = Some(now);
                if T::KIND != Kind::Pod {
                    meta.generation += 1;
                }
            }
            if how.is_forced {
                record.confirm();
            }
        })?;
        Ok(())
    }

    /// Removes the finalizers of the garbage collector and with them, if nothing else holds it, the object.
    ///
    /// # Errors
    /// [`ApiError::NotFound`].
    pub(super) fn release<T: Stored>(&mut self, name: NameId) -> Result<(), ApiError>
    where
        Self: HasTable<T>,
    {
        self.update::<T>(name, None, |record| {
            let finalizers = &mut record.meta_mut().finalizers;
            finalizers.foreground = false;
            finalizers.orphan = false;
        })
        .map(drop)
    }

    fn remove<T: Stored>(&mut self, name: NameId)
    where
        Self: HasTable<T>,
    {
        let Some(old) = self.table_mut().remove(&name) else { return };
        self.version += 1;
        let meta = old.meta();
        self.move_dependent(meta.owner.map(|owner| owner.uid), None, T::KIND, name);
        self.alive.remove(&meta.uid);
        if self.dependents.get(&meta.uid).is_some_and(Vec::is_empty) {
            self.dependents.remove(&meta.uid);
        }
        self.outbox.push(Change { old: Some(T::wrap(old)), new: None });
    }

    fn not_found(&self, kind: Kind, name: NameId) -> ApiError {
        ApiError::NotFound(format!("{} \"{}\" not found", resource(kind), self.names.name(name)))
    }
}

/// Returns the resource as the API server names it in messages.
fn resource(kind: Kind) -> &'static str {
    match kind {
        Kind::LeaderWorkerSet => "leaderworkersets.leaderworkerset.x-k8s.io",
        Kind::StatefulSet => "statefulsets.apps",
        Kind::Pod => "pods",
        Kind::Service => "services",
        Kind::ControllerRevision => "controllerrevisions.apps",
        Kind::PersistentVolumeClaim => "persistentvolumeclaims",
        Kind::Node => "nodes",
    }
}
