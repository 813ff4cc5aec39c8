//! Nodes and the pods that run on them already.

use super::Lowering;
use crate::api::quantity::Quantity as Amount;
use crate::backend::sim::setup::{Object, Profile, Workload};
use crate::engine::Distribution;
use crate::scenario::decode::decode;
use crate::scenario::diagnostic::{Code, Diagnostic};
use crate::scenario::manifest::{items, kind_of};
use crate::topology::{NodeDescription, Shape, Taint};
use k8s_openapi::api::core::v1::{self as core, Node, NodeSpec, NodeStatus, Pod};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl Lowering<'_> {
    /// Returns all nodes: those of the snapshot, of the shape and of the groups.
    pub(super) fn nodes(&mut self) -> Vec<Arc<Node>> {
        let cluster = &self.scenario.cluster;
        let mut nodes = self.snapshot_nodes();
        let mut described = Vec::new();
        if let Some(shape) = &cluster.shape {
            described.extend(self.shape(shape, shape.prefix(), "cluster.shape"));
        }
        for (index, group) in cluster.groups.iter().enumerate() {
            let path = format!("cluster.groups[{index}]");
            if cluster.groups[..index].iter().any(|other| other.name == group.name) {
                let message = format!("two groups of nodes are called `{}`", group.name);
                self.error(Code::DuplicateName, &format!("{path}.name"), message);
                continue;
            }
            for mut node in self.shape(&group.shape, &group.name, &format!("{path}.shape")) {
                node.labels.extend(group.labels.clone());
                node.taints.extend(group.taints.iter().cloned());
                node.resources.extend(group.resources.clone());
                described.push(node);
            }
            self.check_quantities(&group.resources, &format!("{path}.resources"));
        }
        nodes.extend(described.into_iter().map(node_object));
        if nodes.is_empty() && self.problems.is_empty() {
            let diagnostic = Diagnostic::error(Code::MissingField, "the cluster has no nodes")
                .with_help("give `cluster.shape`, `cluster.groups` or `cluster.nodes`");
            self.report(diagnostic, "cluster");
        }
        self.check_node_names(&nodes);
        for node in &mut nodes {
            self.adorn(node);
        }
        self.check_cordoned(&nodes);
        nodes.into_iter().map(Arc::new).collect()
    }

    fn shape(&mut self, shape: &Shape, prefix: &str, path: &str) -> Vec<NodeDescription> {
        match shape.nodes(prefix) {
            Ok(nodes) => {
                if let Some(node) = nodes.first() {
                    let resources = self.tree.value_at(path).and_then(|node| match &node.value {
                        crate::scenario::tree::Value::Map(entries) => {
                            entries.first().map(|(key, _)| key.name.clone())
                        }
                        _ => None,
                    });
                    let path = format!("{path}.{}.resources", resources.unwrap_or_default());
                    self.check_quantities(&camel_case(&node.resources), &path);
                }
                nodes
            }
            Err(error) => {
                self.error(Code::InvalidValue, path, error.to_string());
                Vec::new()
            }
        }
    }

    fn check_quantities(&mut self, resources: &BTreeMap<String, String>, path: &str) {
        for (name, text) in resources {
            let problem = match Amount::parse(text) {
                Ok(amount) if amount.milli_ceil() < 0 => "it is negative".to_owned(),
                Ok(_) => continue,
                Err(error) => error.to_string(),
            };
            let diagnostic = Diagnostic::error(
                Code::BadQuantity,
                format!("`{text}` is not a quantity of `{name}`: {problem}"),
            )
            .with_help("quantities look like `192`, `500m`, `2000Gi`");
            self.report(diagnostic, &format!("{path}.{name}"));
        }
    }

    /// Gives a node what `cluster` says of all nodes.
    fn adorn(&self, node: &mut Node) {
        let cluster = &self.scenario.cluster;
        let labels = node.metadata.labels.get_or_insert_default();
        for (key, value) in &cluster.labels {
            labels.entry(key.clone()).or_insert_with(|| value.clone());
        }
        let name = node.metadata.name.clone().unwrap_or_default();
        let spec = node.spec.get_or_insert_default();
        if !cluster.taints.is_empty() {
            spec.taints.get_or_insert_default().extend(cluster.taints.iter().map(taint_object));
        }
        if cluster.cordoned.contains(&name) {
            spec.unschedulable = Some(true);
        }
    }

    fn check_cordoned(&mut self, nodes: &[Node]) {
        let names: BTreeSet<&str> =
            nodes.iter().filter_map(|node| node.metadata.name.as_deref()).collect();
        for (index, name) in self.scenario.cluster.cordoned.iter().enumerate() {
            if !names.contains(name.as_str()) {
                let message = format!("there is no node `{name}`");
                let path = format!("cluster.cordoned[{index}]");
                self.unknown_name(Code::UnknownName, &path, message, name, names.iter().copied());
            }
        }
    }

    fn check_node_names(&mut self, nodes: &[Node]) {
        let mut seen = BTreeSet::new();
        for node in nodes {
            let name = node.metadata.name.as_deref().unwrap_or_default();
            if !seen.insert(name) {
                let diagnostic = Diagnostic::error(
                    Code::DuplicateName,
                    format!("two nodes are called `{name}`"),
                )
                .with_help("names of generated nodes begin with the name of their group");
                self.report(diagnostic, "cluster");
                return;
            }
        }
    }

    fn snapshot_nodes(&mut self) -> Vec<Node> {
        let Some(file) = &self.scenario.cluster.nodes else { return Vec::new() };
        let documents =
            self.loaded.files.documents.get(file).map(Vec::as_slice).unwrap_or_default();
        let mut nodes = Vec::new();
        for item in items(documents) {
            if !matches!(kind_of(item), "Node" | "") {
                let message =
                    format!("expected an object of kind `Node`, found `{}`", kind_of(item));
                let help = "the file is meant to be the output of `kubectl get nodes -o yaml`";
                self.report_at(
                    Diagnostic::error(Code::InvalidObject, message).with_help(help),
                    item.at,
                );
                continue;
            }
            match decode::<Node>(&self.loaded.sources, item) {
                Ok(node) if node.metadata.name.is_some() => nodes.push(node),
                Ok(_) => self.report_at(
                    Diagnostic::error(Code::InvalidObject, "this node has no name"),
                    item.at,
                ),
                Err(problem) => self.problems.push(problem),
            }
        }
        nodes
    }

    /// Returns the pods that run from the start.
    pub(super) fn existing_pods(&mut self, nodes: &[Arc<Node>]) -> Vec<Workload> {
        let Some(file) = &self.scenario.cluster.pods else { return Vec::new() };
        let documents =
            self.loaded.files.documents.get(file).map(Vec::as_slice).unwrap_or_default();
        let names: BTreeSet<&str> =
            nodes.iter().filter_map(|node| node.metadata.name.as_deref()).collect();
        let stop = Distribution::Constant(1.0);
        let profile = Arc::new(Profile {
            name: "existing".into(),
            stages: Vec::new(),
            stop,
            peer_loss: None,
        });
        let mut pods = Vec::new();
        for item in items(documents) {
            // The API leaves the kind out within a typed list.
            if !matches!(kind_of(item), "Pod" | "") {
                let message =
                    format!("expected an object of kind `Pod`, found `{}`", kind_of(item));
                let help = "the file is meant to be the output of `kubectl get pods -A -o yaml`";
                self.report_at(
                    Diagnostic::error(Code::InvalidObject, message).with_help(help),
                    item.at,
                );
                continue;
            }
            let pod = match decode::<Pod>(&self.loaded.sources, item) {
                Ok(pod) => pod,
                Err(problem) => {
                    self.problems.push(problem);
                    continue;
                }
            };
            let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
            let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
            let (Some(node), None | Some("Running" | "Pending" | "Unknown")) = (node, phase) else {
                continue;
            };
            if names.contains(node) {
                pods.push(Workload {
                    object: Object::Pod(Arc::new(pod)),
                    profile: Arc::clone(&profile),
                });
            } else {
                let message = format!(
                    "this pod is on node `{node}`, which the cluster does not have; it is left out"
                );
                self.report_at(
                    Diagnostic::warning(Code::UnknownName, message),
                    item.place_of("spec.nodeName"),
                );
            }
        }
        pods
    }
}

