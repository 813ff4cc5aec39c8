//! Each rule can fail: a run that came to rest is broken by hand, and the rule says so.

use super::Rule;
use crate::api::Uid;
use crate::backend::record::Record;
use crate::backend::sim::object::{
    Kind, LwsRecord, Meta, NameId, OwnerRef, PodRecord, ServiceRecord, SetRecord, SetSpec,
};
use crate::backend::sim::run::begin;
use crate::backend::sim::set_shell::SetWrite;
use crate::backend::sim::setup::Propagation;
use crate::backend::sim::store::Deletion;
use crate::backend::sim::trial::{Trial, set_image};
use crate::backend::sim::world::{Controller, Process, World, Write};
use crate::controller::Action;
use crate::engine::{Queue, Time, run as run_engine};
use std::collections::BTreeSet;
use std::sync::Arc;

const PLAIN: &str = "{replicas: 2, leaderWorkerTemplate: {size: 2}}";
const HELD: &str = "{replicas: 4, leaderWorkerTemplate: {size: 1}, rolloutStrategy: {type: RollingUpdate, rollingUpdateConfiguration: {partition: 4, maxUnavailable: 1}}}";
const CALM: &str = "{replicas: 2, leaderWorkerTemplate: {size: 2, restartPolicy: None}}";

