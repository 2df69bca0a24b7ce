//! What goes over the dialer's socket, a packet each (`SOCK_SEQPACKET`). Pure.
//!
//! A packet begins with four bytes that name the protocol and its version; numbers are big-endian. With
//! `apd1` a connection is for one question and its answer. With `apd2` it is a channel: questions have
//! numbers, answers name them and come in any order, and every question gets exactly one.

use explained::Explained;

/// Begins every packet of a connection that is for one question.
const ONE: [u8; 4] = *b"apd1";
/// Begins every packet of a channel; the question's number follows.
const MANY: [u8; 4] = *b"apd2";
const NUMBER: usize = size_of::<u32>();

const DIAL: u8 = 1;
const HEALTH: u8 = 2;
const CANCEL: u8 = 3;

/// What a dialer is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// To connect to this port of its loopback.
    Dial(u16),
    Health,
    /// To forget what the same number has asked for. On a channel only; has no answer of its own.
    Cancel,
}

/// What it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The connected socket comes with this packet.
    Connected,
    /// connect(2) failed with this errno, or the request was cancelled (`ECANCELED`).
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

impl Request {
    /// The longest.
    pub const BYTES: usize = MANY.len() + NUMBER + 3;

    /// The only packet of a connection. There is no such thing as [`Self::Cancel`].
    #[must_use]
    pub const fn encode(self) -> [u8; ONE.len() + 3] {
        let ([a, b, c, d], [e, f, g]) = (ONE, self.content());
        [a, b, c, d, e, f, g]
    }

    /// A packet of a channel.
    #[must_use]
    pub const fn numbered(self, number: u32) -> [u8; Self::BYTES] {
        let ([a, b, c, d], [e, f, g, h], [i, j, k]) = (MANY, number.to_be_bytes(), self.content());
        [a, b, c, d, e, f, g, h, i, j, k]
    }

    const fn content(self) -> [u8; 3] {
        let (kind, port) = match self {
            Self::Dial(port) => (DIAL, port),
            Self::Health => (HEALTH, 0),
            Self::Cancel => (CANCEL, 0),
        };
        let [high, low] = port.to_be_bytes();
        [kind, high, low]
    }

    /// Reads a packet, all of it, and its number if it is one of a channel.
    ///
    /// # Errors
    /// It is longer, shorter or something else.
    pub fn decode(packet: &[u8]) -> Result<(Option<u32>, Self), Malformed> {
        let (number, content) = opened(packet)?;
        let &[kind, high, low] = content else { return Err(Malformed) };
        match (kind, u16::from_be_bytes([high, low])) {
            (DIAL, port @ 1..) => Ok((number, Self::Dial(port))),
            (HEALTH, 0) => Ok((number, Self::Health)),
            (CANCEL, 0) if number.is_some() => Ok((number, Self::Cancel)),
            _ => Err(Malformed),
        }
    }
}

impl Reply {
    /// The longest.
    pub const BYTES: usize = MANY.len() + NUMBER + 5;

    /// The answer to the only packet of a connection.
    #[must_use]
    pub const fn encode(self) -> [u8; ONE.len() + 5] {
        let ([a, b, c, d], [e, f, g, h, i]) = (ONE, self.content());
        [a, b, c, d, e, f, g, h, i]
    }

    /// The answer to a packet of a channel.
    #[must_use]
    pub const fn numbered(self, number: u32) -> [u8; Self::BYTES] {
        let ([a, b, c, d], [e, f, g, h], [i, j, k, l, m]) = (MANY, number.to_be_bytes(), self.content());
        [a, b, c, d, e, f, g, h, i, j, k, l, m]
    }

    const fn content(self) -> [u8; 5] {
        let (kind, errno) = match self {
            Self::Connected => (0, 0),
            Self::Failed(errno) => (1, errno),
            Self::NotAllowed => (2, 0),
            Self::Malformed => (3, 0),
            Self::Healthy => (4, 0),
        };
        let [a, b, c, d] = errno.to_be_bytes();
        [kind, a, b, c, d]
    }

    /// Reads a packet, all of it, and whose answer it is if it is one of a channel.
    ///
    /// # Errors
    /// It is longer, shorter or something else, or names no errno where one belongs.
    pub fn decode(packet: &[u8]) -> Result<(Option<u32>, Self), Malformed> {
        /// `MAX_ERRNO` of linux/err.h.
        const MAX_ERRNO: i32 = 4095;
        let (number, content) = opened(packet)?;
        let &[kind, ref errno @ ..] = content else { return Err(Malformed) };
        let errno = i32::from_be_bytes(errno.try_into().map_err(|_| Malformed)?);
        let reply = match (kind, errno) {
            (0, 0) => Self::Connected,
            (1, 1..=MAX_ERRNO) => Self::Failed(errno),
            (2, 0) => Self::NotAllowed,
            (3, 0) => Self::Malformed,
            (4, 0) => Self::Healthy,
            _ => return Err(Malformed),
        };
        Ok((number, reply))
    }
}