fn camel_case(resources: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let rename = |name: &String| {
        if name == "ephemeral-storage" { "ephemeralStorage".to_owned() } else { name.clone() }
    };
    resources.iter().map(|(name, text)| (rename(name), text.clone())).collect()
}

fn node_object(description: NodeDescription) -> Node {
    let NodeDescription { name, labels, taints, resources, path: _, rails: _, is_cordoned } =
        description;
    let allocatable: BTreeMap<String, Quantity> =
        resources.into_iter().map(|(resource, amount)| (resource, Quantity(amount))).collect();
    Node {
        metadata: ObjectMeta { name: Some(name), labels: Some(labels), ..ObjectMeta::default() },
        spec: Some(NodeSpec {
            taints: (!taints.is_empty()).then(|| taints.iter().map(taint_object).collect()),
            unschedulable: is_cordoned.then_some(true),
            ..NodeSpec::default()
        }),
        status: Some(NodeStatus {
            capacity: Some(allocatable.clone()),
            allocatable: Some(allocatable),
            ..NodeStatus::default()
        }),
    }
}

fn taint_object(taint: &Taint) -> core::Taint {
    core::Taint {
        key: taint.key.clone(),
        value: (!taint.value.is_empty()).then(|| taint.value.clone()),
        effect: taint.effect.as_str().to_owned(),
        ..core::Taint::default()
    }
}
