//! Somebody who asks a dialer, in good faith or not.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use arbitrary::Arbitrary;
use assemble_proxy::dialer::{Loopback, MOST as MOST_SOCKETS, Order, Reply, Request, Talk};
use assemble_proxy::sys::{DESCRIPTORS, verify_fresh, verify_loopback};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use socket2::{SockAddr, SockRef};

use crate::cargo::{Descriptors, packet_socket, say};
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
    /// For the port that is allowed, or for another.
    Dial(Option<u16>),
    Health,
    /// The same on a channel.
    Greeting,
    /// Sockets, for the port that is allowed or for another.
    Sockets {
        ipv6: bool,
        other: Option<u16>,
        count: u8,
    },
    /// A good request and what follows.
    Longer(Vec<u8>),
    /// The beginning of a good request.
    Shorter(u8),
    /// Anything else.
    Noise(Vec<u8>),
}

impl Words {
    fn bytes(&self, port: u16) -> Vec<u8> {
        let dial = Request::Dial(port).encode();
        match self {
            Self::Dial(other) => Request::Dial(other.unwrap_or(port)).encode(),
            Self::Health => Request::Health(Talk::One).encode(),
            Self::Greeting => Request::Health(Talk::Channel).encode(),
            Self::Sockets { ipv6, other, count } => {
                let to = Loopback { ipv6: *ipv6, port: other.unwrap_or(port) };
                Request::Sockets(Order { to, count: count % (MOST_SOCKETS + 2) }).encode()
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
            let said = say(&socket, &words.bytes(stage.port), descriptors);
            assert!(said, "nobody has read, and so few fit into the queue");
        }
        if self.leaves || packets.is_empty() {
            drop(socket);
            stage.expect_connections(0).await;
            return;
        }
        let expected = Expected::of(packets, stage.port);
        let (mut held, mut connections, mut heard) = (Vec::new(), 0, 0);
        while heard < expected.answers.len() {
            let Some((talk, reply, descriptors)) = until("an answer", || hear(&socket)).await else { break };
            let (wanted, order) = expected.answers[heard];
            assert_eq!((talk, reply), wanted);
            match order {
                None if wanted == (Talk::One, Reply::Granted) => {
                    let [connection] = &descriptors[..] else { panic!("{descriptors:?}") };
                    verify_loopback(connection, stage.port).expect("a connection to the target");
                    connections += 1;
                }
                None => assert!(descriptors.is_empty()),
                Some(Order { to, count }) => {
                    assert_eq!(descriptors.len(), usize::from(count));
                    for descriptor in &descriptors {
                        verify_fresh(descriptor, to.ip()).expect("a socket that can be connected");
                        let source = SockRef::from(descriptor).local_addr().expect("it has an address");
                        let source = source.as_socket().expect("one of the internet");
                        assert_eq!((source.ip(), source.port()), (to.ip(), 0));
                    }
                }
            }
            heard += 1;
            held.extend(descriptors);
        }
        // Whoever goes on talking may meet a reset in place of the last answers.
        let may_lack = expected.ends && packets.len() > 1;
        assert!(heard == expected.answers.len() || may_lack, "{heard} of {:?}", expected.answers);
        stage.expect_connections(connections).await;
    }
}

/// What the dialer answers, in this order, and for which order it comes with sockets.
struct Expected {
    answers: Vec<((Talk, Reply), Option<Order>)>,
    /// It hangs up after that.
    ends: bool,
}

impl Expected {
    fn of(packets: &[Packet], port: u16) -> Self {
        let mut answers = Vec::new();
        for (at, packet) in packets.iter().enumerate() {
            let bytes = packet.words.bytes(port);
            let is_empty = packet.is_bare() && bytes.is_empty();
            // An empty packet cannot be told from a peer that has gone, who gets no answer.
            if is_empty && at > 0 {
                return Self { answers, ends: true };
            }
            let last = |reply| ((Talk::One, reply), None);
            let request = Request::decode(&bytes).ok().filter(|_| packet.is_bare());
            match request {
                Some(Request::Health(Talk::One)) if at == 0 => answers.push(last(Reply::Healthy)),
                Some(Request::Dial(other)) if at == 0 && other != port => {
                    answers.push(last(Reply::NotAllowed))
                }
                Some(Request::Dial(_)) if at == 0 => match packets.get(1) {
                    None => answers.push(last(Reply::Granted)),
                    Some(next) if next.is_bare() && next.words.bytes(port).is_empty() => {}
                    Some(_) => answers.push(last(Reply::Malformed)),
                },
                Some(Request::Health(Talk::Channel)) => {
                    answers.push(((Talk::Channel, Reply::Healthy), None));
                    continue;
                }
                Some(Request::Sockets(order)) if order.to.port != port => {
                    answers.push(((Talk::Channel, Reply::NotAllowed), None));
                    continue;
                }
                Some(Request::Sockets(order)) => {
                    answers.push(((Talk::Channel, Reply::Granted), Some(order)));
                    continue;
                }
                _ => answers.push(last(Reply::Malformed)),
            }
            return Self { answers, ends: true };
        }
        Self { answers, ends: false }
    }
}

/// An answer with what came along, or none where the dialer has hung up; `None` while it does neither.
fn hear(socket: &OwnedFd) -> Option<Option<(Talk, Reply, Vec<OwnedFd>)>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
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
            let said = Reply::decode(&bytes[..received.bytes]);
            let (talk, reply) = said.expect("a dialer answers in its protocol");
            Some(Some((talk, reply, descriptors)))
        }
    }
}
