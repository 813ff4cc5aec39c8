//! What the scheduler reads of a pod: [`PodClass`], shared by all pods of a template, and [`PodView`], one pod.

use super::cluster::{Cluster, Counted, NodeIndex, TopologyId};
use super::labels::{Label, Labelled, PodLabels, Requirement, Scope, Selector};
use super::plugins::node_affinity::Added;
use super::resources::Requests;
use super::symbols::{Sym, Symbols};
use super::terms::{Candidate, ExtraTerms, PodTerm, Term, Wish};
use k8s_openapi::api::core::v1 as core;
use smallvec::SmallVec;
use std::sync::Arc;

/// Identity of a pod, chosen by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodKey(pub u64);

/// Number of a class within its cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClassId(pub(super) u32);

/// What pods of one template in one namespace have in common for the scheduler.
#[derive(Clone, Debug)]
pub struct PodClass {
    /// Number within the cluster that made it.
    pub id: ClassId,
    /// Namespace.
    pub namespace: Sym,
    /// `spec.priority`.
    pub priority: i32,
    /// Whether `preemptionPolicy` is Never.
    pub never_preempts: bool,
    /// `spec.schedulerName`.
    pub scheduler_name: Arc<str>,
    /// Requests.
    pub requests: Requests,
    /// `spec.nodeName`.
    pub node_name: Option<Sym>,
    /// `spec.nodeSelector`.
    pub node_selector: Vec<Label>,
    /// Required node affinity: one of these must hold.
    pub node_terms: Option<Vec<NodeTerm>>,
    /// Preferred node affinity: weight and term.
    pub preferred_nodes: Vec<(i64, NodeTerm)>,
    /// Tolerations.
    pub tolerations: Vec<Toleration>,
    /// Ports of the node that it takes.
    pub host_ports: Vec<HostPort>,
    /// Pod (anti-)affinity that does not hang on labels of the single pod.
    pub terms: Vec<Arc<PodTerm>>,
    /// Pod (anti-)affinity with `matchLabelKeys` or `mismatchLabelKeys`, completed for each pod.
    pub keyed_terms: Vec<KeyedTerm>,
    /// Topology spread constraints.
    pub spread: Vec<Spread>,
    /// Images of its containers, normalised; for each container or image volume one.
    pub images: Vec<Sym>,
    /// Init and app containers.
    pub containers: usize,
}

/// A node selector term: all requirements must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeTerm {
    /// On labels.
    pub labels: Vec<Requirement>,
    /// On `metadata.name`.
    pub names: Vec<Requirement>,
}

/// A toleration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toleration {
    /// Taint key; `None` tolerates every key.
    pub key: Option<Sym>,
    /// What is asked of the taint's value.
    pub value: Tolerated,
    /// Effect; `None` tolerates every effect.
    pub effect: Option<Effect>,
}

/// Which values of a taint are tolerated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tolerated {
    /// All.
    Any,
    /// This one.
    Equal(Sym),
    /// Integers above this.
    Above(i64),
    /// Integers below this.
    Below(i64),
    /// None: the operator is not known.
    Nothing,
}

/// Effect of a taint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Keeps new pods away.
    NoSchedule,
    /// Keeps new pods away if it can.
    PreferNoSchedule,
    /// Keeps new pods away and evicts those that are there.
    NoExecute,
}

impl Effect {
    /// Returns the effect of this name.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "NoSchedule" => Some(Self::NoSchedule),
            "PreferNoSchedule" => Some(Self::PreferNoSchedule),
            "NoExecute" => Some(Self::NoExecute),
            _ => None,
        }
    }
}

/// A taint of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taint {
    /// Key.
    pub key: Sym,
    /// Value, possibly empty.
    pub value: Sym,
    /// Effect.
    pub effect: Effect,
}

/// A port of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// Protocol.
    pub protocol: Sym,
    /// Address; `None` is all addresses.
    pub address: Option<Sym>,
    /// Number.
    pub port: i32,
}

