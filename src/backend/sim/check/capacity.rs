//! Rule `noOverAllocation`: what the pods of a node ask for never exceeds what it has.
//!
//! Counts on its own: nothing of the scheduler's bookkeeping is read, only how a pod's requests are summed up.

use super::{Checks, Rule};
use crate::backend::sim::object::{Kind, NameId, NodeRecord, Object, PodRecord};
use crate::backend::sim::store::Change;
use crate::backend::sim::world::World;
use crate::controller::Phase;
use crate::scheduler::{Requests, ResourceId, Resources};
use std::collections::BTreeMap;

/// What the pods of each node ask for.
#[derive(Clone, Debug, Default)]
pub(super) struct Capacity {
    resources: Resources,
    /// Requests by the hash of a template.
    requests: BTreeMap<u64, Vec<(ResourceId, i64)>>,
    asked: BTreeMap<NameId, BTreeMap<ResourceId, i64>>,
}

impl Capacity {
    fn add(&mut self, pod: &PodRecord, sign: i64) {
        let Some(node) = holds(pod) else { return };
        let resources = &mut self.resources;
        let requests = self.requests.entry(pod.template.base_hash).or_insert_with(|| {
            let spec = pod.template.base.spec.clone().unwrap_or_default();
            let mut asked = Requests::from_spec(resources, &spec).asked.to_vec();
            asked.push((ResourceId::PODS, 1));
            asked
        });
        let sum = self.asked.entry(node).or_default();
        for (resource, amount) in requests {
            *sum.entry(*resource).or_default() += sign * *amount;
        }
    }

    /// Returns what is asked of a node beyond what it has, in words.
    fn excess(&mut self, node: &NodeRecord) -> Option<String> {
        let stated = node.node.status.as_ref().and_then(|status| status.allocatable.as_ref())?;
        let allocatable: BTreeMap<ResourceId, i64> =
            self.resources.amounts(stated).into_iter().collect();
        let asked = self.asked.get(&node.meta.name)?;
        asked.iter().find_map(|(resource, asked)| {
            let has = allocatable.get(resource).copied().unwrap_or(0);
            (*asked > has).then(|| {
                format!("its pods ask for {asked} of {has} {}", self.resources.name(*resource))
            })
        })
    }
}

/// Returns the node whose resources a pod holds.
fn holds(pod: &PodRecord) -> Option<NameId> {
    pod.node.filter(|_| !matches!(pod.phase, Phase::Failed | Phase::Succeeded))
}

impl Checks {
    /// Counts a pod's change; only a binding can break the rule (a user's own pods may be bound to a full node).
    pub(super) fn capacity_after(&mut self, world: &World<'_>, change: &Change) {
        let as_pod = |object: &Option<Object>| match object {
            Some(Object::Pod(pod)) => Some(pod.clone()),
            _ => None,
        };
        let (old, new) = (as_pod(&change.old), as_pod(&change.new));
        if let Some(old) = &old {
            self.capacity.add(old, -1);
        }
        let Some(new) = &new else { return };
        self.capacity.add(new, 1);
        let is_bound_now = old.as_ref().is_some_and(|old| old.node.is_none()) && new.node.is_some();
        if !is_bound_now {
            return;
        }
        let node = new.node.and_then(|node| world.store.get::<NodeRecord>(node));
        if let Some(node) = node
            && let Some(text) = self.capacity.excess(node)
        {
            let text = format!("{text} with {}", world.store.names.text(new.meta.name));
            self.found(world, Rule::NoOverAllocation, (Kind::Node, node.meta.name), text);
        }
    }
}
