//! The simulated control plane put together: the event loop's model.
//!
//! Owns the order of things (an event is handled, the store's changes go out to watches and trackers) and the controllers'
//! processes: a pass reads its cache, plans, and then carries its writes out one by one through a rate-limited client, so
//! that the world can move between any two of them. What a pass decides is not here: see `lws_shell` and `set_shell`.

use super::cache::{LwsCache, SetCache};
use super::check::Checks;
use super::client::Bucket;
use super::groups::Groups;
use super::kubelet::{KubeletEvent, Kubelets};
use super::node_life::{NodeLife, NodeLifeEvent};
use super::object::{Kind, LwsRecord, NameId, Object, PodRecord};
use super::queue::{Delay, Delayed, WorkQueue};
use super::repairs::Repairs;
use super::schedule::{Scheduling, SchedulingEvent};
use super::set_shell::SetWrite;
use super::setup::Setup;
use super::store::{ApiError, Change, Store};
use super::templates::Templates;
use super::timeline::Timeline;
use super::watch::{StreamId, Watcher, Watches};
use crate::api::Uid;
use crate::backend::record::{NodeChange, Record, What};
use crate::controller::{Action, Requeue};
use crate::engine::{Distribution, Model, Purpose, Queue, Span, Streams, Ticket, Time, entity2};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// The engine's queue of this model.
pub(super) type Events = Queue<Event>;

/// A controller of the simulated control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Controller {
    /// LWS controller, keyed by set.
    Lws,
    /// LWS's pod controller, keyed by pod.
    Pod,
    /// StatefulSet controller, keyed by StatefulSet.
    StatefulSet,
}

/// An event of the simulated control plane.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// A watch delivers.
    Deliver(StreamId),
    /// A controller's worker has computed: it reads its cache and plans, unless its process has crashed since.
    Pass(Controller, NameId, u32),
    /// A write of a process reaches the API server.
    Write(usize, usize),
    /// A delayed add comes due.
    Due(Controller, NameId),
    /// The garbage collector looks at an object.
    Collect(Kind, NameId, Uid),
    /// A kubelet's timer.
    Kubelet(KubeletEvent),
    /// The node life cycle's timer.
    NodeLife(NodeLifeEvent),
    /// The scheduler's.
    Scheduling(SchedulingEvent),
    /// An entry of the timeline.
    Timeline(usize),
    /// The LWS manager starts again after this many crashes.
    Restart(u32),
    /// A node that was down for a while comes back.
    NodeBack(NameId),
}

/// A pass that is carrying out its writes.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) controller: Controller,
    pub(super) key: NameId,
    /// The set that the pass read, for LWS's controllers.
    pub(super) lws: Option<Arc<LwsRecord>>,
    /// Steps; the writes of one step go out together.
    pub(super) steps: VecDeque<Vec<Write>>,
    pub(super) in_flight: Vec<Option<Write>>,
    pub(super) pending: usize,
    pub(super) error: Option<String>,
    /// Whether the failure counts no error (a status conflict).
    pub(super) requeue: Requeue,
}

impl Process {
    /// Whether it is the LWS manager's.
    pub(super) fn is_of_lws(&self) -> bool {
        self.controller != Controller::StatefulSet
    }
}

/// A write of a process.
#[derive(Clone, Debug)]
pub(super) enum Write {
    /// An action of an LWS plan.
    Lws(Action),
    /// A write of the StatefulSet controller.
    Set(SetWrite),
}

impl Write {
    /// Whether it goes out although one before it failed.
    fn is_due_after_error(&self) -> bool {
        matches!(self, Self::Set(SetWrite::Status { .. } | SetWrite::DeleteRevision { .. }))
    }
}

const API_DELAY: Purpose = Purpose::named("api-write");
const BATCH: Purpose = Purpose::named("batch-order");
const COMPUTE: Purpose = Purpose::named("controller-pass");

