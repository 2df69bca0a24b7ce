//! Forwards as the words of a command line: for hints that print one.

use std::fmt;

use super::{Forward, Target};

/// The options of `backend start` that ask for exactly these forwards; none where that is what
/// it does by itself.
#[must_use]
pub fn options(forwards: &[Forward]) -> String {
    if matches!(forwards, [only] if *only == Forward::plain(super::REGISTRY_PORT)) {
        return String::new();
    }
    let (mut ports, mut hosts): (Vec<Run>, Vec<String>) = (Vec::new(), Vec::new());
    for Forward { port, target } in forwards {
        let place = match target {
            Target::Gateway { .. } => "",
            Target::Loopback { .. } => "@loopback",
            Target::Host { name, port: outside, .. } if name.contains(':') => {
                hosts.push(format!("{port}=[{name}]:{outside}"));
                continue;
            }
            Target::Host { name, port: outside, .. } => {
                hosts.push(format!("{port}={name}:{outside}"));
                continue;
            }
            Target::Name { name, port: outside, .. } => {
                hosts.push(format!("{port}={name}:{outside}"));
                continue;
            }
        };
        let (inside, outside) = (port.get(), target.port().get());
        match ports.last_mut() {
            Some(run) if run.goes_on_with(inside, outside, place) => run.more += 1,
            _ => ports.push(Run { inside, outside, more: 0, place }),
        }
    }
    let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
    let ports = if ports.is_empty() { "0".to_owned() } else { ports.join(",") };
    let mut words = format!("--allow-host-port {ports}");
    if !hosts.is_empty() {
        words.push_str(" --forward ");
        words.push_str(&hosts.join(","));
    }
    words
}

/// Ports in a row that lead to ports in a row.
struct Run {
    inside: u16,
    outside: u16,
    /// How many follow the first.
    more: u16,
    place: &'static str,
}

impl Run {
    fn goes_on_with(&self, inside: u16, outside: u16, place: &str) -> bool {
        let next = |first: u16| u32::from(first) + u32::from(self.more) + 1;
        place == self.place
            && next(self.inside) == u32::from(inside)
            && next(self.outside) == u32::from(outside)
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { inside, outside, more, place } = *self;
        let range = |first: u16| match more {
            0 => first.to_string(),
            _ => format!("{first}-{}", first + more),
        };
        match range(outside) {
            _ if inside == outside => write!(f, "{}{place}", range(inside)),
            outside => write!(f, "{}:{outside}{place}", range(inside)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::asked::{self, Known};
    use super::*;
    use crate::desired::{HostPort, REGISTRY_PORT};

    #[test]
    fn the_words_ask_for_the_same_forwards() {
        let port = |number| HostPort::new(number).unwrap();
        let forward = |inside, target| Forward { port: port(inside), target };
        let host = |name: &str, addr: &str| Target::Host {
            name: name.to_owned(),
            addr: addr.parse().unwrap(),
            port: port(5432),
        };
        let plain = Forward::plain(REGISTRY_PORT);
        for (forwards, words) in [
            (vec![plain.clone()], ""),
            (vec![], "--allow-host-port 0"),
            (
                vec![forward(80, Target::Gateway { port: port(8080) }), plain.clone()],
                "--allow-host-port 80:8080,5000",
            ),
            (
                vec![
                    forward(1, Target::Loopback { port: port(2) }),
                    forward(3, Target::Loopback { port: port(3) }),
                ],
                "--allow-host-port 1:2@loopback,3@loopback",
            ),
            (
                [5000, 5001, 5002, 5004].map(|number| Forward::plain(port(number))).to_vec(),
                "--allow-host-port 5000-5002,5004",
            ),
            (
                vec![
                    forward(7, Target::Gateway { port: port(17) }),
                    forward(8, Target::Gateway { port: port(18) }),
                    forward(9, Target::Loopback { port: port(19) }),
                    forward(10, Target::Loopback { port: port(11) }),
                    forward(11, Target::Loopback { port: port(12) }),
                ],
                "--allow-host-port 7-8:17-18,9:19@loopback,10-11:11-12@loopback",
            ),
            (
                vec![
                    forward(65534, Target::Gateway { port: port(65534) }),
                    forward(65535, Target::Gateway { port: port(65535) }),
                ],
                "--allow-host-port 65534-65535",
            ),
            (
                vec![
                    forward(1, host("192.0.2.7", "192.0.2.7")),
                    forward(2, host("2001:db8::7", "2001:db8::7")),
                ],
                "--allow-host-port 0 --forward 1=192.0.2.7:5432,2=[2001:db8::7]:5432",
            ),
            (
                vec![forward(
                    1,
                    Target::Name { name: "db.internal".parse().unwrap(), fallback: None, port: port(5432) },
                )],
                "--allow-host-port 0 --forward 1=db.internal:5432",
            ),
        ] {
            assert_eq!(options(&forwards), words);
            let mut options = words.split(' ');
            let (mut ports, mut hosts) = (None, Vec::new());
            while let (Some(option), Some(value)) = (options.next(), options.next()) {
                match option {
                    "--forward" => hosts = asked::hosts(value).unwrap(),
                    _ => ports = Some(asked::ports(value).unwrap()),
                }
            }
            let asked = asked::merge(ports.as_deref(), &hosts, false).unwrap();
            let known = |name: &str| {
                let followed = || Known::Followed(name.parse().unwrap(), None);
                Some(name.parse().map_or_else(|_| followed(), Known::Fixed))
            };
            let back: Vec<_> = asked.iter().map(|asked| asked.with(known).unwrap()).collect();
            assert_eq!(back, forwards);
        }
    }
}
