//! Runs every variant with every seed.
//!
//! Runs are independent of each other and go in parallel; results are collected in the order of variants and seeds, so
//! the number of threads shows nowhere. How a run is simulated is handed in: nothing here knows a backend.

use super::events::EventsWriter;
use super::gates::{self, Gate};
use super::metrics::{METRICS, Metric, Metrics, RunMetrics};
use super::result::{
    FORMAT, Figure, NodeSummary, ResultError, RunSummary, ScenarioSummary, SetSummary, Summary,
    TableSummary, VariantSummary,
};
use super::stats::statistics;
use crate::backend::record::{Record, RunEnd};
use indexmap::IndexMap;
use rayon::prelude::*;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// Simulates one run: set-up, seed and observer in, the end out.
pub type Simulate<'a, S> = dyn Fn(&S, u64, &mut dyn FnMut(&Record)) -> RunEnd + Sync + 'a;

/// What is to be run, on a backend whose set-up is `S`.
#[derive(Clone, Debug)]
pub struct Experiment<S> {
    /// What the summary says of the scenario.
    pub scenario: ScenarioSummary,
    /// Seeds of each variant, in order, none twice.
    pub seeds: Vec<u64>,
    /// Names of the metrics that tables show; all if empty.
    pub metrics: Vec<String>,
    /// At least one, with names that differ and can name a directory.
    pub variants: Vec<Variant<S>>,
    /// The table of the grid, if there is one.
    pub table: Option<TableSummary>,
    /// Gates, in the scenario's order.
    pub gates: Vec<Gate>,
    /// What the scenario asks for and lwsim does not model, in words.
    pub not_modelled: Vec<String>,
}

/// One variant of a scenario.
#[derive(Clone, Debug)]
pub struct Variant<S> {
    /// Name.
    pub name: String,
    /// Path and value of what it sets differently.
    pub overrides: Vec<(String, serde_json::Value)>,
    /// What all of its runs start from.
    pub setup: Arc<S>,
    /// Nodes at the start.
    pub nodes: Vec<NodeSummary>,
    /// Sets that it applies.
    pub sets: Vec<SetSummary>,
}

/// A run that is over.
struct Finished {
    summary: RunSummary,
    not_modelled: Vec<String>,
}

thread_local! {
    static CURRENT: RefCell<Option<(String, u64)>> = const { RefCell::new(None) };
}

/// Returns variant and seed of the run that this thread is in, for the message of a panic.
pub fn current() -> Option<(String, u64)> {
    CURRENT.with(|current| current.try_borrow().ok()?.clone())
}

/// Runs an experiment with `jobs` threads (one for each core if 0) and writes event files, `summary.json` and `metrics.csv` into `dir`.
///
/// `on_done` is called after each run.
pub fn run<S: Send + Sync>(
    experiment: &Experiment<S>,
    dir: &Path,
    jobs: usize,
    simulate: &Simulate<'_, S>,
    on_done: &(dyn Fn() + Sync),
) -> Result<Summary, ResultError> {
    let of = |variant| experiment.seeds.iter().map(move |seed| (variant, *seed));
    let runs: Vec<(&Variant<S>, u64)> = experiment.variants.iter().flat_map(of).collect();
    let threads = rayon::ThreadPoolBuilder::new()
        .num_threads(jobs)
        .build()
        .expect("the system can start threads");
    let finished: Vec<Result<Finished, ResultError>> = threads.install(|| {
        runs.par_iter()
            .map(|(variant, seed)| {
                let finished = run_once(variant, *seed, dir, simulate);
                on_done();
                finished
            })
            .collect()
    });
    let finished = finished.into_iter().collect::<Result<Vec<_>, _>>()?;
    let summary = summarize(experiment, finished);
    summary.write(dir)?;
    Ok(summary)
}

fn run_once<S>(
    variant: &Variant<S>,
    seed: u64,
    dir: &Path,
    simulate: &Simulate<'_, S>,
) -> Result<Finished, ResultError> {
    CURRENT.with(|current| current.replace(Some((variant.name.clone(), seed))));
    let folder = format!("runs/{}/seed-{seed}", variant.name);
    let run_dir = dir.join(&folder);
    std::fs::create_dir_all(&run_dir).map_err(ResultError::writing(&run_dir))?;
    let mut events = EventsWriter::new(&run_dir);
    let mut metrics = Metrics::new();
    let end = simulate(&variant.setup, seed, &mut |record| {
        metrics.observe(record);
        events.write(record);
    });
    let events_file = format!("{folder}/{}", events.finish()?);
    let RunMetrics { metrics, rollouts } = metrics.finish(&end);
    let RunEnd { outcome, at, events: _, waits, not_modelled } = end;
    let summary = RunSummary {
        seed,
        outcome,
        end_s: Figure::instant(at),
        metrics,
        rollouts,
        waits,
        events_file,
    };
    CURRENT.with(|current| current.replace(None));
    Ok(Finished { summary, not_modelled })
}

