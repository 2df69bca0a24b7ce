//! The relay within one process over loopback: engines, sizes of chunks, numbers of streams and
//! directions, beside no relay at all and Tokio's own `copy_bidirectional`; and how soon a process
//! of its own serves.
//!
//! Good for comparing engines and for seeing a change of the relay's own cost; how it does in
//! its place, beside other forwarders, is what `compare` measures.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use assemble_proxy::config::Engine;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use socket2::SockRef;

#[path = "relay/forwarder.rs"]
mod forwarder;
#[path = "relay/service.rs"]
mod service;

use forwarder::{Forwarder, Way};
use service::Service;

/// What a stream moves between two acknowledgements: long beside the time one takes.
const BLOCK: usize = 4 << 20;

criterion_group!(benches, streams, exchanges, connections, starts);
criterion_main!(benches);

// --- What is measured --------------------------------------------------------

fn streams(c: &mut Criterion) {
    for direction in [Direction::Up, Direction::Down] {
        for count in [1, 8] {
            let mut group = c.benchmark_group(format!("{direction:?}/{count}").to_lowercase());
            brief(&mut group);
            for chunk in [16 << 10, 256 << 10] {
                group.throughput(Throughput::Bytes((BLOCK * count) as u64));
                each_way(&mut group, &size(chunk), Service::Blocks, |addr| {
                    let open = || Stream::open(addr, direction, chunk);
                    let mut streams: Vec<Stream> = (0..count).map(|_| open()).collect::<io::Result<_>>()?;
                    Ok(move |iterations| together(&mut streams, iterations))
                });
            }
        }
    }
}

/// One message there and back: 64 B tell the latency, 256 KiB where copying ceases to pay.
fn exchanges(c: &mut Criterion) {
    let mut group = c.benchmark_group("exchange");
    brief(&mut group);
    for bytes in [64, 512, 16 << 10, 256 << 10] {
        group.throughput(Throughput::Elements(1));
        each_way(&mut group, &size(bytes), Service::Echo, |addr| {
            let mut stream = connect(addr)?;
            let (message, mut answer) = (vec![b'm'; bytes], vec![0; bytes]);
            Ok(move |iterations| {
                for _ in 0..iterations {
                    stream.write_all(&message)?;
                    stream.read_exact(&mut answer)?;
                }
                Ok(())
            })
        });
    }
}

fn connections(c: &mut Criterion) {
    let mut group = c.benchmark_group("connection");
    brief(&mut group);
    group.throughput(Throughput::Elements(1));
    each_way(&mut group, "1 B", Service::Short, |addr| {
        Ok(move |iterations| {
            for _ in 0..iterations {
                let mut stream = connect(addr)?;
                stream.write_all(b"1")?;
                stream.read_exact(&mut [0])?;
                // Reset, or the ports would all be in TIME_WAIT before long.
                SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
            }
            Ok(())
        })
    });
}

/// From before exec(2) to the first connection that comes out at the target.
///
/// `ASSEMBLE_PROXY` names another build of the relay, such as the static one that is shipped.
fn starts(c: &mut Criterion) {
    let mut group = c.benchmark_group("start");
    brief(&mut group);
    let target = TcpListener::bind("127.0.0.1:0").expect("a listener on loopback");
    let binary = std::env::var_os("ASSEMBLE_PROXY");
    let binary = binary.unwrap_or_else(|| env!("CARGO_BIN_EXE_assemble-proxy").into());
    group.bench_function("relay", |bencher| {
        bencher.iter_custom(|iterations| {
            (0..iterations).map(|_| start(&binary, &target).expect("a relay")).sum()
        });
    });
}

