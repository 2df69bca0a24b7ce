#[path = "cause_forwards_tests.rs"]
mod forwards;
#[path = "cause_gateway_tests.rs"]
mod gateway;

use std::sync::LazyLock;

use super::*;
use crate::desired::REGISTRY_PORT;
use crate::forward::asked::Asked;
use crate::forward::lists;
use crate::health::UNSEEN;

const LOCAL: Listening = Listening::LoopbackOnly(IpAddr::V4(Ipv4Addr::LOCALHOST));
static TRIED: LazyLock<PortSet> = LazyLock::new(|| Ports::from(REGISTRY_PORT).into());
const GATEWAY: IpAddr = IpAddr::V4(Ipv4Addr::new(172, 17, 0, 1));

fn case<'a>(
    outcome: Outcome,
    via: &'a TargetHost,
    place: Place,
    listening: Option<&'a Listening>,
) -> Case<'a> {
    Case {
        ports: REGISTRY_PORT.into(),
        tried: &TRIED,
        via,
        outside: REGISTRY_PORT.into(),
        to: REGISTRY_PORT.into(),
        addr: Some(GATEWAY),
        outcome,
        text: None,
        place,
        listening,
        publisher: None,
        filters: &UNSEEN,
        isolated: false,
        forwards: &[],
        start: &|forwards| {
            let asked: Vec<_> = forwards.iter().map(Asked::from).collect();
            let words = match lists(&asked) {
                _ if forwards.is_empty() => String::new(),
                (ports, hosts) if hosts.is_empty() => format!(" --allow-host-port {ports}"),
                (ports, hosts) => format!(" --allow-host-port {ports} --forward {hosts}"),
            };
            format!("docker assemble backend start{words}")
        },
        anew: "'docker assemble backend stop' and then 'docker assemble backend start'",
    }
}

/// What helps against a firewall that cannot be looked at.
const BOTH: &str = "'docker assemble backend start --allow-host-port 5000@loopback' goes around it; \
    'iptables -I INPUT -p tcp -d 172.17.0.1 --dport 5000 -j ACCEPT' on this host lets it in, and where nftables \
    filters too 'nft insert rule inet filter input ip daddr 172.17.0.1 tcp dport 5000 accept', with the table and \
    chain that 'nft list ruleset' shows; where firewalld does 'firewall-cmd --zone=ZONE --add-rich-rule=\"rule priority=-32768 \
    family=ipv4 destination address=172.17.0.1 port port=5000 protocol=tcp accept\"', with the zone of the engine's bridge, and the same with --permanent";

#[track_caller]
fn says(case: &Case<'_>, why: &str, help: &str) {
    let finding = explain(case).unwrap();
    assert_eq!((finding.why().as_str(), finding.help().as_str()), (why, help));
}

#[test]
fn a_target_that_accepts_is_no_case() {
    for via in [&TargetHost::Gateway, &TargetHost::Loopback, &TargetHost::Address(GATEWAY)] {
        assert_eq!(explain(&case(Outcome::Accepted, via, Place::Virtual("Docker Desktop"), None)), None);
    }
}

#[test]
fn an_engine_whose_gateway_is_not_the_host_is_named() {
    for outcome in [Outcome::Refused, Outcome::TimedOut, Outcome::Unreachable] {
        let said = said(outcome);
        says(
            &case(outcome, &TargetHost::Gateway, Place::Virtual("Docker Desktop"), None),
            &format!("{said}: the gateway is Docker Desktop's virtual machine and not this computer"),
            "'docker assemble backend start --allow-host-port 0 --forward 5000=host.docker.internal:5000'",
        );
        says(
            &case(outcome, &TargetHost::Gateway, Place::Rootless, None),
            &format!("{said}: the gateway is the network namespace of the rootless engine and not this host"),
            "'docker assemble backend start --allow-host-port 5000@loopback', run on this host by the user of the engine, leads to its 127.0.0.1",
        );
    }
}

/// Its containers may be in the host's network.
#[test]
fn rootless_podman_reaches_the_host_by_its_loopback() {
    let refused = case(Outcome::Refused, &TargetHost::Gateway, Place::RootlessPodman, None);
    says(
        &refused,
        "refused: the gateway is the network namespace of rootless Podman and not this host",
        "'docker assemble backend start --allow-host-port 5000@loopback' leads to this host's 127.0.0.1",
    );
    assert!(explain(&refused).unwrap().blocked);
    says(
        &case(Outcome::Refused, &TargetHost::Loopback, Place::RootlessPodman, None),
        "refused: nothing listens on port 5000 of the host's 127.0.0.1",
        "start the service; \"ss -ltn 'sport = :5000'\" on that host shows it once it listens",
    );
}

/// The dialer is a container, and its host is the engine's.
#[test]
fn a_loopback_that_is_not_this_computers_is_named() {
    says(
        &case(Outcome::Refused, &TargetHost::Loopback, Place::Virtual("Docker Desktop"), None),
        "refused: the loopback is that of Docker Desktop's virtual machine and not of this computer",
        "'docker assemble backend start --allow-host-port 0 --forward 5000=host.docker.internal:5000'",
    );
    let rootless = explain(&case(Outcome::Refused, &TargetHost::Loopback, Place::Rootless, None)).unwrap();
    assert!(
        rootless
            .why()
            .contains("is that of the network namespace of the rootless engine and not of this host"),
        "{rootless:?}"
    );
    assert!(rootless.help().contains("5000@loopback', run on this host"), "{rootless:?}");
}

