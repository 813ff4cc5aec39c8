//! Whom a pod that fits nowhere may evict: kube-scheduler's `DefaultPreemption` (1.36,
//! `pkg/scheduler/framework/preemption` and `plugins/defaultpreemption`).
//!
//! Pure: the search leaves the cluster as it was. Who deletes the victims and writes the nomination is the caller.
//!
//! # Differs from the real thing
//! Nodes are tried one after another and not in parallel, so the search ends exactly where it may. Each trial asks the
//! filters anew instead of telling them which pod came or went; what they say is the same.

use super::cluster::{Cluster, NodeIndex, PlacedPod};
use super::framework::{Cycle, Plugin, PreFilter, Reasons, Verdict};
use super::labels::Selector;
use super::pod::{PodKey, PodView};
use super::schedule::Scheduler;
use super::statement::Statement;
use super::symbols::Sym;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use std::cmp::Reverse;

/// A PodDisruptionBudget as it stands.
#[derive(Clone, Debug)]
pub struct Budget {
    namespace: Sym,
    selector: Selector,
    /// `status.disruptionsAllowed`.
    pub allowed: i64,
}

impl Budget {
    /// Returns a budget over the pods of a namespace that a selector chooses; an empty selector chooses none.
    pub fn new(
        cluster: &mut Cluster,
        namespace: &str,
        selector: Option<&LabelSelector>,
        allowed: i64,
    ) -> Self {
        Self {
            namespace: cluster.symbols.intern(namespace),
            selector: Selector::stated(&mut cluster.symbols, selector),
            allowed,
        }
    }

    /// Returns whether it speaks for a pod; for a pod without labels none does.
    pub fn protects(&self, cluster: &Cluster, pod: &PlacedPod) -> bool {
        self.namespace == pod.class.namespace
            && !self.selector.is_empty()
            && pod.labels.iter().next().is_some()
            && self.selector.matches(&pod.labels, &cluster.symbols)
    }
}

/// A node on which the pod would fit once the victims are gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sacrifice {
    /// The node.
    pub node: NodeIndex,
    /// Pods to evict, the most important first.
    pub victims: Vec<PodKey>,
    /// How many of them a budget protects.
    pub violations: usize,
}

/// Outcome of the search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Preemption {
    /// The pod may not evict others, in the scheduler's words.
    NotEligible(&'static str),
    /// These nodes would do; the first `equals` of them are equally good by all of the scheduler's criteria.
    Found {
        /// Nodes, the best first.
        sacrifices: Vec<Sacrifice>,
        /// How many share the first place.
        equals: usize,
    },
    /// No node would do.
    Nothing(Vec<(Helplessness, u32)>),
}

/// Why evicting pods from a node does not help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Helplessness {
    /// The node cannot take the pod whatever goes away.
    NotHelpful,
    /// No pod on it has a lower priority.
    NoVictims,
    /// It would still be rejected.
    Rejected(Reasons),
}

/// What the search asks the caller about.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// PodDisruptionBudgets.
    pub budgets: &'a [Budget],
    /// When a pod started, in any unit; later is larger.
    pub started: &'a dyn Fn(PodKey) -> u64,
    /// Whether the scheduler itself has evicted a pod that is not gone yet.
    pub is_preempted: &'a dyn Fn(PodKey) -> bool,
    /// The candidate at which the search begins, drawn by the caller; taken modulo their number.
    pub offset: usize,
}

impl Scheduler {
    /// Reserves a node for a pod: others with no higher priority keep clear of what it asks for.
    pub fn nominate(&mut self, key: PodKey, pod: &PodView, node: NodeIndex) {
        self.nominated.insert(key, (pod.clone(), node));
    }

    /// Takes a reservation back.
    pub fn forget_nomination(&mut self, key: PodKey) {
        self.nominated.remove(&key);
    }

    /// Returns the pods with a lower priority that are nominated to a node: they lose their nomination to a pod that evicts.
    pub fn nominated_below(&self, node: NodeIndex, priority: i32) -> Vec<PodKey> {
        let below = self
            .nominated
            .iter()
            .filter(|(_, (pod, at))| *at == node && pod.class.priority < priority);
        below.map(|(key, _)| *key).collect()
    }

