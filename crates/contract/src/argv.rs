//! The words of the sidecar's command line that the plugin knows, and the command lines it makes of them.
//!
//! The sidecar declares its options by the same constants, and a test of its own reads back what the
//! functions here write.

use std::net::IpAddr;

use crate::{AllowList, Mapping, Ports, PortsSpec, TargetSpec, image};

/// The verb that ends with status 0 if a relay, or a dialer, serves.
pub const HEALTH: &str = "health";

/// The verb that prints a relay's [`Status`](crate::Status).
pub const STATUS: &str = "status";

/// The verb that runs a dialer.
pub const DIAL: &str = "dial";

/// The value of [`FORMAT`] for one JSON object in a line.
pub const JSON: &str = "json";

/// An option of the sidecar's command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag(&'static str);

impl Flag {
    /// As it is written, with its two dashes.
    #[must_use]
    pub const fn written(self) -> &'static str {
        self.0
    }

    /// Its name alone, as it is declared.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0.split_at(2).1
    }
}

/// The ports that a relay listens on, a [`PortsSpec`]; whoever asks it names the same.
pub const PORT: Flag = Flag("--port");
/// Its target, a [`TargetSpec`].
pub const TO: Flag = Flag("--to");
/// The address that serves while nobody knows the target's name.
pub const FALLBACK: Flag = Flag("--fallback");
/// The path of the socket of the dialer that a relay asks.
pub const DIALER: Flag = Flag("--dialer");
/// The name of the unix socket by which a relay knows the owner of its network namespace.
pub const OWNER_SOCKET: Flag = Flag("--owner-socket");
/// The path at which a dialer listens.
pub const SOCKET: Flag = Flag("--socket");
/// The ports that a dialer dials, an [`AllowList`].
pub const ALLOW: Flag = Flag("--allow");
/// Has `status` try to connect to the target.
pub const PROBE: Flag = Flag("--probe");
/// Has `status` ask a target that accepts what it speaks; behind an equals sign an [`AllowList`] of the ports
/// of a range for which it does.
pub const SPEAK: Flag = Flag("--speak");
/// How `status` prints.
pub const FORMAT: Flag = Flag("--format");

/// Environment variables that stand for options which are not given. The health check of the image has
/// fixed arguments, and finds here whom to ask.
pub mod env {
    /// For [`PORT`](super::PORT).
    pub const PORT: &str = "ASSEMBLE_PROXY_PORT";
    /// For [`SOCKET`](super::SOCKET).
    pub const SOCKET: &str = "ASSEMBLE_PROXY_SOCKET";
}

/// The arguments that start a relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relay<'a> {
    /// The ports it listens on, and those of the target where `to` has none and they are others.
    pub ports: PortsSpec,
    /// Where it forwards to.
    pub to: TargetSpec,
    /// The address to use while nobody knows the name in `to`; only for a target that has one.
    pub fallback: Option<IpAddr>,
    /// The dialer's socket; for the loopback of another namespace, and only for that.
    pub dialer: Option<&'a str>,
    /// The name of the unix socket on which the owner of its network namespace listens, where the
    /// namespace ends with that one.
    pub owner_socket: Option<&'a str>,
}

impl Relay<'_> {
    /// Those for a mapping that needs nothing else.
    #[must_use]
    pub fn of(mapping: &Mapping) -> Self {
        Self { ports: mapping.spec(), to: mapping.to(), fallback: None, dialer: None, owner_socket: None }
    }

    /// The words.
    #[must_use]
    pub fn args(&self) -> Vec<String> {
        let mut args = relay_to(self.ports, &self.to.to_string());
        let mut option = |flag: Flag, value: String| args.extend([flag.written().to_owned(), value]);
        if let Some(addr) = self.fallback {
            option(FALLBACK, addr.to_string());
        }
        if let Some(path) = self.dialer {
            option(DIALER, path.to_owned());
        }
        if let Some(name) = self.owner_socket {
            option(OWNER_SOCKET, name.to_owned());
        }
        args
    }
}

/// The arguments that start a relay whose target somebody else fills in, as a cluster does with
/// `$(HOST_IP)`: `to` becomes a [`TargetSpec`] by then.
#[must_use]
pub fn relay_to(ports: PortsSpec, to: &str) -> Vec<String> {
    [PORT.written(), &ports.to_string(), TO.written(), to].map(str::to_owned).to_vec()
}

/// The arguments that start a dialer.
#[must_use]
pub fn dial(socket: &str, allow: &AllowList) -> Vec<String> {
    let allow = allow.to_string();
    [DIAL, SOCKET.written(), socket, ALLOW.written(), &allow].map(str::to_owned).to_vec()
}

