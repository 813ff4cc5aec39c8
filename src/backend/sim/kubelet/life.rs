//! The states of a pod on its node: sandbox, container, readiness, crash, deletion, and the death and return of the node.
//!
//! Crash back-off follows `MaxContainerBackOff` of kubelet 1.36: the first crash restarts at once, the next wait 10 s and
//! twice as long each time up to 300 s; ten minutes between a start and the next crash reset it.

use super::{
    CLEANUP, Kubelets, NodeId, Output, PEER_LOSS, PROBE, PodId, RELIST, SANDBOX, STOP, State, Timer,
};
use crate::backend::sim::start::Arrival;
use crate::engine::{Span, Time, entity2};

/// A container that ran this many times the longest back-off before it exits starts with the shortest again.
const BACKOFF_RESET: u64 = 2;

impl Kubelets {
    /// Tells a pod's kubelet that the pod is deleted and has `grace` to stop.
    pub(in crate::backend::sim) fn delete(
        &mut self,
        now: Time,
        id: PodId,
        grace: Span,
        out: &mut Vec<Output>,
    ) {
        let Some(pod) = self.pods.get_mut(&id) else { return };
        match &mut pod.state {
            State::Down { is_deleted, .. } => *is_deleted = true,
            State::Cleanup => {}
            State::Stopping(until) if *until <= now + grace => {}
            State::Stopping(_) => {
                self.disarm(id, |_| true, out);
                self.stop_by(id, now + grace, out);
            }
            State::Running => {
                let entity = entity2(pod.entity, pod.restarts.into());
                let stop = &self.classes.get(pod.class).profile.stop;
                let stop = stop.sample_span(&mut self.streams.stream(STOP, entity));
                self.stop_work(now, id, out);
                self.stop_by(id, now + stop.min(grace), out);
            }
            State::Sandbox
            | State::Pulling
            | State::Exited { .. }
            | State::BackOff
            | State::Failed => {
                self.stop_work(now, id, out);
                self.clean_up(now, id, out);
            }
        }
        self.rearm(out);
    }

    /// Tells a pod's kubelet that the pod's object is gone: nobody waits for a confirmation.
    pub(in crate::backend::sim) fn force_gone(
        &mut self,
        now: Time,
        id: PodId,
        out: &mut Vec<Output>,
    ) {
        if !self.pods.contains_key(&id) {
            return;
        }
        let has_met = self.has_met(id);
        let broken = self.stop_work(now, id, out);
        if has_met || !broken.is_empty() {
            self.lose(now, id, &broken, out);
        }
        self.remove(id);
        self.rearm(out);
    }

    /// Ends a pod's container, if it runs; its kubelet starts it anew.
    pub(in crate::backend::sim) fn kill_container(
        &mut self,
        now: Time,
        id: PodId,
        out: &mut Vec<Output>,
    ) {
        if self.pods.get(&id).is_some_and(|pod| pod.state == State::Running) {
            self.exit(now, id, out);
        }
        self.rearm(out);
    }

    /// Stops a node with all that runs on it.
    pub(in crate::backend::sim) fn node_down(
        &mut self,
        now: Time,
        node: NodeId,
        out: &mut Vec<Output>,
    ) {
        let index = node.0 as usize;
        if !self.nodes[index].is_up {
            return;
        }
        self.nodes[index].is_up = false;
        self.nodes[index].cache.lose_volatile();
        let pods = self.nodes[index].pods.clone();
        let mut lost = Vec::new();
        for id in &pods {
            let has_met = self.has_met(*id);
            let broken = self.stop_work(now, *id, out);
            if has_met || !broken.is_empty() {
                lost.push((*id, broken));
            }
            let pod = self.pod_mut(*id);
            pod.state = State::Down {
                is_deleted: matches!(pod.state, State::Stopping(_) | State::Cleanup),
                has_failed: pod.state == State::Failed,
            };
            (pod.begun, pod.done) = (0, 0);
            let group = pod.group;
            self.groups.set_address(group, *id, false);
        }
        // Only now, so that pods of one group on this node do not tell one another.
        for (id, broken) in lost {
            self.lose(now, id, &broken, out);
        }
        self.rearm(out);
    }

    /// Starts a node that was down: its pods' sandboxes and containers are made anew.
    pub(in crate::backend::sim) fn node_up(
        &mut self,
        now: Time,
        node: NodeId,
        out: &mut Vec<Output>,
    ) {
        let index = node.0 as usize;
        if self.nodes[index].is_up {
            return;
        }
        self.nodes[index].is_up = true;
        for id in self.nodes[index].pods.clone() {
            let period = self.class_of(id).probe.map_or(Span::ZERO, |probe| probe.period);
            let is_failing = self.params.kubelet.has_failing_readmission;
            let streams = self.streams;
            let pod = self.pod_mut(id);
            let State::Down { is_deleted, has_failed } = pod.state else { continue };
            if is_deleted {
                self.clean_up(now, id, out);
                continue;
            }
            if std::mem::take(&mut pod.is_ready) {
                out.push(Output::Unready { pod: id });
            }
            if has_failed || (is_failing && pod.has_started) {
                pod.state = State::Failed;
                if !has_failed {
                    out.push(Output::Failed { pod: id });
                }
                continue;
            }
            // The kubelet forgets its back-offs, and spreads the first probes after its start over a period.
            pod.backoff = Span::ZERO;
            let share = streams.stream(PROBE, entity2(pod.entity, pod.restarts.into())).uniform();
            pod.probe_origin = now + Span::from_secs_f64(share * period.as_secs_f64());
            self.start_sandbox(now, id, out);
        }
        self.rearm(out);
    }

