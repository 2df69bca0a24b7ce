use proptest::prelude::*;

use super::asked::*;
use super::*;

/// In short: `5000>gateway:5000`.
fn shown(asked: &[Asked]) -> Vec<String> {
    let one = |Asked { ports, destination, outside }: &Asked| match destination {
        Destination::Gateway => format!("{ports}>gateway:{outside}"),
        Destination::Loopback => format!("{ports}>loopback:{outside}"),
        Destination::Host(name) => format!("{ports}>{name}:{outside}"),
    };
    asked.iter().map(one).collect()
}

fn all(ports: Option<&str>, hosts: &str, loopback: bool) -> Result<Vec<String>, Conflict> {
    let ports = ports.map(|text| asked::ports(text).unwrap());
    let hosts = if hosts.is_empty() { Vec::new() } else { asked::hosts(hosts).unwrap() };
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
        ("8000-8002", &["8000-8002>gateway:8000-8002"]),
        ("8000-8001:9000-9001@loopback", &["8000-8001>loopback:9000-9001"]),
        // In a row and asked for one by one, they stay two.
        ("8001,8000", &["8000>gateway:8000", "8001>gateway:8001"]),
        ("65535,1-1", &["1>gateway:1", "65535>gateway:65535"]),
        ("5000,5000:5000,4999-5000", &["4999-5000>gateway:4999-5000"]),
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
        ("9-8", "the range \"9-8\" runs backwards: \"8-9\" has these ports"),
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
        ("8000-8009=db", "8000-8009>db:8000-8009"),
        ("8000-8009=my-db:9000-9009", "8000-8009>my-db:9000-9009"),
        ("1-2=[2001:db8::7]:3-4", "1-2>2001:db8::7:3-4"),
    ] {
        assert_eq!(all(Some("0"), text, false).unwrap(), [meaning], "{text}");
    }
    for bad in ["", "5432", "=db:1", "5432=", "5432=:1", "0=db:1", "1=db:0", "1=db:x", "1=a=b", "1=a b:1"] {
        assert!(hosts(bad).unwrap_err().to_string().contains("is not PORT=HOST:PORT"), "{bad}");
    }
    for bad in [
        "1-2=db:1-2-3",
        "1-2=db:1:2-3",
        "1-2=2001:db8::7:2-3",
        "1=[db]:2-2",
        "1=2001:db8::7:2",
        "1=[db]:2",
        "1=[192.0.2.7]:2",
        "1=-db:2",
        "1=\"db\":2",
    ] {
        assert!(hosts(bad).unwrap_err().to_string().contains("is not PORT=HOST:PORT"), "{bad}");
    }
}