    /// Returns which filter keeps a pod off a node, with nominated pods of no lower priority there or without them
    /// (`RunFilterPluginsWithNominatedPods`).
    fn rejection(&mut self, pod: &PodView, node: NodeIndex) -> Option<(Plugin, Verdict)> {
        self.rejection_beside_nominated(pod, node).or_else(|| self.rejection_now(pod, node))
    }

    /// Returns which filter keeps a pod off a node for the sake of pods that are nominated to it.
    pub(super) fn rejection_beside_nominated(
        &mut self,
        pod: &PodView,
        node: NodeIndex,
    ) -> Option<(Plugin, Verdict)> {
        let Self { nominated, cluster, .. } = self;
        let counts = |key: &PodKey, other: &PodView| {
            other.class.priority >= pod.class.priority
                && pod.key != Some(*key)
                && cluster.pod(*key).is_none()
        };
        let reserved: Vec<(PodKey, PodView)> = nominated
            .iter()
            .filter(|(key, (other, at))| *at == node && counts(key, other))
            .map(|(key, (other, _))| (*key, other.clone()))
            .collect();
        if reserved.is_empty() {
            return None;
        }
        let mut statement = Statement::new();
        for (key, other) in &reserved {
            statement.assume(&mut self.cluster, *key, other, node);
        }
        let rejection = self.rejection_now(pod, node);
        statement.roll_back(&mut self.cluster);
        rejection
    }

    fn rejection_now(&mut self, pod: &PodView, node: NodeIndex) -> Option<(Plugin, Verdict)> {
        self.cluster.refresh();
        let incoming = self.resolve(pod);
        let cycle = Cycle { cluster: &self.cluster, pod, incoming: &incoming };
        self.filters.iter_mut().find_map(|filter| {
            let verdict = match filter.pre_filter(&cycle) {
                PreFilter::Skip => Verdict::Fits,
                PreFilter::Run => filter.filter(&cycle, node),
                PreFilter::Reject(verdict) => verdict,
            };
            (verdict != Verdict::Fits).then(|| (filter.plugin(), verdict))
        })
    }

    /// Looks for pods whose eviction would let a pod in that fits nowhere now.
    pub fn preempt(&mut self, pod: &PodView, asked: Asked<'_>) -> Preemption {
        if pod.class.never_preempts {
            return Preemption::NotEligible("not eligible due to preemptionPolicy=Never.");
        }
        let verdicts: Vec<(NodeIndex, Verdict)> =
            self.explain(pod).nodes.iter().map(|entry| (entry.node, entry.verdict)).collect();
        if let Some(node) = pod.nominated
            && !verdicts
                .iter()
                .any(|(at, verdict)| *at == node && matches!(verdict, Verdict::Hopeless(_)))
            && self.cluster.pods_on(node).any(|other| {
                other.is_terminating
                    && other.class.priority < pod.class.priority
                    && (asked.is_preempted)(other.key)
            })
        {
            return Preemption::NotEligible(
                "not eligible due to a terminating pod on the nominated node.",
            );
        }
        let mut candidates = Vec::new();
        let mut helpless = Tally::default();
        for (node, verdict) in verdicts {
            match verdict {
                Verdict::Unschedulable(_) => candidates.push(node),
                // A node that fits alone is kept by pods that are nominated to it.
                Verdict::Fits => match self.rejection_beside_nominated(pod, node) {
                    Some((_, Verdict::Hopeless(_))) => helpless.count(Helplessness::NotHelpful),
                    _ => candidates.push(node),
                },
                Verdict::Hopeless(_) => helpless.count(Helplessness::NotHelpful),
            }
        }
        let (percentage, least) = self.profile.preemption_candidates;
        let wanted = (candidates.len() * percentage / 100).max(least).min(candidates.len());
        let start = asked.offset % candidates.len().max(1);
        let (before, after) = candidates.split_at(start);
        let (mut harmless, mut violating) = (Vec::new(), Vec::new());
        for &node in after.iter().chain(before) {
            match self.sacrifice(pod, node, asked) {
                Ok(found) if found.violations == 0 => harmless.push(found),
                Ok(found) => violating.push(found),
                Err(why) => helpless.count(why),
            }
            if !harmless.is_empty() && harmless.len() + violating.len() >= wanted {
                break;
            }
        }
        harmless.append(&mut violating);
        if harmless.is_empty() {
            return Preemption::Nothing(helpless.0);
        }
        self.rank(harmless, asked)
    }

