//! Names that nothing has, names that two have, and what is wrong in variants and settings.

use super::{LWS, SOUND, refuse, refuse_added, refuse_with};

#[test]
fn names_must_differ() {
    insta::assert_snapshot!(refuse_added("  - {manifest: lws.yaml}\n"), @r"
    error[duplicate-name]: LeaderWorkerSet `default/vllm` is applied twice at the start
     --> lws.yaml:4:9
      |
    4 |   name: vllm
      |         ^^^^
      |
      = help: give one of them another `namespace`, or apply it later in the `timeline`
    ");
    insta::assert_snapshot!(refuse(
        "cluster:\n  groups:\n    - {name: a, shape: {nodes: {count: 1}}}\n    - {name: a, shape: {nodes: {count: 1}}}\n"
    ), @r"
    error[duplicate-name]: two groups of nodes are called `a`
     --> scenario.yaml:4:14
      |
    4 |     - {name: a, shape: {nodes: {count: 1}}}
      |              ^
    ");
    insta::assert_snapshot!(refuse_added("horizon: 1h\nhorizon: 2h\n"), @r"
    error[duplicate-key]: key `horizon` stands twice in one mapping
     --> scenario.yaml:5:1
      |
    5 | horizon: 2h
      | ^^^^^^^ second one here
    ");
    insta::assert_snapshot!(refuse_added("seeds: [1, 2, 1]\n"), @r"
    error[invalid-value]: seed 1 stands twice
     --> scenario.yaml:4:8
      |
    4 | seeds: [1, 2, 1]
      |        ^^^^^^^^
    ");
}

#[test]
fn names_that_nothing_has_come_with_the_nearest() {
    insta::assert_snapshot!(refuse_added(
        "timeline:\n  - {when: settled, scale: {set: vlm, replicas: 1}}\n"
    ), @r"
    error[unknown-name]: there is no set `vlm`
     --> scenario.yaml:5:34
      |
    5 |   - {when: settled, scale: {set: vlm, replicas: 1}}
      |                                  ^^^
      |
      = help: did you mean `vllm`?
    ");
    insta::assert_snapshot!(refuse_added(
        "timeline:\n  - {when: settled, killPod: {pod: vllm-zero}}\n"
    ), @r"
    error[unknown-name]: no pod can be called `vllm-zero`
     --> scenario.yaml:5:36
      |
    5 |   - {when: settled, killPod: {pod: vllm-zero}}
      |                                    ^^^^^^^^^
      |
      = help: the leader of group 0 of set `vllm` is `vllm-0`, its first worker `vllm-0-1`
    ");
    insta::assert_snapshot!(refuse_added("timeline:\n  - {when: settled, drain: {node: nod-1}}\n"), @r"
    error[unknown-name]: there is no node `nod-1`
     --> scenario.yaml:5:35
      |
    5 |   - {when: settled, drain: {node: nod-1}}
      |                                   ^^^^^
      |
      = help: did you mean `node-1`?
    ");
    insta::assert_snapshot!(refuse(
        "cluster: {shape: {nodes: {count: 4}}}\nworkloads:\n  - {manifest: lws.yaml, profile: vllm-8b-1gp}\n"
    ), @r"
    error[unknown-name]: there is no profile `vllm-8b-1gp`
     --> scenario.yaml:3:35
      |
    3 |   - {manifest: lws.yaml, profile: vllm-8b-1gp}
      |                                   ^^^^^^^^^^^
      |
      = help: did you mean `vllm-8b-1gpu`?
    ");
    insta::assert_snapshot!(refuse_added("metrics: [groups_redy_min]\n"), @r"
    error[unknown-name]: there is no metric `groups_redy_min`
     --> scenario.yaml:4:11
      |
    4 | metrics: [groups_redy_min]
      |           ^^^^^^^^^^^^^^^
      |
      = help: did you mean `groups_ready_min`?
    ");
}

#[test]
fn a_node_label_that_no_node_has_is_refused_in_a_timeline() {
    insta::assert_snapshot!(refuse_added(
        "timeline:\n  - {at: 1h, domainDown: {key: kubernetes.io/hostnam}}\n"
    ), @r"
    error[unknown-label]: no node has the label `kubernetes.io/hostnam`
     --> scenario.yaml:5:32
      |
    5 |   - {at: 1h, domainDown: {key: kubernetes.io/hostnam}}
      |                                ^^^^^^^^^^^^^^^^^^^^^
      |
      = help: did you mean `kubernetes.io/hostname`?
    ");
    insta::assert_snapshot!(refuse_added(
        "timeline:\n  - {at: 1h, domainDown: {key: kubernetes.io/hostname, value: node-9}}\n"
    ), @r"
    error[unknown-label]: no node has the value `node-9` of label `kubernetes.io/hostname`
     --> scenario.yaml:5:63
      |
    5 |   - {at: 1h, domainDown: {key: kubernetes.io/hostname, value: node-9}}
      |                                                               ^^^^^^
      |
      = help: did you mean `node-1`?
    ");
}

#[test]
fn what_is_wrong_in_a_variant_is_found_there() {
    insta::assert_snapshot!(refuse_added("variants:\n  a: {}\n  b: {workloads.vlm.replicas: 3}\n"), @r"
    error[unknown-name]: `workloads` has no element that is called `vlm`
     --> scenario.yaml:6:7
      |
    6 |   b: {workloads.vlm.replicas: 3}
      |       ^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: did you mean `vllm`?
    ");
    insta::assert_snapshot!(refuse_added("variants:\n  b: {workloads.vllm.replcas: 3}\n"), @r"
    error[unknown-field]: unknown field `replcas`
     --> scenario.yaml:5:7
      |
    5 |   b: {workloads.vllm.replcas: 3}
      |       ^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: did you mean `replicas`?
    ");
    insta::assert_snapshot!(refuse_added("variants:\n  b: {workloads.vllm.replicas: -1}\n"), @r"
    error[invalid-object]: LeaderWorkerSet `vllm` is refused: spec.replicas: Invalid value: -1: spec.replicas in body should be greater than or equal to 0
     --> scenario.yaml:5:32
      |
    5 |   b: {workloads.vllm.replicas: -1}
      |                                ^^

    error[invalid-object]: LeaderWorkerSet `vllm` is refused: .spec.replicas: Invalid value: -1: should be a non-negative integer
     --> scenario.yaml:5:32
      |
    5 |   b: {workloads.vllm.replicas: -1}
      |                                ^^
    ");
    insta::assert_snapshot!(refuse_added("variants:\n  b: {seeds: 3}\n"), @r"
    error[bad-override]: a variant cannot change `seeds`: it belongs to all variants together
     --> scenario.yaml:5:7
      |
    5 |   b: {seeds: 3}
      |       ^^^^^
    ");
    insta::assert_snapshot!(refuse_added("variants:\n  a/b: {}\n"), @r"
    error[invalid-value]: `a/b` cannot name a variant
     --> scenario.yaml:5:3
      |
    5 |   a/b: {}
      |   ^^^
      |
      = help: names of variants consist of letters, digits, `-`, `_` and `.`, and begin with a letter or digit
    ");
}

#[test]
fn an_unknown_variant_comes_with_the_known_ones() {
    let scenario = format!("{SOUND}variants: {{slow: {{}}, fast: {{}}}}\n");
    insta::assert_snapshot!(refuse_with(
        scenario.as_bytes(),
        &[("lws.yaml", LWS)],
        &["--variant", "fst"]
    ), @r"
    error[unknown-name]: scenario `scenario` has no variant `fst`
    --> --variant
     = help: did you mean `fast`?
    ");
}

#[test]
fn what_is_wrong_in_a_setting_is_found_there() {
    let set =
        |setting: &str| refuse_with(SOUND.as_bytes(), &[("lws.yaml", LWS)], &["--set", setting]);
    insta::assert_snapshot!(set("horizon=soon"), @r"
    error[bad-duration]: `soon` is not a duration: it does not begin with a number
     --> --set:1:9
      |
    1 | horizon=soon
      |         ^^^^
      |
      = help: durations look like `90s`, `1h30m`, `250ms`; units are d, h, m, s, ms, us, ns
    ");
    insta::assert_snapshot!(set("cluster.shape.nodes.cnt=3"), @r"
    error[unknown-field]: unknown field `cnt`
     --> --set:1:1
      |
    1 | cluster.shape.nodes.cnt=3
      | ^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: known: `count`, `gpus`, `accelerator`, `zone`, `resources`
    ");
    insta::assert_snapshot!(set("workloads.vllm.size=0"), @r"
    error[invalid-object]: LeaderWorkerSet `vllm` is refused: spec.leaderWorkerTemplate.size: Invalid value: 0: size must be equal or greater than 1
     --> --set:1:21
      |
    1 | workloads.vllm.size=0
      |                     ^
    ");
    insta::assert_snapshot!(set("workloads.x=[1"), @r"
    error[yaml-syntax]: unclosed bracket '['
     --> --set:1:13
      |
    1 | workloads.x=[1
      |             ^^
    ");
}

#[test]
fn a_fix_is_named_by_the_id_of_its_bug() {
    insta::assert_snapshot!(refuse_added("fixes: [B11]\n"), @r"
    error[unknown-variant]: unknown name `B11`
     --> scenario.yaml:4:9
      |
    4 | fixes: [B11]
      |         ^^^
      |
      = help: did you mean `B1`?
    ");
}