impl HostPort {
    /// Returns whether two pods cannot have both on one node.
    pub fn clashes_with(&self, other: &Self) -> bool {
        let same_address =
            self.address.is_none() || other.address.is_none() || self.address == other.address;
        self.port == other.port && self.protocol == other.protocol && same_address
    }
}

/// A topology spread constraint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spread {
    /// Topology key.
    pub topology: TopologyId,
    /// Whether the key is `kubernetes.io/hostname`.
    pub is_hostname: bool,
    /// Largest difference.
    pub max_skew: i64,
    /// Domains that there must be before a minimum above zero counts.
    pub min_domains: i64,
    /// Whether it filters (`DoNotSchedule`) or scores (`ScheduleAnyway`).
    pub is_hard: bool,
    /// Pods that count, without `matchLabelKeys`.
    pub selector: Selector,
    /// Label keys whose values are taken from the pod.
    pub match_label_keys: Vec<Sym>,
    /// Whether nodes that the pod's node affinity rules out are left out.
    pub honors_affinity: bool,
    /// Whether nodes whose taints the pod does not tolerate are left out.
    pub honors_taints: bool,
}

/// A term that is completed with the labels of each pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyedTerm {
    wish: Wish,
    term: Term,
    match_keys: Vec<Sym>,
    mismatch_keys: Vec<Sym>,
}

/// One pod.
#[derive(Clone, Debug)]
pub struct PodView {
    /// What it has in common with others.
    pub class: Arc<PodClass>,
    /// Its labels.
    pub labels: PodLabels,
    /// Node labels that it needs beside those of its class.
    pub node_selector: SmallVec<[Label; 1]>,
    /// Its (anti-)affinity beside that of its class.
    pub extra: Option<Arc<ExtraTerms>>,
    /// Pods that default spreading counts it against: see [`Cluster::owner_selector`].
    pub owner_selector: Option<Counted>,
    /// Identity, where others may have been nominated in its name.
    pub key: Option<PodKey>,
    /// `status.nominatedNodeName`: tried first.
    pub nominated: Option<NodeIndex>,
}

impl PodView {
    /// Returns all its pod (anti-)affinity terms.
    pub fn terms(&self) -> impl Iterator<Item = &Arc<PodTerm>> {
        self.class.terms.iter().chain(self.extra.iter().flat_map(|extra| extra.0.iter()))
    }

    /// Returns the pod as selectors see it.
    pub fn candidate(&self) -> Candidate<'_> {
        Candidate { namespace: self.class.namespace, labels: &self.labels }
    }
}

impl Cluster {
    /// Returns the class of pods with this spec in `namespace`. Call it once per template: each call makes a new class.
    pub fn class(&mut self, namespace: &str, spec: &core::PodSpec) -> Arc<PodClass> {
        let namespace = self.symbols.intern(namespace);
        let id = self.next_class();
        let requests = Requests::from_spec(&mut self.resources, spec);
        let affinity = spec.affinity.as_ref();
        let node_affinity = affinity.and_then(|affinity| affinity.node_affinity.as_ref());
        let Added { required: node_terms, preferred: preferred_nodes } =
            self.added_affinity(node_affinity);
        let (terms, keyed_terms) = self.class_terms(namespace, affinity);
        let spread = spec
            .topology_spread_constraints
            .iter()
            .flatten()
            .map(|stated| self.spread(stated))
            .collect();
        let init = spec.init_containers.as_deref().unwrap_or_default();
        let class = PodClass {
            id,
            namespace,
            priority: spec.priority.unwrap_or(0),
            never_preempts: spec.preemption_policy.as_deref() == Some("Never"),
            scheduler_name: spec.scheduler_name.as_deref().unwrap_or("default-scheduler").into(),
            requests,
            node_name: spec
                .node_name
                .as_deref()
                .filter(|name| !name.is_empty())
                .map(|name| self.symbols.intern(name)),
            node_selector: spec
                .node_selector
                .iter()
                .flatten()
                .map(|(key, value)| (self.symbols.intern(key), self.symbols.intern(value)))
                .collect(),
            node_terms,
            preferred_nodes,
            tolerations: spec
                .tolerations
                .iter()
                .flatten()
                .map(|stated| self.toleration(stated))
                .collect(),
            host_ports: self.host_ports(spec),
            terms,
            keyed_terms,
            spread,
            images: image_names(spec).iter().map(|name| self.symbols.intern(name)).collect(),
            containers: spec.containers.len() + init.len(),
        };
        Arc::new(class)
    }

