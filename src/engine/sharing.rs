//! Max-min fair sharing of link capacity among concurrent transfers.
//!
//! A transfer crosses a few links (a registry, a node's NIC) and may have a rate that it never exceeds. All rates are
//! raised together until a link is full or a transfer is at its own limit; those stop, the others go on (progressive
//! filling). Leaves to the caller when to look: it schedules an event at [`Sharing::next`] after each change.
//!
//! All arithmetic is on integers: rates in 1/1024 byte per second, work in rate units times nanoseconds. So no byte is lost
//! or gained, however often rates change, and results hang on neither the machine nor the order of summation.
//! Rates are computed at most once an instant, when somebody asks, however many transfers start or end at it.
//!
//! # How it scales
//!
//! A thousand nodes pull from one registry; each start and end changes the rate of all. So rates are not kept with the transfers:
//! a crowded link keeps one *level*, the rate of all that it holds back, and a clock that counts the work which each of
//! them has done. A change touches the level and the few transfers that cross it, not the thousand that go on at it.
//! A link with few transfers that cannot react to other links ([`Link::is_simple`]) only lowers the limits of its
//! transfers. Levels of the others depend on one another and are brought to their fixed point, which is unique and
//! reached from anywhere: the lowest level of all hangs on no other, then the next lowest only on that one, and so on.

mod link;

use super::time::Time;
use link::{Link, Rate, Work};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::collections::BTreeSet;

/// Capacity or rate without a limit.
pub const UNLIMITED: u64 = u64::MAX;

const UNITS_PER_BYTE: u64 = 1024;
const WORK_PER_BYTE: Work = UNITS_PER_BYTE as Work * 1_000_000_000;

/// A link of a [`Sharing`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(u32);

/// A transfer of a [`Sharing`]; ids grow in the order of starting and are never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferId(u64);

/// Links, and the transfers that share them.
#[derive(Clone, Debug, Default)]
pub struct Sharing {
    links: Vec<Link>,
    /// Slots of transfers; a free one is in `free`.
    transfers: Vec<Transfer>,
    free: Vec<Slot>,
    slot_of: FxHashMap<TransferId, Slot>,
    started: u64,
    /// The instant of the last change: rates hold from here on, once nothing is stale.
    now: Time,
    /// Completions: the earliest of each link's clock, and of each transfer that goes at its own pace.
    due: BTreeSet<(Time, Due)>,
    stale: Stale,
}

/// Position in `Sharing::transfers`.
type Slot = u32;

/// What must be computed anew before rates are true again.
#[derive(Clone, Debug, Default)]
struct Stale {
    /// Links whose transfers or capacity changed.
    links: BTreeSet<u32>,
    /// Transfers whose limit by simple links may have changed, or that are new.
    limits: BTreeSet<Slot>,
    /// Transfers that may have got another pace.
    paces: BTreeSet<Slot>,
    /// Links whose next completion may have changed.
    dues: BTreeSet<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Link(u32),
    Transfer(Slot),
}

#[derive(Clone, Debug)]
struct Transfer {
    id: TransferId,
    paths: SmallVec<[Crossing; 2]>,
    /// Its own limit.
    limit: Rate,
    /// Its limit by itself and the simple links that it crosses.
    reach: Rate,
    pace: Pace,
}

/// A link that a transfer crosses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Crossing {
    link: u32,
    /// The rate that it could have without this link, as the link knows it; `None` as long as the link keeps no order.
    bound: Option<Rate>,
}

/// How a transfer moves on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// Just started: its rate is not known yet.
    New { left: Work },
    /// At its own rate, with the work left at an instant.
    Own { rate: Rate, left: Work, since: Time },
    /// At the level of a link, until its clock shows this.
    Level { link: u32, until: Work },
}

impl Sharing {
    /// Returns a model without links or transfers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a link with a capacity in bytes per second; [`UNLIMITED`] is infinite, 0 holds every transfer up.
    pub fn add_link(&mut self, bytes_per_s: u64) -> LinkId {
        let id = LinkId(u32::try_from(self.links.len()).expect("links are counted in 32 bits"));
        self.links.push(Link::new(rate_of(bytes_per_s)));
        id
    }

