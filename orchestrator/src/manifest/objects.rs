//! The objects of Kubernetes, as far as the manifest needs them. Names and shapes are those of
//! its API reference.

use std::collections::BTreeMap;

use serde::Serialize;

type Map = BTreeMap<&'static str, String>;

/// One document of the manifest.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Object<S> {
    pub(super) api_version: &'static str,
    pub(super) kind: &'static str,
    pub(super) metadata: Metadata,
    pub(super) spec: S,
}

#[derive(Default, Serialize)]
pub(super) struct Metadata {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) namespace: Option<String>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(super) labels: Map,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NetworkPolicySpec {
    pub(super) pod_selector: Selector,
    pub(super) policy_types: Vec<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Selector {
    pub(super) match_labels: Map,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StatefulSetSpec {
    pub(super) service_name: String,
    pub(super) replicas: u32,
    pub(super) pod_management_policy: &'static str,
    pub(super) selector: Selector,
    pub(super) template: Template,
    pub(super) volume_claim_templates: Vec<Claim>,
}

#[derive(Serialize)]
pub(super) struct Claim {
    pub(super) metadata: Metadata,
    pub(super) spec: ClaimSpec,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClaimSpec {
    pub(super) access_modes: Vec<&'static str>,
    pub(super) resources: Resources,
}

#[derive(Serialize)]
pub(super) struct Resources {
    pub(super) requests: Map,
}

#[derive(Serialize)]
pub(super) struct Template {
    pub(super) metadata: Metadata,
    pub(super) spec: PodSpec,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodSpec {
    pub(super) automount_service_account_token: bool,
    pub(super) enable_service_links: bool,
    pub(super) termination_grace_period_seconds: u32,
    pub(super) security_context: PodSecurity,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) init_containers: Vec<Container>,
    pub(super) containers: Vec<Container>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodSecurity {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fs_group: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fs_group_change_policy: Option<&'static str>,
    pub(super) sysctls: Vec<Sysctl>,
}

#[derive(Serialize)]
pub(super) struct Sysctl {
    pub(super) name: &'static str,
    pub(super) value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Container {
    pub(super) name: String,
    pub(super) image: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) restart_policy: Option<&'static str>,
    pub(super) args: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) env: Vec<Variable>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resources: Option<Resources>,
    pub(super) security_context: Security,
    pub(super) startup_probe: Probe,
    pub(super) readiness_probe: Probe,
    pub(super) liveness_probe: Probe,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) volume_mounts: Vec<VolumeMount>,
}

/// A variable whose value is a field of the pod.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Variable {
    pub(super) name: &'static str,
    pub(super) value_from: Source,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Source {
    pub(super) field_ref: Field,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Field {
    pub(super) field_path: &'static str,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Security {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) privileged: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) run_as_non_root: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) run_as_user: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) run_as_group: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) allow_privilege_escalation: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) read_only_root_filesystem: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) capabilities: Option<Capabilities>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seccomp_profile: Option<Profile>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) app_armor_profile: Option<Profile>,
}

#[derive(Serialize)]
pub(super) struct Capabilities {
    pub(super) drop: Vec<&'static str>,
}

#[derive(Serialize)]
pub(super) struct Profile {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Probe {
    pub(super) exec: Exec,
    pub(super) period_seconds: u32,
    pub(super) timeout_seconds: u64,
    pub(super) failure_threshold: u32,
}

#[derive(Serialize)]
pub(super) struct Exec {
    pub(super) command: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct VolumeMount {
    pub(super) name: &'static str,
    pub(super) mount_path: &'static str,
}
