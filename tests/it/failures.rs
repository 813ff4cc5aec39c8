//! Exit codes, and that a failure leaves nothing behind.

use crate::project::{files, lwsim, outcome, scenario};
use std::path::Path;

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Runs a scenario that is wrong in a folder and returns the diagnostics; checks exit code and that no folder was made.
#[track_caller]
fn refused(text: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("wrong.yaml"), text).unwrap();
    let output = lwsim(["run", "wrong.yaml"]).current_dir(dir.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stdout, b"");
    assert_eq!(names(dir.path()), ["wrong.yaml"]);
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn wrong_input_ends_with_code_2_and_leaves_no_folder() {
    let errors = refused("clustr: {}\n");
    assert!(errors.contains("clustr") && errors.contains("wrong.yaml:1:1"), "{errors}");
    refused("");
    refused("cluster: [");
}

#[test]
fn results_are_replaced_only_with_force() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("results");
    let (scenario, out) = (scenario("quickstart.yaml"), dir.to_str().unwrap().to_owned());
    let arguments = ["run", scenario.to_str().unwrap(), "--out", &out];
    lwsim(arguments).assert().success();
    let before = files(&dir);
    let (code, output, errors) = outcome(&arguments);
    assert_eq!((code, output.as_str()), (2, ""), "{errors}");
    assert!(errors.contains("holds results already") && errors.contains("--force"), "{errors}");
    assert!(files(&dir) == before, "a refused run changed results");
    lwsim(arguments.into_iter().chain(["--force", "--seeds", "2"])).assert().success();
    assert!(dir.join("runs").is_dir() && files(&dir) != before);
    assert_eq!(names(root.path()), ["results"]);
}

#[test]
fn a_folder_with_other_things_is_never_replaced() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("thesis.txt"), "years").unwrap();
    let scenario = scenario("quickstart.yaml");
    let arguments =
        ["run", scenario.to_str().unwrap(), "--out", root.path().to_str().unwrap(), "--force"];
    let (code, _, errors) = outcome(&arguments);
    assert_eq!(code, 2, "{errors}");
    assert_eq!(names(root.path()), ["thesis.txt"]);
}

#[test]
fn a_missed_gate_ends_with_code_1_and_keeps_the_results() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("results");
    let scenario = scenario("quickstart.yaml");
    let run = |gate: &str| {
        let set = format!("gates=[\"{gate}\"]");
        let (scenario, out) = (scenario.to_str().unwrap(), dir.to_str().unwrap());
        outcome(&["run", scenario, "--out", out, "--force", "--set", &set])
    };
    let (code, _, errors) = run("max(pods_created) < 1");
    assert_eq!(code, 1, "{errors}");
    assert!(errors.contains("gate"), "{errors}");
    assert!(dir.join("index.html").is_file());
    assert_eq!(run("min(pods_created) >= 1").0, 0);
}

#[test]
fn a_missing_results_directory_is_an_error_of_a_file() {
    for arguments in [&["report", "nowhere"][..], &["explain", "nowhere", "pod"]] {
        let (code, output, errors) = outcome(arguments);
        assert_eq!((code, output.as_str()), (3, ""), "{errors}");
        assert!(errors.starts_with("error: failed to read `nowhere/summary.json`"), "{errors}");
    }
}

#[test]
fn an_output_folder_that_cannot_be_made_is_an_error_of_a_file() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("file"), "").unwrap();
    let out = root.path().join("file/results");
    let (code, _, errors) = outcome(&[
        "run",
        scenario("quickstart.yaml").to_str().unwrap(),
        "--out",
        out.to_str().unwrap(),
    ]);
    assert_eq!(code, 3, "{errors}");
}

#[test]
fn a_wrong_command_line_ends_with_code_2_and_help_with_0() {
    for (arguments, expected) in [
        (&["run"][..], 2),
        (&["fly"], 2),
        (&["run", "a.yaml", "--jobs", "x"], 2),
        (&["--help"], 0),
        (&["--version"], 0),
    ] {
        assert_eq!(outcome(arguments).0, expected, "{arguments:?}");
    }
    assert_eq!(outcome(&["--version"]).1, concat!("lwsim ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let scenario = scenario("quickstart.yaml");
    let root = tempfile::tempdir().unwrap();
    let run = format!(
        "'{}' run '{}' --out '{}' --format json | head -c 1 >/dev/null; echo ${{PIPESTATUS[0]}}",
        env!("CARGO_BIN_EXE_lwsim"),
        scenario.display(),
        root.path().join("results").display()
    );
    let output = std::process::Command::new("bash").args(["-c", &run]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "0");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
