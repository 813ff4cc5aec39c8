//! What lwsim says of wrong input: exit code 2, the place, the way out, and no results left behind.
//!
//! Each test runs the binary in a folder of its own; the snapshots are what a user sees.

use assert_cmd::Command;
use std::fs;
use std::path::Path;
use std::process::Output;
use tempfile::TempDir;

const LWS: &str = "\
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata:
  name: vllm
spec:
  replicas: 2
  leaderWorkerTemplate:
    size: 2
    workerTemplate:
      spec:
        containers:
          - name: vllm
            image: vllm:1
            resources:
              limits:
                nvidia.com/gpu: \"8\"
";

/// The shortest scenario that runs, to which tests add what is wrong.
const SOUND: &str = "\
cluster: {shape: {nodes: {count: 4, gpus: 8}}}
workloads:
  - {manifest: lws.yaml}
";

/// Runs `lwsim run` on a scenario beside other files and returns what it says.
#[track_caller]
fn refuse_with(scenario: &[u8], files: &[(&str, &str)], arguments: &[&str]) -> String {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("scenario.yaml"), scenario).unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    refuse_in(folder.path(), "scenario.yaml", arguments)
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::cargo_bin("lwsim").unwrap();
    command.arg("run").args(arguments).current_dir(folder).output().unwrap()
}

#[track_caller]
fn refuse_in(folder: &Path, scenario: &str, arguments: &[&str]) -> String {
    let arguments = [&[scenario, "--out", "results"], arguments].concat();
    let output = run(folder, &arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(output.stdout.is_empty(), "nothing goes to standard output");
    let left: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        !left.iter().any(|name| name.to_string_lossy().contains("results")),
        "left behind: {left:?}"
    );
    said
}

#[track_caller]
fn refuse(scenario: &str) -> String {
    refuse_with(scenario.as_bytes(), &[("lws.yaml", LWS)], &[])
}

/// Adds to the sound scenario.
#[track_caller]
fn refuse_added(added: &str) -> String {
    refuse(&format!("{SOUND}{added}"))
}

/// Replaces a part of the sound manifest.
#[track_caller]
fn refuse_manifest(from: &str, to: &str) -> String {
    assert!(LWS.contains(from), "the manifest holds `{from}`");
    refuse_with(SOUND.as_bytes(), &[("lws.yaml", &LWS.replacen(from, to, 1))], &[])
}

#[test]
fn an_unknown_field_comes_with_the_nearest_known_one() {
    insta::assert_snapshot!(refuse_added("horizn: 1h\n"));
    insta::assert_snapshot!(refuse("cluster: {shape: {racks: {racks: 4, nodesPerRak: 4}}}\n"));
}

#[test]
fn an_unknown_field_of_a_timeline_entry_is_found_there() {
    insta::assert_snapshot!(refuse_added(
        "timeline:\n  - {when: settled, setImage: {set: vllm, img: x}}\n"
    ));
}

#[test]
fn an_unknown_shape_comes_with_the_known_ones() {
    insta::assert_snapshot!(refuse("cluster: {shape: {h100SuperPod: {nodes: 4}}}\n"));
    insta::assert_snapshot!(refuse("cluster: {shape: {}}\n"));
    insta::assert_snapshot!(refuse("cluster: {shape: {nodes: {count: 1}, nvl72: {racks: 1}}}\n"));
}

#[test]
fn a_missing_field_is_named() {
    insta::assert_snapshot!(refuse("about: no cluster\n"));
    insta::assert_snapshot!(refuse("cluster: {}\n"));
}

#[test]
fn a_wrong_type_says_what_was_expected_and_found() {
    insta::assert_snapshot!(refuse("cluster: {shape: {nodes: {count: four}}}\n"));
    insta::assert_snapshot!(refuse("cluster: [1, 2]\n"));
    insta::assert_snapshot!(refuse_added("metrics: events\n"));
    insta::assert_snapshot!(refuse("just text\n"));
}

#[test]
fn a_bad_duration_says_what_durations_look_like() {
    insta::assert_snapshot!(refuse_added("horizon: 90\n"));
    insta::assert_snapshot!(refuse_added("horizon: 2 hours\n"));
}

#[test]
fn a_negative_time_is_refused() {
    insta::assert_snapshot!(refuse_added(
        "timeline:\n  - {at: -5m, scale: {set: vllm, replicas: 1}}\n"
    ));
}

#[test]
fn a_horizon_of_zero_is_refused() {
    insta::assert_snapshot!(refuse_added("horizon: 0s\n"));
}

#[test]
fn a_bad_quantity_is_found_in_scenario_and_manifest() {
    insta::assert_snapshot!(refuse_added("control: {registryRate: 5GB}\n"));
    insta::assert_snapshot!(refuse(
        "cluster: {shape: {nodes: {count: 1, resources: {memory: lots}}}}\n"
    ));
    insta::assert_snapshot!(refuse_manifest("\"8\"", "eight"));
}

