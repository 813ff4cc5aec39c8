//! What becomes of a node that falls silent: `NotReady`, taints, eviction of its pods, and forced deletion where the node is
//! gone or out of service.
//!
//! Stands for three controllers of kube-controller-manager 1.36: node-lifecycle (heartbeats, taints, disruption of zones),
//! taint-eviction (toleration seconds) and pod garbage collection. The world tells it of nodes and pods and carries out what comes back.
//! Heartbeats and periodic passes are not events: a pass is run only when it would see something new, at the instant at which
//! the real one would.
//!
//! # Differs from the real thing
//! A node that stops is always seen as silent (Ready Unknown), never as reporting `NotReady`. Passes and updates take no time,
//! and the `NoExecute` queue is looked at when a token is there instead of every 100 ms. Pods that are over and deleted pods without a node are left to the world.

mod disruption;

use super::kubelet::{NodeId, PodId};
use super::setup::{NodeLifeParams, Params};
use crate::engine::{Purpose, Span, Streams, Time};
use disruption::Zone;
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;

const LEASE: Purpose = Purpose::named("lease phase");
const MONITOR: Purpose = Purpose::named("monitor phase");
const POD_GC: Purpose = Purpose::named("pod gc phase");

/// A timer of the node life cycle. The world hands it back at its time unless it was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum NodeLifeEvent {
    /// The monitor passes over all nodes.
    Monitor(u32),
    /// A zone may taint its next node `NoExecute`.
    Zone(u32, u32),
    /// A pod has been on a tainted node for as long as it tolerates that.
    Evict(PodId, u32),
    /// The pod garbage collector passes over all pods.
    PodGc(u32),
}

/// A taint that is put on nodes here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum NodeTaint {
    /// `node.kubernetes.io/unreachable:NoSchedule`, at once with `NotReady`.
    UnreachableNoSchedule,
    /// `node.kubernetes.io/unreachable:NoExecute`, when the zone's limit allows.
    UnreachableNoExecute,
    /// `node.kubernetes.io/out-of-service:NoExecute`, by the operator.
    OutOfService,
}

/// What the world must do for the node life cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NodeOutput {
    /// Hand the event back at this time.
    At(Time, NodeLifeEvent),
    /// Do not hand the event back: what it was for is void.
    Cancel(NodeLifeEvent),
    /// A node's condition Ready is not True any more.
    NotReady {
        /// The node.
        node: NodeId,
    },
    /// A node's condition Ready is True again.
    Ready {
        /// The node.
        node: NodeId,
    },
    /// A pod's condition Ready is False since its node is not ready.
    PodUnready {
        /// The pod.
        pod: PodId,
    },
    /// A node gets a taint.
    Taint {
        /// The node.
        node: NodeId,
        /// The taint.
        taint: NodeTaint,
    },
    /// A node loses a taint.
    Untaint {
        /// The node.
        node: NodeId,
        /// The taint.
        taint: NodeTaint,
    },
    /// A pod is deleted with its grace period.
    Evict {
        /// The pod.
        pod: PodId,
    },
    /// A pod is deleted with grace period 0.
    ForceDelete {
        /// The pod.
        pod: PodId,
    },
}

/// How long a pod stays on a node with a `NoExecute` taint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Toleration {
    /// It does not tolerate the taint.
    None,
    /// The shortest `tolerationSeconds` of its tolerations for the taint.
    For(Span),
    /// None of its tolerations has an end.
    Forever,
}

/// How long a pod stays on nodes that are unreachable or out of service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tolerations {
    /// For `node.kubernetes.io/unreachable`; admission gives 300 s where the pod states nothing.
    pub(super) unreachable: Toleration,
    /// For `node.kubernetes.io/out-of-service`.
    pub(super) out_of_service: Toleration,
}