    /// Changes the capacity of a link from `now` on.
    pub fn set_capacity(&mut self, now: Time, link: LinkId, bytes_per_s: u64) {
        self.touch(now);
        self.links[link.0 as usize].capacity = rate_of(bytes_per_s);
        self.stale.links.insert(link.0);
    }

    /// Starts to move `bytes` over all of `links` at once, at no more than `rate_max` bytes per second.
    pub fn start(&mut self, now: Time, bytes: u64, links: &[LinkId], rate_max: u64) -> TransferId {
        self.touch(now);
        let id = TransferId(self.started);
        self.started += 1;
        let mut paths: SmallVec<[Crossing; 2]> =
            links.iter().map(|link| Crossing { link: link.0, bound: None }).collect();
        paths.sort_unstable_by_key(|crossing| crossing.link);
        paths.dedup();
        let limit = rate_of(rate_max);
        let left = Work::from(bytes) * WORK_PER_BYTE;
        let transfer = Transfer { id, paths, limit, reach: limit, pace: Pace::New { left } };
        let slot = self.insert(transfer);
        self.slot_of.insert(id, slot);
        id
    }

    /// Gives a transfer up; returns the bytes that it had not moved, `None` if it is unknown or was finished.
    pub fn cancel(&mut self, now: Time, id: TransferId) -> Option<u64> {
        let left = self.remaining(now, id)?;
        self.touch(now);
        self.remove(self.slot_of[&id]);
        Some(left)
    }

    /// Returns the instant at which the next transfer is complete, given that nothing changes before.
    #[expect(clippy::should_implement_trait, reason = "it looks ahead and consumes nothing")]
    pub fn next(&mut self) -> Option<Time> {
        self.refresh();
        self.due.first().map(|(at, _)| *at)
    }

    /// Removes and returns the transfers that are complete at `now`, in the order in which they were started.
    pub fn finish(&mut self, now: Time) -> Vec<TransferId> {
        let mut done = Vec::new();
        if self.next().is_none_or(|next| next > now) {
            return done;
        }
        self.touch(now);
        while let Some((_, due)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            let slot = match due {
                Due::Transfer(slot) => slot,
                Due::Link(index) => {
                    let link = &mut self.links[index as usize];
                    let clock = link.clock_at(now);
                    let Some((_, slot)) =
                        link.until.first().copied().filter(|(until, _)| *until <= clock)
                    else {
                        // All that were complete are gone; the next of the link is found below.
                        self.due.pop_first();
                        link.due = None;
                        self.stale.dues.insert(index);
                        continue;
                    };
                    slot
                }
            };
            done.push(self.transfers[slot as usize].id);
            self.remove(slot);
        }
        done.sort_unstable();
        done
    }

    /// Returns the bytes per second that a transfer moves at now; infinite where nothing limits it.
    pub fn rate(&mut self, id: TransferId) -> Option<f64> {
        self.refresh();
        let rate = match self.transfers[*self.slot_of.get(&id)? as usize].pace {
            Pace::New { .. } => unreachable!("rates are up to date"),
            Pace::Own { rate, .. } => rate,
            Pace::Level { link, .. } => self.links[link as usize].level,
        };
        Some(if rate == UNLIMITED { f64::INFINITY } else { rate as f64 / UNITS_PER_BYTE as f64 })
    }

    /// Returns the bytes that a transfer has not moved by `now`, a begun byte counting in full.
    pub fn remaining(&mut self, now: Time, id: TransferId) -> Option<u64> {
        self.refresh();
        let slot = *self.slot_of.get(&id)?;
        let left = self.left_at(slot, now);
        Some(u64::try_from(left.div_ceil(WORK_PER_BYTE)).expect("it is at most what was there"))
    }

    /// Returns the number of transfers that are not finished.
    pub fn len(&self) -> usize {
        self.slot_of.len()
    }

    /// Returns whether nothing is being moved.
    pub fn is_empty(&self) -> bool {
        self.slot_of.is_empty()
    }

    /// Notes that something changes at `now`; rates of the time before are computed first.
    fn touch(&mut self, now: Time) {
        assert!(now >= self.now, "sharing went back in time: to {now} from {}", self.now);
        if now > self.now {
            self.refresh();
            self.now = now;
        }
    }

