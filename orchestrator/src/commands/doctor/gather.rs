//! Finds out facts for the checks. Each has a deadline, and one that cannot be had is a fact too.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use assemble_contract::argv::Question;
use docker_plugin::output::causes;
use tokio::time::timeout;

use super::checks::network::network;
use super::facts::{Daemon, Facts, NoDialer, Unanswered};
use super::measure::{confined, conntrack, measure};
use crate::buildkit::{BuildkitError, Client};
use crate::commands::builder::Registered;
use crate::commands::health;
use crate::commands::leftovers::left_behind;
use crate::commands::silence::{Silence, late};
use crate::commands::start::{START, StartLine, again, proxies_in_vain};
use crate::commands::{damage, namespaces, observe};
use crate::desired::{Choice, Ports, REGISTRY_PORT, UserName};
use crate::dialer;
use crate::engine::{Engine, EngineError, USUAL};
use crate::forward::Forward;
use crate::forward::asked::{Asked, Known};
use crate::health::{Place, plain};
use crate::observed::{Container, HostDialer, Observed, Sidecar, State};

/// Whom to look at.
pub struct Doctor<'a, E> {
    /// The engine, or why it cannot even be asked.
    pub engine: Result<&'a E, String>,
    /// Whose backend.
    pub user: Option<&'a UserName>,
    /// What buildx has of the backend.
    pub builder: Registered,
    /// Variables with the proxies of docker's configuration.
    pub proxies: Vec<String>,
    /// The user's directory for sockets, where one is named.
    pub runtime: Option<PathBuf>,
}

