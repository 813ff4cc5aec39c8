//! What lwsim says of wrong input: exit code 2, the place, the way out, and no results left behind.
//!
//! Each test runs the binary in a folder of its own; the snapshots are what a user sees.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod fields;
mod files;
mod grids;
mod manifests;
mod names;
mod values;

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
