//! A run that somebody drives step by step: one input, then everything that follows from it.
//!
//! The same world and the same event queue as [`super::run`]; only the user and, where the set-up says so
//! ([`super::setup::KubeletParams::is_by_hand`]), the kubelets are in the caller's hands. What is expected of a step is
//! the caller's business.

use super::object::{Kind, NameId, Object, PodRecord, RevisionContent};
use super::run::begin;
use super::setup::{Profile, Propagation, Setup, Target};
use super::store::{ApiError, Change, Deletion};
use super::world::{Event, Events, World};
use crate::api::lws::LeaderWorkerSet;
use crate::api::validation::{FieldError, aggregate, missing_fields};
use crate::api::{Uid, keys};
use crate::backend::record::Record;
use crate::controller::Phase;
use crate::engine::{Distribution, Model, Queue, Span, Time};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How long the LWS manager takes to start again: an assumption.
const RESTART: Span = Span::from_millis(500);

/// An input of the driver's.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// Creates an object, or replaces what the user owns of it.
    Apply(&'a Value),
    /// Applies a JSON merge patch.
    Patch {
        /// What to patch.
        target: Target,
        /// The patch.
        merge: &'a Value,
    },
    /// Writes `replicas` through the scale subresource.
    Scale {
        /// What to scale.
        target: Target,
        /// How many.
        replicas: i32,
    },
    /// Deletes an object.
    Delete {
        /// What to delete.
        target: Target,
        /// How its dependents go.
        propagation: Propagation,
    },
    /// Does something to a pod as its kubelet.
    Kubelet {
        /// What.
        action: KubeletAction,
        /// Namespace of the pod.
        namespace: &'a str,
        /// Name of the pod.
        pod: &'a str,
    },
}

/// What a kubelet does to a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KubeletAction {
    /// The pod runs and is ready.
    Ready,
    /// A deleted pod has stopped; only finalizers hold it now.
    Finish,
    /// A container has started anew, and the pod is ready.
    Restart,
    /// The pod runs and is not ready.
    Unready,
    /// The containers have ended badly, for good.
    Fail,
}

/// Why the API server would not carry out an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// `status.reason`.
    pub reason: &'static str,
    /// `status.message`.
    pub message: String,
}

/// An object and which of its name it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// Kind.
    pub kind: &'static str,
    /// Name.
    pub name: String,
    /// Counts the objects that have borne this kind and name, from 1.
    pub number: u32,
    /// For a revision that a StatefulSet made: the set, and how many different revisions of that set's name came before it,
    /// itself included.
    pub revision_of: Option<(String, u32)>,
    /// The full object.
    pub object: Value,
}

/// A pod as the driver of kubelets needs to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodState {
    /// Name.
    pub name: String,
    /// Whether it has a deletion time stamp that no kubelet has confirmed.
    pub awaits_finish: bool,
    /// Whether it is bound, Pending and not deleted.
    pub awaits_start: bool,
}

/// Advice that the scheduler could not follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadAdvice {
    /// The pod.
    pub pod: String,
    /// The node that it should have gone to.
    pub node: String,
    /// The plugin that rejects the node.
    pub plugin: String,
}

/// How many objects have borne each name.
#[derive(Debug, Default)]
struct Numbers {
    counts: BTreeMap<(Kind, NameId), u32>,
    by_uid: BTreeMap<Uid, u32>,
    /// Names of the revisions of each StatefulSet's name, in order of appearance.
    revisions: BTreeMap<NameId, Vec<NameId>>,
}

impl Numbers {
    fn see(&mut self, change: &Change) {
        let (None, Some(new)) = (&change.old, &change.new) else { return };
        let meta = new.meta();
        let count = self.counts.entry((new.kind(), meta.name)).or_default();
        *count += 1;
        self.by_uid.insert(meta.uid, *count);
        if let (Object::ControllerRevision(record), Some(owner)) = (new, meta.owner)
            && matches!(record.content, RevisionContent::Set(..))
        {
            let known = self.revisions.entry(owner.name).or_default();
            if !known.contains(&meta.name) {
                known.push(meta.name);
            }
        }
    }

    fn revision_of(&self, name: NameId) -> Option<(NameId, u32)> {
        self.revisions.iter().find_map(|(set, known)| {
            let at = known.iter().position(|known| *known == name)?;
            Some((*set, u32::try_from(at + 1).expect("few revisions")))
        })
    }
}

/// A run in the driver's hands.
pub struct Play<'a> {
    world: World<'a>,
    events: Events,
    numbers: Numbers,
    /// Objects as they were when they were new.
    born: Vec<Shown>,
    /// After how many writes the LWS manager ends, once.
    crash: Option<u64>,
    profile: Arc<Profile>,
}

