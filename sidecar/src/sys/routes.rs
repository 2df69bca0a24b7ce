//! The namespace's routing tables, and the kernel's word that they have changed.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::netdevice::name_to_index;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::reactor::register;

/// The text of both main routing tables, IPv4 then IPv6, in the kernel's own format
/// (net/ipv4/fib_trie.c `fib_route_seq_show`, net/ipv6/route.c `rt6_info_route`).
///
/// A table that this kernel does not have reads as empty.
///
/// # Errors
/// procfs is not mounted, or a policy forbids it.
pub fn read_routes() -> io::Result<(String, String)> {
    Ok((read("/proc/net/route")?, read("/proc/net/ipv6_route")?))
}

fn read(path: &str) -> io::Result<String> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        read => read,
    }
}

/// The names of this namespace's interfaces.
///
/// # Errors
/// procfs is not mounted, or a policy forbids it.
pub fn interfaces() -> io::Result<Vec<String>> {
    // Two lines of heading, then `name: counters…` (net/core/net-procfs.c).
    let table = std::fs::read_to_string("/proc/net/dev")?;
    Ok(table.lines().skip(2).filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned())).collect())
}

/// The index of an interface, the scope of link-local addresses on it.
///
/// # Errors
/// There is none of that name.
pub fn interface_index(name: &str) -> io::Result<u32> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    Ok(name_to_index(&socket, name)?)
}

/// Rings when a route or a link of this namespace changes (rtnetlink(7)).
///
/// It carries no news itself: whoever hears it reads the tables again, so lost or reordered
/// messages cannot mislead.
#[derive(Debug)]
pub struct RouteBell {
    io: AsyncFd<OwnedFd>,
}

impl RouteBell {
    /// Subscribes to changes.
    ///
    /// # Errors
    /// Netlink is not there or forbidden.
    pub fn new() -> io::Result<Self> {
        /// `RTMGRP_LINK | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE` of linux/rtnetlink.h.
        const GROUPS: u32 = 0x1 | 0x40 | 0x400;
        let socket = socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::NONBLOCK | SocketFlags::CLOEXEC,
            None, // 0 is NETLINK_ROUTE
        )?;
        bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
        Ok(Self { io: register(socket, Interest::READABLE).map_err(|(_, error)| error)? })
    }

    /// Waits for the next change; several at once are one.
    ///
    /// # Errors
    /// The socket is broken.
    pub async fn rung(&self) -> io::Result<()> {
        let mut message = [0_u8; 8192];
        let mut rung = false;
        loop {
            let mut guard = self.io.readable().await?;
            loop {
                match recv(&self.io, &mut message, RecvFlags::empty()) {
                    // ENOBUFS: messages were lost, so something has changed (netlink(7)).
                    Ok(_) | Err(Errno::NOBUFS) => rung = true,
                    Err(Errno::AGAIN) => break guard.clear_ready(),
                    Err(Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            if rung {
                return Ok(());
            }
        }
    }
}
