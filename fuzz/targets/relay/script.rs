//! What an input can say.

use std::io;

use arbitrary::{Arbitrary, Unstructured};
use assemble_proxy::config::Engine;
use socket2::SockRef;

#[derive(Debug)]
pub(crate) struct Conversation {
    pub(crate) engine: Forced,
    /// Whether the relay watches for silence.
    pub(crate) timed: bool,
    /// Of the client, the relay's two sockets and the server.
    pub(crate) buffers: [Buffers; 4],
    pub(crate) steps: Vec<Step>,
}

impl<'a> Arbitrary<'a> for Conversation {
    fn arbitrary(input: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        /// Enough to fill every buffer on the way several times.
        const MOST: usize = 48;
        let (engine, timed, buffers) = input.arbitrary()?;
        let steps = input.arbitrary_iter()?.take(MOST).collect::<Result<_, _>>()?;
        Ok(Self { engine, timed, buffers, steps })
    }
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum Forced {
    Auto,
    Copy,
    Splice,
}

impl From<Forced> for Engine {
    fn from(forced: Forced) -> Self {
        match forced {
            Forced::Auto => Self::Auto,
            Forced::Copy => Self::Copy,
            Forced::Splice => Self::Splice,
        }
    }
}

/// How much one socket takes before it is full.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum Buffers {
    /// What the kernel finds right.
    Usual,
    /// Small ones, so that few bytes fill them and every write is cut short.
    Small,
}

impl Buffers {
    pub(crate) fn apply(self, socket: &SockRef<'_>) -> io::Result<()> {
        const SMALL: usize = 32 * 1024;
        if matches!(self, Self::Small) {
            socket.set_send_buffer_size(SMALL)?;
            socket.set_recv_buffer_size(SMALL)?;
        }
        Ok(())
    }
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum Side {
    Client,
    Server,
}

/// One thing that happens.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum Step {
    /// The relay gets a few turns. Between two of these the peers act unseen.
    Turns(u8),
    /// Sends what is taken of so many bytes.
    Send(Side, Size),
    /// Sends one byte as urgent data.
    Urgent(Side),
    /// Reads what is there, at most so many bytes.
    Read(Side, Size),
    /// Ends its stream.
    Finish(Side),
    /// Closes, whatever it has not read.
    Close(Side),
    /// Closes with a reset, whatever of its own has not left.
    Reset(Side),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum Size {
    Few(u8),
    Some(u16),
    /// About as much as something on the way holds.
    Edge(Edge, Beside),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum Edge {
    Page,
    Big,
    Scratch,
    Pipe,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum Beside {
    Below,
    At,
    Above,
}

impl Size {
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::Few(n) => usize::from(n) + 1,
            Self::Some(n) => usize::from(n) + 1,
            Self::Edge(edge, beside) => {
                let at = match edge {
                    Edge::Page => 4 * 1024,
                    Edge::Big => 16 * 1024,
                    Edge::Scratch => 64 * 1024,
                    Edge::Pipe => 256 * 1024,
                };
                match beside {
                    Beside::Below => at - 1,
                    Beside::At => at,
                    Beside::Above => at + 1,
                }
            }
        }
    }
}
