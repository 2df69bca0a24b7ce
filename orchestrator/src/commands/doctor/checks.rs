//! The checks: facts to verdicts. Pure.

mod backend;
mod daemon;
mod engine;
mod forwards;
mod helpers;
mod kernel;
pub(super) mod network;

use std::fmt::Display;

use assemble_contract::Status;
use explained::Explained;

use super::facts::Facts;
use super::{Check, Verdict};
use crate::commands::health::Examined;
use crate::health::NoNetwork;
use backend::{backend, builder, configuration, left_behind, security};
use daemon::{buildkit, namespace};
use engine::{engine, place, version};
use forwards::{forwarded, gateway, registries, targets};
use helpers::{dialer, host_dialer, missing, sidecar};
use kernel::{conntrack, descriptors, disk, pipes, ports};

pub use backend::BackendTrouble;
pub use daemon::DaemonTrouble;
pub use engine::EngineTrouble;
pub use forwards::ForwardTrouble;
pub use helpers::HelperTrouble;
pub use kernel::KernelTrouble;
pub use network::NetworkTrouble;

/// All checks that there are facts for, on the way from the engine to the targets.
pub(super) fn all(facts: &Facts) -> Vec<Check> {
    let mut checks = vec![engine(&facts.endpoint, &facts.engine)];
    if let Ok(engine) = &facts.engine {
        checks.push(version(engine));
        checks.push(place(engine, facts.no_dialer.as_ref()));
    }
    if let Some(asked) = &facts.backend {
        checks.push(match &facts.damage {
            Some(damage) => found("backend", damage),
            None => backend(asked, &facts.start),
        });
        if let Ok(Some(container)) = asked {
            checks.extend(facts.lost_files.then(|| configuration(container, &facts.start)));
            checks.push(security(container, facts.confinement.as_ref(), &facts.anew));
            checks.extend(facts.network.as_ref().map(|trouble| found("network", trouble)));
            checks.extend(facts.isolated.then(|| found("network", &NoNetwork::new(&facts.anew))));
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
            checks.push(namespace(&daemon.workers, &facts.anew));
        }
    }
    if let Some(Ok(Some(_))) = &facts.backend {
        checks.extend(forwarded(facts));
    }
    checks.extend(facts.dialer.as_ref().map(|container| dialer(container, &facts.start)));
    checks.extend(facts.host_dialer.as_ref().map(|found| host_dialer(found.as_ref(), &facts.start)));
    checks.extend(facts.proxies_in_vain.as_ref().map(|(why, start)| {
        found("proxy", &ForwardTrouble::Proxies { why: why.clone(), start: start.clone() })
    }));
    let reports: Vec<&Status> = facts.forwards.iter().filter_map(Examined::report).collect();
    if !facts.isolated {
        checks.extend(gateway(&reports, &facts.anew));
    }
    let backend = facts.backend.as_ref().and_then(|found| found.as_ref().ok()?.as_ref());
    for forward in &facts.forwards {
        checks.push(sidecar(forward, backend, &facts.start));
        if let Some(report) = forward.report() {
            checks.extend(targets(forward, report));
            checks.extend(registries(forward, report, &facts.start));
        }
    }
    checks.extend(facts.missing.iter().map(|forward| missing(forward, &facts.start)));
    checks.extend(descriptors(&reports, &facts.anew));
    checks.extend(pipes(&reports));
    checks.extend(ports(&reports, &facts.anew));
    checks.extend(facts.conntrack.map(conntrack));
    checks.extend(facts.disk.map(disk));
    checks
}

fn fine(name: impl Into<String>, why: impl Into<String>) -> Check {
    Check { name: name.into(), verdict: Verdict::Ok, why: why.into(), help: None }
}

/// What is told of something that is not as it should be.
fn found(name: impl Into<String>, trouble: &(impl Explained + Display)) -> Check {
    let status = trouble.explanation().map(|explanation| explanation.status);
    let verdict = if status == Some(Verdict::Fail.word()) { Verdict::Fail } else { Verdict::Warn };
    Check { name: name.into(), verdict, why: trouble.to_string(), help: trouble.advice() }
}

#[cfg(test)]
#[path = "checks_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "checks_forwards_tests.rs"]
mod forwards_tests;
