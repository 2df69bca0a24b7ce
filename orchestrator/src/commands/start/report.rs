//! What a start says while it works.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use docker_plugin::output::{Console, Progress, size};

use super::StartWarning;
use super::bar::Bar;
use crate::apply::Event;
use crate::commands::Session;
use crate::desired::{Desired, ImageRef};
use crate::engine::{Amount, PullProgress};
use crate::observed::{ContainerId, Observed};
use crate::plan::Plan;
use crate::plan::action::Action;
use crate::plan::diff::{self, Field};

/// Prints events: results to standard output, the rest beside it.
///
/// An output that is closed meanwhile is no reason to stop half-way.
pub(super) struct Reporter<'a> {
    console: &'a Console,
    in_place: bool,
    quiet: bool,
    /// What was said last of each layer of each image.
    said: Mutex<BTreeMap<(ImageRef, String), String>>,
    /// How far each image is.
    bars: Mutex<BTreeMap<ImageRef, Bar>>,
}

impl<'a> Reporter<'a> {
    pub(super) fn new(console: &'a Console, progress: Progress) -> Self {
        let (in_place, quiet) = (console.in_place(progress), progress == Progress::Quiet);
        Self { console, in_place, quiet, said: Mutex::default(), bars: Mutex::default() }
    }

    pub(super) fn show(&self, event: &Event<'_>) {
        let console = self.console;
        match event {
            Event::Pulling(..) if self.quiet => {}
            Event::Pulling(image, progress) if self.in_place => {
                let mut bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
                let bar = bars.entry((*image).clone()).or_default();
                bar.update(progress);
                let now = bar.line().unwrap_or_else(|| words(progress));
                console.status(format_args!("Pulling image {image}: {now}"));
            }
            Event::Pulling(image, progress) => {
                if self.is_news(image, progress) {
                    let progress = PullProgress { amount: None, ..(*progress).clone() };
                    console.note(format_args!("Pulling image {image}: {}", words(&progress)));
                }
            }
            Event::Pulled(image, digest) => {
                let digest = digest.as_deref().filter(|_| !image.0.contains('@'));
                let digest = digest.map(|digest| format!("@{digest}")).unwrap_or_default();
                console.done(format_args!("Pulling image {image}{digest}: Success"));
            }
            Event::PullFailed(image, error) => {
                let (error, image) = (error.to_string(), (*image).clone());
                console.warning(StartWarning::OldImage { error, image });
            }
            Event::SettingRefused(name, setting, why) => {
                let (name, setting, why) = ((*name).clone(), (*setting).to_owned(), why.to_string());
                console.warning(StartWarning::Setting { name, setting, why });
            }
            Event::PassedOver(name, words) => {
                let (name, words) = ((*name).clone(), (*words).to_owned());
                console.warning(StartWarning::PassedOver { name, words });
            }
            Event::PrivilegesRefused(name, _) => {
                console.warning(StartWarning::Restricted { name: (*name).clone() });
            }
            Event::Started(name, id) => {
                console.done(format_args!("Started container \"{name}\" ({})", id.short()));
            }
            Event::Dials(process) => {
                console.done(format_args!("Started the dialer on this host (process {process})"));
            }
            Event::DialerEnded(_) => {
                console.note("Ended the dialer on this host, which no forward needs any more");
            }
            Event::Changed(name, change) => {
                console.done(format_args!("Changed container \"{name}\" to {change}"));
            }
            Event::PutBack(name) => console.note(format_args!(
                "Put back container \"{name}\", which an earlier start had set aside and not replaced"
            )),
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
    let PullProgress { id, status, amount } = progress;
    // The first line has the tag where the others have a layer.
    let is_layer = !id.is_empty() && !status.starts_with("Pulling from ");
    let layer = if is_layer { format!("{id} ") } else { String::new() };
    let amount = match amount {
        None => String::new(),
        Some(Amount::Bytes(done, all)) => format!(" {} of {}", size(*done), size(*all)),
        Some(Amount::Seconds(seconds)) => format!(" {seconds} s"),
    };
    format!("{layer}{status}{amount}")
}

/// Names what differs from the wish and stays as it is, and what of a backend that is replaced will be lost.
pub(super) fn mention<E>(session: Session<'_, E>, plan: &Plan, desired: &Desired, observed: &Observed) {
    let removed = |id: &ContainerId| {
        plan.actions().any(|action| matches!(action, Action::Remove { id: gone, .. } if gone == id))
    };
    if let Some(old) = observed.backend.as_ref().filter(|old| removed(&old.id)) {
        let name = old.name.clone();
        let lost = diff::lost(desired, observed, old);
        if !lost.is_empty() {
            let lost = lost.iter().map(|it| format!("\"{it}\"")).collect::<Vec<_>>().join(", ");
            session.console.warning(StartWarning::Without { name: name.clone(), lost });
        }
        if old.settings.cache_volume.is_none() {
            let volume = desired.user.cache_volume();
            session.console.warning(StartWarning::CacheGoes { name, volume });
        }
    }
    if observed.has_lost_files() && desired.files.is_empty() {
        session.console.warning(StartWarning::LostFiles { name: desired.user.backend() });
    }
    for difference in &plan.left_alone {
        let what = match difference.field {
            Field::ImageContent => format!("image \"{}\" is newer than the running backend", desired.image),
            Field::NetworkHost => {
                "builds may not use --network=host on the running backend, which an earlier version made"
                    .to_owned()
            }
            Field::Proxies => {
                "docker's configuration names other proxies than when the backend was made".to_owned()
            }
            Field::Certificates => {
                let names: Vec<_> = difference.names.iter().map(|name| format!("\"{name}\"")).collect();
                format!("docker's engine has other certificates than the backend: {}", names.join(", "))
            }
            _ => format!("the running backend was made by docker assemble v{}", difference.has),
        };
        session.console.note(format_args!("{what}; '--recreate' brings it up to date"));
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::Arc;

    use super::*;

    #[derive(Clone, Default)]
    struct Screen(Arc<Mutex<Vec<u8>>>);

    impl Write for Screen {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What a pull writes: results, and the rest.
    fn pull(live: bool, progress: Progress) -> (String, String) {
        let (out, err) = (Screen::default(), Screen::default());
        let console = Console::new(Box::new(out.clone()), Box::new(err.clone()), live);
        let reporter = Reporter::new(&console, progress);
        let image = ImageRef("img:1".to_owned());
        let bytes = |done| Some(Amount::Bytes(done, 4));
        for (status, amount) in
            [("Downloading", bytes(1)), ("Downloading", bytes(2)), ("Pull complete", None)]
        {
            let progress = PullProgress { id: "l1".to_owned(), status: status.to_owned(), amount };
            reporter.show(&Event::Pulling(&image, &progress));
        }
        reporter.show(&Event::Pulled(&image, None));
        let text = |screen: Screen| String::from_utf8(screen.0.lock().unwrap().clone()).unwrap();
        (text(out), text(err))
    }

    #[test]
    fn a_terminal_gets_a_bar_that_is_taken_away() {
        for progress in [Progress::Auto, Progress::Tty] {
            let (out, err) = pull(true, progress);
            assert_eq!(out, "Pulling image img:1: Success\n");
            assert!(err.contains("Pulling image img:1: Downloading 2B/4B [====>     ]"), "{err:?}");
            assert!(err.ends_with("\r\x1b[K") && !err.contains('\n'), "{err:?}");
            // No colours in any case (ECMA-48 SGR).
            assert!(!err.split("\x1b[").skip(1).any(|code| {
                code.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m')
            }));
        }
    }

    #[test]
    fn without_a_terminal_there_are_lines_and_no_codes() {
        for (live, progress) in [(false, Progress::Auto), (false, Progress::Tty), (true, Progress::Plain)] {
            let (out, err) = pull(live, progress);
            assert_eq!(out, "Pulling image img:1: Success\n");
            assert_eq!(err, "Pulling image img:1: l1 Downloading\nPulling image img:1: l1 Pull complete\n");
        }
    }

    #[test]
    fn a_quiet_pull_is_told_when_it_is_done() {
        for live in [false, true] {
            let (out, err) = pull(live, Progress::Quiet);
            assert_eq!((out.as_str(), err.as_str()), ("Pulling image img:1: Success\n", ""));
        }
    }
}
