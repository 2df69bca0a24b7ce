//! Somebody who asks a dialer, in good faith or not.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use arbitrary::Arbitrary;
use assemble_proxy::dialer::{ROWS, Reply, Request};
use assemble_proxy::sys::verify_loopback;
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use socket2::{SockAddr, SockRef};

use crate::cargo::{Descriptors, Kind, packet_socket, say};
use crate::{Stage, until};

/// As many packets fit into the queue of a connection, whatever the machine's limits.
const MOST: usize = 6;

#[derive(Arbitrary, Debug)]
pub(crate) struct Client {
    packets: Vec<Packet>,
    /// Does not wait for an answer.
    leaves: bool,
}

#[derive(Arbitrary, Debug)]
struct Packet {
    words: Words,
    descriptors: Descriptors,
}

#[derive(Arbitrary, Debug)]
enum Words {
    /// For the port that may be dialled.
    Dial,
    DialOther(u16),
    Health,
    /// The same on a channel, with numbers of which some are equal, in packets of many rows.
    Numbered((u8, Asked), Vec<(u8, Asked)>),
    /// A good request and what follows.
    Longer(Vec<u8>),
    /// The beginning of a good request.
    Shorter(u8),
    /// Anything else.
    Noise(Vec<u8>),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Asked {
    Dial,
    DialOther(u16),
    Health,
    Cancel,
}

impl Words {
    fn bytes(&self, port: u16) -> Vec<u8> {
        let dial = Request::Dial(port).encode();
        match self {
            Self::Dial => dial,
            Self::DialOther(other) => Request::Dial(*other).encode(),
            Self::Health => Request::Health.encode(),
            Self::Numbered(first, more) => {
                let rows = [first].into_iter().chain(more).map(|(number, asked)| {
                    let request = match asked {
                        Asked::Dial => Request::Dial(port),
                        Asked::DialOther(other) => Request::Dial(*other),
                        Asked::Health => Request::Health,
                        Asked::Cancel => Request::Cancel,
                    };
                    (Some(u32::from(number % 4)), request)
                });
                Request::packet(&rows.collect::<Vec<_>>())
            }
            Self::Longer(more) => [&dial[..], more].concat(),
            Self::Shorter(end) => dial[..usize::from(*end) % dial.len()].to_vec(),
            Self::Noise(bytes) => bytes.clone(),
        }
    }
}

impl Packet {
    fn is_bare(&self) -> bool {
        self.descriptors.kinds().is_empty()
    }
}

impl Client {
    pub(crate) async fn play(self, stage: &Stage) {
        let socket = packet_socket();
        let address = SockAddr::unix(&stage.helper).expect("a short path");
        SockRef::from(&socket).connect(&address).expect("the dialer listens, and nobody else asks");
        // All of it is there before the dialer looks, so that what it makes of it is no chance.
        let packets = &self.packets[..self.packets.len().min(MOST)];
        for Packet { words, descriptors } in packets {
            let said = say(&socket, &words.bytes(stage.port), descriptors, stage.port);
            assert!(said, "nobody has read, and so few fit into the queue");
        }
        let own = packets.iter().flat_map(|packet| packet.descriptors.kinds());
        let own = own.filter(|kind| **kind == Kind::Right).count();
        if self.leaves || packets.is_empty() {
            drop(socket);
            // What a channel has asked for may be dialled before its end is seen.
            if !packets.first().is_some_and(|first| opens_a_channel(first, stage.port)) {
                stage.expect_connections(own).await;
            }
            return;
        }
        let expected = Expected::of(packets, stage.port);
        let (mut held, mut heard) = (Vec::new(), Vec::new());
        while !expected.is_all(&heard) {
            let Some((answers, descriptors)) = until("an answer", || hear(&socket)).await else { break };
            let connected = answers.iter().filter(|answer| answer.1 == Reply::Connected).count();
            assert_eq!(descriptors.len(), connected, "of {answers:?}");
            for descriptor in &descriptors {
                verify_loopback(descriptor, stage.port).expect("a connection to the target");
            }
            heard.extend(answers);
            held.extend(descriptors);
        }
        expected.demand(heard, packets);
        stage.expect_connections(own + held.len()).await;
    }
}

fn opens_a_channel(first: &Packet, port: u16) -> bool {
    let asked = Request::decode(&first.words.bytes(port));
    first.is_bare() && asked.is_ok_and(|asked| !matches!(asked[..], [(None, _)]))
}

type Answer = (Option<u32>, Reply);

/// What the dialer answers, in some order.
struct Expected {
    answers: Vec<Answer>,
    /// It hangs up after that.
    ends: bool,
}

impl Expected {
    fn of(packets: &[Packet], port: u16) -> Self {
        let refused = (None, Reply::Malformed);
        let one = |answer| Self { answers: vec![answer], ends: true };
        if !packets[0].is_bare() {
            return one(refused);
        }
        let Ok(asked) = Request::decode(&packets[0].words.bytes(port)) else { return one(refused) };
        let [(None, request)] = asked[..] else { return Self::of_channel(packets, port) };
        match (request, packets.get(1)) {
            (Request::Health, _) => one((None, Reply::Healthy)),
            (Request::Dial(other), _) if other != port => one((None, Reply::NotAllowed)),
            (Request::Dial(_), None) => one((None, Reply::Connected)),
            // An empty packet cannot be told from a peer that has gone, who gets no answer.
            (Request::Dial(_), Some(next)) if next.is_bare() && next.words.bytes(port).is_empty() => {
                Self { answers: Vec::new(), ends: true }
            }
            (Request::Dial(_), Some(_)) => one(refused),
            (Request::Cancel, _) => unreachable!("it is one of a channel"),
        }
    }

