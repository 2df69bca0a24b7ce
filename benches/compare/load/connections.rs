//! Short connections, one after the other, several at once.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::bail;
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use socket2::{Domain, SockRef, Socket, Type};

use super::client::{Load, Outcome, Phase};
use super::{Poller, Service};

/// A connection on its way: made, asked, answered.
struct Short {
    stream: TcpStream,
    asked: bool,
}

pub(super) fn run(load: &Load) -> anyhow::Result<Outcome> {
    let mut poller = Poller::new()?;
    let mut window = load.window();
    let mut slots: Vec<Option<Short>> = (0..load.flows).map(|_| None).collect();
    let mut ends: Vec<Instant> = Vec::with_capacity(1 << 18);
    let (mut errors, mut patience) = (0_u64, 10_000_u32);
    for (token, slot) in slots.iter_mut().enumerate() {
        *slot = Some(open(load, &poller, token)?);
    }
    'load: loop {
        let ready = poller.wait(Some(Duration::from_secs(5)))?;
        if ready == 0 {
            bail!("no connection has got on for 5 s");
        }
        for index in 0..ready {
            let (token, _) = poller.event(index);
            let Some(short) = &mut slots[token] else { continue };
            let done = match short.advance() {
                Ok(false) => continue,
                Ok(true) => true,
                Err(error) => {
                    patience -= 1;
                    if patience == 0 {
                        return Err(error.into());
                    }
                    false
                }
            };
            if let Some(short) = slots[token].take()
                && load.reset
            {
                SockRef::from(&short.stream).set_linger(Some(Duration::ZERO))?;
            }
            let now = Instant::now();
            match window.phase(now) {
                Phase::Before => {}
                Phase::Opens => {
                    ends.clear();
                    errors = 0;
                }
                Phase::Inside if done => ends.push(now),
                Phase::Inside => errors += 1,
                Phase::Over => break 'load,
            }
            if ends.len() as u64 >= load.count {
                break 'load;
            }
            slots[token] = Some(open(load, &poller, token)?);
        }
    }
    let seconds = window.close();
    #[expect(clippy::cast_precision_loss, reason = "not so many connections")]
    Ok(Outcome {
        units: ends.len() as f64,
        seconds,
        errors: errors as f64,
        tenths: tenths(&ends),
        ..Outcome::default()
    })
}

fn open(load: &Load, poller: &Poller, token: usize) -> io::Result<Short> {
    let socket = Socket::new(Domain::for_address(load.to), Type::STREAM.nonblocking(), None)?;
    match socket.connect(&load.to.into()) {
        Err(error) if error.raw_os_error() != Some(Errno::INPROGRESS.raw_os_error()) => return Err(error),
        _ => {}
    }
    let stream = TcpStream::from(OwnedFd::from(socket));
    // Edge-triggered, so that one registration serves for "connected" and for "answered".
    poller.add(&stream, token, EventFlags::IN | EventFlags::OUT | EventFlags::ET)?;
    Ok(Short { stream, asked: false })
}

impl Short {
    /// True when the answer is here.
    fn advance(&mut self) -> io::Result<bool> {
        if !self.asked {
            match self.stream.write(&[Service::Echo.byte()]) {
                Ok(_) => self.asked = true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        match self.stream.read(&mut [0]) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// How many per second in the first and in the last tenth.
fn tenths(ends: &[Instant]) -> Option<[f64; 2]> {
    let tenth = ends.len() / 10;
    if tenth < 10 {
        return None;
    }
    let rate = |of: &[Instant]| {
        #[expect(clippy::cast_precision_loss, reason = "not so many connections")]
        let steps = (of.len() - 1) as f64;
        steps / (of[of.len() - 1] - of[0]).as_secs_f64()
    };
    Some([rate(&ends[..tenth]), rate(&ends[ends.len() - tenth..])])
}
