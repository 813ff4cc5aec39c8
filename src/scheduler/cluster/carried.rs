//! The (anti-)affinity terms that placed pods carry, counted per domain, and which of them concern a new pod.

use super::super::counts::Counts;
use super::super::labels::{Label, Labelled, Scope};
use super::super::symbols::{Sym, Symbols};
use super::super::terms::{Candidate, Namespaces, PodTerm, Term, Wish};
use super::index::{Pivot, SelectorIndex};
use super::topology::TopologyId;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Unused terms are kept below this number. An assumption, as for matchers.
const TERMS_KEPT: usize = 256;

#[derive(Clone, Debug)]
struct Entry {
    term: Arc<PodTerm>,
    /// Carriers by domain.
    carriers: Counts,
    /// Carriers on nodes with the topology label.
    total: u32,
    /// Where it is filed while it has carriers.
    pivot: Pivot,
}

/// Anti-affinity of many groups of one form: "not with pods whose `key` has another value than mine".
///
/// A pod of value `v` is kept away by all of them but `v`'s own, so their sum answers in one step instead of one per group.
#[derive(Clone, Debug, Default)]
struct Family {
    carriers: Counts,
    total: u32,
    members: FxHashMap<Sym, u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct FamilyKey {
    scope: Scope,
    key: Sym,
    topology: TopologyId,
}

/// Carriers of terms that concern a pod.
pub(in super::super) struct Affecting<'a> {
    pub(in super::super) wish: Wish,
    pub(in super::super) topology: TopologyId,
    /// Carriers by domain…
    pub(in super::super) carriers: &'a Counts,
    /// …without these.
    pub(in super::super) without: Option<&'a Counts>,
}

/// All terms.
#[derive(Clone, Debug, Default)]
pub(super) struct CarriedTerms {
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    by_term: FxHashMap<(Wish, Term), u32>,
    index: SelectorIndex,
    families: indexmap::IndexMap<FamilyKey, Family, rustc_hash::FxBuildHasher>,
    sweep_at: usize,
}

impl CarriedTerms {
    pub(super) fn intern(&mut self, wish: Wish, term: Term) -> Arc<PodTerm> {
        let key = (wish, term);
        if let Some(&id) = self.by_term.get(&key) {
            return Arc::clone(&self.entry(id).term);
        }
        if self.by_term.len() >= self.sweep_at.max(TERMS_KEPT) {
            self.sweep();
        }
        let id = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            u32::try_from(self.entries.len() - 1).expect("fewer than 2^32 terms")
        });
        let term = Arc::new(PodTerm { wish, term: key.1.clone(), id });
        self.by_term.insert(key, id);
        let entry = Entry {
            term: Arc::clone(&term),
            carriers: Counts::default(),
            total: 0,
            pivot: Pivot::Nothing,
        };
        self.entries[id as usize] = Some(entry);
        term
    }

    /// Counts a carrier in `domain`.
    pub(super) fn add(&mut self, term: &PodTerm, domain: u32) {
        let entry = self.entries[term.id as usize].as_mut().expect("a term that is held exists");
        entry.carriers.add(domain);
        entry.total += 1;
        if let Some((key, label)) = family_of(term) {
            let family = self.families.entry(key).or_default();
            family.carriers.add(domain);
            family.total += 1;
            family.members.insert(label.1, term.id);
        } else if entry.total == 1 {
            entry.pivot = self.index.insert(term.id, std::iter::once(&term.term.selector));
        }
    }

    /// Takes a carrier in `domain` back.
    pub(super) fn subtract(&mut self, term: &PodTerm, domain: u32) {
        let entry = self.entries[term.id as usize].as_mut().expect("a term that is held exists");
        entry.carriers.subtract(domain);
        entry.total -= 1;
        let is_last = entry.total == 0;
        if let Some((key, label)) = family_of(term) {
            let family = self.families.get_mut(&key).expect("the family of a carried term exists");
            family.carriers.subtract(domain);
            family.total -= 1;
            if is_last {
                family.members.remove(&label.1);
            }
            if family.total == 0 {
                self.families.swap_remove(&key);
            }
        } else if is_last {
            self.index.remove(term.id, entry.pivot);
        }
    }

    /// Calls `each` with the terms of placed pods whose selector matches a new pod.
    pub(super) fn for_each_affecting(
        &self,
        pod: Candidate<'_>,
        namespaces: &Namespaces,
        symbols: &Symbols,
        mut each: impl FnMut(Affecting<'_>),
    ) {
        self.index.candidates(pod.labels, |id| {
            let entry = self.entry(id);
            let (wish, term) = (entry.term.wish, &entry.term.term);
            if term.matches(pod, namespaces, symbols) {
                each(Affecting {
                    wish,
                    topology: term.topology,
                    carriers: &entry.carriers,
                    without: None,
                });
            }
        });
        for (key, family) in &self.families {
            let Some(value) = pod.labels.value(key.key) else { continue };
            if key.scope.includes(pod.namespace, namespaces, symbols) {
                each(Affecting {
                    wish: Wish::RequiredAntiAffinity,
                    topology: key.topology,
                    carriers: &family.carriers,
                    without: family.members.get(&value).map(|&id| &self.entry(id).carriers),
                });
            }
        }
    }

    fn entry(&self, id: u32) -> &Entry {
        self.entries[id as usize].as_ref().expect("a term that is held exists")
    }

    fn sweep(&mut self) {
        for id in 0..u32::try_from(self.entries.len()).expect("fewer than 2^32 terms") {
            let slot = &mut self.entries[id as usize];
            if let Some(entry) =
                slot.take_if(|entry| entry.total == 0 && Arc::strong_count(&entry.term) == 1)
            {
                self.by_term.remove(&(entry.term.wish, entry.term.term.clone()));
                self.free.push(id);
            }
        }
        self.sweep_at = 2 * self.by_term.len();
    }
}

fn family_of(term: &PodTerm) -> Option<(FamilyKey, Label)> {
    if term.wish != Wish::RequiredAntiAffinity {
        return None;
    }
    let label = term.term.selector.others_than()?;
    Some((
        FamilyKey { scope: term.term.scope.clone(), key: label.0, topology: term.term.topology },
        label,
    ))
}
