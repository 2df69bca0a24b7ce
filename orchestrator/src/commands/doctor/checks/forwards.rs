//! The checks of the way to the services: what is forwarded, and what is reached.

use assemble_contract::status::Speaks;
use assemble_contract::{Status, Target, TargetHost};
use docker_plugin::authority::Authority;
use explained::Explained;

use super::{fine, found};
use crate::commands::doctor::Check;
use crate::commands::doctor::facts::Facts;
use crate::commands::health::{Examined, Found};
use crate::desired::{Port, Ports};
use crate::forward::asked::Asked;
use crate::forward::{Forward, PortSet, named, word};
use crate::health::tried;

/// What there is to know of the forwards.
#[derive(Debug, thiserror::Error, Explained)]
#[status = "fail"]
pub enum ForwardTrouble {
    /// `backend doctor PORT` with one that no start has named.
    #[error("{ports} {verb} not forwarded")]
    #[advice("'{start}'")]
    NotForwarded { ports: String, verb: &'static str, start: String },
    /// `backend doctor PORT=HOST:PORT` and the like, where the port leads somewhere else.
    #[error("{ports} {verb} forwarded to {target}")]
    #[advice(
        "'docker assemble backend port rm {inside}', and then 'docker assemble backend port add {asked}'"
    )]
    Elsewhere { ports: String, inside: Ports, verb: &'static str, target: String, asked: String },
    /// `--allow-host-port 0`.
    #[error("no port of the host is forwarded")]
    #[advice("'docker assemble backend port add 5000' forwards one")]
    #[status = "warn"]
    NoForwards,
    /// A proxy in docker's configuration is on localhost, which is the backend's own for builds.
    #[error("{why}")]
    #[advice("'{start}' leads to that of the host")]
    Proxies { why: String, start: String },
    /// The backend's network leads nowhere else.
    #[error("the backend's network has no default route, so that nothing of the host is reached")]
    #[advice("{anew} give the backend a new network")]
    NoGateway { anew: String },
    /// A forward leads to a service that is not reached; the table below has what is the matter.
    #[error("{target}: {why}")]
    #[advice("{help}")]
    NotReached { target: String, why: String, help: String },
    /// Services of a range listen on some of its ports. Those of the others may come yet.
    #[error("{accepting} of {all} ports accept; {target}: {why}")]
    #[advice("nothing where no service is meant to be yet; else {help}")]
    #[status = "warn"]
    Idle { accepting: usize, all: usize, target: String, why: String, help: String },
    /// The ports of a range that do not answer took the time that there is for all of it.
    #[error("{target} accepts on {accepting} of {all} ports, {not_tried} not tried")]
    #[advice("see to those that do not answer, or forward fewer ports in one range")]
    #[status = "warn"]
    NotTried { target: String, accepting: usize, all: usize, not_tried: usize },
    /// A sidecar of a later version tells of a target that this program does not know.
    #[error("{target}: {why}")]
    #[advice = "nothing is known"]
    NotUnderstood { target: String, why: String },
    /// The service is a web server.
    #[error("speaks http, and answers /v2/ with status {status}: not a registry")]
    #[advice("nothing to do unless images are pushed there")]
    #[status = "warn"]
    NoRegistry { status: u16 },
    /// BuildKit speaks plain HTTP to registries on localhost first, and does not know the certificate.
    #[error("speaks https")]
    #[advice(
        "'{start} --recreate --registry-ca localhost:{port}=ca.pem' has BuildKit trust it, with its \
         authority's certificate in the file ca.pem"
    )]
    #[status = "warn"]
    Https { start: String, port: Port },
    /// The service is something else, such as a database.
    #[error("speaks neither http nor recognizable https: not a registry")]
    #[advice("nothing to do unless images are pushed there")]
    #[status = "warn"]
    NoHttp,
}

/// Whether anything is forwarded at all, and the ports that were asked for, where that was said.
pub(super) fn forwarded(facts: &Facts) -> Vec<Check> {
    if !facts.named && facts.forwards.is_empty() && facts.missing.is_empty() {
        return vec![found("sidecars", &ForwardTrouble::NoForwards)];
    }
    let verb = |ports: Ports| if ports.is_one() { "is" } else { "are" };
    let missed = |ports: &Ports| {
        let (verb, start) = (verb(*ports), facts.more.clone());
        let trouble = ForwardTrouble::NotForwarded { ports: named(*ports), verb, start };
        found(format!("sidecar {ports}"), &trouble)
    };
    let elsewhere = |(has, asked): &(Forward, Asked)| {
        let (inside, verb) = (has.ports, verb(has.ports));
        let (ports, target, asked) = (named(inside), has.leads_to(), word(asked));
        let trouble = ForwardTrouble::Elsewhere { ports, inside, verb, target, asked };
        found(format!("sidecar {inside}"), &trouble)
    };
    facts.unforwarded.iter().map(missed).chain(facts.elsewhere.iter().map(elsewhere)).collect()
}

