//! What a rollout costs on a full cluster: the table of `scenarios/s01-rollout-full-cluster.yaml` against an independent model,
//! and a part of it against recordings of a real cluster.

use crate::project::{lwsim, root, scenario};
use lwsim::conform::timed::replay;
use serde_json::Value;
use std::collections::BTreeMap;

/// Runs the scenario and returns what it prints, without the line that names the page.
fn printed() -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = scenario("s01-rollout-full-cluster.yaml");
    let output = lwsim(["run", path.to_str().unwrap(), "--out"])
        .arg(folder.path().join("results"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.split("\nopen ").next().unwrap().to_owned()
}

/// Reads the printed table back: (gate, budget, first line of the column's head, second line) → cell.
fn cells(text: &str) -> BTreeMap<[String; 4], String> {
    let mut found = BTreeMap::new();
    let mut gate = String::new();
    let mut heads: Vec<Vec<String>> = Vec::new();
    for line in text.lines() {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        if let Some(rest) = line.strip_prefix("gate: ") {
            rest.split(',').next().unwrap().clone_into(&mut gate);
            heads.clear();
        } else if line.starts_with('─') || words.is_empty() {
        } else if words[0].starts_with('s') && words[0].contains("-u") {
            for (column, cell) in words[1..].iter().enumerate() {
                let key =
                    [&gate, &words[0], &heads[0][column], &heads[1][column]].map(String::clone);
                assert!(found.insert(key, cell.clone()).is_none(), "two cells for one variant");
            }
        } else if !gate.is_empty() {
            let head = words.iter().skip(usize::from(words[0] == "budget"));
            heads.push(head.cloned().collect());
        }
    }
    found
}

#[test]
fn the_printed_table_of_s01_is_that_of_the_model() {
    let text = printed();
    let found = cells(&text);
    let path = root().join("tests/vectors/rollout-cost-model.yaml");
    let rows: Vec<Value> = serde_yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let rows: Vec<Value> = rows.into_iter().filter(|row| row["replicas"] == 4).collect();
    assert_eq!(rows.len(), 7 * 2 * 4 * 2);
    assert_eq!(found.len(), rows.len(), "{text}");
    for row in rows {
        let duration = row["duration"].as_f64();
        let duration = duration.map_or_else(|| "stuck".to_owned(), |units| units.to_string());
        let expected = format!("{duration}/{}", row["min_ready"]);
        let gate = row["sts_gate"].as_str().unwrap().to_owned();
        let budget = format!("s{}-u{}", row["max_surge"], row["max_unavailable"]);
        let spare = match row["spare"].as_u64().unwrap() {
            0 => "full".to_owned(),
            spare => format!("{spare}-spare"),
        };
        let wins = if row["freed_slot_to"] == "top_index" { "surge" } else { "old" };
        let key = [gate, budget, spare, wins.to_owned()];
        assert_eq!(found[&key], expected, "{key:?}\n{text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

/// Two recordings of a full cluster with the gate off: surge with and without unavailability is stuck with all old groups
/// serving, as the table has it (`s1-u0` and `s1-u1`, `off`, `full`).
#[test]
fn a_full_cluster_is_stuck_with_surge_in_recordings_as_in_the_table() {
    for case in ["timed-full-cluster-s1-u0", "timed-full-cluster-s1-u1"] {
        let path = root().join(format!("tests/golden/timed/{case}.json"));
        let trace: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let last = |kind: &str| {
            let rows = trace["log"].as_array().unwrap();
            rows.iter().rev().find(|row| row[1] == kind).unwrap().clone()
        };
        // Five groups, four of them ready, none updated and ready; the last change came long before the end.
        let lws = last("lws");
        assert_eq!((&lws[2], &lws[3], &lws[5]), (&5.into(), &4.into(), &"PU".into()), "{case}");
        let quiet = trace["horizon"].as_f64().unwrap() - lws[0].as_f64().unwrap();
        assert!(quiet > 30.0, "{case} was still moving {quiet} s before its end");
        let verdict = replay(&trace);
        assert!(verdict.passes(), "{:#?}", verdict.differences);
    }
}