impl<E: Engine> Doctor<'_, E> {
    pub(super) async fn gather(self, asked: Vec<Asked>, limit: Option<Duration>) -> Facts {
        let mut facts = Facts {
            endpoint: String::new(),
            engine: Err(Unanswered::Error { error: String::new() }),
            backend: None,
            lost_files: false,
            damage: None,
            daemon: None,
            forwards: Vec::new(),
            missing: Vec::new(),
            dialer: None,
            host_dialer: None,
            no_dialer: None,
            left_behind: None,
            proxies_in_vain: None,
            builder: None,
            start: START.to_owned(),
            anew: StartLine::default().anew(),
            named: !asked.is_empty(),
            unforwarded: Vec::new(),
            elsewhere: Vec::new(),
            more: String::new(),
            confinement: None,
            disk: None,
            network: None,
            isolated: false,
            conntrack: None,
        };
        let engine = match self.engine {
            Ok(engine) => engine,
            Err(error) => {
                facts.engine = Err(Unanswered::Error { error });
                return facts;
            }
        };
        engine.endpoint().clone_into(&mut facts.endpoint);
        // For each of three steps, one after another.
        let limit = limit.unwrap_or(USUAL).saturating_add(engine.slack());
        let found = timeout(limit, engine.facts()).await;
        let found = found.unwrap_or_else(|_| Err(late(engine, "ask for the engine's facts", "", limit)));
        facts.engine = found.map_err(Unanswered::from);
        let (Ok(known), Some(user)) = (&facts.engine, self.user) else { return facts };
        // Whether the gateway's address is this machine's has not been looked at.
        if facts.endpoint.starts_with("unix:") && health::place(known, false) == Place::Elsewhere {
            facts.conntrack = conntrack();
        }
        let silence = Silence::new(engine, user, limit);
        let unanswered = |asked, help| Unanswered::Late { asked, limit, help };
        let mut observed = match timeout(limit, observe::with_note(engine, user)).await {
            Ok(Ok(observed)) => observed,
            Ok(Err(error)) => {
                facts.backend = Some(Err(error.into()));
                return facts;
            }
            Err(_) => {
                let is_silent = silence.is_there().await;
                let twice = (2 * limit).as_secs();
                let help = format!("'docker assemble backend doctor --timeout {twice}s' waits longer");
                let slow = unanswered("look at the backend", help);
                facts.backend = Some(Err(if is_silent { silence.error().into() } else { slow }));
                return facts;
            }
        };
        let found = timeout(limit, namespaces::find(engine, &observed)).await;
        if found.as_ref().map_or(true, |found| found.late) && silence.is_there().await {
            facts.backend = Some(Err(silence.error().into()));
            return facts;
        }
        observed.tell_beside(found.unwrap_or_default().beside);
        let again = again(&observed, user);
        (facts.start, facts.anew) = (again.command(), again.anew());
        let anew = facts.anew.clone();
        if health::place(known, false) == Place::Rootless {
            let place = dialer::place(user, &facts.endpoint, &known.name, self.runtime.as_deref());
            let start = format!("{START} --allow-host-port PORT@loopback");
            facts.no_dialer =
                place.err().map(|why| NoDialer { why, help: why.hint(&facts.endpoint, &start) });
        }
        let start_with = |forwards: &[Forward]| again.command_with(forwards);
        facts.left_behind = left_behind(&observed);
        facts.builder = (self.builder != Registered::No).then(|| (user.backend(), self.builder));
        if observed.backend.is_some() {
            facts.missing = observed.missing();
            facts.proxies_in_vain = proxies_in_vain(&self.proxies, &observed.wanted(), &again);
            facts.dialer.clone_from(&observed.dialer);
            facts.host_dialer = observed.asked_dialer().map(Option::<&HostDialer>::cloned);
        }
        let unforwarded = unforwarded(&asked, &observed);
        facts.more = more(&unforwarded, &observed, &again);
        facts.unforwarded = unforwarded.iter().map(|asked| asked.ports).collect();
        facts.elsewhere = elsewhere(&asked, &observed);
        facts.lost_files = observed.has_lost_files();
        if let Some(backend) = &observed.backend {
            let named = backend.settings.chosen.words(Choice::Network);
            if let Some(name) = named.first() {
                match timeout(limit, engine.networks()).await {
                    Ok(Ok(known)) => facts.network = network(name, &known, &facts.start),
                    Err(_) | Ok(Err(EngineError::Timeout { .. })) if silence.is_there().await => {
                        facts.backend = Some(Err(silence.error().into()));
                        return facts;
                    }
                    _ => {}
                }
            }
            let question = |sidecar: &Sidecar| question(sidecar.ports, &asked);
            let wanted = (&observed, &start_with as &_, anew.as_str());
            let examining = health::examine(&silence, Some(known), backend, wanted, question);
            if backend.state == State::Running {
                let asking = async {
                    match timeout(limit, ask(engine, backend, limit)).await {
                        Ok(Ok(daemon)) => Ok(daemon),
                        Err(_)
                        | Ok(Err(
                            BuildkitError::Timeout { .. }
                            | BuildkitError::Engine(EngineError::Timeout { .. }),
                        )) => Err(unanswered(
                            "ask buildkit for its workers",
                            "'docker assemble backend logs' tells more".to_owned(),
                        )),
                        Ok(Err(BuildkitError::Engine(error))) => Err(error.into()),
                        Ok(Err(error)) => Err(Unanswered::Error { error: plain(&causes(&error)) }),
                    }
                };
                let measuring = timeout(limit, measure(engine, backend));
                let looking = timeout(limit, confined(engine, backend));
                let finding = health::is_isolated(engine, backend, limit);
                let (forwards, daemon, disk, confinement, isolated) =
                    tokio::join!(examining, asking, measuring, looking, finding);
                facts.isolated = isolated;
                facts.forwards = forwards;
                facts.daemon = Some(daemon);
                facts.disk = disk.ok().flatten();
                facts.confinement = confinement.ok().flatten();
            } else {
                facts.forwards = examining.await;
            }
            // One that ends at every start may run at this moment.
            let ends = backend.state != State::Paused && !matches!(facts.daemon, Some(Ok(_)));
            let is_late = matches!(facts.daemon, Some(Err(Unanswered::Late { .. })));
            if is_late && silence.is_there().await {
                facts.daemon = Some(Err(silence.error().into()));
            } else if ends && !silence.is_known() {
                let damage = timeout(limit, damage::find(engine, backend)).await.ok().flatten();
                facts.damage = damage.map(|damage| Unanswered::Damaged { damage, afresh: again.afresh() });
            }
        }
        facts.backend = Some(Ok(observed.backend));
        facts
    }
}

/// What to ask the sidecar of these ports: services are spoken to only where a port was named, or is the usual
/// one of a registry.
fn question(ports: Ports, asked: &[Asked]) -> Question {
    let usual = [REGISTRY_PORT.into()];
    let named = asked.iter().map(|asked| asked.ports).chain(usual.into_iter().filter(|_| asked.is_empty()));
    let spoken: Vec<Ports> = named.filter_map(|named| named.common(ports)).collect();
    if spoken.is_empty() { Question::Target } else { Question::Protocol(spoken.into_iter().collect()) }
}