/// What is behind the name of the protocol, and the number there if it is a channel's.
fn opened(packet: &[u8]) -> Result<(Option<u32>, &[u8]), Malformed> {
    if let Some(content) = packet.strip_prefix(&ONE) {
        return Ok((None, content));
    }
    let numbered = packet.strip_prefix(&MANY).and_then(<[u8]>::split_first_chunk);
    let (number, content) = numbered.ok_or(Malformed)?;
    Ok((Some(u32::from_be_bytes(*number)), content))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NUMBERS: [u32; 3] = [0, 7, u32::MAX];

    #[test]
    fn every_packet_is_read_as_it_was_written() {
        for request in [Request::Dial(1), Request::Dial(5000), Request::Dial(65535), Request::Health] {
            assert_eq!(Request::decode(&request.encode()), Ok((None, request)));
        }
        for number in NUMBERS {
            for request in [Request::Dial(1), Request::Dial(65535), Request::Health, Request::Cancel] {
                assert_eq!(Request::decode(&request.numbered(number)), Ok((Some(number), request)));
            }
        }
        let failed = [1, 111, 4095].map(Reply::Failed);
        let others = [Reply::Connected, Reply::NotAllowed, Reply::Malformed, Reply::Healthy];
        for reply in failed.into_iter().chain(others) {
            assert_eq!(Reply::decode(&reply.encode()), Ok((None, reply)));
            for number in NUMBERS {
                assert_eq!(Reply::decode(&reply.numbered(number)), Ok((Some(number), reply)));
            }
        }
    }

    #[test]
    fn the_plugin_asks_in_these_packets() {
        assert_eq!(Request::Health.encode(), assemble_contract::answer::DIALER_ASKED);
        assert_eq!(Reply::Healthy.encode(), assemble_contract::answer::DIALER_SERVES);
    }

    #[test]
    fn what_is_almost_a_request_is_none() {
        for good in [&Request::Dial(5000).encode()[..], &Request::Dial(5000).numbered(7)] {
            for end in 0..good.len() {
                assert_eq!(Request::decode(&good[..end]), Err(Malformed));
            }
            assert_eq!(Request::decode(&[good, good].concat()), Err(Malformed));
            assert_eq!(Request::decode(&[good, &[0]].concat()), Err(Malformed));
        }
        assert_eq!(Request::decode(b"apd1\x01\0\0"), Err(Malformed), "port 0");
        assert_eq!(Request::decode(b"apd1\x02\0\x01"), Err(Malformed), "a probe of a port");
        assert_eq!(Request::decode(b"apd1\x03\0\0"), Err(Malformed), "nothing to cancel");
        assert_eq!(Request::decode(b"apd2\0\0\0\x01\x03\0\x01"), Err(Malformed), "a port to cancel");
        assert_eq!(Request::decode(b"apd3\x01\0\x01"), Err(Malformed), "another version");
        for failed in [Reply::Failed(0), Reply::Failed(-1)] {
            assert_eq!(Reply::decode(&failed.encode()), Err(Malformed), "a failure without a reason");
            assert_eq!(Reply::decode(&failed.numbered(1)), Err(Malformed));
        }
    }

    proptest! {
        /// Whatever is read without complaint is exactly what would be written.
        #[test]
        fn nothing_is_read_that_would_not_be_written(bytes: Vec<u8>, tail in prop::collection::vec(any::<u8>(), 0..12)) {
            for packet in [bytes, [&ONE[..], &tail].concat(), [&MANY[..], &tail].concat()] {
                match Request::decode(&packet) {
                    Ok((None, request)) => prop_assert_eq!(&request.encode()[..], &packet[..]),
                    Ok((Some(number), request)) => prop_assert_eq!(&request.numbered(number)[..], &packet[..]),
                    Err(Malformed) => {}
                }
                match Reply::decode(&packet) {
                    Ok((None, reply)) => prop_assert_eq!(&reply.encode()[..], &packet[..]),
                    Ok((Some(number), reply)) => prop_assert_eq!(&reply.numbered(number)[..], &packet[..]),
                    Err(Malformed) => {}
                }
            }
        }
    }
}