#[test]
fn a_missing_manifest_comes_with_the_nearest_file() {
    insta::assert_snapshot!(refuse(
        "cluster: {shape: {nodes: {count: 4}}}\nworkloads:\n  - manifest: lsw.yaml\n"
    ));
}

#[test]
fn an_invalid_set_is_refused_in_the_words_of_its_webhook() {
    insta::assert_snapshot!(refuse_manifest("size: 2", "size: 0"));
    insta::assert_snapshot!(refuse_manifest(
        "size: 2",
        "size: 8\n    subGroupPolicy:\n      subGroupSize: 3"
    ));
    insta::assert_snapshot!(refuse_manifest("name: vllm", "name: 7vllm"));
    insta::assert_snapshot!(refuse_manifest("    workerTemplate:", "    wrkTemplate:"));
}

#[test]
fn an_invalid_change_of_a_set_is_found_in_the_scenario() {
    insta::assert_snapshot!(refuse(
        "cluster: {shape: {nodes: {count: 4, gpus: 8}}}\nworkloads:\n  - manifest: lws.yaml\n    rollout: {maxUnavailable: 0, maxSurge: 0}\n"
    ));
    insta::assert_snapshot!(refuse(
        "cluster: {shape: {nodes: {count: 4, gpus: 8}}}\nworkloads:\n  - manifest: lws.yaml\n    rollout: {maxUnavailable: 25 percent}\n"
    ));
}

#[test]
fn a_wrong_type_in_a_manifest_is_found_there() {
    insta::assert_snapshot!(refuse_manifest("replicas: 2", "replicas: two"));
}

#[test]
fn a_file_that_is_no_object_is_refused() {
    insta::assert_snapshot!(refuse_manifest("kind: LeaderWorkerSet\n", ""));
    insta::assert_snapshot!(refuse_manifest("x-k8s.io/v1", "x-k8s.io/v1alpha1"));
}

#[test]
fn names_must_differ() {
    insta::assert_snapshot!(refuse_added("  - {manifest: lws.yaml}\n"));
    insta::assert_snapshot!(refuse(
        "cluster:\n  groups:\n    - {name: a, shape: {nodes: {count: 1}}}\n    - {name: a, shape: {nodes: {count: 1}}}\n"
    ));
    insta::assert_snapshot!(refuse_added("horizon: 1h\nhorizon: 2h\n"));
    insta::assert_snapshot!(refuse_added("seeds: [1, 2, 1]\n"));
}

#[test]
fn names_that_nothing_has_come_with_the_nearest() {
    insta::assert_snapshot!(refuse_added(
        "timeline:\n  - {when: settled, scale: {set: vlm, replicas: 1}}\n"
    ));
    insta::assert_snapshot!(refuse_added(
        "timeline:\n  - {when: settled, killPod: {pod: vllm-zero}}\n"
    ));
    insta::assert_snapshot!(refuse_added("timeline:\n  - {when: settled, drain: {node: nod-1}}\n"));
    insta::assert_snapshot!(refuse(
        "cluster: {shape: {nodes: {count: 4}}}\nworkloads:\n  - {manifest: lws.yaml, profile: vllm-8b-1gp}\n"
    ));
    insta::assert_snapshot!(refuse_added("metrics: [groups_redy_min]\n"));
}

#[test]
fn a_node_label_that_no_node_has_is_refused_in_a_timeline() {
    insta::assert_snapshot!(refuse_added(
        "timeline:\n  - {at: 1h, domainDown: {key: kubernetes.io/hostnam}}\n"
    ));
    insta::assert_snapshot!(refuse_added(
        "timeline:\n  - {at: 1h, domainDown: {key: kubernetes.io/hostname, value: node-9}}\n"
    ));
}

#[test]
fn stages_that_wait_for_each_other_are_refused() {
    insta::assert_snapshot!(refuse_added(
        "profiles:\n  mine:\n    stages:\n      - {name: a, takes: 1s, after: [b]}\n      - {name: b, takes: 1s}\n"
    ));
    insta::assert_snapshot!(refuse_added(
        "profiles:\n  mine:\n    stages:\n      - {name: a, takes: 1s, after: [a]}\n"
    ));
    insta::assert_snapshot!(refuse_added(
        "profiles:\n  mine:\n    stages:\n      - {name: a, takes: 1s, after: [b]}\n"
    ));
}

#[test]
fn a_stage_does_one_thing() {
    insta::assert_snapshot!(refuse_added("profiles:\n  mine:\n    stages:\n      - {name: a}\n"));
}

#[test]
fn an_entry_has_one_time_and_one_action() {
    insta::assert_snapshot!(refuse_added("timeline:\n  - {scale: {set: vllm, replicas: 1}}\n"));
    insta::assert_snapshot!(refuse_added(
        "timeline:\n  - {at: 1h, scale: {set: vllm, replicas: 1}, killPod: {set: vllm}}\n"
    ));
}

