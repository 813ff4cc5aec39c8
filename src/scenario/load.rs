//! Loading: from a path to a [`Loaded`] scenario with everything that it names.
//!
//! All files are read here, so that lowering does no I/O. Each variant is the scenario's tree with the variant's values
//! set and those of `--set` over them.

use super::decode::decode;
use super::diagnostic::{Code, Diagnostic};
use super::files::{SNAPSHOT_MAX, WRITTEN_MAX, read_text};
use super::overrides::{self, Aliases};
use super::schema::{Cluster, ProfileChoice, Scenario, WorkloadSpec};
use super::tree::{At, Bounds, Node, Sources, Value, parse, parse_value};
use indexmap::IndexMap;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Name of the variant of a scenario that has none.
const BASE: &str = "base";

/// A scenario with all of its variants and files.
#[derive(Debug)]
pub struct Loaded {
    /// Name: that of the file, without folder and extension.
    pub name: String,
    /// The file's text.
    pub text: Arc<str>,
    /// The scenario without the changes of any variant, with those of `--set`.
    pub scenario: Scenario,
    pub(super) variants: IndexMap<String, Variant>,
    pub(super) tree: Node,
    pub(super) files: Files,
    pub(super) sources: Sources,
}

/// One way in which the scenario is run.
#[derive(Debug)]
pub(super) struct Variant {
    pub(super) overrides: Vec<(String, serde_json::Value)>,
    pub(super) scenario: Scenario,
    pub(super) tree: Node,
}

/// Files by the name that the scenario gives them.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// YAML files: all documents.
    pub(super) documents: BTreeMap<String, Vec<Node>>,
    /// Tables.
    pub(super) tables: BTreeMap<String, Arc<str>>,
}

impl Loaded {
    /// Returns the names of the variants, in the scenario's order.
    pub fn variants(&self) -> impl Iterator<Item = &str> {
        self.variants.keys().map(String::as_str)
    }

    /// Returns what a variant changes: paths and values.
    pub fn overrides(&self, variant: &str) -> &[(String, serde_json::Value)] {
        self.variants.get(variant).map_or(&[], |variant| &variant.overrides)
    }

    /// Returns the seeds of each variant, in order.
    pub fn seeds(&self) -> Vec<u64> {
        self.scenario.seeds.to_vec()
    }
}

/// Loads a scenario; `overrides` are paths and values from `--set`, which win over those of variants.
pub fn load(path: &Path, overrides: &[(String, String)]) -> Result<Loaded, Vec<Diagnostic>> {
    let file = path.display().to_string();
    let text = read_text(path, &file, WRITTEN_MAX).map_err(|diagnostic| vec![diagnostic])?;
    let mut sources = Sources::default();
    let source = sources.add(file.clone(), Arc::clone(&text));
    let tree = only_document(&sources, source, &file).map_err(|diagnostic| vec![diagnostic])?;
    let settings = parse_settings(&mut sources, overrides)?;
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let mut reader = Reader {
        folder,
        sources,
        files: Files::default(),
        problems: Vec::new(),
        failed: Vec::new(),
    };

    // The scenario as it is written must be sound before its variants are looked at.
    let plain: Scenario = decode(&reader.sources, &tree).map_err(|diagnostic| vec![diagnostic])?;
    reader.read_all(&plain, &tree);
    let aliases = reader.aliases(&plain);
    let base = reader.changed(&tree, &aliases, &[], &settings);
    let mut variants = IndexMap::new();
    let combined = super::grid::variant_changes(&tree);
    for (name, changes) in variant_changes(&tree).into_iter().chain(combined) {
        if let Some((variant_tree, scenario)) = reader.changed(&tree, &aliases, &changes, &settings)
        {
            let overrides =
                changes.iter().map(|(path, _, value)| (path.clone(), value.to_json())).collect();
            variants.insert(name, Variant { overrides, scenario, tree: variant_tree });
        }
    }
    let Some((base_tree, scenario)) = base else { return Err(reader.finish_with_errors()) };
    if variants.is_empty() && reader.problems.is_empty() && scenario.grid.is_empty() {
        let base = Variant { overrides: Vec::new(), scenario: scenario.clone(), tree: base_tree };
        variants.insert(BASE.to_owned(), base);
    }
    if !reader.problems.is_empty() {
        return Err(reader.finish_with_errors());
    }
    let name =
        path.file_stem().map_or_else(|| file.clone(), |stem| stem.to_string_lossy().into_owned());
    let loaded = Loaded {
        name,
        text,
        scenario,
        variants,
        tree,
        files: reader.files,
        sources: reader.sources,
    };
    super::checks::experiment(&loaded).map(|()| loaded)
}

