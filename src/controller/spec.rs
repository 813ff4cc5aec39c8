//! Reads of a set's spec with the schema's defaults filled in.
//!
//! Upstream dereferences these fields and crashes on an object that skipped defaulting (B25).
//!
//! # Differs from the real thing
//!
//! A set without defaults is read as if it had them instead of failing the pass.

use crate::api::Uid;
use crate::api::lws::{LeaderWorkerSet, LeaderWorkerTemplate, NetworkConfig};

/// Value of `subdomainPolicy` where each group has a Service of its own.
pub(super) const UNIQUE_PER_REPLICA: &str = "UniquePerReplica";

/// Returns the name of the set.
pub(super) fn name(lws: &LeaderWorkerSet) -> &str {
    lws.metadata.name.as_deref().unwrap_or_default()
}

/// Returns the namespace of the set.
pub(super) fn namespace(lws: &LeaderWorkerSet) -> &str {
    lws.metadata.namespace.as_deref().unwrap_or_default()
}

/// Returns the UID of the set; zero for an object that was never stored.
pub(super) fn uid(lws: &LeaderWorkerSet) -> Uid {
    lws.metadata.uid.as_deref().and_then(|uid| uid.parse().ok()).unwrap_or_default()
}

/// Returns the number of groups that the user wants.
pub(super) fn replicas(lws: &LeaderWorkerSet) -> i32 {
    lws.spec.replicas.unwrap_or(1)
}

/// Returns the number of pods in a group.
pub(super) fn size(template: &LeaderWorkerTemplate) -> i32 {
    template.size.unwrap_or(1)
}

/// Returns whether each group has a Service of its own.
pub(super) fn is_unique_per_replica(network_config: Option<&NetworkConfig>) -> bool {
    network_config.and_then(|config| config.subdomain_policy.as_deref()) == Some(UNIQUE_PER_REPLICA)
}

/// Returns an annotation of the set, `None` where absent.
pub(super) fn annotation<'a>(lws: &'a LeaderWorkerSet, key: &str) -> Option<&'a str> {
    lws.metadata.annotations.as_ref()?.get(key).map(String::as_str)
}
