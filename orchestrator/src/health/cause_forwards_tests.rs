//! What a command that helps some ports makes of the user's other forwards.

use super::*;

/// A command that helps one forward must not take the others away.
#[test]
fn the_users_other_forwards_are_kept() {
    let [own, other] = [5000, 6000].map(|port| Forward::plain(Port::new(port).unwrap()));
    let database = Forward {
        ports: Port::new(5432).unwrap().into(),
        target: Target::Host { name: "db".to_owned(), addr: GATEWAY, port: Port::new(1).unwrap() },
    };
    let forwards = [own, database, other];
    let one = Case {
        forwards: &forwards,
        to: "5001".parse().unwrap(),
        outside: "5001".parse().unwrap(),
        ..case(Outcome::Refused, &TargetHost::Gateway, Place::Here, Some(&LOCAL))
    };
    assert_eq!(
        explain(&one).unwrap().help(),
        "'docker assemble backend start --allow-host-port 5000:5001@loopback,6000 --forward 5432=db:1'"
    );
    let lost =
        Case { forwards: &forwards, ..case(Outcome::Dialer, &TargetHost::Loopback, Place::Here, None) };
    assert_eq!(
        explain(&lost).unwrap().help(),
        "'docker assemble backend start --allow-host-port 5000,6000 --forward 5432=db:1' makes it anew"
    );
}

/// Some ports of a range, and a command that leaves the others of it alone.
#[test]
fn ports_of_a_range_are_told_together() {
    let range: Ports = "8000-8099".parse().unwrap();
    let forwards = [Forward::plain(REGISTRY_PORT), Forward::plain(range)];
    let tried = PortSet::from("8003-8010".parse::<Ports>().unwrap());
    let some = |listening| Case {
        ports: range,
        tried: &tried,
        outside: range,
        to: "8003-8010".parse().unwrap(),
        forwards: &forwards,
        ..case(Outcome::Refused, &TargetHost::Gateway, Place::Here, Some(listening))
    };
    says(
        &some(&Listening::Nothing),
        "refused: nothing listens on these ports of this host",
        "start the service; \"ss -ltn 'sport >= :8003 and sport <= :8010'\" on this host shows it once it listens",
    );
    says(
        &some(&LOCAL),
        "refused: what listens on these ports does so on 127.0.0.1 only, which the gateway does not lead to",
        "'docker assemble backend start --allow-host-port 5000,8000-8002,8003-8010@loopback,8011-8099'",
    );
    let far = Case { place: Place::Virtual("Docker Desktop"), ..some(&LOCAL) };
    let help = explain(&far).unwrap().help();
    assert!(
        help.ends_with("5000,8000-8002,8011-8099 --forward 8003-8010=host.docker.internal:8003-8010'"),
        "{help}"
    );
    let blocked = explain(&some(&Listening::Reachable)).unwrap().help();
    assert!(blocked.contains("--dport 8000:8099 -j ACCEPT"), "{blocked}");
    assert!(explain(&some(&Listening::Nothing)).unwrap().is_idle() && !explain(&far).unwrap().is_idle());
}

/// Of a range, one port is listened on at one address only and some on the loopback; the others accept. All
/// commands are the same, so that none takes back what another did.
#[test]
fn what_helps_some_ports_of_a_range_takes_nothing_from_the_others() {
    let range: Ports = "8000-8099".parse().unwrap();
    let kept = [Forward::plain(REGISTRY_PORT), Forward::plain(range)];
    let (only, other) = (Listening::Only([192, 0, 2, 5].into()), Listening::Nothing);
    let found = [("8003", &only), ("8005-8006", &LOCAL), ("8009", &other)];
    let found = found.map(|(ports, listening)| (ports.parse::<Ports>().unwrap(), listening));
    let tried = found.map(|(ports, _)| PortSet::from(ports));
    let all = |forwards| {
        let case = |n: usize| Case {
            ports: range,
            outside: range,
            tried: &tried[n],
            to: found[n].0,
            forwards,
            ..case(Outcome::Refused, &TargetHost::Gateway, Place::Here, Some(found[n].1))
        };
        [0, 1, 2].map(case)
    };
    let mended = remedied(&kept, &all(&[]));
    let [only, local, idle] = all(&mended).map(|case| explain(&case).unwrap());
    let start = "'docker assemble backend start \
        --allow-host-port 5000,8000-8002,8004,8005-8006@loopback,8007-8099 --forward 8003=192.0.2.5:8003'";
    assert_eq!((only.help().as_str(), local.help().as_str()), (start, start));
    assert!(idle.is_idle());
    // Nor does one that has another reason to start anew.
    let [_, _, idle] = all(&mended);
    let dialer = explain(&Case { outcome: Outcome::Dialer, ..idle }).unwrap();
    assert_eq!(dialer.help(), format!("{start} makes it anew"));
}
