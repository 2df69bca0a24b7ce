//! Connections to an engine, whatever way its endpoint names, for any client that speaks HTTP over
//! them.

mod address;
mod allowance;
mod dial;
mod error;
mod ssh;
mod tls;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use self::allowance::Allowance;
pub use self::error::{AddressError, ConnectError, DialError};
pub use self::tls::TlsError;

use self::address::Address;
use self::tls::TlsClient;
use crate::endpoint::Endpoint;
use crate::name_service;

/// How long a connection may take to come about. Docker's own client allows 30 s over ssh and
/// the kernel's two minutes over TCP; an engine that is near answers in milliseconds. Below the
/// shortest deadline of a call, so that the reason reaches the user.
const CONNECT_DEADLINE: Duration = Duration::from_secs(4);

/// How many connections there are at a time where each costs a login or a process: an ssh server
/// turns logins away at random once ten are under way (`MaxStartups` of sshd_config(5)).
const COSTLY_CONNECTIONS: usize = 4;

/// Makes connections to one engine. Clones share what connections share: a login by ssh, and how many
/// there may be.
#[derive(Clone)]
pub struct Connector {
    address: Address,
    /// For TCP with TLS.
    tls: Option<TlsClient>,
    /// One for each connection that there may be at a time, where one is dear.
    turns: Arc<Semaphore>,
    /// What connections by ssh share.
    login: Arc<ssh::Login>,
}

impl Connector {
    /// A connector for `endpoint`; its certificates are read, and nothing is connected yet.
    ///
    /// # Errors
    /// An endpoint of a kind that is not spoken, and certificates that are no good.
    pub fn new(endpoint: &Endpoint) -> Result<Self, ConnectError> {
        let address = Address::parse(endpoint)?;
        let tls = match (&address, &endpoint.tls) {
            (Address::Tcp(host, _), Some(tls)) => Some(TlsClient::new(tls, host)?),
            _ => None,
        };
        let connections = if address.is_costly() { COSTLY_CONNECTIONS } else { Semaphore::MAX_PERMITS };
        let turns = Arc::new(Semaphore::new(connections));
        Ok(Self { address, tls, turns, login: Arc::new(ssh::Login::default()) })
    }

    /// Whether a connection costs a login or the start of a program, so that few should be made, and kept.
    #[must_use]
    pub const fn is_costly(&self) -> bool {
        self.address.is_costly()
    }

    /// The base of the URIs of requests: `http://h:2375`. Over a socket file the name is the one that
    /// docker's own client sends, since some proxies in front of an engine check it.
    #[must_use]
    pub fn base_uri(&self) -> String {
        self.address.base_uri()
    }
}

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<Stream>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            // One that is dear keeps it.
            let turn = Arc::clone(&connector.turns).acquire_owned().await.ok();
            match tokio::time::timeout(CONNECT_DEADLINE, connector.connect(turn)).await {
                Ok(stream) => Ok(TokioIo::new(Stream(stream?, Allowance::default()))),
                Err(_) => Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    DialError::Late { seconds: CONNECT_DEADLINE.as_secs() },
                )),
            }
        })
    }
}

impl Connector {
    async fn connect(&self, turn: Option<OwnedSemaphorePermit>) -> io::Result<Pin<Box<dyn ReadWrite>>> {
        Ok(match &self.address {
            Address::Unix(path) => Box::pin(UnixStream::connect(path).await?),
            Address::Tcp(host, port) => {
                let stream = TcpStream::connect(&name_service::lookup(host, *port).await?[..]).await?;
                stream.set_nodelay(true)?;
                match &self.tls {
                    Some(tls) => Box::pin(tls.handshake(stream).await?),
                    None => Box::pin(stream),
                }
            }
            Address::Ssh(target) => Box::pin(self.login.dial(target, &self.turns).await?.holding(turn)),
            Address::Program(program, arguments) => {
                Box::pin(dial::dial_in_background(program, arguments)?.holding(turn))
            }
        })
    }
}

trait ReadWrite: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> ReadWrite for T {}

/// A connection as hyper wants it.
pub struct Stream(Pin<Box<dyn ReadWrite>>, Allowance);

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new().extra(self.1.clone())
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(self.0.as_mut().poll_read(cx, buf))?;
        Poll::Ready(self.1.take(buf.filled().len() - before))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.0.as_mut().poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_shutdown(cx)
    }
}

/// The headers of every request: `agent` as the client's name, and those that docker's configuration
/// adds.
///
/// # Errors
/// A header that HTTP does not allow.
pub fn headers(endpoint: &Endpoint, agent: HeaderValue) -> Result<HeaderMap, ConnectError> {
    let mut headers = HeaderMap::new();
    headers.insert(http::header::USER_AGENT, agent);
    for (name, value) in &endpoint.headers {
        let name: HeaderName = name.parse().map_err(|_| ConnectError::HeaderName { name: name.clone() })?;
        let value: HeaderValue =
            value.parse().map_err(|_| ConnectError::HeaderValue { name: name.to_string() })?;
        headers.insert(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, value: &str) -> Result<HeaderMap, String> {
        let headers = vec![(name.to_owned(), value.to_owned())];
        let endpoint = Endpoint { headers, ..Endpoint::new("unix:///x") };
        super::headers(&endpoint, HeaderValue::from_static("me/1")).map_err(|error| error.to_string())
    }

    #[test]
    fn every_request_says_who_asks_and_what_is_configured() {
        let headers = of("X-Meta", "yes").unwrap();
        assert_eq!(
            (&headers["x-meta"], &headers["user-agent"]),
            (&"yes".parse().unwrap(), &"me/1".parse().unwrap())
        );
    }

    #[test]
    fn bad_headers_are_named() {
        assert_eq!(of("a b", "").unwrap_err(), "\"a b\" is no http header");
    }
}
