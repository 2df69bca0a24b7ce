//! An HTTP endpoint that serves one document, the metrics, and nothing else.

use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use explained::Explained;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinSet;

use crate::accept;
use crate::metrics;
use crate::service::Service;
use crate::session::Shared;

/// Where metrics are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetricsAddr {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// `--metrics` with something else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Explained)]
#[error("\"{text}\" is neither ADDR:PORT nor unix:PATH", text = .0)]
#[advice = "write it so"]
#[status = "2"]
pub struct MetricsAddrError(String);

/// Why metrics are not served, to all or to one client.
#[derive(Debug, thiserror::Error, Explained)]
pub enum ExporterError {
    /// The address is taken or not here.
    #[error("cannot serve metrics at \"{address}\"", address = .0)]
    #[advice = "take another"]
    Bind(MetricsAddr),
    /// A client of `--metrics` sent more than a request.
    #[error("the request has no end")]
    #[advice = "look who asks"]
    #[status = "log"]
    Endless,
}

impl fmt::Display for MetricsAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(addr) => addr.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl FromStr for MetricsAddr {
    type Err = MetricsAddrError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("unix:") {
            Some(path) if !path.is_empty() => Ok(Self::Unix(path.into())),
            Some(_) => Err(MetricsAddrError(text.to_owned())),
            None => text.parse().map(Self::Tcp).map_err(|_| MetricsAddrError(text.to_owned())),
        }
    }
}

#[derive(Debug)]
pub struct Exporter {
    listener: Listener,
    shared: Arc<Shared>,
}

#[derive(Debug)]
enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A scraper sends its request at once, or it is none.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);

/// How many are answered at once. More wait in the kernel's queue, since each takes one of the
/// descriptors that are left beside the connections.
const AT_ONCE: usize = 8;

/// More than any scraper's request line and headers.
const REQUEST_BYTES: usize = 8 * 1024;

impl Exporter {
    /// Listens. Needs a runtime.
    ///
    /// # Errors
    /// The address is taken or not allowed.
    pub async fn bind(addr: &MetricsAddr, shared: Arc<Shared>) -> io::Result<Self> {
        let listener = match addr {
            MetricsAddr::Tcp(addr) => Listener::Tcp(TcpListener::bind(addr).await?),
            MetricsAddr::Unix(path) => Listener::Unix(bind_unix(path)?),
        };
        Ok(Self { listener, shared })
    }

    /// The TCP address listened on; with port 0 the kernel has chosen one.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match &self.listener {
            Listener::Tcp(listener) => listener.local_addr().ok(),
            Listener::Unix(_) => None,
        }
    }

    /// Answers requests for as long as it is polled, a few at once: one who says nothing delays nobody.
    pub async fn run(self) {
        let mut answering = JoinSet::new();
        loop {
            tokio::select! {
                Some(_) = answering.join_next() => {}
                client = self.listener.accept(), if answering.len() < AT_ONCE => match client {
                    Ok(stream) => drop(answering.spawn(answer_in_time(stream, Arc::clone(&self.shared)))),
                    Err(error) => {
                        tracing::debug!(%error, "no request for metrics was accepted");
                        tokio::time::sleep(accept::BACKOFF).await;
                    }
                },
            }
        }
    }
}

impl Listener {
    async fn accept(&self) -> io::Result<Pin<Box<dyn Client>>> {
        Ok(match self {
            Self::Tcp(listener) => Box::pin(listener.accept().await?.0),
            Self::Unix(listener) => Box::pin(listener.accept().await?.0),
        })
    }
}

/// Either kind of connection.
trait Client: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Client for T {}

async fn answer_in_time(stream: Pin<Box<dyn Client>>, shared: Arc<Shared>) {
    let answered = match tokio::time::timeout(REQUEST_TIMEOUT, answer(stream, &shared.services)).await {
        Ok(answered) => answered,
        Err(late) => Err(late.into()),
    };
    if let Err(error) = answered {
        tracing::debug!(%error, "a request for metrics was not answered");
    }
}

