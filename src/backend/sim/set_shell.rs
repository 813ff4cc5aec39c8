//! The shell of the StatefulSet controller: builds the view of a set from its cache and carries out what `statefulset` plans.
//!
//! Owns revisions of StatefulSets (their names, re-use of an equal one, history limit) and the making of pods, with the
//! admission that stands before each. The order and number of writes is decided in `statefulset`.

use super::lws_shell::idle;
use super::object::{
    ClaimRecord, GroupLabels, Kind, Meta, NameId, Object, OwnerRef, PodRecord, RevisionContent,
    RevisionRecord, SetRecord, SetSpec, Template,
};
use super::setup::{Profile, Propagation, Workload};
use super::statefulset::{
    self, BROKEN_FIRST_SINCE, ClaimOwner, ClaimStep, ClaimView, PodView, Retention, Rules,
    SetStatus, SetView, SyncPlan,
};
use super::store::{ApiError, Change, Deletion};
use super::templates::revision_text;
use super::world::{Controller, Events, Process, World, Write};
use crate::api::lws::ClaimRetentionPolicy;
use crate::api::{Uid, keys};
use crate::controller::admission::{Admitted, PodIdentity, admit};
use crate::controller::{Fix, Owner, Phase, Requeue, SetBody, TemplateBody};
use crate::engine::{Span, Time};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Pod, PodSpec};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// A write of the StatefulSet controller.
#[derive(Clone, Debug)]
pub(super) enum SetWrite {
    /// Creates a revision.
    CreateRevision {
        set: OwnerRef,
        name: String,
        number: i64,
        template: Arc<Template>,
        annotations: Arc<BTreeMap<String, String>>,
    },
    /// Gives a revision another number, because its template is in force again.
    Renumber { name: NameId, number: i64 },
    /// Deletes a revision beyond the history limit.
    DeleteRevision { name: NameId },
    /// Creates claims of a pod, or gives them to another owner.
    Claims { set: OwnerRef, step: ClaimStep, spec: Arc<SetSpec> },
    /// Creates a pod.
    CreatePod {
        set: OwnerRef,
        ordinal: i32,
        service: Arc<str>,
        revision: Arc<str>,
        template: Arc<Template>,
    },
    /// Deletes a pod.
    DeletePod { name: NameId, uid: Uid },
    /// Writes the status of the set that was read.
    Status { uid: Uid, status: SetStatus },
}

/// `revisionHistoryLimit` where the set states none (Kubernetes 1.36.3).
const HISTORY_LIMIT: usize = 10;

