//! Objects of the simulated API: small records of identity and status that share immutable templates.
//!
//! A typed pod of Kubernetes takes 18 kB; these take hundreds of bytes. Full objects are made from them on demand.
//! What the objects mean is the business of the controllers.

use super::setup::Profile;
use super::statefulset::SetStatus;
use crate::api::Uid;
use crate::api::lws::LeaderWorkerSet;
use crate::controller::admission::Admitted;
use crate::controller::{LeaderSetApply, Phase, Revision, ServiceBody, SetBody};
use crate::engine::{Span, Time};
use k8s_openapi::api::core::v1::{Node, PersistentVolumeClaim, PodTemplateSpec};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Kind of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    /// `leaderworkerset.x-k8s.io/v1`.
    LeaderWorkerSet,
    /// `apps/v1`.
    StatefulSet,
    /// `v1`.
    Pod,
    /// `v1`.
    Service,
    /// `apps/v1`.
    ControllerRevision,
    /// `v1`.
    PersistentVolumeClaim,
    /// `v1`.
    Node,
}

impl Kind {
    /// All kinds, in the order of their index.
    pub(super) const ALL: [Self; 7] = [
        Self::LeaderWorkerSet,
        Self::StatefulSet,
        Self::Pod,
        Self::Service,
        Self::ControllerRevision,
        Self::PersistentVolumeClaim,
        Self::Node,
    ];

    /// Returns the kind as Kubernetes writes it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::LeaderWorkerSet => "LeaderWorkerSet",
            Self::StatefulSet => "StatefulSet",
            Self::Pod => "Pod",
            Self::Service => "Service",
            Self::ControllerRevision => "ControllerRevision",
            Self::PersistentVolumeClaim => "PersistentVolumeClaim",
            Self::Node => "Node",
        }
    }
}

/// An interned `namespace/name`; objects of different kinds may share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct NameId(pub(super) u32);

/// The interned names of a run.
#[derive(Debug, Default)]
pub(super) struct Names {
    ids: FxHashMap<Arc<str>, NameId>,
    entries: Vec<NameEntry>,
}

#[derive(Debug)]
struct NameEntry {
    text: Arc<str>,
    slash: u32,
    hash: u64,
    changes: u32,
    incarnations: u32,
}

impl Names {
    /// Returns the id of `namespace/name`, which it makes at the first call.
    pub(super) fn intern(&mut self, namespace: &str, name: &str) -> NameId {
        self.intern_text(&format!("{namespace}/{name}"))
    }

    /// Returns the id of a text of the form `namespace/name`.
    pub(super) fn intern_text(&mut self, text: &str) -> NameId {
        if let Some(id) = self.ids.get(text) {
            return *id;
        }
        let id = NameId(u32::try_from(self.entries.len()).expect("fewer than 2^32 names"));
        let hash = crate::engine::entity(text);
        let slash =
            text.find('/').and_then(|at| u32::try_from(at).ok()).expect("names have a slash");
        let text: Arc<str> = text.into();
        self.entries.push(NameEntry {
            text: Arc::clone(&text),
            slash,
            hash,
            changes: 0,
            incarnations: 0,
        });
        self.ids.insert(text, id);
        id
    }

    /// Returns the id of a text that was interned before.
    pub(super) fn find(&self, text: &str) -> Option<NameId> {
        self.ids.get(text).copied()
    }

    /// Returns how many names there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns `namespace/name`.
    pub(super) fn text(&self, id: NameId) -> &Arc<str> {
        &self.entries[id.0 as usize].text
    }

    /// Returns the name without its namespace.
    pub(super) fn name(&self, id: NameId) -> &str {
        let entry = &self.entries[id.0 as usize];
        &entry.text[entry.slash as usize + 1..]
    }

    /// Returns the namespace.
    pub(super) fn namespace(&self, id: NameId) -> &str {
        let entry = &self.entries[id.0 as usize];
        &entry.text[..entry.slash as usize]
    }

    /// Returns a number that identifies the name in every run, for random streams.
    pub(super) fn hash(&self, id: NameId) -> u64 {
        self.entries[id.0 as usize].hash
    }

    /// Counts a change of the name's object and returns the count: with [`Self::hash`] it identifies the change
    /// whatever else happens in the run.
    pub(super) fn count_change(&mut self, id: NameId) -> u32 {
        let entry = &mut self.entries[id.0 as usize];
        entry.changes += 1;
        entry.changes
    }

