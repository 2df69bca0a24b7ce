//! The options of `backend manifest`.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use docker_plugin::cli::values::boolean;
use docker_plugin::cli::{Completes, Refusal};
use explained::Explained;

use crate::commands::complete::images;
use crate::commands::forwards::{self, HOSTS, PORTS, Words, merged, texts};
use crate::commands::values::image;
use crate::desired::{BACKEND_IMAGE, ImageRef, ROOTLESS_BACKEND_IMAGE};
use crate::forward::Forward;
use crate::forward::asked::{self, Asked, Destination, Known, Word};
use crate::manifest::{Variant, Wish};

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

/// Print a manifest of the backend for Kubernetes
#[derive(Args)]
#[command(
    after_help = "  $ docker assemble backend manifest --kubernetes --proxy-image registry.example/proxy | kubectl apply -f -"
)]
pub(in crate::commands) struct Options {
    /// Let builds reach this port of the node as localhost:PORT; 0 for none (default 5000)
    #[arg(long, value_name = "list", value_parser = asked::ports, add = Completes(forwards::complete))]
    allow_host_port: Option<Vec<Words>>,

    /// Let builds reach a port of a service or of another host as localhost:PORT, as
    /// 5000=registry.default.svc:5000
    #[arg(long, value_name = "port=host:port", value_parser = asked::hosts)]
    forward: Option<Vec<Words>>,

    #[arg(long, value_name = "string", value_parser = image, add = Completes(images), help = format!(
        "BuildKit image to run (default \"{BACKEND_IMAGE}\", with --rootless \"{ROOTLESS_BACKEND_IMAGE}\")"
    ))]
    image: Option<ImageRef>,

    /// Print a manifest for Kubernetes (needed without --kustomize: the only kind there is)
    #[arg(long)]
    kubernetes: bool,

    /// Write the manifest into this directory, for kustomize
    #[arg(long, value_name = "directory", value_hint = ValueHint::DirPath)]
    kustomize: Option<PathBuf>,

    /// Name of all objects and of the builder (default "docker-assemble-backend")
    #[arg(long, value_name = "string", value_parser = name)]
    name: Option<String>,

    /// Namespace of all objects (default: where kubectl points)
    #[arg(long, value_name = "string", value_parser = namespace)]
    namespace: Option<String>,

    // Each of these is the other one's opposite, also when it is given as =false.
    /// Run BuildKit privileged (the default)
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = boolean)]
    privileged: Option<bool>,

    /// Image of the containers that forward ports, for the nodes to pull (default
    /// "docker-assemble-proxy")
    #[arg(long, value_name = "string", value_parser = image, add = Completes(images))]
    proxy_image: Option<ImageRef>,

    /// How many BuildKits to run, each with a cache of its own (default 1)
    #[arg(long, value_name = "number", value_parser = replicas)]
    replicas: Option<u32>,

    /// Run BuildKit without root; needs Kubernetes 1.30
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = boolean)]
    rootless: Option<bool>,

    /// Size of each replica's cache, as Kubernetes writes it (default "50Gi")
    #[arg(long, value_name = "quantity", value_parser = quantity)]
    storage: Option<String>,
}

/// What is wrong with the options.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Explained)]
#[status = "125"]
pub enum ManifestOptionError {
    /// `backend manifest` was not told what for.
    #[error("flag needed: --kubernetes")]
    #[advice = "add `--kubernetes`"]
    WhatFor,
    /// Both, or neither, were asked for.
    #[error("conflicting options: --privileged and --rootless exclude each other")]
    #[advice = "give one of them"]
    Opposites,
    /// `backend manifest --forward` with something that only this machine takes for a host.
    #[error("\"{name}\" is not a name that a pod can look up")]
    #[advice = "a name of letters, digits, `-`, `_` and `.`, or an address"]
    Host {
        /// As it was written.
        name: String,
    },
    /// `backend manifest` with a mapping, or `@loopback`.
    #[error("a manifest forwards ports to the same ports of the node")]
    #[advice = "give plain ports; `--forward` leads to other hosts and ports"]
    Mapped,
    /// `--name` of a manifest.
    #[error("must be small letters, digits and \"-\", beginning with a letter, at most 52")]
    #[advice = "choose such a name"]
    Name,
    /// `--namespace` of a manifest.
    #[error("must be the name of a namespace (small letters, digits and \"-\", at most 63)")]
    #[advice = "name one"]
    Namespace,
    /// `kubectl` would read `no` or `on` as a truth value.
    #[error("is a truth value in YAML and no name")]
    #[advice = "choose another name"]
    Truth,
    /// `--replicas` of a manifest.
    #[error("must be a whole number, 1 or more")]
    #[advice = "say how many builders there are to be"]
    Replicas,
    /// `--storage` of a manifest.
    #[error("must be a size such as 50Gi or 1Ti")]
    #[advice = "write it as Kubernetes does"]
    Quantity,
}

