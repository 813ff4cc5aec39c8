//! Replays recorded placements of the real kube-scheduler: feasible nodes, scores of every plugin, and messages.
//!
//! The traces in `tests/golden/kube-scheduler` were recorded from Kubernetes 1.36.3. Where several nodes have the best score
//! the recorded one must be among them and is taken.

use k8s_openapi::api::core::v1::{Node, Pod};
use lwsim::scheduler::{
    Decision, NodeExplanation, Plugin, PodKey, PodLabels, PodView, Profile, Scheduler, Tie, Verdict,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

struct Replay {
    scheduler: Scheduler,
    namespace: String,
    keys: BTreeMap<String, PodKey>,
    placed: u64,
}

impl Replay {
    fn new(trace: &Value) -> Self {
        let mut scheduler = Scheduler::new(Profile::default_of(36));
        for node in trace["nodes"].as_array().unwrap() {
            let object = json!({
                "metadata": node["metadata"],
                "spec": node["spec"],
                "status": {"allocatable": node["cap"], "capacity": node["cap"]},
            });
            scheduler.cluster.add_node(&serde_json::from_value::<Node>(object).unwrap());
        }
        Self {
            scheduler,
            namespace: format!("s-{}", trace["seed"]),
            keys: BTreeMap::new(),
            placed: 0,
        }
    }

    fn step(&mut self, step: &Value) {
        if let Some(name) = step["delete"].as_str() {
            let key = self.keys.remove(name).unwrap();
            self.scheduler.cluster.remove_pod(key).unwrap();
            return;
        }
        let pod: Pod = serde_json::from_value(step["create"].clone()).unwrap();
        let view = self.view(&pod);
        let explanation = self.scheduler.explain(&view);
        let feasible: Vec<NodeExplanation> =
            explanation.nodes.into_iter().filter(|node| node.verdict == Verdict::Fits).collect();
        let decision = self.scheduler.schedule(&view, Tie::First);
        if let Some(message) = step["unschedulable"].as_str() {
            assert!(feasible.is_empty());
            let Decision::Unschedulable(diagnosis) = decision else { panic!("placed") };
            assert_eq!(diagnosis.message(&self.scheduler.cluster), message);
            return;
        }
        let node = self.scheduler.cluster.node(step["node"].as_str().unwrap()).unwrap();
        self.check_scores(&feasible, step);
        let Decision::Placed { score, ties, .. } = decision else { panic!("not placed") };
        let best: Vec<_> =
            feasible.iter().filter(|entry| feasible.len() == 1 || entry.total == score).collect();
        assert_eq!(best.len(), ties);
        assert!(best.iter().any(|entry| entry.node == node), "the recorded node is among the best");
        let name = pod.metadata.name.unwrap();
        self.placed += 1;
        let key = PodKey(self.placed);
        self.scheduler.cluster.add_pod(key, &view, node);
        self.keys.insert(name, key);
    }

    fn view(&mut self, pod: &Pod) -> PodView {
        let cluster = &mut self.scheduler.cluster;
        let class = cluster.class(&self.namespace, pod.spec.as_ref().unwrap());
        let labels =
            pod.metadata.labels.iter().flatten().map(|(key, value)| (key.as_str(), value.as_str()));
        let labels = PodLabels::from_texts(&mut cluster.symbols, labels);
        cluster.view(&class, labels)
    }

    fn check_scores(&self, feasible: &[NodeExplanation], step: &Value) {
        let Some(scores) = step["scores"].as_object() else {
            assert_eq!(feasible.len(), 1, "only a single feasible node is not scored");
            return;
        };
        let mut expected = scores.clone();
        for plugins in expected.values_mut() {
            // Scores that the model does not have; they are zero in all traces.
            assert_eq!(plugins.as_object_mut().unwrap().remove("DynamicResources"), Some(json!(0)));
        }
        let mut found = serde_json::Map::new();
        for entry in feasible {
            let plugins = entry
                .scores
                .iter()
                .map(|(plugin, score): &(Plugin, i64)| (plugin.to_string(), json!(score)));
            let name = self.scheduler.cluster.node_name(entry.node).to_owned();
            assert_eq!(json!(entry.total), step["total"][&name]);
            found.insert(name, Value::Object(plugins.collect()));
        }
        assert_eq!(Value::Object(found), Value::Object(expected));
    }
}

#[test]
fn recorded_placements_are_reproduced() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/kube-scheduler");
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut steps = 0;
    for file in &files {
        let trace: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        let mut replay = Replay::new(&trace);
        for (number, step) in trace["steps"].as_array().unwrap().iter().enumerate() {
            eprintln!("{} step {number}", file.display());
            replay.step(step);
            steps += 1;
        }
    }
    assert!(steps >= 200, "there are traces");
}
