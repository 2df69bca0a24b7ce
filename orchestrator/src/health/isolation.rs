//! Backends that are in no network at all.

use assemble_contract::{Outcome, Target, TargetHost};
use explained::Explained;

use super::Answer;

/// The engine's `daemon.json` has `"bridge": "none"`, and the backend was made without a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Explained)]
#[error(
    "the backend is in no network, as on an engine without a default one (\"bridge\": \"none\" of its daemon.json)"
)]
#[advice(
    "take that line out and start the engine anew, and {anew} give it one; until then only \"@loopback\" leads out"
)]
#[status = "fail"]
pub struct NoNetwork {
    anew: String,
}

impl NoNetwork {
    /// `anew` are the commands that make the backend anew, with all that it has.
    #[must_use]
    pub fn new(anew: &str) -> Self {
        Self { anew: anew.to_owned() }
    }
}

/// Whether tables of routes, `/proc/net/route` and behind it `/proc/net/ipv6_route`, lead nowhere but to
/// oneself. Devices would not tell: some are in every network namespace.
#[must_use]
pub fn has_no_route(tables: &str) -> bool {
    let mut lines = tables.lines();
    let is_table = lines.next().is_some_and(|head| head.starts_with("Iface"));
    // The first table names the device first, the second last; anything else is a complaint of cat's.
    let leads = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        match words[..] {
            [device, _, _, _, _, _, _, _, _, _, _] => device != "lo",
            [.., device] if words.len() == 10 => device != "lo",
            _ => false,
        }
    };
    is_table && !lines.any(leads)
}

/// Whether a sidecar has got as far as its gateway, whatever there is behind that.
#[must_use]
pub fn has_gateway(answer: &Answer) -> bool {
    let Answer::Told(status) = answer else { return false };
    let mut tried = status.probe.iter().chain(status.ports.iter().filter_map(|port| port.probe.as_ref()));
    matches!(status.target(), Some(Target { host: TargetHost::Gateway, .. }))
        && tried.any(|probe| matches!(probe.result, Outcome::Accepted | Outcome::Refused | Outcome::TimedOut))
}

#[cfg(test)]
mod tests {
    use assemble_contract::Status;
    use assemble_contract::status::{PortStatus, Probe};

    use super::*;

    const HEAD: &str =
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
    const LO: &str = "00000000000000000000000000000001 80 00000000000000000000000000000000 00 \
                      00000000000000000000000000000000 00000000 00000002 00000000 80200001       lo\n";

    #[test]
    fn whoever_was_at_the_gateway_has_a_network() {
        let told = |target: &str, result| {
            let probe = Some(Probe { result, ..Probe::default() });
            let port = PortStatus { port: 8001, probe: probe.clone(), ..PortStatus::default() };
            let one = Status { target: target.to_owned(), probe, ..Status::default() };
            let range = Status { ports: vec![port], probe: None, ..one.clone() };
            let [one, range] = [one, range].map(|status| has_gateway(&Answer::Told(Box::new(status))));
            assert_eq!(one, range);
            one
        };
        for result in [Outcome::Accepted, Outcome::Refused, Outcome::TimedOut] {
            assert!(told("gateway:8000", result));
            assert!(!told("loopback:8000", result) && !told("192.0.2.1:8000", result));
        }
        for result in [Outcome::NoGateway, Outcome::Unreachable, Outcome::NotTried] {
            assert!(!told("gateway:8000", result));
        }
        assert!(!has_gateway(&Answer::Old));
    }

    #[test]
    fn a_table_without_a_way_out_is_told_from_others() {
        let v4 = "eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n";
        assert!(has_no_route(HEAD));
        assert!(has_no_route(&format!("{HEAD}{LO}")));
        assert!(has_no_route(&format!(
            "{HEAD}cat: can't open '/proc/net/ipv6_route': No such file or directory\n"
        )));
        assert!(!has_no_route(&format!("{HEAD}{v4}{LO}")));
        assert!(!has_no_route(&format!("{HEAD}{}", LO.replace("lo\n", "eth0\n"))));
        assert!(!has_no_route("cat: not found"));
    }
}
