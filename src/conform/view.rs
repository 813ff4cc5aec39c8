//! Objects as a step trace shows them: the parts that say what a controller did, with names in place of UIDs and hashes.

use crate::backend::sim::play::{Play, Shown};
use serde_json::{Map, Value, json};

/// Server-side parts of a Service's spec that traces leave out.
const SERVICE_PARTS: [&str; 5] =
    ["clusterIP", "publishNotReadyAddresses", "selector", "sessionAffinity", "type"];
/// Parts of a StatefulSet's spec that matter.
const SET_PARTS: [&str; 9] = [
    "minReadySeconds",
    "ordinals",
    "persistentVolumeClaimRetentionPolicy",
    "podManagementPolicy",
    "replicas",
    "revisionHistoryLimit",
    "selector",
    "serviceName",
    "updateStrategy",
];
/// Parts of a pod's spec that are shown as they are.
const POD_PARTS: [&str; 5] =
    ["hostname", "subdomain", "nodeSelector", "affinity", "schedulingGates"];
/// Parts of a pod's spec that traces show of a template.
const TEMPLATE_PARTS: [&str; 2] = ["containers", "nodeSelector"];
/// Label of a pod with the name of its StatefulSet's revision.
const REVISION_LABEL: &str = "controller-revision-hash";

/// Returns the name of an object in traces: `Kind/name#n`.
pub(super) fn id(shown: &Shown) -> String {
    match &shown.revision_of {
        Some((set, at)) => format!("{}/{set}@{at}#{}", shown.kind, shown.number),
        None => format!("{}/{}#{}", shown.kind, shown.name, shown.number),
    }
}

/// Returns the view of an object, without what is absent.
pub(super) fn view(shown: &Shown, play: &Play<'_>) -> Value {
    let object = &shown.object;
    let mut view = Map::new();
    meta(shown, play, &mut view);
    match shown.kind {
        "LeaderWorkerSet" => lws(object, &mut view),
        "StatefulSet" => set(object, play, &mut view),
        "Pod" => pod(object, &mut view),
        "Service" => drop(view.insert("spec".into(), parts(&object["spec"], &SERVICE_PARTS))),
        "ControllerRevision" => {
            view.insert("revision".into(), object["revision"].clone());
            if shown.revision_of.is_some() {
                view.remove("labels");
            } else {
                view.insert("data".into(), object["data"].clone());
            }
        }
        "PersistentVolumeClaim" => {
            let storage = &object["spec"]["resources"]["requests"]["storage"];
            view.insert("storage".into(), storage.clone());
        }
        _ => {}
    }
    let mut view = Value::Object(view);
    strip(&mut view);
    view
}

fn meta(shown: &Shown, play: &Play<'_>, view: &mut Map<String, Value>) {
    let metadata = &shown.object["metadata"];
    view.insert("labels".into(), metadata["labels"].clone());
    view.insert("annotations".into(), metadata["annotations"].clone());
    view.insert("finalizers".into(), metadata["finalizers"].clone());
    if let Some(label) = view["labels"].get_mut(REVISION_LABEL) {
        rename(label, &shown.object, play);
    }
    if metadata["deletionTimestamp"].is_string() {
        view.insert("deleting".into(), true.into());
    }
    if matches!(shown.kind, "LeaderWorkerSet" | "StatefulSet") {
        view.insert("generation".into(), metadata["generation"].clone());
    }
    let owners = metadata["ownerReferences"].as_array().into_iter().flatten();
    let owners: Vec<Value> = owners.map(|owner| json!(owner_text(owner, play))).collect();
    if !owners.is_empty() {
        view.insert("owners".into(), owners.into());
    }
}

fn owner_text(owner: &Value, play: &Play<'_>) -> String {
    let text = |field: &str| owner[field].as_str().unwrap_or_default();
    let number = play.number_of(text("uid")).unwrap_or_default();
    let mark = if owner["controller"] == true { "!" } else { "" };
    format!("{}/{}#{number}{mark}", text("kind"), text("name"))
}

/// Puts `<set>@k` in place of the name of a StatefulSet's revision.
fn rename(name: &mut Value, object: &Value, play: &Play<'_>) {
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
    let Some(text) = name.as_str() else { return };
    if let Some((set, at)) = play.revision_of(namespace, text) {
        *name = json!(format!("{set}@{at}"));
    }
}

