//! The shell of the LWS manager in the simulator: builds `Observed` from its cache and carries plans out against the store.
//!
//! Every rule is in `controller`; here is only how views are filled and how an action becomes a write.

use super::object::{Kind, NodeRecord};
use super::object::{
    LwsRecord, Meta, NameId, OwnerRef, PodRecord, RevisionContent, RevisionRecord, ServiceRecord,
    SetRecord, SetSpec,
};
use super::setup::Propagation;
use super::statefulset::SetStatus;
use super::store::{ApiError, Change, Deletion};
use super::timeline::clock;
use super::world::{Controller, Process, World, Write};
use crate::api::keys;
use crate::api::lws::LeaderWorkerSetStatus;
use crate::backend::record::What;
use crate::controller::{
    self, Action, EventNote, Fix, GroupPodSeen, LeaderPodSeen, LeaderSetApply, LeaderSetSeen,
    NewRevision, NodeDomain, Observed, OwnerSeen, Plan, PodObserved, PodSeen, Requeue, Revision,
    ServiceBody, SetBody, SetSeen,
};
use crate::engine::Span;
use std::collections::VecDeque;
use std::sync::Arc;

impl World<'_> {
    /// Plans a pass of the LWS controller.
    pub(super) fn lws_pass(&self, key: NameId) -> Process {
        let Some(record) = self.lws_cache.sets.get(&key).cloned() else {
            return process(Controller::Lws, key, None, Plan::default());
        };
        let names = &self.store.names;
        let leader_set = self.lws_cache.stateful_sets.get(&key);
        let leaders = self.lws_cache.leaders.get(&key);
        let no_room = |name: &NameId| {
            let pod = self.lws_cache.pods.get(name);
            pod.and_then(|pod| pod.group.as_ref()).is_some_and(|group| self.has_no_room(group))
        };
        let leader_pods: Vec<LeaderPodSeen<'_>> = leaders
            .into_iter()
            .flatten()
            .map(|(name, row)| LeaderPodSeen {
                name: names.name(*name),
                group_index: &row.group_index,
                key: &row.revision,
                phase: row.phase,
                is_ready: row.is_ready,
                is_unschedulable: self.setup.fixes.has(Fix::B8) && no_room(name),
            })
            .collect();
        let sets = self.lws_cache.worker_sets.get(&key);
        let worker_sets: Vec<SetSeen<'_>> = sets
            .into_iter()
            .flatten()
            .map(|(name, row)| SetSeen {
                name: names.name(*name),
                group_index: row.group_index.as_deref().unwrap_or_default(),
                key: &row.revision,
                replicas: row.replicas,
                available: row.available,
                is_on_one_revision: row.is_on_one_revision,
            })
            .collect();
        let revisions = self.revisions_seen(key);
        let observed = Observed {
            lws: &record.lws,
            encoded: &record.encoded,
            leader_set: leader_set.map(|set| leader_set_seen(set)),
            revisions: &revisions,
            leader_pods: &leader_pods,
            worker_sets: &worker_sets,
            has_shared_service: self.lws_cache.services.contains(&key),
            now: clock(self.now),
            fixes: self.setup.fixes,
            is_later_version: self.repairs.is_later_version,
        };
        let plan = controller::reconcile(&observed);
        process(Controller::Lws, key, Some(record), plan)
    }

    fn revisions_seen(&self, lws: NameId) -> Vec<Arc<Revision>> {
        self.lws_cache
            .revisions
            .get(&lws)
            .map(|revisions| revisions.values().cloned().collect())
            .unwrap_or_default()
    }

    /// Plans a pass of the pod controller.
    pub(super) fn pod_pass(&self, key: NameId) -> Process {
        let lost = self.lost_pod(key);
        let present = self.lws_cache.pods.get(&key).cloned();
        // A pod that is gone is only looked at where a fix remembers it.
        let Some(pod) = present.or_else(|| lost.clone()) else {
            return process(Controller::Pod, key, None, Plan::default());
        };
        let Some(group) = pod.group.clone() else {
            return process(Controller::Pod, key, None, Plan::default());
        };
        let names = &self.store.names;
        let record = self.lws_cache.sets.get(&group.lws).cloned();
        let leader = if pod.is_leader { Some(Arc::clone(&pod)) } else { self.leader_of(&pod) };
        let members: Vec<GroupPodSeen> = self
            .lws_cache
            .group(&group)
            .map(|member| GroupPodSeen { phase: member.phase })
            .collect();
        let owner_set = pod.meta.owner.and_then(|owner| {
            let set = self.lws_cache.stateful_sets.get(&owner.name)?;
            (set.meta.uid == owner.uid).then_some(set)
        });
        let revisions = self.revisions_seen(group.lws);
        let observed = PodObserved {
            pod: self.pod_seen(&pod),
            lws: record.as_deref().map(|record| &*record.lws),
            leader: leader.as_deref().map(|leader| self.pod_seen(leader)),
            group_pods: &members,
            owner_set_owner: owner_set
                .and_then(|set| set.meta.owner)
                .map(|owner| owner_seen(owner, names)),
            has_worker_set: self.lws_cache.stateful_sets.contains_key(&key),
            has_pod_service: self.lws_cache.services.contains(&key),
            revisions: &revisions,
            node_domain: self.node_domain(&pod, record.as_deref()),
            extras: self.pod_extras(
                &pod,
                lost.as_deref().map(|lost| PodSeen { is_deleting: true, ..self.pod_seen(lost) }),
                leader.as_ref().map(|leader| leader.meta.name),
            ),
        };
        let plan = controller::reconcile_pod(&observed);
        process(Controller::Pod, key, record, plan)
    }

    /// Returns the leader pod of a worker, found by the name before its ordinal.
    fn leader_of(&self, pod: &PodRecord) -> Option<Arc<PodRecord>> {
        let text = self.store.names.text(pod.meta.name);
        let (leader, _) = text.rsplit_once('-')?;
        self.lws_cache.pods.get(&self.store.names.find(leader)?).cloned()
    }

    fn node_domain<'b>(&'b self, pod: &PodRecord, record: Option<&LwsRecord>) -> NodeDomain<'b> {
        let annotations = record.and_then(|record| record.lws.metadata.annotations.as_ref());
        let Some(key) =
            annotations.and_then(|annotations| annotations.get(keys::EXCLUSIVE_TOPOLOGY))
        else {
            return NodeDomain::Unbound;
        };
        let Some(node) = pod.node else { return NodeDomain::Unbound };
        let Some(node) = self.lws_cache.nodes.get(&node) else { return NodeDomain::NoNode };
        let labels = node.node.metadata.labels.as_ref();
        labels
            .and_then(|labels| labels.get(key))
            .map_or(NodeDomain::NoLabel, |value| NodeDomain::Value(value))
    }

    fn pod_seen<'b>(&'b self, pod: &'b PodRecord) -> PodSeen<'b> {
        let names = &self.store.names;
        let group = pod.group.as_deref();
        let template = &*pod.template;
        PodSeen {
            namespace: names.namespace(pod.meta.name),
            name: names.name(pod.meta.name),
            uid: pod.meta.uid,
            lws_name: group.map_or("", |group| names.name(group.lws)),
            worker_index: if pod.is_leader {
                Some("0")
            } else {
                names.name(pod.meta.name).rsplit('-').next()
            },
            group_index: group.map_or("", |group| &group.group_index),
            group_key: group.map_or("", |group| &group.group_key),
            key: group.map_or("", |group| &group.revision),
            has_leader_name: template.annotations.contains_key(keys::LEADER_NAME),
            is_deleting: pod.meta.deleting.is_some(),
            phase: pod.phase,
            is_ready: pod.is_ready,
            has_restarted: pod.restarts > 0,
            node: pod.node.map_or("", |node| names.name(node)),
            owner: pod.meta.owner.map(|owner| owner_seen(owner, names)),
            requests_tpus: template.requests_tpus,
        }
    }

    /// Emits an event on a set.
    pub(super) fn emit(&mut self, lws: NameId, note: &EventNote) {
        let regarding = self.reference(Kind::LeaderWorkerSet, lws);
        self.record(What::Event {
            regarding,
            warning: note.is_warning,
            reason: note.reason.into(),
            note: note.note.clone(),
        });
    }

    /// Carries out one action of an LWS plan.
    pub(super) fn carry_out(
        &mut self,
        action: &Action,
        lws: Option<&LwsRecord>,
    ) -> Result<(), ApiError> {
        let Some(lws) = lws else { return Ok(()) };
        let namespace = self.store.names.namespace(lws.meta.name).to_owned();
        match action {
            Action::CreateRevision(new) => self.create_revision(new, lws, &namespace),
            Action::ApplyLeaderSet(apply) => self.apply_leader_set(apply, lws),
            Action::CreateService(body) => self.create_service(body, &namespace),
            Action::CreateWorkerSet(body) => self.create_set(body, lws, &namespace),
            Action::UpdateStatus(status) => self.update_lws_status(status, lws),
            Action::DeleteRevision { name } => {
                let name = self.store.names.intern(&namespace, name);
                self.store.delete::<RevisionRecord>(self.now, name, Deletion::default())
            }
            Action::DeletePodForeground { name } => {
                let name = self.store.names.intern(&namespace, name);
                let how = Deletion { propagation: Propagation::Foreground, ..Deletion::default() };
                self.store.delete::<PodRecord>(self.now, name, how)?;
                self.note_recreation(name);
                Ok(())
            }
            Action::DeletePodForced { name } => {
                let name = self.store.names.intern(&namespace, name);
                let how = Deletion { is_forced: true, ..Deletion::default() };
                self.store.delete::<PodRecord>(self.now, name, how)
            }
            Action::Emit(note) => {
                self.emit(lws.meta.name, note);
                Ok(())
            }
        }
    }

    fn create_revision(
        &mut self,
        new: &NewRevision,
        lws: &LwsRecord,
        namespace: &str,
    ) -> Result<(), ApiError> {
        let name = self.store.names.intern(namespace, &new.name);
        let revision = controller::revision::from_live(
            &lws.lws,
            new.name.clone(),
            new.number,
            Arc::clone(&new.key),
            Arc::clone(&new.data),
            lws.meta.uid,
        );
        let record = RevisionRecord {
            meta: Meta::new(name, Some(lws_owner(lws))),
            number: new.number,
            content: RevisionContent::Lws(lws.meta.name, Arc::new(revision)),
        };
        self.store.create(self.now, record).map(drop)
    }

    fn create_service(&mut self, body: &ServiceBody, namespace: &str) -> Result<(), ApiError> {
        let name = self.store.names.intern(namespace, &body.name);
        let owner = self.owner_ref(&body.owner, namespace);
        let selector = Arc::new(body.selector.clone());
        let record = ServiceRecord {
            meta: Meta::new(name, Some(owner)),
            body: Some(Arc::new(body.clone())),
            selector,
        };
        self.store.create(self.now, record).map(drop)
    }

    fn owner_ref(&mut self, owner: &controller::Owner, namespace: &str) -> OwnerRef {
        let kind = if owner.kind == keys::KIND { Kind::LeaderWorkerSet } else { Kind::Pod };
        OwnerRef { kind, name: self.store.names.intern(namespace, &owner.name), uid: owner.uid }
    }

    fn set_spec(&mut self, body: SetBody, lws: &LwsRecord) -> SetSpec {
        let template = self.templates.prepare(&body, &lws.profile, &mut self.store.names);
        // Without the gate the API server drops the field on every write (`pkg/registry/apps/statefulset/strategy.go`, 1.36.3).
        let max_unavailable = body
            .rolling_update
            .filter(|_| self.setup.kubernetes.max_unavailable_stateful_set)
            .map(|(_, number)| {
                k8s_openapi::apimachinery::pkg::util::intstr::IntOrString::Int(number)
            });
        let revision = body.labels.get(keys::REVISION).map_or("", String::as_str).into();
        SetSpec {
            service: body.service_name.as_str().into(),
            body,
            revision,
            is_ordered: false,
            is_on_delete: false,
            max_unavailable,
            min_ready: Span::ZERO,
            template,
        }
    }

    fn apply_leader_set(
        &mut self,
        apply: &LeaderSetApply,
        lws: &LwsRecord,
    ) -> Result<(), ApiError> {
        let name = lws.meta.name;
        let existing = self.store.get::<SetRecord>(name).cloned();
        let applied = (lws.meta.uid, lws.writes, apply.clone());
        if existing.as_ref().is_some_and(|set| set.applied.as_deref() == Some(&applied)) {
            return Ok(());
        }
        let spec = self.set_spec(controller::leader_set(&lws.lws, apply), lws);
        let Some(existing) = existing else {
            let record = SetRecord {
                meta: Meta::new(name, Some(lws_owner(lws))),
                spec: Arc::new(spec),
                status: SetStatus::default(),
                applied: Some(Arc::new(applied)),
                lws: Some(name),
            };
            return self.store.create(self.now, record).map(drop);
        };
        refuse_immutable(&existing, &spec, lws, self.store.names.name(name))?;
        self.store
            .update::<SetRecord>(name, None, |record| {
                if *record.spec != spec {
                    if has_other_spec(&record.spec, &spec) {
                        record.meta.generation += 1;
                    }
                    record.spec = Arc::new(spec);
                }
                record.applied = Some(Arc::new(applied));
            })
            .map(drop)
    }

    fn create_set(
        &mut self,
        body: &SetBody,
        lws: &LwsRecord,
        namespace: &str,
    ) -> Result<(), ApiError> {
        let name = self.store.names.intern(namespace, &body.name);
        let owner = self.owner_ref(&body.owner, namespace);
        let spec = self.set_spec(body.clone(), lws);
        let record = SetRecord {
            meta: Meta::new(name, Some(owner)),
            spec: Arc::new(spec),
            status: SetStatus::default(),
            applied: None,
            lws: Some(lws.meta.name),
        };
        self.store.create(self.now, record).map(drop)
    }

    fn update_lws_status(
        &mut self,
        status: &LeaderWorkerSetStatus,
        lws: &LwsRecord,
    ) -> Result<(), ApiError> {
        self.store
            .update::<LwsRecord>(lws.meta.name, Some(lws.meta.version), |record| {
                Arc::make_mut(&mut record.lws).status = Some(status.clone());
            })
            .map(drop)
    }

    /// Tells of a set's status and of what its user wants.
    pub(super) fn track_lws(&mut self, change: &Change) {
        let (old, new) = (as_lws(change.old.as_ref()), as_lws(change.new.as_ref()));
        let Some(name) = new.or(old).map(|record| record.meta.name) else { return };
        let set = Arc::clone(self.store.names.text(name));
        if let Some(record) = new
            && old.is_none_or(|old| old.lws.status != record.lws.status)
            && let Some(status) = &record.lws.status
        {
            let conditions =
                status.conditions.iter().filter(|condition| condition.status == "True");
            self.record(What::Status {
                set,
                replicas: status.replicas,
                ready: status.ready_replicas,
                updated: status.updated_replicas,
                conditions: conditions.map(|condition| condition.type_.as_str().into()).collect(),
            });
        }
        self.track_wanted(name, old, new);
    }
}

