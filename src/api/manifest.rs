//! Kubernetes manifests: from YAML or JSON text to typed objects of the kinds that we know.
//!
//! Reads what `kubectl apply` and `kubectl get -o yaml` read and write: several documents in a file, lists within a
//! document, octal numbers. Unknown kinds are kept by name, unknown fields and missing required ones are reported beside
//! the object. Defaults and rules of the kinds are for `defaults` and `validation`, drawing of errors is for the caller.

use super::lws::LeaderWorkerSet;
use super::validation::{FieldError, missing_fields};
use super::{keys, wire};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{Node, Pod, Service};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Lists within lists that are followed; `kubectl` writes none.
const LIST_DEPTH_MAX: usize = 4;
/// YAML nodes of a file: room for `kubectl get -o yaml` of many thousand nodes, each a few hundred lines (assumption).
const YAML_NODES_MAX: usize = 20_000_000;

/// YAML nodes that aliases may repeat: far more than anybody writes by hand, few enough to stop an alias bomb (assumption).
const ALIASED_NODES_MAX: usize = 50_000;

/// An object of a kind that we know, or the name of another.
#[derive(Clone, Debug, PartialEq)]
pub enum Manifest {
    /// `leaderworkerset.x-k8s.io/v1`.
    LeaderWorkerSet(Box<LeaderWorkerSet>),
    /// `apps/v1`.
    StatefulSet(Box<StatefulSet>),
    /// `apps/v1`.
    Deployment(Box<Deployment>),
    /// `v1`.
    Pod(Box<Pod>),
    /// `v1`.
    Service(Box<Service>),
    /// `v1`.
    Node(Box<Node>),
    /// Any other kind, or another version of these.
    Unknown {
        /// `apiVersion`.
        api_version: String,
        /// `kind`.
        kind: String,
        /// `metadata.name`, `""` where absent.
        name: String,
    },
}

/// An object and what is odd about how it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// The object.
    pub manifest: Manifest,
    /// Fields that the kind does not have, which a cluster would drop.
    pub unknown_fields: Vec<UnknownField>,
    /// Required fields that are not there; only told of LeaderWorkerSets.
    pub missing_fields: Vec<FieldError>,
}

/// A field that a kind does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownField {
    /// Where it stands, such as `spec.leaderWorkerTemplate.siez`.
    pub path: String,
    /// The most similar name of a field that could stand there, if any is similar.
    pub nearest: Option<&'static str>,
}

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
#[error("document {document}: {problem}")]
pub struct ManifestError {
    /// Number of the document in the file, from 1.
    pub document: usize,
    /// Line of the file that comes before the document; add it to the lines of a YAML error.
    pub lines_before: usize,
    /// What is wrong.
    #[source]
    pub problem: Problem,
}

/// What is wrong with a document.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// It is no YAML, or a value is of the wrong type; knows its place within the document.
    #[error(transparent)]
    Yaml(#[from] Box<serde_yaml::Error>),
    /// A value within an object is of the wrong type, at a place that is not known.
    #[error("{kind} `{name}`: {error}")]
    Type {
        /// `kind` of the object.
        kind: String,
        /// Its name.
        name: String,
        /// The fault.
        error: serde_json::Error,
    },
    /// It is no object with `apiVersion` and `kind`.
    #[error("not a Kubernetes object: {0}")]
    NotAnObject(&'static str),
    /// Lists are nested too deeply.
    #[error("lists are nested more than {LIST_DEPTH_MAX} deep")]
    NestedLists,
}

/// A document of a YAML stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Document<'a> {
    /// Its text, markers excluded.
    pub text: &'a str,
    /// Lines of the stream before it.
    pub lines_before: usize,
}