    pub(super) fn start_sandbox(&mut self, now: Time, id: PodId, out: &mut Vec<Output>) {
        let pod = self.pods.get_mut(&id).expect("a pod that starts is there");
        pod.state = State::Sandbox;
        let mut stream = self.streams.stream(SANDBOX, entity2(pod.entity, pod.restarts.into()));
        let sandbox = self.params.sandbox.sample_span(&mut stream);
        self.arm(now + sandbox, id, Timer::Step, out);
    }

    /// Takes the next step of a pod's life.
    pub(super) fn step(&mut self, now: Time, id: PodId, out: &mut Vec<Output>) {
        let pod = self.pod_mut(id);
        match pod.state {
            State::Sandbox => {
                pod.state = State::Pulling;
                let group = pod.group;
                let begun = self.groups.set_address(group, id, true);
                self.begin_meetings(now, group, begun, out);
                self.advance(now, id, out);
            }
            State::Exited { restart_at } => {
                if std::mem::take(&mut pod.is_ready) {
                    out.push(Output::Unready { pod: id });
                }
                if restart_at > now {
                    pod.state = State::BackOff;
                    self.arm(restart_at, id, Timer::Step, out);
                } else {
                    self.restart(now, id, out);
                }
            }
            State::BackOff => self.restart(now, id, out),
            State::Stopping(_) => {
                if self.has_met(id) {
                    self.lose(now, id, &[], out);
                }
                self.clean_up(now, id, out);
            }
            State::Cleanup => {
                self.remove(id);
                out.push(Output::Terminated { pod: id });
            }
            State::Pulling | State::Running | State::Failed | State::Down { .. } => {}
        }
    }

    fn restart(&mut self, now: Time, id: PodId, out: &mut Vec<Output>) {
        let (first, longest) = self.params.restart_backoff;
        let pod = self.pod_mut(id);
        pod.backoff = if pod.backoff == Span::ZERO {
            first
        } else {
            (pod.backoff + pod.backoff).min(longest)
        };
        self.start_container(now, id, out);
        self.advance(now, id, out);
    }

    pub(super) fn start_container(&mut self, now: Time, id: PodId, out: &mut Vec<Output>) {
        let has_probe = self.class_of(id).probe.is_some();
        let pod = self.pod_mut(id);
        pod.state = State::Running;
        pod.started_at = now;
        if pod.has_started {
            pod.restarts += 1;
            out.push(Output::ContainerRestarted { pod: id });
        } else {
            pod.has_started = true;
            out.push(Output::PhaseRunning { pod: id });
        }
        if !has_probe {
            pod.is_ready = true;
            out.push(Output::Ready { pod: id });
        }
    }

    /// Notes that a pod has done all its stages.
    pub(super) fn served(&mut self, now: Time, id: PodId, out: &mut Vec<Output>) {
        let group = self.pods[&id].group;
        let is_whole = self.groups.finish(group, id);
        if is_whole || !self.waits_for_members(id) {
            self.await_probe(now, id, out);
        }
        if is_whole {
            self.group_served(now, group, out);
        }
    }

    /// Lets the leader's probe succeed when the last member has done its stages.
    pub(super) fn group_served(&mut self, now: Time, group: u64, out: &mut Vec<Output>) {
        if let Some(leader) = self.groups.leader(group) {
            self.await_probe(now, leader, out);
        }
    }

    /// Returns whether a pod serves only when all members of its group have done their stages.
    pub(super) fn waits_for_members(&self, id: PodId) -> bool {
        self.pods[&id].is_leader && self.class_of(id).meetings() != 0
    }

    /// Arms the first tick of a served pod's probe.
    fn await_probe(&mut self, now: Time, id: PodId, out: &mut Vec<Output>) {
        let Some(probe) = self.class_of(id).probe else { return };
        let pod = &self.pods[&id];
        let is_armed = pod.timers.iter().any(|(timer, _)| *timer == Timer::Probe);
        if pod.state != State::Running || pod.is_ready || is_armed {
            return;
        }
        let from = now.max(pod.started_at + probe.initial_delay);
        let at = tick(pod.probe_origin, probe.period, from);
        self.arm(at, id, Timer::Probe, out);
    }

    pub(super) fn probe(&mut self, id: PodId, out: &mut Vec<Output>) {
        let pod = &self.pods[&id];
        let is_served = pod.done == self.class_of(id).runs(pod.is_leader)
            && (!self.waits_for_members(id) || self.groups.has_finished(pod.group));
        // A group that has lost a member since is probed again when it is whole.
        if is_served {
            self.pod_mut(id).is_ready = true;
            out.push(Output::Ready { pod: id });
        }
    }

