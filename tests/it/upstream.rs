//! Upstream's sample manifests run unmodified. They are read from beside the project and are no part of it.

use crate::project::{outcome, root};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// A cluster on which every sample finds room: GPU nodes, three node pools without accelerators, and TPU slices.
const CLUSTER: &str = "
cluster:
  groups:
    - {name: gpu, shape: {nodes: {count: 8, gpus: 8}}}
    - {name: pool-a, shape: {nodes: {count: 8}}, labels: {cloud.google.com/gke-nodepool: pool-a}}
    - {name: pool-b, shape: {nodes: {count: 8}}, labels: {cloud.google.com/gke-nodepool: pool-b}}
    - {name: pool-c, shape: {nodes: {count: 8}}, labels: {cloud.google.com/gke-nodepool: pool-c}}
    - {name: tpu, shape: {tpuSlices: {slices: 4, topology: 4x4}}}
";

/// The sample whose pods ask for a scheduler that a cluster does not have by default.
const VOLCANO: &str = "docs/examples/sample/gang-scheduling/lws-sample-volcano.yaml";

fn manifests(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Returns the kinds of a manifest's objects; none for a file that is no manifest, such as one of kustomize.
fn kinds(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("kind:")).map(str::trim).collect()
}

/// Runs one manifest; returns the summary and what was said on standard error.
fn run(manifest: &Path) -> (serde_json::Value, String) {
    let folder = tempfile::tempdir().unwrap();
    let scenario = folder.path().join("upstream.yaml");
    let text = format!(
        "{CLUSTER}workloads:\n  - {{manifest: {:?}, profile: instant}}\n",
        manifest.to_str().unwrap()
    );
    std::fs::write(&scenario, text).unwrap();
    let out = folder.path().join("results");
    let arguments =
        ["run", scenario.to_str().unwrap(), "--out", out.to_str().unwrap(), "--format", "json"];
    let (code, output, errors) = outcome(&arguments);
    assert_eq!(code, 0, "{}:\n{errors}", manifest.display());
    (serde_json::from_str(&output).unwrap(), errors)
}

#[test]
fn every_upstream_manifest_runs_unmodified_to_a_sensible_end() {
    let dir = root().join("../shared/manifests/upstream");
    if !dir.is_dir() {
        println!("skipped: ../shared is not there");
        return;
    }
    let mut listed = String::new();
    let mut sets = 0;
    for manifest in manifests(&dir) {
        let name = manifest.strip_prefix(&dir).unwrap().to_string_lossy().replace('\\', "/");
        let text = std::fs::read_to_string(&manifest).unwrap();
        if kinds(&text).is_empty() {
            continue;
        }
        let (summary, errors) = run(&manifest);
        let run = &summary["variants"]["base"]["runs"][0];
        let (outcome, metrics) = (run["outcome"].as_str().unwrap(), &run["metrics"]);
        let ready = &metrics["time_to_all_ready_s"];
        writeln!(
            listed,
            "{name}: {outcome}, {} pods, all ready after {ready} s",
            metrics["pods_created"]
        )
        .unwrap();
        for kind in kinds(&text).into_iter().filter(|kind| *kind != "LeaderWorkerSet") {
            assert!(
                errors.contains(kind) || kind == "Service",
                "{name}: `{kind}` is not named in\n{errors}"
            );
        }
        if !kinds(&text).contains(&"LeaderWorkerSet") {
            assert_eq!(metrics["pods_created"], 0, "{name}");
            continue;
        }
        sets += 1;
        if name == VOLCANO {
            assert!(
                summary["not_modelled"].to_string().contains("volcano"),
                "{name}: {}",
                summary["not_modelled"]
            );
        }
        assert_eq!(outcome, "settled", "{name}: {}", run["waits"]);
        assert!(ready.as_f64().is_some_and(|seconds| seconds > 0.0), "{name}: {run}");
        let wanted = &summary["scenario"]["sets"][0];
        let pods = wanted["replicas"].as_u64().unwrap() * wanted["size"].as_u64().unwrap();
        assert_eq!(metrics["pods_created"], pods, "{name}");
    }
    println!("{listed}");
    assert!(sets >= 15, "only {sets} manifests hold a LeaderWorkerSet:\n{listed}");
}
