//! Whether the outcome of a run hangs on the order of events that might as well come the other way round.
//!
//! Each run is played in several orders. Orders that end alike (same outcome, same fewest ready groups, same groups that
//! wait) form a class; of each class the first order is kept, with which the run can be repeated. How an order is played
//! is handed in.

use super::metrics::Metrics;
use super::result::Figure;
use super::run::{Experiment, Variant};
use crate::backend::record::{Outcome, Record, RunEnd};
use rayon::prelude::*;
use serde::Serialize;

/// Plays one run in one order: set-up, seed, order and observer in, the end out.
pub type PlayOrder<'a, S> = dyn Fn(&S, u64, u64, &mut dyn FnMut(&Record)) -> RunEnd + Sync + 'a;

/// What the orders of one run came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OrdersOfRun {
    /// The variant.
    pub variant: String,
    /// The seed.
    pub seed: u64,
    /// Classes of orders, the most frequent first, then by their first order.
    pub classes: Vec<Class>,
}

/// Orders that end alike.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Class {
    /// How many orders.
    pub orders: usize,
    /// The first of them: `--order` plays it again.
    pub order: u64,
    /// How they end.
    pub outcome: Outcome,
    /// Fewest groups ready during a rollout, or since all were ready where there was none.
    pub groups_ready_min: Option<Figure>,
    /// Groups that wait at the end.
    pub waiting: Vec<String>,
    /// Shortest and longest rollout.
    pub rollout_duration_s: Option<(Figure, Figure)>,
    /// Earliest and latest end.
    pub end_s: (Figure, Figure),
}

struct Played {
    order: u64,
    outcome: Outcome,
    groups_ready_min: Option<Figure>,
    waiting: Vec<String>,
    rollout_duration_s: Option<Figure>,
    end_s: Figure,
}

impl OrdersOfRun {
    /// Whether the outcome hangs on the order.
    pub fn is_by_luck(&self) -> bool {
        self.classes.len() > 1
    }
}

/// Plays orders 0 to `orders` of every run of an experiment, with `jobs` threads (one for each core if 0).
///
/// `on_done` is called after each order.
pub fn explore<S: Send + Sync>(
    experiment: &Experiment<S>,
    orders: u64,
    jobs: usize,
    play: &PlayOrder<'_, S>,
    on_done: &(dyn Fn() + Sync),
) -> Vec<OrdersOfRun> {
    let threads = rayon::ThreadPoolBuilder::new()
        .num_threads(jobs)
        .build()
        .expect("the system can start threads");
    let mut results = Vec::new();
    for variant in &experiment.variants {
        for seed in &experiment.seeds {
            let played: Vec<Played> = threads.install(|| {
                (0..orders)
                    .into_par_iter()
                    .map(|order| {
                        let played = play_once(variant, *seed, order, play);
                        on_done();
                        played
                    })
                    .collect()
            });
            let classes = classes(played);
            results.push(OrdersOfRun { variant: variant.name.clone(), seed: *seed, classes });
        }
    }
    results
}

fn play_once<S>(variant: &Variant<S>, seed: u64, order: u64, play: &PlayOrder<'_, S>) -> Played {
    let mut metrics = Metrics::new();
    let end = play(&variant.setup, seed, order, &mut |record| metrics.observe(record));
    let metrics = metrics.finish(&end).metrics;
    let metric = |name: &str| metrics.get(name).copied().flatten();
    Played {
        order,
        outcome: end.outcome,
        groups_ready_min: metric("rollout_groups_ready_min").or(metric("groups_ready_min")),
        waiting: end.waits.into_iter().map(|chain| chain.group).collect(),
        rollout_duration_s: metric("rollout_duration_s"),
        end_s: Figure::instant(end.at),
    }
}

/// Puts orders that end alike together.
fn classes(played: Vec<Played>) -> Vec<Class> {
    let mut classes: Vec<Class> = Vec::new();
    for run in played {
        let is_alike = |class: &&mut Class| {
            class.outcome == run.outcome
                && class.groups_ready_min == run.groups_ready_min
                && class.waiting == run.waiting
                && class.rollout_duration_s.is_some() == run.rollout_duration_s.is_some()
        };
        let widen = |range: (Figure, Figure), value: Figure| {
            (Figure(range.0.0.min(value.0)), Figure(range.1.0.max(value.0)))
        };
        if let Some(class) = classes.iter_mut().find(is_alike) {
            class.orders += 1;
            class.end_s = widen(class.end_s, run.end_s);
            class.rollout_duration_s =
                class.rollout_duration_s.zip(run.rollout_duration_s).map(|(a, b)| widen(a, b));
        } else {
            classes.push(Class {
                orders: 1,
                order: run.order,
                outcome: run.outcome,
                groups_ready_min: run.groups_ready_min,
                waiting: run.waiting,
                rollout_duration_s: run.rollout_duration_s.map(|duration| (duration, duration)),
                end_s: (run.end_s, run.end_s),
            });
        }
    }
    classes.sort_by_key(|class| (std::cmp::Reverse(class.orders), class.order));
    classes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(runs: &[(Outcome, f64, f64)], expected: &str) {
        let played = (0..).zip(runs).map(|(order, (outcome, ready, end))| Played {
            order,
            outcome: *outcome,
            groups_ready_min: Some(Figure(*ready)),
            waiting: Vec::new(),
            rollout_duration_s: None,
            end_s: Figure(*end),
        });
        let text: Vec<String> = classes(played.collect())
            .iter()
            .map(|class| {
                let (from, to) = class.end_s;
                format!(
                    "{} from {}: {:?} {}-{}",
                    class.orders, class.order, class.outcome, from.0, to.0
                )
            })
            .collect();
        assert_eq!(text.join(", "), expected);
    }

    #[test]
    fn orders_that_end_alike_are_one_class_and_the_most_frequent_comes_first() {
        use Outcome::{Settled, Stuck};
        check(&[(Settled, 3., 10.), (Settled, 3., 12.)], "2 from 0: Settled 10-12");
        check(
            &[(Stuck, 3., 1.), (Settled, 3., 9.), (Settled, 2., 9.), (Settled, 3., 8.)],
            "2 from 1: Settled 8-9, 1 from 0: Stuck 1-1, 1 from 2: Settled 9-9",
        );
    }
}
