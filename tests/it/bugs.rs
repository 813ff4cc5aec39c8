//! Known upstream bugs: each scenario shows the wrong result, and the repaired one beside it.
//!
//! The wrong result is what upstream does, and is asserted as such: a change that repairs it by accident fails here.

use crate::project::{outcome, scenario};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// The results of one scenario.
struct Results {
    summary: Value,
    dir: tempfile::TempDir,
}

fn run(name: &str) -> Results {
    let dir = tempfile::tempdir().unwrap();
    let (file, out) = (scenario(name), dir.path().join("results"));
    let arguments =
        ["run", file.to_str().unwrap(), "--out", out.to_str().unwrap(), "--format", "json"];
    let (code, output, errors) = outcome(&arguments);
    assert_eq!(code, 0, "{name}:\n{errors}");
    Results { summary: serde_json::from_str(&output).unwrap(), dir }
}

impl Results {
    fn run_of(&self, variant: &str) -> &Value {
        let runs = &self.summary["variants"][variant]["runs"];
        assert!(runs[0].is_object(), "no variant {variant}");
        &runs[0]
    }

    fn metric(&self, variant: &str, name: &str) -> Option<f64> {
        self.run_of(variant)["metrics"][name].as_f64()
    }

    /// Returns how many events of LWS with a reason a variant had.
    fn events(&self, variant: &str, reason: &str) -> usize {
        let file: PathBuf =
            self.dir.path().join("results/runs").join(variant).join("seed-1/events.jsonl");
        let text = std::fs::read_to_string(file).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["event"]["reason"] == reason).count()
    }

    #[track_caller]
    fn check_outcome(&self, variant: &str, expected: &str) {
        let run = self.run_of(variant);
        assert_eq!(run["outcome"], expected, "{variant}: {}", run["waits"]);
    }

    /// Checks that groups wait for ever without the fix and none does with it.
    #[track_caller]
    fn check_unstuck(&self, upstream: &str, fixed: &str) {
        self.check_outcome(upstream, "stuck");
        self.check_outcome(fixed, "settled");
    }
}

#[test]
fn b1_a_worker_that_is_replaced_unseen_leaves_its_group_broken() {
    let results = run("bug-b1-missed-worker.yaml");
    results.check_unstuck("upstream", "fixed");
    assert_eq!(results.events("upstream", "RecreateGroup"), 0);
    assert_eq!(results.metric("upstream", "pods_created"), Some(9.0), "one young pod, no more");
    assert_eq!(results.events("fixed", "RecreateGroup"), 1);
    assert_eq!(results.metric("fixed", "pods_created"), Some(13.0), "the whole group beside it");
    results.check_outcome("idle-controller", "settled");
    assert!(results.events("idle-controller", "RecreateGroup") >= 1);
}

#[test]
fn b3_half_placed_groups_hold_what_others_need() {
    let results = run("half-placed.yaml");
    let stuck = |variant: &str| {
        let runs = results.summary["variants"][variant]["runs"].as_array().unwrap();
        runs.iter().filter(|run| run["outcome"] == "stuck").count()
    };
    let runs = results.summary["variants"]["leader-created"]["runs"].as_array().unwrap().len();
    assert_eq!(
        stuck("leader-created"),
        runs,
        "four groups never fit, and one is always waited for"
    );
    // Three groups would fit, but in some runs fewer are whole: the others hold what the third lacks.
    let waiting = |run: &Value| -> usize {
        let groups: BTreeSet<&str> = run["waits"]
            .as_array()
            .unwrap()
            .iter()
            .map(|wait| wait["group"].as_str().unwrap())
            .collect();
        groups.len()
    };
    let runs = results.summary["variants"]["leader-created"]["runs"].as_array().unwrap();
    assert!(runs.iter().any(|run| waiting(run) >= 2), "some seed places fewer than three groups");
    assert_eq!(stuck("three-groups"), 0);
}

#[test]
fn b4_exclusive_sets_shut_each_other_out() {
    let results = run("bug-b4-jealous-sets.yaml");
    results.check_unstuck("upstream", "fixed");
    assert_eq!(results.metric("upstream", "time_to_all_ready_s"), None);
    assert_eq!(
        results.metric("upstream", "pods_created"),
        Some(6.0),
        "two leaders wait without workers"
    );
    assert_eq!(results.metric("fixed", "groups_ready_min"), Some(4.0));
    assert_eq!(results.metric("fixed", "pods_created"), Some(8.0));
}

#[test]
fn b4_a_leader_chooses_a_domain_that_is_too_small() {
    let results = run("exclusive-dead-end.yaml");
    let outcomes = |variant: &str, outcome: &str| {
        let runs = results.summary["variants"][variant]["runs"].as_array().unwrap();
        runs.iter().filter(|run| run["outcome"] == outcome).count()
    };
    assert!(outcomes("leftover", "stuck") > 0, "some leader lands in the rack with a node missing");
    assert_eq!(outcomes("clean", "stuck"), 0);
}

