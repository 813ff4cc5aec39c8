//! One sentence that says what happened, for a variant.

use super::figures::duration;
use crate::backend::record::Outcome;
use crate::experiment::result::{RolloutSummary, RunSummary, SetSummary, Summary, VariantSummary};

/// Returns what happened in a variant, in one sentence without full stop.
///
/// Several runs are told by their typical one: the run with the median time until all groups were ready.
pub fn headline(summary: &Summary, variant: &VariantSummary) -> String {
    let sets = summary.sets_of(variant);
    match variant.runs.as_slice() {
        [] => "No run".to_owned(),
        [run] => run_headline(run, &sets),
        runs => {
            let mut parts = Vec::new();
            for outcome in [Outcome::Error, Outcome::Stuck, Outcome::Horizon] {
                let count = runs.iter().filter(|run| run.outcome == outcome).count();
                if count > 0 && count < runs.len() {
                    parts.push(format!("{count} of {} runs {}", runs.len(), ended(outcome)));
                }
            }
            let mut order: Vec<&RunSummary> = runs.iter().collect();
            order.sort_by(|a, b| ready_after(a).total_cmp(&ready_after(b)));
            let typical = order[(order.len() - 1) / 2];
            let told = run_told(typical, &sets);
            parts.push(format!("typical of {} runs: {told}", runs.len()));
            capitalised(&parts.join("; "))
        }
    }
}

/// Returns what happened in one run.
pub(super) fn run_headline(run: &RunSummary, sets: &[SetSummary]) -> String {
    capitalised(&run_told(run, sets))
}

fn run_told(run: &RunSummary, sets: &[SetSummary]) -> String {
    let groups: u32 = sets.iter().map(|set| set.replicas).sum();
    let end = duration(run.end_s.0);
    let waiting = run.waits.len();
    let ready = match metric(run, "time_to_all_ready_s") {
        Some(seconds) => format!("{} ready after {}", counted(groups, "group"), duration(seconds)),
        None => format!("{} were never all ready", counted(groups, "group")),
    };
    let text = match run.outcome {
        Outcome::Stuck if waiting == 0 => format!("stuck after {end}"),
        Outcome::Stuck => {
            let groups = counted(u32::try_from(waiting).unwrap_or(u32::MAX), "group");
            format!("stuck after {end}: {groups} can never become ready")
        }
        Outcome::Error => format!("broken off after {end} at a limit of the run"),
        Outcome::Horizon => format!("not finished after {end}, the horizon; {ready}"),
        Outcome::Settled => ready,
    };
    match rollouts(&run.rollouts, sets) {
        Some(rollouts) => format!("{text}; {rollouts}"),
        None => text,
    }
}

fn rollouts(rollouts: &[RolloutSummary], sets: &[SetSummary]) -> Option<String> {
    match rollouts {
        [] => None,
        [only] => {
            let took = match only.rollout_duration_s {
                Some(seconds) => format!("the rollout took {}", duration(seconds.0)),
                None if only.superseded => {
                    "the rollout was overtaken by the next change".to_owned()
                }
                None => "the rollout never finished".to_owned(),
            };
            let ready = only.rollout_groups_ready_min;
            Some(match sets.iter().find(|set| set.name == only.set) {
                Some(set) => format!(
                    "{took} and never had fewer than {ready} of {} ready",
                    counted(set.replicas, "group")
                ),
                None => {
                    format!("{took} and never had fewer than {} ready", counted(ready, "group"))
                }
            })
        }
        several => {
            let longest = several
                .iter()
                .filter_map(|rollout| rollout.rollout_duration_s)
                .max_by(|a, b| a.0.total_cmp(&b.0));
            let finished = several.iter().filter(|r| r.rollout_duration_s.is_some()).count();
            let total = several.len();
            Some(match longest {
                Some(longest) if finished == total => {
                    format!("{total} rollouts, the longest {}", duration(longest.0))
                }
                Some(longest) => format!(
                    "{finished} of {total} rollouts finished, the longest in {}",
                    duration(longest.0)
                ),
                None => format!("none of {total} rollouts finished"),
            })
        }
    }
}

fn ended(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Settled => "settled",
        Outcome::Stuck => "got stuck",
        Outcome::Horizon => "reached the horizon",
        Outcome::Error => "were broken off at a limit",
    }
}

fn metric(run: &RunSummary, name: &str) -> Option<f64> {
    run.metrics.get(name).copied().flatten().map(|value| value.0)
}

fn ready_after(run: &RunSummary) -> f64 {
    metric(run, "time_to_all_ready_s").unwrap_or(f64::INFINITY)
}

fn counted(count: u32, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::result::Figure;
    use crate::report::write::tests::sample;

    fn run(change: impl FnOnce(&mut RunSummary)) -> String {
        let summary = sample();
        let mut run = summary.variants["base"].runs[0].clone();
        change(&mut run);
        run_headline(&run, &summary.scenario.sets)
    }

    #[test]
    fn one_run_is_told_by_its_start_its_rollouts_and_how_it_ended() {
        let rollout = |run: &RunSummary| run.rollouts[0].clone();
        let checks: [(String, &str); 6] = [
            (
                run(|_| {}),
                "2 groups ready after 11.4 min; the rollout took 26.6 min and never had fewer than 1 of 2 groups ready",
            ),
            (run(|run| run.rollouts.clear()), "2 groups ready after 11.4 min"),
            (
                run(|run| {
                    run.outcome = Outcome::Horizon;
                    run.end_s = Figure(7_200.0);
                    run.rollouts[0].rollout_duration_s = None;
                }),
                "Not finished after 2 h, the horizon; 2 groups ready after 11.4 min; the rollout never finished and never had fewer than 1 of 2 groups ready",
            ),
            (
                run(|run| {
                    let again = rollout(run);
                    run.rollouts.push(again);
                }),
                "2 groups ready after 11.4 min; 2 rollouts, the longest 26.6 min",
            ),
            (
                run(|run| {
                    let mut again = rollout(run);
                    run.rollouts[0].rollout_duration_s = None;
                    run.rollouts[0].superseded = true;
                    again.number = 2;
                    run.rollouts.push(again);
                }),
                "2 groups ready after 11.4 min; 1 of 2 rollouts finished, the longest in 26.6 min",
            ),
            (
                run(|run| {
                    run.rollouts.clear();
                    run.metrics.insert("time_to_all_ready_s".into(), None);
                }),
                "2 groups were never all ready",
            ),
        ];
        for (told, expected) in checks {
            assert_eq!(told, expected);
        }
    }

    #[test]
    fn several_runs_are_told_by_their_failures_and_the_typical_one() {
        let mut summary = sample();
        let told = headline(&summary, &summary.variants["crowded"]);
        assert_eq!(told, "Typical of 2 runs: stuck after 11.4 min: 1 group can never become ready");
        summary.variants["base"].runs[1].outcome = Outcome::Error;
        let told = headline(&summary, &summary.variants["base"]);
        assert!(
            told.starts_with("1 of 2 runs were broken off at a limit; typical of 2 runs: "),
            "{told}"
        );
    }
}
