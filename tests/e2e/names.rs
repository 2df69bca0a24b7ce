//! Several backends of one login.

use crate::buildx::Client;
use crate::support::{Registry, docker};

/// The words behind `docker` of the first command that is advised.
fn advised(words: &str) -> Vec<&str> {
    words.split('\'').nth(1).expect("a command in quotes").split(' ').skip(1).collect()
}

#[test]
#[ignore = "needs a docker engine and buildx"]
fn two_backends_of_one_login_share_nothing() {
    let (client, registries) = (Client::new(), [Registry::start(), Registry::start()]);
    let (usual, ci) = (&client.0, client.0.beside("ci"));
    let ports = registries.each_ref().map(|registry| registry.port);
    let [first, second] = ports.map(|port| port.to_string());
    let backend = |args: &[&str]| client.run(&[&["assemble", "backend"], args].concat());
    let in_use = || {
        let list = client.run(&["buildx", "ls"]).ok().stdout;
        list.split_whitespace().find_map(|word| word.strip_suffix('*').map(str::to_owned))
    };

    let volume = backend(&["cache", "volume", "--name", "ci"]).ok().stdout;
    let volume = ci.volume(volume.trim_end().to_owned());
    backend(&["start", "--use", "--allow-host-port", &first]).ok();
    let started = backend(&["start", "--name", "ci", "--allow-host-port", &second]).ok();
    assert!(started.stdout.contains(&ci.name()), "{started:?}");
    assert_eq!((usual.forwarded(), ci.forwarded()), (vec![ports[0]], vec![ports[1]]));
    assert!(ci.volumes().contains(&volume) && !usual.volumes().contains(&volume), "{:?}", usual.volumes());
    assert_eq!(backend(&["ls", "-q"]).ok().stdout, "ci\ndefault\n");
    let rows = backend(&["ls", "--format", "{{.Name}} {{.State}} {{.Ports}} {{.CacheVolume}}"]).ok();
    assert!(rows.stdout.starts_with(&format!("ci running {second} {volume}\n")), "{rows:?}");
    assert!(rows.stdout.contains(&format!("default running {first} ")), "{rows:?}");
    let offered = client.run(&["__complete", "assemble", "backend", "stop", "--name", ""]).ok();
    assert!(offered.stdout.starts_with("ci\ndefault\n:"), "{offered:?}");

    // Each builds and pushes through its own forward, and has its own cache and no other's port.
    assert_eq!(in_use(), Some(usual.name()));
    client.push(&registries[0], "usual");
    backend(&["use", "--name", "ci"]).ok();
    assert_eq!(in_use(), Some(ci.name()));
    client.push(&registries[1], "named");
    usual.get(ports[1]).fails(1);
    let cached = |args: &[&str]| backend(&[&["cache", "usage", "--quiet"], args].concat()).ok().stdout;
    assert!(!cached(&[]).is_empty());
    assert!(cached(&[]).lines().all(|id| !cached(&["--name", "ci"]).contains(id)));

    // One is stopped, and its builder goes with it; the other one and its builder are as before.
    let id = usual.id();
    backend(&["stop", "--name", "ci"]).ok();
    assert_eq!((ci.containers(), usual.id()), (Vec::new(), id));
    assert_eq!(backend(&["ls", "-q"]).ok().stdout, "default\n");
    assert!(client.builder().is_some());
    backend(&["use"]).ok();
    client.push(&registries[0], "again");

    // What is advised for the one that is missing makes that one.
    let missing = backend(&["info", "--name", "ci"]).fails(1);
    client.run(&advised(missing.only_complaint())).ok();
    assert_eq!(backend(&["ls", "-q"]).ok().stdout, "ci\ndefault\n");
    assert!(ci.volumes().contains(&volume), "{:?}", ci.volumes());
}

#[test]
#[ignore = "needs a docker engine"]
fn a_bad_name_is_named_and_changes_nothing() {
    let client = Client::new();
    let bad = client.run(&["assemble", "backend", "start", "--name", "a/b"]).fails(125);
    assert!(bad.stderr.starts_with("invalid argument \"a/b\" for \"--name\" flag: must be "), "{bad:?}");
    let mut command = client.0.command(&["start"]);
    command.env("DOCKER_ASSEMBLE_NAME", "a/b");
    let bad = crate::support::run(&mut command).fails(125);
    let words = "invalid value \"a/b\" of \"DOCKER_ASSEMBLE_NAME\": must be ";
    assert!(bad.only_complaint().starts_with(words), "{bad:?}");
    let label = format!("label=io.github.docker-assemble.owner={}", client.0.user);
    assert_eq!(docker(&["ps", "--all", "--quiet", "--filter", &label]).ok().stdout, "");
    assert_eq!(client.0.containers(), [""; 0]);
}
