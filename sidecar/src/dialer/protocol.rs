//! One question and one answer per connection, a packet each (`SOCK_SEQPACKET`). Pure.
//!
//! Both begin with four bytes that name the protocol and its version; numbers are big-endian.

use explained::Explained;

/// Begins every packet.
const MAGIC: [u8; 4] = *b"apd1";
const DIAL: u8 = 1;
const HEALTH: u8 = 2;

/// What a dialer is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// To connect to this port of its loopback.
    Dial(u16),
    Health,
}

/// What it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The connected socket comes with this packet.
    Connected,
    /// connect(2) failed with this errno.
    Failed(i32),
    /// The port is not on the dialer's list.
    NotAllowed,
    /// The request was none.
    Malformed,
    Healthy,
}

/// A peer is no relay, or no dialer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Explained)]
#[error("not a packet of this protocol")]
#[advice = "look who asks"]
#[status = "log"]
pub struct Malformed;

impl Request {
    pub const BYTES: usize = MAGIC.len() + 3;

    #[must_use]
    pub const fn encode(self) -> [u8; Self::BYTES] {
        let (kind, port) = match self {
            Self::Dial(port) => (DIAL, port),
            Self::Health => (HEALTH, 0),
        };
        let ([a, b, c, d], [high, low]) = (MAGIC, port.to_be_bytes());
        [a, b, c, d, kind, high, low]
    }

    /// Reads a packet, all of it.
    ///
    /// # Errors
    /// It is longer, shorter or something else.
    pub fn decode(packet: &[u8]) -> Result<Self, Malformed> {
        let &[kind, high, low] = packet.strip_prefix(&MAGIC).ok_or(Malformed)? else { return Err(Malformed) };
        match (kind, u16::from_be_bytes([high, low])) {
            (DIAL, port @ 1..) => Ok(Self::Dial(port)),
            (HEALTH, 0) => Ok(Self::Health),
            _ => Err(Malformed),
        }
    }
}

impl Reply {
    pub const BYTES: usize = MAGIC.len() + 5;

    #[must_use]
    pub const fn encode(self) -> [u8; Self::BYTES] {
        let (kind, errno) = match self {
            Self::Connected => (0, 0),
            Self::Failed(errno) => (1, errno),
            Self::NotAllowed => (2, 0),
            Self::Malformed => (3, 0),
            Self::Healthy => (4, 0),
        };
        let ([a, b, c, d], [e, f, g, h]) = (MAGIC, errno.to_be_bytes());
        [a, b, c, d, kind, e, f, g, h]
    }

    /// Reads a packet, all of it.
    ///
    /// # Errors
    /// It is longer, shorter or something else, or names no errno where one belongs.
    pub fn decode(packet: &[u8]) -> Result<Self, Malformed> {
        /// `MAX_ERRNO` of linux/err.h.
        const MAX_ERRNO: i32 = 4095;
        let &[kind, ref errno @ ..] = packet.strip_prefix(&MAGIC).ok_or(Malformed)? else {
            return Err(Malformed);
        };
        let errno = i32::from_be_bytes(errno.try_into().map_err(|_| Malformed)?);
        match (kind, errno) {
            (0, 0) => Ok(Self::Connected),
            (1, 1..=MAX_ERRNO) => Ok(Self::Failed(errno)),
            (2, 0) => Ok(Self::NotAllowed),
            (3, 0) => Ok(Self::Malformed),
            (4, 0) => Ok(Self::Healthy),
            _ => Err(Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_packet_is_read_as_it_was_written() {
        for request in [Request::Dial(1), Request::Dial(5000), Request::Dial(65535), Request::Health] {
            assert_eq!(Request::decode(&request.encode()), Ok(request));
        }
        let failed = [1, 111, 4095].map(Reply::Failed);
        let others = [Reply::Connected, Reply::NotAllowed, Reply::Malformed, Reply::Healthy];
        for reply in failed.into_iter().chain(others) {
            assert_eq!(Reply::decode(&reply.encode()), Ok(reply));
        }
    }

    #[test]
    fn the_plugin_asks_in_these_packets() {
        assert_eq!(Request::Health.encode(), assemble_contract::answer::DIALER_ASKED);
        assert_eq!(Reply::Healthy.encode(), assemble_contract::answer::DIALER_SERVES);
    }

    #[test]
    fn what_is_almost_a_request_is_none() {
        let good = Request::Dial(5000).encode();
        for end in 0..good.len() {
            assert_eq!(Request::decode(&good[..end]), Err(Malformed));
        }
        assert_eq!(Request::decode(&[&good[..], &good[..]].concat()), Err(Malformed));
        assert_eq!(Request::decode(&[&good[..], &[0]].concat()), Err(Malformed));
        assert_eq!(Request::decode(b"apd1\x01\0\0"), Err(Malformed), "port 0");
        assert_eq!(Request::decode(b"apd1\x02\0\x01"), Err(Malformed), "a probe of a port");
        assert_eq!(Request::decode(b"apd2\x01\0\x01"), Err(Malformed), "another version");
        assert_eq!(Reply::decode(&Reply::Failed(0).encode()), Err(Malformed), "a failure without a reason");
        assert_eq!(Reply::decode(&Reply::Failed(-1).encode()), Err(Malformed));
    }

    proptest! {
        /// Whatever is read without complaint is exactly what would be written.
        #[test]
        fn nothing_is_read_that_would_not_be_written(bytes: Vec<u8>, tail in prop::collection::vec(any::<u8>(), 0..8)) {
            for packet in [bytes, [&MAGIC[..], &tail].concat()] {
                if let Ok(request) = Request::decode(&packet) {
                    prop_assert_eq!(&request.encode()[..], &packet[..]);
                }
                if let Ok(reply) = Reply::decode(&packet) {
                    prop_assert_eq!(&reply.encode()[..], &packet[..]);
                }
            }
        }
    }
}
