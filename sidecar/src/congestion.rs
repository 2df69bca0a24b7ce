//! Which congestion control a socket is to use.
//!
//! BBR sends by timers, at the rate it has measured. That pays on a path with a bottleneck. Between
//! two sockets of one host, or across its bridge, there is none but the processor, and those timers
//! halve what a stream carries and double what it costs. Many hosts have BBR for all their sockets
//! (`net.ipv4.tcp_congestion_control`), and containers inherit it. Reno sends what fits into the
//! windows; every kernel has it, and by default it may be chosen without privileges (ip-sysctl,
//! `tcp_allowed_congestion_control`).

use crate::config::CongestionControl;
use crate::sys;
use crate::warning::Warning;

/// What sockets with a peer on link are to use in place of the namespace's own, if anything.
/// Asks the kernel, once for all of them.
#[must_use]
pub fn on_link(who: CongestionControl) -> Option<&'static str> {
    if who == CongestionControl::System {
        return None;
    }
    let own = sys::congestion_control()
        .inspect_err(|error| tracing::debug!(%error, "cannot tell the congestion control"))
        .ok()?;
    let name = instead_of(&own)?;
    match sys::may_use_congestion_control(name) {
        Ok(()) => tracing::debug!("sending on link with {name}, not {own}"),
        Err(error) => {
            tracing::warn!(%error, "{}", Warning::Congestion { name, own });
            return None;
        }
    }
    Some(name)
}

/// The better one on link, where there is one. Pure.
fn instead_of(own: &str) -> Option<&'static str> {
    // bbr, and bbr2 and bbr3 of kernels with patches.
    own.starts_with("bbr").then_some("reno")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_that_paces_is_replaced() {
        assert_eq!(instead_of("bbr"), Some("reno"));
        assert_eq!(instead_of("bbr3"), Some("reno"));
        for own in ["cubic", "reno", "dctcp", ""] {
            assert_eq!(instead_of(own), None, "{own}");
        }
    }
}
