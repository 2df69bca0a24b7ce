//! Ports of this host that nobody uses.

use std::net::{Ipv6Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the ports that the kernel gives to outgoing connections (`ip_local_port_range` starts
/// at 32768), so that only something that asks for this very port could take it.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A port on which nothing listens. No other call in this process gets the same one; another
/// process of these tests begins its search elsewhere.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let begin = u16::try_from(std::process::id().wrapping_mul(97) % u32::from(COUNT)).unwrap_or(0);
    (0..COUNT)
        .map(|_| FIRST + (begin + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT) % COUNT)
        .find(|port| is_free(*port))
        .expect("no port is free")
}

fn is_free(port: u16) -> bool {
    let ipv6 = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port));
    // A machine without IPv6 has nobody there.
    let is_taken = ipv6.is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse);
    !is_taken && TcpListener::bind(("0.0.0.0", port)).is_ok()
}
