//! What runs: manifests, changes to them, and how their pods start and end.

use super::values::{DistributionSpec, Duration, Size};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// A manifest, how its pods start, and what is changed of it.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkloadSpec {
    /// The file that `kubectl apply` would get, relative to the scenario.
    pub manifest: String,
    /// Name for paths of variants. Default: the names of the objects in the manifest.
    pub name: Option<String>,
    /// How its pods start and end: the name of a profile or a profile. Default: `instant`.
    #[serde(default)]
    pub profile: ProfileChoice,
    /// Namespace of its objects. Default: what the manifest says, else `default`.
    pub namespace: Option<String>,
    /// Groups, for `spec.replicas` of its LeaderWorkerSet.
    pub replicas: Option<i32>,
    /// Pods of a group, for `spec.leaderWorkerTemplate.size`.
    pub size: Option<i32>,
    /// Image of all of its containers.
    pub image: Option<String>,
    /// For `spec.leaderWorkerTemplate.restartPolicy`.
    pub restart_policy: Option<String>,
    /// For `spec.startupPolicy`.
    pub startup_policy: Option<String>,
    /// For `spec.rolloutStrategy.rollingUpdateConfiguration`.
    pub rollout: Option<RolloutSpec>,
    /// Annotations of its LeaderWorkerSet.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// A JSON merge patch on its LeaderWorkerSet or StatefulSet, applied last.
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    pub patch: Option<serde_json::Value>,
}

/// The budget of a rolling update.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RolloutSpec {
    /// Groups below this index keep the old revision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<i32>,
    /// Groups that may be down: a number or a percentage of the replicas.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<NumberOrPercent>")]
    pub max_unavailable: Option<IntOrString>,
    /// Extra groups: a number or a percentage of the replicas.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<NumberOrPercent>")]
    pub max_surge: Option<IntOrString>,
}

/// Only for the schema.
struct NumberOrPercent;

impl JsonSchema for NumberOrPercent {
    fn schema_name() -> Cow<'static, str> {
        "NumberOrPercent".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9]+%$"}]})
    }
}

/// The name of a profile, or a profile.
#[derive(Clone, Debug, PartialEq)]
pub enum ProfileChoice {
    /// One of the scenario's profiles, or a built-in one.
    Named(String),
    /// This one.
    Inline(Box<ProfileSpec>),
}

impl Default for ProfileChoice {
    fn default() -> Self {
        Self::Named("instant".to_owned())
    }
}

impl<'de> Deserialize<'de> for ProfileChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ProfileVisitor)
    }
}

struct ProfileVisitor;

impl<'de> Visitor<'de> for ProfileVisitor {
    type Value = ProfileChoice;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the name of a profile or a profile")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<ProfileChoice, E> {
        Ok(ProfileChoice::Named(name.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<ProfileChoice, A::Error> {
        let profile = ProfileSpec::deserialize(MapAccessDeserializer::new(access))?;
        Ok(ProfileChoice::Inline(Box::new(profile)))
    }
}

impl JsonSchema for ProfileChoice {
    fn schema_name() -> Cow<'static, str> {
        "ProfileChoice".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let profile = generator.subschema_for::<ProfileSpec>();
        json_schema!({"anyOf": [{"type": "string"}, profile]})
    }
}

/// How pods start and end.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProfileSpec {
    /// What it describes and where its numbers come from.
    pub about: String,
    /// Stages of the start. A pod is ready when all have ended and its readiness probe has seen it. Without stages it is
    /// ready as soon as its containers run.
    pub stages: Vec<StageSpec>,
    /// Time from SIGTERM to the end of a container; cut at the grace period. Default: `1s`, an assumption.
    pub stop: Option<DistributionSpec<Duration>>,
    /// Time after which a container that has met its group exits when another pod of the group is lost, as engines do
    /// whose collectives time out. Default: it goes on, and its group never meets again.
    pub peer_loss: Option<DistributionSpec<Duration>>,
}

/// One stage of a pod's start. It takes a time (`takes`) or moves bytes (`transfer`).
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StageSpec {
    /// Name, unique within the profile.
    pub name: String,
    /// Stages that must have ended first. Default: the one before it in the list; `[]` for none.
    pub after: Option<Vec<String>>,
    /// `pull` for fetching the image, `load` for all that comes later. Default: `load`.
    #[serde(default)]
    pub kind: StageKindSpec,
    /// Which pods of a group run it. Default: `all`.
    #[serde(default)]
    pub by: MembersSpec,
    /// Whether it begins only when all pods of the group that run it have reached it, and then takes the same time for
    /// all of them. Default: false.
    #[serde(default)]
    pub waits_for_group: bool,
    /// How long a pod waits for its group here before its container exits. Default: for ever.
    pub group_timeout: Option<Duration>,
    /// The time that it takes.
    pub takes: Option<DistributionSpec<Duration>>,
    /// The bytes that it moves.
    pub transfer: Option<TransferSpec>,
    /// Where its result is kept, so that the next pod need not do it again.
    pub cache: Option<CacheSpec>,
}

/// What a stage is, for phases and pictures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum StageKindSpec {
    /// Fetching the image.
    Pull,
    /// Anything between image and readiness.
    #[default]
    Load,
}

/// Which pods of a group run a stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum MembersSpec {
    /// All.
    #[default]
    All,
    /// The leader.
    Leader,
    /// The workers.
    Workers,
}

/// Bytes over shared links.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TransferSpec {
    /// Bytes for each pod.
    pub size: Size,
    /// Where they come from.
    pub from: SourceSpec,
    /// Bytes per second that one transfer reaches alone on idle links.
    pub rate: DistributionSpec<Size>,
}

/// Where bytes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum SourceSpec {
    /// The image registry; `control.registryRate` is shared.
    Registry,
    /// An object store or model hub; `control.objectStoreRate` is shared.
    ObjectStore,
    /// A shared file system; `control.nfsRate` is shared.
    Nfs,
    /// The node's own disk; `control.diskRate` is shared by the pods of the node.
    NodeDisk,
}

/// Where the result of a stage is kept on the node.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CacheSpec {
    /// What is kept: stages with equal keys share it. Default: the image of the pod's first container.
    pub key: Option<String>,
    /// What the stage takes when it is there.
    pub hit: Hit,
    /// Whether it is lost when the node restarts, as a page cache is. Default: false, as a disk keeps it.
    #[serde(default)]
    pub volatile: bool,
}

/// What a stage takes when its result is kept.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Hit {
    /// A time.
    Takes(DistributionSpec<Duration>),
    /// Bytes over shared links.
    Transfer(TransferSpec),
}
