//! The scheduler's loop: its queue, its one thread, binding, and what wakes a pod that did not fit.
//!
//! Where a pod goes is decided in `crate::scheduler`; here is when it is looked at and when the binding takes effect.
//! Follows kube-scheduler 1.36 (`pkg/scheduler/backend/queue`, `schedule_one.go`): priority order, attempts, back-off 1 s
//! doubling to 10 s, an idle scheduler takes pods out of back-off early (`SchedulerPopFromBackoffQ`), queueing hints,
//! assumed pods while the binding is under way.
//!
//! # Differs from the real thing
//! The flush of pods that have been unschedulable for five minutes happens only if the cluster has changed since their last
//! attempt: an attempt on the same state has the same end.

use super::client::Bucket;
use super::contest::Contest;
use super::object::{Kind, NameId, NodeRecord, Object, PodRecord, SetRecord, Template};
use super::setup::Setup;
use super::store::Change;
use super::world::{Event, Events, World};
use crate::api::{Uid, keys};
use crate::backend::record::{PodChange, What};
use crate::engine::{Purpose, Span, Time, entity2};
use crate::scheduler::{
    ClusterEvent, Counted, Decision, Label, NodeChange, NodeIndex, PlacedPod, PluginSet, PodClass,
    PodKey, PodLabels, PodView, Profile, Scheduler, Tie, TieRule,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use rustc_hash::{FxHashMap, FxHashSet};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const BIND: Purpose = Purpose::named("bind");
const TIE: Purpose = Purpose::named("scheduler-tie");

/// An event of the scheduler's.
#[derive(Clone, Copy, Debug)]
pub(super) enum SchedulingEvent {
    /// The thread is free again.
    Free,
    /// A binding reaches the API server.
    Bind { pod: NameId, uid: Uid, node: NameId },
    /// The deletion of a pod that must make room reaches the API server.
    Evict { victim: NameId, uid: Uid },
    /// A window in which pods gather is over.
    Contest,
}

/// Order in the active queue: priority, then the time of entry.
type Turn = (Reverse<i32>, Time, u64);

#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) uid: Uid,
    place: Place,
    priority: i32,
    attempts: u32,
    /// When it last entered the queue.
    since: Time,
    message: Option<Arc<str>>,
    /// `status.nominatedNodeName`.
    pub(super) nominated: Option<NodeIndex>,
}

#[derive(Debug)]
enum Place {
    /// In the active queue.
    Active(Turn),
    /// Backing off.
    Backoff(Turn),
    /// Nothing has happened that could make it fit.
    Unschedulable { rejected_by: PluginSet, view: Box<PodView>, version: u64 },
    /// Assumed on a node, binding under way.
    Binding,
}

/// What pods of one template have in common.
#[derive(Clone, Debug)]
struct Shared {
    class: Arc<PodClass>,
    labels: Arc<[Label]>,
    owner_selector: Option<Counted>,
    node_selector: Vec<Label>,
}

/// The scheduler's state.
pub(super) struct Scheduling {
    pub(super) scheduler: Scheduler,
    pub(super) waiting: BTreeMap<NameId, Waiting>,
    active: BTreeSet<(Turn, NameId)>,
    backoff: BTreeSet<(Turn, NameId)>,
    unschedulable: BTreeSet<NameId>,
    classes: FxHashMap<(u64, u64), Arc<PodClass>>,
    shared: FxHashMap<u64, Shared>,
    nodes: FxHashMap<NameId, NodeIndex>,
    node_names: FxHashMap<NodeIndex, NameId>,
    pub(super) client: Bucket,
    /// When pods were bound; the real scheduler takes the kubelet's start time.
    pub(super) starts: FxHashMap<PodKey, Time>,
    /// Pods that the scheduler has evicted and that are not gone yet.
    pub(super) preempted: FxHashSet<PodKey>,
    /// Priorities of all pods that were ever seen.
    pub(super) priorities: BTreeSet<i32>,
    pub(super) contest: Contest,
    is_busy: bool,
    entries: u64,
    /// Moves with everything that may make a pod fit.
    version: u64,
}

