//! Wishes that cannot be had.

use explained::Explained;

use super::diff::Difference;
use crate::desired::{ContainerName, ImageRef, VolumeName};
use crate::proxy_image::published_name;

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Explained)]
pub enum PlanError {
    /// The name is taken.
    #[error(
        "container \"{name}\" was not made by docker assemble; \
         rename or remove it to free the name (docker rename {name} NEW_NAME)"
    )]
    #[advice = "rename it"]
    Foreign {
        /// The name.
        name: ContainerName,
    },
    /// Somebody else's volume has the name of the dialer's.
    #[error(
        "volume \"{name}\" was not made by docker assemble; \
         remove it to free the name (docker volume rm {name})"
    )]
    #[advice = "remove or rename it"]
    ForeignVolume {
        /// The name.
        name: VolumeName,
    },
    /// `--cache-volume` names none that exists.
    #[error("no volume \"{name}\" to keep the build cache in; create it with 'docker volume create {name}'")]
    #[advice = "create it"]
    #[status = "125"]
    NoSuchVolume {
        /// Its name.
        name: VolumeName,
    },
    /// `--network` names none that exists.
    #[error("no network \"{name}\" on this engine; create it with 'docker network create {name}'")]
    #[advice = "create it"]
    #[status = "125"]
    NoSuchNetwork {
        /// Its name.
        name: String,
    },
    /// The image may not be pulled.
    #[error(
        "the engine has no image \"{image}\" and --pull is \"never\"; load it, or let it be pulled with '--pull missing'"
    )]
    #[advice = "load it"]
    #[status = "125"]
    NoImage {
        /// The image.
        image: ImageRef,
    },
    /// The options differ from those it was started with.
    #[error(
        "backend \"{name}\" was made with other settings ({differences}); with those it stays as it is; \
         '--recreate' replaces it, {other_ways}",
        differences = list(differences),
        other_ways = other_ways(name, aside.as_ref())
    )]
    #[advice = "`--recreate`, or the old options; where a killed start has set another backend aside it is named, with what brings it back"]
    NeedsNewBackend {
        /// The backend.
        name: ContainerName,
        /// What differs; never empty.
        differences: Vec<Difference>,
        /// The one before it, which a start has set aside that did not live to see this one serve.
        aside: Option<ContainerName>,
    },
    /// It ran until a moment ago, when ports were to be added to it or removed.
    #[error(
        "backend \"{name}\" has ended meanwhile; 'docker assemble backend doctor' tells the start that brings it back"
    )]
    #[advice = "that start; `backend logs` tells why"]
    Ended {
        /// The backend.
        name: ContainerName,
    },
    /// Somebody paused it before this start.
    #[error("backend \"{name}\" is paused; run 'docker unpause {name}' to go on")]
    #[advice = "unpause it"]
    Paused {
        /// The backend.
        name: ContainerName,
    },
    /// A remote engine of another kind.
    #[error(
        "the built-in sidecar is made for \"{built_in}\" but the engine runs on \"{engine}\"; \
         'docker load --input assemble-proxy-linux-{engine}.oci.tar', a file of the release, and --proxy-image {image} give \
         it its own; --allow-host-port 0 needs none",
        image = published_name()
    )]
    #[advice = "load that file, or build `Dockerfile.sidecar` there"]
    Architecture {
        /// What the built-in binary runs on.
        built_in: String,
        /// What the engine runs on.
        engine: String,
    },
}

/// What else replaces a backend. A stop would also remove what is set aside, with its cache.
fn other_ways(name: &ContainerName, aside: Option<&ContainerName>) -> String {
    match aside {
        None => "and so do 'docker assemble backend stop' and a start that names all that is to stay; only a cache \
                 in a named volume outlives that"
            .to_owned(),
        Some(aside) => format!("and {}", way_back(name, aside)),
    }
}

/// How the backend comes back that stands aside for the one with its name.
#[must_use]
pub fn way_back(name: &ContainerName, aside: &ContainerName) -> String {
    format!(
        "'docker rm --force --volumes {name}' and another start bring back the one before it, kept as \"{aside}\""
    )
}

fn list(differences: &[Difference]) -> String {
    differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
