//! The options of `backend manifest`.

use clap::{ArgMatches, Command};

use super::read::switch;
use super::{UsageError, tree, values};
use crate::desired::ImageRef;
use crate::manifest::{Forward, Variant, Wish};

/// The name of everything, unless another is wished.
const NAME: &str = "docker-assemble-backend";

/// The sidecars' image, as `Dockerfile.sidecar` tells to name it.
const PROXY_IMAGE: &str = "docker-assemble-proxy";

/// The size of a replica's cache.
const STORAGE: &str = "50Gi";

/// Longest name of a StatefulSet: its pods carry a label of it, `-` and a hash of 10 characters,
/// and a label's value has at most 63.
const NAME_LENGTH: usize = 52;

/// Longest DNS label (RFC 1123).
const LABEL_LENGTH: usize = 63;

pub(super) fn command() -> Command {
    tree::leaf("manifest", "Print a manifest of the backend for Kubernetes")
        .after_help(
            "  $ docker assemble backend manifest --kubernetes --proxy-image registry.example/proxy | kubectl apply -f -",
        )
        .arg(tree::ports("Let builds reach this port of the node as localhost:PORT; 0 for none (default 5000)"))
        .arg(tree::hosts("Let builds reach a port of a service or of another host as localhost:PORT, as 5000=registry.default.svc:5000"))
        .arg(
            tree::option("image", "string", "BuildKit image to run (default \"moby/buildkit:buildx-stable-1\", with --rootless \"moby/buildkit:buildx-stable-1-rootless\")")
                .value_parser(values::image),
        )
        .arg(tree::switch("kubernetes", None, "Print a manifest for Kubernetes (needed: the only kind there is)"))
        .arg(
            tree::option("name", "string", "Name of all objects and of the builder (default \"docker-assemble-backend\")")
                .value_parser(name),
        )
        .arg(
            tree::option("namespace", "string", "Namespace of all objects (default: where kubectl points)")
                .value_parser(namespace),
        )
        .arg(tree::switch("privileged", None, "Run BuildKit privileged (the default)"))
        .arg(
            tree::option("proxy-image", "string", "Image of the containers that forward ports, for the nodes to pull (default \"docker-assemble-proxy\")")
                .value_parser(values::image),
        )
        .arg(tree::switch("rootless", None, "Run BuildKit without root; needs Kubernetes 1.30"))
        .arg(
            tree::option("storage", "quantity", "Size of each replica's cache, as Kubernetes writes it (default \"50Gi\")")
                .value_parser(quantity),
        )
}

/// Reads the options; the forwards were read by the caller.
pub(super) fn read(
    tree: &Command,
    path: &[&str],
    matches: &ArgMatches,
    forwards: Vec<Forward>,
) -> Result<Wish, UsageError> {
    if !switch(matches, "kubernetes") {
        return Err(UsageError::option(tree, path, "flag needed: --kubernetes"));
    }
    // Each is the other one's opposite, also when it is given as =false.
    let said = |name| matches.get_one::<bool>(name).copied();
    let rootless = said("rootless").unwrap_or_else(|| said("privileged") == Some(false));
    if said("privileged") == Some(rootless) {
        let words = "conflicting options: --privileged and --rootless exclude each other";
        return Err(UsageError::option(tree, path, words));
    }
    let text = |name, usual: &str| matches.get_one::<String>(name).map_or(usual, String::as_str).to_owned();
    Ok(Wish {
        name: text("name", NAME),
        namespace: matches.get_one("namespace").cloned(),
        variant: if rootless { Variant::Rootless } else { Variant::Privileged },
        image: matches.get_one("image").cloned(),
        proxy_image: matches
            .get_one("proxy-image")
            .cloned()
            .unwrap_or_else(|| ImageRef(PROXY_IMAGE.to_owned())),
        storage: text("storage", STORAGE),
        forwards,
    })
}

fn name(text: &str) -> Result<String, String> {
    let lettered = text.starts_with(|first: char| first.is_ascii_lowercase());
    if lettered && is_label(text, NAME_LENGTH) {
        unambiguous(text)
    } else {
        Err("must be small letters, digits and \"-\", beginning with a letter, at most 52".to_owned())
    }
}

fn namespace(text: &str) -> Result<String, String> {
    if is_label(text, LABEL_LENGTH) {
        unambiguous(text)
    } else {
        Err("must be the name of a namespace (small letters, digits and \"-\", at most 63)".to_owned())
    }
}

/// Refuses what `kubectl` would take for a truth value: it reads YAML 1.1, where these need quotes
/// that a writer of YAML 1.2 does not set.
fn unambiguous(text: &str) -> Result<String, String> {
    if matches!(text, "y" | "n" | "yes" | "no" | "on" | "off") {
        Err("is a truth value in YAML and no name".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

/// RFC 1123, as Kubernetes has it.
fn is_label(text: &str, longest: usize) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=longest).contains(&text.len())
        && text.bytes().all(fits)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// A size of more than nothing in the spelling of Kubernetes: `50Gi`, `1.5T`, `1000000000`.
fn quantity(text: &str) -> Result<String, String> {
    const UNITS: [&str; 12] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "k", "M", "G", "T", "P"];
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let positive = number.parse::<f64>().is_ok_and(|number| number > 0.0);
    if positive && UNITS.contains(&unit) {
        Ok(text.to_owned())
    } else {
        Err("must be a size such as 50Gi or 1Ti".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_a_cluster_takes() {
        for good in ["a", "builders-2", &"x".repeat(52)] {
            assert!(name(good).is_ok(), "{good}");
        }
        for bad in ["", "2a", "-a", "a-", "A", "a.b", "a_b", "a b", "é", &"x".repeat(53)] {
            assert!(name(bad).is_err(), "{bad}");
        }
        assert!(name("no").unwrap_err().contains("truth value") && namespace("on").is_err());
        assert!(namespace("2a").is_ok() && namespace(&"x".repeat(63)).is_ok());
        assert!(namespace(&"x".repeat(64)).is_err() && namespace("a/b").is_err());
    }

    #[test]
    fn quantities_are_sizes_of_more_than_nothing() {
        for good in ["50Gi", "1.5T", "1000000000", "1Ei", "500M"] {
            assert!(quantity(good).is_ok(), "{good}");
        }
        for bad in ["", "0", "0Gi", "Gi", "20gb", "-1Gi", "1 Gi", "1..5Gi", "1e9", "5m", "nan", "inf"] {
            assert!(quantity(bad).is_err(), "{bad}");
        }
    }
}
