//! Messages back and forth, one under way per connection.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::bail;
use rustix::event::epoll::EventFlags;

use super::client::{Load, Outcome, Phase};
use super::{Poller, Service, would_block};

struct Flow {
    stream: TcpStream,
    sent: Instant,
    /// Bytes of the message that are still to come back.
    missing: usize,
}

pub(super) fn run(load: &Load) -> anyhow::Result<Outcome> {
    let message = vec![b'm'; load.bytes];
    let mut buffer = vec![0; load.bytes];
    let mut flows = Vec::new();
    for mut stream in load.connect_all(Service::Echo)? {
        stream.read_exact(&mut [0])?;
        flows.push(Flow { stream, sent: Instant::now(), missing: 0 });
    }
    let mut poller = Poller::new()?;
    if let [_, _, ..] = flows[..] {
        for (token, flow) in flows.iter().enumerate() {
            flow.stream.set_nonblocking(true)?;
            poller.add(&flow.stream, token, EventFlags::IN)?;
        }
    }
    let mut window = load.window();
    let mut trips: Vec<Duration> = Vec::with_capacity(1 << 20);
    for flow in &mut flows {
        flow.send(&message)?;
    }
    'load: loop {
        // A single flow blocks in its read; only several have to be waited for.
        let ready = if flows.len() == 1 { 1 } else { poller.wait(Some(Duration::from_secs(5)))? };
        if ready == 0 {
            bail!("no message has come back for 5 s");
        }
        for index in 0..ready {
            let token = if flows.len() == 1 { 0 } else { poller.event(index).0 };
            let flow = &mut flows[token];
            if !flow.receive(&mut buffer)? {
                continue;
            }
            let now = Instant::now();
            match window.phase(now) {
                Phase::Before | Phase::Opens => {}
                Phase::Inside => trips.push(now - flow.sent),
                Phase::Over => break 'load,
            }
            flow.send(&message)?;
        }
    }
    let seconds = window.close();
    #[expect(clippy::cast_precision_loss, reason = "not so many messages")]
    Ok(Outcome { units: trips.len() as f64, seconds, latency: latency(trips), ..Outcome::default() })
}

impl Flow {
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.sent = Instant::now();
        self.missing = message.len();
        self.stream.write_all(message)
    }

    /// Takes what has come; true when the message is complete.
    fn receive(&mut self, buffer: &mut [u8]) -> anyhow::Result<bool> {
        loop {
            match self.stream.read(&mut buffer[..self.missing]) {
                Ok(0) => bail!("the connection ended"),
                Ok(n) => self.missing -= n,
                // A single flow's read blocks: for it this is the time limit.
                Err(error) if would_block(&error) && self.sent.elapsed() < Duration::from_secs(4) => {
                    return Ok(false);
                }
                Err(error) => return Err(error.into()),
            }
            if self.missing == 0 {
                return Ok(true);
            }
        }
    }
}

fn latency(mut trips: Vec<Duration>) -> Option<[f64; 3]> {
    trips.sort_unstable();
    let last = trips.len().checked_sub(1)?;
    Some([last / 2, last * 99 / 100, last].map(|index| trips[index].as_secs_f64() * 1e6))
}
