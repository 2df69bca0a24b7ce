//! A scripted name server, and files that name it.

use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use domain::base::iana::Rcode;
use domain::base::{Message, MessageBuilder, Rtype, Ttl};
use domain::rdata::{A, Aaaa};
use nix::sys::socket::{Shutdown, shutdown};

use crate::namespace::Namespace;
use crate::sockets::limited;

/// What a server makes of a name.
#[derive(Clone, Debug)]
pub(crate) enum Say {
    /// These addresses, for so many seconds.
    Addresses(Vec<IpAddr>, u32),
    /// The same, but over TCP only.
    OverTcp(Vec<IpAddr>, u32),
    /// That it cannot tell.
    Failure,
    /// Nothing.
    Silence,
}

impl Say {
    pub(crate) fn addr(addr: &str, ttl: u32) -> Self {
        Self::Addresses(vec![addr.parse().unwrap()], ttl)
    }
}

#[derive(Debug, Default)]
struct Script {
    names: Mutex<HashMap<String, Say>>,
    asked: AtomicUsize,
}

/// A name server at port 53 of an address. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct NameServer {
    script: Arc<Script>,
    udp: UdpSocket,
    tcp: TcpListener,
    threads: Vec<JoinHandle<()>>,
}

impl NameServer {
    /// Knows no name yet.
    pub(crate) fn start(namespace: &Namespace, ip: Ipv4Addr) -> Self {
        let at = SocketAddr::from((ip, 53));
        let (udp, tcp) = namespace.run(|| (UdpSocket::bind(at).unwrap(), TcpListener::bind(at).unwrap()));
        let script = Arc::new(Script::default());
        let (datagrams, streams) = (udp.try_clone().unwrap(), tcp.try_clone().unwrap());
        let (one, other) = (Arc::clone(&script), Arc::clone(&script));
        let threads = vec![
            std::thread::spawn(move || one.serve_datagrams(&datagrams)),
            std::thread::spawn(move || other.serve_streams(&streams)),
        ];
        Self { script, udp, tcp, threads }
    }

    /// From now on it says this of a whole name, and of all others that there is no such name.
    pub(crate) fn say(&self, name: &str, what: Say) {
        self.script.names.lock().unwrap().insert(name.to_owned(), what);
    }

    pub(crate) fn forget(&self, name: &str) {
        self.script.names.lock().unwrap().remove(name);
    }

    /// How many questions have come so far.
    pub(crate) fn asked(&self) -> usize {
        self.script.asked.load(Ordering::SeqCst)
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        // Ends the waits in accept(2) and recvfrom(2) too, on Linux; the latter says that the
        // socket is not connected and does it nevertheless.
        let _ = shutdown(self.tcp.as_raw_fd(), Shutdown::Both);
        let _ = shutdown(self.udp.as_raw_fd(), Shutdown::Both);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Script {
    fn serve_datagrams(&self, socket: &UdpSocket) {
        let mut buf = [0; 512];
        while let Ok((n @ 1.., from)) = socket.recv_from(&mut buf) {
            if let Some(answer) = self.answer(&buf[..n], false) {
                let _ = socket.send_to(&answer, from);
            }
        }
    }

    fn serve_streams(&self, listener: &TcpListener) {
        for stream in listener.incoming().map_while(Result::ok) {
            let _ = self.serve_stream(limited(stream));
        }
    }

    fn serve_stream(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut question = vec![0; u16::from_be_bytes(length).into()];
        stream.read_exact(&mut question)?;
        if let Some(answer) = self.answer(&question, true) {
            // In pieces: a stream has no borders of messages.
            stream.write_all(&u16::try_from(answer.len()).unwrap().to_be_bytes())?;
            let (head, tail) = answer.split_at(answer.len() / 2);
            stream.write_all(head)?;
            stream.write_all(tail)?;
        }
        Ok(())
    }

    fn answer(&self, question: &[u8], tcp: bool) -> Option<Vec<u8>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let question = Message::from_octets(question).ok()?;
        let (name, rtype) = (question.sole_question().ok()?.qname().to_string(), question.qtype()?);
        let said = self.names.lock().unwrap().get(&name).cloned();
        let builder = MessageBuilder::from_target(Vec::new()).unwrap();
        let (rcode, addrs, ttl, truncated) = match said {
            None => (Rcode::NXDOMAIN, Vec::new(), 0, false),
            Some(Say::Silence) => return None,
            Some(Say::Failure) => (Rcode::SERVFAIL, Vec::new(), 0, false),
            Some(Say::OverTcp(..)) if !tcp => (Rcode::NOERROR, Vec::new(), 0, true),
            Some(Say::Addresses(addrs, ttl) | Say::OverTcp(addrs, ttl)) => {
                (Rcode::NOERROR, addrs, ttl, false)
            }
        };
        let mut answer = builder.start_answer(&question, rcode).unwrap();
        answer.header_mut().set_tc(truncated);
        let qname = question.sole_question().unwrap().into_qname();
        for addr in addrs {
            match addr {
                IpAddr::V4(ip) if rtype == Rtype::A => {
                    answer.push((&qname, Ttl::from_secs(ttl), A::new(ip))).unwrap();
                }
                IpAddr::V6(ip) if rtype == Rtype::AAAA => {
                    answer.push((&qname, Ttl::from_secs(ttl), Aaaa::new(ip))).unwrap();
                }
                _ => {}
            }
        }
        Some(answer.finish())
    }
}

/// `/etc/hosts` and `/etc/resolv.conf` for whom they are mounted over the machine's own. Dropping
/// it removes the files.
#[derive(Debug)]
pub(crate) struct Etc {
    hosts: PathBuf,
    conf: PathBuf,
}

impl Etc {
    pub(crate) fn new(hosts: &str, conf: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = |name| std::env::temp_dir().join(format!("apt{}-{count}.{name}", std::process::id()));
        let etc = Self { hosts: path("hosts"), conf: path("resolv.conf") };
        etc.write_hosts(hosts);
        etc.write_conf(conf);
        etc
    }

    /// As engines change them: in place.
    pub(crate) fn write_hosts(&self, text: &str) {
        fs::write(&self.hosts, text).unwrap();
    }

    pub(crate) fn write_conf(&self, text: &str) {
        fs::write(&self.conf, text).unwrap();
    }

    /// The program, and its arguments, that runs another one that sees these files.
    pub(crate) fn wrapper(&self) -> Vec<String> {
        let mount =
            "mount --bind \"$0\" /etc/hosts && mount --bind \"$1\" /etc/resolv.conf && shift && exec \"$@\"";
        let words = ["unshare", "--mount", "sh", "-c", mount].map(str::to_owned);
        let files = [&self.hosts, &self.conf].map(|path| path.display().to_string());
        words.into_iter().chain(files).collect()
    }
}

impl Drop for Etc {
    fn drop(&mut self) {
        for path in [&self.hosts, &self.conf] {
            let _ = fs::remove_file(path);
        }
    }
}