impl Scheduling {
    /// Returns a scheduler that knows nothing yet.
    pub(super) fn new(setup: &Setup) -> Self {
        let mut profiles = setup.scheduler.iter().cloned();
        let minor = setup.kubernetes.minor;
        let first = profiles.next().unwrap_or_else(|| Profile::default_of(minor));
        let mut scheduler = Scheduler::new(first);
        profiles.for_each(|profile| scheduler.add_profile(profile));
        Self {
            scheduler,
            waiting: BTreeMap::new(),
            active: BTreeSet::new(),
            backoff: BTreeSet::new(),
            unschedulable: BTreeSet::new(),
            classes: FxHashMap::default(),
            shared: FxHashMap::default(),
            nodes: FxHashMap::default(),
            node_names: FxHashMap::default(),
            client: Bucket::new(setup.params.scheduler_client),
            starts: FxHashMap::default(),
            preempted: FxHashSet::default(),
            priorities: BTreeSet::new(),
            contest: Contest::default(),
            is_busy: false,
            entries: 0,
            version: 0,
        }
    }

    /// Returns what was said of a pod at its last attempt, if it did not fit.
    pub(super) fn message(&self, pod: NameId) -> Option<&Arc<str>> {
        self.waiting.get(&pod).and_then(|waiting| waiting.message.as_ref())
    }

    /// Says why a pod without node was never looked at.
    pub(super) fn why_not_queued(pod: &PodRecord) -> String {
        let spec = pod.template.base.spec.as_ref();
        match spec.and_then(|spec| spec.scheduler_name.as_deref()) {
            Some(name) if name != "default-scheduler" => {
                format!("scheduler `{name}`, which is not simulated")
            }
            _ if spec.is_some_and(|spec| {
                spec.scheduling_gates.as_ref().is_some_and(|gates| !gates.is_empty())
            }) =>
            {
                "its scheduling gates to be removed, which nothing here does".to_owned()
            }
            _ => "the scheduler".to_owned(),
        }
    }

    fn turn(&mut self, priority: i32, since: Time) -> Turn {
        self.entries += 1;
        (Reverse(priority), since, self.entries)
    }

    fn enter(&mut self, name: NameId, uid: Uid, priority: i32, now: Time) {
        let turn = self.turn(priority, now);
        let waiting = Waiting {
            uid,
            place: Place::Active(turn),
            priority,
            attempts: 0,
            since: now,
            message: None,
            nominated: None,
        };
        self.waiting.insert(name, waiting);
        self.active.insert((turn, name));
    }

    fn leave(&mut self, name: NameId) {
        let waiting = self.waiting.remove(&name);
        if let Some(waiting) = &waiting {
            self.scheduler.forget_nomination(key_of(waiting.uid));
        }
        match waiting.map(|waiting| waiting.place) {
            Some(Place::Active(turn)) => drop(self.active.remove(&(turn, name))),
            Some(Place::Backoff(turn)) => drop(self.backoff.remove(&(turn, name))),
            Some(Place::Unschedulable { .. }) => drop(self.unschedulable.remove(&name)),
            Some(Place::Binding) | None => {}
        }
    }

    /// Takes the next pod: the first of the active queue, else whoever has backed off longest.
    pub(super) fn next(&mut self) -> Option<NameId> {
        self.active.pop_first().or_else(|| self.backoff.pop_first()).map(|(_, name)| name)
    }

    /// Returns whether no pod is in the active queue or backs off.
    pub(super) fn is_idle(&self) -> bool {
        self.active.is_empty() && self.backoff.is_empty()
    }

    /// Returns the pods that are in the active queue or back off, with priority and entry.
    pub(super) fn contenders(&self) -> impl Iterator<Item = (NameId, i32, Time)> {
        let queued = self.active.iter().chain(&self.backoff);
        queued.filter_map(|(_, name)| {
            self.waiting.get(name).map(|waiting| (*name, waiting.priority, waiting.since))
        })
    }

