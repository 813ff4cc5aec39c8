//! Scheduler traces: each pod's feasible nodes, every plugin's score for each of them, the node taken, the pods evicted for
//! it, and the message of a pod that fits nowhere.
//!
//! Where several nodes are equally good the recorded one must be among them and is taken, so that the next step starts
//! from the recorded cluster whatever this one showed.

use super::{Difference, Verdict};
use crate::backend::sim::budgets::{BudgetedPod, disruptions_allowed};
use crate::scheduler::{
    Asked, Budget, Decision, Diagnosis, NodeExplanation, PodKey, PodLabels, PodView, Preemption,
    Profile, Sacrifice, Scheduler, Tie, Verdict as Fit,
};
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The priority class whose pods never preempt; the traces hold only the value of each class.
const NEVER_PREEMPTS: &str = "polite";

/// A scheduler trace.
#[derive(Debug, Deserialize)]
pub(super) struct Trace {
    kubernetes: String,
    seed: Value,
    nodes: Vec<RecordedNode>,
    steps: Vec<Step>,
    /// `None` in traces without priorities.
    #[serde(rename = "priorityClasses")]
    priority_classes: Option<BTreeMap<String, i32>>,
    #[serde(default)]
    budgets: Vec<PodDisruptionBudget>,
}

#[derive(Debug, Deserialize)]
struct RecordedNode {
    metadata: Value,
    #[serde(default)]
    spec: Value,
    cap: Value,
}

#[derive(Debug, Deserialize)]
struct Step {
    create: Option<Pod>,
    delete: Option<String>,
    node: Option<String>,
    unschedulable: Option<String>,
    #[serde(default)]
    victims: Vec<String>,
    nominated: Option<String>,
    scores: Option<BTreeMap<String, BTreeMap<String, i64>>>,
    total: Option<BTreeMap<String, i64>>,
}

/// Replays a trace.
pub(super) fn replay(case: &str, trace: &Trace) -> Verdict {
    let mut replay = match Replay::new(trace) {
        Ok(replay) => replay,
        Err(error) => {
            return verdict(
                case,
                vec![difference("read", "nodes", "", &Value::Null, &json!(error))],
            );
        }
    };
    for (number, step) in trace.steps.iter().enumerate() {
        replay.number = number;
        replay.step(step);
    }
    verdict(case, replay.differences)
}

fn verdict(case: &str, differences: Vec<Difference>) -> Verdict {
    Verdict { case: case.to_owned(), kind: "placement", differences, measures: Vec::new() }
}

fn difference(action: &str, object: &str, path: &str, expected: &Value, got: &Value) -> Difference {
    Difference {
        step: None,
        action: action.to_owned(),
        object: object.to_owned(),
        path: path.to_owned(),
        expected: expected.clone(),
        got: got.clone(),
    }
}

struct Replay<'a> {
    trace: &'a Trace,
    scheduler: Scheduler,
    namespace: String,
    /// Bound pods; keys count up, and so tell who started earlier.
    pods: BTreeMap<String, PodKey>,
    placed: u64,
    number: usize,
    differences: Vec<Difference>,
}

impl<'a> Replay<'a> {
    fn new(trace: &'a Trace) -> Result<Self, String> {
        let minor = trace.kubernetes.split('.').nth(1).and_then(|minor| minor.parse().ok());
        let minor = minor.ok_or_else(|| format!("`{}` is not a version", trace.kubernetes))?;
        let mut scheduler = Scheduler::new(Profile::default_of(minor));
        for node in &trace.nodes {
            let object = json!({
                "metadata": node.metadata,
                "spec": node.spec,
                "status": {"allocatable": node.cap, "capacity": node.cap},
            });
            let node: Node = serde_json::from_value(object).map_err(|error| error.to_string())?;
            scheduler.cluster.add_node(&node);
        }
        let seed = trace.seed.as_str().map_or_else(|| trace.seed.to_string(), str::to_owned);
        Ok(Self {
            trace,
            scheduler,
            namespace: format!("s-{seed}"),
            pods: BTreeMap::new(),
            placed: 0,
            number: 0,
            differences: Vec::new(),
        })
    }