fn as_lws(object: Option<&super::object::Object>) -> Option<&LwsRecord> {
    match object {
        Some(super::object::Object::LeaderWorkerSet(record)) => Some(record),
        _ => None,
    }
}

fn process(
    controller: Controller,
    key: NameId,
    lws: Option<Arc<LwsRecord>>,
    plan: Plan,
) -> Process {
    let steps: VecDeque<Vec<Write>> =
        plan.actions.into_iter().map(|action| vec![Write::Lws(action)]).collect();
    Process {
        controller,
        key,
        lws,
        steps,
        in_flight: Vec::new(),
        pending: 0,
        error: None,
        requeue: plan.requeue,
    }
}

/// Returns a process that does nothing.
pub(super) fn idle(controller: Controller, key: NameId) -> Process {
    process(controller, key, None, Plan { actions: Vec::new(), requeue: Requeue::No })
}

fn leader_set_seen(set: &SetRecord) -> LeaderSetSeen<'_> {
    LeaderSetSeen {
        key: &set.spec.revision,
        replicas_annotation: set.spec.body.annotations.get(keys::REPLICAS).map(String::as_str),
        is_deleting: set.meta.deleting.is_some(),
        replicas: set.spec.body.replicas,
        partition: set.spec.body.rolling_update.map_or(0, |(partition, _)| partition),
        status_replicas: set.status.replicas,
        surge_kept: set.spec.body.annotations.get(keys::SURGE_KEPT).map(String::as_str),
        has_later_label: set.spec.body.template.labels.contains_key(keys::LATER_VERSION),
    }
}

