//! The environment variables of a pod's containers: LWS's own in front, those for TPUs at the end (upstream
//! `pkg/utils/pod/pod_utils.go` and `pkg/utils/accelerators/tpu.go`, commit 060ab4d).

use super::{Admitted, Denial, PodIdentity, tpu};
use crate::api::keys;
use k8s_openapi::api::core::v1::{Container, EnvVar};

/// Environment of each container of a pod, in the order of its spec.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodEnv {
    /// Of the containers.
    pub containers: Vec<Vec<EnvVar>>,
    /// Of the init containers.
    pub init_containers: Vec<Vec<EnvVar>>,
}

/// Returns the environment of each container of `pod`, which was admitted as `admitted`, or why it is denied.
pub fn env(pod: &PodIdentity<'_>, admitted: &Admitted) -> Result<PodEnv, Denial> {
    let init = pod.spec.init_containers.as_deref().unwrap_or_default();
    if (pod.labels)(keys::NAME).is_none() {
        let own = |containers: &[Container]| containers.iter().map(own_env).collect();
        return Ok(PodEnv { containers: own(&pod.spec.containers), init_containers: own(init) });
    }
    let place = tpu::place(&tpu::Facts::of(pod, admitted))?;
    let tpu_variables =
        place.map(|place| TpuVariables::new(pod, admitted, &place)).unwrap_or_default();
    let lws = lws_variables(pod, admitted)?;
    let full = |containers: &[Container]| {
        containers
            .iter()
            .map(|container| {
                let mut env = own_env(container);
                tpu_variables.add(container, &mut env);
                in_front(lws.iter().cloned(), env)
            })
            .collect()
    };
    Ok(PodEnv { containers: full(&pod.spec.containers), init_containers: full(init) })
}

fn own_env(container: &Container) -> Vec<EnvVar> {
    container.env.clone().unwrap_or_default()
}

fn variable(name: &str, value: String) -> EnvVar {
    EnvVar { name: name.to_owned(), value: Some(value), value_from: None }
}

/// Returns `first` and what `rest` adds to it; of several entries of one name the first stays.
fn in_front(first: impl Iterator<Item = EnvVar>, rest: Vec<EnvVar>) -> Vec<EnvVar> {
    let mut all: Vec<EnvVar> = first.collect();
    for var in rest {
        if !all.iter().any(|known| known.name == var.name) {
            all.push(var);
        }
    }
    all
}

/// Returns the variables that every container of a set's pod gets.
pub(super) fn lws_variables(
    pod: &PodIdentity<'_>,
    admitted: &Admitted,
) -> Result<[EnvVar; 3], Denial> {
    let missing = |what: &str| {
        let (namespace, name) = (pod.namespace, pod.name);
        Denial(format!(
            "Failure constructing environment variables, no {what} found for pod {namespace}/{name}"
        ))
    };
    let set_name = (pod.labels)(keys::NAME).ok_or_else(|| missing("name label"))?;
    let group_index =
        pod.label_after(admitted, keys::GROUP_INDEX).ok_or_else(|| missing("group index label"))?;
    let size = (pod.annotations)(keys::SIZE).ok_or_else(|| missing("size annotation"))?;
    let worker_index = pod
        .label_after(admitted, keys::WORKER_INDEX)
        .ok_or_else(|| missing("worker index label"))?;
    let (subdomain, namespace) = (pod.subdomain_after(admitted), pod.namespace);
    Ok([
        variable(
            keys::ENV_LEADER_ADDRESS,
            format!("{set_name}-{group_index}.{subdomain}.{namespace}"),
        ),
        variable(keys::ENV_GROUP_SIZE, size.to_owned()),
        variable(keys::ENV_WORKER_INDEX, worker_index.to_owned()),
    ])
}

/// Variables of the TPU containers of one pod.
#[derive(Default)]
struct TpuVariables {
    name: String,
    hostnames: String,
    addresses: String,
    /// Name, worker ID and default port of each container that takes part.
    containers: Vec<(String, i128, usize)>,
}

