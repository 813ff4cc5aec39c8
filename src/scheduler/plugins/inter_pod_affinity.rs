//! `InterPodAffinity` (kube-scheduler 1.36): affinity and anti-affinity of the pod and of those that are there.

use super::super::cluster::{NO_DOMAIN, NodeIndex, TopologyId};
use super::super::framework::{
    Cycle, Filter, Plugin, PreFilter, PreScore, Reasons, SCORE_MAX, Score, Verdict,
};
use super::super::tally::Tally;
use super::super::terms::Wish;

/// Sums per domain for several topology keys.
#[derive(Debug, Default)]
struct Sums {
    /// Only the first `used` are in use.
    tallies: Vec<(TopologyId, Tally)>,
    used: usize,
}

impl Sums {
    fn clear(&mut self) {
        self.used = 0;
    }

    fn of(&mut self, topology: TopologyId) -> &mut Tally {
        let at = self.tallies[..self.used].iter().position(|entry| entry.0 == topology);
        let at = at.unwrap_or_else(|| {
            if self.used == self.tallies.len() {
                self.tallies.push((topology, Tally::default()));
            }
            let (key, tally) = &mut self.tallies[self.used];
            *key = topology;
            tally.clear();
            self.used += 1;
            self.used - 1
        });
        &mut self.tallies[at].1
    }

    /// Returns the sum for a node and a key, zero where it lacks the label.
    fn at(&self, cycle: &Cycle<'_>, topology: TopologyId, node: NodeIndex) -> i64 {
        let domain = cycle.cluster.domain(topology, node);
        let tally = self.tallies[..self.used].iter().find(|entry| entry.0 == topology);
        tally.filter(|_| domain != NO_DOMAIN).map_or(0, |(_, tally)| tally.sum(domain))
    }

    fn in_use(&self) -> &[(TopologyId, Tally)] {
        &self.tallies[..self.used]
    }

    fn is_empty(&self) -> bool {
        self.in_use().iter().all(|(_, tally)| tally.touched() == 0)
    }
}

/// Filter by required terms.
#[derive(Debug, Default)]
pub(in super::super) struct AffinityFilter {
    /// Pods that match all required affinity terms of the pod.
    affinity: Sums,
    /// Pods that match a required anti-affinity term of the pod.
    anti_affinity: Sums,
    /// Pods with a required anti-affinity term that matches the pod.
    existing: Sums,
}

impl Filter for AffinityFilter {
    fn plugin(&self) -> Plugin {
        Plugin::InterPodAffinity
    }

    fn pre_filter(&mut self, cycle: &Cycle<'_>) -> PreFilter {
        let (cluster, incoming) = (cycle.cluster, cycle.incoming);
        self.affinity.clear();
        self.anti_affinity.clear();
        self.existing.clear();
        for &topology in &incoming.affinity {
            let Some(pods) = &incoming.affinity_pods else { continue };
            let tally = self.affinity.of(topology);
            cluster.counts(pods).for_each(|node, count| {
                let domain = cluster.domain(topology, NodeIndex(node));
                if domain != NO_DOMAIN {
                    tally.add(domain, i64::from(count));
                }
            });
        }
        for (topology, pods) in &incoming.anti_affinity {
            let tally = self.anti_affinity.of(*topology);
            pods.for_each(cluster, |node, count| {
                let domain = cluster.domain(*topology, node);
                if domain != NO_DOMAIN {
                    tally.add(domain, count);
                }
            });
        }
        cluster.for_each_affecting(cycle.pod.candidate(), |affecting| {
            if affecting.wish == Wish::RequiredAntiAffinity {
                let tally = self.existing.of(affecting.topology);
                affecting.carriers.for_each(|domain, count| {
                    let count = count - affecting.without.map_or(0, |without| without.at(domain));
                    if count > 0 {
                        tally.add(domain, i64::from(count));
                    }
                });
            }
        });
        let has_terms = !incoming.affinity.is_empty() || !incoming.anti_affinity.is_empty();
        if has_terms || !self.existing.is_empty() { PreFilter::Run } else { PreFilter::Skip }
    }

