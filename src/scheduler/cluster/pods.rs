//! The cluster: nodes, placed pods, and every counter that follows them.

use super::super::counts::Counts;
use super::super::labels::{Condition, Label, PodLabels, Requirement, Scope, Selector};
use super::super::pod::{ClassId, PodClass, PodKey, PodView};
use super::super::resources::Resources;
use super::super::symbols::{Sym, Symbols};
use super::super::terms::{
    Candidate, ExtraTerms, Matcher, Namespaces, PodTerm, Scoped, Term, Wish,
};
use super::carried::{Affecting, CarriedTerms};
use super::matchers::{Counted, Matchers};
use super::nodes::{NodeChange, NodeIndex, Nodes};
use super::topology::{NO_DOMAIN, Topology, TopologyId};
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::sync::Arc;

/// What the scheduler knows: kube-scheduler's cache, pods that are assumed but not yet bound included.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// Interned texts.
    pub symbols: Symbols,
    /// Names of resources.
    pub resources: Resources,
    pub(in super::super) nodes: Nodes,
    pub(in super::super) namespaces: Namespaces,
    topologies: Vec<Topology>,
    pods: Vec<Option<PlacedPod>>,
    free_pods: Vec<u32>,
    by_key: FxHashMap<PodKey, u32>,
    matchers: Matchers,
    carried: CarriedTerms,
    /// How many labels of placed pods have each symbol as their value: a matcher of a new value has nothing to count.
    value_uses: Vec<u32>,
    classes: u32,
}

/// A pod on a node.
#[derive(Clone, Debug)]
pub struct PlacedPod {
    /// Identity.
    pub key: PodKey,
    /// Class.
    pub class: Arc<PodClass>,
    /// Labels.
    pub labels: PodLabels,
    /// Terms of its own.
    pub extra: Option<Arc<ExtraTerms>>,
    /// Node.
    pub node: NodeIndex,
    /// Place in the node's list.
    at: u32,
    /// Whether it is being deleted.
    pub is_terminating: bool,
}

impl PlacedPod {
    /// Returns the pod as it was before it was placed, without nomination and default spreading.
    pub fn into_view(self) -> PodView {
        PodView {
            class: self.class,
            labels: self.labels,
            node_selector: SmallVec::new(),
            extra: self.extra,
            owner_selector: None,
            key: None,
            nominated: None,
        }
    }

    fn candidate(&self) -> Candidate<'_> {
        Candidate { namespace: self.class.namespace, labels: &self.labels }
    }

    fn terms(&self) -> impl Iterator<Item = &Arc<PodTerm>> {
        self.class.terms.iter().chain(self.extra.iter().flat_map(|extra| extra.0.iter()))
    }
}

impl Cluster {
    /// Takes a node in, or takes over its new state if there is one of this name.
    pub fn add_node(&mut self, object: &Node) -> NodeIndex {
        let name = self.symbols.intern(object.metadata.name.as_deref().unwrap_or_default());
        if let Some(node) = self.nodes.find(name)
            && self.nodes.is_present[node.at()]
        {
            self.update_node(node, object);
            return node;
        }
        let node = self.nodes.claim(name);
        self.nodes.state(node, object, &mut self.symbols, &mut self.resources);
        self.place_in_topologies(node);
        // Pods may have outlived an earlier node of this name.
        self.recount_terms(node, true);
        node
    }

    /// Takes over a node's new state and returns what changed.
    pub fn update_node(&mut self, node: NodeIndex, object: &Node) -> NodeChange {
        self.recount_terms(node, false);
        let change = self.nodes.state(node, object, &mut self.symbols, &mut self.resources);
        self.place_in_topologies(node);
        self.recount_terms(node, true);
        change
    }

    /// Takes a node out. Its pods stay known, and count nowhere, until they are removed.
    pub fn remove_node(&mut self, node: NodeIndex) {
        self.recount_terms(node, false);
        self.nodes.remove(node);
        self.place_in_topologies(node);
        self.nodes.release(node);
    }

    /// Places a pod: one that is bound, or that is about to be.
    pub fn add_pod(&mut self, key: PodKey, pod: &PodView, node: NodeIndex) {
        let slot = self.free_pods.pop().unwrap_or_else(|| {
            self.pods.push(None);
            u32::try_from(self.pods.len() - 1).expect("fewer than 2^32 pods")
        });
        let before = self.by_key.insert(key, slot);
        assert!(before.is_none(), "pod {key:?} is placed twice");
        let at = u32::try_from(self.nodes.pods[node.at()].len()).expect("fewer than 2^32 pods");
        self.nodes.pods[node.at()].push(slot);
        self.nodes.request(node, &pod.class.requests.asked, pod.class.requests.nonzero, 1);
        self.nodes.ports[node.at()].extend_from_slice(&pod.class.host_ports);
        self.value_uses.resize(self.symbols.len().max(self.value_uses.len()), 0);
        for (_, value) in pod.labels.iter() {
            self.value_uses[value.at()] += 1;
        }
        self.matchers.for_each_match(
            pod.candidate(),
            &self.namespaces,
            &self.symbols,
            |_, counts| counts.add(node.0),
        );
        for term in pod.terms() {
            let domain = self.domain(term.term.topology, node);
            if domain != NO_DOMAIN {
                self.carried.add(term, domain);
            }
        }
        self.pods[slot as usize] = Some(PlacedPod {
            key,
            class: Arc::clone(&pod.class),
            labels: pod.labels.clone(),
            extra: pod.extra.clone(),
            node,
            at,
            is_terminating: false,
        });
    }

