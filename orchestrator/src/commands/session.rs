//! What every command on an engine works with.

use std::time::Duration;

use anyhow::Result;
use docker_plugin::cancel::Cancel;
use docker_plugin::output::Console;

use super::leftovers::{BackendError, no_backend};
use super::start::again;
use super::{info, observe};
use crate::cancelled::Cancelled;
use crate::desired::UserName;
use crate::engine::Engine;
use crate::observed::{Container, State};

/// What every command works with.
pub struct Session<'a, E> {
    /// The engine.
    pub engine: &'a E,
    /// Whose backend it is about.
    pub user: &'a UserName,
    /// Where words go.
    pub console: &'a Console,
    /// The wish to end early.
    pub cancel: &'a Cancel,
    /// The longest wait for the backend, where the user named one.
    pub limit: Option<Duration>,
}

// Derived, these would ask the engine to be copied too.
impl<E> Clone for Session<'_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for Session<'_, E> {}

impl<E: Engine> Session<'_, E> {
    /// The backend, whatever it does.
    pub(super) async fn backend(&self) -> Result<Container> {
        let mut observed = observe::ours(self.engine, self.user).await?;
        match observed.backend.take() {
            Some(backend) => Ok(backend),
            None => Err(self.missing_backend().await?),
        }
    }

    /// That there is no backend, with the start that makes one.
    pub(super) async fn missing_backend(&self) -> Result<anyhow::Error> {
        // The note names the forwards that a start has to keep.
        let observed = observe::with_note(self.engine, self.user).await?;
        Ok(no_backend(&observed, self.user).into())
    }

    /// The backend, which must run.
    pub(super) async fn running_backend(&self) -> Result<Container> {
        let backend = self.backend().await?;
        match backend.state {
            State::Running => Ok(backend),
            State::Paused => Err(BackendError::Paused { name: backend.name }.into()),
            state => {
                let state = info::state(&state).to_owned();
                let start = again(&observe::with_note(self.engine, self.user).await?, self.user).command();
                Err(BackendError::Stopped { name: backend.name, state, start }.into())
            }
        }
    }

    /// Runs something that may be given up at any moment without leaving anything behind.
    ///
    /// # Errors
    /// Its own, and [`Cancelled`].
    pub async fn unless_cancelled<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        unless_cancelled(self.cancel, work).await
    }
}

/// Does the work, unless somebody wishes the end before it is done.
///
/// # Errors
/// Its own, and [`Cancelled`].
pub async fn unless_cancelled<T>(cancel: &Cancel, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        result = work => result,
        cause = cancel.cancelled() => Err(Cancelled(cause).into()),
    }
}
