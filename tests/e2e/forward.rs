//! What the forwarded ports are good for: builds that reach the host's registry.

use crate::support::{Backend, Context, Image, PATIENCE, Registry, docker, eventually, free_port};

/// An image whose build reads from the registry, and which says what it read when it is run.
pub(crate) fn reader_of(port: u16) -> Context {
    Context::new(&format!(
        "FROM scratch\n\
         ADD busybox.tar /\n\
         RUN wget -q -O /front http://localhost:{port}/v2/ && echo read $(cat /front) >/said\n\
         CMD [\"cat\", \"/said\"]\n"
    ))
}

/// An image that needs nothing of the network to be built.
fn hello() -> Context {
    Context::new("FROM scratch\nADD busybox.tar /\nCMD [\"echo\", \"hello\"]\n")
}

#[test]
#[ignore = "needs a docker engine"]
fn without_the_forward_a_push_to_the_hosts_registry_is_refused() {
    let (backend, registry) = (Backend::new(), Registry::start());
    backend.start(&[]);

    let push = backend.push(&hello(), &registry.image("hello")).fails(1);
    assert!(push.stderr.contains("connection refused"), "{push:?}");
    assert!(!registry.catalog().contains("hello"));

    let run = backend.build(&reader_of(registry.port)).fails(1);
    assert!(run.stderr.contains("Connection refused"), "{run:?}");
}

#[test]
#[ignore = "needs a docker engine"]
fn with_the_forward_a_build_reads_pushes_and_is_run_from_the_hosts_registry() {
    let (backend, registry) = (Backend::new(), Registry::start());
    backend.start(&[registry.port]);

    let image = registry.image("reader:1");
    backend.keep(Image(image.clone()));
    backend.push(&reader_of(registry.port), &image).ok();
    assert!(registry.catalog().contains("reader"), "{}", registry.catalog());

    docker(&["pull", &image]).ok();
    let run = docker(&["run", "--rm", "--network", "none", &image]).ok();
    assert_eq!(run.stdout, "read {}\n");

    // FROM takes the same way.
    let from = Context::new(&format!("FROM {}\nRUN cat /said >/again\n", image));
    backend.build(&from).ok();
}

#[test]
#[ignore = "needs a docker engine"]
fn a_large_layer_arrives_whole() {
    let (backend, registry) = (Backend::new(), Registry::start());
    backend.start(&[registry.port]);
    let image = registry.image("large:1");
    backend.keep(Image(image.clone()));
    // Random, so that it is as large on its way as it is in the image.
    let context = Context::new(
        "FROM scratch\nADD busybox.tar /\n\
         RUN head -c 40000000 /dev/urandom >/noise && sha256sum /noise >/sum\n\
         CMD [\"sha256sum\", \"-c\", \"/sum\"]\n",
    );
    backend.push(&context, &image).ok();

    docker(&["pull", "--quiet", &image]).ok();
    assert_eq!(docker(&["run", "--rm", "--network", "none", &image]).ok().stdout, "/noise: OK\n");
    // The way back: the builder has to fetch what it does not have any more.
    backend.run(&["cache", "purge", "--all", "--force"]).ok();
    backend.build(&Context::new(&format!("FROM {image}\nRUN sha256sum -c /sum\n"))).ok();
}

#[test]
#[ignore = "needs a docker engine"]
fn two_ports_are_two_registries() {
    let (backend, one, two) = (Backend::new(), Registry::start(), Registry::start());
    let (a, b) = (one.port.to_string(), two.port.to_string());
    let list = format!("{a},{b}");
    // A list, the option repeated, and ports named more than once.
    backend
        .run(&["start", "--allow-host-port", &list, "--allow-host-port", &a, "--allow-host-port", &b])
        .ok();
    let mut ports = vec![one.port, two.port];
    ports.sort_unstable();
    assert_eq!(backend.forwarded(), ports);

    backend.push(&hello(), &one.image("first")).ok();
    backend.push(&hello(), &two.image("second")).ok();
    assert!(one.catalog().contains("first") && !one.catalog().contains("second"));
    assert!(two.catalog().contains("second") && !two.catalog().contains("first"));
}

#[test]
#[ignore = "needs a docker engine"]
fn a_port_without_a_service_refuses_until_the_service_comes() {
    let (backend, port) = (Backend::new(), free_port());
    backend.start(&[port]);

    // A tidy end would say that a server was there and had nothing to tell.
    let get = backend.get(port).fails(1);
    let is_refusal =
        ["Connection reset by peer", "Connection refused"].iter().any(|words| get.stderr.contains(words));
    assert!(is_refusal, "{get:?}");

    let registry = Registry::start_on(port);
    assert_eq!(
        eventually("the service is reached", PATIENCE, || {
            let get = backend.get(registry.port);
            (get.code == Some(0)).then_some(get.stdout)
        }),
        "{}"
    );
}

#[test]
#[ignore = "needs a docker engine"]
fn the_registrys_port_is_forwarded_unless_another_wish_is_told() {
    let backend = Backend::new();
    backend.run(&["start"]).ok();
    assert_eq!(backend.forwarded(), [5000]);
    backend.run(&["start", "--allow-host-port", "0"]).ok();
    assert_eq!(backend.forwarded(), [0; 0]);
    // A sidecar without any privilege serves a privileged port as well.
    backend.run(&["start", "--allow-host-port", "80"]).ok();
    assert_eq!(backend.forwarded(), [80]);
}

#[test]
#[ignore = "needs a docker engine"]
fn ports_that_are_none_are_refused_in_dockers_words() {
    let backend = Backend::new();
    for (words, named) in [
        (&["0,5000"][..], "\"0,5000\""),
        (&["5000", "0"], "\"5000,0\""),
        (&["65536"], "\"65536\""),
        (&["abc"], "\"abc\""),
        (&["5000,"], "\"5000,\""),
        (&["-1"], "\"-1\""),
        (&[""], "\"\""),
    ] {
        let options = words.iter().flat_map(|word| ["--allow-host-port", word]);
        let args: Vec<_> = std::iter::once("start").chain(options).collect();
        let refusal = backend.run(&args).fails(125);
        let lines: Vec<_> = refusal.stderr.lines().collect();
        let [first, "", usage, "", more] = lines[..] else { panic!("{refusal:?}") };
        let start = format!("invalid argument {named} for \"--allow-host-port\" flag: ");
        assert!(first.starts_with(&start), "{refusal:?}");
        assert_eq!(usage, "Usage:  docker assemble backend start [OPTIONS]");
        assert_eq!(more, "Run 'docker assemble backend start --help' for more information");
        assert_eq!(refusal.stdout, "");
    }
    assert_eq!(backend.containers(), [""; 0]);
}
