//! What goes over the dialer's socket, a packet each (`SOCK_SEQPACKET`). Pure.
//!
//! A packet begins with four bytes that name the protocol and its version; numbers are big-endian. With
//! `apd1` a connection is for one question and its answer. With `apd2` it is a channel: a packet has one
//! or several questions or answers, a row each. Questions have numbers, answers name them and come in any
//! order, and every question gets exactly one.

use explained::Explained;

/// Begins every packet of a connection that is for one question.
const ONE: [u8; 4] = *b"apd1";
/// Begins every packet of a channel.
const MANY: [u8; 4] = *b"apd2";
const NUMBER: usize = size_of::<u32>();

/// A packet has at most so many rows.
pub const ROWS: usize = 16;

const DIAL: u8 = 1;
const HEALTH: u8 = 2;
const CANCEL: u8 = 3;

/// A row's number; a packet that is the only one of its connection has none.
pub type Number = Option<u32>;

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
    /// Its connected socket comes with the packet, in which they are in the order of the rows.
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

/// The packet that says this, by what writes the content of one row.
fn written<T: Copy, const CONTENT: usize>(rows: &[(Number, T)], content: fn(T) -> [u8; CONTENT]) -> Vec<u8> {
    let mut packet = if let [(None, _)] = rows { ONE } else { MANY }.to_vec();
    for (number, said) in rows {
        packet.extend(number.map(u32::to_be_bytes).iter().flatten());
        packet.extend(content(*said));
    }
    packet
}

/// What a packet says, by what reads the content of one row; `length` is that of a row.
fn read<T>(
    packet: &[u8],
    length: usize,
    content: fn(Number, &[u8]) -> Option<T>,
) -> Result<Vec<(Number, T)>, Malformed> {
    if let Some(only) = packet.strip_prefix(&ONE) {
        return Ok(vec![(None, content(None, only).ok_or(Malformed)?)]);
    }
    let rows = packet.strip_prefix(&MANY).ok_or(Malformed)?;
    if rows.is_empty() || rows.len() > ROWS * length {
        return Err(Malformed);
    }
    let mut said = Vec::new();
    for row in rows.chunks(length) {
        let (number, it) = row.split_first_chunk().ok_or(Malformed)?;
        let number = Some(u32::from_be_bytes(*number));
        said.push((number, content(number, it).ok_or(Malformed)?));
    }
    Ok(said)
}

impl Request {
    const ROW: usize = NUMBER + 3;
    /// The longest packet.
    pub const BYTES: usize = MANY.len() + ROWS * Self::ROW;

    /// A packet of a channel with at most [`ROWS`], or the only one of a connection. There is no such thing as
    /// [`Self::Cancel`] in that.
    #[must_use]
    pub fn packet(rows: &[(Number, Self)]) -> Vec<u8> {
        written(rows, Self::content)
    }

    /// The only packet of a connection.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        Self::packet(&[(None, self)])
    }

    /// A packet of a channel with this row alone.
    #[must_use]
    pub fn numbered(self, number: u32) -> Vec<u8> {
        Self::packet(&[(Some(number), self)])
    }

    fn content(self) -> [u8; 3] {
        let (kind, port) = match self {
            Self::Dial(port) => (DIAL, port),
            Self::Health => (HEALTH, 0),
            Self::Cancel => (CANCEL, 0),
        };
        let [high, low] = port.to_be_bytes();
        [kind, high, low]
    }

    /// Reads a packet, all of it.
    ///
    /// # Errors
    /// It is longer, shorter or something else.
    pub fn decode(packet: &[u8]) -> Result<Vec<(Number, Self)>, Malformed> {
        read(packet, Self::ROW, |number, content| {
            let &[kind, high, low] = content else { return None };
            match (kind, u16::from_be_bytes([high, low])) {
                (DIAL, port @ 1..) => Some(Self::Dial(port)),
                (HEALTH, 0) => Some(Self::Health),
                (CANCEL, 0) if number.is_some() => Some(Self::Cancel),
                _ => None,
            }
        })
    }
}

impl Reply {
    const ROW: usize = NUMBER + 5;
    /// The longest packet.
    pub const BYTES: usize = MANY.len() + ROWS * Self::ROW;

    /// A packet of a channel with at most [`ROWS`], or the answer to the only one of a connection.
    #[must_use]
    pub fn packet(rows: &[(Number, Self)]) -> Vec<u8> {
        written(rows, Self::content)
    }

