//! Why a gateway that is the host leads to no service.

use super::*;

#[test]
fn what_listens_on_this_host_explains_a_refusal_by_its_gateway() {
    let other = Listening::Only([192, 0, 2, 1].into());
    let here = |listening| case(Outcome::Refused, &TargetHost::Gateway, Place::Here, Some(listening));
    says(
        &here(&Listening::Nothing),
        "refused: nothing listens on port 5000 of this host",
        "start the service; \"ss -ltn 'sport = :5000'\" on this host shows it once it listens",
    );
    says(
        &here(&LOCAL),
        "refused: what listens on port 5000 does so on 127.0.0.1 only, which the gateway does not lead to",
        "'docker assemble backend start --allow-host-port 5000@loopback'",
    );
    says(
        &here(&Listening::V6Only),
        "refused: what listens on port 5000 takes IPv6 only, and the gateway is IPv4",
        "have the service listen on 0.0.0.0 too, or 'docker assemble backend start --allow-host-port 5000@loopback'",
    );
    says(
        &here(&other),
        "refused: what listens on port 5000 does so on 192.0.2.1 only",
        "'docker assemble backend start --allow-host-port 0 --forward 5000=192.0.2.1:5000'",
    );
    says(
        &here(&Listening::Reachable),
        "refused: port 5000 is listened on, so a firewall rejects traffic from the engine's bridge",
        BOTH,
    );
}

#[test]
fn silence_of_a_gateway_is_a_firewalls_unless_nothing_could_be_heard() {
    let silent = |listening| case(Outcome::TimedOut, &TargetHost::Gateway, Place::Here, Some(listening));
    says(
        &silent(&Listening::Reachable),
        "timed out: port 5000 is listened on, so a firewall drops traffic from the engine's bridge",
        BOTH,
    );
    says(
        &silent(&LOCAL),
        "timed out: what listens on port 5000 does so on 127.0.0.1 only, which the gateway does not lead to",
        "'docker assemble backend start --allow-host-port 5000@loopback'",
    );
    let far = case(Outcome::TimedOut, &TargetHost::Gateway, Place::Elsewhere, None);
    says(
        &far,
        "timed out: a firewall of the engine's host is in the way of traffic from its bridge, or the service hangs",
        &BOTH.replace("this", "that"),
    );
    let rejected = case(Outcome::Unreachable, &TargetHost::Gateway, Place::Here, Some(&Listening::Reachable));
    says(
        &rejected,
        "unreachable: port 5000 is listened on, so a firewall rejects traffic from the engine's bridge",
        BOTH,
    );
    let v6 = Case { addr: Some("2001:db8::1".parse().unwrap()), ..far };
    assert!(explain(&v6).unwrap().help().contains("'ip6tables -I INPUT -p tcp -d 2001:db8::1 "));
}

#[test]
fn a_host_that_cannot_be_looked_at_leaves_two_causes() {
    says(
        &case(Outcome::Refused, &TargetHost::Gateway, Place::Elsewhere, None),
        "refused: nothing listens on port 5000 of the engine's host, or on its 127.0.0.1 only",
        "\"ss -ltn 'sport = :5000'\" on that host shows what listens, and on which address; \
         on 127.0.0.1 only: 'docker assemble backend start --allow-host-port 5000@loopback'; if the service is on \
         another machine or in a container, as in CI, by the name that the engine's containers know: \
         'docker assemble backend start --allow-host-port 0 --forward 5000=NAME:5000'",
    );
}

#[test]
fn a_port_that_a_container_publishes_in_vain_is_told_from_one_behind_a_firewall() {
    let published = |outcome, place, listening| {
        let silent = case(outcome, &TargetHost::Gateway, place, listening);
        explain(&Case { publisher: Some("registry"), ..silent }).unwrap()
    };
    let around = "'docker assemble backend start --allow-host-port 5000@loopback' goes around it";
    for listening in [Some(&Listening::Nothing), Some(&Listening::Reachable), None] {
        let finding = published(Outcome::TimedOut, Place::Here, listening);
        assert!(
            finding.why().starts_with("timed out: container \"registry\" publishes port 5000"),
            "{finding:?}"
        );
        assert_eq!((finding.help().as_str(), finding.blocked), (around, true));
    }
    // One that answers for itself is reached.
    assert!(published(Outcome::Refused, Place::Here, None).why().contains("nothing listens"));
}

#[test]
fn a_service_that_leaves_connections_waiting_may_hang() {
    let waiting = [1, 129].map(Listening::Waiting);
    let here = |outcome, n: usize| case(outcome, &TargetHost::Gateway, Place::Here, Some(&waiting[n]));
    says(
        &here(Outcome::TimedOut, 1),
        "timed out: 129 connections wait on port 5000 to be accepted, so the service hangs, or a firewall drops \
         traffic from the engine's bridge",
        &format!(
            "see to the service; \"ss -ltn 'sport = :5000'\" on this host shows under Recv-Q how many wait. If it \
             accepts, {}",
            BOTH.replace("around it", "around the firewall")
        ),
    );
    assert!(
        explain(&here(Outcome::TimedOut, 0)).unwrap().why().contains(": 1 connection waits on port 5000")
    );
    for outcome in [Outcome::Refused, Outcome::Unreachable] {
        let rejected = explain(&here(outcome, 1)).unwrap();
        assert!(
            rejected.why().ends_with("so a firewall rejects traffic from the engine's bridge"),
            "{rejected:?}"
        );
    }
}