/// Nodes as the controllers see them, and the pods bound to them.
#[derive(Debug)]
pub(super) struct NodeLife {
    params: NodeLifeParams,
    grace: Span,
    monitor_period: Span,
    streams: Streams,
    /// First passes of the periodic loops.
    monitor_phase: Span,
    pod_gc_phase: Span,
    nodes: Vec<Node>,
    zones: Vec<Zone>,
    zone_numbers: FxHashMap<String, u32>,
    pods: FxHashMap<PodId, Pod>,
    /// When the monitor finds silent nodes.
    detections: BTreeSet<(Time, NodeId)>,
    /// A pass that is needed whatever `detections` say.
    pass_at: Option<Time>,
    monitor: Option<(Time, u32)>,
    /// When pods of removed nodes are deleted.
    orphanings: BTreeSet<(Time, NodeId)>,
    /// A collection that is needed whatever `orphanings` say.
    collect_at: Option<Time>,
    pod_gc: Option<(Time, u32)>,
    serial: u32,
}

#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one bit of a Node object or of the world"
)]
struct Node {
    zone: u32,
    lease_phase: Span,
    /// Whether it runs.
    is_up: bool,
    /// Whether its Node object exists.
    exists: bool,
    /// Whether its condition Ready is True.
    is_ready: bool,
    has_no_execute: bool,
    /// Whether it is to be tainted `NoExecute`.
    is_queued: bool,
    is_out_of_service: bool,
    /// When the monitor finds it silent, if it stays down.
    found_at: Time,
    /// In the order in which they were bound.
    pods: Vec<PodId>,
}

#[derive(Debug)]
struct Pod {
    node: NodeId,
    tolerations: Tolerations,
    is_deleting: bool,
    eviction: Option<u32>,
}

impl NodeLife {
    /// Returns the life cycle of a cluster without nodes.
    pub(super) fn new(params: &Params, streams: Streams) -> Self {
        let phase = |purpose, period: Span| share_of(period, streams.stream(purpose, 0).uniform());
        Self {
            monitor_phase: phase(MONITOR, params.node_monitor_period),
            pod_gc_phase: phase(POD_GC, params.node_life.pod_gc_period),
            params: params.node_life,
            grace: params.node_monitor_grace,
            monitor_period: params.node_monitor_period,
            streams,
            nodes: Vec::new(),
            zones: Vec::new(),
            zone_numbers: FxHashMap::default(),
            pods: FxHashMap::default(),
            detections: BTreeSet::new(),
            pass_at: None,
            monitor: None,
            orphanings: BTreeSet::new(),
            collect_at: None,
            pod_gc: None,
            serial: 0,
        }
    }

    /// Adds the next node of a zone; nodes are numbered from 0 without gaps. `entity` is what its lease's phase hangs on.
    pub(super) fn add_node(&mut self, node: NodeId, entity: u64, zone: &str) {
        assert_eq!(node.0 as usize, self.nodes.len(), "nodes join in the order of their numbers");
        let next = u32::try_from(self.zones.len()).expect("fewer zones than nodes");
        let number = *self.zone_numbers.entry(zone.to_owned()).or_insert(next);
        if number == next {
            self.zones.push(Zone::new(self.params.eviction_rate));
        }
        self.nodes.push(Node {
            zone: number,
            lease_phase: share_of(
                self.params.lease_renewal,
                self.streams.stream(LEASE, entity).uniform(),
            ),
            is_up: true,
            exists: true,
            is_ready: true,
            has_no_execute: false,
            is_queued: false,
            is_out_of_service: false,
            found_at: Time::MAX,
            pods: Vec::new(),
        });
    }

    /// Tells that a pod is bound to a node.
    pub(super) fn pod_bound(
        &mut self,
        now: Time,
        pod: PodId,
        node: NodeId,
        tolerations: Tolerations,
        out: &mut Vec<NodeOutput>,
    ) {
        let old =
            self.pods.insert(pod, Pod { node, tolerations, is_deleting: false, eviction: None });
        assert!(old.is_none(), "{pod:?} is bound twice");
        let at = &mut self.nodes[node.0 as usize];
        at.pods.push(pod);
        let (exists, has_no_execute, is_out_of_service) =
            (at.exists, at.has_no_execute, at.is_out_of_service);
        if !exists {
            self.orphan(now, node);
        }
        if has_no_execute {
            self.tolerate(now, pod, tolerations.unreachable, out);
        }
        if is_out_of_service {
            self.tolerate(now, pod, tolerations.out_of_service, out);
        }
        self.rearm(out);
    }

