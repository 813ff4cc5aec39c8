//! `NodeName` (kube-scheduler 1.36): a pod that names a node goes there or nowhere.

use super::super::cluster::NodeIndex;
use super::super::framework::{Basis, Cycle, Filter, Plugin, PreFilter, Reasons, Verdict};

/// The filter.
#[derive(Debug, Default)]
pub(in super::super) struct NodeName;

impl Filter for NodeName {
    fn plugin(&self) -> Plugin {
        Plugin::NodeName
    }

    fn basis(&self) -> Basis {
        Basis::NodeObject
    }

    fn pre_filter(&mut self, cycle: &Cycle<'_>) -> PreFilter {
        if cycle.pod.class.node_name.is_some() { PreFilter::Run } else { PreFilter::Skip }
    }

    fn filter(&self, cycle: &Cycle<'_>, node: NodeIndex) -> Verdict {
        match cycle.pod.class.node_name {
            Some(name) if name != cycle.cluster.nodes.name(node) => {
                Verdict::Hopeless(Reasons::NODE_NAME)
            }
            _ => Verdict::Fits,
        }
    }
}