    /// Counts an incarnation of the name's pod and returns the count, from 1.
    pub(super) fn count_incarnation(&mut self, id: NameId) -> u32 {
        let entry = &mut self.entries[id.0 as usize];
        entry.incarnations += 1;
        entry.incarnations
    }
}

/// Reference to an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OwnerRef {
    /// Kind of the owner.
    pub(super) kind: Kind,
    /// Name of the owner.
    pub(super) name: NameId,
    /// UID of the owner.
    pub(super) uid: Uid,
}

/// Finalizers that the control plane itself sets, and those of the user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Finalizers {
    /// `foregroundDeletion`.
    pub(super) foreground: bool,
    /// `orphan`.
    pub(super) orphan: bool,
    /// `kubernetes.io/pvc-protection`, which every claim gets at creation.
    pub(super) claim: bool,
    /// The user's; nobody here removes them.
    pub(super) other: Option<Arc<[String]>>,
}

impl Finalizers {
    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        !self.foreground
            && !self.orphan
            && !self.claim
            && self.other.as_ref().is_none_or(|names| names.is_empty())
    }
}

/// Identity and life of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Meta {
    /// Name.
    pub(super) name: NameId,
    /// UID; unset until the store creates the object.
    pub(super) uid: Uid,
    /// Resource version.
    pub(super) version: u64,
    /// Generation: counts changes of the desired state.
    pub(super) generation: i64,
    /// Controller owner; its `blockOwnerDeletion` is true, as all controllers here set it.
    pub(super) owner: Option<OwnerRef>,
    /// Finalizers.
    pub(super) finalizers: Finalizers,
    /// Deletion time stamp.
    pub(super) deleting: Option<Time>,
    /// Creation time stamp.
    pub(super) created: Time,
}

impl Meta {
    /// Returns the metadata of an object that is about to be created.
    pub(super) fn new(name: NameId, owner: Option<OwnerRef>) -> Self {
        Self {
            name,
            uid: Uid::default(),
            version: 0,
            generation: 1,
            owner,
            finalizers: Finalizers::default(),
            deleting: None,
            created: Time::ZERO,
        }
    }
}

/// What the store keeps in a table.
pub(super) trait Stored: Clone + PartialEq {
    /// Its kind.
    const KIND: Kind;
    /// Returns its metadata.
    fn meta(&self) -> &Meta;
    /// Returns its metadata for change.
    fn meta_mut(&mut self) -> &mut Meta;
    /// Wraps a shared record of this kind.
    fn wrap(this: Arc<Self>) -> Object;
    /// Whether a kubelet must confirm before the object can go.
    fn needs_kubelet(&self) -> bool {
        false
    }
    /// Notes that the kubelet has confirmed.
    fn confirm(&mut self) {}
    /// Copies identity into whatever holds it a second time; called before each write.
    fn sync(&mut self) {}
}

/// A shared record of any kind.
#[derive(Clone, Debug)]
pub(super) enum Object {
    /// A LeaderWorkerSet.
    LeaderWorkerSet(Arc<LwsRecord>),
    /// A StatefulSet.
    StatefulSet(Arc<SetRecord>),
    /// A pod.
    Pod(Arc<PodRecord>),
    /// A Service.
    Service(Arc<ServiceRecord>),
    /// A ControllerRevision.
    ControllerRevision(Arc<RevisionRecord>),
    /// A claim.
    PersistentVolumeClaim(Arc<ClaimRecord>),
    /// A node.
    Node(Arc<NodeRecord>),
}

impl Object {
    /// Returns the metadata.
    pub(super) fn meta(&self) -> &Meta {
        match self {
            Self::LeaderWorkerSet(record) => &record.meta,
            Self::StatefulSet(record) => &record.meta,
            Self::Pod(record) => &record.meta,
            Self::Service(record) => &record.meta,
            Self::ControllerRevision(record) => &record.meta,
            Self::PersistentVolumeClaim(record) => &record.meta,
            Self::Node(record) => &record.meta,
        }
    }

    /// Returns the kind.
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::LeaderWorkerSet(_) => Kind::LeaderWorkerSet,
            Self::StatefulSet(_) => Kind::StatefulSet,
            Self::Pod(_) => Kind::Pod,
            Self::Service(_) => Kind::Service,
            Self::ControllerRevision(_) => Kind::ControllerRevision,
            Self::PersistentVolumeClaim(_) => Kind::PersistentVolumeClaim,
            Self::Node(_) => Kind::Node,
        }
    }
}

