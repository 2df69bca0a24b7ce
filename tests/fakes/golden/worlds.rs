//! What commands make of engines in every state.

use docker_assemble::commands::builder::Registered;
use docker_assemble::desired::VolumeName;
use docker_assemble::observed::State;

use super::commands::Shell;
use super::healthy::{LOOKS, USED_LONG_AGO, daemon, dialled, healthy, name};
use crate::fake_engine::Refusal;
use crate::transcript::Transcript;
use crate::world::user;

#[tokio::test(start_paused = true)]
async fn an_engine_without_a_backend() {
    let mut shell = Shell::new();
    shell.run_all(&LOOKS).await;
    shell
        .run_all(&[
            "backend cache purge --force",
            "backend logs --proxy 5000",
            "backend logs nope",
            "backend stop",
            "backend env",
            "backend cache volume",
            "backend start --dry-run",
            "backend start --dry-run --pull always --security restricted --allow-host-port 0",
            "backend start --dry-run --allow-host-port 5000-5002,8080:80@loopback --forward 5432=192.0.2.7,53=[2001:db8::7]:54",
            "backend start --dry-run --host-loopback",
            "backend start --dry-run --cache-volume mine",
            "backend start --dry-run --config missing.toml",
            "backend start --dry-run --cache-max-used 20gb --registry-insecure r:5000 --registry-mirror docker.io=http://m",
            "backend start --dry-run --image absent:1",
            "backend start --dry-run --image absent:1 --pull never",
        ])
        .await;
    shell.told.about("buildx has a builder for it");
    shell.builder = Registered::InUse;
    shell.run_all(&["backend info", "backend doctor"]).await;
    shell.told.compare_with("plugin/no_backend.txt");
}

#[tokio::test(start_paused = true)]
async fn starts_and_stops() {
    let mut shell = Shell::new();
    shell.run_all(&["backend start", "backend start", "backend start --dry-run"]).await;
    shell
        .run_all(&[
            "backend start --dry-run --allow-host-port 6000",
            "backend start --allow-host-port 6000,8080:80@loopback",
            "backend start --dry-run --allow-host-port 0",
            "backend start --security restricted",
            "backend start --image other:1 --pull never",
            "backend start --registry-insecure r:5000",
            "backend start --dry-run --recreate --security restricted",
            "backend start --recreate --security restricted --progress plain",
            "backend start --pull always",
            "backend start --forward 5432=192.0.2.7:5432 --quiet",
            "backend start --cache-volume mine",
            "backend stop --dry-run",
            "backend stop",
            "backend stop --dry-run",
            "backend stop",
        ])
        .await;
    shell.told.about("the image can be pulled");
    shell.engine.world().registry = true;
    shell
        .run_all(&[
            "backend start --image other:1",
            "backend start --image other:1 --pull always",
            "backend stop",
        ])
        .await;
    shell.told.about("a volume for the cache is there");
    let volume = VolumeName(user().cache_volume().to_string());
    shell.engine.world().volumes.insert(volume, Default::default());
    shell.run_all(&["backend start --dry-run", "backend start --progress quiet", "backend stop"]).await;
    shell.told.about("privileges are refused");
    shell.engine.world().refusal = Refusal::Create;
    shell.run_all(&["backend start --security privileged", "backend start", "backend stop"]).await;
    shell.told.about("a setting is refused");
    shell.engine.world().lacking = Some("net.ipv4.tcp_tw_reuse");
    shell.run_all(&["backend start", "backend stop"]).await;
    shell.told.about("the backend ends at once");
    shell.engine.world().ending.insert(name(""));
    shell.run("backend start").await;
    shell.told.about("its sidecar ends at once");
    shell.engine.world().ending = [name("-proxy-port-5000")].into();
    shell.run("backend start").await;
    shell.told.about("and cannot be removed");
    let calls = shell.engine.world().log.len();
    shell.engine.world().fail = Some(calls + 7);
    shell.run("backend start").await;
    shell.told.compare_with("plugin/start_stop.txt");
}