    /// Takes a pod off its node and returns it; `None` where it is not placed.
    pub fn remove_pod(&mut self, key: PodKey) -> Option<PlacedPod> {
        let slot = self.by_key.remove(&key)?;
        let pod = self.pods[slot as usize].take().expect("a pod that is known by its key is there");
        self.free_pods.push(slot);
        let node = pod.node;
        let on_node = &mut self.nodes.pods[node.at()];
        on_node.swap_remove(pod.at as usize);
        if let Some(&moved) = on_node.get(pod.at as usize) {
            self.pods[moved as usize].as_mut().expect("pods on a node are there").at = pod.at;
        }
        self.nodes.request(node, &pod.class.requests.asked, pod.class.requests.nonzero, -1);
        for port in &pod.class.host_ports {
            let ports = &mut self.nodes.ports[node.at()];
            let at = ports
                .iter()
                .position(|other| other == port)
                .expect("ports of placed pods are taken");
            ports.swap_remove(at);
        }
        for (_, value) in pod.labels.iter() {
            self.value_uses[value.at()] -= 1;
        }
        self.matchers.for_each_match(
            pod.candidate(),
            &self.namespaces,
            &self.symbols,
            |matcher, counts| {
                if matcher.counts_terminating || !pod.is_terminating {
                    counts.subtract(node.0);
                }
            },
        );
        for term in pod.terms() {
            let domain = self.domain(term.term.topology, node);
            if domain != NO_DOMAIN {
                self.carried.subtract(term, domain);
            }
        }
        self.nodes.release(node);
        Some(pod)
    }

    /// Notes that a pod is being deleted: spreading no longer counts it, everything else does until it is removed.
    pub fn set_terminating(&mut self, key: PodKey) {
        let Some(&slot) = self.by_key.get(&key) else { return };
        let pod =
            self.pods[slot as usize].as_mut().expect("a pod that is known by its key is there");
        if std::mem::replace(&mut pod.is_terminating, true) {
            return;
        }
        let node = pod.node.0;
        self.matchers.for_each_match(
            pod.candidate(),
            &self.namespaces,
            &self.symbols,
            |matcher, counts| {
                if !matcher.counts_terminating {
                    counts.subtract(node);
                }
            },
        );
    }