/// The state of a run.
pub(super) struct World<'a> {
    pub(super) setup: &'a Setup,
    pub(super) streams: Streams,
    /// Streams of the control plane's delays: those of the run, or of another order of events.
    pub(super) luck: Streams,
    pub(super) now: Time,
    pub(super) store: Store,
    pub(super) watches: Watches,
    pub(super) lws_cache: LwsCache,
    pub(super) set_cache: SetCache,
    pub(super) queues: [WorkQueue; 3],
    pub(super) processes: Vec<Option<Process>>,
    pub(super) free: Vec<usize>,
    /// Writes that crashed processes have under way, by slot.
    pub(super) dead: BTreeMap<usize, usize>,
    /// Counts the crashes of the LWS manager.
    pub(super) lws_epoch: u32,
    /// Whether the LWS manager has crashed and is not back.
    pub(super) is_lws_down: bool,
    /// Whether states are numbered.
    pub(super) is_explored: bool,
    /// Number of what is in the store.
    pub(super) store_print: u64,
    /// The LWS manager makes one REST client a kind: sets, StatefulSets, pods, Services, revisions.
    pub(super) lws_clients: [Bucket; Kind::ALL.len()],
    set_client: Bucket,
    pub(super) collector_client: Bucket,
    /// What the API server can take of all writes together.
    pub(super) api_server: Bucket,
    pub(super) templates: Templates,
    pub(super) scheduling: Scheduling,
    pub(super) kubelets: Kubelets,
    /// Pending timers of the kubelets, so that they can be called off.
    pub(super) kubelet_timers: FxHashMap<KubeletEvent, Ticket>,
    pub(super) node_life: NodeLife,
    /// Pending timers of the node life cycle, so that they can be called off.
    pub(super) node_timers: FxHashMap<NodeLifeEvent, Ticket>,
    /// Names of nodes by their index.
    pub(super) node_names: Vec<NameId>,
    pub(super) groups: Groups,
    pub(super) timeline: Timeline,
    /// Keys whose next try can only fail again unless something else changes.
    pub(super) futile: BTreeSet<(Controller, NameId)>,
    pub(super) repairs: Repairs,
    pub(super) not_modelled: BTreeSet<String>,
    /// The last instant at which the store changed.
    pub(super) changed_at: Time,
    /// Rules that watch the run, where it is watched.
    pub(super) checks: Option<Box<Checks>>,
    /// Writes of the LWS manager that have reached the API server.
    pub(super) lws_writes: u64,
    /// Every change of the store since it was last taken, where somebody wants them.
    pub(super) journal: Option<Vec<Change>>,
    /// The node that a pod of this name and incarnation goes to, if it is feasible: the draw of another scheduler.
    pub(super) advice: FxHashMap<(NameId, u32), NameId>,
    /// Advice that could not be followed: the pod, the node, and the plugin that rejects it.
    pub(super) bad_advice: Vec<(NameId, NameId, String)>,
    sink: &'a mut dyn FnMut(&Record),
}

impl<'a> World<'a> {
    /// Returns a world with its nodes and nothing else.
    pub(super) fn new(setup: &'a Setup, seed: u64, sink: &'a mut dyn FnMut(&Record)) -> Self {
        let params = &setup.params;
        let streams = Streams::new(seed);
        Self {
            setup,
            streams,
            luck: streams,
            now: Time::ZERO,
            store: Store::default(),
            watches: Watches::new(&params.watch_delay, &params.races),
            lws_cache: LwsCache::default(),
            set_cache: SetCache::default(),
            queues: [
                WorkQueue::new(1),
                WorkQueue::new(1),
                WorkQueue::new(params.statefulset_workers),
            ],
            processes: Vec::new(),
            free: Vec::new(),
            dead: BTreeMap::new(),
            lws_epoch: 0,
            is_lws_down: false,
            is_explored: false,
            store_print: 0,
            lws_clients: [Bucket::new(params.lws_client); Kind::ALL.len()],
            set_client: Bucket::new(params.controller_client),
            collector_client: Bucket::new(params.controller_client),
            api_server: Bucket::new(params.api_server),
            templates: Templates::default(),
            scheduling: Scheduling::new(setup),
            kubelets: Kubelets::new(params, streams),
            kubelet_timers: FxHashMap::default(),
            node_life: NodeLife::new(params, streams),
            node_timers: FxHashMap::default(),
            node_names: Vec::new(),
            groups: Groups::default(),
            timeline: Timeline::new(setup),
            futile: BTreeSet::new(),
            repairs: Repairs::default(),
            not_modelled: BTreeSet::new(),
            changed_at: Time::ZERO,
            checks: None,
            lws_writes: 0,
            journal: None,
            advice: FxHashMap::default(),
            bad_advice: Vec::new(),
            sink,
        }
    }

