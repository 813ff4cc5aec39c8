//! Timelines of nodes that fall silent.

use super::*;
use crate::engine::{Queue, Ticket};
use proptest::prelude::*;
use std::collections::BTreeMap;

const S: u64 = 1_000_000_000;

/// A cluster whose pods do as they are told: an evicted pod is deleting, a force-deleted one is gone.
struct Cluster {
    life: NodeLife,
    queue: Queue<NodeLifeEvent>,
    tickets: BTreeMap<NodeLifeEvent, Ticket>,
    log: Vec<(Time, NodeOutput)>,
    pods: u64,
}

impl Cluster {
    /// Returns a cluster with as many nodes in each zone; each node runs a pod that tolerates 300 s.
    fn new(seed: u64, zones: &[u32]) -> Self {
        let mut life = NodeLife::new(&Params::default(), Streams::new(seed));
        let mut number = 0;
        for (zone, nodes) in zones.iter().enumerate() {
            for _ in 0..*nodes {
                life.add_node(NodeId(number), u64::from(number), &format!("zone-{zone}"));
                number += 1;
            }
        }
        let mut cluster =
            Self { life, queue: Queue::new(), tickets: BTreeMap::new(), log: Vec::new(), pods: 0 };
        for node in 0..number {
            cluster.add_pod(node, Toleration::For(Span::from_secs(300)));
        }
        cluster
    }

    fn add_pod(&mut self, node: u32, unreachable: Toleration) {
        let tolerations = Tolerations { unreachable, out_of_service: Toleration::None };
        let pod = PodId(self.pods);
        self.pods += 1;
        self.tell(|life, now, out| life.pod_bound(now, pod, NodeId(node), tolerations, out));
    }

    fn tell(&mut self, input: impl FnOnce(&mut NodeLife, Time, &mut Vec<NodeOutput>)) {
        let mut out = Vec::new();
        let now = self.queue.now();
        input(&mut self.life, now, &mut out);
        let mut index = 0;
        while let Some(output) = out.get(index).copied() {
            index += 1;
            match output {
                NodeOutput::At(at, event) => {
                    let old = self.tickets.insert(event, self.queue.at(at, event));
                    assert_eq!(old, None, "{event:?} is set twice");
                }
                NodeOutput::Cancel(event) => {
                    let ticket =
                        self.tickets.remove(&event).expect("only what was set is cancelled");
                    self.queue.cancel(ticket).expect("it is pending");
                }
                _ => self.log.push((self.queue.now(), output)),
            }
            match output {
                NodeOutput::Evict { pod } => self.life.pod_deleting(now, pod, &mut out),
                NodeOutput::ForceDelete { pod } => self.life.pod_gone(pod, &mut out),
                _ => {}
            }
        }
    }

    /// Plays to an instant and beyond the last event before it.
    fn play(&mut self, seconds: u64) {
        while let Some(event) = self.queue.advance(Time(seconds * S)) {
            self.tickets.remove(&event);
            self.tell(|life, now, out| life.handle(now, event, out));
        }
        // The queue's clock stands at the last event; inputs come at the instant itself.
        if self.queue.now() < Time(seconds * S) {
            let mark = NodeLifeEvent::Monitor(u32::MAX);
            self.queue.at(Time(seconds * S), mark);
            while let Some(event) = self.queue.advance(Time(seconds * S)) {
                self.tell(|life, now, out| life.handle(now, event, out));
            }
        }
    }

    fn down(&mut self, nodes: impl IntoIterator<Item = u32>) {
        for node in nodes {
            self.tell(|life, now, out| life.node_down(now, NodeId(node), out));
        }
    }

    fn up(&mut self, nodes: impl IntoIterator<Item = u32>) {
        for node in nodes {
            self.tell(|life, now, out| life.node_up(now, NodeId(node), out));
        }
    }

    /// Returns when outputs of a kind came, in milliseconds.
    fn times(&self, is_wanted: impl Fn(&NodeOutput) -> bool) -> Vec<u64> {
        self.log
            .iter()
            .filter(|(_, output)| is_wanted(output))
            .map(|(at, _)| at.0 / 1_000_000)
            .collect()
    }

    fn tainted(&self) -> Vec<u64> {
        self.times(|output| {
            matches!(output, NodeOutput::Taint { taint: NodeTaint::UnreachableNoExecute, .. })
        })
    }

    fn evicted(&self) -> Vec<u64> {
        self.times(|output| matches!(output, NodeOutput::Evict { .. }))
    }
}

fn is_not_ready(output: &NodeOutput) -> bool {
    matches!(output, NodeOutput::NotReady { .. })
}

fn is_forced(output: &NodeOutput) -> bool {
    matches!(output, NodeOutput::ForceDelete { .. })
}