impl World<'_> {
    /// Takes in a delivered change and adds the sets that it concerns.
    pub(super) fn deliver_set(&mut self, change: &Change, events: &mut Events) {
        self.set_cache.apply(change);
        match change.any() {
            Object::StatefulSet(record) => {
                self.enqueue(Controller::StatefulSet, record.meta.name, events);
            }
            Object::Pod(record) => {
                // A pod whose owner changed concerns both sets. One whose owner is gone concerns nobody, also where another
                // set has the owner's name by now (`resolveControllerRef` of the StatefulSet controller, 1.36): a set that
                // failed to create a pod because the old one is still there meets its end by back-off alone.
                let owners = [change.old.as_ref(), change.new.as_ref()];
                let owners = owners.into_iter().flatten().filter_map(|object| object.meta().owner);
                let mut last = None;
                for owner in owners.filter(|owner| owner.kind == Kind::StatefulSet) {
                    let is_known = |set: &Arc<SetRecord>| set.meta.uid == owner.uid;
                    if last != Some(owner.uid)
                        && self.set_cache.sets.get(&owner.name).is_some_and(is_known)
                    {
                        self.enqueue(Controller::StatefulSet, owner.name, events);
                    }
                    last = Some(owner.uid);
                }
                debug_assert!(record.meta.version > 0, "only stored pods are delivered");
            }
            _ => {}
        }
    }

    /// Plans a sync.
    pub(super) fn set_pass(&self, key: NameId) -> Process {
        let Some(set) = self.set_cache.sets.get(&key).cloned() else {
            return idle(Controller::StatefulSet, key);
        };
        let owner = OwnerRef { kind: Kind::StatefulSet, name: key, uid: set.meta.uid };
        let mut revisions =
            self.set_cache.revisions.get(&set.meta.uid).cloned().unwrap_or_default();
        revisions.sort_by_key(|revision| revision.number);
        let (update, mut steps) = self.update_revision(&set, owner, &revisions);
        let current: Arc<str> = if set.status.current_revision.is_empty() {
            Arc::clone(&update)
        } else {
            Arc::clone(&set.status.current_revision)
        };
        let plan = self.sync_plan(&set, &current, &update);
        self.add_steps(&set, owner, (&current, &update), &revisions, plan, &mut steps)
    }

    /// Finds the revision of the template in force, or plans to make it.
    fn update_revision(
        &self,
        set: &SetRecord,
        owner: OwnerRef,
        revisions: &[Arc<RevisionRecord>],
    ) -> (Arc<str>, VecDeque<Vec<Write>>) {
        let mut steps = VecDeque::new();
        let template = &set.spec.template;
        let next = revisions.last().map_or(1, |newest| newest.number + 1);
        let is_equal = |revision: &&Arc<RevisionRecord>| matches!(&revision.content, RevisionContent::Set(known, _) if known.hash == template.hash);
        if let Some(equal) = revisions.iter().rev().find(is_equal) {
            let name = equal.meta.name;
            if equal.number + 1 != next {
                steps.push_back(vec![Write::Set(SetWrite::Renumber { name, number: next })]);
            }
            return (self.store.names.name(name).into(), steps);
        }
        let text = revision_text(template);
        let name = format!("{}-{text}", self.store.names.name(owner.name));
        let template = Arc::clone(template);
        let annotations = Arc::new(set.spec.body.annotations.clone());
        let write = SetWrite::CreateRevision {
            set: owner,
            name: name.clone(),
            number: next,
            template,
            annotations,
        };
        steps.push_back(vec![Write::Set(write)]);
        (name.into(), steps)
    }

    fn sync_plan(&self, set: &SetRecord, current: &Arc<str>, update: &Arc<str>) -> SyncPlan {
        let pods: Vec<PodView<'_>> = self
            .set_cache
            .pods
            .get(&set.meta.uid)
            .into_iter()
            .flat_map(|pods| pods.values())
            .map(|pod| PodView {
                ordinal: pod.ordinal,
                revision: &pod.set_revision,
                phase: pod.phase,
                is_ready: pod.is_ready,
                is_available: pod.is_ready && self.now.since(pod.ready_at) >= set.spec.min_ready,
                is_terminating: pod.meta.deleting.is_some(),
            })
            .collect();
        let spec = &set.spec;
        let claims = self.claim_views(set);
        let rules = Rules {
            replaces_broken_first: self.setup.kubernetes.minor >= BROKEN_FIRST_SINCE
                || self.setup.fixes.has(Fix::B9),
            retention: retention(&set.spec.body),
            claims: claims.as_deref(),
        };
        statefulset::sync_by(
            &rules,
            &SetView {
                replicas: spec.body.replicas,
                start: spec.body.start.unwrap_or(0),
                partition: spec.body.rolling_update.map_or(0, |(partition, _)| partition),
                max_unavailable: spec.max_unavailable.as_ref(),
                is_ordered: spec.is_ordered,
                is_on_delete: spec.is_on_delete,
                is_deleting: set.meta.deleting.is_some(),
                min_ready: spec.min_ready,
                generation: set.meta.generation,
                current_revision: current,
                update_revision: update,
                status: &set.status,
                pods: &pods,
                has_gate: self.setup.kubernetes.max_unavailable_stateful_set,
            },
        )
    }

    fn add_steps(
        &self,
        set: &SetRecord,
        owner: OwnerRef,
        (current, update): (&Arc<str>, &Arc<str>),
        revisions: &[Arc<RevisionRecord>],
        plan: SyncPlan,
        steps: &mut VecDeque<Vec<Write>>,
    ) -> Process {
        let template_of = |revision: &Arc<str>| {
            let name = self.store.names.namespace(owner.name);
            let known = revisions.iter().find(|known| {
                self.store.names.name(known.meta.name) == &**revision
                    && self.store.names.namespace(known.meta.name) == name
            });
            match known.map(|known| &known.content) {
                Some(RevisionContent::Set(template, _)) => Arc::clone(template),
                _ => Arc::clone(&set.spec.template),
            }
        };
        for step in plan.claims {
            let spec = Arc::clone(&set.spec);
            steps.push_back(vec![Write::Set(SetWrite::Claims { set: owner, step, spec })]);
        }
        for batch in plan.creates {
            let writes = batch.into_iter().map(|create| {
                let revision = if create.use_update_revision { update } else { current };
                Write::Set(SetWrite::CreatePod {
                    set: owner,
                    ordinal: create.ordinal,
                    service: Arc::clone(&set.spec.service),
                    revision: Arc::clone(revision),
                    template: template_of(revision),
                })
            });
            steps.push_back(writes.collect());
        }
        let pods = self.set_cache.pods.get(&owner.uid);
        for ordinal in plan.deletes {
            if let Some(pod) = pods.and_then(|pods| pods.get(&ordinal)) {
                let write = SetWrite::DeletePod { name: pod.meta.name, uid: pod.meta.uid };
                steps.push_back(vec![Write::Set(write)]);
            }
        }
        if plan.status != set.status {
            let write = SetWrite::Status { uid: set.meta.uid, status: plan.status };
            steps.push_back(vec![Write::Set(write)]);
        }
        self.add_truncation(owner, current, update, revisions, steps);
        Process {
            controller: Controller::StatefulSet,
            key: owner.name,
            lws: None,
            steps: std::mem::take(steps),
            in_flight: Vec::new(),
            pending: 0,
            error: None,
            requeue: plan.requeue_after.map_or(Requeue::No, Requeue::After),
        }
    }

    fn add_truncation(
        &self,
        owner: OwnerRef,
        current: &Arc<str>,
        update: &Arc<str>,
        revisions: &[Arc<RevisionRecord>],
        steps: &mut VecDeque<Vec<Write>>,
    ) {
        if revisions.len() <= HISTORY_LIMIT {
            return;
        }
        let pods = self.set_cache.pods.get(&owner.uid);
        let is_live = |name: &str| {
            name == &**current
                || name == &**update
                || pods
                    .into_iter()
                    .flat_map(|pods| pods.values())
                    .any(|pod| *pod.set_revision == *name)
        };
        let history: Vec<NameId> = revisions
            .iter()
            .map(|revision| revision.meta.name)
            .filter(|name| !is_live(self.store.names.name(*name)))
            .collect();
        let excess = history.len().saturating_sub(HISTORY_LIMIT);
        for name in history.into_iter().take(excess) {
            steps.push_back(vec![Write::Set(SetWrite::DeleteRevision { name })]);
        }
    }

    /// Carries out one write of the StatefulSet controller.
    pub(super) fn carry_out_set(&mut self, write: &SetWrite, key: NameId) -> Result<(), ApiError> {
        match write {
            SetWrite::CreateRevision { set, name, number, template, annotations } => {
                let namespace = self.store.names.namespace(set.name).to_owned();
                let name = self.store.names.intern(&namespace, name);
                let content = RevisionContent::Set(Arc::clone(template), Arc::clone(annotations));
                let record =
                    RevisionRecord { meta: Meta::new(name, Some(*set)), number: *number, content };
                match self.store.create(self.now, record) {
                    // A stale cache: the revision was made in an earlier sync.
                    Err(ApiError::AlreadyExists(_)) => Ok(()),
                    result => result.map(drop),
                }
            }
            SetWrite::Renumber { name, number } => self
                .store
                .update::<RevisionRecord>(*name, None, |record| record.number = *number)
                .map(drop),
            SetWrite::DeleteRevision { name } => {
                self.store.delete::<RevisionRecord>(self.now, *name, Deletion::default())
            }
            SetWrite::Claims { set, step, spec } => self.write_claims(*set, *step, &spec.body),
            SetWrite::CreatePod { set, ordinal, service, revision, template } => {
                self.create_pod(*set, *ordinal, service, revision, template)
            }
            SetWrite::DeletePod { name, uid } => {
                let how = Deletion {
                    propagation: Propagation::Background,
                    uid: Some(*uid),
                    is_forced: false,
                };
                match self.store.delete::<PodRecord>(self.now, *name, how) {
                    Err(ApiError::NotFound(_)) => Ok(()),
                    result => result,
                }
            }
            SetWrite::Status { uid, status } => {
                // The controller retries on a conflict with the newest object (`realStatefulSetStatusUpdater`). A set that
                // has the name of the one that was read by now is none of its business: the API server refuses another UID.
                if self.store.get::<SetRecord>(key).is_some_and(|set| set.meta.uid != *uid) {
                    return Ok(());
                }
                let status = status.clone();
                match self.store.update::<SetRecord>(key, None, |record| record.status = status) {
                    Err(ApiError::NotFound(_)) => Ok(()),
                    result => result.map(drop),
                }
            }
        }
    }

    /// Returns what the cache shows of the claims of each ordinal; `None` where the set has no claim templates.
    fn claim_views(&self, set: &SetRecord) -> Option<Vec<ClaimView>> {
        let templates = set.spec.body.claims.len();
        if templates == 0 {
            return None;
        }
        let mut views: Vec<(ClaimView, usize)> = Vec::new();
        let pods = self.set_cache.pods.get(&set.meta.uid);
        for claim in
            self.set_cache.claims.get(&set.meta.name).into_iter().flat_map(|claims| claims.values())
        {
            let pod = pods.and_then(|pods| pods.get(&claim.ordinal));
            let (owner, is_stale) = match claim.meta.owner {
                Some(owner) if owner.kind == Kind::Pod => {
                    (ClaimOwner::Pod, pod.is_none_or(|pod| pod.meta.uid != owner.uid))
                }
                Some(_) => (ClaimOwner::Set, false),
                None => (ClaimOwner::Nobody, false),
            };
            match views.last_mut() {
                Some((view, count)) if view.ordinal == claim.ordinal => {
                    *count += 1;
                    view.is_stale |= is_stale;
                }
                _ => {
                    let ordinal = claim.ordinal;
                    views.push((ClaimView { ordinal, is_incomplete: false, owner, is_stale }, 1));
                }
            }
        }
        let complete = |(view, count): (ClaimView, usize)| ClaimView {
            is_incomplete: count < templates,
            ..view
        };
        Some(views.into_iter().map(complete).collect())
    }

    fn write_claims(
        &mut self,
        set: OwnerRef,
        step: ClaimStep,
        body: &SetBody,
    ) -> Result<(), ApiError> {
        let (ClaimStep::Create { ordinal } | ClaimStep::Own { ordinal, .. }) = step;
        let pod = format!("{}-{ordinal}", self.store.names.name(set.name));
        let namespace = self.store.names.namespace(set.name).to_owned();
        for template in &body.claims {
            let Some(claim) = template.metadata.name.as_deref() else { continue };
            let name = self.store.names.intern(&namespace, &format!("{claim}-{pod}"));
            match step {
                ClaimStep::Create { .. } => {
                    if self.store.get::<ClaimRecord>(name).is_none() {
                        let mut meta = Meta::new(name, None);
                        meta.finalizers.claim = true;
                        let mut claim = template.clone();
                        let labels = claim.metadata.labels.get_or_insert_default();
                        labels.extend(body.selector.clone());
                        let body = Arc::new(claim);
                        self.store
                            .create(self.now, ClaimRecord { meta, set: set.name, ordinal, body })?;
                    }
                }
                ClaimStep::Own { owner, .. } => {
                    let pod = self.store.names.intern(&namespace, &pod);
                    let owner = match owner {
                        ClaimOwner::Nobody => None,
                        ClaimOwner::Set => Some(set),
                        ClaimOwner::Pod => self.pod(pod).map(|record| OwnerRef {
                            kind: Kind::Pod,
                            name: pod,
                            uid: record.meta.uid,
                        }),
                    };
                    if self.store.get::<ClaimRecord>(name).is_some() {
                        self.store.update::<ClaimRecord>(name, None, |record| {
                            record.meta.owner = owner;
                        })?;
                    }
                }
            }
        }
        Ok(())
    }

    fn create_pod(
        &mut self,
        set: OwnerRef,
        ordinal: i32,
        service: &Arc<str>,
        revision: &Arc<str>,
        template: &Arc<Template>,
    ) -> Result<(), ApiError> {
        let text = format!("{}-{ordinal}", self.store.names.text(set.name));
        let name = self.store.names.intern_text(&text);
        if self.pod(name).is_some() {
            let pod = self.store.names.name(name);
            return Err(ApiError::AlreadyExists(format!("pods \"{pod}\" already exists")));
        }
        let mut record = self.new_pod(name, Some(set), ordinal, revision, template)?;
        record.subdomain = Arc::clone(service);
        self.store.create(self.now, record).map(drop)
    }

    /// Returns a pod as it stands after admission.
    fn new_pod(
        &mut self,
        name: NameId,
        owner: Option<OwnerRef>,
        ordinal: i32,
        revision: &Arc<str>,
        template: &Arc<Template>,
    ) -> Result<PodRecord, ApiError> {
        let names = &mut self.store.names;
        let mut group = template.group.clone();
        let mut admitted = None;
        let is_leader = template.labels.get(keys::WORKER_INDEX).is_some_and(|index| index == "0");
        if template.labels.contains_key(keys::NAME) {
            let empty = PodSpec::default();
            let identity = PodIdentity {
                namespace: names.namespace(name),
                name: names.name(name),
                subdomain: "",
                labels: &|key| template.labels.get(key).map(String::as_str),
                annotations: &|key| template.annotations.get(key).map(String::as_str),
                spec: template.base.spec.as_ref().unwrap_or(&empty),
                is_gang: false,
                fixes: self.setup.fixes,
            };
            let result =
                admit(&identity).map_err(|denial| ApiError::Invalid(denial.to_string()))?;
            if group.is_none() {
                group = group_labels(&result, template, name, names);
            }
            // A worker's index follows from its name: only what says more is kept.
            if result.labels.len() > 1 || !result.exclusive.is_empty() || result.subdomain.is_some()
            {
                admitted = Some(Arc::new(result));
            }
        }
        Ok(PodRecord {
            meta: Meta::new(name, owner),
            template: Arc::clone(template),
            set_revision: Arc::clone(revision),
            ordinal,
            subdomain: "".into(),
            group,
            admitted,
            incarnation: names.count_incarnation(name),
            node: None,
            phase: Phase::Pending,
            is_ready: false,
            ready_at: Time::ZERO,
            started_at: Time::ZERO,
            restarts: 0,
            is_unschedulable: false,
            is_leader,
            is_confirmed: false,
        })
    }

    /// Applies a StatefulSet of the user's.
    pub(super) fn apply_set(
        &mut self,
        set: &StatefulSet,
        workload: &Workload,
    ) -> Result<(), String> {
        let name = self.intern(set.metadata.namespace.as_deref(), set.metadata.name.as_deref());
        self.write_set(set, name, &workload.profile)
    }

    /// Creates or replaces a StatefulSet of the user's.
    pub(super) fn write_set(
        &mut self,
        set: &StatefulSet,
        name: NameId,
        profile: &Arc<Profile>,
    ) -> Result<(), String> {
        let mut spec = self.user_set_spec(set, name, profile);
        if let Some(old) = self.store.get::<SetRecord>(name).cloned() {
            let body = &old.spec.body;
            spec.body.owner = body.owner.clone();
            if body.template.to_pod_template() == set.spec.template {
                spec.body.template = body.template.clone();
                spec.template = Arc::clone(&old.spec.template);
            }
            let result = self.store.update::<SetRecord>(name, None, |record| {
                if *record.spec != spec {
                    record.meta.generation += 1;
                    record.spec = Arc::new(spec);
                    // Whoever applied it before finds it changed.
                    record.applied = None;
                }
            });
            return result.map(drop).map_err(|error| error.to_string());
        }
        let record = SetRecord {
            meta: Meta::new(name, None),
            spec: Arc::new(spec),
            status: SetStatus::default(),
            applied: None,
            lws: set_of_label(&mut self.store.names, name, set.metadata.labels.as_ref()),
        };
        self.store.create(self.now, record).map(drop).map_err(|error| error.to_string())
    }

    /// Changes the body of a StatefulSet of the user's; the change returns whether it found what it was to change.
    pub(super) fn rewrite_set(
        &mut self,
        name: NameId,
        change: impl FnOnce(&mut SetBody) -> bool,
    ) -> Result<(), String> {
        let Some(record) = self.store.get::<SetRecord>(name).cloned() else {
            return Err(format!("statefulsets.apps \"{}\" not found", self.store.names.name(name)));
        };
        let mut spec = SetSpec::clone(&record.spec);
        if !change(&mut spec.body) {
            return Err("unable to find the container".to_owned());
        }
        spec.template = self.templates.prepare(
            &spec.body,
            &record.spec.template.profile,
            &mut self.store.names,
        );
        let result = self.store.update::<SetRecord>(name, None, |record| {
            record.meta.generation += 1;
            record.spec = Arc::new(spec);
            record.applied = None;
        });
        result.map(drop).map_err(|error| error.to_string())
    }

    fn user_set_spec(
        &mut self,
        set: &StatefulSet,
        name: NameId,
        profile: &Arc<Profile>,
    ) -> SetSpec {
        let names = &self.store.names;
        let body = user_body(set, names.namespace(name), names.name(name));
        let spec = &set.spec;
        let strategy = spec.update_strategy.as_ref();
        let max_unavailable = strategy
            .and_then(|strategy| strategy.rolling_update.as_ref())
            .and_then(|update| update.max_unavailable.clone())
            .filter(|_| self.setup.kubernetes.max_unavailable_stateful_set);
        let template = self.templates.prepare(&body, profile, &mut self.store.names);
        SetSpec {
            service: body.service_name.as_str().into(),
            revision: body.labels.get(keys::REVISION).map_or("", String::as_str).into(),
            body,
            is_ordered: spec.pod_management_policy.as_deref() != Some("Parallel"),
            is_on_delete: strategy.and_then(|strategy| strategy.type_.as_deref())
                == Some("OnDelete"),
            max_unavailable,
            min_ready: Span::from_secs(
                u64::try_from(spec.min_ready_seconds.unwrap_or(0)).unwrap_or(0),
            ),
            template,
        }
    }

    /// Applies a pod of the user's; one with a node name is there and ready from the start.
    pub(super) fn apply_pod(&mut self, pod: &Pod, workload: &Workload) -> Result<(), String> {
        let name = self.intern(pod.metadata.namespace.as_deref(), pod.metadata.name.as_deref());
        let template = self.templates.of_pod(pod, &workload.profile, &mut self.store.names);
        let mut record = self
            .new_pod(name, None, -1, &Arc::from(""), &template)
            .map_err(|error| error.to_string())?;
        if let Some(node) = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()) {
            let node = self.store.names.intern("", node);
            if self.store.get::<super::object::NodeRecord>(node).is_none() {
                return Err(format!("nodes \"{}\" not found", self.store.names.name(node)));
            }
            record.node = Some(node);
            record.phase = Phase::Running;
            record.is_ready = true;
        }
        self.store.create(self.now, record).map(drop).map_err(|error| error.to_string())
    }
}

