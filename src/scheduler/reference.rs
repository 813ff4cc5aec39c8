//! The scheduler's rules again, computed from scratch on Kubernetes objects: slow, plain, and without any shared code.
//!
//! Only for tests: the fast scheduler must say the same about every node.

use k8s_openapi::api::core::v1::{
    Node, NodeSelectorTerm, PodAffinityTerm, PodSpec, Taint, TopologySpreadConstraint,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use std::collections::{BTreeMap, BTreeSet};

pub(super) type Labels = BTreeMap<String, String>;

/// A pod, placed or to be placed.
#[derive(Clone, Debug, Default)]
pub(super) struct Pod {
    pub(super) namespace: String,
    pub(super) labels: Labels,
    pub(super) spec: PodSpec,
    pub(super) owner_selector: Option<LabelSelector>,
    pub(super) node: String,
    pub(super) is_terminating: bool,
}

/// Nodes by name and the pods that are placed.
#[derive(Clone, Debug, Default)]
pub(super) struct Reference {
    pub(super) nodes: BTreeMap<String, Node>,
    pub(super) pods: BTreeMap<u64, Pod>,
}

/// What is said about a node: scores by plugin, or reasons and whether eviction is of no use.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Said {
    Fits(BTreeMap<&'static str, i64>),
    Rejected { reasons: Vec<String>, is_hopeless: bool },
}

fn labels(node: &Node) -> Labels {
    node.metadata.labels.clone().unwrap_or_default()
}

fn amount(text: &str) -> i64 {
    let (number, factor) = match text.strip_suffix("Gi") {
        Some(number) => (number, 1 << 30),
        None => (text, 1),
    };
    number.parse::<i64>().unwrap() * factor
}

/// In thousandths for cpu.
fn allocatable(node: &Node, resource: &str) -> i64 {
    let list = node.status.as_ref().unwrap().allocatable.as_ref().unwrap();
    list.get(resource).map_or(0, |quantity| amount(&quantity.0))
        * if resource == "cpu" { 1000 } else { 1 }
}

fn requested(spec: &PodSpec, resource: &str, unstated: i64) -> i64 {
    let of = |container: &k8s_openapi::api::core::v1::Container| {
        let list = container.resources.as_ref().and_then(|resources| resources.requests.as_ref());
        list.and_then(|list| list.get(resource)).map_or(unstated, |quantity| {
            amount(&quantity.0) * if resource == "cpu" { 1000 } else { 1 }
        })
    };
    spec.containers.iter().map(of).sum()
}

fn selects(selector: Option<&LabelSelector>, labels: &Labels) -> bool {
    let Some(selector) = selector else { return false };
    let equal =
        selector.match_labels.iter().flatten().all(|(key, value)| labels.get(key) == Some(value));
    equal
        && selector.match_expressions.iter().flatten().all(|expression| {
            let values = expression.values.clone().unwrap_or_default();
            let value = labels.get(&expression.key);
            match expression.operator.as_str() {
                "In" => value.is_some_and(|value| values.contains(value)),
                "NotIn" => value.is_none_or(|value| !values.contains(value)),
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                _ => panic!("unknown operator"),
            }
        })
}

fn is_empty(selector: Option<&LabelSelector>) -> bool {
    selector.is_some_and(|selector| {
        selector.match_labels.as_ref().is_none_or(BTreeMap::is_empty)
            && selector.match_expressions.as_ref().is_none_or(Vec::is_empty)
    })
}

/// Whether a term of `owner` matches `other`.
fn term_matches(term: &PodAffinityTerm, owner: &Pod, other: &Pod) -> bool {
    let names = term.namespaces.clone().unwrap_or_default();
    let in_scope = if names.is_empty() && term.namespace_selector.is_none() {
        owner.namespace == other.namespace
    } else {
        let own: Labels =
            [("kubernetes.io/metadata.name".to_owned(), other.namespace.clone())].into();
        names.contains(&other.namespace)
            || term
                .namespace_selector
                .as_ref()
                .is_some_and(|selector| selects(Some(selector), &own))
    };
    in_scope && selects(term.label_selector.as_ref(), &other.labels)
}

/// The pod's terms: required affinity, required anti-affinity, preferred with signed weight.
type Terms = (Vec<PodAffinityTerm>, Vec<PodAffinityTerm>, Vec<(i64, PodAffinityTerm)>);

fn terms(pod: &Pod) -> Terms {
    let affinity = pod.spec.affinity.clone().unwrap_or_default();
    let with = affinity.pod_affinity.unwrap_or_default();
    let away = affinity.pod_anti_affinity.unwrap_or_default();
    let mut preferred = Vec::new();
    for term in with.preferred_during_scheduling_ignored_during_execution.unwrap_or_default() {
        preferred.push((i64::from(term.weight), term.pod_affinity_term));
    }
    for term in away.preferred_during_scheduling_ignored_during_execution.unwrap_or_default() {
        preferred.push((-i64::from(term.weight), term.pod_affinity_term));
    }
    (
        with.required_during_scheduling_ignored_during_execution.unwrap_or_default(),
        away.required_during_scheduling_ignored_during_execution.unwrap_or_default(),
        preferred,
    )
}

fn tolerates(pod: &Pod, taint: &Taint) -> bool {
    pod.spec.tolerations.iter().flatten().any(|toleration| {
        toleration.effect.as_ref().is_none_or(|effect| *effect == taint.effect)
            && toleration.key.as_ref().is_none_or(|key| *key == taint.key)
            && (toleration.operator.as_deref() == Some("Exists")
                || toleration.value.clone().unwrap_or_default()
                    == taint.value.clone().unwrap_or_default())
    })
}

fn taints(node: &Node) -> Vec<Taint> {
    node.spec.clone().unwrap_or_default().taints.unwrap_or_default()
}

fn tolerates_all(pod: &Pod, node: &Node) -> bool {
    taints(node).iter().all(|taint| taint.effect == "PreferNoSchedule" || tolerates(pod, taint))
}

fn node_term_matches(term: &NodeSelectorTerm, node: &Node) -> bool {
    let labels = labels(node);
    term.match_expressions.iter().flatten().all(|expression| {
        let values = expression.values.clone().unwrap_or_default();
        let value = labels.get(&expression.key);
        match expression.operator.as_str() {
            "In" => value.is_some_and(|value| values.contains(value)),
            "NotIn" => value.is_none_or(|value| !values.contains(value)),
            "Exists" => value.is_some(),
            _ => panic!("unknown operator"),
        }
    })
}

fn node_matches(pod: &Pod, node: &Node) -> bool {
    let labels = labels(node);
    let affinity = pod.spec.affinity.as_ref().and_then(|affinity| affinity.node_affinity.as_ref());
    let required = affinity
        .and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution.as_ref());
    pod.spec.node_selector.iter().flatten().all(|(key, value)| labels.get(key) == Some(value))
        && required.is_none_or(|selector| {
            selector.node_selector_terms.iter().any(|term| node_term_matches(term, node))
        })
}

