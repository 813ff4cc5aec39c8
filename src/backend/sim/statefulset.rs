//! One sync of the StatefulSet controller, as a pure function of what its cache shows.
//!
//! Follows `pkg/controller/statefulset/stateful_set_control.go` of Kubernetes 1.36.3: `Parallel` and `OrderedReady`, partition,
//! `maxUnavailable` under its gate (with the rule of 1.37 beside it), which revision a missing ordinal takes, slow-start
//! batches, claims and their retention, and the status. It neither writes nor knows the store; `set_shell` carries the plan out.
//!
//! The plan is as stale as the cache that it was made from. What keeps the real controller safe keeps the model safe: a name
//! is taken only once, so creating a pod that is there already fails, and deleting one that is gone is no error.
//!
//! # Differs from the real thing
//!
//! * Deletions go out one after another; the real controller sends those of a scale-down in slow-start batches (Parallel).
//! * `status.currentReplicas` is never below 0; the real controller sends -1 when it replaces a pod of a revision that is
//!   neither current nor wanted while no current one is left, and its status update is refused until the next sync.
//! * With `minReadySeconds` the real controller looks again after that time whenever pods are not available; here only
//!   if one is ready and waiting, for otherwise nothing can have changed without a watch event.

mod claims;

pub use claims::{ClaimOwner, ClaimStep, ClaimView, Retention};

use crate::controller::Phase;
use crate::engine::Span;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::sync::Arc;

/// Creations that go out together at the most (`MaxBatchSize`).
const BATCH_MAX: usize = 500;

/// What the cache shows of a set.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a field of the object")]
pub struct SetView<'a> {
    /// `spec.replicas`.
    pub replicas: i32,
    /// `spec.ordinals.start`.
    pub start: i32,
    /// `spec.updateStrategy.rollingUpdate.partition`.
    pub partition: i32,
    /// `spec.updateStrategy.rollingUpdate.maxUnavailable`.
    pub max_unavailable: Option<&'a IntOrString>,
    /// Whether `podManagementPolicy` is `OrderedReady`.
    pub is_ordered: bool,
    /// Whether the update strategy is `OnDelete`.
    pub is_on_delete: bool,
    /// Whether the set has a deletion time stamp.
    pub is_deleting: bool,
    /// `spec.minReadySeconds`.
    pub min_ready: Span,
    /// `metadata.generation`.
    pub generation: i64,
    /// Revision from before the rollout.
    pub current_revision: &'a Arc<str>,
    /// Revision of the template in force.
    pub update_revision: &'a Arc<str>,
    /// Status in the cache.
    pub status: &'a SetStatus,
    /// Pods that the set controls, by ordinal.
    pub pods: &'a [PodView<'a>],
    /// Whether the gate `MaxUnavailableStatefulSet` is on.
    pub has_gate: bool,
}

/// What the cache shows of a pod.
#[derive(Clone, Copy, Debug)]
pub struct PodView<'a> {
    /// Ordinal in its name.
    pub ordinal: i32,
    /// Label `controller-revision-hash`.
    pub revision: &'a str,
    /// Phase.
    pub phase: Phase,
    /// Condition Ready.
    pub is_ready: bool,
    /// Whether it has been ready for `minReadySeconds`.
    pub is_available: bool,
    /// Whether it has a deletion time stamp.
    pub is_terminating: bool,
}

/// Status of a StatefulSet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetStatus {
    /// Pods that exist.
    pub replicas: i32,
    /// Pods that are ready.
    pub ready: i32,
    /// Pods that are available.
    pub available: i32,
    /// Pods of the current revision.
    pub current_replicas: i32,
    /// Pods of the update revision.
    pub updated_replicas: i32,
    /// Name of the current revision.
    pub current_revision: Arc<str>,
    /// Name of the update revision.
    pub update_revision: Arc<str>,
    /// Generation that the status speaks of.
    pub observed_generation: i64,
}