/// Returns the LWS that a StatefulSet's label names: it is looked at when the StatefulSet changes (`enqueueLWSRequests`).
fn set_of_label(
    names: &mut super::object::Names,
    set: NameId,
    labels: Option<&BTreeMap<String, String>>,
) -> Option<NameId> {
    let lws = labels?.get(keys::NAME).filter(|lws| !lws.is_empty())?;
    let namespace = names.namespace(set).to_owned();
    Some(names.intern(&namespace, lws))
}

fn retention(body: &SetBody) -> Retention {
    let policy = body.claim_retention.as_ref();
    let is_delete = |value: Option<&String>| value.is_some_and(|value| value == "Delete");
    Retention {
        goes_with_set: is_delete(policy.and_then(|policy| policy.when_deleted.as_ref())),
        goes_on_scale_down: is_delete(policy.and_then(|policy| policy.when_scaled.as_ref())),
    }
}

/// Returns the body of a StatefulSet of the user's. It has no controller owner; the body's is left empty and never used.
fn user_body(set: &StatefulSet, namespace: &str, name: &str) -> SetBody {
    let metadata = &set.metadata;
    let spec = set.spec.clone();
    let update = spec.update_strategy.and_then(|strategy| strategy.rolling_update);
    SetBody {
        name: name.to_owned(),
        namespace: namespace.to_owned(),
        labels: metadata.labels.clone().unwrap_or_default(),
        annotations: metadata.annotations.clone().unwrap_or_default(),
        owner: Owner { api_version: "", kind: "", name: String::new(), uid: Uid::default() },
        service_name: spec.service_name.unwrap_or_default(),
        replicas: spec.replicas.unwrap_or(1),
        start: spec.ordinals.and_then(|ordinals| ordinals.start),
        selector: spec.selector.match_labels.unwrap_or_default(),
        rolling_update: Some((update.and_then(|update| update.partition).unwrap_or(0), 1)),
        template: TemplateBody {
            base: Arc::new(spec.template),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            node_selector: BTreeMap::new(),
        },
        claims: spec.volume_claim_templates.unwrap_or_default(),
        claim_retention: spec.persistent_volume_claim_retention_policy.map(|policy| {
            ClaimRetentionPolicy {
                when_deleted: policy.when_deleted,
                when_scaled: policy.when_scaled,
            }
        }),
    }
}

