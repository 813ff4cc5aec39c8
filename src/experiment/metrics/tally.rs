//! Follows the records of one run and counts what metrics are made of, in integers.

use super::registry::METRICS;
use crate::backend::record::{GroupPhase, PodChange, Record, RolloutChange, RunEnd, What};
use crate::engine::{Span, Time};
use crate::experiment::result::{Figure, RolloutSummary};
use indexmap::IndexMap;
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a run's metrics are.
#[derive(Clone, Debug, PartialEq)]
pub struct RunMetrics {
    /// By name, in the registry's order.
    pub metrics: IndexMap<String, Option<Figure>>,
    /// Rollouts in the order of their start.
    pub rollouts: Vec<RolloutSummary>,
}

/// Counts at the end of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Length of the run.
    pub end_ns: u64,
    /// Fewest ready groups since all were ready for the first time; `None` if they never were.
    pub groups_ready_min: Option<u32>,
    /// Ready groups × time.
    pub groups_ready_ns: u128,
    /// Longest time from apply to all ready; `None` if one set never was, or there is none.
    pub time_to_all_ready: Option<Span>,
    /// Longest rollout; `None` if one never finished without being superseded, or there is none.
    pub rollout_duration: Option<Span>,
    /// Fewest ready groups of a set during a rollout.
    pub rollout_groups_ready_min: Option<u32>,
    /// Most groups beyond the wanted number during a rollout.
    pub rollout_surge_groups_max: Option<u32>,
    /// Accelerators of ready groups × time.
    pub gpu_ready_ns: u128,
    /// Accelerators of bound pods of other groups × time.
    pub gpu_idle_ns: u128,
    /// Pods created for sets.
    pub pods_created: u64,
    /// Most pods that no node was found for at a time.
    pub pods_unschedulable_max: u64,
    /// Events that the engine handled.
    pub events: u64,
}

/// The observer of one run.
#[derive(Debug, Default)]
pub struct Metrics {
    now: Time,
    sets: IndexMap<Arc<str>, SetState>,
    groups: IndexMap<Arc<str>, GroupState>,
    pods: FxHashMap<Arc<str>, PodState>,
    rollouts: Vec<RolloutState>,
    /// Sets that changed at the present instant.
    touched: BTreeSet<usize>,
    /// Wanted sets that have fewer ready groups than they want.
    short: u32,
    /// Sets that want groups.
    wanting: u32,
    groups_ready: u32,
    gpus_ready: u64,
    gpus_idle: u64,
    unschedulable: u64,
    tally: Tally,
}

#[derive(Debug, Default)]
struct SetState {
    /// `None` where the owner of pods is no set that the user wants: such groups do not count.
    wanted: Option<u32>,
    applied_at: Time,
    all_ready_at: Option<Time>,
    is_short: bool,
    ready: u32,
    /// Indices of groups that exist.
    present: BTreeSet<u32>,
    /// The rollout that goes on.
    rollout: Option<usize>,
}

#[derive(Debug)]
struct GroupState {
    set: Option<usize>,
    phase: GroupPhase,
    gpus_bound: u64,
    /// What this group adds to the sums of ready and idle accelerators.
    counted: (u64, u64),
    pods_created: u64,
}

#[derive(Debug)]
struct PodState {
    group: usize,
    accelerators: u32,
    is_holding: bool,
    is_unschedulable: bool,
}

#[derive(Debug)]
struct RolloutState {
    set: usize,
    number: u32,
    started: Time,
    finished: Option<Time>,
    is_superseded: bool,
    ready_min: u32,
    surge_max: u32,
}

impl Metrics {
    /// Starts an observer at time zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in the next record.
    pub fn observe(&mut self, record: &Record) {
        self.advance(record.at);
        match &record.what {
            What::Wanted { set, replicas, .. } => self.want(set, *replicas),
            What::Rollout { set, number, change } => self.roll(set, *number, *change),
            What::Group { group, set, index, phase, .. } => {
                self.enter_phase(group, set, *index, *phase);
            }
            What::Pod { pod, change, .. } => self.change_pod(pod, change),
            What::Action(_)
            | What::Status { .. }
            | What::LeaderSet { .. }
            | What::Node { .. }
            | What::Event { .. } => {}
        }
    }

