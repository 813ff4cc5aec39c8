//! Scheduling cycles on 5,000 nodes of 8 GPUs: plain, spread by the system's defaults, exclusive by rack, and nearly full.

use criterion::{Criterion, criterion_group, criterion_main};
use k8s_openapi::api::core::v1::{Node, PodSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use lwsim::scheduler::{PodClass, PodKey, PodLabels, PodView, Profile, Scheduler, Tie};
use serde_json::json;
use std::hint::black_box;
use std::sync::Arc;

const NODES: usize = 5000;
const GPUS: usize = 8;
const GROUP_KEY: &str = "leaderworkerset.sigs.k8s.io/group-key";
const GROUP_SIZE: usize = 8;

fn cluster() -> Scheduler {
    let mut scheduler = Scheduler::new(Profile::default_of(36));
    for number in 0..NODES {
        let node: Node = serde_json::from_value(json!({
            "metadata": {"name": format!("node-{number}"), "labels": {
                "kubernetes.io/hostname": format!("node-{number}"),
                "topology.kubernetes.io/zone": format!("zone-{}", number % 5),
                "cloud.provider.com/topology-rack": format!("rack-{}", number / 4),
            }},
            "status": {"allocatable": {"cpu": "96", "memory": "1024Gi", "pods": "110", "nvidia.com/gpu": GPUS.to_string()}},
        }))
        .expect("the node is well-formed");
        scheduler.cluster.add_node(&node);
    }
    scheduler
}

fn class(scheduler: &mut Scheduler) -> Arc<PodClass> {
    let spec: PodSpec =
        serde_json::from_value(json!({"containers": [{"name": "c", "resources": {"requests": {
        "cpu": "4", "memory": "32Gi", "nvidia.com/gpu": "1"}}}]}))
        .expect("the spec is well-formed");
    scheduler.cluster.class("default", &spec)
}

fn member(scheduler: &mut Scheduler, class: &Arc<PodClass>, group: usize, index: usize) -> PodView {
    let (group, index) = (group.to_string(), index.to_string());
    let labels = [
        ("leaderworkerset.sigs.k8s.io/name", "set"),
        ("leaderworkerset.sigs.k8s.io/group-index", group.as_str()),
        ("leaderworkerset.sigs.k8s.io/worker-index", index.as_str()),
        (GROUP_KEY, group.as_str()),
    ];
    let labels = PodLabels::from_texts(&mut scheduler.cluster.symbols, labels);
    scheduler.cluster.view(class, labels)
}

#[expect(clippy::needless_pass_by_value, reason = "the callers make it on the spot")]
fn selector(labels: serde_json::Value) -> LabelSelector {
    serde_json::from_value(json!({"matchLabels": labels})).expect("the selector is well-formed")
}

/// Places groups one after another, each member on the next node.
fn fill(scheduler: &mut Scheduler, class: &Arc<PodClass>, groups: usize, is_exclusive: bool) {
    let nodes: Vec<_> = (0..NODES)
        .map(|number| scheduler.cluster.node(&format!("node-{number}")).expect("it was added"))
        .collect();
    for group in 0..groups {
        for index in 0..GROUP_SIZE {
            let mut view = member(scheduler, class, group, index);
            if is_exclusive && index == 0 {
                let key = group.to_string();
                let rack = "cloud.provider.com/topology-rack";
                view.extra = Some(scheduler.cluster.exclusive_terms(
                    "default",
                    (GROUP_KEY, &key),
                    rack,
                    None,
                ));
            }
            // Exclusive groups have a rack of four nodes each, others share nodes.
            let number = group * GROUP_SIZE + index;
            let node = if is_exclusive { (group * 4 + index % 4) % NODES } else { number % NODES };
            scheduler.cluster.add_pod(PodKey(number as u64), &view, nodes[node]);
        }
    }
}

fn cycles(criterion: &mut Criterion) {
    let mut bench = |name: &str, scheduler: &mut Scheduler, view: &PodView| {
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| black_box(scheduler.schedule(view, Tie::First)));
        });
    };

    let mut scheduler = cluster();
    let class = class(&mut scheduler);
    fill(&mut scheduler, &class, 1000, false);
    let mut view = member(&mut scheduler, &class, 999, GROUP_SIZE);
    bench("cycle/5000 nodes/plain", &mut scheduler, &view);

    let worker = selector(json!({"leaderworkerset.sigs.k8s.io/name": "set", GROUP_KEY: "999"}));
    view.owner_selector = scheduler.cluster.owner_selector("default", [&worker]);
    bench("cycle/5000 nodes/worker spread over hosts and zones", &mut scheduler, &view);

    let leader = selector(
        json!({"leaderworkerset.sigs.k8s.io/name": "set", "leaderworkerset.sigs.k8s.io/worker-index": "0"}),
    );
    let mut view = member(&mut scheduler, &class, 1000, 0);
    view.owner_selector = scheduler.cluster.owner_selector("default", [&leader]);
    bench("cycle/5000 nodes/leader spread over hosts and zones", &mut scheduler, &view);

    fill_up(&mut scheduler, &class);
    bench("cycle/5000 nodes/full but for 40 GPUs", &mut scheduler, &view);

    let mut scheduler = cluster();
    let class = self::class(&mut scheduler);
    fill(&mut scheduler, &class, 1000, true);
    let mut view = member(&mut scheduler, &class, 1000, 0);
    let rack = "cloud.provider.com/topology-rack";
    view.extra =
        Some(scheduler.cluster.exclusive_terms("default", (GROUP_KEY, "1000"), rack, None));
    bench("cycle/5000 nodes/leader exclusive by rack", &mut scheduler, &view);
}

fn fill_up(scheduler: &mut Scheduler, class: &Arc<PodClass>) {
    let view = scheduler.cluster.view(class, PodLabels::default());
    for number in 0..(NODES * GPUS - 1000 * GROUP_SIZE - 40) {
        let decision = scheduler.schedule(&view, Tie::First);
        let lwsim::scheduler::Decision::Placed { node, .. } = decision else {
            panic!("there is room")
        };
        scheduler.cluster.add_pod(PodKey(1_000_000 + number as u64), &view, node);
    }
}

fn placement(criterion: &mut Criterion) {
    let mut scheduler = cluster();
    let class = class(&mut scheduler);
    fill(&mut scheduler, &class, 1000, false);
    let view = member(&mut scheduler, &class, 500, 1);
    let node = scheduler.cluster.node("node-7").expect("it was added");
    let selectors: Vec<_> = (0..1000)
        .map(|group| {
            selector(
                json!({"leaderworkerset.sigs.k8s.io/name": "set", GROUP_KEY: group.to_string()}),
            )
        })
        .map(|selector| scheduler.cluster.owner_selector("default", [&selector]))
        .collect();
    criterion.bench_function("place and remove/1000 owners", |bencher| {
        bencher.iter(|| {
            scheduler.cluster.add_pod(PodKey(u64::MAX), &view, node);
            black_box(scheduler.cluster.remove_pod(PodKey(u64::MAX)))
        });
    });
    drop(selectors);
}

criterion_group!(benches, cycles, placement);
criterion_main!(benches);