/// Returns the LWS labels of a pod whose template does not carry all of them: a leader's.
fn group_labels(
    admitted: &Admitted,
    template: &Template,
    pod: NameId,
    names: &mut super::object::Names,
) -> Option<Arc<GroupLabels>> {
    let value = |key: &str| -> Arc<str> {
        admitted
            .label(key)
            .or_else(|| template.labels.get(key).map(String::as_str))
            .unwrap_or_default()
            .into()
    };
    let lws = template.labels.get(keys::NAME)?;
    let namespace = names.namespace(pod).to_owned();
    Some(Arc::new(GroupLabels {
        lws: names.intern(&namespace, lws),
        group_index: value(keys::GROUP_INDEX),
        group_key: value(keys::GROUP_KEY),
        revision: value(keys::REVISION),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors;
    use serde_json::{Value, json};

    #[test]
    fn a_label_names_the_set_to_look_at() {
        vectors::each("lws-utils.yaml", "enqueue", |row: Value| {
            let mut names = super::super::object::Names::default();
            let set = names.intern("default", "some-set");
            let label = row["name_label"].as_str();
            let labels =
                label.map(|label| BTreeMap::from([(keys::NAME.to_owned(), label.to_owned())]));
            let lws = set_of_label(&mut names, set, labels.as_ref());
            let lws = lws.map(|lws| names.text(lws).to_string());
            assert_eq!(json!(lws), row["want"], "{row}");
        });
    }
}
