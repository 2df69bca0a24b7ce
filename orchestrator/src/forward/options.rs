//! Forwards as the words of a command line: for hints that print one.

use super::{Forward, Target};

/// The options of `backend start` that ask for exactly these forwards; none where that is what
/// it does by itself.
#[must_use]
pub fn options(forwards: &[Forward]) -> String {
    if matches!(forwards, [only] if *only == Forward::plain(crate::desired::HostPort::REGISTRY)) {
        return String::new();
    }
    let (mut ports, mut hosts) = (Vec::new(), Vec::new());
    for Forward { port, target } in forwards {
        let mapped = |place: &str| {
            let outside = target.port();
            if outside == *port { format!("{port}{place}") } else { format!("{port}:{outside}{place}") }
        };
        match target {
            Target::Gateway { .. } => ports.push(mapped("")),
            Target::Loopback { .. } => ports.push(mapped("@loopback")),
            Target::Host { name, port: outside, .. } if name.contains(':') => {
                hosts.push(format!("{port}=[{name}]:{outside}"));
            }
            Target::Host { name, port: outside, .. } => hosts.push(format!("{port}={name}:{outside}")),
        }
    }
    let ports = if ports.is_empty() { "0".to_owned() } else { ports.join(",") };
    let mut words = format!("--allow-host-port {ports}");
    if !hosts.is_empty() {
        words.push_str(" --forward ");
        words.push_str(&hosts.join(","));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::super::asked;
    use super::*;
    use crate::desired::HostPort;

    #[test]
    fn the_words_ask_for_the_same_forwards() {
        let port = |number| HostPort::new(number).unwrap();
        let forward = |inside, target| Forward { port: port(inside), target };
        let host = |name: &str, addr: &str| Target::Host {
            name: name.to_owned(),
            addr: addr.parse().unwrap(),
            port: port(5432),
        };
        let plain = Forward::plain(HostPort::REGISTRY);
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
                vec![
                    forward(1, host("192.0.2.7", "192.0.2.7")),
                    forward(2, host("2001:db8::7", "2001:db8::7")),
                ],
                "--allow-host-port 0 --forward 1=192.0.2.7:5432,2=[2001:db8::7]:5432",
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
            let back: Vec<_> =
                asked.iter().map(|asked| asked.with(|name| name.parse().ok()).unwrap()).collect();
            assert_eq!(back, forwards);
        }
    }
}