#[test]
fn only_what_leads_somewhere_else_has_another_target_for_a_remedy() {
    let of = |outcome, via, place, listening| remedy(&case(outcome, via, place, listening));
    let loopback = Some(Target::Loopback { port: REGISTRY_PORT });
    assert_eq!(of(Outcome::Refused, &TargetHost::Gateway, Place::Here, Some(&LOCAL)), loopback);
    assert_eq!(of(Outcome::TimedOut, &TargetHost::Gateway, Place::Here, Some(&Listening::V6Only)), loopback);
    assert_eq!(of(Outcome::Refused, &TargetHost::Gateway, Place::Here, Some(&Listening::Nothing)), None);
    // Nobody knows whether anything listens there.
    assert_eq!(of(Outcome::Refused, &TargetHost::Gateway, Place::Elsewhere, None), None);
    for outcome in [Outcome::Accepted, Outcome::NoGateway, Outcome::Dialer, Outcome::Unknown] {
        assert_eq!(of(outcome, &TargetHost::Gateway, Place::Virtual("Docker Desktop"), None), None);
    }
}

#[test]
fn other_ways_have_causes_of_their_own() {
    let loopback = |outcome| case(outcome, &TargetHost::Loopback, Place::Here, None);
    let start = "start the service; \"ss -ltn 'sport = :5000'\" on that host shows it once it listens";
    says(&loopback(Outcome::Refused), "refused: nothing listens on port 5000 of the host's 127.0.0.1", start);
    says(
        &Case { text: Some("no dialer"), ..loopback(Outcome::Dialer) },
        "the dialer on the host does not help (no dialer)",
        "'docker assemble backend start' makes it anew",
    );
    assert!(
        explain(&loopback(Outcome::TimedOut)).unwrap().why().starts_with("timed out: the host's loopback")
    );
    let ip = TargetHost::Address([192, 0, 2, 7].into());
    let address = |outcome| case(outcome, &ip, Place::Here, None);
    says(&address(Outcome::Refused), "refused: nothing listens on port 5000 of 192.0.2.7", start);
    says(
        &Case { text: Some("No route to host"), ..address(Outcome::Unreachable) },
        "unreachable: there is no way from the backend's network to port 5000 of 192.0.2.7 (No route to host)",
        "see whether 192.0.2.7 is up and its firewall lets port 5000 in",
    );
    let v6: IpAddr = "2001:db8::7".parse().unwrap();
    for text in ["Cannot assign requested address", "Network is unreachable"] {
        says(
            &Case {
                text: Some(text),
                ..case(Outcome::Unreachable, &TargetHost::Address(v6), Place::Here, None)
            },
            "unreachable: the backend's network has no IPv6, and 2001:db8::7 is an address of IPv6",
            "give an IPv4 address of that host, or the engine's networks IPv6 (\"ipv6\" of its daemon.json)",
        );
    }
    says(
        &case(Outcome::NoGateway, &TargetHost::Gateway, Place::Here, None),
        "no gateway: the backend's network has no default route",
        "'docker assemble backend stop' and then 'docker assemble backend start' give the backend a new network",
    );
    says(
        &case(Outcome::Loop, &TargetHost::Gateway, Place::Here, None),
        "the connection met itself: nothing listens on port 5000 there",
        start,
    );
    says(
        &case(Outcome::Unknown, &TargetHost::Gateway, Place::Here, None),
        "not reached",
        "'docker assemble backend logs --proxy 5000' tells more",
    );
}

#[test]
fn a_name_is_told_apart_from_what_it_leads_to() {
    let named_db = TargetHost::Name("db".parse().unwrap());
    let named = |outcome, text| Case { text, ..case(outcome, &named_db, Place::Here, None) };
    says(
        &named(Outcome::NoSuchName, Some("no such name: \"db\"")),
        "no such name: \"db\"",
        "see whether the name is right and its service up; \
         'docker assemble backend start --allow-host-port 0 --forward 5000=ADDRESS:5000' goes by an address",
    );
    says(
        &named(Outcome::NameService, Some("192.0.2.53 says SERVFAIL")),
        "the name service of the backend's network does not tell (192.0.2.53 says SERVFAIL)",
        "'docker assemble backend stop' and then 'docker assemble backend start' give the backend the name servers that the engine has now",
    );
    says(
        &named(Outcome::Refused, None),
        "refused: nothing listens on port 5000 of db (172.17.0.1)",
        "start the service; \"ss -ltn 'sport = :5000'\" on that host shows it once it listens",
    );
    says(
        &named(Outcome::TimedOut, Some("no answer within 2 s")),
        "timed out: there is no way from the backend's network to port 5000 of db (172.17.0.1) (no answer within 2 s)",
        "see whether db is up and its firewall lets port 5000 in",
    );
}

#[test]
fn only_what_a_later_service_does_not_mend_is_in_the_way() {
    let blocked = |outcome, listening| {
        explain(&case(outcome, &TargetHost::Gateway, Place::Here, listening)).unwrap().blocked
    };
    assert!(!blocked(Outcome::Refused, Some(&Listening::Nothing)));
    assert!(!blocked(Outcome::Refused, None));
    assert!(!blocked(Outcome::TimedOut, Some(&Listening::Nothing)));
    assert!(blocked(Outcome::Refused, Some(&Listening::Reachable)));
    assert!(blocked(Outcome::TimedOut, Some(&Listening::Reachable)));
    assert!(blocked(Outcome::Unreachable, None));
    // It may be mistyped, which nobody else says.
    assert!(blocked(Outcome::NoSuchName, None));
}

#[test]
fn a_backend_without_a_network_is_given_one() {
    let lost = Case { isolated: true, ..case(Outcome::NoGateway, &TargetHost::Gateway, Place::Here, None) };
    let finding = explain(&lost).unwrap();
    assert!(finding.why().contains("\"bridge\": \"none\"") && finding.blocked, "{finding:?}");
    assert!(
        finding.help().contains("'docker assemble backend stop' and then 'docker assemble backend start'"),
        "{finding:?}"
    );
}