    /// Ends the run.
    pub fn finish(mut self, end: &RunEnd) -> RunMetrics {
        self.advance(end.at.max(self.now));
        self.end_instant();
        let mut tally = self.tally;
        tally.end_ns = self.now.0;
        tally.events = end.events;
        let is_wanted =
            |group: &&GroupState| group.set.is_some_and(|set| self.sets[set].wanted.is_some());
        tally.pods_created =
            self.groups.values().filter(is_wanted).map(|group| group.pods_created).sum();
        let wanted = self.sets.values().filter(|set| set.wanted.is_some());
        tally.time_to_all_ready =
            longest(wanted.map(|set| Some(set.all_ready_at?.since(set.applied_at))));
        let lasting = self.rollouts.iter().filter(|rollout| !rollout.is_superseded);
        tally.rollout_duration = longest(lasting.map(RolloutState::duration));
        tally.rollout_groups_ready_min =
            self.rollouts.iter().map(|rollout| rollout.ready_min).min();
        tally.rollout_surge_groups_max =
            self.rollouts.iter().map(|rollout| rollout.surge_max).max();
        let rollouts = self.rollouts.iter().map(|rollout| rollout.summary(&self.sets)).collect();
        let metrics =
            METRICS.iter().map(|metric| (metric.name.to_owned(), (metric.value)(&tally))).collect();
        RunMetrics { metrics, rollouts }
    }

    fn advance(&mut self, to: Time) {
        assert!(to >= self.now, "records come in time order: {to} after {}", self.now);
        if to == self.now {
            return;
        }
        self.end_instant();
        let lasted = u128::from(to.since(self.now).0);
        self.tally.groups_ready_ns += u128::from(self.groups_ready) * lasted;
        self.tally.gpu_ready_ns += u128::from(self.gpus_ready) * lasted;
        self.tally.gpu_idle_ns += u128::from(self.gpus_idle) * lasted;
        self.now = to;
    }

    /// Judges the state that holds from the present instant on.
    fn end_instant(&mut self) {
        for set in std::mem::take(&mut self.touched) {
            let set = &mut self.sets[set];
            let Some(wanted) = set.wanted else { continue };
            let is_short = set.ready < wanted;
            self.short = self.short + u32::from(is_short) - u32::from(set.is_short);
            set.is_short = is_short;
            // A set that is scaled to nothing before it was ever ready has not become ready by that.
            if !is_short && (wanted > 0 || set.applied_at == self.now) {
                set.all_ready_at.get_or_insert(self.now);
            }
            if let Some(rollout) = set.rollout {
                self.rollouts[rollout].witness(set);
            }
        }
        if self.short == 0
            && self.sets.values().any(|set| set.wanted.is_some_and(|wanted| wanted > 0))
        {
            self.tally.groups_ready_min.get_or_insert(self.groups_ready);
        }
        if let Some(min) = &mut self.tally.groups_ready_min {
            *min = (*min).min(self.groups_ready);
        }
        self.tally.pods_unschedulable_max =
            self.tally.pods_unschedulable_max.max(self.unschedulable);
    }

    fn set(&mut self, name: &Arc<str>) -> usize {
        let set = self.sets.get_index_of(name);
        let set = set.unwrap_or_else(|| self.sets.insert_full(name.clone(), SetState::default()).0);
        self.touched.insert(set);
        set
    }

    fn group(&mut self, name: &Arc<str>) -> usize {
        let new = GroupState {
            set: None,
            phase: GroupPhase::Gone,
            gpus_bound: 0,
            counted: (0, 0),
            pods_created: 0,
        };
        self.groups
            .get_index_of(name)
            .unwrap_or_else(|| self.groups.insert_full(name.clone(), new).0)
    }

    fn want(&mut self, name: &Arc<str>, replicas: u32) {
        let set = self.set(name);
        let set = &mut self.sets[set];
        if set.wanted.is_none() {
            set.applied_at = self.now;
        }
        let wanted_before = set.wanted.replace(replicas).unwrap_or(0);
        self.wanting = self.wanting + u32::from(replicas > 0) - u32::from(wanted_before > 0);
    }

