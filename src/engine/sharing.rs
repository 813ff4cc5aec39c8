//! Max-min fair sharing of link capacity among concurrent transfers.
//!
//! A transfer crosses a few links (a registry, a node's NIC) and may have a rate that it never exceeds. All rates are
//! raised together until a link is full or a transfer is at its own limit; those stop, the others go on (progressive
//! filling). Leaves to the caller when to look: it schedules an event at [`Sharing::next`] after each change.
//!
//! All arithmetic is on integers: rates in 1/1024 byte per second, work in rate units times nanoseconds. So no byte is lost
//! or gained, however often rates change, and results hang on neither the machine nor the order of summation.
//! Rates are computed at most once an instant, when somebody asks, however many transfers start or end at it.

use super::time::Time;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Capacity or rate without a limit.
pub const UNLIMITED: u64 = u64::MAX;

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
    transfers: Vec<Transfer>,
    /// Position of each transfer in `transfers`.
    position_of: FxHashMap<TransferId, usize>,
    started: u64,
    /// The instant of the last change: rates hold from here on, once `is_stale` is false.
    now: Time,
    /// Whether rates and `next` must be computed anew.
    is_stale: bool,
    next: Option<Time>,
    scratch: Scratch,
}

/// Rate in 1/1024 byte per second; [`UNLIMITED`] is infinite.
type Rate = u64;

/// Rate units times nanoseconds.
type Work = u128;

const UNITS_PER_BYTE: u64 = 1024;
const WORK_PER_BYTE: Work = UNITS_PER_BYTE as Work * 1_000_000_000;

#[derive(Clone, Debug)]
struct Link {
    /// Rate units; [`UNLIMITED`] is infinite.
    capacity: Rate,
    /// Sum of the own limits of the transfers that cross it.
    demand: u128,
    /// Capacity not yet given away, and transfers without a rate; during `fill` only.
    left: u64,
    waiting: u64,
}

impl Link {
    /// Returns whether it can hold back any transfer.
    fn can_bind(&self) -> bool {
        self.capacity != UNLIMITED && self.demand > u128::from(self.capacity)
    }

    /// Returns the rate that each waiting transfer can have.
    fn share(&self) -> Rate {
        let share = self.left / self.waiting;
        // A crumb for each keeps a crowded link moving; it overloads the link by less than a byte per second and transfer.
        if share == 0 && self.capacity > 0 { 1 } else { share }
    }
}

#[derive(Clone, Debug)]
struct Transfer {
    id: TransferId,
    links: SmallVec<[LinkId; 3]>,
    /// Its own limit.
    limit: Rate,
    rate: Rate,
    /// Work left at `since`.
    left: Work,
    since: Time,
}

impl Transfer {
    /// Returns the work left at `now`.
    fn left_at(&self, now: Time) -> Work {
        if self.rate == UNLIMITED && now >= self.since {
            return 0;
        }
        self.left.saturating_sub(Work::from(self.rate) * Work::from(now.since(self.since).0))
    }

    /// Returns the first nanosecond at which nothing is left, `None` if it does not move.
    fn done_at(&self) -> Option<Time> {
        if self.left == 0 || self.rate == UNLIMITED {
            return Some(self.since);
        }
        let ns =
            if self.rate == 0 { return None } else { self.left.div_ceil(Work::from(self.rate)) };
        Some(Time(self.since.0.saturating_add(u64::try_from(ns).unwrap_or(u64::MAX))))
    }
}

/// Memory that `fill` uses again and again.
#[derive(Clone, Debug, Default)]
struct Scratch {
    /// Own limits of the transfers without a rate, smallest first, with their positions.
    limits: BinaryHeap<Reverse<(Rate, usize)>>,
    /// Links that can bind, smallest share first; a share may have grown since it was put in.
    shares: BinaryHeap<Reverse<(Rate, usize)>>,
    /// Positions of the transfers that cross each of those links.
    crossing: FxHashMap<usize, Vec<usize>>,
    /// New rate of each transfer by position.
    rates: Vec<Option<Rate>>,
}

impl Sharing {
    /// Returns a model without links or transfers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a link with a capacity in bytes per second; [`UNLIMITED`] is infinite, 0 holds every transfer up.
    pub fn add_link(&mut self, bytes_per_s: u64) -> LinkId {
        let id = LinkId(u32::try_from(self.links.len()).expect("links are counted in 32 bits"));
        self.links.push(Link { capacity: rate_of(bytes_per_s), demand: 0, left: 0, waiting: 0 });
        id
    }

