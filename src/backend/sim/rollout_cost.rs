//! Rollouts on clusters with few spare groups, against a model of LWS's arithmetic with ideal delays (`tests/vectors/rollout-cost-model.yaml`).
//!
//! A group is one pod on a node of its own that takes `START` to be ready; the control plane's delays are far below that, so
//! that durations in units of `START` are whole numbers. Who gets a freed node is luck in a cluster, and a column of the table:
//! each row is run with the race decided its way.

use super::setup::{FreedCapacity, Members, Object, Profile, Stage, StageKind, Work};
use super::trial::{Trial, set_image};

use crate::backend::record::{GroupPhase, Outcome, Record, RolloutChange, What};
use crate::engine::{Distribution, Time};
use crate::vectors;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Seconds that a group takes to be ready.
const START_S: f64 = 10_000.0;

#[derive(Clone, Debug, Deserialize)]
struct Row {
    id: String,
    replicas: u32,
    max_surge: u32,
    max_unavailable: u32,
    spare: u32,
    sts_gate: String,
    freed_slot_to: String,
    stuck: bool,
    duration: Option<u32>,
    min_ready: u32,
}

/// What a rollout comes to: its duration in starts (`None`: stuck) and the fewest groups that were ready.
type Cost = (Option<u32>, u32);

impl Row {
    fn cost(&self) -> Cost {
        assert_eq!(self.stuck, self.duration.is_none(), "{}", self.id);
        (self.duration, self.min_ready)
    }

    fn trial(&self) -> Trial {
        let spec = format!(
            "{{replicas: {}, leaderWorkerTemplate: {{size: 1}}, rolloutStrategy: {{type: RollingUpdate, \
             rollingUpdateConfiguration: {{maxSurge: {}, maxUnavailable: {}}}}}}}",
            self.replicas, self.max_surge, self.max_unavailable
        );
        let nodes = usize::try_from(self.replicas + self.spare).unwrap();
        let mut trial = Trial::new(nodes, &spec).then(set_image("img:2"));
        trial.setup.kubernetes.max_unavailable_stateful_set = self.sts_gate == "on";
        trial.setup.params.contest.freed_capacity = match self.freed_slot_to.as_str() {
            "top_index" => FreedCapacity::HighestIndex,
            "low_index" => FreedCapacity::LowestIndex,
            other => panic!("{other}"),
        };
        trial.setup.horizon = crate::engine::Span::from_secs(100 * 24 * 3600);
        let stage = Stage {
            name: "load".into(),
            after: Vec::new(),
            kind: StageKind::Load,
            by: Members::All,
            waits_for_group: false,
            group_timeout: None,
            work: Work::Delay(Distribution::Constant(START_S)),
            cache: None,
        };
        let profile = Profile {
            name: "slow".into(),
            stages: vec![stage],
            stop: Distribution::Constant(0.1),
            peer_loss: None,
        };
        let workload = &mut trial.setup.workloads[0];
        workload.profile = Arc::new(profile);
        let Object::LeaderWorkerSet(lws) = &mut workload.object else { panic!("a set") };
        let template = &mut Arc::make_mut(lws).spec.leader_worker_template.worker_template;
        let container = &mut Arc::make_mut(template).spec.as_mut().unwrap().containers[0];
        container.readiness_probe =
            Some(serde_json::from_value(json!({"periodSeconds": 1})).unwrap());
        trial
    }
}

/// Returns the cost of a rollout.
fn cost_of(row: &Row) -> Cost {
    let (records, end) = row.trial().run();
    let mut ready: BTreeSet<String> = BTreeSet::new();
    let (mut started, mut finished, mut fewest) = (None, None, usize::MAX);
    for Record { at, what } in &records {
        match what {
            What::Group { group, phase, .. } => {
                if matches!(phase, GroupPhase::Ready) {
                    ready.insert(group.to_string());
                } else {
                    ready.remove(&group.to_string());
                }
            }
            What::Rollout { change: RolloutChange::Started, .. } => started = Some(*at),
            What::Rollout { change: RolloutChange::Finished, .. } => finished = Some(*at),
            _ => {}
        }
        if started.is_some() && finished.is_none() {
            fewest = fewest.min(ready.len());
        }
    }
    let starts = |from: Time, to: Time| {
        let starts = to.since(from).as_secs_f64() / START_S;
        assert!((starts - starts.round()).abs() < 0.05, "{}: {starts}", row.id);
        (0..100).find(|whole| f64::from(*whole) >= starts.round()).unwrap()
    };
    let duration = started.zip(finished).map(|(from, to)| starts(from, to));
    assert_eq!(duration.is_none(), end.outcome == Outcome::Stuck, "{}: {end:?}", row.id);
    (duration, u32::try_from(fewest).unwrap())
}

#[test]
fn rollouts_cost_what_the_model_says() {
    let mut count = 0;
    vectors::each("rollout-cost-model.yaml", "", |row: Row| {
        count += 1;
        assert_eq!(cost_of(&row), row.cost(), "{row:?}");
    });
    assert_eq!(count, 284);
}