    /// Returns what node affinity asks for, required and preferred.
    pub(super) fn added_affinity(&mut self, stated: Option<&core::NodeAffinity>) -> Added {
        let required = stated
            .and_then(|stated| stated.required_during_scheduling_ignored_during_execution.as_ref())
            .map(|stated| {
                stated.node_selector_terms.iter().filter_map(|term| self.node_term(term)).collect()
            });
        let preferred = stated
            .and_then(|stated| stated.preferred_during_scheduling_ignored_during_execution.as_ref())
            .into_iter()
            .flatten()
            .filter_map(|stated| {
                Some((i64::from(stated.weight), self.node_term(&stated.preference)?))
            })
            .collect();
        Added { required, preferred }
    }

    /// Returns a pod of `class` with `labels` and nothing of its own else.
    pub fn view(&mut self, class: &Arc<PodClass>, labels: PodLabels) -> PodView {
        let mut extra = Vec::new();
        for keyed in &class.keyed_terms {
            let mut term = keyed.term.clone();
            let equal = keyed
                .match_keys
                .iter()
                .filter_map(|&key| Some(Requirement::equals(key, labels.value(key)?)));
            let other = keyed
                .mismatch_keys
                .iter()
                .filter_map(|&key| Some(Requirement::differs(key, labels.value(key)?)));
            term.selector = term.selector.and(equal.chain(other));
            extra.push(self.pod_term(keyed.wish, term));
        }
        PodView {
            class: Arc::clone(class),
            labels,
            node_selector: SmallVec::new(),
            extra: (!extra.is_empty()).then(|| Arc::new(ExtraTerms(extra))),
            owner_selector: None,
            key: None,
            nominated: None,
        }
    }

    /// Returns the terms that LWS admission gives a leader with exclusive placement (LWS v0.10, `SetExclusiveAffinities`):
    /// into one domain of `topology_key` with pods whose label `key` is `value`, into none with pods that have another value.
    ///
    /// With `within`, a label, the second term is only about pods that have it.
    pub fn exclusive_terms(
        &mut self,
        namespace: &str,
        (key, value): (&str, &str),
        topology_key: &str,
        within: Option<(&str, &str)>,
    ) -> Arc<ExtraTerms> {
        let scope = Scope::only(self.symbols.intern(namespace));
        let (key, value) = (self.symbols.intern(key), self.symbols.intern(value));
        let topology = self.topology(topology_key);
        let same = Selector::new(vec![Requirement::equals(key, value)]);
        let mut others = vec![Requirement::exists(key), Requirement::differs(key, value)];
        others.extend(within.map(|(key, value)| {
            Requirement::equals(self.symbols.intern(key), self.symbols.intern(value))
        }));
        let others = Selector::new(others);
        let affinity = Term { scope: scope.clone(), selector: same, topology };
        let anti_affinity = Term { scope, selector: others, topology };
        Arc::new(ExtraTerms(vec![
            self.pod_term(Wish::RequiredAffinity, affinity),
            self.pod_term(Wish::RequiredAntiAffinity, anti_affinity),
        ]))
    }

