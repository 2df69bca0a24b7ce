//! Which engine is meant, in docker's order.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use docker_plugin::endpoint::{Named, resolve};
use docker_plugin::globals::Globals;

/// A configuration directory with the contexts `one` and `two`, and `current` in use.
struct Home(PathBuf);

impl Home {
    fn new(name: &str, current: &str) -> Self {
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let config = home.join(".docker");
        // SHA-256 of "one" and "two".
        let ids = [
            ("one", "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"),
            ("two", "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3"),
        ];
        for (context, id) in ids {
            let directory = config.join("contexts/meta").join(id);
            std::fs::create_dir_all(&directory).unwrap();
            let meta = format!(
                r#"{{"Name":"{context}","Metadata":{{}},"Endpoints":{{"docker":{{"Host":"unix:///{context}.sock","SkipTLSVerify":false}}}}}}"#
            );
            std::fs::write(directory.join("meta.json"), meta).unwrap();
        }
        let text = format!(
            r#"{{"currentContext":"{current}","HttpHeaders":{{"X-A":"b"}},"pruneFilters":["until=24h"],"other":[1]}}"#
        );
        std::fs::write(config.join("config.json"), text).unwrap();
        Self(home)
    }

    fn host(&self, globals: &Globals, vars: &[(&str, &str)]) -> Result<String, String> {
        let vars: BTreeMap<&str, &str> = vars.iter().copied().collect();
        resolve(globals, &vars, Some(&self.0))
            .map(|resolved| resolved.endpoint.host)
            .map_err(|error| error.to_string())
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn ok(host: &str) -> Result<String, String> {
    Ok(host.to_owned())
}

#[test]
fn the_order_is_dockers() {
    let home = Home::new("order", "one");
    let none = Globals::default();
    let context = Globals { context: Some("two".to_owned()), ..Globals::default() };
    let host = Globals { host: Some("tcp://h:1".to_owned()), ..Globals::default() };
    let all = [("DOCKER_HOST", "tcp://e:1"), ("DOCKER_CONTEXT", "two")];
    assert_eq!(home.host(&context, &all), ok("unix:///two.sock"));
    assert_eq!(home.host(&host, &all), ok("tcp://h:1"));
    assert_eq!(home.host(&none, &all), ok("tcp://e:1"));
    assert_eq!(home.host(&none, &all[1..]), ok("unix:///two.sock"));
    assert_eq!(home.host(&none, &[]), ok("unix:///one.sock"));
    assert_eq!(home.host(&none, &[("DOCKER_HOST", "")]), ok("unix:///one.sock"), "empty counts as absent");
}

#[test]
fn how_an_engine_was_named_tells_what_leads_there_later() {
    let home = Home::new("named", "one");
    let named = |globals: &Globals, vars: &[(&str, &str)]| {
        let vars: BTreeMap<&str, &str> = vars.iter().copied().collect();
        resolve(globals, &vars, Some(&home.0)).unwrap().named
    };
    let context = |name: &str| Named::Context(name.to_owned());
    let by_context = |name: &str| Globals { context: Some(name.to_owned()), ..Globals::default() };
    let by_host = |host: &str| Globals { host: Some(host.to_owned()), ..Globals::default() };
    let variable = [("DOCKER_HOST", "tcp://e:1")];
    assert_eq!(named(&by_context("two"), &variable), context("two"));
    assert_eq!(named(&by_context("default"), &[]), context("default"));
    assert_eq!(named(&Globals::default(), &[]), context("one"));
    assert_eq!(named(&Globals::default(), &variable), Named::Environment);
    // A host leads to what has it, in whatever words.
    assert_eq!(named(&by_host("unix:///two.sock"), &[]), context("two"));
    assert_eq!(named(&by_host("e:1"), &variable), Named::Environment);
    assert_eq!(named(&by_host("unix:///var/run/docker.sock"), &[]), context("default"));
    assert_eq!(named(&by_host("tcp://h:1"), &variable), Named::Host);
}

#[test]
fn the_default_context_is_the_local_engine() {
    let home = Home::new("default", "default");
    assert_eq!(home.host(&Globals::default(), &[]), ok("unix:///var/run/docker.sock"));
    let vars = [("DOCKER_CONTEXT", "default"), ("DOCKER_HOST", "tcp://e:1")];
    assert_eq!(home.host(&Globals::default(), &vars), ok("tcp://e:1"));
}

#[test]
fn contradictions_and_missing_contexts_are_errors() {
    let home = Home::new("errors", "default");
    let both = Globals { host: Some("x".to_owned()), context: Some("y".to_owned()), ..Globals::default() };
    assert!(home.host(&both, &[]).unwrap_err().contains("both --host and --context"));
    let missing = home.host(&Globals::default(), &[("DOCKER_CONTEXT", "none")]).unwrap_err();
    assert!(missing.contains("\"none\"") && missing.contains("docker context ls"), "{missing}");
}

#[test]
fn the_rest_of_the_configuration_is_read_too() {
    let home = Home::new("rest", "default");
    let vars = BTreeMap::from([
        ("DOCKER_CUSTOM_HEADERS", "X-C=d,X-E=f=g"),
        ("DOCKER_API_VERSION", "1.41"),
        ("DOCKER_HOST", "tcp://h"),
        ("DOCKER_TLS_VERIFY", "1"),
    ]);
    let resolved = resolve(&Globals::default(), &vars, Some(&home.0)).unwrap();
    let headers: Vec<_> = resolved.endpoint.headers.iter().map(|(n, v)| format!("{n}={v}")).collect();
    assert_eq!(headers, ["X-A=b", "X-C=d", "X-E=f=g"]);
    assert_eq!(resolved.endpoint.api_version.as_deref(), Some("1.41"));
    assert_eq!(resolved.endpoint.host, "tcp://h:2376");
    assert!(resolved.endpoint.tls.is_some_and(|tls| !tls.skip_verify));
    assert!(resolved.warning.is_none());
    assert_eq!(resolved.prune_filters, ["until=24h"]);
}

#[test]
fn whoever_speaks_of_verification_wants_tls() {
    let home = Home::new("tls", "default");
    let tls = |globals: Globals, vars: &[(&str, &str)]| {
        let vars: BTreeMap<&str, &str> = vars.iter().copied().collect();
        let endpoint = resolve(&globals, &vars, Some(&home.0)).unwrap().endpoint;
        (endpoint.host, endpoint.tls.map(|tls| tls.skip_verify))
    };
    let host = || Globals { host: Some("h".to_owned()), ..Globals::default() };
    let verify = |on| Globals { tls_verify: Some(on), ..host() };
    let (plain, dressed) = ("tcp://h:2375".to_owned(), "tcp://h:2376".to_owned());
    let verified = [("DOCKER_TLS_VERIFY", "1")];
    assert_eq!(tls(host(), &[]), (plain.clone(), None));
    assert_eq!(tls(host(), &[("DOCKER_TLS_VERIFY", "")]), (plain, None));
    assert_eq!(tls(host(), &verified), (dressed.clone(), Some(false)));
    assert_eq!(tls(verify(true), &[]), (dressed.clone(), Some(false)));
    assert_eq!(tls(verify(false), &[]), (dressed.clone(), Some(true)));
    assert_eq!(tls(verify(false), &verified), (dressed.clone(), Some(true)));
    assert_eq!(tls(host(), &[("DOCKER_TLS", "1")]), (dressed.clone(), Some(true)));
    assert_eq!(tls(Globals { tls: Some(true), ..host() }, &[]), (dressed, Some(true)));
    // A file needs none.
    let socket = Globals { host: Some("unix:///x.sock".to_owned()), ..verify(true) };
    assert_eq!(tls(socket, &verified), ("unix:///x.sock".to_owned(), None));
}

#[test]
fn headers_that_are_no_pairs_are_an_error() {
    let home = Home::new("headers", "default");
    let error = home.host(&Globals::default(), &[("DOCKER_CUSTOM_HEADERS", "X-A")]).unwrap_err();
    assert_eq!(error, "cannot use DOCKER_CUSTOM_HEADERS: \"=\" is missing in \"X-A\"");
}

#[test]
fn a_broken_file_is_passed_over_with_a_word() {
    let home = Home::new("broken", "one");
    std::fs::write(home.0.join(".docker/config.json"), "{").unwrap();
    let resolved = resolve(&Globals::default(), &BTreeMap::new(), Some(&home.0)).unwrap();
    assert_eq!(resolved.endpoint.host, "unix:///var/run/docker.sock");
    assert!(resolved.warning.unwrap().to_string().contains("config.json"));
}

#[test]
fn proxies_are_those_of_the_engine_or_the_default_ones() {
    let home = Home::new("proxies", "default");
    let text = r#"{"proxies":{"default":{"httpProxy":"http://p:1","noProxy":"a,b"},"tcp://h:1":{"httpsProxy":"q"}}}"#;
    std::fs::write(home.0.join(".docker/config.json"), text).unwrap();
    let proxies = |host: &str| {
        let vars = BTreeMap::from([("DOCKER_HOST", host)]);
        resolve(&Globals::default(), &vars, Some(&home.0)).unwrap().proxies
    };
    let default = ["HTTP_PROXY=http://p:1", "http_proxy=http://p:1", "NO_PROXY=a,b", "no_proxy=a,b"];
    assert_eq!(proxies("unix:///x.sock"), default);
    assert_eq!(proxies("tcp://h:1"), ["HTTPS_PROXY=q", "https_proxy=q"]);
}
