//! The user: applies the workloads and plays the timeline, with the checks that stand between a user and the store.
//!
//! Entries with a fixed time happen then. The others happen one after another: a condition is looked at once all entries of
//! its kind before it have happened; "after the one before" follows whichever entry stands before it.

use super::object::{Kind, LwsRecord, NameId};
use super::setup::{Action, Setup, Target, When, Workload};
use super::world::{Event, Events, World};
use crate::backend::record::What;
use crate::engine::{Purpose, Ticket, Time};
use std::sync::Arc;

/// What the timeline's draws are for.
pub(super) const CHOICE: Purpose = Purpose::named("timeline-choice");

/// Seconds of 2026-01-01T00:00:00Z since the Unix epoch: the instant at which every run begins, so that condition times are
/// the same in every run.
const EPOCH_S: i64 = 1_767_225_600;

/// Returns the wall-clock time that an instant of a run stands for.
pub(super) fn clock(now: Time) -> jiff::Timestamp {
    let seconds = i64::try_from(now.0 / 1_000_000_000).unwrap_or(i64::MAX / 2);
    jiff::Timestamp::new(EPOCH_S.saturating_add(seconds), 0).unwrap_or(jiff::Timestamp::MAX)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Its turn has not come or its condition does not hold.
    Waiting,
    /// Its event is pending.
    Scheduled(Option<Ticket>),
    /// It has happened.
    Done,
}

/// Where the timeline stands.
#[derive(Debug)]
pub(super) struct Timeline {
    states: Vec<State>,
    /// Version of the groups at which conditions were last looked at.
    looked_at: Option<u64>,
}

impl Timeline {
    /// Returns a timeline of which nothing has happened.
    pub(super) fn new(setup: &Setup) -> Self {
        Self { states: vec![State::Waiting; setup.timeline.len()], looked_at: None }
    }

    /// Returns how many entries have happened.
    pub(super) fn happened(&self) -> u64 {
        self.states.iter().filter(|state| **state == State::Done).count() as u64
    }
}

