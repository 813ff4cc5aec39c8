//! Admission of a full Kubernetes pod, as live mode and exports need it.

use super::{Denial, ExclusiveTerm, GROUP_NAME, PodIdentity, admit, env};
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
