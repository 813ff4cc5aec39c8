//! House rules that neither the compiler nor clippy knows: layers, file length, module documentation, the form of open
//! ends, purity of the lower layers, and where upstream's keys may stand.
//!
//! A rule is a function from a file's path and text to what is wrong with it; the last test shows that each can fail.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// From the top to the bottom: a module imports only from those after it.
const LAYERS: [&str; 11] = [
    "cli",
    "conform",
    "report",
    "experiment",
    "scenario",
    "backend",
    "controller",
    "scheduler",
    "topology",
    "api",
    "engine",
];
/// Layers without clock, files, threads, environment and network.
const PURE: [&str; 5] = ["controller", "scheduler", "topology", "api", "engine"];
const LINES_MAX: usize = 800;
const README_LINES_MAX: usize = 150;

type Rule = fn(&str, &str) -> Vec<String>;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns path and text of all Rust files of the project, in order.
fn sources() -> Vec<(String, String)> {
    let mut open: Vec<PathBuf> =
        ["src", "tests", "benches", "fuzz"].iter().map(|dir| root().join(dir)).collect();
    let mut sources = Vec::new();
    while let Some(dir) = open.pop() {
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        for entry in entries {
            let path = entry.expect("a readable folder").path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path
                    .strip_prefix(root())
                    .expect("a path below the root")
                    .to_string_lossy()
                    .replace('\\', "/");
                sources.push((name, fs::read_to_string(path).expect("a readable file")));
            }
        }
    }
    sources.sort();
    sources
}

#[track_caller]
fn check(rule: Rule) {
    let found: Vec<String> = sources().iter().flat_map(|(path, text)| rule(path, text)).collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// Returns numbered lines of code: no comments, and nothing from the first `#[cfg(test)]` on.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().take_while(|(_, line)| line.trim() != "#[cfg(test)]");
    lines
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(index, line)| (index + 1, line))
}

fn layer(path: &str) -> Option<&str> {
    let name = path.strip_prefix("src/")?.split('/').next()?;
    let name = name.strip_suffix(".rs").unwrap_or(name);
    LAYERS.contains(&name).then_some(name)
}

/// Returns the first path segments that follow `crate::` in a text, groups in braces included.
fn imports(text: &str) -> BTreeSet<String> {
    let word = |text: &str| {
        text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
    };
    let mut found: BTreeSet<String> = BTreeSet::new();
    for (start, matched) in text.match_indices("crate::") {
        let rest = &text[start + matched.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            found.insert(word(rest));
            continue;
        };
        let mut depth = 0;
        let mut at_start = true;
        for (index, letter) in group.char_indices() {
            match letter {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => at_start = true,
                _ if at_start && !letter.is_whitespace() => {
                    found.insert(word(&group[index..]));
                    at_start = false;
                }
                _ => {}
            }
        }
    }
    found
}

fn imports_go_down(path: &str, text: &str) -> Vec<String> {
    let Some(own) = layer(path) else { return Vec::new() };
    let rank = |name: &str| LAYERS.iter().position(|layer| *layer == name);
    let lines: Vec<&str> =
        text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let is_above = |import: &String| rank(import).is_some_and(|import| Some(import) < rank(own));
    let upward = imports(&lines.join("\n")).into_iter().filter(is_above);
    upward
        .map(|import| format!("{path}: `{own}` imports from `{import}`, which is above it"))
        .collect()
}

fn backends_do_not_know_each_other(path: &str, text: &str) -> Vec<String> {
    let pairs = [("src/backend/sim/", "backend::kube"), ("src/backend/kube/", "backend::sim")];
    let knows = pairs.iter().filter(|(dir, other)| path.starts_with(dir) && text.contains(other));
    knows
        .map(|(_, other)| format!("{path}: knows `{other}`; the seam between backends is data"))
        .collect()
}

fn a_file_is_short(path: &str, text: &str) -> Vec<String> {
    let lines = text.lines().count();
    if lines > LINES_MAX {
        vec![format!("{path}: {lines} lines, at most {LINES_MAX} are allowed")]
    } else {
        vec![]
    }
}

fn a_file_says_what_it_is_for(path: &str, text: &str) -> Vec<String> {
    let has_doc = text.starts_with("//! ") && !text.contains(concat!("//! ", "Placeholder"));
    if has_doc { vec![] } else { vec![format!("{path}: starts without `//!`")] }
}

fn open_ends_have_an_issue(path: &str, text: &str) -> Vec<String> {
    let word = concat!("TO", "DO");
    let is_stated = |line: &str| {
        line.split(word).skip(1).all(|rest| {
            let number = rest.strip_prefix("(#").and_then(|rest| rest.split_once(')'));
            number.is_some_and(|(number, _)| {
                !number.is_empty() && number.chars().all(|digit| digit.is_ascii_digit())
            })
        })
    };
    let bad = text.lines().enumerate().filter(|(_, line)| !is_stated(line));
    bad.map(|(index, _)| format!("{path}:{}: write `{word}(#123)`", index + 1)).collect()
}

fn pure_layers_touch_nothing_outside(path: &str, text: &str) -> Vec<String> {
    if !layer(path).is_some_and(|layer| PURE.contains(&layer)) {
        return Vec::new();
    }
    let outside = [
        "std::fs",
        "std::env",
        "std::thread",
        "std::net",
        "std::process",
        "std::time",
        "std::io",
        "rayon::",
    ];
    let found = code(text).flat_map(|(number, line)| {
        outside.iter().filter(move |name| line.contains(*name)).map(move |name| (number, name))
    });
    found.map(|(number, name)| format!("{path}:{number}: `{name}` in a pure layer")).collect()
}

