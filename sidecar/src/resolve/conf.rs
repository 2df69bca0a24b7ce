//! resolv.conf(5), as far as it says whom to ask for what. Pure.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use assemble_contract::HostName;

/// The port of name servers.
pub const PORT: u16 = 53;

/// Whom to ask, and what to add to a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conf {
    /// The servers, in the order in which they are asked.
    pub servers: Vec<SocketAddr>,
    /// What a name may be part of.
    pub search: Vec<String>,
    /// A name with so many dots is tried as it is first.
    pub ndots: usize,
    /// How long a server may take.
    pub timeout: Duration,
    /// How often all are asked.
    pub attempts: u32,
    /// Whether to ask over TCP only.
    pub tcp: bool,
}

impl Conf {
    /// `MAXNS` of resolv.h: as many as the system's own resolver asks.
    const SERVERS: usize = 3;

    /// Reads the file; what is not understood, or not for this resolver, counts for nothing.
    ///
    /// A server with a scope (`fe80::1%eth0`) is passed over: a container has none.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut conf = Self {
            servers: Vec::new(),
            search: Vec::new(),
            ndots: 1,
            timeout: Duration::from_secs(5),
            attempts: 2,
            tcp: false,
        };
        for line in text.lines() {
            let mut words = line.split(['#', ';']).next().unwrap_or_default().split_ascii_whitespace();
            match words.next() {
                Some("nameserver") => {
                    let ip: Option<IpAddr> = words.next().and_then(|word| word.parse().ok());
                    conf.servers.extend(ip.map(|ip| SocketAddr::new(ip, PORT)));
                }
                // The last one of either counts.
                Some("search" | "domain") => {
                    let ends = words.map(|end| end.trim_matches('.')).filter(|end| !end.is_empty());
                    conf.search = ends.map(str::to_owned).collect();
                }
                Some("options") => words.for_each(|word| conf.option(word)),
                _ => {}
            }
        }
        conf.servers.truncate(Self::SERVERS);
        if conf.servers.is_empty() {
            conf.servers.push(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), PORT));
        }
        conf
    }

    /// With the bounds of the system's own resolver.
    fn option(&mut self, word: &str) {
        let (name, value) = word.split_once(':').unwrap_or((word, ""));
        match (name, value.parse::<u32>()) {
            ("ndots", Ok(n)) => self.ndots = n.min(15) as usize,
            ("timeout", Ok(n)) => self.timeout = Duration::from_secs(n.clamp(1, 30).into()),
            ("attempts", Ok(n)) => self.attempts = n.clamp(1, 5),
            ("use-vc", _) => self.tcp = true,
            _ => {}
        }
    }

    /// The whole names that a name may stand for, in the order in which they are asked for.
    #[must_use]
    pub fn candidates(&self, name: &HostName) -> Vec<String> {
        let own = name.relative();
        if own.len() < name.as_str().len() {
            return vec![own.to_owned()];
        }
        let with_ends = self.search.iter().map(|end| format!("{own}.{end}"));
        if own.matches('.').count() >= self.ndots {
            std::iter::once(own.to_owned()).chain(with_ends).collect()
        } else {
            with_ends.chain([own.to_owned()]).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(text: &str, name: &str) -> Vec<String> {
        Conf::read(text).candidates(&name.parse().unwrap())
    }

    #[test]
    fn a_cluster_s_file_is_read() {
        let text = "search builds.svc.cluster.local svc.cluster.local cluster.local\n\
                    nameserver 10.96.0.10\noptions ndots:5 timeout:2 attempts:3 edns0\n";
        let conf = Conf::read(text);
        assert_eq!(conf.servers, ["10.96.0.10:53".parse().unwrap()]);
        assert_eq!(
            (conf.ndots, conf.timeout, conf.attempts, conf.tcp),
            (5, Duration::from_secs(2), 3, false)
        );
        assert_eq!(
            conf.candidates(&"registry.default.svc".parse().unwrap()),
            [
                "registry.default.svc.builds.svc.cluster.local",
                "registry.default.svc.svc.cluster.local",
                "registry.default.svc.cluster.local",
                "registry.default.svc"
            ]
        );
        assert_eq!(conf.candidates(&"db.example.".parse().unwrap()), ["db.example"]);
    }

    #[test]
    fn names_with_dots_enough_are_tried_as_they_are_first() {
        let text = "domain old.example\nsearch lan. .\n";
        assert_eq!(candidates(text, "db"), ["db.lan", "db"]);
        assert_eq!(candidates(text, "db.x"), ["db.x", "db.x.lan"]);
        assert_eq!(candidates("options ndots:0\nsearch lan", "db"), ["db", "db.lan"]);
        assert_eq!(candidates("", "db"), ["db"]);
    }

    #[test]
    fn what_cannot_be_used_counts_for_nothing() {
        let text = "# nameserver 192.0.2.1\n; x\nnameserver\nnameserver fe80::1%eth0\nnameserver 2001:db8::1 # ours\n\
                    nameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4\n\
                    options ndots:x ndots:99 timeout:0 attempts:99 use-vc\nlookup file bind\n";
        let conf = Conf::read(text);
        assert_eq!(
            conf.servers,
            ["[2001:db8::1]:53", "192.0.2.2:53", "192.0.2.3:53"].map(|addr| addr.parse().unwrap())
        );
        assert_eq!(
            (conf.ndots, conf.timeout, conf.attempts, conf.tcp),
            (15, Duration::from_secs(1), 5, true)
        );
        assert_eq!(Conf::read("").servers, ["127.0.0.1:53".parse().unwrap()]);
    }
}
