//! What the sidecar's program says to whoever runs it, to the byte, and its errors as `docs/errors.md`
//! explains them.

#[path = "../support/catalogue.rs"]
mod catalogue;

#[path = "../support/transcript.rs"]
#[expect(dead_code, reason = "the plugin's has headings")]
mod transcript;

use std::process::Command;

use assemble_contract::answer::AnswerError;
use assemble_contract::mapping::MappingError;
use assemble_contract::port::PortError;
use assemble_contract::ports::PortsError;
use assemble_contract::target::TargetError;
use assemble_proxy::config::SecondsError;
use assemble_proxy::connect::ConnectError;
use assemble_proxy::dialer::{DialServerError, DialerError, Malformed, Refusal};
use assemble_proxy::exporter::{ExporterError, MetricsAddrError};
use assemble_proxy::health::HealthError;
use assemble_proxy::resolve::Unresolved;
use assemble_proxy::resolve::exchange::OtherAnswer;
use assemble_proxy::server::ServerError;
use assemble_proxy::sys::{Impostor, ListenerError, PassedError, SandboxError};
use assemble_proxy::upstream::{DialError, UpstreamError};
use assemble_proxy::warning::Warning;
use transcript::{Transcript, words};

/// A session of these command lines, all of which end by themselves.
fn session(name: &str, lines: &[&str]) {
    let mut told = Transcript::default();
    for line in lines {
        let output = Command::new(env!("CARGO_BIN_EXE_assemble-proxy"))
            .args(words(line))
            .env_clear()
            .output()
            .unwrap();
        told.add_output(&format!("assemble-proxy {line}"), &output);
    }
    told.compare_with(name);
}

#[test]
fn help() {
    session(
        "sidecar/help.txt",
        &[
            "--help",
            "-h",
            "health --help",
            "status --help",
            "dial --help",
            "dial -h",
            "help status",
            "help nope",
        ],
    );
}

#[test]
fn usage_errors() {
    session(
        "sidecar/usage.txt",
        &[
            "",
            "nope",
            "--nope",
            "--port",
            "--port 0",
            "--port 65536",
            "--port x",
            "--port 1 health",
            "--port 1 --to ''",
            "--port 1 --to a/b",
            "--port 1 --to gateway:0",
            "--port 1 --to [::1",
            "--port 1 --fallback db",
            "--port 1 --connect-timeout -1",
            "--port 1 --connect-timeout=-1",
            "--port 1 --grace 86401",
            "--port 1 --idle-timeout x",
            "--port 1 --max-connections 0",
            "--port 1 --threads 0",
            "--port 1 --metrics nonsense",
            "--port 1 --engine fast",
            "--port 1 --congestion-control fast",
            "--port 1 --log-format loud",
            "--port 1 --port 2",
            "--port 2-1",
            "--port 1-4097",
            "--port 1-2:3-5",
            "--port 1:2 --to gateway:3",
            "--port 1-2 --to gateway:3",
            "health --port 1-2-3",
            "health",
            "health --port 0",
            "status",
            "status --port 1 --speak",
            "status --port 1 --format xml",
            "status --port 1 --timeout x",
            "dial",
            "dial --socket s",
            "dial --socket s --allow 0",
            "dial --socket s --allow 2-1",
            "dial --socket s --allow ''",
            "dial --socket s --allow 1 --peer-uid ann",
        ],
    );
}

#[test]
fn what_cannot_be_done() {
    session(
        "sidecar/errors.txt",
        &[
            "--port 1 --to loopback",
            "--port 1 --to 192.0.2.1 --dialer /nonexistent/d",
            "--port 1 --to 127.0.0.1",
            "--port 1 --to localhost",
            "--port 1-2 --to 127.0.0.1",
            "--port 1-2:2-3 --to 127.0.0.1",
            "--port 1 --to [::1]:1",
            "--port 1 --to 192.0.2.1 --fallback 192.0.2.2",
            "health --port 1",
            "health --port 1-2",
            "health --socket /nonexistent/d",
            "status --port 1",
            "status --port 1-2",
            "dial --socket /nonexistent/d --allow 1",
        ],
    );
}

#[test]
fn every_error_is_explained() {
    let types = explained![
        PortsError,
        AnswerError,
        ConnectError,
        DialError,
        DialerError,
        ExporterError,
        HealthError,
        DialServerError,
        Impostor,
        ListenerError,
        PassedError,
        Malformed,
        MappingError,
        MetricsAddrError,
        OtherAnswer,
        PortError,
        Refusal,
        SandboxError,
        SecondsError,
        ServerError,
        TargetError,
        UpstreamError,
        Unresolved,
        Warning,
    ];
    catalogue::print("assemble-proxy", &["crates/contract/src", "sidecar/src"], types);
}
