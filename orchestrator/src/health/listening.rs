//! What listens on a port, read from the kernel's tables.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// How a port is listened on, as it matters to those who come through a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listening {
    /// Not at all.
    Nothing,
    /// On an address that the gateway leads to.
    Reachable,
    /// On such an address, where as many connections wait that nobody has accepted yet.
    Waiting(u32),
    /// On loopback addresses only, of which this is one.
    LoopbackOnly(IpAddr),
    /// On IPv6 addresses only, for all.
    V6Only,
    /// On this other address only.
    Only(IpAddr),
}

/// Where the tables of a network namespace are (proc(5)); the second is missing where there is no IPv6.
pub const TABLES: [&str; 2] = ["/proc/net/tcp", "/proc/net/tcp6"];

/// The state `TCP_LISTEN` (include/net/tcp_states.h), in hexadecimal digits.
const LISTEN: &str = "0A";

/// A socket that listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Its address.
    pub addr: SocketAddr,
    /// How many connections wait to be accepted: what ss(8) has as `Recv-Q`.
    pub waiting: u32,
}

/// The sockets of such a table that listen. Lines that are not understood are left out.
#[must_use]
pub fn listeners(table: &str) -> Vec<Listener> {
    table.lines().filter_map(listener).collect()
}

/// A line such as `0: 0100007F:1388 00000000:0000 0A 00000000:00000001 …`.
fn listener(line: &str) -> Option<Listener> {
    let mut words = line.split_whitespace().skip(1);
    let (local, _, state) = (words.next()?, words.next()?, words.next()?);
    if state != LISTEN {
        return None;
    }
    let queues = words.next().and_then(|queues| queues.split_once(':'));
    let waiting = queues.and_then(|(_, receive)| u32::from_str_radix(receive, 16).ok()).unwrap_or(0);
    let (ip, port) = local.split_once(':')?;
    // Four bytes at a time as one number in the machine's own order (net/ipv4/tcp_ipv4.c,
    // `get_openreq4`).
    let word = |digits: &str| u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes);
    let ip = match ip.len() {
        8 => IpAddr::V4(word(ip)?.into()),
        32 if ip.is_ascii() => {
            let mut bytes = [0; 16];
            for (at, place) in bytes.chunks_exact_mut(4).enumerate() {
                place.copy_from_slice(&word(&ip[at * 8..at * 8 + 8])?);
            }
            IpAddr::V6(bytes.into())
        }
        _ => return None,
    };
    Some(Listener { addr: SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?), waiting })
}

