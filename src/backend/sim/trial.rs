//! Small runs for tests: plain nodes, one set, short delays.

use super::setup::{
    Action, ClientLimit, Entry, Explore, KubeletParams, Kubernetes, NodeLifeParams, Object, Params,
    Profile, RaceParams, Races, Setup, Target, When, Workload,
};
use super::{Finished, Options};
use crate::api::lws::LeaderWorkerSet;
use crate::backend::record::{Record, RunEnd};
use crate::engine::{Distribution, Span};
use k8s_openapi::api::core::v1::Node;
use std::sync::Arc;

pub(super) fn params() -> Params {
    let ms = |milliseconds: f64| Distribution::Constant(milliseconds / 1000.0);
    Params {
        api_write: ms(5.0),
        watch_delay: ms(2.0),
        api_server: ClientLimit { qps: 0.0, burst: 0 },
        admission_writes: 0,
        lws_client: ClientLimit { qps: 500.0, burst: 500 },
        controller_client: ClientLimit { qps: 20.0, burst: 30 },
        scheduler_client: ClientLimit { qps: 50.0, burst: 100 },
        statefulset_workers: 5,
        gc_workers: 20,
        reconcile: ms(5.0),
        statefulset_sync: ms(5.0),
        schedule_base: Span::from_micros(250),
        schedule_per_node: Span::from_micros(2),
        schedule_backoff: (Span::from_secs(1), Span::from_secs(10)),
        bind: ms(10.0),
        sandbox: ms(1000.0),
        probe_period: Span::from_secs(10),
        serialize_image_pulls: true,
        registry_bytes_per_s: 5_000_000_000,
        object_store_bytes_per_s: 100_000_000_000,
        nfs_bytes_per_s: 10_000_000_000,
        nic_bytes_per_s: 25_000_000_000,
        disk_bytes_per_s: 5_000_000_000,
        node_monitor_grace: Span::from_secs(50),
        node_monitor_period: Span::from_secs(5),
        eviction_toleration: Span::from_secs(300),
        restart_backoff: (Span::from_secs(10), Span::from_secs(300)),
        binds_claims: true,
        gc_delay: ms(50.0),
        contest: RaceParams::default(),
        kubelet: KubeletParams::default(),
        node_life: NodeLifeParams::default(),
        races: Races::default(),
        explore: Explore::default(),
    }
}

/// A trial: nodes of 8 GPUs and one set with 8 GPUs a pod.
pub(super) struct Trial {
    pub(super) setup: Setup,
}

impl Trial {
    pub(super) fn new(nodes: usize, spec: &str) -> Self {
        let nodes = (0..nodes).map(|index| Arc::new(node(index))).collect();
        let mut trial = Self {
            setup: Setup {
                kubernetes: Kubernetes { minor: 36, patch: 0, max_unavailable_stateful_set: false },
                nodes,
                workloads: Vec::new(),
                timeline: Vec::new(),
                priority_classes: Vec::new(),
                budgets: Vec::new(),
                fixes: crate::controller::Fixes::default(),
                scheduler: Vec::new(),
                params: params(),
                horizon: Span::from_secs(24 * 3600),
                events_max: 5_000_000,
            },
        };
        trial.setup.workloads.push(workload(spec));
        trial
    }

    /// Adds an entry that happens when all is settled.
    pub(super) fn then(mut self, action: Action) -> Self {
        let entry =
            Entry { when: When::Settled, delay: Span::ZERO, text: format!("{action:?}"), action };
        self.setup.timeline.push(entry);
        self
    }

    pub(super) fn run(&self) -> (Vec<Record>, RunEnd) {
        let mut records = Vec::new();
        let options = Options { check: true, ..Options::default() };
        let sink = &mut |record: &Record| records.push(record.clone());
        let Finished { end, violations } = super::run_with(&self.setup, 1, &options, sink);
        assert_eq!(violations, []);
        (records, end)
    }
}

pub(super) fn target() -> Target {
    Target { kind: "LeaderWorkerSet", namespace: "default".into(), name: "s".into() }
}

pub(super) fn set_image(image: &str) -> Action {
    Action::SetImage { target: target(), container: None, image: image.to_owned() }
}

fn node(index: usize) -> Node {
    let quantities =
        serde_json::json!({"cpu": "96", "memory": "1024Gi", "pods": "110", "nvidia.com/gpu": "8"});
    serde_json::from_value(serde_json::json!({
        "metadata": {"name": format!("node-{index:02}"), "labels": {
            "kubernetes.io/hostname": format!("node-{index:02}"),
            "example.com/rack": format!("rack-{}", index / 4),
        }},
        "status": {"allocatable": quantities, "capacity": quantities},
    }))
    .unwrap()
}

/// Returns a set `s` with the given fields of `spec` in YAML flow style beside a worker template.
fn workload(spec: &str) -> Workload {
    let text = format!(
        "apiVersion: leaderworkerset.x-k8s.io/v1\nkind: LeaderWorkerSet\nmetadata: {{name: s, namespace: default}}\nspec: {spec}\n"
    );
    let mut lws: LeaderWorkerSet = serde_yaml::from_str(&text).unwrap();
    let template = serde_json::json!({"spec": {"containers": [
        {"name": "main", "image": "img:1", "resources": {"limits": {"nvidia.com/gpu": "8"}, "requests": {"nvidia.com/gpu": "8"}}}
    ]}});
    lws.spec.leader_worker_template.worker_template =
        Arc::new(serde_json::from_value(template).unwrap());
    Workload { object: Object::LeaderWorkerSet(Arc::new(lws)), profile: Arc::new(instant()) }
}

