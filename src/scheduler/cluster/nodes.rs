//! Nodes as columns: one array per property, indexed by [`NodeIndex`].

use super::super::labels::{Label, Labelled};
use super::super::pod::{Effect, HostPort, Taint, normalised_image};
use super::super::resources::{ResourceId, Resources};
use super::super::symbols::{Sym, Symbols};
use k8s_openapi::api::core::v1::Node;
use rustc_hash::FxHashMap;

/// Place of a node in the cluster's columns; given to another node only after it and its pods are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeIndex(pub u32);

impl NodeIndex {
    pub(in super::super) fn at(self) -> usize {
        self.0 as usize
    }
}

/// What an update of a node changed, as far as a pod that waits may care.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeChange {
    /// Resources of which there is more now, one bit each.
    pub grown: u128,
    /// Whether labels changed.
    pub labels: bool,
    /// Whether taints changed.
    pub taints: bool,
    /// Whether `spec.unschedulable` changed.
    pub unschedulable: bool,
}

/// Region and zone label, empty where missing.
type Zone = (Sym, Sym);

/// What a Node object says, in symbols.
#[derive(Clone, Debug, Default)]
struct Stated {
    labels: Box<[Label]>,
    taints: Box<[Taint]>,
    images: Box<[(Sym, i64)]>,
    is_unschedulable: bool,
}

/// All nodes.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Nodes {
    names: Vec<Sym>,
    by_name: FxHashMap<Sym, NodeIndex>,
    stated: Vec<Stated>,
    pub(super) is_present: Vec<bool>,
    /// By resource, then node.
    allocatable: Vec<Vec<i64>>,
    requested: Vec<Vec<i64>>,
    /// Cpu and memory as scoring sees them.
    nonzero: [Vec<i64>; 2],
    pub(super) ports: Vec<Vec<HostPort>>,
    /// Slots of the pods on each node.
    pub(super) pods: Vec<Vec<u32>>,
    free: Vec<NodeIndex>,
    nodes_with_image: FxHashMap<Sym, u32>,
    soft_taints: usize,
    /// Zone of each node that is in `zones`.
    zone_of: Vec<Option<Zone>>,
    /// Nodes by zone, in the order in which zones and nodes came.
    zones: Vec<(Zone, Vec<NodeIndex>)>,
    order: Vec<NodeIndex>,
    is_order_stale: bool,
    /// Counts changes of each node, its pods included: caches of verdicts and scores compare it. Never 0.
    versions: Vec<u32>,
    /// Nodes in the order in which what they state changed: caches of static verdicts follow this log.
    changes: Vec<NodeIndex>,
}

impl Nodes {
    pub(super) fn find(&self, name: Sym) -> Option<NodeIndex> {
        self.by_name.get(&name).copied()
    }

    /// Returns the index of a node of this name, made present.
    pub(super) fn claim(&mut self, name: Sym) -> NodeIndex {
        let node = self
            .by_name
            .get(&name)
            .copied()
            .or_else(|| self.free.pop())
            .unwrap_or_else(|| self.grow());
        self.names[node.at()] = name;
        self.is_present[node.at()] = true;
        self.by_name.insert(name, node);
        node
    }

    fn grow(&mut self) -> NodeIndex {
        let node = NodeIndex(u32::try_from(self.names.len()).expect("fewer than 2^32 nodes"));
        self.names.push(Sym::EMPTY);
        self.stated.push(Stated::default());
        self.zone_of.push(None);
        self.versions.push(1);
        self.is_present.push(false);
        self.ports.push(Vec::new());
        self.pods.push(Vec::new());
        let columns =
            self.allocatable.iter_mut().chain(&mut self.requested).chain(&mut self.nonzero);
        columns.for_each(|column| column.push(0));
        node
    }

    /// Gives every resource its columns.
    pub(super) fn widen(&mut self, resources: usize) {
        while self.allocatable.len() < resources {
            self.allocatable.push(vec![0; self.names.len()]);
            self.requested.push(vec![0; self.names.len()]);
        }
    }