fn only_document(sources: &Sources, source: usize, file: &str) -> Result<Node, Diagnostic> {
    let mut documents = parse(sources, source, Bounds::WRITTEN)?;
    if let Some(second) = documents.get(1) {
        let message = "a scenario is one YAML document, and here begins a second one";
        return Err(sources.place(Diagnostic::error(Code::YamlSyntax, message), second.at));
    }
    documents.pop().ok_or_else(|| {
        Diagnostic::error(Code::EmptyFile, format!("`{file}` is empty"))
            .in_file(file)
            .with_help("a scenario needs at least `cluster`")
    })
}

/// A path, where it stands, and the value to set.
type Change = (String, At, Node);

fn parse_settings(
    sources: &mut Sources,
    overrides: &[(String, String)],
) -> Result<Vec<Change>, Vec<Diagnostic>> {
    let mut settings = Vec::new();
    let mut problems = Vec::new();
    for (path, text) in overrides {
        let source = sources.add("--set", format!("{path}={text}").into());
        let at = At { source, start: 0, end: path.len() };
        match parse_value(sources, source, text, path.len() + 1) {
            Ok(value) => settings.push((path.clone(), at, value)),
            Err(diagnostic) => problems.push(diagnostic),
        }
    }
    if problems.is_empty() { Ok(settings) } else { Err(problems) }
}

fn variant_changes(tree: &Node) -> Vec<(String, Vec<Change>)> {
    let Some(Node { value: Value::Map(variants), .. }) = tree.get("variants") else {
        return Vec::new();
    };
    let changes = |node: &Node| match &node.value {
        Value::Map(entries) => {
            entries.iter().map(|(key, value)| (key.name.clone(), key.at, value.clone())).collect()
        }
        _ => Vec::new(),
    };
    variants.iter().map(|(key, node)| (key.name.clone(), changes(node))).collect()
}

/// Reads files once each and collects what is wrong.
struct Reader {
    folder: PathBuf,
    sources: Sources,
    files: Files,
    problems: Vec<Diagnostic>,
    failed: Vec<String>,
}

impl Reader {
    fn finish_with_errors(mut self) -> Vec<Diagnostic> {
        let mut kept: Vec<Diagnostic> = Vec::new();
        for problem in self.problems.drain(..) {
            if !kept.contains(&problem) {
                kept.push(problem);
            }
        }
        kept
    }