impl Options {
    /// What they come to together, and the directory that it is for.
    pub(in crate::commands) fn check(self) -> Result<(Wish, Option<PathBuf>), Refusal> {
        let ports = self.allow_host_port.map(|lists| lists.concat());
        let forwards = forwards_of(ports.as_deref(), &self.forward.unwrap_or_default().concat())?;
        if !self.kubernetes && self.kustomize.is_none() {
            return Err(Refusal::Options(ManifestOptionError::WhatFor.to_string()));
        }
        let rootless = self.rootless.unwrap_or_else(|| self.privileged == Some(false));
        if self.privileged == Some(rootless) {
            return Err(Refusal::Options(ManifestOptionError::Opposites.to_string()));
        }
        let wish = Wish {
            name: self.name.unwrap_or_else(|| NAME.to_owned()),
            namespace: self.namespace,
            replicas: self.replicas.unwrap_or(1),
            variant: if rootless { Variant::Rootless } else { Variant::Privileged },
            image: self.image,
            proxy_image: self.proxy_image.unwrap_or_else(|| ImageRef(PROXY_IMAGE.to_owned())),
            storage: self.storage.unwrap_or_else(|| STORAGE.to_owned()),
            forwards,
        };
        Ok((wish, self.kustomize))
    }
}

/// What a manifest forwards: ports of the node, each to the same one, and other hosts, whose names
/// the pod looks up.
fn forwards_of(ports: Option<&[Word]>, hosts: &[Word]) -> Result<Vec<Forward>, Refusal> {
    let forward = |asked: Asked| match asked.destination {
        Destination::Gateway if asked.outside == asked.ports => Ok(Forward::plain(asked.ports)),
        Destination::Host(ref name) => {
            let followed = name.parse().ok().map(|name| Known::Followed(name, None));
            let known = followed.or_else(|| name.parse().ok().map(Known::Fixed));
            asked
                .with(|_| known)
                .ok_or_else(|| refusal(HOSTS, hosts, &ManifestOptionError::Host { name: name.clone() }))
        }
        Destination::Gateway | Destination::Loopback => {
            Err(refusal(PORTS, ports.unwrap_or_default(), &ManifestOptionError::Mapped))
        }
    };
    merged(ports, hosts, false)?.into_iter().map(forward).collect()
}

fn refusal(option: &'static str, list: &[Word], why: &ManifestOptionError) -> Refusal {
    Refusal::Value { option, value: texts(list), why: why.to_string() }
}

fn name(text: &str) -> Result<String, ManifestOptionError> {
    let lettered = text.starts_with(|first: char| first.is_ascii_lowercase());
    if lettered && is_label(text, NAME_LENGTH) { unambiguous(text) } else { Err(ManifestOptionError::Name) }
}

fn namespace(text: &str) -> Result<String, ManifestOptionError> {
    if is_label(text, LABEL_LENGTH) { unambiguous(text) } else { Err(ManifestOptionError::Namespace) }
}

fn replicas(text: &str) -> Result<u32, ManifestOptionError> {
    // What the API's `int32` holds.
    let fits = |replicas: &u32| *replicas > 0 && i32::try_from(*replicas).is_ok();
    text.parse().ok().filter(fits).ok_or(ManifestOptionError::Replicas)
}

/// Refuses what `kubectl` would take for a truth value: it reads YAML 1.1, where these need quotes
/// that a writer of YAML 1.2 does not set.
fn unambiguous(text: &str) -> Result<String, ManifestOptionError> {
    if matches!(text, "y" | "n" | "yes" | "no" | "on" | "off") {
        Err(ManifestOptionError::Truth)
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
fn quantity(text: &str) -> Result<String, ManifestOptionError> {
    const UNITS: [&str; 12] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "k", "M", "G", "T", "P"];
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let positive = number.parse::<f64>().is_ok_and(|number| number > 0.0);
    if positive && UNITS.contains(&unit) { Ok(text.to_owned()) } else { Err(ManifestOptionError::Quantity) }
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
        assert!(name("no") == Err(ManifestOptionError::Truth) && namespace("on").is_err());
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
