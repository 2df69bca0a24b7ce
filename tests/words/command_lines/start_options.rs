//! The options of a start: what they mean, and what is said when they mean nothing.

use docker_assemble::commands::OnEngine;
use docker_assemble::commands::start::Start;
use docker_assemble::desired::{ImageRef, PullPolicy, Security, Settings, VolumeName};
use docker_plugin::exit::Exit;
use docker_plugin::output::Progress;

use super::on_engine;
use crate::words::refused;

fn start(line: &str) -> Start {
    match on_engine(&format!("assemble backend start {line}")) {
        OnEngine::Start(start) => *start,
        other => panic!("{line}: {other:?}"),
    }
}

fn ports(line: &str) -> Vec<u16> {
    start(line).forwards.iter().map(|asked| asked.ports.first().get()).collect()
}

#[test]
fn ports_are_merged_and_zero_means_none() {
    assert_eq!(ports(""), [5000]);
    assert_eq!(ports("--allow-host-port 6000"), [6000]);
    assert_eq!(
        ports("--allow-host-port 6000,5000 --allow-host-port=7000 --allow-host-port 6000"),
        [5000, 6000, 7000]
    );
    assert_eq!(ports("--allow-host-port 0"), [] as [u16; 0]);
    assert_eq!(ports("--allow-host-port 0 --allow-host-port 0"), [] as [u16; 0]);
    assert_eq!(ports("--allow-host-port 1,65535"), [1, 65535]);
}

#[test]
fn a_bad_port_is_a_usage_error_that_names_it() {
    for value in ["65536", "abc", "-1", "5000,x", "''", "5000,"] {
        let (text, exit) = refused(&format!("assemble backend start --allow-host-port {value}"));
        let value = value.trim_matches('\'');
        assert!(
            text.starts_with(&format!("invalid argument \"{value}\" for \"--allow-host-port\" flag: ")),
            "{text}"
        );
        assert!(
            text.ends_with(
                "\n\nUsage:  docker assemble backend start [OPTIONS]\n\n\
                 Run 'docker assemble backend start --help' for more information\n"
            ),
            "{text}"
        );
        assert_eq!(exit.code(), 125);
    }
    for line in ["--allow-host-port 0,5000", "--allow-host-port 0 --allow-host-port 5000"] {
        let (text, exit) = refused(&format!("assemble backend start {line}"));
        assert!(text.starts_with("invalid argument \"0,5000\""), "{text}");
        assert_eq!(exit, Exit::Usage);
    }
}

#[test]
fn the_other_options_of_a_start() {
    let plain = start("");
    assert_eq!((plain.pull, plain.image), (PullPolicy::Missing, None));
    assert_eq!(plain.settings, Settings::default());
    let auto = start("--security auto");
    assert!(auto.names_security && auto.settings == plain.settings && !plain.names_security);
    let full = start("--cache-volume=mine --image a:1 --pull always --security restricted --proxy-image p");
    assert_eq!(full.settings.cache_volume, Some(VolumeName("mine".to_owned())));
    assert_eq!(full.image, Some(ImageRef("a:1".to_owned())));
    assert_eq!((full.pull, full.settings.security), (PullPolicy::Always, Security::Restricted));
    assert_eq!(full.proxy_image, Some(ImageRef("p".to_owned())));
    assert!(!plain.recreate && !plain.dry_run && plain.progress == Progress::Auto);
    let more = start("--recreate --dry-run --progress plain --use");
    assert!(more.recreate && more.dry_run && more.select && more.progress == Progress::Plain);
    assert!(refused("assemble backend start --progress loud").0.contains("\"plain\""));
    assert_eq!(start("--image a --image b").image, Some(ImageRef("b".to_owned())), "the last one wins");
    assert!(refused("assemble backend start --cache-volume /tmp/x").0.contains("name of a volume"));
    assert!(refused("assemble backend start --image").0.starts_with("flag needs an argument: --image\n"));
}

#[test]
fn what_the_daemon_is_told() {
    let full = start(
        "--config b.toml --registry-ca r:1=c.pem --registry-insecure q --registry-insecure p:2 \
         --registry-mirror docker.io=http://m/x --cache-max-used 2gb --cache-reserved 128MB --cache-min-free 1",
    );
    assert_eq!(full.daemon.config, Some("b.toml".into()));
    assert_eq!(full.daemon.authorities, [("r:1".to_owned(), "c.pem".into())]);
    assert_eq!(full.daemon.insecure, ["q", "p:2"]);
    assert_eq!(full.daemon.mirrors[0].1.host, "m");
    let space = full.daemon.space;
    assert_eq!((space.max_used_bytes, space.reserved_bytes), (Some(2 << 30), Some(128 << 20)));
    assert_eq!(space.min_free_bytes, Some(1));
    for (bad, words) in [
        ("--registry-ca r", "for \"--registry-ca\" flag: must be a registry"),
        ("--registry-insecure http://r", "for \"--registry-insecure\" flag: \"http://r\" is not the name"),
        ("--registry-mirror docker.io=ftp://m", "for \"--registry-mirror\" flag: the address of a mirror"),
        ("--cache-max-used much", "for \"--cache-max-used\" flag: must be a size"),
    ] {
        let (text, exit) = refused(&format!("assemble backend start {bad}"));
        assert!(text.contains(words), "{text}");
        assert_eq!(exit, Exit::Usage);
    }
}

