//! What plugins are: the extension points `PreFilter`, Filter, `PreScore`, Score and `NormalizeScore`, and their answers.
//!
//! Shape and words follow the scheduling framework of kube-scheduler 1.36. A plugin keeps what it computed at `PreFilter` or
//! `PreScore` in itself; one is used for one pod at a time.

use super::cluster::{Cluster, NodeIndex};
use super::incoming::Incoming;
use super::pod::PodView;
use super::resources::{RESOURCES_MAX, ResourceId, Resources};
use std::fmt;

/// Why nodes were rejected: a set, as one plugin may have several reasons for one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reasons(pub(super) u128);

/// Texts of the reasons that are not about a resource, by bit after [`RESOURCES_MAX`].
const TEXTS: [&str; 12] = [
    "node(s) were unschedulable",
    "node(s) didn't match the requested node name",
    "node(s) had untolerated taint(s)",
    "node(s) didn't match Pod's node affinity/selector",
    "node(s) didn't have free ports for the requested pod ports",
    "Too many pods",
    "node(s) didn't match pod topology spread constraints (missing required label)",
    "node(s) didn't match pod topology spread constraints",
    "node(s) didn't match pod affinity rules",
    "node(s) didn't match pod anti-affinity rules",
    "node(s) didn't satisfy existing pods anti-affinity rules",
    "node(s) didn't match scheduler-enforced node affinity",
];

impl Reasons {
    /// The node is cordoned.
    pub const NODE_UNSCHEDULABLE: Self = Self::named(0);
    /// The pod names another node.
    pub const NODE_NAME: Self = Self::named(1);
    /// A taint is not tolerated.
    ///
    /// # Differs from the real thing
    /// Before 1.35 (and before the patch releases of 1.34 that took the change over) the text names the taint.
    pub const TAINT: Self = Self::named(2);
    /// Node selector or affinity does not match.
    pub const NODE_AFFINITY: Self = Self::named(3);
    /// A host port is taken.
    pub const PORTS: Self = Self::named(4);
    /// The node has as many pods as it may have.
    pub const PODS: Self = Self::named(5);
    /// A topology key of a spread constraint is missing.
    pub const SPREAD_LABEL: Self = Self::named(6);
    /// The skew would be too large.
    pub const SPREAD: Self = Self::named(7);
    /// Required pod affinity is not met.
    pub const AFFINITY: Self = Self::named(8);
    /// Required pod anti-affinity is not met.
    pub const ANTI_AFFINITY: Self = Self::named(9);
    /// Required anti-affinity of a pod that is there is not met.
    pub const EXISTING_ANTI_AFFINITY: Self = Self::named(10);
    /// Node affinity that the profile adds does not match.
    pub const ENFORCED_AFFINITY: Self = Self::named(11);

    const fn named(number: usize) -> Self {
        Self(1 << (RESOURCES_MAX + number))
    }

    /// There is not enough of a resource.
    pub fn insufficient(resource: ResourceId) -> Self {
        Self(1 << resource.at())
    }

    /// Returns whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Iterates over the reasons as numbers that [`Self::text`] knows.
    pub(super) fn numbers(self) -> impl Iterator<Item = u8> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let number = left.trailing_zeros();
            (number < 128).then(|| {
                left &= left - 1;
                u8::try_from(number).expect("below 128")
            })
        })
    }

    /// Returns the text of a reason in kube-scheduler's words.
    pub(super) fn text(number: u8, resources: &Resources) -> String {
        match usize::from(number).checked_sub(RESOURCES_MAX) {
            Some(named) => TEXTS[named].to_owned(),
            None => format!("Insufficient {}", resources.name(ResourceId(number))),
        }
    }

    /// Returns the texts of all reasons.
    pub fn texts(self, resources: &Resources) -> Vec<String> {
        self.numbers().map(|number| Self::text(number, resources)).collect()
    }
}

/// What a filter says about a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The pod can go there.
    Fits,
    /// It cannot, but could if other pods went away (kube-scheduler's `Unschedulable`).
    Unschedulable(Reasons),
    /// It cannot, whatever pods go away (`UnschedulableAndUnresolvable`).
    Hopeless(Reasons),
}

/// The plugins, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Plugin {
    /// Cordoned nodes.
    NodeUnschedulable,
    /// `spec.nodeName`.
    NodeName,
    /// Taints.
    TaintToleration,
    /// Node selector and node affinity.
    NodeAffinity,
    /// Host ports.
    NodePorts,
    /// Resources.
    NodeResourcesFit,
    /// Topology spread constraints.
    PodTopologySpread,
    /// Pod affinity and anti-affinity.
    InterPodAffinity,
    /// Evenness of what is used of different resources.
    NodeResourcesBalancedAllocation,
    /// Images on nodes.
    ImageLocality,
}

impl fmt::Display for Plugin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, formatter)
    }
}

/// A set of plugins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PluginSet(u32);

