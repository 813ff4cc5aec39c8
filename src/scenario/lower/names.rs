//! The names that a timeline may speak of: sets, pods, nodes, labels.

use crate::backend::sim::setup::{Object, Workload};
use k8s_openapi::api::core::v1::Node;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Values of each label key over all nodes.
pub(super) type Labels = BTreeMap<String, BTreeSet<String>>;

/// Returns the labels of nodes.
pub(super) fn labels_of(nodes: &[Arc<Node>]) -> Labels {
    let mut labels = Labels::new();
    for (key, value) in nodes.iter().flat_map(|node| node.metadata.labels.iter().flatten()) {
        labels.entry(key.clone()).or_default().insert(value.clone());
    }
    labels
}

/// A set or pod of the user's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Named {
    /// Kind.
    pub(super) kind: &'static str,
}

/// Sets, pods and nodes by name.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// By `namespace/name`.
    pub(super) sets: BTreeMap<String, Named>,
    /// By `namespace/name`.
    pub(super) pods: BTreeSet<String>,
    /// By name.
    pub(super) nodes: BTreeSet<String>,
}

/// Returns kind, namespace and name of an object.
pub(super) fn identity(object: &Object) -> (&'static str, String, String) {
    let (kind, metadata) = match object {
        Object::LeaderWorkerSet(lws) => ("LeaderWorkerSet", &lws.metadata),
        Object::StatefulSet(set) => ("StatefulSet", &set.metadata),
        Object::Pod(pod) => ("Pod", &pod.metadata),
        Object::Service(service) => ("Service", &service.metadata),
    };
    let namespace = metadata.namespace.clone().unwrap_or_else(|| "default".to_owned());
    (kind, namespace, metadata.name.clone().unwrap_or_default())
}

impl Names {
    pub(super) fn new<'a>(
        workloads: impl Iterator<Item = &'a Workload>,
        nodes: &[Arc<Node>],
    ) -> Self {
        let mut names = Self::default();
        for workload in workloads {
            let (kind, namespace, name) = identity(&workload.object);
            let full = format!("{namespace}/{name}");
            match kind {
                "LeaderWorkerSet" | "StatefulSet" => {
                    names.sets.insert(full, Named { kind });
                }
                "Pod" => {
                    names.pods.insert(full);
                }
                _ => {}
            }
        }
        names.nodes = nodes.iter().filter_map(|node| node.metadata.name.clone()).collect();
        names
    }

    /// Returns the full names of the sets that a name may mean: one for `namespace/name`, any number for `name`.
    pub(super) fn sets_called(&self, name: &str) -> Vec<(&str, Named)> {
        let matches = |full: &str| {
            full == name || full.split_once('/').is_some_and(|(_, short)| short == name)
        };
        self.sets
            .iter()
            .filter(|(full, _)| matches(full))
            .map(|(full, named)| (full.as_str(), *named))
            .collect()
    }

    /// Returns the full name of a pod: one of the user's, or one that a set makes (`set-0`, `set-0-1`).
    pub(super) fn pod_called(&self, name: &str) -> Option<String> {
        let (namespace, short) = match name.split_once('/') {
            Some((namespace, short)) => (Some(namespace), short),
            None => (None, name),
        };
        let is_in = |full: &str| {
            namespace
                .is_none_or(|namespace| full.split_once('/').is_some_and(|(n, _)| n == namespace))
        };
        let own = self
            .pods
            .iter()
            .find(|full| is_in(full) && full.split_once('/').is_some_and(|(_, s)| s == short));
        if let Some(full) = own {
            return Some(full.clone());
        }
        let mut owner = short;
        // The leader is `set-<group>`, a worker `set-<group>-<index>`.
        for _ in 0..2 {
            let (rest, index) = owner.rsplit_once('-')?;
            if index.is_empty() || !index.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            owner = rest;
            let set = self
                .sets
                .keys()
                .find(|full| is_in(full) && full.split_once('/').is_some_and(|(_, s)| s == owner));
            if let Some((namespace, _)) = set.and_then(|full| full.split_once('/')) {
                return Some(format!("{namespace}/{short}"));
            }
        }
        None
    }
}
