//! Runs that deviate from the order of their seed at given steps, and which deviations there are.
//!
//! A deviation is an event that comes before others that were due sooner, a watch event that comes late, or a crash of the
//! LWS manager. A run with a list of deviations is a run like any other: the search over such lists is in
//! `experiment::explore`.
//!
//! # Differs from the real thing
//! A watch event that is lost is a late one: a client whose watch breaks lists anew, and finds the newest state of each
//! object. Here what was late arrives in its old order, one change after another.

use super::check::Checks;
use super::order::actor_of;
use super::run::{Finished, begin, end, finish};
use super::setup::{Actor, Setup};
use super::watch::Watches;
use super::world::{Event, Events, World, Write};
use crate::controller::Action;
use crate::engine::{Queue, Span, Stop, Ticket, Time, run_by};

/// Events that may come before the one that is due, at the most; an assumption.
const WIDTH_MAX: usize = 8;

/// What is done otherwise at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deviation {
    /// The event at this place of those that are due within the window comes first; 0 is the usual one.
    Take(u32),
    /// The delivery of a watch that is due comes this much later, and with it what that watch brings after it.
    Late(Span),
    /// The LWS manager crashes, and starts again after this time.
    Crash(Span),
}

/// What is done otherwise in a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// How far after the first due event another may lie to come before it.
    pub window: Span,
    /// Deviations by step, in order; a step is the number of events that were handled before.
    pub deviations: Vec<(u64, Deviation)>,
}

/// A run with deviations.
#[derive(Clone, Debug)]
pub struct Played {
    /// How it ended; what ended it counts only if it was not given up.
    pub finished: Finished,
    /// The steps after the last deviation.
    pub path: Vec<Step>,
    /// What was done otherwise, in words.
    pub told: Vec<String>,
    /// Whether it was given up because it came to a known state.
    pub is_given_up: bool,
}

/// A step at which a run may deviate.
#[derive(Clone, Debug)]
pub struct Step {
    /// The step.
    pub step: u64,
    /// Number of the state before it.
    pub state: u64,
    /// What can be done otherwise.
    pub choices: Vec<Deviation>,
}

/// Follows a schedule.
pub(super) struct Follower<'s> {
    schedule: &'s Schedule,
    next: usize,
    told: Vec<String>,
}

impl<'s> Follower<'s> {
    /// Returns one that stands at the beginning.
    pub(super) fn new(schedule: &'s Schedule) -> Self {
        Self { schedule, next: 0, told: Vec::new() }
    }

    fn is_done(&self) -> bool {
        self.next == self.schedule.deviations.len()
    }

    /// Takes the next event, if one is due.
    pub(super) fn next(
        &mut self,
        world: &mut World<'_>,
        queue: &mut Events,
        horizon: Time,
    ) -> Option<Event> {
        while let Some(&(step, deviation)) = self.schedule.deviations.get(self.next)
            && step == queue.handled()
        {
            self.next += 1;
            let due = queue.due(self.schedule.window, horizon);
            let first = *due.first()?;
            let at = queue.next_at()?.max(queue.now());
            world.now = at;
            match deviation {
                Deviation::Take(place) => {
                    let Some(ticket) = due.get(place as usize) else { continue };
                    let what = world.words(queue, *ticket);
                    let before = world.words(queue, first);
                    self.told.push(format!("step {step}, {at}: {what} comes before {before}"));
                    return queue.pop(*ticket, at);
                }
                Deviation::Late(span) => {
                    let what = world.words(queue, first);
                    self.told.push(format!(
                        "step {step}, {at}: {what} comes {} s late",
                        span.as_secs_f64()
                    ));
                    let event = queue.cancel(first).expect("a due event is pending");
                    queue.at(at + span, event);
                }
                Deviation::Crash(span) => {
                    let what = world.words(queue, first);
                    self.told.push(format!(
                        "step {step}, {at}: the LWS manager crashes before {what}, and is back after {} s",
                        span.as_secs_f64()
                    ));
                    world.crash_lws(span, queue);
                }
            }
        }
        queue.advance(horizon)
    }
}

/// Plays a run with deviations, until it ends, breaks a rule, or comes to a state that `is_known` after the last of them.
pub fn play(
    setup: &Setup,
    seed: u64,
    schedule: &Schedule,
    is_known: &dyn Fn(u64) -> bool,
) -> Played {
    let mut sink = |_: &_| {};
    let mut queue = Queue::new();
    let mut world = World::new(setup, seed, &mut sink);
    world.checks = Some(Box::<Checks>::default());
    world.is_explored = true;
    begin(&mut world, &mut queue);
    let horizon = Time::ZERO + setup.horizon;
    let mut follower = Follower::new(schedule);
    let mut path = Vec::new();
    let mut is_given_up = false;
    let stop = run_by(&mut world, &mut queue, horizon, setup.events_max, |world, queue| {
        if world.checks.as_ref().is_some_and(|checks| checks.has_found()) {
            return None;
        }
        if follower.is_done() && queue.now() >= Time::ZERO + setup.params.explore.from {
            let state = world.fingerprint(queue);
            if is_known(state) {
                is_given_up = true;
                return None;
            }
            let choices = world.choices(queue, horizon);
            path.push(Step { step: queue.handled(), state, choices });
        }
        follower.next(world, queue, horizon)
    });
    let told = follower.told;
    let is_cut = is_given_up || stop == Stop::EventLimit;
    let end = end(&mut world, &queue, stop);
    let finished = finish(&mut world, end, !is_cut);
    Played { finished, path, told, is_given_up }
}