    /// Lets the rest of the run go at the pace of another set-up of the same cluster, with draws of another seed.
    pub(super) fn repace(&mut self, setup: &'a Setup, seed: u64) {
        self.setup = setup;
        self.luck = Streams::new(seed);
        self.watches.repace(&setup.params.watch_delay, &setup.params.races);
    }

    /// Tells what happened.
    pub(super) fn record(&mut self, what: What) {
        (self.sink)(&Record { at: self.now, what });
    }

    /// Returns `Kind/namespace/name` of an object.
    pub(super) fn reference(&self, kind: Kind, name: NameId) -> Arc<str> {
        format!("{}/{}", kind.as_str(), self.store.names.text(name).trim_start_matches('/')).into()
    }

    /// Sends the store's changes out to watches and trackers.
    pub(super) fn flush(&mut self, events: &mut Events) {
        loop {
            let changes = self.store.take_changes();
            if changes.is_empty() {
                return;
            }
            self.changed_at = self.now;
            for change in changes {
                if let Some(journal) = &mut self.journal {
                    journal.push(change.clone());
                }
                self.track(&change);
                self.check_change(&change);
                if self.is_explored {
                    self.print_change(&change);
                }
                let Self { watches, store, luck, now, .. } = self;
                watches.send(*now, &change, &mut store.names, *luck, |at, stream| {
                    events.at(at, Event::Deliver(stream));
                });
            }
        }
    }

    fn track(&mut self, change: &Change) {
        match change.any() {
            Object::Pod(_) => self.track_pod(change),
            Object::LeaderWorkerSet(_) => self.track_lws(change),
            Object::StatefulSet(_) => self.track_set(change),
            Object::Node(record) => {
                let what = match (&change.old, &change.new) {
                    (_, None) => Some(NodeChange::Removed),
                    (Some(Object::Node(old)), Some(_)) => node_change(old, record),
                    _ => None,
                };
                if let Some(what) = what {
                    let node: Arc<str> = self.store.names.name(record.meta.name).into();
                    self.record(What::Node { node, change: what });
                }
            }
            _ => {}
        }
    }

    fn deliver(&mut self, stream: StreamId, events: &mut Events) {
        while let Some((watcher, change)) = self.watches.take(stream, self.now) {
            self.check_delivery(watcher, &change);
            match watcher {
                // Nobody is there to see it; the list after the restart shows it.
                Watcher::Lws if self.is_lws_down => {}
                Watcher::Lws => self.deliver_lws(&change, events),
                Watcher::StatefulSets => self.deliver_set(&change, events),
                Watcher::GarbageCollector => self.deliver_collector(&change, events),
                Watcher::Scheduler => self.deliver_scheduling(&change, events),
                Watcher::Kubelets => self.deliver_kubelets(&change, events),
            }
        }
        if let Some(at) = self.watches.next(stream) {
            events.at(at, Event::Deliver(stream));
        }
    }

    pub(super) fn deliver_lws(&mut self, change: &Change, events: &mut Events) {
        self.lws_cache.apply(change);
        self.repair_delivered(change, events);
        let states = [&change.old, &change.new];
        for object in states.into_iter().flatten() {
            match object {
                Object::LeaderWorkerSet(record) => {
                    self.enqueue(Controller::Lws, record.meta.name, events);
                }
                Object::StatefulSet(record) => {
                    if let Some(lws) = record.lws {
                        self.enqueue(Controller::Lws, lws, events);
                    }
                    if let Some(owner) = record.meta.owner
                        && owner.kind == Kind::Pod
                    {
                        self.enqueue(Controller::Pod, owner.name, events);
                    }
                }
                Object::Service(record) => {
                    if let Some(owner) = record.meta.owner
                        && owner.kind == Kind::LeaderWorkerSet
                    {
                        self.enqueue(Controller::Lws, owner.name, events);
                    }
                }
                Object::Pod(record) if record.group.is_some() => {
                    self.enqueue(Controller::Pod, record.meta.name, events);
                }
                _ => {}
            }
        }
    }

