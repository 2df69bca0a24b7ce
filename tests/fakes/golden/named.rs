//! Several backends of one login.

use docker_assemble::labels;
use docker_assemble::observed::State;

use super::commands::Shell;
use super::healthy::{LOOKS, USED_LONG_AGO, daemon, dialled};
use crate::world::user;

#[tokio::test(start_paused = true)]
async fn several_backends_of_one_login() {
    let mut shell = Shell::new();
    shell.engine.world().buildkit = Some(dialled(daemon(USED_LONG_AGO)));
    shell.told.about("there is none yet");
    shell.run_all(&["backend ls", "backend ls -q", "backend ls --format json"]).await;
    shell.run_all(&LOOKS.map(|look| format!("{look} --name ci")).each_ref().map(String::as_str)).await;
    shell.told.about("one beside the usual one");
    shell
        .run_all(&[
            "backend start --allow-host-port 5000,8080:80@loopback",
            "backend start --name ci --allow-host-port 6000-6002 --forward 5432=192.0.2.7:5432",
            "backend start --name default --allow-host-port 5000,8080:80@loopback",
            "backend ls",
            "backend ls --quiet",
            "backend ls --format json",
            "backend ls --format 'table {{.Name}}\\t{{.ID}}\\t{{.Container}}'",
            "backend ls --format '{{.Nope}}'",
            "backend env --name ci",
            "backend cache volume --name ci",
            "backend info --name ci -q",
            "backend port add --name ci 7000",
            "backend port add --name ci 7000:80",
            "backend port ls --name ci -q",
            "backend port ls -q",
            "backend doctor --name ci 8080",
            "backend logs --name ci nope",
            "backend start --name ci --security restricted",
        ])
        .await;
    shell.told.about("the named one has ended");
    let ci = user().with_backend(&"ci".parse().unwrap());
    let end = |state: State| {
        let mut world = shell.engine.world();
        let found = world.containers.iter_mut().find(|container| container.name == ci.backend());
        found.unwrap().state = state;
    };
    end(State::Exited);
    shell.run_all(&["backend ls", "backend info --name ci", "backend cache usage --name ci"]).await;
    shell.told.about("it is gone, and its sidecars are not");
    shell.engine.world().containers.retain(|container| container.name != ci.backend());
    shell.run_all(&["backend ls", "backend info --name ci", "backend doctor --name ci"]).await;
    let left = format!("backend logs {}-proxy-port-7000 --name ci", ci.backend());
    shell.run_all(&["backend logs --proxy 7001 --name ci", &left]).await;
    shell.told.about("a stop of one leaves the other");
    shell.run_all(&["backend stop --name ci", "backend ls", "backend info -q", "backend stop"]).await;
    shell.run("backend ls").await;
    shell.told.about("labels that say so alone make none: whoever may make containers can write them");
    shell.quietly("backend start --name ci").await;
    for name in ["other", "no name"] {
        for container in &mut shell.engine.world().containers {
            container.labels.insert(labels::NAME.to_owned(), name.to_owned());
        }
        shell.run("backend ls").await;
    }
    shell.told.compare_with("plugin/named.txt");
}
