//! The contact with one engine: the client, the version of the API, deadlines and the sorting
//! of failures, for all calls alike.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error as BollardError;
use docker_plugin::connect::Connector;
use docker_plugin::endpoint::Endpoint;
use futures_util::future::BoxFuture;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use serde::de::DeserializeOwned;
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::timeout;

use super::version::{ApiVersion, VersionError};
use super::words::{Understood, leniently};
use super::{AnswerError, EngineError, EngineStream, Operation, Result, failure, heads, transport};

/// For what an idle engine answers in milliseconds, and a busy one behind its other work: facts, lists
/// and inspections. For what BuildKit has at hand, too, since the program that leads there has to begin.
pub const USUAL: Duration = Duration::from_secs(20);

/// What a call may take longer where a login comes first: the 30 s that ssh has for its
/// connection, and a key to be unlocked by hand.
const LOGIN: Duration = Duration::from_secs(60);

/// How many calls are under way at once. A hundred would wait for each other within the engine
/// until they look as if they hung.
const AT_ONCE: usize = 16;

/// The same where connections are few: one is left for a conversation with BuildKit.
const AT_ONCE_BY_PROGRAM: usize = 3;

/// How long a connection takes from the end of an answer until it may be used again: the pool gets it
/// back by a task of its own (hyper-util's legacy client), and who asks before that makes another.
/// Where each costs a login it is waited for.
const HANDED_BACK: Duration = Duration::from_millis(10);

/// The contact with one engine. Clones share it.
#[derive(Clone)]
pub(super) struct Contact {
    docker: Docker,
    endpoint: Arc<str>,
    /// `DOCKER_API_VERSION`.
    asked: Option<ApiVersion>,
    /// The version spoken, known after the first answer.
    version: Arc<OnceCell<ApiVersion>>,
    /// The deadline of questions.
    usual: Duration,
    /// Added to every deadline.
    slack: Duration,
    /// Whether a program such as ssh leads there.
    by_program: bool,
    /// One for each call that may be under way.
    turns: Arc<Semaphore>,
}

impl Contact {
    /// Nothing is sent yet. Questions are given up after `usual`.
    pub(super) fn new(endpoint: &Endpoint, usual: Duration) -> Result<Self> {
        let unreachable = |source| EngineError::Unreachable { endpoint: endpoint.host.clone(), source };
        let connector = Connector::new(endpoint).map_err(|error| unreachable(error.into()))?;
        let asked = endpoint
            .api_version
            .as_deref()
            .filter(|text| !text.is_empty())
            .map(|text| text.parse().map_err(|error: VersionError| unreachable(error.into())))
            .transpose()?;
        let version = Arc::new(OnceCell::new());
        let by_program = connector.is_costly();
        let docker = transport::client(endpoint, connector, Arc::clone(&version)).map_err(unreachable)?;
        let slack = if endpoint.host.starts_with("ssh:") { LOGIN } else { Duration::ZERO };
        let endpoint = endpoint.host.as_str().into();
        let turns = Arc::new(Semaphore::new(at_once(by_program)));
        Ok(Self { docker, endpoint, asked, version, usual, slack, by_program, turns })
    }

    /// The deadline of questions, and of what is quick like them.
    pub(super) const fn usual(&self) -> Duration {
        self.usual
    }

    /// What is added to that, and to every other deadline.
    pub(super) const fn slack(&self) -> Duration {
        self.slack
    }

    /// How many calls get on at once.
    pub(super) const fn at_once(&self) -> usize {
        at_once(self.by_program)
    }

    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The version spoken; empty before the first answer.
    pub(super) fn version(&self) -> String {
        self.version.get().map_or_else(String::new, ToString::to_string)
    }

    /// The client, once the version of the API is settled. That is also the test that the
    /// engine answers at all, so streams need no deadline to find that it does not.
    pub(super) async fn client(&self) -> Result<&Docker> {
        let settle = async || {
            let asking = operation("ask for the api version", "");
            let answer = self.ask(asking.clone(), self.docker.version()).await;
            let answer = answer.map_err(|error| self.not_an_engine(error))?.answer;
            let broken = |error: VersionError| {
                self.not_an_engine(EngineError::Broken { operation: asking, source: error.into() })
            };
            let newest: ApiVersion = answer.api_version.unwrap_or_default().parse().map_err(broken)?;
            let lowest = answer.min_api_version.and_then(|text| text.parse().ok());
            Ok(self.asked.unwrap_or_else(|| ApiVersion::choose(newest, lowest)))
        };
        self.version.get_or_try_init(settle).await?;
        Ok(&self.docker)
    }

    /// The first answer tells whether an engine is there at all. One that cannot be understood
    /// may come from something else, and where that is matters most then.
    fn not_an_engine(&self, error: EngineError) -> EngineError {
        match error {
            EngineError::Broken { source, .. } => {
                let operation = operation("ask for the api version at", &*self.endpoint);
                EngineError::Broken { operation, source }
            }
            other => other,
        }
    }