impl World<'_> {
    /// Applies the workloads and schedules what has a fixed time.
    pub(super) fn start(&mut self, events: &mut Events) {
        let setup = self.setup;
        for workload in &setup.workloads {
            let result = self.apply(workload);
            self.tell_refusal(result);
        }
        for (index, entry) in setup.timeline.iter().enumerate() {
            if let When::At(at) = entry.when {
                let at = Time::ZERO + at + entry.delay;
                // It changes things, but a run is settled before it: `settled_timeline` makes it count when nothing else is left.
                let ticket = events.retry_at(at, Event::Timeline(index));
                self.timeline.states[index] = State::Scheduled(Some(ticket));
            }
        }
        self.flush(events);
        self.check_timeline(events);
    }

    /// Looks whether the next entries' turn has come.
    pub(super) fn check_timeline(&mut self, events: &mut Events) {
        if self.timeline.looked_at == Some(self.groups.version) {
            return;
        }
        self.timeline.looked_at = Some(self.groups.version);
        self.advance_timeline(false, events);
    }

    /// Called when nothing is left that can change the state. Returns whether an entry goes on from here.
    pub(super) fn settled_timeline(&mut self, events: &mut Events) -> bool {
        if self.advance_timeline(true, events) {
            return true;
        }
        let setup = self.setup;
        let mut pending: Vec<(Time, usize)> = Vec::new();
        for (index, entry) in setup.timeline.iter().enumerate() {
            if let (When::At(at), State::Scheduled(Some(_))) =
                (&entry.when, self.timeline.states[index])
            {
                pending.push((Time::ZERO + *at + entry.delay, index));
            }
        }
        let Some(&(at, index)) = pending.iter().min() else { return false };
        if let State::Scheduled(Some(ticket)) = self.timeline.states[index] {
            events.cancel(ticket);
        }
        events.at(at.max(self.now), Event::Timeline(index));
        self.timeline.states[index] = State::Scheduled(None);
        true
    }

    fn advance_timeline(&mut self, is_settled: bool, events: &mut Events) -> bool {
        let setup = self.setup;
        let mut previous = State::Done;
        let mut is_turn = true;
        let mut has_advanced = false;
        for (index, entry) in setup.timeline.iter().enumerate() {
            let state = self.timeline.states[index];
            if !matches!(entry.when, When::At(_)) {
                let holds = state == State::Waiting
                    && is_turn
                    && match &entry.when {
                        When::At(_) => false,
                        When::AfterPrevious => previous == State::Done,
                        When::Settled => is_settled && !has_advanced,
                        condition => self.holds(condition),
                    };
                if holds {
                    events.after(entry.delay, Event::Timeline(index));
                    self.timeline.states[index] = State::Scheduled(None);
                    has_advanced = true;
                }
                is_turn = is_turn && self.timeline.states[index] == State::Done;
            }
            previous = self.timeline.states[index];
        }
        has_advanced
    }

    fn holds(&self, condition: &When) -> bool {
        let track = |set: &Arc<str>| {
            self.store.names.find(set).and_then(|name| self.groups.sets.get(&name))
        };
        match condition {
            When::Ready { set, groups } => {
                track(set).is_some_and(|track| groups.unwrap_or(track.replicas) <= track.ready())
            }
            When::Updated { set, groups } => {
                track(set).is_some_and(|track| groups.unwrap_or(track.replicas) <= track.updated())
            }
            When::Condition { set, condition } => self
                .store
                .names
                .find(set)
                .and_then(|name| self.store.get::<LwsRecord>(name))
                .and_then(|record| record.lws.status.as_ref())
                .is_some_and(|status| {
                    status.conditions.iter().any(|c| *c.type_ == **condition && c.status == "True")
                }),
            When::At(_) | When::AfterPrevious | When::Settled => false,
        }
    }

    /// Carries out an entry.
    pub(super) fn timeline_event(&mut self, index: usize, events: &mut Events) {
        self.timeline.states[index] = State::Done;
        self.groups.version += 1;
        let entry = &self.setup.timeline[index];
        self.record(What::Action(entry.text.clone()));
        let action = &entry.action;
        let result = match action {
            Action::Apply(workloads) => {
                workloads.iter().try_for_each(|workload: &Workload| self.apply(workload))
            }
            Action::Patch { target, merge } => {
                self.patch(target, merge).map_err(|error| error.to_string())
            }
            Action::SetImage { target, container, image } => {
                self.set_image(target, container.as_deref(), image)
            }
            Action::Scale { target, replicas } => {
                self.scale(target, *replicas).map_err(|error| error.to_string())
            }
            Action::Delete { target, propagation } => self.delete_target(target, *propagation),
            Action::Cordon(nodes) => self.cordon(nodes, true, index),
            Action::Uncordon(nodes) => self.cordon(nodes, false, index),
            Action::Drain(nodes) => self.drain(nodes, index),
            Action::KillContainer(pod) => self.kill_container(pod, index, events),
            Action::KillPod(pod) => self.kill_pod(pod, index),
            Action::NodeDown { nodes, lasts } => self.nodes_down(nodes, *lasts, index, events),
            Action::NodeUp(nodes) => self.nodes_up(nodes, index, events),
            Action::NodeRemove(nodes) => self.remove_nodes(nodes, index, events),
            Action::OutOfService(nodes) => self.out_of_service(nodes, index, events),
            Action::UpgradeLws => {
                self.upgrade_lws(events);
                Ok(())
            }
        };
        self.tell_refusal(result);
    }

    fn tell_refusal(&mut self, result: Result<(), String>) {
        if let Err(message) = result {
            self.not_modelled.insert(format!("refused by the API server: {message}"));
            self.record(What::Action(format!("refused: {message}")));
        }
    }

    /// Returns the entries that never happened, in the scenario's words.
    pub(super) fn unplayed(&self) -> Vec<String> {
        let entries = self.setup.timeline.iter().zip(&self.timeline.states);
        entries
            .filter(|(_, state)| **state != State::Done)
            .map(|(entry, _)| entry.text.clone())
            .collect()
    }

    /// Returns the name of a target.
    pub(super) fn target_name(&mut self, target: &Target) -> NameId {
        self.store.names.intern(&target.namespace, &target.name)
    }
}

/// Returns the kind that a target names, if it is one that the store holds.
pub(super) fn kind_of(target: &Target) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| kind.as_str() == target.kind)
}