#[test]
fn a_range_of_a_host_that_runs_backwards_is_called_that() {
    for bad in ["2-1=db", "1-2=db:2-1"] {
        assert!(hosts(bad).unwrap_err().to_string().starts_with("the range \"2-1\" runs backwards"), "{bad}");
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
    for bad in ["1-2=db:1", "1=db:1-2", "1-2=db:1-3"] {
        assert!(matches!(hosts(bad), Err(ListError::Lengths { .. })), "{bad}");
    }
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
    let Err(Conflict::Twice { port, .. }) = all(Some("8000-8010,8005-8020:8006-8021"), "", false) else {
        panic!()
    };
    assert_eq!(port.get(), 8005);
    assert_eq!(all(Some("0,5000"), "", false), Err(Conflict::NoneAndSome));
}

#[test]
fn of_ranges_that_agree_the_wider_stays_and_a_later_one_is_cut() {
    for (text, meaning) in [
        ("8005,8000-8010", &["8000-8010>gateway:8000-8010"][..]),
        ("8000-8010,8005", &["8000-8010>gateway:8000-8010"]),
        ("8000-8010,8000-8010:8000-8010", &["8000-8010>gateway:8000-8010"]),
        ("8000-8010,8005-8015", &["8000-8010>gateway:8000-8010", "8011-8015>gateway:8011-8015"]),
        ("8005-8015,8000-8010", &["8000-8004>gateway:8000-8004", "8005-8015>gateway:8005-8015"]),
        (
            "8000-8003:9000-9003@loopback,8002-8005:9002-9005@loopback",
            &["8000-8003>loopback:9000-9003", "8004-8005>loopback:9004-9005"],
        ),
        ("1-3,7-9,2-8", &["1-3>gateway:1-3", "4-6>gateway:4-6", "7-9>gateway:7-9"]),
        ("1-3,7-9,1-9", &["1-9>gateway:1-9"]),
    ] {
        assert_eq!(all(Some(text), "", false).unwrap(), meaning, "{text}");
    }
}

#[test]
fn the_limits_count_containers_and_ports() {
    let hosts = |count: usize| (1..=count).map(|port| format!("{port}=db")).collect::<Vec<_>>().join(",");
    assert_eq!(all(Some("0"), &hosts(MOST), false).unwrap().len(), MOST);
    assert_eq!(all(None, &hosts(MOST - 1), false).unwrap().len(), MOST);
    // The usual port is the one too many.
    assert_eq!(all(None, &hosts(MOST), false), Err(Conflict::TooMany { many: MOST + 1 }));
    assert_eq!(all(Some("5000"), &hosts(MOST), false), Err(Conflict::TooMany { many: MOST + 1 }));
    assert_eq!(all(Some("10000-14095"), "", false).unwrap().len(), 1);
    assert_eq!(
        all(Some("10000-14095,5000"), "", false),
        Err(Conflict::TooManyPorts { many: MOST_PORTS + 1 })
    );
    assert_eq!(all(Some("1-65535"), "", false), Err(Conflict::TooManyPorts { many: 65535 }));
}

/// A range among few ports, so that many overlap, and where it leads.
fn ranges() -> impl Strategy<Value = Vec<Asked>> {
    let ports = |first: u16, more| Ports::new(Port::new(first)?, Port::new(first + more)?);
    let range = (1u16..30, 0u16..9, 0u16..2, prop::bool::weighted(0.1)).prop_map(
        move |(first, more, apart, loopback)| {
            let destination = if loopback { Destination::Loopback } else { Destination::Gateway };
            Asked {
                ports: ports(first, more).unwrap(),
                destination,
                outside: ports(first + apart, more).unwrap(),
            }
        },
    );
    prop::collection::vec(range, 1..6)
}

/// Where each port leads.
fn each(asked: &[Asked]) -> Vec<(Port, Asked)> {
    let ports = |asked: &Asked| {
        asked.ports.iter().map(|port| (port, asked.part(port.into()).unwrap())).collect::<Vec<_>>()
    };
    let mut all: Vec<_> = asked.iter().flat_map(ports).collect();
    all.sort_by_key(|(port, _)| *port);
    all
}

proptest! {
    #[test]
    fn whatever_is_written_is_understood_or_refused(text in "[0-9a-z:@,=.\\[\\] -]{0,24}") {
        for word in [ports(&text), hosts(&text)].into_iter().flatten().flatten() {
            let Some(asked) = word.asked else { continue };
            prop_assert_eq!(asked.ports.count(), asked.outside.count());
            if let Destination::Host(name) = &asked.destination {
                prop_assert!(!name.contains(['=', ',', ' ']) && !is_own(name));
            }
        }
    }

    /// Each port leads where every word about it says, in one forward; and these words mean the same again.
    #[test]
    fn what_is_merged_leads_each_port_where_it_was_asked_to(asked in ranges()) {
        let words = |asked: &[Asked]| ports(&lists(asked).0).unwrap();
        let mut wanted = each(&asked);
        wanted.dedup();
        let is_clear = wanted.windows(2).all(|pair| pair[0].0 != pair[1].0);
        match merge(Some(&words(&asked)), &[], false) {
            Ok(merged) => {
                prop_assert!(is_clear);
                prop_assert_eq!(each(&merged), wanted);
                prop_assert!(merged.windows(2).all(|pair| pair[0].ports.last() < pair[1].ports.first()));
                prop_assert_eq!(merge(Some(&words(&merged)), &[], false), Ok(merged));
            }
            Err(_) => prop_assert!(!is_clear),
        }
    }

    #[test]
    fn labels_carry_every_forward(inside in 1u16.., outside in 1u16.., more in 0u16..3, name in "[a-z][a-z0-9.-]{0,9}", addr: IpAddr) {
        let destination = [Destination::Gateway, Destination::Loopback, Destination::Host(name), Destination::Host(addr.to_string())];
        for destination in destination {
            let ports = |first: u16| Ports::new(Port::new(first).unwrap(), Port::new(first.checked_add(more)?).unwrap());
            let (Some(ports), Some(outside)) = (ports(inside), ports(outside)) else { return Ok(()) };
            let asked = Asked { ports, destination, outside };
            let fixed = asked.with(|_| Some(Known::Fixed(addr))).unwrap();
            prop_assert_eq!(Forward::from_label(ports, &fixed.label()), Some(fixed));
            let Destination::Host(name) = &asked.destination else { continue };
            let Ok(name) = name.parse::<HostName>() else { continue };
            for fallback in [None, Some(addr)] {
                let followed = asked.with(|_| Some(Known::Followed(name.clone(), fallback))).unwrap();
                prop_assert_eq!(Forward::from_label(ports, &followed.label()), Some(followed));
            }
        }
    }
}
