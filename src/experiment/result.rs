//! The result files: `summary.json` and `metrics.csv` as types, with reading and writing. Event files are in `events`.
//!
//! # Float policy
//!
//! Same scenario, version and seed give the same bytes on any machine. Models count in integers (nanoseconds, GPU·ns,
//! groups·ns); a [`Figure`] comes from these by IEEE 754 `+ - * /` and square roots alone, whose results are defined
//! to the last bit, and is printed as the shortest decimal that reads back as the same number, whole numbers without a
//! fraction. No file holds a time, duration, path or name of the host.

use crate::backend::record::{Outcome, WaitChain};
use crate::engine::{Span, Time};
use indexmap::IndexMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Version of the shape of the result files; grows when a reader of the old shape would be misled.
pub const FORMAT: u32 = 1;
/// Name of the summary in a results directory.
pub const SUMMARY_FILE: &str = "summary.json";
/// Name of the table of metrics in a results directory.
pub const METRICS_FILE: &str = "metrics.csv";

/// A number in a result file.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Figure(pub f64);

impl Figure {
    /// Returns how many `unit`s are in `amount`, for example nanoseconds in seconds.
    pub fn ratio(amount: u128, unit: u128) -> Self {
        assert!(unit > 0, "a ratio needs a unit, {amount} got none");
        Self(amount as f64 / unit as f64)
    }

    /// Returns a span in seconds.
    pub fn seconds(span: Span) -> Self {
        Self(span.as_secs_f64())
    }

    /// Returns an instant in seconds since the run began.
    pub fn instant(time: Time) -> Self {
        Self(time.as_secs_f64())
    }

    /// Returns the number as the files print it.
    pub fn print(self) -> String {
        serde_json::to_string(&self).expect("a number is always valid JSON")
    }
}

impl From<u64> for Figure {
    fn from(count: u64) -> Self {
        Self(count as f64)
    }
}

impl Serialize for Figure {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "whole and below 2^53, so that the cast is exact"
    )]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
        if self.0.fract().abs() > 0.0 || self.0.abs() >= EXACT_MAX || !self.0.is_finite() {
            serializer.serialize_f64(self.0)
        } else {
            serializer.serialize_i64(self.0 as i64)
        }
    }
}

impl<'de> Deserialize<'de> for Figure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        f64::deserialize(deserializer).map(Self)
    }
}

/// What `summary.json` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// [`FORMAT`] when it was written.
    pub format: u32,
    /// Version of lwsim that wrote it.
    pub lwsim: String,
    /// What was run.
    pub scenario: ScenarioSummary,
    /// The metrics that tables show, in order; runs hold all.
    pub metrics: Vec<MetricSummary>,
    /// Variants by name, in the scenario's order.
    pub variants: IndexMap<String, VariantSummary>,
    /// The table of the scenario's grid, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<TableSummary>,
    /// Gates with their verdicts, in the scenario's order, for each variant.
    pub gates: Vec<GateSummary>,
    /// What the runs met and do not model, sorted.
    pub not_modelled: Vec<String>,
}

/// What was run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ScenarioSummary {
    /// Name: the file's name without folder and extension.
    pub name: String,
    /// What the scenario says that it is about.
    pub about: String,
    /// Version of Kubernetes.
    pub kubernetes: String,
    /// The scenario file itself.
    pub text: String,
    /// The latest end of a run.
    pub horizon_s: Figure,
    /// Number of seeds.
    pub seeds: u32,
    /// Nodes at the start, in order.
    pub nodes: Vec<NodeSummary>,
    /// Sets and other owners of pods that the scenario applies, in order.
    pub sets: Vec<SetSummary>,
}

/// The table of a grid of variants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSummary {
    /// Axes along the rows, the slowest first.
    pub rows: Vec<AxisSummary>,
    /// Axes along the columns, the slowest first.
    pub columns: Vec<AxisSummary>,
    /// What a cell shows, one after another.
    pub cells: Vec<CellSummary>,
    /// For each row the names of its cells' variants; some may not have been run.
    pub variants: Vec<Vec<String>>,
}

/// An axis of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AxisSummary {
    /// Name.
    pub name: String,
    /// Names of its values.
    pub values: Vec<String>,
}

/// A number in a cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellSummary {
    /// The metric.
    pub metric: String,
    /// The metric that it is divided by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per: Option<String>,
}

/// A node at the start of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeSummary {
    /// Name.
    pub name: String,
    /// Topology label keys and values, from the widest domain to the narrowest.
    pub path: Vec<(String, String)>,
    /// Allocatable accelerators.
    pub accelerators: u64,
}

