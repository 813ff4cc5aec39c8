//! Work queues of controllers: keys that are processed once at a time, delayed adds, and per-key back-off.
//!
//! Follows client-go's `workqueue` (v0.36): de-duplicated keys, a key that is added while it is processed runs again
//! afterwards, back-off 5 ms doubling to 1000 s. Knows neither what a key means nor how a pass works.

use super::object::NameId;
use crate::engine::{Span, Ticket, Time};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;

const BACKOFF_FIRST: Span = Span::from_millis(5);
const BACKOFF_MAX: Span = Span::from_secs(1000);

/// A controller's queue.
#[derive(Debug)]
pub(super) struct WorkQueue {
    ready: VecDeque<NameId>,
    keys: FxHashMap<NameId, Key>,
    workers: u32,
    busy: u32,
}

#[derive(Debug, Default)]
struct Key {
    is_queued: bool,
    is_processing: bool,
    is_dirty: bool,
    failures: u32,
    delayed: Option<Delayed>,
    failed_at_version: Option<u64>,
}

/// A delayed add that is pending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delayed {
    /// When it comes due.
    pub(super) at: Time,
    /// Its event.
    pub(super) ticket: Ticket,
    /// Whether it may change something, as far as is known.
    pub(super) is_live: bool,
}

/// What became of a delayed add.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delay {
    /// It must be scheduled; the event that it replaces, if any, must be cancelled.
    Schedule(Option<Ticket>),
    /// A shorter one is pending already.
    Keep(Delayed),
}

impl WorkQueue {
    /// Returns an empty queue that this many workers serve.
    pub(super) fn new(workers: u32) -> Self {
        Self { ready: VecDeque::new(), keys: FxHashMap::default(), workers, busy: 0 }
    }

    /// Adds a key now. Returns a delayed add that was to bring news and cannot any more: it stays, as in client-go, but only
    /// repeats what this add does.
    pub(super) fn add(&mut self, name: NameId) -> Option<Delayed> {
        let key = self.keys.entry(name).or_default();
        let overtaken = key.delayed.filter(|delayed| delayed.is_live);
        if key.is_processing {
            key.is_dirty = true;
        } else if !key.is_queued {
            key.is_queued = true;
            self.ready.push_back(name);
        }
        overtaken
    }

    /// Decides about an add that comes due at `at`.
    pub(super) fn delay(&mut self, name: NameId, at: Time) -> Delay {
        let key = self.keys.entry(name).or_default();
        match key.delayed {
            Some(pending) if pending.at <= at => Delay::Keep(pending),
            pending => Delay::Schedule(pending.map(|pending| pending.ticket)),
        }
    }

    /// Notes the event of a delayed add.
    pub(super) fn set_delayed(&mut self, name: NameId, delayed: Delayed) {
        self.keys.entry(name).or_default().delayed = Some(delayed);
    }

    /// Forgets the delayed add of a key, which has come due.
    pub(super) fn due(&mut self, name: NameId) {
        if let Some(key) = self.keys.get_mut(&name) {
            key.delayed = None;
        }
    }

    /// Returns the delayed add of a key.
    pub(super) fn delayed(&self, name: NameId) -> Option<Delayed> {
        self.keys.get(&name).and_then(|key| key.delayed)
    }

    /// Takes the next key, if a worker is free.
    pub(super) fn take(&mut self) -> Option<NameId> {
        if self.busy == self.workers {
            return None;
        }
        let name = self.ready.pop_front()?;
        let key = self.keys.get_mut(&name).expect("a queued key is known");
        key.is_queued = false;
        key.is_processing = true;
        self.busy += 1;
        Some(name)
    }

    /// Ends a pass of a key.
    pub(super) fn done(&mut self, name: NameId) {
        self.busy -= 1;
        let key = self.keys.get_mut(&name).expect("a processed key is known");
        key.is_processing = false;
        if std::mem::take(&mut key.is_dirty) && !key.is_queued {
            key.is_queued = true;
            self.ready.push_back(name);
        }
    }

    /// Forgets the failures of a key.
    pub(super) fn forget(&mut self, name: NameId) {
        if let Some(key) = self.keys.get_mut(&name) {
            key.failures = 0;
            key.failed_at_version = None;
        }
    }

    /// Counts a failure and returns the back-off, and whether the pass before failed at the same version of the store:
    /// then another try can only fail again until something else changes.
    pub(super) fn fail(&mut self, name: NameId, version: u64) -> (Span, bool) {
        let key = self.keys.entry(name).or_default();
        let factor = 1_u64 << key.failures.min(20);
        key.failures += 1;
        let is_futile = key.failed_at_version.replace(version) == Some(version);
        (Span((BACKOFF_FIRST.0 * factor).min(BACKOFF_MAX.0)), is_futile)
    }

    /// Returns the keys that wait for a worker, in order.
    pub(super) fn ready(&self) -> impl Iterator<Item = NameId> {
        self.ready.iter().copied()
    }

    /// Whether a key that is processed has been added again.
    pub(super) fn is_dirty(&self, name: NameId) -> bool {
        self.keys.get(&name).is_some_and(|key| key.is_dirty)
    }

    /// Whether the last pass of the key failed.
    pub(super) fn is_failing(&self, name: NameId) -> bool {
        self.keys.get(&name).is_some_and(|key| key.failures > 0)
    }

    /// Whether a pass of the key failed at another version of the store than this one.
    pub(super) fn failed_before(&self, name: NameId, version: u64) -> bool {
        self.keys
            .get(&name)
            .and_then(|key| key.failed_at_version)
            .is_some_and(|failed| failed != version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_added_while_processed_runs_once_more() {
        let mut queue = WorkQueue::new(1);
        queue.add(NameId(1));
        queue.add(NameId(1));
        assert_eq!(queue.take(), Some(NameId(1)));
        queue.add(NameId(1));
        assert_eq!(queue.take(), None, "the only worker is busy");
        queue.done(NameId(1));
        assert_eq!(queue.take(), Some(NameId(1)));
        queue.done(NameId(1));
        assert_eq!(queue.take(), None);
    }

    #[test]
    fn back_off_doubles_and_knows_futile_tries() {
        let mut queue = WorkQueue::new(1);
        assert_eq!(queue.fail(NameId(1), 7), (Span::from_millis(5), false));
        assert_eq!(queue.fail(NameId(1), 7), (Span::from_millis(10), true));
        assert_eq!(queue.fail(NameId(1), 8), (Span::from_millis(20), false));
        queue.forget(NameId(1));
        assert_eq!(queue.fail(NameId(1), 8), (Span::from_millis(5), false));
    }
}