    /// Changes the capacity of a link from `now` on.
    pub fn set_capacity(&mut self, now: Time, link: LinkId, bytes_per_s: u64) {
        self.touch(now);
        self.links[link.0 as usize].capacity = rate_of(bytes_per_s);
    }

    /// Starts to move `bytes` over all of `links` at once, at no more than `rate_max` bytes per second.
    pub fn start(&mut self, now: Time, bytes: u64, links: &[LinkId], rate_max: u64) -> TransferId {
        self.touch(now);
        let id = TransferId(self.started);
        self.started += 1;
        let mut links: SmallVec<[LinkId; 3]> = SmallVec::from_slice(links);
        links.sort_unstable();
        links.dedup();
        let limit = rate_of(rate_max);
        for link in &links {
            self.links[link.0 as usize].demand += u128::from(limit);
        }
        self.position_of.insert(id, self.transfers.len());
        let left = Work::from(bytes) * WORK_PER_BYTE;
        self.transfers.push(Transfer { id, links, limit, rate: 0, left, since: now });
        id
    }

    /// Gives a transfer up; returns the bytes that it had not moved, `None` if it is unknown or was finished.
    pub fn cancel(&mut self, now: Time, id: TransferId) -> Option<u64> {
        let left = self.remaining(now, id)?;
        self.touch(now);
        self.remove(id);
        Some(left)
    }

    /// Returns the instant at which the next transfer is complete, given that nothing changes before.
    pub fn next(&mut self) -> Option<Time> {
        self.fill();
        self.next
    }

    /// Removes and returns the transfers that are complete at `now`, in the order in which they were started.
    pub fn finish(&mut self, now: Time) -> Vec<TransferId> {
        self.fill();
        if self.next.is_none_or(|next| next > now) {
            return Vec::new();
        }
        self.touch(now);
        let is_done = |transfer: &&Transfer| transfer.left_at(now) == 0;
        let mut done: Vec<TransferId> =
            self.transfers.iter().filter(is_done).map(|transfer| transfer.id).collect();
        done.sort_unstable();
        for &id in &done {
            self.remove(id);
        }
        done
    }

    /// Returns the bytes per second that a transfer moves at now; infinite where nothing limits it.
    pub fn rate(&mut self, id: TransferId) -> Option<f64> {
        self.fill();
        let rate = self.transfers[*self.position_of.get(&id)?].rate;
        Some(if rate == UNLIMITED { f64::INFINITY } else { rate as f64 / UNITS_PER_BYTE as f64 })
    }

    /// Returns the bytes that a transfer has not moved by `now`, a begun byte counting in full.
    pub fn remaining(&mut self, now: Time, id: TransferId) -> Option<u64> {
        self.fill();
        let left = self.transfers[*self.position_of.get(&id)?].left_at(now);
        Some(u64::try_from(left.div_ceil(WORK_PER_BYTE)).expect("it is at most what was there"))
    }

    /// Returns the number of transfers that are not finished.
    pub fn len(&self) -> usize {
        self.transfers.len()
    }

    /// Returns whether nothing is being moved.
    pub fn is_empty(&self) -> bool {
        self.transfers.is_empty()
    }

    /// Notes that rates change at `now`; those of the time before are brought up to date first.
    fn touch(&mut self, now: Time) {
        assert!(now >= self.now, "sharing went back in time: to {now} from {}", self.now);
        if now > self.now {
            self.fill();
            self.now = now;
        }
        self.is_stale = true;
    }

    fn remove(&mut self, id: TransferId) {
        let position = self.position_of.remove(&id).expect("the caller found it");
        let transfer = self.transfers.swap_remove(position);
        if let Some(moved) = self.transfers.get(position) {
            self.position_of.insert(moved.id, position);
        }
        for link in &transfer.links {
            self.links[link.0 as usize].demand -= u128::from(transfer.limit);
        }
    }

    /// Computes rates and the next completion if anything changed.
    fn fill(&mut self) {
        if !self.is_stale {
            return;
        }
        self.is_stale = false;
        self.prepare();
        self.raise();
        let now = self.now;
        self.next = None;
        for (transfer, rate) in self.transfers.iter_mut().zip(&self.scratch.rates) {
            let rate = rate.expect("every transfer has a rate now");
            if rate != transfer.rate || transfer.since == now {
                transfer.left = transfer.left_at(now);
                transfer.since = now;
                transfer.rate = rate;
            }
            let done = transfer.done_at().map(|done| done.max(now));
            self.next = [self.next, done].into_iter().flatten().min();
        }
    }

