//! Connections that stay: idle ones, and ones whose reader is slow.

use std::io::{self, Read};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};

use super::Service;
use super::client::{Kind, Load, Outcome};

/// What a slow reader takes at a time, ten times a second.
const SIP: usize = 1024;

pub(super) fn run(load: &Load) -> anyhow::Result<Outcome> {
    let slow = load.kind == Kind::Slow;
    let mut streams = load.connect_all(if slow { Service::Source } else { Service::Echo })?;
    for stream in &mut streams {
        stream.read_exact(&mut [0])?;
    }
    // Time for buffers to fill, and for what is only needed at first to be given back.
    let settled = Instant::now() + Duration::from_secs_f64(load.warmup + load.seconds);
    let (bell, mut said) = (load.bell(), false);
    loop {
        if slow {
            for stream in &mut streams {
                stream.read_exact(&mut [0; SIP])?;
            }
        }
        if !said && Instant::now() >= settled {
            bell.ring()?;
            said = true;
        }
        // Whoever reads the memory meanwhile closes our input when it has.
        let input = io::stdin();
        let mut fds = [PollFd::new(&input, PollFlags::IN)];
        if poll(&mut fds, Some(&Duration::from_millis(100).try_into()?))? > 0 && said {
            break;
        }
        thread::yield_now();
    }
    bell.ring()?;
    #[expect(clippy::cast_precision_loss, reason = "not so many connections")]
    Ok(Outcome { units: streams.len() as f64, seconds: load.seconds, ..Outcome::default() })
}
