//! How a forward does, in lines and as JSON.

use std::time::Duration;

use assemble_contract::status::{LastError, PortStatus, Probe};
use assemble_contract::{Outcome, Port, Ports, Status};
use docker_plugin::output::{age, size};
use serde_json::{Value, json};

use crate::commands::health::{Examined, Found};
use crate::health::{Answer, target_of, tried};

/// The lines below its sidecar's; `start` is the command that keeps all forwards, and `verbose` tells of single
/// ports of a range too. None for one that was not asked, whose state says why.
pub(super) fn lines(forward: &Examined, start: &str, verbose: bool) -> Vec<String> {
    let Some(answer) = &forward.answer else { return Vec::new() };
    let Answer::Told(report) = answer else {
        let help = matches!(answer, Answer::Old).then(|| format!("What helps: '{start}' replaces it"));
        return std::iter::once(untold(answer).1).chain(help).collect();
    };
    let (ports, accepting) = (forward.sidecar.ports, forward.accepting());
    let (mut lines, mut idle) = (Vec::new(), Vec::new());
    let told = |found: &Found, lines: &mut Vec<String>| {
        let Found { ports, finding } = found;
        lines.push(format!("Target {}: {}", forward.target(report, ports), finding.why()));
        lines.push(format!("What helps: {}", finding.help()));
    };
    forward.troubles().for_each(|found| told(found, &mut lines));
    if verbose {
        let rest = forward.findings.iter().filter(|found| forward.troubles().all(|other| other != *found));
        rest.for_each(|found| told(found, &mut idle));
    }
    let target = forward.target(report, &ports.into());
    let not_tried = match forward.not_tried() {
        0 => String::new(),
        n => format!(", {n} not tried"),
    };
    if forward.findings.is_empty() && not_tried.is_empty() {
        lines.insert(0, format!("Target {target} accepts"));
    } else if accepting > 0 || !not_tried.is_empty() {
        let all = ports.count();
        lines.insert(0, format!("Target {target} accepts on {accepting} of {all} ports{not_tried}"));
    }
    lines.append(&mut idle);
    let whole = Counts::of(report);
    lines.push(format!("Connections: {}", whole.words()));
    lines.extend(last_error(report.last_error.as_ref()).map(|last| format!("Last {last}")));
    if verbose && !ports.is_one() {
        lines.extend(of_ports(report, ports));
    }
    lines
}

/// What there is to count.
struct Counts {
    active: u64,
    opened: u64,
    failures: u64,
    up: u64,
    down: u64,
}

impl Counts {
    fn of(report: &Status) -> Self {
        let Status { active, opened, bytes_up: up, bytes_down: down, .. } = *report;
        Self { active, opened, failures: report.failures(), up, down }
    }

    fn words(&self) -> String {
        let failures = match self.failures {
            0 => String::new(),
            n => format!(", {n} failed"),
        };
        let (up, down) = (size(self.up), size(self.down));
        format!("{} open, {} in all{failures}; {up} up, {down} down", self.active, self.opened)
    }
}

fn last_error(last: Option<&LastError>) -> Option<String> {
    let LastError { text, age_ms, .. } = last?;
    // Docker's own ages begin a cell of a table.
    let age = age(Duration::from_millis(*age_ms)).to_ascii_lowercase();
    Some(format!("error {age}: {text}"))
}

/// A line for each port of a range that has had a connection, and one for the rest.
fn of_ports(report: &Status, ports: Ports) -> Vec<String> {
    let used: Vec<_> = report.ports.iter().filter(|port| port.opened > 0).collect();
    let line = |port: &&PortStatus| {
        let last = last_error(port.last_error.as_ref()).map(|last| format!("; last {last}"));
        let counts = Counts::of(&Status::from(*port)).words();
        format!("Port {}: {counts}{}", port.port, last.unwrap_or_default())
    };
    let rest = ports.count().saturating_sub(used.len());
    let rest = (rest > 0)
        .then(|| format!("Without a connection so far: {rest} {}", if rest == 1 { "port" } else { "ports" }));
    used.iter().map(line).chain(rest).collect()
}

