//! An engine that has answered and falls silent: BuildKit and the sidecars are asked through it, and it is not for
//! them to be blamed.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::timeout;

use crate::desired::{ContainerName, UserName};
use crate::engine::{Engine, EngineError, Operation};

/// The silence that an engine may have fallen into.
#[derive(Debug)]
pub struct Silence<'a, E> {
    /// The engine.
    pub engine: &'a E,
    /// How long it has for an answer, and so has whoever is asked through it.
    pub limit: Duration,
    backend: ContainerName,
    known: Cell<bool>,
}

impl<'a, E: Engine> Silence<'a, E> {
    /// That of this engine, which is asked about the backend.
    pub fn new(engine: &'a E, user: &UserName, limit: Duration) -> Self {
        Self { engine, limit, backend: user.backend(), known: Cell::new(false) }
    }

    /// Whether the engine does not even tell of a container. One that does not is not asked again.
    pub async fn is_there(&self) -> bool {
        if !self.is_known() {
            let asked = timeout(self.limit, self.engine.container(&self.backend)).await;
            if matches!(asked, Err(_) | Ok(Err(EngineError::Timeout { .. }))) {
                self.known.set(true);
            }
        }
        self.is_known()
    }

    /// Whether that was seen.
    pub fn is_known(&self) -> bool {
        self.known.get()
    }

    /// What there is to say of it.
    pub fn error(&self) -> EngineError {
        late(self.engine, "inspect container", &self.backend.0, self.limit)
    }
}

/// That an engine has not answered this in time.
pub fn late<E: Engine>(engine: &E, verb: &'static str, object: &str, limit: Duration) -> EngineError {
    let operation = Operation { verb, object: object.to_owned() };
    EngineError::Timeout { endpoint: engine.endpoint().to_owned(), operation, seconds: limit.as_secs() }
}
