//! What the engine or the way to it said, sorted into [`EngineError`].

use std::error::Error as StdError;
use std::io;

use bollard::errors::Error as BollardError;
use http::StatusCode;

use super::{AnswerError, EngineError, Operation, page};

/// The status given to an error that came inside a stream whose head had said 200.
const STREAM_STATUS: u16 = 500;

/// The status given to an answer after which the connection is no other than before (RFC 9110, 15.5.22).
pub(super) const UPGRADE_REQUIRED: u16 = 426;

/// Verbs under which the engine or its runtime can refuse privileges.
pub(super) const CREATE: &str = "create container";
/// The verb for images that are sent.
pub(crate) const LOAD: &str = "load image";
/// The verb for images from registries.
pub(crate) const PULL: &str = "pull image";
/// See [`CREATE`]: most runtimes notice only here.
pub(super) const START: &str = "start container";
/// The verb for settings of a container that runs.
pub(super) const UPDATE: &str = "change the settings of container";

/// Sorts a failure of `operation` on the engine at `endpoint`; `by_program` when a program leads
/// there.
pub(super) fn explain(
    endpoint: &str,
    by_program: bool,
    operation: Operation,
    error: BollardError,
) -> EngineError {
    match error {
        BollardError::DockerResponseServerError { status_code, message } => {
            refusal(endpoint, operation, status_code, &message)
        }
        BollardError::DockerStreamError { error } => refusal(endpoint, operation, STREAM_STATUS, &error),
        // hyper blames its user for waiting for an upgrade where there is none.
        BollardError::HyperResponseError { err } if err.is_user() => {
            let message = AnswerError::NoUpgrade.to_string();
            EngineError::Refused { operation, status: UPGRADE_REQUIRED, message }
        }
        BollardError::HyperLegacyError { err } if err.is_connect() => unreachable(endpoint, root_cause(&err)),
        BollardError::JsonDataError { message, .. } => {
            EngineError::Broken { operation, source: AnswerError::Nonsense { message }.into() }
        }
        other => {
            let cause = root_cause(&other);
            // In TLS 1.3 the other side judges the client's certificate after the connection has
            // come about; and a program such as ssh has failed when nothing at all came back.
            let is_contact = cause.to_string().starts_with("received fatal alert: ")
                || (by_program && matches!(other, BollardError::HyperLegacyError { .. }));
            if is_contact {
                unreachable(endpoint, cause)
            } else {
                EngineError::Broken { operation, source: cause }
            }
        }
    }
}

fn unreachable(endpoint: &str, source: Box<dyn StdError + Send + Sync>) -> EngineError {
    EngineError::Unreachable { endpoint: endpoint.to_owned(), source }
}

