//! What goes over the dialer's socket, a packet each (`SOCK_SEQPACKET`). Pure.
//!
//! A packet begins with four bytes that name the protocol and its version; numbers are big-endian. With
//! `apd1` a connection is for one question and its answer. With `apd3` it is a channel: each packet is a
//! question or an answer, and the answers come in the order of the questions.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use explained::Explained;

/// Begins every packet of a connection that is for one question.
const ONE: [u8; 4] = *b"apd1";
/// Begins every packet of a channel.
const CHANNEL: [u8; 4] = *b"apd3";

/// With a packet come at most so many sockets.
pub const MOST: u8 = 16;

const DIAL: u8 = 1;
const HEALTH: u8 = 2;
const IPV4: u8 = 4;
const IPV6: u8 = 6;

/// What a connection to a dialer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Talk {
    /// One question and its answer.
    One,
    /// As many as there are.
    Channel,
}

/// Sockets that are asked for at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// The loopback address and port that they are for.
    pub to: Loopback,
    /// 1 to [`MOST`].
    pub count: u8,
}

/// A port of either loopback address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Loopback {
    pub ipv6: bool,
    /// Not 0.
    pub port: u16,
}

impl Loopback {
    #[must_use]
    pub const fn ip(self) -> IpAddr {
        if self.ipv6 { IpAddr::V6(Ipv6Addr::LOCALHOST) } else { IpAddr::V4(Ipv4Addr::LOCALHOST) }
    }

    #[must_use]
    pub const fn addr(self) -> SocketAddr {
        SocketAddr::new(self.ip(), self.port)
    }
}

/// What a dialer is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    Health(Talk),
    /// To connect to this port of its loopback: all that a connection for one question asks.
    Dial(u16),
    /// To make some on its side, over a channel.
    Sockets(Order),
}

/// What it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// What was asked for comes with the packet: the connection, or at least one of the sockets.
    Granted,
    /// socket(2), bind(2) or connect(2) failed with this errno.
    Failed(i32),
    /// The port is not on the dialer's list.
    NotAllowed,
    /// The request was none. It is the last answer.
    Malformed,
    Healthy,
}

/// A peer is no relay, or no dialer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Explained)]
#[error("not a packet of this protocol")]
#[advice = "look who asks"]
#[status = "log"]
pub struct Malformed;

impl Talk {
    const fn name(self) -> [u8; 4] {
        match self {
            Self::One => ONE,
            Self::Channel => CHANNEL,
        }
    }

    /// Which one a packet is of, and what follows.
    fn of(packet: &[u8]) -> Result<(Self, &[u8]), Malformed> {
        let (name, content) = packet.split_first_chunk().ok_or(Malformed)?;
        match *name {
            ONE => Ok((Self::One, content)),
            CHANNEL => Ok((Self::Channel, content)),
            _ => Err(Malformed),
        }
    }
}

impl Request {
    /// The longest packet.
    pub const BYTES: usize = 8;

    /// The packet that asks this.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        let (talk, kind, port, count) = match self {
            Self::Health(talk) => (talk, HEALTH, 0, 0),
            Self::Dial(port) => (Talk::One, DIAL, port, 0),
            Self::Sockets(Order { to, count }) => {
                (Talk::Channel, if to.ipv6 { IPV6 } else { IPV4 }, to.port, count)
            }
        };
        let mut packet = talk.name().to_vec();
        packet.push(kind);
        packet.extend(port.to_be_bytes());
        if talk == Talk::Channel {
            packet.push(count);
        }
        packet
    }

    /// Reads a packet, all of it.
    ///
    /// # Errors
    /// It is longer, shorter or something else.
    pub fn decode(packet: &[u8]) -> Result<Self, Malformed> {
        let (talk, content) = Talk::of(packet)?;
        let (kind, port, count) = match (talk, content) {
            (Talk::One, &[kind, high, low]) => (kind, u16::from_be_bytes([high, low]), 0),
            (Talk::Channel, &[kind, high, low, count]) => (kind, u16::from_be_bytes([high, low]), count),
            _ => return Err(Malformed),
        };
        match (talk, kind, port, count) {
            (talk, HEALTH, 0, 0) => Ok(Self::Health(talk)),
            (Talk::One, DIAL, 1.., 0) => Ok(Self::Dial(port)),
            (Talk::Channel, IPV4 | IPV6, 1.., 1..=MOST) => {
                Ok(Self::Sockets(Order { to: Loopback { ipv6: kind == IPV6, port }, count }))
            }
            _ => Err(Malformed),
        }
    }
}

impl Reply {
    /// The length of every packet.
    pub const BYTES: usize = 9;

    /// The packet that says this.
    #[must_use]
    pub fn encode(self, talk: Talk) -> Vec<u8> {
        let (kind, errno) = match self {
            Self::Granted => (0, 0),
            Self::Failed(errno) => (1, errno),
            Self::NotAllowed => (2, 0),
            Self::Malformed => (3, 0),
            Self::Healthy => (4, 0),
        };
        [&talk.name()[..], &[kind], &errno.to_be_bytes()].concat()
    }

