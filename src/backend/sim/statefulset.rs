//! One sync of the StatefulSet controller, as a pure function of what its cache shows.
//!
//! Follows `pkg/controller/statefulset/stateful_set_control.go` of Kubernetes 1.36.3: Parallel and OrderedReady, partition,
//! `maxUnavailable` under its gate, which revision a missing ordinal takes, slow-start batches, and the status. It neither
//! writes nor knows the store; `set_shell` carries the plan out.

use crate::controller::Phase;
use crate::engine::Span;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::sync::Arc;

/// Creations that go out together at the most (`MaxBatchSize`).
const BATCH_MAX: usize = 500;

/// What the cache shows of a set.
#[derive(Clone, Copy, Debug)]
pub struct SetView<'a> {
    /// `spec.replicas`.
    pub replicas: i32,
    /// `spec.ordinals.start`.
    pub start: i32,
    /// `spec.updateStrategy.rollingUpdate.partition`.
    pub partition: i32,
    /// `spec.updateStrategy.rollingUpdate.maxUnavailable`.
    pub max_unavailable: Option<&'a IntOrString>,
    /// Whether `podManagementPolicy` is OrderedReady.
    pub is_ordered: bool,
    /// Whether the update strategy is OnDelete.
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
    /// Whether the gate MaxUnavailableStatefulSet is on.
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
    /// Creations, in batches that go out one after another; a failure drops what follows.
    pub creates: Vec<Vec<Create>>,
    /// Ordinals of pods to delete, in order.
    pub deletes: Vec<i32>,
    /// Status to write, if it differs.
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

/// Decides the writes of one sync.
pub fn sync(set: &SetView<'_>) -> SyncPlan {
    let mut sync =
        Sync { set, slots: slots(set), plan: SyncPlan::default(), status: count_status(set) };
    if !set.is_deleting {
        let goes_on = sync.replicas() && sync.condemned();
        if goes_on && !set.is_on_delete {
            sync.rolling_update();
        }
    }
    sync.finish()
}

struct Sync<'a> {
    set: &'a SetView<'a>,
    /// Pod of each wanted ordinal.
    slots: Vec<Option<&'a PodView<'a>>>,
    plan: SyncPlan,
    status: SetStatus,
}

impl Sync<'_> {
    /// Makes the wanted pods exist. Returns whether the sync goes on behind it.
    fn replicas(&mut self) -> bool {
        let set = self.set;
        let mut creates = Vec::new();
        for (offset, slot) in self.slots.iter().enumerate() {
            let ordinal = set.start + i32::try_from(offset).unwrap_or(i32::MAX);
            let Some(pod) = slot else {
                creates.push(Create {
                    ordinal,
                    use_update_revision: uses_update_revision(set, ordinal),
                });
                if set.is_ordered {
                    break;
                }
                continue;
            };
            if matches!(pod.phase, Phase::Failed | Phase::Succeeded) {
                // Recreated by the sync that sees it gone.
                if !pod.is_terminating {
                    self.plan.deletes.push(ordinal);
                }
                if set.is_ordered {
                    return false;
                }
                continue;
            }
            if set.is_ordered && (pod.is_terminating || !is_healthy(pod) || !pod.is_available) {
                return false;
            }
        }
        let has_created = !creates.is_empty();
        for create in &creates {
            self.status.replicas += 1;
            let is_current = set.current_revision == set.update_revision;
            self.status.updated_replicas += i32::from(create.use_update_revision);
            self.status.current_replicas += i32::from(!create.use_update_revision || is_current);
        }
        self.plan.creates = batches(creates);
        !(set.is_ordered && has_created)
    }

    /// Deletes pods beyond the wanted ordinals, the highest first. Returns whether the sync goes on behind it.
    fn condemned(&mut self) -> bool {
        let set = self.set;
        let first_unhealthy =
            self.slots.iter().flatten().find(|pod| !is_healthy(pod)).map(|pod| pod.ordinal);
        let condemned = set.pods.iter().rev().filter(|pod| !is_wanted(set, pod.ordinal));
        for pod in condemned {
            if pod.is_terminating {
                if set.is_ordered {
                    return false;
                }
                continue;
            }
            if set.is_ordered && (first_unhealthy.is_some_and(|ordinal| ordinal != pod.ordinal)) {
                return false;
            }
            self.plan.deletes.push(pod.ordinal);
            self.forget(pod);
            if set.is_ordered {
                return false;
            }
        }
        true
    }

    /// Replaces pods of another revision, from the highest ordinal down to the partition.
    fn rolling_update(&mut self) {
        let set = self.set;
        let floor = usize::try_from(set.partition.max(0)).unwrap_or(0);
        let mut budget = if set.has_gate {
            let unavailable =
                self.slots.iter().filter(|slot| slot.is_none_or(|pod| !is_available(pod))).count();
            let budget = max_unavailable(set);
            if unavailable >= budget {
                return;
            }
            budget - unavailable
        } else {
            1
        };
        for offset in (floor..self.slots.len()).rev() {
            if budget == 0 {
                return;
            }
            let Some(pod) = self.slots[offset] else {
                // Just created by this sync: not available yet.
                if set.has_gate {
                    continue;
                }
                return;
            };
            let is_failed = matches!(pod.phase, Phase::Failed | Phase::Succeeded);
            if pod.revision != &**set.update_revision && !pod.is_terminating && !is_failed {
                self.plan.deletes.push(pod.ordinal);
                self.forget(pod);
                budget -= 1;
            } else if !set.has_gate && !is_available(pod) {
                return;
            }
        }
    }

    /// Takes a pod that this sync deletes out of the revision counts (`status.currentReplicas--` and the like).
    fn forget(&mut self, pod: &PodView<'_>) {
        self.status.current_replicas -= i32::from(pod.revision == &**self.set.current_revision);
        let is_other = self.set.current_revision != self.set.update_revision;
        if !is_wanted(self.set, pod.ordinal) {
            self.status.updated_replicas -=
                i32::from(pod.revision == &**self.set.update_revision && is_other);
        }
    }

    fn finish(mut self) -> SyncPlan {
        let set = self.set;
        let status = &mut self.status;
        status.current_replicas = status.current_replicas.max(0);
        // The rollout is complete: the update revision becomes the current one.
        if !set.is_on_delete
            && status.updated_replicas == status.replicas
            && status.ready == status.replicas
            && status.replicas == set.replicas
        {
            status.current_replicas = status.updated_replicas;
            status.current_revision = Arc::clone(set.update_revision);
        }
        let waits = set.pods.iter().any(|pod| pod.is_ready && !pod.is_available);
        self.plan.requeue_after = (waits && set.min_ready > Span::ZERO).then_some(set.min_ready);
        self.plan.status = self.status;
        self.plan
    }
}