    fn differs(&mut self, pod: &str, path: &str, expected: &Value, got: &Value) {
        if expected == got {
            return;
        }
        let mut found = difference("create", &format!("Pod/{pod}"), path, expected, got);
        found.step = Some(self.number);
        self.differences.push(found);
    }

    fn step(&mut self, step: &Step) {
        if let Some(name) = &step.delete {
            self.remove(name);
        }
        if let Some(pod) = &step.create {
            self.create(pod, step);
        }
    }

    fn remove(&mut self, pod: &str) {
        if let Some(key) = self.pods.remove(pod) {
            self.scheduler.cluster.remove_pod(key);
        }
    }

    fn create(&mut self, pod: &Pod, step: &Step) {
        let name = pod.metadata.name.clone().unwrap_or_default();
        let mut view = self.view(pod);
        let mut outcome = self.schedule(&view);
        if let Err(why) = &mut outcome {
            self.preempt(&name, &mut view, why, step);
            if view.nominated.is_some() {
                outcome = self.schedule(&view);
            }
        } else {
            self.differs(&name, "/victims", &json!(step.victims), &json!([]));
        }
        let (best, message) = match outcome {
            Ok(best) => (best, None),
            Err(why) => (Vec::new(), Some(why.message(&self.scheduler.cluster))),
        };
        self.differs(&name, "/unschedulable", &json!(step.unschedulable), &json!(message));
        if self.trace.steps.iter().any(|step| step.scores.is_some()) {
            self.compare_scores(&name, &view, step);
        }
        let Some(recorded) = &step.node else { return };
        if !best.contains(recorded) {
            self.differs(&name, "/node", &json!(recorded), &json!(best));
        }
        let Some(node) = self.scheduler.cluster.node(recorded) else { return };
        self.placed += 1;
        let key = PodKey(self.placed);
        self.scheduler.cluster.add_pod(key, &view, node);
        self.pods.insert(name, key);
    }

    /// Returns the equally good nodes, or why there is none.
    fn schedule(&mut self, view: &PodView) -> Result<Vec<String>, Box<Diagnosis>> {
        match self.scheduler.schedule(view, Tie::First) {
            Decision::Placed { node, feasible: 1, .. } => {
                Ok(vec![self.scheduler.cluster.node_name(node).to_owned()])
            }
            Decision::Placed { score, .. } => {
                let feasible = self.feasible(view);
                let best = feasible.iter().filter(|entry| entry.total == score);
                Ok(best.map(|entry| self.name_of(entry)).collect())
            }
            Decision::Unschedulable(why) => Err(why),
        }
    }

    fn feasible(&mut self, view: &PodView) -> Vec<NodeExplanation> {
        let nodes = self.scheduler.explain(view).nodes.into_iter();
        nodes.filter(|entry| entry.verdict == Fit::Fits).collect()
    }

    /// Looks for victims, compares them with the recorded ones, and lets the recorded ones go.
    fn preempt(&mut self, pod: &str, view: &mut PodView, why: &mut Diagnosis, step: &Step) {
        let budgets = self.budgets();
        let started = |key: PodKey| key.0;
        let asked = Asked {
            budgets: &budgets,
            started: &started,
            is_preempted: &|_| false, // The recorder lets victims go at once.
            offset: 0,
        };
        let found = self.scheduler.preempt(view, asked);
        let best = match &found {
            Preemption::Found { sacrifices, equals } => &sacrifices[..*equals],
            Preemption::NotEligible(_) | Preemption::Nothing(_) => &[],
        };
        let named: Vec<(String, Vec<String>)> =
            best.iter().map(|sacrifice| self.named(sacrifice)).collect();
        let node = step.nominated.as_ref().or(step.node.as_ref());
        let mut victims = step.victims.clone();
        victims.sort();
        let is_among =
            named.iter().any(|(at, pods)| *pods == victims && node.is_none_or(|node| node == at));
        let is_quiet = named.is_empty() && victims.is_empty();
        if !(is_among || is_quiet) {
            self.differs(pod, "/victims", &json!([node, victims]), &json!(named));
        }
        if !victims.is_empty() {
            view.nominated = node.and_then(|node| self.scheduler.cluster.node(node));
        }
        for victim in &victims {
            self.remove(victim);
        }
        why.preemption = Some(found);
    }

