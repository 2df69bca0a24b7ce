//! What builds may be using, and commands that would take it from them.

use std::time::Duration;

use docker_assemble::observed::State;

use super::commands::Shell;
use super::healthy::{USED_LONG_AGO, daemon, dialled, healthy};
use crate::fake_buildkit::Builds;

const APP: &str = "localhost:5000/app:1";

/// A backend that does well, and what it builds.
async fn building(builds: Option<Vec<&'static str>>) -> (Shell, Builds) {
    let shell = healthy().await;
    let daemon = daemon(USED_LONG_AGO);
    let now = daemon.builds.clone();
    *now.lock().unwrap() = builds;
    shell.engine.world().buildkit = Some(dialled(daemon));
    (shell, now)
}

#[tokio::test(start_paused = true)]
async fn what_builds_may_need_is_not_taken_from_them() {
    let (mut shell, builds) = building(Some(vec![APP])).await;
    shell.told.about("a build is in flight");
    shell
        .run_all(&[
            "backend port add 7000",
            "backend port rm 7000",
            "backend port rm 5000 6000 --dry-run",
            "backend start --allow-host-port 7000",
            "backend start --dry-run --allow-host-port 5000,8080:80,6000",
            "backend start --recreate --security restricted",
            "backend stop",
            "backend stop --dry-run",
            "backend stop --wait --timeout 3s",
        ])
        .await;
    *builds.lock().unwrap() = Some(vec![APP, "", "a/b", "c", "d"]);
    shell.run_all(&["backend stop", "backend port rm 5000 --force"]).await;
    shell.told.about("it ends after 5 s");
    let ending = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        *builds.lock().unwrap() = Some(vec![]);
    };
    tokio::join!(shell.run("backend port rm 6000 --wait"), ending);
    shell.told.about("connections are open, and nothing is built");
    shell.run("backend start --allow-host-port 8080:80").await;

    let (fresh, _) = building(Some(vec![APP])).await;
    let mut shell = Shell { told: shell.told, ..fresh };
    shell.told.about("a sidecar has ended, and a build is in flight");
    shell.change("-proxy-port-6000", |container| container.state = State::Exited);
    shell.run_all(&["backend port rm 6000", "backend stop --force"]).await;

    let (fresh, _) = building(None).await;
    let mut shell = Shell { told: shell.told, ..fresh };
    shell.told.about("the daemon does not tell what it builds, and connections are open");
    shell.run_all(&["backend port rm 5000", "backend stop", "backend stop --force"]).await;
    shell.told.compare_with("plugin/in_use.txt");
}