impl<'a> Play<'a> {
    /// Begins a run; `sink` is told what happens, in time order.
    pub fn new(setup: &'a Setup, seed: u64, sink: &'a mut dyn FnMut(&Record)) -> Self {
        let mut events = Queue::new();
        let mut world = World::new(setup, seed, sink);
        world.journal = Some(Vec::new());
        begin(&mut world, &mut events);
        let profile = Profile {
            name: "by hand".into(),
            stages: Vec::new(),
            stop: Distribution::Constant(0.0),
            peer_loss: None,
        };
        Self {
            world,
            events,
            numbers: Numbers::default(),
            born: Vec::new(),
            crash: None,
            profile: Arc::new(profile),
        }
    }

    /// Carries out an input at the present instant.
    ///
    /// # Errors
    /// The API server's refusal.
    pub fn act(&mut self, input: &Input<'_>) -> Result<(), Refusal> {
        self.world.now = self.events.now();
        let result = match input {
            Input::Apply(object) => self.apply(object),
            Input::Patch { target, merge } => self.world.patch(target, merge),
            Input::Scale { target, replicas } => self.world.scale(target, *replicas),
            Input::Delete { target, propagation } => self.delete(target, *propagation),
            Input::Kubelet { action, namespace, pod } => self.kubelet(*action, namespace, pod),
        };
        self.world.flush(&mut self.events);
        result.map_err(|error| refusal(&error))
    }

    fn apply(&mut self, object: &Value) -> Result<(), ApiError> {
        let invalid = |error: &dyn std::fmt::Display| ApiError::Invalid(error.to_string());
        if object["kind"] == keys::KIND {
            let missing = missing_fields(object);
            if !missing.is_empty() {
                return Err(unstructured(object, missing));
            }
            let lws: LeaderWorkerSet =
                serde_json::from_value(object.clone()).map_err(|error| invalid(&error))?;
            return self.world.apply_lws(&Arc::new(lws), &self.profile);
        }
        Err(ApiError::Invalid(format!("the kind {} cannot be applied", object["kind"])))
    }

    fn delete(&mut self, target: &Target, propagation: Propagation) -> Result<(), ApiError> {
        let name = self.world.target_name(target);
        let Some(kind) = super::timeline::kind_of(target) else {
            return Err(ApiError::NotFound(format!("the kind {} is not simulated", target.kind)));
        };
        self.world.delete_any(kind, name, Deletion { propagation, ..Deletion::default() })
    }

    fn kubelet(
        &mut self,
        action: KubeletAction,
        namespace: &str,
        pod: &str,
    ) -> Result<(), ApiError> {
        let world = &mut self.world;
        let name = world.store.names.intern(namespace, pod);
        if action == KubeletAction::Finish {
            let how = Deletion { is_forced: true, ..Deletion::default() };
            return world.delete_any(Kind::Pod, name, how);
        }
        let now = world.now;
        let result = world.store.update::<PodRecord>(name, None, |pod| {
            let was_ready = pod.is_ready;
            pod.phase = Phase::Running;
            match action {
                KubeletAction::Ready => pod.is_ready = true,
                KubeletAction::Restart => {
                    pod.is_ready = true;
                    pod.restarts += 1;
                }
                KubeletAction::Unready => pod.is_ready = false,
                KubeletAction::Fail | KubeletAction::Finish => {
                    pod.phase = Phase::Failed;
                    pod.is_ready = false;
                }
            }
            if pod.is_ready && !was_ready {
                pod.ready_at = now;
            }
        });
        result.map(drop)
    }

    /// Runs until the store has not changed for `quiet` and nothing is due in that time.
    pub fn idle(&mut self, quiet: Span) {
        let begun = self.events.now();
        loop {
            let rest = self.world.changed_at.max(begun) + quiet;
            match self.events.advance(rest) {
                Some(event) => self.handle(event),
                None => break,
            }
            assert!(
                self.events.handled() < self.world.setup.events_max,
                "a step does not come to rest: {} events",
                self.events.handled()
            );
        }
        let rest = self.world.changed_at.max(begun) + quiet;
        self.events.pass_to(rest);
        self.world.now = self.events.now();
        self.take_journal();
    }

    fn handle(&mut self, event: Event) {
        self.world.handle(event, &mut self.events);
        if self.crash.is_some_and(|writes| self.world.lws_writes >= writes) {
            self.crash = None;
            self.world.crash_lws(RESTART, &mut self.events);
        }
    }

    /// Ends the LWS manager after its `writes`-th write from the beginning and starts it again with empty caches.
    pub fn crash_after(&mut self, writes: u64) {
        self.crash = Some(writes);
    }

    /// Returns how many writes of the LWS manager have reached the API server.
    pub fn lws_writes(&self) -> u64 {
        self.world.lws_writes
    }

    /// Lets time pass.
    pub fn wait(&mut self, span: Span) {
        let until = self.events.now() + span;
        while let Some(event) = self.events.advance(until) {
            self.handle(event);
        }
        self.events.pass_to(until);
        self.world.now = until;
    }

