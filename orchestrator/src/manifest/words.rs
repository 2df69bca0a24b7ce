//! The manifest as a text, with what a person who applies it has to know.

use serde::Serialize;

use super::{DAEMON, Wish, network_policy, stateful_set};

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

/// The command that makes the first daemon a builder of buildx.
#[must_use]
pub fn builder_command(wish: &Wish) -> String {
    format!("docker buildx create --name {} --driver remote --use '{}'", wish.name, address(wish, 0))
}

/// Where buildx finds a replica: BuildKit's `kube-pod` addresses, for which it runs `kubectl exec`.
fn address(wish: &Wish, replica: u32) -> String {
    let namespace = wish.namespace.as_ref().map(|name| format!("&namespace={name}")).unwrap_or_default();
    format!("kube-pod://{}-{replica}?container={DAEMON}{namespace}", wish.name)
}

fn header(wish: &Wish) -> String {
    let (name, version) = (&wish.name, env!("CARGO_PKG_VERSION"));
    let namespace = wish.namespace.as_ref().map(|name| format!(" --namespace {name}")).unwrap_or_default();
    let mut text = format!(
        "BuildKit for Kubernetes {} and later, made by docker assemble v{version}. Apply it and build:\n\n\
         \x20 {}\n\
         \x20 docker buildx build ...\n\n\
         Each further replica is a builder of its own, with a cache of its own:\n\n\
         \x20 kubectl{namespace} scale statefulset/{name} --replicas 2\n\
         \x20 docker buildx create --name {name}-1 --driver remote '{}'\n",
        wish.variant.oldest(),
        builder_command(wish),
        address(wish, 1),
    );
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