    /// Tells that a pod got a deletion time stamp.
    pub(super) fn pod_deleting(&mut self, now: Time, pod: PodId, out: &mut Vec<NodeOutput>) {
        let Some(deleting) = self.pods.get_mut(&pod) else { return };
        deleting.is_deleting = true;
        let node = deleting.node;
        self.keep(pod, out);
        self.collect_from(now, node);
        self.rearm(out);
    }

    /// Tells that a pod's object is gone.
    pub(super) fn pod_gone(&mut self, pod: PodId, out: &mut Vec<NodeOutput>) {
        self.keep(pod, out);
        if let Some(gone) = self.pods.remove(&pod) {
            self.nodes[gone.node.0 as usize].pods.retain(|other| *other != pod);
        }
        self.rearm(out);
    }

    /// Tells that a node stops.
    pub(super) fn node_down(&mut self, now: Time, node: NodeId, out: &mut Vec<NodeOutput>) {
        let at = &self.nodes[node.0 as usize];
        if !at.is_up {
            return;
        }
        let is_ready = at.is_ready && at.exists;
        // The controller counts the grace period from the pass that saw the last renewal, by its own clock. Passes are a
        // period and their own run time apart, so that the one a grace period later is just late enough.
        let renewed = last_tick(at.lease_phase, self.params.lease_renewal, as_ns(now));
        let seen = next_tick(self.monitor_phase, self.monitor_period, renewed);
        let found =
            next_tick(self.monitor_phase, self.monitor_period, seen + i128::from(self.grace.0));
        let found = as_time(found).max(now);
        let at = &mut self.nodes[node.0 as usize];
        at.is_up = false;
        at.found_at = found;
        if is_ready {
            self.detections.insert((found, node));
        }
        self.rearm(out);
    }

    /// Tells that a node that was down runs again: its kubelet reports at once.
    pub(super) fn node_up(&mut self, now: Time, node: NodeId, out: &mut Vec<NodeOutput>) {
        let at = &mut self.nodes[node.0 as usize];
        if at.is_up {
            return;
        }
        at.is_up = true;
        self.detections.remove(&(at.found_at, node));
        if at.exists && !at.is_ready {
            at.is_ready = true;
            out.push(NodeOutput::Ready { node });
            out.push(NodeOutput::Untaint { node, taint: NodeTaint::UnreachableNoSchedule });
            // The NoExecute taint goes in the monitor's next pass.
            self.pass_after(now);
        }
        self.rearm(out);
    }

    /// Tells that a Node object is removed.
    pub(super) fn node_removed(&mut self, now: Time, node: NodeId, out: &mut Vec<NodeOutput>) {
        let at = &mut self.nodes[node.0 as usize];
        if !at.exists {
            return;
        }
        at.exists = false;
        at.has_no_execute = false;
        at.is_out_of_service = false;
        self.detections.remove(&(at.found_at, node));
        let pods = at.pods.clone();
        for pod in &pods {
            self.keep(*pod, out);
        }
        self.dequeue(node);
        if !pods.is_empty() {
            self.orphan(now, node);
        }
        self.pass_after(now);
        self.rearm(out);
    }

    /// Tells that an operator taints a node `node.kubernetes.io/out-of-service:NoExecute`.
    pub(super) fn out_of_service(&mut self, now: Time, node: NodeId, out: &mut Vec<NodeOutput>) {
        let at = &mut self.nodes[node.0 as usize];
        if !at.exists || std::mem::replace(&mut at.is_out_of_service, true) {
            return;
        }
        out.push(NodeOutput::Taint { node, taint: NodeTaint::OutOfService });
        for pod in at.pods.clone() {
            let toleration = self.pods[&pod].tolerations.out_of_service;
            self.tolerate(now, pod, toleration, out);
        }
        self.collect_from(now, node);
        self.rearm(out);
    }

