//! The kubelets of all nodes: they start pods stage by stage, restart and end their containers and probe them.
//!
//! The world tells them what a kubelet sees (a pod bound to its node, a deletion, a container's death, the node's own
//! death) and carries out what comes back: timers, and status writes. They know neither store nor watches; the rules
//! for stages, caches, pulls and links are in `start`. Behaviour is that of the kubelet of Kubernetes 1.36.
//!
//! The life of a pod here: sandbox → pulls → container starts (phase Running) → the remaining stages → served. A pod
//! with a readiness probe is ready at the first probe after it is served; one without is ready when its container starts, whatever
//! goes on inside, since that is all a kubelet knows. A leader with a probe whose profile meets its group is served when the
//! whole group has done its stages: the engine answers when all its ranks are up.
//!
//! # Differs from the real thing
//! A pod has one container. Probes that fail do so because the stages are not done, never by chance, and never restart
//! a container. Images are always pulled within their stage and never fail to.

mod life;
mod report;

use super::setup::{Params, Profile, Source, Work};
use super::start::{Cache, Class, Classes, Done, Groups, Keys, Links, Pull, Pulls};
use crate::engine::{Purpose, Span, Streams, Time, entity2};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::sync::Arc;

pub(super) use report::Waiting;

const SANDBOX: Purpose = Purpose::named("sandbox");
const STAGE: Purpose = Purpose::named("stage");
const STAGE_RATE: Purpose = Purpose::named("stage rate");
const MEETING: Purpose = Purpose::named("meeting");
const MEETING_RATE: Purpose = Purpose::named("meeting rate");
const PEER_LOSS: Purpose = Purpose::named("peer loss");
const STOP: Purpose = Purpose::named("stop");
const CLEANUP: Purpose = Purpose::named("cleanup");
const RELIST: Purpose = Purpose::named("relist");
const PROBE: Purpose = Purpose::named("probe");

/// A node, by its place in the order of joining.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct NodeId(pub(super) u32);

/// One incarnation of a pod; never used twice in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PodId(pub(super) u64);

/// A readiness probe with success threshold 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Probe {
    /// `initialDelaySeconds`, from the container's start.
    pub(super) initial_delay: Span,
    /// `periodSeconds`.
    pub(super) period: Span,
}

/// What a kubelet must know to run a pod.
#[derive(Clone, Debug)]
pub(super) struct PodStart {
    /// Where it runs.
    pub(super) node: NodeId,
    /// How it starts and ends.
    pub(super) profile: Arc<Profile>,
    /// Its group; pods with equal numbers meet one another.
    pub(super) group: u64,
    /// Pods in the group.
    pub(super) group_size: u32,
    /// Whether it leads its group.
    pub(super) is_leader: bool,
    /// Image of its first container.
    pub(super) image: Arc<str>,
    /// Its readiness probe.
    pub(super) probe: Option<Probe>,
    /// What its random draws hang on: its name and incarnation.
    pub(super) entity: u64,
}

/// A timer of the kubelets. The world hands it back at its time unless it was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum KubeletEvent {
    /// A pod's timer; the serial number makes it unique.
    Pod(PodId, Timer, u32),
    /// A group's stage that takes the same time for all is over.
    Meeting(u64, u8, u32),
    /// Transfers are over.
    Transfer(u32),
}

/// What a pod's timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Timer {
    /// The next step of its life: what that is hangs on its state.
    Step,
    /// A stage is over.
    Stage(u8),
    /// Its readiness probe looks at it.
    Probe,
    /// It notices that a member of its group is lost.
    PeerLost,
    /// It has waited too long for its group at a stage.
    GroupTimeout(u8),
}

