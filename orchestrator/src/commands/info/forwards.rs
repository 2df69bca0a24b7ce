//! How a forward does, in lines and as JSON.

use std::time::Duration;

use assemble_contract::status::LastError;
use assemble_contract::{Outcome, Status};
use docker_plugin::output::{age, size};
use serde_json::{Value, json};

use crate::commands::health::Examined;
use crate::health::{Answer, Finding, target_now};

/// The lines below its sidecar's; `start` is the command that keeps all forwards. None for one that was not asked, whose state says why.
pub(super) fn lines(forward: &Examined, start: &str) -> Vec<String> {
    let Some(answer) = &forward.answer else { return Vec::new() };
    let Answer::Told(report) = answer else {
        let help = matches!(answer, Answer::Old).then(|| format!("What helps: '{start}' replaces it"));
        return std::iter::once(untold(answer).1).chain(help).collect();
    };
    let mut lines = Vec::new();
    match &forward.finding {
        Some(finding) => {
            lines.push(format!("Target {}: {}", target_now(report), finding.why()));
            lines.push(format!("What helps: {}", finding.help()));
        }
        None => lines.push(format!("Target {} accepts", target_now(report))),
    }
    let failures = match report.failures() {
        0 => String::new(),
        n => format!(", {n} failed"),
    };
    lines.push(format!(
        "Connections: {} open, {} in all{failures}; {} up, {} down",
        report.active,
        report.opened,
        size(report.bytes_up),
        size(report.bytes_down)
    ));
    if let Some(LastError { text, age_ms, .. }) = &report.last_error {
        // Docker's own ages begin a cell of a table.
        let age = age(Duration::from_millis(*age_ms)).to_ascii_lowercase();
        lines.push(format!("Last error {age}: {text}"));
    }
    lines
}

/// The object beside its sidecar. `Health` is `accepted`, the reason why not, or why that is not
/// known: `unknown`, `old`, `silent`. Times are in milliseconds and microseconds.
pub(super) fn object(forward: &Examined) -> Value {
    let Some(answer) = &forward.answer else {
        return unknown();
    };
    let Answer::Told(report) = answer else {
        let (health, why) = untold(answer);
        return json!({ "Health": health, "Why": why, "Help": null });
    };
    let probe = report.probe.as_ref();
    let mut object = counters(report);
    object["Health"] = probe.map_or(Outcome::Unknown, |probe| probe.result).word().into();
    object["LatencyMicros"] = probe.map(|probe| probe.latency_us).into();
    object["Why"] = forward.finding.as_ref().map(Finding::why).into();
    object["Help"] = forward.finding.as_ref().map(Finding::help).into();
    object
}

/// The object of a forward that nobody could be asked about.
pub(super) fn unknown() -> Value {
    json!({ "Health": "unknown", "Why": null, "Help": null })
}

fn counters(report: &Status) -> Value {
    let last = report.last_error.as_ref();
    json!({
        "Version": report.version,
        "Target": report.target,
        "Addresses": report.addrs_now().map(|ip| ip.to_string()).collect::<Vec<_>>(),
        "Resolved": report.resolved,
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
    }
}

#[cfg(test)]
mod tests {
    use assemble_contract::status::Probe;

    use super::*;
    use crate::desired::REGISTRY_PORT;
    use crate::health::Cause;
    use crate::observed::{Container, Sidecar};

    fn forward(answer: Option<Answer>, finding: Option<Finding>) -> Examined {
        let container = Container::running("s");
        Examined {
            sidecar: Sidecar { port: REGISTRY_PORT, target: None, beside_backend: None, container },
            stale: false,
            answer,
            finding,
        }
    }

    fn report(result: Outcome) -> Status {
        Status {
            version: "0.1.0".to_owned(),
            target: "gateway:5000".to_owned(),
            active: 1,
            opened: 12,
            bytes_up: 3_400_000,
            bytes_down: 12_000,
            probe: Some(Probe { result, latency_us: 90, ..Probe::default() }),
            ..Status::default()
        }
    }

    #[test]
    fn a_target_that_accepts_takes_two_lines() {
        let good = forward(Some(Answer::Told(Box::new(report(Outcome::Accepted)))), None);
        assert_eq!(
            lines(&good, "start"),
            ["Target gateway:5000 accepts", "Connections: 1 open, 12 in all; 3.4MB up, 12kB down"]
        );
        let object = object(&good);
        assert_eq!((&object["Health"], &object["LatencyMicros"]), (&json!("accepted"), &json!(90)));
        assert_eq!((&object["Why"], &object["LastError"]), (&Value::Null, &Value::Null));
    }

    #[test]
    fn one_that_does_not_brings_cause_help_and_the_last_error() {
        let last = LastError {
            reason: "refused".to_owned(),
            text: "Connection refused".to_owned(),
            age_ms: 180_000,
        };
        let told = Status {
            failed: [("refused".to_owned(), 2)].into(),
            last_error: Some(last),
            ..report(Outcome::Refused)
        };
        let finding = Finding { cause: Cause::MetItself { to: 5000 }, blocked: false };
        let help = finding.help();
        let bad = forward(Some(Answer::Told(Box::new(told))), Some(finding));
        assert_eq!(
            lines(&bad, "start"),
            [
                "Target gateway:5000: the connection met itself: nothing listens on port 5000 there",
                &format!("What helps: {help}"),
                "Connections: 1 open, 12 in all, 2 failed; 3.4MB up, 12kB down",
                "Last error 3 minutes ago: Connection refused",
            ]
        );
        let object = object(&bad);
        assert_eq!((&object["Health"], &object["Help"]), (&json!("refused"), &json!(help)));
        assert_eq!(
            (&object["Failed"]["refused"], &object["LastError"]["AgeMillis"]),
            (&json!(2), &json!(180_000))
        );
    }

    #[test]
    fn what_is_not_known_is_told_and_is_no_error() {
        let table = [
            (Answer::Old, "old", "This sidecar is of an older version"),
            (Answer::Foreign, "unknown", "The program of this sidecar's image"),
            (Answer::Silent(Duration::from_secs(8)), "silent", "Does not answer within 8 s"),
            (Answer::Failed("no".to_owned()), "silent", "Does not answer: no"),
        ];
        for (answer, health, line) in table {
            let forward = forward(Some(answer), None);
            assert_eq!(object(&forward)["Health"], health);
            assert!(lines(&forward, "start")[0].starts_with(line), "{:?}", lines(&forward, "start"));
        }
        assert_eq!(lines(&forward(None, None), "start"), [] as [String; 0]);
    }
}
