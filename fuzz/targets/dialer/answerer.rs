//! Somebody in a dialer's place.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use arbitrary::Arbitrary;
use assemble_proxy::connect::Connector;
use assemble_proxy::dialer::{DialClient, Order, Reply, Request, Talk};
use rustix::io::{Errno, FdFlags, fcntl_getfd};
use rustix::net::{RecvFlags, recv};
use socket2::SockRef;
use tokio::task::JoinSet;

use crate::cargo::{Descriptors, Kind, say};
use crate::{PATIENCE, Stage, until};

/// What somebody makes of a channel over which sockets for several connections are asked for.
#[derive(Arbitrary, Debug)]
pub(crate) struct Answers {
    /// How many connections are wanted, beside one.
    more: u8,
    /// In place of the right greeting.
    greeting: Option<Words>,
    answers: Vec<Answer>,
    /// Says and gives what is asked for from then on, and does not hang up.
    turns_honest: bool,
}

#[derive(Arbitrary, Debug)]
struct Answer {
    words: Words,
    /// In place of what was asked for.
    descriptors: Option<Descriptors>,
}

#[derive(Arbitrary, Debug)]
enum Words {
    Granted,
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
    fn bytes(&self) -> Vec<u8> {
        let granted = Reply::Granted.encode(Talk::Channel);
        match self {
            Self::Granted => granted,
            Self::Failed(errno) => Reply::Failed((*errno).into()).encode(Talk::Channel),
            Self::NotAllowed => Reply::NotAllowed.encode(Talk::Channel),
            Self::Malformed => Reply::Malformed.encode(Talk::Channel),
            Self::Healthy => Reply::Healthy.encode(Talk::Channel),
            Self::Bare => Reply::Granted.encode(Talk::One),
            Self::Longer(more) => [&granted[..], more].concat(),
            Self::Shorter(end) => granted[..usize::from(*end) % granted.len()].to_vec(),
            Self::Noise(bytes) => bytes.clone(),
        }
    }
}

/// At most so many answers are not what they should be.
const MOST: usize = 6;

impl Answers {
    pub(crate) async fn play(self, stage: &Stage) {
        let client = Arc::new(DialClient::new(&stage.false_one));
        let wanted = 1 + usize::from(self.more % 40);
        let mut dials = JoinSet::new();
        for _ in 0..wanted {
            let (client, port) = (Arc::clone(&client), stage.port);
            dials.spawn(async move { client.dial(port, &Connector::elsewhere(PATIENCE)).await });
        }
        let socket = stage.accept_at_the_impostor().await;
        let greeted = until("the greeting", || heard(&socket)).await;
        assert_eq!(greeted, Request::Health(Talk::Channel).encode());
        let right = Reply::Healthy.encode(Talk::Channel);
        let greeting = self.greeting.map_or_else(|| right.clone(), |words| words.bytes());
        say(&socket, &greeting, &Descriptors::default());

        let (mut connections, mut given) = (Vec::new(), 0);
        // Whether all was right that was said and given.
        let mut honest = greeting == right;
        if honest {
            let mut answers = self.answers.into_iter().take(MOST);
            while !dials.is_empty() {
                while let Some(ended) = dials.try_join_next() {
                    connections.extend(ended.expect("no dial panics"));
                }
                let Some(asked) = heard(&socket) else {
                    tokio::task::yield_now().await;
                    continue;
                };
                // An empty one where it has hung up.
                let Ok(Request::Sockets(Order { to, count })) = Request::decode(&asked) else { break };
                assert_eq!(to.port, stage.port);
                let (bytes, descriptors) = match answers.next() {
                    Some(Answer { words, descriptors }) => {
                        let descriptors = descriptors.unwrap_or_else(|| Descriptors::fresh(count));
                        honest &= matches!(words, Words::Granted) && are_right(&descriptors, count);
                        (words.bytes(), descriptors)
                    }
                    None if self.turns_honest => {
                        (Reply::Granted.encode(Talk::Channel), Descriptors::fresh(count))
                    }
                    None => break,
                };
                honest &= !to.ipv6;
                given += descriptors.kinds().iter().filter(|kind| **kind == Kind::Fresh).count();
                say(&socket, &bytes, &descriptors);
            }
        }
        // Whoever waits still gives up.
        drop(socket);
        dials.abort_all();
        while let Some(ended) = dials.join_next().await {
            match ended {
                Ok(dialled) => connections.extend(dialled),
                Err(error) => assert!(error.is_cancelled(), "{error}"),
            }
        }
        drop(client);
        while SockRef::from(&stage.impostor).accept().is_ok() {}
        assert!(connections.len() <= given);
        if honest && self.turns_honest {
            assert_eq!(connections.len(), wanted, "somebody was left alone");
        }
        for socket in &connections {
            assert_eq!(socket.peer_addr().expect("it is connected").port(), stage.port);
            assert!(fcntl_getfd(socket).expect("it is open").contains(FdFlags::CLOEXEC));
            SockRef::from(socket).set_linger(Some(Duration::ZERO)).expect("a connection can be broken");
        }
        // Some may have been made for one who gave up.
        stage.expect_some_connections(connections.len()..=given).await;
    }
}

fn are_right(descriptors: &Descriptors, count: u8) -> bool {
    let kinds = descriptors.kinds();
    (1..=count.into()).contains(&kinds.len()) && kinds.iter().all(|kind| *kind == Kind::Fresh)
}

/// The next packet, empty where the relay has hung up.
fn heard(socket: &OwnedFd) -> Option<Vec<u8>> {
    let mut packet = vec![0; Request::BYTES];
    match recv(socket, packet.as_mut_slice(), RecvFlags::empty()) {
        Ok((n, _)) => packet.truncate(n),
        Err(Errno::AGAIN) => return None,
        Err(Errno::CONNRESET) => packet.clear(),
        Err(error) => panic!("{error}"),
    }
    Some(packet)
}
