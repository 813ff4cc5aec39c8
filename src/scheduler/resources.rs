//! Resources as small integers, and what a pod asks of each (kube-scheduler 1.36, `component-helpers/resource`).
//!
//! Amounts are in the scheduler's units: thousandths of a core, bytes, and whole devices.

use crate::api::quantity::Quantity;
use k8s_openapi::api::core::v1::{Container, PodSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Stated;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::collections::BTreeMap;

/// A resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId(pub(super) u8);

impl ResourceId {
    /// `cpu`, in thousandths.
    pub const CPU: Self = Self(0);
    /// `memory`, in bytes.
    pub const MEMORY: Self = Self(1);
    /// `ephemeral-storage`, in bytes.
    pub const EPHEMERAL_STORAGE: Self = Self(2);
    /// `pods`.
    pub const PODS: Self = Self(3);

    pub(super) fn at(self) -> usize {
        usize::from(self.0)
    }
}

/// Kinds of resources that one cluster can have; each is one bit of [`super::Reasons`].
pub const RESOURCES_MAX: usize = 100;

/// What scoring takes a container to ask where it asks for no cpu: 100m (kube-scheduler `DefaultMilliCPURequest`).
const CPU_UNSTATED: i64 = 100;
/// What scoring takes a container to ask where it asks for no memory: 200 MiB (kube-scheduler `DefaultMemoryRequest`).
const MEMORY_UNSTATED: i64 = 200 * 1024 * 1024;

/// The names of resources.
#[derive(Clone, Debug)]
pub struct Resources {
    names: Vec<String>,
    by_name: FxHashMap<String, ResourceId>,
}

impl Default for Resources {
    fn default() -> Self {
        let mut resources = Self { names: Vec::new(), by_name: FxHashMap::default() };
        for name in ["cpu", "memory", "ephemeral-storage", "pods"] {
            resources.intern(name);
        }
        resources
    }
}

impl Resources {
    /// Returns the identity of a resource, a new one if it has none.
    pub fn intern(&mut self, name: &str) -> ResourceId {
        if let Some(&id) = self.by_name.get(name) {
            return id;
        }
        assert!(
            self.names.len() < RESOURCES_MAX,
            "a cluster has at most {RESOURCES_MAX} kinds of resources"
        );
        let id = ResourceId(u8::try_from(self.names.len()).expect("fewer than RESOURCES_MAX"));
        self.names.push(name.to_owned());
        self.by_name.insert(name.to_owned(), id);
        id
    }

    /// Returns the identity of a resource if it has one.
    pub fn find(&self, name: &str) -> Option<ResourceId> {
        self.by_name.get(name).copied()
    }

    /// Returns the name of a resource.
    pub fn name(&self, id: ResourceId) -> &str {
        &self.names[id.at()]
    }

    /// Returns how many kinds of resources there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Returns whether there is none, which is never so.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Returns a stated list in the scheduler's units; an amount that cannot be read counts as zero.
    pub fn amounts(&mut self, stated: &BTreeMap<String, Stated>) -> Vec<(ResourceId, i64)> {
        stated.iter().map(|(name, quantity)| (self.intern(name), amount(name, quantity))).collect()
    }
}

fn amount(name: &str, stated: &Stated) -> i64 {
    // Admission has refused what cannot be parsed.
    let Ok(quantity) = Quantity::parse(&stated.0) else { return 0 };
    if name == "cpu" { quantity.milli_ceil() } else { quantity.units_ceil() }
}

/// What a pod asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// What it asks, by resource, without zeros.
    pub asked: SmallVec<[(ResourceId, i64); 4]>,
    /// Cpu and memory as scoring sees them: containers that state none count with a default.
    pub nonzero: [i64; 2],
}

impl Requests {
    /// Returns how much of a resource the pod asks.
    pub fn of(&self, resource: ResourceId) -> i64 {
        self.asked.iter().find(|entry| entry.0 == resource).map_or(0, |entry| entry.1)
    }

    /// Returns what a pod of this spec asks.
    pub fn from_spec(resources: &mut Resources, spec: &PodSpec) -> Self {
        let asked = pod_sum(resources, spec, |list| list);
        let nonzero = pod_sum(resources, spec, |mut list| {
            list.entry(ResourceId::CPU).or_insert(CPU_UNSTATED);
            list.entry(ResourceId::MEMORY).or_insert(MEMORY_UNSTATED);
            list
        });
        let of = |id| nonzero.get(&id).copied().unwrap_or(0);
        Self {
            asked: asked.into_iter().filter(|entry| entry.1 > 0).collect(),
            nonzero: [of(ResourceId::CPU), of(ResourceId::MEMORY)],
        }
    }
}

