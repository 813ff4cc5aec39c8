//! Admission of a full Kubernetes pod, as live mode and exports need it.

use super::{Denial, ExclusiveTerm, Fixes, GROUP_NAME, PodIdentity, admit, env};
use k8s_openapi::api::core::v1::{Container, EnvVar, Pod, PodAffinityTerm};

/// Changes `pod`, which is about to be created, as the webhook does; a second time changes nothing.
pub fn apply_to_pod(pod: &mut Pod, is_gang: bool) -> Result<(), Denial> {
    let no_labels = std::collections::BTreeMap::new();
    let no_spec = k8s_openapi::api::core::v1::PodSpec::default();
    let labels = pod.metadata.labels.as_ref().unwrap_or(&no_labels);
    let annotations = pod.metadata.annotations.as_ref().unwrap_or(&no_labels);
    let spec = pod.spec.as_ref().unwrap_or(&no_spec);
    let identity = PodIdentity {
        namespace: pod.metadata.namespace.as_deref().unwrap_or_default(),
        name: pod.metadata.name.as_deref().unwrap_or_default(),
        subdomain: spec.subdomain.as_deref().unwrap_or_default(),
        labels: &|key| labels.get(key).map(String::as_str),
        annotations: &|key| annotations.get(key).map(String::as_str),
        spec,
        is_gang,
        fixes: Fixes::default(),
    };
    let admitted = admit(&identity)?;
    let env = env(&identity, &admitted)?;
    if let Some(group_name) = admitted.group_name {
        pod.metadata.annotations.get_or_insert_default().insert(GROUP_NAME.to_owned(), group_name);
    }
    for (key, value) in admitted.labels {
        pod.metadata.labels.get_or_insert_default().insert(key.to_owned(), value);
    }
    let Some(spec) = &mut pod.spec else { return Ok(()) };
    if admitted.subdomain.is_some() {
        spec.subdomain = admitted.subdomain;
    }
    set_env(&mut spec.containers, env.containers);
    set_env(spec.init_containers.as_deref_mut().unwrap_or_default(), env.init_containers);
    if !admitted.exclusive.is_empty() {
        let affinity = spec.affinity.get_or_insert_default();
        let near = affinity.pod_affinity.get_or_insert_default();
        let far = affinity.pod_anti_affinity.get_or_insert_default();
        let add = |terms: &mut Option<Vec<PodAffinityTerm>>,
                   make: fn(&ExclusiveTerm) -> PodAffinityTerm| {
            terms.get_or_insert_default().extend(admitted.exclusive.iter().map(make));
        };
        add(&mut near.required_during_scheduling_ignored_during_execution, ExclusiveTerm::affinity);
        add(
            &mut far.required_during_scheduling_ignored_during_execution,
            ExclusiveTerm::anti_affinity,
        );
    }
    Ok(())
}