    /// Gives a rate to all that no link can hold back, and lists the others by link and by limit.
    fn prepare(&mut self) {
        let scratch = &mut self.scratch;
        scratch.crossing.clear();
        scratch.shares.clear();
        scratch.rates.clear();
        let mut limits = std::mem::take(&mut scratch.limits).into_vec();
        limits.clear();
        for (position, transfer) in self.transfers.iter().enumerate() {
            let mut is_bound = false;
            for link in &transfer.links {
                let index = link.0 as usize;
                if self.links[index].can_bind() {
                    is_bound = true;
                    scratch.crossing.entry(index).or_default().push(position);
                }
            }
            if is_bound {
                limits.push(Reverse((transfer.limit, position)));
            }
            scratch.rates.push((!is_bound).then_some(transfer.limit));
        }
        scratch.limits = limits.into();
        for (index, link) in self.links.iter_mut().enumerate() {
            link.waiting =
                scratch.crossing.get(&index).map_or(0, |positions| positions.len() as u64);
            link.left = link.capacity;
            if link.waiting > 0 {
                scratch.shares.push(Reverse((link.share(), index)));
            }
        }
    }

    /// Raises the rates of the transfers that links hold back, all together, until each is stopped.
    fn raise(&mut self) {
        while let Some(&Reverse((share, index))) = self.scratch.shares.peek() {
            let link = &self.links[index];
            if link.waiting == 0 || link.share() > share {
                self.scratch.shares.pop();
                if link.waiting > 0 {
                    self.scratch.shares.push(Reverse((link.share(), index)));
                }
                continue;
            }
            let scratch = &mut self.scratch;
            while let Some(&Reverse((_, position))) = scratch.limits.peek()
                && scratch.rates[position].is_some()
            {
                scratch.limits.pop();
            }
            if let Some(&Reverse((limit, position))) = scratch.limits.peek()
                && limit <= share
            {
                scratch.limits.pop();
                self.fix(position, limit);
            } else {
                self.scratch.shares.pop();
                for position in self.scratch.crossing.remove(&index).expect("it binds") {
                    if self.scratch.rates[position].is_none() {
                        self.fix(position, share);
                    }
                }
            }
        }
    }

    fn fix(&mut self, position: usize, rate: Rate) {
        self.scratch.rates[position] = Some(rate);
        for link in &self.transfers[position].links {
            let link = &mut self.links[link.0 as usize];
            if link.waiting > 0 {
                link.waiting -= 1;
                link.left = link.left.saturating_sub(rate);
            }
        }
    }
}