    /// One call with its deadline, which begins when it is its turn. However many are made at
    /// once, a few are under way; so none may be made within another.
    pub(super) async fn call<T>(
        &self,
        operation: Operation,
        limit: Duration,
        call: impl Future<Output = Result<T, BollardError>>,
    ) -> Result<T> {
        let _turn = self.turns.acquire().await;
        let limit = limit.saturating_add(self.slack);
        let answer = timeout(limit, heads::heard(call)).await;
        if self.by_program {
            tokio::time::sleep(HANDED_BACK).await;
        }
        match answer {
            Ok(Ok(answer)) => {
                answer.map_err(|error| failure::explain(&self.endpoint, self.by_program, operation, error))
            }
            Ok(Err(status)) => {
                let told = format!(
                    "\"{}\" answered with http status {status} and words without an end",
                    self.endpoint
                );
                Err(failure::refusal(&self.endpoint, operation, status.as_u16(), &told))
            }
            Err(_) => {
                let endpoint = self.endpoint.to_string();
                Err(EngineError::Timeout { endpoint, operation, seconds: limit.as_secs() })
            }
        }
    }

    /// A question, whose answer may have words and values that the client's models do not know. On the
    /// heap, since answers are large and many are asked for within each other.
    pub(super) fn ask<'a, T: DeserializeOwned + Send + 'a>(
        &'a self,
        operation: Operation,
        question: impl Future<Output = Result<T, BollardError>> + Send + 'a,
    ) -> BoxFuture<'a, Result<Understood<T>>> {
        Box::pin(self.call(operation, self.usual, leniently(question)))
    }

    /// A stream of the engine, opened when it is first read, with its errors sorted. It ends with an
    /// error when nothing comes for as long as `silence`.
    pub(super) fn stream<T, S>(
        &self,
        operation: Operation,
        silence: Option<Duration>,
        open: impl Future<Output = Result<S>> + Send + 'static,
    ) -> EngineStream<T>
    where
        T: Send + 'static,
        S: Stream<Item = Result<T, BollardError>> + Send + 'static,
    {
        let (endpoint, by_program) = (Arc::clone(&self.endpoint), self.by_program);
        let silence = silence.map(|limit| limit.saturating_add(self.slack));
        let opened = async move {
            let (at, of) = (Arc::clone(&endpoint), operation.clone());
            let sort = move |error| failure::explain(&at, by_program, of.clone(), error);
            let items = open.await?.map_err(sort);
            Ok::<_, EngineError>(never_silent(items, silence, move |limit| EngineError::Timeout {
                endpoint: endpoint.to_string(),
                operation: operation.clone(),
                seconds: limit.as_secs(),
            }))
        };
        Box::pin(stream::once(opened).try_flatten())
    }
}

/// The items, and an error as the last one when none comes for as long as `silence`.
fn never_silent<T>(
    items: impl Stream<Item = Result<T>> + Send,
    silence: Option<Duration>,
    given_up: impl Fn(Duration) -> EngineError + Send,
) -> impl Stream<Item = Result<T>> + Send {
    stream::unfold(Some((Box::pin(items), given_up)), move |going| async move {
        let (mut items, given_up) = going?;
        let next = match silence {
            None => items.next().await,
            Some(limit) => match timeout(limit, items.next()).await {
                Ok(next) => next,
                Err(_) => return Some((Err(given_up(limit)), None)),
            },
        };
        next.map(|item| (item, Some((items, given_up))))
    })
}

const fn at_once(by_program: bool) -> usize {
    if by_program { AT_ONCE_BY_PROGRAM } else { AT_ONCE }
}

/// The steps, or an error where there are none: every pull says at least that all is there.
pub(super) fn never_empty<T: Send + 'static>(
    steps: EngineStream<T>,
    operation: Operation,
) -> EngineStream<T> {
    let mut steps = steps.peekable();
    let first = async move {
        if Pin::new(&mut steps).peek().await.is_none() {
            let source = AnswerError::Empty.into();
            return Err(EngineError::Broken { operation, source });
        }
        Ok(steps)
    };
    Box::pin(stream::once(first).try_flatten())
}

/// What a call does, and to what.
pub(super) fn operation(verb: &'static str, object: impl Into<String>) -> Operation {
    Operation { verb, object: object.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_falls_silent_is_given_up() {
        let given_up = |limit: Duration| EngineError::Timeout {
            endpoint: String::new(),
            operation: operation("pull image", "a"),
            seconds: limit.as_secs(),
        };
        let talk = || {
            stream::iter([1, 2]).then(async |n| {
                tokio::time::sleep(Duration::from_secs(9)).await;
                Ok(n)
            })
        };
        let limit = Some(Duration::from_secs(10));
        let all: Vec<_> = never_silent(talk().chain(stream::pending()), limit, given_up).collect().await;
        assert!(matches!(all[..], [Ok(1), Ok(2), Err(EngineError::Timeout { seconds: 10, .. })]), "{all:?}");
        let all: Vec<_> = never_silent(talk(), limit, given_up).collect().await;
        assert!(matches!(all[..], [Ok(1), Ok(2)]), "{all:?}");
        let endless = never_silent(stream::pending::<Result<u8>>(), None, given_up);
        tokio::pin!(endless);
        timeout(Duration::from_secs(100_000), endless.next()).await.unwrap_err();
    }
}