fn parts(object: &Value, names: &[&str]) -> Value {
    let present = names.iter().filter(|name| !object[**name].is_null());
    Value::Object(present.map(|name| ((*name).to_owned(), object[*name].clone())).collect())
}

fn lws(object: &Value, view: &mut Map<String, Value>) {
    view.insert("spec".into(), object["spec"].clone());
    let mut status = object["status"].clone();
    if let Some(status) = status.as_object_mut() {
        let conditions = status.remove("conditions");
        let conditions = conditions.as_ref().and_then(Value::as_array).into_iter().flatten();
        let conditions: Map<String, Value> = conditions
            .map(|condition| {
                let type_ = condition["type"].as_str().unwrap_or_default().to_owned();
                let seen = json!([
                    condition["status"],
                    condition["reason"],
                    condition["message"],
                    condition["observedGeneration"],
                ]);
                (type_, seen)
            })
            .collect();
        if !conditions.is_empty() {
            view.insert("conditions".into(), conditions.into());
        }
    }
    view.insert("status".into(), status);
}

fn set(object: &Value, play: &Play<'_>, view: &mut Map<String, Value>) {
    let spec = &object["spec"];
    let mut shown = parts(spec, &SET_PARTS);
    let template = &spec["template"];
    let mut pod = pod_parts(&template["spec"]);
    pod.retain(|part, _| TEMPLATE_PARTS.contains(&part.as_str()));
    pod.insert("metadata".into(), parts(&template["metadata"], &["labels", "annotations"]));
    shown["template"] = pod.into();
    if let Some(claims) = spec["volumeClaimTemplates"].as_array() {
        let names: Vec<&Value> = claims.iter().map(|claim| &claim["metadata"]["name"]).collect();
        shown["volumeClaimTemplates"] = json!(names);
    }
    view.insert("spec".into(), shown);
    let mut status = object["status"].clone();
    for field in ["currentRevision", "updateRevision"] {
        if let Some(name) = status.get_mut(field) {
            rename(name, object, play);
        }
    }
    view.insert("status".into(), status);
}

fn pod(object: &Value, view: &mut Map<String, Value>) {
    let (spec, status) = (&object["spec"], &object["status"]);
    view.extend(pod_parts(spec));
    view.insert("node".into(), spec["nodeName"].clone());
    view.insert("phase".into(), status["phase"].clone());
    let containers = status["containerStatuses"].as_array();
    let restarts = containers
        .and_then(|containers| containers.iter().filter_map(|c| c["restartCount"].as_i64()).max());
    view.insert("restarts".into(), json!(restarts));
    for condition in status["conditions"].as_array().into_iter().flatten() {
        if condition["type"] == "Ready" {
            view.insert("ready".into(), condition["status"].clone());
        }
        if condition["type"] == "PodScheduled" && condition["status"] == "False" {
            view.insert("unscheduled".into(), json!([condition["reason"], condition["message"]]));
        }
    }
}

fn pod_parts(spec: &Value) -> Map<String, Value> {
    let mut shown: Map<String, Value> = POD_PARTS
        .iter()
        .filter(|part| !spec[**part].is_null())
        .map(|part| ((*part).to_owned(), spec[*part].clone()))
        .collect();
    for list in ["initContainers", "containers"] {
        if let Some(containers) = spec[list].as_array() {
            shown.insert(list.into(), containers.iter().map(container).collect());
        }
    }
    shown
}

fn container(container: &Value) -> Value {
    let mut shown = parts(container, &["name", "image"]);
    if let Some(env) = container["env"].as_array() {
        let variable = |variable: &Value| {
            let value = match &variable["valueFrom"] {
                Value::Null => variable["value"].clone(),
                source => json!(source.to_string()),
            };
            json!([variable["name"], value])
        };
        shown["env"] = env.iter().map(variable).collect();
    }
    shown
}

/// Takes away what is null: the same as absent.
pub(super) fn strip(value: &mut Value) {
    if let Value::Object(fields) = value {
        fields.values_mut().for_each(strip);
        fields.retain(|_, field| !field.is_null());
    }
}
