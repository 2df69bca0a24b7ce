//! The checks: facts to verdicts. Pure.

mod forwards;
mod helpers;
mod kernel;

use assemble_contract::Status;

use super::gather::{Daemon, Facts, Failure};
use super::measure::Confinement;
use super::{Check, Verdict};
use crate::buildkit::Worker;
use crate::commands::builder::Registered;
use crate::commands::health::{self, Examined};
use crate::commands::info::state;
use crate::commands::leftovers::{Leftovers, finish};
use crate::commands::restarts::restarts;
use crate::desired::{ContainerName, Security};
use crate::engine::EngineFacts;
use crate::health::{NO_NETWORK, Place, anew, give_network};
use crate::observed::{Container, State};
use forwards::{forwarded, gateway, registry, target};
use helpers::{dialer, host_dialer, missing, sidecar};
use kernel::{conntrack, descriptors, disk, pipes, ports};

/// All checks that there are facts for, on the way from the engine to the targets.
pub(super) fn all(facts: &Facts) -> Vec<Check> {
    let mut checks = vec![engine(&facts.endpoint, &facts.engine)];
    if let Ok(engine) = &facts.engine {
        checks.push(version(engine));
        checks.push(place(engine, facts.no_dialer.as_ref()));
    }
    if let Some(found) = &facts.backend {
        checks.push(match &facts.damage {
            Some(damage) => failed("backend", damage, ""),
            None => backend(found, &facts.start),
        });
        if let Ok(Some(container)) = found {
            checks.extend(facts.lost_files.then(|| configuration(&facts.start)));
            checks.push(security(container, facts.confinement.as_ref(), &facts.start));
            checks.extend(facts.isolated.then(|| network(&facts.start)));
        }
    }
    if let Some(Ok(None)) = &facts.backend {
        checks.extend(
            facts.builder.as_ref().map(|(name, registered)| builder(name, *registered, &facts.start)),
        );
    }
    checks.extend(facts.left_behind.as_ref().map(|left| left_behind(left, &facts.start)));
    if let Some(asked) = &facts.daemon {
        checks.push(buildkit(asked));
        if let Ok(daemon) = asked {
            checks.push(namespace(&daemon.workers, &facts.start));
        }
    }
    if let (Some(Ok(Some(_))), Some(check)) = (&facts.backend, forwarded(facts)) {
        checks.push(check);
    }
    checks.extend(facts.dialer.as_ref().map(|container| dialer(container, &facts.start)));
    checks.extend(facts.host_dialer.as_ref().map(|found| host_dialer(found.as_ref(), &facts.start)));
    checks.extend(facts.proxies_in_vain.as_ref().map(|(why, start)| {
        check("proxy", Verdict::Fail, why, &format!("'{start}' leads to that of the host"))
    }));
    let reports: Vec<&Status> = facts.forwards.iter().filter_map(Examined::report).collect();
    if !facts.isolated {
        checks.extend(gateway(&reports, &facts.start));
    }
    let backend = facts.backend.as_ref().and_then(|found| found.as_ref().ok()?.as_ref());
    for forward in &facts.forwards {
        checks.push(sidecar(forward, backend, &facts.start));
        if let Some(report) = forward.report() {
            checks.extend(target(forward, report));
            checks.extend(registry(forward, report, &facts.start));
        }
    }
    checks.extend(facts.missing.iter().map(|forward| missing(forward, &facts.start)));
    checks.extend(descriptors(&reports, &facts.start));
    checks.extend(pipes(&reports));
    checks.extend(ports(&reports, &facts.start));
    checks.extend(facts.conntrack.map(conntrack));
    checks.extend(facts.disk.map(disk));
    checks
}

fn check(name: impl Into<String>, verdict: Verdict, why: impl Into<String>, help: &str) -> Check {
    let help = Some(help).filter(|help| !help.is_empty()).map(str::to_owned);
    Check { name: name.into(), verdict, why: why.into(), help }
}

fn fine(name: impl Into<String>, why: impl Into<String>) -> Check {
    check(name, Verdict::Ok, why, "")
}

fn failed(name: &str, failure: &Failure, otherwise: &str) -> Check {
    check(name, Verdict::Fail, &failure.why, failure.help.as_deref().unwrap_or(otherwise))
}

