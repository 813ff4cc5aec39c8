//! Where a pod stands among the TPU hosts of its group or subgroup (upstream `pkg/utils/accelerators/tpu.go`, commit
//! 060ab4d).
//!
//! Finds ranks and hosts; `env` writes them into variables. Upstream's oddities are kept: subgroups of hosts may
//! disagree with the subgroup labels, and under `LeaderExcluded` a leader with TPUs is denied.
//!
//! # Differs from the real thing
//! A pod with more than [`HOSTS_MAX`] hosts is denied; upstream writes them all until its memory runs out.

use super::{Admitted, Denial, PodIdentity, atoi, division_by_zero};
use crate::api::quantity::Quantity;
use crate::api::{keys, names};
use k8s_openapi::api::core::v1::{Container, PodSpec};
use std::ops::RangeInclusive;

pub(super) const WORKER_HOSTNAMES: &str = "TPU_WORKER_HOSTNAMES";
pub(super) const WORKER_ID: &str = "TPU_WORKER_ID";
pub(super) const NAME: &str = "TPU_NAME";
pub(super) const PROCESS_ADDRESSES: &str = "TPU_PROCESS_ADDRESSES";
pub(super) const PROCESS_PORT: &str = "TPU_PROCESS_PORT";
/// Port of the first container; the next ones count on.
pub(super) const FIRST_PORT: usize = 8476;

/// Most hosts that the variables of a pod may name; far beyond the largest TPU slice.
const HOSTS_MAX: i64 = 100_000;

/// What the rank of a pod is found from.
#[derive(Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) pod_name: &'a str,
    pub(super) worker_index: &'a str,
    pub(super) subgroup_index: &'a str,
    pub(super) size: &'a str,
    pub(super) subgroup_size: Option<&'a str>,
    /// Whether the annotation says that the leader asks for TPUs.
    pub(super) is_leader_marked: bool,
    pub(super) spec: &'a PodSpec,
}

impl<'a> Facts<'a> {
    pub(super) fn of<'b>(pod: &PodIdentity<'b>, admitted: &'a Admitted) -> Self
    where
        'b: 'a,
    {
        Self {
            pod_name: pod.name,
            worker_index: pod.label_after(admitted, keys::WORKER_INDEX).unwrap_or_default(),
            subgroup_index: pod.label_after(admitted, keys::SUBGROUP_INDEX).unwrap_or_default(),
            size: (pod.annotations)(keys::SIZE).unwrap_or_default(),
            subgroup_size: (pod.annotations)(keys::SUBGROUP_SIZE),
            is_leader_marked: (pod.annotations)(keys::LEADER_REQUESTS_TPUS) == Some("true"),
            spec: pod.spec,
        }
    }
}

/// A pod's place among the hosts that compute together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place<'a> {
    /// Name of the leader pod.
    pub(super) leader: &'a str,
    /// Whether the leader is the first of the hosts.
    pub(super) has_leader: bool,
    /// Indices of the workers among the hosts.
    pub(super) workers: RangeInclusive<i64>,
    /// Rank of the pod among the hosts.
    pub(super) rank: i64,
    /// How many of the TPU containers take part: with subgroups the first only.
    pub(super) containers: usize,
}

/// Returns whether any container or init container asks for TPUs.
pub fn requests_tpus(spec: &PodSpec) -> bool {
    tpu_containers(spec).next().is_some()
}

/// Returns the containers that ask for TPUs, those before init containers.
pub(super) fn tpu_containers(spec: &PodSpec) -> impl Iterator<Item = &Container> {
    spec.containers.iter().chain(spec.init_containers.iter().flatten()).filter(|container| {
        container.resources.as_ref().is_some_and(|resources| {
            let asks = [resources.limits.as_ref(), resources.requests.as_ref()];
            asks.into_iter()
                .flatten()
                .filter_map(|quantities| quantities.get(keys::TPU_RESOURCE))
                .any(|quantity| {
                    Quantity::parse(&quantity.0).is_ok_and(|quantity| !quantity.is_zero())
                })
        })
    })
}

/// Returns the place of a pod, or `None` if it gets no TPU variables: it asks for no TPUs or has such variables already.
pub(super) fn place<'a>(facts: &Facts<'a>) -> Result<Option<Place<'a>>, Denial> {
    let mut containers = tpu_containers(facts.spec);
    let Some(first) = containers.next() else { return Ok(None) };
    let is_set =
        first.env.iter().flatten().any(|var| var.name == WORKER_HOSTNAMES || var.name == WORKER_ID);
    if is_set {
        return Ok(None);
    }
    let place = match facts.subgroup_size {
        Some(subgroup_size) => place_in_subgroup(facts, subgroup_size)?,
        None => place_in_group(facts, 1 + containers.count())?,
    };
    if place.workers.end().saturating_sub(*place.workers.start()) >= HOSTS_MAX {
        return Err(Denial(format!(
            "pod {} would have more than {HOSTS_MAX} TPU hosts",
            facts.pod_name
        )));
    }
    Ok(Some(place))
}

fn place_in_group<'a>(facts: &Facts<'a>, containers: usize) -> Result<Place<'a>, Denial> {
    let size = atoi(facts.size)?;
    let is_leader = facts.worker_index == "0";
    let has_leader = is_leader || facts.is_leader_marked;
    let (leader, ordinal) = if is_leader { (facts.pod_name, 0) } else { parent(facts.pod_name)? };
    let rank = if has_leader { ordinal } else { ordinal - 1 };
    Ok(Place { leader, has_leader, workers: 1..=size.saturating_sub(1), rank, containers })
}

fn place_in_subgroup<'a>(facts: &Facts<'a>, subgroup_size: &str) -> Result<Place<'a>, Denial> {
    let subgroup_size = atoi(subgroup_size)?;
    let mut subgroup = atoi(facts.subgroup_index)?;
    let worker = atoi(facts.worker_index)?;
    let is_leader = worker == 0;
    let leader = if is_leader { facts.pod_name } else { parent(facts.pod_name)?.0 };
    if subgroup_size == 0 {
        return Err(division_by_zero());
    }
    // Go's integers wrap around.
    let mut rank = worker.wrapping_rem(subgroup_size);
    if !is_leader && !facts.is_leader_marked {
        rank = worker.wrapping_sub(1).wrapping_rem(subgroup_size);
        subgroup = worker.wrapping_sub(1).wrapping_div(subgroup_size);
    }
    let first = subgroup_size.wrapping_mul(subgroup).wrapping_add(1);
    let last = subgroup_size.wrapping_mul(subgroup.wrapping_add(1));
    let (has_leader, workers) = match (is_leader, facts.is_leader_marked) {
        (true, _) => (true, first..=last.wrapping_sub(1)),
        (false, true) if subgroup == 0 => (true, first..=last.wrapping_sub(1)),
        (false, true) => (false, first.wrapping_sub(1)..=last.wrapping_sub(1)),
        (false, false) => (false, first..=last),
    };
    Ok(Place { leader, has_leader, workers, rank, containers: 1 })
}

fn parent(pod_name: &str) -> Result<(&str, i64), Denial> {
    match names::parent_and_ordinal(pod_name) {
        (_, -1) => Err(Denial(format!("parsing parent name from pod {pod_name}"))),
        (parent, ordinal) => Ok((parent, ordinal.into())),
    }
}
