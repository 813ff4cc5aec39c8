//! What an incoming pod's selectors come to in a cluster: its matchers, and how constraints map to topology keys.

use super::cluster::{Cluster, Counted, NO_DOMAIN, NodeIndex, TopologyId};
use super::labels::{Labelled, Requirement, Scope, Selector};
use super::pod::{PodView, Spread};
use super::registry::DefaultSpreading;
use super::symbols::Sym;
use super::terms::{Matcher, Scoped, Term, Wish};

/// Largest differences of the system's default constraints (kube-scheduler 1.36 `systemDefaultConstraints`).
const DEFAULT_SKEW_HOSTNAME: i64 = 3;
const DEFAULT_SKEW_ZONE: i64 = 5;

/// Pods that a term's selector matches, as a difference of matchers.
#[derive(Clone, Debug)]
pub(super) struct Pods {
    plus: Counted,
    minus: Option<Counted>,
}

impl Pods {
    /// "All but those of value v" becomes "all that have the label" without "those of value v": the first matcher is then
    /// one for all groups, where each group would otherwise have one that counts every pod of the others.
    fn resolve(cluster: &mut Cluster, term: &Term) -> Self {
        let mut counted = |selector: Selector| {
            let scope = term.scope.clone();
            cluster.counted(Matcher {
                all: vec![Scoped { scope, selector }],
                counts_terminating: true,
            })
        };
        match term.selector.others_than() {
            Some((key, value)) => Self {
                plus: counted(Selector::new(vec![Requirement::exists(key)])),
                minus: Some(counted(Selector::new(vec![Requirement::equals(key, value)]))),
            },
            None => Self { plus: counted(term.selector.clone()), minus: None },
        }
    }

    /// Calls `each` with every node that has such pods, and how many.
    pub(super) fn for_each(&self, cluster: &Cluster, mut each: impl FnMut(NodeIndex, i64)) {
        let minus = self.minus.as_ref().map(|minus| cluster.counts(minus));
        cluster.counts(&self.plus).for_each(|node, count| {
            let count = count - minus.map_or(0, |minus| minus.at(node));
            if count > 0 {
                each(NodeIndex(node), i64::from(count));
            }
        });
    }
}

/// A spread constraint of the pod.
#[derive(Clone, Debug)]
pub(super) struct SpreadCount {
    pub(super) topology: TopologyId,
    pub(super) is_hostname: bool,
    pub(super) max_skew: i64,
    pub(super) min_domains: i64,
    pub(super) honors_affinity: bool,
    pub(super) honors_taints: bool,
    /// Whether the pod counts itself.
    pub(super) matches_self: bool,
    /// Pods that count; none where the selector is empty.
    pub(super) pods: Option<Counted>,
}

/// All that.
#[derive(Clone, Debug, Default)]
pub(super) struct Incoming {
    /// Node labels that this pod needs beside its class: topology key and domain, [`NO_DOMAIN`] where no node has it.
    pub(super) domains: Vec<(TopologyId, u32)>,
    pub(super) hard: Vec<SpreadCount>,
    pub(super) soft: Vec<SpreadCount>,
    /// Whether nodes that lack a key of a soft constraint are ignored: so for stated constraints, not for default ones.
    pub(super) soft_needs_all_keys: bool,
    /// Topology keys of the required affinity terms.
    pub(super) affinity: Vec<TopologyId>,
    /// Pods that match all of these terms.
    pub(super) affinity_pods: Option<Counted>,
    /// Whether the pod itself does.
    pub(super) affinity_matches_self: bool,
    pub(super) anti_affinity: Vec<(TopologyId, Pods)>,
    pub(super) preferred: Vec<(i64, TopologyId, Pods)>,
}

impl Incoming {
    /// Finds the matchers of a pod.
    pub(super) fn resolve(
        cluster: &mut Cluster,
        pod: &PodView,
        defaults: &DefaultSpreading,
    ) -> Self {
        let mut incoming = Self::default();
        for &(key, value) in &pod.node_selector {
            let topology = cluster.topology_of(key);
            let domain = cluster.topology_table(topology).domain(value).unwrap_or(NO_DOMAIN);
            incoming.domains.push((topology, domain));
        }
        incoming.resolve_spread(cluster, pod, defaults);
        incoming.resolve_terms(cluster, pod);
        incoming
    }

