//! What is wrong in grids of variants and their tables.

use super::refuse_added;

/// A grid of two axes with a table to which tests give its rows, columns and cells.
fn refuse_table(table: &str) -> String {
    refuse_added(&format!(
        "grid:\n  size: {{two: {{workloads.vllm.replicas: 2}}}}\n  room: {{four: {{cluster.shape.nodes.count: 4}}}}\ntable: {table}\n"
    ))
}

#[test]
fn a_table_shows_each_axis_once() {
    insta::assert_snapshot!(refuse_table("{rows: [size], columns: [rom], cells: [{metric: events}]}"), @r"
    error[unknown-name]: the grid has no axis `rom`
     --> scenario.yaml:7:33
      |
    7 | table: {rows: [size], columns: [rom], cells: [{metric: events}]}
      |                                 ^^^
      |
      = help: did you mean `room`?

    error[invalid-value]: the axis `room` is neither in `rows` nor in `columns`
     --> scenario.yaml:7:8
      |
    7 | table: {rows: [size], columns: [rom], cells: [{metric: events}]}
      |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    ");
    insta::assert_snapshot!(refuse_table("{rows: [size, size, room], cells: [{metric: events}]}"), @r"
    error[invalid-value]: the axis `size` is in the table twice
     --> scenario.yaml:7:22
      |
    7 | table: {rows: [size, size, room], cells: [{metric: events}]}
      |                      ^^^^
    ");
}

#[test]
fn cells_show_metrics() {
    insta::assert_snapshot!(refuse_table("{rows: [size, room], cells: [{metric: event}]}"), @r"
    error[unknown-name]: there is no metric `event`
     --> scenario.yaml:7:46
      |
    7 | table: {rows: [size, room], cells: [{metric: event}]}
      |                                              ^^^^^
      |
      = help: did you mean `events`?
    ");
    insta::assert_snapshot!(refuse_table("{rows: [size, room], cells: []}"), @r"
    error[invalid-value]: cells without a metric show nothing
     --> scenario.yaml:7:36
      |
    7 | table: {rows: [size, room], cells: []}
      |                                    ^
    ");
}

#[test]
fn values_name_and_change_variants() {
    insta::assert_snapshot!(refuse_added("grid: {a b: {c/d: {}}}\n"), @r"
    error[invalid-value]: `c/d` cannot name a variant
     --> scenario.yaml:4:1
      |
    4 | grid: {a b: {c/d: {}}}
      | ^^^^
      |
      = help: names of variants consist of letters, digits, `-`, `_` and `.`, and begin with a letter or digit
    ");
    insta::assert_snapshot!(refuse_added("grid: {seeds: {many: {seeds: 100}}}\n"), @r"
    error[bad-override]: a variant cannot change `seeds`: it belongs to all variants together
     --> scenario.yaml:4:23
      |
    4 | grid: {seeds: {many: {seeds: 100}}}
      |                       ^^^^^
    ");
    insta::assert_snapshot!(refuse_added("grid: {none: {}}\n"), @r"
    error[invalid-value]: the axis `none` has no values
     --> scenario.yaml:4:14
      |
    4 | grid: {none: {}}
      |              ^
    ");
}
