//! The backend written down for machinery other than this program's engine: a manifest for
//! Kubernetes, the way to more than one machine. **Pure**, and no cluster is asked.

mod objects;
mod pod;
mod words;

pub use words::{KUSTOMIZATION, MANIFEST_FILE, builder_command, builder_notes, text};

use std::collections::BTreeMap;

use crate::desired::{BACKEND_IMAGE, ImageRef, ROOTLESS_BACKEND_IMAGE};
use crate::forward::Forward;
use objects::{Claim, ClaimSpec, Metadata, NetworkPolicySpec, Object, Resources, Selector, StatefulSetSpec};

/// The container of the daemon, which buildx is told to enter.
const DAEMON: &str = "buildkitd";

/// The volume that keeps the cache.
const CACHE: &str = "cache";

/// What the manifest is to describe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The name of all of it: a DNS label that begins with a letter.
    pub name: String,
    /// Where it lives; where `kubectl` points when absent.
    pub namespace: Option<String>,
    /// How many daemons, each with a cache; at least one.
    pub replicas: u32,
    /// What the daemons may do.
    pub variant: Variant,
    /// The daemon's image; that of the variant when absent.
    pub image: Option<ImageRef>,
    /// The sidecars' image, which the nodes must be able to pull.
    pub proxy_image: ImageRef,
    /// The size of each replica's cache, a quantity such as `50Gi`.
    pub storage: String,
    /// What is forwarded, in the order of the ports; empty means nothing. A plain one leads to the same ports
    /// of the node, any other to another host.
    pub forwards: Vec<Forward>,
}

/// What the daemon may do on its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Everything.
    Privileged,
    /// What a user of the node may do, in user namespaces of its own.
    Rootless,
}

impl Variant {
    /// The image that buildx runs, and its rootless sister.
    const fn image(self) -> &'static str {
        match self {
            Self::Privileged => BACKEND_IMAGE,
            Self::Rootless => ROOTLESS_BACKEND_IMAGE,
        }
    }

    /// The oldest Kubernetes that takes the manifest: native sidecars are on from 1.29, and
    /// AppArmor has a field of its own from 1.30.
    const fn oldest(self) -> &'static str {
        match self {
            Self::Privileged => "1.29",
            Self::Rootless => "1.30",
        }
    }
}

/// Ingress to the pod: none. What is sent by it is its builds' business.
fn network_policy(wish: &Wish) -> Object<NetworkPolicySpec> {
    Object {
        api_version: "networking.k8s.io/v1",
        kind: "NetworkPolicy",
        metadata: metadata(wish),
        spec: NetworkPolicySpec {
            pod_selector: Selector { match_labels: selected(wish) },
            policy_types: vec!["Ingress"],
        },
    }
}

/// The daemons, each with a claim for its cache, which outlives its pod.
fn stateful_set(wish: &Wish) -> Object<StatefulSetSpec> {
    Object {
        api_version: "apps/v1",
        kind: "StatefulSet",
        metadata: metadata(wish),
        spec: StatefulSetSpec {
            // Wanted by the API. No such service is made: nobody finds the pods by the network.
            service_name: wish.name.clone(),
            replicas: wish.replicas,
            // Each daemon stands alone, so none waits for another.
            pod_management_policy: "Parallel",
            selector: Selector { match_labels: selected(wish) },
            template: pod::template(wish),
            volume_claim_templates: vec![Claim {
                metadata: Metadata { name: Some(CACHE.to_owned()), ..Metadata::default() },
                spec: ClaimSpec {
                    access_modes: vec!["ReadWriteOnce"],
                    resources: Resources { requests: BTreeMap::from([("storage", wish.storage.clone())]) },
                },
            }],
        },
    }
}

fn metadata(wish: &Wish) -> Metadata {
    Metadata { name: Some(wish.name.clone()), namespace: wish.namespace.clone(), labels: labels(wish) }
}

/// The labels by which the pods are told from all others.
fn selected(wish: &Wish) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("app.kubernetes.io/name", "docker-assemble-backend".to_owned()),
        ("app.kubernetes.io/instance", wish.name.clone()),
    ])
}

fn labels(wish: &Wish) -> BTreeMap<&'static str, String> {
    let mut labels = selected(wish);
    labels.insert("app.kubernetes.io/managed-by", "docker-assemble".to_owned());
    labels
}