    /// Adds a key to a controller's queue.
    pub(super) fn enqueue(&mut self, controller: Controller, key: NameId, events: &mut Events) {
        if let Some(overtaken) = self.queues[controller as usize].add(key) {
            self.reschedule(controller, key, overtaken, false, events);
        }
        self.pump(controller, events);
    }

    fn enqueue_after(
        &mut self,
        controller: Controller,
        key: NameId,
        span: Span,
        is_live: bool,
        events: &mut Events,
    ) {
        let at = self.now + span;
        let queue = &mut self.queues[controller as usize];
        let replaced = match queue.delay(key, at) {
            Delay::Schedule(replaced) => replaced,
            Delay::Keep(pending) => {
                if is_live && !pending.is_live {
                    self.reschedule(controller, key, pending, true, events);
                }
                return;
            }
        };
        if let Some(ticket) = replaced {
            events.cancel(ticket);
        }
        let event = Event::Due(controller, key);
        let ticket = if is_live { events.at(at, event) } else { events.retry_at(at, event) };
        queue.set_delayed(key, Delayed { at, ticket, is_live });
    }

    /// Changes whether a delayed add counts as one that may change something.
    fn reschedule(
        &mut self,
        controller: Controller,
        key: NameId,
        delayed: Delayed,
        is_live: bool,
        events: &mut Events,
    ) {
        events.cancel(delayed.ticket);
        let event = Event::Due(controller, key);
        let at = delayed.at;
        let ticket = if is_live { events.at(at, event) } else { events.retry_at(at, event) };
        self.queues[controller as usize].set_delayed(key, Delayed { at, ticket, is_live });
    }

    fn pump(&mut self, controller: Controller, events: &mut Events) {
        while let Some(key) = self.queues[controller as usize].take() {
            let delay = match controller {
                Controller::StatefulSet => &self.setup.params.statefulset_sync,
                Controller::Lws | Controller::Pod => &self.setup.params.reconcile,
            };
            let entity = entity2(self.store.names.hash(key), controller as u64);
            let span = self.draw(delay, COMPUTE, entity, key);
            let epoch = self.epoch_of(controller);
            events.after(span, Event::Pass(controller, key, epoch));
        }
    }

    /// Returns which process of a controller runs; only the LWS manager's ever changes.
    fn epoch_of(&self, controller: Controller) -> u32 {
        if controller == Controller::StatefulSet { 0 } else { self.lws_epoch }
    }

    /// Draws a delay of the control plane for an object.
    pub(super) fn draw(
        &self,
        delay: &Distribution,
        purpose: Purpose,
        entity: u64,
        _key: NameId,
    ) -> Span {
        match delay {
            Distribution::Constant(seconds) => Span::from_secs_f64(*seconds),
            delay => delay.sample_span(&mut self.luck.stream(purpose, entity2(entity, self.now.0))),
        }
    }