/// The innermost error of a chain, whose outer links repeat its words. An I/O error keeps its
/// kind, which hints are made from.
pub(super) fn root_cause(error: &(dyn StdError + 'static)) -> Box<dyn StdError + Send + Sync> {
    let mut root = error;
    while let Some(source) = root.source() {
        root = source;
    }
    match root.downcast_ref::<io::Error>() {
        Some(io) => Box::new(io::Error::new(io.kind(), io.to_string())),
        None => root.to_string().into(),
    }
}

/// What the engine refuses with this status and these words.
pub(super) fn refusal(endpoint: &str, operation: Operation, status: u16, message: &str) -> EngineError {
    let page = page::words(message);
    let mut message = one_line(message);
    if page.is_some() || message.is_empty() {
        // Not what the engine does, but many a proxy in front of one.
        let code = StatusCode::from_u16(status).ok();
        let reason = code.and_then(|code| code.canonical_reason()).unwrap_or("unknown").to_lowercase();
        let endpoint = endpoint.to_owned();
        let answer = match page.filter(|page| !page.is_empty()) {
            Some(page) => AnswerError::Page { endpoint, status, reason, page },
            None => AnswerError::NoReason { endpoint, status, reason },
        };
        message = answer.to_string();
    }
    if status == 400 && message.contains("HTTP request to an HTTPS server") {
        return unreachable(endpoint, AnswerError::WantsTls.into());
    }
    let may_lack_privileges = operation.verb == CREATE || operation.verb == START;
    if may_lack_privileges && refuses_privileges(status, &message) {
        return EngineError::PrivilegesRefused { operation, message };
    }
    // Podman's words for one that does not run.
    if message.ends_with("container state improper") {
        return EngineError::Conflict { operation, message };
    }
    match status {
        404 => EngineError::NotFound { operation, message },
        409 => EngineError::Conflict { operation, message },
        _ => EngineError::Refused { operation, status, message },
    }
}

/// Whether these words at creation or start of a container mean that it asked for more than the
/// engine may give. A name that is taken or an image that is missing never does.
fn refuses_privileges(status: u16, message: &str) -> bool {
    /// Words that mean it whatever else is said.
    const CLEAR: [&str; 7] = [
        // runc, when the engine's own bounding set lacks a capability
        "unable to apply caps",
        "unable to set capabilities",
        // moby with --userns-remap
        "privileged mode is incompatible with user namespaces",
        // the kernel's EPERM by way of any runtime
        "operation not permitted",
        // authorization plugins
        "authorization denied by plugin",
        // policy proxies in front of an engine
        "privileged mode is not allowed",
        "privileged containers are not allowed",
    ];
    /// What a runtime was touching when EACCES means privileges; a program that merely is not
    /// executable gives EACCES too.
    const TOUCHED: [&str; 8] =
        ["cgroup", "/dev/", "/sys/", "/proc", "mount", "apparmor", "seccomp", "sysctl"];

    if matches!(status, 404 | 409) {
        return false;
    }
    let message = message.to_lowercase();
    status == 403
        || CLEAR.iter().any(|words| message.contains(words))
        || (message.contains("permission denied")
            && !message.contains("exec: \"")
            && TOUCHED.iter().any(|thing| message.contains(thing)))
}

/// The engine's words on one line, since some runtimes add their own log to them.
fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(verb: &'static str, status: u16, message: &str) -> &'static str {
        let operation = Operation { verb, object: "x".into() };
        match refusal("unix:///e", operation, status, message) {
            EngineError::Unreachable { .. } => "unreachable",
            EngineError::NotFound { .. } => "not found",
            EngineError::Conflict { .. } => "conflict",
            EngineError::PrivilegesRefused { .. } => "privileges",
            EngineError::Refused { .. } => "refused",
            EngineError::Timeout { .. } | EngineError::Broken { .. } => "other",
        }
    }

    #[test]
    fn refused_privileges_are_told_apart() {
        for (status, words) in [
            (500, "OCI runtime create failed: unable to apply caps: operation not permitted: unknown"),
            (
                400,
                "privileged mode is incompatible with user namespaces.  You must run the container in the host namespace when running privileged mode",
            ),
            (403, "authorization denied by plugin opa: no privileged"),
            (500, "error mounting \"cgroup\": mount /sys/fs/cgroup: permission denied"),
            (500, "open /dev/fuse: permission denied"),
            (403, "<html>forbidden</html>"),
        ] {
            assert_eq!(kind(START, status, words), "privileges", "{words}");
            assert_eq!(kind(CREATE, status, words), "privileges", "{words}");
        }
    }

    #[test]
    fn other_failures_of_a_start_are_not_about_privileges() {
        let exec = "runc create failed: exec: \"/mount.sh\": permission denied";
        assert_eq!(kind(START, 400, exec), "refused");
        assert_eq!(kind(START, 404, "No such container: x"), "not found");
        assert_eq!(kind(CREATE, 409, "Conflict. operation not permitted"), "conflict");
        let state = "can only create exec sessions on running containers: container state improper";
        assert_eq!(kind("run a command in container", 500, state), "conflict");
        assert_eq!(kind("pull image", 500, "operation not permitted"), "refused");
        assert_eq!(kind("list containers", 403, "forbidden"), "refused");
    }

    #[test]
    fn a_tls_port_is_named() {
        assert_eq!(kind(CREATE, 400, "Client sent an HTTP request to an HTTPS server.\n"), "unreachable");
    }

    #[test]
    fn words_fit_one_line() {
        assert_eq!(one_line("a\n  b\r\n"), "a b");
    }
}
