//! A start as the words of a command line: for hints that print one, and for the next start.

use std::path::Path;

use super::Start;
use super::options::{PROGRESS, PULL, SECURITY};
use crate::cli::Invocation;
use crate::commands::forwards::{HOSTS, PORTS};
use crate::commands::{Command, OnEngine, parse};
use crate::desired::{CacheVolume, PullPolicy, REGISTRY_PORT, Security};
use crate::forward::asked::Asked;
use crate::forward::{Forward, lists};
use crate::output::Progress;
use crate::spec::daemon::Mirror;

/// What a start without options does.
impl Default for Start {
    fn default() -> Self {
        Self {
            forwards: vec![Asked::from(&Forward::plain(REGISTRY_PORT))],
            usual: true,
            cache: CacheVolume::default(),
            image: None,
            pull: PullPolicy::default(),
            security: Security::default(),
            proxy_image: None,
            daemon: super::Daemon::default(),
            recreate: false,
            dry_run: false,
            select: false,
            progress: Progress::default(),
        }
    }
}

impl Start {
    /// The same start with these forwards.
    pub(in crate::commands) fn forwarding(&self, forwards: &[Forward]) -> Self {
        let forwards: Vec<_> = forwards.iter().map(Asked::from).collect();
        let usual = forwards == Self::default().forwards;
        Self { forwards, usual, ..self.clone() }
    }

    /// The command with these forwards, where there are any.
    pub(in crate::commands) fn command_with(&self, forwards: &[Forward]) -> String {
        if forwards.is_empty() { self.command() } else { self.forwarding(forwards).command() }
    }

    /// The options that ask for it, none where it is what a start does by itself.
    pub(in crate::commands) fn words(&self) -> Vec<String> {
        // Whoever adds an option is told by the compiler that its words are missing here.
        let Self {
            forwards,
            usual,
            cache,
            image,
            pull,
            security,
            proxy_image,
            daemon,
            recreate,
            dry_run,
            select,
            progress,
        } = self;
        let super::Daemon { config, insecure, mirrors, authorities, space } = daemon;
        let mut words = Words::default();
        if !usual {
            let (ports, hosts) = lists(forwards);
            words.value(PORTS, ports);
            words.maybe(HOSTS, (!hosts.is_empty()).then_some(hosts));
        }
        words.maybe("cache-max-used", space.max_used_bytes);
        words.maybe("cache-min-free", space.min_free_bytes);
        words.maybe("cache-reserved", space.reserved_bytes);
        words.maybe(
            "cache-volume",
            match cache {
                CacheVolume::Conventional => None,
                CacheVolume::Named(volume) => Some(volume),
            },
        );
        words.maybe("config", config.as_deref().map(Path::display));
        words.switch("dry-run", *dry_run);
        words.maybe("image", image.as_ref());
        words.maybe("progress", (*progress != Progress::default()).then(|| PROGRESS.word(progress)));
        words.maybe("proxy-image", proxy_image.as_ref());
        words.maybe("pull", (*pull != PullPolicy::default()).then(|| PULL.word(pull)));
        words.switch("recreate", *recreate);
        authorities
            .iter()
            .for_each(|(host, file)| words.value("registry-ca", format!("{host}={}", file.display())));
        insecure.iter().for_each(|host| words.value("registry-insecure", host));
        mirrors
            .iter()
            .for_each(|(host, mirror)| words.value("registry-mirror", format!("{host}={}", url(mirror))));
        words.maybe("security", (*security != Security::default()).then(|| SECURITY.word(security)));
        words.switch("use", *select);
        words.0
    }

    /// The whole command as it is typed into a shell.
    pub(in crate::commands) fn command(&self) -> String {
        let options = line(&self.words());
        format!("{} {options}", super::START).trim_end().to_owned()
    }
}