    /// Removes a pod from the queues because the scheduler looks at it.
    pub(super) fn take(&mut self, name: NameId) {
        match self.waiting.get(&name).map(|waiting| &waiting.place) {
            Some(Place::Active(turn)) => _ = self.active.remove(&(*turn, name)),
            Some(Place::Backoff(turn)) => _ = self.backoff.remove(&(*turn, name)),
            _ => {}
        }
    }

    /// Moves pods whose back-off has ended to the active queue.
    fn end_backoffs(&mut self, now: Time) {
        while let Some(&(turn, name)) = self.backoff.first() {
            // In the back-off queue the time of a turn is its expiry, rounded down to the flusher's second.
            if turn.1 >= whole_second(now) {
                break;
            }
            self.backoff.pop_first();
            let (priority, since) = match self.waiting.get(&name) {
                Some(waiting) => (waiting.priority, waiting.since),
                None => continue,
            };
            let turn = self.turn(priority, since);
            self.active.insert((turn, name));
            if let Some(waiting) = self.waiting.get_mut(&name) {
                waiting.place = Place::Active(turn);
            }
        }
    }

    /// Moves an unschedulable pod that may fit now.
    fn wake(&mut self, name: NameId, setup: &Setup, now: Time) {
        self.unschedulable.remove(&name);
        let Some(waiting) = self.waiting.get(&name) else { return };
        let (priority, since, attempts) = (waiting.priority, waiting.since, waiting.attempts);
        let (first, max) = setup.params.schedule_backoff;
        let wait = Span((first.0 << attempts.saturating_sub(1).min(20)).min(max.0));
        let expiry = whole_second(since + wait);
        let place = if attempts == 0 || expiry < whole_second(now) {
            let turn = self.turn(priority, since);
            self.active.insert((turn, name));
            Place::Active(turn)
        } else {
            self.entries += 1;
            let turn = (Reverse(0), expiry, self.entries);
            self.backoff.insert((turn, name));
            Place::Backoff(turn)
        };
        if let Some(waiting) = self.waiting.get_mut(&name) {
            waiting.place = place;
        }
    }

    fn wake_by(&mut self, event: ClusterEvent<'_>, setup: &Setup, now: Time) {
        self.version += 1;
        let Self { scheduler, waiting, unschedulable, .. } = self;
        let woken: Vec<NameId> = unschedulable
            .iter()
            .copied()
            .filter(|name| match waiting.get(name).map(|waiting| &waiting.place) {
                Some(Place::Unschedulable { rejected_by, view, .. }) => {
                    scheduler.choose_profile(&view.class.scheduler_name);
                    scheduler.would_wake(view, *rejected_by, event)
                }
                _ => false,
            })
            .collect();
        for name in woken {
            self.wake(name, setup, now);
        }
    }

    fn forget(&mut self, key: PodKey, setup: &Setup, now: Time) {
        self.starts.remove(&key);
        self.preempted.remove(&key);
        if let Some(view) = self.scheduler.cluster.remove_pod(key).map(PlacedPod::into_view) {
            self.wake_by(ClusterEvent::PodRemoved(&view), setup, now);
        }
    }
}

fn whole_second(time: Time) -> Time {
    Time(time.0 / 1_000_000_000 * 1_000_000_000)
}