    fn insert(&mut self, transfer: Transfer) -> Slot {
        let slot = self.free.pop().unwrap_or_else(|| {
            Slot::try_from(self.transfers.len())
                .expect("transfers at a time are counted in 32 bits")
        });
        for crossing in &transfer.paths {
            let link = &mut self.links[crossing.link as usize];
            link.demand += u128::from(transfer.limit);
            link.members.insert(slot);
            self.stale.links.insert(crossing.link);
        }
        self.stale.limits.insert(slot);
        match self.transfers.get_mut(slot as usize) {
            Some(free) => *free = transfer,
            None => self.transfers.push(transfer),
        }
        slot
    }

    fn remove(&mut self, slot: Slot) {
        let transfer = &mut self.transfers[slot as usize];
        let paths = std::mem::take(&mut transfer.paths);
        let (id, limit, pace) = (transfer.id, transfer.limit, transfer.pace);
        self.leave(slot, pace);
        for crossing in paths {
            let link = &mut self.links[crossing.link as usize];
            link.demand -= u128::from(limit);
            link.forget(slot, crossing.bound);
            self.stale.links.insert(crossing.link);
        }
        self.stale.limits.remove(&slot);
        self.stale.paces.remove(&slot);
        self.slot_of.remove(&id);
        self.free.push(slot);
    }

    /// Returns the work left at `now`.
    fn left_at(&self, slot: Slot, now: Time) -> Work {
        match self.transfers[slot as usize].pace {
            Pace::New { left } => left,
            Pace::Own { rate: UNLIMITED, .. } => 0,
            Pace::Own { rate, left, since } => {
                left.saturating_sub(Work::from(rate) * Work::from(now.since(since).0))
            }
            Pace::Level { link, until } => {
                until.saturating_sub(self.links[link as usize].clock_at(now))
            }
        }
    }
}

/// Bringing rates up to date.
impl Sharing {
    fn refresh(&mut self) {
        self.refresh_simple_links();
        self.refresh_limits();
        self.refresh_levels();
        while let Some(slot) = self.stale.paces.pop_first() {
            self.refresh_pace(slot);
        }
        while let Some(index) = self.stale.dues.pop_first() {
            self.refresh_due(index);
        }
    }

    /// Finds the levels of simple links, and which links are simple no longer.
    fn refresh_simple_links(&mut self) {
        let mut index = 0;
        while let Some(stale) = self.stale.links.range(index..).next().copied() {
            index = stale + 1;
            if self.links[stale as usize].is_simple {
                self.refresh_simple_link(stale);
            }
        }
    }

    fn refresh_simple_link(&mut self, index: u32) {
        let link = &self.links[index as usize];
        let path_of =
            |slot: &Slot| self.transfers[*slot as usize].paths.iter().map(|crossing| crossing.link);
        let is_alike = || {
            let first = link.members.first();
            link.members
                .iter()
                .all(|slot| first.is_some_and(|first| path_of(first).eq(path_of(slot))))
        };
        let stays_simple =
            link.members.len() <= link::SIMPLE_MAX && (!link.can_bind() || is_alike());
        let level = if stays_simple {
            link.simple_level(
                link.members.iter().map(|slot| self.transfers[*slot as usize].limit).collect(),
            )
        } else {
            UNLIMITED // Its level is found together with those of the other crowded links.
        };
        let link = &mut self.links[index as usize];
        if link.level != level || !stays_simple {
            self.stale.limits.extend(&link.members);
        }
        link.level = level;
        link.is_simple = stays_simple;
        if stays_simple {
            self.stale.links.remove(&index);
        }
    }

    /// Tells crowded links what their transfers could have without them, where that may have changed.
    fn refresh_limits(&mut self) {
        while let Some(slot) = self.stale.limits.pop_first() {
            let transfer = &mut self.transfers[slot as usize];
            let crossed = transfer.paths.iter().map(|crossing| &self.links[crossing.link as usize]);
            let simple = crossed.filter(|link| link.is_simple).map(|link| link.level);
            transfer.reach = simple.fold(transfer.limit, Rate::min);
            self.stale.paces.insert(slot);
            self.refresh_bounds(slot, None);
        }
    }

