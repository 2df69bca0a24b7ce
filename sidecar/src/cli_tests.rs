use assemble_contract::argv::Question;
use assemble_contract::{Port, Ports, compatibility, image};

use super::*;

fn parsed(words: Vec<String>) -> Task {
    Cli::try_parse_from(std::iter::once(image::NAME.to_owned()).chain(words)).unwrap().task
}

/// The words behind the program that a command of the plugin runs in a container.
fn asked(command: Vec<String>) -> Verb {
    assert_eq!(command[0], image::PROGRAM);
    let Task::Verb(verb) = parsed(command[1..].to_vec()) else { panic!() };
    verb
}

#[test]
fn the_plugins_relays_are_started_as_it_means_them() {
    let fallback = Some([192, 0, 2, 7].into());
    for (ports, to, fallback, dialer) in [
        ("5000", "gateway", None, None),
        ("5000", "gateway:80", None, None),
        ("5000", "[2001:db8::7]:80", None, None),
        ("5000", "db.internal:5432", fallback, None),
        ("5000", "loopback:6000", None, Some(image::DIALER_SOCKET)),
        ("8000-8099", "gateway", None, None),
        ("8000-8099:9000-9099", "2001:db8::7", None, None),
    ] {
        let (ports, to): (PortsSpec, TargetSpec) = (ports.parse().unwrap(), to.parse().unwrap());
        let owner_socket = dialer.map(|_| "buildkitd.sock");
        let relay = argv::Relay { ports, to: to.clone(), fallback, dialer, owner_socket };
        let Task::Relay(relay) = parsed(relay.args()) else { panic!() };
        let config = relay.config(64).unwrap();
        assert_eq!((config.mapping, config.fallback), (ports.to(to).unwrap(), fallback));
        assert_eq!(config.dialer.as_deref(), dialer.map(std::path::Path::new));
        assert_eq!(config.owner_socket.as_deref(), owner_socket);
    }
}

#[test]
fn the_plugins_dialer_is_started_as_it_means_it() {
    let allow: AllowList = "5000,7000".parse().unwrap();
    let dial = parsed(argv::dial(image::DIALER_SOCKET, &allow));
    let Task::Verb(Verb::Dial(dial)) = dial else { panic!() };
    let config = dial.config();
    assert_eq!((config.socket, config.allow), (image::DIALER_SOCKET.into(), allow));
}

#[test]
fn the_plugins_questions_are_understood() {
    let ports = Ports::new(Port::new(8000).unwrap(), Port::new(8099).unwrap()).unwrap();
    let Verb::Health(Probed::Relay(of)) = asked(argv::health(argv::Probed::Relay(ports))) else { panic!() };
    assert_eq!(of.ports(), ports);
    let dialer = argv::Probed::Dialer(image::DIALER_SOCKET);
    let Verb::Health(Probed::Dialer(path)) = asked(argv::health(dialer)) else { panic!() };
    assert_eq!(path, PathBuf::from(image::DIALER_SOCKET));
    let some: AllowList = "8003,8005-8007".parse().unwrap();
    for (ports, question, probe, speak) in [
        (ports, Question::Counters, false, None),
        (ports, Question::Target, true, None),
        (ports, Question::Protocol(some.clone()), true, Some(Some(some.clone()))),
        (ports.first().into(), Question::Protocol(some), true, Some(None)),
    ] {
        let Verb::Status(of) = asked(argv::status(ports, &question)) else { panic!() };
        assert_eq!((of.port.ports(), of.probe, of.speak), (ports, probe, speak));
        assert_eq!(of.format, StatusFormat::Json);
    }
}

/// By this status the plugin knows a sidecar that is older than what it asks.
#[test]
fn words_that_are_not_known_are_wrong_usage() {
    for words in [vec!["news"], vec![argv::STATUS, "--port", "1", "--news"]] {
        let refused = Cli::try_parse_from([&[image::NAME], &words[..]].concat()).unwrap_err();
        assert_eq!(i64::from(refused.exit_code()), compatibility::USAGE);
    }
}
