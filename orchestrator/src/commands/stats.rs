//! `backend stats`: what goes through each forward now, and what went through it in all.

mod rates;
mod show;

use std::time::Duration;

use anyhow::Result;
use assemble_contract::argv::Question;
use assemble_contract::status::PortStatus;
use assemble_contract::{Port, Ports, Status};
use clap::Args;
use docker_plugin::cli::Refusal;
use docker_plugin::cli::values::{Suggest, form, limit};
use docker_plugin::output::{Form, FormatError, ListTemplate};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::health::{answer_limit, gradually};
use super::silence::Silence;
use super::{Session, observe};
use crate::engine::Engine;
use crate::forward::Forward;
use crate::health::{Answer, alone, target_of};
use crate::observed::{Sidecar, State};
pub use rates::NoCounters;
use rates::{Line, Sample};

/// How far apart samples are taken.
const TICK: Duration = Duration::from_secs(1);

/// Show the connections and the throughput of each forward
#[derive(Args)]
#[command(after_help = "  $ docker assemble backend stats --watch
  $ docker assemble backend stats --format 'table {{.Port}}\\t{{.UpPerSecond}}'")]
pub(super) struct Options {
    /// Format output: "table", "table TEMPLATE", "json" (one object per sample) or a Go template for a
    /// sample; fields: .Time .Forwards (.Port .Target .Active .Opened .Failed .BytesUp .BytesDown
    /// .UpPerSecond .DownPerSecond .Error; of a range .Ports (these)); in a table those of .Forwards
    #[arg(long, value_name = "string", value_parser = Suggest(&["table", "json"]))]
    format: Option<String>,

    /// Time a sidecar has to answer (default 8s)
    #[arg(long, value_name = "duration", value_parser = limit)]
    pub(super) timeout: Option<Duration>,

    /// List the ports of ranges that have had connections
    #[arg(long, short)]
    verbose: bool,

    /// Go on with a sample each second until interrupted
    #[arg(long, short)]
    watch: bool,
}

/// How to go on and how to show it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Until the user ends it, in place of one sample.
    pub watch: bool,
    /// The form of a sample.
    pub form: Form,
    /// A table of the user's own in place of that, a row for each forward.
    pub table: Option<ListTemplate>,
    /// With rows for single ports of ranges.
    pub verbose: bool,
}

impl Options {
    /// What they come to together.
    pub(super) fn check(self) -> Result<Stats, Refusal> {
        let format = self.format.as_deref();
        // `table TEMPLATE` is for the rows, all else is for the whole.
        let own =
            format.filter(|text| text.strip_prefix("table").is_some_and(|rest| !rest.trim().is_empty()));
        let table = own.map(ListTemplate::new).transpose().map_err(FormatError::List)?;
        let is_table = table.is_some() || format == Some("table");
        let form = if is_table { Form::Text } else { form(format)? };
        Ok(Stats { watch: self.watch, form, table, verbose: self.verbose })
    }
}

/// Runs the command; `screen` tells whether standard output is a terminal whose cursor moves.
///
/// # Errors
/// A backend that is missing or does not run, those of the engine, and an output that is closed.
pub async fn run<E: Engine>(session: Session<'_, E>, stats: &Stats, screen: bool) -> Result<()> {
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
        show::tick(session.console, &lines, stats, screen, tick == 1)?;
        if !stats.watch {
            break;
        }
    }
    Ok(())
}

/// That of a sidecar, and behind it those of the ports of a range that have had a connection.
fn samples(ports: Ports, at: std::time::Instant, known: Result<Status, NoCounters>) -> Vec<Sample> {
    let told = known.as_ref().ok();
    let used = told.into_iter().flat_map(|report| report.ports.iter().map(move |port| (report, port)));
    let part = |(report, told): (&Status, &PortStatus)| {
        let port = Port::new(told.port).filter(|_| told.opened > 0)?;
        Some(Sample { ports: port.into(), part: true, at, known: Ok(alone(report, ports, told)) })
    };
    let parts: Vec<_> = used.filter_map(part).collect();
    let known = known.map(|report| Status { target: target_of(&report, ports), ..report });
    std::iter::once(Sample { ports, part: false, at, known }).chain(parts).collect()
}

/// Asks all sidecars, and names those that should be there. They may come and go meanwhile, and the backend
/// must stay.
async fn sample<E: Engine>(session: Session<'_, E>) -> Result<Vec<Sample>> {
    let backend = session.running_backend().await?;
    let observed = observe::closely(session.engine, session.user).await?;
    let limit = answer_limit(session.engine, session.limit);
    let silence = Silence::new(session.engine, session.user, limit);
    let look = async |sidecar: &Sidecar| {
        let known = if sidecar.is_stale(&backend) {
            Err(NoCounters::Stale)
        } else if sidecar.container.state == State::Running {
            match silence.ask(sidecar, Question::Counters).await {
                Answer::Told(report) => Ok(*report),
                Answer::Old => Err(NoCounters::Old),
                Answer::Foreign => Err(NoCounters::Foreign),
                Answer::Silent(_) | Answer::Failed(_) | Answer::Refused { .. } => Err(NoCounters::Silent),
            }
        } else {
            Err(NoCounters::Stopped { state: super::info::state(&sidecar.container.state).to_owned() })
        };
        samples(sidecar.ports, Instant::now().into_std(), known)
    };
    let mut all = gradually(session.engine.at_once(), observed.sidecars.iter().map(look)).await;
    if silence.is_known() {
        return Err(silence.error().into());
    }
    let missing =
        |forward: Forward| samples(forward.ports, Instant::now().into_std(), Err(NoCounters::Missing));
    all.extend(observed.missing().into_iter().map(missing));
    all.sort_by_key(|samples| samples.first().map(|whole| whole.ports));
    Ok(all.concat())
}