fn ports(spec: &PodSpec) -> Vec<i32> {
    let ports = spec.containers.iter().flat_map(|container| container.ports.iter().flatten());
    ports.filter_map(|port| port.host_port).collect()
}

impl Reference {
    /// Says what the scheduler must say about every node.
    pub(super) fn explain(&self, pod: &Pod) -> BTreeMap<String, Said> {
        let mut said: BTreeMap<String, Said> = BTreeMap::new();
        let mut feasible = Vec::new();
        for (name, node) in &self.nodes {
            match self.rejection(pod, node) {
                Some((reasons, is_hopeless)) => {
                    let mut reasons: Vec<String> =
                        reasons.iter().map(|&reason| reason.to_owned()).collect();
                    reasons.sort();
                    said.insert(name.clone(), Said::Rejected { reasons, is_hopeless });
                }
                None => feasible.push(name.clone()),
            }
        }
        let weighted: [(&'static str, i64, Vec<i64>); 6] = [
            ("TaintToleration", 3, self.taint_scores(pod, &feasible)),
            ("NodeAffinity", 2, self.node_affinity_scores(pod, &feasible)),
            (
                "NodeResourcesFit",
                1,
                feasible.iter().map(|name| self.least_allocated(pod, name)).collect(),
            ),
            ("PodTopologySpread", 2, self.spread_scores(pod, &feasible)),
            ("InterPodAffinity", 2, self.affinity_scores(pod, &feasible)),
            (
                "NodeResourcesBalancedAllocation",
                1,
                feasible.iter().map(|name| self.balanced(pod, name)).collect(),
            ),
        ];
        for (at, name) in feasible.iter().enumerate() {
            let scores = weighted
                .iter()
                .map(|(plugin, weight, scores)| (*plugin, weight * scores[at]))
                .collect();
            said.insert(name.clone(), Said::Fits(scores));
        }
        said
    }

    fn on<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Pod> {
        self.pods.values().filter(move |pod| pod.node == name)
    }

    fn rejection(&self, pod: &Pod, node: &Node) -> Option<(Vec<&'static str>, bool)> {
        let is_cordoned = node.spec.as_ref().and_then(|spec| spec.unschedulable).unwrap_or(false);
        let cordon = Taint {
            key: "node.kubernetes.io/unschedulable".to_owned(),
            effect: "NoSchedule".to_owned(),
            ..Taint::default()
        };
        if is_cordoned && !tolerates(pod, &cordon) {
            return Some((vec!["node(s) were unschedulable"], true));
        }
        if !tolerates_all(pod, node) {
            return Some((vec!["node(s) had untolerated taint(s)"], true));
        }
        if !node_matches(pod, node) {
            return Some((vec!["node(s) didn't match Pod's node affinity/selector"], true));
        }
        let name = node.metadata.name.as_deref().unwrap();
        let taken: Vec<i32> = self.on(name).flat_map(|other| ports(&other.spec)).collect();
        if ports(&pod.spec).iter().any(|port| taken.contains(port)) {
            return Some((
                vec!["node(s) didn't have free ports for the requested pod ports"],
                false,
            ));
        }
        self.lack(pod, node).or_else(|| self.skew(pod, node)).or_else(|| self.dislike(pod, node))
    }

    fn lack(&self, pod: &Pod, node: &Node) -> Option<(Vec<&'static str>, bool)> {
        let name = node.metadata.name.as_deref().unwrap();
        let (mut reasons, mut is_hopeless) = (Vec::new(), false);
        if i64::try_from(self.on(name).count()).unwrap() + 1 > allocatable(node, "pods") {
            reasons.push("Too many pods");
        }
        let texts = ["Insufficient cpu", "Insufficient memory", "Insufficient nvidia.com/gpu"];
        for (resource, text) in ["cpu", "memory", "nvidia.com/gpu"].into_iter().zip(texts) {
            let used: i64 = self.on(name).map(|other| requested(&other.spec, resource, 0)).sum();
            let (asked, there_is) =
                (requested(&pod.spec, resource, 0), allocatable(node, resource));
            if asked > 0 && used + asked > there_is {
                reasons.push(text);
                is_hopeless |= asked > there_is;
            }
        }
        (!reasons.is_empty()).then_some((reasons, is_hopeless))
    }

    fn constraints(&self, pod: &Pod, when: &str) -> Vec<TopologySpreadConstraint> {
        let all = pod.spec.topology_spread_constraints.clone().unwrap_or_default();
        all.into_iter().filter(|constraint| constraint.when_unsatisfiable == when).collect()
    }

    fn counted(&self, pod: &Pod, selector: Option<&LabelSelector>, node: &str) -> i64 {
        let counts = |other: &&Pod| {
            !other.is_terminating
                && other.namespace == pod.namespace
                && !is_empty(selector)
                && selects(selector, &other.labels)
        };
        i64::try_from(self.on(node).filter(counts).count()).unwrap()
    }

    fn includes(&self, pod: &Pod, constraint: &TopologySpreadConstraint, node: &Node) -> bool {
        (constraint.node_affinity_policy.as_deref() == Some("Ignore") || node_matches(pod, node))
            && (constraint.node_taints_policy.as_deref() != Some("Honor")
                || tolerates_all(pod, node))
    }

    fn skew(&self, pod: &Pod, node: &Node) -> Option<(Vec<&'static str>, bool)> {
        let constraints = self.constraints(pod, "DoNotSchedule");
        let own = labels(node);
        for constraint in &constraints {
            let selector = constraint.label_selector.as_ref();
            let mut counts: BTreeMap<String, i64> = BTreeMap::new();
            for (name, other) in &self.nodes {
                let others = labels(other);
                let has_all = constraints
                    .iter()
                    .all(|constraint| others.contains_key(&constraint.topology_key));
                if has_all && self.includes(pod, constraint, other) {
                    let domain = others[&constraint.topology_key].clone();
                    *counts.entry(domain).or_default() += self.counted(pod, selector, name);
                }
            }
            let Some(domain) = own.get(&constraint.topology_key) else {
                let text =
                    "node(s) didn't match pod topology spread constraints (missing required label)";
                return Some((vec![text], true));
            };
            let mut least = counts.values().copied().min().unwrap_or(i64::from(i32::MAX));
            if i64::try_from(counts.len()).unwrap() < i64::from(constraint.min_domains.unwrap_or(1))
            {
                least = 0;
            }
            let here = counts.get(domain).copied().unwrap_or(0)
                + i64::from(selects(selector, &pod.labels));
            if here - least > i64::from(constraint.max_skew) {
                return Some((vec!["node(s) didn't match pod topology spread constraints"], false));
            }
        }
        None
    }

    /// Placed pods with the labels of their nodes, of nodes that there are.
    fn placed(&self) -> impl Iterator<Item = (&Pod, Labels)> {
        self.pods.values().filter_map(|pod| Some((pod, labels(self.nodes.get(&pod.node)?))))
    }

    fn dislike(&self, pod: &Pod, node: &Node) -> Option<(Vec<&'static str>, bool)> {
        let (with, away, _) = terms(pod);
        let own = labels(node);
        let same =
            |key: &str, others: &Labels| own.contains_key(key) && own.get(key) == others.get(key);
        let matches_all = |other: &Pod| with.iter().all(|term| term_matches(term, pod, other));
        let has_keys = with.iter().all(|term| own.contains_key(&term.topology_key));
        let met = with.iter().all(|term| {
            self.placed()
                .any(|(other, others)| matches_all(other) && same(&term.topology_key, &others))
        });
        let any = self.placed().any(|(other, others)| {
            matches_all(other) && with.iter().any(|term| others.contains_key(&term.topology_key))
        });
        if !has_keys || !(met || (!any && matches_all(pod))) {
            return Some((vec!["node(s) didn't match pod affinity rules"], true));
        }
        let clash = away.iter().any(|term| {
            self.placed().any(|(other, others)| {
                term_matches(term, pod, other) && same(&term.topology_key, &others)
            })
        });
        if clash {
            return Some((vec!["node(s) didn't match pod anti-affinity rules"], false));
        }
        let unwelcome = self.placed().any(|(other, others)| {
            terms(other)
                .1
                .iter()
                .any(|term| term_matches(term, other, pod) && same(&term.topology_key, &others))
        });
        unwelcome.then(|| (vec!["node(s) didn't satisfy existing pods anti-affinity rules"], false))
    }

    fn taint_scores(&self, pod: &Pod, feasible: &[String]) -> Vec<i64> {
        let untolerated = |name: &String| {
            let taints = taints(&self.nodes[name]);
            let soft = taints
                .iter()
                .filter(|taint| taint.effect == "PreferNoSchedule" && !tolerates(pod, taint));
            i64::try_from(soft.count()).unwrap()
        };
        let raw: Vec<i64> = feasible.iter().map(untolerated).collect();
        let max = raw.iter().copied().max().unwrap_or(0);
        raw.iter().map(|raw| if max == 0 { 100 } else { 100 - 100 * raw / max }).collect()
    }

    fn node_affinity_scores(&self, pod: &Pod, feasible: &[String]) -> Vec<i64> {
        let affinity =
            pod.spec.affinity.clone().unwrap_or_default().node_affinity.unwrap_or_default();
        let preferred =
            affinity.preferred_during_scheduling_ignored_during_execution.unwrap_or_default();
        let raw = |name: &String| -> i64 {
            let matching = preferred
                .iter()
                .filter(|term| node_term_matches(&term.preference, &self.nodes[name]));
            matching.map(|term| i64::from(term.weight)).sum()
        };
        let raw: Vec<i64> = feasible.iter().map(raw).collect();
        let max = raw.iter().copied().max().unwrap_or(0);
        raw.iter().map(|raw| if max == 0 { 0 } else { 100 * raw / max }).collect()
    }

    fn least_allocated(&self, pod: &Pod, name: &str) -> i64 {
        let (mut sum, mut weights) = (0, 0);
        for (resource, unstated) in [("cpu", 100), ("memory", 200 << 20)] {
            let used: i64 =
                self.on(name).map(|other| requested(&other.spec, resource, unstated)).sum();
            let (used, there_is) = (
                used + requested(&pod.spec, resource, unstated),
                allocatable(&self.nodes[name], resource),
            );
            if there_is > 0 {
                sum += if used > there_is { 0 } else { (there_is - used) * 100 / there_is };
                weights += 1;
            }
        }
        if weights == 0 { 0 } else { sum / weights }
    }

    #[expect(clippy::cast_possible_truncation, reason = "the score is a small integer")]
    fn balanced(&self, pod: &Pod, name: &str) -> i64 {
        if requested(&pod.spec, "cpu", 0) + requested(&pod.spec, "memory", 0) == 0 {
            return 0;
        }
        let evenness = |more: i64| {
            let part = |resource: &str| {
                let used: i64 =
                    self.on(name).map(|other| requested(&other.spec, resource, 0)).sum();
                let there_is = allocatable(&self.nodes[name], resource);
                let used = used + more * requested(&pod.spec, resource, 0);
                (there_is > 0).then(|| (used as f64 / there_is as f64).min(1.0))
            };
            match (part("cpu"), part("memory")) {
                (Some(cpu), Some(memory)) => ((1.0 - ((cpu - memory) / 2.0).abs()) * 100.0) as i64,
                _ => 100,
            }
        };
        50 + (50 + evenness(1) - evenness(0)) / 2
    }

    #[expect(clippy::cast_possible_truncation, reason = "the score is a small integer")]
    fn spread_scores(&self, pod: &Pod, feasible: &[String]) -> Vec<i64> {
        let mut constraints = self.constraints(pod, "ScheduleAnyway");
        let is_default = pod.spec.topology_spread_constraints.is_none();
        if let (true, Some(selector)) = (is_default, &pod.owner_selector) {
            for (key, skew) in [("kubernetes.io/hostname", 3), ("topology.kubernetes.io/zone", 5)] {
                constraints.push(TopologySpreadConstraint {
                    topology_key: key.to_owned(),
                    max_skew: skew,
                    label_selector: Some(selector.clone()),
                    ..TopologySpreadConstraint::default()
                });
            }
        }
        if constraints.is_empty() {
            return vec![0; feasible.len()];
        }
        let has_all = |node: &Node| {
            is_default
                || constraints
                    .iter()
                    .all(|constraint| labels(node).contains_key(&constraint.topology_key))
        };
        let scored: Vec<&String> =
            feasible.iter().filter(|name| has_all(&self.nodes[*name])).collect();
        let mut raw: BTreeMap<&String, f64> = scored.iter().map(|name| (*name, 0.0)).collect();
        for constraint in &constraints {
            let (key, selector) = (&constraint.topology_key, constraint.label_selector.as_ref());
            let domain = |name: &String| labels(&self.nodes[name]).get(key).cloned();
            let domains: BTreeSet<Option<String>> =
                scored.iter().map(|name| domain(name)).collect();
            let is_hostname = key == "kubernetes.io/hostname";
            let size = if is_hostname { scored.len() } else { domains.len() };
            let weight = crate::engine::math::ln((size + 2) as f64);
            for (name, raw) in &mut raw {
                let Some(here) = domain(name) else { continue };
                let counts = |other: &&String| {
                    let node = &self.nodes[*other];
                    domain(other) == Some(here.clone())
                        && has_all(node)
                        && self.includes(pod, constraint, node)
                };
                let count: i64 = if is_hostname {
                    self.counted(pod, selector, name)
                } else {
                    self.nodes
                        .keys()
                        .filter(counts)
                        .map(|other| self.counted(pod, selector, other))
                        .sum()
                };
                *raw += count as f64 * weight + f64::from(constraint.max_skew - 1);
            }
        }
        let raw: BTreeMap<&String, i64> =
            raw.iter().map(|(name, raw)| (*name, raw.round() as i64)).collect();
        let (min, max) =
            (raw.values().min().copied().unwrap_or(0), raw.values().max().copied().unwrap_or(0));
        let normal = |raw: i64| if max == 0 { 100 } else { 100 * (max + min - raw) / max };
        feasible.iter().map(|name| raw.get(name).map_or(0, |raw| normal(*raw))).collect()
    }

    #[expect(clippy::cast_possible_truncation, reason = "the score is a small integer")]
    fn affinity_scores(&self, pod: &Pod, feasible: &[String]) -> Vec<i64> {
        let (_, _, own_wishes) = terms(pod);
        let raw = |name: &String| -> i64 {
            let own = labels(&self.nodes[name]);
            let same = |key: &str, others: &Labels| {
                own.contains_key(key) && own.get(key) == others.get(key)
            };
            let mut raw = 0;
            for (other, others) in self.placed() {
                for (weight, term) in &own_wishes {
                    if term_matches(term, pod, other) && same(&term.topology_key, &others) {
                        raw += weight;
                    }
                }
                let (with, _, wishes) = terms(other);
                for (weight, term) in with.into_iter().map(|term| (1, term)).chain(wishes) {
                    if term_matches(&term, other, pod) && same(&term.topology_key, &others) {
                        raw += weight;
                    }
                }
            }
            raw
        };
        let raw: Vec<i64> = feasible.iter().map(raw).collect();
        let (min, max) =
            (raw.iter().copied().min().unwrap_or(0), raw.iter().copied().max().unwrap_or(0));
        let normal = |raw: i64| {
            if max > min { 100.0 * ((raw - min) as f64 / (max - min) as f64) } else { 0.0 }
        };
        raw.iter().map(|raw| normal(*raw) as i64).collect()
    }
}
