//! Upstream's integration suite of the LWS controller, replayed as data.
//!
//! As in the original there is no StatefulSet controller: the script makes and removes leader pods itself.

use super::model::{NAME, World, sample, template};
use super::observed::Phase;
use super::{AVAILABLE, PROGRESSING, UPDATE_IN_PROGRESS};
use crate::api::lws::{LeaderWorkerSetStatus, NetworkConfig};
use crate::vectors;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::ops::Range;

/// Cases about PodGroups, which the controller does not make.
const GANG: [&str; 2] = ["IT-CTL-052", "IT-CTL-053"];

#[derive(Deserialize)]
struct Case {
    id: String,
    lws: Map<String, Value>,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    /// What the script does; a line like `set: {replicas: 3}` or a bare word.
    #[serde(rename = "do")]
    actions: Vec<Value>,
    expect: Map<String, Value>,
}

/// The script's view of one case.
struct Script {
    world: World,
    /// Key of the spec as the step found it: leaders made in a step carry it, even after a `set`.
    key_before: String,
}

impl Script {
    fn new(fields: &Map<String, Value>) -> Self {
        let mut world = World::new(sample(2));
        for (field, value) in fields {
            set(&mut world, field, value);
        }
        world.lws.metadata.generation = Some(1);
        let key_before = world.spec_key();
        let mut script = Self { world, key_before };
        script.world.settle_alone();
        script.add_leaders(0..script.world.replicas());
        script.world.settle_alone();
        script
    }

    fn step(&mut self, actions: &[Value]) {
        self.key_before = self.world.spec_key();
        for action in actions {
            match action {
                Value::String(line) => self.act(line),
                Value::Object(map) => {
                    map.iter().for_each(|(verb, value)| self.act(&format!("{verb}: {value}")));
                }
                other => panic!("{other}"),
            }
            self.world.settle_alone();
        }
    }

    fn act(&mut self, line: &str) {
        let world = &mut self.world;
        if let Some(fields) = line.strip_prefix("set: ") {
            let fields: Map<String, Value> = serde_yaml::from_str(fields).unwrap();
            fields.iter().for_each(|(field, value)| set(world, field, value));
            return;
        }
        if let Some((verb, arguments)) =
            line.strip_suffix(')').and_then(|call| call.split_once('('))
        {
            return self.call(verb, arguments);
        }
        match line {
            "drop_excess" => {
                let excess = world.replicas()..i32::MAX;
                self.drop_leaders(excess);
            }
            "delete StatefulSet test-sample-0" => drop(world.workers.remove(&0)),
            "delete StatefulSet test-sample" => world.set = None,
            "delete Service test-sample" => world.has_service = false,
            "scale subresource := 3" => drop(world.edit(|spec| spec.replicas = Some(3))),
            "status.conditions := []" => world.lws.status.as_mut().unwrap().conditions.clear(),
            "label template-revision-hash of the leader StatefulSet := template-hash" => {
                "template-hash".clone_into(&mut world.set.as_mut().unwrap().key);
            }
            "pod test-sample-0-2 Pending" => {
                world.worker_pods.get_mut(&(0, 2)).unwrap().phase = Phase::Pending;
            }
            "all 4 pods Running" => {
                world.leaders.get_mut(&0).unwrap().phase = Phase::Running;
                world.worker_pods.values_mut().for_each(|pod| pod.phase = Phase::Running);
            }
            "delete one worker pod"
            | "delete worker pod test-sample-0-1"
            | "delete first worker pod W" => {
                self.delete_workers(0, 1);
            }
            "delete one worker pod of group 3" => self.delete_workers(3, 1),
            "delete the old worker pods of group 3" => self.delete_workers(3, usize::MAX),
            other => panic!("unknown action {other}"),
        }
    }

    fn call(&mut self, verb: &str, arguments: &str) {
        let range = |text: &str| -> Range<i32> {
            let (from, to) = text.split_once("..").unwrap();
            from.parse().unwrap()..to.parse().unwrap()
        };
        match verb {
            "ready_all" => {
                (0..arguments.parse().unwrap()).for_each(|group| self.ready_group(group));
            }
            "ready_group" => self.ready_group(arguments.parse().unwrap()),
            "ready_leaders" => range(arguments).for_each(|group| self.ready_leader(group)),
            "unready_group" => {
                let workers = self.world.workers.get_mut(&arguments.parse().unwrap()).unwrap();
                workers.is_on_one_revision = false;
            }
            "leaders" => self.add_leaders(range(arguments)),
            "leaders_rev" => {
                let (groups, number) = arguments.split_once(", ").unwrap();
                let number: i64 = number.parse().unwrap();
                let revision =
                    self.world.revisions.iter().find(|revision| revision.number == number).unwrap();
                let key = revision.key.to_string();
                range(groups).for_each(|group| self.world.add_leader(group, key.clone()));
            }
            "drop_leaders" => self.drop_leaders(range(arguments)),
            "workers" => self.world.add_workers(arguments.parse().unwrap()),
            other => panic!("unknown action {other}({arguments})"),
        }
    }

