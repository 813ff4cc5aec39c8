//! Pod (anti-)affinity terms.

use super::cluster::TopologyId;
use super::labels::{Label, PodLabels, Scope, Selector};
use super::symbols::{Sym, Symbols};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Pods in some namespaces that a selector matches, seen by domains of a topology key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Term {
    /// Namespaces that it looks at.
    pub scope: Scope,
    /// Pods that it looks at.
    pub selector: Selector,
    /// Whose domains it is about.
    pub topology: TopologyId,
}

/// What a pod wants of the pods of a term.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wish {
    /// To be in a domain with one of them.
    RequiredAffinity,
    /// To be in a domain with none of them.
    RequiredAntiAffinity,
    /// To be with them (weight above zero) or away from them (below).
    Preferred(i64),
}

/// A term as pods carry it; equal ones are one object within a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PodTerm {
    /// What the pod wants.
    pub wish: Wish,
    /// Of which pods.
    pub term: Term,
    /// Place in the cluster's table.
    pub(super) id: u32,
}

/// Terms that a pod has beside those of its class: what admission adds to each pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtraTerms(pub Vec<Arc<PodTerm>>);

/// A condition on pods: namespaces and selector.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scoped {
    /// Namespaces.
    pub scope: Scope,
    /// Pods.
    pub selector: Selector,
}

/// Pods that the cluster counts per node: those that meet all conditions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Matcher {
    /// Conditions.
    pub all: Vec<Scoped>,
    /// Whether pods that are being deleted count: they do for affinity, not for spreading.
    pub counts_terminating: bool,
}

/// A pod as selectors see it.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Namespace.
    pub namespace: Sym,
    /// Labels.
    pub labels: &'a PodLabels,
}

/// Labels of namespaces, for terms that choose namespaces by them.
#[derive(Clone, Debug, Default)]
pub(super) struct Namespaces(pub(super) FxHashMap<Sym, Box<[Label]>>);

impl Scope {
    /// Returns whether it includes a namespace.
    pub(super) fn includes(
        &self,
        namespace: Sym,
        namespaces: &Namespaces,
        symbols: &Symbols,
    ) -> bool {
        if self.names.contains(&namespace) {
            return true;
        }
        let Some(selector) = &self.selector else { return false };
        // Each namespace has its name as a label.
        let name = [(Sym::NAMESPACE_NAME, namespace)];
        let labels = namespaces.0.get(&namespace).map_or(&name[..], |labels| labels);
        selector.matches(labels, symbols)
    }
}

impl Scoped {
    /// Returns whether it matches a pod.
    pub(super) fn matches(
        &self,
        pod: Candidate<'_>,
        namespaces: &Namespaces,
        symbols: &Symbols,
    ) -> bool {
        self.scope.includes(pod.namespace, namespaces, symbols)
            && self.selector.matches(pod.labels, symbols)
    }
}

impl Term {
    /// Returns whether it matches a pod.
    pub(super) fn matches(
        &self,
        pod: Candidate<'_>,
        namespaces: &Namespaces,
        symbols: &Symbols,
    ) -> bool {
        self.scope.includes(pod.namespace, namespaces, symbols)
            && self.selector.matches(pod.labels, symbols)
    }
}
