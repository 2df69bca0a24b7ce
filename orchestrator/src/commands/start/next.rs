//! What a person may type once they have their first backend, in the form of docker's own hints.

use docker_plugin::endpoint::Named;
use docker_plugin::hooks::HEADING;
use docker_plugin::output::Console;

use super::words::line;
use crate::apply::{Made, Origin};
use crate::commands::builder::{Buildx, INSTALLING};
use crate::desired::{ContainerName, Desired};
use crate::forward::REGISTRY_PORT;

/// Whether what a start has made is this backend, in nobody's place: who replaces one knows the way.
pub(super) fn is_first(made: &[Made], backend: &ContainerName) -> bool {
    let is_created = |made: &Made| matches!(made, Made::Container { name, origin: Origin::Created, .. } if name == backend);
    let is_aside = |made: &Made| matches!(made, Made::SetAside { name, .. } if name == backend);
    made.iter().any(is_created) && !made.iter().any(is_aside)
}

/// Tells it. Whether `--use` has made the backend a builder of buildx already, is in `in_use`.
pub(super) async fn tell(console: &Console, desired: &Desired, buildx: &Buildx, in_use: bool) {
    let builders = match &buildx.named {
        Named::Host => Builders::Unreachable,
        _ if in_use => Builders::InUse,
        _ if buildx.is_missing().await => Builders::Missing,
        _ => Builders::There,
    };
    let pushes = desired.forwards.iter().any(|forward| forward.ports.contains(REGISTRY_PORT));
    console.note(format_args!("\n{HEADING}"));
    for (what, how) in lines(&docker(buildx), builders, pushes) {
        console.note(format_args!("    {what} → {how}"));
    }
}

/// Docker's command that leads to the same engine: with the options that led here, those of TLS too.
fn docker(buildx: &Buildx) -> String {
    line(&[&["docker".to_owned()], &buildx.globals[..]].concat())
}

/// What buildx makes of the backend.
#[derive(Clone, Copy)]
enum Builders {
    /// It is the builder in use.
    InUse,
    /// It may be.
    There,
    /// Docker has no buildx here.
    Missing,
    /// An engine that only `--host` names is one that buildx cannot be told.
    Unreachable,
}

/// What may be done, and how.
fn lines(docker: &str, builders: Builders, pushes: bool) -> Vec<(&'static str, String)> {
    let become_one = ("Make it the builder of docker buildx", format!("{docker} assemble backend use"));
    let push = (
        "Build, and push to your registry",
        format!("{docker} buildx build --push -t localhost:{REGISTRY_PORT}/app ."),
    );
    let look = ("See what builds reach", format!("{docker} assemble backend info"));
    let (becomes, builds) = match builders {
        Builders::InUse => (None, true),
        Builders::There => (Some(become_one), true),
        Builders::Missing => {
            (Some(("Install docker buildx, which builds with it", INSTALLING.to_owned())), false)
        }
        Builders::Unreachable => (None, false),
    };
    becomes.into_iter().chain((builds && pushes).then_some(push)).chain([look]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observed::ContainerId;

    #[test]
    fn only_a_backend_in_nobodys_place_is_the_first() {
        let (backend, other) = (ContainerName("backend".to_owned()), ContainerName("sidecar".to_owned()));
        let made = |name: &ContainerName, origin| {
            let (id, name) = (ContainerId("1".to_owned()), name.clone());
            Made::Container { id, name, origin }
        };
        let aside = Made::SetAside { id: ContainerId("2".to_owned()), name: backend.clone(), ran: None };
        let created = made(&backend, Origin::Created);
        assert!(is_first(&[created.clone(), made(&other, Origin::Created)], &backend));
        for none in [
            vec![],
            vec![made(&other, Origin::Created)],
            vec![made(&backend, Origin::Started)],
            vec![aside, created],
        ] {
            assert!(!is_first(&none, &backend), "{none:?}");
        }
    }

    #[test]
    fn nothing_is_advised_that_would_fail_here() {
        let told = |builders, pushes| -> Vec<String> {
            lines("docker --context far", builders, pushes).into_iter().map(|(_, how)| how).collect()
        };
        let [make, push, look] =
            ["assemble backend use", "buildx build --push -t localhost:5000/app .", "assemble backend info"]
                .map(|words| format!("docker --context far {words}"));
        assert_eq!(told(Builders::There, true), [make.clone(), push.clone(), look.clone()]);
        assert_eq!(told(Builders::There, false), [make, look.clone()]);
        assert_eq!(told(Builders::InUse, true), [push, look.clone()]);
        assert_eq!(told(Builders::Missing, true), [INSTALLING.to_owned(), look.clone()]);
        assert_eq!(told(Builders::Unreachable, true), [look]);
    }

    #[test]
    fn the_command_leads_to_the_engine_that_the_start_was_about() {
        let way = |globals: &[&str]| {
            docker(&Buildx {
                globals: globals.iter().map(ToString::to_string).collect(),
                ..Buildx::default()
            })
        };
        assert_eq!(way(&[]), "docker");
        assert_eq!(way(&["-c", "far"]), "docker -c far");
        let keys = ["--host", "tcp://far:2376", "--tlsverify", "--tlscacert", "my ca.pem"];
        assert_eq!(way(&keys), "docker --host tcp://far:2376 --tlsverify --tlscacert \"my ca.pem\"");
    }
}