/// What a sync does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncPlan {
    /// Claims to create or to give to another owner, before all else.
    pub claims: Vec<ClaimStep>,
    /// Creations, in batches that go out one after another; a failure drops what follows, later deletions included.
    pub creates: Vec<Vec<Create>>,
    /// Ordinals of pods to delete, in order.
    pub deletes: Vec<i32>,
    /// Status to write, if it differs. It counts the pods that the sync began with: those that it creates or deletes count
    /// from the next sync on, which their watch events bring (`computeReplicaStatus`). Only the pods that a rollout
    /// deletes leave `currentReplicas` at once.
    pub status: SetStatus,
    /// When to sync again although nothing changes: a ready pod becomes available by waiting.
    pub requeue_after: Option<Span>,
}

/// A pod to create.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Create {
    /// Ordinal.
    pub ordinal: i32,
    /// Whether it takes the update revision; else the current one.
    pub use_update_revision: bool,
}

/// What a sync goes by beside its set.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// Whether broken pods of an old revision are replaced first under the gate, as 1.37 does.
    pub replaces_broken_first: bool,
    /// What becomes of the claims of pods that go.
    pub retention: Retention,
    /// Claims in the cache, by ordinal; `None` where the set has no claim templates.
    pub claims: Option<&'a [ClaimView]>,
}

/// First minor version of Kubernetes that replaces broken pods of an old revision first, under the gate (pull request 137666).
pub const BROKEN_FIRST_SINCE: u32 = 37;

/// Decides the writes of one sync, as Kubernetes 1.36 does for a set without claims.
pub fn sync(set: &SetView<'_>) -> SyncPlan {
    let rules =
        Rules { replaces_broken_first: false, retention: Retention::default(), claims: None };
    sync_by(&rules, set)
}

/// Decides the writes of one sync.
pub fn sync_by(rules: &Rules<'_>, set: &SetView<'_>) -> SyncPlan {
    let plan = SyncPlan { status: count_status(set), ..SyncPlan::default() };
    let mut sync = Sync { rules, set, slots: slots(set), plan };
    // A set that is being deleted only keeps its status; garbage collection takes its pods.
    if !set.is_deleting && sync.replicas() && sync.condemned() && !set.is_on_delete {
        match set.has_gate {
            false => sync.replace_one(),
            true if rules.replaces_broken_first && !set.is_ordered => {
                sync.replace_broken_first();
            }
            true => sync.replace_within_budget(),
        }
    }
    sync.finish()
}

struct Sync<'a> {
    rules: &'a Rules<'a>,
    set: &'a SetView<'a>,
    /// Pod of each wanted ordinal.
    slots: Vec<Option<&'a PodView<'a>>>,
    plan: SyncPlan,
}

