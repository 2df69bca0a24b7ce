//! The proxies of docker's configuration, as a daemon in a network of its own needs them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use docker_plugin::authority::Authority;

use crate::desired::Port;

/// What is reached without a proxy whatever the configuration says: the forwarded ports.
const OWN: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// The variables, `NAME=value`, with the forwarded ports among what no proxy is asked for.
#[must_use]
pub fn environment(proxies: &[String]) -> Vec<String> {
    if proxies.is_empty() {
        return Vec::new();
    }
    let is_exception = |variable: &&String| name(variable).eq_ignore_ascii_case("no_proxy");
    let mut variables: Vec<_> = proxies.iter().filter(|variable| !is_exception(variable)).cloned().collect();
    let exceptions = proxies.iter().find(is_exception).map(|variable| value(variable)).unwrap_or_default();
    let mut hosts: Vec<_> = exceptions.split(',').map(str::trim).filter(|host| !host.is_empty()).collect();
    if !hosts.contains(&"*") {
        let missing: Vec<_> = OWN.into_iter().filter(|own| !hosts.contains(own)).collect();
        hosts.extend(missing);
    }
    let hosts = hosts.join(",");
    variables.extend(["NO_PROXY", "no_proxy"].map(|name| format!("{name}={hosts}")));
    variables
}

/// The proxies that are on the daemon's own localhost, where nothing but forwards is, by port.
#[must_use]
pub fn on_localhost(proxies: &[String]) -> BTreeMap<Port, String> {
    let is_proxy = |variable: &&String| !name(variable).eq_ignore_ascii_case("no_proxy");
    proxies.iter().filter(is_proxy).filter_map(|variable| localhost(value(variable))).collect()
}

fn name(variable: &str) -> &str {
    variable.split_once('=').map_or(variable, |(name, _)| name)
}

fn value(variable: &str) -> &str {
    variable.split_once('=').map_or("", |(_, value)| value)
}

/// The port of a proxy such as `http://user:password@localhost:3128/`, and its name without what
/// nobody else has to see; `None` for one elsewhere.
fn localhost(url: &str) -> Option<(Port, String)> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let authority = rest.split(['/', '?', '#']).next()?;
    let authority: Authority = authority.parse().ok()?;
    let host = &authority.host;
    let port = Port::new(authority.port.unwrap_or(if scheme == "https" { 443 } else { 80 }))?;
    let is_own = host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|addr| addr.to_canonical().is_loopback());
    is_own.then(|| (port, Authority { port: Some(port.get()), ..authority }.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forwarded_ports_need_no_proxy() {
        let of = |variables: &[&str]| {
            environment(&variables.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(of(&[]), [""; 0]);
        let own = "localhost,127.0.0.1,::1";
        assert_eq!(
            of(&["HTTP_PROXY=http://p:1"]),
            ["HTTP_PROXY=http://p:1".to_owned(), format!("NO_PROXY={own}"), format!("no_proxy={own}")]
        );
        let more = of(&["http_proxy=p:1", "NO_PROXY=a, localhost", "no_proxy=a, localhost"]);
        assert_eq!(more[1..], ["NO_PROXY=a,localhost,127.0.0.1,::1", "no_proxy=a,localhost,127.0.0.1,::1"]);
        assert_eq!(of(&["HTTP_PROXY=p:1", "NO_PROXY=*"])[1], "NO_PROXY=*");
    }

    #[test]
    fn proxies_on_localhost_are_told_from_others() {
        for (url, want) in [
            ("http://localhost:3128", Some((3128, "localhost:3128"))),
            ("http://me:pw@LOCALHOST:3128/", Some((3128, "LOCALHOST:3128"))),
            ("127.0.0.2:8080", Some((8080, "127.0.0.2:8080"))),
            ("https://[::1]/x", Some((443, "[::1]:443"))),
            ("http://localhost", Some((80, "localhost:80"))),
            ("http://proxy.example:3128", None),
            ("http://localhost.example:3128", None),
            ("http://localhost:x", None),
            ("", None),
        ] {
            let found = on_localhost(&[format!("HTTP_PROXY={url}")]);
            let found = found.iter().next().map(|(port, name)| (port.get(), name.as_str()));
            assert_eq!(found, want, "{url}");
        }
        assert!(on_localhost(&["NO_PROXY=localhost:1".to_owned()]).is_empty());
    }
}
