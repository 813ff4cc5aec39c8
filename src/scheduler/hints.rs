//! Which cluster events may let a waiting pod be placed (kube-scheduler 1.36 queueing hints).
//!
//! An answer "no" is certain: the event cannot have removed what the plugins that rejected the pod complained about. One
//! exception is kube-scheduler's own: a node that goes takes its pods' anti-affinity with it, but a pod that waits for that
//! is woken only when the pods themselves are gone.

use super::cluster::{NodeChange, NodeIndex};
use super::framework::{Cycle, Filter, Plugin, PluginSet, Verdict};
use super::incoming::Incoming;
use super::plugins::node_affinity;
use super::plugins::node_unschedulable::NodeUnschedulable;
use super::plugins::taint_toleration::tolerates_all;
use super::pod::{PodClass, PodView};
use super::resources::ResourceId;
use super::schedule::Scheduler;
use super::terms::{Candidate, PodTerm, Wish};
use std::sync::Arc;

/// Something that happened in the cluster, and that the cluster already shows.
#[derive(Clone, Copy, Debug)]
pub enum ClusterEvent<'a> {
    /// A node came.
    NodeAdded(NodeIndex),
    /// A node changed.
    NodeChanged(NodeIndex, NodeChange),
    /// A node went.
    NodeRemoved,
    /// A pod was bound: it frees nothing, but may be what an affinity or a spread constraint waited for.
    PodAdded(&'a PodView),
    /// A pod was bound and is gone, or is being deleted as far as spreading goes.
    PodRemoved(&'a PodView),
    /// Labels of a bound pod changed: what it was and what it is.
    PodLabels(&'a PodView, &'a PodView),
}

impl Scheduler {
    /// Returns whether an event may let a pod be placed that these plugins rejected.
    pub fn would_wake(
        &mut self,
        pod: &PodView,
        rejected_by: PluginSet,
        event: ClusterEvent<'_>,
    ) -> bool {
        if rejected_by.is_empty() {
            // There was no node. The real scheduler tries such a pod again by back-off alone, without waiting for one.
            return matches!(event, ClusterEvent::NodeAdded(_));
        }
        // Only these ask for more than the pod's class; most waiting pods lack resources.
        let needs_more =
            [Plugin::NodeAffinity, Plugin::PodTopologySpread, Plugin::InterPodAffinity];
        let incoming = if needs_more.into_iter().any(|plugin| rejected_by.contains(plugin)) {
            self.resolve(pod)
        } else {
            Incoming::default()
        };
        let cycle = Cycle { cluster: &self.cluster, pod, incoming: &incoming };
        ALL.into_iter().any(|plugin| rejected_by.contains(plugin) && hint(&cycle, plugin, event))
    }
}

const ALL: [Plugin; 8] = [
    Plugin::NodeUnschedulable,
    Plugin::NodeName,
    Plugin::TaintToleration,
    Plugin::NodeAffinity,
    Plugin::NodePorts,
    Plugin::NodeResourcesFit,
    Plugin::PodTopologySpread,
    Plugin::InterPodAffinity,
];

fn hint(cycle: &Cycle<'_>, plugin: Plugin, event: ClusterEvent<'_>) -> bool {
    use ClusterEvent::{NodeAdded, NodeChanged, NodeRemoved, PodAdded, PodLabels, PodRemoved};
    let class = &cycle.pod.class;
    match (plugin, event) {
        (Plugin::NodeUnschedulable, NodeAdded(node)) => is_open(cycle, node),
        (Plugin::NodeUnschedulable, NodeChanged(node, change)) => {
            (change.unschedulable || change.taints) && is_open(cycle, node)
        }
        (Plugin::NodeName, NodeAdded(node)) => {
            class.node_name == Some(cycle.cluster.nodes.name(node))
        }
        (Plugin::TaintToleration, NodeAdded(node)) => tolerates_all(cycle, node),
        (Plugin::TaintToleration, NodeChanged(node, change)) => {
            change.taints && tolerates_all(cycle, node)
        }
        (Plugin::NodeAffinity, NodeAdded(node)) => node_affinity::matches(cycle, node),
        (Plugin::NodeAffinity, NodeChanged(node, change)) => {
            change.labels && node_affinity::matches(cycle, node)
        }
        (Plugin::NodePorts, NodeAdded(_)) => true,
        (Plugin::NodePorts, PodRemoved(other)) => shares_port(class, &other.class),
        (Plugin::NodeResourcesFit, NodeAdded(node)) => fits_empty(cycle, node),
        (Plugin::NodeResourcesFit, NodeChanged(node, change)) => {
            let asked = class.requests.asked.iter().map(|entry| entry.0).chain([ResourceId::PODS]);
            let has_grown = asked.into_iter().any(|id| change.grown & (1 << id.at()) != 0);
            has_grown && fits_empty(cycle, node)
        }
        // Each pod that goes frees at least its place among the node's pods.
        (Plugin::NodeResourcesFit, PodRemoved(_)) => true,
        (Plugin::PodTopologySpread, NodeAdded(_) | NodeRemoved) => true,
        (Plugin::PodTopologySpread, NodeChanged(_, change)) => change.labels || change.taints,
        (Plugin::PodTopologySpread, PodAdded(other) | PodRemoved(other)) => {
            is_counted(cycle, other)
        }
        (Plugin::PodTopologySpread, PodLabels(old, new)) => {
            is_counted(cycle, old) != is_counted(cycle, new)
        }
        (Plugin::InterPodAffinity, NodeAdded(_)) => true,
        (Plugin::InterPodAffinity, NodeChanged(_, change)) => change.labels,
        (Plugin::InterPodAffinity, PodAdded(other)) => is_wished_for(cycle, other.candidate()),
        (Plugin::InterPodAffinity, PodRemoved(other)) => kept_away(cycle, other),
        (Plugin::InterPodAffinity, PodLabels(old, new)) => {
            kept_away(cycle, old) || is_wished_for(cycle, new.candidate())
        }
        _ => false,
    }
}

fn is_open(cycle: &Cycle<'_>, node: NodeIndex) -> bool {
    NodeUnschedulable.filter(cycle, node) == Verdict::Fits
}

fn shares_port(class: &PodClass, other: &PodClass) -> bool {
    class
        .host_ports
        .iter()
        .any(|port| other.host_ports.iter().any(|taken| port.clashes_with(taken)))
}

fn fits_empty(cycle: &Cycle<'_>, node: NodeIndex) -> bool {
    let nodes = &cycle.cluster.nodes;
    let mut asked = cycle.pod.class.requests.asked.iter();
    nodes.allocatable(ResourceId::PODS)[node.at()] > 0
        && asked.all(|&(id, amount)| amount <= nodes.allocatable(id)[node.at()])
}

/// Returns whether a hard spread constraint of the waiting pod counts another pod.
fn is_counted(cycle: &Cycle<'_>, other: &PodView) -> bool {
    let cluster = cycle.cluster;
    let matchers = cycle.incoming.hard.iter().filter_map(|constraint| constraint.pods.as_ref());
    matchers.into_iter().any(|counted| {
        let mut all = counted.matcher.all.iter();
        all.all(|scoped| scoped.matches(other.candidate(), &cluster.namespaces, &cluster.symbols))
    })
}

/// Returns whether a required affinity term of the waiting pod matches another pod.
fn is_wished_for(cycle: &Cycle<'_>, other: Candidate<'_>) -> bool {
    matches_any(cycle, cycle.pod.terms(), Wish::RequiredAffinity, other)
}

/// Returns whether anti-affinity of either pod concerns the other. The last pod that a series of pods with affinity to
/// themselves could go to may also have gone: then the next one may go anywhere.
fn kept_away(cycle: &Cycle<'_>, other: &PodView) -> bool {
    matches_any(cycle, cycle.pod.terms(), Wish::RequiredAntiAffinity, other.candidate())
        || matches_any(cycle, other.terms(), Wish::RequiredAntiAffinity, cycle.pod.candidate())
        || is_wished_for(cycle, other.candidate())
}

fn matches_any<'a>(
    cycle: &Cycle<'_>,
    mut terms: impl Iterator<Item = &'a Arc<PodTerm>>,
    wish: Wish,
    pod: Candidate<'_>,
) -> bool {
    let cluster = cycle.cluster;
    terms.any(|term| {
        term.wish == wish && term.term.matches(pod, &cluster.namespaces, &cluster.symbols)
    })
}