fn set_env(containers: &mut [Container], env: Vec<Vec<EnvVar>>) {
    for (container, env) in containers.iter_mut().zip(env) {
        if container.env.is_some() || !env.is_empty() {
            container.env = Some(env);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Fix, has_exclusive_terms};
    use super::*;
    use crate::api::{hash, keys, names};
    use crate::vectors;
    use k8s_openapi::api::core::v1::PodSpec;
    use serde_json::{Value, json};

    const PREFIX: &str = "leaderworkerset.sigs.k8s.io/";

    fn pod_of(object: &Value) -> Pod {
        serde_json::from_value(object.clone()).unwrap()
    }

    /// Admits a pod twice, as the second time must change nothing.
    fn admitted(object: &Value) -> Result<Value, Denial> {
        let mut pod = pod_of(object);
        apply_to_pod(&mut pod, false)?;
        let once = pod.clone();
        apply_to_pod(&mut pod, false)?;
        assert_eq!(pod, once, "a second time");
        Ok(serde_json::to_value(pod).unwrap())
    }

    fn env_of(container: &Value) -> Vec<(&str, &str)> {
        let vars = container["env"].as_array().into_iter().flatten();
        vars.map(|var| (var["name"].as_str().unwrap(), var["value"].as_str().unwrap())).collect()
    }

    fn value_of<'a>(container: &'a Value, name: &str) -> Option<&'a str> {
        env_of(container).into_iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    #[test]
    fn recorded_pods_are_admitted_the_same() {
        // Recorded with Kubernetes 1.36.3 and LWS 060ab4d.
        let cases: Value =
            serde_json::from_str(include_str!("../../../tests/vectors/golden-pods.json")).unwrap();
        for case in cases.as_array().unwrap() {
            let about = format!("{} {}", case["case"], case["pod"]["metadata"]["name"]);
            let (pod, want) = (admitted(&case["pod"]).unwrap(), &case["want"]);
            assert_eq!(pod["metadata"]["labels"], want["labels"], "{about}");
            assert_eq!(pod["spec"]["subdomain"], want["subdomain"], "{about}");
            assert_eq!(pod["spec"]["affinity"], want["affinity"], "{about}");
            for field in ["containers", "initContainers"] {
                let containers = pod["spec"][field].as_array().into_iter().flatten();
                let env: Vec<Value> = containers
                    .map(|container| json!([container["name"], env_of(container)]))
                    .collect();
                let wanted = want[field].as_array().cloned().unwrap_or_default();
                assert_eq!(env, wanted, "{about} {field}");
            }
        }
    }

    /// The pod of a row of the vectors, whose keys have no prefix.
    fn pod_of_row(row: &Value) -> Value {
        let prefixed = |fields: &Value| -> Value {
            let fields = fields.as_object().into_iter().flatten();
            let full = |key: &String| {
                if key == "random-label" { key.clone() } else { format!("{PREFIX}{key}") }
            };
            fields.map(|(key, value)| (full(key), value.clone())).collect()
        };
        let about = row["spec"].as_str().unwrap_or_default();
        let tpu = json!({"name": "tpu", "resources": {"limits": {"google.com/tpu": "4"}}});
        let own_env = json!([{"name": "OWN", "value": "1"}]);
        let mut spec = json!({"containers": [{"name": "plain"}], "subdomain": "default"});
        if about.starts_with("tpu") {
            spec["containers"] = json!([tpu]);
        }
        if about.contains("a container without TPU") {
            spec["containers"] = json!([tpu, {"name": "plain"}]);
        }
        let terms = |topology_key: &str| json!({"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": topology_key}]});
        if about.contains("already there") {
            spec["affinity"] = json!({"podAffinity": terms("topologyKey"), "podAntiAffinity": terms("topologyKey")});
        }
        if about.contains("other affinity terms") {
            spec["affinity"] =
                json!({"podAffinity": terms("topology"), "podAntiAffinity": terms("topology")});
        }
        if about.contains("subdomain test-sample") {
            spec = json!({"subdomain": "test-sample", "containers": [{"name": "a", "env": own_env}],
                "initContainers": [{"name": "b", "env": own_env}]});
        }
        json!({"metadata": {"name": row["pod"], "namespace": "ns", "labels": prefixed(&row["labels"]),
            "annotations": prefixed(&row["annotations"])}, "spec": spec})
    }

    /// Counts the terms with the label in affinity and anti-affinity, which must be as many.
    fn exclusive_terms(pod: &Value, label: &str) -> usize {
        let count = |kind: &str| {
            let terms =
                pod["spec"]["affinity"][kind]["requiredDuringSchedulingIgnoredDuringExecution"]
                    .as_array();
            let key = json!(format!("{PREFIX}{label}"));
            terms
                .into_iter()
                .flatten()
                .filter(|term| term["labelSelector"]["matchExpressions"][0]["key"] == key)
                .count()
        };
        assert_eq!(count("podAffinity"), count("podAntiAffinity"));
        count("podAffinity")
    }

    fn check_wanted(row: &Value, pod: &Value) {
        let first = &pod["spec"]["containers"][0];
        for (field, want) in row["want"].as_object().unwrap() {
            match field.as_str() {
                "labels" => {
                    let labels = pod["metadata"]["labels"].as_object().unwrap();
                    assert_eq!(labels.len(), want.as_object().unwrap().len(), "{row}: {labels:?}");
                    for (key, value) in want.as_object().unwrap() {
                        let label =
                            labels.get(&format!("{PREFIX}{key}")).or(labels.get(key)).unwrap();
                        let is_hash = value == "H" && label.as_str().unwrap().len() == 40;
                        assert!(label == value || is_hash, "{row}: {key} is {label}");
                    }
                }
                "tpu_env" => assert_eq!(value_of(first, "TPU_WORKER_HOSTNAMES"), None, "{row}"),
                "hosts" => {
                    assert_eq!(value_of(first, "TPU_WORKER_HOSTNAMES"), want.as_str(), "{row}");
                    let id: usize = value_of(first, "TPU_WORKER_ID").unwrap().parse().unwrap();
                    let host = want.as_str().unwrap().split(',').nth(id).unwrap();
                    assert!(
                        host.starts_with(&format!("{}.", row["pod"].as_str().unwrap())),
                        "{row}: {id}"
                    );
                    assert_eq!(value_of(first, "TPU_PROCESS_PORT"), Some("8476"), "{row}");
                    assert_eq!(
                        value_of(&pod["spec"]["containers"][1], "TPU_WORKER_HOSTNAMES"),
                        None,
                        "{row}"
                    );
                }
                "env" => {
                    let init = pod["spec"]["initContainers"].as_array();
                    for container in init.into_iter().flatten().chain([first]) {
                        for (name, value) in want.as_object().unwrap() {
                            let value = value.as_str().unwrap().replace("<namespace>", "ns");
                            assert_eq!(value_of(container, name), Some(value.as_str()), "{row}");
                        }
                        assert_eq!(env_of(container)[0].0, "LWS_LEADER_ADDRESS", "{row}");
                    }
                }
                "exclusive_group_terms" => {
                    let is_users = row["spec"].as_str().unwrap().contains("already there");
                    let wanted = usize::from(want == true && !is_users);
                    assert_eq!(exclusive_terms(pod, "group-key"), wanted, "{row}");
                }
                "exclusive_subgroup_terms" => {
                    assert_eq!(exclusive_terms(pod, "subgroup-key"), 1, "{row}");
                }
                "term_count" | "other_terms_kept" => {
                    let terms = &pod["spec"]["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
                    assert_eq!(
                        terms[0]["labelSelector"],
                        Value::Null,
                        "{row}: the user's come first"
                    );
                }
                "first_env" | "all_containers" | "create_ok" => {} // Checked with `env`, or by getting here.
                other => panic!("{row}: {other}"),
            }
        }
    }

    #[test]
    fn upstreams_pod_tests_are_answered_the_same() {
        vectors::each("pod-webhook.yaml", "admission", |row: Value| {
            let object = pod_of_row(&row);
            if row["scheduler_provider"] == "volcano" {
                let mut pod = pod_of(&object);
                apply_to_pod(&mut pod, true).unwrap();
                assert_eq!(pod.metadata.annotations.unwrap()[GROUP_NAME], "test-0-1");
                return;
            }
            check_wanted(&row, &admitted(&object).unwrap());
        });
    }

    #[test]
    fn keys_and_subgroups_are_upstreams() {
        vectors::each("pod-webhook.yaml", "group_key", |row: Value| {
            let text = |field: &str| row[field].as_str().unwrap();
            assert_eq!(hash::group_key(text("namespace"), text("pod")), text("want"), "{row}");
        });
        vectors::each("pod-webhook.yaml", "subgroup_index", |row: Value| {
            let number = |field: &str| row[field].as_i64().unwrap();
            let index = names::subgroup_index(number("pods"), number("subgroup"), number("worker"));
            assert_eq!(index.to_string(), row["want"].as_str().unwrap(), "{row}");
        });
    }

    /// A pod spec whose required affinity and anti-affinity have a term over each of two topologies, where given.
    fn spec_with_terms(near: &Value, far: &Value) -> PodSpec {
        let required = |key: &Value| match key {
            Value::Null => Value::Null,
            key => {
                json!({"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": key}]})
            }
        };
        let affinity = json!({"podAffinity": required(near), "podAntiAffinity": required(far)});
        serde_json::from_value(json!({"containers": [], "affinity": affinity})).unwrap()
    }

    #[test]
    fn exclusive_terms_are_upstreams_and_added_once() {
        vectors::each("pod-webhook.yaml", "exclusive_applied", |row: Value| {
            let spec = spec_with_terms(&row["affinity"], &row["anti_affinity"]);
            assert_eq!(has_exclusive_terms(&spec, "topologyKey"), row["want"] == true, "{row}");
        });
        vectors::each("pod-webhook.yaml", "exclusive_terms", |row: Value| {
            if row["want"] == "unchanged" {
                let spec = spec_with_terms(&json!("topologyKey"), &json!("topologyKey"));
                let labels = json!({"name": "s", "worker-index": "0", "group-key": "test-key"});
                let annotations = json!({"size": "1", "exclusive-topology": "topologyKey"});
                let row = json!({"pod": "s-0", "labels": labels, "annotations": annotations});
                let mut object = pod_of_row(&row);
                object["spec"]["affinity"] = serde_json::to_value(&spec.affinity).unwrap();
                let pod = admitted(&object).unwrap();
                assert_eq!(pod["spec"]["affinity"], object["spec"]["affinity"]);
                return;
            }
            let term = ExclusiveTerm {
                label_key: keys::GROUP_KEY,
                value: "test-key".to_owned(),
                topology_key: "topologyKey".to_owned(),
                set_name: None,
            };
            let drawn = |term: PodAffinityTerm| {
                let requirements = term.label_selector.unwrap().match_expressions.unwrap();
                let requirements: Vec<Value> = requirements
                    .into_iter()
                    .map(|found| {
                        let key = found.key.strip_prefix(PREFIX).unwrap().to_owned();
                        json!([key, found.operator, found.values.unwrap_or_default()])
                    })
                    .collect();
                json!([{"topologyKey": term.topology_key, "match": requirements}])
            };
            assert_eq!(drawn(term.affinity()), row["want"]["pod_affinity"], "{row}");
            assert_eq!(drawn(term.anti_affinity()), row["want"]["pod_anti_affinity"], "{row}");
        });
    }

    #[test]
    fn repaired_exclusive_terms_speak_of_one_set() {
        let labels = json!({"name": "s", "worker-index": "0"});
        let annotations = json!({"size": "1", "exclusive-topology": "rack"});
        let row = json!({"pod": "s-0", "labels": labels, "annotations": annotations});
        let pod = pod_of(&pod_of_row(&row));
        let (labels, annotations) =
            (pod.metadata.labels.unwrap(), pod.metadata.annotations.unwrap());
        let terms = |fixes: Fixes| {
            let identity = PodIdentity {
                namespace: "ns",
                name: "s-0",
                subdomain: "s",
                labels: &|key| labels.get(key).map(String::as_str),
                annotations: &|key| annotations.get(key).map(String::as_str),
                spec: pod.spec.as_ref().unwrap(),
                is_gang: false,
                fixes,
            };
            let term = &admit(&identity).unwrap().exclusive[0];
            let requirements = term.anti_affinity().label_selector.unwrap().match_expressions;
            requirements
                .unwrap()
                .into_iter()
                .map(|found| (found.key, found.values))
                .collect::<Vec<_>>()
        };
        let (upstream, fixed) = (terms(Fixes::default()), terms([Fix::B4].into_iter().collect()));
        assert_eq!(fixed[..2], upstream[..]);
        assert_eq!(fixed[2..], [(keys::NAME.to_owned(), Some(vec!["s".to_owned()]))]);
    }

    #[test]
    fn pods_are_denied_in_upstreams_words() {
        let check = |name: &str, labels: Value, annotations: Value, text: &str| {
            let spec = json!({"containers": [{"name": "a", "resources": {"requests": {"google.com/tpu": 1}}}]});
            let row = json!({"pod": name, "labels": labels, "annotations": annotations});
            let mut object = pod_of_row(&row);
            object["spec"] = spec;
            assert_eq!(admitted(&object).unwrap_err().0, text);
        };
        let leader = json!({"name": "s", "worker-index": "0"});
        let worker = json!({"name": "s", "group-index": "0"});
        check(
            "s-0",
            leader.clone(),
            json!({}),
            "size annotation is unexpectedly missing for pod s-0",
        );
        check(
            "s-0",
            leader.clone(),
            json!({"size": "x"}),
            "strconv.Atoi: parsing \"x\": invalid syntax",
        );
        check(
            "s-0",
            leader.clone(),
            json!({"size": "99999999999999999999"}),
            "strconv.Atoi: parsing \"99999999999999999999\": value out of range",
        );
        check("copy", leader.clone(), json!({"size": "2"}), "parsing pod ordinal for pod copy");
        check("copy", worker.clone(), json!({"size": "2"}), "parsing pod ordinal for pod copy");
        check(
            "s-0-1",
            worker.clone(),
            json!({"size": "2", "subgroup-size": "y"}),
            "strconv.Atoi: parsing \"y\": invalid syntax",
        );
        check(
            "s-0-1",
            worker.clone(),
            json!({"size": "2", "subgroup-size": "0"}),
            "panic: runtime error: integer divide by zero [recovered]",
        );
        check(
            "s-0",
            leader.clone(),
            json!({"size": "3", "subgroup-size": "2", "subgroup-policy-type": "LeaderExcluded"}),
            "strconv.Atoi: parsing \"\": invalid syntax",
        );
        check(
            "s-0",
            leader,
            json!({"size": "9999999"}),
            "pod s-0 would have more than 100000 TPU hosts",
        );
        let no_group = json!({"name": "s"});
        let text = "Failure constructing environment variables, no group index label found for pod ns/s-0-1";
        check("s-0-1", no_group, json!({"size": "2"}), text);
        let extremes = json!({"size": "-9223372036854775808", "subgroup-size": "-1"});
        check("s-0-1", json!({"name": "s"}), extremes, text);
    }

    #[test]
    fn an_example_with_subgroups_and_exclusive_topology_holds() {
        let annotations = json!({"size": "5", "exclusive-topology": "example.com/rack", "subgroup-exclusive-topology": "example.com/nvl",
            "subgroup-size": "2", "subgroup-policy-type": "LeaderWorker", "subdomainPolicy": "UniquePerReplica", "leader-name": "moe-0"});
        let pod = |name: &str, labels: Value| {
            let mut object =
                pod_of_row(&json!({"pod": name, "labels": labels, "annotations": annotations}));
            object["metadata"]["namespace"] = json!("train");
            admitted(&object).unwrap()
        };
        let leader = pod("moe-0", json!({"name": "moe", "worker-index": "0"}));
        let group = "f2d5e4509aaaf563b866bb9a7e9e25a47051f48f";
        let subgroups = [
            "f6d57eaa442d12f7b12d804e14a2dfe38ebda24d",
            "63645ae1673c07e478b764cb2aaee0cb030df36e",
        ];
        assert_eq!(leader["metadata"]["labels"][format!("{PREFIX}group-key")], group);
        assert_eq!(leader["spec"]["subdomain"], "moe-0");
        assert_eq!(
            value_of(&leader["spec"]["containers"][0], "LWS_LEADER_ADDRESS"),
            Some("moe-0.moe-0.train")
        );
        let term = |key: &str, value: &str, topology_key: &str, is_near: bool| {
            let key = format!("{PREFIX}{key}");
            let mut expressions = vec![json!({"key": key, "operator": "In", "values": [value]})];
            if !is_near {
                expressions = vec![
                    json!({"key": key, "operator": "Exists"}),
                    json!({"key": key, "operator": "NotIn", "values": [value]}),
                ];
            }
            json!({"labelSelector": {"matchExpressions": expressions}, "topologyKey": topology_key})
        };
        let terms = |is_near: bool| {
            json!({"requiredDuringSchedulingIgnoredDuringExecution": [
                term("group-key", group, "example.com/rack", is_near), term("subgroup-key", subgroups[0], "example.com/nvl", is_near)]})
        };
        assert_eq!(
            leader["spec"]["affinity"],
            json!({"podAffinity": terms(true), "podAntiAffinity": terms(false)})
        );
        for (worker, subgroup) in [(1, 0), (2, 0), (3, 1), (4, 1)] {
            let pod = pod(
                &format!("moe-0-{worker}"),
                json!({"name": "moe", "group-index": "0", "group-key": group}),
            );
            assert_eq!(
                pod["metadata"]["labels"][format!("{PREFIX}subgroup-index")],
                subgroup.to_string()
            );
            let terms = &pod["spec"]["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
            assert_eq!(
                *terms,
                json!([term("subgroup-key", subgroups[subgroup], "example.com/nvl", true)])
            );
        }
    }

    #[test]
    fn equal_group_and_subgroup_topologies_give_the_leader_one_pair_of_terms() {
        let annotations = json!({"size": "4", "exclusive-topology": "t", "subgroup-exclusive-topology": "t", "subgroup-size": "2"});
        let row = json!({"pod": "s-0", "labels": {"name": "s", "worker-index": "0"}, "annotations": annotations});
        let pod = admitted(&pod_of_row(&row)).unwrap();
        assert_eq!(
            (exclusive_terms(&pod, "group-key"), exclusive_terms(&pod, "subgroup-key")),
            (1, 0)
        );
    }

    #[test]
    fn of_duplicated_variables_the_first_stays_and_ours_win() {
        let mut object = pod_of_row(
            &json!({"pod": "s-0", "labels": {"name": "s", "worker-index": "0"}, "annotations": {"size": "1"}}),
        );
        object["spec"]["containers"][0]["env"] = json!([{"name": "A", "value": "1"}, {"name": "LWS_GROUP_SIZE", "value": "9"}, {"name": "A", "value": "2"}]);
        let pod = admitted(&object).unwrap();
        let expected = vec![
            ("LWS_LEADER_ADDRESS", "s-0.default.ns"),
            ("LWS_GROUP_SIZE", "1"),
            ("LWS_WORKER_INDEX", "0"),
            ("A", "1"),
        ];
        assert_eq!(env_of(&pod["spec"]["containers"][0]), expected);
    }

    #[test]
    fn an_example_with_two_tpu_containers_holds() {
        let tpus = json!({"limits": {"google.com/tpu": "2"}, "requests": {"google.com/tpu": "2"}});
        let spec = json!({"subdomain": "jax", "containers": [
            {"name": "a", "resources": tpus},
            {"name": "b", "resources": tpus, "env": [{"name": "TPU_PROCESS_PORT", "value": "9000"}]},
            {"name": "log"}]});
        let hosts = "jax-0.jax,jax-0.jax,jax-0-1.jax,jax-0-1.jax,jax-0-2.jax,jax-0-2.jax";
        let addresses = "jax-0.jax:8476,jax-0.jax:9000,jax-0-1.jax:8476,jax-0-1.jax:9000,jax-0-2.jax:8476,jax-0-2.jax:9000";
        for index in 0..3 {
            let (name, labels) = match index {
                0 => ("jax-0".to_owned(), json!({"name": "jax", "worker-index": "0"})),
                _ => (format!("jax-0-{index}"), json!({"name": "jax", "group-index": "0"})),
            };
            let mark = if index == 0 { "" } else { "true" };
            let mut object = pod_of_row(
                &json!({"pod": name, "labels": labels, "annotations": {"size": "3", "leader-requests-tpus": mark}}),
            );
            object["metadata"]["namespace"] = json!("ml");
            object["spec"] = spec.clone();
            let pod = admitted(&object).unwrap();
            let (own, first, second) =
                (index.to_string(), (2 * index).to_string(), (2 * index + 1).to_string());
            let head = [
                ("LWS_LEADER_ADDRESS", "jax-0.jax.ml"),
                ("LWS_GROUP_SIZE", "3"),
                ("LWS_WORKER_INDEX", own.as_str()),
            ];
            let tail = |id| {
                [
                    ("TPU_WORKER_HOSTNAMES", hosts),
                    ("TPU_WORKER_ID", id),
                    ("TPU_NAME", "jax-0"),
                    ("TPU_PROCESS_ADDRESSES", addresses),
                ]
            };
            let containers = &pod["spec"]["containers"];
            assert_eq!(
                env_of(&containers[0]),
                [&head[..], &tail(first.as_str()), &[("TPU_PROCESS_PORT", "8476")]].concat()
            );
            assert_eq!(
                env_of(&containers[1]),
                [&head[..], &[("TPU_PROCESS_PORT", "9000")], &tail(second.as_str())].concat()
            );
            assert_eq!(env_of(&containers[2]), head);
        }
    }
}
