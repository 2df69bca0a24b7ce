use super::*;

fn port(number: u16) -> Port {
    Port::new(number).unwrap()
}

fn host(name: &str, addr: &str, number: u16) -> Target {
    Target::Host { name: name.to_owned(), addr: addr.parse().unwrap(), port: port(number) }
}

fn name(name: &str, fallback: Option<&str>, number: u16) -> Target {
    let fallback = fallback.map(|addr| addr.parse().unwrap());
    Target::Name { name: name.parse().unwrap(), fallback, port: port(number) }
}

#[test]
fn a_name_goes_through_a_label_and_back() {
    for (target, to, label) in [
        (name("db.internal", Some("192.0.2.7"), 5432), "db.internal:5432", "db.internal:5432=192.0.2.7"),
        (name("db", Some("2001:db8::7"), 5000), "db:5000", "db:5000=2001:db8::7"),
        (name("my_app-db-1.", None, 1), "my_app-db-1.:1", "my_app-db-1.:1"),
        // The relay has other meanings for these in small letters.
        (name("GATEWAY", None, 1), "GATEWAY:1", "GATEWAY:1"),
    ] {
        let forward = Forward { ports: port(5000).into(), target };
        assert_eq!((forward.to(), forward.label()), (to.to_owned(), label.to_owned()));
        assert_eq!(Forward::from_label(forward.ports, label), Some(forward));
    }
    let gateway = Forward { ports: port(5000).into(), target: name("gateway", None, 80) };
    assert_eq!(gateway.to(), "GATEWAY:80");
    assert_eq!(Forward { target: name("db", Some("192.0.2.7"), 80), ..gateway }.leads_to(), "port 80 of db");
}

#[test]
fn a_target_goes_through_a_label_and_back() {
    for (target, to, label, words) in [
        (Target::Gateway { port: port(5000) }, "gateway", "gateway", "port 5000 of the host"),
        (Target::Gateway { port: port(1) }, "gateway:1", "gateway:1", "port 1 of the host"),
        (Target::Loopback { port: port(5000) }, "loopback", "loopback", "port 5000 on the host's loopback"),
        (Target::Loopback { port: port(80) }, "loopback:80", "loopback:80", "port 80 on the host's loopback"),
        (host("db", "192.0.2.7", 5432), "192.0.2.7:5432", "db=192.0.2.7:5432", "port 5432 of db (192.0.2.7)"),
        (host("192.0.2.7", "192.0.2.7", 5000), "192.0.2.7:5000", "192.0.2.7:5000", "port 5000 of 192.0.2.7"),
        (
            host("db.internal", "2001:db8::7", 1),
            "[2001:db8::7]:1",
            "db.internal=[2001:db8::7]:1",
            "port 1 of db.internal (2001:db8::7)",
        ),
        (
            host("2001:db8::7", "2001:db8::7", 1),
            "[2001:db8::7]:1",
            "[2001:db8::7]:1",
            "port 1 of 2001:db8::7",
        ),
    ] {
        let forward = Forward { ports: port(5000).into(), target };
        assert_eq!(forward.leads_to(), words);
        assert_eq!((forward.to(), forward.label()), (to.to_owned(), label.to_owned()));
        assert_eq!(Forward::from_label(forward.ports, label), Some(forward));
    }
}

#[test]
fn ports_in_a_row_lead_to_ports_in_a_row() {
    let ports = |text: &str| text.parse::<Ports>().unwrap();
    for (inside, label, outside, words) in [
        ("8000-8009", "gateway", "8000-8009", "ports 8000-8009 of the host"),
        ("8000-8009", "gateway:9000", "9000-9009", "ports 9000-9009 of the host"),
        ("8000-8009", "loopback:9000", "9000-9009", "ports 9000-9009 on the host's loopback"),
        ("1-2", "db=192.0.2.7:65534", "65534-65535", "ports 65534-65535 of db (192.0.2.7)"),
        ("1-2", "db:80", "80-81", "ports 80-81 of db"),
    ] {
        let forward = Forward::from_label(ports(inside), label).unwrap();
        assert_eq!((forward.outside(), forward.label().as_str()), (ports(outside), label));
        assert_eq!(forward.leads_to(), words);
    }
    assert_eq!(Forward::from_label(ports("1-2"), "gateway:65535"), None);
    let forward = Forward::from_label(ports("8000-8009"), "loopback:9000").unwrap();
    let rest = forward.without(ports("8005"));
    let shown: Vec<_> = rest.iter().map(|it| format!("{} {}", it.ports, it.label())).collect();
    assert_eq!(shown, ["8000-8004 loopback:9000", "8006-8009 loopback:9006"]);
    assert_eq!(forward.part(ports("8009-8010")), None);
    assert!(forward.is_covered_by(&[
        rest[1].clone(),
        forward.part(ports("8003-8005")).unwrap(),
        rest[0].clone()
    ]));
    assert!(!forward.is_covered_by(&rest) && !forward.is_covered_by(&[Forward::plain(forward.ports)]));
}

#[test]
fn labels_of_other_versions_are_not_guessed_at() {
    for label in [
        "",
        "gateway:",
        "gateway:0",
        "loopback:",
        "loopback:x",
        "x=gateway",
        "db:0",
        "x=db:1",
        "db:1=x",
        "db:1=",
    ] {
        assert_eq!(Forward::from_label(port(5000), label), None, "{label}");
    }
}

#[test]
fn only_the_hosts_own_port_is_plain() {
    assert!(Forward::plain(port(5000)).is_plain());
    for target in [Target::Gateway { port: port(1) }, Target::Loopback { port: port(5000) }] {
        assert!(!Forward { ports: port(5000).into(), target }.is_plain());
    }
}
