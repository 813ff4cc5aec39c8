//! `NodePorts` (kube-scheduler 1.36): host ports that are free.

use super::super::cluster::NodeIndex;
use super::super::framework::{Basis, Cycle, Filter, Plugin, PreFilter, Reasons, Verdict};

/// The filter.
#[derive(Debug, Default)]
pub(in super::super) struct NodePorts;

impl Filter for NodePorts {
    fn plugin(&self) -> Plugin {
        Plugin::NodePorts
    }

    fn basis(&self) -> Basis {
        Basis::Node
    }

    fn pre_filter(&mut self, cycle: &Cycle<'_>) -> PreFilter {
        if cycle.pod.class.host_ports.is_empty() { PreFilter::Skip } else { PreFilter::Run }
    }

    fn filter(&self, cycle: &Cycle<'_>, node: NodeIndex) -> Verdict {
        let taken = cycle.cluster.nodes.ports(node);
        let wanted = &cycle.pod.class.host_ports;
        if wanted.iter().any(|port| taken.iter().any(|other| port.clashes_with(other))) {
            Verdict::Unschedulable(Reasons::PORTS)
        } else {
            Verdict::Fits
        }
    }
}