    fn add_leaders(&mut self, groups: Range<i32>) {
        groups.for_each(|group| self.world.add_leader(group, self.key_before.clone()));
    }

    fn drop_leaders(&mut self, groups: Range<i32>) {
        let doomed: Vec<i32> = self.world.leaders.range(groups).map(|(group, _)| *group).collect();
        for group in doomed {
            self.world.remove_leader(group);
        }
    }

    fn ready_leader(&mut self, group: i32) {
        let key = self.world.set().key.clone();
        let leader = self.world.leaders.get_mut(&group).unwrap();
        leader.key = key;
        leader.phase = Phase::Running;
        leader.is_ready = true;
    }

    fn ready_group(&mut self, group: i32) {
        self.world.settle_alone();
        assert!(self.world.workers.contains_key(&group), "group {group} has no workers");
        self.ready_leader(group);
        self.world.workers.remove(&group);
        self.world.settle_alone();
        let workers = self.world.workers.get_mut(&group).unwrap();
        workers.available = workers.replicas;
        workers.is_on_one_revision = true;
        self.world.settle_alone();
    }

    /// Deletes the first `count` worker pods of a group: they terminate, the controller looks, they are gone.
    fn delete_workers(&mut self, group: i32, count: usize) {
        let doomed: Vec<_> = self
            .world
            .worker_pods
            .range((group, 0)..(group + 1, 0))
            .map(|(id, _)| *id)
            .take(count)
            .collect();
        for id in &doomed {
            self.world.worker_pods.get_mut(id).unwrap().is_deleting = true;
        }
        self.world.pod_passes();
        self.world.worker_pods.retain(|id, _| !doomed.contains(id));
    }

    fn expect(&self, key: &str, expected: &Value) {
        let world = &self.world;
        if let Some(number) = self.number(key) {
            assert_eq!(Some(number), expected.as_i64());
            return;
        }
        let groups = || -> Vec<i32> { serde_json::from_value(expected.clone()).unwrap() };
        let updated_groups = || -> Vec<i32> {
            let key = world.spec_key();
            groups().into_iter().filter(|group| world.workers[group].key == key).collect()
        };
        match key {
            "cond" => self.expect_conditions(expected, |status| status == Some("True")),
            "not_cond" => self.expect_conditions(expected, |status| status == Some("False")),
            "absent_or_false" => self.expect_conditions(expected, |status| status != Some("True")),
            "workers" => self.expect_workers(),
            "events" => {
                for event in expected.as_array().unwrap() {
                    self.expect_event(event.as_str().unwrap());
                }
            }
            "leader_deleting" => match expected {
                Value::Bool(is_deleting) => assert_eq!(world.leaders[&0].is_deleting, *is_deleting),
                group => assert!(world.leaders[&number(group)].is_deleting),
            },
            "never" => match expected.as_str().unwrap() {
                "leader 3 deleting" => assert!(!world.leaders[&3].is_deleting),
                "any worker StatefulSet" => assert!(world.workers.is_empty()),
                other => panic!("unknown expectation {other}"),
            },
            "worker_updated" => assert_eq!(updated_groups(), groups()),
            "worker_not_updated" => assert!(updated_groups().is_empty()),
            "worker_sts_exist" => {
                assert!(groups().iter().all(|group| world.workers.contains_key(group)));
            }
            "worker_sts_never" => {
                assert!(!groups().iter().any(|group| world.workers.contains_key(group)));
            }
            "worker_sts_0" => {
                let workers = &world.workers[&0];
                assert_eq!(workers.replicas, number(&expected["replicas"]));
                assert_eq!(workers.size_annotation, expected["size_annotation"].as_str().unwrap());
            }
            "scale_status_replicas" => {
                assert_eq!(self.number("leaders"), Some(i64::from(self.status().replicas)));
            }
            "hpaPodSelector" => {
                assert_eq!(self.status().hpa_pod_selector, expected.as_str().unwrap());
            }
            "revision_with_key_exists" => assert!(self.has_revision(expected.as_str().unwrap())),
            other => panic!("unknown expectation {other}"),
        }
    }

    /// Returns the value that an expectation of a number is about.
    fn number(&self, key: &str) -> Option<i64> {
        let world = &self.world;
        let length = |length: usize| i64::try_from(length).unwrap();
        Some(match key {
            "sts" => {
                let set = world.set();
                assert_eq!(set.replicas_annotation, world.replicas().to_string());
                assert!(self.has_revision(&set.key), "no revision {}", set.key);
                set.replicas.into()
            }
            "part" => world.set().partition.into(),
            "ready" => self.status().ready_replicas.into(),
            "updated" => self.status().updated_replicas.into(),
            "rev" => length(world.revisions.len()),
            "svc" => length(world.group_services.len() + usize::from(world.has_service)),
            "statefulsets_total" => length(1 + world.workers.len()),
            "leaders" => length(world.leaders.len()),
            "worker_pods" => length(world.worker_pods.len()),
            "scale_spec_replicas" | "spec_replicas" => world.replicas().into(),
            _ => return None,
        })
    }

