//! A small cluster for tests: carries plans out at once and plays the StatefulSet controller.
//!
//! It has no delays, no caches and no API server: what the simulated control plane adds is tested there.

use super::fixes::{Fixes, PodExtras};
use super::observed::{
    GroupPodSeen, LeaderPodSeen, LeaderSetSeen, NodeDomain, Observed, OwnerSeen, Phase,
    PodObserved, PodSeen, Revision, SetSeen,
};
use super::plan::{Action, EventNote, Plan};
use super::{objects, pod, reconcile, revision};
use crate::api::Uid;
use crate::api::lws::{
    LeaderWorkerSet, LeaderWorkerSetSpec, LeaderWorkerTemplate, NetworkConfig,
    RollingUpdateConfiguration, RolloutStrategy,
};
use k8s_openapi::api::core::v1::{Container, PodSpec, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Name of the set in every test.
pub(super) const NAME: &str = "test-sample";
/// More passes than any history needs to come to rest.
const PASSES_MAX: usize = 200;

/// The leader StatefulSet.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LeaderSet {
    pub(super) key: String,
    pub(super) replicas_annotation: String,
    pub(super) replicas: i32,
    pub(super) partition: i32,
    pub(super) max_unavailable: i32,
    pub(super) surge_kept: Option<String>,
    pub(super) has_later_label: bool,
    /// Key of the StatefulSet's `status.currentRevision`.
    current_key: String,
}

/// A pod, leader or worker.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pod {
    pub(super) uid: Uid,
    pub(super) key: String,
    pub(super) phase: Phase,
    pub(super) is_ready: bool,
    pub(super) is_deleting: bool,
    pub(super) is_unschedulable: bool,
    /// The leader that owns it, for a worker.
    leader: Option<Uid>,
}

/// A worker StatefulSet.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Workers {
    pub(super) key: String,
    pub(super) replicas: i32,
    pub(super) size_annotation: String,
    pub(super) available: i32,
    pub(super) is_on_one_revision: bool,
}

/// One set and everything that belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct World {
    pub(super) lws: LeaderWorkerSet,
    encoded: String,
    pub(super) set: Option<LeaderSet>,
    pub(super) leaders: BTreeMap<i32, Pod>,
    pub(super) workers: BTreeMap<i32, Workers>,
    /// Worker pods by group and worker index; only tests of the restart policy make any.
    pub(super) worker_pods: BTreeMap<(i32, i32), Pod>,
    pub(super) revisions: Vec<Arc<Revision>>,
    pub(super) has_service: bool,
    pub(super) group_services: BTreeSet<i32>,
    pub(super) events: Vec<EventNote>,
    pub(super) fixes: Fixes,
    pub(super) is_later_version: bool,
    uid_next: u128,
}

/// Returns a set of `replicas` groups of two pods, as admission leaves it.
pub(super) fn sample(replicas: i32) -> LeaderWorkerSet {
    let rolling = RollingUpdateConfiguration {
        partition: Some(0),
        max_unavailable: Some(IntOrString::Int(1)),
        max_surge: Some(IntOrString::Int(0)),
    };
    LeaderWorkerSet {
        metadata: ObjectMeta {
            name: Some(NAME.to_owned()),
            namespace: Some("default".to_owned()),
            uid: Some(Uid(7).to_string()),
            generation: Some(1),
            ..ObjectMeta::default()
        },
        spec: LeaderWorkerSetSpec {
            replicas: Some(replicas),
            startup_policy: Some("LeaderCreated".to_owned()),
            leader_worker_template: LeaderWorkerTemplate {
                leader_template: Some(template("leader", "v1")),
                worker_template: template("worker", "v1"),
                size: Some(2),
                restart_policy: Some("RecreateGroupOnPodRestart".to_owned()),
                ..LeaderWorkerTemplate::default()
            },
            rollout_strategy: Some(RolloutStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update_configuration: Some(rolling),
            }),
            network_config: Some(NetworkConfig { subdomain_policy: Some("Shared".to_owned()) }),
        },
        ..LeaderWorkerSet::default()
    }
}

/// Returns a pod template with one container.
pub(super) fn template(container: &str, image: &str) -> Arc<PodTemplateSpec> {
    let container = Container {
        name: container.to_owned(),
        image: Some(image.to_owned()),
        ..Container::default()
    };
    let spec = PodSpec { containers: vec![container], ..PodSpec::default() };
    Arc::new(PodTemplateSpec { metadata: None, spec: Some(spec) })
}

