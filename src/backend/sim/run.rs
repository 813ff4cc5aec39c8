//! One simulated run from set-up to end.

use super::object::{Meta, NodeRecord};
use super::setup::Setup;
use super::world::World;
use crate::backend::record::{Outcome, Record, RunEnd};
use crate::engine::{Queue, Stop, Time, run as run_engine};
use std::sync::Arc;

/// Runs a set-up with a seed and tells `sink` what happens, in time order.
///
/// The same set-up and seed give the same records on any machine.
pub fn run(setup: &Setup, seed: u64, sink: &mut dyn FnMut(&Record)) -> RunEnd {
    let mut events = Queue::new();
    let mut world = World::new(setup, seed, sink);
    for (index, node) in setup.nodes.iter().enumerate() {
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
    world.start(&mut events);
    let stop = run_engine(&mut world, &mut events, Time::ZERO + setup.horizon, setup.events_max);
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
