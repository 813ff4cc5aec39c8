//! The cluster in which LWS traces were recorded: 16 nodes of 8 GPUs in 4 racks, 2 blocks and 2 zones, Kubernetes 1.36.3.

use crate::backend::sim::setup::{Kubernetes, Params, Setup};
use crate::controller::Fixes;
use crate::engine::Span;
use k8s_openapi::api::core::v1::Node;
use serde_json::json;
use std::sync::Arc;

const NODES: usize = 16;
/// Ends a replay that cannot come to rest.
const EVENTS_MAX: u64 = 2_000_000;
const HORIZON: Span = Span::from_secs(24 * 3600);

/// Returns the cluster, empty, with the gate `MaxUnavailableStatefulSet` on or off.
pub(super) fn setup(has_max_unavailable: bool) -> Setup {
    Setup {
        kubernetes: Kubernetes {
            minor: 36,
            patch: 3,
            max_unavailable_stateful_set: has_max_unavailable,
        },
        nodes: (0..NODES).map(|index| Arc::new(node(index))).collect(),
        workloads: Vec::new(),
        timeline: Vec::new(),
        priority_classes: Vec::new(),
        budgets: Vec::new(),
        fixes: Fixes::default(),
        scheduler: Vec::new(),
        // It has neither storage classes nor volumes.
        params: Params { binds_claims: false, ..Params::default() },
        horizon: HORIZON,
        events_max: EVENTS_MAX,
    }
}

fn node(index: usize) -> Node {
    let name = format!("node-{index:02}");
    let resources = json!({
        "cpu": "96", "memory": "1024Gi", "pods": "110", "nvidia.com/gpu": "8", "google.com/tpu": "4",
    });
    let node = json!({
        "metadata": {"name": name, "labels": {
            "kubernetes.io/hostname": name,
            "topology.kubernetes.io/zone": format!("zone-{}", index / 8),
            "cloud.provider.com/topology-block": format!("block-{}", index / 8),
            "cloud.provider.com/topology-rack": format!("rack-{}", index / 4),
        }},
        "status": {"capacity": resources, "allocatable": resources},
    });
    serde_json::from_value(node).expect("a node in JSON")
}
