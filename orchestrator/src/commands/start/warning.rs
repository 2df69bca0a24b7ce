//! What a start warns of.

use explained::Explained;

use crate::desired::{ContainerName, ImageRef, VolumeName};
use crate::dialer::{DialerHint, NotHere};
use crate::health::NoNetwork;

/// What is told beside a start that goes on.
#[derive(Debug, thiserror::Error, Explained)]
#[status = "warning"]
pub enum StartWarning {
    /// The engine's kernel lacks this sysctl, or the engine may not write it.
    #[error("\"{name}\" runs without the setting \"{setting}\", which the engine refuses: {why}")]
    #[advice = "nothing; without it there are fewer ports for short connections, or none below 1024"]
    Setting {
        /// The container.
        name: ContainerName,
        /// The sysctl.
        setting: String,
        /// The engine's words.
        why: String,
    },
    /// The kernel of the engine has no such limit, for example.
    #[error("the engine says of \"{name}\": {words}")]
    #[advice = "what it says; the setting is not in force"]
    PassedOver {
        /// The container.
        name: ContainerName,
        /// The engine's words.
        words: String,
    },
    /// A rootless or otherwise confined engine.
    #[error(
        "the engine refuses privileged containers; \"{name}\" runs with a restricted set of \
         privileges ('--security restricted' asks for that at once)"
    )]
    #[advice = "nothing, or `--security restricted`"]
    Restricted {
        /// The container.
        name: ContainerName,
    },
    /// The registry is out of reach or refuses.
    #[error("could not {error}; the engine's copy of \"{image}\" is used")]
    #[advice = "nothing, or what `{error}` says"]
    OldImage {
        /// Why it was not pulled.
        error: String,
        /// The image.
        image: ImageRef,
    },
    /// A start with `--recreate` and no cache volume.
    #[error("the build cache of \"{name}\" goes with it; one in volume \"{volume}\" would outlive it")]
    #[advice = "`docker volume create` that volume, for the next time"]
    CacheGoes {
        /// The backend.
        name: ContainerName,
        /// The volume that would keep the cache.
        volume: VolumeName,
    },
    /// A start with `--recreate`: each start names the image and what BuildKit is told.
    #[error(
        "\"{name}\" is made anew without what it had and this start does not name: {lost}; a start that names \
         that too, and '--recreate', brings it back"
    )]
    #[advice = "start it so, where that is wanted"]
    Without {
        /// The backend.
        name: ContainerName,
        /// What it had.
        lost: String,
    },
    /// A program that keeps containers up to date, for example, makes them anew without the files they were
    /// given.
    #[error(
        "backend \"{name}\" has lost its configuration, since something else made its container anew; a \
         start with the same options and '--recreate' brings it back"
    )]
    #[advice = "start it so; containers of this version have labels by which the usual ones leave them alone"]
    LostFiles {
        /// The backend.
        name: ContainerName,
    },
    /// The note of a backend that has gone without `stop` is another version's, or somebody has changed it.
    #[error(
        "the options that \"{name}\" was started with cannot be read: '{options}'; a start with those that it \
         is to have and '--recreate' brings them back"
    )]
    #[advice = "start it so"]
    NotRead {
        /// The backend.
        name: ContainerName,
        /// As they were remembered.
        options: String,
    },
    /// The volume with the cache of a backend that has gone without `stop` has gone with it.
    #[error("volume \"{volume}\" has gone too; the build cache of \"{name}\" begins anew")]
    #[advice = "`docker volume create` it, and `--cache-volume` with `--recreate`, to have one again"]
    VolumeGone {
        /// The backend.
        name: ContainerName,
        /// The volume.
        volume: VolumeName,
    },
    /// The network of a backend that has gone without `stop` has gone with it.
    #[error(
        "network \"{network}\" has gone too; \"{name}\" is started in the usual one ('docker network create \
         {network}', and a start with --network and '--recreate' brings it back)"
    )]
    #[advice = "do so, where it is needed"]
    NetworkGone {
        /// The backend.
        name: ContainerName,
        /// The network.
        network: String,
    },
    /// The configuration of a backend that has gone without `stop` is not among what is remembered.
    #[error(
        "the configuration that \"{name}\" had is not remembered; a start with the options about it, \
         --config and others, and '--recreate' brings it back"
    )]
    #[advice = "start it so"]
    NotRemembered {
        /// The backend.
        name: ContainerName,
    },
    /// Nor are the variables and the labels that it was given: there may be secrets among them.
    #[error(
        "the variables and the labels that \"{name}\" had are not remembered; a start with --env, --label \
         and '--recreate' brings them back"
    )]
    #[advice = "start it so"]
    SecretsNotRemembered {
        /// The backend.
        name: ContainerName,
    },
    /// After `stop`, the note about them in docker's configuration could not be removed.
    #[error("the next start may have the same options: {error}")]
    #[advice = "remove `assemble/{backend}-*` there, or name the options"]
    NotForgotten {
        /// Why.
        error: String,
    },
    /// The user may not read what is in docker's `certs.d`, or a key is missing there.
    #[error(
        "cannot read \"{path}\", which docker's engine has for registry \"{host}\": {error}; builds may not \
         trust it ('--registry-ca {host}=FILE' names a certificate)",
        path = .path.display()
    )]
    #[advice = "make it readable, or name the certificate by the option"]
    Certificate {
        /// The file.
        path: std::path::PathBuf,
        /// The registry.
        host: String,
        /// Why.
        error: std::io::Error,
    },
    /// What the start has replaced could not be removed.
    #[error("{error}; the backend serves, and another start removes {names}")]
    #[advice = "start again"]
    Replaced {
        /// Why.
        error: String,
        /// What is left.
        names: String,
    },
    /// The engine's `daemon.json` has `"bridge": "none"`, and the backend was made without a network.
    #[error("{lost}; {help}")]
    #[advice = "what it says"]
    NoNetwork {
        /// That it has none.
        lost: NoNetwork,
        /// How it gets one.
        help: String,
    },
    /// A proxy in docker's configuration is on localhost, which is the backend's own for builds.
    #[error("{why}; '{start}' leads to that of the host")]
    #[advice = "that start"]
    Proxies {
        /// Which proxies.
        why: String,
        /// The start that forwards them.
        start: String,
    },
    /// A rootless engine, whose containers never are in the network of its host, and a start that cannot run
    /// the dialer there either.
    #[error(
        "'@loopback' leads to the loopback of the rootless engine and not of its host, where the dialer of \
         this user cannot be: {why}; {help}"
    )]
    #[advice = "what it says"]
    NoDialer {
        /// What keeps it from being there.
        why: NotHere,
        /// Who can have one.
        help: DialerHint,
    },
    /// A firewall, or the engine, is in the way of a forward, or the backend's network does not know the
    /// target's name; `info` and `doctor` say the same.
    #[error("builds do not reach {target} on {ports}: {why}; {help}")]
    #[advice = "what it says"]
    Blocked {
        /// Where the forward leads.
        target: String,
        /// The port inside, or the ports.
        ports: String,
        /// What is in the way.
        why: String,
        /// What helps.
        help: String,
    },
}
