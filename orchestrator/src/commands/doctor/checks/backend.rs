//! The backend's container, and what there is in its place. Pure.

use explained::Explained;

use super::{fine, found};
use crate::commands::builder::Registered;
use crate::commands::doctor::Check;
use crate::commands::doctor::facts::Unanswered;
use crate::commands::doctor::measure::Confinement;
use crate::commands::info::state;
use crate::commands::leftovers::{Leftovers, finish};
use crate::commands::restarts::restarts;
use crate::desired::{ContainerName, Security};
use crate::labels;
use crate::observed::{Container, State};

/// What there is to know of a backend.
#[derive(Debug, thiserror::Error, Explained)]
#[status = "warn"]
pub enum BackendTrouble {
    /// None was started, or it was stopped.
    #[error("there is none")]
    #[advice("'{start}' makes one")]
    Absent { start: String },
    /// BuildKit does not answer the health check in its container.
    #[error("runs, and its health check fails")]
    #[advice("'docker assemble backend logs' tells more")]
    Unhealthy,
    /// BuildKit has ended by itself, and the engine has started it again.
    #[error("{ended}")]
    #[advice("'docker assemble backend logs' may tell why")]
    Ended { ended: String },
    /// Somebody paused it.
    #[error("is paused")]
    #[advice("'docker unpause {name}' wakes it")]
    #[status = "fail"]
    Paused { name: ContainerName },
    /// It was stopped or has crashed.
    #[error("does not run ({state})")]
    #[advice("'{start}' starts it")]
    #[status = "fail"]
    Stopped { state: String, start: String },
    /// Builds go to a backend that is not there.
    #[error("\"{name}\" is in use with buildx, and its backend is gone")]
    #[advice("'{start}' makes it again, 'docker buildx rm {name}' forgets the builder")]
    #[status = "fail"]
    BuilderInUse { name: ContainerName, start: String },
    /// The same, where builds go to another builder.
    #[error("\"{name}\" is registered with buildx, and its backend is gone")]
    #[advice("'{start}' makes it again, 'docker buildx rm {name}' forgets the builder")]
    BuilderLeft { name: ContainerName, start: String },
    /// A `start --recreate` was killed before the new backend was made.
    #[error("\"{aside}\": the backend, which a start set aside that was ended")]
    #[advice("'{start}' puts it back")]
    SetAside { aside: ContainerName, start: String },
    /// The same, later.
    #[error(
        "\"{aside}\": a start put another backend in its place and was ended before that was seen to serve"
    )]
    #[advice("{help}")]
    Kept { aside: ContainerName, help: String },
    /// Sidecars or a dialer outlived their backend.
    #[error("{names}: the backend is gone that this belongs to")]
    #[advice = "nothing: the start that makes a backend again takes their place"]
    Left { names: String },
    /// The same, with one among them whose place no start takes.
    #[error("{names}: the backend is gone that this belongs to")]
    #[advice("'docker assemble backend stop' removes it")]
    Stray { names: String },
    /// The file was put into the container that a start had made, and is in no other.
    #[error("is gone: something else has made the container anew, and BuildKit runs without it")]
    #[advice("'{start} --recreate'{which} brings it back")]
    #[status = "fail"]
    NoConfiguration { start: String, which: &'static str },
    /// The engine gives less than the profile asks for.
    #[error("{profile}, but BuildKit lacks {missing}")]
    #[advice("{anew} ask the engine for the profile anew")]
    #[status = "fail"]
    Lacks { profile: &'static str, missing: String, anew: String },
    /// The engine confines it more than the profile does.
    #[error("{profile}, but bound by {bounds}")]
    #[advice("{anew} ask the engine for the profile anew")]
    Bound { profile: &'static str, bounds: String, anew: String },
}

pub(super) fn backend(asked: &Result<Option<Container>, Unanswered>, start: &str) -> Check {
    const NAME: &str = "backend";
    let start = start.to_owned();
    let backend = match asked {
        Err(failure) => return found(NAME, failure),
        Ok(None) => return found(NAME, &BackendTrouble::Absent { start }),
        Ok(Some(backend)) => backend,
    };
    match &backend.state {
        State::Running if backend.unhealthy => found(NAME, &BackendTrouble::Unhealthy),
        State::Running => match restarts(backend, None) {
            None => fine(NAME, format!("{} runs", backend.name)),
            Some(ended) => found(NAME, &BackendTrouble::Ended { ended }),
        },
        State::Paused => found(NAME, &BackendTrouble::Paused { name: backend.name.clone() }),
        other => found(NAME, &BackendTrouble::Stopped { state: state(other).to_owned(), start }),
    }
}

/// A builder of buildx whose backend is gone: what builds there waits in vain.
pub(super) fn builder(name: &ContainerName, registered: Registered, start: &str) -> Check {
    let (name, start) = (name.clone(), start.to_owned());
    let trouble = match registered {
        Registered::InUse => BackendTrouble::BuilderInUse { name, start },
        Registered::Aside | Registered::No => BackendTrouble::BuilderLeft { name, start },
    };
    found("builder", &trouble)
}

pub(super) fn left_behind(left: &Leftovers, start: &str) -> Check {
    const ASIDE: &str = "set aside";
    const LEFT: &str = "left behind";
    match left {
        Leftovers::SetAside(aside) => {
            let (aside, start) = (aside.clone(), start.to_owned());
            found(ASIDE, &BackendTrouble::SetAside { aside, start })
        }
        Leftovers::Kept { backend, aside } => {
            let help = finish(backend, aside);
            found(ASIDE, &BackendTrouble::Kept { aside: aside.clone(), help })
        }
        Leftovers::Helpers { names, stray: true } => {
            found(LEFT, &BackendTrouble::Stray { names: names.clone() })
        }
        Leftovers::Helpers { names, stray: false } => {
            found(LEFT, &BackendTrouble::Left { names: names.clone() })
        }
    }
}

pub(super) fn configuration(container: &Container, start: &str) -> Check {
    // The start has the options that the configuration came of, where they are known.
    let is_known = container.labels.contains_key(labels::CONFIG_OPTIONS);
    let which = if is_known { "" } else { " with the options about it, --config and others," };
    found("configuration", &BackendTrouble::NoConfiguration { start: start.to_owned(), which })
}

/// What BuildKit cannot do without, and its number in linux/capability.h. The last three are those that it
/// gives to steps and that not every engine gives to containers.
const NEEDED: [(&str, u32); 6] = [
    ("NET_ADMIN", 12),
    ("SYS_PTRACE", 19),
    ("SYS_ADMIN", 21),
    ("NET_RAW", 13),
    ("MKNOD", 27),
    ("AUDIT_WRITE", 29),
];

/// The profile that was asked for, and what the kernel holds the daemon to.
pub(super) fn security(backend: &Container, confinement: Option<&Confinement>, anew: &str) -> Check {
    const NAME: &str = "security";
    let profile = if backend.settings.security == Security::Privileged {
        "privileged, as buildx runs it"
    } else {
        "restricted: SYS_ADMIN, NET_ADMIN and SYS_PTRACE, not privileged"
    };
    let Some(Confinement { capabilities, filtered, apparmor, no_new_privileges }) = confinement else {
        return fine(NAME, profile);
    };
    let lacks: Vec<&str> =
        NEEDED.iter().filter(|(_, bit)| capabilities >> bit & 1 == 0).map(|(name, _)| *name).collect();
    let anew = anew.to_owned();
    if !lacks.is_empty() {
        return found(NAME, &BackendTrouble::Lacks { profile, missing: lacks.join(", "), anew });
    }
    let seccomp = filtered.then(|| "a seccomp filter".to_owned());
    let apparmor = apparmor.as_ref().map(|profile| format!("the AppArmor profile \"{profile}\""));
    let bound = no_new_privileges.then(|| "no-new-privileges, so that sudo fails in RUN steps".to_owned());
    let bounds: Vec<String> = seccomp.into_iter().chain(apparmor).chain(bound).collect();
    if bounds.is_empty() {
        fine(NAME, format!("{profile}; neither seccomp nor AppArmor binds it"))
    } else {
        found(NAME, &BackendTrouble::Bound { profile, bounds: bounds.join(" and "), anew })
    }
}