macro_rules! stored {
    ($record:ty, $kind:ident) => {
        impl Stored for $record {
            const KIND: Kind = Kind::$kind;
            fn meta(&self) -> &Meta {
                &self.meta
            }
            fn meta_mut(&mut self) -> &mut Meta {
                &mut self.meta
            }
            fn wrap(this: Arc<Self>) -> Object {
                Object::$kind(this)
            }
        }
    };
}

stored!(SetRecord, StatefulSet);
stored!(ServiceRecord, Service);
stored!(RevisionRecord, ControllerRevision);
stored!(ClaimRecord, PersistentVolumeClaim);
stored!(NodeRecord, Node);

/// A LeaderWorkerSet.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LwsRecord {
    /// Identity.
    pub(super) meta: Meta,
    /// The set with its status; `metadata` holds uid and generation too, as rules read them there.
    pub(super) lws: Arc<LeaderWorkerSet>,
    /// Revision data of its spec, encoded once per write.
    pub(super) encoded: Arc<str>,
    /// Counts the user's writes, label and annotation changes included.
    pub(super) writes: u32,
    /// How its pods start.
    pub(super) profile: Arc<Profile>,
}

impl PartialEq for Profile {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// The LWS labels that pods of one group share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GroupLabels {
    /// The set.
    pub(super) lws: NameId,
    /// Label `group-index` as written.
    pub(super) group_index: Arc<str>,
    /// Label `group-key`.
    pub(super) group_key: Arc<str>,
    /// Label `template-revision-hash`.
    pub(super) revision: Arc<str>,
}

/// A pod template with what is read from it often.
#[derive(Clone, Debug)]
pub(super) struct Template {
    /// The user's template.
    pub(super) base: Arc<PodTemplateSpec>,
    /// Labels, complete but for those that the StatefulSet controller and admission add.
    pub(super) labels: BTreeMap<String, String>,
    /// Annotations, complete.
    pub(super) annotations: BTreeMap<String, String>,
    /// Node selector entries added to the base's.
    pub(super) node_selector: BTreeMap<String, String>,
    /// Identifies templates that are the same to the scheduler, save labels and added node selector entries.
    pub(super) base_hash: u64,
    /// Image of the first container.
    pub(super) image: Arc<str>,
    /// Termination grace period.
    pub(super) grace: Span,
    /// Readiness probe of any container: initial delay and period.
    pub(super) probe: Option<(Span, Span)>,
    /// Accelerators asked for.
    pub(super) accelerators: u32,
    /// Whether a container asks for Cloud TPUs.
    pub(super) requests_tpus: bool,
    /// The LWS labels, where the template carries all of them (worker sets).
    pub(super) group: Option<Arc<GroupLabels>>,
    /// Identifies equal templates: the same for equal content.
    pub(super) hash: u64,
    /// How its pods start.
    pub(super) profile: Arc<Profile>,
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

/// Desired state of a StatefulSet.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SetSpec {
    /// The body as LWS or the user wrote it, defaults filled in.
    pub(super) body: SetBody,
    /// Whether pods are made one after another (`OrderedReady`).
    pub(super) is_ordered: bool,
    /// Whether pods are only replaced when deleted by hand (`OnDelete`).
    pub(super) is_on_delete: bool,
    /// `maxUnavailable` as given; `None` where unset or dropped by the API server (gate off).
    pub(super) max_unavailable: Option<k8s_openapi::apimachinery::pkg::util::intstr::IntOrString>,
    /// `minReadySeconds`.
    pub(super) min_ready: Span,
    /// The template, prepared.
    pub(super) template: Arc<Template>,
    /// `serviceName`, the subdomain of its pods.
    pub(super) service: Arc<str>,
    /// Label `template-revision-hash` of the set itself, `""` where absent: read for every group in every pass.
    pub(super) revision: Arc<str>,
}

/// A StatefulSet.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SetRecord {
    /// Identity.
    pub(super) meta: Meta,
    /// Desired state.
    pub(super) spec: Arc<SetSpec>,
    /// Status.
    pub(super) status: SetStatus,
    /// For a leader set: the set, its write and the parameters of the last apply; equal ones make an apply a no-op.
    pub(super) applied: Option<Arc<(Uid, u32, LeaderSetApply)>>,
    /// The LWS that it belongs to, by label.
    pub(super) lws: Option<NameId>,
}

