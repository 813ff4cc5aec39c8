//! The pod controller: one pass over one pod (`PC:Reconcile` of LWS v0.10).
//!
//! Makes the worker StatefulSet and the Service of a group once its leader is there, and deletes a leader whose group
//! has to start anew. Deleting everything below the leader is garbage collection's.

use super::fixes::{Fix, PodExtras};
use super::lws::newest_with_key;
use super::objects;
use super::observed::{NodeDomain, OwnerSeen, Phase, PodObserved, PodSeen};
use super::plan::{Action, EventNote, Plan, Requeue};
use super::spec;
use crate::api::lws::LeaderWorkerSet;
use crate::api::{keys, names};
use crate::engine::Span;

/// How long a leader waits for the revision that its label names (`PC:Reconcile`).
const MISSING_REVISION_REQUEUE: Span = Span::from_secs(1);

/// Decides the next writes for one pod of a set.
pub fn reconcile_pod(seen: &PodObserved<'_>) -> Plan {
    let pod = &seen.pod;
    if pod.lws_name.is_empty() {
        return Plan::error(format!("expected label {} on pod {}", keys::NAME, pod.name));
    }
    let Some(worker_index) = pod.worker_index else {
        return Plan::error(format!("expected label {} on pod {}", keys::WORKER_INDEX, pod.name));
    };
    let Some(lws) = seen.lws else { return Plan::default() };
    let forced = force_delete(seen);
    if let Some(mut plan) = plan_restart(seen, lws) {
        plan.actions.extend(forced);
        return plan;
    }
    if forced.is_some() {
        return Plan { actions: forced.into_iter().collect(), ..Plan::default() };
    }
    if worker_index != "0" {
        return Plan::default();
    }
    if pod.has_leader_name {
        return refuse_old_cluster(pod);
    }
    if pod.is_deleting {
        return Plan::default();
    }
    let mut plan = Plan::default();
    if !seen.has_pod_service && spec::is_unique_per_replica(lws.spec.network_config.as_ref()) {
        plan.actions.push(Action::CreateService(objects::group_service(lws, pod)));
    }
    plan_workers(seen, lws, &mut plan);
    plan
}

/// Plans the worker StatefulSet of a leader, if it is time for it and there is none.
fn plan_workers(seen: &PodObserved<'_>, lws: &LeaderWorkerSet, plan: &mut Plan) {
    let leader = &seen.pod;
    if spec::size(&lws.spec.leader_worker_template) == 1 {
        return; // The live size decides, whatever the leader's revision says (P7).
    }
    if lws.spec.startup_policy.as_deref() == Some("LeaderReady") && !leader.is_ready {
        return;
    }
    let Some(revision) = newest_with_key(seen.revisions, spec::uid(lws), leader.key) else {
        plan.requeue = Requeue::After(MISSING_REVISION_REQUEUE);
        return;
    };
    // Presence decides, even of an empty annotation.
    let topology_key = spec::annotation(lws, keys::EXCLUSIVE_TOPOLOGY);
    let domain = match (topology_key, seen.node_domain) {
        (None, _) => None,
        (Some(_), _) if leader.node.is_empty() => return,
        (Some(_), NodeDomain::Unbound) => return,
        (Some(_), NodeDomain::NoNode) => {
            plan.requeue = Requeue::Error(format!("nodes {:?} not found", leader.node));
            return;
        }
        (Some(key), NodeDomain::NoLabel) => {
            plan.requeue = Requeue::Error(format!(
                "node {:?} does not have topology label {key:?}",
                leader.node
            ));
            return;
        }
        (Some(key), NodeDomain::Value(value)) => Some((key, value)),
    };
    if seen.has_worker_set {
        return; // Whoever owns it: one of the leader's predecessor will go and wake this pass again.
    }
    plan.actions.push(Action::CreateWorkerSet(Box::new(objects::worker_set(
        lws, revision, leader, domain,
    ))));
    let note = format!("Created worker statefulset for leader pod {}", leader.name);
    plan.emit(about(leader, EventNote::normal("GroupsProgressing", "Create", note)));
}