    /// Handles a timer.
    pub(super) fn handle(&mut self, now: Time, event: NodeLifeEvent, out: &mut Vec<NodeOutput>) {
        match event {
            NodeLifeEvent::Monitor(serial)
                if self.monitor.is_some_and(|(_, armed)| armed == serial) =>
            {
                self.monitor = None;
                self.pass(now, out);
            }
            NodeLifeEvent::Zone(zone, serial) => self.zone_due(now, zone, serial, out),
            NodeLifeEvent::Evict(pod, serial) => {
                let Some(evicted) = self.pods.get_mut(&pod) else { return };
                if evicted.eviction == Some(serial) {
                    evicted.eviction = None;
                    out.push(NodeOutput::Evict { pod });
                }
            }
            NodeLifeEvent::PodGc(serial)
                if self.pod_gc.is_some_and(|(_, armed)| armed == serial) =>
            {
                self.pod_gc = None;
                self.collect(now, out);
            }
            NodeLifeEvent::Monitor(_) | NodeLifeEvent::PodGc(_) => {}
        }
        self.rearm(out);
    }

    /// Passes over all nodes as `monitorNodeHealth` does.
    fn pass(&mut self, now: Time, out: &mut Vec<NodeOutput>) {
        if self.pass_at.is_some_and(|at| at <= now) {
            self.pass_at = None;
        }
        for index in 0..self.nodes.len() {
            let node = NodeId(u32::try_from(index).expect("nodes are numbered in 32 bits"));
            let at = &mut self.nodes[index];
            if !at.exists {
                continue;
            }
            if at.is_ready && !at.is_up && at.found_at <= now {
                at.is_ready = false;
                self.detections.remove(&(at.found_at, node));
                out.push(NodeOutput::NotReady { node });
                out.push(NodeOutput::Taint { node, taint: NodeTaint::UnreachableNoSchedule });
                out.extend(at.pods.iter().map(|pod| NodeOutput::PodUnready { pod: *pod }));
                self.collect_from(now, node);
            }
            let at = &self.nodes[index];
            if at.is_ready {
                self.reach(node, out);
            } else if !at.has_no_execute {
                self.enqueue(node);
            }
        }
        self.judge_zones(now, out);
        for zone in 0..self.zones.len() {
            self.pump(now, zone, out);
        }
    }

    /// Takes the `NoExecute` taint off a node and lets its pods stay.
    fn reach(&mut self, node: NodeId, out: &mut Vec<NodeOutput>) {
        self.dequeue(node);
        let at = &mut self.nodes[node.0 as usize];
        if !std::mem::take(&mut at.has_no_execute) {
            return;
        }
        out.push(NodeOutput::Untaint { node, taint: NodeTaint::UnreachableNoExecute });
        if !at.is_out_of_service {
            for pod in at.pods.clone() {
                self.keep(pod, out);
            }
        }
    }

    /// Taints a node `NoExecute`, so that its pods go when they no longer tolerate it.
    fn unreach(&mut self, now: Time, node: NodeId, out: &mut Vec<NodeOutput>) {
        let at = &mut self.nodes[node.0 as usize];
        at.has_no_execute = true;
        out.push(NodeOutput::Taint { node, taint: NodeTaint::UnreachableNoExecute });
        for pod in at.pods.clone() {
            let toleration = self.pods[&pod].tolerations.unreachable;
            self.tolerate(now, pod, toleration, out);
        }
    }

    fn tolerate(
        &mut self,
        now: Time,
        pod: PodId,
        toleration: Toleration,
        out: &mut Vec<NodeOutput>,
    ) {
        let tolerating = self.pods.get_mut(&pod).expect("a pod of a node is known");
        if tolerating.is_deleting {
            return;
        }
        match toleration {
            Toleration::Forever => {}
            Toleration::None => {
                self.keep(pod, out);
                out.push(NodeOutput::Evict { pod });
            }
            Toleration::For(span) if tolerating.eviction.is_none() => {
                self.serial = self.serial.wrapping_add(1);
                tolerating.eviction = Some(self.serial);
                out.push(NodeOutput::At(now + span, NodeLifeEvent::Evict(pod, self.serial)));
            }
            Toleration::For(_) => {}
        }
    }

    /// Takes back a pod's eviction.
    fn keep(&mut self, pod: PodId, out: &mut Vec<NodeOutput>) {
        if let Some(serial) = self.pods.get_mut(&pod).and_then(|pod| pod.eviction.take()) {
            out.push(NodeOutput::Cancel(NodeLifeEvent::Evict(pod, serial)));
        }
    }

    fn pass_after(&mut self, now: Time) {
        let at = as_time(next_tick(self.monitor_phase, self.monitor_period, as_ns(now)));
        self.pass_at = Some(self.pass_at.map_or(at, |earlier| earlier.min(at)));
    }

