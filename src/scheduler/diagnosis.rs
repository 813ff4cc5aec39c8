//! Why a pod fits nowhere, in the words of kube-scheduler's `FailedScheduling` event.

use super::cluster::Cluster;
use super::framework::{Plugin, PluginSet, Reasons, Verdict};
use super::preemption::{Helplessness, Preemption};
use std::collections::BTreeMap;

/// What the filters said about all nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnosis {
    /// Nodes that there are.
    pub nodes: u32,
    /// Nodes where evicting pods could help.
    pub unschedulable: u32,
    /// Nodes where it could not.
    pub hopeless: u32,
    /// Plugins that rejected a node: what may wake the pod hangs on them.
    pub rejected_by: PluginSet,
    /// Nodes by reason number.
    counts: Vec<(u8, u32)>,
    /// What came of the search for pods to evict. Without one, no pod is taken to have a lower priority.
    pub preemption: Option<Preemption>,
    minor: u32,
    never_preempts: bool,
}

impl Diagnosis {
    pub(super) fn new(nodes: usize, minor: u32, never_preempts: bool) -> Self {
        let nodes = u32::try_from(nodes).expect("fewer than 2^32 nodes");
        Self { nodes, minor, never_preempts, ..Self::default() }
    }

    /// Counts a verdict of `times` nodes.
    pub(super) fn count(&mut self, plugin: Plugin, verdict: Verdict, times: u32) {
        let reasons = match verdict {
            Verdict::Fits => return,
            Verdict::Unschedulable(reasons) => {
                self.unschedulable += times;
                reasons
            }
            Verdict::Hopeless(reasons) => {
                self.hopeless += times;
                reasons
            }
        };
        self.rejected_by.insert(plugin);
        for number in reasons.numbers() {
            match self.counts.iter_mut().find(|entry| entry.0 == number) {
                Some(entry) => entry.1 += times,
                None => self.counts.push((number, times)),
            }
        }
    }

    /// Returns how many nodes have each reason, most first.
    pub fn reasons(&self, cluster: &Cluster) -> Vec<(String, u32)> {
        let text = |number| Reasons::text(number, &cluster.resources);
        let mut reasons: Vec<(String, u32)> =
            self.counts.iter().map(|&(number, count)| (text(number), count)).collect();
        reasons
            .sort_by(|first, second| second.1.cmp(&first.1).then_with(|| first.0.cmp(&second.0)));
        reasons
    }

    /// Returns the message of the event and of the condition `PodScheduled` (kube-scheduler 1.36 `FitError`).
    pub fn message(&self, cluster: &Cluster) -> String {
        if self.nodes == 0 {
            return "no nodes available to schedule pods".to_owned();
        }
        let reasons =
            self.reasons(cluster).into_iter().map(|(text, count)| format!("{count} {text}"));
        let mut message = format!("0/{} nodes are available: {}.", self.nodes, sorted(reasons));
        if matches!(self.preemption, Some(Preemption::Found { .. })) {
            return message; // Success has no message.
        }
        // The plugin DynamicResources is part of the default profile from 1.34 on, and speaks first.
        message.push_str(if self.minor >= 34 { " no new claims to deallocate," } else { "" });
        message.push_str(" preemption: ");
        message + &self.no_victims(cluster)
    }

    fn no_victims(&self, cluster: &Cluster) -> String {
        let assumed = [
            (Helplessness::NoVictims, self.unschedulable),
            (Helplessness::NotHelpful, self.hopeless),
        ];
        let outcomes: &[(Helplessness, u32)] = match &self.preemption {
            Some(Preemption::NotEligible(why)) => return (*why).to_owned(),
            None if self.never_preempts => {
                return "not eligible due to preemptionPolicy=Never.".to_owned();
            }
            Some(Preemption::Nothing(outcomes)) => outcomes,
            Some(Preemption::Found { .. }) | None => &assumed,
        };
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        for &(why, nodes) in outcomes.iter().filter(|entry| entry.1 > 0) {
            let texts = match why {
                Helplessness::NoVictims => {
                    vec!["No preemption victims found for incoming pod".to_owned()]
                }
                Helplessness::NotHelpful => {
                    vec!["Preemption is not helpful for scheduling".to_owned()]
                }
                Helplessness::Rejected(reasons) => reasons.texts(&cluster.resources),
            };
            for text in texts {
                *counts.entry(text).or_default() += nodes;
            }
        }
        let counts = counts.into_iter().map(|(text, nodes)| format!("{nodes} {text}"));
        format!("0/{} nodes are available: {}.", self.nodes, sorted(counts))
    }
}

/// Sorted as texts, numbers and all: "10 a" comes before "2 b".
fn sorted(parts: impl Iterator<Item = String>) -> String {
    let mut parts: Vec<String> = parts.collect();
    parts.sort();
    parts.join(", ")
}