/// Returns the documents of a stream that hold more than comments.
pub fn documents(stream: &str) -> Vec<Document<'_>> {
    let mut found = Vec::new();
    let (mut start, mut offset, mut lines_before) = (0, 0, 0);
    let mut push = |text, lines_before| found.push(Document { text, lines_before });
    for (number, line) in stream.split_inclusive('\n').enumerate() {
        let after = line.strip_prefix("---");
        if let Some(rest) =
            after.filter(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
        {
            push(&stream[start..offset], lines_before);
            // Content may follow the marker on its line.
            (start, lines_before) = (offset + line.len() - rest.len(), number);
        }
        offset += line.len();
    }
    push(&stream[start..], lines_before);
    found.retain(|document| {
        let mut lines = document.text.lines().map(str::trim_start);
        lines.any(|line| {
            !line.is_empty() && !line.starts_with(['#', '%']) && line.trim_end() != "..."
        })
    });
    found
}

/// Returns how YAML is read as Kubernetes does: `0400` is octal, and what looks like a number is no string.
pub fn yaml_options() -> serde_yaml::Options {
    let mut options = serde_yaml::Options::default();
    options.legacy_octal_numbers = true;
    options.no_schema = true;
    options.alias_limits.max_total_replayed_events = ALIASED_NODES_MAX;
    if let Some(budget) = &mut options.budget {
        budget.max_recorded_anchor_events = ALIASED_NODES_MAX;
        budget.max_nodes = YAML_NODES_MAX;
        budget.max_events = 2 * YAML_NODES_MAX;
    }
    options
}

/// Returns the objects of a stream in its order, those in lists included.
pub fn read(stream: &str) -> Result<Vec<Object>, ManifestError> {
    let mut objects = Vec::new();
    for (index, document) in documents(stream).into_iter().enumerate() {
        let error = |problem| ManifestError {
            document: index + 1,
            lines_before: document.lines_before,
            problem,
        };
        read_document(document.text, &mut objects).map_err(error)?;
    }
    Ok(objects)
}

fn read_document(text: &str, objects: &mut Vec<Object>) -> Result<(), Problem> {
    let value: Value = serde_yaml::from_str_with_options(text, yaml_options()).map_err(Box::new)?;
    let is_list = value.get("items").is_some_and(Value::is_array);
    match from_value(value, 0, objects) {
        // The same fault, met once more in the text, knows its place.
        Err(Problem::Type { kind, name, error }) if !is_list => {
            Err(type_fault(text, &kind).unwrap_or(Problem::Type { kind, name, error }))
        }
        other => other,
    }
}

fn type_fault(text: &str, kind: &str) -> Option<Problem> {
    fn fault<T: DeserializeOwned>(text: &str) -> Option<Problem> {
        let read: Result<T, _> = serde_yaml::from_str_with_options(text, yaml_options());
        read.err().map(|error| Problem::Yaml(Box::new(error)))
    }
    match kind {
        keys::KIND => fault::<LeaderWorkerSet>(text),
        "StatefulSet" => fault::<StatefulSet>(text),
        "Deployment" => fault::<Deployment>(text),
        "Pod" => fault::<Pod>(text),
        "Service" => fault::<Service>(text),
        "Node" => fault::<Node>(text),
        _ => None,
    }
}

fn from_value(mut value: Value, depth: usize, objects: &mut Vec<Object>) -> Result<(), Problem> {
    if !value.is_object() {
        return Err(Problem::NotAnObject("it is no mapping"));
    }
    let Some(kind) = value["kind"].as_str().map(str::to_owned) else {
        return Err(Problem::NotAnObject("it has no `kind`"));
    };
    let Some(api_version) = value["apiVersion"].as_str().map(str::to_owned) else {
        return Err(Problem::NotAnObject("it has no `apiVersion`"));
    };
    match value.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) if kind.ends_with("List") => {
            from_items(items, &kind, &api_version, depth, objects)
        }
        items => {
            if let Some(items) = items {
                value["items"] = items;
            }
            objects.push(classify(&value, api_version, kind)?);
            Ok(())
        }
    }
}