/// A set that the scenario applies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetSummary {
    /// `namespace/name`.
    pub name: String,
    /// Groups wanted when it is applied.
    pub replicas: u32,
    /// Pods in a group.
    pub size: u32,
    /// Accelerators that a worker pod asks for.
    pub accelerators_per_pod: u64,
    /// Name of the runtime profile.
    pub profile: String,
}

/// Which direction of a metric is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// Less is better.
    Lower,
    /// More is better.
    Higher,
}

/// What a metric means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetricSummary {
    /// Name, the same in every output.
    pub name: String,
    /// Unit, `""` where it is a bare count.
    pub unit: String,
    /// Which direction is good; `None` where neither is.
    pub better: Option<Better>,
    /// One sentence.
    pub about: String,
}

/// A variant and its runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VariantSummary {
    /// Path and value of what it sets differently.
    pub overrides: Vec<(String, serde_json::Value)>,
    /// Nodes, where they differ from [`ScenarioSummary::nodes`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<Vec<NodeSummary>>,
    /// Sets, where they differ from [`ScenarioSummary::sets`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sets: Option<Vec<SetSummary>>,
    /// One for each seed, in order.
    pub runs: Vec<RunSummary>,
    /// By metric, over the runs in which it has a value.
    pub statistics: IndexMap<String, Statistics>,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Seed.
    pub seed: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// When it ended; for a settled or stuck run the instant of the last change.
    pub end_s: Figure,
    /// By name; `None` where the metric has no value in this run.
    pub metrics: IndexMap<String, Option<Figure>>,
    /// Rollouts in the order of their start.
    pub rollouts: Vec<RolloutSummary>,
    /// For each group that wants to be ready and is not, the chain of waits that ends at the cause.
    pub waits: Vec<WaitChain>,
    /// Path of the event file inside the results directory, with `/`.
    pub events_file: String,
}

/// One rollout of a set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RolloutSummary {
    /// `namespace/name`.
    pub set: String,
    /// Counts the set's rollouts from 1.
    pub number: u32,
    /// Start.
    pub start_s: Figure,
    /// From start to finish; `None` if it never finished.
    pub rollout_duration_s: Option<Figure>,
    /// Fewest groups of the set that were ready while it lasted.
    pub rollout_groups_ready_min: u32,
    /// Most groups of the set beyond the wanted number while it lasted.
    pub rollout_surge_groups_max: u32,
    /// Whether the next change came, or the set was deleted, before it had finished.
    pub superseded: bool,
}

/// A metric over the runs of a variant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    /// Arithmetic mean.
    pub mean: Option<Figure>,
    /// Median.
    pub p50: Option<Figure>,
    /// 95th percentile.
    pub p95: Option<Figure>,
    /// Smallest.
    pub min: Option<Figure>,
    /// Largest.
    pub max: Option<Figure>,
    /// Runs in which the metric has a value.
    pub n: u32,
}

/// A gate and its verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateSummary {
    /// The gate as written.
    pub gate: String,
    /// The variant.
    pub variant: String,
    /// The value that was compared; `None` if no run has one, and then the gate is missed.
    pub value: Option<Figure>,
    /// Whether the gate is met.
    pub passed: bool,
}

/// A result file that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ResultError {
    /// The file system refused to read.
    #[error("failed to read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file system refused to write.
    #[error("failed to write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The content is not what lwsim writes.
    #[error("`{}` is not a result file of lwsim", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// The file is of a later lwsim.
    #[error("`{}` has format {format}, and this lwsim reads format {FORMAT} at most", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: u32,
    },
}

impl ResultError {
    /// Returns a function that wraps an error of reading `path`.
    pub fn reading(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Read { path, source }
    }

    /// Returns a function that wraps an error of writing `path`.
    pub fn writing(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Write { path, source }
    }
}