/// A pod.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PodRecord {
    /// Identity.
    pub(super) meta: Meta,
    /// Its template.
    pub(super) template: Arc<Template>,
    /// Name of the StatefulSet revision that it was made from.
    pub(super) set_revision: Arc<str>,
    /// Ordinal in its name; -1 where it has none.
    pub(super) ordinal: i32,
    /// `spec.subdomain` as its StatefulSet sets it, before admission; `""` where it has none.
    pub(super) subdomain: Arc<str>,
    /// LWS labels, where it has them.
    pub(super) group: Option<Arc<GroupLabels>>,
    /// What LWS admission added.
    pub(super) admitted: Option<Arc<Admitted>>,
    /// Counts the incarnations of its name from 1.
    pub(super) incarnation: u32,
    /// The node that it is bound to.
    pub(super) node: Option<NameId>,
    /// Phase.
    pub(super) phase: Phase,
    /// Condition `Ready`.
    pub(super) is_ready: bool,
    /// Since when it is ready.
    pub(super) ready_at: Time,
    /// Since when its containers run: the first start, or the last restart; zero before.
    pub(super) started_at: Time,
    /// Sum of the restart counts.
    pub(super) restarts: u32,
    /// Whether the scheduler reported that no node fits.
    pub(super) is_unschedulable: bool,
    /// Whether it is the leader of its group.
    pub(super) is_leader: bool,
    /// Whether the kubelet has confirmed its deletion; only finalizers keep it then.
    pub(super) is_confirmed: bool,
}

impl Stored for LwsRecord {
    const KIND: Kind = Kind::LeaderWorkerSet;
    fn meta(&self) -> &Meta {
        &self.meta
    }
    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }
    fn wrap(this: Arc<Self>) -> Object {
        Object::LeaderWorkerSet(this)
    }
    fn sync(&mut self) {
        let metadata = &self.lws.metadata;
        let is_deleting = self.meta.deleting.is_some();
        if metadata.generation != Some(self.meta.generation)
            || metadata.uid.is_none()
            || metadata.deletion_timestamp.is_some() != is_deleting
        {
            let metadata = &mut Arc::make_mut(&mut self.lws).metadata;
            metadata.generation = Some(self.meta.generation);
            metadata.uid = Some(self.meta.uid.to_string());
            metadata.deletion_timestamp = self.meta.deleting.map(|at| {
                k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(super::timeline::clock(at))
            });
        }
    }
}

impl Stored for PodRecord {
    const KIND: Kind = Kind::Pod;
    fn meta(&self) -> &Meta {
        &self.meta
    }
    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }
    fn wrap(this: Arc<Self>) -> Object {
        Object::Pod(this)
    }
    fn needs_kubelet(&self) -> bool {
        // A pod that never ran, or has ended, goes at once (`pkg/registry/core/pod/strategy.go`, CheckGracefulDelete).
        self.node.is_some()
            && !self.is_confirmed
            && !matches!(self.phase, Phase::Failed | Phase::Succeeded)
    }
    fn confirm(&mut self) {
        self.is_confirmed = true;
    }
}

/// A Service.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ServiceRecord {
    /// Identity.
    pub(super) meta: Meta,
    /// Its body, where LWS made it.
    pub(super) body: Option<Arc<ServiceBody>>,
    /// Selector.
    pub(super) selector: Arc<BTreeMap<String, String>>,
}

/// A ControllerRevision.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RevisionRecord {
    /// Identity.
    pub(super) meta: Meta,
    /// `revision`.
    pub(super) number: i64,
    /// What it holds.
    pub(super) content: RevisionContent,
}

/// What a ControllerRevision holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum RevisionContent {
    /// A revision of an LWS, with the set it belongs to by label.
    Lws(NameId, Arc<Revision>),
    /// A revision of a StatefulSet, with the annotations that the set had when it was made.
    Set(Arc<Template>, Arc<BTreeMap<String, String>>),
}

/// A claim.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ClaimRecord {
    /// Identity.
    pub(super) meta: Meta,
    /// The StatefulSet whose template it comes from.
    pub(super) set: NameId,
    /// Ordinal of its pod.
    pub(super) ordinal: i32,
    /// Labels and `spec`.
    pub(super) body: Arc<PersistentVolumeClaim>,
}

/// A node.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct NodeRecord {
    /// Identity.
    pub(super) meta: Meta,
    /// The node with labels, taints and allocatable resources.
    pub(super) node: Arc<Node>,
    /// Dense index, in order of joining.
    pub(super) index: u32,
    /// Condition `Ready`.
    pub(super) is_ready: bool,
}