    /// Has the pods of a removed node deleted: found in one round, deleted in the first one after the quarantine.
    fn orphan(&mut self, now: Time, node: NodeId) {
        let found = next_tick(self.pod_gc_phase, self.params.pod_gc_period, as_ns(now));
        let quarantine = i128::from(self.params.pod_gc_quarantine.0);
        let due = next_tick(self.pod_gc_phase, self.params.pod_gc_period, found + quarantine);
        self.orphanings.insert((as_time(due), node));
    }

    /// Has the next round of the garbage collector look at a node that is out of service, if it would find anything.
    fn collect_from(&mut self, now: Time, node: NodeId) {
        let at = &self.nodes[node.0 as usize];
        let is_lost = at.exists && at.is_out_of_service && !at.is_ready;
        if is_lost && at.pods.iter().any(|pod| self.pods[pod].is_deleting) {
            let due = as_time(next_tick(self.pod_gc_phase, self.params.pod_gc_period, as_ns(now)));
            self.collect_at = Some(self.collect_at.map_or(due, |earlier| earlier.min(due)));
        }
    }

    /// Passes over all pods as the pod garbage collector does.
    fn collect(&mut self, now: Time, out: &mut Vec<NodeOutput>) {
        while let Some((due, node)) = self.orphanings.first().copied()
            && due <= now
        {
            self.orphanings.remove(&(due, node));
            let pods = &self.nodes[node.0 as usize].pods;
            out.extend(pods.iter().map(|pod| NodeOutput::ForceDelete { pod: *pod }));
        }
        if self.collect_at.take_if(|at| *at <= now).is_some() {
            for at in
                self.nodes.iter().filter(|at| at.exists && at.is_out_of_service && !at.is_ready)
            {
                let deleting = at.pods.iter().filter(|pod| self.pods[pod].is_deleting);
                out.extend(deleting.map(|pod| NodeOutput::ForceDelete { pod: *pod }));
            }
        }
    }

    /// Brings the timers of the periodic loops in step with what they would find; the last thing that any input does.
    fn rearm(&mut self, out: &mut Vec<NodeOutput>) {
        let detection = self.detections.first().map(|(at, _)| *at);
        let pass = [self.pass_at, detection].into_iter().flatten().min();
        let orphaning = self.orphanings.first().map(|(at, _)| *at);
        let round = [self.collect_at, orphaning].into_iter().flatten().min();
        rearm(&mut self.monitor, pass, NodeLifeEvent::Monitor, &mut self.serial, out);
        rearm(&mut self.pod_gc, round, NodeLifeEvent::PodGc, &mut self.serial, out);
    }
}

fn rearm(
    timer: &mut Option<(Time, u32)>,
    wanted: Option<Time>,
    event: impl Fn(u32) -> NodeLifeEvent,
    serials: &mut u32,
    out: &mut Vec<NodeOutput>,
) {
    if timer.map(|(at, _)| at) == wanted {
        return;
    }
    if let Some((_, serial)) = timer.take() {
        out.push(NodeOutput::Cancel(event(serial)));
    }
    if let Some(at) = wanted {
        *serials = serials.wrapping_add(1);
        *timer = Some((at, *serials));
        out.push(NodeOutput::At(at, event(*serials)));
    }
}

fn share_of(period: Span, share: f64) -> Span {
    Span::from_secs_f64(period.as_secs_f64() * share)
}

fn as_ns(time: Time) -> i128 {
    time.0.into()
}

fn as_time(ns: i128) -> Time {
    Time(u64::try_from(ns.max(0)).unwrap_or(u64::MAX))
}

/// Returns the last tick of a periodic loop at or before an instant; the loops were running before the run began.
fn last_tick(phase: Span, period: Span, at: i128) -> i128 {
    let (phase, period) = (i128::from(phase.0), i128::from(period.0.max(1)));
    at - (at - phase).rem_euclid(period)
}

/// Returns the first tick of a periodic loop at or after an instant.
fn next_tick(phase: Span, period: Span, at: i128) -> i128 {
    let last = last_tick(phase, period, at);
    if last == at { at } else { last + i128::from(period.0.max(1)) }
}

#[cfg(test)]
mod tests;
