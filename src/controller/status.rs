//! Status of a set: counts, conditions, and whether a rollout is done (`LC:updateStatus` of LWS v0.10).
//!
//! Conditions are merged exactly as upstream does, short-circuit included (B18): the start of a rollout takes two writes.

use super::group::Leader;
use super::observed::{LeaderSetSeen, Observed};
use super::plan::EventNote;
use super::spec;
use crate::api::keys;
use crate::api::lws::LeaderWorkerSetStatus;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// Condition: all wanted groups are ready and updated.
pub const AVAILABLE: &str = "Available";
/// Condition: some wanted group is not.
pub const PROGRESSING: &str = "Progressing";
/// Condition: groups change their revision.
pub const UPDATE_IN_PROGRESS: &str = "UpdateInProgress";

/// What a pass does about the status.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct StatusStep {
    /// The status to write, if it differs.
    pub(super) status: Option<LeaderWorkerSetStatus>,
    /// The event of a changed condition.
    pub(super) event: Option<EventNote>,
    /// Whether all groups are ready on the current revision and nothing is held back.
    pub(super) is_done: bool,
}

/// Counts of groups, as one pass over the leader pods finds them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    /// Ready groups, surge and terminating ones included.
    ready: i32,
    /// Groups with the current key, surge and terminating ones included.
    updated: i32,
    /// Ready groups below `spec.replicas`.
    ready_wanted: i32,
    /// Groups that the rollout may touch.
    in_range: i32,
    /// Those of them with the current key.
    in_range_updated: i32,
    /// Those of them that are ready and have the current key.
    in_range_done: i32,
}

/// Decides the status write of one pass.
///
/// # Errors
///
/// A leader pod has no integer group index; upstream then gives up the whole pass (B27).
pub(super) fn next(
    seen: &Observed<'_>,
    set: &LeaderSetSeen<'_>,
    leaders: &[Leader],
    held: i32,
) -> Result<StatusStep, String> {
    let lws = seen.lws;
    let replicas = spec::replicas(lws);
    let counts = count(seen, leaders, held)?;
    let generation = lws.metadata.generation.unwrap_or(0);
    let now = Time(
        jiff::Timestamp::from_second(seen.now.as_second())
            .expect("seconds of a time stamp are in range"),
    );

    let stored = lws.status.as_ref();
    let mut status = stored.cloned().unwrap_or_default();
    status.replicas = set.status_replicas;
    status.observed_generation = generation;
    status.ready_replicas = counts.ready;
    status.updated_replicas = counts.updated;
    if status.hpa_pod_selector.is_empty() {
        let name = spec::name(lws);
        status.hpa_pod_selector = format!("{}={name},{}=0", keys::NAME, keys::WORKER_INDEX);
    }
    let proposals = propose(counts, replicas);
    let has_changed = merge(&mut status.conditions, proposals, generation, &now);
    let event = has_changed.then(|| {
        let Proposal { reason, message, .. } = proposals[0];
        EventNote::normal(
            reason,
            "Update",
            format!("{message}, with {} groups ready of total {replicas} groups", counts.ready),
        )
    });
    let is_same = stored
        .map_or_else(|| status == LeaderWorkerSetStatus::default(), |stored| *stored == status);
    let is_done = held == 0 && counts.in_range_done == replicas;
    Ok(StatusStep { status: (!is_same).then_some(status), event, is_done })
}

fn count(seen: &Observed<'_>, leaders: &[Leader], held: i32) -> Result<Counts, String> {
    let replicas = i64::from(spec::replicas(seen.lws));
    let range = i64::from(held)..replicas;
    let mut counts = Counts::default();
    for (leader, pod) in leaders.iter().zip(seen.leader_pods) {
        let index = leader.index.ok_or_else(|| {
            format!("strconv.Atoi: parsing {:?}: invalid syntax", pod.group_index)
        })?;
        // A group without its workers' StatefulSet is left out of every count (B19).
        let Some(state) = leader.state else { continue };
        let in_range = range.contains(&index);
        counts.ready += i32::from(state.is_ready);
        counts.ready_wanted += i32::from(state.is_ready && index < replicas);
        counts.updated += i32::from(state.is_updated);
        counts.in_range += i32::from(in_range);
        counts.in_range_updated += i32::from(in_range && state.is_updated);
        counts.in_range_done += i32::from(in_range && state.is_done());
    }
    Ok(counts)
}