    /// A term without requirements matches no node; it is left out.
    fn node_term(&mut self, stated: &core::NodeSelectorTerm) -> Option<NodeTerm> {
        let symbols = &mut self.symbols;
        let mut all = |stated: &Option<Vec<core::NodeSelectorRequirement>>| -> Vec<Requirement> {
            stated
                .iter()
                .flatten()
                .map(|requirement| Requirement::of_node(symbols, requirement))
                .collect()
        };
        let term =
            NodeTerm { labels: all(&stated.match_expressions), names: all(&stated.match_fields) };
        (!term.labels.is_empty() || !term.names.is_empty()).then_some(term)
    }

    fn class_terms(
        &mut self,
        namespace: Sym,
        affinity: Option<&core::Affinity>,
    ) -> (Vec<Arc<PodTerm>>, Vec<KeyedTerm>) {
        let mut stated: Vec<(Wish, &core::PodAffinityTerm)> = Vec::new();
        let with = affinity.and_then(|affinity| affinity.pod_affinity.as_ref());
        let away = affinity.and_then(|affinity| affinity.pod_anti_affinity.as_ref());
        if let Some(with) = with {
            let required =
                with.required_during_scheduling_ignored_during_execution.iter().flatten();
            stated.extend(required.map(|term| (Wish::RequiredAffinity, term)));
            let preferred =
                with.preferred_during_scheduling_ignored_during_execution.iter().flatten();
            stated
                .extend(preferred.map(|term| {
                    (Wish::Preferred(i64::from(term.weight)), &term.pod_affinity_term)
                }));
        }
        if let Some(away) = away {
            let required =
                away.required_during_scheduling_ignored_during_execution.iter().flatten();
            stated.extend(required.map(|term| (Wish::RequiredAntiAffinity, term)));
            let preferred =
                away.preferred_during_scheduling_ignored_during_execution.iter().flatten();
            stated.extend(
                preferred.map(|term| {
                    (Wish::Preferred(-i64::from(term.weight)), &term.pod_affinity_term)
                }),
            );
        }
        let (mut terms, mut keyed_terms) = (Vec::new(), Vec::new());
        for (wish, stated) in stated {
            let keyed = self.keyed_term(namespace, wish, stated);
            if keyed.match_keys.is_empty() && keyed.mismatch_keys.is_empty() {
                terms.push(self.pod_term(keyed.wish, keyed.term));
            } else {
                keyed_terms.push(keyed);
            }
        }
        (terms, keyed_terms)
    }

    fn keyed_term(
        &mut self,
        namespace: Sym,
        wish: Wish,
        stated: &core::PodAffinityTerm,
    ) -> KeyedTerm {
        let mut names: SmallVec<[Sym; 1]> =
            stated.namespaces.iter().flatten().map(|name| self.symbols.intern(name)).collect();
        if names.is_empty() && stated.namespace_selector.is_none() {
            names.push(namespace);
        }
        names.sort_unstable();
        let selector = stated
            .namespace_selector
            .as_ref()
            .map(|stated| Selector::stated(&mut self.symbols, Some(stated)));
        let scope = Scope { names, selector };
        let topology = self.topology(&stated.topology_key);
        let selector = Selector::stated(&mut self.symbols, stated.label_selector.as_ref());
        let mut keys = |stated: &Option<Vec<String>>| -> Vec<Sym> {
            stated.iter().flatten().map(|key| self.symbols.intern(key)).collect()
        };
        let (match_keys, mismatch_keys) =
            (keys(&stated.match_label_keys), keys(&stated.mismatch_label_keys));
        KeyedTerm { wish, term: Term { scope, selector, topology }, match_keys, mismatch_keys }
    }

    pub(super) fn spread(&mut self, stated: &core::TopologySpreadConstraint) -> Spread {
        Spread {
            topology: self.topology(&stated.topology_key),
            is_hostname: stated.topology_key == "kubernetes.io/hostname",
            max_skew: i64::from(stated.max_skew),
            min_domains: i64::from(stated.min_domains.unwrap_or(1)),
            is_hard: stated.when_unsatisfiable == "DoNotSchedule",
            selector: Selector::stated(&mut self.symbols, stated.label_selector.as_ref()),
            match_label_keys: stated
                .match_label_keys
                .iter()
                .flatten()
                .map(|key| self.symbols.intern(key))
                .collect(),
            honors_affinity: stated.node_affinity_policy.as_deref() != Some("Ignore"),
            honors_taints: stated.node_taints_policy.as_deref() == Some("Honor"),
        }
    }