fn engine(endpoint: &str, engine: &Result<EngineFacts, Failure>) -> Check {
    match engine {
        Ok(_) => fine("engine", format!("answers at {endpoint}")),
        Err(failure) => {
            failed("engine", failure, "'docker context ls' and DOCKER_HOST say which engine is asked")
        }
    }
}

/// The oldest API that this program is tried with: that of Debian 12's engine.
const OLDEST: (u32, u32) = (1, 41);

fn version(engine: &EngineFacts) -> Check {
    const OWN: &str = env!("CARGO_PKG_VERSION");
    let EngineFacts { version, api_version, kernel, .. } = engine;
    let why = format!("docker assemble v{OWN}, engine {version}, API {api_version}, Linux {kernel}");
    let spoken = api_version
        .split_once('.')
        .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    if engine.os != "linux" {
        let help = "builds need an engine with Linux containers";
        check("version", Verdict::Fail, format!("engine {version} runs {} containers", engine.os), help)
    } else if spoken.is_some_and(|spoken: (u32, u32)| spoken >= OLDEST) {
        fine("version", why)
    } else {
        let help = "engines older than 20.10 (API 1.41) are not tried; upgrade, or unset DOCKER_API_VERSION";
        check("version", Verdict::Warn, why, help)
    }
}

fn place(engine: &EngineFacts, no_dialer: Option<&Failure>) -> Check {
    match health::place(engine, false) {
        Place::Virtual(program) => check(
            "host",
            Verdict::Warn,
            format!("{program}: the gateway is its virtual machine and not this computer"),
            "'--forward PORT=host.docker.internal:PORT' reaches services of this computer",
        ),
        Place::Rootless => {
            let why = "a rootless engine: the gateway is its network namespace and not its host";
            let help = "'--allow-host-port PORT@loopback' reaches services of this host";
            match no_dialer {
                None => check("host", Verdict::Warn, why, help),
                Some(Failure { why: reason, help }) => {
                    let why = format!("{why}, and no dialer of this user can be there: {reason}");
                    check("host", Verdict::Warn, why, help.as_deref().unwrap_or_default())
                }
            }
        }
        Place::RootlessPodman => check(
            "host",
            Verdict::Warn,
            "rootless Podman: the gateway is its network namespace and not this host",
            "'--allow-host-port PORT@loopback' reaches services of this host",
        ),
        Place::Here | Place::Elsewhere => {
            let system =
                Some(engine.operating_system.as_str()).filter(|name| !name.is_empty()).unwrap_or("Linux");
            fine("host", format!("{system}: the gateway is the engine's host"))
        }
    }
}

fn backend(found: &Result<Option<Container>, Failure>, start: &str) -> Check {
    const NAME: &str = "backend";
    match found {
        Err(failure) => failed(NAME, failure, ""),
        Ok(None) => check(NAME, Verdict::Warn, "there is none", &format!("'{start}' makes one")),
        Ok(Some(backend)) => match &backend.state {
            State::Running if backend.unhealthy => check(
                NAME,
                Verdict::Warn,
                "runs, and its health check fails",
                "'docker assemble backend logs' tells more",
            ),
            State::Running => match restarts(backend, None) {
                None => fine(NAME, format!("{} runs", backend.name)),
                Some(told) => check(NAME, Verdict::Warn, told, "'docker assemble backend logs' may tell why"),
            },
            State::Paused => {
                let help = format!("'docker unpause {}' wakes it", backend.name);
                check(NAME, Verdict::Fail, "is paused", &help)
            }
            other => check(
                NAME,
                Verdict::Fail,
                format!("does not run ({})", state(other)),
                &format!("'{start}' starts it"),
            ),
        },
    }
}

/// A backend that reaches nothing at all.
fn network(start: &str) -> Check {
    check("network", Verdict::Fail, NO_NETWORK, &give_network(start))
}

/// A builder of buildx whose backend is gone: what builds there waits in vain.
fn builder(name: &ContainerName, registered: Registered, start: &str) -> Check {
    let (verdict, use_of_it) = match registered {
        Registered::InUse => (Verdict::Fail, "is in use"),
        Registered::Aside | Registered::No => (Verdict::Warn, "is registered"),
    };
    let why = format!("\"{name}\" {use_of_it} with buildx, and its backend is gone");
    check(
        "builder",
        verdict,
        why,
        &format!("'{start}' makes it again, 'docker buildx rm {name}' forgets the builder"),
    )
}