    /// Takes over what a Node object says.
    pub(super) fn state(
        &mut self,
        node: NodeIndex,
        object: &Node,
        symbols: &mut Symbols,
        resources: &mut Resources,
    ) -> NodeChange {
        let status = object.status.as_ref();
        let amounts = status
            .and_then(|status| status.allocatable.as_ref().or(status.capacity.as_ref()))
            .map(|list| resources.amounts(list))
            .unwrap_or_default();
        self.widen(resources.len());
        let at = node.at();
        let mut change = NodeChange::default();
        for (id, column) in self.allocatable.iter_mut().enumerate() {
            let amount = amounts.iter().find(|entry| entry.0.at() == id).map_or(0, |entry| entry.1);
            if amount > column[at] {
                change.grown |= 1 << id;
            }
            column[at] = amount;
        }
        let new = Stated::read(object, symbols);
        self.forget_stated(node);
        let old = std::mem::replace(&mut self.stated[at], new);
        let new = &self.stated[at];
        self.soft_taints += new.soft_taints();
        for &(image, _) in &new.images {
            *self.nodes_with_image.entry(image).or_default() += 1;
        }
        self.versions[at] += 1;
        change.labels = old.labels != new.labels;
        change.taints = old.taints != new.taints;
        change.unschedulable = old.is_unschedulable != new.is_unschedulable;
        self.changes.push(node);
        self.rezone(node);
        change
    }

    fn forget_stated(&mut self, node: NodeIndex) {
        let stated = &self.stated[node.at()];
        self.soft_taints -= stated.soft_taints();
        for (image, _) in &stated.images {
            let count = self.nodes_with_image.get_mut(image).expect("images of nodes are counted");
            *count -= 1;
            if *count == 0 {
                self.nodes_with_image.remove(image);
            }
        }
    }

    /// Puts a node last in its zone if it is not in this zone yet (kube-scheduler 1.36 `nodeTree`).
    fn rezone(&mut self, node: NodeIndex) {
        let labels = self.labels(node);
        let zone = (
            labels.value(Sym::REGION).unwrap_or(Sym::EMPTY),
            labels.value(Sym::ZONE).unwrap_or(Sym::EMPTY),
        );
        if self.zone_of[node.at()] == Some(zone) {
            return;
        }
        self.unzone(node);
        self.zone_of[node.at()] = Some(zone);
        match self.zones.iter_mut().find(|entry| entry.0 == zone) {
            Some((_, nodes)) => nodes.push(node),
            None => self.zones.push((zone, vec![node])),
        }
        self.is_order_stale = true;
    }

    fn unzone(&mut self, node: NodeIndex) {
        let Some(zone) = self.zone_of[node.at()].take() else { return };
        for (_, nodes) in self.zones.iter_mut().filter(|entry| entry.0 == zone) {
            nodes.retain(|other| *other != node);
        }
        self.zones.retain(|(_, nodes)| !nodes.is_empty());
        self.is_order_stale = true;
    }

    /// Takes a node out; its index stays reserved while pods refer to it.
    pub(super) fn remove(&mut self, node: NodeIndex) {
        self.unzone(node);
        self.forget_stated(node);
        self.stated[node.at()] = Stated::default();
        self.versions[node.at()] += 1;
        self.is_present[node.at()] = false;
        for column in &mut self.allocatable {
            column[node.at()] = 0;
        }
        self.changes.push(node);
    }

    /// Lets the index of an absent node go once it has no pods.
    pub(super) fn release(&mut self, node: NodeIndex) {
        if !self.is_present[node.at()] && self.pods[node.at()].is_empty() {
            self.by_name.remove(&self.names[node.at()]);
            self.free.push(node);
        }
    }

    /// Brings the order of nodes up to date: one node of each zone in turn.
    pub(super) fn refresh_order(&mut self) {
        if !std::mem::take(&mut self.is_order_stale) {
            return;
        }
        self.order.clear();
        let longest = self.zones.iter().map(|(_, nodes)| nodes.len()).max().unwrap_or(0);
        for round in 0..longest {
            self.order.extend(self.zones.iter().filter_map(|(_, nodes)| nodes.get(round)));
        }
    }