    fn of_channel(packets: &[Packet], port: u16) -> Self {
        let mut answers = Vec::new();
        for packet in packets {
            let bytes = packet.words.bytes(port);
            match Request::decode(&bytes) {
                _ if packet.is_bare() && bytes.is_empty() => return Self { answers, ends: true },
                Ok(asked) if packet.is_bare() && !matches!(asked[..], [(None, _)]) => {
                    answers.extend(asked.into_iter().filter_map(|(number, request)| match request {
                        Request::Health => Some((number, Reply::Healthy)),
                        Request::Dial(other) if other != port => Some((number, Reply::NotAllowed)),
                        Request::Dial(_) => Some((number, Reply::Connected)),
                        Request::Cancel => None,
                    }));
                }
                _ => {
                    answers.push((None, Reply::Malformed));
                    return Self { answers, ends: true };
                }
            }
        }
        Self { answers, ends: false }
    }

    fn is_all(&self, heard: &[Answer]) -> bool {
        heard.len() >= self.answers.len()
    }

    /// Whoever goes on talking may meet a reset in place of the last answers, and where a dialer has
    /// hung up an attempt that took time has ended without one.
    fn demand(self, heard: Vec<Answer>, packets: &[Packet]) {
        let mut left = self.answers;
        let may_lack = self.ends && packets.len() > 1;
        for answer in heard {
            let place = left.iter().position(|expected| is_same(*expected, answer));
            left.swap_remove(place.unwrap_or_else(|| panic!("{answer:?} is not one of {left:?}")));
        }
        assert!(left.is_empty() || may_lack, "{left:?} are missing");
    }
}

/// An attempt that took time may have been cancelled.
fn is_same(expected: Answer, answer: Answer) -> bool {
    let cancelled = Reply::Failed(Errno::CANCELED.raw_os_error());
    expected == answer || (expected.1 == Reply::Connected && answer == (expected.0, cancelled))
}

/// The answers of a packet with what came along, or none where the dialer has hung up; `None` while it
/// does neither.
fn hear(socket: &OwnedFd) -> Option<Option<(Vec<Answer>, Vec<OwnedFd>)>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(ROWS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = [0; Reply::BYTES];
    let received =
        recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, RecvFlags::CMSG_CLOEXEC);
    let descriptors = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(rights) => Some(rights),
        _ => None,
    });
    let descriptors = descriptors.flatten().collect();
    match received {
        Err(Errno::AGAIN) => None,
        Err(Errno::CONNRESET) => Some(None),
        Err(error) => panic!("{error}"),
        Ok(received) if received.bytes == 0 => Some(None),
        Ok(received) => {
            let replies = Reply::decode(&bytes[..received.bytes]).expect("a dialer answers in its protocol");
            Some(Some((replies, descriptors)))
        }
    }
}
