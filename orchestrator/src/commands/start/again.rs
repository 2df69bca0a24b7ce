//! The starts that others tell of.

use crate::desired::HostPort;
use crate::forward::{self, Forward, Target};
use crate::observed::Observed;
use crate::spec::proxies::on_localhost;

/// The command that helps where there is no backend.
pub(in crate::commands) const START: &str = "docker assemble backend start";

/// The same for a backend that has sidecars already: a start without options would forward the
/// usual port in place of theirs.
pub(in crate::commands) fn start_command(observed: &Observed) -> String {
    let forwards = observed.wanted();
    // Without any, only the backend's note tells whether none was wanted.
    let known = !forwards.is_empty() || observed.noted.is_some();
    let options = if known { forward::options(&forwards) } else { String::new() };
    if options.is_empty() { START.to_owned() } else { format!("{START} {options}") }
}

/// Which proxies are on the builds' own localhost without a forward there, and the start that makes
/// one beside these.
pub(in crate::commands) fn proxies_in_vain(
    proxies: &[String],
    forwards: &[Forward],
) -> Option<(String, String)> {
    let is_forwarded = |port: &HostPort| forwards.iter().any(|forward| forward.port == *port);
    let mut vain = on_localhost(proxies);
    vain.retain(|port, _| !is_forwarded(port));
    let names: Vec<_> = vain.values().map(|name| format!("\"{name}\"")).collect();
    let more = vain.keys().map(|port| Forward { port: *port, target: Target::Loopback { port: *port } });
    let mut all: Vec<_> = forwards.iter().cloned().chain(more).collect();
    all.sort();
    let told = format!(
        "proxy {} of the docker configuration is localhost of the backend itself",
        names.join(" and ")
    );
    (!names.is_empty()).then(|| (told, format!("{START} {}", forward::options(&all))))
}