/// A condition that is to become True.
#[derive(Clone, Copy, Debug)]
struct Proposal {
    type_: &'static str,
    reason: &'static str,
    message: &'static str,
}

const IS_AVAILABLE: Proposal =
    Proposal { type_: AVAILABLE, reason: "AllGroupsReady", message: "All replicas are ready" };
const IS_PROGRESSING: Proposal = Proposal {
    type_: PROGRESSING,
    reason: "GroupsProgressing",
    message: "Replicas are progressing",
};
const IS_UPDATING: Proposal = Proposal {
    type_: UPDATE_IN_PROGRESS,
    reason: "GroupsUpdating",
    message: "Rolling Upgrade is in progress",
};

/// Returns the conditions that the counts call for, the one that names the event first.
fn propose(counts: Counts, replicas: i32) -> &'static [Proposal] {
    if counts.in_range_updated < counts.in_range {
        &[IS_UPDATING, IS_PROGRESSING]
    } else if counts.ready_wanted == replicas && counts.in_range_done == counts.in_range {
        &[IS_AVAILABLE]
    } else {
        &[IS_PROGRESSING]
    }
}

/// Merges proposals into the stored conditions and returns whether anything changed (`setConditions`).
///
/// Once one proposal changed something, those after it are left for the next pass (B18).
fn merge(stored: &mut Vec<Condition>, proposals: &[Proposal], generation: i64, now: &Time) -> bool {
    let mut has_changed = proposals.iter().any(|proposal| set(stored, proposal, generation, now));
    for condition in stored {
        if condition.observed_generation != Some(generation) {
            condition.observed_generation = Some(generation);
            has_changed = true;
        }
    }
    has_changed
}

/// Sets one condition to True, and those that exclude it to False (`setCondition`).
fn set(stored: &mut Vec<Condition>, proposal: &Proposal, generation: i64, now: &Time) -> bool {
    let wanted = || Condition {
        type_: proposal.type_.to_owned(),
        status: "True".to_owned(),
        reason: proposal.reason.to_owned(),
        message: proposal.message.to_owned(),
        observed_generation: Some(generation),
        last_transition_time: now.clone(),
    };
    let mut is_stored = false;
    let mut has_changed = false;
    for condition in stored.iter_mut() {
        if condition.type_ == proposal.type_ {
            is_stored = true;
            if condition.status != "True" || condition.observed_generation != Some(generation) {
                *condition = wanted();
                has_changed = true;
            }
        } else if excludes(&condition.type_, proposal.type_) && condition.status == "True" {
            // Reason and message stay as they were.
            "False".clone_into(&mut condition.status);
            condition.last_transition_time = now.clone();
            condition.observed_generation = Some(generation);
            has_changed = true;
        }
    }
    if !is_stored {
        stored.push(wanted());
        has_changed = true;
    }
    has_changed
}