fn slots<'a>(set: &SetView<'a>) -> Vec<Option<&'a PodView<'a>>> {
    let mut slots = vec![None; usize::try_from(set.replicas).unwrap_or(0)];
    for pod in set.pods {
        if let Ok(offset) = usize::try_from(pod.ordinal - set.start)
            && let Some(slot) = slots.get_mut(offset)
        {
            *slot = Some(pod);
        }
    }
    slots
}

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

/// Running, ready and not going.
fn is_healthy(pod: &PodView<'_>) -> bool {
    pod.phase == Phase::Running && pod.is_ready && !pod.is_terminating
}

fn is_available(pod: &PodView<'_>) -> bool {
    is_healthy(pod) && pod.is_available
}

/// `newVersionedStatefulSetPod`: below the partition a missing ordinal comes back on the current revision.
fn uses_update_revision(set: &SetView<'_>, ordinal: i32) -> bool {
    set.is_on_delete || ordinal >= set.start.saturating_add(set.partition.max(0))
}

/// `getStatefulSetMaxUnavailable`: a percentage rounds down, and 0 counts as 1.
fn max_unavailable(set: &SetView<'_>) -> usize {
    let number = match set.max_unavailable {
        None => 1,
        Some(value) => {
            crate::api::names::scaled(value, set.replicas, crate::api::names::Round::Down)
                .unwrap_or(1)
        }
    };
    usize::try_from(number.max(1)).unwrap_or(1)
}

