//! What happens when a pod fits nowhere: victims are deleted and the node is kept for it (kube-scheduler 1.36
//! `framework/preemption`, asynchronous since 1.33).
//!
//! Who the victims are is decided in `crate::scheduler`; here are the writes, and what PodDisruptionBudgets allow now.
//!
//! # Differs from the real thing
//! The preemptor is not gated until the last deletion is sent: a deletion that it could wait for comes later anyway.
//! A budget's status is computed when it is asked for; the disruption controller's is some milliseconds old.

use super::budgets::{BudgetedPod, disruptions_allowed};
use super::object::{Kind, NameId, PodRecord, SetRecord};
use super::schedule::{SchedulingEvent, key_of, pod_key};
use super::store::Deletion;
use super::world::{Event, Events, World};
use crate::api::Uid;
use crate::backend::record::What;
use crate::engine::{Purpose, Time, entity2};
use crate::scheduler::{Asked, Budget, Diagnosis, NodeIndex, PodKey, PodView, Preemption};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use std::sync::Arc;

const OFFSET: Purpose = Purpose::named("preemption-offset");
const EVICTION: Purpose = Purpose::named("preemption-eviction");

impl World<'_> {
    /// Looks for victims for a pod that fits nowhere, sends their deletions on their way, and returns the node that is kept
    /// for the pod from now on.
    pub(super) fn post_filter(
        &mut self,
        pod: &PodRecord,
        view: &PodView,
        why: &mut Diagnosis,
        sent: Time,
        events: &mut Events,
    ) -> Option<NodeIndex> {
        let priority = view.class.priority;
        let has_preemption = self.scheduling.scheduler.profile().has_preemption;
        if !has_preemption || !self.scheduling.has_pods_below(priority) {
            return None; // What the diagnosis says without a search.
        }
        let budgets = self.budgets();
        let entity = entity2(self.store.names.hash(pod.meta.name), self.now.0);
        let offset = self.streams.stream(OFFSET, entity).index(usize::MAX);
        let scheduling = &mut self.scheduling;
        let (starts, preempted) = (&scheduling.starts, &scheduling.preempted);
        let asked = Asked {
            budgets: &budgets,
            started: &|key| starts.get(&key).map_or(u64::MAX, |start| start.0),
            is_preempted: &|key| preempted.contains(&key),
            offset,
        };
        let found = scheduling.scheduler.preempt(view, asked);
        let kept = match &found {
            Preemption::Found { sacrifices, equals } => {
                let at = self.streams.stream(OFFSET, entity2(entity, 1)).index(*equals);
                let chosen = &sacrifices[at];
                self.evict(pod, &chosen.victims, chosen.node, sent, events);
                self.keep(pod, view, chosen.node);
                Some(chosen.node)
            }
            Preemption::NotEligible(_) => view.nominated,
            Preemption::Nothing(_) => {
                self.scheduling.scheduler.forget_nomination(pod_key(pod));
                None
            }
        };
        why.preemption = Some(found);
        kept
    }

    fn keep(&mut self, pod: &PodRecord, view: &PodView, node: NodeIndex) {
        let scheduling = &mut self.scheduling;
        for below in scheduling.scheduler.nominated_below(node, view.class.priority) {
            scheduling.scheduler.forget_nomination(below);
            scheduling.lose_nomination(below);
        }
        self.scheduling.scheduler.nominate(pod_key(pod), view, node);
    }

    /// Each victim gets its condition and its deletion, two requests of the scheduler's client; all but the last go out
    /// together, the last one after them.
    fn evict(
        &mut self,
        pod: &PodRecord,
        victims: &[PodKey],
        node: NodeIndex,
        sent: Time,
        events: &mut Events,
    ) {
        let mut last = sent;
        for (number, victim) in victims.iter().enumerate() {
            self.scheduling.preempted.insert(*victim);
            let Some((Kind::Pod, name)) = self.store.find(Uid(u128::from(victim.0))) else {
                continue;
            };
            let entity = entity2(self.store.names.hash(name), number as u64);
            let latency = self.draw(&self.setup.params.api_write, EVICTION, entity, name);
            let start = if number + 1 == victims.len() { last.max(sent) } else { sent };
            let _condition = self.scheduling.client.take(start);
            let at = self.scheduling.client.take(start) + latency + latency;
            last = last.max(at);
            let event = SchedulingEvent::Evict { victim: name, uid: Uid(u128::from(victim.0)) };
            events.at(at, Event::Scheduling(event));
            let note = format!(
                "Preempted by pod {} on node {}",
                pod.meta.uid,
                self.scheduling.scheduler.cluster.node_name(node)
            );
            let regarding = self.reference(Kind::Pod, name);
            self.record(What::Event {
                regarding,
                warning: false,
                reason: "Preempted".into(),
                note,
            });
        }
    }

    /// Deletes a victim, unless it has gone or is going already.
    pub(super) fn evict_now(&mut self, victim: NameId, uid: Uid) {
        let is_there =
            self.pod(victim).is_some_and(|pod| pod.meta.uid == uid && pod.meta.deleting.is_none());
        if is_there {
            let result = self.store.delete::<PodRecord>(self.now, victim, Deletion::default());
            debug_assert!(result.is_ok(), "the pod was looked up: {result:?}");
        }
    }

    /// Returns the budgets as they stand.
    fn budgets(&mut self) -> Vec<Budget> {
        let budgets: Vec<Arc<PodDisruptionBudget>> = self.setup.budgets.clone();
        budgets.iter().map(|budget| self.budget(budget)).collect()
    }

    fn budget(&mut self, budget: &PodDisruptionBudget) -> Budget {
        let spec = budget.spec.clone().unwrap_or_default();
        let namespace = budget.metadata.namespace.as_deref().unwrap_or("default");
        let cluster = &mut self.scheduling.scheduler.cluster;
        let mut counted = Budget::new(cluster, namespace, spec.selector.as_ref(), 0);
        let cluster = &self.scheduling.scheduler.cluster;
        let chosen: Vec<BudgetedPod> = cluster
            .pods()
            .filter(|placed| counted.protects(cluster, placed))
            .filter_map(|placed| self.budgeted(placed.key))
            .collect();
        counted.allowed = disruptions_allowed(&spec, &chosen).into();
        counted
    }

    fn budgeted(&self, key: PodKey) -> Option<BudgetedPod> {
        let (Kind::Pod, name) = self.store.find(Uid(u128::from(key.0)))? else { return None };
        let pod = self.pod(name)?;
        let controller = pod.meta.owner.filter(|owner| owner.kind == Kind::StatefulSet);
        let controller = controller.and_then(|owner| {
            let set = self.store.get::<SetRecord>(owner.name)?;
            Some((u64::from(owner.name.0), set.spec.body.replicas))
        });
        Some(BudgetedPod { is_healthy: pod.is_ready && pod.meta.deleting.is_none(), controller })
    }
}