/// Returns the rules that are broken once `act` has acted on a run at rest, which broke none.
fn broken(trial: &Trial, act: impl FnOnce(&mut World<'_>)) -> BTreeSet<Rule> {
    let mut sink = |_: &Record| {};
    let mut events = Queue::new();
    let mut world = World::new(&trial.setup, 1, &mut sink);
    world.checks = Some(Box::default());
    begin(&mut world, &mut events);
    run_engine(&mut world, &mut events, Time::ZERO + trial.setup.horizon, trial.setup.events_max);
    assert_eq!(world.checks.as_ref().unwrap().violations, []);
    act(&mut world);
    world.flush(&mut events);
    let checks = world.checks.take().unwrap();
    checks.into_violations().into_iter().map(|violation| violation.rule).collect()
}

fn check(rule: Rule, spec: &str, act: impl FnOnce(&mut World<'_>)) {
    let trial = Trial::new(4, spec).then(set_image("img:2"));
    let rules = broken(&trial, act);
    assert!(rules.contains(&rule), "{rule} is not among {rules:?}");
}

fn named(world: &mut World<'_>, name: &str) -> NameId {
    world.store.names.intern("default", name)
}

fn update_pod(world: &mut World<'_>, name: &str, change: impl FnOnce(&mut PodRecord)) {
    let name = named(world, name);
    world.store.update::<PodRecord>(name, None, change).unwrap();
}

fn update_set(world: &mut World<'_>, change: impl FnOnce(&mut LwsRecord)) {
    let name = named(world, "s");
    world.store.update::<LwsRecord>(name, None, change).unwrap();
}

/// Looks at a pass with these writes.
fn pass(world: &mut World<'_>, controller: Controller, key: &str, writes: Vec<Write>) {
    let (key, lws) = (named(world, key), named(world, "s"));
    let lws = world.store.get::<LwsRecord>(lws).cloned();
    let process =
        Process { controller, lws, ..crate::backend::sim::lws_shell::idle(controller, key) };
    world.check_pass(&Process { steps: [writes].into(), ..process });
}

/// Looks at an apply that differs in size and partition.
fn apply(world: &mut World<'_>, replicas: i32, partition: i32) {
    let name = named(world, "s");
    let set = world.store.get::<SetRecord>(name).cloned().unwrap();
    let mut apply = set.applied.as_ref().unwrap().2.clone();
    (apply.replicas, apply.partition) = (replicas, partition);
    pass(world, Controller::Lws, "s", vec![Write::Lws(Action::ApplyLeaderSet(apply))]);
}

fn create_service(world: &mut World<'_>, owner: OwnerRef) {
    let name = named(world, "lost");
    let selector = Arc::default();
    let record = ServiceRecord { meta: Meta::new(name, Some(owner)), body: None, selector };
    world.store.create(Time::ZERO, record).unwrap();
}

#[test]
fn a_pod_on_a_full_node_breaks_a_rule() {
    let trial = Trial::new(2, "{replicas: 3, leaderWorkerTemplate: {size: 1}}");
    let rules = broken(&trial, |world| {
        let node =
            world.pod(NameId(world.store.names.find("default/s-0").unwrap().0)).unwrap().node;
        update_pod(world, "s-2", |pod| pod.node = node);
    });
    assert_eq!(rules, [Rule::NoOverAllocation].into());
}

#[test]
fn an_owner_that_is_another_breaks_a_rule() {
    check(Rule::OneOwner, PLAIN, |world| {
        update_pod(world, "s-0", |pod| pod.meta.owner.as_mut().unwrap().kind = Kind::Pod);
    });
    check(Rule::OneOwner, PLAIN, |world| {
        let other = named(world, "s-1");
        let uid = world.store.get::<SetRecord>(other).unwrap().meta.uid;
        update_pod(world, "s-0-1", |pod| {
            pod.meta.owner = Some(OwnerRef { kind: Kind::StatefulSet, name: other, uid });
        });
    });
}

#[test]
fn a_rollout_beyond_its_bounds_breaks_a_rule() {
    check(Rule::RolloutBounds, PLAIN, |world| apply(world, 3, 0));
    check(Rule::RolloutBounds, PLAIN, |world| apply(world, 1, 0));
    check(Rule::RolloutBounds, PLAIN, |world| apply(world, 2, 1));
    check(Rule::RolloutBounds, HELD, |world| apply(world, 4, 3));
}

#[test]
fn a_step_that_takes_two_groups_of_a_budget_of_one_breaks_a_rule() {
    check(Rule::Unavailable, HELD, |world| {
        update_set(world, |record| {
            let strategy = Arc::make_mut(&mut record.lws).spec.rollout_strategy.as_mut().unwrap();
            strategy.rolling_update_configuration.as_mut().unwrap().partition = Some(0);
        });
        apply(world, 4, 2);
    });
}

#[test]
fn two_pods_replaced_at_once_break_a_rule() {
    check(Rule::OneByOne, PLAIN, |world| {
        let deletes = ["s-0", "s-1"].map(|name| {
            let name = named(world, name);
            Write::Set(SetWrite::DeletePod { name, uid: world.pod(name).unwrap().meta.uid })
        });
        pass(world, Controller::StatefulSet, "s", deletes.into());
    });
}

#[test]
fn a_status_ahead_of_the_truth_breaks_a_rule() {
    check(Rule::StatusBehindTruth, PLAIN, |world| {
        update_set(world, |record| {
            Arc::make_mut(&mut record.lws).status.as_mut().unwrap().ready_replicas = 3;
        });
    });
    check(Rule::StatusBehindTruth, PLAIN, |world| {
        let name = named(world, "s-0");
        world.store.update::<SetRecord>(name, None, |set| set.status.ready = 2).unwrap();
    });
}

#[test]
fn conditions_that_exclude_each_other_break_a_rule() {
    check(Rule::Conditions, PLAIN, |world| {
        update_set(world, |record| {
            let status = Arc::make_mut(&mut record.lws).status.as_mut().unwrap();
            status.conditions.iter_mut().for_each(|condition| condition.status = "True".to_owned());
        });
    });
}

#[test]
fn a_worker_set_of_another_revision_breaks_a_rule() {
    check(Rule::OneRevision, PLAIN, |world| {
        let (name, other) = (named(world, "s-0"), named(world, "s-0-other"));
        let set = SetRecord::clone(world.store.get::<SetRecord>(name).unwrap());
        let spec = SetSpec { revision: "other".into(), ..SetSpec::clone(&set.spec) };
        let meta = Meta::new(other, set.meta.owner);
        world.store.create(Time::ZERO, SetRecord { meta, spec: Arc::new(spec), ..set }).unwrap();
    });
}

#[test]
fn a_leader_of_another_name_breaks_a_rule() {
    check(Rule::LeaderName, PLAIN, |world| {
        let (name, other) = (named(world, "s-0"), named(world, "s-7"));
        let pod = PodRecord::clone(world.pod(name).unwrap());
        let meta = Meta::new(other, pod.meta.owner);
        world.store.create(Time::ZERO, PodRecord { meta, node: None, ..pod }).unwrap();
    });
}

#[test]
fn workers_of_another_number_break_a_rule() {
    check(Rule::WorkersInTime, PLAIN, |world| {
        let name = named(world, "s-0");
        let mut body = world.store.get::<SetRecord>(name).unwrap().spec.body.clone();
        body.replicas = 5;
        let write = Write::Lws(Action::CreateWorkerSet(Box::new(body)));
        pass(world, Controller::Pod, "s-0", vec![write]);
    });
}

#[test]
fn a_group_that_is_not_whole_breaks_a_rule() {
    check(Rule::WholeGroups, PLAIN, |world| {
        update_pod(world, "s-0-1", |pod| pod.restarts = 1);
        world.check_rest();
    });
    check(Rule::WholeGroups, PLAIN, |world| {
        let name = named(world, "s-0");
        let how = Deletion { propagation: Propagation::Foreground, ..Deletion::default() };
        world.store.delete::<PodRecord>(Time::ZERO, name, how).unwrap();
        update_pod(world, "s-0", |pod| {
            pod.is_confirmed = true;
            pod.meta.finalizers.foreground = false;
        });
    });
}

#[test]
fn a_leader_deleted_against_the_policy_breaks_a_rule() {
    let delete = |world: &mut World<'_>, name: &str| {
        let write = Write::Lws(Action::DeletePodForeground { name: name.to_owned() });
        pass(world, Controller::Pod, "s-0-1", vec![write]);
    };
    check(Rule::DeletionByPolicy, CALM, |world| delete(world, "s-0"));
    check(Rule::DeletionByPolicy, PLAIN, |world| delete(world, "s-1"));
}

#[test]
fn an_object_without_its_owner_breaks_a_rule() {
    check(Rule::NothingLeftBehind, PLAIN, |world| {
        let name = named(world, "gone");
        create_service(world, OwnerRef { kind: Kind::LeaderWorkerSet, name, uid: Uid(u128::MAX) });
        world.check_rest();
    });
}

#[test]
fn a_pass_with_something_to_do_at_rest_breaks_a_rule() {
    check(Rule::RestIsEmpty, PLAIN, |world| {
        let name = named(world, "s");
        world.lws_cache.services.remove(&name);
        world.check_rest();
    });
}

#[test]
fn a_set_without_its_service_at_rest_breaks_a_rule() {
    check(Rule::RestIsTrue, PLAIN, |world| {
        let name = named(world, "s");
        world.store.delete::<ServiceRecord>(Time::ZERO, name, Deletion::default()).unwrap();
        world.check_rest();
    });
}