    fn roll(&mut self, name: &Arc<str>, number: u32, change: RolloutChange) {
        let index = self.set(name);
        let set = &mut self.sets[index];
        if change == RolloutChange::Started {
            if let Some(rollout) = set.rollout.replace(self.rollouts.len()) {
                self.rollouts[rollout].is_superseded = true;
            }
            let (ready_min, surge_max) = (set.ready, set.surge());
            let (started, finished, is_superseded) = (self.now, None, false);
            self.rollouts.push(RolloutState {
                set: index,
                number,
                started,
                finished,
                is_superseded,
                ready_min,
                surge_max,
            });
            return;
        }
        let known = self
            .rollouts
            .iter()
            .rposition(|rollout| (rollout.set, rollout.number) == (index, number));
        let known = known.expect("a rollout ends after it has begun");
        self.rollouts[known].is_superseded |= change == RolloutChange::Superseded;
        if change == RolloutChange::Finished {
            self.rollouts[known].finished = Some(self.now);
        }
        if set.rollout == Some(known) {
            set.rollout = None;
        }
    }

    fn enter_phase(&mut self, name: &Arc<str>, set: &Arc<str>, index: u32, phase: GroupPhase) {
        let (group, set) = (self.group(name), self.set(set));
        let state = &mut self.groups[group];
        let was_ready = std::mem::replace(&mut state.phase, phase) == GroupPhase::Ready;
        let is_ready = phase == GroupPhase::Ready;
        state.set = Some(set);
        let set = &mut self.sets[set];
        if phase == GroupPhase::Gone {
            set.present.remove(&index);
        } else {
            set.present.insert(index);
        }
        set.ready = set.ready + u32::from(is_ready) - u32::from(was_ready);
        if set.wanted.is_some() {
            self.groups_ready = self.groups_ready + u32::from(is_ready) - u32::from(was_ready);
        }
        self.recount(group);
    }

    fn change_pod(&mut self, name: &Arc<str>, change: &PodChange) {
        if let PodChange::Created { group, accelerators, .. } = change {
            let group = self.group(group);
            self.groups[group].pods_created += 1;
            let state = PodState {
                group,
                accelerators: *accelerators,
                is_holding: false,
                is_unschedulable: false,
            };
            self.pods.insert(name.clone(), state);
            return;
        }
        let Some(pod) = self.pods.get_mut(name) else { return };
        let was_unschedulable = pod.is_unschedulable;
        let was_holding = pod.is_holding;
        match change {
            PodChange::Unschedulable(_) => pod.is_unschedulable = true,
            PodChange::Bound(_) => (pod.is_unschedulable, pod.is_holding) = (false, true),
            PodChange::Deleting => pod.is_unschedulable = false,
            // The scheduler counts no resources for a pod that has ended.
            PodChange::Failed | PodChange::Gone => {
                (pod.is_unschedulable, pod.is_holding) = (false, false);
            }
            PodChange::Created { .. }
            | PodChange::Stage(_)
            | PodChange::Ready
            | PodChange::Unready
            | PodChange::Restarted => {}
        }
        self.unschedulable =
            self.unschedulable + u64::from(pod.is_unschedulable) - u64::from(was_unschedulable);
        if pod.is_holding != was_holding {
            let (group, accelerators) = (pod.group, u64::from(pod.accelerators));
            let bound = &mut self.groups[group].gpus_bound;
            *bound = if was_holding { *bound - accelerators } else { *bound + accelerators };
            self.recount(group);
        }
        if matches!(change, PodChange::Gone) {
            self.pods.remove(name);
        }
    }

    fn recount(&mut self, group: usize) {
        let group = &mut self.groups[group];
        let is_wanted = group.set.is_some_and(|set| self.sets[set].wanted.is_some());
        let counted = match group.phase {
            _ if !is_wanted => (0, 0),
            GroupPhase::Ready => (group.gpus_bound, 0),
            _ => (0, group.gpus_bound),
        };
        let before = std::mem::replace(&mut group.counted, counted);
        self.gpus_ready = self.gpus_ready + counted.0 - before.0;
        self.gpus_idle = self.gpus_idle + counted.1 - before.1;
    }
}

impl SetState {
    fn surge(&self) -> u32 {
        let beyond = self.present.range(self.wanted.unwrap_or(0)..).count();
        u32::try_from(beyond).expect("group indices are 32 bits wide")
    }
}

impl RolloutState {
    fn witness(&mut self, set: &SetState) {
        self.ready_min = self.ready_min.min(set.ready);
        self.surge_max = self.surge_max.max(set.surge());
    }

    fn duration(&self) -> Option<Span> {
        Some(self.finished?.since(self.started))
    }

