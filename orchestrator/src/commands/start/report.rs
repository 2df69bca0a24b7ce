//! What a start says while it works.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::apply::Event;
use crate::desired::ImageRef;
use crate::engine::PullProgress;
use crate::output::{Console, Progress, size};

/// Prints events: results to standard output, the rest beside it.
///
/// An output that is closed meanwhile is no reason to stop half-way.
pub(super) struct Reporter<'a> {
    console: &'a Console,
    in_place: bool,
    /// What was said last of each layer of each image.
    said: Mutex<BTreeMap<(ImageRef, String), String>>,
}

impl<'a> Reporter<'a> {
    pub(super) fn new(console: &'a Console, progress: Progress) -> Self {
        Self { console, in_place: console.in_place(progress), said: Mutex::default() }
    }

    pub(super) fn show(&self, event: &Event<'_>) {
        let console = self.console;
        match event {
            Event::Pulling(image, progress) if self.in_place => {
                console.status(format_args!("Pulling image {image}: {}", words(progress)));
            }
            Event::Pulling(image, progress) => {
                if self.is_news(image, progress) {
                    let progress = PullProgress { bytes: None, ..(*progress).clone() };
                    console.note(format_args!("Pulling image {image}: {}", words(&progress)));
                }
            }
            Event::Pulled(image, digest) => {
                let digest = digest.as_deref().filter(|_| !image.0.contains('@'));
                let digest = digest.map(|digest| format!("@{digest}")).unwrap_or_default();
                console.line(format_args!("Pulling image {image}{digest}: Success")).ok();
            }
            Event::PullFailed(image, error) => {
                console.warning(format_args!("could not {error}; the engine's copy of \"{image}\" is used"));
            }
            Event::PrivilegesRefused(name, _) => console.warning(format_args!(
                "the engine refuses privileged containers; \"{name}\" runs with a restricted set of \
                 privileges ('--security restricted' asks for that at once)"
            )),
            Event::Started(name, id) => {
                console.line(format_args!("Started container \"{name}\" ({})", id.short())).ok();
            }
            Event::Removed(name, reason) => {
                console.note(format_args!("Removed container \"{name}\", which {}", reason.words()));
            }
        }
    }

    /// Whether this is another state than the one that was told last; bytes on their way are
    /// none, and what the engine sums up at the end is in the line of the success.
    fn is_news(&self, image: &ImageRef, progress: &PullProgress) -> bool {
        if ["Digest: ", "Status: "].iter().any(|summary| progress.status.starts_with(summary)) {
            return false;
        }
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let before = said.insert((image.clone(), progress.id.clone()), progress.status.clone());
        before.as_ref() != Some(&progress.status)
    }
}

fn words(progress: &PullProgress) -> String {
    let PullProgress { id, status, bytes } = progress;
    // The first line has the tag where the others have a layer.
    let is_layer = !id.is_empty() && !status.starts_with("Pulling from ");
    let layer = if is_layer { format!("{id} ") } else { String::new() };
    let amount = bytes.map(|(done, all)| format!(" {} of {}", size(done), size(all))).unwrap_or_default();
    format!("{layer}{status}{amount}")
}
