//! Which resources are accelerators, and how many of them a pod asks for and a node has.

use super::keys::TPU_RESOURCE;
use super::quantity::Quantity;
use k8s_openapi::api::core::v1::{Node, PodSpec};
use k8s_openapi::apimachinery::pkg::api::resource;
use std::collections::BTreeMap;

/// Returns whether a resource counts as an accelerator in results: GPUs of any vendor (`nvidia.com/gpu`, `amd.com/gpu`,
/// `gpu.intel.com/…` excluded, as it names slices) and Cloud TPUs.
pub fn is_accelerator(resource: &str) -> bool {
    resource == TPU_RESOURCE || resource.ends_with("/gpu")
}

/// Returns the accelerators that the containers of a pod ask for. Requests of extended resources equal their limits
/// (Kubernetes API validation), so either tells; init containers share those of the others.
pub fn asked_by(spec: &PodSpec) -> u64 {
    let of_container = |resources: &k8s_openapi::api::core::v1::ResourceRequirements| {
        let mut asked = resources.requests.clone().unwrap_or_default();
        asked.extend(resources.limits.clone().unwrap_or_default());
        sum(&asked)
    };
    spec.containers
        .iter()
        .filter_map(|container| container.resources.as_ref())
        .map(of_container)
        .sum()
}

/// Returns the allocatable accelerators of a node; its capacity where it states nothing allocatable.
pub fn allocatable_on(node: &Node) -> u64 {
    let status = node.status.as_ref();
    status
        .and_then(|status| status.allocatable.as_ref().or(status.capacity.as_ref()))
        .map_or(0, sum)
}

fn sum(resources: &BTreeMap<String, resource::Quantity>) -> u64 {
    let accelerators = resources.iter().filter(|(name, _)| is_accelerator(name));
    let count = |quantity: &resource::Quantity| {
        u64::try_from(Quantity::parse(&quantity.0).ok()?.units_ceil()).ok()
    };
    accelerators.filter_map(|(_, quantity)| count(quantity)).sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gpus_of_all_vendors_and_tpus_count_and_nothing_else_does() {
        for name in ["nvidia.com/gpu", "amd.com/gpu", "google.com/tpu"] {
            assert!(is_accelerator(name), "{name}");
        }
        for name in ["cpu", "memory", "gpu", "nvidia.com/mig-1g.5gb", "rdma/hca"] {
            assert!(!is_accelerator(name), "{name}");
        }
    }

    #[test]
    fn a_pod_asks_for_the_sum_over_its_containers() {
        let spec: PodSpec = serde_json::from_value(serde_json::json!({
            "initContainers": [{"name": "i", "resources": {"limits": {"nvidia.com/gpu": "8"}}}],
            "containers": [
                {"name": "a", "resources": {"limits": {"nvidia.com/gpu": "8", "cpu": "2"}, "requests": {"nvidia.com/gpu": "8"}}},
                {"name": "b", "resources": {"requests": {"amd.com/gpu": "1"}}},
                {"name": "c"},
            ],
        }))
        .unwrap();
        assert_eq!(asked_by(&spec), 9);
    }

    #[test]
    fn a_node_has_what_is_allocatable() {
        let node: Node = serde_json::from_value(serde_json::json!({
            "status": {"capacity": {"nvidia.com/gpu": "8"}, "allocatable": {"nvidia.com/gpu": "7", "cpu": "64"}},
        }))
        .unwrap();
        assert_eq!(allocatable_on(&node), 7);
        assert_eq!(allocatable_on(&Node::default()), 0);
    }
}