    /// Tells the crowded links of a transfer, all but `except`, what it could have without each.
    fn refresh_bounds(&mut self, slot: Slot, except: Option<u32>) {
        let Self { links, transfers, stale, .. } = self;
        let transfer = &mut transfers[slot as usize];
        for at in 0..transfer.paths.len() {
            let Crossing { link: index, bound: old } = transfer.paths[at];
            if Some(index) == except || links[index as usize].is_simple {
                continue;
            }
            let others = transfer.paths.iter().filter(|other| other.link != index);
            let levels = others.map(|other| links[other.link as usize].level);
            let bound = levels.fold(transfer.reach, Rate::min);
            let is_alone = !transfer
                .paths
                .iter()
                .any(|other| other.link != index && !links[other.link as usize].is_simple);
            let link = &mut links[index as usize];
            if is_alone {
                link.coupled.remove(&slot);
            } else {
                link.coupled.insert(slot);
            }
            if old != Some(bound) && link.set_bound(slot, old, bound) {
                stale.links.insert(index);
            }
            transfer.paths[at].bound = Some(bound);
        }
    }

    /// Brings the levels of crowded links to their fixed point.
    fn refresh_levels(&mut self) {
        // A sweep settles at least the lowest level that was not settled before.
        let mut sweeps_left = self.links.len() + 2;
        let mut moved = Vec::new();
        while !self.stale.links.is_empty() {
            assert!(
                sweeps_left > 0,
                "the levels of {} links found no fixed point",
                self.links.len()
            );
            sweeps_left -= 1;
            for index in std::mem::take(&mut self.stale.links) {
                let link = &mut self.links[index as usize];
                let level = link.balance(&mut moved);
                self.stale.paces.extend(moved.drain(..));
                self.stale.dues.insert(index);
                link.is_simple = link.members.is_empty();
                if link.set_level(level, self.now) {
                    let coupled: SmallVec<[Slot; 16]> = link.coupled.iter().copied().collect();
                    for slot in coupled {
                        self.stale.paces.insert(slot);
                        self.refresh_bounds(slot, Some(index));
                    }
                }
            }
        }
    }

    /// Gives a transfer the pace that its links leave it.
    fn refresh_pace(&mut self, slot: Slot) {
        let transfer = &self.transfers[slot as usize];
        let crowded =
            transfer.paths.iter().filter(|crossing| !self.links[crossing.link as usize].is_simple);
        let lowest =
            crowded.map(|crossing| (self.links[crossing.link as usize].level, crossing.link)).min();
        let holder = lowest.filter(|(level, _)| *level < transfer.reach).map(|(_, link)| link);
        let is_same = match (transfer.pace, holder) {
            (Pace::Level { link, .. }, Some(holder)) => link == holder,
            (Pace::Own { rate, .. }, None) => rate == transfer.reach,
            _ => false,
        };
        if is_same {
            return;
        }
        let (old, rate) = (transfer.pace, transfer.reach);
        let left = self.left_at(slot, self.now);
        self.leave(slot, old);
        let pace = if let Some(index) = holder {
            let link = &mut self.links[index as usize];
            let until = link.clock_at(self.now) + left;
            link.until.insert((until, slot));
            self.stale.dues.insert(index);
            Pace::Level { link: index, until }
        } else {
            let pace = Pace::Own { rate, left, since: self.now };
            self.due
                .extend(link::done_at(self.now, left, rate).map(|at| (at, Due::Transfer(slot))));
            pace
        };
        self.transfers[slot as usize].pace = pace;
    }

    /// Takes a transfer out of the completions.
    fn leave(&mut self, slot: Slot, pace: Pace) {
        match pace {
            Pace::New { .. } => {}
            Pace::Own { rate, left, since } => {
                if let Some(at) = link::done_at(since, left, rate) {
                    self.due.remove(&(at, Due::Transfer(slot)));
                }
            }
            Pace::Level { link, until } => {
                self.links[link as usize].until.remove(&(until, slot));
                self.stale.dues.insert(link);
            }
        }
    }

    fn refresh_due(&mut self, index: u32) {
        let link = &mut self.links[index as usize];
        let due = link.next_due();
        let old = std::mem::replace(&mut link.due, due);
        if old != due {
            self.due.extend(due.map(|at| (at, Due::Link(index))));
            if let Some(old) = old {
                self.due.remove(&(old, Due::Link(index)));
            }
        }
    }
}

fn rate_of(bytes_per_s: u64) -> Rate {
    bytes_per_s.checked_mul(UNITS_PER_BYTE).unwrap_or(UNLIMITED)
}

#[cfg(test)]
mod tests;
