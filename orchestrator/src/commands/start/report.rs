//! What a start says while it works.

use crate::apply::Event;
use crate::engine::PullProgress;
use crate::output::{Console, size};

/// Prints an event: results to standard output, the rest beside it.
///
/// An output that is closed meanwhile is no reason to stop half-way.
pub(super) fn show(console: &Console, event: &Event<'_>) {
    match event {
        Event::Pulling(image, progress) => {
            console.status(format_args!("Pulling image {image}: {}", words(progress)));
        }
        Event::Pulled(image) => {
            console.line(format_args!("Pulling image {image}: Success")).ok();
        }
        Event::PullFailed(image, error) => {
            console.warning(format_args!("could not {error}; the engine's copy of \"{image}\" is used"));
        }
        Event::PrivilegesRefused(name, _) => console.warning(format_args!(
            "the engine refuses privileged containers; \"{name}\" runs with a restricted set of privileges \
             ('--security restricted' asks for that at once)"
        )),
        Event::Started(name, id) => {
            console.line(format_args!("Started container \"{name}\" ({})", id.short())).ok();
        }
        Event::Removed(name, reason) => {
            console.note(format_args!("Removed container \"{name}\", which {}", reason.words()));
        }
    }
}

fn words(progress: &PullProgress) -> String {
    let PullProgress { id, status, bytes } = progress;
    let layer = if id.is_empty() { String::new() } else { format!("{id} ") };
    let amount = bytes.map(|(done, all)| format!(" {} of {}", size(done), size(all))).unwrap_or_default();
    format!("{layer}{status}{amount}")
}
