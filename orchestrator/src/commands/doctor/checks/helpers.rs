//! The containers beside the backend. Pure.

use super::{check, fine};
use crate::commands::doctor::{Check, Verdict};
use crate::commands::health::Examined;
use crate::commands::info::state;
use crate::commands::restarts::restarts;
use crate::forward::Forward;
use crate::health::Answer;
use crate::observed::{Container, HostDialer, Process, State};

pub(super) fn dialer(container: &Container, start: &str) -> Check {
    match &container.state {
        State::Running => match restarts(container, None) {
            None => fine("dialer", "runs, for forwards to the host's loopback"),
            Some(told) => {
                let help = format!(
                    "'docker logs {0}' may tell why, 'docker restart {0}' counts anew",
                    container.name
                );
                check("dialer", Verdict::Warn, told, &help)
            }
        },
        State::Paused => check(
            "dialer",
            Verdict::Fail,
            "is paused",
            &format!("'docker unpause {}' wakes it", container.name),
        ),
        other => {
            let why = format!("does not run ({})", state(other));
            check("dialer", Verdict::Fail, why, &format!("'{start}' repairs it"))
        }
    }
}

pub(super) fn host_dialer(found: Option<&HostDialer>, start: &str) -> Check {
    match found {
        None => fine("dialer", "is a process on the engine's host, which is not seen from here"),
        Some(HostDialer { process: Some(Process { id, .. }), directory }) => {
            fine("dialer", format!("runs on this host as process {id}, with its socket in {directory}"))
        }
        Some(HostDialer { process: None, directory }) => check(
            "dialer",
            Verdict::Fail,
            format!("does not run on this host; its socket would be in {directory}"),
            &format!("'{start}' starts it"),
        ),
    }
}

pub(super) fn sidecar(forward: &Examined, backend: Option<&Container>, start: &str) -> Check {
    let container = &forward.sidecar.container;
    let name = format!("sidecar {}", forward.sidecar.port);
    let repair = format!("'{start}' repairs it");
    if forward.stale {
        return check(name, Verdict::Fail, "serves a network that its backend has left", &repair);
    }
    match (&container.state, &forward.answer) {
        (State::Paused, _) => {
            check(name, Verdict::Fail, "is paused", &format!("'docker unpause {}' wakes it", container.name))
        }
        (State::Running, Some(Answer::Told(report))) => match restarts(container, backend) {
            None => fine(name, format!("{} answers", report.version)),
            Some(told) => {
                let help = format!(
                    "'docker assemble backend logs --proxy {}' may tell why, 'docker restart {}' counts anew",
                    forward.sidecar.port, container.name
                );
                let why = format!("{} answers, but {told}: its connections were cut", report.version);
                check(name, Verdict::Warn, why, &help)
            }
        },
        (State::Running, Some(Answer::Old)) => check(
            name,
            Verdict::Warn,
            "is of an older version, so that its target cannot be tried",
            &format!("'{start}' replaces it"),
        ),
        (State::Running, Some(Answer::Foreign)) => check(
            name,
            Verdict::Warn,
            "is of another image, so that its target cannot be tried",
            &format!("'docker assemble backend logs --proxy {}' tells more", forward.sidecar.port),
        ),
        (State::Running, Some(Answer::Silent(limit))) => {
            let why = format!("does not answer within {} s", limit.as_secs_f32());
            check(name, Verdict::Fail, why, &format!("'docker restart {}'", container.name))
        }
        (State::Running, Some(Answer::Failed(text))) => {
            check(name, Verdict::Fail, text, &format!("'docker restart {}'", container.name))
        }
        (other, _) => check(name, Verdict::Fail, format!("does not run ({})", state(other)), &repair),
    }
}

pub(super) fn missing(forward: &Forward, start: &str) -> Check {
    let name = format!("sidecar {}", forward.port);
    check(name, Verdict::Fail, "is missing", &format!("'{start}' makes it again"))
}
