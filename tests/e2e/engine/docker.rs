//! The calls of the engine, against a real one.

use std::time::{Duration, Instant};

use docker_assemble::desired::{ContainerName, ImageRef, Security, Settings, VolumeName};
use docker_assemble::engine::{Engine, EngineError, LogChunk, LogOptions};
use docker_assemble::observed::{ContainerId, State};
use docker_assemble::spec::{ContainerSpec, Mount, Network, Privileges};
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::real_engine::{BUSYBOX, engine};
use super::scope::{LABEL, Scope, builder};

const GRACE: Duration = Duration::ZERO;

/// How long anything may take on a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(60);

async fn log(id: &ContainerId, options: LogOptions) -> (String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut chunks = engine().logs(id, options);
    while let Some(chunk) = chunks.next().await {
        match chunk.unwrap() {
            LogChunk::Stdout(bytes) => out.extend_from_slice(&bytes),
            LogChunk::Stderr(bytes) => err.extend_from_slice(&bytes),
        }
    }
    (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

#[tokio::test]
#[ignore = "needs a docker engine"]
async fn the_engine_tells_its_facts() {
    let facts = engine().facts().await.unwrap();
    assert_eq!((facts.os.as_str(), facts.arch.as_str()), ("linux", "amd64"));
    assert!(facts.version.starts_with(|c: char| c.is_ascii_digit()), "{facts:?}");
    assert!(facts.api_version.starts_with("1."), "{facts:?}");
    assert!(facts.security_options.iter().any(|option| option.starts_with("name=seccomp")), "{facts:?}");
}

#[tokio::test]
#[ignore = "needs a docker engine"]
async fn a_container_lives_and_is_seen() {
    let (engine, scope) = (engine(), Scope::new("life"));
    let script =
        "echo one; echo two >&2; sleep 0.3; echo three; trap 'exit 0' TERM; while :; do sleep 0.1; done";
    let spec = scope.spec("c", script);

    let id = engine.create(&spec).await.unwrap().id;
    let created = engine.container(&spec.name).await.unwrap().unwrap();
    assert_eq!((created.state, created.started_at.as_str()), (State::Created, ""));

    engine.start(&id).await.unwrap();
    let running = engine.container(&spec.name).await.unwrap().unwrap();
    assert_eq!((&running.id, &running.state), (&id, &State::Running));
    assert!(running.image.stands_for(&spec.image), "{}", running.image);
    assert!(running.started_at.ends_with('Z') && running.labels[LABEL] == scope.0);
    assert_eq!(engine.containers(&scope.labels()).await.unwrap(), [running]);

    // The log needs a moment to arrive.
    let until = Instant::now() + PATIENCE;
    while log(&id, LogOptions::default()).await != ("one\nthree\n".into(), "two\n".into()) {
        assert!(Instant::now() < until, "the log did not come");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let last = log(&id, LogOptions { tail: Some(1), ..LogOptions::default() }).await;
    assert_eq!(last, ("three\n".into(), String::new()));
    let stamped = log(&id, LogOptions { timestamps: true, ..LogOptions::default() }).await.0;
    assert!(stamped.lines().all(|line| line.contains("Z ")), "{stamped}");

    engine.stop(&id, Duration::from_secs(10)).await.unwrap();
    engine.stop(&id, GRACE).await.unwrap();
    assert_eq!(engine.container(&spec.name).await.unwrap().unwrap().state, State::Exited);
    engine.remove(&id).await.unwrap();
    engine.remove(&id).await.unwrap();
    assert_eq!(engine.container(&spec.name).await.unwrap(), None);
}

#[tokio::test]
#[ignore = "needs a docker engine"]
async fn a_followed_log_ends_with_its_container() {
    let (engine, scope) = (engine(), Scope::new("follow"));
    let id = engine.create(&scope.spec("c", "for i in 1 2 3; do echo $i; sleep 0.2; done")).await.unwrap().id;
    engine.start(&id).await.unwrap();
    let (out, _) = log(&id, LogOptions { follow: true, ..LogOptions::default() }).await;
    assert_eq!(out, "1\n2\n3\n");
}

#[tokio::test]
#[ignore = "needs a docker engine"]
async fn commands_run_inside() {
    let (engine, scope) = (engine(), Scope::new("exec"));
    let id = engine.create(&scope.spec("c", "sleep 600")).await.unwrap().id;
    let stopped = engine.exec(&id, &["true"]).await.unwrap_err();
    assert!(matches!(stopped, EngineError::Conflict { .. }), "{stopped:?}");
    engine.start(&id).await.unwrap();

    let done = engine.exec(&id, &["sh", "-c", "echo out; echo err >&2; exit 3"]).await.unwrap();
    assert_eq!(done.status, 3);
    let mut words: Vec<_> = done.output.split(|byte| *byte == b'\n').collect();
    words.sort_unstable();
    assert_eq!(words, [&b""[..], b"err", b"out"]);

    let missing = engine.exec(&id, &["no-such-program"]).await.unwrap();
    assert!(matches!(missing.status, 126 | 127), "{missing:?}");
}

#[tokio::test]
#[ignore = "needs a docker engine"]
async fn a_command_is_a_byte_stream() {
    let (engine, scope) = (engine(), Scope::new("duplex"));
    let id = engine.create(&scope.spec("c", "sleep 600")).await.unwrap().id;
    engine.start(&id).await.unwrap();

    let mut stream = engine.exec_duplex(&id, &["cat"]).await.unwrap();
    let sent: Vec<u8> = (0..200_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let (mut reader, mut writer) = tokio::io::split(&mut stream);
    let sending = async {
        writer.write_all(&sent).await.unwrap();
        writer.shutdown().await.unwrap();
    };
    let mut received = Vec::new();
    let (_, read) = tokio::join!(sending, reader.read_to_end(&mut received));
    read.unwrap();
    assert!(received == sent, "{} bytes came back", received.len());

    // A command that is dropped ends, and is not left behind in the container.
    let mut stream = engine.exec_duplex(&id, &["cat"]).await.unwrap();
    stream.write_all(b"\0").await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), 0);
    drop(stream);
    let until = Instant::now() + PATIENCE;
    while engine.exec(&id, &["sh", "-c", "ps | grep -q '[c]at$'"]).await.unwrap().status == 0 {
        assert!(Instant::now() < until, "the command runs on");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
#[ignore = "needs a docker engine"]
async fn a_byte_stream_of_a_failed_command_is_an_error() {
    let (engine, scope) = (engine(), Scope::new("duplex-fails"));
    let id = engine.create(&scope.spec("c", "sleep 600")).await.unwrap().id;
    engine.start(&id).await.unwrap();
    for (command, words) in [
        (&["no-such-program", "dial-stdio"][..], "no-such-program"),
        (&["sh", "-c", "echo cannot dial >&2; exit 7"], "cannot dial (status 7)"),
        (&["sh", "-c", "exit 7"], "the command ended with status 7"),
    ] {
        let mut stream = engine.exec_duplex(&id, command).await.unwrap();
        let mut said = Vec::new();
        let read = stream.read_to_end(&mut said);
        let error = tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[tokio::test]
#[ignore = "needs a docker engine"]
async fn what_is_missing_is_told_apart_from_what_is_taken() {
    let (engine, scope) = (engine(), Scope::new("errors"));
    let nowhere = ContainerName("assemble-test-nowhere".into());
    assert_eq!(engine.container(&nowhere).await.unwrap(), None);
    assert_eq!(engine.image(&ImageRef("assemble-test/nowhere".into())).await.unwrap(), None);
    assert!(!engine.volume_exists(&VolumeName("assemble-test-nowhere".into())).await.unwrap());
    let nobody = ContainerId(nowhere.0.clone());
    let error = engine.start(&nobody).await.unwrap_err();
    assert!(matches!(error, EngineError::NotFound { .. }), "{error:?}");
    engine.remove(&nobody).await.unwrap();
    let mut log = engine.logs(&nobody, LogOptions::default());
    let error = log.next().await.unwrap().unwrap_err();
    assert!(matches!(error, EngineError::NotFound { .. }), "{error:?}");

    let spec = scope.spec("c", "true");
    let id = engine.create(&spec).await.unwrap().id;
    let error = engine.create(&spec).await.unwrap_err();
    assert!(matches!(error, EngineError::Conflict { .. }), "{error:?}");
    assert!(error.to_string().contains(&spec.name.0) && !error.to_string().contains('\n'), "{error}");
    // The beginning of an id is not a name.
    assert_eq!(engine.container(&ContainerName(id.short().to_owned())).await.unwrap(), None);

    let unknown =
        ContainerSpec { image: ImageRef("assemble-test/nowhere:1".into()), ..scope.spec("d", "true") };
    let error = engine.create(&unknown).await.unwrap_err();
    assert!(matches!(error, EngineError::NotFound { .. }), "{error:?}");
    let error = engine.volume_exists(&VolumeName("../info?x=".into())).await.unwrap_err();
    assert!(matches!(error, EngineError::Refused { status: 400, .. }), "{error:?}");
}

#[tokio::test]
#[ignore = "needs a docker engine"]
async fn privileges_are_given_or_refused_as_such() {
    let (engine, scope) = (engine(), Scope::new("privileged"));
    let settings = Settings { security: Security::Privileged, ..Settings::default() };
    let spec = ContainerSpec { settings, privileges: Privileges::Privileged, ..scope.spec("c", "true") };
    let id = engine.create(&spec).await.unwrap().id;
    assert_eq!(engine.container(&spec.name).await.unwrap().unwrap().settings.security, Security::Privileged);
    // An engine that lacks a capability itself may give what it has, as 28 does, or refuse, as
    // 20.10 does.
    if let Err(error) = engine.start(&id).await {
        assert!(matches!(error, EngineError::PrivilegesRefused { .. }), "{error:?}");
    }
}

#[tokio::test]
#[ignore = "needs a docker engine"]
async fn a_builder_gets_enough_and_a_sidecar_nothing() {
    let (engine, scope) = (engine(), Scope::new("privileges"));
    let (privileges, mounts) = builder(&engine).await;
    let script = "mkdir /m; mount -t tmpfs none /m && echo mounted; grep -E 'Seccomp:|NoNewPrivs' /proc/self/status; \
                  touch /proc/sys/kernel/domainname && echo unmasked; sleep 600";
    let fewer = ContainerSpec { privileges, mounts, read_only: false, ..scope.spec("fewer", script) };
    let id = engine.create(&fewer).await.unwrap().id;
    engine.start(&id).await.unwrap();
    let until = Instant::now() + PATIENCE;
    loop {
        let (out, err) = log(&id, LogOptions::default()).await;
        if out == "mounted\nNoNewPrivs:\t0\nSeccomp:\t0\nunmasked\n" {
            break;
        }
        assert!(Instant::now() < until, "{out}{err}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    let joined = ContainerSpec {
        network: Network::Container(fewer.name.clone()),
        user: Some("65532:65532".into()),
        pids: Some(64),
        ..scope.spec("nothing", "grep -E 'CapEff|NoNewPrivs' /proc/self/status; id -u")
    };
    let id = engine.create(&joined).await.unwrap().id;
    engine.start(&id).await.unwrap();
    let (out, err) = log(&id, LogOptions { follow: true, ..LogOptions::default() }).await;
    assert_eq!(out, "CapEff:\t0000000000000000\nNoNewPrivs:\t1\n65532\n", "{err}");
}

#[tokio::test]
#[ignore = "needs a docker engine"]
async fn the_cache_volume_is_seen() {
    let (engine, scope) = (engine(), Scope::new("volume"));
    let volume = VolumeName(scope.name("v").0);
    let label = format!("{LABEL}={}", scope.0);
    let made = std::process::Command::new("docker")
        .args(["volume", "create", "--label", &label, &volume.0])
        .output();
    assert!(made.unwrap().status.success());
    assert!(engine.volume_exists(&volume).await.unwrap());
    let target = "/var/lib/buildkit".to_owned();
    let spec = ContainerSpec {
        mounts: vec![Mount::Volume { name: volume.clone(), target }],
        ..scope.spec("c", "true")
    };
    engine.create(&spec).await.unwrap();
    assert_eq!(engine.container(&spec.name).await.unwrap().unwrap().settings.cache_volume, Some(volume));
    let image = engine.image(&ImageRef(BUSYBOX.into())).await.unwrap().unwrap();
    assert!(image.id.starts_with("sha256:") && image.arch == "amd64", "{image:?}");
}
