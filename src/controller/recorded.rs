//! Objects that a real LWS controller made on Kubernetes 1.36.3, against those that the builders make.

use super::objects::{group_service, leader_set, shared_service, worker_set};
use super::observed::{Phase, PodSeen};
use super::plan::LeaderSetApply;
use super::revision;
use crate::api::lws::LeaderWorkerSet;
use crate::api::{Uid, keys};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const RECORDED: &str = include_str!("../../tests/vectors/golden-objects.json");

#[derive(Deserialize)]
struct Case {
    #[serde(rename = "case")]
    title: String,
    lws: LeaderWorkerSet,
    /// Views of the objects as first seen, by kind and name.
    objects: BTreeMap<String, Value>,
}

/// Returns of an object what the recorder kept, server-side defaults aside.
fn view(object: &Value) -> Value {
    let mut view = Map::new();
    for part in ["labels", "annotations"] {
        if let Some(pairs) = object["metadata"].get(part) {
            view.insert(part.to_owned(), pairs.clone());
        }
    }
    let owner = &object["metadata"]["ownerReferences"][0];
    let owner =
        format!("{}/{}#1!", owner["kind"].as_str().unwrap(), owner["name"].as_str().unwrap());
    view.insert("owners".to_owned(), json!([owner]));
    let mut spec = object["spec"].clone();
    let fields = spec.as_object_mut().unwrap();
    fields.remove("updateStrategy");
    fields.remove("volumeClaimTemplates");
    fields.remove("persistentVolumeClaimRetentionPolicy");
    if object["kind"] == "Service" {
        fields.insert("sessionAffinity".to_owned(), "None".into());
        fields.insert("type".to_owned(), "ClusterIP".into());
    } else {
        let template = &object["spec"]["template"];
        let mut kept = json!({"metadata": template["metadata"]});
        if let Some(selector) = template["spec"].get("nodeSelector") {
            kept["nodeSelector"] = selector.clone();
        }
        fields.insert("template".to_owned(), kept);
    }
    view.insert("spec".to_owned(), spec);
    Value::Object(view)
}

fn requests_tpus(template: &PodTemplateSpec) -> bool {
    serde_json::to_string(template).unwrap().contains(keys::TPU_RESOURCE)
}

#[test]
fn bodies_equal_those_that_the_real_controller_made() {
    let cases: Vec<Case> = serde_json::from_str(RECORDED).unwrap();
    assert_eq!(cases.len(), 23);
    for Case { title, lws, objects } in cases {
        let name = lws.metadata.name.as_deref().unwrap();
        let data = revision::encode(&lws);
        let key = revision::key(&data);
        let in_force = revision::from_parts("r", 1, &key, &data, None).unwrap();
        let template = &lws.spec.leader_worker_template;
        let leader_name = format!("{name}-0");
        let workers = objects.get(&format!("StatefulSet/{leader_name}"));
        let group_key = workers.map_or("", |set| set["labels"][keys::GROUP_KEY].as_str().unwrap());
        let leader = PodSeen {
            namespace: lws.metadata.namespace.as_deref().unwrap(),
            name: &leader_name,
            uid: Uid(9),
            lws_name: name,
            worker_index: Some("0"),
            group_index: "0",
            group_key,
            key: &key,
            has_leader_name: false,
            is_deleting: false,
            phase: Phase::Running,
            is_ready: true,
            has_restarted: false,
            node: "node-00",
            owner: None,
            requests_tpus: requests_tpus(
                template.leader_template.as_ref().unwrap_or(&template.worker_template),
            ),
        };
        for (id, recorded) in &objects {
            let built = if *id == format!("StatefulSet/{name}") {
                let apply = LeaderSetApply {
                    name: name.to_owned(),
                    key: key.as_str().into(),
                    replicas: lws.spec.replicas.unwrap(),
                    partition: 0,
                    max_unavailable: 1,
                    surge_kept: None,
                    has_later_label: false,
                    exists: false,
                };
                serde_json::to_value(leader_set(&lws, &apply).to_stateful_set())
            } else if *id == format!("StatefulSet/{leader_name}") {
                let selector =
                    recorded["spec"]["template"].get("nodeSelector").and_then(Value::as_object);
                let domain = selector.and_then(|selector| selector.iter().next());
                let domain = domain.map(|(key, value)| (key.as_str(), value.as_str().unwrap()));
                serde_json::to_value(worker_set(&lws, &in_force, &leader, domain).to_stateful_set())
            } else if *id == format!("Service/{name}") {
                serde_json::to_value(shared_service(&lws).to_service())
            } else {
                serde_json::to_value(group_service(&lws, &leader).to_service())
            };
            assert_eq!(view(&built.unwrap()), *recorded, "{title}: {id}");
        }
    }
}