impl Sync<'_> {
    /// Makes the wanted pods exist (`processReplica`). Returns whether the sync goes on behind it.
    fn replicas(&mut self) -> bool {
        let set = self.set;
        let mut batch = Batch::first();
        for (index, slot) in self.slots.iter().enumerate() {
            batch.reach(index);
            let ordinal = ordinal_of(set, index);
            let Some(pod) = *slot else {
                if self.rules.claims_allow_creation(ordinal, &mut self.plan.claims) {
                    let use_update_revision = uses_update_revision(set, ordinal);
                    batch.add(Create { ordinal, use_update_revision }, &mut self.plan.creates);
                }
                if set.is_ordered {
                    return false;
                }
                continue;
            };
            if is_over(pod) {
                // Recreated by the sync that sees it gone.
                if !pod.is_terminating {
                    self.plan.deletes.push(ordinal);
                }
                if set.is_ordered {
                    return false;
                }
                continue;
            }
            if pod.phase == Phase::Pending {
                self.rules.create_missing_claims(ordinal, &mut self.plan.claims);
            }
            if set.is_ordered && !is_available(pod) {
                return false;
            }
            self.rules.own_claims(ordinal, false, &mut self.plan.claims);
        }
        true
    }

    /// Deletes pods beyond the wanted ordinals, the highest first (`processCondemned`). Returns whether the sync goes on
    /// behind it.
    fn condemned(&mut self) -> bool {
        let set = self.set;
        let condemned =
            || set.pods.iter().filter(|pod| pod.ordinal >= 0 && !is_wanted(set, pod.ordinal));
        for pod in condemned().rev() {
            self.rules.own_claims(pod.ordinal, true, &mut self.plan.claims);
        }
        if !set.is_ordered {
            let ordinals =
                condemned().rev().filter(|pod| !pod.is_terminating).map(|pod| pod.ordinal);
            self.plan.deletes.extend(ordinals);
            return true;
        }
        // Every wanted pod is available here, so the first that is not is a condemned one.
        let first_unavailable = condemned().find(|pod| !is_available(pod)).map(|pod| pod.ordinal);
        let Some(highest) = condemned().next_back() else { return true };
        let is_blocked = !is_available(highest) && first_unavailable != Some(highest.ordinal);
        if !highest.is_terminating && !is_blocked {
            self.plan.deletes.push(highest.ordinal);
        }
        false
    }

    /// Replaces pods of another revision one at a time, from the highest ordinal down to the partition.
    fn replace_one(&mut self) {
        for index in self.updated_range().rev() {
            match self.slots[index] {
                Some(pod) if self.is_outdated(pod) => return self.replace(pod),
                Some(pod) if is_available(pod) => {}
                // Waits for the one that is being replaced, or was just created.
                _ => return,
            }
        }
    }

    /// Replaces pods of another revision from the top as far as `maxUnavailable` allows
    /// (`updateStatefulSetAfterInvariantEstablished` up to 1.36, and for `OrderedReady`).
    ///
    /// Broken pods of the old revision use the budget up without being chosen first: as many as the budget, low in the
    /// order, freeze a rollout.
    fn replace_within_budget(&mut self) {
        let mut budget = self.budget();
        for index in self.updated_range().rev() {
            if budget == 0 {
                return;
            }
            if let Some(pod) = self.slots[index]
                && self.is_outdated(pod)
            {
                self.replace(pod);
                budget -= 1;
            }
        }
    }

    /// Replaces all broken pods of another revision, then others from the top within the budget (1.37, Parallel).
    fn replace_broken_first(&mut self) {
        for index in self.updated_range().rev() {
            if let Some(pod) = self.slots[index]
                && self.is_outdated(pod)
                && !is_available(pod)
            {
                self.replace(pod);
            }
        }
        let mut budget = self.budget();
        for index in self.updated_range().rev() {
            if budget == 0 {
                return;
            }
            if let Some(pod) = self.slots[index]
                && self.is_outdated(pod)
                && is_available(pod)
            {
                self.replace(pod);
                budget -= 1;
            }
        }
    }

    /// Slots at or above the partition.
    fn updated_range(&self) -> std::ops::Range<usize> {
        let floor = usize::try_from(self.set.partition.max(0)).unwrap_or(0);
        floor.min(self.slots.len())..self.slots.len()
    }

    /// How many more pods may become unavailable. All that are not available count, also below the partition.
    fn budget(&self) -> usize {
        let unavailable = self.slots.iter().filter(|slot| !slot.is_some_and(is_available)).count();
        max_unavailable(self.set).saturating_sub(unavailable)
    }

    fn is_outdated(&self, pod: &PodView<'_>) -> bool {
        pod.revision != &**self.set.update_revision && !pod.is_terminating
    }

    fn replace(&mut self, pod: &PodView<'_>) {
        // One that is over was deleted above; the real controller deletes it again, and counts it again.
        if !is_over(pod) {
            self.plan.deletes.push(pod.ordinal);
        }
        let current = &mut self.plan.status.current_replicas;
        *current = (*current - 1).max(0);
    }

    fn finish(mut self) -> SyncPlan {
        let set = self.set;
        let status = &mut self.plan.status;
        // The rollout is complete: the update revision becomes the current one (`completeRollingUpdate`).
        if !set.is_on_delete
            && [status.updated_replicas, status.ready, status.replicas] == [set.replicas; 3]
        {
            status.current_replicas = status.updated_replicas;
            status.current_revision = Arc::clone(set.update_revision);
        }
        let is_waiting =
            |pod: &PodView<'_>| pod.is_ready && !pod.is_available && !pod.is_terminating;
        if set.min_ready > Span::ZERO && set.pods.iter().any(is_waiting) {
            self.plan.requeue_after = Some(set.min_ready);
        }
        self.plan
    }
}