    /// Returns the tree with changes and settings applied and read; `None` where that failed.
    fn changed(
        &mut self,
        tree: &Node,
        aliases: &Aliases,
        changes: &[Change],
        settings: &[Change],
    ) -> Option<(Node, Scenario)> {
        let mut variant_tree = tree.clone();
        let before = self.problems.len();
        for (path, at, value) in changes {
            if let Some(problem) = overrides::refuse_in_variant(&self.sources, path, *at) {
                self.problems.push(problem);
                continue;
            }
            let result = overrides::apply(
                &self.sources,
                &mut variant_tree,
                aliases,
                path,
                *at,
                value.clone(),
            );
            self.problems.extend(result.err());
        }
        for (path, at, value) in settings {
            let result = overrides::apply(
                &self.sources,
                &mut variant_tree,
                aliases,
                path,
                *at,
                value.clone(),
            );
            self.problems.extend(result.err());
        }
        if self.problems.len() > before {
            return None;
        }
        match decode::<Scenario>(&self.sources, &variant_tree) {
            Ok(scenario) => {
                self.read_all(&scenario, &variant_tree);
                Some((variant_tree, scenario))
            }
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }

    /// Reads all files that a scenario names.
    fn read_all(&mut self, scenario: &Scenario, tree: &Node) {
        for (index, workload) in scenario.workloads.iter().enumerate() {
            self.read_documents(
                &workload.manifest,
                tree,
                &format!("workloads[{index}].manifest"),
                false,
            );
            self.read_workload_tables(workload, tree, &format!("workloads[{index}]"));
        }
        for (index, entry) in scenario.timeline.iter().enumerate() {
            if let Some(workload) = &entry.apply {
                let path = format!("timeline[{index}].apply");
                self.read_documents(&workload.manifest, tree, &format!("{path}.manifest"), false);
                self.read_workload_tables(workload, tree, &path);
            }
        }
        let Cluster { nodes, pods, .. } = &scenario.cluster;
        for (name, field) in [(nodes, "nodes"), (pods, "pods")] {
            if let Some(name) = name {
                self.read_documents(name, tree, &format!("cluster.{field}"), true);
            }
        }
        if let Some(name) = &scenario.cluster.scheduler {
            self.read_documents(name, tree, "cluster.scheduler", false);
        }
        for name in scenario.profiles.keys() {
            if let Some(profile) = tree.get("profiles").and_then(|profiles| profiles.get(name)) {
                self.read_tables(profile);
            }
        }
        if let Some(control) = tree.get("control") {
            self.read_tables(control);
        }
    }

    fn read_workload_tables(&mut self, workload: &WorkloadSpec, tree: &Node, path: &str) {
        if let ProfileChoice::Inline(_) = workload.profile
            && let Some(profile) = tree.value_at(&format!("{path}.profile"))
        {
            self.read_tables(profile);
        }
    }

    /// Reads the tables of all empirical distributions below a value that was decoded already.
    fn read_tables(&mut self, node: &Node) {
        match &node.value {
            Value::List(items) => items.iter().for_each(|item| self.read_tables(item)),
            Value::Map(entries) => {
                for (key, value) in entries {
                    match value.get("csv") {
                        Some(file) if key.name == "empirical" => self.read_table(file),
                        _ => self.read_tables(value),
                    }
                }
            }
            _ => {}
        }
    }

    fn read_table(&mut self, file: &Node) {
        let Some(name) = file.as_str() else { return };
        if self.files.tables.contains_key(name) || self.failed.iter().any(|failed| failed == name) {
            return;
        }
        match read_text(&self.folder.join(name), name, WRITTEN_MAX) {
            Ok(text) => {
                self.files.tables.insert(name.to_owned(), text);
            }
            Err(problem) => {
                self.failed.push(name.to_owned());
                self.problems.push(self.sources.place(problem, file.at));
            }
        }
    }

    fn read_documents(&mut self, name: &str, tree: &Node, path: &str, is_snapshot: bool) {
        if self.files.documents.contains_key(name)
            || self.failed.iter().any(|failed| failed == name)
        {
            return;
        }
        let (bytes_max, bounds) = if is_snapshot {
            (SNAPSHOT_MAX, Bounds::SNAPSHOT)
        } else {
            (WRITTEN_MAX, Bounds::WRITTEN)
        };
        let documents = read_text(&self.folder.join(name), name, bytes_max)
            .map_err(|problem| self.sources.place(problem, tree.place_of(path)))
            .and_then(|text| {
                let source = self.sources.add(name, text);
                parse(&self.sources, source, bounds)
            });
        match documents {
            Ok(documents) if documents.is_empty() => {
                let problem =
                    Diagnostic::error(Code::EmptyFile, format!("`{name}` holds no object"));
                self.problems.push(self.sources.place(problem, tree.place_of(path)));
                self.failed.push(name.to_owned());
            }
            Ok(documents) => {
                self.files.documents.insert(name.to_owned(), documents);
            }
            Err(problem) => {
                self.problems.push(problem);
                self.failed.push(name.to_owned());
            }
        }
    }

    /// Returns the names of the objects in each workload's manifest.
    fn aliases(&self, scenario: &Scenario) -> Aliases {
        let names = |workload: &WorkloadSpec| {
            let documents = self.files.documents.get(&workload.manifest).into_iter().flatten();
            let name = |document: &Node| {
                document.get("metadata")?.get("name")?.as_str().map(str::to_owned)
            };
            documents.filter_map(name).collect()
        };
        Aliases::from([("workloads".to_owned(), scenario.workloads.iter().map(names).collect())])
    }
}