    fn status(&self) -> &LeaderWorkerSetStatus {
        self.world.lws.status.as_ref().unwrap()
    }

    fn has_revision(&self, key: &str) -> bool {
        self.world.revisions.iter().any(|revision| *revision.key == *key)
    }

    fn expect_conditions(&self, letters: &Value, is_met: impl Fn(Option<&str>) -> bool) {
        for letter in letters.as_array().unwrap() {
            let type_ = match letter.as_str().unwrap() {
                "A" => AVAILABLE,
                "P" => PROGRESSING,
                "U" => UPDATE_IN_PROGRESS,
                other => panic!("unknown condition {other}"),
            };
            let status = self.world.condition(type_);
            assert!(is_met(status), "{type_} is {status:?}");
        }
    }

    fn expect_workers(&self) {
        let world = &self.world;
        if world.size() == 1 {
            assert!(world.workers.is_empty());
            return;
        }
        let groups: BTreeSet<i32> = world.workers.keys().copied().collect();
        assert_eq!(groups, (0..world.set().replicas).collect(), "groups with a worker StatefulSet");
        for workers in world.workers.values() {
            assert_eq!((&*workers.key, workers.replicas), (&*world.set().key, world.size() - 1));
        }
    }

    /// Looks for an event like `Normal/AllGroupsReady: All replicas are ready`.
    fn expect_event(&self, expected: &str) {
        let expected = expected.replace("pod W ", &format!("pod {NAME}-0-1 "));
        let drawn = self.world.events.iter().map(|event| {
            format!(
                "{}/{}: {}",
                if event.is_warning { "Warning" } else { "Normal" },
                event.reason,
                event.note
            )
        });
        let drawn: Vec<String> = drawn.collect();
        assert!(drawn.contains(&expected), "{expected} is not among {drawn:#?}");
    }
}

fn number(value: &Value) -> i32 {
    i32::try_from(value.as_i64().unwrap()).unwrap()
}

/// Sets one field of the set, named as the vectors name it.
fn set(world: &mut World, field: &str, value: &Value) {
    let text = || value.as_str().unwrap().to_owned();
    let number = || number(value);
    match field {
        "replicas" => drop(world.edit(|spec| spec.replicas = Some(number()))),
        "size" => drop(world.edit(|spec| spec.leader_worker_template.size = Some(number()))),
        "restartPolicy" => {
            drop(world.edit(|spec| spec.leader_worker_template.restart_policy = Some(text())));
        }
        "startupPolicy" => drop(world.edit(|spec| spec.startup_policy = Some(text()))),
        "subdomainPolicy" => {
            world.edit(|spec| {
                spec.network_config = Some(NetworkConfig { subdomain_policy: Some(text()) });
            });
        }
        "worker_name" | "worker_image" => {
            let (name, image) = if field == "worker_name" {
                (text(), "v1".to_owned())
            } else {
                ("worker".to_owned(), text())
            };
            world
                .edit(|spec| spec.leader_worker_template.worker_template = template(&name, &image));
        }
        "leader_name" => {
            world.edit(|spec| {
                spec.leader_worker_template.leader_template = Some(template(&text(), "v1"));
            });
        }
        "partition" => world.edit_rollout(|rolling| rolling.partition = Some(number())),
        "maxUnavailable" => {
            world
                .edit_rollout(|rolling| rolling.max_unavailable = Some(IntOrString::Int(number())));
        }
        "maxSurge" => {
            world.edit_rollout(|rolling| rolling.max_surge = Some(IntOrString::Int(number())));
        }
        "annotations" => {
            world.lws.metadata.annotations = serde_json::from_value(value.clone()).unwrap();
        }
        other => panic!("unknown field {other}"),
    }
}

#[test]
fn the_controller_does_what_the_upstream_suite_expects() {
    let mut cases = 0;
    vectors::each("lws-controller-traces.yaml", "", |case: Case| {
        cases += 1;
        if GANG.contains(&&*case.id) {
            return;
        }
        let mut script = Script::new(&case.lws);
        for (number, step) in case.steps.iter().enumerate() {
            script.step(&step.actions);
            for (key, expected) in &step.expect {
                let check = std::panic::AssertUnwindSafe(|| script.expect(key, expected));
                assert!(
                    std::panic::catch_unwind(check).is_ok(),
                    "{} step {number} {key}: {expected}",
                    case.id
                );
            }
        }
    });
    assert_eq!(cases, 53);
}