    fn pass(&mut self, controller: Controller, key: NameId, events: &mut Events) {
        let process = match controller {
            Controller::Lws => self.lws_pass(key),
            Controller::Pod => {
                let process = self.pod_pass(key);
                self.forget_lost_pod(key, &process);
                process
            }
            Controller::StatefulSet => self.set_pass(key),
        };
        self.check_pass(&process);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.processes.push(None);
            self.processes.len() - 1
        });
        self.processes[slot] = Some(process);
        self.step(slot, events);
    }

    /// Sends the next step's writes on their way, or ends the process.
    fn step(&mut self, slot: usize, events: &mut Events) {
        loop {
            let process = self.processes[slot].as_mut().expect("a process in its slot");
            let controller = process.controller;
            let Some(writes) = process.steps.pop_front() else {
                self.finish(slot, events);
                return;
            };
            process.pending = writes.len();
            process.in_flight = writes.into_iter().map(Some).collect();
            let count = self.processes[slot].as_ref().map_or(0, |process| process.in_flight.len());
            let mut order: SmallVec<[usize; 4]> = (0..count).collect();
            if count > 1 {
                // A batch goes out from as many goroutines, which run in any order.
                let key = self.processes[slot].as_ref().expect("a process in its slot").key;
                let entity = entity2(self.store.names.hash(key), self.now.0);
                self.luck.stream(BATCH, entity).shuffle(&mut order);
            }
            for index in order {
                let process = self.processes[slot].as_ref().expect("a process in its slot");
                let write = process.in_flight[index].as_ref().expect("not sent yet");
                if let Write::Lws(Action::Emit(_)) = write {
                    self.write(slot, index);
                    continue;
                }
                let entity = entity2(self.store.names.hash(process.key), index as u64);
                let key = process.key;
                let latency = self.draw(&self.setup.params.api_write, API_DELAY, entity, key);
                let sent = match (
                    controller,
                    self.processes[slot]
                        .as_ref()
                        .and_then(|process| process.in_flight[index].as_ref()),
                ) {
                    (Controller::StatefulSet, _) => self.set_client.take(self.now),
                    (_, Some(Write::Lws(action))) => {
                        self.lws_clients[kind_of(action) as usize].take(self.now)
                    }
                    _ => self.now,
                };
                let process = self.processes[slot].as_ref().expect("a process in its slot");
                if let Some(Write::Set(SetWrite::CreatePod { .. })) = &process.in_flight[index] {
                    for _ in 0..self.setup.params.admission_writes {
                        self.reach_server(sent);
                    }
                }
                let taken = self.reach_server(sent);
                events.at(taken + latency, Event::Write(slot, index));
            }
            if self.processes[slot].as_ref().is_none_or(|process| process.pending > 0) {
                return;
            }
        }
    }

    /// Returns when the API server takes a write that its client sends at `sent`.
    pub(super) fn reach_server(&mut self, sent: Time) -> Time {
        // One that its client holds back comes when the server has caught up with those of now.
        if sent > self.now { sent } else { self.api_server.take(self.now) }
    }

    /// Carries out one write.
    fn write(&mut self, slot: usize, index: usize) {
        let process = self.processes[slot].as_mut().expect("a process in its slot");
        process.pending -= 1;
        let write = process.in_flight[index].take().expect("a write is carried out once");
        let (key, lws) = (process.key, process.lws.clone());
        self.lws_writes +=
            u64::from(matches!(&write, Write::Lws(action) if !matches!(action, Action::Emit(_))));
        let result = match &write {
            Write::Lws(action) => self.carry_out(action, lws.as_deref()),
            Write::Set(write) => self.carry_out_set(write, key),
        };
        match (result, &write) {
            (Ok(()), _) => {}
            // Somebody was faster, as the cache does not show yet: nothing is left to do and nothing to tell.
            (Err(ApiError::AlreadyExists(_)), Write::Lws(Action::CreateWorkerSet(_))) => {
                self.processes[slot].as_mut().expect("a process in its slot").steps.clear();
            }
            (Err(error), _) => self.write_failed(slot, &write, &error, lws.as_deref()),
        }
    }

    fn write_failed(
        &mut self,
        slot: usize,
        write: &Write,
        error: &ApiError,
        lws: Option<&LwsRecord>,
    ) {
        if let (Write::Lws(action), Some(lws)) = (write, lws)
            && let Some(note) = action.failure_event(&error.to_string())
        {
            self.emit(lws.meta.name, &note);
        }
        let process = self.processes[slot].as_mut().expect("a process in its slot");
        process.error.get_or_insert_with(|| error.to_string());
    }

    fn written(&mut self, slot: usize, index: usize, events: &mut Events) {
        self.write(slot, index);
        let process = self.processes[slot].as_mut().expect("a process in its slot");
        if process.pending > 0 {
            return;
        }
        if process.error.is_some() {
            // The StatefulSet controller writes its status and shortens its history even where a pod could not be made
            // (`stateful_set_control.go` `performUpdate`, 1.36); others give up.
            process.steps.retain(|writes| writes.iter().all(Write::is_due_after_error));
        }
        self.step(slot, events);
    }

    fn finish(&mut self, slot: usize, events: &mut Events) {
        let process = self.processes[slot].take().expect("a process in its slot");
        self.free.push(slot);
        let (controller, key) = (process.controller, process.key);
        let queue = &mut self.queues[controller as usize];
        let error = process.error.is_some() || matches!(process.requeue, Requeue::Error(_));
        if error {
            let (span, is_futile) = queue.fail(key, self.store.version());
            queue.done(key);
            if is_futile {
                self.futile.insert((controller, key));
            } else {
                self.futile.remove(&(controller, key));
            }
            self.enqueue_after(controller, key, span, !is_futile, events);
        } else {
            queue.forget(key);
            queue.done(key);
            self.futile.remove(&(controller, key));
            if let Requeue::After(span) = process.requeue {
                self.enqueue_after(controller, key, span, true, events);
            }
        }
        self.pump(controller, events);
    }

    /// Whether the last pass of a key failed.
    pub(super) fn is_failing(&self, controller: Controller, key: NameId) -> bool {
        self.queues[controller as usize].is_failing(key)
    }

    /// Makes retries live again whose inputs have changed since they failed.
    fn revive(&mut self, events: &mut Events) -> bool {
        let version = self.store.version();
        let mut has_revived = false;
        for (controller, key) in std::mem::take(&mut self.futile) {
            let queue = &mut self.queues[controller as usize];
            let Some(delayed) = queue.delayed(key) else { continue };
            if queue.failed_before(key, version) {
                events.cancel(delayed.ticket);
                let ticket = events.at(delayed.at, Event::Due(controller, key));
                queue.set_delayed(key, Delayed { at: delayed.at, ticket, is_live: true });
                has_revived = true;
            } else {
                self.futile.insert((controller, key));
            }
        }
        has_revived
    }

    /// Returns the pod of a name, if it exists.
    pub(super) fn pod(&self, name: NameId) -> Option<&Arc<PodRecord>> {
        self.store.get::<PodRecord>(name)
    }
}

