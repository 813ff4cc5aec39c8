//! The LWS controller: one pass over one set (`LC:Reconcile` of LWS v0.10).
//!
//! Orders the writes of a pass: revisions, leader StatefulSet, shared Service, status, stale revisions. The arithmetic
//! is in `rollout`, the counts and conditions are in `status`, the bodies in `objects`.
//!
//! # Differs from the real thing
//!
//! Upstream takes the status from reads that follow the apply; here one snapshot serves the whole pass, so a status may
//! be one pass older.

use super::fixes::Fix;
use super::group;
use super::objects;
use super::observed::{LeaderPodSeen, LeaderSetSeen, Observed, Revision};
use super::plan::{Action, EventNote, LeaderSetApply, NewRevision, Plan, Requeue};
use super::rollout::{self, Budget, Step};
use super::{revision, spec, status};
use crate::api::Uid;
use crate::engine::Span;
use std::sync::Arc;

/// How long a pass waits for a leader StatefulSet that is being deleted (`LC:Reconcile`).
const TERMINATING_SET_REQUEUE: Span = Span::from_secs(5);

/// Decides the next writes for one set.
pub fn reconcile(seen: &Observed<'_>) -> Plan {
    if seen.lws.metadata.deletion_timestamp.is_some() {
        return Plan::default(); // Garbage collection removes what the set owns.
    }
    if seen.leader_set.is_some_and(|set| set.is_deleting) {
        return Plan { requeue: Requeue::After(TERMINATING_SET_REQUEUE), ..Plan::default() };
    }
    let mut plan = Plan::default();
    if let Err(error) = plan_pass(seen, &mut plan) {
        plan.requeue = Requeue::Error(error);
    }
    plan
}

/// Fills `plan`; after an error what was planned so far is still carried out.
fn plan_pass(seen: &Observed<'_>, plan: &mut Plan) -> Result<(), String> {
    let in_force = plan_revisions(seen, plan);
    let key = &in_force.key;
    let leaders = group::leaders(seen, key);
    let budget = Budget::of(seen.lws).inspect_err(|error| {
        if seen.leader_set.is_none() {
            // Without a leader StatefulSet only the building of one stumbles over the value.
            let apply = Action::ApplyLeaderSet(leader_apply(seen, &in_force, 0, 0, 0));
            plan.actions.extend(apply.failure_event(error).map(Action::Emit));
        }
    })?;
    let surge_kept =
        (seen.fixes.has(Fix::B8) && !in_force.is_new).then(|| surge_kept(seen, key, budget));
    let budget = budget.with_surge_kept(surge_kept.flatten());
    let step = rollout::next(budget, seen.leader_set.as_ref(), in_force.is_new, |count| {
        group::states(&leaders, count)
    })?;
    plan_leader_set(seen, budget, step, &in_force, surge_kept.flatten(), plan);
    if !seen.has_shared_service
        && !spec::is_unique_per_replica(seen.lws.spec.network_config.as_ref())
    {
        plan.actions.push(Action::CreateService(objects::shared_service(seen.lws)));
    }
    let Some(leader_set) = &seen.leader_set else {
        return Err(format!("statefulsets.apps {:?} not found", spec::name(seen.lws)));
    };
    let step = status::next(seen, leader_set, &leaders, budget.held)?;
    plan.actions.extend(step.event.map(Action::Emit));
    plan.actions.extend(step.status.map(Box::new).map(Action::UpdateStatus));
    if step.is_done {
        let stale =
            owned(seen.revisions, spec::uid(seen.lws)).filter(|revision| revision.key != *key);
        plan.actions
            .extend(stale.map(|revision| Action::DeleteRevision { name: revision.name.clone() }));
    }
    Ok(())
}

/// The revision that the leader StatefulSet gets in this pass.
struct InForce {
    key: Arc<str>,
    /// Whether this pass makes it because the spec has changed.
    is_new: bool,
}