/// Returns whether two conditions cannot both be True.
fn excludes(one: &str, other: &str) -> bool {
    one != other && (one == AVAILABLE || other == AVAILABLE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors;
    use serde_json::{Value, json};

    fn at(second: i64) -> Time {
        Time(jiff::Timestamp::from_second(second).unwrap())
    }

    /// Draws conditions as first letter, status, generation and time, such as `A+2@5`.
    fn drawn(conditions: &[Condition]) -> String {
        let draw = |condition: &Condition| {
            let status = if condition.status == "True" { '+' } else { '-' };
            let time = condition.last_transition_time.0.as_second();
            format!(
                "{}{status}{}@{time}",
                &condition.type_[..1],
                condition.observed_generation.unwrap()
            )
        };
        conditions.iter().map(draw).collect::<Vec<_>>().join(" ")
    }

    fn merged(history: &[(&[Proposal], i64)]) -> String {
        let mut stored = Vec::new();
        let mut lines = Vec::new();
        for (second, (proposals, generation)) in (1..).zip(history) {
            let has_changed = merge(&mut stored, proposals, *generation, &at(second));
            lines.push(format!("{}{}", drawn(&stored), if has_changed { "" } else { " (same)" }));
        }
        lines.join("; ")
    }

    fn proposal(type_: &Value) -> Proposal {
        let known = [IS_AVAILABLE, IS_PROGRESSING, IS_UPDATING];
        known.into_iter().find(|proposal| type_ == proposal.type_).unwrap()
    }

    #[test]
    fn conditions_exclude_and_change_each_other_as_upstreams_do() {
        vectors::each("lws-utils.yaml", "exclusive_conditions", |row: Value| {
            let (a, b) = (proposal(&row["a"]), proposal(&row["b"]));
            assert_eq!(excludes(a.type_, b.type_), row["want"] == true, "{row}");
        });
        vectors::each("lws-utils.yaml", "set_condition", |row: Value| {
            let new = &row["new"];
            if new[1] == "False" {
                // UT-CTL-030: the controller never proposes a condition that is False, and nor can this function.
                return assert_eq!(
                    (&row["id"], &row["want"]),
                    (&json!("UT-CTL-030"), &json!(false))
                );
            }
            let mut stored: Vec<Condition> = Vec::new();
            if let Some(old) = row["stored"].as_array() {
                set(&mut stored, &proposal(&old[0]), old[2].as_i64().unwrap(), &at(0));
                stored[0].status = old[1].as_str().unwrap().to_owned();
            }
            let has_changed =
                set(&mut stored, &proposal(&new[0]), new[2].as_i64().unwrap(), &at(1));
            assert_eq!(has_changed, row["want"] == true, "{row}");
        });
    }

    #[test]
    fn one_merge_sets_one_condition() {
        let updating: &[Proposal] = &[IS_UPDATING, IS_PROGRESSING];
        assert_eq!(
            merged(&[
                (&[IS_PROGRESSING], 1),
                (&[IS_AVAILABLE], 1),
                (&[IS_AVAILABLE], 1),
                (updating, 2),
                (updating, 2),
                (updating, 2),
                (&[IS_AVAILABLE], 2),
            ]),
            "P+1@1; P-1@2 A+1@2; P-1@2 A+1@2 (same); P-2@2 A-2@4 U+2@4; P+2@5 A-2@4 U+2@4; \
             P+2@5 A-2@4 U+2@4 (same); P-2@7 A+2@7 U-2@7"
        );
    }

    #[test]
    fn a_condition_that_turns_false_keeps_its_reason() {
        let mut stored = Vec::new();
        merge(&mut stored, &[IS_PROGRESSING], 1, &at(1));
        merge(&mut stored, &[IS_AVAILABLE], 1, &at(2));
        assert_eq!((&*stored[0].status, &*stored[0].reason), ("False", "GroupsProgressing"));
        assert_eq!(stored[0].message, "Replicas are progressing");
    }

    #[test]
    fn a_new_generation_moves_the_time_of_the_proposed_condition() {
        assert_eq!(merged(&[(&[IS_AVAILABLE], 1), (&[IS_AVAILABLE], 2)]), "A+1@1; A+2@2");
    }

    #[test]
    fn counts_decide_what_is_proposed() {
        let check = |counts: Counts, replicas: i32, expected: &[&str]| {
            let types: Vec<&str> =
                propose(counts, replicas).iter().map(|proposal| proposal.type_).collect();
            assert_eq!(types, expected, "{counts:?}");
        };
        let done = Counts {
            ready: 3,
            updated: 3,
            ready_wanted: 3,
            in_range: 3,
            in_range_updated: 3,
            in_range_done: 3,
        };
        check(done, 3, &[AVAILABLE]);
        check(done, 4, &[PROGRESSING]);
        check(
            Counts { in_range_updated: 2, in_range_done: 2, ..done },
            3,
            &[UPDATE_IN_PROGRESS, PROGRESSING],
        );
        check(Counts { ready_wanted: 2, in_range_done: 2, ..done }, 3, &[PROGRESSING]);
        check(Counts::default(), 0, &[AVAILABLE]);
    }
}
