//! `backend info` held against its documented layout, line by line.

use regex::Regex;

use crate::support::{Backend, Image, Registry, docker, free_port, inspect};

/// Lines still to be read.
struct Lines<'a> {
    all: &'a str,
    rest: std::iter::Peekable<std::str::Lines<'a>>,
}

impl<'a> Lines<'a> {
    fn of(all: &'a str) -> Self {
        Self { all, rest: all.lines().peekable() }
    }

    /// The next line, which has to match the whole of `pattern`.
    #[track_caller]
    fn one(&mut self, pattern: &str) {
        let next = self.rest.next();
        let fits = next.is_some_and(|line| whole(pattern).is_match(line));
        assert!(fits, "{next:?} is not /{pattern}/ in:\n{}", self.all);
    }

    /// One line or more that match.
    #[track_caller]
    fn some(&mut self, pattern: &str) -> Vec<&'a str> {
        let regex = whole(pattern);
        let mut found = Vec::new();
        while let Some(line) = self.rest.next_if(|line| regex.is_match(line)) {
            found.push(line);
        }
        assert!(!found.is_empty(), "{:?} is not /{pattern}/ in:\n{}", self.rest.peek(), self.all);
        found
    }

    #[track_caller]
    fn end(mut self) {
        assert_eq!(self.rest.next(), None, "more than expected in:\n{}", self.all);
        assert!(self.all.ends_with('\n') && !self.all.ends_with("\n\n"), "{:?}", self.all);
    }
}

fn whole(pattern: &str) -> Regex {
    Regex::new(&format!("^(?:{pattern})$")).unwrap()
}

const SIZE: &str = r"\d+(\.\d+)?([kMGT]B|B)";

/// From the workers on: the same whatever is forwarded.
#[track_caller]
fn workers_and_cache(mut lines: Lines<'_>, id: &str) {
    lines.one(r"Found 1 worker\(s\):");
    lines.one("");
    lines.one(" - [0-9a-z]{25}");
    lines.one("   Platforms:");
    let platforms = lines.some(r"    - linux/[0-9a-z]+(/[0-9a-z]+)?");
    assert!(platforms.contains(&format!("    - linux/{}", host_arch()).as_str()), "{platforms:?}");
    lines.one("   Labels:");
    let labels = lines.some(r"    - [a-z][0-9A-Za-z.-]*: \S.*");
    let prefix = "    - org.mobyproject.buildkit.worker";
    for expected in
        ["executor: oci".to_owned(), format!("hostname: {}", &id[..12]), "snapshotter: ".to_owned()]
    {
        let line = format!("{prefix}.{expected}");
        assert!(labels.iter().any(|label| label.starts_with(&line)), "{line} is not in {labels:?}");
    }
    assert!(labels.iter().any(|label| label.starts_with("    - com.docker.assemble.commit: ")), "{labels:?}");
    assert!(labels.is_sorted(), "{labels:?}");
    lines.one("");
    lines.one("Builds in flight: none");
    lines.one(&format!(r"Build cache contains \d+ entries, total size {SIZE} \({SIZE} currently in use\)"));
    lines.end();
}

fn host_arch() -> String {
    docker(&["version", "--format", "{{.Server.Arch}}"]).ok().stdout.trim().to_owned()
}

#[test]
#[ignore = "needs a docker engine"]
fn the_layout_is_the_documented_one() {
    let backend = Backend::new();
    let mut ports = [free_port(), free_port()];
    ports.sort_unstable();
    backend.start(&ports);
    let id = backend.id();

    let info = backend.run(&["info"]).ok();
    assert_eq!(info.stderr, "");
    let mut lines = Lines::of(&info.stdout);
    lines.one(&format!(r"ID: {id} \(running\)"));
    lines.one(r"Image: \S+");
    lines.one("");
    lines.one("Sidecar containers:");
    for port in ports {
        lines.one(&format!(r" - [0-9a-f]{{12}} {} \(running\)", regex::escape(&backend.sidecar(port))));
        lines.one(&format!("   Target gateway:{port}: refused: nothing listens on port {port} of this host"));
        lines.one("   What helps: start the service; .*");
        lines.one("   Connections: 0 open, 0 in all; 0B up, 0B down");
    }
    lines.one("");
    workers_and_cache(lines, &id);
}

#[test]
#[ignore = "needs a docker engine"]
fn without_forwards_it_says_so() {
    let backend = Backend::new();
    backend.start(&[]);
    let (id, info) = (backend.id(), backend.run(&["info"]).ok());
    let mut lines = Lines::of(&info.stdout);
    lines.one(&format!(r"ID: {id} \(running\)"));
    lines.one(r"Image: \S+");
    lines.one("");
    lines.one("Sidecar containers: none, no port of the host is forwarded");
    lines.one("");
    workers_and_cache(lines, &id);
}

#[test]
#[ignore = "needs a docker engine"]
fn ids_are_all_that_is_printed_on_demand() {
    let (backend, port) = (Backend::new(), free_port());
    backend.start(&[port]);
    let whole = backend.run(&["info", "--quiet", "--no-trunc"]).ok();
    let sidecar = inspect(&backend.sidecar(port))["Id"].as_str().unwrap().to_owned();
    assert_eq!(whole.stdout, format!("{}\n{sidecar}\n", backend.id()));
    let short = backend.run(&["info", "-q"]).ok();
    assert_eq!(short.stdout, format!("{}\n{}\n", &backend.id()[..12], &sidecar[..12]));
}

#[test]
#[ignore = "needs a docker engine"]
fn an_image_from_a_registry_is_pulled_and_named_by_its_digest() {
    let (backend, registry) = (Backend::new(), Registry::start());
    let image = registry.image("backend:1");
    backend.keep(Image(image.clone()));
    docker(&["tag", &crate::support::backend_image(), &image]).ok();
    docker(&["push", "--quiet", &image]).ok();
    docker(&["image", "rm", &image]).ok();

    let start = backend.run(&["start", "--allow-host-port", "0", "--image", &image]).ok();
    let short = &backend.id()[..12];
    let mut lines = Lines::of(&start.stdout);
    lines.one(&format!("Pulling image {image}@sha256:[0-9a-f]{{64}}: Success"));
    lines.one(&format!("Started container \"{}\" \\({short}\\)", backend.name()));
    lines.end();

    let info = backend.run(&["info"]).ok();
    let mut lines = Lines::of(&info.stdout);
    lines.one(".*");
    lines.one(&format!("Image: {}@sha256:[0-9a-f]{{64}}", registry.image("backend")));
}

#[test]
#[ignore = "needs a docker engine"]
fn without_a_backend_there_is_one_line_and_status_1() {
    let backend = Backend::new();
    for args in
        [&["info"][..], &["info", "-q"], &["logs"], &["logs", "x"], &["cache", "usage"], &["cache", "purge"]]
    {
        let refusal = backend.run(args).fails(1);
        assert!(refusal.only_complaint().contains(&backend.name()), "{refusal:?}");
        assert!(refusal.only_complaint().contains("docker assemble backend start"), "{refusal:?}");
    }
}
