//! Values that cannot be read or are out of their range.

use super::{refuse, refuse_added, refuse_manifest};

#[test]
fn a_bad_duration_says_what_durations_look_like() {
    insta::assert_snapshot!(refuse_added("horizon: 90\n"), @r"
    error[bad-duration]: `90` is not a duration: the unit is missing
     --> scenario.yaml:4:10
      |
    4 | horizon: 90
      |          ^^
      |
      = help: durations look like `90s`, `1h30m`, `250ms`; units are d, h, m, s, ms, us, ns
    ");
    insta::assert_snapshot!(refuse_added("horizon: 2 hours\n"), @r"
    error[bad-duration]: `2 hours` is not a duration: there is no unit `hours`
     --> scenario.yaml:4:10
      |
    4 | horizon: 2 hours
      |          ^^^^^^^
      |
      = help: durations look like `90s`, `1h30m`, `250ms`; units are d, h, m, s, ms, us, ns
    ");
}

#[test]
fn a_negative_time_is_refused() {
    insta::assert_snapshot!(refuse_added(
        "timeline:\n  - {at: -5m, scale: {set: vllm, replicas: 1}}\n"
    ), @r"
    error[bad-duration]: `-5m` is negative, and time runs forward only
     --> scenario.yaml:5:10
      |
    5 |   - {at: -5m, scale: {set: vllm, replicas: 1}}
      |          ^^^
      |
      = help: durations look like `90s`, `1h30m`, `250ms`; units are d, h, m, s, ms, us, ns
    ");
}

#[test]
fn a_horizon_of_zero_is_refused() {
    insta::assert_snapshot!(refuse_added("horizon: 0s\n"), @r"
    error[invalid-value]: the horizon must be longer than 0
     --> scenario.yaml:4:10
      |
    4 | horizon: 0s
      |          ^^
    ");
}

#[test]
fn a_bad_quantity_is_found_in_scenario_and_manifest() {
    insta::assert_snapshot!(refuse_added("control: {registryRate: 5GB}\n"), @r"
    error[bad-quantity]: `5GB` is not a size: quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'
     --> scenario.yaml:4:25
      |
    4 | control: {registryRate: 5GB}
      |                         ^^^
      |
      = help: sizes are Kubernetes quantities such as `12G`, `810Gi`, `60M`
    ");
    insta::assert_snapshot!(refuse(
        "cluster: {shape: {nodes: {count: 1, resources: {memory: lots}}}}\n"
    ), @r"
    error[bad-quantity]: `lots` is not a quantity of `memory`: quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'
     --> scenario.yaml:1:57
      |
    1 | cluster: {shape: {nodes: {count: 1, resources: {memory: lots}}}}
      |                                                         ^^^^
      |
      = help: quantities look like `192`, `500m`, `2000Gi`
    ");
    insta::assert_snapshot!(refuse_manifest("\"8\"", "eight"), @r"
    error[bad-quantity]: `eight` is not a quantity of `nvidia.com/gpu`: quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'
      --> lws.yaml:16:33
       |
    16 |                 nvidia.com/gpu: eight
       |                                 ^^^^^
       |
       = help: quantities look like `8`, `500m`, `900Gi`
    ");
}

#[test]
fn gates_are_read_and_checked() {
    insta::assert_snapshot!(refuse_added("gates: [\"p95(rollout_duration) < 2h\"]\n"), @r#"
    error[unknown-name]: there is no metric `rollout_duration`
     --> scenario.yaml:4:9
      |
    4 | gates: ["p95(rollout_duration) < 2h"]
      |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: did you mean `rollout_duration_s`?
    "#);
    insta::assert_snapshot!(refuse_added("gates: [\"min(groups_ready_min) >= 2h\"]\n"), @r#"
    error[bad-gate]: `min(groups_ready_min) >= 2h` is not a gate: `groups_ready_min` is compared with a number, not with `2h`
     --> scenario.yaml:4:9
      |
    4 | gates: ["min(groups_ready_min) >= 2h"]
      |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: gates look like `p95(rollout_duration_s) < 2h` or `min(groups_ready_min) >= 3`
    "#);
}

#[test]
fn a_version_that_is_not_simulated_is_refused() {
    insta::assert_snapshot!(refuse_added("kubernetes: \"1.29\"\n"), @r#"
    error[unknown-version]: Kubernetes 1.29 is not simulated
     --> scenario.yaml:4:13
      |
    4 | kubernetes: "1.29"
      |             ^^^^^^
      |
      = help: known: `1.33`, `1.34`, `1.35`, `1.36`, `1.37`
    "#);
}

#[test]
fn zero_seeds_are_refused() {
    insta::assert_snapshot!(refuse_added("seeds: 0\n"), @r"
    error[invalid-value]: expected 1 to 1000000 seeds, found 0
     --> scenario.yaml:4:8
      |
    4 | seeds: 0
      |        ^
    ");
}

#[test]
fn a_number_out_of_its_range_says_the_range() {
    insta::assert_snapshot!(refuse("cluster: {shape: {nodes: {count: -4}}}\n"), @r"
    error[invalid-value]: expected a whole number from 0 to 4294967295, found the number -4
     --> scenario.yaml:1:34
      |
    1 | cluster: {shape: {nodes: {count: -4}}}
      |                                  ^^
    ");
}
