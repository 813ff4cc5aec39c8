//! Rollouts step by step, on a StatefulSet controller that acts at once.

use super::model::{World, sample, template};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::collections::BTreeMap;

/// A set on its way through a trace.
struct Trace {
    world: World,
    version: u32,
    version_of: BTreeMap<String, u32>,
}

impl Trace {
    /// Starts with all groups ready on version 1 under a strategy like `R=4 mS=1 mU=0 L=2`.
    fn new(strategy: &str) -> Self {
        let mut knobs = BTreeMap::from([("R", 1), ("mS", 0), ("mU", 1), ("L", 0)]);
        for knob in strategy.split_whitespace() {
            let (name, value) = knob.split_once('=').unwrap();
            assert!(knobs.insert(name, value.parse().unwrap()).is_some(), "unknown knob {name}");
        }
        let mut world = World::new(sample(knobs["R"]));
        world.edit_rollout(|rolling| {
            rolling.max_surge = Some(IntOrString::Int(knobs["mS"]));
            rolling.max_unavailable = Some(IntOrString::Int(knobs["mU"]));
            rolling.partition = Some(knobs["L"]);
        });
        let mut trace = Self { world, version: 1, version_of: BTreeMap::new() };
        trace.change(1);
        trace.world.settle();
        for index in 0..knobs["R"] {
            trace.world.set_ready(index, true);
        }
        trace.world.settle();
        trace
    }

    fn change(&mut self, version: u32) {
        self.version = version;
        let key = self.world.edit(|spec| {
            spec.leader_worker_template.worker_template =
                template("worker", &format!("v{version}"));
        });
        self.version_of.insert(key, version);
    }

    /// Applies `trigger`: `v2` or `R=6` and one pass; `L=2`, `4` (group 4 becomes ready), `5,4` or `pass` and passes until rest.
    fn apply(&mut self, trigger: &str) {
        let world = &mut self.world;
        if let Some(both) = trigger.strip_prefix("v2R=") {
            world.edit(|spec| spec.replicas = Some(both.parse().unwrap()));
            self.change(2);
        } else if let Some(version) = trigger.strip_prefix('v') {
            self.change(version.parse().unwrap());
        } else if let Some(replicas) = trigger.strip_prefix("R=") {
            world.edit(|spec| spec.replicas = Some(replicas.parse().unwrap()));
        } else {
            if let Some(held) = trigger.strip_prefix("L=") {
                world.edit_rollout(|rolling| rolling.partition = Some(held.parse().unwrap()));
            } else if trigger != "pass" {
                for group in trigger.split(',') {
                    world.set_ready(group.parse().unwrap(), true);
                }
            }
            world.settle();
            return;
        }
        self.world.pass();
        self.world.act();
    }

    /// Draws partition, groups and counts.
    fn draw(&self) -> String {
        let groups = self.world.draw(&self.version_of);
        let count = |wanted: fn(&(char, char), u32) -> bool| {
            let pairs: Vec<char> = groups.chars().collect();
            pairs.chunks(2).filter(|pair| wanted(&(pair[0], pair[1]), self.version)).count()
        };
        let ready = count(|group, _| group.1 == '+');
        let updated = count(|group, version| group.0.to_digit(10) == Some(version));
        let set = self.world.set();
        format!("{} {} {groups} {ready}/{updated}", set.replicas, set.partition)
    }
}

/// Plays a trace; a row is a trigger, then leader replicas, partition, groups, and how many are ready and updated.
fn check(strategy: &str, rows: &str) {
    let mut trace = Trace::new(strategy);
    for row in rows.lines().map(str::trim).filter(|row| !row.is_empty()) {
        let (trigger, expected) = row.split_once(' ').unwrap();
        trace.apply(trigger);
        let expected = expected.trim();
        assert_eq!(trace.draw(), expected, "{strategy}: {row}");
        if !trigger.starts_with(['v', 'R']) {
            let status = trace.world.lws.status.as_ref().unwrap();
            let counts = format!("{}/{}", status.ready_replicas, status.updated_replicas);
            assert!(expected.ends_with(&counts), "{strategy}: {row}: status says {counts}");
        }
    }
}