impl Model for World<'_> {
    type Event = Event;

    fn handle(&mut self, event: Event, events: &mut Events) {
        self.now = events.now();
        match event {
            Event::Deliver(stream) => self.deliver(stream, events),
            Event::Pass(controller, key, epoch) => {
                if epoch == self.epoch_of(controller) {
                    self.pass(controller, key, events);
                }
            }
            Event::Write(slot, index) => {
                if !self.is_dead_write(slot) {
                    self.written(slot, index, events);
                }
            }
            Event::Restart(epoch) => self.restart_lws(epoch, events),
            Event::Due(controller, key) => {
                self.queues[controller as usize].due(key);
                self.enqueue(controller, key, events);
            }
            Event::Collect(kind, name, uid) => self.collect(kind, name, uid, events),
            Event::Kubelet(event) => self.kubelet_event(event, events),
            Event::NodeLife(event) => self.node_life_event(event, events),
            Event::Scheduling(event) => self.scheduling_event(event, events),
            Event::Timeline(index) => self.timeline_event(index, events),
            Event::NodeBack(node) => self.node_up(node, events),
        }
        self.flush(events);
        self.check_wishes();
        self.check_timeline(events);
    }

    fn settled(&mut self, events: &mut Events) -> bool {
        self.now = events.now();
        if self.revive(events) | self.revive_scheduling(events) {
            return true;
        }
        self.check_rest();
        self.settled_timeline(events)
    }
}

/// Returns the kind whose REST client sends an action.
fn kind_of(action: &Action) -> Kind {
    match action {
        Action::CreateRevision(_) | Action::DeleteRevision { .. } => Kind::ControllerRevision,
        Action::ApplyLeaderSet(_) | Action::CreateWorkerSet(_) => Kind::StatefulSet,
        Action::CreateService(_) => Kind::Service,
        Action::UpdateStatus(_) | Action::Emit(_) => Kind::LeaderWorkerSet,
        Action::DeletePodForeground { .. } | Action::DeletePodForced { .. } => Kind::Pod,
    }
}

fn node_change(
    old: &super::object::NodeRecord,
    new: &super::object::NodeRecord,
) -> Option<NodeChange> {
    let is_cordoned = |record: &super::object::NodeRecord| {
        record.node.spec.as_ref().and_then(|spec| spec.unschedulable).unwrap_or(false)
    };
    match (old.is_ready, new.is_ready, is_cordoned(old), is_cordoned(new)) {
        (true, false, ..) => Some(NodeChange::NotReady),
        (false, true, ..) => Some(NodeChange::Ready),
        (_, _, false, true) => Some(NodeChange::Cordoned),
        (_, _, true, false) => Some(NodeChange::Uncordoned),
        _ => None,
    }
}