fn from_items(
    items: Vec<Value>,
    list_kind: &str,
    api_version: &str,
    depth: usize,
    objects: &mut Vec<Object>,
) -> Result<(), Problem> {
    if depth == LIST_DEPTH_MAX {
        return Err(Problem::NestedLists);
    }
    let item_kind = list_kind.strip_suffix("List").filter(|kind| !kind.is_empty());
    for mut item in items {
        // The API leaves both out within a typed list, kubectl writes them.
        if let (Some(kind), Value::Object(fields)) = (item_kind, &mut item) {
            fields.entry("kind").or_insert_with(|| Value::from(kind));
            fields.entry("apiVersion").or_insert_with(|| Value::from(api_version));
        }
        from_value(item, depth + 1, objects)?;
    }
    Ok(())
}

/// Returns the typed object of one Kubernetes object that is no list, given as JSON.
pub fn object(value: &Value) -> Result<Object, Problem> {
    let text = |field: &str| value[field].as_str().map(str::to_owned);
    let kind = text("kind").ok_or(Problem::NotAnObject("it has no `kind`"))?;
    let api_version = text("apiVersion").ok_or(Problem::NotAnObject("it has no `apiVersion`"))?;
    classify(value, api_version, kind)
}

fn classify(value: &Value, api_version: String, kind: String) -> Result<Object, Problem> {
    match (api_version.as_str(), kind.as_str()) {
        (keys::API_VERSION, keys::KIND) => {
            let missing_fields = missing_fields(value);
            Ok(Object { missing_fields, ..typed(value, &kind, Manifest::LeaderWorkerSet)? })
        }
        ("apps/v1", "StatefulSet") => typed(value, &kind, Manifest::StatefulSet),
        ("apps/v1", "Deployment") => typed(value, &kind, Manifest::Deployment),
        ("v1", "Pod") => typed(value, &kind, Manifest::Pod),
        ("v1", "Service") => typed(value, &kind, Manifest::Service),
        ("v1", "Node") => typed(value, &kind, Manifest::Node),
        _ => {
            let name = name_of(value);
            let manifest = Manifest::Unknown { api_version, kind, name };
            Ok(Object { manifest, unknown_fields: Vec::new(), missing_fields: Vec::new() })
        }
    }
}

fn name_of(value: &Value) -> String {
    value["metadata"]["name"].as_str().unwrap_or_default().to_owned()
}

fn typed<T: Serialize + DeserializeOwned>(
    value: &Value,
    kind: &str,
    manifest: fn(Box<T>) -> Manifest,
) -> Result<Object, Problem> {
    let object: T = T::deserialize(value).map_err(|error| Problem::Type {
        kind: kind.to_owned(),
        name: name_of(value),
        error,
    })?;
    let kept = serde_json::to_value(&object).expect("typed objects are plain JSON");
    let mut unknown_fields = Vec::new();
    find_dropped(value, &kept, "", &mut |path| {
        let nearest = wire::nearest_field(kind, &path);
        unknown_fields.push(UnknownField { path, nearest });
    });
    Ok(Object { manifest: manifest(Box::new(object)), unknown_fields, missing_fields: Vec::new() })
}

