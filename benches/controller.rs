//! One pass of the LWS controller over a set of 1,000 groups of eight pods, at rest and in the middle of a rollout.

use criterion::{Criterion, criterion_group, criterion_main};
use k8s_openapi::api::core::v1::{Container, PodSpec, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use lwsim::api::Uid;
use lwsim::api::lws::{
    LeaderWorkerSet, LeaderWorkerSetSpec, LeaderWorkerTemplate, RollingUpdateConfiguration,
    RolloutStrategy,
};
use lwsim::controller::{
    Action, Fixes, LeaderPodSeen, LeaderSetSeen, Observed, Phase, Revision, SetSeen, reconcile,
    revision,
};
use std::hint::black_box;
use std::sync::Arc;

const GROUPS: i32 = 1000;
const SIZE: i32 = 8;
const OWNER: Uid = Uid(7);

fn template(image: &str) -> Arc<PodTemplateSpec> {
    let container = Container {
        name: "vllm".to_owned(),
        image: Some(image.to_owned()),
        command: Some(vec!["sh".to_owned(), "-c".to_owned(), "vllm serve".to_owned()]),
        ..Container::default()
    };
    let spec = PodSpec { containers: vec![container], ..PodSpec::default() };
    Arc::new(PodTemplateSpec { metadata: None, spec: Some(spec) })
}

fn set(image: &str) -> LeaderWorkerSet {
    let rolling = RollingUpdateConfiguration {
        partition: Some(0),
        max_unavailable: Some(IntOrString::String("25%".to_owned())),
        max_surge: Some(IntOrString::Int(0)),
    };
    LeaderWorkerSet {
        metadata: ObjectMeta {
            name: Some("deepseek-r1".to_owned()),
            namespace: Some("inference".to_owned()),
            uid: Some(OWNER.to_string()),
            generation: Some(2),
            ..ObjectMeta::default()
        },
        spec: LeaderWorkerSetSpec {
            replicas: Some(GROUPS),
            leader_worker_template: LeaderWorkerTemplate {
                leader_template: Some(template(image)),
                worker_template: template(image),
                size: Some(SIZE),
                ..LeaderWorkerTemplate::default()
            },
            rollout_strategy: Some(RolloutStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update_configuration: Some(rolling),
            }),
            ..LeaderWorkerSetSpec::default()
        },
        ..LeaderWorkerSet::default()
    }
}

fn recorded(lws: &LeaderWorkerSet, number: i64) -> Arc<Revision> {
    let data = revision::encode(lws);
    let key = revision::key(&data);
    let name = revision::name("deepseek-r1", &key, number);
    Arc::new(
        revision::from_parts(&name, number, &key, &data, Some(OWNER))
            .expect("data that was just encoded"),
    )
}

/// Measures passes over a set of which the groups from `partition` on are updated and the upper half of these ready.
fn measure(criterion: &mut Criterion, name: &str, partition: i32) {
    let unwritten = set("vllm:2");
    let encoded = revision::encode(&unwritten);
    let revisions = [recorded(&set("vllm:1"), 1), recorded(&unwritten, 2)];
    let replicas = GROUPS.to_string();
    let names: Vec<String> = (0..GROUPS).map(|index| format!("deepseek-r1-{index}")).collect();
    let indices: Vec<String> = (0..GROUPS).map(|index| index.to_string()).collect();
    let mut order: Vec<i32> = (0..GROUPS).collect();
    order.sort_by_key(|index| &names[usize::try_from(*index).expect("not negative")]);
    let key_of = |index: i32| &*revisions[usize::from(index >= partition)].key;
    let is_ready = |index: i32| {
        index < partition || partition == 0 || index >= i32::midpoint(GROUPS, partition)
    };
    let leader = |index: &i32| LeaderPodSeen {
        name: &names[usize::try_from(*index).expect("not negative")],
        group_index: &indices[usize::try_from(*index).expect("not negative")],
        key: key_of(*index),
        phase: Phase::Running,
        is_ready: is_ready(*index),
        is_unschedulable: false,
    };
    let workers = |index: &i32| SetSeen {
        name: &names[usize::try_from(*index).expect("not negative")],
        group_index: &indices[usize::try_from(*index).expect("not negative")],
        key: key_of(*index),
        replicas: SIZE - 1,
        available: if is_ready(*index) { SIZE - 1 } else { 0 },
        is_on_one_revision: true,
    };
    let leader_pods: Vec<LeaderPodSeen<'_>> = order.iter().map(leader).collect();
    let worker_sets: Vec<SetSeen<'_>> = order.iter().map(workers).collect();
    let base = Observed {
        lws: &unwritten,
        encoded: &encoded,
        leader_set: Some(LeaderSetSeen {
            key: &revisions[1].key,
            replicas_annotation: Some(&replicas),
            is_deleting: false,
            replicas: GROUPS,
            partition,
            status_replicas: GROUPS,
            surge_kept: None,
            has_later_label: false,
        }),
        revisions: &revisions[usize::from(partition == 0)..],
        leader_pods: &leader_pods,
        worker_sets: &worker_sets,
        has_shared_service: true,
        now: jiff::Timestamp::UNIX_EPOCH,
        fixes: Fixes::default(),
        is_later_version: false,
    };
    // The status of a pass goes into the set until none is written any more.
    let mut lws = unwritten.clone();
    for _ in 0..3 {
        let plan = reconcile(&Observed { lws: &lws, ..base });
        for action in plan.actions {
            if let Action::UpdateStatus(status) = action {
                lws.status = Some(*status);
            }
        }
    }
    let seen = Observed { lws: &lws, ..base };
    criterion.bench_function(name, |bencher| bencher.iter(|| reconcile(black_box(&seen))));
}

fn passes(criterion: &mut Criterion) {
    measure(criterion, "reconcile/1000_groups_at_rest", 0);
    measure(criterion, "reconcile/1000_groups_mid_rollout", 500);
}

criterion_group!(benches, passes);
criterion_main!(benches);