proptest! {
    #[test]
    fn a_dead_node_is_found_after_40_to_55_seconds_and_its_pods_go_300_seconds_later(seed in any::<u64>(), at in 0_u64..100) {
        let mut cluster = Cluster::new(seed, &[5]);
        cluster.add_pod(2, Toleration::None);
        cluster.add_pod(2, Toleration::Forever);
        cluster.play(at);
        cluster.down([2]);
        cluster.play(at + 1000);
        let found = cluster.times(is_not_ready);
        prop_assert_eq!(found.len(), 1);
        let delay = found[0] - at * 1000;
        prop_assert!((40_000..=55_000).contains(&delay), "{}", delay);
        prop_assert_eq!(cluster.tainted(), found.clone());
        prop_assert_eq!(cluster.times(|output| matches!(output, NodeOutput::PodUnready { .. })), vec![found[0]; 3]);
        prop_assert_eq!(cluster.evicted(), vec![found[0], found[0] + 300_000]);
        prop_assert_eq!(cluster.queue.live(), 0, "nothing ticks once all is said");
    }

    #[test]
    fn a_node_that_is_back_within_40_seconds_was_never_away(seed in any::<u64>(), away in 0_u64..40) {
        let mut cluster = Cluster::new(seed, &[5]);
        cluster.play(17);
        cluster.down([2]);
        cluster.play(17 + away);
        cluster.up([2]);
        prop_assert_eq!(cluster.queue.live(), 0);
        cluster.play(1000);
        prop_assert_eq!(&cluster.log, &[]);
    }

    #[test]
    fn pods_of_a_removed_node_go_40_to_60_seconds_later(seed in any::<u64>(), at in 0_u64..100) {
        let mut cluster = Cluster::new(seed, &[5]);
        cluster.play(at);
        cluster.tell(|life, now, out| life.node_removed(now, NodeId(1), out));
        cluster.play(at + 1000);
        let gone = cluster.times(is_forced);
        prop_assert_eq!(gone.len(), 1);
        prop_assert!((40_000..=60_000).contains(&(gone[0] - at * 1000)), "{:?}", gone);
        prop_assert_eq!(cluster.queue.live(), 0);
    }
}

#[test]
fn a_node_that_is_back_in_time_keeps_its_pods() {
    let mut cluster = Cluster::new(1, &[5]);
    cluster.down([2]);
    cluster.play(200);
    cluster.up([2]);
    assert_eq!(cluster.times(|output| matches!(output, NodeOutput::Ready { .. })), [200_000]);
    cluster.play(1000);
    assert_eq!(cluster.evicted(), Vec::<u64>::new());
    let untainted = cluster.times(|output| matches!(output, NodeOutput::Untaint { .. }));
    // NoSchedule goes with the node's own report, NoExecute in the next pass.
    assert_eq!(untainted.len(), 2);
    assert!((200_000..=205_000).contains(&untainted[1]), "{untainted:?}");
    assert_eq!(cluster.queue.live(), 0);
    cluster.down([2]);
    cluster.play(2000);
    assert_eq!(cluster.evicted().len(), 1, "it can go down again");
}

/// Takes nodes of zones down at 100 s and returns the gaps between their NoExecute taints until 2,000 s.
fn gaps(zones: &[u32], down: impl IntoIterator<Item = u32>) -> Vec<u64> {
    let mut cluster = Cluster::new(3, zones);
    // One renewal period for all, so that one pass finds all of them.
    for node in &mut cluster.life.nodes {
        node.lease_phase = Span::ZERO;
    }
    cluster.play(100);
    cluster.down(down);
    cluster.play(2000);
    cluster.tainted().windows(2).map(|pair| (pair[1] - pair[0]) / 1000).collect()
}

#[test]
fn a_zone_taints_a_node_each_10_seconds() {
    assert_eq!(gaps(&[10], 0..4), [10; 3]);
    assert_eq!(gaps(&[10, 10], 8..12), [0, 10, 0], "each zone has its own limit");
    assert_eq!(gaps(&[5, 5], 0..5), [10; 4], "a full zone is treated like a normal one");
}

#[test]
fn a_zone_that_is_partly_down_is_slow_if_large_and_stops_if_small() {
    assert_eq!(gaps(&[10], 0..6).len(), 0);
    // The first token is spent on the new rate, then one comes each 100 s.
    let large = gaps(&[100], 0..60);
    assert!(large.len() > 15 && large.iter().all(|gap| *gap == 100), "{large:?}");
    assert_eq!(gaps(&[5], 0..2), [10], "two nodes are never a disruption");
}

#[test]
fn when_all_zones_are_down_nobody_is_evicted_and_afterwards_taints_come_back() {
    let mut cluster = Cluster::new(3, &[3, 3]);
    cluster.play(100);
    cluster.down(0..6);
    cluster.play(1000);
    assert_eq!(cluster.times(is_not_ready).len(), 6);
    assert_eq!(cluster.evicted(), Vec::<u64>::new());
    let tainted: BTreeSet<u32> = cluster
        .life
        .nodes
        .iter()
        .filter(|node| node.has_no_execute)
        .map(|node| node.zone)
        .collect();
    assert!(tainted.is_empty(), "{tainted:?}");
    cluster.up([0, 1]);
    cluster.play(3000);
    // One of three nodes of zone 0 and all of zone 1 are still silent.
    assert_eq!(cluster.evicted().len(), 4);
    assert!(cluster.evicted()[0] > 1_300_000, "{:?}", cluster.evicted());
}

#[test]
fn pods_on_a_node_out_of_service_are_deleted_at_once_and_forced_when_it_is_not_ready() {
    let mut cluster = Cluster::new(3, &[5]);
    cluster.play(100);
    cluster.tell(|life, now, out| life.out_of_service(now, NodeId(1), out));
    assert_eq!(cluster.evicted(), [100_000]);
    cluster.play(300);
    assert_eq!(
        cluster.times(is_forced),
        Vec::<u64>::new(),
        "a kubelet that answers ends its pods itself"
    );
    cluster.down([1]);
    cluster.play(1000);
    let (found, forced) = (cluster.times(is_not_ready)[0], cluster.times(is_forced)[0]);
    assert!((0..=20_000).contains(&(forced - found)), "{found} {forced}");
    assert_eq!(cluster.queue.live(), 0);
}

#[test]
fn ticks_before_the_run_began_count() {
    let (phase, period) = (Span(3), Span(10));
    let ticks: Vec<(i128, i128)> = [-8, -7, 0, 3, 4, 13]
        .map(|at| (last_tick(phase, period, at), next_tick(phase, period, at)))
        .into();
    assert_eq!(ticks, [(-17, -7), (-7, -7), (-7, 3), (3, 3), (3, 13), (13, 13)]);
}