/// Calls `found` with the path of every field of `given` that `kept`, what was read of it, lacks.
fn find_dropped(given: &Value, kept: &Value, path: &str, found: &mut impl FnMut(String)) {
    match (given, kept) {
        (Value::Object(fields), Value::Object(kept)) => {
            for (name, field) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                match kept.get(name) {
                    Some(kept) => find_dropped(field, kept, &path, &mut *found),
                    // What is empty may have been read and not written; the status is written by no user.
                    None if is_empty(field) || path.starts_with("status.") => {}
                    None => found(path),
                }
            }
        }
        (Value::Array(items), Value::Array(kept)) => {
            for (index, (item, kept)) in items.iter().zip(kept).enumerate() {
                find_dropped(item, kept, &format!("{path}[{index}]"), &mut *found);
            }
        }
        _ => {}
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(stream: &str) -> Vec<String> {
        let kind = |object: Object| match object.manifest {
            Manifest::LeaderWorkerSet(_) => "LeaderWorkerSet".to_owned(),
            Manifest::StatefulSet(_) => "StatefulSet".to_owned(),
            Manifest::Deployment(_) => "Deployment".to_owned(),
            Manifest::Pod(_) => "Pod".to_owned(),
            Manifest::Service(_) => "Service".to_owned(),
            Manifest::Node(_) => "Node".to_owned(),
            Manifest::Unknown { api_version, kind, name } => format!("{api_version} {kind} {name}"),
        };
        read(stream).unwrap().into_iter().map(kind).collect()
    }

    const SET: &str =
        "apiVersion: leaderworkerset.x-k8s.io/v1\nkind: LeaderWorkerSet\nmetadata: {name: s}\n";

    #[test]
    fn documents_lists_and_unknown_kinds_are_told_apart() {
        let stream = "# a comment\n---\n# another\n---\napiVersion: v1\nkind: Service\nmetadata: {name: a}\n--- \nkind: List\napiVersion: v1\nitems:\n\
            - {apiVersion: v1, kind: Pod}\n- {apiVersion: v1, kind: NodeList, items: [{metadata: {name: node}}]}\n- {apiVersion: apps/v1, kind: StatefulSet}\n...\n---\n\
            apiVersion: apps/v1\nkind: Deployment\n---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata:\n  name: h\n";
        assert_eq!(
            kinds(stream),
            [
                "Service",
                "Pod",
                "Node",
                "StatefulSet",
                "Deployment",
                "autoscaling/v2 HorizontalPodAutoscaler h"
            ]
        );
        assert_eq!(kinds("\n# nothing\n---\n"), Vec::<String>::new());
        assert_eq!(kinds(r#"{"apiVersion": "v1", "kind": "Node"}"#), ["Node"]);
        assert_eq!(
            kinds(
                "apiVersion: leaderworkerset.x-k8s.io/v1alpha1\nkind: LeaderWorkerSet\nmetadata: {name: old}"
            ),
            ["leaderworkerset.x-k8s.io/v1alpha1 LeaderWorkerSet old"]
        );
    }

    #[test]
    fn documents_know_the_lines_before_them() {
        let found = documents("a: 1\n---\nb: |\n  ---x\n---  # note\nc: 3\n--- d\n");
        let found: Vec<_> =
            found.iter().map(|document| (document.text, document.lines_before)).collect();
        assert_eq!(
            found,
            [("a: 1\n", 0), ("\nb: |\n  ---x\n", 1), ("  # note\nc: 3\n", 4), (" d\n", 6)]
        );
    }

    #[test]
    fn numbers_and_quantities_are_read_as_kubernetes_does() {
        let set = format!(
            "{SET}spec:\n  leaderWorkerTemplate:\n    workerTemplate:\n      spec:\n        containers: [{{name: a, resources: {{limits: {{cpu: 1, memory: 1Gi, nvidia.com/gpu: 8}}}}, livenessProbe: {{httpGet: {{port: http}}}}}}]\n        volumes: [{{name: v, configMap: {{name: c, defaultMode: 0400}}}}]\n"
        );
        let objects = read(&set).unwrap();
        let Manifest::LeaderWorkerSet(lws) = &objects[0].manifest else { panic!("{objects:?}") };
        let spec = lws.spec.leader_worker_template.worker_template.spec.as_ref().unwrap();
        assert_eq!(
            spec.volumes.as_ref().unwrap()[0].config_map.as_ref().unwrap().default_mode,
            Some(256)
        );
        let limits = spec.containers[0].resources.as_ref().unwrap().limits.as_ref().unwrap();
        assert_eq!((limits["cpu"].0.as_str(), limits["nvidia.com/gpu"].0.as_str()), ("1", "8"));
        assert_eq!(
            (objects[0].unknown_fields.as_slice(), objects[0].missing_fields.as_slice()),
            (&[][..], &[][..])
        );
    }

    #[test]
    fn unknown_fields_are_named_with_the_nearest_known_one() {
        let set = format!(
            "{SET}spec:\n  replica: 2\n  leaderWorkerTemplate:\n    siez: 3\n    workerTemplate:\n      spec:\n        containers: [{{name: a, imagePullPolcy: Always, env: [{{name: E, vlaue: x}}], xyz: 1}}]\n        volumes: []\n"
        );
        let objects = read(&set).unwrap();
        let fields: Vec<_> = objects[0]
            .unknown_fields
            .iter()
            .map(|field| (field.path.as_str(), field.nearest))
            .collect();
        assert_eq!(
            fields,
            [
                ("spec.leaderWorkerTemplate.siez", Some("size")),
                (
                    "spec.leaderWorkerTemplate.workerTemplate.spec.containers[0].env[0].vlaue",
                    Some("value")
                ),
                (
                    "spec.leaderWorkerTemplate.workerTemplate.spec.containers[0].imagePullPolcy",
                    Some("imagePullPolicy")
                ),
                ("spec.leaderWorkerTemplate.workerTemplate.spec.containers[0].xyz", None),
                ("spec.replica", Some("replicas")),
            ]
        );
    }

    #[test]
    fn missing_required_fields_are_reported() {
        let objects = read(&format!(
            "{SET}spec:\n  leaderWorkerTemplate:\n    workerTemplate: {{spec: {{}}}}\n"
        ))
        .unwrap();
        let missing: Vec<_> = objects[0].missing_fields.iter().map(ToString::to_string).collect();
        assert_eq!(
            missing,
            ["spec.leaderWorkerTemplate.workerTemplate.spec.containers: Required value"]
        );
    }

    #[test]
    fn a_value_of_the_wrong_type_is_placed() {
        let check = |spec: &str, line: u64, column: u64| {
            let error = read(&format!("---\n{SET}{spec}")).unwrap_err();
            let Problem::Yaml(yaml) = &error.problem else { panic!("{error}") };
            let location = yaml.location().unwrap();
            assert_eq!(
                (location.line() + error.lines_before as u64, location.column()),
                (line, column),
                "{error}"
            );
        };
        check("spec: {replicas: two}\n", 5, 18);
        check("spec:\n  leaderWorkerTemplate:\n    size: [1]\n", 7, 11);
        check(
            "spec:\n  leaderWorkerTemplate: {workerTemplate: {spec: {containers: [{name: a, env: [{name: E, value: 5}]}]}}}\n",
            6,
            96,
        );
        check("spec: {replicas: 1, replicas: 2}\n", 5, 21);
        check("spec: {replicas: 99999999999}\n", 5, 18);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for (stream, text) in [
            ("just text", "document 1: not a Kubernetes object: it is no mapping"),
            ("- a", "document 1: not a Kubernetes object: it is no mapping"),
            (
                "apiVersion: v1\nkind: Pod\n---\nkind: Pod\n",
                "document 2: not a Kubernetes object: it has no `apiVersion`",
            ),
            ("apiVersion: v1\n", "document 1: not a Kubernetes object: it has no `kind`"),
        ] {
            assert_eq!(read(stream).unwrap_err().to_string(), text);
        }
        let nested = (0..10).fold("{apiVersion: v1, kind: Pod}".to_owned(), |inner, _| {
            format!("{{apiVersion: v1, kind: List, items: [{inner}]}}")
        });
        assert_eq!(
            read(&nested).unwrap_err().to_string(),
            "document 1: lists are nested more than 4 deep"
        );
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let before = format!("*a{},", level - 1).repeat(9);
            bomb += &["a", &level.to_string(), ": &a", &level.to_string(), " [", &before, "]\n"]
                .concat();
        }
        assert!(matches!(read(&bomb).unwrap_err().problem, Problem::Yaml(_)));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[ -~\n]{0,80}|(apiVersion: v1\nkind: (Pod|List|Node)\n)[a-z{}: \n\\[\\]-]{0,60}") {
            if let Err(error) = read(&text) {
                proptest::prop_assert!(!error.to_string().is_empty());
            }
        }
    }
}