#[test]
fn without_surge_as_many_groups_are_down_as_the_budget_says() {
    check(
        "R=4 mS=0 mU=1",
        "v2   4 4 1+1+1+1+ 4/0
         pass 4 3 1+1+1+2- 3/1
         3    4 2 1+1+2-2+ 3/2
         2    4 1 1+2-2+2+ 3/3
         1    4 0 2-2+2+2+ 3/4
         0    4 0 2+2+2+2+ 4/4",
    );
    check(
        "R=4 mS=0 mU=2",
        "v2   4 4 1+1+1+1+ 4/0
         pass 4 2 1+1+2-2- 2/2
         3    4 1 1+2-2-2+ 2/3
         2    4 0 2-2-2+2+ 2/4
         1    4 0 2-2+2+2+ 3/4
         0    4 0 2+2+2+2+ 4/4",
    );
}

#[test]
fn with_surge_only_no_wanted_group_is_missed() {
    check(
        "R=4 mS=1 mU=0",
        "v2 5 4 1+1+1+1+2- 4/1
         4  5 3 1+1+1+2-2+ 4/2
         3  5 2 1+1+2-2+2+ 4/3
         2  5 1 1+2-2+2+2+ 4/4
         1  5 0 2-2+2+2+2+ 4/5
         0  4 0 2+2+2+2+ 4/4",
    );
    check(
        "R=1 mS=1 mU=0",
        "v2 2 1 1+2- 1/1
         1  2 0 2-2+ 1/2
         0  1 0 2+ 1/1",
    );
}

#[test]
fn surge_and_unavailability_add_up() {
    check(
        "R=4 mS=1 mU=1",
        "v2   5 4 1+1+1+1+2- 4/1
         pass 5 3 1+1+1+2-2- 3/2
         4    5 2 1+1+2-2-2+ 3/3
         3    5 1 1+2-2-2+2+ 3/4
         2    5 0 2-2-2+2+2+ 3/5
         1    4 0 2-2+2+2+ 3/4
         0    4 0 2+2+2+2+ 4/4",
    );
    check(
        "R=4 mS=1 mU=2",
        "v2   5 4 1+1+1+1+2- 4/1
         pass 5 2 1+1+2-2-2- 2/3
         4    5 1 1+2-2-2-2+ 2/4
         3    5 0 2-2-2-2+2+ 2/5
         2    5 0 2-2-2+2+2+ 3/5
         1    4 0 2-2+2+2+ 3/4
         0    4 0 2+2+2+2+ 4/4",
    );
    check(
        "R=4 mS=2 mU=1",
        "v2   6 4 1+1+1+1+2-2- 4/2
         pass 6 3 1+1+1+2-2-2- 3/3
         5    6 2 1+1+2-2-2-2+ 3/4
         4    6 1 1+2-2-2-2+2+ 3/5
         3    6 0 2-2-2-2+2+2+ 3/6
         2    5 0 2-2-2+2+2+ 3/5
         1    4 0 2-2+2+2+ 3/4
         0    4 0 2+2+2+2+ 4/4",
    );
}

#[test]
fn surge_groups_may_go_two_at_once() {
    check(
        "R=4 mS=2 mU=2",
        "v2   6 4 1+1+1+1+2-2- 4/2
         pass 6 2 1+1+2-2-2-2- 2/4
         5    6 1 1+2-2-2-2-2+ 2/5
         4    6 0 2-2-2-2-2+2+ 2/6
         3    6 0 2-2-2-2+2+2+ 3/6
         2    4 0 2-2-2+2+ 2/4
         1    4 0 2-2+2+2+ 3/4
         0    4 0 2+2+2+2+ 4/4",
    );
}