/// Where forwards to the host leave the backend's network. They share it, so one speaks for all.
pub(super) fn gateway(reports: &[&Status], anew: &str) -> Option<Check> {
    const NAME: &str = "gateway";
    let report = reports
        .iter()
        .find(|report| matches!(report.target(), Some(Target { host: TargetHost::Gateway, .. })))?;
    Some(match &report.addrs[..] {
        [] => found(NAME, &ForwardTrouble::NoGateway { anew: anew.to_owned() }),
        addrs => {
            let addrs: Vec<String> = addrs.iter().map(|addr| host_of(addr)).collect();
            fine(NAME, format!("{} is the way out of the backend's network", addrs.join(" or ")))
        }
    })
}

/// An address without its port.
fn host_of(addr: &str) -> String {
    addr.parse().map_or_else(|_| addr.to_owned(), |Authority { host, .. }| host)
}

/// How its target is reached, in one line, and a line more for each thing that keeps builds from ports of it.
pub(super) fn targets(forward: &Examined, report: &Status) -> Vec<Check> {
    let ports = forward.sidecar.ports;
    let tried: Vec<_> = tried(report, ports).map(|(_, probe)| probe).collect();
    let Some(first) = tried.first() else { return Vec::new() };
    let name = format!("target {ports}");
    let target = |ports: &PortSet| forward.target(report, ports);
    let mut checks: Vec<_> = forward
        .troubles()
        .map(|Found { ports, finding }| {
            let (target, why, help) = (target(ports), finding.why(), finding.help());
            found(name.clone(), &ForwardTrouble::NotReached { target, why, help })
        })
        .collect();
    let (accepting, not_tried, all) = (forward.accepting(), forward.not_tried(), ports.count());
    if not_tried > 0 {
        let target = target(&ports.into());
        checks.push(found(name.clone(), &ForwardTrouble::NotTried { target, accepting, all, not_tried }));
    }
    if accepting > 0 {
        let idle = forward.findings.iter().filter(|found| found.finding.is_idle());
        checks.extend(idle.map(|Found { ports, finding }| {
            let (target, why, help) = (target(ports), finding.why(), finding.help());
            found(name.clone(), &ForwardTrouble::Idle { accepting, all, target, why, help })
        }));
    }
    if checks.is_empty() && accepting == 0 {
        let why = first.text.as_deref().unwrap_or("not reached").to_owned();
        checks.push(found(name, &ForwardTrouble::NotUnderstood { target: report.target.clone(), why }));
    } else if checks.is_empty() {
        let target = target(&ports.into());
        let longest = tried.iter().map(|probe| probe.latency_us).max().unwrap_or_default();
        let most = if ports.is_one() { "" } else { " at most" };
        checks.push(fine(name, format!("{target} accepts ({longest} us{most})")));
    }
    checks
}

/// What the services of its ports speak, where that was asked.
pub(super) fn registries(forward: &Examined, report: &Status, start: &str) -> Vec<Check> {
    let told = tried(report, forward.sidecar.ports);
    told.filter_map(|(port, probe)| Some(registry(port, probe.speaks.as_ref()?, start))).collect()
}

fn registry(port: Port, speaks: &Speaks, start: &str) -> Check {
    let name = format!("registry {port}");
    match speaks {
        Speaks::Http { registry: true, .. } => {
            fine(name, format!("speaks http, as BuildKit does to localhost:{port}"))
        }
        Speaks::Http { status: 200 | 401, registry: false } => fine(name, "answers /v2/ over http"),
        Speaks::Http { status, .. } => found(name, &ForwardTrouble::NoRegistry { status: *status }),
        Speaks::Tls => found(name, &ForwardTrouble::Https { start: start.to_owned(), port }),
        Speaks::Closed | Speaks::Silent | Speaks::Other => found(name, &ForwardTrouble::NoHttp),
    }
}