    /// Changes what is requested of a node; `sign` is 1 or −1.
    pub(super) fn request(
        &mut self,
        node: NodeIndex,
        asked: &[(ResourceId, i64)],
        nonzero: [i64; 2],
        sign: i64,
    ) {
        self.versions[node.at()] += 1;
        for &(id, amount) in asked {
            self.requested[id.at()][node.at()] += sign * amount;
        }
        self.requested[ResourceId::PODS.at()][node.at()] += sign;
        for (column, amount) in self.nonzero.iter_mut().zip(nonzero) {
            column[node.at()] += sign * amount;
        }
    }

    /// Indices are below this.
    pub(in super::super) fn len(&self) -> usize {
        self.names.len()
    }

    /// The nodes that there are, in scheduling order.
    pub(in super::super) fn order(&self) -> &[NodeIndex] {
        &self.order
    }

    pub(in super::super) fn name(&self, node: NodeIndex) -> Sym {
        self.names[node.at()]
    }

    pub(in super::super) fn labels(&self, node: NodeIndex) -> &[Label] {
        &self.stated[node.at()].labels
    }

    pub(in super::super) fn taints(&self, node: NodeIndex) -> &[Taint] {
        &self.stated[node.at()].taints
    }

    pub(in super::super) fn images(&self, node: NodeIndex) -> &[(Sym, i64)] {
        &self.stated[node.at()].images
    }

    pub(in super::super) fn is_unschedulable(&self, node: NodeIndex) -> bool {
        self.stated[node.at()].is_unschedulable
    }

    pub(in super::super) fn ports(&self, node: NodeIndex) -> &[HostPort] {
        &self.ports[node.at()]
    }

    pub(in super::super) fn nodes_with_image(&self, image: Sym) -> u32 {
        self.nodes_with_image.get(&image).copied().unwrap_or(0)
    }

    pub(in super::super) fn has_images(&self) -> bool {
        !self.nodes_with_image.is_empty()
    }

    pub(in super::super) fn has_soft_taints(&self) -> bool {
        self.soft_taints > 0
    }

    pub(in super::super) fn allocatable(&self, resource: ResourceId) -> &[i64] {
        &self.allocatable[resource.at()]
    }

    pub(in super::super) fn requested(&self, resource: ResourceId) -> &[i64] {
        &self.requested[resource.at()]
    }

    /// Requested cpu (0) or memory (1) as scoring sees it.
    pub(in super::super) fn nonzero(&self, which: usize) -> &[i64] {
        &self.nonzero[which]
    }

    pub(in super::super) fn version(&self, node: NodeIndex) -> u32 {
        self.versions[node.at()]
    }

    pub(in super::super) fn changes(&self) -> &[NodeIndex] {
        &self.changes
    }
}

impl Stated {
    fn read(object: &Node, symbols: &mut Symbols) -> Self {
        let mut labels: Vec<Label> = object
            .metadata
            .labels
            .iter()
            .flatten()
            .map(|(key, value)| (symbols.intern(key), symbols.intern(value)))
            .collect();
        labels.sort_unstable();
        let spec = object.spec.as_ref();
        let taints = spec.and_then(|spec| spec.taints.as_ref()).into_iter().flatten();
        let taints = taints.filter_map(|taint| {
            Some(Taint {
                key: symbols.intern(&taint.key),
                value: symbols.intern(taint.value.as_deref().unwrap_or_default()),
                effect: Effect::parse(&taint.effect)?,
            })
        });
        let taints = taints.collect();
        let images =
            object.status.as_ref().and_then(|status| status.images.as_ref()).into_iter().flatten();
        let mut images: Vec<(Sym, i64)> = images
            .flat_map(|image| {
                image.names.iter().flatten().map(move |name| (name, image.size_bytes.unwrap_or(0)))
            })
            .map(|(name, size)| (symbols.intern(&normalised_image(name)), size))
            .collect();
        images.sort_unstable();
        images.dedup_by_key(|image| image.0);
        let is_unschedulable = spec.and_then(|spec| spec.unschedulable).unwrap_or(false);
        Self { labels: labels.into(), taints, images: images.into(), is_unschedulable }
    }

    fn soft_taints(&self) -> usize {
        self.taints.iter().filter(|taint| taint.effect == Effect::PreferNoSchedule).count()
    }
}
