//! Somebody in a dialer's place.

use std::os::fd::OwnedFd;
use std::time::Duration;

use arbitrary::Arbitrary;
use assemble_proxy::dialer::{DialClient, Reply, Request};
use rustix::io::{Errno, FdFlags, fcntl_getfd};
use rustix::net::{RecvFlags, recv};
use socket2::SockRef;
use tokio::task::JoinSet;

use crate::cargo::{Descriptors, Kind, say};
use crate::{PATIENCE, Stage, until};

/// What somebody makes of a channel over which several connections are asked for at once.
#[derive(Arbitrary, Debug)]
pub(crate) struct Answers {
    /// How many are asked for, beside one.
    more: u8,
    /// In place of the right greeting.
    greeting: Option<Words>,
    answers: Vec<Answer>,
}

#[derive(Arbitrary, Debug)]
struct Answer {
    /// Which of the requests it is for; some of those that there are not.
    number: u8,
    words: Words,
    descriptors: Descriptors,
}

#[derive(Arbitrary, Debug)]
enum Words {
    Connected,
    Failed(u8),
    NotAllowed,
    Malformed,
    Healthy,
    /// An answer that is not one of a channel.
    Bare,
    /// A good answer and what follows.
    Longer(Vec<u8>),
    /// The beginning of a good answer.
    Shorter(u8),
    /// Anything else.
    Noise(Vec<u8>),
}

impl Words {
    fn bytes(&self, number: u32) -> Vec<u8> {
        let connected = Reply::Connected.numbered(number);
        match self {
            Self::Connected => connected.to_vec(),
            Self::Failed(errno) => Reply::Failed((*errno).into()).numbered(number).to_vec(),
            Self::NotAllowed => Reply::NotAllowed.numbered(number).to_vec(),
            Self::Malformed => Reply::Malformed.numbered(number).to_vec(),
            Self::Healthy => Reply::Healthy.numbered(number).to_vec(),
            Self::Bare => Reply::Connected.encode().to_vec(),
            Self::Longer(more) => [&connected[..], more].concat(),
            Self::Shorter(end) => connected[..usize::from(*end) % connected.len()].to_vec(),
            Self::Noise(bytes) => bytes.clone(),
        }
    }
}

/// As many answers fit into the queue of a connection.
const MOST: usize = 6;

impl Answers {
    pub(crate) async fn play(self, stage: &Stage) {
        let client = std::sync::Arc::new(DialClient::new(&stage.false_one));
        let asking = 1 + u32::from(self.more % 4);
        let mut dials = JoinSet::new();
        for _ in 0..asking {
            let (client, port) = (std::sync::Arc::clone(&client), stage.port);
            dials.spawn(async move { client.dial(port, PATIENCE).await });
        }
        let socket = stage.accept_at_the_impostor().await;
        let greeted = until("the greeting", || heard(&socket)).await;
        assert_eq!(greeted, Request::Health.numbered(0));
        let (mut right, mut made) = (0, 0);
        let greeting =
            self.greeting.map_or_else(|| Reply::Healthy.numbered(0).to_vec(), |words| words.bytes(0));
        let is_greeting = greeting == Reply::Healthy.numbered(0);
        say(&socket, &greeting, &Descriptors::default(), stage.port);
        if is_greeting {
            let mut waiting = Vec::new();
            for _ in 0..asking {
                let request = until("the request is read", || heard(&socket)).await;
                let Ok((Some(number), Request::Dial(port))) = Request::decode(&request) else {
                    panic!("{}", request.escape_ascii())
                };
                assert_eq!(port, stage.port);
                waiting.push(number);
            }
            let first = waiting[0];
            // What comes after something that is no answer reaches nobody.
            let mut honest = true;
            for Answer { number, words, descriptors } in self.answers.iter().take(MOST) {
                let number = first + u32::from(number % 5);
                let bytes = words.bytes(number);
                right += descriptors.kinds().iter().filter(|kind| **kind == Kind::Right).count();
                say(&socket, &bytes, descriptors, stage.port);
                let place = waiting.iter().position(|waits| *waits == number);
                let kinds = descriptors.kinds();
                honest &= match (Reply::decode(&bytes), place) {
                    (Ok((Some(_), Reply::Connected)), Some(at)) if kinds == [Kind::Right] => {
                        made += usize::from(honest);
                        waiting.swap_remove(at);
                        true
                    }
                    (Ok((Some(_), Reply::Failed(_) | Reply::NotAllowed)), Some(at)) if kinds.is_empty() => {
                        waiting.swap_remove(at);
                        true
                    }
                    _ => false,
                };
            }
        }
        // Whoever still waits asks once more, and finds nobody.
        let mut connections = Vec::new();
        drop(socket);
        while !dials.is_empty() {
            if let Some(ended) = dials.try_join_next() {
                connections.extend(ended.expect("no dial panics"));
            }
            drop(SockRef::from(&stage.impostor).accept());
            tokio::task::yield_now().await;
        }
        assert_eq!(connections.len(), made);
        for socket in &connections {
            assert_eq!(socket.peer_addr().expect("it is connected").port(), stage.port);
            assert!(fcntl_getfd(socket).expect("it is open").contains(FdFlags::CLOEXEC));
            SockRef::from(socket).set_linger(Some(Duration::ZERO)).expect("a connection can be broken");
        }
        stage.expect_connections(right).await;
    }
}

/// The next packet, empty where the relay has hung up.
fn heard(socket: &OwnedFd) -> Option<Vec<u8>> {
    let mut packet = vec![0; 64];
    match recv(socket, packet.as_mut_slice(), RecvFlags::empty()) {
        Ok((n, _)) => packet.truncate(n),
        Err(Errno::AGAIN) => return None,
        Err(error) => panic!("{error}"),
    }
    Some(packet)
}