/// Plans the revisions that are missing and returns the one in force (`LC:getOrCreateRevisionIfNonExist`, `LC:getUpdatedRevision`).
fn plan_revisions(seen: &Observed<'_>, plan: &mut Plan) -> InForce {
    let imposed = seen.leader_set.map_or("", |set| set.key);
    let uid = spec::uid(seen.lws);
    let base =
        if imposed.is_empty() { None } else { newest_with_key(seen.revisions, uid, imposed) };
    let Some(base) = base else {
        // Made from the live spec, so nothing can have changed on top of it.
        let key: Arc<str> =
            if imposed.is_empty() { revision::key(seen.encoded).into() } else { imposed.into() };
        let note = if imposed.is_empty() {
            format!("Creating revision with key {key} for a newly created LeaderWorkerSet")
        } else {
            format!("Creating missing revision with key {key} for existing LeaderWorkerSet")
        };
        plan_revision(seen, &key, note, plan);
        return InForce { key, is_new: false };
    };
    if *base.data == *seen.encoded || revision::is_equal(seen.lws, base) {
        return InForce { key: Arc::clone(&base.key), is_new: false };
    }
    let key: Arc<str> = revision::key(seen.encoded).into();
    let note = format!("Creating revision with key {key} for updated LWS");
    plan_revision(seen, &key, note, plan);
    InForce { key, is_new: true }
}

/// Plans a revision of the live spec; it is made even where an equal one exists (B1, B2).
fn plan_revision(seen: &Observed<'_>, key: &Arc<str>, note: String, plan: &mut Plan) {
    let number = 1 + owned(seen.revisions, spec::uid(seen.lws))
        .map(|revision| revision.number)
        .max()
        .unwrap_or(0);
    plan.actions.push(Action::CreateRevision(NewRevision {
        name: revision::name(spec::name(seen.lws), &revision::key(seen.encoded), number),
        number,
        key: Arc::clone(key),
        data: seen.encoded.into(),
    }));
    plan.emit(EventNote::normal("CreatingRevision", "Create", note));
}

fn plan_leader_set(
    seen: &Observed<'_>,
    budget: Budget,
    step: Step,
    in_force: &InForce,
    surge_kept: Option<i32>,
    plan: &mut Plan,
) {
    let name = spec::name(seen.lws);
    if let Some((first, last)) = step.reclaimed {
        let note = if first == last {
            format!("deleting surge replica {name}-{first}")
        } else {
            format!("deleting surge replicas from {name}-{first} to {name}-{last}")
        };
        plan.emit(EventNote::normal("GroupsProgressing", "Delete", note));
    }
    plan.actions.push(Action::ApplyLeaderSet(LeaderSetApply {
        surge_kept,
        ..leader_apply(seen, in_force, step.replicas, step.partition, budget.set_unavailable())
    }));
    match seen.leader_set {
        None => plan.emit(EventNote::normal(
            "GroupsProgressing",
            "Create",
            format!("Created leader statefulset {name}"),
        )),
        Some(set) => plan.actions.extend(moved_partition(&set, step, in_force).map(Action::Emit)),
    }
}

/// Returns the event of a partition that moves within a revision; it is nonsense where the partition rises (B22).
fn moved_partition(set: &LeaderSetSeen<'_>, step: Step, in_force: &InForce) -> Option<EventNote> {
    if in_force.is_new || step.partition == set.partition {
        return None;
    }
    let (first, last) = (step.partition, set.partition - 1);
    let note = if first == last {
        format!("Updating replica {first}")
    } else {
        format!("Updating replicas {first} to {last} (inclusive)")
    };
    Some(EventNote::normal("GroupsUpdating", "Update", note))
}

fn leader_apply(
    seen: &Observed<'_>,
    in_force: &InForce,
    replicas: i32,
    partition: i32,
    max_unavailable: i32,
) -> LeaderSetApply {
    // Under fix B10 what a later version adds to the template waits for the user's next change.
    let may_add = !seen.fixes.has(Fix::B10)
        || in_force.is_new
        || seen.leader_set.is_none_or(|set| set.has_later_label);
    LeaderSetApply {
        name: spec::name(seen.lws).to_owned(),
        key: Arc::clone(&in_force.key),
        replicas,
        partition,
        max_unavailable,
        surge_kept: None,
        has_later_label: seen.is_later_version && may_add,
        exists: seen.leader_set.is_some(),
    }
}

