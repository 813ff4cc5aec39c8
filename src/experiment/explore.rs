//! The search for a run that breaks a rule: all runs with no deviation, then all with one, then with two, and so on.
//!
//! So the first that is found has as few deviations as possible. Each run is played from its start with a list of deviations
//! (stateless model checking); one that comes to a state that was seen before is given up, since whatever follows was
//! followed then. How a run is played is handed in. Runs of one level go in parallel, in batches of a fixed size whose
//! results are taken in in order, so that the number of threads shows nowhere.

use crate::backend::sim::explore::{Deviation, Played, Schedule};
use crate::engine::Span;
use rayon::prelude::*;
use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};

/// Runs that are played before what they have seen is put together.
const BATCH: usize = 64;

/// Plays a run: schedule and whether a state is known in, the run out.
pub type PlaySchedule<'a> = dyn Fn(&Schedule, &dyn Fn(u64) -> bool) -> Played + Sync + 'a;

/// How far a search goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Deviations of a run at the most.
    pub deviations: u32,
    /// Runs at the most.
    pub runs: u64,
}

/// What a search came to.
#[derive(Clone, Debug)]
pub struct Explored {
    /// Runs that were played.
    pub runs: u64,
    /// States that were seen.
    pub states: usize,
    /// Runs with fewer deviations than this have all been played.
    pub complete_below: u32,
    /// The first run that breaks a rule.
    pub found: Option<(Schedule, Played)>,
}

/// Searches for a run that breaks a rule. `on_done` is called after each run with the number of runs that are left of the
/// level, as far as it is known.
pub fn explore(
    window: Span,
    limits: Limits,
    jobs: usize,
    play: &PlaySchedule<'_>,
    on_done: &(dyn Fn(u64) + Sync),
) -> Explored {
    let threads = rayon::ThreadPoolBuilder::new()
        .num_threads(jobs)
        .build()
        .expect("the system can start threads");
    let mut known: FxHashSet<u64> = FxHashSet::default();
    let mut level = vec![Schedule { window, deviations: Vec::new() }];
    let mut explored = Explored { runs: 0, states: 0, complete_below: 0, found: None };
    for depth in 0..=limits.deviations {
        let mut next = Vec::new();
        for batch in level.chunks(BATCH) {
            let left = usize::try_from(limits.runs - explored.runs).unwrap_or(usize::MAX);
            let is_cut = batch.len() > left;
            let batch = &batch[..batch.len().min(left)];
            let played: Vec<Played> = threads.install(|| {
                batch
                    .par_iter()
                    .map(|schedule| {
                        let played = play(schedule, &|state| known.contains(&state));
                        on_done(level.len() as u64);
                        played
                    })
                    .collect()
            });
            for (schedule, played) in batch.iter().zip(played) {
                explored.runs += 1;
                if !played.finished.violations.is_empty() {
                    explored.states = known.len();
                    explored.found = Some((schedule.clone(), played));
                    return explored;
                }
                extend(schedule, &played, &mut known, &mut next);
            }
            if is_cut {
                explored.states = known.len();
                return explored;
            }
        }
        explored.complete_below = depth + 1;
        level = next;
    }
    explored.states = known.len();
    explored
}

/// Takes in the states of a run and adds the runs that deviate from it once more, up to the first state that is known.
fn extend(
    schedule: &Schedule,
    played: &Played,
    known: &mut FxHashSet<u64>,
    next: &mut Vec<Schedule>,
) {
    for step in &played.path {
        if !known.insert(step.state) {
            return;
        }
        next.extend(step.choices.iter().map(|choice| {
            let mut longer = schedule.clone();
            longer.deviations.push((step.step, *choice));
            longer
        }));
    }
}

/// A schedule as a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScheduleFile {
    /// The variant of the scenario.
    pub variant: String,
    /// The seed.
    pub seed: u64,
    /// How far after the first due event another may lie to come before it, in nanoseconds.
    pub window_ns: u64,
    /// What is done otherwise, by step.
    pub deviations: Vec<DeviationAt>,
}

/// A deviation at its step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeviationAt {
    /// Number of events that were handled before.
    pub step: u64,
    /// What is done.
    pub does: DeviationSpec,
}

/// A deviation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum DeviationSpec {
    /// The event at this place of those that are due comes first.
    Take(u32),
    /// The delivery that is due comes this many nanoseconds later.
    LateNs(u64),
    /// The LWS manager crashes and starts again after this many nanoseconds.
    CrashNs(u64),
}