fn summarize<S>(experiment: &Experiment<S>, finished: Vec<Finished>) -> Summary {
    let mut not_modelled: BTreeSet<String> = experiment.not_modelled.iter().cloned().collect();
    let mut variants = IndexMap::new();
    let mut finished = finished.into_iter();
    for variant in &experiment.variants {
        let runs: Vec<_> = finished.by_ref().take(experiment.seeds.len()).collect();
        let runs: Vec<_> = runs
            .into_iter()
            .map(|run| {
                not_modelled.extend(run.not_modelled);
                run.summary
            })
            .collect();
        let of = |metric: &Metric| statistics(runs.iter().map(|run| run.metrics[metric.name]));
        let statistics =
            METRICS.iter().map(|metric| (metric.name.to_owned(), of(metric))).collect();
        let scenario = &experiment.scenario;
        let summary = VariantSummary {
            overrides: variant.overrides.clone(),
            nodes: (variant.nodes != scenario.nodes).then(|| variant.nodes.clone()),
            sets: (variant.sets != scenario.sets).then(|| variant.sets.clone()),
            runs,
            statistics,
        };
        variants.insert(variant.name.clone(), summary);
    }
    let named: Vec<_> = experiment.metrics.iter().filter_map(|name| Metric::named(name)).collect();
    let shown = if named.is_empty() { METRICS.iter().collect() } else { named };
    let gates = gates::evaluate(&experiment.gates, &variants);
    Summary {
        format: FORMAT,
        lwsim: env!("CARGO_PKG_VERSION").into(),
        scenario: experiment.scenario.clone(),
        metrics: shown.iter().map(|metric| metric.summary()).collect(),
        variants,
        table: experiment.table.clone(),
        gates,
        not_modelled: not_modelled.into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::record::{GroupPhase, Outcome, PodChange, What};
    use crate::engine::{Span, Time};
    use crate::experiment::gates::{Comparison, Statistic};
    use std::sync::atomic::{AtomicU32, Ordering};

    /// Creates `setup + seed` pods, one a second.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "set-ups are handed over by reference")]
    fn simulate(setup: &u64, seed: u64, observe: &mut dyn FnMut(&Record)) -> RunEnd {
        let pods = setup + seed;
        observe(&Record {
            at: Time::ZERO,
            what: What::Wanted { set: "a".into(), replicas: 1, size: 1 },
        });
        for second in 1..=pods {
            let at = Time::ZERO + Span::from_secs(second);
            let change =
                PodChange::Created { group: "a-0".into(), revision: "r".into(), accelerators: 1 };
            let pod: Arc<str> = format!("a-0-{second}").into();
            observe(&Record { at, what: What::Pod { pod, incarnation: 1, change } });
            let (group, set, revision) = ("a-0".into(), "a".into(), "r".into());
            let phase = GroupPhase::Ready;
            observe(&Record { at, what: What::Group { group, set, index: 0, revision, phase } });
        }
        let not_modelled = vec![format!("seed {seed}")];
        RunEnd {
            outcome: Outcome::Settled,
            at: Time::ZERO + Span::from_secs(pods),
            events: pods,
            waits: vec![],
            not_modelled,
        }
    }

    fn experiment() -> Experiment<u64> {
        let variant = |name: &str, pods| Variant {
            name: name.into(),
            overrides: vec![],
            setup: Arc::new(pods),
            nodes: vec![],
            sets: vec![],
        };
        Experiment {
            scenario: ScenarioSummary::default(),
            seeds: vec![1, 2, 3, 4, 17],
            metrics: vec!["pods_created".into()],
            variants: vec![variant("few", 1), variant("many", 6_000)],
            table: None,
            gates: vec![Gate {
                text: "max(pods_created) < 20".into(),
                statistic: Statistic::Max,
                metric: "pods_created".into(),
                comparison: Comparison::Less,
                bound: 20.0,
            }],
            not_modelled: vec!["HorizontalPodAutoscaler".into()],
        }
    }

    fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
        let mut files = Vec::new();
        let mut open = vec![dir.to_owned()];
        while let Some(next) = open.pop() {
            for entry in std::fs::read_dir(next).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    open.push(path);
                } else {
                    let name = path.strip_prefix(dir).unwrap().to_string_lossy().into_owned();
                    files.push((name, std::fs::read(path).unwrap()));
                }
            }
        }
        files.sort();
        files
    }

    #[test]
    fn the_number_of_threads_shows_in_no_file() {
        let run_with = |jobs| {
            let dir = tempfile::tempdir().unwrap();
            let done = AtomicU32::new(0);
            let count = || {
                done.fetch_add(1, Ordering::Relaxed);
            };
            run(&experiment(), dir.path(), jobs, &simulate, &count).unwrap();
            assert_eq!(done.load(Ordering::Relaxed), 10);
            files(dir.path())
        };
        let one = run_with(1);
        assert_eq!(one.len(), 12, "ten event files, summary and table");
        assert!(one == run_with(4), "files differ between 1 and 4 threads");
    }

    #[test]
    fn runs_stand_in_the_order_of_their_seeds_and_gates_are_judged_for_each_variant() {
        let dir = tempfile::tempdir().unwrap();
        let summary = run(&experiment(), dir.path(), 2, &simulate, &|| ()).unwrap();
        let pods: Vec<_> =
            summary.variants["few"].runs.iter().map(|run| run.metrics["pods_created"]).collect();
        assert_eq!(pods, [2., 3., 4., 5., 18.].map(|pods| Some(Figure(pods))));
        assert_eq!(summary.variants["few"].runs[4].events_file, "runs/few/seed-17/events.jsonl");
        assert_eq!(
            summary.variants["many"].runs[0].events_file,
            "runs/many/seed-1/events.jsonl.gz"
        );
        let verdicts: Vec<_> =
            summary.gates.iter().map(|gate| (gate.variant.as_str(), gate.passed)).collect();
        assert_eq!(verdicts, [("few", true), ("many", false)]);
        let shown: Vec<_> = summary.metrics.iter().map(|metric| metric.name.as_str()).collect();
        assert_eq!(shown, ["pods_created"]);
        assert_eq!(summary.not_modelled[0], "HorizontalPodAutoscaler");
        assert_eq!(summary.not_modelled.len(), 6, "each seed adds its own once");
        assert!(
            Summary::read(dir.path()).unwrap() == summary,
            "the summary reads back as another one"
        );
        assert_eq!(current(), None);
    }
}
