//! Finds the selectors that can match a pod without asking each one.
//!
//! A selector is filed under one thing that it requires: a label value, else a label key. A pod asks only for what is filed
//! under its own labels. Of several values the one with the fewest selectors so far is taken, so that the selectors of many
//! groups end up under the groups' keys and not under the name of the set.

use super::super::labels::{Condition, Label, PodLabels, Selector};
use super::super::symbols::Sym;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

/// Where a selector is filed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pivot {
    /// Under a label.
    Label(Label),
    /// Under a label key.
    Key(Sym),
    /// Under nothing: it is asked for every pod.
    Nothing,
}

/// Numbers of selectors by pivot.
#[derive(Clone, Debug, Default)]
pub(super) struct SelectorIndex {
    by_label: FxHashMap<Label, SmallVec<[u32; 2]>>,
    by_key: FxHashMap<Sym, SmallVec<[u32; 2]>>,
    rest: Vec<u32>,
}

impl SelectorIndex {
    /// Files `id` under something that all of `selectors` together require.
    pub(super) fn insert<'a>(
        &mut self,
        id: u32,
        selectors: impl Iterator<Item = &'a Selector>,
    ) -> Pivot {
        let (mut best, mut best_count) = (Pivot::Nothing, usize::MAX);
        for requirement in selectors.flat_map(Selector::requirements) {
            let key = requirement.key;
            match &requirement.condition {
                Condition::In(values) if values.len() == 1 => {
                    let label = (key, values[0]);
                    let count = self.by_label.get(&label).map_or(0, SmallVec::len);
                    if count < best_count {
                        (best, best_count) = (Pivot::Label(label), count);
                    }
                }
                Condition::In(_) | Condition::Exists if best == Pivot::Nothing => {
                    best = Pivot::Key(key);
                }
                _ => {}
            }
        }
        match best {
            Pivot::Label(label) => self.by_label.entry(label).or_default().push(id),
            Pivot::Key(key) => self.by_key.entry(key).or_default().push(id),
            Pivot::Nothing => self.rest.push(id),
        }
        best
    }

    /// Takes `id` out again.
    pub(super) fn remove(&mut self, id: u32, pivot: Pivot) {
        match pivot {
            Pivot::Label(label) => {
                let ids = self.by_label.get_mut(&label).expect("the selector was filed here");
                ids.retain(|other| *other != id);
                if ids.is_empty() {
                    self.by_label.remove(&label);
                }
            }
            Pivot::Key(key) => {
                let ids = self.by_key.get_mut(&key).expect("the selector was filed here");
                ids.retain(|other| *other != id);
                if ids.is_empty() {
                    self.by_key.remove(&key);
                }
            }
            Pivot::Nothing => self.rest.retain(|other| *other != id),
        }
    }

    /// Calls `each` with every selector that may match a pod with these labels, each once.
    pub(super) fn candidates(&self, labels: &PodLabels, mut each: impl FnMut(u32)) {
        if !self.by_label.is_empty() || !self.by_key.is_empty() {
            for label in labels.iter() {
                let by_label = self.by_label.get(&label).into_iter().flatten();
                let by_key = self.by_key.get(&label.0).into_iter().flatten();
                by_label.chain(by_key).for_each(|&id| each(id));
            }
        }
        self.rest.iter().for_each(|&id| each(id));
    }
}
