//! How requests reach the engine: the connection, and what every request must carry.
//!
//! It must not know what the requests mean.

use std::sync::Arc;

use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker};
use docker_plugin::connect::{self, Allowance, Connector};
use docker_plugin::endpoint::Endpoint;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::sync::OnceCell;

use super::heads;
use super::version::ApiVersion;

/// bollard's own deadline for the head of an answer, in seconds: a day, so that only the
/// deadlines of the single calls count.
const NEVER_SECS: u64 = 24 * 60 * 60;

/// What this program calls itself.
const AGENT: &str = concat!("docker-assemble/", env!("CARGO_PKG_VERSION"));

/// The header with the user's credentials for a registry.
const REGISTRY_AUTH: HeaderName = HeaderName::from_static("x-registry-auth");

/// A client of the engine that `connector` leads to. No connection is made yet.
///
/// Requests go to the version of the API in `version` once it is known, and without one, which
/// the engine takes for its newest, before.
///
/// # Errors
/// A header that HTTP does not allow.
pub(super) fn client(
    endpoint: &Endpoint,
    connector: Connector,
    version: Arc<OnceCell<ApiVersion>>,
) -> Result<Docker, Box<dyn std::error::Error + Send + Sync>> {
    // A connection per request: an idle one that the engine closed would cost a retry, and
    // the calls of one command are few.
    let idle = if connector.is_costly() { usize::MAX } else { 0 };
    let base = connector.base_uri();
    let http = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(idle).build(connector);
    let headers = connect::headers(endpoint, HeaderValue::from_static(AGENT))?;
    let transport = move |mut request: BollardRequest| {
        let prepared = version_path(request.uri(), version.get().copied());
        if let Some(uri) = prepared {
            *request.uri_mut() = uri;
        }
        complete_headers(request.headers_mut(), &headers);
        let answer = http.request(request);
        async move {
            let answer = answer.await?;
            heads::note(answer.status());
            if let Some(allowance) = answer.extensions().get::<Allowance>() {
                allowance.bound(heads::is_kept(answer.status()));
            }
            Ok(answer)
        }
    };
    Ok(Docker::connect_with_custom_transport(transport, Some(base), NEVER_SECS, API_DEFAULT_VERSION)?)
}

/// The same request to another path.
pub(super) fn redirected(mut request: BollardRequest, path: &'static str) -> BollardRequest {
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::from_static(path));
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    request
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

fn complete_headers(headers: &mut HeaderMap, more: &HeaderMap) {
    headers.extend(more.clone());
    // The engine reads this header with the URL-safe base64 alphabet; bollard 0.21 writes it
    // with the standard one (fussybeaver/bollard#169), which differs in these two letters.
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
        let agent = HeaderValue::from_static(AGENT);
        complete_headers(&mut headers, &HeaderMap::from_iter([(http::header::USER_AGENT, agent)]));
        assert_eq!(headers[REGISTRY_AUTH], "ab-_c==");
        assert!(headers[http::header::USER_AGENT].to_str().unwrap().starts_with("docker-assemble/"));
    }
}
