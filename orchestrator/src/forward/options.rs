//! Forwards as lists on a command line: for hints that print one.

use std::fmt;

use super::asked::{Asked, Destination};

/// The lists that ask for exactly these forwards: one of the ports at the gateway and on the loopback,
/// `0` where there is none, and one of the other hosts.
#[must_use]
pub fn lists(forwards: &[Asked]) -> (String, String) {
    let (mut ports, mut hosts): (Vec<Run>, Vec<String>) = (Vec::new(), Vec::new());
    for Asked { port, destination, outside } in forwards {
        let destination = match destination {
            Destination::Gateway => "",
            Destination::Loopback => "@loopback",
            Destination::Host(name) if name.contains(':') => {
                hosts.push(format!("{port}=[{name}]:{outside}"));
                continue;
            }
            Destination::Host(name) => {
                hosts.push(format!("{port}={name}:{outside}"));
                continue;
            }
        };
        let (inside, outside) = (port.get(), outside.get());
        match ports.last_mut() {
            Some(run) if run.goes_on_with(inside, outside, destination) => run.more += 1,
            _ => ports.push(Run { inside, outside, more: 0, destination }),
        }
    }
    let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
    let ports = if ports.is_empty() { "0".to_owned() } else { ports.join(",") };
    (ports, hosts.join(","))
}

/// Ports in a row that lead to ports in a row.
struct Run {
    inside: u16,
    outside: u16,
    /// How many follow the first.
    more: u16,
    destination: &'static str,
}

impl Run {
    fn goes_on_with(&self, inside: u16, outside: u16, destination: &str) -> bool {
        let next = |first: u16| u32::from(first) + u32::from(self.more) + 1;
        destination == self.destination
            && next(self.inside) == u32::from(inside)
            && next(self.outside) == u32::from(outside)
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { inside, outside, more, destination } = *self;
        let range = |first: u16| match more {
            0 => first.to_string(),
            _ => format!("{first}-{}", first + more),
        };
        match range(outside) {
            _ if inside == outside => write!(f, "{}{destination}", range(inside)),
            outside => write!(f, "{}:{outside}{destination}", range(inside)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Forward, Target, asked};
    use super::*;
    use crate::desired::{Port, REGISTRY_PORT};

    #[test]
    fn the_lists_ask_for_the_same_forwards() {
        let port = |number| Port::new(number).unwrap();
        let forward = |inside, target| Forward { port: port(inside), target };
        let host = |name: &str, addr: &str| Target::Host {
            name: name.to_owned(),
            addr: addr.parse().unwrap(),
            port: port(5432),
        };
        let gateway = |inside, outside| forward(inside, Target::Gateway { port: port(outside) });
        let loopback = |inside, outside| forward(inside, Target::Loopback { port: port(outside) });
        let followed =
            Target::Name { name: "db.internal".parse().unwrap(), fallback: None, port: port(5432) };
        for (forwards, ports, hosts) in [
            (vec![], "0", ""),
            (vec![gateway(80, 8080), Forward::plain(REGISTRY_PORT)], "80:8080,5000", ""),
            (vec![loopback(1, 2), loopback(3, 3)], "1:2@loopback,3@loopback", ""),
            ([5000, 5001, 5002, 5004].map(|number| gateway(number, number)).to_vec(), "5000-5002,5004", ""),
            (
                vec![gateway(7, 17), gateway(8, 18), loopback(9, 19), loopback(10, 11), loopback(11, 12)],
                "7-8:17-18,9:19@loopback,10-11:11-12@loopback",
                "",
            ),
            (vec![gateway(65534, 65534), gateway(65535, 65535)], "65534-65535", ""),
            (
                vec![
                    forward(1, host("192.0.2.7", "192.0.2.7")),
                    forward(2, host("2001:db8::7", "2001:db8::7")),
                ],
                "0",
                "1=192.0.2.7:5432,2=[2001:db8::7]:5432",
            ),
            (vec![forward(1, followed)], "0", "1=db.internal:5432"),
        ] {
            let asked: Vec<_> = forwards.iter().map(Asked::from).collect();
            assert_eq!(lists(&asked), (ports.to_owned(), hosts.to_owned()));
            let hosts = if hosts.is_empty() { Vec::new() } else { asked::hosts(hosts).unwrap() };
            let back = asked::merge(Some(&asked::ports(ports).unwrap()), &hosts, false).unwrap();
            assert_eq!(back, asked);
        }
    }
}