    /// Lets a running container exit.
    pub(super) fn exit(&mut self, now: Time, id: PodId, out: &mut Vec<Output>) {
        let has_met = self.has_met(id);
        let broken = self.stop_work(now, id, out);
        let longest = self.params.restart_backoff.1;
        let pulls = self.class_of(id).pulls(self.pods[&id].is_leader);
        let pod = self.pods.get_mut(&id).expect("a pod that exits is there");
        if now.since(pod.started_at) > Span(longest.0.saturating_mul(BACKOFF_RESET)) {
            pod.backoff = Span::ZERO;
        }
        let phase = self.streams.stream(RELIST, pod.node.0.into()).uniform();
        let relist = self.params.kubelet.relist;
        let seen =
            tick(Time::ZERO + Span::from_secs_f64(phase * relist.as_secs_f64()), relist, now);
        pod.state = State::Exited { restart_at: now + pod.backoff };
        (pod.begun, pod.done) = (pulls, pulls);
        self.arm(seen, id, Timer::Step, out);
        if has_met || !broken.is_empty() {
            self.lose(now, id, &broken, out);
        }
    }

    fn stop_by(&mut self, id: PodId, until: Time, out: &mut Vec<Output>) {
        self.pod_mut(id).state = State::Stopping(until);
        self.arm(until, id, Timer::Step, out);
    }

    fn clean_up(&mut self, now: Time, id: PodId, out: &mut Vec<Output>) {
        let pod = self.pods.get_mut(&id).expect("a pod that ends is there");
        pod.state = State::Cleanup;
        if std::mem::take(&mut pod.is_ready) {
            out.push(Output::Unready { pod: id });
        }
        let cleanup =
            self.params.kubelet.cleanup.sample_span(&mut self.streams.stream(CLEANUP, pod.entity));
        self.arm(now + cleanup, id, Timer::Step, out);
    }

    fn remove(&mut self, id: PodId) {
        let Some(pod) = self.pods.remove(&id) else { return };
        self.nodes[pod.node.0 as usize].pods.retain(|other| *other != id);
        self.groups.leave(pod.group, id);
    }

    /// Gives up all that a pod is doing; returns the meetings that this breaks, which gather again.
    fn stop_work(&mut self, now: Time, id: PodId, out: &mut Vec<Output>) -> Vec<Arrival> {
        self.disarm(id, |_| true, out);
        let pod = &self.pods[&id];
        let (node, group) = (pod.node, pod.group);
        let mut left = pod.begun & !pod.done;
        while left != 0 {
            let stage = u8::try_from(left.trailing_zeros()).expect("a bit of 64");
            self.links.cancel(now, id, stage);
            left &= left - 1;
        }
        if self.nodes[node.0 as usize].pulls.drop_pod(id) {
            self.begin_pulls(now, node, out);
        }
        let broken = self.groups.withdraw(group, id);
        for Arrival { stage, there } in &broken {
            if let Some(serial) = self.meetings.remove(&(group, *stage)) {
                out.push(Output::Cancel(super::KubeletEvent::Meeting(group, *stage, serial)));
            }
            for other in there {
                self.links.cancel(now, *other, *stage);
                let timeout =
                    self.class_of(*other).profile.stages[usize::from(*stage)].group_timeout;
                if let Some(timeout) = timeout {
                    self.arm(now + timeout, *other, Timer::GroupTimeout(*stage), out);
                }
            }
        }
        broken
    }

    /// Returns whether a pod's running container has done a stage together with its group.
    fn has_met(&self, id: PodId) -> bool {
        let pod = &self.pods[&id];
        let is_running = matches!(pod.state, State::Running | State::Stopping(_));
        is_running && pod.done & self.class_of(id).meetings() != 0
    }

    /// Tells the other members of a group that they have lost one that they had met.
    fn lose(&mut self, now: Time, id: PodId, broken: &[Arrival], out: &mut Vec<Output>) {
        for other in self.groups.others(self.pods[&id].group, id) {
            let pod = &self.pods[&other];
            let was_there = broken.iter().any(|arrival| arrival.there.contains(&other));
            let is_armed = pod.timers.iter().any(|(timer, _)| *timer == Timer::PeerLost);
            if pod.state != State::Running || is_armed || !(was_there || self.has_met(other)) {
                continue;
            }
            let Some(delay) = &self.class_of(other).profile.peer_loss else { continue };
            let mut stream =
                self.streams.stream(PEER_LOSS, entity2(pod.entity, pod.restarts.into()));
            let delay = delay.sample_span(&mut stream);
            self.arm(now + delay, other, Timer::PeerLost, out);
        }
    }
}

/// Returns the first instant not before `from` of a ticker that began at `origin`.
fn tick(origin: Time, period: Span, from: Time) -> Time {
    let period = period.0.max(1);
    origin + Span(from.since(origin).0.div_ceil(period).saturating_mul(period))
}