    /// Finds the fewest and least important pods of a node whose eviction lets the pod in (`SelectVictimsOnNode`).
    fn sacrifice(
        &mut self,
        pod: &PodView,
        node: NodeIndex,
        asked: Asked<'_>,
    ) -> Result<Sacrifice, Helplessness> {
        let importance = |cluster: &Cluster, key: PodKey| {
            let priority = cluster.pod(key).map_or(0, |pod| pod.class.priority);
            (Reverse(priority), (asked.started)(key), key)
        };
        let mut lower: Vec<PodKey> = self
            .cluster
            .pods_on(node)
            .filter(|other| other.class.priority < pod.class.priority)
            .map(|other| other.key)
            .collect();
        if lower.is_empty() {
            return Err(Helplessness::NoVictims);
        }
        lower.sort_by_key(|&key| importance(&self.cluster, key));
        let (protected, others) = self.split_by_budgets(&lower, asked.budgets);
        let mut views: Vec<(PodKey, PodView, bool)> = Vec::new();
        for &key in &lower {
            if let Some(placed) = self.cluster.remove_pod(key) {
                let is_terminating = placed.is_terminating;
                views.push((key, placed.into_view(), is_terminating));
            }
        }
        let mut victims = Vec::new();
        let mut violations = 0;
        let rejection = self.rejection(pod, node);
        if rejection.is_none() {
            for (order, is_protected) in [(&protected, true), (&others, false)] {
                for &key in order {
                    let Some((_, view, is_terminating)) = views.iter().find(|entry| entry.0 == key)
                    else {
                        continue;
                    };
                    restore(&mut self.cluster, key, view, node, *is_terminating);
                    if self.rejection(pod, node).is_some() {
                        self.cluster.remove_pod(key);
                        victims.push(key);
                        violations += usize::from(is_protected);
                    }
                }
            }
        }
        for (key, view, is_terminating) in &views {
            if self.cluster.pod(*key).is_none() {
                restore(&mut self.cluster, *key, view, node, *is_terminating);
            }
        }
        match rejection {
            Some((_, Verdict::Unschedulable(reasons) | Verdict::Hopeless(reasons))) => {
                Err(Helplessness::Rejected(reasons))
            }
            Some((_, Verdict::Fits)) | None => {
                victims.sort_by_key(|&key| importance(&self.cluster, key));
                Ok(Sacrifice { node, victims, violations })
            }
        }
    }

    /// Splits pods, the most important first, into those that a budget protects and the others
    /// (`filterPodsWithPDBViolation`).
    fn split_by_budgets(&self, pods: &[PodKey], budgets: &[Budget]) -> (Vec<PodKey>, Vec<PodKey>) {
        let mut allowed: Vec<i64> = budgets.iter().map(|budget| budget.allowed).collect();
        pods.iter().partition(|&&key| {
            let Some(pod) = self.cluster.pod(key) else { return false };
            let mut is_protected = false;
            for (budget, allowed) in budgets.iter().zip(&mut allowed) {
                if budget.protects(&self.cluster, pod) {
                    *allowed -= 1;
                    is_protected |= *allowed < 0;
                }
            }
            is_protected
        })
    }

    /// Orders nodes by the scheduler's criteria (`pickOneNodeForPreemption`).
    fn rank(&self, mut sacrifices: Vec<Sacrifice>, asked: Asked<'_>) -> Preemption {
        let priority =
            |key: &PodKey| self.cluster.pod(*key).map_or(0, |pod| i64::from(pod.class.priority));
        let cost = |sacrifice: &Sacrifice| {
            let highest = sacrifice.victims.first().map_or(i64::MIN, &priority);
            // Offset so that a victim of negative priority costs something, too.
            let sum: i64 =
                sacrifice.victims.iter().map(|key| priority(key) + i64::from(i32::MAX) + 1).sum();
            let earliest = sacrifice
                .victims
                .iter()
                .filter(|key| priority(key) == highest)
                .map(|key| (asked.started)(*key))
                .min()
                .unwrap_or(0);
            (sacrifice.violations, highest, sum, sacrifice.victims.len(), Reverse(earliest))
        };
        sacrifices.sort_by_key(cost);
        let best = sacrifices.first().map(cost);
        let equals = sacrifices.iter().take_while(|entry| Some(cost(entry)) == best).count();
        Preemption::Found { sacrifices, equals }
    }
}