fn owner_seen(owner: OwnerRef, names: &super::object::Names) -> OwnerSeen<'_> {
    OwnerSeen { kind: owner.kind.as_str(), name: names.name(owner.name), uid: owner.uid }
}

fn lws_owner(lws: &LwsRecord) -> OwnerRef {
    OwnerRef { kind: Kind::LeaderWorkerSet, name: lws.meta.name, uid: lws.meta.uid }
}

/// Whether a write changes `spec` and not only labels and annotations of the object itself.
fn has_other_spec(old: &SetSpec, new: &SetSpec) -> bool {
    old.body.replicas != new.body.replicas
        || old.body.rolling_update.map(|(partition, _)| partition)
            != new.body.rolling_update.map(|(partition, _)| partition)
        || old.max_unavailable != new.max_unavailable
        || old.template != new.template
        || old.body.claim_retention != new.body.claim_retention
}

/// Refuses what the API server refuses to change in a StatefulSet (`pkg/apis/apps/validation`, 1.36.3).
fn refuse_immutable(
    old: &SetRecord,
    new: &SetSpec,
    lws: &LwsRecord,
    name: &str,
) -> Result<(), ApiError> {
    if old.meta.owner.is_some_and(|owner| owner.uid != lws.meta.uid) {
        return Err(ApiError::Invalid(format!(
            "StatefulSet.apps \"{name}\" is invalid: metadata.ownerReferences: Invalid value: only one reference can have Controller set to true"
        )));
    }
    let (was, is) = (&old.spec.body, &new.body);
    if was.selector != is.selector || was.service_name != is.service_name || was.claims != is.claims
    {
        return Err(ApiError::Invalid(format!(
            "StatefulSet.apps \"{name}\" is invalid: spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
        )));
    }
    Ok(())
}

/// The node of a name, for callers that hold only the record.
pub(super) fn node_label<'b>(node: &'b NodeRecord, key: &str) -> Option<&'b str> {
    node.node.metadata.labels.as_ref()?.get(key).map(String::as_str)
}
