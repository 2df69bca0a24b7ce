//! Forwards as lists on a command line: for hints that print one.

use super::asked::{Asked, Destination, mapped};

/// The lists that ask for exactly these forwards: one of the ports at the gateway and on the loopback,
/// `0` where there is none, and one of the other hosts. Ports in a row are written as a range where they are
/// one forward, and in no other case: a range is one container.
#[must_use]
pub fn lists(forwards: &[Asked]) -> (String, String) {
    let (mut ports, mut hosts) = (Vec::new(), Vec::new());
    for Asked { ports: inside, destination, outside } in forwards {
        let mapped = mapped(*inside, *outside);
        match destination {
            Destination::Gateway => ports.push(mapped),
            Destination::Loopback => ports.push(format!("{mapped}@loopback")),
            Destination::Host(name) if name.contains(':') => {
                hosts.push(format!("{inside}=[{name}]:{outside}"));
            }
            Destination::Host(name) => hosts.push(format!("{inside}={name}:{outside}")),
        }
    }
    let ports = if ports.is_empty() { "0".to_owned() } else { ports.join(",") };
    (ports, hosts.join(","))
}

/// One forward as `port add` takes it.
#[must_use]
pub fn word(asked: &Asked) -> String {
    let (ports, hosts) = lists(std::slice::from_ref(asked));
    if hosts.is_empty() { ports } else { hosts }
}

#[cfg(test)]
mod tests {
    use super::super::{Forward, asked, merge};
    use super::*;

    #[test]
    fn the_lists_ask_for_the_same_forwards() {
        for (forwards, ports, hosts) in [
            ("", "0", ""),
            ("80 gateway:8080,5000 gateway", "80:8080,5000", ""),
            ("1 loopback:2,3 loopback", "1:2@loopback,3@loopback", ""),
            ("5000 gateway,5001 gateway", "5000,5001", ""),
            ("5000-5002 gateway,5004 gateway", "5000-5002,5004", ""),
            ("7-8 gateway:17,9 loopback:19", "7-8:17-18,9:19@loopback", ""),
            ("65534-65535 gateway", "65534-65535", ""),
            ("1 192.0.2.7:5432,2-3 [2001:db8::7]:5432", "0", "1=192.0.2.7:5432,2-3=[2001:db8::7]:5432-5433"),
            ("1 db.internal:5432,8000-8001 db:80", "0", "1=db.internal:5432,8000-8001=db:80-81"),
        ] {
            let read = |forward: &str| {
                let (ports, label) = forward.split_once(' ').unwrap();
                Asked::from(
                    &Forward::from_label(ports.parse::<assemble_contract::Ports>().unwrap(), label).unwrap(),
                )
            };
            let asked: Vec<_> = forwards.split(',').filter(|it| !it.is_empty()).map(read).collect();
            assert_eq!(lists(&asked), (ports.to_owned(), hosts.to_owned()));
            let hosts = if hosts.is_empty() { Vec::new() } else { asked::hosts(hosts).unwrap() };
            let back = merge(Some(&asked::ports(ports).unwrap()), &hosts, false).unwrap();
            assert_eq!(back, asked);
        }
    }
}