#[test]
fn a_port_with_two_targets_is_a_usage_error_that_quotes_both() {
    for (line, value, option, first) in [
        ("--allow-host-port 5000,5000:5001", "5000:5001", "allow-host-port", "5000"),
        (
            "--allow-host-port 5000 --allow-host-port 4999-5001@loopback",
            "4999-5001@loopback",
            "allow-host-port",
            "5000",
        ),
        ("--allow-host-port 5432 --forward 5432=db:5432", "5432=db:5432", "forward", "5432"),
    ] {
        let (text, exit) = refused(&format!("assemble backend start {line}"));
        let start = format!("invalid argument \"{value}\" for \"--{option}\" flag: port ");
        assert!(text.starts_with(&start), "{text}");
        assert!(text.contains(&format!("has another target in \"{first}\" already\n")), "{text}");
        assert_eq!(exit.code(), 125);
    }
    let (text, _) = refused("assemble backend start --forward 5000=localhost:5000");
    assert!(text.contains("'--allow-host-port 5000@loopback'"), "{text}");
    let (text, _) = refused("assemble backend start --allow-host-port 1-65535");
    assert!(text.starts_with("65535 ports are too many to forward: 4096 at most"), "{text}");
}

#[test]
fn the_hosts_loopback_is_for_all_ports_or_for_one() {
    use docker_assemble::forward::asked::Destination;
    let places =
        |line: &str| start(line).forwards.into_iter().map(|asked| asked.destination).collect::<Vec<_>>();
    assert_eq!(places("--host-loopback"), [Destination::Loopback]);
    assert_eq!(places("--allow-host-port 1,2@loopback"), [Destination::Gateway, Destination::Loopback]);
    assert_eq!(
        places("--host-loopback=false --forward 1=db"),
        [Destination::Host("db".to_owned()), Destination::Gateway]
    );
}

#[test]
fn settings_are_named_in_dockers_words_and_in_buildxs() {
    let words = |line: &str| start(line).settings.chosen.to_string();
    let dockers = "-m 2g --cpus 1.5 --cpuset-cpus 0 --add-host r:192.0.2.7 -e A=1 --network n --restart no";
    let buildxs = "--driver-opt memory=2g,cpuset-cpus=0,network=n --driver-opt env.A=1,restart-policy=no \
                   --cpus 1.5 --add-host r=[192.0.2.7]";
    assert_eq!(words(dockers), words(buildxs));
    assert_eq!(start(dockers).settings, start(buildxs).settings);
    assert_eq!(words("-m 2g -m 3g -e A=1 -e B -e A=2"), "env \"A B\", memory \"3g\"");
    assert_eq!(words("--env A=1 --memory ''"), "env \"A\", memory \"none\"");
    assert_eq!(start("--use --driver-opt default-load=true").load, start("--use --default-load").load);
    assert_eq!(start("--driver-opt image=a:1").image, Some(ImageRef("a:1".to_owned())));

    for (line, want) in [
        ("--memory 5m", "invalid argument \"5m\" for \"-m, --memory\" flag: must be a size"),
        ("--add-host r", "invalid argument \"r\" for \"--add-host\" flag: must be a name and an address"),
        ("--network host", "invalid argument \"host\" for \"--network\" flag: the backend has a network"),
        (
            "--driver-opt what=1",
            "invalid argument \"what=1\" for \"--driver-opt\" flag: invalid driver option what",
        ),
        (
            "--driver-opt memory",
            "invalid argument \"memory\" for \"--driver-opt\" flag: invalid value \"memory\", expecting k=v",
        ),
        (
            "--driver-opt cpu-quota=x",
            "invalid argument \"cpu-quota=x\" for \"--driver-opt\" flag: cpu-quota must be a number",
        ),
        (
            "--buildkitd-flags --root=/x",
            "invalid argument \"--root=/x\" for \"--buildkitd-flags\" flag: \"--root=/x\"",
        ),
        ("--cpus 1 --driver-opt cpu-quota=5000", "conflicting options: cpus and cpu-quota"),
    ] {
        let (text, exit) = refused(&format!("assemble backend start {line}"));
        assert!(text.starts_with(want), "{text}");
        assert_eq!(exit, Exit::Usage, "{line}");
    }
}
