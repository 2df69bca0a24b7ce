//! The dialer as a process, and clients that do not keep to its protocol.

use std::io::{BufRead, BufReader, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::signal::Signal;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::namespace::Namespace;
use crate::process::{BINARY, demand_no_panic, signal_to};
use crate::sockets::{PATIENCE, eventually};

/// A path for a socket that nobody else has.
pub(crate) fn socket_path() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("apd{}-{count}.sock", std::process::id()))
}

/// A running dialer. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct DialerProcess {
    child: Child,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
    path: PathBuf,
}

impl DialerProcess {
    /// Starts one inside and waits until it serves.
    #[track_caller]
    pub(crate) fn start(path: &Path, args: &[&str], inside: &Namespace) -> Self {
        Self::run(Command::new(BINARY), path, args, inside)
    }

    /// The same by another command that runs it.
    #[track_caller]
    pub(crate) fn run(mut command: Command, path: &Path, args: &[&str], inside: &Namespace) -> Self {
        command.arg("dial").arg("--socket").arg(path).args(args);
        command.env("RUST_LOG", "debug").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = inside.run(|| command.spawn()).unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (lines, writer) = (BufReader::new(child.stderr.take().unwrap()).lines(), Arc::clone(&log));
        let reader = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                writer.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        let dialer = Self { child, log, reader: Some(reader), path: path.to_owned() };
        eventually("the dialer serves", PATIENCE, || dialer.serves());
        dialer
    }

    /// What `health` says.
    pub(crate) fn serves(&self) -> bool {
        let mut probe = Command::new(BINARY);
        probe.arg("health").arg("--socket").arg(&self.path).stderr(Stdio::null());
        probe.status().unwrap().success()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    #[track_caller]
    pub(crate) fn expect_log(&self, words: &str) {
        eventually(&format!("\"{words}\" in {}", self.log()), PATIENCE, || self.log().contains(words));
    }

    /// Ends it with SIGTERM.
    #[track_caller]
    pub(crate) fn terminate(mut self) -> ExitStatus {
        signal_to(self.pid(), Signal::SIGTERM);
        eventually("the dialer ends", PATIENCE, || self.child.try_wait().unwrap().is_some());
        self.child.wait().unwrap()
    }

    /// Ends it so that it can remove nothing.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for DialerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            return eprintln!("the dialer said:\n{}", self.log());
        }
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        demand_no_panic(&self.log());
    }
}

/// A client that says what it likes, or who answers one.
#[derive(Debug)]
pub(crate) struct Hostile(Socket);

impl Hostile {
    #[track_caller]
    pub(crate) fn connect(path: &Path) -> Self {
        let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        socket.connect(&SockAddr::unix(path).unwrap()).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
        Self(socket)
    }

    /// Says so; the dialer may have hung up before.
    pub(crate) fn say(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(20))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            assert!(ancillary.push(SendAncillaryMessage::ScmRights(descriptors)));
        }
        let _ = sendmsg(&self.0, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL);
    }

    /// Only listens from now on.
    pub(crate) fn ask_nothing_more(&self) {
        self.0.shutdown(std::net::Shutdown::Write).unwrap();
    }

    /// Says so if there is room for it.
    #[track_caller]
    pub(crate) fn say_at_once(&self, bytes: &[u8]) -> bool {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        match rustix::net::send(&self.0, bytes, flags) {
            Ok(_) => true,
            Err(rustix::io::Errno::AGAIN) => false,
            Err(error) => panic!("neither sent nor full: {error}"),
        }
    }

    /// The answer's kind, if there was one before the dialer hung up. What comes along is lost.
    #[track_caller]
    pub(crate) fn answer(&self) -> Option<u8> {
        match self.hear() {
            Some(packet) if packet.len() == 9 => Some(packet[4]),
            None => None,
            other => panic!("neither an answer nor an end: {other:?}"),
        }
    }

    /// The next socket that comes.
    #[track_caller]
    pub(crate) fn receive(&self) -> Socket {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut bytes = [0; 9];
        recvmsg(&self.0, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)
            .unwrap();
        let passed = ancillary.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut rights) => rights.next(),
            _ => None,
        });
        passed.unwrap_or_else(|| panic!("no socket comes with {}", bytes.escape_ascii())).into()
    }

    /// The next packet, if there is one before the other side hangs up. What comes along is lost.
    #[track_caller]
    pub(crate) fn hear(&self) -> Option<Vec<u8>> {
        let mut buf = [0; 256];
        // The time limit makes it fail after a pause of the process (signal(7)).
        let none = RecvFlags::empty();
        match rustix::io::retry_on_intr(|| rustix::net::recv(&self.0, &mut *buf.as_mut_slice(), none)) {
            Ok((0, _)) | Err(rustix::io::Errno::CONNRESET) => None,
            Ok((n, _)) => Some(buf[..n].to_vec()),
            Err(error) => panic!("neither an answer nor an end: {error}"),
        }
    }
}

/// A request for a connection to a port.
pub(crate) fn request(port: u16) -> Vec<u8> {
    [&b"apd1\x01"[..], &port.to_be_bytes()].concat()
}

/// An order of sockets for a port of IPv4, over a channel.
pub(crate) fn order(port: u16, count: u8) -> Vec<u8> {
    order_of(false, port, count)
}

/// The same of either family.
pub(crate) fn order_of(ipv6: bool, port: u16, count: u8) -> Vec<u8> {
    [&b"apd3"[..], &[if ipv6 { 6 } else { 4 }], &port.to_be_bytes(), &[count]].concat()
}

/// Answers as the dialer gives them (`Reply` in dialer/protocol.rs).
pub(crate) const CONNECTED: Option<u8> = Some(0);
pub(crate) const FAILED: Option<u8> = Some(1);
pub(crate) const NOT_ALLOWED: Option<u8> = Some(2);
pub(crate) const MALFORMED: Option<u8> = Some(3);
pub(crate) const HEALTHY: Option<u8> = Some(4);

/// The answers over a channel that come with sockets, and with none where descriptors are lacking.
pub(crate) const GRANTED_TOO: &[u8] = b"apd3\0\0\0\0\0";
pub(crate) const FAILED_TOO: &[u8] = b"apd3\x01\0\0\0\x18";
pub(crate) const NOT_ALLOWED_TOO: &[u8] = b"apd3\x02\0\0\0\0";

/// The first packet of a channel, and the answer to it.
pub(crate) const HELLO: &[u8] = b"apd3\x02\0\0\0";
pub(crate) const HELLO_TOO: &[u8] = b"apd3\x04\0\0\0\0";

/// Somebody in the place of a dialer. Dropping it leaves its path behind.
#[derive(Debug)]
pub(crate) struct Impostor(Socket);

impl Impostor {
    pub(crate) fn listen(path: &Path) -> Self {
        let listener = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        listener.bind(&SockAddr::unix(path).unwrap()).unwrap();
        listener.listen(16).unwrap();
        listener.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(listener)
    }

    /// The next one who asks.
    #[track_caller]
    pub(crate) fn accept(&self) -> Hostile {
        let socket = self.0.accept().unwrap().0;
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Hostile(socket)
    }

    /// The next one, its channel opened as it wishes, and how many sockets it asks for first.
    #[track_caller]
    pub(crate) fn accept_channel(&self, port: u16) -> (Hostile, u8) {
        let relay = self.accept();
        assert_eq!(relay.hear().as_deref(), Some(HELLO));
        relay.say(HELLO_TOO, &[]);
        let asked = relay.hear().expect("a channel is opened to ask for something");
        assert_eq!(asked, order(port, asked[7]));
        (relay, asked[7])
    }
}