    fn filter(&self, cycle: &Cycle<'_>, node: NodeIndex) -> Verdict {
        if !self.meets_affinity(cycle, node) {
            return Verdict::Hopeless(Reasons::AFFINITY);
        }
        let anti_affinity = &cycle.incoming.anti_affinity;
        if anti_affinity
            .iter()
            .any(|&(topology, _)| self.anti_affinity.at(cycle, topology, node) > 0)
        {
            return Verdict::Unschedulable(Reasons::ANTI_AFFINITY);
        }
        let existing = self.existing.in_use();
        if existing.iter().any(|&(topology, _)| self.existing.at(cycle, topology, node) > 0) {
            return Verdict::Unschedulable(Reasons::EXISTING_ANTI_AFFINITY);
        }
        Verdict::Fits
    }
}

impl AffinityFilter {
    fn meets_affinity(&self, cycle: &Cycle<'_>, node: NodeIndex) -> bool {
        let mut has_pods = true;
        for &topology in &cycle.incoming.affinity {
            if cycle.cluster.domain(topology, node) == NO_DOMAIN {
                return false; // All keys must be there.
            }
            has_pods &= self.affinity.at(cycle, topology, node) > 0;
        }
        // The first pod of a series that wants to be together may go anywhere.
        has_pods || (self.affinity.is_empty() && cycle.incoming.affinity_matches_self)
    }
}

/// Score by preferred terms, and by terms of placed pods.
#[derive(Debug, Default)]
pub(in super::super) struct AffinityScore {
    sums: Sums,
    /// `InterPodAffinityArgs.hardPodAffinityWeight`.
    required_weight: i64,
    /// `InterPodAffinityArgs.ignorePreferredTermsOfExistingPods`.
    needs_own_terms: bool,
}

impl AffinityScore {
    pub(in super::super) fn new(required_weight: i64, needs_own_terms: bool) -> Self {
        Self { sums: Sums::default(), required_weight, needs_own_terms }
    }
}

impl Score for AffinityScore {
    fn plugin(&self) -> Plugin {
        Plugin::InterPodAffinity
    }

    fn pre_score(&mut self, cycle: &Cycle<'_>, _feasible: &[NodeIndex]) -> PreScore {
        let cluster = cycle.cluster;
        self.sums.clear();
        if self.needs_own_terms && cycle.incoming.preferred.is_empty() {
            return PreScore::Skip;
        }
        for (weight, topology, pods) in &cycle.incoming.preferred {
            let tally = self.sums.of(*topology);
            pods.for_each(cluster, |node, count| {
                let domain = cluster.domain(*topology, node);
                if domain != NO_DOMAIN {
                    tally.add(domain, weight * count);
                }
            });
        }
        cluster.for_each_affecting(cycle.pod.candidate(), |affecting| {
            let weight = match affecting.wish {
                Wish::RequiredAntiAffinity => return,
                Wish::RequiredAffinity if self.required_weight == 0 => return,
                Wish::RequiredAffinity => self.required_weight,
                Wish::Preferred(weight) => weight,
            };
            let tally = self.sums.of(affecting.topology);
            affecting
                .carriers
                .for_each(|domain, count| tally.add(domain, weight * i64::from(count)));
        });
        if self.sums.is_empty() { PreScore::Skip } else { PreScore::Run }
    }

    fn score(&self, cycle: &Cycle<'_>, node: NodeIndex) -> i64 {
        self.sums.in_use().iter().map(|&(topology, _)| self.sums.at(cycle, topology, node)).sum()
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "kube-scheduler truncates to an integer too"
    )]
    fn normalize(&self, scores: &mut [i64]) {
        let min = scores.iter().copied().min().unwrap_or(0);
        let range = scores.iter().copied().max().unwrap_or(0) - min;
        for score in scores {
            let share = if range > 0 { (*score - min) as f64 / range as f64 } else { 0.0 };
            *score = (SCORE_MAX as f64 * share) as i64;
        }
    }
}