    fn resolve_spread(
        &mut self,
        cluster: &mut Cluster,
        pod: &PodView,
        defaults: &DefaultSpreading,
    ) {
        for stated in &pod.class.spread {
            let count = spread_count(cluster, pod, stated);
            if stated.is_hard {
                self.hard.push(count);
            } else {
                self.soft.push(count);
            }
        }
        self.soft_needs_all_keys = !pod.class.spread.is_empty();
        let Some(owner) = pod.owner_selector.as_ref().filter(|_| pod.class.spread.is_empty())
        else {
            return;
        };
        let listed = match defaults {
            DefaultSpreading::List(listed) => listed,
            DefaultSpreading::System => {
                for (key, max_skew) in
                    [(Sym::HOSTNAME, DEFAULT_SKEW_HOSTNAME), (Sym::ZONE, DEFAULT_SKEW_ZONE)]
                {
                    self.soft.push(SpreadCount {
                        topology: cluster.topology_of(key),
                        is_hostname: key == Sym::HOSTNAME,
                        max_skew,
                        min_domains: 1,
                        honors_affinity: true,
                        honors_taints: false,
                        matches_self: false, // Only hard constraints count the pod itself.
                        pods: Some(owner.clone()),
                    });
                }
                return;
            }
        };
        self.soft_needs_all_keys = true;
        for stated in listed {
            let stated = cluster.spread(stated);
            let count = SpreadCount {
                topology: stated.topology,
                is_hostname: stated.is_hostname,
                max_skew: stated.max_skew,
                min_domains: stated.min_domains,
                honors_affinity: stated.honors_affinity,
                honors_taints: stated.honors_taints,
                matches_self: true, // A pod is one of its owner's.
                pods: Some(owner.clone()),
            };
            let list = if stated.is_hard { &mut self.hard } else { &mut self.soft };
            list.push(count);
        }
    }

    fn resolve_terms(&mut self, cluster: &mut Cluster, pod: &PodView) {
        let mut required = Vec::new();
        for term in pod.terms() {
            match term.wish {
                Wish::RequiredAffinity => {
                    self.affinity.push(term.term.topology);
                    required.push(Scoped {
                        scope: term.term.scope.clone(),
                        selector: term.term.selector.clone(),
                    });
                }
                Wish::RequiredAntiAffinity => {
                    self.anti_affinity
                        .push((term.term.topology, Pods::resolve(cluster, &term.term)));
                }
                Wish::Preferred(weight) => {
                    self.preferred.push((
                        weight,
                        term.term.topology,
                        Pods::resolve(cluster, &term.term),
                    ));
                }
            }
        }
        if required.is_empty() {
            return;
        }
        let matches = |scoped: &Scoped| {
            scoped.matches(pod.candidate(), &cluster.namespaces, &cluster.symbols)
        };
        self.affinity_matches_self = required.iter().all(matches);
        self.affinity_pods =
            Some(cluster.counted(Matcher { all: required, counts_terminating: true }));
    }
}

fn spread_count(cluster: &mut Cluster, pod: &PodView, stated: &Spread) -> SpreadCount {
    let keys = stated.match_label_keys.iter();
    let keyed = keys.filter_map(|&key| Some(Requirement::equals(key, pod.labels.value(key)?)));
    let selector = stated.selector.clone().and(keyed);
    let matches_self = selector.matches(&pod.labels, &cluster.symbols);
    let scope = Scope::only(pod.class.namespace);
    let pods = (!selector.is_empty()).then(|| {
        cluster
            .counted(Matcher { all: vec![Scoped { scope, selector }], counts_terminating: false })
    });
    SpreadCount {
        topology: stated.topology,
        is_hostname: stated.is_hostname,
        max_skew: stated.max_skew,
        min_domains: stated.min_domains,
        honors_affinity: stated.honors_affinity,
        honors_taints: stated.honors_taints,
        matches_self,
        pods,
    }
}
