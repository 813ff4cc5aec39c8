//! Domains of topology keys: for each key that anything asks about, the domain number of every node.

use super::super::labels::{Label, Labelled};
use super::super::symbols::Sym;
use rustc_hash::FxHashMap;

/// A topology key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopologyId(pub(in super::super) u16);

impl TopologyId {
    pub(in super::super) fn at(self) -> usize {
        usize::from(self.0)
    }
}

/// Domain of a node that lacks the label.
pub(in super::super) const NO_DOMAIN: u32 = u32::MAX;

/// The domains of one key. A domain keeps its number for ever.
#[derive(Clone, Debug)]
pub(in super::super) struct Topology {
    pub(in super::super) key: Sym,
    /// Domain of each node, or [`NO_DOMAIN`].
    pub(in super::super) domain_of: Vec<u32>,
    /// Label value of each domain.
    pub(in super::super) values: Vec<Sym>,
    by_value: FxHashMap<Sym, u32>,
}

impl Topology {
    pub(super) fn new(key: Sym) -> Self {
        Self { key, domain_of: Vec::new(), values: Vec::new(), by_value: FxHashMap::default() }
    }

    /// Returns the domain of a label value, if a node ever had it.
    pub(in super::super) fn domain(&self, value: Sym) -> Option<u32> {
        self.by_value.get(&value).copied()
    }

    /// Notes the labels of a node; `None` where the node is gone.
    pub(super) fn set(&mut self, node: usize, labels: Option<&[Label]>) {
        if node >= self.domain_of.len() {
            self.domain_of.resize(node + 1, NO_DOMAIN);
        }
        self.domain_of[node] = match labels.and_then(|labels| labels.value(self.key)) {
            Some(value) => *self.by_value.entry(value).or_insert_with(|| {
                self.values.push(value);
                u32::try_from(self.values.len() - 1).expect("fewer than 2^32 domains")
            }),
            None => NO_DOMAIN,
        };
    }
}