#[test]
fn the_users_partition_holds_the_rollout() {
    check(
        "R=6 mS=0 mU=1 L=4",
        "v2   6 6 1+1+1+1+1+1+ 6/0
         pass 6 5 1+1+1+1+1+2- 5/1
         5    6 4 1+1+1+1+2-2+ 5/2
         4    6 4 1+1+1+1+2+2+ 6/2
         L=2  6 3 1+1+1+2-2+2+ 5/3
         3    6 2 1+1+2-2+2+2+ 5/4
         2    6 2 1+1+2+2+2+2+ 6/4",
    );
}

#[test]
fn scaling_up_midway_keeps_the_partition_until_the_new_groups_are_ready() {
    check(
        "R=4 mS=2 mU=1",
        "v2   6 4 1+1+1+1+2-2- 4/2
         pass 6 3 1+1+1+2-2-2- 3/3
         5    6 2 1+1+2-2-2-2+ 3/4
         R=6  8 2 1+1+2-2-2-2+2-2- 3/6
         7    8 2 1+1+2-2-2-2+2-2+ 4/6
         6    8 2 1+1+2-2-2-2+2+2+ 5/6
         4    8 1 1+2-2-2-2+2+2+2+ 5/7
         3    8 0 2-2-2-2+2+2+2+2+ 5/8
         2    7 0 2-2-2+2+2+2+2+ 5/7
         1    6 0 2-2+2+2+2+2+ 5/6",
    );
}

#[test]
fn a_second_change_midway_starts_again_from_the_top() {
    check(
        "R=4 mS=2 mU=1",
        "v2   6 4 1+1+1+1+2-2- 4/2
         pass 6 3 1+1+1+2-2-2- 3/3
         5,4  6 1 1+2-2-2-2+2+ 3/5
         v3   6 4 1+2-2-2-3-3- 1/2
         pass 6 3 1+2-2-3-3-3- 1/3
         5    6 2 1+2-3-3-3-3+ 2/4
         4    6 1 1+3-3-3-3+3+ 3/5
         3    6 0 3-3-3-3+3+3+ 3/6
         2    5 0 3-3-3+3+3+ 3/5
         1    4 0 3-3+3+3+ 3/4",
    );
}

#[test]
fn scaling_down_midway_clamps_the_partition() {
    check(
        "R=6 mS=0 mU=1",
        "v2   6 6 1+1+1+1+1+1+ 6/0
         pass 6 5 1+1+1+1+1+2- 5/1
         R=3  3 3 1+1+1+ 3/0
         pass 3 2 1+1+2- 2/1
         2    3 1 1+2-2+ 2/2",
    );
}

#[test]
fn a_rollback_rolls_only_what_has_changed() {
    check(
        "R=4 mS=0 mU=1",
        "v2   4 4 1+1+1+1+ 4/0
         pass 4 3 1+1+1+2- 3/1
         v1   4 4 1+1+1+2- 3/3
         pass 4 3 1+1+1+1- 3/4
         3    4 0 1+1+1+1+ 4/4",
    );
}

#[test]
fn an_unready_group_below_a_ready_one_blocks_a_rollback() {
    check(
        "R=4 mS=0 mU=1",
        "v2   4 4 1+1+1+1+ 4/0
         pass 4 3 1+1+1+2- 3/1
         3    4 2 1+1+2-2+ 3/2
         v1   4 4 1+1+2-2+ 3/2
         pass 4 4 1+1+2-2+ 3/2",
    );
}

#[test]
fn a_change_together_with_a_scale_scales_first() {
    check(
        "R=6 mS=2 mU=1",
        "v2R=3 5 3 1+1+1+2-2- 3/2
         pass  5 2 1+1+2-2-2- 2/3
         4     5 1 1+2-2-2-2+ 2/4
         3     5 0 2-2-2-2+2+ 2/5
         2     4 0 2-2-2+2+ 2/4
         1     3 0 2-2+2+ 2/3
         0     3 0 2+2+2+ 3/3",
    );
    check(
        "R=2 mS=2 mU=1",
        "v2R=4 4 2 1+1+2-2- 2/2
         pass  6 2 1+1+2-2-2-2- 2/4",
    );
}