impl ScheduleFile {
    /// Returns the file of a schedule.
    pub fn new(variant: &str, seed: u64, schedule: &Schedule) -> Self {
        let does = |deviation: &Deviation| match deviation {
            Deviation::Take(place) => DeviationSpec::Take(*place),
            Deviation::Late(span) => DeviationSpec::LateNs(span.0),
            Deviation::Crash(span) => DeviationSpec::CrashNs(span.0),
        };
        let at = |(step, deviation): &(u64, Deviation)| DeviationAt {
            step: *step,
            does: does(deviation),
        };
        Self {
            variant: variant.to_owned(),
            seed,
            window_ns: schedule.window.0,
            deviations: schedule.deviations.iter().map(at).collect(),
        }
    }

    /// Returns the schedule.
    pub fn schedule(&self) -> Schedule {
        let does = |spec: DeviationSpec| match spec {
            DeviationSpec::Take(place) => Deviation::Take(place),
            DeviationSpec::LateNs(span) => Deviation::Late(Span(span)),
            DeviationSpec::CrashNs(span) => Deviation::Crash(Span(span)),
        };
        let deviations = self.deviations.iter().map(|at| (at.step, does(at.does)));
        Schedule { window: Span(self.window_ns), deviations: deviations.collect() }
    }

    /// Reads a file.
    pub fn from_yaml(text: &str) -> Result<Self, serde_yaml::Error> {
        serde_yaml::from_str(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::record::{Outcome, RunEnd};
    use crate::backend::sim::Finished;
    use crate::backend::sim::check::{Rule, Violation};
    use crate::backend::sim::explore::Step;
    use crate::engine::Time;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// A run of ten steps whose state is the number of steps and the sum of what was taken; a sum of `bad` breaks a rule.
    fn toy(schedule: &Schedule, is_known: &dyn Fn(u64) -> bool, bad: u64) -> Played {
        let taken = |deviation: &Deviation| match deviation {
            Deviation::Take(place) => u64::from(*place),
            _ => 0,
        };
        let sum: u64 = schedule.deviations.iter().map(|(_, deviation)| taken(deviation)).sum();
        let from = schedule.deviations.last().map_or(0, |(step, _)| step + 1);
        let mut path = Vec::new();
        let mut is_given_up = false;
        for step in from..10 {
            let state = step * 1000 + sum;
            if is_known(state) {
                is_given_up = true;
                break;
            }
            let choices = vec![Deviation::Take(1), Deviation::Take(2)];
            path.push(Step { step, state, choices });
        }
        let violation = Violation {
            at: Time::ZERO,
            rule: Rule::Wish,
            object: String::new(),
            text: String::new(),
        };
        let violations = if sum == bad { vec![violation] } else { vec![] };
        let end = RunEnd {
            outcome: Outcome::Settled,
            at: Time::ZERO,
            events: 10,
            waits: vec![],
            not_modelled: vec![],
        };
        Played { finished: Finished { end, violations }, path, told: vec![], is_given_up }
    }

    fn check(bad: u64, deviations: u32, expected: Option<usize>) -> Explored {
        let count = AtomicU64::new(0);
        let limits = Limits { deviations, runs: 10_000 };
        let done = |_| {
            count.fetch_add(1, Ordering::Relaxed);
        };
        let explored = explore(Span::ZERO, limits, 2, &|s, known| toy(s, known, bad), &done);
        let found = explored.found.as_ref().map(|(schedule, _)| schedule.deviations.len());
        assert_eq!(found, expected, "{bad}");
        assert!(count.load(Ordering::Relaxed) >= explored.runs);
        explored
    }

    #[test]
    fn the_first_that_is_found_has_as_few_deviations_as_possible() {
        check(0, 3, Some(0));
        check(2, 3, Some(1));
        check(4, 3, Some(2));
        check(5, 2, None);
        let explored = check(100, 3, None);
        // Sums 0 to 6, at steps that leave room for them: far fewer than the thousands of runs without pruning.
        assert!(explored.states <= 70 && explored.runs < 300, "{explored:?}");
        assert_eq!(explored.complete_below, 4);
    }

    #[test]
    fn a_search_ends_at_its_limit_of_runs() {
        let limits = Limits { deviations: 3, runs: 20 };
        let explored = explore(Span::ZERO, limits, 1, &|s, known| toy(s, known, 100), &|_| ());
        assert_eq!((explored.runs, explored.complete_below), (20, 1));
    }

    #[test]
    fn a_schedule_reads_back_as_it_was_written() {
        let deviations = vec![
            (3, Deviation::Take(2)),
            (9, Deviation::Late(Span(800))),
            (12, Deviation::Crash(Span(1))),
        ];
        let schedule = Schedule { window: Span(20), deviations };
        let file = ScheduleFile::new("base", 1, &schedule);
        let text = serde_yaml::to_string(&file).unwrap();
        assert_eq!(ScheduleFile::from_yaml(&text).unwrap().schedule(), schedule);
    }
}
