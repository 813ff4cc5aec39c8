//! Scheduler traces: each pod's feasible nodes, every plugin's score for each of them, the node taken, and the message of a
//! pod that fits nowhere.
//!
//! Where several nodes have the best score the recorded one must be among them and is taken, so that the next step starts
//! from the recorded cluster whatever this one showed.

use super::{Difference, Verdict};
use crate::scheduler::{
    Decision, NodeExplanation, PodKey, PodLabels, PodView, Profile, Scheduler, Tie, Verdict as Fit,
};
use k8s_openapi::api::core::v1::{Node, Pod};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A scheduler trace.
#[derive(Debug, Deserialize)]
pub(super) struct Trace {
    kubernetes: String,
    seed: Value,
    nodes: Vec<RecordedNode>,
    steps: Vec<Step>,
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

struct Replay {
    scheduler: Scheduler,
    namespace: String,
    keys: BTreeMap<String, PodKey>,
    placed: u64,
    number: usize,
    differences: Vec<Difference>,
}

impl Replay {
    fn new(trace: &Trace) -> Result<Self, String> {
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
            scheduler,
            namespace: format!("s-{seed}"),
            keys: BTreeMap::new(),
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
        if let Some(name) = &step.delete
            && let Some(key) = self.keys.remove(name)
        {
            self.scheduler.cluster.remove_pod(key);
        }
        if let Some(pod) = &step.create {
            self.create(pod, step);
        }
    }

    fn create(&mut self, pod: &Pod, step: &Step) {
        let name = pod.metadata.name.clone().unwrap_or_default();
        let view = self.view(pod);
        let nodes = self.scheduler.explain(&view).nodes;
        let feasible: Vec<NodeExplanation> =
            nodes.into_iter().filter(|entry| entry.verdict == Fit::Fits).collect();
        let decision = self.scheduler.schedule(&view, Tie::First);
        let (best, message) = match decision {
            Decision::Placed { score, .. } => {
                let best =
                    feasible.iter().filter(|entry| feasible.len() == 1 || entry.total == score);
                (best.map(|entry| self.name_of(entry)).collect(), None)
            }
            Decision::Unschedulable(why) => {
                (Vec::new(), Some(why.message(&self.scheduler.cluster)))
            }
        };
        self.differs(&name, "/unschedulable", &json!(step.unschedulable), &json!(message));
        self.compare_scores(&name, &feasible, step);
        let Some(recorded) = &step.node else { return };
        if !best.contains(recorded) {
            self.differs(&name, "/node", &json!(recorded), &json!(best));
        }
        let Some(node) = self.scheduler.cluster.node(recorded) else { return };
        self.placed += 1;
        let key = PodKey(self.placed);
        self.scheduler.cluster.add_pod(key, &view, node);
        self.keys.insert(name, key);
    }

    fn name_of(&self, entry: &NodeExplanation) -> String {
        self.scheduler.cluster.node_name(entry.node).to_owned()
    }

    fn view(&mut self, pod: &Pod) -> PodView {
        let cluster = &mut self.scheduler.cluster;
        let class = cluster.class(&self.namespace, &pod.spec.clone().unwrap_or_default());
        let labels =
            pod.metadata.labels.iter().flatten().map(|(key, value)| (key.as_str(), value.as_str()));
        let labels = PodLabels::from_texts(&mut cluster.symbols, labels);
        cluster.view(&class, labels)
    }

    /// Compares feasible nodes and their scores. A single feasible node is not scored, and the trace then names none.
    fn compare_scores(&mut self, pod: &str, feasible: &[NodeExplanation], step: &Step) {
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
        for entry in feasible {
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
