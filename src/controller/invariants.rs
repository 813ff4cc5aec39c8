//! Rules that hold in every pass of every history, on random histories.
//!
//! The numbers are those of the invariants that the architecture names for the controller.

use super::model::{World, sample, template};
use super::plan::{Action, Plan};
use super::{AVAILABLE, PROGRESSING, UPDATE_IN_PROGRESS};
use crate::api::keys;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// One thing that happens to a set.
#[derive(Clone, Debug)]
enum Step {
    Image(u8),
    Replicas(i32),
    Budget {
        surge: IntOrString,
        unavailable: IntOrString,
    },
    Held(i32),
    StartupPolicy(bool),
    Label(u8),
    Ready(i32),
    Unready(i32),
    Kill(i32),
    /// One pass without anyone acting on it.
    Pass,
    /// The StatefulSet controller acts.
    Act,
}

fn any_count() -> impl Strategy<Value = IntOrString> {
    prop_oneof![
        3 => (0..4).prop_map(IntOrString::Int),
        1 => (0..=100).prop_map(|percent| IntOrString::String(format!("{percent}%"))),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (1..4u8).prop_map(Step::Image),
        1 => (0..7).prop_map(Step::Replicas),
        1 => (any_count(), any_count()).prop_map(|(surge, unavailable)| Step::Budget { surge, unavailable }),
        1 => (0..5).prop_map(Step::Held),
        1 => any::<bool>().prop_map(Step::StartupPolicy),
        1 => any::<u8>().prop_map(Step::Label),
        6 => (0..9).prop_map(Step::Ready),
        1 => (0..9).prop_map(Step::Unready),
        1 => (0..9).prop_map(Step::Kill),
        6 => Just(Step::Pass),
        4 => Just(Step::Act),
    ]
}

/// Runs one step and checks every plan that it leads to.
fn play(world: &mut World, step: &Step) {
    match step {
        Step::Image(version) => {
            let image = format!("v{version}");
            world.edit(|spec| {
                spec.leader_worker_template.worker_template = template("worker", &image);
            });
        }
        Step::Replicas(replicas) => {
            edit_quietly(world, |world| {
                world.edit(|spec| spec.replicas = Some(*replicas));
            });
        }
        Step::Budget { surge, unavailable } => edit_quietly(world, |world| {
            world.edit_rollout(|rolling| {
                rolling.max_surge = Some(surge.clone());
                rolling.max_unavailable = Some(unavailable.clone());
            });
        }),
        Step::Held(held) => {
            edit_quietly(world, |world| {
                world.edit_rollout(|rolling| rolling.partition = Some(*held));
            });
        }
        Step::StartupPolicy(waits) => edit_quietly(world, |world| {
            let policy = if *waits { "LeaderReady" } else { "LeaderCreated" };
            world.edit(|spec| spec.startup_policy = Some(policy.to_owned()));
        }),
        Step::Label(value) => edit_quietly(world, |world| {
            world
                .lws
                .metadata
                .labels
                .get_or_insert_default()
                .insert("mine".to_owned(), value.to_string());
        }),
        Step::Ready(group) => world.set_ready(*group, true),
        Step::Unready(group) => world.set_ready(*group, false),
        Step::Kill(group) => world.remove_leader(*group),
        Step::Pass => checked_pass(world),
        Step::Act => world.act(),
    }
}

/// Makes an edit that concerns no template and checks that it makes no revision (26).
fn edit_quietly(world: &mut World, edit: impl FnOnce(&mut World)) {
    let was_unrecorded = makes_revision(&world.plan());
    edit(world);
    assert!(
        was_unrecorded || !makes_revision(&world.plan()),
        "an edit of no template made a revision"
    );
}

fn makes_revision(plan: &Plan) -> bool {
    plan.actions.iter().any(|action| matches!(action, Action::CreateRevision(_)))
}

/// Returns what a set's strategy comes to: (replicas, capped surge, partition).
fn strategy(world: &World) -> (i32, i32, i32) {
    let budget = super::rollout::Budget::of(&world.lws).unwrap();
    (budget.replicas, budget.surge, budget.held)
}

