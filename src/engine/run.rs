//! The event loop: hands events to a model until there is a reason to stop.
//!
//! Leaves all meaning to the [`Model`]. Implements the rules that every run has a limit and that the end of a run is a
//! typed reason.

use super::queue::Queue;
use super::time::Time;

/// What events do.
pub trait Model {
    /// Something that happens at an instant.
    type Event;

    /// Carries out one event; `queue.now()` is its instant.
    fn handle(&mut self, event: Self::Event, queue: &mut Queue<Self::Event>);

    /// Called when no live event is pending. Returns true if the model went on by itself and scheduled a live event, for
    /// example the next entry of a timeline that waits for quiet; false if nothing is left that can change anything.
    fn settled(&mut self, queue: &mut Queue<Self::Event>) -> bool;
}

/// Why a run stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Nothing pending can change anything, and the model has nothing more to begin.
    Settled,
    /// What is pending lies past the horizon.
    Horizon,
    /// The limit of events was reached with more to do.
    EventLimit,
}

/// Runs `model` until nothing is left to do, `horizon` is passed, or `events_max` events were handled.
///
/// Events are handled up to and including the horizon. Retries that are pending when the model settles stay pending.
pub fn run<M: Model>(
    model: &mut M,
    queue: &mut Queue<M::Event>,
    horizon: Time,
    events_max: u64,
) -> Stop {
    run_by(model, queue, horizon, events_max, |_, queue| queue.advance(horizon))
}

/// Runs `model` as [`run`] does, with `next` to choose the event that comes next: it returns none if none is due up to
/// and including the horizon.
pub fn run_by<M: Model>(
    model: &mut M,
    queue: &mut Queue<M::Event>,
    horizon: Time,
    events_max: u64,
    mut next: impl FnMut(&mut M, &mut Queue<M::Event>) -> Option<M::Event>,
) -> Stop {
    let limit = queue.handled().saturating_add(events_max);
    loop {
        if queue.live() == 0 {
            if !model.settled(queue) {
                return Stop::Settled;
            }
            assert!(
                queue.live() > 0,
                "the model went on after settling at {} without a live event",
                queue.now()
            );
        }
        if queue.handled() >= limit {
            let is_due = queue.next_at().is_some_and(|time| time <= horizon);
            return if is_due { Stop::EventLimit } else { Stop::Horizon };
        }
        match next(model, queue) {
            Some(event) => model.handle(event, queue),
            None => return Stop::Horizon,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Span;

    /// Counts down, one event a nanosecond, then begins the next of `rounds`.
    struct Countdown {
        rounds: Vec<u32>,
        has_tick: bool,
        log: String,
    }

    enum Event {
        Count(u32),
        Tick,
    }

    impl Model for Countdown {
        type Event = Event;

        fn handle(&mut self, event: Event, queue: &mut Queue<Event>) {
            match event {
                Event::Count(left) => {
                    self.log += &left.to_string();
                    if left > 0 {
                        queue.after(Span(10), Event::Count(left - 1));
                    }
                }
                Event::Tick => {
                    self.log += "t";
                    queue.retry_at(queue.now() + Span(10), Event::Tick);
                }
            }
        }

        fn settled(&mut self, queue: &mut Queue<Event>) -> bool {
            self.log += ".";
            if self.has_tick && queue.is_empty() {
                queue.retry_at(queue.now() + Span(5), Event::Tick);
            }
            let Some(count) = self.rounds.pop() else { return false };
            queue.after(Span(10), Event::Count(count));
            true
        }
    }

    fn check(
        rounds: &[u32],
        has_tick: bool,
        horizon: u64,
        events_max: u64,
        expected: (&str, Stop),
    ) {
        let rounds = rounds.iter().rev().copied().collect();
        let mut model = Countdown { rounds, has_tick, log: String::new() };
        let stop = run(&mut model, &mut Queue::new(), Time(horizon), events_max);
        assert_eq!((model.log.as_str(), stop), expected);
    }

    #[test]
    fn a_run_ends_when_nothing_live_is_left() {
        check(&[], false, 1000, 1000, (".", Stop::Settled));
        check(&[2], false, 1000, 1000, (".210.", Stop::Settled));
        check(&[1, 0], false, 1000, 1000, (".10.0.", Stop::Settled));
    }

    #[test]
    fn ticks_run_but_do_not_keep_a_run_alive() {
        check(&[2], true, 1000, 1000, (".t2t1t0.", Stop::Settled));
    }

    #[test]
    fn a_run_ends_after_the_horizon() {
        check(&[9], false, 30, 1000, (".987", Stop::Horizon));
        check(&[9], false, 29, 1000, (".98", Stop::Horizon));
    }

    #[test]
    fn a_run_ends_at_the_limit_of_events_only_if_there_is_more_to_do() {
        check(&[9], false, 1000, 3, (".987", Stop::EventLimit));
        check(&[2], false, 1000, 3, (".210.", Stop::Settled));
        check(&[9], false, 30, 3, (".987", Stop::Horizon));
        check(&[9], false, 1000, 0, (".", Stop::EventLimit));
    }
}
