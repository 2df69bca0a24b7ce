//! The relay as a process.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use assemble_contract::{Port, Ports, PortsSpec};
use assemble_proxy::health::probe;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::namespace::Namespace;
use crate::port::free_port;
use crate::sockets::{PATIENCE, connect, connect_or_reset, eventually};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_assemble-proxy");

/// How to start a relay.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    wrapper: Vec<String>,
    args: Vec<String>,
    namespace: Option<Namespace>,
    ports: Option<PortsSpec>,
    metrics: Option<PathBuf>,
}

impl Launch {
    /// A relay to `target`, whose words are those of `--to`.
    pub(crate) fn to(target: impl ToString) -> Self {
        Self {
            wrapper: Vec::new(),
            args: vec!["--to".to_owned(), target.to_string()],
            namespace: None,
            ports: None,
            metrics: None,
        }
    }

    pub(crate) fn args<'a>(mut self, args: impl IntoIterator<Item = &'a str>) -> Self {
        self.args.extend(args.into_iter().map(str::to_owned));
        self
    }

    /// Starts it through another program, which is given its command line.
    pub(crate) fn wrapped<'a>(mut self, wrapper: impl IntoIterator<Item = &'a str>) -> Self {
        self.wrapper = wrapper.into_iter().map(str::to_owned).collect();
        self
    }

    /// Starts it inside, where every port is free.
    pub(crate) fn inside(mut self, namespace: &Namespace) -> Self {
        self.namespace = Some(namespace.clone());
        self
    }

    pub(crate) fn port(mut self, port: u16) -> Self {
        self.ports = Port::new(port).map(PortsSpec::from);
        self
    }

    /// Of several ports, in words of `--port`: inside a namespace, where they are free.
    pub(crate) fn range(mut self, words: &str) -> Self {
        self.ports = Some(words.parse().unwrap());
        self
    }

    pub(crate) fn with_metrics(mut self) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("apt{}-{count}.sock", std::process::id());
        self.metrics = Some(std::env::temp_dir().join(name));
        self
    }

    /// Starts it and waits until it listens.
    #[track_caller]
    pub(crate) fn start(&self) -> Process {
        let mut attempts = 0..5;
        loop {
            let mut process = self.spawn();
            let ready = format!("listening on 127.0.0.1:{}", process.ports);
            eventually("the relay listens", PATIENCE, || {
                process.log().contains(&ready) || process.has_told_all()
            });
            let log = process.log();
            match log.contains(&ready) {
                true => {
                    // The last that it does before it serves is to answer this.
                    eventually("the relay serves", PATIENCE, || process.probe().is_ok());
                    return process;
                }
                // Somebody else was given the port in the meantime.
                false if log.contains("already in use") && self.ports.is_none() => {
                    attempts.next().expect("some port stays free");
                }
                false => panic!("the relay did not start: {log}"),
            }
        }
    }

    /// Starts it and waits for its end; tells what it said.
    #[track_caller]
    pub(crate) fn fail(&self) -> (ExitStatus, String) {
        let mut process = self.spawn();
        let status = process.wait(PATIENCE);
        (status, process.log())
    }

    fn spawn(&self) -> Process {
        let ports = self.ports.unwrap_or_else(|| {
            let port = if self.namespace.is_some() { 5000 } else { free_port() };
            Port::new(port).unwrap().into()
        });
        let mut words: Vec<std::ffi::OsString> = self.wrapper.iter().map(Into::into).collect();
        words.push(BINARY.into());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(["--port", &ports.to_string()]).args(&self.args);
        if let Some(path) = &self.metrics {
            command.arg("--metrics").arg(format!("unix:{}", path.display()));
        }
        command.env_remove("RUST_LOG").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let spawned = match &self.namespace {
            Some(namespace) => namespace.run(|| command.spawn()),
            None => command.spawn(),
        };
        let mut child = spawned.unwrap_or_else(|error| panic!("cannot start {words:?}: {error}"));
        let log = Arc::new(Mutex::new(String::new()));
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let writer = Arc::clone(&log);
        let reader = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut log = writer.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        let (namespace, metrics) = (self.namespace.clone(), self.metrics.clone());
        Process { child, ports: ports.ports(), log, reader: Some(reader), namespace, metrics }
    }
}

/// A running relay. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    ports: Ports,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
    namespace: Option<Namespace>,
    metrics: Option<PathBuf>,
}

impl Process {
    /// The first, if there are several.
    pub(crate) fn port(&self) -> u16 {
        self.ports.first().get()
    }

    pub(crate) fn ports(&self) -> Ports {
        self.ports
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port()).into()
    }

    /// Connects to it, from its own namespace.
    #[track_caller]
    pub(crate) fn connect(&self) -> TcpStream {
        self.beside(|| connect(self.addr()))
    }

    /// The same of one that may reset whoever comes.
    #[track_caller]
    pub(crate) fn connect_or_reset(&self) -> Option<TcpStream> {
        self.beside(|| connect_or_reset(self.addr()))
    }

    /// Asks whether it serves, in its own namespace.
    fn probe(&self) -> io::Result<()> {
        self.beside(|| probe(self.ports))
    }

    #[track_caller]
    fn beside<T: Send>(&self, deed: impl FnOnce() -> T + Send) -> T {
        match &self.namespace {
            Some(namespace) => namespace.run(deed),
            None => deed(),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        signal_to(self.pid(), signal);
    }

    /// What it has written to standard error so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    #[track_caller]
    pub(crate) fn expect_log(&self, words: &str) {
        eventually(&format!("\"{words}\" in the log"), PATIENCE, || self.log().contains(words));
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Whether it has ended, and its last words were read.
    fn has_told_all(&mut self) -> bool {
        !self.is_running() && self.reader.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(&mut self, limit: Duration) -> ExitStatus {
        eventually("the relay ends", limit, || !self.is_running());
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        let status = self.child.wait().unwrap();
        assert_eq!(status.signal(), None, "the relay was killed");
        status
    }

    /// A sample of its metrics, by name and labels.
    #[track_caller]
    pub(crate) fn metric(&self, sample: &str) -> u64 {
        let text = self.metrics();
        let mut values = text.lines().filter_map(|line| line.strip_prefix("assemble_proxy_"));
        let value = values.find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {sample} in {text}")).parse().unwrap()
    }

    /// All that a scraper is told.
    pub(crate) fn metrics(&self) -> String {
        let path = self.metrics.as_ref().expect("launched with metrics");
        let mut stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: relay\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(path) = &self.metrics {
            let _ = std::fs::remove_file(path);
        }
        if std::thread::panicking() {
            return eprintln!("the relay said:\n{}", self.log());
        }
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        demand_no_panic(&self.log());
    }
}

/// A program of ours has no business to panic, whatever a test was about.
#[track_caller]
pub(crate) fn demand_no_panic(log: &str) {
    assert!(!log.contains("panicked at"), "a fault of its own, in its log:\n{log}");
}

pub(crate) fn signal_to(pid: u32, signal: Signal) {
    kill(Pid::from_raw(pid.try_into().unwrap()), signal).expect("the process is there");
}
