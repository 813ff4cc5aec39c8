//! Partition and size of the leader StatefulSet: how a change of the template reaches the groups.
//!
//! Implements `LC:rollingUpdateParameters` of LWS v0.10. The quirks are upstream's: an unready group inside the window
//! is not charged (B9), surge goes from the top whatever its readiness (B10). What the StatefulSet controller then does
//! with the two numbers is left to it.

use super::group::GroupState;
use super::observed::LeaderSetSeen;
use super::spec;
use crate::api::lws::LeaderWorkerSet;
use crate::api::names::{self, Round};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// The rollout strategy of a set in whole groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    /// `spec.replicas`.
    pub(super) replicas: i32,
    /// Groups below this index keep their revision: `rollingUpdateConfiguration.partition`.
    pub(super) held: i32,
    /// Groups that may be down.
    pub(super) unavailable: i32,
    /// Extra groups, at most as many as `replicas`.
    pub(super) surge: i32,
}

impl Budget {
    /// Returns the budget of a set; percentages are taken of the live replicas, as upstream does in mid-rollout too.
    ///
    /// # Errors
    ///
    /// A value that is neither a number nor a percentage, with upstream's text.
    pub(super) fn of(lws: &LeaderWorkerSet) -> Result<Self, String> {
        let replicas = spec::replicas(lws);
        let strategy = lws.spec.rollout_strategy.as_ref();
        let rolling = strategy.and_then(|strategy| strategy.rolling_update_configuration.as_ref());
        let scaled = |value: Option<&IntOrString>, default: i32, round: Round| match value {
            Some(value) => names::scaled(value, replicas, round).ok_or_else(|| {
                "invalid value for IntOrString: invalid type: string is not a percentage".to_owned()
            }),
            None => Ok(default),
        };
        // The defaults are the schema's: one group may be down, none is added.
        let surge = scaled(rolling.and_then(|rolling| rolling.max_surge.as_ref()), 0, Round::Up)?;
        let unavailable =
            scaled(rolling.and_then(|rolling| rolling.max_unavailable.as_ref()), 1, Round::Down)?;
        let held = rolling.and_then(|rolling| rolling.partition).unwrap_or(0);
        Ok(Self { replicas, held, unavailable, surge: surge.min(replicas) })
    }

    /// Returns the budget of a rollout that has room for `kept` surge groups only (fix B8): without any it replaces at
    /// least one group at a time, whatever `maxUnavailable` says.
    pub(super) fn with_surge_kept(self, kept: Option<i32>) -> Self {
        let surge = kept.map_or(self.surge, |kept| self.surge.min(kept));
        let unavailable =
            if surge == 0 && self.surge > 0 { self.unavailable.max(1) } else { self.unavailable };
        Self { unavailable, surge, ..self }
    }

    /// Returns `maxUnavailable` for the leader StatefulSet.
    pub(super) fn set_unavailable(self) -> i32 {
        self.unavailable.saturating_add(self.surge).max(1)
    }

    /// Returns how many leaders there should be while `unready` of the wanted groups are not ready or not updated.
    fn surge_goal(self, unready: i32) -> i32 {
        if unready > self.surge {
            self.replicas.saturating_add(self.surge)
        } else {
            self.replicas + (unready - self.unavailable).max(0)
        }
    }
}

/// What to write into the leader StatefulSet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// `spec.replicas`.
    pub(super) replicas: i32,
    /// `spec.updateStrategy.rollingUpdate.partition`.
    pub(super) partition: i32,
    /// First and last index of surge groups that go with this step.
    pub(super) reclaimed: Option<(i32, i32)>,
}

/// Decides the next step; `states` yields the states of the groups below the count it is given and is asked only if they matter.
///
/// # Errors
///
/// The annotation `replicas` of the leader StatefulSet is missing or no number (B26).
pub(super) fn next(
    budget: Budget,
    set: Option<&LeaderSetSeen<'_>>,
    is_new_revision: bool,
    states: impl FnOnce(i32) -> Vec<GroupState>,
) -> Result<Step, String> {
    let replicas = budget.replicas;
    let Some(set) = set else {
        return Ok(Step { replicas, partition: budget.held.max(0), reclaimed: None });
    };
    let step = |replicas: i32, partition: i32, reclaims: bool| {
        let reclaimed = (reclaims && replicas < set.replicas).then(|| (replicas, set.replicas - 1));
        Step { replicas, partition: partition.max(budget.held), reclaimed }
    };
    if is_new_revision {
        // Groups that the set lacks are born on the new revision; none that exists may change in this pass.
        return Ok(if set.replicas < replicas {
            step(replicas, set.replicas, false)
        } else {
            step(budget.surge_goal(replicas), replicas, true)
        });
    }
    if set.partition == 0 && set.replicas == replicas {
        return Ok(step(replicas, 0, false));
    }
    if set.replicas < replicas {
        return Ok(step(replicas, set.partition, false));
    }
    let recorded = recorded_replicas(set)?;
    let states = states(set.replicas);
    let goal = budget.surge_goal(unready(&states, replicas));
    if recorded != i64::from(replicas) {
        return Ok(step(goal, set.partition.min(replicas.saturating_add(budget.surge)), true));
    }
    Ok(step(goal, set.partition.min(partition(budget, &states)), true))
}