/// What the world must do for the kubelets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// Hand the event back at this time.
    At(Time, KubeletEvent),
    /// Do not hand the event back: what it was for is void.
    Cancel(KubeletEvent),
    /// A pod began a stage.
    Stage {
        /// The pod.
        pod: PodId,
        /// Index of the stage in its profile.
        stage: usize,
    },
    /// A pod's container started for the first time: its phase is Running.
    PhaseRunning {
        /// The pod.
        pod: PodId,
    },
    /// A pod is ready.
    Ready {
        /// The pod.
        pod: PodId,
    },
    /// A pod is not ready any more.
    Unready {
        /// The pod.
        pod: PodId,
    },
    /// A pod's container started anew: its restart count goes up by one.
    ContainerRestarted {
        /// The pod.
        pod: PodId,
    },
    /// A pod's phase is Failed.
    Failed {
        /// The pod.
        pod: PodId,
    },
    /// The kubelet has confirmed a pod's deletion.
    Terminated {
        /// The pod.
        pod: PodId,
    },
}

/// The kubelets of all nodes.
#[derive(Debug)]
pub(super) struct Kubelets {
    params: Params,
    streams: Streams,
    keys: Keys,
    classes: Classes,
    nodes: Vec<Node>,
    pods: FxHashMap<PodId, Pod>,
    groups: Groups,
    /// Meetings whose stage takes a time, with the serial number of their timer.
    meetings: FxHashMap<(u64, u8), u32>,
    links: Links,
    /// The timer of the links.
    transfer: Option<(Time, u32)>,
    serial: u32,
}

#[derive(Debug)]
struct Node {
    is_up: bool,
    cache: Cache,
    pulls: Pulls,
    /// In the order in which they were bound.
    pods: Vec<PodId>,
}

/// What is remembered of a pod while it is on a node.
#[derive(Debug)]
struct Pod {
    entity: u64,
    group: u64,
    /// Stages that have begun and stages that are done, as bits.
    begun: u64,
    done: u64,
    /// When the probe's worker began to tick.
    probe_origin: Time,
    started_at: Time,
    state: State,
    /// How long the next crash makes it wait.
    backoff: Span,
    timers: SmallVec<[(Timer, u32); 2]>,
    node: NodeId,
    class: u32,
    restarts: u32,
    is_leader: bool,
    is_ready: bool,
    has_started: bool,
}

/// State of a pod on its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Entered at bind and when a node is back; left when the sandbox has its address.
    Sandbox,
    /// The image is being fetched; left when all pulls are done.
    Pulling,
    /// The container runs; left when it exits or the pod is deleted.
    Running,
    /// The container has exited and the kubelet has not seen it; left at the next relist.
    Exited {
        /// When its back-off is over.
        restart_at: Time,
    },
    /// The kubelet waits to start the container anew; left when the back-off is over.
    BackOff,
    /// The container was told to stop and has until this time; left when it exits.
    Stopping(Time),
    /// The containers are gone; left when the kubelet confirms the deletion.
    Cleanup,
    /// The pod failed and stays until it is deleted.
    Failed,
    /// The node is down; left when it is back.
    Down {
        /// Whether the pod is to be deleted.
        is_deleted: bool,
        /// Whether the pod had failed before.
        has_failed: bool,
    },
}

impl Kubelets {
    /// Returns the kubelets of a cluster without nodes.
    pub(super) fn new(params: &Params, streams: Streams) -> Self {
        Self {
            links: Links::new(params),
            params: params.clone(),
            streams,
            keys: Keys::default(),
            classes: Classes::default(),
            nodes: Vec::new(),
            pods: FxHashMap::default(),
            groups: Groups::default(),
            meetings: FxHashMap::default(),
            transfer: None,
            serial: 0,
        }
    }

    /// Adds the next node; nodes are numbered from 0 without gaps.
    pub(super) fn add_node(&mut self, node: NodeId) {
        assert_eq!(node.0 as usize, self.nodes.len(), "nodes join in the order of their numbers");
        self.links.add_node(&self.params);
        self.nodes.push(Node {
            is_up: true,
            cache: Cache::default(),
            pulls: Pulls::default(),
            pods: Vec::new(),
        });
    }

    /// Starts a pod that its kubelet sees for the first time.
    pub(super) fn bind(&mut self, now: Time, id: PodId, start: &PodStart, out: &mut Vec<Output>) {
        self.register(now, id, start, State::Sandbox);
        if self.nodes[start.node.0 as usize].is_up {
            self.start_sandbox(now, id, out);
        } else {
            self.pod_mut(id).state = State::Down { is_deleted: false, has_failed: false };
        }
        self.rearm(out);
    }

