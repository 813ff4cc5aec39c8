//! Counts, per node, of the pods that a selector matches, kept up to date as pods come and go.
//!
//! A matcher lives as long as someone holds its [`Counted`]; those that nobody holds are swept out now and then.

use super::super::counts::Counts;
use super::super::symbols::Symbols;
use super::super::terms::{Candidate, Matcher, Namespaces};
use super::index::{Pivot, SelectorIndex};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Unused matchers are kept below this number. An assumption: enough for the pods that wait at one time.
const MATCHERS_KEPT: usize = 256;

/// A matcher whose pods the cluster counts while this is held.
#[derive(Clone, Debug)]
pub struct Counted {
    pub(in super::super) id: u32,
    pub(in super::super) matcher: Arc<Matcher>,
}

#[derive(Clone, Debug)]
struct Entry {
    matcher: Arc<Matcher>,
    counts: Counts,
    pivot: Pivot,
}

/// All matchers.
#[derive(Clone, Debug, Default)]
pub(super) struct Matchers {
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    by_matcher: FxHashMap<Arc<Matcher>, u32>,
    index: SelectorIndex,
    sweep_at: usize,
}

impl Matchers {
    pub(super) fn find(&self, matcher: &Matcher) -> Option<Counted> {
        let id = *self.by_matcher.get(matcher)?;
        Some(Counted { id, matcher: Arc::clone(&self.entry(id).matcher) })
    }

    /// Adds a matcher that is not there yet; `counts` are those of the pods that are.
    pub(super) fn insert(&mut self, matcher: Matcher, counts: Counts) -> Counted {
        if self.by_matcher.len() >= self.sweep_at.max(MATCHERS_KEPT) {
            self.sweep();
        }
        let id = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            u32::try_from(self.entries.len() - 1).expect("fewer than 2^32 matchers")
        });
        let matcher = Arc::new(matcher);
        let pivot = self.index.insert(id, matcher.all.iter().map(|scoped| &scoped.selector));
        self.by_matcher.insert(Arc::clone(&matcher), id);
        self.entries[id as usize] = Some(Entry { matcher: Arc::clone(&matcher), counts, pivot });
        Counted { id, matcher }
    }

    pub(super) fn counts(&self, counted: &Counted) -> &Counts {
        &self.entry(counted.id).counts
    }

    /// Calls `each` with the counts of all matchers that match a pod.
    pub(super) fn for_each_match(
        &mut self,
        pod: Candidate<'_>,
        namespaces: &Namespaces,
        symbols: &Symbols,
        mut each: impl FnMut(&Matcher, &mut Counts),
    ) {
        let entries = &mut self.entries;
        self.index.candidates(pod.labels, |id| {
            let entry = entries[id as usize].as_mut().expect("indexed matchers exist");
            if entry.matcher.all.iter().all(|scoped| scoped.matches(pod, namespaces, symbols)) {
                each(&entry.matcher, &mut entry.counts);
            }
        });
    }

    fn entry(&self, id: u32) -> &Entry {
        self.entries[id as usize].as_ref().expect("a matcher that is held exists")
    }

    fn sweep(&mut self) {
        for id in 0..u32::try_from(self.entries.len()).expect("fewer than 2^32 matchers") {
            let slot = &mut self.entries[id as usize];
            // Two holders are the entry itself and the map's key.
            if let Some(entry) = slot.take_if(|entry| Arc::strong_count(&entry.matcher) == 2) {
                self.by_matcher.remove(&entry.matcher);
                self.index.remove(id, entry.pivot);
                self.free.push(id);
            }
        }
        self.sweep_at = 2 * self.by_matcher.len();
    }
}
