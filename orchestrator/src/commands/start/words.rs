//! The command line of a start: for hints that print one, and for the next start.

use std::collections::BTreeMap;

use docker_plugin::cli::Invocation;

use super::Start;
use super::chosen::DRIVER_OPT;
use crate::commands::forwards::{HOSTS, PORTS};
use crate::commands::{Command, OnEngine, Request, parse};
use crate::desired::{Choice, Chosen, REGISTRY_PORT, csv};
use crate::forward::asked::Asked;
use crate::forward::{Forward, lists};

/// The options that bring back what a user has, none where a start does the same by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::commands) struct StartLine {
    /// `None` for what is forwarded where nothing is said.
    forwards: Option<Vec<Asked>>,
    /// The options whose values are written nowhere, by their names, with the names of what they give.
    secrets: BTreeMap<&'static str, Vec<String>>,
    /// The other options by their names, each with one value or more.
    options: BTreeMap<&'static str, Vec<String>>,
}

impl StartLine {
    /// The same with this option, which takes a value, once for each.
    pub(super) fn with(
        mut self,
        option: &'static str,
        values: impl IntoIterator<Item = impl ToString>,
    ) -> Self {
        let mut values = values.into_iter().map(|value| value.to_string()).peekable();
        if values.peek().is_some() {
            self.options.entry(option).or_default().extend(values);
        }
        self
    }

    /// The same with the option of this setting. What may be a secret is written nowhere.
    pub(super) fn choosing(mut self, choice: Choice, chosen: &Chosen) -> Self {
        let (row, words) = (choice.row(), chosen.words(choice));
        match &row.option {
            _ if words.is_empty() => self,
            _ if choice.is_secret() => {
                self.secrets.insert(row.name, words);
                self
            }
            Some(_) => self.with(row.name, words),
            None => {
                let pair = |word: &String| csv::line([format!("{}={word}", row.name)]);
                self.with(DRIVER_OPT, words.iter().map(pair))
            }
        }
    }

    /// The same with these forwards.
    pub(in crate::commands) fn forwarding(&self, forwards: &[Forward]) -> Self {
        let is_usual = forwards == [Forward::plain(REGISTRY_PORT)];
        let forwards = (!is_usual).then(|| forwards.iter().map(Asked::from).collect());
        Self { forwards, ..self.clone() }
    }

    /// Its options but for the forwards, by their names.
    pub(super) fn others(self) -> BTreeMap<&'static str, Vec<String>> {
        self.options
    }

    /// The command with these forwards, where there are any.
    pub(in crate::commands) fn command_with(&self, forwards: &[Forward]) -> String {
        if forwards.is_empty() { self.command() } else { self.forwarding(forwards).command() }
    }

    /// The whole command as it is typed into a shell.
    pub(in crate::commands) fn command(&self) -> String {
        format!("{} {}", super::START, self.options()).trim_end().to_owned()
    }

    /// The commands that make a backend anew, whatever it was made from. A mere `--recreate` leaves one alone
    /// that is as it was asked for.
    pub(in crate::commands) fn anew(&self) -> String {
        format!("'docker assemble backend stop' and then {}", self.afresh())
    }

    /// The command where no backend is left to have the rest from: what may be a secret has to be named again.
    pub(in crate::commands) fn afresh(&self) -> String {
        let named = |(name, values): (&&str, &Vec<String>)| {
            values.iter().map(|value| line(&option(name, value))).collect::<Vec<_>>()
        };
        let named: Vec<_> = self.secrets.iter().flat_map(named).collect();
        let command = self.command();
        if named.is_empty() {
            return format!("'{command}'");
        }
        format!("'{command}' (with {} as before, whose values are not shown)", named.join(" and "))
    }

    /// Its options as they are typed into a shell.
    pub(super) fn options(&self) -> String {
        let mut words = Vec::new();
        if let Some(forwards) = &self.forwards {
            let (ports, hosts) = lists(forwards);
            words.extend(option(PORTS, &ports));
            words.extend((!hosts.is_empty()).then(|| option(HOSTS, &hosts)).into_iter().flatten());
        }
        let others =
            self.options.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
        words.extend(others.flat_map(|(name, value)| option(name, value)));
        line(&words)
    }
}

fn option(name: &str, value: &str) -> Vec<String> {
    if value.starts_with('-') {
        // It might be taken for an option that asks for help.
        vec![format!("--{name}={value}")]
    } else {
        vec![format!("--{name}"), value.to_owned()]
    }
}