/// Words as they are typed into a shell.
pub(super) fn line(words: &[String]) -> String {
    let is_plain = |word: &str| {
        // Unlike shlex, which does not know what stands around a word, lists stay as they are.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+-./:@_,=".contains(&byte);
        !word.is_empty() && word.bytes().all(plain)
    };
    // A NUL, which alone cannot be written, is in no argument of a program.
    let quoted = |word: &String| match is_plain(word) {
        true => word.clone(),
        false => shlex::try_quote(word).unwrap_or_default().into_owned(),
    };
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// The start that these options ask for; `None` where they are not understood.
pub(super) fn read(line: &str) -> Option<Start> {
    let words = ["backend", "start"].map(str::to_owned).into_iter().chain(shlex::split(line)?);
    match parse(&words.collect::<Vec<_>>()) {
        Ok(Invocation::Run(Command::OnEngine(OnEngine::Start(start), _))) => Some(*start),
        _ => None,
    }
}

fn url(Mirror { host, path, tls }: &Mirror) -> String {
    let scheme = match tls {
        None => "",
        Some(false) => "http://",
        Some(true) => "https://",
    };
    format!("{scheme}{host}{path}")
}

#[derive(Default)]
struct Words(Vec<String>);

impl Words {
    fn value(&mut self, option: &str, value: impl ToString) {
        let value = value.to_string();
        if value.starts_with('-') {
            // It might be taken for an option that asks for help.
            self.0.push(format!("--{option}={value}"));
        } else {
            self.0.extend([format!("--{option}"), value]);
        }
    }

    fn maybe(&mut self, option: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.value(option, value);
        }
    }

    fn switch(&mut self, option: &str, on: bool) {
        if on {
            self.0.push(format!("--{option}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::option::of;
    use proptest::prelude::*;

    use super::*;
    use crate::commands::start::Daemon;
    use crate::desired::{HostPort, ImageRef, VolumeName};
    use crate::forward::asked::Place;
    use crate::spec::daemon::Space;

    fn place() -> impl Strategy<Value = Place> {
        let host = prop_oneof!["[a-z][a-z0-9-]{0,8}(\\.[a-z]{1,8})?", Just("2001:db8::7".to_owned())]
            .prop_filter("means the relay itself", |name| name != "localhost");
        prop_oneof![Just(Place::Gateway), Just(Place::Loopback), host.prop_map(Place::Host)]
    }

    fn forwards() -> impl Strategy<Value = (Vec<Asked>, bool)> {
        let port = || (1..=u16::MAX).prop_map(|number| HostPort::new(number).unwrap());
        let some = btree_map(port(), (place(), port()), 0..9).prop_map(|forwards| {
            let asked = |(port, (place, outside))| Asked { port, place, outside };
            (forwards.into_iter().map(asked).collect(), false)
        });
        prop_oneof![Just((Start::default().forwards, true)), some]
    }

    fn daemon() -> impl Strategy<Value = Daemon> {
        let host = || "[a-z]{1,6}(\\.[a-z]{1,6})?(:[1-9][0-9]{0,3})?";
        let mirror = (host(), "(/[a-z ']{1,6}[a-z])?", of(any::<bool>()))
            .prop_map(|(host, path, tls)| Mirror { host, path, tls });
        let bytes = || of(0..1_u64 << 50);
        let space =
            (bytes(), bytes(), bytes()).prop_map(|(reserved_bytes, max_used_bytes, min_free_bytes)| Space {
                reserved_bytes,
                max_used_bytes,
                min_free_bytes,
            });
        let file = || "[ -~é]{1,9}".prop_map(std::path::PathBuf::from);
        (of(file()), vec(host(), 0..3), vec((host(), mirror), 0..3), vec((host(), file()), 0..3), space)
            .prop_map(|(config, insecure, mirrors, authorities, space)| Daemon {
                config,
                insecure,
                mirrors,
                authorities,
                space,
            })
    }

    fn start() -> impl Strategy<Value = Start> {
        let image = || of("[!-~]([ -~]{0,8}[!-~])?".prop_map(ImageRef));
        let volume = "[a-zA-Z0-9][a-zA-Z0-9_.-]{0,9}".prop_map(|name| CacheVolume::Named(VolumeName(name)));
        let cache = prop_oneof![Just(CacheVolume::Conventional), volume];
        let one_of = |values: &'static [_]| proptest::sample::select(values);
        let pull = one_of(&[PullPolicy::Missing, PullPolicy::Always, PullPolicy::Never]);
        let security =
            proptest::sample::select(&[Security::Auto, Security::Privileged, Security::Restricted][..]);
        let progress =
            proptest::sample::select(&[Progress::Auto, Progress::Plain, Progress::Tty, Progress::Quiet][..]);
        let switches = any::<[bool; 3]>();
        (forwards(), cache, image(), pull, security, image(), daemon(), switches, progress).prop_map(
            |((forwards, usual), cache, image, pull, security, proxy_image, daemon, switches, progress)| {
                let [recreate, dry_run, select] = switches;
                Start {
                    forwards,
                    usual,
                    cache,
                    image,
                    pull,
                    security,
                    proxy_image,
                    daemon,
                    recreate,
                    dry_run,
                    select,
                    progress,
                }
            },
        )
    }

    proptest! {
        #[test]
        fn the_words_of_a_start_ask_for_the_same_start(start in start()) {
            prop_assert_eq!(read(&line(&start.words())), Some(start));
        }
    }

    #[test]
    fn a_start_by_itself_has_no_words() {
        assert_eq!(Start::default().command(), "docker assemble backend start");
        assert_eq!(read(""), Some(Start::default()));
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        let daemon = Daemon { config: Some("my file.toml".into()), ..Daemon::default() };
        let start = Start { daemon, ..Start::default() }.forwarding(&[]);
        assert_eq!(
            start.command(),
            "docker assemble backend start --allow-host-port 0 --config 'my file.toml'"
        );
    }
}
