//! Kubernetes objects that a cluster would refuse, and those that are not simulated.

use super::{LWS, SOUND, refuse, refuse_manifest, run};
use std::fs;
use tempfile::TempDir;

#[test]
fn a_missing_manifest_comes_with_the_nearest_file() {
    insta::assert_snapshot!(refuse(
        "cluster: {shape: {nodes: {count: 4}}}\nworkloads:\n  - manifest: lsw.yaml\n"
    ), @r"
    error[file-unreadable]: failed to read `lsw.yaml`: there is no such file
     --> scenario.yaml:3:15
      |
    3 |   - manifest: lsw.yaml
      |               ^^^^^^^^
      |
      = help: did you mean `lws.yaml`?
    ");
}

#[test]
fn an_invalid_set_is_refused_in_the_words_of_its_webhook() {
    insta::assert_snapshot!(refuse_manifest("size: 2", "size: 0"), @r"
    error[invalid-object]: LeaderWorkerSet `vllm` is refused: spec.leaderWorkerTemplate.size: Invalid value: 0: size must be equal or greater than 1
     --> lws.yaml:8:11
      |
    8 |     size: 0
      |           ^
    ");
    insta::assert_snapshot!(refuse_manifest(
        "size: 2",
        "size: 8\n    subGroupPolicy:\n      subGroupSize: 3"
    ), @r"
    error[invalid-object]: LeaderWorkerSet `vllm` is refused: spec.leaderWorkerTemplate.SubGroupPolicy.subGroupSize: Invalid value: 3: size or size - 1 must be divisible by subGroupSize
      --> lws.yaml:10:21
       |
    10 |       subGroupSize: 3
       |                     ^
    ");
    insta::assert_snapshot!(refuse_manifest("name: vllm", "name: 7vllm"), @r#"
    error[invalid-object]: LeaderWorkerSet `7vllm` is refused: metadata.name: Invalid value: "7vllm": a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')
     --> lws.yaml:4:9
      |
    4 |   name: 7vllm
      |         ^^^^^
    "#);
    insta::assert_snapshot!(refuse_manifest("    workerTemplate:", "    wrkTemplate:"), @r"
    warning[unknown-field]: LeaderWorkerSet has no field `wrkTemplate` here
     --> lws.yaml:9:5
      |
    9 |     wrkTemplate:
      |     ^^^^^^^^^^^
      |
      = help: did you mean `workerTemplate`?

    error[invalid-object]: LeaderWorkerSet `vllm` is refused: spec.leaderWorkerTemplate.workerTemplate: Required value
     --> lws.yaml:8:5
      |
    8 |     size: 2
      |     ^^^^^^^
    ");
}

#[test]
fn an_invalid_change_of_a_set_is_found_in_the_scenario() {
    insta::assert_snapshot!(refuse(
        "cluster: {shape: {nodes: {count: 4, gpus: 8}}}\nworkloads:\n  - manifest: lws.yaml\n    rollout: {maxUnavailable: 0, maxSurge: 0}\n"
    ), @r"
    error[invalid-object]: LeaderWorkerSet `vllm` is refused: spec.rolloutStrategy.rollingUpdateConfiguration.maxUnavailable: Invalid value: 0: must not be 0 when `maxSurge` is 0
     --> scenario.yaml:4:31
      |
    4 |     rollout: {maxUnavailable: 0, maxSurge: 0}
      |                               ^
    ");
    insta::assert_snapshot!(refuse(
        "cluster: {shape: {nodes: {count: 4, gpus: 8}}}\nworkloads:\n  - manifest: lws.yaml\n    rollout: {maxUnavailable: 25 percent}\n"
    ), @r#"
    error[invalid-object]: LeaderWorkerSet `vllm` is refused: spec.rolloutStrategy.rollingUpdateConfiguration.maxUnavailable: Invalid value: "25 percent": a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')
     --> scenario.yaml:4:31
      |
    4 |     rollout: {maxUnavailable: 25 percent}
      |                               ^^^^^^^^^^

    error[invalid-object]: LeaderWorkerSet `vllm` is refused: spec.rolloutStrategy.rollingUpdateConfiguration.maxUnavailable: Invalid value: "25 percent": invalid value
     --> scenario.yaml:4:31
      |
    4 |     rollout: {maxUnavailable: 25 percent}
      |                               ^^^^^^^^^^

    error[invalid-object]: LeaderWorkerSet `vllm` is refused: spec.rolloutStrategy.rollingUpdateConfiguration.maxUnavailable: Invalid value: "25 percent": must not be 0 when `maxSurge` is 0
     --> scenario.yaml:4:31
      |
    4 |     rollout: {maxUnavailable: 25 percent}
      |                               ^^^^^^^^^^
    "#);
}

#[test]
fn a_wrong_type_in_a_manifest_is_found_there() {
    insta::assert_snapshot!(refuse_manifest("replicas: 2", "replicas: two"), @r"
    error[wrong-type]: expected a whole number, found the string `two`
     --> lws.yaml:6:13
      |
    6 |   replicas: two
      |             ^^^
    ");
}

#[test]
fn a_file_that_is_no_object_is_refused() {
    insta::assert_snapshot!(refuse_manifest("kind: LeaderWorkerSet\n", ""), @r"
    error[invalid-object]: this is no Kubernetes object: it has no `kind`
     --> lws.yaml:1:1
      |
    1 | apiVersion: leaderworkerset.x-k8s.io/v1
      | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    ");
    insta::assert_snapshot!(refuse_manifest("x-k8s.io/v1", "x-k8s.io/v1alpha1"), @r"
    error[invalid-object]: LeaderWorkerSet `vllm` has the API version `leaderworkerset.x-k8s.io/v1alpha1`, which is not served
     --> lws.yaml:1:13
      |
    1 | apiVersion: leaderworkerset.x-k8s.io/v1alpha1
      |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: write `apiVersion: leaderworkerset.x-k8s.io/v1`
    ");
}

#[test]
fn what_is_not_simulated_is_named_and_the_rest_runs() {
    let manifest = format!(
        "{LWS}        nodeSelector: {{gpu: h100}}
---
{{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {{name: scaler}}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: router}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: router}}}}
  template:
    metadata: {{labels: {{app: router}}}}
    spec: {{containers: [{{name: router, image: router}}], nodeSelectr: {{}}, hostNetwrk: true}}
"
    );
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("scenario.yaml"), SOUND).unwrap();
    fs::write(folder.path().join("lws.yaml"), manifest).unwrap();
    let output = run(folder.path(), &["scenario.yaml", "--out", "results"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(folder.path().join("results/summary.json").exists());
    insta::assert_snapshot!(said, @r"
    warning[unknown-label]: no node has the label `gpu`; pods that ask for it stay Pending
      --> lws.yaml:17:24
       |
    17 |         nodeSelector: {gpu: h100}
       |                        ^^^
       |
       = help: known: `kubernetes.io/arch`, `kubernetes.io/hostname`, `kubernetes.io/os`

    warning[not-simulated]: HorizontalPodAutoscaler `scaler` is not simulated
      --> lws.yaml:19:36
       |
    19 | {apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: scaler}}
       |                                    ^^^^^^^^^^^^^^^^^^^^^^^

    warning[approximated]: Deployment `router` runs as a StatefulSet with parallel pod management
      --> lws.yaml:22:7
       |
    22 | kind: Deployment
       |       ^^^^^^^^^^
       |
       = help: names of pods, the order of updates and surge differ from a Deployment's

    warning[unknown-field]: StatefulSet has no field `hostNetwrk` here
      --> lws.yaml:29:74
       |
    29 |     spec: {containers: [{name: router, image: router}], nodeSelectr: {}, hostNetwrk: true}
       |                                                                          ^^^^^^^^^^
       |
       = help: did you mean `hostNetwork`?
    ");
}