/// Returns the plan for a leader that carries a worker's annotation: the cluster ignored the first ordinal.
fn refuse_old_cluster(pod: &PodSeen<'_>) -> Plan {
    let note = format!(
        "leader pod {}/{} contains mistake annotation '{}': requires Kubernetes ≥v1.27 or v1.26 with StatefulSetStartOrdinal feature",
        pod.namespace,
        pod.name,
        keys::LEADER_NAME
    );
    let mut plan = Plan::default();
    plan.emit(about(pod, EventNote::warning("FailedCreate", "Create", note)));
    plan
}

/// Deletes a pod by force that nobody can confirm the end of, since its node is lost (fix B6).
///
/// Whatever runs on a node that is only cut off then runs beside its replacement, which upstream never risks.
fn force_delete(seen: &PodObserved<'_>) -> Option<Action> {
    let is_hopeless =
        seen.extras.fixes.has(Fix::B6) && seen.pod.is_deleting && seen.extras.is_node_lost;
    is_hopeless.then(|| Action::DeletePodForced { name: seen.pod.name.to_owned() })
}

/// Returns the plan if the restart policy ends the pass.
fn plan_restart(seen: &PodObserved<'_>, lws: &LeaderWorkerSet) -> Option<Plan> {
    let mut cause = &seen.pod;
    let mut outcome = restart(seen, cause, lws);
    if matches!(outcome, Restart::Stay)
        && seen.extras.fixes.has(Fix::B1)
        && let Some(lost) = &seen.extras.lost
        && lost.owner == seen.pod.owner
    {
        cause = lost;
        outcome = restart(seen, cause, lws);
    }
    match outcome {
        Restart::Stay => None,
        Restart::Leaving => Some(Plan::default()),
        Restart::Recreate(leader) => Some(recreate(seen, cause, leader)),
        Restart::Unreadable => {
            Some(Plan::error(format!("parsing pod name for pod {}", cause.name)))
        }
    }
}

/// What the restart policy makes of a pod.
enum Restart<'a> {
    /// Nothing: the pass goes on.
    Stay,
    /// The leader is being deleted already.
    Leaving,
    /// The leader has to be deleted.
    Recreate(&'a PodSeen<'a>),
    /// The pod's name has no ordinal.
    Unreadable,
}

/// Applies the restart policy to `pod`, which is the observed one or one that was lost (`PC:handleRestartPolicy`).
fn restart<'a>(
    seen: &'a PodObserved<'a>,
    pod: &'a PodSeen<'a>,
    lws: &LeaderWorkerSet,
) -> Restart<'a> {
    let template = &lws.spec.leader_worker_template;
    let waits_for_start =
        match template.restart_policy.as_deref().unwrap_or("RecreateGroupOnPodRestart") {
            "RecreateGroupOnPodRestart" => {
                spec::annotation(lws, keys::RECREATE_AFTER_START).is_some()
            }
            "RecreateGroupAfterStart" => true,
            _ => return Restart::Stay,
        };
    let has_restarted = pod.has_restarted && matches!(pod.phase, Phase::Running | Phase::Pending);
    if !pod.is_deleting && !has_restarted {
        return Restart::Stay;
    }
    if waits_for_start && (is_starting(seen, pod, lws) || is_forgiven(&seen.extras, pod)) {
        return Restart::Stay;
    }
    let leader = if pod.worker_index == Some("0") {
        pod
    } else {
        if names::parent_and_ordinal(pod.name).1 < 0 {
            return Restart::Unreadable;
        }
        match &seen.leader {
            Some(leader) if leader.key == pod.key && is_of_leader(seen, pod, leader) => leader,
            // Gone, replaced by another revision, or by another incarnation.
            _ => return Restart::Stay,
        }
    };
    if leader.is_deleting { Restart::Leaving } else { Restart::Recreate(leader) }
}

/// Returns whether the group has not started in full; pods that terminate count as present (P3).
///
/// Upstream compares with the live size, so that groups of an older size never count as started (B5).
fn is_starting(seen: &PodObserved<'_>, pod: &PodSeen<'_>, lws: &LeaderWorkerSet) -> bool {
    let of_revision = || newest_with_key(seen.revisions, spec::uid(lws), pod.key);
    let template = match seen.extras.fixes.has(Fix::B5).then(of_revision).flatten() {
        Some(revision) => &*revision.template,
        None => &lws.spec.leader_worker_template,
    };
    // The replacement of a lost pod (fix B1) had not started when its predecessor went.
    let replacement = seen.pod.uid != pod.uid && seen.pod.phase == Phase::Pending;
    let pending = seen.group_pods.iter().filter(|pod| pod.phase == Phase::Pending).count();
    usize::try_from(spec::size(template)) != Ok(seen.group_pods.len())
        || pending > usize::from(replacement)
}