    /// Says which labels a namespace has. Call it before pods are placed that a term could choose by them.
    ///
    /// # Differs from the real thing
    /// Labels of a namespace that change later do not reach pods that were counted before.
    pub fn set_namespace<'a>(
        &mut self,
        name: &str,
        labels: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) {
        let name = self.symbols.intern(name);
        let mut all: Vec<Label> = vec![(Sym::NAMESPACE_NAME, name)];
        all.extend(
            labels
                .into_iter()
                .map(|(key, value)| (self.symbols.intern(key), self.symbols.intern(value))),
        );
        all.sort_unstable();
        all.dedup_by_key(|label| label.0);
        self.namespaces.0.insert(name, all.into());
    }

    /// Returns the selector that default spreading uses for pods of an owner: those of the owner and of its Services together.
    pub fn owner_selector<'a>(
        &mut self,
        namespace: &str,
        selectors: impl IntoIterator<Item = &'a LabelSelector>,
    ) -> Option<Counted> {
        let mut all: Vec<Requirement> = Vec::new();
        for stated in selectors {
            for requirement in Selector::stated(&mut self.symbols, Some(stated)).requirements() {
                if !all.contains(requirement) {
                    all.push(requirement.clone());
                }
            }
        }
        let scope = Scope::only(self.symbols.intern(namespace));
        let selector = Selector::new(all);
        if selector.is_empty() {
            return None; // An empty selector means no constraint.
        }
        Some(
            self.counted(Matcher {
                all: vec![Scoped { scope, selector }],
                counts_terminating: false,
            }),
        )
    }

    /// Returns the number of a topology key.
    pub fn topology(&mut self, key: &str) -> TopologyId {
        let key = self.symbols.intern(key);
        self.topology_of(key)
    }

    pub(in super::super) fn topology_of(&mut self, key: Sym) -> TopologyId {
        if let Some(at) = self.topologies.iter().position(|topology| topology.key == key) {
            return TopologyId(u16::try_from(at).expect("fewer than 2^16 topology keys"));
        }
        let mut topology = Topology::new(key);
        for at in 0..self.nodes.len() {
            let node = NodeIndex(u32::try_from(at).expect("fewer than 2^32 nodes"));
            topology.set(at, self.nodes.is_present[at].then(|| self.nodes.labels(node)));
        }
        self.topologies.push(topology);
        TopologyId(u16::try_from(self.topologies.len() - 1).expect("fewer than 2^16 topology keys"))
    }

    /// Returns the pod of a key, if it is placed.
    pub fn pod(&self, key: PodKey) -> Option<&PlacedPod> {
        self.by_key.get(&key).and_then(|&slot| self.pods[slot as usize].as_ref())
    }

    /// Iterates over the pods on a node.
    pub fn pods_on(&self, node: NodeIndex) -> impl Iterator<Item = &PlacedPod> {
        let slots = &self.nodes.pods[node.at()];
        slots
            .iter()
            .map(|&slot| self.pods[slot as usize].as_ref().expect("pods on a node are there"))
    }

    /// Iterates over all placed pods.
    pub fn pods(&self) -> impl Iterator<Item = &PlacedPod> {
        self.pods.iter().flatten()
    }

    /// Iterates over the nodes in scheduling order, as it was at the last [`Self::refresh`].
    pub fn nodes(&self) -> impl Iterator<Item = NodeIndex> + '_ {
        self.nodes.order().iter().copied()
    }

    /// Returns the name of a node.
    pub fn node_name(&self, node: NodeIndex) -> &str {
        self.symbols.text(self.nodes.name(node))
    }

    /// Returns the node of a name, if there is one.
    pub fn node(&self, name: &str) -> Option<NodeIndex> {
        let node = self.nodes.find(self.symbols.find(name)?)?;
        self.nodes.is_present[node.at()].then_some(node)
    }

    /// Returns whether a node is there.
    pub fn is_present(&self, node: NodeIndex) -> bool {
        self.nodes.is_present.get(node.at()).is_some_and(|is_present| *is_present)
    }

    /// Brings derived orders up to date; scheduling does it by itself.
    pub fn refresh(&mut self) {
        self.nodes.widen(self.resources.len());
        self.nodes.refresh_order();
    }

    pub(in super::super) fn next_class(&mut self) -> ClassId {
        self.classes += 1;
        ClassId(self.classes)
    }

    pub(in super::super) fn pod_term(&mut self, wish: Wish, term: Term) -> Arc<PodTerm> {
        self.carried.intern(wish, term)
    }

    /// Returns a matcher whose pods are counted from now on.
    pub(in super::super) fn counted(&mut self, matcher: Matcher) -> Counted {
        if let Some(counted) = self.matchers.find(&matcher) {
            return counted;
        }
        let mut counts = Counts::default();
        if self.may_match_something(&matcher) {
            for pod in self.pods.iter().flatten() {
                let is_counted = matcher.counts_terminating || !pod.is_terminating;
                let matches = |scoped: &Scoped| {
                    scoped.matches(pod.candidate(), &self.namespaces, &self.symbols)
                };
                if is_counted && matcher.all.iter().all(matches) {
                    counts.add(pod.node.0);
                }
            }
        }
        self.matchers.insert(matcher, counts)
    }

    fn may_match_something(&self, matcher: &Matcher) -> bool {
        let requirements = matcher.all.iter().flat_map(|scoped| scoped.selector.requirements());
        !requirements.into_iter().any(|requirement| match &requirement.condition {
            Condition::In(values) => values
                .iter()
                .all(|value| self.value_uses.get(value.at()).is_none_or(|uses| *uses == 0)),
            _ => false,
        })
    }

    pub(in super::super) fn counts(&self, counted: &Counted) -> &Counts {
        self.matchers.counts(counted)
    }

    pub(in super::super) fn for_each_affecting(
        &self,
        pod: Candidate<'_>,
        each: impl FnMut(Affecting<'_>),
    ) {
        self.carried.for_each_affecting(pod, &self.namespaces, &self.symbols, each);
    }

    pub(in super::super) fn topology_table(&self, topology: TopologyId) -> &Topology {
        &self.topologies[topology.at()]
    }

    /// The domain of a node, or [`NO_DOMAIN`].
    pub(in super::super) fn domain(&self, topology: TopologyId, node: NodeIndex) -> u32 {
        self.topologies[topology.at()].domain_of[node.at()]
    }

    fn place_in_topologies(&mut self, node: NodeIndex) {
        let labels = self.nodes.is_present[node.at()].then(|| self.nodes.labels(node));
        for topology in &mut self.topologies {
            topology.set(node.at(), labels);
        }
    }

    /// Takes the terms of a node's pods out of the counters before its labels change, and puts them in afterwards.
    fn recount_terms(&mut self, node: NodeIndex, comes: bool) {
        for &slot in &self.nodes.pods[node.at()] {
            let pod = self.pods[slot as usize].as_ref().expect("pods on a node are there");
            for term in pod.terms() {
                match self.topologies[term.term.topology.at()].domain_of[node.at()] {
                    NO_DOMAIN => {}
                    domain if comes => self.carried.add(term, domain),
                    domain => self.carried.subtract(term, domain),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placed_pod_is_small() {
        // With its place in the map of keys and in its node's list a pod takes about 130 bytes, labels of its own aside.
        assert!(size_of::<Option<PlacedPod>>() <= 104, "{}", size_of::<Option<PlacedPod>>());
    }
}
