//! Disruption of zones: how fast a zone's silent nodes are tainted `NoExecute`, and when none is.
//!
//! Follows `handleDisruption` and `RateLimitedTimedQueue` of node-lifecycle 1.36. Normal and full zones taint at
//! `--node-eviction-rate`, partly disrupted ones at `--secondary-node-eviction-rate` if they are large and not at all if
//! not. While every zone is full the fault is taken to be the control plane's own: no node stays tainted.

use super::{NodeId, NodeLife, NodeLifeEvent, NodeOutput, as_ns, as_time, next_tick};
use crate::engine::{Span, Time};
use std::collections::VecDeque;

/// Nodes that must be not ready before a zone counts as partly disrupted.
const PARTIAL_NODES_MIN: u32 = 3;

/// How much of a zone is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Disruption {
    /// No pass has looked at it.
    Initial,
    /// Too few nodes are down to matter.
    Normal,
    /// More than two nodes and the threshold's share are down.
    Partial,
    /// No node is ready.
    Full,
}

/// A zone with its queue of nodes to taint and its token bucket, which holds one token at most.
#[derive(Debug)]
pub(super) struct Zone {
    disruption: Disruption,
    /// Nodes per second.
    rate: f64,
    /// When the next token is there.
    token_at: Time,
    queue: VecDeque<NodeId>,
    timer: Option<(Time, u32)>,
}

impl Zone {
    pub(super) fn new(rate: f64) -> Self {
        Self {
            disruption: Disruption::Initial,
            rate,
            token_at: Time::ZERO,
            queue: VecDeque::new(),
            timer: None,
        }
    }

    /// Changes the rate; a bucket that was empty stays so, as in `SwapLimiter`.
    fn set_rate(&mut self, now: Time, rate: f64) {
        if rate.to_bits() == self.rate.to_bits() {
            return;
        }
        let is_empty = self.rate <= 0.0 || self.token_at > now;
        self.rate = rate;
        self.token_at = if is_empty { now + self.interval() } else { now };
    }

    fn interval(&self) -> Span {
        if self.rate > 0.0 { Span::from_secs_f64(1.0 / self.rate) } else { Span(u64::MAX) }
    }
}

impl NodeLife {
    pub(super) fn enqueue(&mut self, node: NodeId) {
        let at = &mut self.nodes[node.0 as usize];
        if !std::mem::replace(&mut at.is_queued, true) {
            self.zones[at.zone as usize].queue.push_back(node);
        }
    }

    pub(super) fn dequeue(&mut self, node: NodeId) {
        let at = &mut self.nodes[node.0 as usize];
        if std::mem::take(&mut at.is_queued) {
            self.zones[at.zone as usize].queue.retain(|queued| *queued != node);
        }
    }

    /// Sets the rates of all zones from what a pass has seen.
    pub(super) fn judge_zones(&mut self, now: Time, out: &mut Vec<NodeOutput>) {
        let seen = self.disruptions();
        let known = || seen.iter().zip(&self.zones).filter(|((_, nodes), _)| *nodes > 0);
        let is_full = known().all(|((disruption, _), _)| *disruption == Disruption::Full);
        let was_full = known().all(|(_, zone)| zone.disruption == Disruption::Full);
        if is_full && was_full {
            return;
        }
        if is_full {
            for index in 0..self.nodes.len() {
                if self.nodes[index].exists {
                    self.reach(
                        NodeId(u32::try_from(index).expect("nodes are numbered in 32 bits")),
                        out,
                    );
                }
            }
            for zone in &mut self.zones {
                zone.set_rate(now, 0.0);
                zone.disruption = Disruption::Full;
            }
            return;
        }
        if was_full {
            self.restart_grace(now);
        }
        for (zone, (disruption, nodes)) in self.zones.iter_mut().zip(seen) {
            if zone.disruption == disruption && !was_full {
                continue;
            }
            zone.disruption = disruption;
            let rate = match disruption {
                Disruption::Initial | Disruption::Normal | Disruption::Full => {
                    self.params.eviction_rate
                }
                Disruption::Partial if nodes > self.params.large_zone_nodes => {
                    self.params.secondary_eviction_rate
                }
                Disruption::Partial => 0.0,
            };
            zone.set_rate(now, rate);
        }
    }

    /// Returns the disruption and the number of nodes of each zone.
    fn disruptions(&self) -> Vec<(Disruption, u32)> {
        let mut counts = vec![(0_u32, 0_u32); self.zones.len()];
        for node in self.nodes.iter().filter(|node| node.exists) {
            let (ready, silent) = &mut counts[node.zone as usize];
            *(if node.is_ready { ready } else { silent }) += 1;
        }
        let disruption = |(ready, silent): (u32, u32)| {
            let share = f64::from(silent) / f64::from((ready + silent).max(1));
            let disruption = match (ready, silent) {
                (0, 1..) => Disruption::Full,
                _ if silent >= PARTIAL_NODES_MIN && share >= self.params.unhealthy_zone_share => {
                    Disruption::Partial
                }
                _ => Disruption::Normal,
            };
            (disruption, ready + silent)
        };
        counts.into_iter().map(disruption).collect()
    }

    /// Gives nodes that are silent but not yet found so a whole grace period more.
    fn restart_grace(&mut self, now: Time) {
        let found =
            as_time(next_tick(self.monitor_phase, self.monitor_period, as_ns(now + self.grace)));
        for (_, node) in std::mem::take(&mut self.detections) {
            self.nodes[node.0 as usize].found_at = found;
            self.detections.insert((found, node));
        }
    }

    /// Handles a zone's timer.
    pub(super) fn zone_due(
        &mut self,
        now: Time,
        zone: u32,
        serial: u32,
        out: &mut Vec<NodeOutput>,
    ) {
        let index = zone as usize;
        if self.zones[index].timer.take_if(|(_, armed)| *armed == serial).is_some() {
            self.pump(now, index, out);
        }
    }

    /// Taints the nodes of a zone's queue for which there are tokens, and waits for the next token.
    pub(super) fn pump(&mut self, now: Time, index: usize, out: &mut Vec<NodeOutput>) {
        while self.zones[index].rate > 0.0 && self.zones[index].token_at <= now {
            let Some(node) = self.zones[index].queue.pop_front() else { break };
            self.zones[index].token_at = now + self.zones[index].interval();
            let at = &mut self.nodes[node.0 as usize];
            at.is_queued = false;
            // A node that has come back since costs its token all the same.
            if !at.is_ready {
                self.unreach(now, node, out);
            }
        }
        let number = u32::try_from(index).expect("fewer zones than nodes");
        let zone = &mut self.zones[index];
        let wanted = (zone.rate > 0.0 && !zone.queue.is_empty()).then_some(zone.token_at);
        super::rearm(
            &mut zone.timer,
            wanted,
            |serial| NodeLifeEvent::Zone(number, serial),
            &mut self.serial,
            out,
        );
    }
}