type List = BTreeMap<ResourceId, i64>;

/// Containers together, or the largest step of initialisation if that is more; then pod-level requests and overhead.
fn pod_sum(resources: &mut Resources, spec: &PodSpec, complete: impl Fn(List) -> List) -> List {
    let mut sum = List::new();
    for container in &spec.containers {
        add(&mut sum, &complete(container_requests(resources, container)));
    }
    let (mut sidecars, mut largest_step) = (List::new(), List::new());
    for container in spec.init_containers.iter().flatten() {
        let asked = complete(container_requests(resources, container));
        if container.restart_policy.as_deref() == Some("Always") {
            add(&mut sum, &asked);
            add(&mut sidecars, &asked);
            raise(&mut largest_step, &sidecars);
        } else {
            let mut step = asked;
            add(&mut step, &sidecars);
            raise(&mut largest_step, &step);
        }
    }
    raise(&mut sum, &largest_step);
    if let Some(stated) = spec.resources.as_ref().and_then(|stated| stated.requests.as_ref()) {
        sum.extend(resources.amounts(stated)); // Pod-level requests replace the sum.
    }
    for (id, amount) in
        spec.overhead.as_ref().map(|stated| resources.amounts(stated)).unwrap_or_default()
    {
        *sum.entry(id).or_default() += amount;
    }
    sum
}

fn container_requests(resources: &mut Resources, container: &Container) -> List {
    let Some(stated) = &container.resources else { return List::new() };
    // API defaulting copies a limit to a request that is missing.
    let mut list: List =
        stated.limits.as_ref().map(|list| resources.amounts(list)).into_iter().flatten().collect();
    list.extend(stated.requests.as_ref().map(|list| resources.amounts(list)).into_iter().flatten());
    list
}

fn add(sum: &mut List, more: &List) {
    for (&id, &amount) in more {
        *sum.entry(id).or_default() += amount;
    }
}

fn raise(list: &mut List, other: &List) {
    for (&id, &amount) in other {
        let entry = list.entry(id).or_default();
        *entry = (*entry).max(amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(spec: &str, expected: &[(&str, i64)], nonzero: [i64; 2]) {
        let mut resources = Resources::default();
        let spec: PodSpec = serde_yaml::from_str(spec).unwrap();
        let requests = Requests::from_spec(&mut resources, &spec);
        let asked: Vec<(&str, i64)> =
            requests.asked.iter().map(|&(id, amount)| (resources.name(id), amount)).collect();
        assert_eq!(asked, expected);
        assert_eq!(requests.nonzero, nonzero);
    }

    const MIB: i64 = 1 << 20;

    #[test]
    fn containers_add_up() {
        check(
            "containers: [{name: a, resources: {requests: {cpu: 250m}}}, {name: b, resources: {requests: {cpu: 1, memory: 1Gi}}}]",
            &[("cpu", 1250), ("memory", 1024 * MIB)],
            [1250, 1224 * MIB],
        );
    }

    #[test]
    fn the_largest_init_step_counts_with_the_sidecars_before_it() {
        check(
            "containers: [{name: a, resources: {requests: {cpu: 1}}}]
initContainers:
- {name: s, restartPolicy: Always, resources: {requests: {cpu: 500m}}}
- {name: i, resources: {requests: {cpu: 4}}}",
            &[("cpu", 4500)],
            [4500, 400 * MIB],
        );
    }

    #[test]
    fn limits_stand_in_for_missing_requests_and_overhead_is_added() {
        check(
            "containers: [{name: a, resources: {limits: {nvidia.com/gpu: 8}}}]
overhead: {cpu: 100m}",
            &[("cpu", 100), ("nvidia.com/gpu", 8)],
            [200, 200 * MIB],
        );
    }

    #[test]
    fn pod_level_requests_replace_the_sum() {
        check(
            "containers: [{name: a, resources: {requests: {cpu: 1}}}]
resources: {requests: {cpu: 3}}",
            &[("cpu", 3000)],
            [3000, 200 * MIB],
        );
    }
}
