//! The namespace's routing tables, and the kernel's word that they have changed.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::kept_file::KeptFile;
use super::reactor::register;

/// Tables of the network namespace this was opened in.
#[derive(Debug)]
pub struct RouteTables {
    ipv4: KeptFile,
    ipv6: KeptFile,
    addresses6: KeptFile,
    interfaces: KeptFile,
}

impl RouteTables {
    /// Opens them; a table that this kernel does not have reads as empty.
    ///
    /// # Errors
    /// A policy forbids it.
    pub fn open() -> io::Result<Self> {
        Ok(Self {
            ipv4: KeptFile::open("/proc/net/route")?,
            ipv6: KeptFile::open("/proc/net/ipv6_route")?,
            addresses6: KeptFile::open("/proc/net/if_inet6")?,
            interfaces: KeptFile::open("/proc/net/dev")?,
        })
    }

    /// The main IPv4 routing table (net/ipv4/fib_trie.c, `fib_route_seq_show`).
    ///
    /// # Errors
    /// Those of pread(2).
    pub fn ipv4(&self) -> io::Result<String> {
        self.ipv4.read()
    }

    /// The IPv6 routes (net/ipv6/route.c, `rt6_info_route`).
    ///
    /// # Errors
    /// Those of pread(2).
    pub fn ipv6(&self) -> io::Result<String> {
        self.ipv6.read()
    }

    /// The IPv6 addresses with their interfaces (net/ipv6/addrconf.c, `if6_seq_show`).
    ///
    /// # Errors
    /// Those of pread(2).
    pub fn addresses6(&self) -> io::Result<String> {
        self.addresses6.read()
    }

    /// The interfaces (net/core/net-procfs.c, `dev_seq_show`).
    ///
    /// # Errors
    /// Those of pread(2).
    pub fn interfaces(&self) -> io::Result<String> {
        self.interfaces.read()
    }
}

/// Tells when a route or a link of this namespace changes (rtnetlink(7)).
///
/// It does not tell what: whoever waits for it reads the tables again, so lost or reordered
/// messages cannot mislead.
#[derive(Debug)]
pub struct RouteMonitor {
    io: AsyncFd<OwnedFd>,
}

impl RouteMonitor {
    /// Subscribes to changes. Needs a runtime.
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
    pub async fn changed(&self) -> io::Result<()> {
        let mut changed = false;
        loop {
            let mut guard = self.io.readable().await?;
            // Messages are cut short: that one came is all they say.
            let mut message = [0_u8; 64];
            loop {
                match recv(&self.io, &mut message, RecvFlags::empty()) {
                    // ENOBUFS: messages were lost, so something has changed (netlink(7)).
                    Ok(_) | Err(Errno::NOBUFS) => changed = true,
                    Err(Errno::AGAIN) => break guard.clear_ready(),
                    Err(Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            if changed {
                return Ok(());
            }
        }
    }
}