impl super::schedule::Scheduling {
    /// Returns whether a pod was seen with a lower priority than this.
    fn has_pods_below(&self, priority: i32) -> bool {
        self.priorities.first().is_some_and(|lowest| *lowest < priority)
    }

    fn lose_nomination(&mut self, pod: PodKey) {
        let waiting = self.waiting.values_mut().find(|waiting| key_of(waiting.uid) == pod);
        if let Some(waiting) = waiting {
            waiting.nominated = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::backend::record::{PodChange, Record, What};
    use crate::backend::sim::setup::{Action, Object, PriorityClass, Workload};
    use crate::backend::sim::trial::{Trial, instant};
    use k8s_openapi::api::core::v1::Pod;
    use k8s_openapi::api::policy::v1::PodDisruptionBudget;
    use serde_json::{Value, json};
    use std::sync::Arc;

    /// Two groups of two fill four nodes; then a pod of this class asks for a whole node.
    fn trial(class: &str) -> Trial {
        let mut trial = Trial::new(4, "{replicas: 2, leaderWorkerTemplate: {size: 2}}");
        trial.setup.priority_classes = vec![
            PriorityClass {
                name: "urgent".into(),
                value: 1000,
                is_global_default: false,
                never_preempts: false,
            },
            PriorityClass {
                name: "polite".into(),
                value: 1000,
                is_global_default: false,
                never_preempts: true,
            },
        ];
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "hi", "namespace": "default"},
            "spec": {"priorityClassName": class, "containers": [
                {"name": "m", "image": "i", "resources": {"limits": {"nvidia.com/gpu": "8"}, "requests": {"nvidia.com/gpu": "8"}}}]},
        }))
        .unwrap();
        let object = Object::Pod(Arc::new(pod));
        trial.then(Action::Apply(vec![Workload { object, profile: Arc::new(instant()) }]))
    }

    fn budget(trial: &mut Trial, spec: &Value) {
        let budget = json!({"metadata": {"name": "b", "namespace": "default"}, "spec": spec});
        let budget: PodDisruptionBudget = serde_json::from_value(budget).unwrap();
        trial.setup.budgets.push(Arc::new(budget));
    }

    fn preempted(records: &[Record]) -> Vec<String> {
        let regarding = |record: &Record| match &record.what {
            What::Event { regarding, reason, .. } if &**reason == "Preempted" => {
                Some(regarding.to_string())
            }
            _ => None,
        };
        records.iter().filter_map(regarding).collect()
    }

    fn is_bound(records: &[Record], name: &str) -> bool {
        let is_bound = |record: &Record| match &record.what {
            What::Pod { pod, change: PodChange::Bound(_), .. } => &**pod == name,
            _ => false,
        };
        records.iter().any(is_bound)
    }

    #[test]
    fn an_urgent_pod_takes_the_node_of_one_pod_and_keeps_it() {
        let (records, end) = trial("urgent").run();
        assert_eq!(preempted(&records).len(), 1);
        assert!(is_bound(&records, "default/hi"));
        assert_eq!(end.waits.len(), 1, "the group that lost a pod waits: {:?}", end.waits);
    }

    #[test]
    fn a_polite_pod_waits_and_says_why() {
        let (records, end) = trial("polite").run();
        assert_eq!(preempted(&records), [""; 0]);
        assert!(format!("{:?}", end.waits).contains("not eligible due to preemptionPolicy=Never."));
    }

    #[test]
    fn budgets_steer_the_choice_and_do_not_forbid_it() {
        let labels = |index: &str| {
            json!({"minAvailable": "100%", "selector": {"matchLabels": {
                "leaderworkerset.sigs.k8s.io/group-index": index}}})
        };
        for (protected, group) in [("0", "s-1"), ("1", "s-0")] {
            let mut trial = trial("urgent");
            budget(&mut trial, &labels(protected));
            let (records, _) = trial.run();
            let victims = preempted(&records);
            assert!(victims[0].contains(group), "{victims:?}");
        }
        let mut trial = trial("urgent");
        budget(&mut trial, &labels("0"));
        budget(&mut trial, &labels("1"));
        assert_eq!(preempted(&trial.run().0).len(), 1, "a budget is a wish");
    }
}