/// Runs a pass of the LWS controller and checks what it does.
fn checked_pass(world: &mut World) {
    let before = world.clone();
    let plan = world.pass();
    assert_eq!(plan, before.plan(), "29: two passes on one view differ");
    let (replicas, surge, held) = strategy(world);
    let set = world.set();
    assert!(set.partition >= held, "1: partition below the user's");
    assert!((0..=replicas + surge).contains(&set.replicas), "2: {} leaders", set.replicas);
    assert_eq!(set.replicas_annotation, replicas.to_string(), "3");
    assert!(
        world.revisions.iter().any(|revision| *revision.key == *set.key),
        "3: no revision {}",
        set.key
    );
    if let Some(was) = &before.set {
        assert!(
            was.replicas >= replicas || set.replicas == replicas,
            "2: missing groups come first"
        );
        if was.key == set.key {
            assert!(
                set.partition <= was.partition.max(held),
                "1: the partition rose within a revision"
            );
            let exposed = |partition: i32, count: i32| {
                (partition..count.min(replicas)).collect::<BTreeSet<i32>>()
            };
            let (then, now) =
                (exposed(was.partition, was.replicas), exposed(set.partition, set.replicas));
            assert!(held > was.partition || now.is_superset(&then), "16: {then:?} then {now:?}");
        }
        check_status(world);
    }
    let names: BTreeSet<&str> = world.revisions.iter().map(|revision| &*revision.name).collect();
    assert_eq!(names.len(), world.revisions.len(), "24: revision names repeat");
    if plan.actions.iter().any(|action| matches!(action, Action::DeleteRevision { .. })) {
        assert!(world.revisions.iter().all(|revision| *revision.key == *world.set().key), "25");
    }
    assert!(world.has_service, "27");
}

fn check_status(world: &World) {
    let status = world.lws.status.as_ref().expect("the second pass writes a status");
    let is_true = |type_| world.condition(type_) == Some("True");
    assert!(!(is_true(AVAILABLE) && is_true(PROGRESSING)), "19");
    assert!(!(is_true(AVAILABLE) && is_true(UPDATE_IN_PROGRESS)), "19");
    assert!(is_true(AVAILABLE) || is_true(PROGRESSING) || is_true(UPDATE_IN_PROGRESS), "20");
    for condition in &status.conditions {
        assert_eq!(condition.observed_generation, Some(status.observed_generation), "21");
    }
}

/// Makes all groups ready whenever nothing moves, until nothing is left to do.
fn calm_down(world: &mut World) {
    for _ in 0..60 {
        world.settle();
        let before = world.clone();
        let groups: Vec<i32> = world.leaders.keys().copied().collect();
        for group in groups {
            world.set_ready(group, true);
        }
        world.pod_passes();
        if *world == before {
            return;
        }
    }
    panic!("the set never comes to rest");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_history_keeps_the_rules_and_ends_well(
        replicas in 0..6,
        steps in prop::collection::vec(any_step(), 0..40),
    ) {
        let mut world = World::new(sample(replicas));
        checked_pass(&mut world);
        for step in &steps {
            play(&mut world, step);
        }
        // Calm: nothing is held back, some budget is left, and every group becomes ready and stays so.
        world.edit_rollout(|rolling| {
            rolling.partition = Some(0);
            rolling.max_unavailable = Some(IntOrString::Int(1));
        });
        calm_down(&mut world);
        checked_pass(&mut world);
        let set = world.set();
        prop_assert_eq!((set.replicas, set.partition), (world.replicas(), 0), "18");
        prop_assert_eq!(&set.key, &world.spec_key(), "18");
        prop_assert!(world.leaders.values().all(|leader| leader.key == set.key && leader.is_ready), "18");
        prop_assert_eq!(world.condition(AVAILABLE), Some("True"), "18");
        prop_assert!(world.plan().is_idle(), "29: {:?}", world.plan());
        prop_assert!(world.lws.metadata.labels.as_ref().is_none_or(|labels| !labels.contains_key(keys::NAME)));
    }
}