impl TpuVariables {
    fn new(pod: &PodIdentity<'_>, admitted: &Admitted, place: &tpu::Place<'_>) -> Self {
        let subdomain = pod.subdomain_after(admitted);
        let containers: Vec<&Container> =
            tpu::tpu_containers(pod.spec).take(place.containers).collect();
        let ports: Vec<String> = containers
            .iter()
            .enumerate()
            .map(|(index, container)| port(container, tpu::FIRST_PORT + index))
            .collect();
        let leader = place.has_leader.then(|| format!("{}.{subdomain}", place.leader));
        let workers =
            place.workers.clone().map(|worker| format!("{}-{worker}.{subdomain}", place.leader));
        let hosts: Vec<String> = leader.into_iter().chain(workers).collect();
        let each = |is_with_port: bool| -> String {
            let mut all = Vec::with_capacity(hosts.len() * ports.len());
            for host in &hosts {
                all.extend(ports.iter().map(|port| {
                    if is_with_port { format!("{host}:{port}") } else { host.clone() }
                }));
            }
            all.join(",")
        };
        // In 128 bits nothing overflows, whatever the pod's annotations say.
        let first_id = i128::from(place.rank) * containers.len() as i128;
        let identities = containers.iter().enumerate().map(|(index, container)| {
            (container.name.clone(), first_id + index as i128, tpu::FIRST_PORT + index)
        });
        Self {
            name: place.leader.to_owned(),
            hostnames: each(false),
            addresses: each(true),
            containers: identities.collect(),
        }
    }

    /// Adds the variables to the end of `env`, if `container` takes part.
    fn add(&self, container: &Container, env: &mut Vec<EnvVar>) {
        // Names are unique among containers and init containers.
        let Some((_, id, port)) = self.containers.iter().find(|(name, ..)| *name == container.name)
        else {
            return;
        };
        let has_port = env.iter().any(|var| var.name == tpu::PROCESS_PORT);
        env.push(variable(tpu::WORKER_HOSTNAMES, self.hostnames.clone()));
        env.push(variable(tpu::WORKER_ID, id.to_string()));
        env.push(variable(tpu::NAME, self.name.clone()));
        env.push(variable(tpu::PROCESS_ADDRESSES, self.addresses.clone()));
        if !has_port {
            env.push(variable(tpu::PROCESS_PORT, port.to_string()));
        }
    }
}

