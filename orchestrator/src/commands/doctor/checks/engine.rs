//! The engine, and where it is. Pure.

use explained::Explained;

use super::{fine, found};
use crate::commands::doctor::Check;
use crate::commands::doctor::facts::{NoDialer, Unanswered};
use crate::commands::health;
use crate::engine::EngineFacts;
use crate::health::Place;

/// What there is to know of an engine.
#[derive(Debug, thiserror::Error, Explained)]
#[status = "warn"]
pub enum EngineTrouble {
    /// Nothing answers where docker's context, `--host` or `DOCKER_HOST` leads, or it is no engine.
    #[error("{why}")]
    #[advice("'docker context ls' and DOCKER_HOST say which engine is asked")]
    #[status = "fail"]
    Unreachable { why: String },
    /// The engine runs containers of Windows.
    #[error("engine {version} runs {os} containers")]
    #[advice("builds need an engine with Linux containers")]
    #[status = "fail"]
    NotLinux { version: String, os: String },
    /// An old engine, or an old version of its API in `DOCKER_API_VERSION`.
    #[error("{versions}")]
    #[advice("engines older than 20.10 (API 1.41) are not tried; upgrade, or unset DOCKER_API_VERSION")]
    Untried { versions: String },
    /// Docker Desktop and its kind.
    #[error("{program}: the gateway is its virtual machine and not this computer")]
    #[advice("'--forward PORT=host.docker.internal:PORT' reaches services of this computer")]
    Virtual { program: &'static str },
    /// The engine runs without root.
    #[error("a rootless engine: the gateway is its network namespace and not its host")]
    #[advice("'--allow-host-port PORT@loopback' reaches services of this host")]
    Rootless,
    /// The same, and its dialer cannot be started from here.
    #[error(
        "a rootless engine: the gateway is its network namespace and not its host, and no dialer of this user \
         can be there: {why}"
    )]
    #[advice("{help}")]
    NoDialer { why: String, help: String },
    /// Podman runs without root.
    #[error("rootless Podman: the gateway is its network namespace and not this host")]
    #[advice("'--allow-host-port PORT@loopback' reaches services of this host")]
    RootlessPodman,
}

pub(super) fn engine(endpoint: &str, engine: &Result<EngineFacts, Unanswered>) -> Check {
    const NAME: &str = "engine";
    match engine {
        Ok(_) => fine(NAME, format!("answers at {endpoint}")),
        Err(failure) if failure.advice().is_some() => found(NAME, failure),
        Err(failure) => found(NAME, &EngineTrouble::Unreachable { why: failure.to_string() }),
    }
}

/// The oldest API that this program is tried with: that of Debian 12's engine.
const OLDEST: (u32, u32) = (1, 41);

pub(super) fn version(engine: &EngineFacts) -> Check {
    const NAME: &str = "version";
    const OWN: &str = env!("CARGO_PKG_VERSION");
    let EngineFacts { version, api_version, kernel, .. } = engine;
    let versions = format!("docker assemble v{OWN}, engine {version}, API {api_version}, Linux {kernel}");
    let spoken = api_version
        .split_once('.')
        .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    if engine.os != "linux" {
        found(NAME, &EngineTrouble::NotLinux { version: version.clone(), os: engine.os.clone() })
    } else if spoken.is_some_and(|spoken: (u32, u32)| spoken >= OLDEST) {
        fine(NAME, versions)
    } else {
        found(NAME, &EngineTrouble::Untried { versions })
    }
}

pub(super) fn place(engine: &EngineFacts, no_dialer: Option<&NoDialer>) -> Check {
    const NAME: &str = "host";
    match health::place(engine, false) {
        Place::Virtual(program) => found(NAME, &EngineTrouble::Virtual { program }),
        Place::Rootless => match no_dialer {
            None => found(NAME, &EngineTrouble::Rootless),
            Some(NoDialer { why, help }) => {
                found(NAME, &EngineTrouble::NoDialer { why: why.to_string(), help: help.to_string() })
            }
        },
        Place::RootlessPodman => found(NAME, &EngineTrouble::RootlessPodman),
        Place::Here | Place::Elsewhere => {
            let system =
                Some(engine.operating_system.as_str()).filter(|name| !name.is_empty()).unwrap_or("Linux");
            fine(NAME, format!("{system}: the gateway is the engine's host"))
        }
    }
}