impl World {
    /// Returns a cluster in which the set was just created.
    pub(super) fn new(lws: LeaderWorkerSet) -> Self {
        Self {
            encoded: revision::encode(&lws),
            lws,
            set: None,
            leaders: BTreeMap::new(),
            workers: BTreeMap::new(),
            worker_pods: BTreeMap::new(),
            revisions: Vec::new(),
            has_service: false,
            group_services: BTreeSet::new(),
            events: Vec::new(),
            fixes: Fixes::default(),
            is_later_version: false,
            uid_next: 100,
        }
    }

    /// Changes the spec as an API server would, and returns the key that the new spec has.
    pub(super) fn edit(&mut self, change: impl FnOnce(&mut LeaderWorkerSetSpec)) -> String {
        let before = self.lws.spec.clone();
        change(&mut self.lws.spec);
        if self.lws.spec != before {
            *self.lws.metadata.generation.as_mut().unwrap() += 1;
        }
        self.encoded = revision::encode(&self.lws);
        self.spec_key()
    }

    /// Changes the budget of a rolling update.
    pub(super) fn edit_rollout(&mut self, change: impl FnOnce(&mut RollingUpdateConfiguration)) {
        self.edit(|spec| {
            change(
                spec.rollout_strategy
                    .as_mut()
                    .unwrap()
                    .rolling_update_configuration
                    .as_mut()
                    .unwrap(),
            );
        });
    }

    /// Returns the key of the live spec.
    pub(super) fn spec_key(&self) -> String {
        revision::key(&self.encoded)
    }

    pub(super) fn replicas(&self) -> i32 {
        self.lws.spec.replicas.unwrap()
    }

    pub(super) fn size(&self) -> i32 {
        self.lws.spec.leader_worker_template.size.unwrap()
    }

    pub(super) fn set(&self) -> &LeaderSet {
        self.set.as_ref().unwrap()
    }

    /// Returns what the LWS controller plans now.
    pub(super) fn plan(&self) -> Plan {
        let names: BTreeMap<i32, (String, String)> = self
            .leaders
            .keys()
            .chain(self.workers.keys())
            .map(|i| (*i, (format!("{NAME}-{i}"), i.to_string())))
            .collect();
        let leader_pods: Vec<LeaderPodSeen<'_>> = (self.leaders.iter())
            .map(|(index, pod)| {
                let (name, group_index) = &names[index];
                LeaderPodSeen {
                    name,
                    group_index,
                    key: &pod.key,
                    phase: pod.phase,
                    is_ready: pod.is_ready,
                    is_unschedulable: pod.is_unschedulable,
                }
            })
            .collect();
        let worker_sets: Vec<SetSeen<'_>> = (self.workers.iter())
            .map(|(index, set)| {
                let (name, group_index) = &names[index];
                SetSeen {
                    name,
                    group_index,
                    key: &set.key,
                    replicas: set.replicas,
                    available: set.available,
                    is_on_one_revision: set.is_on_one_revision,
                }
            })
            .collect();
        reconcile(&Observed {
            lws: &self.lws,
            encoded: &self.encoded,
            leader_set: self.set.as_ref().map(|set| LeaderSetSeen {
                key: &set.key,
                replicas_annotation: Some(&set.replicas_annotation),
                is_deleting: false,
                replicas: set.replicas,
                partition: set.partition,
                status_replicas: i32::try_from(self.leaders.len()).unwrap(),
                surge_kept: set.surge_kept.as_deref(),
                has_later_label: set.has_later_label,
            }),
            revisions: &self.revisions,
            leader_pods: &leader_pods,
            worker_sets: &worker_sets,
            has_shared_service: self.has_service,
            now: jiff::Timestamp::from_second(1_000_000).unwrap(),
            fixes: self.fixes,
            is_later_version: self.is_later_version,
        })
    }

    /// Runs one pass of the LWS controller.
    pub(super) fn pass(&mut self) -> Plan {
        let plan = self.plan();
        self.carry_out(&plan);
        plan
    }

    /// Runs the pod controller once on every pod.
    pub(super) fn pod_passes(&mut self) {
        for index in self.leaders.keys().copied().collect::<Vec<_>>() {
            self.pod_pass(index, 0);
        }
        for (group, worker) in self.worker_pods.keys().copied().collect::<Vec<_>>() {
            self.pod_pass(group, worker);
        }
    }