/// Words as they are typed into a shell.
pub(super) fn line(words: &[String]) -> String {
    let is_plain = |word: &str| {
        // Unlike shlex, which does not know what stands around a word, lists stay as they are.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+-./:@_,=".contains(&byte);
        !word.is_empty() && word.bytes().all(plain)
    };
    // Within these the shell changes nothing else; in a sentence the whole line has the others around it.
    let is_quotable = |word: &str| !word.is_empty() && !word.contains(['"', '$', '`', '\\', '!']);
    let quoted = |word: &String| {
        if is_plain(word) {
            word.clone()
        } else if is_quotable(word) {
            format!("\"{word}\"")
        } else {
            // A NUL, which alone cannot be written, is in no argument of a program.
            shlex::try_quote(word).unwrap_or_default().into_owned()
        }
    };
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// The start that these options ask for; `None` where they are not understood.
pub(super) fn read(line: &str) -> Option<Start> {
    let words = ["backend", "start"].map(str::to_owned).into_iter().chain(shlex::split(line)?);
    match parse(&words.collect::<Vec<_>>()) {
        Ok(Invocation::Run(Request { command: Command::OnEngine(OnEngine::Start(start), _), .. })) => {
            Some(*start)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::btree_map;
    use proptest::option::of;
    use proptest::prelude::*;
    use proptest::sample::subsequence;

    use super::*;
    use crate::desired::{Port, Ports, SETTINGS, Security, Setting, Settings, VolumeName};
    use crate::forward::asked::Destination;

    fn destination() -> impl Strategy<Value = Destination> {
        let host = prop_oneof!["[a-z][a-z0-9-]{0,8}(\\.[a-z]{1,8})?", Just("2001:db8::7".to_owned())]
            .prop_filter("means the relay itself", |name| name != "localhost");
        prop_oneof![Just(Destination::Gateway), Just(Destination::Loopback), host.prop_map(Destination::Host)]
    }

    fn forwards() -> impl Strategy<Value = Vec<Asked>> {
        // Far enough apart that no two of them have a port in common.
        let ports =
            |first: u16, more| Ports::new(Port::new(first).unwrap(), Port::new(first + more).unwrap());
        btree_map(1..200_u16, (destination(), 1..=65_000_u16, 0..3_u16), 0..9).prop_map(move |forwards| {
            let asked = |(place, (destination, outside, more))| Asked {
                ports: ports(place * 3, more).unwrap(),
                destination,
                outside: ports(outside, more).unwrap(),
            };
            forwards.into_iter().map(asked).collect()
        })
    }

    /// Settings that no two of exclude each other; of a secret no line tells.
    const CHOSEN: [(Choice, &str); 17] = [
        (Choice::AddHost, "b:2001:db8::8"),
        (Choice::AddHost, "a:192.0.2.7"),
        (Choice::Entitlements, "network.host"),
        (Choice::Entitlements, "security.insecure"),
        (Choice::Flags, "--debug --oci-worker-snapshotter='a b'"),
        (Choice::CgroupParent, "/a,\"b\" c"),
        (Choice::CpuPeriod, "100000"),
        (Choice::CpuQuota, "50000"),
        (Choice::CpuShares, "512"),
        (Choice::CpusetCpus, "0-2,4"),
        (Choice::CpusetMems, "0,1"),
        (Choice::Gpus, "\"device=0,1\",capabilities=utility"),
        (Choice::Memory, "2g"),
        (Choice::MemorySwap, "-1"),
        (Choice::Network, "builds"),
        (Choice::Restart, "on-failure:3"),
        (Choice::Restart, "always"),
    ];

    proptest! {
        #[test]
        fn a_line_asks_for_the_settings_that_it_was_made_of(some in subsequence(CHOSEN.to_vec(), 0..=17)) {
            let chosen: Chosen =
                some.iter().map(|(choice, text)| (*choice, choice.read(text).unwrap())).collect();
            let line = Choice::all().fold(StartLine::default(), |line, choice| line.choosing(choice, &chosen));
            let start = read(&line.options());
            prop_assert_eq!(start.map(|start| start.settings.chosen), Some(chosen), "{}", line.options());
        }

        #[test]
        fn a_line_asks_for_what_it_was_made_of(
            forwards in of(forwards()),
            image in of("[!-~]([ -~]{0,8}[!-~])?"),
            proxy_image in of("[!-~é]([ -~é]{0,8}[!-~])?"),
        ) {
            let line = StartLine { forwards: forwards.clone(), ..StartLine::default() };
            let line = line.with("image", image.as_ref()).with("proxy-image", proxy_image.as_ref());
            let start = read(&line.options()).unwrap();
            prop_assert_eq!(start.usual, forwards.is_none());
            prop_assert_eq!(start.forwards, forwards.unwrap_or_else(|| read("").unwrap().forwards));
            prop_assert_eq!(start.image.map(|image| image.0), image);
            prop_assert_eq!(start.proxy_image.map(|image| image.0), proxy_image);
        }
    }

    #[test]
    fn the_words_of_a_setting_are_those_of_its_option() {
        let volume = Some(VolumeName("v".to_owned()));
        let settings =
            Settings { security: Security::Restricted, cache_volume: volume, ..Settings::default() };
        for Setting { option, value, .. } in &SETTINGS {
            let word = value(&settings);
            assert!(word.is_some(), "nothing of --{option} is tried");
            let line = StartLine::default().with(option, word.as_ref());
            assert_eq!(value(&read(&line.options()).unwrap().settings), word, "--{option}");
        }
    }

    #[test]
    fn what_may_be_a_secret_is_told_where_it_would_be_lost() {
        let chosen = read("--env TOKEN=s3cret --env 'b=1 2' --label team=s3cret --memory 1g").unwrap();
        let chosen = chosen.settings.chosen;
        let all = Choice::all().fold(StartLine::default(), |line, choice| line.choosing(choice, &chosen));
        assert_eq!(all.command(), "docker assemble backend start --memory 1g");
        assert_eq!(
            all.anew(),
            "'docker assemble backend stop' and then 'docker assemble backend start --memory 1g' (with --env TOKEN \
             and --env b and --label team as before, whose values are not shown)"
        );
        assert_eq!(all.forwarding(&[]).afresh().matches("--env TOKEN").count(), 1);
        assert_eq!(StartLine::default().afresh(), "'docker assemble backend start'");
    }

    #[test]
    fn a_line_without_options_is_the_command_alone() {
        let usual = StartLine::default().forwarding(&[Forward::plain(REGISTRY_PORT)]);
        assert_eq!(usual.command(), "docker assemble backend start");
        assert_eq!(read("").map(|start| start.usual), Some(true));
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        let line = StartLine::default().with("image", Some("my image")).forwarding(&[]);
        assert_eq!(line.command(), "docker assemble backend start --allow-host-port 0 --image \"my image\"");
    }
}
