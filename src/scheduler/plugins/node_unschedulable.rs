//! `NodeUnschedulable` (kube-scheduler 1.36): cordoned nodes take no pods but those that tolerate the taint that a cordon means.

use super::super::cluster::NodeIndex;
use super::super::framework::{Basis, Cycle, Filter, Plugin, Reasons, Verdict};
use super::super::pod::{Effect, Tolerated};
use super::super::symbols::Sym;

/// Taint of cordoned nodes.
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// The filter.
#[derive(Debug, Default)]
pub(in super::super) struct NodeUnschedulable;

impl Filter for NodeUnschedulable {
    fn plugin(&self) -> Plugin {
        Plugin::NodeUnschedulable
    }

    fn basis(&self) -> Basis {
        Basis::NodeObject
    }

    fn filter(&self, cycle: &Cycle<'_>, node: NodeIndex) -> Verdict {
        if !cycle.cluster.nodes.is_unschedulable(node) || tolerates_cordon(cycle) {
            return Verdict::Fits;
        }
        Verdict::Hopeless(Reasons::NODE_UNSCHEDULABLE)
    }
}

/// Returns whether the pod tolerates `node.kubernetes.io/unschedulable:NoSchedule`.
fn tolerates_cordon(cycle: &Cycle<'_>) -> bool {
    cycle.pod.class.tolerations.iter().any(|toleration| {
        let symbols = &cycle.cluster.symbols;
        toleration.effect.is_none_or(|effect| effect == Effect::NoSchedule)
            && toleration.key.is_none_or(|key| symbols.text(key) == UNSCHEDULABLE)
            && matches!(toleration.value, Tolerated::Any | Tolerated::Equal(Sym::EMPTY))
    })
}