impl World<'_> {
    /// Takes in what is there before the run.
    pub(super) fn prime_scheduling(&mut self, change: &Change) {
        if let Some(Object::Node(node)) = &change.new {
            self.schedule_node(node);
        }
    }

    fn schedule_node(&mut self, node: &NodeRecord) -> (NodeIndex, Option<NodeChange>) {
        let name = node.meta.name;
        let scheduling = &mut self.scheduling;
        if let Some(index) = scheduling.nodes.get(&name) {
            return (*index, Some(scheduling.scheduler.cluster.update_node(*index, &node.node)));
        }
        let index = scheduling.scheduler.cluster.add_node(&node.node);
        scheduling.nodes.insert(name, index);
        scheduling.node_names.insert(index, name);
        (index, None)
    }

    /// Takes in a delivered change.
    pub(super) fn deliver_scheduling(&mut self, change: &Change, events: &mut Events) {
        match (change.any(), &change.old, &change.new) {
            (Object::Pod(record), old, new) => {
                let old = match old {
                    Some(Object::Pod(old)) => Some(Arc::clone(old)),
                    _ => None,
                };
                self.schedule_pod_change(&Arc::clone(record), old.as_deref(), new.is_some());
            }
            (Object::Node(node), _, Some(_)) => {
                let event = match self.schedule_node(&Arc::clone(node)) {
                    (index, None) => ClusterEvent::NodeAdded(index),
                    (index, Some(change)) => ClusterEvent::NodeChanged(index, change),
                };
                self.scheduling.wake_by(event, self.setup, self.now);
            }
            (Object::Node(node), _, None) => {
                if let Some(index) = self.scheduling.nodes.remove(&node.meta.name) {
                    self.scheduling.scheduler.cluster.remove_node(index);
                    self.scheduling.node_names.remove(&index);
                    self.scheduling.wake_by(ClusterEvent::NodeRemoved, self.setup, self.now);
                }
            }
            _ => {}
        }
        self.kick(events);
    }

    fn schedule_pod_change(
        &mut self,
        record: &Arc<PodRecord>,
        old: Option<&PodRecord>,
        exists: bool,
    ) {
        let name = record.meta.name;
        let key = pod_key(record);
        if !exists {
            self.scheduling.leave(name);
            self.scheduling.forget(key, self.setup, self.now);
            return;
        }
        if let Some(node) = record.node {
            if old.is_none_or(|old| old.node.is_none()) {
                self.scheduling.leave(name);
                self.pod_is_bound(record, node);
            }
            if record.meta.deleting.is_some() && old.is_none_or(|old| old.meta.deleting.is_none()) {
                self.scheduling.scheduler.cluster.set_terminating(key);
            }
        } else if record.meta.deleting.is_some() {
            self.scheduling.leave(name);
        } else if old.is_none() && self.is_ours(record) {
            let priority = self.view(record).class.priority;
            self.scheduling.enter(name, record.meta.uid, priority, self.now);
        }
    }

    fn is_ours(&mut self, record: &PodRecord) -> bool {
        let spec = record.template.base.spec.as_ref();
        let name =
            spec.and_then(|spec| spec.scheduler_name.as_deref()).unwrap_or("default-scheduler");
        if !self.scheduling.scheduler.choose_profile(name) {
            // Placed by another profile, so that the rest of the run says something; the report says so.
            let used = &self.scheduling.scheduler.profile().name;
            self.not_modelled.insert(format!(
                "scheduler `{name}` is not simulated: its pods are placed by `{used}`"
            ));
        }
        spec.is_none_or(|spec| spec.scheduling_gates.as_ref().is_none_or(Vec::is_empty))
    }

    /// A binding became visible: pods that were bound by somebody else take their place, and waiting pods may fit beside it.
    fn pod_is_bound(&mut self, record: &Arc<PodRecord>, node: NameId) {
        let key = pod_key(record);
        let view = self.view(record);
        self.scheduling.starts.insert(key, self.now);
        let cluster = &mut self.scheduling.scheduler.cluster;
        if cluster.pod(key).is_none()
            && let Some(index) = self.scheduling.nodes.get(&node).copied()
        {
            cluster.add_pod(key, &view, index);
        }
        self.scheduling.wake_by(ClusterEvent::PodAdded(&view), self.setup, self.now);
    }

    /// Starts a cycle if the thread is free and a pod waits.
    pub(super) fn kick(&mut self, events: &mut Events) {
        if self.scheduling.is_busy {
            return;
        }
        self.scheduling.end_backoffs(self.now);
        while let Some(name) = self.next_pod(events) {
            let Some(pod) = self.pod(name).cloned() else {
                self.scheduling.waiting.remove(&name);
                continue;
            };
            self.cycle(&pod, events);
            return;
        }
    }

    fn cycle(&mut self, pod: &Arc<PodRecord>, events: &mut Events) {
        let name = pod.meta.name;
        let view = self.view(pod);
        let attempts = match self.scheduling.waiting.get_mut(&name) {
            Some(waiting) if waiting.uid == pod.meta.uid => {
                waiting.attempts += 1;
                waiting.attempts
            }
            _ => return self.kick_again(name, events),
        };
        let entity = entity2(
            self.store.names.hash(name),
            entity2(u64::from(pod.incarnation), u64::from(attempts)),
        );
        let mut stream = self.streams.stream(TIE, entity);
        let scheduler = &mut self.scheduling.scheduler;
        scheduler.choose_profile(&view.class.scheduler_name);
        let tie = match scheduler.tie_rule() {
            TieRule::First => Tie::First,
            TieRule::Random => Tie::Random(&mut stream),
        };
        if self.lacks_volume(pod) {
            return self.unbound_claims(pod, view, events);
        }
        let scheduler = &mut self.scheduling.scheduler;
        let mut decision = scheduler.schedule(&view, tie);
        if let Some(&advised) = self.advice.get(&(name, pod.incarnation)) {
            self.follow_advice(pod, &view, advised, &mut decision);
        }
        let params = &self.setup.params;
        let evaluated = match &decision {
            Decision::Placed { evaluated, .. } => *evaluated as u64,
            Decision::Unschedulable(diagnosis) => u64::from(diagnosis.nodes),
        };
        let took = params.schedule_base + Span(params.schedule_per_node.0 * evaluated);
        self.scheduling.is_busy = true;
        events.after(took, Event::Scheduling(SchedulingEvent::Free));
        match decision {
            Decision::Placed { node, .. } => {
                self.scheduling.scheduler.cluster.add_pod(pod_key(pod), &view, node);
                let node = self.scheduling.node_names[&node];
                if let Some(waiting) = self.scheduling.waiting.get_mut(&name) {
                    waiting.place = Place::Binding;
                }
                let latency = self.draw(&params.bind, BIND, entity, name);
                let sent = self.scheduling.client.take(self.now);
                let at = self.reach_server(sent) + took + latency;
                events.at(
                    at,
                    Event::Scheduling(SchedulingEvent::Bind { pod: name, uid: pod.meta.uid, node }),
                );
            }
            Decision::Unschedulable(mut diagnosis) => {
                let sent = self.now + took;
                let mut view = view;
                view.nominated = self.post_filter(pod, &view, &mut diagnosis, sent, events);
                if let Some(waiting) = self.scheduling.waiting.get_mut(&name) {
                    waiting.nominated = view.nominated;
                }
                let message: Arc<str> =
                    diagnosis.message(&self.scheduling.scheduler.cluster).into();
                self.unschedulable(pod, &message, diagnosis.rejected_by, view);
            }
        }
    }

    /// Whether a pod waits for a volume that it never gets.
    fn lacks_volume(&self, pod: &PodRecord) -> bool {
        let set = || {
            let owner = pod.meta.owner.filter(|owner| owner.kind == Kind::StatefulSet)?;
            self.store.get::<SetRecord>(owner.name)
        };
        !self.setup.params.binds_claims && set().is_some_and(|set| !set.spec.body.claims.is_empty())
    }

    /// Reports a pod whose claims have no volume (plugin `VolumeBinding`; the words are those of 1.36.3).
    fn unbound_claims(&mut self, pod: &PodRecord, view: PodView, events: &mut Events) {
        let nodes = self.scheduling.nodes.len();
        let message = format!(
            "0/{nodes} nodes are available: pod has unbound immediate PersistentVolumeClaims. not found"
        );
        self.scheduling.is_busy = true;
        let took = self.setup.params.schedule_base;
        events.after(took, Event::Scheduling(SchedulingEvent::Free));
        self.unschedulable(pod, &message.into(), PluginSet::default(), view);
    }

    /// Takes the advised node where it is feasible.
    fn follow_advice(
        &mut self,
        pod: &PodRecord,
        view: &PodView,
        advised: NameId,
        decision: &mut Decision,
    ) {
        let Some(&index) = self.scheduling.nodes.get(&advised) else { return };
        let explanation = self.scheduling.scheduler.explain(view);
        let Some(entry) = explanation.nodes.iter().find(|entry| entry.node == index) else {
            return;
        };
        match (entry.rejected_by, decision) {
            (Some(plugin), _) => {
                self.bad_advice.push((pod.meta.name, advised, plugin.to_string()));
            }
            (None, Decision::Placed { node, .. }) => *node = index,
            (None, Decision::Unschedulable(_)) => {}
        }
    }

    fn kick_again(&mut self, name: NameId, events: &mut Events) {
        self.scheduling.waiting.remove(&name);
        self.kick(events);
    }

    fn unschedulable(
        &mut self,
        pod: &PodRecord,
        message: &Arc<str>,
        rejected_by: PluginSet,
        view: PodView,
    ) {
        let name = pod.meta.name;
        let version = self.scheduling.version;
        self.scheduling.unschedulable.insert(name);
        let Some(waiting) = self.scheduling.waiting.get_mut(&name) else { return };
        waiting.since = self.now;
        waiting.place = Place::Unschedulable { rejected_by, view: Box::new(view), version };
        let is_news = waiting.message.as_ref() != Some(message);
        waiting.message = Some(Arc::clone(message));
        if is_news {
            self.record_pod(pod, PodChange::Unschedulable(message.to_string()));
            let regarding = self.reference(Kind::Pod, name);
            let note = message.to_string();
            self.record(What::Event {
                regarding,
                warning: true,
                reason: "FailedScheduling".into(),
                note,
            });
        }
        // The status patch goes through the same client as bindings.
        let _sent = self.scheduling.client.take(self.now);
        let _taken = self.api_server.take(self.now);
        let result = self.store.update::<PodRecord>(name, None, |pod| pod.is_unschedulable = true);
        debug_assert!(result.is_ok(), "the pod was looked up: {result:?}");
    }

    /// Runs an event of the scheduler.
    pub(super) fn scheduling_event(&mut self, event: SchedulingEvent, events: &mut Events) {
        match event {
            SchedulingEvent::Free => {
                self.scheduling.is_busy = false;
                self.kick(events);
            }
            SchedulingEvent::Evict { victim, uid } => self.evict_now(victim, uid),
            SchedulingEvent::Contest => self.decide_contest(events),
            SchedulingEvent::Bind { pod, uid, node } => {
                let is_there = self.pod(pod).is_some_and(|record| {
                    record.meta.uid == uid
                        && record.meta.deleting.is_none()
                        && record.node.is_none()
                });
                if is_there && self.store.get::<NodeRecord>(node).is_some() {
                    let result = self.store.update::<PodRecord>(pod, None, |record| {
                        record.node = Some(node);
                        record.is_unschedulable = false;
                    });
                    debug_assert!(result.is_ok(), "the pod was looked up: {result:?}");
                } else {
                    // The pod went, or is going, while its binding was under way.
                    self.scheduling.forget(key_of(uid), self.setup, self.now);
                    self.kick(events);
                }
            }
        }
    }

    /// Tries unschedulable pods again whose last attempt was on another state of the cluster: the five-minute flush.
    pub(super) fn revive_scheduling(&mut self, events: &mut Events) -> bool {
        let version = self.scheduling.version;
        let stale: Vec<NameId> = self
            .scheduling
            .unschedulable
            .iter()
            .copied()
            .filter(|name| match self.scheduling.waiting.get(name).map(|waiting| &waiting.place) {
                Some(Place::Unschedulable { version: tried, .. }) => *tried != version,
                _ => false,
            })
            .collect();
        for name in &stale {
            self.scheduling.wake(*name, self.setup, self.now);
        }
        self.kick(events);
        !stale.is_empty()
    }

    /// Returns a pod as the scheduler sees it.
    fn view(&mut self, pod: &PodRecord) -> PodView {
        let namespace = self.store.names.namespace(pod.meta.name).to_owned();
        let shared = self.shared(&namespace, pod);
        let cluster = &mut self.scheduling.scheduler.cluster;
        let mut own: Vec<Label> = Vec::new();
        let mut add = |key: &str, value: &str| {
            own.push((cluster.symbols.intern(key), cluster.symbols.intern(value)));
        };
        if !pod.set_revision.is_empty() {
            add("controller-revision-hash", &pod.set_revision);
        }
        if let Some(admitted) = &pod.admitted {
            for (key, value) in &admitted.labels {
                add(key, value);
            }
        }
        if pod.group.is_some() && !pod.is_leader && pod.admitted.is_none() {
            add(keys::WORKER_INDEX, &pod.ordinal.to_string());
        }
        let mut view = cluster.view(&shared.class, PodLabels::new(Arc::clone(&shared.labels), own));
        view.key = Some(pod_key(pod));
        view.nominated =
            self.scheduling.waiting.get(&pod.meta.name).and_then(|waiting| waiting.nominated);
        view.node_selector = shared.node_selector.iter().copied().collect();
        view.owner_selector = shared.owner_selector;
        if let Some(admitted) = &pod.admitted {
            for term in &admitted.exclusive {
                let terms = cluster.exclusive_terms(
                    &namespace,
                    (term.label_key, &term.value),
                    &term.topology_key,
                    term.set_name.as_deref().map(|name| (keys::NAME, name)),
                );
                let extra = view.extra.get_or_insert_default();
                Arc::make_mut(extra).0.extend(terms.0.iter().cloned());
            }
        }
        view
    }

    fn shared(&mut self, namespace: &str, pod: &PodRecord) -> Shared {
        let template: &Template = &pod.template;
        let owner = pod.meta.owner.map_or(0, |owner| u64::from(owner.name.0) + 1);
        let key = entity2(template.hash, entity2(owner, crate::engine::entity(namespace)));
        if let Some(known) = self.scheduling.shared.get(&key) {
            return known.clone();
        }
        let selector = pod
            .meta
            .owner
            .filter(|owner| owner.kind == Kind::StatefulSet)
            .and_then(|owner| self.store.get::<SetRecord>(owner.name))
            .map(|set| LabelSelector {
                match_labels: Some(set.spec.body.selector.clone()),
                match_expressions: None,
            });
        let scheduling = &mut self.scheduling;
        let class_key = (template.base_hash, crate::engine::entity(namespace));
        let class = if let Some(class) = scheduling.classes.get(&class_key) {
            Arc::clone(class)
        } else {
            let mut spec = template.base.spec.clone().unwrap_or_default();
            self.setup.priority_of(&mut spec);
            let class = scheduling.scheduler.cluster.class(namespace, &spec);
            scheduling.priorities.insert(class.priority);
            scheduling.classes.insert(class_key, Arc::clone(&class));
            class
        };
        let symbols = &mut scheduling.scheduler.cluster.symbols;
        let mut pairs = |map: &BTreeMap<String, String>| -> Vec<Label> {
            map.iter().map(|(key, value)| (symbols.intern(key), symbols.intern(value))).collect()
        };
        let mut own = template.labels.clone();
        if !pod.is_leader {
            own.remove(keys::WORKER_INDEX); // Admission gives each worker its own.
        }
        let labels = pairs(&own).into();
        let node_selector = pairs(&template.node_selector);
        let owner_selector = selector.and_then(|selector| {
            scheduling.scheduler.cluster.owner_selector(namespace, [&selector])
        });
        let shared = Shared { class, labels, owner_selector, node_selector };
        scheduling.shared.insert(key, shared.clone());
        shared
    }
}

pub(super) fn key_of(uid: Uid) -> PodKey {
    PodKey(u64::try_from(uid.0).expect("simulated UIDs count from 1"))
}

pub(super) fn pod_key(pod: &PodRecord) -> PodKey {
    key_of(pod.meta.uid)
}
