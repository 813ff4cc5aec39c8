//! Grids of variants and the table that shows one.

use super::VariantSpec;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

/// An axis of a grid: for each value its name and what it sets.
pub type AxisSpec = IndexMap<String, VariantSpec>;

/// A table of the variants of a grid. Each axis of the grid goes along the rows or along the columns.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TableSpec {
    /// Axes along the rows, the slowest first.
    pub rows: Vec<String>,
    /// Axes along the columns, the slowest first.
    #[serde(default)]
    pub columns: Vec<String>,
    /// What a cell shows, one after another with a slash between them.
    pub cells: Vec<CellSpec>,
}

/// A number in a cell: a metric, as a mean over the runs. Where it has no value because runs are stuck, the cell says so.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CellSpec {
    /// The metric.
    pub metric: String,
    /// The metric that it is divided by, to show it in units of that. Default: none.
    pub per: Option<String>,
}
