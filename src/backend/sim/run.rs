//! One simulated run from set-up to end.

use super::check::{Checks, Violation};
use super::explore::{Follower, Schedule};
use super::object::{Meta, NodeRecord};
use super::order::{self, Order};
use super::setup::Setup;
use super::world::{Events, World};
use crate::backend::record::{Outcome, Record, RunEnd};
use crate::engine::{Queue, Stop, Time, run as run_engine, run_by};
use std::sync::Arc;

/// How a run is played, beside its seed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether the rules of [`super::check`] watch it.
    pub check: bool,
    /// Which order of events that might as well come the other way round; 0 is the one of the seed (see [`super::order`]).
    pub order: u64,
    /// What is done otherwise; then the order is that of the seed.
    pub schedule: Option<Schedule>,
}

/// A run that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    /// How it ended.
    pub end: RunEnd,
    /// Rules that were broken, in the order of time; empty where none was watched.
    pub violations: Vec<Violation>,
}

/// Runs a set-up with a seed and tells `sink` what happens, in time order.
///
/// The same set-up and seed give the same records on any machine.
pub fn run(setup: &Setup, seed: u64, sink: &mut dyn FnMut(&Record)) -> RunEnd {
    run_with(setup, seed, &Options::default(), sink).end
}

/// Runs a set-up as [`run`] does, with options.
pub fn run_with(
    setup: &Setup,
    seed: u64,
    options: &Options,
    sink: &mut dyn FnMut(&Record),
) -> Finished {
    let mut events = Queue::new();
    let mut world = World::new(setup, seed, sink);
    if options.check {
        world.checks = Some(Box::default());
    }
    world.luck = order::luck(seed, options.order);
    begin(&mut world, &mut events);
    let (horizon, limit) = (Time::ZERO + setup.horizon, setup.events_max);
    let stop = if let Some(schedule) = &options.schedule {
        let mut follower = Follower::new(schedule);
        run_by(&mut world, &mut events, horizon, limit, |world, queue| {
            follower.next(world, queue, horizon)
        })
    } else if options.order == 0 && setup.params.races.first.is_empty() {
        run_engine(&mut world, &mut events, horizon, limit)
    } else {
        let mut order = Order::new(seed, options.order, &setup.params.races);
        run_by(&mut world, &mut events, horizon, limit, |_, queue| order.next(queue, horizon))
    };
    let end = end(&mut world, &events, stop);
    finish(&mut world, end, true)
}

/// Returns a run that is over; what is wished of its end counts only if it `has_ended` by itself.
pub(super) fn finish(world: &mut World<'_>, end: RunEnd, has_ended: bool) -> Finished {
    let Some(mut checks) = world.checks.take() else {
        return Finished { end, violations: Vec::new() };
    };
    if has_ended {
        checks.end_wishes(world, &end);
    }
    Finished { end, violations: Checks::into_violations(*checks) }
}

/// Puts the nodes there and starts the user.
pub(super) fn begin(world: &mut World<'_>, events: &mut Events) {
    for (index, node) in world.setup.nodes.iter().enumerate() {
        let name = world.store.names.intern("", node.metadata.name.as_deref().unwrap_or_default());
        let index = u32::try_from(index).expect("fewer than 2^32 nodes");
        let record = NodeRecord {
            meta: Meta::new(name, None),
            node: Arc::clone(node),
            index,
            is_ready: true,
        };
        let record =
            world.store.create(Time::ZERO, record).expect("scenario refuses duplicate node names");
        world.node_added(&record);
    }
    // The cluster is there before the run: its caches are in step.
    world.prime();
    world.start(events);
}

/// Says how a run has ended.
pub(super) fn end(world: &mut World<'_>, events: &Events, stop: Stop) -> RunEnd {
    let setup = world.setup;
    world.now = events.now();
    let waits = world.waits();
    let at = match stop {
        Stop::Settled => world.changed_at,
        Stop::Horizon => Time::ZERO + setup.horizon,
        Stop::EventLimit => world.now,
    };
    let outcome = match stop {
        Stop::Settled if waits.is_empty() => Outcome::Settled,
        Stop::Settled => Outcome::Stuck,
        Stop::Horizon => Outcome::Horizon,
        Stop::EventLimit => Outcome::Error,
    };
    let mut not_modelled: Vec<String> =
        std::mem::take(&mut world.not_modelled).into_iter().collect();
    not_modelled.extend(
        world
            .unplayed()
            .into_iter()
            .map(|text| format!("the timeline's entry `{text}` never came about")),
    );
    if stop == Stop::EventLimit {
        not_modelled.push(format!("the run was cut off after {} events", setup.events_max));
    }
    RunEnd { outcome, at, events: events.handled(), waits, not_modelled }
}