fn upstream_keys_stay_where_lws_rules_are(path: &str, text: &str) -> Vec<String> {
    let key = concat!("leaderworkerset.", "sigs.k8s.io");
    if matches!(layer(path), Some("api" | "controller") | None) {
        return Vec::new();
    }
    let found = code(text).filter(|(_, line)| line.contains(key));
    found
        .map(|(number, _)| format!("{path}:{number}: keys of LWS belong into `api::keys`"))
        .collect()
}

fn hash_maps_have_no_random_order(path: &str, text: &str) -> Vec<String> {
    let names = [concat!("Hash", "Map"), concat!("Hash", "Set")];
    let is_std = |line: &str, name: &str| {
        line.match_indices(name).any(|(start, _)| {
            !line[..start].ends_with(|before: char| {
                before.is_alphanumeric() || before == '_' || before == '`'
            })
        })
    };
    let found = code(text).filter(|(_, line)| names.iter().any(|name| is_std(line, name)));
    found
        .map(|(number, _)| format!("{path}:{number}: a hash map of std has a random order"))
        .collect()
}

/// Returns the features of `package` that turn on a source of entropy, by lines of names, versions and features.
fn entropy<'a>(tree: &'a str, package: &str) -> Option<Vec<&'a str>> {
    let line = tree.lines().find_map(|line| line.strip_prefix(package)?.strip_prefix(" v"))?;
    let features = line.split_once(' ').map_or("", |(_, features)| features);
    Some(
        features
            .split(',')
            .filter(|name| ["thread_rng", "sys_rng", "os_rng", "getrandom"].contains(name))
            .collect(),
    )
}

#[test]
fn modules_import_only_from_layers_below() {
    check(imports_go_down);
    check(backends_do_not_know_each_other);
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    check(a_file_is_short);
    check(a_file_says_what_it_is_for);
}

#[test]
fn open_ends_name_their_issue() {
    check(open_ends_have_an_issue);
}

#[test]
fn pure_layers_are_pure() {
    check(pure_layers_touch_nothing_outside);
    check(hash_maps_have_no_random_order);
}

#[test]
fn keys_of_lws_stand_in_api_and_controller_only() {
    check(upstream_keys_stay_where_lws_rules_are);
}

#[test]
fn random_numbers_have_no_entropy() {
    // Of what users build: proptest turns entropy on for tests. Features, not the lock file: that lists `getrandom` below `rand` even where no feature uses it.
    let cargo = std::process::Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--all-features",
            "--edges=normal,build",
            "--prefix=none",
            "--format={p} {f}",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    let tree = String::from_utf8(cargo.stdout).unwrap();
    let found = entropy(&tree, "rand").expect("`rand` is a dependency");
    assert!(found.is_empty(), "`rand` has entropy through {found:?}");
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    for line in manifest.lines().filter(|line| line.starts_with("rand")) {
        assert!(line.contains("default-features = false"), "`{line}` turns default features on");
    }
}

#[test]
fn each_layer_has_an_invariant_in_the_architecture() {
    let text = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    for layer in LAYERS {
        let section =
            text.split("\n## ").find(|section| section.starts_with(&format!("`{layer}`")));
        let section =
            section.unwrap_or_else(|| panic!("docs/architecture.md has no section on `{layer}`"));
        assert!(
            section.contains("\nInvariant: "),
            "docs/architecture.md states no invariant of `{layer}`"
        );
    }
}

#[test]
fn the_read_me_is_short() {
    let lines = fs::read_to_string(root().join("README.md")).unwrap().lines().count();
    assert!(
        lines <= README_LINES_MAX,
        "README.md has {lines} lines, at most {README_LINES_MAX} are allowed"
    );
}

#[test]
fn every_rule_can_fail() {
    let long = "//! Long.\n".repeat(LINES_MAX + 1);
    let open = concat!("//! A.\n// TO", "DO: later\n// TO", "DO(#12): fine\n");
    let key = concat!("//! A.\nlet a = \"leaderworkerset.", "sigs.k8s.io/name\";");
    let map =
        concat!("//! A.\nuse std::collections::Hash", "Map;\nlet a: FxHash", "Map<u8, u8>;\n");
    let cases: [(Rule, &str, &str, usize); 12] = [
        (
            imports_go_down,
            "src/engine/time.rs",
            "use crate::{api::{Uid, cli}, engine, cli::run};",
            2,
        ),
        (imports_go_down, "src/engine/time.rs", "let a = crate::report::tables();", 1),
        (imports_go_down, "src/cli/run.rs", "use crate::engine::Time;\n// crate::main", 0),
        (
            backends_do_not_know_each_other,
            "src/backend/sim/store.rs",
            "use crate::backend::kube::Cache;",
            1,
        ),
        (a_file_is_short, "src/a.rs", &long, 1),
        (a_file_says_what_it_is_for, "src/a.rs", "use std::fmt;\n", 1),
        (open_ends_have_an_issue, "src/a.rs", open, 1),
        (
            pure_layers_touch_nothing_outside,
            "src/api/a.rs",
            "//! A.\nuse std::fs;\n#[cfg(test)]\nuse std::fs;\n",
            1,
        ),
        (pure_layers_touch_nothing_outside, "src/cli/a.rs", "use std::fs;", 0),
        (upstream_keys_stay_where_lws_rules_are, "src/backend/a.rs", key, 1),
        (upstream_keys_stay_where_lws_rules_are, "src/api/a.rs", key, 0),
        (hash_maps_have_no_random_order, "src/a.rs", map, 1),
    ];
    for (rule, path, text, count) in cases {
        assert_eq!(rule(path, text).len(), count, "{path}:\n{}", &text[..text.len().min(200)]);
    }
    assert_eq!(entropy("a v1.0.0 std\nrand v0.10.4 std,sys_rng\n", "rand"), Some(vec!["sys_rng"]));
}