    fn take_journal(&mut self) {
        for change in self.world.journal.as_mut().map(std::mem::take).unwrap_or_default() {
            self.numbers.see(&change);
            if let (None, Some(new)) = (&change.old, &change.new)
                && new.kind() != Kind::Node
            {
                let shown = self.shown(new);
                self.born.push(shown);
            }
        }
    }

    fn shown(&self, object: &Object) -> Shown {
        let names = &self.world.store.names;
        let meta = object.meta();
        let revision_of = self.numbers.revision_of(meta.name);
        Shown {
            kind: object.kind().as_str(),
            name: names.name(meta.name).to_owned(),
            number: self.numbers.by_uid.get(&meta.uid).copied().unwrap_or_default(),
            revision_of: revision_of
                .filter(|_| object.kind() == Kind::ControllerRevision)
                .map(|(set, at)| (names.name(set).to_owned(), at)),
            object: self.world.show(object),
        }
    }

    /// Returns all objects that there have been, but nodes, as they were when they were new.
    pub fn born(&mut self) -> Vec<Shown> {
        self.take_journal();
        self.born.clone()
    }

    /// Lets the rest of the run go at the pace of another set-up of the same cluster, with draws of another seed.
    pub fn repace(&mut self, setup: &'a Setup, seed: u64) {
        self.world.repace(setup, seed);
    }

    /// Returns the present instant.
    pub fn now(&self) -> Time {
        self.events.now()
    }

    /// Returns all objects but nodes.
    pub fn objects(&mut self) -> Vec<Shown> {
        self.take_journal();
        let world = &self.world;
        let kinds = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Node);
        let names = u32::try_from(world.store.names.len()).expect("names are numbered in 32 bits");
        let mut all = Vec::new();
        for kind in kinds {
            let objects = (0..names).filter_map(|name| world.store.object(kind, NameId(name)));
            all.extend(objects.map(|object| self.shown(&object)));
        }
        all
    }

    /// Returns which of its name the object with this UID is or was, as text.
    pub fn number_of(&self, uid: &str) -> Option<u32> {
        self.numbers
            .by_uid
            .iter()
            .find(|(known, _)| known.to_string() == uid)
            .map(|(_, number)| *number)
    }

    /// Returns the set and the number of a revision by its name, also after it has gone.
    pub fn revision_of(&self, namespace: &str, name: &str) -> Option<(String, u32)> {
        let names = &self.world.store.names;
        let (set, at) = self.numbers.revision_of(names.find(&format!("{namespace}/{name}"))?)?;
        Some((names.name(set).to_owned(), at))
    }

    /// Returns the pods of a namespace.
    pub fn pods(&self, namespace: &str) -> Vec<PodState> {
        let names = &self.world.store.names;
        let pods = self.world.store.list::<PodRecord>().into_iter();
        pods.filter(|pod| names.namespace(pod.meta.name) == namespace)
            .map(|pod| {
                let is_deleting = pod.meta.deleting.is_some();
                PodState {
                    name: names.name(pod.meta.name).to_owned(),
                    awaits_finish: is_deleting && !pod.is_confirmed,
                    awaits_start: !is_deleting && pod.node.is_some() && pod.phase == Phase::Pending,
                }
            })
            .collect()
    }

    /// Lets the scheduler take this node for a pod, if it is feasible; `number` counts the pods of the name from 1.
    pub fn advise(&mut self, namespace: &str, pod: &str, number: u32, node: &str) {
        let pod = self.world.store.names.intern(namespace, pod);
        let node = self.world.store.names.intern("", node);
        self.world.advice.insert((pod, number), node);
    }

    /// Takes the advice that could not be followed since the last call.
    pub fn take_bad_advice(&mut self) -> Vec<BadAdvice> {
        let names = &self.world.store.names;
        std::mem::take(&mut self.world.bad_advice)
            .into_iter()
            .map(|(pod, node, plugin)| BadAdvice {
                pod: names.name(pod).to_owned(),
                node: names.name(node).to_owned(),
                plugin,
            })
            .collect()
    }
}

/// Returns the refusal of an object that the CRD's schema does not admit.
fn unstructured(object: &Value, errors: Vec<FieldError>) -> ApiError {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let message = format!(
        "LeaderWorkerSet.leaderworkerset.x-k8s.io {name:?} is invalid: {}",
        aggregate(&errors)
    );
    let refusal =
        crate::api::validation::Refusal { status: 422, reason: "Invalid", message, errors };
    ApiError::Refused(Box::new(refusal))
}

fn refusal(error: &ApiError) -> Refusal {
    let (status, reason) = match error {
        ApiError::NotFound(_) => (404, "NotFound"),
        ApiError::AlreadyExists(_) => (409, "AlreadyExists"),
        ApiError::Conflict(_) => (409, "Conflict"),
        ApiError::Invalid(_) => (422, "Invalid"),
        ApiError::Refused(refusal) => (refusal.status, refusal.reason),
    };
    Refusal { status, reason, message: error.to_string() }
}
