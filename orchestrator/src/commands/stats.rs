//! `backend stats`: what goes through each forward now, and what went through it in all.

mod rates;
mod show;

use std::time::Duration;

use anyhow::Result;
use assemble_contract::argv::Question;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::health::{PATIENCE, ask, gradually};
use super::{Session, namespaces, observe};
use crate::engine::Engine;
use crate::health::Answer;
use crate::observed::{Sidecar, State};
use crate::output::{Form, ListTemplate};
use rates::{Line, Sample};

/// How far apart samples are taken.
const TICK: Duration = Duration::from_secs(1);

/// How to go on and how to show it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// Until the user ends it, in place of one sample.
    pub watch: bool,
    /// The form of a sample.
    pub form: Form,
    /// A table of the user's own in place of that, a row for each forward.
    pub table: Option<ListTemplate>,
    /// Whether standard output is a terminal whose cursor moves.
    pub screen: bool,
}

/// Runs the command.
///
/// # Errors
/// A backend that is missing or does not run, those of the engine, and an output that is closed.
pub async fn run<E: Engine>(session: Session<'_, E>, manner: Manner) -> Result<()> {
    let mut lines: Vec<Line> = Vec::new();
    let mut ticks = interval(TICK);
    // Samples may take longer than a tick; the next one is a whole tick after them all the same,
    // or its rates would be those of an instant.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for tick in 0_u64.. {
        ticks.tick().await;
        lines = rates::advance(lines, sample(session).await?);
        // Rates need two samples.
        if tick == 0 {
            continue;
        }
        show::tick(session.console, &lines, &manner, tick == 1)?;
        if !manner.watch {
            break;
        }
    }
    Ok(())
}

/// Asks all sidecars. They may come and go meanwhile, and the backend must stay.
async fn sample<E: Engine>(session: Session<'_, E>) -> Result<Vec<Sample>> {
    let backend = session.running_backend().await?;
    let mut observed = observe::ours(session.engine, session.user).await?;
    namespaces::find(session.engine, &mut observed).await;
    let look = async |sidecar: &Sidecar| {
        let known = if sidecar.is_stale(&backend) {
            Err("stale".to_owned())
        } else if sidecar.container.state == State::Running {
            let limit = session.limit.unwrap_or(PATIENCE);
            match ask(session.engine, sidecar, Question::Counters, limit).await {
                Answer::Told(report) => Ok(*report),
                Answer::Old => Err("older version".to_owned()),
                Answer::Foreign => Err("other image".to_owned()),
                Answer::Silent(_) | Answer::Failed(_) => Err("no answer".to_owned()),
            }
        } else {
            Err(super::info::state(sidecar.container.state).to_owned())
        };
        Sample { port: sidecar.port.get(), at: Instant::now().into_std(), known }
    };
    Ok(gradually(session.engine.at_once(), observed.sidecars.iter().map(look)).await)
}
