//! Tests of fair sharing: examples, properties, and agreement with plain progressive filling.

use super::*;
use proptest::prelude::*;
use std::cmp::Reverse;

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
    check(&[100, 20, 1000], &[(&[0, 1], NONE), (&[0, 1], NONE), (&[0, 2], NONE)], &[10, 10, 80]);
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

/// Plain progressive filling, from the beginning each time; all in rate units.
fn filled(capacities: &[Rate], transfers: &[(Vec<usize>, Rate)]) -> Vec<Rate> {
    let mut rates: Vec<Option<Rate>> = vec![None; transfers.len()];
    loop {
        let share = |link: usize| {
            let crossing =
                || transfers.iter().zip(&rates).filter(|((links, _), _)| links.contains(&link));
            let waiting = crossing().filter(|(_, rate)| rate.is_none()).count() as u64;
            let taken: u128 = crossing().filter_map(|(_, rate)| *rate).map(u128::from).sum();
            let left = u64::try_from(u128::from(capacities[link]).saturating_sub(taken)).unwrap();
            let is_finite = capacities[link] != UNLIMITED && waiting > 0;
            is_finite.then(|| (left / waiting).max(u64::from(capacities[link] > 0)))
        };
        let lowest = (0..capacities.len()).filter_map(|link| Some((share(link)?, link))).min();
        let waiting = (0..transfers.len()).filter(|&index| rates[index].is_none());
        let Some((limit, index)) = waiting.map(|index| (transfers[index].1, index)).min() else {
            return rates.into_iter().flatten().collect();
        };
        match lowest {
            Some((share, link)) if share < limit => {
                for (rate, (links, _)) in rates.iter_mut().zip(transfers) {
                    if rate.is_none() && links.contains(&link) {
                        *rate = Some(share);
                    }
                }
            }
            _ => rates[index] = Some(limit),
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Start { links: Vec<usize>, limit: u64, bytes: u64 },
    Cancel { which: usize },
    SetCapacity { link: usize, capacity: u64 },
    Finish,
}

/// Links as on a cluster, two shared ones first, then NICs; and what happens to them.
fn histories() -> impl Strategy<Value = (Vec<u64>, Vec<Step>)> {
    let rate = || prop_oneof![6 => 1u64..2000, 1 => Just(UNLIMITED), 1 => Just(0)];
    let capacities = prop::collection::vec(rate(), 3..9);
    capacities.prop_flat_map(move |capacities| {
        let count = capacities.len();
        let path = prop_oneof![
            6 => (0..2usize, 2..count).prop_map(|(shared, nic)| vec![shared, nic]),
            1 => prop::collection::vec(0..count, 0..4),
        ];
        let start = (path, rate(), 0u64..5000);
        let step = prop_oneof![
            8 => start.prop_map(|(links, limit, bytes)| Step::Start { links, limit, bytes }),
            2 => any::<usize>().prop_map(|which| Step::Cancel { which }),
            1 => (0..count, rate()).prop_map(|(link, capacity)| Step::SetCapacity { link, capacity }),
            4 => Just(Step::Finish),
        ];
        (Just(capacities), prop::collection::vec(step, 0..120))
    })
}

proptest! {
    #[test]
    fn rates_are_those_of_plain_progressive_filling((mut capacities, steps) in histories()) {
        let mut sharing = Sharing::new();
        let ids: Vec<LinkId> = capacities.iter().map(|&capacity| sharing.add_link(capacity)).collect();
        let mut running: Vec<(TransferId, Vec<usize>, u64)> = Vec::new();
        let mut now = Time::ZERO;
        for (count, step) in steps.into_iter().enumerate() {
            match step {
                Step::Start { mut links, limit, bytes } => {
                    let crossed: Vec<LinkId> = links.iter().map(|&link| ids[link]).collect();
                    links.dedup();
                    running.push((sharing.start(now, bytes, &crossed, limit), links, limit));
                }
                Step::Cancel { which } if !running.is_empty() => {
                    let (id, _, _) = running.swap_remove(which % running.len());
                    prop_assert!(sharing.cancel(now, id).is_some());
                }
                Step::Cancel { .. } => {}
                Step::SetCapacity { link, capacity } => {
                    capacities[link] = capacity;
                    sharing.set_capacity(now, ids[link], capacity);
                }
                Step::Finish => {
                    if let Some(next) = sharing.next() {
                        prop_assert!(next >= now);
                        now = next;
                        let done = sharing.finish(now);
                        prop_assert!(!done.is_empty() && done.is_sorted());
                        running.retain(|(id, _, _)| !done.contains(id));
                    }
                }
            }
            if count % 3 == 0 {
                continue; // Lets several changes gather.
            }
            let units: Vec<Rate> = capacities.iter().map(|&capacity| rate_of(capacity)).collect();
            let plain: Vec<_> = running.iter().map(|(_, links, limit)| (links.clone(), rate_of(*limit))).collect();
            for ((id, links, _), expected) in running.iter().zip(filled(&units, &plain)) {
                let expected =
                    if expected == UNLIMITED { f64::INFINITY } else { expected as f64 / UNITS_PER_BYTE as f64 };
                let found = sharing.rate(*id).unwrap();
                prop_assert_eq!(found.to_bits(), expected.to_bits(), "{:?} over {:?}: {} for {}", id, links, found, expected);
            }
            prop_assert_eq!(sharing.len(), running.len());
        }
    }
}
