//! Fields that are unknown, missing, doubled or of the wrong type.

use super::{LWS, SOUND, refuse, refuse_added, refuse_with};

#[test]
fn an_unknown_field_comes_with_the_nearest_known_one() {
    insta::assert_snapshot!(refuse_added("horizn: 1h\n"), @r"
    error[unknown-field]: unknown field `horizn`
     --> scenario.yaml:4:1
      |
    4 | horizn: 1h
      | ^^^^^^
      |
      = help: did you mean `horizon`?
    ");
    insta::assert_snapshot!(refuse("cluster: {shape: {racks: {racks: 4, nodesPerRak: 4}}}\n"), @r"
    error[unknown-field]: unknown field `nodesPerRak`
     --> scenario.yaml:1:37
      |
    1 | cluster: {shape: {racks: {racks: 4, nodesPerRak: 4}}}
      |                                     ^^^^^^^^^^^
      |
      = help: did you mean `nodesPerRack`?
    ");
}

#[test]
fn an_unknown_field_of_a_timeline_entry_is_found_there() {
    insta::assert_snapshot!(refuse_added(
        "timeline:\n  - {when: settled, setImage: {set: vllm, img: x}}\n"
    ), @r"
    error[unknown-field]: unknown field `img`
     --> scenario.yaml:5:43
      |
    5 |   - {when: settled, setImage: {set: vllm, img: x}}
      |                                           ^^^
      |
      = help: did you mean `image`?
    ");
}

#[test]
fn an_unknown_shape_comes_with_the_known_ones() {
    insta::assert_snapshot!(refuse("cluster: {shape: {h100SuperPod: {nodes: 4}}}\n"), @r"
    error[unknown-variant]: unknown name `h100SuperPod`
     --> scenario.yaml:1:19
      |
    1 | cluster: {shape: {h100SuperPod: {nodes: 4}}}
      |                   ^^^^^^^^^^^^
      |
      = help: did you mean `h100Superpod`?
    ");
    insta::assert_snapshot!(refuse("cluster: {shape: {}}\n"), @r"
    error[invalid-value]: expected one name with its value, found an empty mapping
     --> scenario.yaml:1:18
      |
    1 | cluster: {shape: {}}
      |                  ^
      |
      = help: known: `nodes`, `racks`, `h100Superpod`, `nvl72`, `tpuSlices`
    ");
    insta::assert_snapshot!(refuse("cluster: {shape: {nodes: {count: 1}, nvl72: {racks: 1}}}\n"), @r"
    error[invalid-value]: only one of these can be given: `nvl72` is one too many
     --> scenario.yaml:1:38
      |
    1 | cluster: {shape: {nodes: {count: 1}, nvl72: {racks: 1}}}
      |                                      ^^^^^
      |
      = help: known: `nodes`, `racks`, `h100Superpod`, `nvl72`, `tpuSlices`
    ");
}

#[test]
fn a_missing_field_is_named() {
    insta::assert_snapshot!(refuse("about: no cluster\n"), @r"
    error[missing-field]: field `cluster` is missing
     --> scenario.yaml:1:1
      |
    1 | about: no cluster
      | ^^^^^^^^^^^^^^^^^
    ");
    insta::assert_snapshot!(refuse("cluster: {}\n"), @r"
    error[missing-field]: the cluster has no nodes
     --> scenario.yaml:1:10
      |
    1 | cluster: {}
      |          ^
      |
      = help: give `cluster.shape`, `cluster.groups` or `cluster.nodes`
    ");
}

#[test]
fn a_wrong_type_says_what_was_expected_and_found() {
    insta::assert_snapshot!(refuse("cluster: {shape: {nodes: {count: four}}}\n"), @r"
    error[wrong-type]: expected a whole number, found the string `four`
     --> scenario.yaml:1:34
      |
    1 | cluster: {shape: {nodes: {count: four}}}
      |                                  ^^^^
    ");
    insta::assert_snapshot!(refuse("cluster: [1, 2]\n"), @r"
    error[wrong-type]: expected a mapping, found a list
     --> scenario.yaml:1:10
      |
    1 | cluster: [1, 2]
      |          ^^^^^
    ");
    insta::assert_snapshot!(refuse_added("metrics: events\n"), @r"
    error[wrong-type]: expected a list, found the string `events`
     --> scenario.yaml:4:10
      |
    4 | metrics: events
      |          ^^^^^^
    ");
    insta::assert_snapshot!(refuse("just text\n"), @r"
    error[wrong-type]: expected a mapping, found the string `just text`
     --> scenario.yaml:1:1
      |
    1 | just text
      | ^^^^^^^^^
    ");
}

#[test]
fn stages_that_wait_for_each_other_are_refused() {
    insta::assert_snapshot!(refuse_added(
        "profiles:\n  mine:\n    stages:\n      - {name: a, takes: 1s, after: [b]}\n      - {name: b, takes: 1s}\n"
    ), @r"
    error[cyclic-stages]: stages `a`, `b` wait for each other in a circle
     --> scenario.yaml:7:37
      |
    7 |       - {name: a, takes: 1s, after: [b]}
      |                                     ^^
      |
      = help: `after` names the stages that must have ended before
    ");
    insta::assert_snapshot!(refuse_added(
        "profiles:\n  mine:\n    stages:\n      - {name: a, takes: 1s, after: [a]}\n"
    ), @r"
    error[cyclic-stages]: stage `a` waits for itself
     --> scenario.yaml:7:37
      |
    7 |       - {name: a, takes: 1s, after: [a]}
      |                                     ^^
      |
      = help: `after` names the stages that must have ended before
    ");
    insta::assert_snapshot!(refuse_added(
        "profiles:\n  mine:\n    stages:\n      - {name: a, takes: 1s, after: [b]}\n"
    ), @r"
    error[unknown-name]: there is no stage `b`
     --> scenario.yaml:7:38
      |
    7 |       - {name: a, takes: 1s, after: [b]}
      |                                      ^
      |
      = help: known: `a`
    ");
}

#[test]
fn a_stage_does_one_thing() {
    insta::assert_snapshot!(refuse_added("profiles:\n  mine:\n    stages:\n      - {name: a}\n"), @r"
    error[missing-field]: stage `a` has neither `takes` nor `transfer`
     --> scenario.yaml:7:9
      |
    7 |       - {name: a}
      |         ^^^^^^^^
    ");
}

#[test]
fn an_entry_has_one_time_and_one_action() {
    insta::assert_snapshot!(refuse_added("timeline:\n  - {scale: {set: vllm, replicas: 1}}\n"), @r"
    error[missing-field]: this entry does not say when it happens
     --> scenario.yaml:5:5
      |
    5 |   - {scale: {set: vllm, replicas: 1}}
      |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: give `at: 10m`, `after: 5m` (after the entry before it) or `when: settled`
    ");
    insta::assert_snapshot!(refuse_added(
        "timeline:\n  - {at: 1h, scale: {set: vllm, replicas: 1}, killPod: {set: vllm}}\n"
    ), @r"
    error[invalid-value]: an entry has one action, and this one has `scale` and `killPod`
     --> scenario.yaml:5:47
      |
    5 |   - {at: 1h, scale: {set: vllm, replicas: 1}, killPod: {set: vllm}}
      |                                               ^^^^^^^
      |
      = help: write two entries; `after: 0s` makes the second follow at once
    ");
}

#[test]
fn distributions_are_checked() {
    insta::assert_snapshot!(refuse_added(
        "control: {bind: {lognormal: {median: 1s, sigma: -1}}}\n"
    ), @r"
    error[invalid-value]: expected a number at least 0, found -1
     --> scenario.yaml:4:49
      |
    4 | control: {bind: {lognormal: {median: 1s, sigma: -1}}}
      |                                                 ^^
    ");
    insta::assert_snapshot!(refuse_added("control: {bind: {lognormal: {mean: 1s, sigma: 1}}}\n"), @r"
    error[unknown-field]: unknown field `mean`
     --> scenario.yaml:4:30
      |
    4 | control: {bind: {lognormal: {mean: 1s, sigma: 1}}}
      |                              ^^^^
      |
      = help: did you mean `median`?
    ");
    insta::assert_snapshot!(refuse_with(
        format!("{SOUND}control: {{bind: {{empirical: {{csv: times.csv, column: sec}}}}}}\n")
            .as_bytes(),
        &[("lws.yaml", LWS), ("times.csv", "node,seconds\na,1\n")],
        &[],
    ), @r"
    error[invalid-value]: `times.csv` gives no distribution: column `sec` is missing; the columns are `node`, `seconds`
     --> scenario.yaml:4:54
      |
    4 | control: {bind: {empirical: {csv: times.csv, column: sec}}}
      |                                                      ^^^
    ");
}
