//! One link of a sharing: its level, its clock, and the order of its transfers.

use super::{Slot, UNLIMITED};
use crate::engine::Time;
use smallvec::SmallVec;
use std::collections::BTreeSet;

/// Rate in 1/1024 byte per second; [`UNLIMITED`] is infinite.
pub(super) type Rate = u64;

/// Rate units times nanoseconds.
pub(super) type Work = u128;

/// A link with more transfers than this is crowded, whatever they are.
pub(super) const SIMPLE_MAX: usize = 16;

/// A link and what it knows of the transfers that cross it.
#[derive(Clone, Debug)]
pub(super) struct Link {
    /// [`UNLIMITED`] is infinite.
    pub(super) capacity: Rate,
    /// Sum of the own limits of the transfers that cross it.
    pub(super) demand: u128,
    /// Transfers that cross it.
    pub(super) members: BTreeSet<Slot>,
    /// Whether its level hangs on the own limits of its transfers alone: they are few, and either it can give each what
    /// it could use, or all cross the same links, so that those treat all alike. Once a link is crowded it stays so until
    /// it is empty.
    pub(super) is_simple: bool,
    /// The rate of the transfers that it holds back; [`UNLIMITED`] where it holds none back.
    pub(super) level: Rate,
    /// Work that a transfer at the level has done since the beginning, at `clock_since`. Crowded links only, as all below.
    pub(super) clock: Work,
    pub(super) clock_since: Time,
    /// Transfers that the link does not hold back, by the rate that they have without it, and the sum of these.
    below: BTreeSet<(Rate, Slot)>,
    below_sum: u128,
    /// Transfers that it holds back, by the rate that they could have without it.
    above: BTreeSet<(Rate, Slot)>,
    /// Transfers that cross another crowded link as well.
    pub(super) coupled: BTreeSet<Slot>,
    /// Transfers that go at the level, by what the clock shows when they are complete.
    pub(super) until: BTreeSet<(Work, Slot)>,
    /// The completion of the first of these, as the sharing knows it.
    pub(super) due: Option<Time>,
}

impl Link {
    pub(super) fn new(capacity: Rate) -> Self {
        Self {
            capacity,
            demand: 0,
            members: BTreeSet::new(),
            is_simple: true,
            level: UNLIMITED,
            clock: 0,
            clock_since: Time::ZERO,
            below: BTreeSet::new(),
            below_sum: 0,
            above: BTreeSet::new(),
            coupled: BTreeSet::new(),
            until: BTreeSet::new(),
            due: None,
        }
    }

    /// Returns whether it can hold back any transfer.
    pub(super) fn can_bind(&self) -> bool {
        self.capacity != UNLIMITED && self.demand > u128::from(self.capacity)
    }

    /// Returns the level that follows from the own limits of its transfers.
    pub(super) fn simple_level(&self, mut limits: SmallVec<[Rate; SIMPLE_MAX]>) -> Rate {
        if !self.can_bind() {
            return UNLIMITED;
        }
        limits.sort_unstable();
        let mut left = self.capacity;
        for (index, limit) in limits.iter().enumerate() {
            let share = left / (limits.len() - index) as u64;
            if *limit > share {
                return self.at_least_a_crumb(share);
            }
            left -= limit;
        }
        unreachable!("a link that can bind holds a transfer back")
    }

    /// Changes what a transfer could have without the link; returns whether the level may change by it.
    pub(super) fn set_bound(&mut self, slot: Slot, old: Option<Rate>, new: Rate) -> bool {
        let was_above = old.is_some_and(|old| self.above.remove(&(old, slot)));
        if let Some(old) = old.filter(|_| !was_above) {
            self.below.remove(&(old, slot));
            self.below_sum -= u128::from(old);
        }
        if new > self.level {
            self.above.insert((new, slot));
        } else {
            self.below.insert((new, slot));
            self.below_sum += u128::from(new);
        }
        !(was_above && new > self.level)
    }

    /// Removes a transfer; `bound` as it was set last.
    pub(super) fn forget(&mut self, slot: Slot, bound: Option<Rate>) {
        self.members.remove(&slot);
        self.coupled.remove(&slot);
        let Some(bound) = bound else { return };
        if self.below.remove(&(bound, slot)) {
            self.below_sum -= u128::from(bound);
        } else {
            self.above.remove(&(bound, slot));
        }
    }

    /// Finds which transfers the link holds back, adds those for which that changed to `moved`, and returns the level.
    pub(super) fn balance(&mut self, moved: &mut Vec<Slot>) -> Rate {
        while let Some(&(bound, slot)) = self.below.last()
            && !self.fits(bound)
        {
            self.below.pop_last();
            self.below_sum -= u128::from(bound);
            self.above.insert((bound, slot));
            moved.push(slot);
        }
        // Each that stops at its bound leaves at least as much to each of the others.
        while let Some(&(bound, slot)) = self.above.first()
            && self.fits(bound)
        {
            self.above.pop_first();
            self.below.insert((bound, slot));
            self.below_sum += u128::from(bound);
            moved.push(slot);
        }
        if self.above.is_empty() { UNLIMITED } else { self.at_least_a_crumb(self.share()) }
    }

    /// Returns whether a transfer can have its bound beside all that are below and its share of the rest.
    fn fits(&self, bound: Rate) -> bool {
        if self.capacity == UNLIMITED {
            return true;
        }
        if self.above.is_empty() {
            self.below_sum <= u128::from(self.capacity)
        } else {
            bound <= self.share()
        }
    }

    /// Returns what each transfer that is held back can have.
    fn share(&self) -> Rate {
        let left = u128::from(self.capacity).saturating_sub(self.below_sum);
        Rate::try_from(left / self.above.len() as u128).expect("a share is at most the capacity")
    }

    /// A crumb for each keeps a crowded link moving; it overloads the link by less than a byte per second and transfer.
    fn at_least_a_crumb(&self, share: Rate) -> Rate {
        if self.capacity > 0 { share.max(1) } else { share }
    }

    /// Changes the level from `now` on; returns whether it was another.
    pub(super) fn set_level(&mut self, level: Rate, now: Time) -> bool {
        let has_changed = level != self.level;
        self.clock = self.clock_at(now);
        self.clock_since = now;
        self.level = level;
        has_changed
    }

    /// Returns what the clock shows; it stands still while nobody goes at the level.
    pub(super) fn clock_at(&self, now: Time) -> Work {
        let rate = if self.level == UNLIMITED { 0 } else { self.level };
        self.clock + Work::from(rate) * Work::from(now.since(self.clock_since).0)
    }

    /// Returns when the first of those that go at the level is complete.
    pub(super) fn next_due(&self) -> Option<Time> {
        let (until, _) = self.until.first()?;
        done_at(self.clock_since, until.saturating_sub(self.clock), self.level)
    }
}

/// Returns the first nanosecond at which nothing is left, `None` if nothing moves.
pub(super) fn done_at(since: Time, left: Work, rate: Rate) -> Option<Time> {
    if left == 0 || rate == UNLIMITED {
        return Some(since);
    }
    let ns = if rate == 0 { return None } else { left.div_ceil(Work::from(rate)) };
    Some(Time(since.0.saturating_add(u64::try_from(ns).unwrap_or(u64::MAX))))
}