fn left_behind(left: &Leftovers, start: &str) -> Check {
    const ASIDE: &str = "set aside";
    match left {
        Leftovers::SetAside(name) => {
            let why = format!("\"{name}\": the backend, which a start set aside that was ended");
            check(ASIDE, Verdict::Warn, why, &format!("'{start}' puts it back"))
        }
        Leftovers::Kept { backend, aside } => {
            let why = format!(
                "\"{aside}\": a start put another backend in its place and was ended before that was seen to serve"
            );
            check(ASIDE, Verdict::Warn, why, &finish(backend, aside))
        }
        Leftovers::Helpers { names, stray } => {
            let why = format!("{names}: the backend is gone that this belongs to");
            // Of the rest the start takes the place that makes a backend again.
            let help = if *stray { "'docker assemble backend stop' removes it" } else { "" };
            check("left behind", Verdict::Warn, why, help)
        }
    }
}

/// The file was put into the container that a start had made, and is in no other.
fn configuration(start: &str) -> Check {
    check(
        "configuration",
        Verdict::Fail,
        "is gone: something else has made the container anew, and BuildKit runs without it",
        &format!("'{start} --recreate' with the options about it, --config and others, brings it back"),
    )
}

/// What BuildKit cannot do without, and its number in linux/capability.h.
const NEEDED: [(&str, u32); 3] = [("NET_ADMIN", 12), ("SYS_PTRACE", 19), ("SYS_ADMIN", 21)];

/// The profile that was asked for, and what the kernel holds the daemon to.
fn security(backend: &Container, confinement: Option<&Confinement>, start: &str) -> Check {
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
    let help = format!("{} ask the engine for the profile anew", anew(start));
    if !lacks.is_empty() {
        let why = format!("{profile}, but BuildKit lacks {}", lacks.join(", "));
        return check(NAME, Verdict::Fail, why, &help);
    }
    let seccomp = filtered.then(|| "a seccomp filter".to_owned());
    let apparmor = apparmor.as_ref().map(|profile| format!("the AppArmor profile \"{profile}\""));
    let bound = no_new_privileges.then(|| "no-new-privileges, so that sudo fails in RUN steps".to_owned());
    let bounds: Vec<String> = seccomp.into_iter().chain(apparmor).chain(bound).collect();
    if bounds.is_empty() {
        fine(NAME, format!("{profile}; neither seccomp nor AppArmor binds it"))
    } else {
        let why = format!("{profile}, but bound by {}", bounds.join(" and "));
        check(NAME, Verdict::Warn, why, &help)
    }
}

fn buildkit(asked: &Result<Daemon, Failure>) -> Check {
    const NAME: &str = "buildkit";
    const LOGS: &str = "'docker assemble backend logs' tells more";
    match asked {
        Err(failure) => failed(NAME, failure, LOGS),
        Ok(daemon) if daemon.workers.is_empty() => {
            check(NAME, Verdict::Fail, "answers, and has no worker", LOGS)
        }
        Ok(daemon) => {
            let version = daemon.version.as_deref().unwrap_or("of an unknown version");
            fine(NAME, format!("{version} answers with {} worker(s)", daemon.workers.len()))
        }
    }
}

/// The label of a worker that says where its `RUN` steps have their network (BuildKit's
/// `worker/label`).
const NETWORK: &str = "org.mobyproject.buildkit.worker.network";

fn namespace(workers: &[Worker], start: &str) -> Check {
    const NAME: &str = "RUN steps";
    let mut networks = workers.iter().map(|worker| worker.labels.get(NETWORK).map(String::as_str));
    match networks.find(|network| *network != Some("host")) {
        None => fine(NAME, "share the backend's network and see its forwarded ports"),
        Some(None) => check(
            NAME,
            Verdict::Warn,
            "this BuildKit does not tell in which network they run",
            "a RUN step that connects to a forwarded port shows whether it can",
        ),
        Some(Some(other)) => check(
            NAME,
            Verdict::Fail,
            format!("run in networks of their own ({other}) and see no forwarded port"),
            &format!("{} give them the backend's", anew(start)),
        ),
    }
}

#[cfg(test)]
#[path = "checks_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "checks_forwards_tests.rs"]
mod forwards_tests;