#[test]
fn distributions_are_checked() {
    insta::assert_snapshot!(refuse_added(
        "control: {bind: {lognormal: {median: 1s, sigma: -1}}}\n"
    ));
    insta::assert_snapshot!(refuse_added("control: {bind: {lognormal: {mean: 1s, sigma: 1}}}\n"));
    insta::assert_snapshot!(refuse_with(
        format!("{SOUND}control: {{bind: {{empirical: {{csv: times.csv, column: sec}}}}}}\n")
            .as_bytes(),
        &[("lws.yaml", LWS), ("times.csv", "node,seconds\na,1\n")],
        &[],
    ));
}

#[test]
fn gates_are_read_and_checked() {
    insta::assert_snapshot!(refuse_added("gates: [\"p95(rollout_duration) < 2h\"]\n"));
    insta::assert_snapshot!(refuse_added("gates: [\"min(groups_ready_min) >= 2h\"]\n"));
}

#[test]
fn a_version_that_is_not_simulated_is_refused() {
    insta::assert_snapshot!(refuse_added("kubernetes: \"1.29\"\n"));
}

#[test]
fn zero_seeds_are_refused() {
    insta::assert_snapshot!(refuse_added("seeds: 0\n"));
}

#[test]
fn what_is_wrong_in_a_variant_is_found_there() {
    insta::assert_snapshot!(refuse_added("variants:\n  a: {}\n  b: {workloads.vlm.replicas: 3}\n"));
    insta::assert_snapshot!(refuse_added("variants:\n  b: {workloads.vllm.replcas: 3}\n"));
    insta::assert_snapshot!(refuse_added("variants:\n  b: {workloads.vllm.replicas: -1}\n"));
    insta::assert_snapshot!(refuse_added("variants:\n  b: {seeds: 3}\n"));
    insta::assert_snapshot!(refuse_added("variants:\n  a/b: {}\n"));
}

#[test]
fn an_unknown_variant_comes_with_the_known_ones() {
    let scenario = format!("{SOUND}variants: {{slow: {{}}, fast: {{}}}}\n");
    insta::assert_snapshot!(refuse_with(
        scenario.as_bytes(),
        &[("lws.yaml", LWS)],
        &["--variant", "fst"]
    ));
}

#[test]
fn what_is_wrong_in_a_setting_is_found_there() {
    let set =
        |setting: &str| refuse_with(SOUND.as_bytes(), &[("lws.yaml", LWS)], &["--set", setting]);
    insta::assert_snapshot!(set("horizon=soon"));
    insta::assert_snapshot!(set("cluster.shape.nodes.cnt=3"));
    insta::assert_snapshot!(set("workloads.vllm.size=0"));
    insta::assert_snapshot!(set("workloads.x=[1"));
}

#[test]
fn text_that_is_no_yaml_is_refused() {
    insta::assert_snapshot!(refuse("cluster: {shape: [\nabout: x\n"));
    insta::assert_snapshot!(refuse("a: 1\n---\nb: 2\n"));
}

#[test]
fn an_empty_file_is_refused() {
    insta::assert_snapshot!(refuse(""));
    insta::assert_snapshot!(refuse("# nothing but a comment\n"));
    insta::assert_snapshot!(refuse_with(SOUND.as_bytes(), &[("lws.yaml", "\n")], &[]));
}

#[test]
fn a_file_that_is_no_text_is_refused() {
    insta::assert_snapshot!(refuse_with(b"\x7fELF\x02\x01\x01\0\0\0", &[], &[]));
    insta::assert_snapshot!(refuse_with(b"about: \xff\xfe\n", &[], &[]));
}

#[test]
fn a_file_of_100_mb_is_refused_unread() {
    let folder = TempDir::new().unwrap();
    let file = fs::File::create(folder.path().join("huge.yaml")).unwrap();
    file.set_len(100 << 20).unwrap();
    insta::assert_snapshot!(refuse_in(folder.path(), "huge.yaml", &[]));
}

#[test]
fn aliases_that_multiply_are_stopped() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..10 {
        let below = format!("*a{}", level - 1);
        bomb += &format!("a{level}: &a{level} [{}]\n", [below.as_str(); 10].join(", "));
    }
    insta::assert_snapshot!(refuse(&bomb));
    insta::assert_snapshot!(refuse(&format!("about: {}{}\n", "[".repeat(200), "]".repeat(200))));
}

#[test]
fn a_directory_is_no_scenario_and_a_missing_file_neither() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("folder")).unwrap();
    insta::assert_snapshot!(refuse_in(folder.path(), "folder", &[]));
    fs::write(folder.path().join("quickstart.yaml"), "").unwrap();
    insta::assert_snapshot!(refuse_in(folder.path(), "quikstart.yaml", &[]));
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
    insta::assert_snapshot!(said);
}
