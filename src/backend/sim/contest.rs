//! Who gets freed capacity: the order in which pods that want it at nearly the same time come before the scheduler.
//!
//! In a cluster this is a race. A waiting pod is woken by the departure that makes room; it wins unless it still backs off
//! from its last attempt (up to 10 s, kube-scheduler 1.36 `podMaxBackoffSeconds`), because then the replacement of the
//! departed pod, created within tens of milliseconds, is looked at first. Of pods that are created together the StatefulSet
//! controller's batches and the scheduler's load decide who is first. `FreedCapacity::ByTiming` plays that as it comes.
//! The other values settle the race: from the first pod that enters an empty queue the scheduler waits for a window, then
//! takes whoever is in the queue, by priority and then by index of the group, until the queue is empty.
//!
//! # Differs from the real thing
//! No kube-scheduler orders pods by the index of their group, and none waits: the window stands for the load or the
//! back-off that would make one contender meet the other. It delays every binding by its length.

use super::object::{NameId, PodRecord};
use super::schedule::SchedulingEvent;
use super::setup::FreedCapacity;
use super::world::{Event, Events, World};
use std::cmp::Reverse;

/// Where a contest stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Contest {
    /// Nobody waits; left when a pod enters the queue.
    #[default]
    None,
    /// The window is open: whoever enters takes part; left when it is over.
    Gathering,
    /// The scheduler takes one after another; left when the queue is empty.
    Deciding,
}

impl World<'_> {
    /// Returns the pod that the scheduler takes next, and removes it from the queue.
    pub(super) fn next_pod(&mut self, events: &mut Events) -> Option<NameId> {
        let races = self.setup.params.contest;
        if races.freed_capacity == FreedCapacity::ByTiming {
            return self.scheduling.next();
        }
        match self.scheduling.contest {
            _ if self.scheduling.is_idle() => self.scheduling.contest = Contest::None,
            Contest::None => {
                self.scheduling.contest = Contest::Gathering;
                events.after(races.window, Event::Scheduling(SchedulingEvent::Contest));
            }
            Contest::Gathering => {}
            Contest::Deciding => {
                let rank = |name: NameId| {
                    let (group, ordinal) = self.pod(name).map_or((0, 0), |pod| index_of(pod));
                    let group = match races.freed_capacity {
                        FreedCapacity::HighestIndex => -group,
                        FreedCapacity::LowestIndex | FreedCapacity::ByTiming => group,
                    };
                    (group, ordinal)
                };
                let contenders = self.scheduling.contenders();
                let first = contenders.min_by_key(|(name, priority, since)| {
                    (Reverse(*priority), rank(*name), *since)
                });
                let name = first.map(|(name, ..)| name);
                if let Some(name) = name {
                    self.scheduling.take(name);
                }
                return name;
            }
        }
        None
    }

    /// Ends a window.
    pub(super) fn decide_contest(&mut self, events: &mut Events) {
        if self.scheduling.contest == Contest::Gathering {
            self.scheduling.contest = Contest::Deciding;
        }
        self.kick(events);
    }
}

/// Returns the index of a pod's group, and its own in the group.
fn index_of(pod: &PodRecord) -> (i64, i64) {
    let ordinal = i64::from(pod.ordinal);
    match pod.group.as_ref().and_then(|group| group.group_index.parse().ok()) {
        Some(group) if pod.is_leader => (group, 0),
        Some(group) => (group, ordinal),
        None => (ordinal, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::super::setup::{FreedCapacity, RaceParams};
    use super::super::trial::Trial;
    use crate::backend::record::{GroupPhase, Outcome, What};
    use crate::engine::Span;

    /// Three groups of one node each on two nodes: which become ready?
    fn check(freed_capacity: FreedCapacity, expected: &[&str]) {
        let mut trial = Trial::new(2, "{replicas: 3, leaderWorkerTemplate: {size: 1}}");
        trial.setup.params.contest = RaceParams { freed_capacity, window: Span::from_secs(1) };
        let (records, end) = trial.run();
        assert_eq!(end.outcome, Outcome::Stuck);
        let mut ready: Vec<&str> = records
            .iter()
            .filter_map(|record| match &record.what {
                What::Group { group, phase: GroupPhase::Ready, .. } => Some(group.as_ref()),
                _ => None,
            })
            .collect();
        ready.sort_unstable();
        assert_eq!(ready, expected, "{freed_capacity:?}");
    }

    #[test]
    fn of_pods_that_come_together_the_rule_says_who_is_placed() {
        check(FreedCapacity::LowestIndex, &["default/s-0", "default/s-1"]);
        check(FreedCapacity::HighestIndex, &["default/s-1", "default/s-2"]);
    }
}
