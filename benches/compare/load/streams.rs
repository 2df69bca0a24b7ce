//! Streams without end, in one direction.

use std::io::{self, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::bail;
use rustix::event::epoll::EventFlags;

use super::client::{Kind, Load, Outcome, Phase, Window};
use super::{CHUNK, DISCARD, Poller, Service, discard, would_block};

pub(super) fn run(load: &Load) -> anyhow::Result<Outcome> {
    let down = load.kind == Kind::Down;
    let streams = load.connect_all(if down { Service::Source } else { Service::Sink })?;
    let mut buffer = vec![b'x'; if down { DISCARD } else { CHUNK }];
    let mut step = |stream: &TcpStream| -> io::Result<usize> {
        if down { discard(stream, &mut buffer) } else { (&*stream).write(&buffer) }
    };
    let mut count = Count { bytes: 0, window: load.window() };
    match &streams[..] {
        // Blocking calls are the cheapest, and one stream needs no more.
        [stream] => while count.add(step(stream)?)? {},
        _ => {
            let mut poller = Poller::new()?;
            for (token, stream) in streams.iter().enumerate() {
                stream.set_nonblocking(true)?;
                poller.add(stream, token, if down { EventFlags::IN } else { EventFlags::OUT })?;
            }
            'load: loop {
                let ready = poller.wait(Some(Duration::from_secs(5)))?;
                if ready == 0 {
                    bail!("nothing has moved for 5 s");
                }
                for index in 0..ready {
                    match step(&streams[poller.event(index).0]) {
                        Ok(n) if !count.add(n)? => break 'load,
                        Ok(_) => {}
                        Err(error) if would_block(&error) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
            }
        }
    }
    let seconds = count.window.close();
    #[expect(clippy::cast_precision_loss, reason = "2^53 bytes take longer than any run")]
    Ok(Outcome { units: count.bytes as f64, seconds, ..Outcome::default() })
}

struct Count {
    bytes: u64,
    window: Window,
}

impl Count {
    /// Counts what one call moved; false when the time is over.
    fn add(&mut self, n: usize) -> anyhow::Result<bool> {
        if n == 0 {
            bail!("the stream ended");
        }
        match self.window.phase(Instant::now()) {
            Phase::Opens => self.bytes = 0,
            Phase::Over => return Ok(false),
            Phase::Before | Phase::Inside => self.bytes += n as u64,
        }
        Ok(true)
    }
}