impl Summary {
    /// Reads `summary.json` of a results directory.
    pub fn read(dir: &Path) -> Result<Self, ResultError> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let path = dir.join(SUMMARY_FILE);
        let text = std::fs::read_to_string(&path).map_err(ResultError::reading(&path))?;
        let content = |source| ResultError::Content { path: path.clone(), source };
        let Format { format } = serde_json::from_str(&text).map_err(content)?;
        if format > FORMAT {
            return Err(ResultError::Format { path, format });
        }
        serde_json::from_str(&text).map_err(content)
    }

    /// Writes `summary.json` and `metrics.csv` into a directory that exists.
    pub fn write(&self, dir: &Path) -> Result<(), ResultError> {
        for (name, text) in [(SUMMARY_FILE, self.to_json()), (METRICS_FILE, self.to_csv())] {
            let path = dir.join(name);
            let file = std::fs::File::create(&path);
            file.and_then(|mut file| file.write_all(text.as_bytes()))
                .map_err(ResultError::writing(&path))?;
        }
        Ok(())
    }

    /// Returns the text of `summary.json`.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self)
            .expect("keys are strings and no value refuses to serialize");
        text.push('\n');
        text
    }

    /// Returns the text of `metrics.csv`: one line for each variant, seed and metric; a metric without value is empty.
    pub fn to_csv(&self) -> String {
        let mut csv = csv::WriterBuilder::new().from_writer(Vec::new());
        let unfailing = "writing to memory cannot fail";
        csv.write_record(["variant", "seed", "metric", "value"]).expect(unfailing);
        for (variant, summary) in &self.variants {
            for run in &summary.runs {
                for (metric, value) in &run.metrics {
                    let value = value.map(Figure::print).unwrap_or_default();
                    csv.write_record([variant, &run.seed.to_string(), metric, &value])
                        .expect(unfailing);
                }
            }
        }
        String::from_utf8(csv.into_inner().expect(unfailing)).expect("all fields are UTF-8")
    }

    /// Returns the nodes of a variant.
    pub fn nodes_of(&self, variant: &VariantSummary) -> Vec<NodeSummary> {
        variant.nodes.clone().unwrap_or_else(|| self.scenario.nodes.clone())
    }

    /// Returns the sets of a variant.
    pub fn sets_of(&self, variant: &VariantSummary) -> Vec<SetSummary> {
        variant.sets.clone().unwrap_or_else(|| self.scenario.sets.clone())
    }

    /// Returns whether every gate is met.
    pub fn gates_passed(&self) -> bool {
        self.gates.iter().all(|gate| gate.passed)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Returns a small summary for tests of readers.
    pub(crate) fn sample() -> Summary {
        let run = RunSummary {
            seed: 1,
            outcome: Outcome::Settled,
            end_s: Figure::instant(Time(12_500_000_000)),
            metrics: [
                ("pods_created".to_owned(), Some(Figure(4.0))),
                ("rollout_duration_s".to_owned(), None),
            ]
            .into(),
            rollouts: Vec::new(),
            waits: Vec::new(),
            events_file: "runs/base/seed-1/events.jsonl".into(),
        };
        let variant = VariantSummary {
            overrides: vec![("kubernetes".to_owned(), "1.36".into())],
            nodes: None,
            sets: None,
            runs: vec![run],
            statistics: IndexMap::new(),
        };
        Summary {
            format: FORMAT,
            lwsim: "0.1.0".into(),
            scenario: ScenarioSummary {
                name: "sample".into(),
                seeds: 1,
                ..ScenarioSummary::default()
            },
            metrics: Vec::new(),
            variants: [("base".to_owned(), variant)].into(),
            table: None,
            gates: Vec::new(),
            not_modelled: Vec::new(),
        }
    }

    #[test]
    fn a_summary_reads_back_as_written() {
        let dir = tempfile::tempdir().unwrap();
        sample().write(dir.path()).unwrap();
        assert_eq!(Summary::read(dir.path()).unwrap(), sample());
    }

    #[test]
    fn whole_figures_print_without_fraction_and_others_shortest() {
        for (figure, text) in [
            (Figure(3.0), "3"),
            (Figure(-0.0), "0"),
            (Figure::seconds(Span(1)), "1e-9"),
            (Figure::instant(Time(1_234_567_890_123)), "1234.567890123"),
            (Figure::ratio(1, 3), "0.3333333333333333"),
            (Figure(1e300), "1e+300"),
        ] {
            assert_eq!(figure.print(), text);
        }
    }

    #[test]
    fn metrics_without_value_are_empty_fields() {
        insta::assert_snapshot!(sample().to_csv(), @r"
        variant,seed,metric,value
        base,1,pods_created,4
        base,1,rollout_duration_s,
        ");
    }

    #[test]
    fn a_later_format_is_refused_even_where_its_shape_differs() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(SUMMARY_FILE), r#"{"format": 2, "scenarios": []}"#).unwrap();
        assert!(matches!(Summary::read(dir.path()), Err(ResultError::Format { format: 2, .. })));
    }
}
