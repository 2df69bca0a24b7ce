//! The checks of the way to the services: what is forwarded, and what is reached.

use assemble_contract::status::Speaks;
use assemble_contract::{Outcome, Status, Target, TargetHost};

use super::super::gather::Facts;
use super::super::{Check, Verdict};
use super::{check, fine};
use crate::commands::health::Examined;
use crate::health::{anew, target_now};

/// Whether anything is forwarded at all, and the port that was asked for.
pub(super) fn forwarded(facts: &Facts) -> Option<Check> {
    match (facts.port, &facts.more) {
        (Some(port), Some(start)) => Some(check(
            format!("sidecar {port}"),
            Verdict::Fail,
            format!("port {port} is not forwarded"),
            &format!("'{start}'"),
        )),
        (None, _) if facts.forwards.is_empty() && facts.missing.is_empty() => Some(check(
            "sidecars",
            Verdict::Warn,
            "no port of the host is forwarded",
            "'docker assemble backend start --allow-host-port 5000' forwards one",
        )),
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
        [] => check(
            NAME,
            Verdict::Fail,
            "the backend's network has no default route, so that nothing of the host is reached",
            &format!("{} give the backend a new network", anew(start)),
        ),
        addrs => {
            let addrs: Vec<&str> = addrs.iter().map(|addr| host_of(addr)).collect();
            fine(NAME, format!("{} is the way out of the backend's network", addrs.join(" or ")))
        }
    })
}

/// An address without its port.
fn host_of(addr: &str) -> &str {
    addr.rsplit_once(':').map_or(addr, |(host, _)| host).trim_matches(['[', ']'])
}

pub(super) fn target(forward: &Examined, report: &Status) -> Option<Check> {
    let attempt = report.probe.as_ref()?;
    let name = format!("target {}", forward.sidecar.port);
    Some(match &forward.finding {
        _ if attempt.result == Outcome::Accepted => {
            fine(name, format!("{} accepts ({} us)", target_now(report), attempt.latency_us))
        }
        Some(finding) => {
            check(name, Verdict::Fail, format!("{}: {}", target_now(report), finding.why), &finding.help)
        }
        // A target in words of a later version.
        None => check(
            name,
            Verdict::Fail,
            format!("{}: {}", report.target, attempt.text.as_deref().unwrap_or("not reached")),
            "",
        ),
    })
}

pub(super) fn registry(forward: &Examined, report: &Status, start: &str) -> Option<Check> {
    let port = forward.sidecar.port;
    let name = format!("registry {port}");
    let warn = |why: &str, help: &str| check(name.as_str(), Verdict::Warn, why, help);
    Some(match report.probe.as_ref()?.speaks.as_ref()? {
        Speaks::Http { registry: true, .. } => {
            fine(name, format!("speaks http, as BuildKit does to localhost:{port}"))
        }
        Speaks::Http { status: 200 | 401, registry: false } => fine(name, "answers /v2/ over http"),
        Speaks::Http { status, .. } => warn(
            &format!("speaks http, and answers /v2/ with status {status}: not a registry"),
            "nothing to do unless images are pushed there",
        ),
        Speaks::Tls => warn(
            "speaks https",
            &format!(
                "'{start} --recreate --registry-ca localhost:{port}=ca.pem' has BuildKit trust it, with its \
                 authority's certificate in the file ca.pem"
            ),
        ),
        Speaks::Closed | Speaks::Silent | Speaks::Other => warn(
            "speaks neither http nor recognizable https: not a registry",
            "nothing to do unless images are pushed there",
        ),
    })
}