/// The object beside its sidecar. `Health` is `accepted`, the reason why not, or why that is not
/// known: `unknown`, `old`, `silent`. Times are in milliseconds and microseconds. That of a range has
/// `Accepting`, how many of its ports do, `Findings`, why the others do not, and `Ports`, what is known of
/// each that was tried or used.
pub(super) fn object(forward: &Examined) -> Value {
    let Some(answer) = &forward.answer else {
        return unknown();
    };
    let Answer::Told(report) = answer else {
        let (health, why) = untold(answer);
        return json!({ "Health": health, "Why": why, "Help": null });
    };
    let ports = forward.sidecar.ports;
    let found = forward.troubles().next();
    let mut object = counters(report);
    if ports.is_one() {
        tell(&mut object, report.probe.as_ref(), found);
        return object;
    }
    // In the words of a port that speaks for all: one that is in trouble, or one that accepts.
    let speaks = |(port, probe): &(Port, &Probe)| match found {
        Some(found) => found.ports.contains(*port),
        None => probe.result == Outcome::Accepted,
    };
    tell(&mut object, tried(report, ports).find(speaks).map(|(_, probe)| probe), found);
    object["Target"] = target_of(report, ports).into();
    object["Accepting"] = forward.accepting().into();
    let finding = |Found { ports, finding }: &Found| json!({ "Ports": ports.to_string(), "Why": finding.why(), "Help": finding.help() });
    object["Findings"] = forward.findings.iter().map(finding).collect();
    let of_port = |told: &PortStatus| {
        let mut object = counts(&Status::from(told));
        object["Port"] = told.port.into();
        reached(&mut object, told.probe.as_ref());
        object
    };
    object["Ports"] = report.ports.iter().map(of_port).collect();
    object
}

/// Whether a target is reached, and what keeps builds from it.
fn tell(object: &mut Value, probe: Option<&Probe>, found: Option<&Found>) {
    reached(object, probe);
    object["Why"] = found.map(|found| found.finding.why()).into();
    object["Help"] = found.map(|found| found.finding.help()).into();
}

fn reached(object: &mut Value, probe: Option<&Probe>) {
    object["Health"] = probe.map_or(Outcome::Unknown, |probe| probe.result).word().into();
    object["LatencyMicros"] = probe.map(|probe| probe.latency_us).into();
}

/// The object of a forward that nobody could be asked about.
pub(super) fn unknown() -> Value {
    json!({ "Health": "unknown", "Why": null, "Help": null })
}

fn counters(report: &Status) -> Value {
    let mut object = counts(report);
    object["Version"] = report.version.clone().into();
    object["Target"] = report.target.clone().into();
    object["Addresses"] = report.addrs_now().map(|ip| ip.to_string()).collect();
    object["Resolved"] = report.resolved.into();
    object
}

fn counts(report: &Status) -> Value {
    let last = report.last_error.as_ref();
    json!({
        "Active": report.active,
        "Opened": report.opened,
        "Failed": report.failed,
        "BytesUp": report.bytes_up,
        "BytesDown": report.bytes_down,
        "LastError": last.map(|last| json!({"Reason": last.reason, "Text": last.text, "AgeMillis": last.age_ms})),
    })
}

/// Why nothing is known, in a word and in a line.
fn untold(answer: &Answer) -> (&'static str, String) {
    match answer {
        Answer::Told(_) => ("unknown", String::new()),
        Answer::Old => ("old", "This sidecar is of an older version that tells no more".to_owned()),
        Answer::Foreign => ("unknown", "The program of this sidecar's image tells no more".to_owned()),
        Answer::Silent(limit) => ("silent", format!("Does not answer within {} s", limit.as_secs())),
        Answer::Failed(text) => ("silent", format!("Does not answer: {text}")),
        Answer::Refused { why, help } => ("silent", format!("Cannot be asked: {why}; {help}")),
    }
}

#[cfg(test)]
#[path = "forwards_tests.rs"]
mod tests;