    fn summary(&self, sets: &IndexMap<Arc<str>, SetState>) -> RolloutSummary {
        let (name, _) = sets.get_index(self.set).expect("sets are never removed");
        RolloutSummary {
            set: name.as_ref().into(),
            number: self.number,
            start_s: Figure::instant(self.started),
            rollout_duration_s: self.duration().map(Figure::seconds),
            rollout_groups_ready_min: self.ready_min,
            rollout_surge_groups_max: self.surge_max,
            superseded: self.is_superseded,
        }
    }
}

/// Returns the longest span; `None` if one has no end, or there is none.
fn longest(spans: impl Iterator<Item = Option<Span>>) -> Option<Span> {
    spans.collect::<Option<Vec<_>>>()?.into_iter().max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::record::Outcome;

    /// Reads a drawing: one record a line, `second subject what…`.
    fn record(line: &str) -> Record {
        let words: Vec<_> = line.split_whitespace().collect();
        let pod = |change| What::Pod { pod: words[1].into(), incarnation: 1, change };
        let group = |phase| What::Group {
            group: words[1].into(),
            set: words[1].split('-').next().unwrap().into(),
            index: words[1].split('-').nth(1).unwrap().parse().unwrap(),
            revision: "r".into(),
            phase,
        };
        let rollout = |change| What::Rollout {
            set: words[1].into(),
            number: words[3].parse().unwrap(),
            change,
        };
        let what = match words[2] {
            "wants" => {
                What::Wanted { set: words[1].into(), replicas: words[3].parse().unwrap(), size: 2 }
            }
            "starts" => rollout(RolloutChange::Started),
            "finishes" => rollout(RolloutChange::Finished),
            "superseded" => rollout(RolloutChange::Superseded),
            "waiting" => group(GroupPhase::Waiting),
            "ready" => group(GroupPhase::Ready),
            "broken" => group(GroupPhase::Broken),
            "terminating" => group(GroupPhase::Terminating),
            "gone" => group(GroupPhase::Gone),
            "created-with" => pod(PodChange::Created {
                group: words[1].rsplit_once('.').map_or(words[1], |(group, _)| group).into(),
                revision: "r".into(),
                accelerators: words[3].parse().unwrap(),
            }),
            "bound" => pod(PodChange::Bound("n".into())),
            "unschedulable" => pod(PodChange::Unschedulable("no".into())),
            "failed" => pod(PodChange::Failed),
            "deleted" => pod(PodChange::Gone),
            other => panic!("no record is drawn `{other}`"),
        };
        Record { at: Time(words[0].parse::<u64>().unwrap() * 1_000_000_000), what }
    }

    fn run(lines: &str, end_s: u64) -> RunMetrics {
        let mut metrics = Metrics::new();
        lines
            .split([';', '\n'])
            .filter(|line| !line.trim().is_empty())
            .for_each(|line| metrics.observe(&record(line)));
        let at = Time(end_s * 1_000_000_000);
        metrics.finish(&RunEnd {
            outcome: Outcome::Settled,
            at,
            events: 7,
            waits: vec![],
            not_modelled: vec![],
        })
    }

    #[track_caller]
    fn check(lines: &str, expected: &[(&str, Option<f64>)]) {
        let metrics = run(lines, 100).metrics;
        for (name, value) in expected {
            assert_eq!(metrics[*name], value.map(Figure), "{name} after\n{lines}");
        }
    }

    #[test]
    fn the_least_capacity_counts_from_when_all_groups_were_first_ready() {
        let created = "0 a wants 2; 0 a-0 waiting; 0 a-1 waiting; 10 a-0 ready; 30 a-1 ready";
        check(
            "",
            &[
                ("groups_ready_min", Some(0.)),
                ("groups_ready_mean", Some(0.)),
                ("time_to_all_ready_s", None),
            ],
        );
        check(
            "0 a wants 2; 10 a-0 ready",
            &[("groups_ready_min", Some(0.)), ("time_to_all_ready_s", None)],
        );
        check(created, &[("groups_ready_min", Some(2.)), ("time_to_all_ready_s", Some(30.))]);
        check(created, &[("groups_ready_mean", Some(1.6))]);
        check(
            &format!("{created}; 40 a-0 broken; 50 a-0 ready"),
            &[("groups_ready_min", Some(1.))],
        );
        check(
            &format!("{created}; 40 a-0 broken; 40 a-0 ready"),
            &[("groups_ready_min", Some(2.))],
        );
        check(&format!("{created}; 100 a-0 broken"), &[("groups_ready_min", Some(1.))]);
    }

    #[test]
    fn every_set_must_have_been_ready_and_its_time_counts_from_its_own_apply() {
        let first = "0 a wants 1; 10 a-0 ready; 20 b wants 1; 20 b-0 waiting";
        check(first, &[("time_to_all_ready_s", None), ("groups_ready_min", Some(1.))]);
        check(&format!("{first}; 65 b-0 ready"), &[("time_to_all_ready_s", Some(45.))]);
        check(&format!("{first}; 30 b wants 0"), &[("time_to_all_ready_s", None)]);
        check("5 a wants 0", &[("time_to_all_ready_s", Some(0.)), ("groups_ready_min", Some(0.))]);
    }

    #[test]
    fn accelerators_are_ready_or_idle_from_bind_to_the_end_of_the_pod() {
        // 8 GPUs: bound at 10, ready at 20, terminating at 56, gone at 66.
        check(
            "0 a wants 1; 0 a-0 created-with 8; 0 a-0 waiting; 10 a-0 bound; 20 a-0 ready; 56 a-0 terminating; 66 a-0 deleted; 66 a-0 gone",
            &[
                ("gpu_hours_ready", Some(8. * 36. / 3600.)),
                ("gpu_hours_idle_held", Some(8. * 20. / 3600.)),
            ],
        );
        check(
            "0 a wants 1; 0 a-0 created-with 4; 0 a-0 waiting; 10 a-0 bound; 46 a-0 failed; 66 a-0 deleted",
            &[("gpu_hours_ready", Some(0.)), ("gpu_hours_idle_held", Some(4. * 36. / 3600.))],
        );
    }

    #[test]
    fn pods_of_other_tenants_hold_no_accelerators_of_ours() {
        check(
            "0 other-0 created-with 8; 0 other-0 waiting; 0 other-0 bound; 1 other-0 ready; 2 a wants 0",
            &[
                ("gpu_hours_ready", Some(0.)),
                ("gpu_hours_idle_held", Some(0.)),
                ("pods_created", Some(0.)),
                ("groups_ready_mean", Some(0.)),
            ],
        );
    }

    #[test]
    fn pods_count_at_every_incarnation_and_unschedulable_ones_at_their_peak() {
        let pods = "0 a wants 1; 0 a-0 waiting; 0 a-0 created-with 1; 1 a-0.1 created-with 1; 2 a-0 unschedulable; 3 a-0.1 unschedulable";
        check(pods, &[("pods_created", Some(2.)), ("pods_unschedulable_max", Some(2.))]);
        check(
            &format!(
                "{pods}; 3 a-0.1 bound; 4 a-0.1 deleted; 5 a-0.1 created-with 1; 6 a-0.1 unschedulable; 6 a-0 bound"
            ),
            &[
                ("pods_created", Some(3.)),
                ("pods_unschedulable_max", Some(1.)),
                ("events", Some(7.)),
            ],
        );
    }

    #[test]
    fn a_rollout_shows_its_least_capacity_and_its_surge() {
        let rollout = "0 a wants 2; 1 a-0 ready; 1 a-1 ready; 10 a starts 1; 10 a-2 waiting; 20 a-1 broken; 30 a-1 ready; 30 a-2 gone";
        check(rollout, &[("rollout_duration_s", None), ("rollout_groups_ready_min", Some(1.))]);
        check(
            &format!("{rollout}; 40 a finishes 1; 50 a-0 broken; 50 a-1 broken"),
            &[
                ("rollout_duration_s", Some(30.)),
                ("rollout_groups_ready_min", Some(1.)),
                ("rollout_surge_groups_max", Some(1.)),
                ("groups_ready_min", Some(0.)),
            ],
        );
        check("0 a wants 2", &[("rollout_duration_s", None), ("rollout_groups_ready_min", None)]);
    }

    #[test]
    fn a_superseded_rollout_has_no_duration_and_the_next_has() {
        let lines = "0 a wants 1; 1 a-0 ready; 10 a starts 1; 20 a-0 broken; 30 a superseded 1; 30 a starts 2; 40 a-0 ready; 70 a finishes 2";
        let run = run(lines, 100);
        assert_eq!(run.metrics["rollout_duration_s"], Some(Figure(40.)));
        let durations: Vec<_> =
            run.rollouts.iter().map(|rollout| rollout.rollout_duration_s).collect();
        assert_eq!(durations, [None, Some(Figure(40.))]);
        assert!(run.rollouts[0].superseded && !run.rollouts[1].superseded);
    }
}