/// Returns whether a restart is forgiven, since another pod of the group had yet to start when it happened (fix B5).
///
/// A restart count never falls, so that upstream holds it against the group as soon as all of its pods run.
fn is_forgiven(extras: &PodExtras<'_>, pod: &PodSeen<'_>) -> bool {
    extras.fixes.has(Fix::B5)
        && !pod.is_deleting
        && extras.started_at.is_none_or(|started| Some(started) < extras.others_started_at)
}

/// Returns whether the pod belongs to this incarnation of the leader, directly or through its StatefulSet.
fn is_of_leader(seen: &PodObserved<'_>, pod: &PodSeen<'_>, leader: &PodSeen<'_>) -> bool {
    let is_leader = |owner: OwnerSeen<'_>| {
        owner.kind == "Pod" && owner.name == leader.name && owner.uid == leader.uid
    };
    match pod.owner {
        Some(owner) if owner.kind == "StatefulSet" => seen.owner_set_owner.is_some_and(is_leader),
        Some(owner) => is_leader(owner),
        None => false,
    }
}

/// Deletes the leader, and with it its group; the note says "worker" of a leader's own restart too (P6).
///
/// Upstream does so at once, every time (B7).
fn recreate(seen: &PodObserved<'_>, pod: &PodSeen<'_>, leader: &PodSeen<'_>) -> Plan {
    let extras = &seen.extras;
    if extras.fixes.has(Fix::B7) {
        let wait = extras.recreations.wait(extras.now);
        if wait > Span::ZERO {
            return Plan { requeue: Requeue::After(wait), ..Plan::default() };
        }
    }
    let mut plan = Plan::default();
    plan.actions.push(Action::DeletePodForeground { name: leader.name.to_owned() });
    let note = format!(
        "Worker pod {} failed, deleted leader pod {} to recreate group {}",
        pod.name, leader.name, leader.group_index
    );
    plan.emit(about(leader, EventNote::normal("RecreateGroup", "Delete", note)));
    plan
}

