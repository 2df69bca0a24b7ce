use assemble_contract::argv::{Probed, Question, Relay};
use assemble_contract::{Port, Ports, compatibility, image};

use super::*;

fn parsed(words: Vec<String>) -> Cli {
    Cli::try_parse_from(std::iter::once(image::NAME.to_owned()).chain(words)).unwrap()
}

/// The words behind the program that a command of the plugin runs in a container.
fn asked(command: Vec<String>) -> Verb {
    assert_eq!(command[0], image::PROGRAM);
    parsed(command[1..].to_vec()).verb.unwrap()
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
        let cli = parsed(Relay { ports, to: to.clone(), fallback, dialer, owner_socket }.args());
        let config = cli.config(64).unwrap().unwrap();
        assert_eq!((config.mapping, config.fallback), (ports.to(to).unwrap(), fallback));
        assert_eq!(config.dialer.as_deref(), dialer.map(std::path::Path::new));
        assert_eq!(config.owner_socket.as_deref(), owner_socket);
    }
}

#[test]
fn the_plugins_dialer_is_started_as_it_means_it() {
    let allow: AllowList = "5000,7000".parse().unwrap();
    let Some(Verb::Dial(dial)) = parsed(argv::dial(image::DIALER_SOCKET, &allow)).verb else { panic!() };
    let config = dial.config();
    assert_eq!((config.socket, config.allow), (image::DIALER_SOCKET.into(), allow));
}

#[test]
fn the_plugins_questions_are_understood() {
    let ports = Ports::new(Port::new(8000).unwrap(), Port::new(8099).unwrap()).unwrap();
    let Verb::Health(of) = asked(argv::health(Probed::Relay(ports))) else { panic!() };
    assert_eq!((of.port.map(PortsSpec::ports), of.socket), (Some(ports), None));
    let Verb::Health(of) = asked(argv::health(Probed::Dialer(image::DIALER_SOCKET))) else { panic!() };
    assert_eq!(of.socket, Some(image::DIALER_SOCKET.into()));
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
