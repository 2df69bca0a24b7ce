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
    /// What follows in the same packet.
    more: Vec<(u8, Row)>,
    descriptors: Descriptors,
}

#[derive(Arbitrary, Debug)]
enum Row {
    Connected,
    Failed(u8),
    NotAllowed,
}

impl Answer {
    fn bytes(&self, first: u32) -> Vec<u8> {
        let number = |number: u8| first + u32::from(number % 5);
        let more = self.more.iter().map(|(at, row)| {
            let reply = match row {
                Row::Connected => Reply::Connected,
                Row::Failed(errno) => Reply::Failed((*errno).into()),
                Row::NotAllowed => Reply::NotAllowed,
            };
            (Some(number(*at)), reply)
        });
        let named = Reply::packet(&[]).len();
        let more = Reply::packet(&more.collect::<Vec<_>>());
        [&self.words.bytes(number(self.number))[..], &more[named..]].concat()
    }
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
            Self::Connected => connected,
            Self::Failed(errno) => Reply::Failed((*errno).into()).numbered(number),
            Self::NotAllowed => Reply::NotAllowed.numbered(number),
            Self::Malformed => Reply::Malformed.numbered(number),
            Self::Healthy => Reply::Healthy.numbered(number),
            Self::Bare => Reply::Connected.encode(),
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
        let greeting = self.greeting.map_or_else(|| Reply::Healthy.numbered(0), |words| words.bytes(0));
        let is_greeting = greeting == Reply::Healthy.numbered(0);
        say(&socket, &greeting, &Descriptors::default(), stage.port);
        if is_greeting {
            let mut waiting = Vec::new();
            while waiting.len() < asking as usize {
                let requests = until("the requests are read", || heard(&socket)).await;
                for request in Request::decode(&requests).expect("a relay asks in its protocol") {
                    let (Some(number), Request::Dial(port)) = request else { panic!("{request:?}") };
                    assert_eq!(port, stage.port);
                    waiting.push(number);
                }
            }
            let first = waiting[0];
            // What comes after something that is no answer reaches nobody.
            let mut honest = true;
            for answer in self.answers.iter().take(MOST) {
                let (bytes, kinds) = (answer.bytes(first), answer.descriptors.kinds());
                right += kinds.iter().filter(|kind| **kind == Kind::Right).count();
                say(&socket, &bytes, &answer.descriptors, stage.port);
                if honest {
                    let taken = taken(&bytes, kinds, &mut waiting);
                    made += taken.made;
                    honest = taken.is_whole;
                }
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

/// What a relay that waits for these takes of a packet.
struct Taken {
    made: usize,
    /// It was right to its end.
    is_whole: bool,
}

fn taken(bytes: &[u8], kinds: &[Kind], waiting: &mut Vec<u32>) -> Taken {
    let mut taken = Taken { made: 0, is_whole: false };
    let Ok(rows) = Reply::decode(bytes) else { return taken };
    if rows.iter().filter(|row| row.1 == Reply::Connected).count() != kinds.len() {
        return taken;
    }
    let mut kinds = kinds.iter();
    for (number, reply) in rows {
        let Some(at) = waiting.iter().position(|waits| Some(*waits) == number) else { return taken };
        match reply {
            Reply::Connected if kinds.next() == Some(&Kind::Right) => taken.made += 1,
            Reply::Failed(_) | Reply::NotAllowed => {}
            _ => return taken,
        }
        waiting.swap_remove(at);
    }
    taken.is_whole = true;
    taken
}

/// The next packet, empty where the relay has hung up.
fn heard(socket: &OwnedFd) -> Option<Vec<u8>> {
    let mut packet = vec![0; Request::BYTES];
    match recv(socket, packet.as_mut_slice(), RecvFlags::empty()) {
        Ok((n, _)) => packet.truncate(n),
        Err(Errno::AGAIN) => return None,
        Err(error) => panic!("{error}"),
    }
    Some(packet)
}