/// What of this is not forwarded, wherever it leads.
fn unforwarded(asked: &[Asked], observed: &Observed) -> Vec<Asked> {
    let noted = observed.wanted().into_iter().map(|forward| forward.ports);
    let known: Vec<Ports> = noted.chain(observed.sidecars.iter().map(|sidecar| sidecar.ports)).collect();
    let of_one = |asked: &Asked| -> Vec<Asked> {
        let rest = known.iter().fold(vec![asked.ports], |rest, known| {
            rest.into_iter().flat_map(|ports| ports.without(*known)).collect()
        });
        rest.into_iter().filter_map(|ports| asked.part(ports)).collect()
    };
    asked.iter().flat_map(of_one).collect()
}

/// What of this is forwarded to another place than was asked. A number alone means what is there.
fn elsewhere(asked: &[Asked], observed: &Observed) -> Vec<(Forward, Asked)> {
    let there = observed.wanted();
    let of_one = |asked: &Asked| {
        let both = |forward: &Forward| {
            let ports = asked.ports.common(forward.ports)?;
            let (has, asked) = (forward.part(ports)?, asked.part(ports)?);
            (Asked::from(&has) != asked).then_some((has, asked))
        };
        there.iter().filter_map(both).collect::<Vec<_>>()
    };
    asked.iter().filter(|asked| !asked.is_plain()).flat_map(of_one).collect()
}

/// The start that forwards these too.
fn more(unforwarded: &[Asked], observed: &Observed, again: &StartLine) -> String {
    // The command is printed with the name alone.
    let named = |_: &str| Some(Known::Fixed(Ipv4Addr::UNSPECIFIED.into()));
    let mut forwards = observed.wanted();
    forwards.extend(unforwarded.iter().filter_map(|asked| asked.with(named)));
    forwards.sort();
    again.forwarding(&forwards).command()
}

async fn ask<E: Engine>(engine: &E, backend: &Container, limit: Duration) -> crate::buildkit::Result<Daemon> {
    let client = Client::connect(engine, &backend.id).await?.within(Some(limit));
    let workers = client.workers().await?;
    let version = client.version().await?.map(|version| version.version).filter(|text| !text.is_empty());
    Ok(Daemon { version, workers })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forward::{asked, merge, word};

    fn asked(words: &str) -> Vec<Asked> {
        let words = if words.is_empty() { Vec::new() } else { asked::some(words).unwrap() };
        merge(Some(&words), &[], false).unwrap()
    }

    #[test]
    fn only_services_that_were_named_are_spoken_to() {
        for (ports, named, spoken) in [
            ("5000", "", Some("5000")),
            ("8003", "", None),
            ("8003", "8003", Some("8003")),
            ("5000", "8003", None),
            ("8000-8099", "", None),
            ("8000-8099", "8003,8090-8109", Some("8003,8090-8099")),
            ("5000-5009", "", Some("5000")),
        ] {
            let spoken = spoken.map(|spoken| Question::Protocol(spoken.parse().unwrap()));
            let wanted = spoken.unwrap_or(Question::Target);
            assert_eq!(question(ports.parse().unwrap(), &asked(named)), wanted, "{ports} {named:?}");
        }
    }

    #[test]
    fn the_start_that_forwards_more_ports_keeps_the_others() {
        let noted =
            Some(["5000", "7000-7009"].map(|ports| Forward::plain(ports.parse::<Ports>().unwrap())).to_vec());
        let observed = Observed { noted, ..Observed::default() };
        let more = |words: &str| {
            let rest = unforwarded(&asked(words), &observed);
            let ports: Vec<_> = rest.iter().map(|asked| asked.ports.to_string()).collect();
            (ports.join(","), more(&rest, &observed, &StartLine::default()))
        };
        assert_eq!(more("7003,5000").0, "");
        let led = |words: &str| {
            let there = elsewhere(&asked(words), &observed);
            let told = there.iter().map(|(has, asked)| format!("{} not {}", has.leads_to(), word(asked)));
            told.collect::<Vec<_>>()
        };
        assert_eq!(led("5000,7003,80=db:81,7001:7001"), [""; 0]);
        assert_eq!(led("5000=1.2.3.4:5"), ["port 5000 of the host not 5000=1.2.3.4:5"]);
        let range = ["ports 7005-7009 of the host not 7005-7009:8005-8009"];
        assert_eq!(led("7005-7014:8005-8014"), range);
        let (ports, start) = more("6000,7005-7014:8005-8014,80=db:81");
        assert_eq!(ports, "80,6000,7010-7014");
        assert_eq!(
            start,
            "docker assemble backend start \
             --allow-host-port 5000,6000,7000-7009,7010-7014:8010-8014 --forward 80=db:81"
        );
    }
}