/// Returns the annotation that tells a change of scale from a surge.
fn recorded_replicas(set: &LeaderSetSeen<'_>) -> Result<i64, String> {
    let text = set.replicas_annotation.unwrap_or_default();
    text.parse().map_err(|_error| format!("strconv.Atoi: parsing {text:?}: invalid syntax"))
}

/// Returns how many of the first `replicas` groups are not ready or not updated.
fn unready(states: &[GroupState], replicas: i32) -> i32 {
    let wanted = usize::try_from(replicas).unwrap_or(0);
    let done = states.iter().take(wanted).filter(|state| state.is_done()).count();
    replicas - i32::try_from(done).expect("no more groups than `replicas` are counted")
}

/// Returns the lowest partition that the budget allows (`LC:rollingUpdatePartition`).
fn partition(budget: Budget, states: &[GroupState]) -> i32 {
    let count = states.len();
    let window =
        usize::try_from(budget.unavailable).unwrap_or(0).saturating_add(surplus(budget, count));
    let tail = states.iter().rev().take_while(|state| state.is_done()).count();
    let low = count.saturating_sub(tail).saturating_sub(window);
    // Groups below the window that are down already use up budget.
    let blocked = states[..low].iter().filter(|state| !state.is_ready).count();
    let mut partition = low + blocked;
    let top = (partition + 1).min(count);
    for index in (low..top).rev() {
        // Replacing an unready or an updated group costs nothing.
        if states[index].is_ready && !states[index].is_updated {
            break;
        }
        partition = index;
    }
    i32::try_from(partition).expect("a partition is at most the number of leaders, an i32")
}

