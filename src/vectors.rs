//! Rows of upstream's test tables (`tests/vectors/`), for the tests of whichever module they are about.
//!
//! A test takes all rows of a section, through [`each`], and says so in one line; the test here reads those lines and the files, so that a
//! row that nothing runs fails. Which files are left out, and why, is in `docs/fidelity.md`.

use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// Runs `check` on each row of a section of a file; the section is `""` where the file is one list.
#[track_caller]
pub(crate) fn each<T: DeserializeOwned>(file: &str, section: &str, mut check: impl FnMut(T)) {
    let path = folder().join(file);
    let document: Value = serde_yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let rows = if section.is_empty() { &document } else { &document[section] };
    let rows = rows.as_array().unwrap();
    assert!(!rows.is_empty(), "{file} {section} holds no rows");
    let mut run = 0;
    for row in rows {
        let id = row["id"].as_str().unwrap();
        let row = serde_json::from_value(row.clone())
            .unwrap_or_else(|error| panic!("{file} {section} {id}: {error}"));
        check(row);
        run += 1;
    }
    assert_eq!(run, rows.len(), "{file} {section}");
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors"))
}

/// Returns the text of all source files, without white space.
fn sources(dir: &Path, text: &mut String) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let file = std::fs::read_to_string(path).unwrap();
            text.extend(file.chars().filter(|letter| !letter.is_whitespace()));
        }
    }
}

#[test]
fn every_row_of_every_file_is_run_by_a_test() {
    let mut code = String::new();
    sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut code);
    let (mut ids, mut rows_run) = (BTreeSet::new(), 0);
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_str().unwrap();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let document: Value =
            serde_yaml::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let sections: Vec<(&str, &Value)> = match &document {
            Value::Object(sections) => {
                sections.iter().map(|(name, rows)| (name.as_str(), rows)).collect()
            }
            rows => vec![("", rows)],
        };
        for (section, rows) in sections {
            let call = format!("vectors::each(\"{file}\",\"{section}\",");
            assert!(code.contains(&call), "no test runs section `{section}` of {file}");
            for row in rows.as_array().unwrap() {
                ids.insert((file.to_owned(), section.to_owned(), row["id"].to_string()));
                rows_run += 1;
            }
        }
    }
    assert_eq!(ids.len(), rows_run, "ids are unique within their section");
    // 53 traces, 160 and 284 derived rows, 223 of upstream's tables.
    assert!(rows_run >= 700, "only {rows_run} rows");
}
