use proptest::prelude::*;

use super::*;

/// In short: `5000>gateway:5000`.
fn shown(asked: &[Asked]) -> Vec<String> {
    let one = |Asked { port, destination, outside }: &Asked| match destination {
        Destination::Gateway => format!("{port}>gateway:{outside}"),
        Destination::Loopback => format!("{port}>loopback:{outside}"),
        Destination::Host(name) => format!("{port}>{name}:{outside}"),
    };
    asked.iter().map(one).collect()
}

fn all(ports: Option<&str>, hosts: &str, loopback: bool) -> Result<Vec<String>, Conflict> {
    let ports = ports.map(|text| super::ports(text).unwrap());
    let hosts = if hosts.is_empty() { Vec::new() } else { super::hosts(hosts).unwrap() };
    merge(ports.as_deref(), &hosts, loopback).map(|asked| shown(&asked))
}

#[test]
fn ports_ranges_and_mappings_are_read() {
    for (text, meaning) in [
        ("0", &[][..]),
        ("5000", &["5000>gateway:5000"]),
        (" 6000, 5000", &["5000>gateway:5000", "6000>gateway:6000"]),
        ("5000:5001", &["5000>gateway:5001"]),
        ("5000@loopback", &["5000>loopback:5000"]),
        ("80:8080@loopback,5000", &["80>loopback:8080", "5000>gateway:5000"]),
        ("8000-8002", &["8000>gateway:8000", "8001>gateway:8001", "8002>gateway:8002"]),
        ("8000-8001:9000-9001@loopback", &["8000>loopback:9000", "8001>loopback:9001"]),
        ("65535,1-1", &["1>gateway:1", "65535>gateway:65535"]),
        ("5000,5000:5000,4999-5000", &["4999>gateway:4999", "5000>gateway:5000"]),
    ] {
        assert_eq!(all(Some(text), "", false).unwrap(), meaning, "{text}");
    }
}

#[test]
fn what_is_no_list_of_ports_is_named() {
    for (text, part) in [
        ("", "\"\" is not a port"),
        ("5000,", "\"\" is not a port"),
        ("abc", "\"abc\" is not a port"),
        ("65536", "\"65536\" is not a port"),
        ("+1", "\"+1\" is not a port"),
        ("5000:", "\"5000:\" is not a port"),
        (":5000", "\":5000\" is not a port"),
        ("0:5000", "\"0:5000\" is not a port"),
        ("5000:0", "\"5000:0\" is not a port"),
        ("9-8", "\"9-8\" is not a port"),
        ("1:2:3", "\"1:2:3\" is not a port"),
        ("0@loopback", "\"0@loopback\" is not a port"),
        ("5000@", "\"@\" in \"5000@\" is not \"@loopback\""),
        ("5000@host", "\"@host\" in \"5000@host\""),
        ("1-3:5-6", "the two ranges of \"1-3:5-6\" are not of one length"),
        ("1-3:5", "the two ranges of \"1-3:5\""),
    ] {
        let why = ports(text).unwrap_err().to_string();
        assert!(why.contains(part), "{text}: {why}");
        assert!(!why.contains('\n'));
    }
}

#[test]
fn hosts_have_names_or_addresses() {
    for (text, meaning) in [
        ("5432=db.internal:5433", "5432>db.internal:5433"),
        ("5432=db", "5432>db:5432"),
        ("1=192.0.2.7:2", "1>192.0.2.7:2"),
        ("1=[2001:DB8::7]:2", "1>2001:db8::7:2"),
        ("1=[2001:db8:0::7]", "1>2001:db8::7:1"),
    ] {
        assert_eq!(all(Some("0"), text, false).unwrap(), [meaning], "{text}");
    }
    for bad in ["", "5432", "=db:1", "5432=", "5432=:1", "0=db:1", "1=db:0", "1=db:x", "1=a=b", "1=a b:1"] {
        assert!(hosts(bad).unwrap_err().to_string().contains("is not PORT=HOST:PORT"), "{bad}");
    }
    for bad in ["1=2001:db8::7:2", "1=[db]:2", "1=[192.0.2.7]:2", "1=-db:2", "1=\"db\":2"] {
        assert!(hosts(bad).unwrap_err().to_string().contains("is not PORT=HOST:PORT"), "{bad}");
    }
}

#[test]
fn the_relays_own_network_is_no_host() {
    for name in ["localhost", "LocalHost", "localhost.", "127.0.0.1", "127.1.2.3", "[::1]", "0.0.0.0", "[::]"]
    {
        let why = hosts(&format!("5000={name}:5001")).unwrap_err().to_string();
        assert!(why.contains("'--allow-host-port 5000:5001@loopback'"), "{why}");
    }
    let why = hosts("5000=localhost").unwrap_err().to_string();
    assert!(why.contains("'--allow-host-port 5000@loopback'"), "{why}");
    assert!(is_own_address("::ffff:127.0.0.1".parse().unwrap()));
    assert!(!is_own_address("192.0.2.7".parse().unwrap()));
}