    fn pod_pass(&mut self, group: i32, worker: i32) {
        let leader_name = format!("{NAME}-{group}");
        let name =
            if worker == 0 { leader_name.clone() } else { format!("{leader_name}-{worker}") };
        let (group_index, worker_index) = (group.to_string(), worker.to_string());
        let seen = |name, worker_index, pod: &Pod| -> PodSeen<'_> {
            PodSeen {
                namespace: "default",
                name,
                uid: pod.uid,
                lws_name: NAME,
                worker_index: Some(worker_index),
                group_index: &group_index,
                group_key: "group-key",
                key: "",
                has_leader_name: false,
                is_deleting: pod.is_deleting,
                phase: pod.phase,
                is_ready: pod.is_ready,
                has_restarted: false,
                node: "",
                owner: pod.leader.map(|uid| OwnerSeen { kind: "Pod", name: &leader_name, uid }),
                requests_tpus: false,
            }
        };
        let leader = self.leaders.get(&group);
        let Some(pod) = (if worker == 0 { leader } else { self.worker_pods.get(&(group, worker)) })
        else {
            return;
        };
        let mates = self.worker_pods.range((group, 0)..(group + 1, 0)).map(|(_, pod)| pod);
        let group_pods: Vec<GroupPodSeen> =
            leader.into_iter().chain(mates).map(|pod| GroupPodSeen { phase: pod.phase }).collect();
        let plan = pod::reconcile_pod(&PodObserved {
            pod: PodSeen { key: &pod.key, ..seen(&name, &worker_index, pod) },
            lws: Some(&self.lws),
            leader: leader.map(|pod| PodSeen { key: &pod.key, ..seen(&leader_name, "0", pod) }),
            group_pods: &group_pods,
            owner_set_owner: None,
            has_worker_set: self.workers.contains_key(&group),
            has_pod_service: self.group_services.contains(&group),
            revisions: &self.revisions,
            node_domain: NodeDomain::Unbound,
            extras: PodExtras { fixes: self.fixes, ..PodExtras::default() },
        });
        self.carry_out(&plan);
    }

    /// Carries a plan out; nothing can fail here.
    fn carry_out(&mut self, plan: &Plan) {
        for action in &plan.actions {
            match action {
                Action::CreateRevision(new) => self.revisions.push(Arc::new(Revision {
                    name: new.name.clone(),
                    number: new.number,
                    key: Arc::clone(&new.key),
                    data: Arc::clone(&new.data),
                    template: Arc::new(self.lws.spec.leader_worker_template.clone()),
                    network_config: self.lws.spec.network_config.clone(),
                    owner: Some(Uid(7)),
                })),
                Action::ApplyLeaderSet(apply) => {
                    let body = objects::leader_set(&self.lws, apply);
                    // A StatefulSet without pods has nothing to replace: its next sync takes the revision over. Where that
                    // sync comes late, upstream may make a leader of a revision that LWS has deleted by then, and the
                    // group never gets workers; here it comes in time.
                    let current_key = match &self.set {
                        Some(set) if set.replicas > 0 || !self.leaders.is_empty() => {
                            set.current_key.clone()
                        }
                        _ => apply.key.to_string(),
                    };
                    let (partition, max_unavailable) = body.rolling_update.unwrap();
                    self.set = Some(LeaderSet {
                        key: body.labels[crate::api::keys::REVISION].clone(),
                        replicas_annotation: body.annotations[crate::api::keys::REPLICAS].clone(),
                        replicas: body.replicas,
                        partition,
                        max_unavailable,
                        surge_kept: body.annotations.get(crate::api::keys::SURGE_KEPT).cloned(),
                        has_later_label: apply.has_later_label,
                        current_key,
                    });
                }
                Action::CreateService(body) if body.owner.kind == "Pod" => {
                    self.group_services.insert(index_in(&body.name));
                }
                Action::CreateService(_) => self.has_service = true,
                Action::CreateWorkerSet(body) => {
                    let workers = Workers {
                        key: body.labels[crate::api::keys::REVISION].clone(),
                        replicas: body.replicas,
                        size_annotation: body.template.annotations[crate::api::keys::SIZE].clone(),
                        available: 0,
                        is_on_one_revision: true,
                    };
                    self.workers.insert(index_in(&body.name), workers);
                }
                Action::UpdateStatus(status) => self.lws.status = Some((**status).clone()),
                Action::DeleteRevision { name } => {
                    self.revisions.retain(|revision| revision.name != *name);
                }
                Action::DeletePodForeground { name } => {
                    self.leaders.get_mut(&index_in(name)).unwrap().is_deleting = true;
                }
                Action::DeletePodForced { name } => panic!("no node is ever lost, but {name} goes"),
                Action::Emit(event) => self.events.push(event.clone()),
            }
        }
    }

    /// Adds a leader that has not started.
    pub(super) fn add_leader(&mut self, index: i32, key: String) {
        let pod = self.new_pod(key, None);
        self.leaders.insert(index, pod);
    }

    /// Adds the worker pods of a group; its leader owns them.
    pub(super) fn add_workers(&mut self, group: i32) {
        let leader = self.leaders[&group].clone();
        for worker in 1..self.size() {
            let pod = self.new_pod(leader.key.clone(), Some(leader.uid));
            self.worker_pods.insert((group, worker), pod);
        }
    }

    fn new_pod(&mut self, key: String, leader: Option<Uid>) -> Pod {
        self.uid_next += 1;
        let uid = Uid(self.uid_next);
        Pod {
            uid,
            key,
            phase: Phase::Pending,
            is_ready: false,
            is_deleting: false,
            is_unschedulable: false,
            leader,
        }
    }

    /// Removes a leader and all that it owns.
    pub(super) fn remove_leader(&mut self, index: i32) {
        self.leaders.remove(&index);
        self.workers.remove(&index);
        self.worker_pods.retain(|(group, _), _| *group != index);
        self.group_services.remove(&index);
    }

    /// Makes a group ready or takes its readiness away.
    pub(super) fn set_ready(&mut self, index: i32, is_ready: bool) {
        if let Some(leader) = self.leaders.get_mut(&index) {
            leader.phase = Phase::Running;
            leader.is_ready = is_ready;
        }
        if let Some(workers) = self.workers.get_mut(&index) {
            workers.available = if is_ready { workers.replicas } else { 0 };
        }
    }

    /// Does all that the StatefulSet controller and the pod controller would do about the leaders.
    pub(super) fn act(&mut self) {
        let Some(set) = self.set.clone() else { return };
        for index in self.leaders.keys().copied().collect::<Vec<_>>() {
            let is_stale = index >= set.partition && self.leaders[&index].key != set.key;
            if is_stale || index >= set.replicas {
                self.remove_leader(index);
            }
        }
        for index in 0..set.replicas {
            if !self.leaders.contains_key(&index) {
                let key = if index < set.partition { &set.current_key } else { &set.key };
                self.add_leader(index, key.clone());
            }
        }
        if self.leaders.values().all(|pod| pod.key == set.key && pod.is_ready) {
            self.set.as_mut().unwrap().current_key = set.key;
        }
        self.pod_passes();
    }

    /// Runs passes, each followed by the StatefulSet controller, until nothing changes.
    pub(super) fn settle(&mut self) {
        self.repeat(Self::act);
    }

    /// Runs passes of both LWS controllers until nothing changes, with nobody to play the StatefulSet controller.
    pub(super) fn settle_alone(&mut self) {
        self.repeat(Self::pod_passes);
    }

    fn repeat(&mut self, follow: impl Fn(&mut Self)) {
        for _ in 0..PASSES_MAX {
            let before = self.clone();
            self.pass();
            follow(self);
            if *self == before {
                return;
            }
        }
        panic!("no rest after {PASSES_MAX} passes: {:?}", self.events);
    }

    /// Draws the groups: the version that `version_of` knows, and `+` for ready or `-`.
    pub(super) fn draw(&self, version_of: &BTreeMap<String, u32>) -> String {
        let draw = |(index, leader): (&i32, &Pod)| {
            let workers = self.workers.get(index);
            let is_ready = leader.is_ready
                && workers.is_none_or(|workers| workers.available == workers.replicas);
            format!("{}{}", version_of[&leader.key], if is_ready { '+' } else { '-' })
        };
        self.leaders.iter().map(draw).collect()
    }

    /// Returns the status of a condition, if stored.
    pub(super) fn condition(&self, type_: &str) -> Option<&str> {
        let conditions = &self.lws.status.as_ref()?.conditions;
        conditions
            .iter()
            .find(|condition| condition.type_ == type_)
            .map(|condition| condition.status.as_str())
    }
}

fn index_in(name: &str) -> i32 {
    name.rsplit('-').next().unwrap().parse().unwrap()
}