    /// Takes over a pod that ran, ready and with all stages done, before the run began; its image is on the node.
    pub(super) fn adopt(&mut self, now: Time, id: PodId, start: &PodStart, out: &mut Vec<Output>) {
        self.register(now, id, start, State::Running);
        let image = self.class_of(id).image;
        let kept: Vec<_> =
            self.class_of(id).keys.iter().flatten().copied().chain([image]).collect();
        for key in kept {
            self.nodes[start.node.0 as usize].cache.keep(key);
        }
        let done = self.class_of(id).runs(start.is_leader);
        let pod = self.pod_mut(id);
        (pod.begun, pod.done, pod.has_started, pod.is_ready) = (done, done, true, true);
        let begun = self.groups.set_address(start.group, id, true);
        self.begin_meetings(now, start.group, begun, out);
        if self.groups.finish(start.group, id) {
            self.group_served(now, start.group, out);
        }
        self.rearm(out);
    }

    fn register(&mut self, now: Time, id: PodId, start: &PodStart, state: State) {
        let class = self.classes.intern(&start.profile, &start.image, start.probe, &mut self.keys);
        let pod = Pod {
            entity: start.entity,
            group: start.group,
            begun: 0,
            done: 0,
            probe_origin: now,
            started_at: now,
            state,
            backoff: Span::ZERO,
            timers: SmallVec::new(),
            node: start.node,
            class,
            restarts: 0,
            is_leader: start.is_leader,
            is_ready: false,
            has_started: false,
        };
        let old = self.pods.insert(id, pod);
        assert!(old.is_none(), "{id:?} is bound twice");
        self.nodes[start.node.0 as usize].pods.push(id);
        self.groups.join(start.group, start.group_size, id, start.is_leader);
    }

    /// Handles a timer.
    pub(super) fn handle(&mut self, now: Time, event: KubeletEvent, out: &mut Vec<Output>) {
        match event {
            KubeletEvent::Pod(id, timer, serial) => {
                let Some(pod) = self.pods.get_mut(&id) else { return };
                // A timer that was cancelled is not among the pod's any more.
                let Some(index) = pod.timers.iter().position(|pending| *pending == (timer, serial))
                else {
                    return;
                };
                pod.timers.swap_remove(index);
                match timer {
                    Timer::Step => self.step(now, id, out),
                    Timer::Stage(stage) => self.stage_over(now, id, stage, out),
                    Timer::Probe => self.probe(id, out),
                    Timer::PeerLost | Timer::GroupTimeout(_) => self.exit(now, id, out),
                }
            }
            KubeletEvent::Meeting(group, stage, serial) => {
                if self.meetings.get(&(group, stage)) == Some(&serial) {
                    self.meetings.remove(&(group, stage));
                    self.end_meeting(now, group, stage, out);
                }
            }
            KubeletEvent::Transfer(serial) => {
                if self.transfer.is_none_or(|(_, armed)| armed != serial) {
                    return;
                }
                self.transfer = None;
                for Done { pod, stage } in self.links.finish(now) {
                    self.stage_over(now, pod, stage, out);
                }
            }
        }
        self.rearm(out);
    }

    /// Begins all stages of a pod that may begin, and what follows when none is left.
    fn advance(&mut self, now: Time, id: PodId, out: &mut Vec<Output>) {
        loop {
            let pod = &self.pods[&id];
            let class = self.classes.get(pod.class);
            let pulls = class.pulls(pod.is_leader);
            match pod.state {
                State::Pulling if pulls & !pod.done == 0 => self.start_container(now, id, out),
                State::Pulling | State::Running => {}
                _ => return,
            }
            let pod = &self.pods[&id];
            let class = self.classes.get(pod.class);
            let runs = class.runs(pod.is_leader);
            if pod.done == runs {
                return self.served(now, id, out);
            }
            let Some(stage) = class.next_stage(pod.is_leader, pod.begun, pod.done) else { return };
            self.begin(now, id, stage, out);
        }
    }

