//! Somebody in a dialer's place.

use std::os::fd::OwnedFd;
use std::time::Duration;

use arbitrary::Arbitrary;
use assemble_proxy::dialer::Reply;
use rustix::io::{FdFlags, fcntl_getfd};
use rustix::net::{RecvFlags, recv};
use socket2::SockRef;

use crate::cargo::{Descriptors, Kind, say};
use crate::{PATIENCE, Stage, until};

#[derive(Arbitrary, Debug)]
pub(crate) struct Answer {
    words: Words,
    descriptors: Descriptors,
    /// Goes on talking.
    more: bool,
}

#[derive(Arbitrary, Debug)]
enum Words {
    Connected,
    Failed(u8),
    NotAllowed,
    Malformed,
    Healthy,
    /// A good answer and what follows.
    Longer(Vec<u8>),
    /// The beginning of a good answer.
    Shorter(u8),
    /// Anything else.
    Noise(Vec<u8>),
    /// Hangs up.
    Nothing,
}

impl Words {
    fn bytes(&self) -> Option<Vec<u8>> {
        let connected = Reply::Connected.encode();
        Some(match self {
            Self::Connected => connected.to_vec(),
            Self::Failed(errno) => Reply::Failed((*errno).into()).encode().to_vec(),
            Self::NotAllowed => Reply::NotAllowed.encode().to_vec(),
            Self::Malformed => Reply::Malformed.encode().to_vec(),
            Self::Healthy => Reply::Healthy.encode().to_vec(),
            Self::Longer(more) => [&connected[..], more].concat(),
            Self::Shorter(end) => connected[..usize::from(*end) % connected.len()].to_vec(),
            Self::Noise(bytes) => bytes.clone(),
            Self::Nothing => return None,
        })
    }
}

impl Answer {
    pub(crate) async fn play(self, stage: &Stage) {
        let asking = stage.dialer.dial(stage.port, PATIENCE);
        let answering = async {
            let accepted = until("the relay asks", || SockRef::from(&stage.impostor).accept().ok()).await;
            let socket = OwnedFd::from(accepted.0);
            // Hanging up on a request that was not read would be a reset, which overtakes answers.
            until("the request is read", || recv(&socket, &mut [0; 64], RecvFlags::empty()).ok()).await;
            let Some(bytes) = self.words.bytes() else { return 0 };
            let times = if self.more { 2 } else { 1 };
            for _ in 0..times {
                say(&socket, &bytes, &self.descriptors, stage.port);
            }
            times * self.descriptors.kinds().iter().filter(|kind| **kind == Kind::Right).count()
        };
        let (dialled, connected) = tokio::join!(asking, answering);
        let is_reply = self.words.bytes().is_some_and(|bytes| bytes == Reply::Connected.encode());
        let wanted = is_reply && self.descriptors.kinds() == [Kind::Right];
        assert_eq!(dialled.is_ok(), wanted, "{:?}", dialled.err());
        if let Ok(socket) = dialled {
            assert_eq!(socket.peer_addr().expect("it is connected").port(), stage.port);
            assert!(fcntl_getfd(&socket).expect("it is open").contains(FdFlags::CLOEXEC));
            SockRef::from(&socket).set_linger(Some(Duration::ZERO)).expect("a connection can be broken");
        }
        stage.expect_connections(connected).await;
    }
}
