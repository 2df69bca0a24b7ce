//! Forwards that something is in the way of, told by the start that made them.

use assemble_contract::argv::Question;
use explained::Explained;

use super::last_start::left_by;
use super::{Served, StartWarning, again, proxies_in_vain};
use crate::commands::health::{Ask, Found, answer_limit, examine, is_isolated};
use crate::commands::silence::Silence;
use crate::commands::{Session, observe};
use crate::desired::{BACKEND_IMAGE, Desired, ImageRef};
use crate::engine::{Engine, EngineError};
use crate::forward::{Forward, Target, named};
use crate::health::{NoNetwork, has_gateway};
use crate::observed::Sidecar;

/// Warns of each that leads out of what serves. That nothing listens yet is no reason: services may come
/// later. What cannot be found out is left to `info` and `doctor`.
pub async fn warn_of_blocked<E: Engine>(session: Session<'_, E>, serves: &Served) {
    let looking = session.unless_cancelled(async { Ok(look(session, serves).await?) });
    if let Err(error) = looking.await {
        tracing::debug!(%error, "the forwards cannot be tried");
    }
}

/// Warns of proxies in docker's configuration that are on the builds' own localhost, where only a
/// forward leads out.
pub async fn warn_of_proxies<E: Engine>(session: Session<'_, E>, desired: &Desired) {
    if desired.proxies.is_empty() {
        return;
    }
    let forwards: Vec<_> = desired.forwards.iter().cloned().collect();
    let backend = session.engine.container(&desired.user.backend()).await.ok().flatten();
    let again = left_by(desired, backend.as_ref(), &ImageRef(BACKEND_IMAGE.to_owned()));
    if let Some((why, start)) = proxies_in_vain(&desired.proxies, &forwards, &again) {
        session.console.warning(StartWarning::Proxies { why, start });
    }
}

/// The start that a backend without a network allows, where this is one, and what gives it one: sidecars that
/// lead to its gateway end at once.
pub(super) async fn start_without_network<E: Engine>(
    session: Session<'_, E>,
    desired: &Desired,
) -> Option<(String, String)> {
    let backend = observe::ours(session.engine, session.user).await.ok()?.backend?;
    let around = |forward: &Forward| match forward.target {
        Target::Gateway { port } => Forward { target: Target::Loopback { port }, ..forward.clone() },
        _ => forward.clone(),
    };
    let forwards: Vec<_> = desired.forwards.iter().map(around).collect();
    let again = left_by(desired, Some(&backend), &ImageRef(BACKEND_IMAGE.to_owned()));
    let again = again.forwarding(&forwards);
    let told = || (again.command(), again.anew());
    is_isolated(session.engine, &backend, answer_limit(session.engine, None)).await.then(told)
}

async fn look<E: Engine>(session: Session<'_, E>, serves: &Served) -> Result<(), EngineError> {
    let Session { engine, console, .. } = session;
    let Served { state: observed, told, .. } = serves;
    let Some(backend) = &observed.backend else { return Ok(()) };
    let facts = engine.facts().await?;
    let again = again(observed, session.user);
    let anew = again.anew();
    let start_with = |forwards: &[Forward]| again.command_with(forwards);
    let ask = |sidecar: &Sidecar| match told.get(&sidecar.container.id) {
        Some(answer) => Ask::Answered(answer.clone()),
        None => Ask::Now(Question::Target),
    };
    let limit = answer_limit(engine, None);
    let silence = Silence::new(engine, session.user, limit);
    let examining = examine(&silence, Some(&facts), backend, (observed, &start_with, &anew), ask);
    let isolated = async { !told.values().any(has_gateway) && is_isolated(engine, backend, limit).await };
    let (isolated, forwards) = tokio::join!(isolated, examining);
    if isolated {
        let lost = NoNetwork::new(&anew);
        console.warning(StartWarning::NoNetwork { help: lost.advice().unwrap_or_default(), lost });
        return Ok(());
    }
    for forward in forwards {
        let Some(report) = forward.report() else { continue };
        for Found { ports, finding } in forward.findings.iter().filter(|found| found.finding.blocked) {
            let target = match forward.sidecar.ports.is_one() {
                true => report.target.clone(),
                false => forward.target(report, ports),
            };
            let (ports, why, help) = (named(forward.sidecar.ports), finding.why(), finding.help());
            console.warning(StartWarning::Blocked { target, ports, why, help });
        }
    }
    Ok(())
}
