//! From the axes of a grid to its variants: one for each combination, the first axis slowest.
//!
//! A variant is named by the values on each axis, joined by dots. Which cell of a table shows which variant follows from the
//! same order.

use super::diagnostic::{Code, Diagnostic, suggestion};
use super::gate::{METRICS, unknown_metric};
use super::load::Loaded;
use super::schema::Scenario;
use super::tree::{At, Node, Value};

/// Variants of a grid: more would take longer than anybody waits (assumption).
const VARIANTS_MAX: usize = 10_000;

/// The table of a grid, with the variant of each cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Axes along the rows with the names of their values.
    pub rows: Vec<Axis>,
    /// Axes along the columns.
    pub columns: Vec<Axis>,
    /// Metric and divisor of each number in a cell.
    pub cells: Vec<(String, Option<String>)>,
    /// For each row the variants of its cells; rows and columns run through their axes, the last one fastest.
    pub variants: Vec<Vec<String>>,
}

/// An axis of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axis {
    /// Name.
    pub name: String,
    /// Names of its values.
    pub values: Vec<String>,
}

/// A path, where it stands, and the value to set.
type Change = (String, At, Node);

/// Returns name and changes of each variant of the grid; none where there is no grid or it has too many.
pub(super) fn variant_changes(tree: &Node) -> Vec<(String, Vec<Change>)> {
    let Some(axes) = tree.get("grid").map(entries) else { return Vec::new() };
    let sizes = axes.iter().map(|(_, axis)| entries(axis).len());
    if axes.is_empty() || sizes.product::<usize>() > VARIANTS_MAX {
        return Vec::new();
    }
    let mut combined: Vec<(Vec<&str>, Vec<Change>)> = vec![Default::default()];
    for (_, axis) in axes {
        let values = entries(axis);
        combined = combined
            .into_iter()
            .flat_map(|(names, changes)| {
                values.iter().map(move |(value, sets)| {
                    let sets = entries_with_places(sets);
                    let names = names.iter().copied().chain([*value]).collect();
                    (names, changes.iter().cloned().chain(sets).collect())
                })
            })
            .collect();
    }
    combined.into_iter().map(|(names, changes)| (names.join("."), changes)).collect()
}

fn entries(node: &Node) -> Vec<(&str, &Node)> {
    match &node.value {
        Value::Map(entries) => {
            entries.iter().map(|(key, value)| (key.name.as_str(), value)).collect()
        }
        _ => Vec::new(),
    }
}

fn entries_with_places(node: &Node) -> Vec<Change> {
    match &node.value {
        Value::Map(entries) => {
            entries.iter().map(|(key, value)| (key.name.clone(), key.at, value.clone())).collect()
        }
        _ => Vec::new(),
    }
}

/// Finds what is wrong with a grid and its table. `report` takes a problem and the path at which it stands.
pub(super) fn check(scenario: &Scenario, mut report: impl FnMut(Diagnostic, &str)) {
    let invalid = |message: String| Diagnostic::error(Code::InvalidValue, message);
    let sizes = scenario.grid.values().map(indexmap::IndexMap::len);
    let count = sizes.fold(1_usize, usize::saturating_mul);
    if count > VARIANTS_MAX {
        report(
            invalid(format!("the grid has {count} variants, at most {VARIANTS_MAX} are run")),
            "grid",
        );
    }
    for (axis, values) in &scenario.grid {
        if values.is_empty() {
            report(invalid(format!("the axis `{axis}` has no values")), &format!("grid.{axis}"));
        }
    }
    let Some(table) = &scenario.table else { return };
    let mut seen: Vec<&str> = Vec::new();
    for (field, axes) in [("rows", &table.rows), ("columns", &table.columns)] {
        for (index, axis) in axes.iter().enumerate() {
            let path = format!("table.{field}[{index}]");
            if !scenario.grid.contains_key(axis) {
                let message = format!("the grid has no axis `{axis}`");
                let mut problem = Diagnostic::error(Code::UnknownName, message);
                problem.help = suggestion(axis, scenario.grid.keys().map(String::as_str));
                report(problem, &path);
            } else if seen.contains(&axis.as_str()) {
                report(invalid(format!("the axis `{axis}` is in the table twice")), &path);
            }
            seen.push(axis);
        }
    }
    for axis in scenario.grid.keys().filter(|axis| !seen.contains(&axis.as_str())) {
        let problem = invalid(format!("the axis `{axis}` is neither in `rows` nor in `columns`"));
        report(problem, "table");
    }
    if table.cells.is_empty() {
        report(invalid("cells without a metric show nothing".to_owned()), "table.cells");
    }
    for (index, cell) in table.cells.iter().enumerate() {
        for (field, metric) in [("metric", Some(&cell.metric)), ("per", cell.per.as_ref())] {
            if let Some(metric) = metric.filter(|metric| !METRICS.contains(&metric.as_str())) {
                report(unknown_metric(metric), &format!("table.cells[{index}].{field}"));
            }
        }
    }
}

impl Loaded {
    /// Returns the table of the scenario's grid, if it has one.
    pub fn table(&self) -> Option<Table> {
        let grid = &self.scenario.grid;
        let table = self.scenario.table.as_ref()?;
        let axes = |names: &[String]| -> Vec<Axis> {
            let axis = |name: &String| Axis {
                name: name.clone(),
                values: grid[name].keys().cloned().collect(),
            };
            names.iter().map(axis).collect()
        };
        let (rows, columns) = (axes(&table.rows), axes(&table.columns));
        let named = |row: &[(&str, &str)], column: &[(&str, &str)]| {
            let value = |axis: &String| {
                let mut places = row.iter().chain(column);
                places.find(|(name, _)| name == axis).map_or("", |(_, value)| *value)
            };
            grid.keys().map(value).collect::<Vec<_>>().join(".")
        };
        let columns_of = combinations(&columns);
        let variants = combinations(&rows)
            .iter()
            .map(|row| columns_of.iter().map(|column| named(row, column)).collect())
            .collect();
        let cells =
            table.cells.iter().map(|cell| (cell.metric.clone(), cell.per.clone())).collect();
        Some(Table { rows, columns, cells, variants })
    }
}

/// Returns all combinations of values, each as axis and value, the last axis fastest; one that is empty where there is no axis.
fn combinations(axes: &[Axis]) -> Vec<Vec<(&str, &str)>> {
    let mut combined = vec![Vec::new()];
    for axis in axes {
        let with = |before: Vec<_>| {
            axis.values.iter().map(move |value| {
                before.iter().copied().chain([(axis.name.as_str(), value.as_str())]).collect()
            })
        };
        combined = combined.into_iter().flat_map(with).collect();
    }
    combined
}