    /// Reads a packet, all of it.
    ///
    /// # Errors
    /// It is longer, shorter or something else.
    pub fn decode(packet: &[u8]) -> Result<(Talk, Self), Malformed> {
        /// The kernel's greatest (linux/err.h).
        const MAX_ERRNO: i32 = 4095;

        let (talk, content) = Talk::of(packet)?;
        let &[kind, a, b, c, d] = content else { return Err(Malformed) };
        let reply = match (kind, i32::from_be_bytes([a, b, c, d])) {
            (0, 0) => Self::Granted,
            (1, errno @ 1..=MAX_ERRNO) => Self::Failed(errno),
            (2, 0) => Self::NotAllowed,
            (3, 0) => Self::Malformed,
            (4, 0) => Self::Healthy,
            _ => return Err(Malformed),
        };
        Ok((talk, reply))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TALKS: [Talk; 2] = [Talk::One, Talk::Channel];

    fn sockets(ipv6: bool, port: u16, count: u8) -> Request {
        Request::Sockets(Order { to: Loopback { ipv6, port }, count })
    }

    #[test]
    fn every_packet_is_read_as_it_was_written() {
        let requests = TALKS.map(Request::Health).into_iter().chain([1, 5000, 65535].map(Request::Dial));
        let orders = [sockets(false, 1, 1), sockets(true, 5000, 7), sockets(false, 65535, MOST)];
        for request in requests.chain(orders) {
            assert_eq!(Request::decode(&request.encode()), Ok(request));
            assert!(request.encode().len() <= Request::BYTES);
        }
        let failed = [1, 111, 4095].map(Reply::Failed);
        let others = [Reply::Granted, Reply::NotAllowed, Reply::Malformed, Reply::Healthy];
        for (talk, reply) in
            TALKS.iter().flat_map(|talk| failed.iter().chain(&others).map(move |r| (*talk, *r)))
        {
            assert_eq!(Reply::decode(&reply.encode(talk)), Ok((talk, reply)));
            assert_eq!(reply.encode(talk).len(), Reply::BYTES);
        }
    }

    #[test]
    fn the_plugin_asks_in_these_packets() {
        assert_eq!(Request::Health(Talk::One).encode(), assemble_contract::answer::DIALER_ASKED);
        assert_eq!(Reply::Healthy.encode(Talk::One), assemble_contract::answer::DIALER_SERVES);
    }

    #[test]
    fn what_is_almost_a_request_is_none() {
        for good in [Request::Dial(5000).encode(), sockets(false, 5000, 1).encode()] {
            for end in 0..good.len() {
                assert_eq!(Request::decode(&good[..end]), Err(Malformed));
            }
            assert_eq!(Request::decode(&[&good[..], &good].concat()), Err(Malformed));
            assert_eq!(Request::decode(&[&good[..], &[0]].concat()), Err(Malformed));
        }
        for (almost, why) in [
            (&b"apd1\x01\0\0"[..], "port 0"),
            (b"apd1\x02\0\x01", "a probe of a port"),
            (b"apd1\x04\0\x01", "sockets for one question"),
            (b"apd3\x01\0\x01\0", "a connection over a channel"),
            (b"apd3\x02\0\0\x01", "a probe of sockets"),
            (b"apd3\x04\0\0\x01", "sockets for port 0"),
            (b"apd3\x04\0\x01\0", "no sockets"),
            (b"apd3\x04\0\x01\x11", "more than come with a packet"),
            (b"apd3\x05\0\x01\x01", "sockets of another family"),
            (b"apd2\0\0\0\x01\x01\0\x01", "another version"),
        ] {
            assert_eq!(Request::decode(almost), Err(Malformed), "{why}");
        }
        for (failed, talk) in [(Reply::Failed(0), Talk::One), (Reply::Failed(-1), Talk::Channel)] {
            assert_eq!(Reply::decode(&failed.encode(talk)), Err(Malformed), "a failure without a reason");
        }
    }

    proptest! {
        /// Whatever is read without complaint is exactly what would be written.
        #[test]
        fn nothing_is_read_that_would_not_be_written(
            bytes: Vec<u8>,
            tail in prop::collection::vec(any::<u8>(), 0..8),
            (kind, port, count) in (0..8_u8, any::<u16>(), 0..20_u8),
        ) {
            let row = [&[kind][..], &port.to_be_bytes(), &[count]].concat();
            for packet in [bytes, [&ONE[..], &tail].concat(), [&CHANNEL[..], &tail].concat(), [&CHANNEL[..], &row].concat()] {
                if let Ok(request) = Request::decode(&packet) {
                    prop_assert_eq!(request.encode(), &packet[..]);
                }
                if let Ok((talk, reply)) = Reply::decode(&packet) {
                    prop_assert_eq!(reply.encode(talk), &packet[..]);
                }
            }
        }
    }
}