/// Reads one request and answers it with the counters as they are, or with why not.
///
/// Sets no limit on the time that takes: that is for the caller.
///
/// # Errors
/// Those of the stream, and a request that has no end within 8 KiB. Nothing is written then.
pub async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, services: &[Service]) -> io::Result<()> {
    let request = read_head(&mut stream).await?;
    stream.write_all(respond(&request, services).as_bytes()).await?;
    stream.shutdown().await
}

/// Binds a path, also where a relay that was killed has left its socket behind.
fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    match UnixListener::bind(path) {
        Err(taken) if taken.kind() == io::ErrorKind::AddrInUse => {
            // To connect(2) a file of any other kind is a socket that nobody listens on.
            let is_socket = std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
            let abandoned = is_socket
                && StdUnixStream::connect(path)
                    .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
            if !abandoned {
                return Err(taken);
            }
            std::fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        bound => bound,
    }
}

/// The request up to its empty line.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(512);
    // Only what is new is searched, with the three bytes that may belong to the same end: one
    // who sends byte by byte would have all of it searched each time.
    let mut searched: usize = 0;
    while !head[searched.saturating_sub(3)..].windows(4).any(|end| end == b"\r\n\r\n") {
        if head.len() > REQUEST_BYTES {
            return Err(io::Error::other(ExporterError::Endless));
        }
        searched = head.len();
        if stream.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(head)
}

fn respond(request: &[u8], services: &[Service]) -> String {
    let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let (status, body) = match (words.next(), words.next()) {
        (Some(b"GET"), Some(b"/metrics" | b"/")) => ("200 OK", metrics::render(services)),
        (Some(b"GET"), _) => ("404 Not Found", "metrics are at /metrics\n".to_owned()),
        _ => ("405 Method Not Allowed", "only GET is served\n".to_owned()),
    };
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        metrics::CONTENT_TYPE,
        body.len()
    )
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;
    use crate::config::Config;
    use crate::server::Server;

    #[test]
    fn both_kinds_of_address_are_read_and_others_named() {
        assert_eq!("127.0.0.1:9".parse(), Ok(MetricsAddr::Tcp(([127, 0, 0, 1], 9).into())));
        assert_eq!("unix:/run/m.sock".parse(), Ok(MetricsAddr::Unix("/run/m.sock".into())));
        for bad in ["unix:", "9100", "localhost:9100", ""] {
            assert_eq!(bad.parse::<MetricsAddr>(), Err(MetricsAddrError(bad.to_owned())));
        }
    }

    /// The clock stands still here while the clients are at work: nobody is given up meanwhile.
    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_delays_nobody() {
        let target = "127.0.0.1:9".parse().unwrap();
        let server = Server::bind(&Config::on_any_port(target)).unwrap();
        let exporter = Exporter::bind(&"127.0.0.1:0".parse().unwrap(), server.shared()).await.unwrap();
        let addr = exporter.local_addr().unwrap();
        let running = tokio::spawn(exporter.run());
        let clients = move || {
            let connect = || std::net::TcpStream::connect(addr).unwrap();
            let silent: Vec<_> = (1..AT_ONCE).map(|_| connect()).collect();
            let mut client = connect();
            client.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            client.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).unwrap();
            drop(silent);
            answer
        };
        let answer = tokio::task::spawn_blocking(clients).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        running.abort();
    }

    #[tokio::test]
    async fn a_file_in_the_sockets_place_is_spared_and_an_abandoned_socket_replaced() {
        let directory = std::env::temp_dir().join(format!("assemble-proxy-exporter-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("metrics.sock");
        std::fs::write(&path, "somebody's").unwrap();
        let taken = bind_unix(&path).map(drop);
        let spared = std::fs::read_to_string(&path);
        std::fs::remove_file(&path).unwrap();
        drop(bind_unix(&path).unwrap());
        let replaced = bind_unix(&path).map(drop);
        std::fs::remove_dir_all(&directory).unwrap();
        assert_eq!(taken.unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert_eq!(spared.unwrap(), "somebody's");
        replaced.unwrap();
    }
}
