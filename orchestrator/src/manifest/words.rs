//! The manifest as a text, with what a person who applies it has to know.

use serde::Serialize;

use super::{DAEMON, Wish, network_policy, stateful_set};

/// What the manifest is called beside a kustomization.
pub const MANIFEST_FILE: &str = "backend.yaml";

/// A kustomization of the manifest as it is.
pub const KUSTOMIZATION: &str = "\
# Yours to change: 'docker assemble backend manifest --kustomize' writes backend.yaml anew, and this once.
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
- backend.yaml
";

/// The manifest, ready for `kubectl apply -f -`.
#[must_use]
pub fn text(wish: &Wish) -> String {
    let documents = [
        (
            "Nothing may connect to the pods; builds are sent to them through the API server. What they\n\
             send is not limited, since builds fetch and push where they like.",
            yaml(&network_policy(wish)),
        ),
        (
            "One daemon for each replica, with a volume of its own for the cache and one sidecar for each\n\
             port or range of ports.",
            yaml(&stateful_set(wish)),
        ),
    ];
    let mut text = comment(&header(wish));
    for (why, document) in documents {
        text.push_str("---\n");
        text.push_str(&comment(why));
        text.push_str(&document);
    }
    text
}

/// The command that makes all of the daemons one builder of buildx.
#[must_use]
pub fn builder_command(wish: &Wish) -> String {
    let Wish { name, namespace, replicas, storage, .. } = wish;
    let in_namespace = |before| namespace.iter().map(|name| format!("{before}namespace={name}")).collect();
    if *replicas == 1 {
        // For these addresses buildx runs `kubectl exec`.
        let namespace: String = in_namespace('&');
        format!(
            "docker buildx create --name {name} --driver remote --use \
             'kube-pod://{name}-0?container={DAEMON}{namespace}'"
        )
    } else {
        // Of several remote nodes of one platform buildx only ever uses the first. Its kubernetes driver
        // spreads builds over the pods of a set, and takes a set for its own that is called as the node;
        // it looks for a set and not for a deployment where it is told of a claim.
        let namespace: String = in_namespace(',');
        format!(
            "docker buildx create --name {name} --node {name} --driver kubernetes --use \
             --driver-opt persistent-volume-claim.requests.storage={storage}{namespace}"
        )
    }
}

/// What to know before the builder is used; empty where that is nothing.
#[must_use]
pub const fn builder_notes(wish: &Wish) -> &'static str {
    match wish.replicas {
        1 => "",
        _ => {
            "It needs buildx 0.34 or later. Builds of one directory go to one replica, for its cache; with\n\
             ',loadbalance=random' behind the last option each build goes to any of them. To remove the\n\
             builder alone, use 'docker buildx rm --keep-daemon': without that the daemons go too.\n"
        }
    }
}

fn header(wish: &Wish) -> String {
    let mut text = format!(
        "BuildKit for Kubernetes {} and later, made by docker assemble v{}. Apply it and build:\n\n\
         \x20 {}\n\
         \x20 docker buildx build ...\n",
        wish.variant.oldest(),
        env!("CARGO_PKG_VERSION"),
        builder_command(wish),
    );
    if wish.replicas > 1 {
        text.push_str(&format!("\n{}", builder_notes(wish)));
    }
    let (named, plain): (Vec<_>, Vec<_>) = wish.forwards.iter().partition(|forward| !forward.is_plain());
    if !plain.is_empty() {
        text.push_str(
            "\nIn the pod and in RUN steps localhost:PORT is that port of the node the pod is on: a host\n\
             port, a node port or a service of the node itself, as long as it does not listen on\n\
             127.0.0.1 alone.\n",
        );
    }
    for forward in named {
        let (ports, mut to) = (forward.ports, forward.mapping().target().to_string());
        if !ports.is_one() {
            to.push_str(&format!("-{}", forward.outside().last()));
        }
        text.push_str(&format!("\nlocalhost:{ports} is {to}, by the name service of the pod.\n"));
    }
    if !wish.forwards.is_empty() {
        text.push_str(&format!(
            "\nThe nodes must be able to pull \"{}\",\nwhich Dockerfile.sidecar builds.\n",
            wish.proxy_image
        ));
    }
    text
}

fn comment(text: &str) -> String {
    text.lines().map(|line| format!("# {line}").trim_end().to_owned() + "\n").collect()
}

fn yaml(object: &impl Serialize) -> String {
    // A tree of plain values always has a form.
    serde_norway::to_string(object).unwrap_or_default()
}