impl PluginSet {
    /// Adds a plugin.
    pub fn insert(&mut self, plugin: Plugin) {
        self.0 |= 1 << u32::from(plugin as u8);
    }

    /// Returns whether it has a plugin.
    pub fn contains(self, plugin: Plugin) -> bool {
        self.0 & (1 << u32::from(plugin as u8)) != 0
    }

    /// Returns whether it has none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Plugin> for PluginSet {
    fn from_iter<I: IntoIterator<Item = Plugin>>(plugins: I) -> Self {
        let mut set = Self::default();
        plugins.into_iter().for_each(|plugin| set.insert(plugin));
        set
    }
}

/// What plugins see: the cluster, the pod, and what the pod's selectors come to in this cluster.
#[derive(Clone, Copy, Debug)]
pub struct Cycle<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// The pod to place.
    pub pod: &'a PodView,
    pub(super) incoming: &'a Incoming,
}

/// Answer at `PreFilter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreFilter {
    /// The filter has nothing to say about this pod and is left out.
    Skip,
    /// The filter runs.
    Run,
    /// No node will do.
    Reject(Verdict),
}

/// Answer at `PreScore`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreScore {
    /// The score is left out: it counts zero.
    Skip,
    /// Every node gets this, after normalising.
    Constant(i64),
    /// The score runs.
    Run,
}

/// What the verdicts of a filter hang on, and so how long they stay true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// On the pod's class and what the Node object says.
    NodeObject,
    /// On these and the pods that are on the node.
    Node,
    /// On anything else, too.
    Cluster,
}

/// Extension points `PreFilter` and Filter.
pub trait Filter {
    /// Returns the plugin that it belongs to.
    fn plugin(&self) -> Plugin;

    /// Returns what its verdicts hang on. Those of a basis below [`Basis::Cluster`] are kept and used again; such a filter
    /// keeps nothing from `PreFilter`, and finds that a node fits where it would be skipped.
    fn basis(&self) -> Basis {
        Basis::Cluster
    }

    /// Prepares for a pod.
    fn pre_filter(&mut self, _cycle: &Cycle<'_>) -> PreFilter {
        PreFilter::Run
    }

    /// Judges a node.
    fn filter(&self, cycle: &Cycle<'_>, node: NodeIndex) -> Verdict;
}

/// Extension points `PreScore`, Score and `NormalizeScore`.
pub trait Score {
    /// Returns the plugin that it belongs to.
    fn plugin(&self) -> Plugin;

    /// Prepares for a pod and the nodes that it fits.
    fn pre_score(&mut self, _cycle: &Cycle<'_>, _feasible: &[NodeIndex]) -> PreScore {
        PreScore::Run
    }

    /// Returns whether its scores hang on nothing but the pod's class, what the Node object says and the pods on the node.
    /// Such scores are kept and used again, and are not normalised.
    fn is_local(&self) -> bool {
        false
    }

    /// Scores a node; more is better.
    fn score(&self, cycle: &Cycle<'_>, node: NodeIndex) -> i64;

    /// Brings the scores of all nodes into 0 to [`SCORE_MAX`].
    fn normalize(&self, _scores: &mut [i64]) {}

    /// Scores all nodes: one call of a trait object for many nodes.
    fn score_all(&self, cycle: &Cycle<'_>, nodes: &[NodeIndex], scores: &mut Vec<i64>) {
        scores.clear();
        scores.extend(nodes.iter().map(|&node| self.score(cycle, node)));
        self.normalize(scores);
    }
}

/// Best score of a plugin (kube-scheduler `MaxNodeScore`).
pub const SCORE_MAX: i64 = 100;

/// kube-scheduler 1.36 `DefaultNormalizeScore`: in proportion to the largest, reversed if less is better.
pub(super) fn normalize_by_max(scores: &mut [i64], is_reversed: bool) {
    let max = scores.iter().copied().max().unwrap_or(0);
    for score in scores {
        if max == 0 {
            *score = if is_reversed { SCORE_MAX } else { *score };
            continue;
        }
        let proportion = SCORE_MAX * *score / max;
        *score = if is_reversed { SCORE_MAX - proportion } else { proportion };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(scores: &[i64], is_reversed: bool, expected: &[i64]) {
        let mut scores = scores.to_vec();
        normalize_by_max(&mut scores, is_reversed);
        assert_eq!(scores, expected);
    }

    #[test]
    fn scores_are_normalised_by_the_largest() {
        check(&[0, 3, 6], false, &[0, 50, 100]);
        check(&[0, 1, 3], true, &[100, 67, 0]);
        check(&[0, 0], true, &[100, 100]);
        check(&[0, 0], false, &[0, 0]);
    }

    #[test]
    fn reasons_are_told_in_the_scheduler_s_words() {
        let mut resources = Resources::default();
        let gpu = resources.intern("nvidia.com/gpu");
        let reasons = Reasons::PODS.and(Reasons::insufficient(gpu));
        assert_eq!(reasons.texts(&resources), ["Insufficient nvidia.com/gpu", "Too many pods"]);
    }
}
