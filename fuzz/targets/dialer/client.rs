//! Somebody who asks a dialer, in good faith or not.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use arbitrary::Arbitrary;
use assemble_proxy::dialer::{Reply, Request};
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
            Self::Dial => dial.to_vec(),
            Self::DialOther(other) => Request::Dial(*other).encode().to_vec(),
            Self::Health => Request::Health.encode().to_vec(),
            Self::Longer(more) => [&dial[..], more].concat(),
            Self::Shorter(end) => dial[..usize::from(*end) % dial.len()].to_vec(),
            Self::Noise(bytes) => bytes.clone(),
        }
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
            stage.expect_connections(own).await;
            return;
        }
        let heard = until("an answer", || hear(&socket)).await;
        let got = heard.as_ref().map(|(reply, _)| *reply);
        let want = expected(packets, stage.port);
        // Whoever goes on talking may meet a reset in place of the answer.
        assert!(got == want || (got.is_none() && packets.len() > 1), "{got:?}, not {want:?}");
        let descriptors = heard.map_or_else(Vec::new, |(_, descriptors)| descriptors);
        let granted = usize::from(got == Some(Reply::Connected));
        assert_eq!(descriptors.len(), granted, "descriptors of {got:?}");
        for descriptor in &descriptors {
            verify_loopback(descriptor, stage.port).expect("a connection to the target");
        }
        stage.expect_connections(own + granted).await;
    }
}

/// What the dialer answers, if it does: the first packet counts, and a second one spoils a
/// request to dial.
fn expected(packets: &[Packet], port: u16) -> Option<Reply> {
    let is_bare = |packet: &Packet| packet.descriptors.kinds().is_empty();
    if !is_bare(&packets[0]) {
        return Some(Reply::Malformed);
    }
    match (Request::decode(&packets[0].words.bytes(port)), packets.get(1)) {
        (Ok(Request::Health), _) => Some(Reply::Healthy),
        (Ok(Request::Dial(other)), _) if other != port => Some(Reply::NotAllowed),
        (Ok(Request::Dial(_)), None) => Some(Reply::Connected),
        // An empty packet cannot be told from a peer that has gone, who gets no answer.
        (Ok(Request::Dial(_)), Some(next)) if is_bare(next) && next.words.bytes(port).is_empty() => None,
        (Ok(Request::Dial(_)), Some(_)) | (Err(_), _) => Some(Reply::Malformed),
    }
}

/// The answer with what came along, or none where the dialer has hung up; `None` while it
/// does neither.
fn hear(socket: &OwnedFd) -> Option<Option<(Reply, Vec<OwnedFd>)>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = [0; 64];
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
            let reply = Reply::decode(&bytes[..received.bytes]).expect("a dialer answers in its protocol");
            Some(Some((reply, descriptors)))
        }
    }
}