/// Returns how many groups there are above the wanted number.
fn surplus(budget: Budget, count: usize) -> usize {
    count.saturating_sub(usize::try_from(budget.replicas).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::model::sample;
    use crate::vectors;
    use serde::Deserialize;

    fn budget(replicas: i32, surge: i32, unavailable: i32) -> Budget {
        Budget { replicas, held: 0, unavailable, surge }
    }

    /// `n` and `x` are updated, `n` and `o` ready.
    fn drawn(states: &str) -> Vec<GroupState> {
        let state = |letter| GroupState {
            is_ready: "no".contains(letter),
            is_updated: "nx".contains(letter),
        };
        states.chars().map(state).collect()
    }

    fn set(replicas: i32, partition: i32, annotation: &str) -> LeaderSetSeen<'_> {
        LeaderSetSeen {
            key: "key",
            replicas_annotation: Some(annotation),
            is_deleting: false,
            replicas,
            partition,
            status_replicas: replicas,
            surge_kept: None,
            has_later_label: false,
        }
    }

    #[derive(Deserialize)]
    struct Derived {
        id: String,
        replicas: i32,
        max_surge: i32,
        max_unavailable: i32,
        sts_replicas: i32,
        states: String,
        partition_now: i32,
        step: i32,
        continuous: usize,
        unready: i32,
        want_partition: i32,
        want_replicas: i32,
    }

    #[test]
    fn partition_and_replicas_are_upstreams_on_random_states() {
        vectors::each("lws-partition-derived.yaml", "", |row: Derived| {
            let id = &row.id;
            let budget = budget(row.replicas, row.max_surge, row.max_unavailable);
            let states = drawn(&row.states);
            let window =
                row.max_unavailable + i32::try_from(surplus(budget, states.len())).unwrap();
            assert_eq!(window, row.step, "{id}: step");
            let tail = states.iter().rev().take_while(|state| state.is_done()).count();
            assert_eq!(tail, row.continuous, "{id}: continuous");
            assert_eq!(unready(&states, row.replicas), row.unready, "{id}: unready");
            assert_eq!(budget.surge_goal(row.unready), row.want_replicas, "{id}: replicas");
            assert_eq!(
                row.partition_now.min(partition(budget, &states)),
                row.want_partition,
                "{id}: partition"
            );

            // At rest a set does not look at states, else the whole step agrees with its parts.
            let annotation = row.replicas.to_string();
            let seen = set(row.sts_replicas, row.partition_now, &annotation);
            if (row.partition_now, row.sts_replicas) != (0, row.replicas) {
                let step = next(budget, Some(&seen), false, |_| states).unwrap();
                assert_eq!(
                    (step.replicas, step.partition),
                    (row.want_replicas, row.want_partition),
                    "{id}: step"
                );
            }
        });
    }

    #[derive(Deserialize)]
    struct SurgeRow {
        id: String,
        replicas: i32,
        max_surge: i32,
        max_unavailable: i32,
        unready: i32,
        want: i32,
    }

    #[derive(Deserialize)]
    struct ParametersRow {
        id: String,
        spec: SpecRow,
        sts: SetRow,
        template_changed: bool,
        want_partition: i32,
        want_replicas: i32,
    }

    #[derive(Deserialize)]
    struct SpecRow {
        replicas: i32,
        partition: i32,
        max_unavailable: i32,
        max_surge: i32,
    }

    #[derive(Deserialize)]
    struct SetRow {
        replicas: i32,
        partition: i32,
        annotation_replicas: i32,
    }

    #[derive(Deserialize)]
    struct UnavailableRow {
        id: String,
        replicas: i32,
        max_unavailable: serde_json::Value,
        max_surge: serde_json::Value,
        want: i32,
    }

    fn sample_budget(
        replicas: i32,
        surge: serde_json::Value,
        unavailable: serde_json::Value,
    ) -> Result<Budget, String> {
        let mut lws = sample(replicas);
        let strategy = lws.spec.rollout_strategy.as_mut().unwrap();
        let rolling = strategy.rolling_update_configuration.as_mut().unwrap();
        rolling.max_surge = serde_json::from_value(surge).unwrap();
        rolling.max_unavailable = serde_json::from_value(unavailable).unwrap();
        Budget::of(&lws)
    }

    #[test]
    fn the_upstream_tables_hold() {
        vectors::each("rollout.yaml", "surge_replicas", |row: SurgeRow| {
            let goal =
                budget(row.replicas, row.max_surge, row.max_unavailable).surge_goal(row.unready);
            assert_eq!(goal, row.want, "{}", row.id);
        });
        vectors::each("rollout.yaml", "parameters", |row: ParametersRow| {
            let budget = sample_budget(
                row.spec.replicas,
                row.spec.max_surge.into(),
                row.spec.max_unavailable.into(),
            );
            let budget = Budget { held: row.spec.partition, ..budget.unwrap() };
            let annotation = row.sts.annotation_replicas.to_string();
            let seen = set(row.sts.replicas, row.sts.partition, &annotation);
            let step = next(budget, Some(&seen), row.template_changed, |_| {
                unreachable!("no states needed")
            })
            .unwrap();
            assert_eq!(
                (step.partition, step.replicas),
                (row.want_partition, row.want_replicas),
                "{}",
                row.id
            );
        });
        vectors::each("rollout.yaml", "statefulset_max_unavailable", |row: UnavailableRow| {
            let budget = sample_budget(row.replicas, row.max_surge, row.max_unavailable).unwrap();
            assert_eq!(budget.set_unavailable(), row.want, "{}", row.id);
        });
    }

    #[test]
    fn an_unready_group_below_the_window_uses_up_budget() {
        let check = |states: &str, step: i32, now: i32, expected: i32| {
            let states = drawn(states);
            let replicas = i32::try_from(states.len()).unwrap();
            assert_eq!(
                now.min(partition(budget(replicas, 0, step), &states)),
                expected,
                "{states:?} step {step}"
            );
        };
        check("oooo", 1, 4, 3);
        check("ooox", 1, 3, 3);
        check("ooon", 1, 3, 2);
        check("o-oo", 1, 4, 4);
        check("o-oo", 2, 4, 3);
        check("oo--", 1, 4, 3);
        check("----", 1, 4, 3);
        check("----", 2, 4, 2);
        check("ooooxx", 4, 4, 2);
        check("ooxxnx", 4, 2, 2);
        check("ooxxnn", 4, 2, 0);
        check("--o", 2, 3, 2);
        check("nnnn", 1, 4, 0);
    }

    #[test]
    fn percentages_are_of_the_live_replicas() {
        let check = |replicas: i32, surge: &str, unavailable: &str, expected: (i32, i32)| {
            let budget = sample_budget(replicas, surge.into(), unavailable.into()).unwrap();
            assert_eq!(
                (budget.surge, budget.unavailable),
                expected,
                "{replicas} {surge} {unavailable}"
            );
        };
        check(4, "30%", "30%", (2, 1));
        check(10, "25%", "25%", (3, 2));
        check(5, "0%", "10%", (0, 0));
        check(2, "500%", "100%", (2, 2));
        assert!(sample_budget(4, "1".into(), 1.into()).is_err());
    }

    #[test]
    fn only_a_rollout_or_a_change_of_scale_needs_the_recorded_replicas() {
        let budget = budget(3, 1, 1);
        let ask = |seen: LeaderSetSeen<'_>| {
            next(budget, Some(&seen), false, |count| {
                drawn(&"o".repeat(count.unsigned_abs() as usize))
            })
        };
        assert!(ask(set(3, 0, "x")).is_ok());
        assert!(ask(set(2, 1, "x")).is_ok());
        assert!(ask(set(3, 2, "x")).is_err());
        assert!(ask(LeaderSetSeen { replicas_annotation: None, ..set(3, 2, "") }).is_err());
    }

    #[test]
    fn surge_groups_that_go_are_named() {
        let reclaimed = |replicas, states: &str| {
            next(budget(3, 3, 1), Some(&set(replicas, 0, "3")), false, |_| drawn(states))
                .unwrap()
                .reclaimed
        };
        assert_eq!(reclaimed(6, "xxxnnn"), Some((5, 5)));
        assert_eq!(reclaimed(6, "nnxnnn"), Some((3, 5)));
        assert_eq!(reclaimed(4, "nnxn"), Some((3, 3)));
        assert_eq!(reclaimed(5, "xxxnn"), None);
    }
}
