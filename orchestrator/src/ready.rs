//! Waits until a backend and its sidecars serve, or cannot any more.

mod error;
mod probe;

pub use error::ReadyError;

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use docker_plugin::cancel::Cancel;
use docker_plugin::output::causes;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::cancelled::Cancelled;
use crate::engine::{Engine, EngineError};
use crate::health::Answer;
use crate::observed::{Container, ContainerId, Observed, Sidecar, State};
use probe::{Found, Probe};

/// The pause after the first failed probe. It doubles up to [`LONGEST_PAUSE`]: a backend answers
/// after some tenths of a second, but one that checks a large cache takes many.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The longest pause between two probes.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// How often a container is looked at while its probe does not end.
const LOOK_PAUSE: Duration = Duration::from_secs(5);

/// How many probes run at once, in all containers: each is a process that the engine starts, and a
/// slow machine has enough to do.
const AT_ONCE: usize = 4;

/// The shortest limit that leaves time to try targets on the way: one that does not answer takes its seconds.
const UNHURRIED: Duration = Duration::from_secs(20);

/// Waits until BuildKit answers in `backend`, its dialer answers and every sidecar accepts
/// connections, all at once, for at most `limit`. Where there is time enough, and a turn for each sidecar,
/// they are asked by the command that tries their targets, too: what they told is returned, and need not be
/// asked again. A target that is not reached is no reason to wait.
///
/// # Errors
/// The first container that will not serve.
pub async fn ready<E: Engine>(
    engine: &E,
    backend: &Container,
    Helpers { sidecars, dialer }: Helpers<'_>,
    limit: Duration,
    cancel: &Cancel,
) -> Result<Told, ReadyError> {
    let deadline = Instant::now() + limit;
    // One call is left for looking at containers.
    let at_once = AT_ONCE.min(engine.at_once().saturating_sub(1)).max(1);
    let probes = Semaphore::new(at_once);
    let tries_targets = limit >= UNHURRIED && 1 + usize::from(dialer.is_some()) + sidecars.len() <= at_once;
    let in_backend = Mutex::new(());
    let turns = Turns { probes: &probes, in_backend: &in_backend };
    let wait = |container, probe| Wait { engine, container, probe, turns, deadline, limit };
    let backend_wait = wait(backend, Probe::BuildKit).run();
    let sidecar_waits = sidecars.iter().map(|Sidecar { ports, container, .. }| {
        let (ports, backend) = (*ports, &backend.id);
        let probe =
            if tries_targets { Probe::Target { ports, backend } } else { Probe::Health { ports, backend } };
        wait(container, probe).run()
    });
    let dialer_waits = dialer.into_iter().map(|dialer| wait(dialer, Probe::Dialer).run());
    let helper_waits = futures_util::future::try_join_all(dialer_waits);
    let all = async {
        let sidecar_waits = futures_util::future::try_join_all(sidecar_waits);
        let (.., told) = tokio::try_join!(backend_wait, helper_waits, sidecar_waits)?;
        let ids = sidecars.iter().map(|sidecar| sidecar.container.id.clone());
        Ok(ids.zip(told).filter_map(|(id, told)| Some((id, told?))).collect())
    };
    tokio::select! {
        result = all => result,
        cause = cancel.cancelled() => Err(Cancelled(cause).into()),
    }
}

/// What sidecars told of themselves and their targets.
pub type Told = BTreeMap<ContainerId, Answer>;

/// The containers that serve a backend.
#[derive(Clone, Copy, Default)]
pub struct Helpers<'a> {
    /// One for each forward.
    pub sidecars: &'a [Sidecar],
    /// The one that leads to the host's loopback, if there is one.
    pub dialer: Option<&'a Container>,
}

impl<'a> From<&'a Observed> for Helpers<'a> {
    fn from(observed: &'a Observed) -> Self {
        Self { sidecars: &observed.sidecars, dialer: observed.dialer.as_ref() }
    }
}

/// What keeps probes from piling up: none is dropped while it runs, since the engine would run it on.
#[derive(Clone, Copy)]
struct Turns<'a> {
    /// For all of them.
    probes: &'a Semaphore,
    /// For those that run in the backend, of which there may be one for each forward.
    in_backend: &'a Mutex<()>,
}

struct Wait<'a, E> {
    engine: &'a E,
    container: &'a Container,
    probe: Probe<'a>,
    turns: Turns<'a>,
    deadline: Instant,
    limit: Duration,
}

impl<E: Engine> Wait<'_, E> {
    async fn run(mut self) -> Result<Option<Answer>, ReadyError> {
        let mut pause = FIRST_PAUSE;
        let mut said = "the probes of other containers did not end".to_owned();
        loop {
            let probed = timeout_at(self.deadline, self.probed(&mut said)).await;
            let Ok(probed) = probed else { return Err(self.late(said)) };
            match probed {
                Ok(Found::Serves(told)) => return Ok(told),
                Ok(Found::NotYet(words)) => said = words,
                Ok(Found::Next(words)) => {
                    said = words;
                    self.next_probe();
                }
                Err(ReadyError::Engine(error)) => {
                    let error = error.about(&self.container.name);
                    // A container that is not running makes the engine refuse as well.
                    self.alive().await?;
                    if is_final(&error) {
                        return Err(error.into());
                    }
                    said = causes(&error);
                }
                Err(other) => return Err(other),
            }
            self.alive().await?;
            let next = Instant::now() + pause;
            if next >= self.deadline {
                return Err(self.late(said));
            }
            sleep_until(next).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    fn late(&self, said: String) -> ReadyError {
        ReadyError::Late { container: self.container.clone(), seconds: self.limit.as_secs(), said }
    }

    /// The probe when it is its turn, to its end; meanwhile the container is looked at.
    async fn probed(&self, said: &mut String) -> Result<Found, ReadyError> {
        let _alone = match self.probe {
            Probe::BuildKit | Probe::Listeners { .. } => Some(self.turns.in_backend.lock().await),
            _ => None,
        };
        let _turn = self.turns.probes.acquire().await;
        "the probe did not end".clone_into(said);
        let mut probe = pin!(self.probe());
        loop {
            tokio::select! {
                biased;
                found = &mut probe => return Ok(found?),
                () = sleep(LOOK_PAUSE) => self.alive().await?,
            }
        }
    }

    /// A container that ended, or that its restart policy started again, is not the one that
    /// was started: it will hardly do better a second time.
    async fn alive(&self) -> Result<(), ReadyError> {
        let name = &self.container.name;
        let now = match self.engine.container(name).await {
            Ok(now) => now.filter(|now| now.id == self.container.id),
            Err(error) if is_final(&error) => return Err(error.into()),
            // An engine with much to do may answer the next time.
            Err(_) => return Ok(()),
        };
        match now {
            None => Err(ReadyError::Gone(name.clone())),
            Some(now) if now.state == State::Running && now.started_at == self.container.started_at => Ok(()),
            Some(now) => Err(ReadyError::Ended(now)),
        }
    }
}

/// Whether the engine, or what stands before it, will say the same the next time, of a container that
/// runs: a busy engine fails with 409 or 500, and heals.
const fn is_final(error: &EngineError) -> bool {
    match error {
        EngineError::Unreachable { .. }
        | EngineError::NotFound { .. }
        | EngineError::PrivilegesRefused { .. } => true,
        EngineError::Refused { status, .. } => matches!(status, 400..=499),
        EngineError::Timeout { .. } | EngineError::Conflict { .. } | EngineError::Broken { .. } => false,
    }
}