pub(super) fn instant() -> Profile {
    Profile {
        name: "instant".into(),
        stages: Vec::new(),
        stop: Distribution::Constant(1.0),
        peer_loss: None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::setup::Propagation;
    use super::*;
    use crate::backend::record::{GroupPhase, Outcome, PodChange, RolloutChange, What};

    fn count(records: &[Record], which: impl Fn(&What) -> bool) -> usize {
        records.iter().filter(|record| which(&record.what)).count()
    }

    fn show(records: &[Record], end: &RunEnd) -> String {
        let lines: Vec<String> =
            records.iter().map(|record| format!("{} {:?}", record.at, record.what)).collect();
        format!("{}\n{end:#?}", lines.join("\n"))
    }

    fn rollout(nodes: usize, spec: &str) -> (Vec<Record>, RunEnd) {
        Trial::new(nodes, spec).then(set_image("img:2")).run()
    }

    #[test]
    fn two_groups_are_created_and_rolled() {
        let (records, end) = rollout(4, "{replicas: 2, leaderWorkerTemplate: {size: 2}}");
        assert_eq!(end.outcome, Outcome::Settled, "{}", show(&records, &end));
        let created =
            |what: &What| matches!(what, What::Pod { change: PodChange::Created { .. }, .. });
        assert_eq!(count(&records, created), 8);
        let finished =
            |what: &What| matches!(what, What::Rollout { change: RolloutChange::Finished, .. });
        assert_eq!(count(&records, finished), 1);
        let ready = |what: &What| matches!(what, What::Group { phase: GroupPhase::Ready, .. });
        assert_eq!(count(&records, ready), 4);
    }

    #[test]
    fn surge_on_a_full_cluster_is_stuck_and_says_why() {
        let strategy = "rolloutStrategy: {type: RollingUpdate, rollingUpdateConfiguration: {maxSurge: 1, maxUnavailable: 0}}";
        let (records, end) =
            rollout(4, &format!("{{replicas: 4, leaderWorkerTemplate: {{size: 1}}, {strategy}}}"));
        assert_eq!(end.outcome, Outcome::Stuck, "{}", show(&records, &end));
        let chain = &end.waits[0];
        assert_eq!(chain.group, "default/s-4");
        assert!(
            chain.chain.iter().any(|wait| wait.waits_for.contains("Insufficient nvidia.com/gpu")),
            "{chain:#?}"
        );
    }

    #[test]
    fn groups_that_are_half_placed_are_stuck() {
        let (records, end) = Trial::new(3, "{replicas: 2, leaderWorkerTemplate: {size: 2}}").run();
        assert_eq!(end.outcome, Outcome::Stuck, "{}", show(&records, &end));
        assert_eq!(end.waits.len(), 1, "{:#?}", end.waits);
    }

    #[test]
    fn a_deleted_set_leaves_nothing() {
        for propagation in [Propagation::Background, Propagation::Foreground] {
            let trial = Trial::new(4, "{replicas: 2, leaderWorkerTemplate: {size: 2}}");
            let (records, end) = trial.then(Action::Delete { target: target(), propagation }).run();
            assert_eq!(end.outcome, Outcome::Settled, "{}", show(&records, &end));
            let gone = |what: &What| matches!(what, What::Pod { change: PodChange::Gone, .. });
            assert_eq!(count(&records, gone), 4, "{propagation:?}: {}", show(&records, &end));
        }
    }

    #[test]
    fn a_deleted_worker_takes_its_group_with_it() {
        use super::super::setup::PodChoice;
        let trial = Trial::new(4, "{replicas: 2, leaderWorkerTemplate: {size: 2}}");
        let (records, end) =
            trial.then(Action::KillPod(PodChoice::Named("default/s-0-1".into()))).run();
        assert_eq!(end.outcome, Outcome::Settled, "{}", show(&records, &end));
        let recreated = |what: &What| matches!(what, What::Event { reason, .. } if &**reason == "RecreateGroup");
        assert!(count(&records, recreated) >= 1, "{}", show(&records, &end));
    }

    #[test]
    fn the_same_seed_gives_the_same_records() {
        let trial = Trial::new(4, "{replicas: 2, leaderWorkerTemplate: {size: 2}}")
            .then(set_image("img:2"));
        assert_eq!(trial.run(), trial.run());
    }

    #[test]
    fn scaling_up_and_down_follows_the_replicas() {
        let scale = |replicas| Action::Scale { target: target(), replicas };
        let trial = Trial::new(8, "{replicas: 1, leaderWorkerTemplate: {size: 2}}");
        let (records, end) = trial.then(scale(4)).then(scale(2)).run();
        assert_eq!(end.outcome, Outcome::Settled, "{}", show(&records, &end));
        let gone = |what: &What| matches!(what, What::Group { phase: GroupPhase::Gone, .. });
        assert_eq!(count(&records, gone), 2, "{}", show(&records, &end));
    }
}
