//! The order of events that might as well come the other way round.
//!
//! Two things decide who is first in a cluster: how long each delivery, computation and request takes, and who is first of
//! those that are ready at the same instant. Order 0 takes both from the run's seed. Every other order draws them anew,
//! from streams of its own number, and leaves all other luck (failures, pull times, draws of the timeline) as it is: so runs
//! that differ in the order alone differ by races alone.
//!
//! `races.order` of a scenario puts components first in all orders. Entries of the timeline keep their order: they are one
//! user's.

use super::setup::{Actor, Races};
use super::watch::Watches;
use super::world::{Controller, Event};
use crate::engine::{Purpose, Queue, Span, Streams, Ticket, Time, entity2};

const ORDER: Purpose = Purpose::named("order-of-ties");

/// Returns the streams of the control plane's delays in an order.
pub(super) fn luck(seed: u64, order: u64) -> Streams {
    if order == 0 { Streams::new(seed) } else { Streams::new(entity2(seed, order)) }
}

/// Chooses the next event of a run.
pub(super) struct Order {
    streams: Streams,
    is_drawn: bool,
    first: Vec<Actor>,
}

impl Order {
    /// Returns an order of a run.
    pub(super) fn new(seed: u64, order: u64, races: &Races) -> Self {
        Self { streams: luck(seed, order), is_drawn: order != 0, first: races.first.clone() }
    }

    /// Takes the next event, if one is due.
    pub(super) fn next(&mut self, queue: &mut Queue<Event>, horizon: Time) -> Option<Event> {
        let due = queue.due(Span::ZERO, horizon);
        if due.len() < 2 {
            return queue.advance(horizon);
        }
        let at = queue.next_at()?;
        let chosen = self.choose(queue, &due);
        queue.pop(chosen, at)
    }

    fn choose(&self, queue: &Queue<Event>, due: &[Ticket]) -> Ticket {
        let event = |ticket: &Ticket| queue.peek(*ticket).expect("a due event is pending");
        let is_user = |ticket: &Ticket| matches!(event(ticket), Event::Timeline(_));
        if is_user(&due[0]) {
            return due[0];
        }
        let rank = |ticket: &Ticket| {
            let actor = actor_of(event(ticket));
            self.first.iter().position(|first| Some(*first) == actor).unwrap_or(self.first.len())
        };
        let best = due.iter().filter(|ticket| !is_user(ticket)).map(rank).min();
        let equals: Vec<Ticket> = due
            .iter()
            .filter(|ticket| !is_user(ticket) && Some(rank(ticket)) == best)
            .copied()
            .collect();
        if !self.is_drawn {
            return equals[0];
        }
        equals[self.streams.stream(ORDER, queue.handled()).index(equals.len())]
    }
}

/// Returns whose event it is; none where it is the user's or the world's.
pub(super) fn actor_of(event: &Event) -> Option<Actor> {
    match event {
        Event::Deliver(stream) => Some(Watches::watcher(*stream)),
        Event::Pass(controller, ..) | Event::Due(controller, _) => Some(match controller {
            Controller::Lws | Controller::Pod => Actor::Lws,
            Controller::StatefulSet => Actor::StatefulSets,
        }),
        Event::Collect(..) => Some(Actor::GarbageCollector),
        Event::Scheduling(_) => Some(Actor::Scheduler),
        Event::Kubelet(_) => Some(Actor::Kubelets),
        Event::Write(..)
        | Event::NodeLife(_)
        | Event::Timeline(_)
        | Event::NodeBack(_)
        | Event::Restart(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::run::{Finished, Options, run_with};
    use super::super::trial::{Trial, set_image};
    use super::*;
    use crate::backend::record::Record;
    use crate::engine::Distribution;

    fn play(trial: &Trial, order: u64) -> (Vec<Record>, Finished) {
        let mut records = Vec::new();
        let options = Options { check: true, order, ..Options::default() };
        let finished =
            run_with(&trial.setup, 1, &options, &mut |record| records.push(record.clone()));
        (records, finished)
    }

    fn rollout() -> Trial {
        Trial::new(4, "{replicas: 2, leaderWorkerTemplate: {size: 2}}").then(set_image("img:2"))
    }

    #[test]
    fn an_order_repeats_itself_and_differs_from_others() {
        let mut trial = rollout();
        trial.setup.params.watch_delay = Distribution::Uniform { min: 0.001, max: 0.01 };
        let runs: Vec<_> = (0..3).map(|order| play(&trial, order)).collect();
        for (order, run) in (0..).zip(&runs) {
            assert!(play(&trial, order) == *run, "order {order} differs from itself");
            assert_eq!(run.1.violations, []);
        }
        assert!(runs[1].0 != runs[2].0, "two orders are alike");
    }

    /// Events of two controllers, of the user and of the world at one instant: the order in which they are taken.
    fn ties(order: u64, first: &[Actor]) -> String {
        let mut queue = Queue::new();
        let key = super::super::object::NameId(0);
        for event in [
            Event::Due(Controller::Lws, key),
            Event::Due(Controller::StatefulSet, key),
            Event::NodeBack(key),
            Event::Timeline(0),
            Event::Timeline(1),
        ] {
            queue.at(Time(5), event);
        }
        let races = Races { first: first.to_vec(), ..Races::default() };
        let mut order = Order::new(1, order, &races);
        let mut taken = String::new();
        while let Some(event) = order.next(&mut queue, Time::MAX) {
            taken.push_str(match event {
                Event::Due(Controller::Lws, _) => "l",
                Event::Due(..) => "s",
                Event::Timeline(0) => "0",
                Event::Timeline(_) => "1",
                _ => "n",
            });
        }
        taken
    }

    #[test]
    fn ties_are_drawn_but_the_user_keeps_the_order_of_the_timeline() {
        assert_eq!(ties(0, &[]), "lsn01");
        assert_eq!(ties(0, &[Actor::StatefulSets]), "sln01");
        let drawn: std::collections::BTreeSet<String> =
            (1..50).map(|order| ties(order, &[])).collect();
        assert!(drawn.len() > 3, "{drawn:?}");
        assert!(drawn.iter().all(|taken| taken.find('0') < taken.find('1')), "{drawn:?}");
        let first: Vec<String> = (1..50).map(|order| ties(order, &[Actor::Lws])).collect();
        assert!(first.iter().all(|taken| taken.starts_with('l')), "{first:?}");
    }

    #[test]
    fn who_is_first_decides_ties_only() {
        let mut trial = rollout();
        let (_, usual) = play(&trial, 0);
        trial.setup.params.races.first =
            vec![Actor::Kubelets, Actor::Scheduler, Actor::StatefulSets];
        let (_, other) = play(&trial, 0);
        assert_eq!(other.end.outcome, usual.end.outcome);
        assert_eq!(other.violations, []);
    }

    #[test]
    fn a_slow_cache_makes_a_rollout_slow() {
        let mut trial = rollout();
        let (_, usual) = play(&trial, 0);
        let lag = Distribution::Constant(2.0);
        trial.setup.params.races.cache_lag = vec![(Actor::Lws, lag)];
        let (_, slow) = play(&trial, 0);
        assert_eq!(slow.violations, []);
        assert!(
            slow.end.at > usual.end.at + Span::from_secs(4),
            "{} {}",
            usual.end.at,
            slow.end.at
        );
    }
}
