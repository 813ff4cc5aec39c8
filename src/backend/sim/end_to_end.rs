//! Upstream's end-to-end tests (`test/e2e/e2e_test.go`, LWS 060ab4d) as runs of the simulated control plane.
//!
//! Left out are those that look at environment variables, which `controller::admission` tests, and at metrics (E2E-LWS-017).

use super::setup::{Action, PodChoice, Propagation};
use super::trial::{Trial, set_image, target};
use crate::backend::record::{Outcome, PodChange, Record, RunEnd, What};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

const SURGE: &str = "rolloutStrategy: {type: RollingUpdate, rollingUpdateConfiguration:";

fn run(spec: &str, action: Option<Action>) -> (Vec<Record>, RunEnd) {
    let trial = Trial::new(30, &format!("{{{spec}}}"));
    let trial = if let Some(action) = action { trial.then(action) } else { trial };
    let (records, end) = trial.run();
    assert_eq!(end.outcome, Outcome::Settled, "{spec}: {:?}", end.waits);
    (records, end)
}

/// Returns the replicas of the leader StatefulSet, in order, and the pods that are there at the end by revision.
fn story(records: &[Record]) -> (Vec<i32>, BTreeMap<String, usize>) {
    let (mut replicas, mut pods) = (Vec::new(), BTreeMap::new());
    for record in records {
        match &record.what {
            What::LeaderSet { replicas: now, .. } if replicas.last() != Some(now) => {
                replicas.push(*now);
            }
            What::Pod { pod, change: PodChange::Created { revision, .. }, .. } => {
                pods.insert(pod.to_string(), revision.to_string());
            }
            What::Pod { pod, change: PodChange::Gone, .. } => drop(pods.remove(&**pod)),
            _ => {}
        }
    }
    let mut by_revision = BTreeMap::new();
    for revision in pods.into_values() {
        *by_revision.entry(revision).or_insert(0) += 1;
    }
    (replicas, by_revision)
}

/// Checks how the leader StatefulSet grows and shrinks, and that all pods at the end are of one revision.
#[track_caller]
fn check(id: &str, spec: &str, action: Option<Action>, replicas: &[i32], pods: usize) {
    let (records, _) = run(spec, action);
    let (found, by_revision) = story(&records);
    assert_eq!(found, replicas, "{id}");
    assert_eq!(by_revision.values().copied().collect::<Vec<_>>(), [pods], "{id}");
    let last = records.iter().rev().find_map(|record| match &record.what {
        What::Status { conditions, .. } => Some(conditions.clone()),
        _ => None,
    });
    let conditions: Vec<String> =
        last.into_iter().flatten().map(|condition| condition.to_string()).collect();
    assert_eq!(conditions, ["Available"], "{id}");
}

#[test]
fn sets_are_created_and_rolled_as_upstreams_end_to_end_tests_expect() {
    let none = "leaderWorkerTemplate: {size: 5, restartPolicy: None}";
    check("E2E-LWS-001", &format!("replicas: 4, {none}"), None, &[4], 20);
    let of = |replicas: u32, size: u32, surge: u32, unavailable: u32| {
        format!(
            "replicas: {replicas}, leaderWorkerTemplate: {{size: {size}}}, {SURGE} {{maxSurge: {surge}, maxUnavailable: {unavailable}}}}}"
        )
    };
    check("E2E-LWS-002", &of(4, 1, 1, 1), Some(set_image("img:2")), &[4, 5, 4], 4);
    check("E2E-LWS-004", &of(2, 2, 0, 1), Some(set_image("img:2")), &[2], 4);
    check("E2E-LWS-005", &of(4, 2, 4, 1), Some(set_image("img:2")), &[4, 7, 6, 5, 4], 8);
    check("E2E-LWS-006", &of(4, 2, 1, 0), Some(set_image("img:2")), &[4, 5, 4], 8);
    let size = json!({"spec": {"leaderWorkerTemplate": {"size": 3}}});
    check(
        "E2E-LWS-012",
        "replicas: 2, leaderWorkerTemplate: {size: 2}",
        Some(Action::Patch { target: target(), merge: size }),
        &[2],
        6,
    );
    let unique =
        format!("{}, networkConfig: {{subdomainPolicy: UniquePerReplica}}", of(4, 2, 4, 1));
    check("E2E-LWS-014", &unique, Some(set_image("img:2")), &[4, 7, 6, 5, 4], 8);
}

#[test]
fn a_set_that_is_deleted_in_the_foreground_is_gone() {
    let delete = Action::Delete { target: target(), propagation: Propagation::Foreground };
    let (records, _) = run("replicas: 2, leaderWorkerTemplate: {size: 2}", Some(delete));
    assert_eq!(story(&records).1, BTreeMap::new(), "E2E-LWS-003");
}

#[test]
fn groups_that_never_came_up_do_not_hold_a_rollout_up() {
    // E2E-LWS-007, with a node selector that nothing has in place of an image that does not exist.
    let spec = format!(
        "{{replicas: 2, leaderWorkerTemplate: {{size: 1}}, {SURGE} {{maxSurge: 1, maxUnavailable: 0}}}}}}"
    );
    let selector = |value: serde_json::Value| json!({"spec": {"leaderWorkerTemplate": {"workerTemplate": {"spec": {"nodeSelector": value}}}}});
    let trial = Trial::new(4, &spec);
    let broken = Action::Patch { target: target(), merge: selector(json!({"no": "where"})) };
    let good = Action::Patch { target: target(), merge: selector(serde_json::Value::Null) };
    let mut trial = trial.then(broken).then(good);
    // At once: no group is ever up on the broken template.
    trial.setup.timeline[0].when = super::setup::When::At(crate::engine::Span::ZERO);
    let (records, end) = trial.run();
    assert_eq!(end.outcome, Outcome::Settled, "{:?}", end.waits);
    assert_eq!(story(&records).1.values().copied().collect::<Vec<_>>(), [2]);
}

#[test]
fn a_deleted_worker_brings_back_a_group_of_other_pods() {
    let spec =
        "replicas: 1, leaderWorkerTemplate: {size: 3, restartPolicy: RecreateGroupOnPodRestart}";
    let (records, _) = run(spec, Some(Action::KillPod(PodChoice::Named("default/s-0-1".into()))));
    let incarnations: BTreeSet<(String, u32)> = records
        .iter()
        .filter_map(|record| match &record.what {
            What::Pod { pod, incarnation, change: PodChange::Created { .. } } => {
                Some((pod.to_string(), *incarnation))
            }
            _ => None,
        })
        .collect();
    for pod in ["default/s-0", "default/s-0-1", "default/s-0-2"] {
        let last =
            incarnations.iter().filter(|(name, _)| name == pod).map(|(_, count)| *count).max();
        assert!(last >= Some(2), "E2E-LWS-016: {pod} is still the first: {incarnations:?}");
    }
}