fn rate_of(bytes_per_s: u64) -> Rate {
    bytes_per_s.checked_mul(UNITS_PER_BYTE).unwrap_or(UNLIMITED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KB: u64 = 1_000;

    fn seconds(time: Option<Time>) -> f64 {
        time.unwrap().as_secs_f64()
    }

    /// Links and transfers (links crossed, limit) of one instant against the rates that they get, all in kB/s.
    fn check(links: &[u64], transfers: &[(&[usize], u64)], expected: &[u64]) {
        let mut sharing = Sharing::new();
        let ids: Vec<LinkId> =
            links.iter().map(|&capacity| sharing.add_link(capacity.saturating_mul(KB))).collect();
        let started: Vec<TransferId> = transfers
            .iter()
            .map(|(crossed, limit)| {
                let crossed: Vec<LinkId> = crossed.iter().map(|&index| ids[index]).collect();
                sharing.start(Time::ZERO, 1_000_000, &crossed, limit.saturating_mul(KB))
            })
            .collect();
        for (id, expected) in started.into_iter().zip(expected) {
            let rate = sharing.rate(id).unwrap();
            assert!(
                (rate - (expected * KB) as f64).abs() < 0.01,
                "{id:?} has {rate}, not {expected} kB/s: {transfers:?}"
            );
        }
    }

    #[test]
    fn rates_are_max_min_fair() {
        const NONE: u64 = UNLIMITED;
        check(&[90], &[(&[0], NONE), (&[0], NONE), (&[0], NONE)], &[30, 30, 30]);
        // What one cannot use goes to the others.
        check(&[90], &[(&[0], 10), (&[0], NONE), (&[0], NONE)], &[10, 40, 40]);
        check(&[90], &[(&[0], 10), (&[0], 20)], &[10, 20]);
        // The textbook line of two links.
        check(&[60, 100], &[(&[0, 1], NONE), (&[0], NONE), (&[1], NONE)], &[30, 30, 70]);
        // A registry and two nodes, one of them slow and asked for two images.
        check(
            &[100, 20, 1000],
            &[(&[0, 1], NONE), (&[0, 1], NONE), (&[0, 2], NONE)],
            &[10, 10, 80],
        );
        // A node that is used by two sources.
        check(&[10, 1000, 100], &[(&[0, 2], NONE), (&[1, 2], NONE)], &[10, 90]);
        check(&[0, 100], &[(&[0], NONE), (&[1], NONE)], &[0, 100]);
        check(&[NONE], &[(&[0], 7), (&[0], 9)], &[7, 9]);
    }

    #[test]
    fn a_transfer_is_complete_when_its_last_byte_has_moved() {
        let mut sharing = Sharing::new();
        let link = sharing.add_link(3);
        let id = sharing.start(Time::ZERO, 10, &[link], UNLIMITED);
        // 3.33… s, rounded up to the nanosecond.
        assert_eq!(sharing.next(), Some(Time(3_333_333_334)));
        assert_eq!(sharing.finish(Time(3_333_333_333)), []);
        assert_eq!(sharing.remaining(Time(3_000_000_000), id), Some(1));
        assert_eq!(sharing.finish(Time(3_333_333_334)), [id]);
        assert_eq!((sharing.next(), sharing.len(), sharing.rate(id)), (None, 0, None));
    }

    #[test]
    fn whoever_comes_or_goes_changes_the_rates_of_the_others() {
        let mut sharing = Sharing::new();
        let link = sharing.add_link(100);
        let first = sharing.start(Time::ZERO, 1000, &[link], UNLIMITED);
        assert!((seconds(sharing.next()) - 10.0).abs() < 1e-9);
        let second = sharing.start(Time(5_000_000_000), 1000, &[link], UNLIMITED);
        assert_eq!(sharing.remaining(Time(5_000_000_000), first), Some(500));
        assert!((seconds(sharing.next()) - 15.0).abs() < 1e-9);
        assert_eq!(sharing.cancel(Time(7_000_000_000), second), Some(900));
        assert_eq!(sharing.remaining(Time(7_000_000_000), first), Some(400));
        assert!((seconds(sharing.next()) - 11.0).abs() < 1e-9);
        sharing.set_capacity(Time(8_000_000_000), link, 0);
        assert_eq!(sharing.next(), None);
        sharing.set_capacity(Time(100_000_000_000), link, 300);
        assert!((seconds(sharing.next()) - 101.0).abs() < 1e-9);
    }

    #[test]
    fn what_nothing_limits_is_complete_at_once() {
        let mut sharing = Sharing::new();
        let link = sharing.add_link(UNLIMITED);
        let ids = [
            sharing.start(Time(7), u64::MAX, &[link], UNLIMITED),
            sharing.start(Time(7), 5, &[], UNLIMITED),
            sharing.start(Time(7), 0, &[link], 1),
        ];
        assert_eq!(sharing.next(), Some(Time(7)));
        assert_eq!(sharing.finish(Time(7)), ids);
    }

    #[test]
    fn ten_thousand_that_start_at_one_instant_are_computed_once() {
        let mut sharing = Sharing::new();
        let registry = sharing.add_link(10_000_000);
        for _ in 0..10_000 {
            let nic = sharing.add_link(1_000_000);
            sharing.start(Time::ZERO, 1_000_000, &[registry, nic], UNLIMITED);
        }
        assert!((seconds(sharing.next()) - 1000.0).abs() < 0.001 * 1000.0);
        let next = sharing.next().unwrap();
        assert_eq!(sharing.finish(next).len(), 10_000);
    }

    #[derive(Clone, Debug)]
    struct Network {
        capacities: Vec<u64>,
        /// Start in ns, bytes, links, limit.
        transfers: Vec<(u64, u64, Vec<usize>, u64)>,
    }

    fn networks() -> impl Strategy<Value = Network> {
        let rate = || prop_oneof![4 => 1u64..100, 1 => Just(UNLIMITED)];
        prop::collection::vec(rate(), 1..6).prop_flat_map(move |capacities| {
            let links = prop::collection::vec(0..capacities.len(), 0..4);
            let transfer = (0u64..4_000_000_000, 0u64..300, links, rate());
            (Just(capacities), prop::collection::vec(transfer, 1..12))
                .prop_map(|(capacities, transfers)| Network { capacities, transfers })
        })
    }

    fn built(network: &Network) -> (Sharing, Vec<LinkId>) {
        let mut sharing = Sharing::new();
        let links = network.capacities.iter().map(|&capacity| sharing.add_link(capacity)).collect();
        (sharing, links)
    }

    /// Rates in bytes per second may be off by what rounding takes from each transfer of a link.
    const SLACK: f64 = 0.05;

    proptest! {
        #[test]
        fn rates_fill_links_but_never_overload_them(network in networks()) {
            let (mut sharing, links) = built(&network);
            let ids: Vec<TransferId> = network.transfers.iter().map(|(_, bytes, crossed, limit)| {
                let crossed: Vec<LinkId> = crossed.iter().map(|&index| links[index]).collect();
                sharing.start(Time::ZERO, bytes + 1, &crossed, *limit)
            }).collect();
            let rates: Vec<f64> = ids.iter().map(|&id| sharing.rate(id).unwrap()).collect();
            let load = |link: usize| -> f64 {
                let crosses = |(_, transfer): &(usize, &(u64, u64, Vec<usize>, u64))| transfer.2.contains(&link);
                network.transfers.iter().enumerate().filter(crosses).map(|(index, _)| rates[index]).sum()
            };
            for (link, &capacity) in network.capacities.iter().enumerate() {
                prop_assert!(capacity == UNLIMITED || load(link) <= capacity as f64, "link {link} is overloaded");
            }
            for (index, (_, _, crossed, limit)) in network.transfers.iter().enumerate() {
                // Max-min: each is at its limit or crosses a full link on which nobody is faster.
                let at_limit = if *limit == UNLIMITED { rates[index].is_infinite() } else { rates[index] >= *limit as f64 };
                let is_held = |&link: &usize| {
                    let capacity = network.capacities[link];
                    let others = network.transfers.iter().enumerate().filter(|(_, other)| other.2.contains(&link));
                    let fastest = others.map(|(other, _)| rates[other]).fold(0.0, f64::max);
                    capacity != UNLIMITED && load(link) >= capacity as f64 - SLACK && rates[index] >= fastest - SLACK
                };
                prop_assert!(at_limit || crossed.iter().any(is_held), "transfer {index} could be faster: {rates:?}");
            }
        }

        #[test]
        fn every_transfer_completes_and_no_byte_is_lost(network in networks()) {
            let (mut sharing, links) = built(&network);
            let mut waiting: Vec<_> = network.transfers.iter().collect();
            waiting.sort_by_key(|transfer| Reverse(transfer.0));
            let mut running: Vec<(TransferId, f64)> = Vec::new();
            let mut now = Time::ZERO;
            let mut done = 0;
            while done < network.transfers.len() {
                let start = waiting.last().map(|transfer| Time(transfer.0));
                let next = [sharing.next(), start].into_iter().flatten().min().expect("something goes on");
                prop_assert!(next >= now);
                // What moved by the stated rates is what is gone from the remaining bytes.
                for (id, left) in &mut running {
                    let moved = sharing.rate(*id).unwrap() * next.since(now).as_secs_f64();
                    *left = (*left - moved).max(0.0);
                    let remaining = sharing.remaining(next, *id).unwrap() as f64;
                    prop_assert!(remaining >= *left - 1e-3 && remaining <= *left + 1.001, "{remaining} for {left}");
                }
                now = next;
                while let Some((at, bytes, crossed, limit)) = waiting.pop_if(|transfer| transfer.0 == now.0) {
                    prop_assert_eq!(*at, now.0);
                    let crossed: Vec<LinkId> = crossed.iter().map(|&index| links[index]).collect();
                    running.push((sharing.start(now, *bytes, &crossed, *limit), *bytes as f64));
                }
                for (id, left) in &mut running {
                    // Needs no time, so no time passes in which it could be seen to move.
                    *left = if sharing.rate(*id).unwrap().is_infinite() { 0.0 } else { *left };
                }
                let finished = sharing.finish(now);
                for id in &finished {
                    let at = running.iter().position(|(other, _)| other == id).expect("it ran");
                    prop_assert!(running.remove(at).1 < 1e-3, "{id:?} ended early");
                }
                done += finished.len();
            }
            prop_assert!(sharing.is_empty() && sharing.next().is_none());
        }

        #[test]
        fn the_order_of_starting_does_not_matter(network in networks()) {
            let rates = |is_reversed: bool| {
                let (mut sharing, links) = built(&network);
                let mut order: Vec<usize> = (0..network.transfers.len()).collect();
                if is_reversed {
                    order.reverse();
                }
                let mut ids = vec![TransferId(0); order.len()];
                for index in order {
                    let (_, bytes, crossed, limit) = &network.transfers[index];
                    let crossed: Vec<LinkId> = crossed.iter().map(|&index| links[index]).collect();
                    ids[index] = sharing.start(Time::ZERO, *bytes, &crossed, *limit);
                }
                ids.into_iter().map(|id| sharing.rate(id).unwrap().to_bits()).collect::<Vec<_>>()
            };
            prop_assert_eq!(rates(false), rates(true));
        }
    }
}