    fn begin(&mut self, now: Time, id: PodId, stage: u8, out: &mut Vec<Output>) {
        let pod = self.pods.get_mut(&id).expect("a pod that advances is there");
        pod.begun |= 1 << stage;
        let (node, group) = (pod.node, pod.group);
        let class = self.classes.get(pod.class);
        let key = class.keys[usize::from(stage)];
        if class.is_pull(stage) {
            self.nodes[node.0 as usize].pulls.ask(Pull { pod: id, stage, key });
            self.begin_pulls(now, node, out);
        } else if class.is_meeting(stage) {
            let timeout = class.profile.stages[usize::from(stage)].group_timeout;
            let runners = class.runners(stage, self.groups.size(group));
            let begun = self.groups.arrive(group, id, stage, runners);
            if let (None, Some(timeout)) = (&begun, timeout) {
                self.arm(now + timeout, id, Timer::GroupTimeout(stage), out);
            }
            self.begin_meetings(now, group, begun, out);
        } else {
            let is_hit = key.is_some_and(|key| self.nodes[node.0 as usize].cache.has(key));
            self.work(now, id, stage, is_hit, out);
        }
    }

    fn begin_pulls(&mut self, now: Time, node: NodeId, out: &mut Vec<Output>) {
        let is_serial = self.params.serialize_image_pulls;
        loop {
            let Node { pulls, cache, is_up, .. } = &mut self.nodes[node.0 as usize];
            if !*is_up {
                return;
            }
            let Some((pull, is_hit)) = pulls.next(is_serial, |key| cache.has(key)) else { return };
            self.work(now, pull.pod, pull.stage, is_hit, out);
        }
    }

    /// Begins the work of a stage that only hangs on its pod.
    fn work(&mut self, now: Time, id: PodId, stage: u8, is_hit: bool, out: &mut Vec<Output>) {
        let pod = &self.pods[&id];
        let work = work_of(self.classes.get(pod.class), stage, is_hit);
        let (node, entity) = (pod.node, pod.draw(stage));
        out.push(Output::Stage { pod: id, stage: stage.into() });
        match work {
            Work::Delay(delay) => {
                let delay = delay.sample_span(&mut self.streams.stream(STAGE, entity));
                self.arm(now + delay, id, Timer::Stage(stage), out);
            }
            Work::Transfer { bytes, from, rate } => {
                let rate = rate.sample(&mut self.streams.stream(STAGE_RATE, entity));
                let (bytes, from): (u64, Source) = (*bytes, *from);
                self.links.start(now, Done { pod: id, stage }, node, from, bytes, rate);
            }
        }
    }

    /// Begins stages that take the same time for all pods of a group that are there.
    fn begin_meetings(
        &mut self,
        now: Time,
        group: u64,
        begun: impl IntoIterator<Item = super::start::Arrival>,
        out: &mut Vec<Output>,
    ) {
        for arrival in begun {
            let stage = arrival.stage;
            let mut entity = u64::from(stage);
            let mut is_hit = true;
            for id in &arrival.there {
                self.disarm(*id, |timer| timer == Timer::GroupTimeout(stage), out);
                out.push(Output::Stage { pod: *id, stage: stage.into() });
                let pod = &self.pods[id];
                // A sum, so that the order of arrival does not matter: who meets decides what it takes.
                entity = entity.wrapping_add(pod.draw(stage));
                let key = self.classes.get(pod.class).keys[usize::from(stage)];
                is_hit &= key.is_some_and(|key| self.nodes[pod.node.0 as usize].cache.has(key));
            }
            let Some(first) = arrival.there.first() else { continue };
            match work_of(self.classes.get(self.pods[first].class), stage, is_hit) {
                Work::Delay(delay) => {
                    let delay = delay.sample_span(&mut self.streams.stream(MEETING, entity));
                    self.serial = self.serial.wrapping_add(1);
                    self.meetings.insert((group, stage), self.serial);
                    out.push(Output::At(
                        now + delay,
                        KubeletEvent::Meeting(group, stage, self.serial),
                    ));
                }
                Work::Transfer { bytes, from, rate } => {
                    let rate = rate.sample(&mut self.streams.stream(MEETING_RATE, entity));
                    let (bytes, from) = (*bytes, *from);
                    for id in &arrival.there {
                        self.links.start(
                            now,
                            Done { pod: *id, stage },
                            self.pods[id].node,
                            from,
                            bytes,
                            rate,
                        );
                    }
                }
            }
        }
    }