/// How `port` is listened on, for those who come to `gateway`.
///
/// `v6only` says that sockets on `[::]` take IPv6 alone unless told otherwise
/// (`net.ipv6.bindv6only`); the tables do not show what each one was told.
#[must_use]
pub fn listening(sockets: &[Listener], port: u16, gateway: IpAddr, v6only: bool) -> Listening {
    let at_port = sockets.iter().filter(|socket| socket.addr.port() == port);
    let here: Vec<IpAddr> = at_port.clone().map(|socket| socket.addr.ip()).collect();
    let takes = |ip: &IpAddr| match ip {
        IpAddr::V4(ip) if *ip == Ipv4Addr::UNSPECIFIED => gateway.is_ipv4(),
        IpAddr::V6(ip) if *ip == Ipv6Addr::UNSPECIFIED => gateway.is_ipv6() || !v6only,
        ip => ip.to_canonical() == gateway.to_canonical(),
    };
    // IPv4 first, which is what people know their services by.
    let Some(first) = here.iter().map(IpAddr::to_canonical).min() else { return Listening::Nothing };
    let waiting = at_port.filter(|socket| takes(&socket.addr.ip())).map(|socket| socket.waiting).max();
    if let Some(waiting) = waiting {
        if waiting == 0 { Listening::Reachable } else { Listening::Waiting(waiting) }
    } else if here.iter().all(|ip| ip.to_canonical().is_loopback()) {
        Listening::LoopbackOnly(first)
    } else {
        match here.iter().find(|ip| !ip.to_canonical().is_loopback() && !ip.is_unspecified()) {
            Some(ip) => Listening::Only(ip.to_canonical()),
            None => Listening::V6Only,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATEWAY: IpAddr = IpAddr::V4(Ipv4Addr::new(172, 17, 0, 1));

    /// As a little-endian kernel prints it.
    const TABLE: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1388 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0 100 0 0 10 0
   1: 00000000:0016 00000000:0000 0A 00000000:00000081 00:00000000 00000000     0        0 12 1 0 100 0 0 10 0
   2: 0100007F:1388 0100007F:C001 01 00000000:00000000 00:00000000 00000000     0        0 13 1 0 100 0 0 10 0
   nonsense
   3: ZZ00007F:1388 00000000:0000 0A
   4: 0100007F:13888 00000000:0000 0A
";
    const TABLE6: &str =
        "  sl  local_address                         remote_address                        st
   0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 0:0
   1: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 0:0
   2: 0000000000000000FFFF00000100007F:1389 00000000000000000000000000000000:0000 0A 0:0
   3: é0000000000000000000000000000000:1389 00000000000000000000000000000000:0000 0A 0:0
";

    #[test]
    #[cfg(target_endian = "little")]
    fn the_kernels_tables_are_read() {
        let shown = |table| listeners(table).iter().map(|it| it.addr.to_string()).collect::<Vec<_>>();
        assert_eq!(shown(TABLE), ["127.0.0.1:5000", "0.0.0.0:22"]);
        assert_eq!(listeners(TABLE).iter().map(|it| it.waiting).collect::<Vec<_>>(), [0, 129]);
        assert_eq!(shown(TABLE6), ["[::]:8080", "[::1]:80", "[::ffff:127.0.0.1]:5001"]);
        assert_eq!(shown(""), [] as [&str; 0]);
    }

    fn listener(addr: &str, waiting: u32) -> Listener {
        Listener { addr: addr.parse().unwrap(), waiting }
    }

    #[test]
    fn what_the_gateway_leads_to_is_told_from_what_it_does_not() {
        let local = || Listening::LoopbackOnly(Ipv4Addr::LOCALHOST.into());
        let table: [(&[&str], bool, Listening); 13] = [
            (&[], false, Listening::Nothing),
            (&["0.0.0.0:6000"], false, Listening::Nothing),
            (&["0.0.0.0:5000"], false, Listening::Reachable),
            (&["[::]:5000"], false, Listening::Reachable),
            (&["[::]:5000"], true, Listening::V6Only),
            (&["127.0.0.1:5000"], false, local()),
            (&["[::1]:5000", "127.0.0.1:5000"], false, local()),
            (&["[::1]:5000"], false, Listening::LoopbackOnly(Ipv6Addr::LOCALHOST.into())),
            (&["[::ffff:127.0.0.1]:5000"], false, local()),
            (&["127.0.0.1:5000", "172.17.0.1:5000"], false, Listening::Reachable),
            (&["[::ffff:172.17.0.1]:5000"], false, Listening::Reachable),
            (&["192.168.1.5:5000"], false, Listening::Only([192, 168, 1, 5].into())),
            (&["127.0.0.1:5000", "[::]:5000"], true, Listening::V6Only),
        ];
        for (sockets, v6only, want) in table {
            let parsed: Vec<_> = sockets.iter().map(|socket| listener(socket, 0)).collect();
            assert_eq!(listening(&parsed, 5000, GATEWAY, v6only), want, "{sockets:?}");
        }
        let [local, all] = [listener("127.0.0.1:5000", 9), listener("0.0.0.0:5000", 4)];
        assert_eq!(listening(&[local, all], 5000, GATEWAY, false), Listening::Waiting(4));
    }
}