impl World<'_> {
    /// Returns what can be done otherwise now.
    fn choices(&self, queue: &mut Events, horizon: Time) -> Vec<Deviation> {
        let limits = &self.setup.params.explore;
        let due = queue.due(limits.window, horizon);
        let mut choices = Vec::new();
        let event = |ticket: &Ticket| queue.peek(*ticket).expect("a due event is pending");
        let Some(first) = due.first().map(event) else { return choices };
        if is_fixed(first) {
            return choices;
        }
        for (place, ticket) in (0..).zip(&due).take(WIDTH_MAX).skip(1) {
            if !is_fixed(event(ticket)) {
                choices.push(Deviation::Take(place));
            }
        }
        match first {
            Event::Deliver(stream) if Watches::watcher(*stream) != Actor::Kubelets => {
                choices.push(Deviation::Late(limits.late));
            }
            Event::Write(slot, _) => {
                let process = self.processes[*slot].as_ref();
                if process.is_some_and(super::world::Process::is_of_lws) {
                    choices.push(Deviation::Crash(limits.restart));
                }
            }
            _ => {}
        }
        choices
    }

    /// Returns an event in words.
    fn words(&self, queue: &Events, ticket: Ticket) -> String {
        let event = queue.peek(ticket).expect("a due event is pending");
        let actor = actor_of(event).map_or("", actor_name);
        let names = &self.store.names;
        match event {
            Event::Deliver(stream) => match self.watches.first(*stream) {
                Some(change) => {
                    let object = change.any();
                    let object = self.reference(object.kind(), object.meta().name);
                    format!("the delivery of {object} to {actor}")
                }
                None => format!("a delivery to {actor}"),
            },
            Event::Pass(controller, key, _) => {
                format!("the {controller:?} pass of {}", names.text(*key))
            }
            Event::Write(slot, index) => match &self.processes[*slot] {
                Some(process) => {
                    let write = process.in_flight.get(*index).and_then(Option::as_ref);
                    let what = write.map_or("nothing", write_name);
                    format!("the write {what} of {}", names.text(process.key))
                }
                None => "a write of a crashed manager".to_owned(),
            },
            Event::Due(controller, key) => {
                format!("the {controller:?} retry of {}", names.text(*key))
            }
            Event::Collect(kind, name, _) => {
                format!("the collection of {}", self.reference(*kind, *name))
            }
            other => format!("{other:?}"),
        }
    }
}

/// Whether an event keeps its place: the user's, and what happens on nodes.
fn is_fixed(event: &Event) -> bool {
    matches!(
        event,
        Event::Timeline(_)
            | Event::NodeBack(_)
            | Event::NodeLife(_)
            | Event::Kubelet(_)
            | Event::Restart(_)
    )
}

fn actor_name(actor: Actor) -> &'static str {
    match actor {
        Actor::Lws => "the LWS manager",
        Actor::StatefulSets => "the StatefulSet controller",
        Actor::GarbageCollector => "the garbage collector",
        Actor::Scheduler => "the scheduler",
        Actor::Kubelets => "the kubelets",
    }
}

fn write_name(write: &Write) -> &'static str {
    use super::set_shell::SetWrite;
    match write {
        Write::Lws(action) => match action {
            Action::CreateRevision(_) => "CreateRevision",
            Action::ApplyLeaderSet(_) => "ApplyLeaderSet",
            Action::CreateService(_) => "CreateService",
            Action::CreateWorkerSet(_) => "CreateWorkerSet",
            Action::UpdateStatus(_) => "UpdateStatus",
            Action::DeleteRevision { .. } => "DeleteRevision",
            Action::DeletePodForeground { .. } => "DeletePodForeground",
            _ => "of another kind",
        },
        Write::Set(write) => match write {
            SetWrite::CreateRevision { .. } => "CreateRevision",
            SetWrite::Renumber { .. } => "Renumber",
            SetWrite::DeleteRevision { .. } => "DeleteRevision",
            SetWrite::Claims { .. } => "Claims",
            SetWrite::CreatePod { .. } => "CreatePod",
            SetWrite::DeletePod { .. } => "DeletePod",
            SetWrite::Status { .. } => "Status",
        },
    }
}