#[tokio::test(start_paused = true)]
async fn ports_come_and_go() {
    let mut shell = Shell::new();
    shell.run_all(&["backend port add 6000", "backend port rm 5000", "backend port ls"]).await;
    shell.run_all(&["backend start", "backend port add 6000 8080:80@loopback,53=[2001:db8::7]:54"]).await;
    shell
        .run_all(&[
            "backend port ls",
            "backend port list --format json",
            "backend port ls --format '{{.Port}} {{.Forward}}'",
            "backend port ls --format 'table {{.Port}}\\t{{.ID}}'",
            "backend port ls --format '{{.Nope}}'",
            "backend port ls -q",
            "backend port add 6000",
            "backend port add 7000 --dry-run",
            "backend port add 8080",
            "backend port add 7000-11095",
            "backend port rm 7000",
            "backend port rm 8080:80",
            "backend port rm --dry-run 6000",
            "backend port rm 6000 53=[2001:db8::7]:54",
        ])
        .await;
    shell.told.about("a sidecar is gone, and another has ended");
    shell.engine.world().containers.retain(|container| container.name != name("-proxy-port-5000"));
    shell.change("-proxy-port-8080-to-80", |container| container.state = State::Exited);
    shell
        .run_all(&[
            "backend port ls",
            "backend stats",
            "backend port rm 1-65535",
            "backend port remove 5000",
            "backend port add 8080:80@loopback",
        ])
        .await;
    shell.run_all(&["backend port rm 8080", "backend port ls"]).await;
    shell.told.about("the backend has ended");
    shell.change("", |container| container.state = State::Exited);
    shell.run_all(&["backend port add 6000", "backend port ls"]).await;
    shell.told.compare_with("plugin/ports.txt");
}

#[tokio::test(start_paused = true)]
async fn failures_at_each_call_of_a_start() {
    let mut told = Transcript::default();
    for call in 1..=6 {
        let mut shell = Shell::new();
        shell.told = told;
        shell.told.about(&format!("call {call} fails"));
        shell.engine.world().fail = Some(call);
        shell.run("backend start").await;
        told = shell.told;
    }
    for call in 1..=9 {
        let mut shell = Shell::new();
        shell.quietly("backend start").await;
        shell.told = told;
        shell.told.about(&format!("call {call} of a start that replaces fails"));
        let calls = shell.engine.world().log.len();
        shell.engine.world().fail = Some(calls + call);
        shell.run("backend start --recreate --security restricted").await;
        told = shell.told;
    }
    for call in 1..=3 {
        let mut shell = Shell::new();
        shell.quietly("backend start").await;
        shell.told = told;
        shell.told.about(&format!("call {call} of a stop fails"));
        let calls = shell.engine.world().log.len();
        shell.engine.world().fail = Some(calls + call);
        shell.run("backend stop").await;
        told = shell.told;
    }
    told.compare_with("plugin/failures.txt");
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_does_well() {
    let mut shell = healthy().await;
    shell.run_all(&LOOKS).await;
    shell
        .run_all(&[
            "backend info --format '{{.Name}} {{.State}}'",
            "backend info --format '{{range .Sidecars}}{{.Port}} {{.Forward.Health}}{{println}}{{end}}'",
            "backend info --format '{{.Nope}}'",
            "backend info --quiet --no-trunc",
            "backend doctor 8080",
            "backend doctor 7000",
            "backend stats --format '{{json .Forwards}}'",
            "backend stats --format 'table {{.Port}}\\t{{.UpPerSecond}}'",
            "backend stats --format '{{range .Forwards}}{{.Port}} {{.Opened}}{{println}}{{end}}'",
            "backend logs --proxy 5000",
            "backend logs --proxy 7000",
            "backend logs docker-assemble-backend-ann-dialer",
            "backend logs nope",
            "backend cache usage --format '{{.ID}} {{.Size}} {{.CreatedAt}} {{.LastUsedAt}}'",
            "backend cache usage --format 'table {{.ID}}\\t{{.Description}}'",
            "backend cache usage --format '{{.Nope}}'",
            "backend cache usage --quiet",
            "backend cache usage --filter type=source.local",
            "backend cache purge --max-used-space 1gb --force",
            "version --format '{{.BuildKit}}'",
        ])
        .await;
    shell
        .run_all(&[
            "backend cache usage --verbose",
            "backend cache purge --dry-run",
            "backend cache purge --dry-run --all --verbose",
            "backend cache purge --dry-run --filter until=240h",
            "backend cache purge --dry-run --filter type=source.local",
            "backend cache purge --force",
            "backend cache purge --force --verbose --filter type=source.local",
        ])
        .await;
    shell.told.about("the cache was in use at a time that is known");
    shell.engine.world().buildkit = Some(dialled(daemon(USED_LONG_AGO)));
    shell.run("backend cache usage --format json").await;
    shell.told.about("the daemon does not answer");
    shell.engine.world().buildkit = None;
    shell
        .run_all(&[
            "backend info",
            "backend doctor",
            "backend cache usage",
            "backend cache purge -f",
            "version --format '{{.BuildKit}}'",
        ])
        .await;
    shell.told.compare_with("plugin/healthy.txt");
}
