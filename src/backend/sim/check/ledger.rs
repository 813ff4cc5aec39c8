//! What was true when: counts of pods by owner, each with the number of the change that made it so.
//!
//! A cache takes in the changes of one kind in their order. So what a pass reads of pods is the truth as it was at some
//! change, and a status that it writes can be held against that.

use crate::backend::sim::object::NameId;
use std::collections::{BTreeMap, VecDeque};

/// Pods at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// That exist.
    pub(super) pods: i32,
    /// That run and are ready.
    pub(super) ready: i32,
}

/// Counts by owner.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    made: u64,
    seen: u64,
    history: BTreeMap<NameId, VecDeque<(u64, Counts)>>,
    /// What the cache had seen when the last pass of a key began.
    read: BTreeMap<NameId, u64>,
}

impl Ledger {
    /// Notes a change of a pod that is none of these counts' business, or follows [`Self::count`].
    pub(super) fn make(&mut self) {
        self.made += 1;
    }

    /// Changes the counts of an owner with the change that comes next.
    pub(super) fn count(&mut self, owner: NameId, pods: i32, ready: i32) {
        let seen = self.read.get(&owner).copied().unwrap_or(0).min(self.seen);
        let history = self.history.entry(owner).or_default();
        let last = history.back().map_or(Counts::default(), |entry| entry.1);
        let next = Counts { pods: last.pods + pods, ready: last.ready + ready };
        history.push_back((self.made + 1, next));
        // An entry matters as long as a pass may have seen the state before the one that follows.
        while history.get(1).is_some_and(|entry| entry.0 <= seen) {
            history.pop_front();
        }
    }

    /// Notes that the cache has taken in a change.
    pub(super) fn deliver(&mut self) {
        self.seen += 1;
    }

    /// Notes that the cache is what the store is.
    pub(super) fn relist(&mut self) {
        self.seen = self.made;
    }

    /// Whether the last pass of a key has seen all changes of its pods.
    pub(super) fn is_fresh(&self, owner: NameId) -> bool {
        let read = self.read.get(&owner).copied().unwrap_or(0);
        self.history.get(&owner).and_then(VecDeque::back).is_none_or(|last| last.0 <= read)
    }

    /// Notes that a pass of a key reads the cache.
    pub(super) fn read(&mut self, owner: NameId) {
        self.read.insert(owner, self.seen);
    }

    /// Returns the largest counts that a pass of a key may have seen since it began.
    pub(super) fn most(&self, owner: NameId) -> Counts {
        let from = self.read.get(&owner).copied().unwrap_or(0);
        let Some(history) = self.history.get(&owner) else { return Counts::default() };
        let mut most = Counts::default();
        for (position, (_, counts)) in history.iter().enumerate() {
            let is_over = history.get(position + 1).is_some_and(|next| next.0 <= from);
            if !is_over {
                most.pods = most.pods.max(counts.pods);
                most.ready = most.ready.max(counts.ready);
            }
        }
        most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_is_that_of_the_time_since_the_pass_began() {
        let mut ledger = Ledger::default();
        let owner = NameId(0);
        for (pods, ready) in [(1, 0), (1, 1), (0, 1), (-1, -1), (-1, -1)] {
            ledger.count(owner, pods, ready);
            ledger.make();
        }
        let most = |ledger: &Ledger| (ledger.most(owner).pods, ledger.most(owner).ready);
        assert_eq!(most(&ledger), (2, 2), "nothing was delivered");
        (0..3).for_each(|_| ledger.deliver());
        ledger.read(owner);
        assert_eq!(most(&ledger), (2, 2), "two are ready in the cache");
        ledger.deliver();
        ledger.read(owner);
        assert_eq!(most(&ledger), (1, 1));
        ledger.deliver();
        ledger.read(owner);
        assert_eq!(most(&ledger), (0, 0));
    }
}