#[test]
fn the_usual_port_is_forwarded_unless_ports_are_named() {
    assert_eq!(all(None, "", false).unwrap(), ["5000>gateway:5000"]);
    assert_eq!(all(None, "", true).unwrap(), ["5000>loopback:5000"]);
    assert_eq!(all(None, "1=db", false).unwrap(), ["1>db:1", "5000>gateway:5000"]);
    assert_eq!(all(None, "5000=db", false).unwrap(), ["5000>db:5000"]);
    assert_eq!(all(Some("0"), "5000=db", true).unwrap(), ["5000>db:5000"]);
}

#[test]
fn loopback_for_all_means_every_port_of_the_host() {
    assert_eq!(
        all(Some("1:2,3@loopback"), "4=db", true).unwrap(),
        ["1>loopback:2", "3>loopback:3", "4>db:4"]
    );
    // With it, these two are one.
    assert_eq!(all(Some("5000,5000@loopback"), "", true).unwrap(), ["5000>loopback:5000"]);
}

#[test]
fn a_port_with_two_targets_is_told_with_both() {
    for (ports, hosts, first, second) in [
        ("5000,5000:5001", "", "5000", "5000:5001"),
        ("5000,5000@loopback", "", "5000", "5000@loopback"),
        ("8000-8010,8005:1", "", "8000-8010", "8005:1"),
        ("5000", "5000=db", "5000", "5000=db"),
        ("0", "1=a,1=b", "1=a", "1=b"),
    ] {
        let Err(Conflict::Twice { first: one, second: other, .. }) = all(Some(ports), hosts, false) else {
            panic!("{ports} {hosts}")
        };
        assert_eq!((one.as_str(), other.as_str()), (first, second));
    }
    assert_eq!(all(Some("0,5000"), "", false), Err(Conflict::NoneAndSome));
    assert_eq!(all(Some("1-65535"), "", false), Err(Conflict::TooMany { many: 65535 }));
}

#[test]
fn the_limit_counts_every_port_that_is_forwarded() {
    let hosts = |count: usize| (1..=count).map(|port| format!("{port}=db")).collect::<Vec<_>>().join(",");
    assert_eq!(all(Some("0"), &hosts(MOST), false).unwrap().len(), MOST);
    assert_eq!(all(None, &hosts(MOST - 1), false).unwrap().len(), MOST);
    // The usual port is the one too many.
    assert_eq!(all(None, &hosts(MOST), false), Err(Conflict::TooMany { many: MOST + 1 }));
    assert_eq!(all(Some("5000"), &hosts(MOST), false), Err(Conflict::TooMany { many: MOST + 1 }));
}

proptest! {
    #[test]
    fn whatever_is_written_is_understood_or_refused(text in "[0-9a-z:@,=.\\[\\] -]{0,24}") {
        for word in [ports(&text), hosts(&text)].into_iter().flatten().flatten() {
            for asked in &word.forwards {
                if let Destination::Host(name) = &asked.destination {
                    prop_assert!(!name.contains(['=', ',', ' ']) && !is_own(name));
                }
            }
        }
    }

    #[test]
    fn a_range_is_its_ports(first in 1u16..=65535, more in 0u16..100, loopback: bool) {
        let last = first.saturating_add(more);
        let destination = if loopback { "@loopback" } else { "" };
        let each: Vec<_> = (first..=last).map(|port| format!("{port}{destination}")).collect();
        let range = format!("{first}-{last}:{first}-{last}{destination}");
        prop_assert_eq!(all(Some(&range), "", false), all(Some(&each.join(",")), "", false));
    }

    #[test]
    fn labels_carry_every_forward(inside in 1u16.., outside in 1u16.., name in "[a-z][a-z0-9.-]{0,9}", addr: IpAddr) {
        let destination = [Destination::Gateway, Destination::Loopback, Destination::Host(name), Destination::Host(addr.to_string())];
        for destination in destination {
            let (port, outside) = (Port::new(inside).unwrap(), Port::new(outside).unwrap());
            let asked = Asked { port, destination, outside };
            let fixed = asked.with(|_| Some(Known::Fixed(addr))).unwrap();
            prop_assert_eq!(Forward::from_label(port, &fixed.label()), Some(fixed));
            let Destination::Host(name) = &asked.destination else { continue };
            let Ok(name) = name.parse::<HostName>() else { continue };
            for fallback in [None, Some(addr)] {
                let followed = asked.with(|_| Some(Known::Followed(name.clone(), fallback))).unwrap();
                prop_assert_eq!(Forward::from_label(port, &followed.label()), Some(followed));
            }
        }
    }
}
