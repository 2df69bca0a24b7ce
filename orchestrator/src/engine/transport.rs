//! How requests reach the engine: the connection, and what every request must carry.
//!
//! It must not know what the requests mean.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, Docker};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};

use super::endpoint::{Address, Endpoint};
use super::tls::Dresser;
use super::version::ApiVersion;
use super::{Duplex, dial, ssh};

/// How long a connection may take to come about. Docker's own client allows 30 s over ssh and
/// the kernel's two minutes over TCP; an engine that is near answers in milliseconds. Below the
/// shortest deadline of a call, so that the reason reaches the user.
const CONNECT_DEADLINE: Duration = Duration::from_secs(4);

/// How many connections there are at a time where each costs a login or a process: an ssh server
/// turns logins away at random once ten are under way (`MaxStartups` of sshd_config(5)).
const DEAR_CONNECTIONS: usize = 4;

/// bollard's own deadline for the head of an answer, in seconds: a day, so that only the
/// deadlines of the single calls count.
const NEVER_SECS: u64 = 24 * 60 * 60;

/// The header with the user's credentials for a registry.
const REGISTRY_AUTH: HeaderName = HeaderName::from_static("x-registry-auth");

/// A client of the engine at `address`. No connection is made yet.
///
/// Requests go to the version of the API in `version` once it is known, and without one, which
/// the engine takes for its newest, before.
///
/// # Errors
/// A header that HTTP does not allow.
pub(super) fn client(
    endpoint: &Endpoint,
    address: &Address,
    version: Arc<OnceCell<ApiVersion>>,
) -> Result<Docker, Box<dyn std::error::Error + Send + Sync>> {
    let dresser = match (address, &endpoint.tls) {
        (Address::Tcp(authority), Some(tls)) => Some(Dresser::new(tls, authority)?),
        _ => None,
    };
    let connections = if address.is_dear() { DEAR_CONNECTIONS } else { Semaphore::MAX_PERMITS };
    let turns = Arc::new(Semaphore::new(connections));
    let login = Arc::new(ssh::Login::default());
    let connector = Connector { address: address.clone(), dresser, turns, login };
    // A connection per request: an idle one that the engine closed would cost a retry, and
    // the calls of one command are few.
    let idle = if address.is_dear() { usize::MAX } else { 0 };
    let http = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(idle).build(connector);
    let headers = headers(endpoint)?;
    let transport = move |mut request: bollard::BollardRequest| {
        let prepared = version_path(request.uri(), version.get().copied());
        if let Some(uri) = prepared {
            *request.uri_mut() = uri;
        }
        complete_headers(request.headers_mut(), &headers);
        let answer = http.request(request);
        async move { Ok(answer.await?) }
    };
    Ok(Docker::connect_with_custom_transport(
        transport,
        Some(address.base_uri()),
        NEVER_SECS,
        API_DEFAULT_VERSION,
    )?)
}

/// The same URI with the API version in front of its path; `None` when it stays as it is.
///
/// bollard 0.21 means to send the version and drops it while joining the path to the base.
fn version_path(uri: &Uri, version: Option<ApiVersion>) -> Option<Uri> {
    let path = format!("/v{}{}", version?, uri.path_and_query()?);
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path.parse().ok()?);
    Uri::from_parts(parts).ok()
}

fn headers(endpoint: &Endpoint) -> Result<HeaderMap, Box<dyn std::error::Error + Send + Sync>> {
    let mut headers = HeaderMap::new();
    let agent = concat!("docker-assemble/", env!("CARGO_PKG_VERSION"));
    headers.insert(http::header::USER_AGENT, HeaderValue::from_static(agent));
    for (name, value) in &endpoint.headers {
        let name: HeaderName = name.parse().map_err(|_| format!("\"{name}\" is no http header"))?;
        let value: HeaderValue = value
            .parse()
            .map_err(|_| format!("the value of http header \"{name}\" has control characters"))?;
        headers.insert(name, value);
    }
    Ok(headers)
}

fn complete_headers(headers: &mut HeaderMap, more: &HeaderMap) {
    headers.extend(more.clone());
    // The engine reads this header with the URL-safe base64 alphabet; bollard 0.21 writes it
    // with the standard one, which differs in these two letters.
    if let Some(auth) = headers.get_mut(REGISTRY_AUTH) {
        let safe: Vec<u8> = auth
            .as_bytes()
            .iter()
            .map(|byte| match byte {
                b'+' => b'-',
                b'/' => b'_',
                other => *other,
            })
            .collect();
        if let Ok(value) = HeaderValue::from_bytes(&safe) {
            *auth = value;
        }
    }
}

#[derive(Clone)]
struct Connector {
    address: Address,
    /// For TCP with TLS.
    dresser: Option<Dresser>,
    /// One for each connection that there may be.
    turns: Arc<Semaphore>,
    /// What connections by ssh share.
    login: Arc<ssh::Login>,
}

impl tower::Service<Uri> for Connector {
    type Response = TokioIo<Wire>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<Wire>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let turn = Arc::clone(&connector.turns).acquire_owned().await.ok();
            match tokio::time::timeout(CONNECT_DEADLINE, connector.connect()).await {
                Ok(stream) => Ok(TokioIo::new(Wire { stream: stream?, _turn: turn })),
                Err(_) => Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("no connection within {} s", CONNECT_DEADLINE.as_secs()),
                )),
            }
        })
    }
}

impl Connector {
    async fn connect(&self) -> io::Result<Duplex> {
        Ok(match &self.address {
            Address::Unix(path) => Box::pin(UnixStream::connect(path).await?),
            Address::Tcp(authority) => {
                let stream = TcpStream::connect(authority).await?;
                stream.set_nodelay(true)?;
                match &self.dresser {
                    Some(dresser) => Box::pin(dresser.dress(stream).await?),
                    None => Box::pin(stream),
                }
            }
            Address::Ssh(target) => Box::pin(self.login.dial(target, &self.turns).await?),
            Address::Program(program, arguments) => Box::pin(dial::dial_apart(program, arguments)?),
        })
    }
}

/// A connection as hyper wants it.
struct Wire {
    stream: Duplex,
    /// Given back when the connection ends.
    _turn: Option<OwnedSemaphorePermit>,
}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.stream.as_mut().poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_goes_in_front_of_the_path() {
        let uri: Uri = "http://host/containers/json?all=true".parse().unwrap();
        assert_eq!(version_path(&uri, None), None);
        assert_eq!(
            version_path(&uri, Some("1.41".parse().unwrap())).unwrap().to_string(),
            "http://host/v1.41/containers/json?all=true"
        );
    }

    #[test]
    fn credentials_are_spelled_for_urls() {
        let mut headers = HeaderMap::new();
        headers.insert(REGISTRY_AUTH, HeaderValue::from_static("ab+/c=="));
        let more = self::headers(&Endpoint {
            headers: vec![("X-Meta".into(), "yes".into())],
            ..Endpoint::new("unix:///x")
        })
        .unwrap();
        complete_headers(&mut headers, &more);
        assert_eq!(headers[REGISTRY_AUTH], "ab-_c==");
        assert_eq!(headers["x-meta"], "yes");
        assert!(headers[http::header::USER_AGENT].to_str().unwrap().starts_with("docker-assemble/"));
    }

    #[test]
    fn bad_headers_are_named() {
        let endpoint =
            Endpoint { headers: vec![("a b".into(), String::new())], ..Endpoint::new("unix:///x") };
        assert_eq!(headers(&endpoint).unwrap_err().to_string(), "\"a b\" is no http header");
    }
}