    fn named(&self, sacrifice: &Sacrifice) -> (String, Vec<String>) {
        let node = self.scheduler.cluster.node_name(sacrifice.node).to_owned();
        let is_victim = |key: &PodKey| sacrifice.victims.contains(key);
        let pods = self.pods.iter().filter(|(_, key)| is_victim(key));
        (node, pods.map(|(name, _)| name.clone()).collect())
    }

    /// Returns the budgets as the disruption controller has them: all bound pods are ready, and none has a controller.
    fn budgets(&mut self) -> Vec<Budget> {
        let trace = self.trace;
        let budget = |budget: &PodDisruptionBudget| {
            let spec = budget.spec.clone().unwrap_or_default();
            let cluster = &mut self.scheduler.cluster;
            let mut counted = Budget::new(cluster, &self.namespace, spec.selector.as_ref(), 0);
            let chosen = cluster.pods().filter(|pod| counted.protects(cluster, pod));
            let chosen = vec![BudgetedPod { is_healthy: true, controller: None }; chosen.count()];
            counted.allowed = disruptions_allowed(&spec, &chosen).into();
            counted
        };
        trace.budgets.iter().map(budget).collect()
    }

    fn name_of(&self, entry: &NodeExplanation) -> String {
        self.scheduler.cluster.node_name(entry.node).to_owned()
    }

    fn view(&mut self, pod: &Pod) -> PodView {
        let mut spec = pod.spec.clone().unwrap_or_default();
        if let (Some(classes), Some(class)) =
            (&self.trace.priority_classes, &spec.priority_class_name)
        {
            spec.priority = classes.get(class).copied();
            spec.preemption_policy = (class == NEVER_PREEMPTS).then(|| "Never".to_owned());
        }
        let cluster = &mut self.scheduler.cluster;
        let class = cluster.class(&self.namespace, &spec);
        let labels =
            pod.metadata.labels.iter().flatten().map(|(key, value)| (key.as_str(), value.as_str()));
        let labels = PodLabels::from_texts(&mut cluster.symbols, labels);
        cluster.view(&class, labels)
    }

    /// Compares feasible nodes and their scores. A single feasible node is not scored, and the trace then names none.
    fn compare_scores(&mut self, pod: &str, view: &PodView, step: &Step) {
        let feasible = self.feasible(view);
        let Some(scores) = &step.scores else {
            if step.node.is_some() {
                let names: Vec<String> = feasible.iter().map(|entry| self.name_of(entry)).collect();
                self.differs(pod, "/feasible", &json!([step.node]), &json!(names));
            }
            return;
        };
        let names: Vec<&String> = scores.keys().collect();
        let mut got: Vec<String> = feasible.iter().map(|entry| self.name_of(entry)).collect();
        got.sort();
        self.differs(pod, "/feasible", &json!(names), &json!(got));
        for entry in &feasible {
            let node = self.name_of(entry);
            let Some(recorded) = scores.get(&node) else { continue };
            let given: BTreeMap<String, i64> =
                entry.scores.iter().map(|(plugin, score)| (plugin.to_string(), *score)).collect();
            // Plugins that have nothing to say are recorded as zero or left out, which adds the same.
            let silent = |map: &BTreeMap<String, i64>| -> Map<String, Value> {
                map.iter()
                    .filter(|(_, score)| **score != 0)
                    .map(|(plugin, score)| (plugin.clone(), json!(score)))
                    .collect()
            };
            let (expected, got) = (silent(recorded), silent(&given));
            self.differs(
                pod,
                &format!("/scores/{node}"),
                &Value::Object(expected),
                &Value::Object(got),
            );
            let total = step.total.as_ref().and_then(|total| total.get(&node));
            self.differs(pod, &format!("/total/{node}"), &json!(total), &json!(entry.total));
        }
    }
}