    /// The answer to the only packet of a connection.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        Self::packet(&[(None, self)])
    }

    /// A packet of a channel with this row alone.
    #[must_use]
    pub fn numbered(self, number: u32) -> Vec<u8> {
        Self::packet(&[(Some(number), self)])
    }

    fn content(self) -> [u8; 5] {
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

    /// Reads a packet, all of it.
    ///
    /// # Errors
    /// It is longer, shorter or something else, or names no errno where one belongs.
    pub fn decode(packet: &[u8]) -> Result<Vec<(Number, Self)>, Malformed> {
        /// `MAX_ERRNO` of linux/err.h.
        const MAX_ERRNO: i32 = 4095;
        read(packet, Self::ROW, |_, content| {
            let &[kind, a, b, c, d] = content else { return None };
            match (kind, i32::from_be_bytes([a, b, c, d])) {
                (0, 0) => Some(Self::Connected),
                (1, errno @ 1..=MAX_ERRNO) => Some(Self::Failed(errno)),
                (2, 0) => Some(Self::NotAllowed),
                (3, 0) => Some(Self::Malformed),
                (4, 0) => Some(Self::Healthy),
                _ => None,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NUMBERS: [u32; 3] = [0, 7, u32::MAX];

    #[test]
    fn every_packet_is_read_as_it_was_written() {
        for request in [Request::Dial(1), Request::Dial(5000), Request::Dial(65535), Request::Health] {
            assert_eq!(Request::decode(&request.encode()), Ok(vec![(None, request)]));
        }
        for number in NUMBERS {
            for request in [Request::Dial(1), Request::Dial(65535), Request::Health, Request::Cancel] {
                assert_eq!(Request::decode(&request.numbered(number)), Ok(vec![(Some(number), request)]));
            }
        }
        let failed = [1, 111, 4095].map(Reply::Failed);
        let others = [Reply::Connected, Reply::NotAllowed, Reply::Malformed, Reply::Healthy];
        for reply in failed.into_iter().chain(others) {
            assert_eq!(Reply::decode(&reply.encode()), Ok(vec![(None, reply)]));
            for number in NUMBERS {
                assert_eq!(Reply::decode(&reply.numbered(number)), Ok(vec![(Some(number), reply)]));
            }
        }
    }

    #[test]
    fn a_packet_has_some_rows_and_no_more() {
        let rows = |n: u16| (1..=n).map(|n| (Some(n.into()), Request::Dial(n))).collect::<Vec<_>>();
        for n in [1, 2, 16] {
            assert_eq!(Request::decode(&Request::packet(&rows(n))), Ok(rows(n)));
        }
        assert_eq!(Request::packet(&rows(16)).len(), Request::BYTES);
        for n in [0, 17] {
            assert_eq!(Request::decode(&Request::packet(&rows(n))), Err(Malformed));
        }
        assert_eq!(Reply::packet(&[(Some(1), Reply::Healthy); ROWS]).len(), Reply::BYTES);
    }

    #[test]
    fn the_plugin_asks_in_these_packets() {
        assert_eq!(Request::Health.encode(), assemble_contract::answer::DIALER_ASKED);
        assert_eq!(Reply::Healthy.encode(), assemble_contract::answer::DIALER_SERVES);
    }

    #[test]
    fn what_is_almost_a_request_is_none() {
        for good in [Request::Dial(5000).encode(), Request::Dial(5000).numbered(7)] {
            for end in 0..good.len() {
                assert_eq!(Request::decode(&good[..end]), Err(Malformed));
            }
            assert_eq!(Request::decode(&[&good[..], &good].concat()), Err(Malformed));
            assert_eq!(Request::decode(&[&good[..], &[0]].concat()), Err(Malformed));
        }
        assert_eq!(Request::decode(b"apd1\x01\0\0"), Err(Malformed), "port 0");
        assert_eq!(Request::decode(b"apd1\x02\0\x01"), Err(Malformed), "a probe of a port");
        assert_eq!(Request::decode(b"apd1\x03\0\0"), Err(Malformed), "nothing to cancel");
        assert_eq!(Request::decode(b"apd2\0\0\0\x01\x03\0\x01"), Err(Malformed), "a port to cancel");
        assert_eq!(Request::decode(b"apd3\0\0\0\x01\x01\0\x01"), Err(Malformed), "another version");
        for failed in [Reply::Failed(0), Reply::Failed(-1)] {
            assert_eq!(Reply::decode(&failed.encode()), Err(Malformed), "a failure without a reason");
            assert_eq!(Reply::decode(&failed.numbered(1)), Err(Malformed));
        }
    }

    proptest! {
        /// Whatever is read without complaint is exactly what would be written.
        #[test]
        fn nothing_is_read_that_would_not_be_written(
            bytes: Vec<u8>,
            tail in prop::collection::vec(any::<u8>(), 0..12),
            rows in prop::collection::vec((any::<u32>(), 0..4_u8, 0..4_u8, 0..4_u8), 0..20),
        ) {
            let rows = rows.iter().flat_map(|(number, kind, high, low)| {
                number.to_be_bytes().into_iter().chain([*kind, *high, *low])
            });
            let rows = MANY.into_iter().chain(rows).collect();
            for packet in [bytes, [&ONE[..], &tail].concat(), [&MANY[..], &tail].concat(), rows] {
                if let Ok(requests) = Request::decode(&packet) {
                    prop_assert_eq!(Request::packet(&requests), &packet[..]);
                }
                if let Ok(replies) = Reply::decode(&packet) {
                    prop_assert_eq!(Reply::packet(&replies), &packet[..]);
                }
            }
        }
    }
}