/// `slowStartBatch`: 1, 2, 4, … at a time.
fn batches(creates: Vec<Create>) -> Vec<Vec<Create>> {
    let mut rest = creates.as_slice();
    let mut batches = Vec::new();
    let mut size = 1;
    while !rest.is_empty() {
        let (batch, others) = rest.split_at(size.min(rest.len()));
        batches.push(batch.to_vec());
        rest = others;
        size = (size * 2).min(BATCH_MAX);
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pod for each character, from ordinal 0: `O`/`o` current revision, ready or not, `N`/`n` update revision,
    /// `t` current and terminating, `F` failed, `.` missing.
    fn pods(drawing: &str) -> Vec<PodView<'static>> {
        drawing
            .chars()
            .enumerate()
            .filter(|(_, drawn)| *drawn != '.')
            .map(|(ordinal, drawn)| PodView {
                ordinal: i32::try_from(ordinal).unwrap(),
                revision: if matches!(drawn, 'N' | 'n') { "new" } else { "old" },
                phase: match drawn {
                    'F' => Phase::Failed,
                    'O' | 'N' => Phase::Running,
                    _ => Phase::Pending,
                },
                is_ready: matches!(drawn, 'O' | 'N'),
                is_available: matches!(drawn, 'O' | 'N'),
                is_terminating: drawn == 't',
            })
            .collect()
    }

    struct Case {
        replicas: i32,
        partition: i32,
        gate: Option<i32>,
        ordered: bool,
    }

    const PARALLEL: Case = Case { replicas: 4, partition: 0, gate: None, ordered: false };

    fn plan(case: &Case, drawing: &str) -> SyncPlan {
        let (old, new): (Arc<str>, Arc<str>) = ("old".into(), "new".into());
        let pods = pods(drawing);
        let max_unavailable = case.gate.map(IntOrString::Int);
        sync(&SetView {
            replicas: case.replicas,
            start: 0,
            partition: case.partition,
            max_unavailable: max_unavailable.as_ref(),
            is_ordered: case.ordered,
            is_on_delete: false,
            is_deleting: false,
            min_ready: Span::ZERO,
            generation: 1,
            current_revision: &old,
            update_revision: &new,
            status: &SetStatus::default(),
            pods: &pods,
            has_gate: case.gate.is_some(),
        })
    }

    /// Checks ordinals created (`'` marks the update revision, `|` ends a batch) and deleted.
    fn check(case: &Case, drawing: &str, creates: &str, deletes: &[i32]) {
        let plan = plan(case, drawing);
        let text: Vec<String> = plan
            .creates
            .iter()
            .map(|batch| {
                let pods = batch.iter().map(|pod| {
                    format!("{}{}", pod.ordinal, if pod.use_update_revision { "'" } else { "" })
                });
                pods.collect::<Vec<_>>().join(" ")
            })
            .collect();
        assert_eq!(
            (text.join("|").as_str(), plan.deletes.as_slice()),
            (creates, deletes),
            "{drawing}"
        );
    }

    #[test]
    fn missing_pods_are_made_in_doubling_batches_and_below_the_partition_on_the_old_revision() {
        check(&Case { replicas: 6, ..PARALLEL }, "", "0'|1' 2'|3' 4' 5'", &[]);
        check(&Case { replicas: 4, partition: 2, ..PARALLEL }, "", "0|1 2'|3'", &[]);
        check(&Case { ordered: true, ..PARALLEL }, "", "0'", &[]);
        check(&Case { ordered: true, ..PARALLEL }, "O", "1'", &[]);
        check(&Case { ordered: true, ..PARALLEL }, "o", "", &[]);
    }

    #[test]
    fn without_the_gate_pods_are_replaced_one_at_a_time() {
        check(&PARALLEL, "OOOO", "", &[3]);
        check(&PARALLEL, "OOOn", "", &[]);
        check(&PARALLEL, "OOON", "", &[2]);
        check(&PARALLEL, "OOOt", "", &[]);
        check(&PARALLEL, "OOoN", "", &[2]);
        check(&PARALLEL, "oooo", "", &[3]);
        check(&Case { partition: 3, ..PARALLEL }, "OOON", "", &[]);
    }

    #[test]
    fn with_the_gate_the_budget_counts_every_unavailable_pod() {
        let two = Case { gate: Some(2), ..PARALLEL };
        check(&two, "OOOO", "", &[3, 2]);
        check(&two, "OOOn", "", &[2]);
        check(&two, "OOnn", "", &[]);
        check(&two, "oOOO", "", &[3]);
        check(&two, "ooOO", "", &[]);
    }

    #[test]
    fn pods_beyond_the_replicas_go_and_failed_ones_are_replaced() {
        check(&Case { replicas: 2, ..PARALLEL }, "NNNN", "", &[3, 2]);
        check(&Case { replicas: 2, ordered: true, ..PARALLEL }, "NNNN", "", &[3]);
        check(&PARALLEL, "NNFN", "", &[2]);
    }

    #[test]
    fn the_update_revision_becomes_current_when_all_pods_have_it_and_are_ready() {
        assert_eq!(&*plan(&PARALLEL, "NNNN").status.current_revision, "new");
        assert_eq!(&*plan(&PARALLEL, "nNNN").status.current_revision, "old");
        assert_eq!(&*plan(&PARALLEL, "ONNN").status.current_revision, "old");
    }
}