/// Returns the TPU port of a container: its own, else the default.
fn port(container: &Container, default: usize) -> String {
    let own = container.env.iter().flatten().find(|var| var.name == tpu::PROCESS_PORT);
    own.map_or_else(|| default.to_string(), |var| var.value.clone().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors;
    use k8s_openapi::api::core::v1::PodSpec;
    use serde_json::{Value, json};

    fn spec_of(row: &Value) -> PodSpec {
        let ports =
            row["containers"].as_array().cloned().unwrap_or_else(|| vec![row["user_port"].clone()]);
        let containers: Vec<Value> = ports
            .iter()
            .enumerate()
            .map(|(index, port)| {
                let mut env = Vec::new();
                if let Some(port) = port.as_str() {
                    env.push(json!({"name": "TPU_PROCESS_PORT", "value": port}));
                }
                for (name, value) in row["env_before"].as_object().into_iter().flatten() {
                    env.push(json!({"name": name, "value": value}));
                }
                json!({"name": index.to_string(), "env": env, "resources": {"limits": {"google.com/tpu": "4"}}})
            })
            .collect();
        let field = if row["init_container"] == true { "initContainers" } else { "containers" };
        serde_json::from_value(json!({field: containers})).unwrap()
    }

    /// The TPU variables of the containers of a row, without admission in front.
    fn variables(row: &Value, spec: &PodSpec) -> Result<Option<Vec<Vec<EnvVar>>>, Denial> {
        let text =
            |key: &str| row[key].as_str().map_or_else(|| row[key].to_string(), str::to_owned);
        let (name, size, worker_index) =
            (row["pod"].as_str().unwrap_or_default(), text("size"), text("worker_index"));
        let facts = tpu::Facts {
            pod_name: name,
            worker_index: &worker_index,
            subgroup_index: row["subgroup_index"].as_str().unwrap_or_default(),
            size: &size,
            subgroup_size: row["subgroup_size"].as_str(),
            is_leader_marked: row["leader_tpu"] == true,
            spec,
        };
        let none = |_: &str| None;
        let pod = PodIdentity {
            namespace: "default",
            name,
            subdomain: "default",
            labels: &none,
            annotations: &none,
            spec,
            is_gang: false,
            fixes: crate::controller::Fixes::default(),
        };
        Ok(tpu::place(&facts)?.map(|place| {
            let variables = TpuVariables::new(&pod, &Admitted::default(), &place);
            tpu::tpu_containers(spec)
                .map(|container| {
                    let mut env = own_env(container);
                    variables.add(container, &mut env);
                    env
                })
                .collect()
        }))
    }

    fn check(row: &Value) {
        let spec = spec_of(row);
        let want = &row["want"];
        let env = match variables(row, &spec) {
            Err(_) => return assert_eq!(want, "error", "{row}"),
            Ok(None) => return assert_eq!(want, "unchanged", "{row}"),
            Ok(Some(env)) => env,
        };
        let value = |index: usize, name: &str| {
            let var = env[index].iter().find(|var| var.name == name).unwrap();
            Value::from(var.value.clone().unwrap())
        };
        assert_eq!(value(0, tpu::WORKER_HOSTNAMES), want["hosts"], "{row}");
        assert_eq!(value(0, tpu::NAME), want["tpu_name"], "{row}");
        if !want["addresses"].is_null() {
            assert_eq!(value(0, tpu::PROCESS_ADDRESSES), want["addresses"], "{row}");
        }
        let list = |many: &str, one: &str| {
            want[many].as_array().cloned().unwrap_or_else(|| vec![want[one].clone()])
        };
        for (index, id) in list("worker_ids", "worker_id").iter().enumerate() {
            assert_eq!(value(index, tpu::WORKER_ID), id.to_string(), "{row}");
        }
        for (index, port) in list("ports", "port").iter().enumerate() {
            assert_eq!(value(index, tpu::PROCESS_PORT), port.to_string(), "{row}");
        }
    }

    #[test]
    fn upstreams_tpu_tests_are_answered_the_same() {
        vectors::each("tpu-env.yaml", "no_subgroup", |row: Value| check(&row));
        vectors::each("tpu-env.yaml", "subgroup", |row: Value| check(&row));
    }

    /// A container that asks for TPUs or does not.
    fn container(name: &str, kind: &Value) -> Value {
        let limits = if kind == "tpu" { json!({"google.com/tpu": "4"}) } else { json!({}) };
        json!({"name": name, "resources": {"limits": limits}})
    }

    #[test]
    fn containers_that_ask_for_tpus_are_found_as_upstream_does() {
        let spec = |containers: Vec<Value>, init: Vec<Value>| -> PodSpec {
            serde_json::from_value(json!({"containers": containers, "initContainers": init}))
                .unwrap()
        };
        let listed = |kinds: &Value| -> Vec<Value> {
            let kinds = kinds.as_array().unwrap().iter().enumerate();
            kinds.map(|(index, kind)| container(&index.to_string(), kind)).collect()
        };
        vectors::each("tpu-env.yaml", "tpu_containers", |row: Value| {
            let spec = spec(listed(&row["containers"]), listed(&row["init"]));
            assert_eq!(tpu::tpu_containers(&spec).count(), row["want"], "{row}");
        });
        vectors::each("tpu-env.yaml", "first_tpu_container", |row: Value| {
            let containers = row["containers"].as_object().unwrap();
            let containers = containers.iter().map(|(name, kind)| container(name, kind)).collect();
            let spec = spec(containers, Vec::new());
            let first = tpu::tpu_containers(&spec).next().map(|first| first.name.as_str());
            assert_eq!(first, row["want"].as_str(), "{row}");
        });
        vectors::each("tpu-env.yaml", "pod_requests_tpu", |row: Value| {
            let asks =
                |field: &str| json!({"name": "a", "resources": {field: {"google.com/tpu": "4"}}});
            let spec = match row["where"].as_str().unwrap() {
                "limits of a container" => spec(vec![asks("limits")], Vec::new()),
                "requests only" => spec(vec![asks("requests")], Vec::new()),
                "limits of an init container" => spec(Vec::new(), vec![asks("limits")]),
                "nowhere" => spec(vec![container("a", &Value::Null)], Vec::new()),
                other => panic!("{other}"),
            };
            assert_eq!(tpu::requests_tpus(&spec), row["want"] == true, "{row}");
        });
    }

    #[test]
    fn variables_of_lws_come_first_in_every_container() {
        vectors::each("lws-utils.yaml", "lws_env", |row: Value| {
            let text = |field: &str| row[field].as_str().unwrap().to_owned();
            let own = json!([{"name": "OWN", "value": "1"}]);
            let spec: PodSpec = serde_json::from_value(json!({
                "containers": [{"name": "a", "env": own}, {"name": "b"}], "initContainers": [{"name": "c", "env": own}],
            }))
            .unwrap();
            let labels = [
                (keys::NAME, "test-sample".to_owned()),
                (keys::GROUP_INDEX, text("group")),
                (keys::WORKER_INDEX, text("worker")),
            ];
            let size = row["size"].to_string();
            let namespace = text("namespace");
            let pod = PodIdentity {
                namespace: &namespace,
                name: &format!("test-sample-{}-{}", text("group"), text("worker")),
                subdomain: "test-sample",
                labels: &|key| {
                    labels.iter().find(|(name, _)| *name == key).map(|(_, value)| value.as_str())
                },
                annotations: &|key| (key == keys::SIZE).then_some(size.as_str()),
                spec: &spec,
                is_gang: false,
                fixes: crate::controller::Fixes::default(),
            };
            let all = env(&pod, &Admitted::default()).unwrap();
            for variables in all.containers.iter().chain(&all.init_containers) {
                let first: Vec<(&str, &str)> = variables
                    .iter()
                    .take(3)
                    .map(|var| (var.name.as_str(), var.value.as_deref().unwrap()))
                    .collect();
                let want = |index: usize| row["want"][index].as_str().unwrap();
                let names = ["LWS_LEADER_ADDRESS", "LWS_GROUP_SIZE", "LWS_WORKER_INDEX"];
                let wanted = [0, 1, 2].map(|index| (names[index], want(index)));
                assert_eq!(first, wanted, "{row}");
            }
        });
    }

    #[test]
    fn a_variable_of_the_users_is_found_by_its_whole_name() {
        // The rows ask for PROCESS_PORT; here only TPU_PROCESS_PORT is ever asked for.
        vectors::each("lws-utils.yaml", "env_lookup", |row: Value| {
            let own = row["env"].as_object().unwrap().iter();
            let own: Vec<Value> = own
                .map(|(name, value)| json!({"name": format!("TPU_{name}"), "value": value}))
                .collect();
            let container: Container =
                serde_json::from_value(json!({"name": "a", "env": own})).unwrap();
            let found = row["want"][0] == true;
            let wanted = if found { row["want"][1].as_str().unwrap() } else { "8476" };
            assert_eq!(port(&container, tpu::FIRST_PORT), wanted, "{row}");
        });
    }

    #[test]
    fn pods_ask_for_tpus_in_limits_or_requests_of_any_container() {
        let tpu = |field: &str, count: &str| json!({"name": "a", "resources": {field: {"google.com/tpu": count}}});
        let check = |spec: Value, expected: bool| {
            let spec: PodSpec = serde_json::from_value(spec).unwrap();
            assert_eq!(tpu::requests_tpus(&spec), expected);
        };
        check(json!({"containers": [tpu("limits", "4")]}), true);
        check(json!({"containers": [{"name": "b"}, tpu("requests", "1")]}), true);
        check(json!({"containers": [{"name": "b"}], "initContainers": [tpu("limits", "1")]}), true);
        check(json!({"containers": [tpu("limits", "0")]}), false);
        check(json!({"containers": [{"name": "b"}]}), false);
    }
}