fn start(binary: &OsStr, target: &TcpListener) -> io::Result<Duration> {
    let addr = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let mut relay = Command::new(binary);
    relay.args(["--port", &addr.port().to_string(), "--to", &target.local_addr()?.to_string()]);
    relay.stdin(Stdio::null()).stderr(Stdio::null());
    let started = Instant::now();
    let mut relay = relay.spawn()?;
    let client = loop {
        match TcpStream::connect(addr) {
            Ok(client) => break client,
            Err(error) if relay.try_wait()?.is_some() => return Err(error),
            Err(_) => {}
        }
    };
    let server = target.accept()?;
    let took = started.elapsed();
    drop((client, server));
    relay.kill()?;
    relay.wait()?;
    Ok(took)
}

/// Sixty-odd benchmarks in a few minutes.
fn brief(group: &mut BenchmarkGroup<'_, WallTime>) {
    group.sample_size(10).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
}

/// Measures `load`, which does so many iterations, over every way to a service.
fn each_way<Load, Run>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    parameter: &str,
    service: Service,
    load: Load,
) where
    Load: Fn(SocketAddr) -> io::Result<Run>,
    Run: FnMut(u64) -> io::Result<()>,
{
    let server = service.serve().expect("a listener on loopback");
    for way in [
        Way::Direct,
        Way::Tokio,
        Way::Relay(Engine::Copy),
        Way::Relay(Engine::Splice),
        Way::Relay(Engine::Auto),
    ] {
        // First the load, then what it runs through: connections end before their relay does.
        let forwarder = Forwarder::start(way, server);
        let mut run = load(forwarder.addr).expect("connections");
        group.bench_function(BenchmarkId::new(way.name(), parameter), |bencher| {
            bencher.iter_custom(|iterations| {
                let started = Instant::now();
                run(iterations).expect("a connection that lives");
                started.elapsed()
            });
        });
        drop(run);
        drop(forwarder);
    }
}

fn size(bytes: usize) -> String {
    if bytes < 1024 { format!("{bytes} B") } else { format!("{} KiB", bytes >> 10) }
}

// --- Streams -----------------------------------------------------------------

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

/// A connection on which blocks go one way, in chunks, and acknowledgements the other.
struct Stream {
    stream: TcpStream,
    direction: Direction,
    buffer: Vec<u8>,
}

impl Stream {
    fn open(addr: SocketAddr, direction: Direction, chunk: usize) -> io::Result<Self> {
        let mut stream = connect(addr)?;
        let log2 = u8::try_from(chunk.ilog2()).expect("fewer than 256 bits");
        stream.write_all(&[u8::from(direction == Direction::Up), log2])?;
        Ok(Self { stream, direction, buffer: vec![b's'; chunk] })
    }

    fn run(&mut self, iterations: u64) -> io::Result<()> {
        for _ in 0..iterations {
            match self.direction {
                Direction::Up => {
                    send_block(&mut self.stream, &self.buffer)?;
                    self.stream.read_exact(&mut [0])?;
                }
                Direction::Down => {
                    self.stream.write_all(b"1")?;
                    receive_block(&mut self.stream, &mut self.buffer)?;
                }
            }
        }
        Ok(())
    }
}

/// All streams at once, each on a thread.
fn together(streams: &mut [Stream], iterations: u64) -> io::Result<()> {
    match streams {
        [stream] => stream.run(iterations),
        _ => thread::scope(|scope| {
            let running: Vec<_> =
                streams.iter_mut().map(|stream| scope.spawn(move || stream.run(iterations))).collect();
            running.into_iter().try_for_each(|stream| stream.join().expect("no panic"))
        }),
    }
}

fn send_block(stream: &mut TcpStream, chunk: &[u8]) -> io::Result<()> {
    (0..BLOCK / chunk.len()).try_for_each(|_| stream.write_all(chunk))
}

fn receive_block(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<()> {
    let mut missing = BLOCK;
    while missing > 0 {
        let room = buffer.len().min(missing);
        match stream.read(&mut buffer[..room])? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => missing -= n,
        }
    }
    Ok(())
}

fn connect(addr: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(addr)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