    fn toleration(&mut self, stated: &core::Toleration) -> Toleration {
        let value = stated.value.as_deref().unwrap_or_default();
        let tolerated = match stated.operator.as_deref() {
            None | Some("" | "Equal") => Tolerated::Equal(self.symbols.intern(value)),
            Some("Exists") => Tolerated::Any,
            Some("Gt") => value.parse().map_or(Tolerated::Nothing, Tolerated::Above),
            Some("Lt") => value.parse().map_or(Tolerated::Nothing, Tolerated::Below),
            Some(_) => Tolerated::Nothing,
        };
        Toleration {
            key: stated
                .key
                .as_deref()
                .filter(|key| !key.is_empty())
                .map(|key| self.symbols.intern(key)),
            value: tolerated,
            effect: stated.effect.as_deref().and_then(Effect::parse),
        }
    }

    fn host_ports(&mut self, spec: &core::PodSpec) -> Vec<HostPort> {
        // Ordinary init containers have ended when the pod's ports are taken; sidecars have not.
        let sidecars = spec
            .init_containers
            .iter()
            .flatten()
            .filter(|container| container.restart_policy.as_deref() == Some("Always"));
        let mut ports = Vec::new();
        for stated in spec
            .containers
            .iter()
            .chain(sidecars)
            .flat_map(|container| container.ports.iter().flatten())
        {
            let on_host =
                if spec.host_network == Some(true) { Some(stated.container_port) } else { None };
            let Some(port) = stated.host_port.filter(|&port| port > 0).or(on_host) else {
                continue;
            };
            ports.push(HostPort {
                protocol: self.symbols.intern(stated.protocol.as_deref().unwrap_or("TCP")),
                address: stated
                    .host_ip
                    .as_deref()
                    .filter(|address| !address.is_empty() && *address != "0.0.0.0")
                    .map(|address| self.symbols.intern(address)),
                port,
            });
        }
        ports
    }
}

impl Toleration {
    /// Returns whether it tolerates `taint`.
    pub fn tolerates(&self, taint: &Taint, symbols: &Symbols) -> bool {
        if self.effect.is_some_and(|effect| effect != taint.effect)
            || self.key.is_some_and(|key| key != taint.key)
        {
            return false;
        }
        let number = || symbols.text(taint.value).parse::<i64>().ok();
        match self.value {
            Tolerated::Any => true,
            Tolerated::Equal(value) => value == taint.value,
            Tolerated::Above(bound) => number().is_some_and(|number| number > bound),
            Tolerated::Below(bound) => number().is_some_and(|number| number < bound),
            Tolerated::Nothing => false,
        }
    }
}

/// Names of a pod's images with the tag that a missing one stands for.
fn image_names(spec: &core::PodSpec) -> Vec<String> {
    let containers = spec.init_containers.iter().flatten().chain(&spec.containers);
    let volumes = spec.volumes.iter().flatten().filter_map(|volume| volume.image.as_ref());
    let containers = containers.filter_map(|container| container.image.as_deref());
    containers
        .chain(volumes.filter_map(|image| image.reference.as_deref()))
        .map(normalised_image)
        .collect()
}

/// kube-scheduler 1.36 `normalizedImageName`: a name without tag or digest means `latest`.
pub(super) fn normalised_image(name: &str) -> String {
    let has_tag = match (name.rfind(':'), name.rfind('/')) {
        (Some(colon), Some(slash)) => colon > slash,
        (Some(_), None) => true,
        (None, _) => false,
    };
    if has_tag { name.to_owned() } else { format!("{name}:latest") }
}