/// A batch of `slowStartBatch`: slots are worked on 1, 2, 4, … at a time, whether they need a pod or not.
struct Batch {
    size: usize,
    /// First slot behind it.
    end: usize,
    is_open: bool,
}

impl Batch {
    fn first() -> Self {
        Self { size: 1, end: 1, is_open: false }
    }

    /// Moves on to the batch of a slot.
    fn reach(&mut self, index: usize) {
        while index >= self.end {
            self.size = (self.size * 2).min(BATCH_MAX);
            self.end += self.size;
            self.is_open = false;
        }
    }

    fn add(&mut self, create: Create, batches: &mut Vec<Vec<Create>>) {
        if let Some(batch) = batches.last_mut().filter(|_| self.is_open) {
            batch.push(create);
        } else {
            batches.push(vec![create]);
            self.is_open = true;
        }
    }
}

fn slots<'a>(set: &SetView<'a>) -> Vec<Option<&'a PodView<'a>>> {
    let mut slots = vec![None; usize::try_from(set.replicas).unwrap_or(0)];
    for pod in set.pods.iter().filter(|pod| is_wanted(set, pod.ordinal)) {
        if let Ok(index) = usize::try_from(pod.ordinal - set.start) {
            slots[index] = Some(pod);
        }
    }
    slots
}

fn ordinal_of(set: &SetView<'_>, index: usize) -> i32 {
    set.start + i32::try_from(index).expect("there are at most `replicas` slots")
}

/// `computeReplicaStatus`.
fn count_status(set: &SetView<'_>) -> SetStatus {
    let mut status = SetStatus {
        current_revision: Arc::clone(set.current_revision),
        update_revision: Arc::clone(set.update_revision),
        observed_generation: set.generation,
        ..SetStatus::default()
    };
    for pod in set.pods {
        status.replicas += 1;
        if pod.phase == Phase::Running && pod.is_ready {
            status.ready += 1;
            status.available += i32::from(pod.is_available);
        }
        if !pod.is_terminating {
            status.current_replicas += i32::from(pod.revision == &**set.current_revision);
            status.updated_replicas += i32::from(pod.revision == &**set.update_revision);
        }
    }
    status
}

fn is_wanted(set: &SetView<'_>, ordinal: i32) -> bool {
    ordinal >= set.start && ordinal < set.start.saturating_add(set.replicas)
}

fn is_over(pod: &PodView<'_>) -> bool {
    matches!(pod.phase, Phase::Failed | Phase::Succeeded)
}

/// The contrary of `isUnavailable`: running, ready for long enough, and not going.
fn is_available(pod: &PodView<'_>) -> bool {
    pod.phase == Phase::Running && pod.is_ready && pod.is_available && !pod.is_terminating
}

/// `newVersionedStatefulSetPod`: below the partition a missing ordinal comes back on the current revision.
fn uses_update_revision(set: &SetView<'_>, ordinal: i32) -> bool {
    set.is_on_delete || ordinal >= set.start.saturating_add(set.partition.max(0))
}

/// `getStatefulSetMaxUnavailable`: a percentage rounds down, and 0 counts as 1.
fn max_unavailable(set: &SetView<'_>) -> usize {
    let scaled = |value| {
        crate::api::names::scaled(value, set.replicas, crate::api::names::Round::Down).unwrap_or(1)
    };
    usize::try_from(set.max_unavailable.map_or(1, scaled).max(1)).unwrap_or(1)
}

#[cfg(test)]
mod tests;
