//! What a run prints and writes.

use crate::project::{files, lwsim, outcome, scenario};
use std::path::Path;

fn run(dir: &Path, more: &[&str]) -> (i32, String, String) {
    let (scenario, out) = (scenario("quickstart.yaml"), dir.to_str().unwrap());
    outcome(&[&["run", scenario.to_str().unwrap(), "--out", out], more].concat())
}

#[test]
fn a_run_ends_with_a_table_and_names_the_page_to_open() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("results");
    let (code, output, errors) = run(&dir, &[]);
    assert_eq!((code, errors.as_str()), (0, ""));
    assert!(output.contains("rollout_duration_s"), "{output}");
    let page = dir.join("index.html");
    assert!(output.ends_with(&format!("\nopen {}\n", page.display())), "{output}");
    assert!(page.is_file());
    let names: Vec<_> = files(&dir).into_iter().map(|(name, _)| name).collect();
    for name in ["metrics.csv", "summary.json", "index.html"] {
        assert!(names.iter().any(|found| found == name), "no {name} in {names:?}");
    }
    assert!(
        names.iter().any(|name| name.starts_with("plots/") && name.contains(".svg")),
        "{names:?}"
    );
    assert!(names.iter().any(|name| name.ends_with("seed-1/events.jsonl")), "{names:?}");
}

#[test]
fn json_on_standard_output_is_the_summary_and_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("results");
    let (code, output, errors) = run(&dir, &["--format", "json"]);
    assert_eq!(code, 0, "{errors}");
    assert!(output == std::fs::read_to_string(dir.join("summary.json")).unwrap());
    let summary: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!(summary["format"], 1);
    assert_eq!(summary["scenario"]["name"], "quickstart");
}

#[test]
fn the_quickstart_creates_two_groups_and_rolls_them() {
    let root = tempfile::tempdir().unwrap();
    let (_, output, _) = run(&root.path().join("results"), &["--format", "json"]);
    let summary: serde_json::Value = serde_json::from_str(&output).unwrap();
    let (_, variant) = summary["variants"].as_object().unwrap().iter().next().unwrap();
    let run = &variant["runs"][0];
    assert_eq!(run["outcome"], "settled");
    // Two groups of two pods, each made once for either revision.
    assert_eq!(run["metrics"]["pods_created"], 8);
    assert_eq!(
        run["metrics"]["rollout_groups_ready_min"], 1,
        "one group serves while the other is replaced"
    );
    assert!(run["metrics"]["rollout_duration_s"].as_f64().unwrap() > 0.0);
    assert_eq!(run["rollouts"].as_array().unwrap().len(), 1);
    assert_eq!(summary["scenario"]["nodes"].as_array().unwrap().len(), 4);
}

#[test]
fn seeds_and_variants_can_be_chosen_on_the_command_line() {
    let root = tempfile::tempdir().unwrap();
    let (code, output, errors) = run(&root.path().join("a"), &["--format", "json", "--seeds", "3"]);
    assert_eq!(code, 0, "{errors}");
    let summary: serde_json::Value = serde_json::from_str(&output).unwrap();
    let variants = summary["variants"].as_object().unwrap();
    let (name, variant) = variants.iter().next().unwrap();
    let seeds: Vec<_> = variant["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["seed"].as_u64().unwrap())
        .collect();
    assert_eq!(seeds, [1, 2, 3]);
    let (code, output, errors) =
        run(&root.path().join("b"), &["--format", "json", "--variant", name]);
    assert_eq!(code, 0, "{errors}");
    let summary: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!(summary["variants"].as_object().unwrap().len(), 1);
    let (code, _, errors) = run(&root.path().join("c"), &["--variant", "no-such-variant"]);
    assert_eq!(code, 2);
    assert!(errors.contains("no-such-variant") && errors.contains(name.as_str()), "{errors}");
    assert!(!root.path().join("c").exists());
}

#[test]
fn a_setting_on_the_command_line_changes_the_run_and_is_told() {
    let root = tempfile::tempdir().unwrap();
    let (code, output, errors) =
        run(&root.path().join("a"), &["--format", "json", "--set", "horizon=1s"]);
    assert_eq!(code, 0, "{errors}");
    let summary: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!(summary["scenario"]["horizon_s"], 1);
    let (_, variant) = summary["variants"].as_object().unwrap().iter().next().unwrap();
    assert_eq!(variant["runs"][0]["outcome"], "horizon");
    assert_eq!(variant["runs"][0]["metrics"]["time_to_all_ready_s"], serde_json::Value::Null);
}

#[test]
fn without_a_folder_results_go_where_the_scenario_is_named() {
    let root = tempfile::tempdir().unwrap();
    let scenario = scenario("quickstart.yaml");
    lwsim(["run", scenario.to_str().unwrap()]).current_dir(root.path()).assert().success();
    assert!(root.path().join("results/quickstart/index.html").is_file());
}