#[test]
fn b5_a_restart_during_the_start_ends_the_healthy_group() {
    let results = run("bug-b5-long-memory.yaml");
    assert!(results.events("upstream", "RecreateGroup") >= 1);
    assert_eq!(results.metric("upstream", "pods_created"), Some(8.0), "the group was made twice");
    assert_eq!(results.events("fixed", "RecreateGroup"), 0);
    assert_eq!(results.metric("fixed", "pods_created"), Some(4.0));
    let ready = |variant| results.metric(variant, "time_to_all_ready_s").unwrap();
    assert!(ready("upstream") > ready("fixed") + 30.0, "a start is lost");
}

#[test]
fn b5_a_group_of_an_older_size_is_never_recreated() {
    let results = run("bug-b5-resized.yaml");
    results.check_unstuck("upstream", "fixed");
    assert_eq!(results.events("upstream", "RecreateGroup"), 0);
    assert!(results.events("fixed", "RecreateGroup") >= 1);
    assert_eq!(results.metric("fixed", "pods_created"), Some(12.0), "one group was made anew");
}

#[test]
fn b6_a_lost_node_blocks_its_group_for_ever() {
    let results = run("bug-b6-lost-node.yaml");
    for (upstream, fixed) in [("upstream", "fixed"), ("upstream-leader", "fixed-leader")] {
        results.check_unstuck(upstream, fixed);
        assert_eq!(results.metric(upstream, "pods_created"), Some(4.0), "nothing is rebuilt");
        assert!(results.metric(fixed, "pods_created").unwrap() >= 6.0);
    }
    assert!(results.events("upstream", "RecreateGroup") >= 1, "the leader is deleted and waits");
}

#[test]
fn b7_recreations_never_back_off() {
    let results = run("bug-b7-recreation-storm.yaml");
    let pods = |variant| results.metric(variant, "pods_created").unwrap();
    // Two pods for each start, about 25 s apart, for two hours; then 10 s, 20 s, … 300 s beside the start.
    assert!((500.0..=660.0).contains(&pods("upstream")), "{}", pods("upstream"));
    assert!((40.0..=70.0).contains(&pods("fixed")), "{}", pods("fixed"));
    for variant in ["upstream", "fixed"] {
        results.check_outcome(variant, "horizon");
        assert_eq!(results.metric(variant, "time_to_all_ready_s"), None);
    }
}

#[test]
fn b8_a_surge_group_without_room_freezes_the_rollout() {
    let results = run("bug-b8-head-of-line.yaml");
    for (upstream, fixed) in [("upstream", "fixed"), ("upstream-1-1", "fixed-1-1")] {
        results.check_unstuck(upstream, fixed);
        assert_eq!(results.metric(upstream, "rollout_duration_s"), None);
        // One group after the other, four starts of 70 s and the ends of their predecessors.
        let duration = results.metric(fixed, "rollout_duration_s").unwrap();
        assert!((280.0..=340.0).contains(&duration), "{duration}");
        assert_eq!(results.metric(fixed, "rollout_groups_ready_min"), Some(3.0));
    }
    assert_eq!(results.metric("upstream", "rollout_groups_ready_min"), Some(4.0), "nothing moves");
    results.check_outcome("fixed-2-0-one-spare", "settled");
}

#[test]
fn b9_groups_are_replaced_one_at_a_time_or_not_at_all() {
    let results = run("bug-b9-one-at-a-time.yaml");
    let duration = |variant| results.metric(variant, "rollout_duration_s").unwrap();
    // Four groups one after the other, against two at once.
    assert!((280.0..=340.0).contains(&duration("upstream")), "{}", duration("upstream"));
    assert!((140.0..=170.0).contains(&duration("fixed")), "{}", duration("fixed"));
    results.check_unstuck("upstream-broken", "fixed-broken");
    assert_eq!(results.metric("upstream-broken", "rollout_duration_s"), None);
    assert!(duration("fixed-broken") > 0.0);
}

#[test]
fn b10_an_upgrade_of_the_controller_replaces_every_group() {
    let results = run("bug-b10-upgrade-roll.yaml");
    assert_eq!(results.metric("upstream", "pods_created"), Some(32.0), "all sixteen pods twice");
    assert!(results.metric("upstream", "groups_ready_min").unwrap() <= 6.0, "both sets at once");
    assert_eq!(
        results.events("upstream", "CreatingRevision"),
        2,
        "no revision was made: the user changed nothing"
    );
    assert_eq!(results.metric("fixed", "pods_created"), Some(16.0));
    assert_eq!(results.metric("fixed", "groups_ready_min"), Some(8.0));
}