    fn end_meeting(&mut self, now: Time, group: u64, stage: u8, out: &mut Vec<Output>) {
        let there = self.groups.end(group, stage);
        for id in &there {
            self.finish_stage(*id, stage);
        }
        for id in there {
            self.advance(now, id, out);
        }
    }

    /// Goes on when the work of a stage is over.
    fn stage_over(&mut self, now: Time, id: PodId, stage: u8, out: &mut Vec<Output>) {
        let Some(pod) = self.pods.get(&id) else { return };
        let (node, group) = (pod.node, pod.group);
        let class = self.classes.get(pod.class);
        if class.is_meeting(stage) {
            if self.groups.part_done(group, stage) {
                self.end_meeting(now, group, stage, out);
            }
            return;
        }
        let is_pull = class.is_pull(stage);
        self.finish_stage(id, stage);
        if is_pull {
            self.nodes[node.0 as usize].pulls.end(id, stage);
            self.begin_pulls(now, node, out);
        }
        self.advance(now, id, out);
    }

    /// Notes that a stage is done and keeps its result on the node.
    fn finish_stage(&mut self, id: PodId, stage: u8) {
        let Some(pod) = self.pods.get_mut(&id) else { return };
        pod.done |= 1 << stage;
        if let Some(key) = self.classes.get(pod.class).keys[usize::from(stage)] {
            self.nodes[pod.node.0 as usize].cache.keep(key);
        }
    }

    fn class_of(&self, id: PodId) -> &Class {
        self.classes.get(self.pods[&id].class)
    }

    fn pod_mut(&mut self, id: PodId) -> &mut Pod {
        self.pods.get_mut(&id).expect("a pod that is acted on is there")
    }

    /// Sets a timer of a pod.
    fn arm(&mut self, at: Time, id: PodId, timer: Timer, out: &mut Vec<Output>) {
        self.serial = self.serial.wrapping_add(1);
        let serial = self.serial;
        self.pod_mut(id).timers.push((timer, serial));
        out.push(Output::At(at, KubeletEvent::Pod(id, timer, serial)));
    }

    /// Cancels those timers of a pod that `is_void` names.
    fn disarm(&mut self, id: PodId, is_void: impl Fn(Timer) -> bool, out: &mut Vec<Output>) {
        self.pod_mut(id).timers.retain(|(timer, serial)| {
            let is_void = is_void(*timer);
            if is_void {
                out.push(Output::Cancel(KubeletEvent::Pod(id, *timer, *serial)));
            }
            !is_void
        });
    }

    /// Brings the timer of the links in step with them; the last thing that any input does.
    fn rearm(&mut self, out: &mut Vec<Output>) {
        let next = self.links.next();
        if next == self.transfer.map(|(at, _)| at) {
            return;
        }
        if let Some((_, serial)) = self.transfer.take() {
            out.push(Output::Cancel(KubeletEvent::Transfer(serial)));
        }
        if let Some(at) = next {
            self.serial = self.serial.wrapping_add(1);
            self.transfer = Some((at, self.serial));
            out.push(Output::At(at, KubeletEvent::Transfer(self.serial)));
        }
    }
}

impl Pod {
    /// Returns the number that the draws of a stage hang on: each restart draws anew.
    fn draw(&self, stage: u8) -> u64 {
        entity2(self.entity, u64::from(self.restarts) << 8 | u64::from(stage))
    }
}

fn work_of(class: &Class, stage: u8, is_hit: bool) -> &Work {
    let stage = &class.profile.stages[usize::from(stage)];
    match &stage.cache {
        Some(cache) if is_hit => &cache.hit,
        _ => &stage.work,
    }
}

#[cfg(test)]
mod tests;