fn restore(
    cluster: &mut Cluster,
    key: PodKey,
    view: &PodView,
    node: NodeIndex,
    is_terminating: bool,
) {
    cluster.add_pod(key, view, node);
    if is_terminating {
        cluster.set_terminating(key);
    }
}

#[derive(Default)]
struct Tally(Vec<(Helplessness, u32)>);

impl Tally {
    fn count(&mut self, why: Helplessness) {
        match self.0.iter_mut().find(|entry| entry.0 == why) {
            Some(entry) => entry.1 += 1,
            None => self.0.push((why, 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduler::{Decision, PodLabels, Profile, Tie};
    use serde_json::json;

    /// Nodes of eight GPUs, one for each list of pods of (priority, GPUs, label `app`).
    struct Field {
        scheduler: Scheduler,
        next: u64,
    }

    impl Field {
        fn new(nodes: &[&[(i32, u32, &str)]]) -> Self {
            let mut field = Self { scheduler: Scheduler::new(Profile::default_of(36)), next: 0 };
            for (number, pods) in nodes.iter().enumerate() {
                let object = json!({
                    "metadata": {"name": format!("n{number}")},
                    "status": {"allocatable": {"cpu": "96", "memory": "1Ti", "pods": "110", "nvidia.com/gpu": "8"}},
                });
                let node =
                    field.scheduler.cluster.add_node(&serde_json::from_value(object).unwrap());
                for &(priority, gpus, app) in *pods {
                    let view = field.pod(priority, gpus, app);
                    field.next += 1;
                    field.scheduler.cluster.add_pod(PodKey(field.next), &view, node);
                }
            }
            field
        }

        fn pod(&mut self, priority: i32, gpus: u32, app: &str) -> PodView {
            let spec = json!({"priority": priority, "containers": [
                {"name": "c", "resources": {"requests": {"nvidia.com/gpu": gpus.to_string()}}}]});
            let cluster = &mut self.scheduler.cluster;
            let class = cluster.class("default", &serde_json::from_value(spec).unwrap());
            let labels = PodLabels::from_texts(&mut cluster.symbols, [("app", app)]);
            cluster.view(&class, labels)
        }

        fn budget(&mut self, app: &str, allowed: i64) -> Budget {
            let selector: LabelSelector =
                serde_json::from_value(json!({"matchLabels": {"app": app}})).unwrap();
            Budget::new(&mut self.scheduler.cluster, "default", Some(&selector), allowed)
        }

        /// Draws what a pod of priority 100 would evict: node, victims by key, violations; the equally good ones only.
        fn drawn(&mut self, gpus: u32, budgets: &[Budget]) -> String {
            let pod = self.pod(100, gpus, "new");
            let before: Vec<u64> = self.scheduler.cluster.pods().map(|pod| pod.key.0).collect();
            let asked =
                Asked { budgets, started: &|key| key.0, is_preempted: &|_| false, offset: 0 };
            let found = self.scheduler.preempt(&pod, asked);
            let mut after: Vec<u64> = self.scheduler.cluster.pods().map(|pod| pod.key.0).collect();
            after.sort_unstable();
            let mut before = before;
            before.sort_unstable();
            assert_eq!(before, after, "the search leaves the cluster as it was");
            match found {
                Preemption::Found { sacrifices, equals } => {
                    let draw = |sacrifice: &Sacrifice| {
                        let victims: Vec<u64> = sacrifice.victims.iter().map(|key| key.0).collect();
                        format!("n{} {victims:?} {}", sacrifice.node.at(), sacrifice.violations)
                    };
                    let mut drawn: Vec<String> = sacrifices[..equals].iter().map(draw).collect();
                    drawn.sort();
                    drawn.join("; ")
                }
                Preemption::Nothing(reasons) => {
                    let draw = |&(why, nodes): &(Helplessness, u32)| match why {
                        Helplessness::Rejected(reasons) => {
                            let texts = reasons.texts(&self.scheduler.cluster.resources);
                            format!("{nodes} {}", texts.join(", "))
                        }
                        other => format!("{nodes} {other:?}"),
                    };
                    reasons.iter().map(draw).collect::<Vec<_>>().join("; ")
                }
                Preemption::NotEligible(why) => why.to_owned(),
            }
        }
    }

    #[track_caller]
    fn check(nodes: &[&[(i32, u32, &str)]], gpus: u32, budgets: &[(&str, i64)], expected: &str) {
        let mut field = Field::new(nodes);
        let budgets: Vec<Budget> =
            budgets.iter().map(|&(app, allowed)| field.budget(app, allowed)).collect();
        assert_eq!(field.drawn(gpus, &budgets), expected);
    }

    #[test]
    fn the_fewest_and_least_important_pods_go() {
        // On one node: what can stay stays, the more important and the older first.
        check(&[&[(10, 4, "a"), (20, 4, "a")]], 4, &[], "n0 [1] 0");
        check(&[&[(10, 4, "a"), (10, 4, "a")]], 4, &[], "n0 [2] 0");
        check(&[&[(10, 2, "a"), (20, 2, "a"), (30, 4, "a")]], 6, &[], "n0 [3, 1] 0");
        // A pod that would not help to evict stays, however unimportant it is.
        check(&[&[(0, 0, "a"), (10, 8, "a")]], 8, &[], "n0 [2] 0");
    }

    #[test]
    fn nodes_are_compared_criterion_by_criterion() {
        // The lowest most important victim.
        check(&[&[(20, 8, "a")], &[(10, 4, "a"), (10, 4, "a")]], 8, &[], "n1 [2, 3] 0");
        // The smallest sum of priorities.
        check(
            &[&[(20, 4, "a"), (15, 4, "a")], &[(20, 4, "a"), (5, 4, "a")]],
            8,
            &[],
            "n1 [3, 4] 0",
        );
        // The fewest victims: a negative priority does not make a pod free.
        check(&[&[(5, 4, "a"), (-5, 4, "a")], &[(5, 8, "a")]], 8, &[], "n1 [3] 0");
        // The most important victim that started last.
        check(&[&[(5, 8, "a")], &[(5, 8, "a")]], 8, &[], "n1 [2] 0");
        // Fewest broken budgets come before everything else.
        check(&[&[(0, 8, "a")], &[(50, 8, "b")]], 8, &[("a", 0)], "n1 [2] 0");
        check(&[&[(0, 8, "a")], &[(50, 8, "b")]], 8, &[("a", 1)], "n0 [1] 0");
    }

    #[test]
    fn a_budget_that_must_be_broken_is_broken_last() {
        check(&[&[(0, 4, "a"), (50, 4, "b")]], 4, &[("a", 0)], "n0 [2] 0");
        check(&[&[(0, 4, "a"), (50, 4, "b")]], 8, &[("a", 0)], "n0 [2, 1] 1");
        // One disruption is left, and the more important pod takes it.
        check(&[&[(5, 4, "a"), (0, 4, "a")]], 8, &[("a", 1)], "n0 [1, 2] 1");
    }

    #[test]
    fn what_does_not_help_is_told() {
        check(&[&[(100, 8, "a")], &[(200, 8, "a")]], 8, &[], "2 NoVictims");
        check(&[&[(200, 6, "a"), (1, 2, "a")]], 8, &[], "1 Insufficient nvidia.com/gpu");
        check(&[&[]], 9, &[], "1 NotHelpful");
    }

    #[test]
    fn a_nominated_pod_keeps_its_node_from_pods_of_no_higher_priority() {
        let mut field = Field::new(&[&[], &[(100, 8, "a")]]);
        let waiting = field.pod(50, 8, "w");
        let node = field.scheduler.cluster.node("n0").unwrap();
        field.scheduler.nominate(PodKey(77), &waiting, node);
        let placed = |field: &mut Field, priority: i32, key: Option<PodKey>| {
            let view = PodView { key, ..field.pod(priority, 1, "x") };
            matches!(field.scheduler.schedule(&view, Tie::First), Decision::Placed { .. })
        };
        assert!(!placed(&mut field, 10, None));
        assert!(!placed(&mut field, 50, None));
        assert!(placed(&mut field, 51, None));
        assert!(placed(&mut field, 50, Some(PodKey(77))), "it does not stand in its own way");
        assert_eq!(field.scheduler.nominated_below(node, 51), [PodKey(77)]);
        field.scheduler.forget_nomination(PodKey(77));
        assert!(placed(&mut field, 10, None));
    }
}
