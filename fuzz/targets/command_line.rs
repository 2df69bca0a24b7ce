//! The whole command line: whatever is typed gives settings that make sense, or a refusal.

#![no_main]

// The binary's own file: a binary has no library part to import it from.
#[path = "../../sidecar/src/cli.rs"]
mod cli;

use std::time::Duration;

use assemble_contract::limits::PORTS;
use clap::Parser;
use cli::{Cli, Probed, Task, Verb};
use libfuzzer_sys::fuzz_target;

const DAY: Duration = Duration::from_secs(86_400);

fuzz_target!(|input: (u16, &str)| {
    let (descriptors, line) = input;
    let words = std::iter::once("assemble-proxy").chain(line.split(' '));
    let Ok(cli) = Cli::try_parse_from(words) else { return };
    let _ = cli.log_format;
    let relay = match cli.task {
        Task::Verb(Verb::Health(Probed::Relay(port))) => return assert_ne!(port.ports().count(), 0),
        Task::Verb(Verb::Health(Probed::Dialer(path))) => return drop(path),
        Task::Verb(Verb::Status(of)) => {
            assert!(of.timeout <= DAY && (of.probe || of.speak.is_none()));
            let _ = (of.port, of.format);
            return;
        }
        Task::Verb(Verb::Dial(of)) => {
            let config = of.config();
            assert!(config.allow.ports().next().is_some(), "a dialer that may dial nothing");
            assert!(config.connect_timeout <= DAY);
            assert_eq!(of.no_sandbox, line.split(' ').any(|word| word == "--no-sandbox"));
            return;
        }
        Task::Relay(relay) => relay,
    };
    let _ = relay.metrics();
    let Ok(config) = relay.config(descriptors.into()) else { return };
    let (ports, outside) = (config.mapping.ports(), config.mapping.outside());
    assert!(ports.count() == outside.count() && ports.count() <= PORTS);
    assert!(!config.any_port);
    assert_ne!(config.max_connections, 0);
    assert!(config.connect_timeout <= DAY && config.grace <= DAY);
    assert!(config.idle_timeout.is_none_or(|limit| limit <= DAY));
    assert_eq!(relay.sandbox(), !line.split(' ').any(|word| word == "--no-sandbox"));
});
