//! The checks of the way to the services: what is forwarded, and what is reached.

use assemble_contract::status::Speaks;
use assemble_contract::{Outcome, Status, Target, TargetHost};
use docker_plugin::authority::Authority;
use explained::Explained;

use super::{fine, found};
use crate::commands::doctor::Check;
use crate::commands::doctor::gather::Facts;
use crate::commands::health::Examined;
use crate::desired::Port;
use crate::health::{anew, target_now};

/// What there is to know of the forwards.
#[derive(Debug, thiserror::Error, Explained)]
#[status = "fail"]
pub enum ForwardTrouble {
    /// `backend doctor PORT` with one that no start has named.
    #[error("port {port} is not forwarded")]
    #[advice("'{start}'")]
    NotForwarded { port: Port, start: String },
    /// `--allow-host-port 0`.
    #[error("no port of the host is forwarded")]
    #[advice("'docker assemble backend start --allow-host-port 5000' forwards one")]
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

/// Whether anything is forwarded at all, and the port that was asked for.
pub(super) fn forwarded(facts: &Facts) -> Option<Check> {
    match (facts.port, &facts.more) {
        (Some(port), Some(start)) => {
            let trouble = ForwardTrouble::NotForwarded { port, start: start.clone() };
            Some(found(format!("sidecar {port}"), &trouble))
        }
        (None, _) if facts.forwards.is_empty() && facts.missing.is_empty() => {
            Some(found("sidecars", &ForwardTrouble::NoForwards))
        }
        _ => None,
    }
}

/// Where forwards to the host leave the backend's network. They share it, so one speaks for all.
pub(super) fn gateway(reports: &[&Status], start: &str) -> Option<Check> {
    const NAME: &str = "gateway";
    let report = reports
        .iter()
        .find(|report| matches!(report.target(), Some(Target { host: TargetHost::Gateway, .. })))?;
    Some(match &report.addrs[..] {
        [] => found(NAME, &ForwardTrouble::NoGateway { anew: anew(start) }),
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

pub(super) fn target(forward: &Examined, report: &Status) -> Option<Check> {
    let attempt = report.probe.as_ref()?;
    let name = format!("target {}", forward.sidecar.port);
    Some(match &forward.finding {
        _ if attempt.result == Outcome::Accepted => {
            fine(name, format!("{} accepts ({} us)", target_now(report), attempt.latency_us))
        }
        Some(finding) => {
            let (target, why, help) = (target_now(report), finding.why(), finding.help());
            found(name, &ForwardTrouble::NotReached { target, why, help })
        }
        None => {
            let why = attempt.text.as_deref().unwrap_or("not reached").to_owned();
            found(name, &ForwardTrouble::NotUnderstood { target: report.target.clone(), why })
        }
    })
}

pub(super) fn registry(forward: &Examined, report: &Status, start: &str) -> Option<Check> {
    let port = forward.sidecar.port;
    let name = format!("registry {port}");
    Some(match report.probe.as_ref()?.speaks.as_ref()? {
        Speaks::Http { registry: true, .. } => {
            fine(name, format!("speaks http, as BuildKit does to localhost:{port}"))
        }
        Speaks::Http { status: 200 | 401, registry: false } => fine(name, "answers /v2/ over http"),
        Speaks::Http { status, .. } => found(name, &ForwardTrouble::NoRegistry { status: *status }),
        Speaks::Tls => found(name, &ForwardTrouble::Https { start: start.to_owned(), port }),
        Speaks::Closed | Speaks::Silent | Speaks::Other => found(name, &ForwardTrouble::NoHttp),
    })
}
