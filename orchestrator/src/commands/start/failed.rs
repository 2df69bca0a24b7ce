//! A start that failed: what is said of it, and what is undone.

use super::last_start::config_file;
use super::{StartError, blocked};
use crate::apply::{Failure, Made, undo};
use crate::commands::{Session, damage, log_end};
use crate::desired::{Choice, Desired, Security};
use crate::engine::{Engine, EngineError};
use crate::health::NoNetwork;
use crate::observed::Container;
use crate::ready::ReadyError;

/// Shows what the failed container said, and says why it is given up, with `help` where that is known.
pub(super) async fn quote<E: Engine>(
    session: Session<'_, E>,
    desired: &Desired,
    made: &[Made],
    error: ReadyError,
    help: Option<String>,
) -> anyhow::Error {
    if let Some(container) = error.container() {
        log_end::show_end(session, container).await;
    }
    // A stop, which others are helped by, would remove what is set aside.
    if let Some(help) = help {
        return StartError::Kept { error, help }.into();
    }
    if let ReadyError::Ended(container) = &error
        && container.name == session.user.backend()
        && let Some(damage) = damage::find(session.engine, container).await
    {
        return StartError::Damaged { error, damage }.into();
    }
    let was_there = error.container().is_some_and(|failed| !made.iter().any(|made| made.is(&failed.id)));
    if error.container().is_some()
        && let Some((start, anew)) = blocked::start_without_network(session, desired).await
    {
        return StartError::NoNetwork { error, lost: NoNetwork::new(&anew), start }.into();
    }
    let helper = error.container().map(|failed| failed.name.clone());
    let helper = helper.filter(|name| was_there && *name != session.user.backend());
    // Only those of the backend itself say anything of it.
    let is_backend = |failed: &Container| failed.name == session.user.backend();
    let has_ended = matches!(&error, ReadyError::Ended(container) if is_backend(container));
    let told = told(desired).filter(|_| has_ended);
    match error {
        ReadyError::Cancelled(cancelled) => cancelled.into(),
        // As it is, so that its hint is found.
        ReadyError::Engine(error) => error.into(),
        error => match (helper, told) {
            (Some(name), _) => StartError::OldHelper { error, name }.into(),
            _ if was_there => StartError::Old { error }.into(),
            (_, Some(asked)) => StartError::Daemon { error, asked }.into(),
            _ => error.into(),
        },
    }
}

/// What only BuildKit can judge of what it is told.
fn told(desired: &Desired) -> Option<String> {
    let flags = desired.settings.chosen.only(&[Choice::Flags]);
    let flags = (!flags.is_empty()).then(|| flags.to_string());
    let config = config_file(&desired.config_options).map(|path| format!("config \"{}\"", path.display()));
    let told: Vec<_> = flags.into_iter().chain(config).collect();
    (!told.is_empty()).then(|| told.join(", "))
}

/// Takes back what this run made; what cannot be is told beside the error. Whoever asks for the end
/// once more while it does is not kept.
pub(super) async fn take_back<E: Engine>(
    session: Session<'_, E>,
    made: &[Made],
    error: anyhow::Error,
) -> anyhow::Error {
    if made.is_empty() {
        return error;
    }
    let left = tokio::select! {
        left = undo(session.engine, made) => left,
        () = session.cancel.insisted() => {
            let has_replaced = made.iter().any(|made| matches!(made, Made::SetAside { .. }));
            session.console.note(if has_replaced {
                // With it a stop would remove what was set aside.
                "Ended at once; another start puts back what this one set aside, and repairs the rest"
            } else {
                "Ended at once; 'docker assemble backend stop' removes what this start made, and another start repairs it"
            });
            return error;
        }
    };
    if left.is_empty() {
        for made in made {
            if let Made::SetAside { name, .. } = made {
                session.console.note(format_args!("Put back container \"{name}\""));
            }
        }
        return error;
    }
    let left = left.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    // The first failure stays what the exit status is taken from.
    error.context(StartError::Left { left })
}

pub(super) fn explain(desired: &Desired, cause: Failure) -> anyhow::Error {
    match cause {
        Failure::Cancelled(cancelled) => cancelled.into(),
        Failure::Engine(error @ EngineError::PrivilegesRefused { .. })
            if desired.settings.security == Security::Privileged
                && error.refuses_container(&desired.user.backend()) =>
        {
            StartError::Privileges { error }.into()
        }
        Failure::Engine(error) if error.is_taken_name() => StartError::Taken { error }.into(),
        // Other forwards have the image that an earlier start has named.
        Failure::Engine(error)
            if !desired.forwards_only && desired.named_images().any(|image| error.refuses_image(image)) =>
        {
            StartError::Image { error }.into()
        }
        Failure::Engine(error)
            if !desired.settings.chosen.is_empty() && error.refuses_container(&desired.user.backend()) =>
        {
            StartError::Value { error, asked: desired.settings.chosen.clone() }.into()
        }
        Failure::Engine(error) => error.into(),
        Failure::Dialer(error) => error.into(),
    }
}