/// Whose health is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probed<'a> {
    /// The relay of exactly these ports.
    Relay(Ports),
    /// The dialer at a path.
    Dialer(&'a str),
}

/// The status with which [`health`] ends for a relay that is there and does not answer.
pub const HANGS: u8 = 3;

/// The command that ends with status 0 if it serves, to be run in its container.
#[must_use]
pub fn health(of: Probed<'_>) -> Vec<String> {
    let (flag, value) = match of {
        Probed::Relay(ports) => (PORT, ports.to_string()),
        Probed::Dialer(path) => (SOCKET, path.to_owned()),
    };
    [image::PROGRAM, HEALTH, flag.written(), &value].map(str::to_owned).to_vec()
}

/// What to ask of a relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Its counters.
    Counters,
    /// Whether its target accepts, too.
    Target,
    /// What the target speaks, too, to whoever comes by these ports.
    Protocol(AllowList),
}

/// The command that prints the [`Status`](crate::Status) of the relay of exactly these ports in one line of
/// JSON, to be run in its container.
#[must_use]
pub fn status(ports: Ports, question: &Question) -> Vec<String> {
    let named = ports.to_string();
    let fixed = [image::PROGRAM, STATUS, PORT.written(), &named, FORMAT.written(), JSON];
    let probe = PROBE.written().to_owned();
    let asked = match question {
        Question::Counters => vec![],
        Question::Target => vec![probe],
        // As every version knows it.
        Question::Protocol(_) if ports.is_one() => vec![probe, SPEAK.written().to_owned()],
        Question::Protocol(spoken) => vec![probe, format!("{}={spoken}", SPEAK.written())],
    };
    fixed.map(str::to_owned).into_iter().chain(asked).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Port;

    #[test]
    fn command_lines_have_these_words() {
        let port = Port::new(5000).unwrap();
        let ports = PortsSpec::from(port);
        let relay = |to: &str, fallback, dialer| {
            let to = to.parse().unwrap();
            Relay { ports, to, fallback, dialer, owner_socket: None }.args().join(" ")
        };
        let owned = Relay {
            ports,
            to: "gateway".parse().unwrap(),
            fallback: None,
            dialer: None,
            owner_socket: Some("d.sock"),
        };
        assert_eq!(owned.args().join(" "), "--port 5000 --to gateway --owner-socket d.sock");
        assert_eq!(relay("gateway", None, None), "--port 5000 --to gateway");
        let fallback = "192.0.2.7".parse().ok();
        assert_eq!(relay("db:1", fallback, None), "--port 5000 --to db:1 --fallback 192.0.2.7");
        assert_eq!(
            relay("loopback", None, Some(image::DIALER_SOCKET)),
            "--port 5000 --to loopback --dialer /run/assemble/dial.sock"
        );
        let allow = [port, Port::new(7000).unwrap()].into_iter().collect();
        assert_eq!(
            dial(image::DIALER_SOCKET, &allow).join(" "),
            "dial --socket /run/assemble/dial.sock --allow 5000,7000"
        );
        assert_eq!(health(Probed::Relay(port.into())).join(" "), "/assemble-proxy health --port 5000");
        assert_eq!(health(Probed::Dialer("/d")).join(" "), "/assemble-proxy health --socket /d");
        assert_eq!(
            status(port.into(), &Question::Protocol(allow)).join(" "),
            "/assemble-proxy status --port 5000 --format json --probe --speak"
        );
    }

    #[test]
    fn a_range_has_the_ports_of_its_target_beside_its_own() {
        let range: Ports = "8000-8099".parse().unwrap();
        for (target, words) in [
            ("gateway:8000", "--port 8000-8099 --to gateway"),
            ("db:9000", "--port 8000-8099:9000-9099 --to db"),
        ] {
            let mapping = Mapping::new(range, target.parse().unwrap()).unwrap();
            assert_eq!(Relay::of(&mapping).args().join(" "), words);
        }
        assert_eq!(health(Probed::Relay(range)).join(" "), "/assemble-proxy health --port 8000-8099");
        assert_eq!(
            status(range, &Question::Counters).join(" "),
            "/assemble-proxy status --port 8000-8099 --format json"
        );
        assert_eq!(
            status(range, &Question::Protocol("8003,8005-8007".parse().unwrap())).join(" "),
            "/assemble-proxy status --port 8000-8099 --format json --probe --speak=8003,8005-8007"
        );
    }
}