/// Returns how many surge groups the rollout to `key` keeps, if there is no room for all of them (fix B8).
///
/// What was once given up stays so until the next revision: a group that was reclaimed cannot say any more that it had no room.
fn surge_kept(seen: &Observed<'_>, key: &str, budget: Budget) -> Option<i32> {
    let recorded = seen.leader_set.and_then(|set| {
        let (of, kept) = set.surge_kept?.rsplit_once('/')?;
        if of == key { kept.parse().ok() } else { None }
    });
    let surge_index = |leader: &LeaderPodSeen<'_>| -> Option<i32> {
        leader.group_index.parse().ok().filter(|index| *index >= budget.replicas)
    };
    let futile = seen
        .leader_pods
        .iter()
        .filter(|leader| leader.is_unschedulable)
        .filter_map(|leader| Some(surge_index(leader)? - budget.replicas))
        .min();
    recorded.into_iter().chain(futile).min()
}

/// Returns the revisions that the set owns or nobody does (`RU:ListRevisions`).
fn owned(revisions: &[Arc<Revision>], uid: Uid) -> impl Iterator<Item = &Arc<Revision>> {
    revisions.iter().filter(move |revision| revision.owner.is_none_or(|owner| owner == uid))
}

/// Returns the revision with a key; of several the one with the highest number, as upstream does.
pub(super) fn newest_with_key<'a>(
    revisions: &'a [Arc<Revision>],
    uid: Uid,
    key: &str,
) -> Option<&'a Revision> {
    let mut newest: Option<&Revision> = None;
    for revision in owned(revisions, uid).filter(|revision| *revision.key == *key) {
        if newest.is_none_or(|best| revision.number > best.number) {
            newest = Some(revision);
        }
    }
    newest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::lws::NetworkConfig;
    use crate::controller::fixes::Fixes;
    use crate::controller::model::{NAME, World, sample, template};
    use crate::vectors;
    use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
    use serde_json::Value;

    /// Draws a plan: one line an action, then the requeue; keys are drawn as `K`.
    fn drawn(plan: &Plan, key: &str) -> String {
        let mut lines: Vec<String> = plan.actions.iter().map(draw_action).collect();
        match &plan.requeue {
            Requeue::No => {}
            Requeue::After(span) => lines.push(format!("after {}s", span.as_secs_f64())),
            Requeue::Error(error) => lines.push(format!("error {error}")),
        }
        lines.join("\n").replace(key, "K")
    }

    fn draw_action(action: &Action) -> String {
        match action {
            Action::CreateRevision(new) => format!("create revision {} {}", new.name, new.key),
            Action::ApplyLeaderSet(apply) => {
                format!("apply {} {} {}", apply.key, apply.replicas, apply.partition)
            }
            Action::CreateService(body) => format!("create service {}", body.name),
            Action::UpdateStatus(status) => {
                let is_true =
                    |condition: &&k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition| {
                        condition.status == "True"
                    };
                let letters: String = status
                    .conditions
                    .iter()
                    .filter(is_true)
                    .map(|condition| &condition.type_[..1])
                    .collect();
                format!(
                    "status {} {} {} {letters}",
                    status.replicas, status.ready_replicas, status.updated_replicas
                )
            }
            Action::DeleteRevision { name } => format!("delete revision {name}"),
            Action::Emit(event) => format!(
                "{} {} {}: {}",
                if event.is_warning { "Warning" } else { "Normal" },
                event.reason,
                event.action,
                event.note
            ),
            other => panic!("a pass over a set never does {other:?}"),
        }
    }

    fn ready(replicas: i32) -> World {
        let mut world = World::new(sample(replicas));
        world.settle();
        (0..replicas).for_each(|group| world.set_ready(group, true));
        world.settle();
        world
    }

    fn roll(world: &mut World, image: &str) -> String {
        world.edit(|spec| spec.leader_worker_template.worker_template = template("worker", image))
    }

    #[track_caller]
    fn check(plan: &Plan, key: &str, expected: &str) {
        let expected: Vec<&str> =
            expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        assert_eq!(drawn(plan, key), expected.join("\n"));
    }

    #[test]
    fn a_set_is_born_in_two_passes() {
        let mut world = World::new(sample(2));
        let key = world.spec_key();
        check(
            &world.pass(),
            &key,
            "create revision test-sample-K-1 K
             Normal CreatingRevision Create: Creating revision with key K for a newly created LeaderWorkerSet
             apply K 2 0
             Normal GroupsProgressing Create: Created leader statefulset test-sample
             create service test-sample
             error statefulsets.apps \"test-sample\" not found",
        );
        check(
            &world.pass(),
            &key,
            "apply K 2 0
             Normal GroupsProgressing Update: Replicas are progressing, with 0 groups ready of total 2 groups
             status 0 0 0 P",
        );
        check(&world.pass(), &key, "apply K 2 0");
        assert!(world.plan().is_idle());
    }

    #[test]
    fn the_last_group_makes_the_set_available() {
        let mut world = World::new(sample(2));
        world.settle();
        (0..2).for_each(|group| world.set_ready(group, true));
        let key = world.spec_key();
        check(
            &world.pass(),
            &key,
            "apply K 2 0
             Normal AllGroupsReady Update: All replicas are ready, with 2 groups ready of total 2 groups
             status 2 2 2 A",
        );
    }

    #[test]
    fn a_rollout_starts_with_two_applies_and_two_status_writes() {
        let mut world = ready(4);
        let key = roll(&mut world, "v2");
        check(
            &world.pass(),
            &key,
            "create revision test-sample-K-2 K
             Normal CreatingRevision Create: Creating revision with key K for updated LWS
             apply K 4 4
             Normal GroupsUpdating Update: Rolling Upgrade is in progress, with 4 groups ready of total 4 groups
             status 4 4 0 U",
        );
        check(
            &world.pass(),
            &key,
            "apply K 4 3
             Normal GroupsUpdating Update: Updating replica 3
             Normal GroupsUpdating Update: Rolling Upgrade is in progress, with 4 groups ready of total 4 groups
             status 4 4 0 PU",
        );
    }

    #[test]
    fn a_finished_rollout_drops_the_older_revisions() {
        let mut world = ready(1);
        let first = world.revisions[0].name.clone();
        let key = roll(&mut world, "v2");
        world.settle();
        world.set_ready(0, true);
        check(
            &world.pass(),
            &key,
            &format!(
                "apply K 1 0
                 Normal AllGroupsReady Update: All replicas are ready, with 1 groups ready of total 1 groups
                 status 1 1 1 A
                 delete revision {first}"
            ),
        );
    }

    #[test]
    fn no_revision_is_dropped_while_a_partition_holds_groups_back() {
        let revisions_after_rollout = |held: i32| {
            let mut world = World::new(sample(0));
            world.edit_rollout(|rolling| rolling.partition = Some(held));
            world.settle();
            roll(&mut world, "v2");
            world.settle();
            world.revisions.len()
        };
        assert_eq!((revisions_after_rollout(0), revisions_after_rollout(1)), (1, 2));
    }

    #[test]
    fn a_rollback_makes_a_new_revision_with_the_old_key() {
        let mut world = ready(2);
        let key = world.spec_key();
        roll(&mut world, "v2");
        world.settle();
        assert_eq!(roll(&mut world, "v1"), key);
        let plan = world.pass();
        let Action::CreateRevision(new) = &plan.actions[0] else { panic!("{plan:?}") };
        assert_eq!((&*new.key, new.number), (&*key, 3));
        assert_eq!(world.revisions.iter().filter(|revision| *revision.key == *key).count(), 2);
        world.settle();
        world.set_ready(1, true);
        world.settle();
        // Both carry the current key, so both stay (B2).
        assert_eq!(world.revisions.len(), 2);
    }

    #[test]
    fn a_new_revision_counts_on_from_the_highest() {
        vectors::each("lws-utils.yaml", "highest_revision", |row: Value| {
            let mut world = ready(1);
            let stored = world.revisions[0].clone();
            world.revisions.clear();
            for (index, number) in row["revisions"].as_array().unwrap().iter().enumerate() {
                world.revisions.push(Arc::new(Revision {
                    name: format!("r{index}"),
                    number: number.as_i64().unwrap(),
                    ..(*stored).clone()
                }));
            }
            roll(&mut world, "v2");
            let plan = world.pass();
            let Action::CreateRevision(new) = &plan.actions[0] else { panic!("{row}: {plan:?}") };
            assert_eq!(new.number, 1 + row["want"].as_i64().unwrap_or(0), "{row}");
        });
    }

    #[test]
    fn a_change_is_seen_where_upstream_sees_one() {
        vectors::each("lws-utils.yaml", "update_detected", |row: Value| {
            let mut world = ready(1);
            if row["leader_statefulset"] == "absent" {
                world.set = None;
            }
            let stored = &world.revisions[0];
            let data = match row["stored_revision"].as_str().unwrap() {
                "same" => stored.data.to_string(),
                "other container name" => stored.data.replace("worker", "other"),
                older => {
                    assert!(older.contains("creationTimestamp null"), "{row}");
                    let mut data: Value = serde_json::from_str(&stored.data).unwrap();
                    let group = &mut data["spec"]["leaderWorkerTemplate"];
                    group["workerTemplate"]["metadata"]["creationTimestamp"] = Value::Null;
                    data.to_string()
                }
            };
            let stored =
                revision::from_parts(&stored.name, 1, &stored.key, &data, stored.owner).unwrap();
            world.revisions = vec![Arc::new(stored)];
            let is_seen = drawn(&world.plan(), "-").contains("for updated LWS");
            assert_eq!(is_seen, row["want"] == true, "{row}");
        });
    }

    #[test]
    fn surge_without_room_is_given_up_under_b8() {
        let mut world = ready(4);
        world.edit_rollout(|rolling| {
            rolling.max_surge = Some(IntOrString::Int(1));
            rolling.max_unavailable = Some(IntOrString::Int(0));
        });
        roll(&mut world, "v2");
        world.settle();
        let held = (world.set().replicas, world.set().partition);
        assert_eq!(held, (5, 4), "the surge group is waited for");
        world.leaders.get_mut(&4).unwrap().is_unschedulable = true;
        world.settle();
        assert_eq!((world.set().replicas, world.set().partition), (5, 4), "as upstream does");
        world.fixes = [Fix::B8].into_iter().collect();
        world.settle();
        assert_eq!((world.set().replicas, world.set().partition), (4, 3));
        for group in (0..4).rev() {
            world.set_ready(group, true);
            world.settle();
        }
        assert_eq!((world.set().replicas, world.set().partition), (4, 0));
        let key = world.spec_key();
        assert_eq!(world.set().surge_kept, Some(format!("{key}/0")));
        // The next change tries surge again.
        roll(&mut world, "v3");
        world.settle();
        assert_eq!((world.set().replicas, world.set().partition), (5, 4));
        assert_eq!(world.set().surge_kept, None);
    }

    #[test]
    fn a_later_version_changes_templates_at_once_or_under_b10_with_the_next_change() {
        for (fixes, labels) in [
            (Fixes::default(), [true, true, true]),
            ([Fix::B10].into_iter().collect(), [false, false, true]),
        ] {
            let mut world = ready(2);
            world.fixes = fixes;
            world.is_later_version = true;
            world.settle();
            let mut found = vec![world.set().has_later_label];
            world.edit(|spec| spec.replicas = Some(3));
            world.settle();
            found.push(world.set().has_later_label);
            roll(&mut world, "v2");
            world.settle();
            found.push(world.set().has_later_label);
            assert_eq!(found, labels, "{fixes:?}");
        }
    }

    #[test]
    fn a_lost_revision_is_made_again_under_the_key_in_force() {
        let mut world = ready(1);
        world.revisions.clear();
        let key = world.spec_key();
        "imposed".clone_into(&mut world.set.as_mut().unwrap().key);
        let plan = world.plan();
        check(
            &Plan { actions: plan.actions[..3].to_vec(), ..plan },
            &key,
            "create revision test-sample-K-1 imposed
             Normal CreatingRevision Create: Creating missing revision with key imposed for existing LeaderWorkerSet
             apply imposed 1 0",
        );
    }

    #[test]
    fn a_foreign_revision_counts_for_nothing() {
        let mut world = ready(1);
        let mine = world.revisions[0].clone();
        let foreign = Revision {
            owner: Some(Uid(8)),
            name: "foreign".to_owned(),
            number: 9,
            ..(*mine).clone()
        };
        world.revisions = vec![Arc::new(foreign)];
        let plan = world.plan();
        let Action::CreateRevision(new) = &plan.actions[0] else { panic!("{plan:?}") };
        assert_eq!(new.number, 1);
        let orphan =
            Revision { owner: None, name: "orphan".to_owned(), number: 9, ..(*mine).clone() };
        world.revisions = vec![mine, Arc::new(orphan)];
        assert!(world.plan().is_idle());
        let newest = newest_with_key(&world.revisions, Uid(7), &world.spec_key()).unwrap();
        assert_eq!(newest.name, "orphan");
    }

    #[test]
    fn a_set_or_leader_set_that_is_being_deleted_is_left_alone() {
        let mut world = ready(1);
        let seen = |world: &World, is_deleting: bool| {
            reconcile(&Observed {
                lws: &world.lws,
                encoded: "",
                leader_set: Some(LeaderSetSeen {
                    key: "",
                    replicas_annotation: None,
                    is_deleting,
                    replicas: 1,
                    partition: 0,
                    status_replicas: 1,
                    surge_kept: None,
                    has_later_label: false,
                }),
                revisions: &[],
                leader_pods: &[],
                worker_sets: &[],
                has_shared_service: false,
                now: jiff::Timestamp::UNIX_EPOCH,
                fixes: Fixes::default(),
                is_later_version: false,
            })
        };
        check(&seen(&world, true), "K", "after 5s");
        let time =
            k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(jiff::Timestamp::UNIX_EPOCH);
        world.lws.metadata.deletion_timestamp = Some(time);
        check(&seen(&world, true), "K", "");
        check(&seen(&world, false), "K", "");
    }

    #[test]
    fn a_set_with_a_service_for_each_group_has_no_shared_one() {
        let mut lws = sample(2);
        lws.spec.network_config =
            Some(NetworkConfig { subdomain_policy: Some("UniquePerReplica".to_owned()) });
        let mut world = World::new(lws);
        world.settle();
        assert!(!world.has_service);
        assert_eq!(world.group_services.len(), 2);
    }

    #[test]
    fn a_garbled_budget_ends_the_pass() {
        let garble = |world: &mut World| {
            world.edit_rollout(|rolling| {
                rolling.max_surge = Some(IntOrString::String("many".to_owned()));
            });
        };
        let mut world = ready(1);
        garble(&mut world);
        let error = "error invalid value for IntOrString: invalid type: string is not a percentage";
        check(&world.plan(), "K", error);
        let mut world = World::new(sample(1));
        garble(&mut world);
        let plan = world.plan();
        let failed = "Warning FailedCreate Create: Failed to create leader statefulset test-sample: \
                      invalid value for IntOrString: invalid type: string is not a percentage";
        assert_eq!(draw_action(plan.actions.last().unwrap()), failed);
    }

    #[test]
    fn a_failed_write_is_told_as_upstream_tells_it() {
        let note = |action: &Action| {
            action.failure_event("boom").map(|event| format!("{} {}", event.reason, event.note))
        };
        let mut world = World::new(sample(2));
        let born = world.pass();
        let notes: Vec<String> = born.actions.iter().filter_map(note).collect();
        assert_eq!(
            notes,
            [
                "FailedCreate Failed to create leader statefulset test-sample: boom",
                "FailedCreate Failed to create headless service for error: boom",
            ]
        );
        let notes: Vec<String> = world.pass().actions.iter().filter_map(note).collect();
        assert_eq!(notes, ["FailedUpdate Failed to update leader statefulset test-sample: boom"]);
        assert_eq!(world.set().max_unavailable, 1);
        assert_eq!(NAME, world.lws.metadata.name.unwrap());
    }
}
