//! The heads of answers, as they come.
//!
//! Some filters in front of an engine refuse a request without saying how long their words are, and keep
//! the connection: HTTP/1.1 has no end for such an answer, and its status says enough.

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::StatusCode;
use tokio::sync::Notify;

/// How long the words of a refusal may take to come behind its head.
const WORDS: Duration = Duration::from_secs(2);

tokio::task_local! {
    static HEAD: Arc<Head>;
}

/// The head of an answer that refuses what was asked for.
#[derive(Default)]
struct Head {
    status: OnceLock<StatusCode>,
    came: Notify,
}

/// Tells the call that is under way here that the head of its answer has come.
pub(super) fn note(status: StatusCode) {
    if status.is_client_error() || status.is_server_error() {
        HEAD.try_with(|head| {
            head.status.set(status).ok();
            head.came.notify_one();
        })
        // Nobody waits for this one.
        .ok();
    }
}

/// Whether all of an answer with this head is kept until its end: that of a call that waits for it, and the words
/// of any refusal. A stream is not, nor is what a connection is used for after an upgrade.
pub(super) fn is_kept(status: StatusCode) -> bool {
    let is_call = HEAD.try_with(|_| ()).is_ok() && status != StatusCode::SWITCHING_PROTOCOLS;
    is_call || status.is_client_error() || status.is_server_error()
}

/// Waits for a call, and no longer than a moment for the words of a refusal.
///
/// # Errors
/// The status, when the words did not come.
pub(super) async fn heard<T>(call: impl Future<Output = T>) -> Result<T, StatusCode> {
    let head = Arc::new(Head::default());
    let refused = async {
        head.came.notified().await;
        tokio::time::sleep(WORDS).await;
        head.status.get().copied().unwrap_or_default()
    };
    tokio::select! {
        biased;
        answer = HEAD.scope(Arc::clone(&head), call) => Ok(answer),
        status = refused => Err(status),
    }
}