fn about(pod: &PodSeen<'_>, event: EventNote) -> EventNote {
    EventNote { related_pod: Some((pod.name.to_owned(), pod.uid)), ..event }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Uid;
    use crate::api::lws::NetworkConfig;
    use crate::controller::fixes::{Fixes, Recreations};
    use crate::controller::model::sample;
    use crate::controller::observed::{GroupPodSeen, Revision};
    use crate::controller::revision;
    use crate::vectors;
    use proptest::prelude::*;
    use serde_json::Value;
    use std::sync::Arc;

    const LEADER_UID: Uid = Uid(50);

    fn leader() -> PodSeen<'static> {
        PodSeen {
            namespace: "default",
            name: "test-sample-1",
            uid: LEADER_UID,
            lws_name: "test-sample",
            worker_index: Some("0"),
            group_index: "1",
            group_key: "group-key",
            key: "key",
            has_leader_name: false,
            is_deleting: false,
            phase: Phase::Running,
            is_ready: true,
            has_restarted: false,
            node: "node-1",
            owner: None,
            requests_tpus: false,
        }
    }

    fn worker() -> PodSeen<'static> {
        let owner = OwnerSeen { kind: "StatefulSet", name: "test-sample-1", uid: Uid(60) };
        PodSeen {
            name: "test-sample-1-1",
            uid: Uid(51),
            worker_index: Some("1"),
            owner: Some(owner),
            ..leader()
        }
    }

    fn revisions(lws: &LeaderWorkerSet) -> Vec<Arc<Revision>> {
        let data = revision::encode(lws);
        vec![Arc::new(revision::from_parts("r", 1, "key", &data, Some(Uid(7))).unwrap())]
    }

    /// Draws a plan: one line an action, then the requeue.
    fn drawn(plan: &Plan) -> String {
        let mut lines: Vec<String> = Vec::new();
        for action in &plan.actions {
            lines.push(match action {
                Action::CreateService(body) => format!("service {}", body.name),
                Action::CreateWorkerSet(body) => {
                    format!("workers {} {:?}", body.name, body.template.node_selector)
                }
                Action::DeletePodForeground { name } => format!("delete {name}"),
                Action::DeletePodForced { name } => format!("force {name}"),
                Action::Emit(event) => {
                    format!("{} {}", event.reason, event.related_pod.as_ref().unwrap().0)
                }
                other => panic!("a pod pass never does {other:?}"),
            });
        }
        match &plan.requeue {
            Requeue::No => {}
            Requeue::After(span) => lines.push(format!("after {}s", span.as_secs_f64())),
            Requeue::Error(error) => lines.push(format!("error {error}")),
        }
        lines.join("; ")
    }

    /// Runs a pass over a leader of a group of two without workers, changed as `change` says.
    fn check_leader(
        change: impl FnOnce(&mut LeaderWorkerSet, &mut PodObserved<'_>),
        expected: &str,
    ) {
        let mut lws = sample(2);
        let revisions = revisions(&lws);
        let group_pods = [GroupPodSeen { phase: Phase::Running }];
        let mut seen = PodObserved {
            pod: leader(),
            lws: None,
            leader: None,
            group_pods: &group_pods,
            owner_set_owner: None,
            has_worker_set: false,
            has_pod_service: false,
            revisions: &revisions,
            node_domain: NodeDomain::Unbound,
            extras: PodExtras::default(),
        };
        change(&mut lws, &mut seen);
        let seen = PodObserved { lws: Some(&lws), leader: Some(seen.pod), ..seen };
        assert_eq!(drawn(&reconcile_pod(&seen)), expected);
    }

    fn annotate(lws: &mut LeaderWorkerSet, key: &str, value: &str) {
        lws.metadata.annotations.get_or_insert_default().insert(key.to_owned(), value.to_owned());
    }

    const CREATED: &str = "workers test-sample-1 {}; GroupsProgressing test-sample-1";

    #[test]
    fn a_leader_gets_its_workers_once() {
        check_leader(|_, _| {}, CREATED);
        check_leader(|_, seen| seen.has_worker_set = true, "");
        check_leader(|_, seen| seen.pod.is_ready = false, CREATED);
        check_leader(|lws, _| lws.spec.leader_worker_template.size = Some(1), "");
        check_leader(|_, seen| seen.pod.key = "gone", "after 1s");
        check_leader(|_, seen| seen.pod.worker_index = Some("1"), "");
        check_leader(|_, seen| seen.pod.has_leader_name = true, "FailedCreate test-sample-1");
    }

    #[test]
    fn a_set_may_wait_for_ready_leaders() {
        let waits =
            |lws: &mut LeaderWorkerSet| lws.spec.startup_policy = Some("LeaderReady".to_owned());
        check_leader(|lws, _| waits(lws), CREATED);
        let not_ready = |lws: &mut LeaderWorkerSet, seen: &mut PodObserved<'_>| {
            waits(lws);
            seen.pod.is_ready = false;
        };
        check_leader(not_ready, "");
    }

    #[test]
    fn each_group_may_have_a_service_of_its_own() {
        let unique = |lws: &mut LeaderWorkerSet| {
            lws.spec.network_config =
                Some(NetworkConfig { subdomain_policy: Some("UniquePerReplica".to_owned()) });
        };
        check_leader(|lws, _| unique(lws), &format!("service test-sample-1; {CREATED}"));
        let exists = |lws: &mut LeaderWorkerSet, seen: &mut PodObserved<'_>| {
            unique(lws);
            seen.has_pod_service = true;
        };
        check_leader(exists, CREATED);
        // UT-POD-009: a leader that goes gets none.
        let leaves = |lws: &mut LeaderWorkerSet, seen: &mut PodObserved<'_>| {
            unique(lws);
            seen.pod.is_deleting = true;
        };
        check_leader(leaves, "");
    }

    #[test]
    fn an_exclusive_group_follows_its_leader() {
        let check =
            |node: &'static str, domain: NodeDomain<'static>, value: &str, expected: &str| {
                check_leader(
                    |lws, seen| {
                        annotate(lws, keys::EXCLUSIVE_TOPOLOGY, value);
                        seen.pod.node = node;
                        seen.node_domain = domain;
                    },
                    expected,
                );
            };
        let pinned = "workers test-sample-1 {\"rack\": \"r7\"}; GroupsProgressing test-sample-1";
        check("node-1", NodeDomain::Value("r7"), "rack", pinned);
        check("", NodeDomain::Unbound, "rack", "");
        check("", NodeDomain::Unbound, "", "");
        check("node-1", NodeDomain::NoNode, "rack", "error nodes \"node-1\" not found");
        check(
            "node-1",
            NodeDomain::NoLabel,
            "rack",
            "error node \"node-1\" does not have topology label \"rack\"",
        );
    }

    #[test]
    fn a_pod_without_its_labels_is_an_error_and_one_without_a_set_is_left_alone() {
        let seen = PodObserved {
            pod: leader(),
            lws: None,
            leader: None,
            group_pods: &[],
            owner_set_owner: None,
            has_worker_set: false,
            has_pod_service: false,
            revisions: &[],
            node_domain: NodeDomain::Unbound,
            extras: PodExtras::default(),
        };
        let check = |pod: PodSeen<'static>, is_error: bool| {
            let plan = reconcile_pod(&PodObserved { pod, ..seen });
            assert_eq!(matches!(plan.requeue, Requeue::Error(_)), is_error, "{pod:?}");
            assert!(plan.actions.is_empty());
        };
        check(leader(), false);
        check(PodSeen { lws_name: "", ..leader() }, true);
        check(PodSeen { worker_index: None, ..leader() }, true);
    }

    const RECREATED: &str = "delete test-sample-1; RecreateGroup test-sample-1";

    #[derive(Clone, Copy)]
    struct Incident<'a> {
        policy: &'static str,
        pod: PodSeen<'a>,
        leader: Option<PodSeen<'a>>,
        set_owner: Option<OwnerSeen<'a>>,
        phases: &'a [Phase],
    }

    fn incident() -> Incident<'static> {
        Incident {
            policy: "RecreateGroupOnPodRestart",
            pod: PodSeen { is_deleting: true, ..worker() },
            leader: Some(leader()),
            set_owner: Some(OwnerSeen { kind: "Pod", name: "test-sample-1", uid: LEADER_UID }),
            phases: &[Phase::Running, Phase::Running],
        }
    }

    fn plan_for(incident: &Incident<'_>, after_start: bool) -> Plan {
        let mut lws = sample(2);
        lws.spec.leader_worker_template.restart_policy = Some(incident.policy.to_owned());
        if after_start {
            annotate(&mut lws, keys::RECREATE_AFTER_START, "");
        }
        let group_pods: Vec<GroupPodSeen> =
            incident.phases.iter().map(|phase| GroupPodSeen { phase: *phase }).collect();
        reconcile_pod(&PodObserved {
            pod: incident.pod,
            lws: Some(&lws),
            leader: incident.leader,
            group_pods: &group_pods,
            owner_set_owner: incident.set_owner,
            has_worker_set: true,
            has_pod_service: false,
            revisions: &[],
            node_domain: NodeDomain::Unbound,
            extras: PodExtras::default(),
        })
    }

    fn check_incident(incident: &Incident<'_>, expected: &str) {
        assert_eq!(drawn(&plan_for(incident, false)), expected);
    }

    #[test]
    fn a_lost_or_restarted_worker_takes_its_group_along() {
        check_incident(&incident(), RECREATED);
        let restarted = PodSeen { has_restarted: true, ..worker() };
        check_incident(&Incident { pod: restarted, ..incident() }, RECREATED);
        let failed = PodSeen { phase: Phase::Failed, ..restarted };
        check_incident(&Incident { pod: failed, ..incident() }, "");
        check_incident(&Incident { pod: worker(), ..incident() }, "");
        let unreadable = PodSeen { name: "odd", is_deleting: true, ..worker() };
        check_incident(
            &Incident { pod: unreadable, ..incident() },
            "error parsing pod name for pod odd",
        );
    }

    #[test]
    fn a_container_counts_as_restarted_where_upstream_says_so() {
        vectors::each("lws-utils.yaml", "container_restarted", |row: Value| {
            let phase = match row["phase"].as_str().unwrap() {
                "Running" => Phase::Running,
                "Pending" => Phase::Pending,
                "Failed" => Phase::Failed,
                other => panic!("{other}"),
            };
            let counts = [&row["init"], &row["main"]].map(|counts| counts.as_array().unwrap());
            let has_restarted = counts.into_iter().flatten().any(|count| *count != 0);
            let pod = PodSeen { phase, has_restarted, ..worker() };
            let expected = if row["want"] == true { RECREATED } else { "" };
            check_incident(&Incident { pod, ..incident() }, expected);
        });
    }

    /// Runs a pass over the pod of an incident with a bug repaired or not.
    fn check_repair(
        incident: &Incident<'_>,
        fix: Fix,
        extras: &PodExtras<'_>,
        revisions: &[Arc<Revision>],
        (upstream, repaired): (&str, &str),
    ) {
        let mut lws = sample(2);
        lws.spec.leader_worker_template.restart_policy = Some(incident.policy.to_owned());
        let group_pods: Vec<GroupPodSeen> =
            incident.phases.iter().map(|phase| GroupPodSeen { phase: *phase }).collect();
        for (fixes, expected) in
            [(Fixes::default(), upstream), ([fix].into_iter().collect(), repaired)]
        {
            let plan = reconcile_pod(&PodObserved {
                pod: incident.pod,
                lws: Some(&lws),
                leader: incident.leader,
                group_pods: &group_pods,
                owner_set_owner: incident.set_owner,
                has_worker_set: true,
                has_pod_service: false,
                revisions,
                node_domain: NodeDomain::Unbound,
                extras: PodExtras { fixes, ..*extras },
            });
            assert_eq!(drawn(&plan), expected, "{fix:?}");
        }
    }

    #[test]
    fn a_worker_that_was_replaced_unseen_is_remembered_under_b1() {
        let young = PodSeen { uid: Uid(77), phase: Phase::Pending, ..worker() };
        let incident = Incident { pod: young, ..incident() };
        let gone = PodSeen { is_deleting: true, ..worker() };
        let check = |incident: &Incident<'_>, lost: PodSeen<'_>, repaired: &str| {
            let extras = PodExtras { lost: Some(lost), ..PodExtras::default() };
            check_repair(incident, Fix::B1, &extras, &[], ("", repaired));
        };
        check(&incident, gone, RECREATED);
        let other = OwnerSeen { kind: "StatefulSet", name: "test-sample-1", uid: Uid(61) };
        check(&incident, PodSeen { owner: Some(other), ..gone }, "");
        check(&incident, PodSeen { key: "older", ..gone }, "");
        let leaving = PodSeen { is_deleting: true, ..leader() };
        check(&Incident { leader: Some(leaving), ..incident }, gone, "");
        // With a group that had started, the replacement's own start counts for nothing.
        let after = Incident {
            policy: "RecreateGroupAfterStart",
            phases: &[Phase::Running, Phase::Pending],
            ..incident
        };
        check(&after, gone, RECREATED);
        check(&Incident { phases: &[Phase::Pending, Phase::Pending], ..after }, gone, "");
    }

    #[test]
    fn restarts_before_the_last_start_are_forgiven_under_b5() {
        let at = |second: i64| Some(jiff::Timestamp::from_second(second).unwrap());
        let restarted = PodSeen { has_restarted: true, ..worker() };
        let incident = Incident { policy: "RecreateGroupAfterStart", pod: restarted, ..incident() };
        let check = |own: i64, others: i64, repaired: &str| {
            let extras = PodExtras {
                started_at: at(own),
                others_started_at: at(others),
                ..PodExtras::default()
            };
            check_repair(&incident, Fix::B5, &extras, &[], (RECREATED, repaired));
        };
        check(10, 20, "");
        check(20, 10, RECREATED);
    }

    #[test]
    fn the_size_of_the_revision_says_when_a_group_is_whole_under_b5() {
        let mut old = sample(2);
        old.spec.leader_worker_template.size = Some(3);
        let revisions = revisions(&old);
        let phases = [Phase::Running; 3];
        let incident =
            Incident { policy: "RecreateGroupAfterStart", phases: &phases, ..incident() };
        let extras = PodExtras::default();
        check_repair(&incident, Fix::B5, &extras, &revisions, ("", RECREATED));
    }

    #[test]
    fn pods_on_lost_nodes_go_by_force_under_b6() {
        let extras = PodExtras { is_node_lost: true, ..PodExtras::default() };
        let forced = "force test-sample-1-1";
        let leaving = PodSeen { is_deleting: true, ..leader() };
        let late = Incident { leader: Some(leaving), ..incident() };
        check_repair(&late, Fix::B6, &extras, &[], ("", forced));
        let both = format!("{RECREATED}; {forced}");
        check_repair(&incident(), Fix::B6, &extras, &[], (RECREATED, &both));
        let alive = Incident { pod: worker(), ..incident() };
        check_repair(&alive, Fix::B6, &extras, &[], ("", ""));
        check_repair(&late, Fix::B6, &PodExtras::default(), &[], ("", ""));
    }

    #[test]
    fn recreations_back_off_under_b7() {
        let at = |second: i64| jiff::Timestamp::from_second(second).unwrap();
        let recreations = Recreations::default().once_more(at(100));
        let extras = PodExtras { recreations, now: at(104), ..PodExtras::default() };
        check_repair(&incident(), Fix::B7, &extras, &[], (RECREATED, "after 6s"));
        let late = PodExtras { now: at(110), ..extras };
        check_repair(&incident(), Fix::B7, &late, &[], (RECREATED, RECREATED));
    }

    #[test]
    fn a_leaders_own_restart_takes_its_group_along() {
        let restarted = PodSeen { has_restarted: true, ..leader() };
        check_incident(
            &Incident { pod: restarted, leader: Some(restarted), ..incident() },
            RECREATED,
        );
        let deleted = PodSeen { is_deleting: true, ..leader() };
        check_incident(&Incident { pod: deleted, leader: Some(deleted), ..incident() }, "");
    }

    #[test]
    fn a_worker_of_another_leader_harms_nobody() {
        let check = |change: fn(&mut Incident<'_>)| {
            let mut incident = incident();
            change(&mut incident);
            check_incident(&incident, "");
        };
        check(|incident| incident.leader = None);
        check(|incident| incident.leader.as_mut().unwrap().key = "newer");
        check(|incident| incident.leader.as_mut().unwrap().uid = Uid(99));
        check(|incident| incident.set_owner = None);
        check(|incident| incident.set_owner.as_mut().unwrap().name = "test-sample-2");
        check(|incident| incident.pod.owner = None);
        check(|incident| incident.leader.as_mut().unwrap().is_deleting = true);
    }

    #[test]
    fn a_set_may_wait_with_restarts_until_the_group_has_started() {
        let check = |policy: &'static str, after_start: bool, phases: &[Phase], expected: &str| {
            let incident = Incident { policy, phases, ..incident() };
            assert_eq!(
                drawn(&plan_for(&incident, after_start)),
                expected,
                "{policy} {after_start} {phases:?}"
            );
        };
        let started = [Phase::Running, Phase::Running];
        let pending = [Phase::Running, Phase::Pending];
        let missing = [Phase::Running];
        for (policy, after_start) in
            [("RecreateGroupAfterStart", false), ("RecreateGroupOnPodRestart", true)]
        {
            check(policy, after_start, &started, RECREATED);
            check(policy, after_start, &pending, "");
            check(policy, after_start, &missing, "");
        }
        check("RecreateGroupOnPodRestart", false, &pending, RECREATED);
        check("None", true, &started, "");
        check("Default", false, &started, "");
    }

    #[test]
    fn events_say_what_upstream_says() {
        let plan = plan_for(&incident(), false);
        let Action::Emit(event) = &plan.actions[1] else { panic!("{plan:?}") };
        let note = "Worker pod test-sample-1-1 failed, deleted leader pod test-sample-1 to recreate group 1";
        assert_eq!((event.is_warning, event.action, &*event.note), (false, "Delete", note));
        let event = &refuse_old_cluster(&leader()).actions[0];
        let Action::Emit(event) = event else { panic!("{event:?}") };
        let note = "leader pod default/test-sample-1 contains mistake annotation \
                    'leaderworkerset.sigs.k8s.io/leader-name': requires Kubernetes ≥v1.27 or v1.26 with \
                    StatefulSetStartOrdinal feature";
        assert_eq!((event.is_warning, event.action, &*event.note), (true, "Create", note));
    }

    fn any_phase() -> impl Strategy<Value = Phase> {
        use Phase::{Failed, Pending, Running, Succeeded, Unknown};
        prop::sample::select(vec![Pending, Running, Succeeded, Failed, Unknown])
    }

    fn any_uid() -> impl Strategy<Value = Uid> {
        prop::sample::select(vec![LEADER_UID, Uid(60), Uid(99)])
    }

    proptest! {
        #[test]
        fn only_a_pod_of_this_incarnation_can_end_a_group(
            (policy, after_start) in (prop::sample::select(vec![
                "None", "Default", "RecreateGroupOnPodRestart", "RecreateGroupAfterStart",
            ]), any::<bool>()),
            (is_leader, is_deleting, has_restarted) in any::<(bool, bool, bool)>(),
            (phase, owner_uid, set_owner_uid) in (any_phase(), any_uid(), any_uid()),
            owner_kind in prop::sample::select(vec!["Pod", "StatefulSet", "Job"]),
            (leader_deleting, same_key) in any::<(bool, bool)>(),
        ) {
            let leader = PodSeen { is_deleting: leader_deleting, ..leader() };
            let base = if is_leader { leader } else { worker() };
            let owner = OwnerSeen { kind: owner_kind, name: "test-sample-1", uid: owner_uid };
            let key = if same_key { "key" } else { "older" };
            let pod = PodSeen { is_deleting, has_restarted, phase, owner: Some(owner), key, ..base };
            let set_owner = OwnerSeen { kind: "Pod", name: "test-sample-1", uid: set_owner_uid };
            let leader = if is_leader { pod } else { leader };
            let incident = Incident {
                policy, pod, leader: Some(leader), set_owner: Some(set_owner), phases: &[Phase::Running, Phase::Running],
            };
            let plan = plan_for(&incident, after_start);
            prop_assert_eq!(&plan, &plan_for(&incident, after_start));
            let deletes = plan.actions.iter().any(|action| matches!(action, Action::DeletePodForeground { .. }));
            let chain = match owner_kind {
                "Pod" => owner_uid == LEADER_UID,
                "StatefulSet" => set_owner_uid == LEADER_UID,
                _ => false,
            };
            let is_trigger = is_deleting || (has_restarted && matches!(phase, Phase::Running | Phase::Pending));
            let may = policy.starts_with("Recreate") && is_trigger && !leader.is_deleting
                && (is_leader || (chain && same_key));
            prop_assert_eq!(deletes, may);
        }

        #[test]
        fn workers_come_only_when_the_leader_allows_it(
            (waits, is_ready, is_exclusive, is_bound, has_label, has_set, is_deleting) in
                any::<(bool, bool, bool, bool, bool, bool, bool)>(),
        ) {
            let mut lws = sample(2);
            let revisions = revisions(&lws);
            if waits {
                lws.spec.startup_policy = Some("LeaderReady".to_owned());
            }
            if is_exclusive {
                annotate(&mut lws, keys::EXCLUSIVE_TOPOLOGY, "rack");
            }
            // None, so that a deleted leader is not recreated.
            lws.spec.leader_worker_template.restart_policy = Some("None".to_owned());
            let node = if is_bound { "node-1" } else { "" };
            let pod = PodSeen { is_deleting, is_ready, node, ..leader() };
            let node_domain = match (is_bound, has_label) {
                (false, _) => NodeDomain::Unbound,
                (true, false) => NodeDomain::NoLabel,
                (true, true) => NodeDomain::Value("r7"),
            };
            let seen = PodObserved {
                pod, lws: Some(&lws), leader: Some(pod), group_pods: &[], owner_set_owner: None, has_worker_set: has_set,
                has_pod_service: false, revisions: &revisions, node_domain,
                extras: PodExtras::default(),
            };
            let plan = reconcile_pod(&seen);
            let created = plan.actions.iter().find_map(|action| match action {
                Action::CreateWorkerSet(body) => Some(body),
                _ => None,
            });
            let may = !is_deleting && !has_set && (is_ready || !waits) && (!is_exclusive || (is_bound && has_label));
            prop_assert_eq!(created.is_some(), may);
            if let Some(body) = created {
                let selected = body.template.node_selector.get("rack").map(String::as_str);
                prop_assert_eq!(selected, is_exclusive.then_some("r7"));
            }
        }
    }
}
