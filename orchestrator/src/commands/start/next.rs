//! What a person may type once they have their first backend, in the form of docker's own hints.

use docker_plugin::hooks::HEADING;
use docker_plugin::output::Console;

use crate::apply::{Made, Origin};
use crate::desired::{ContainerName, Desired};
use crate::forward::REGISTRY_PORT;

/// Whether what a start has made is this backend, in nobody's place: who replaces one knows the way.
pub(super) fn is_first(made: &[Made], backend: &ContainerName) -> bool {
    let is_created = |made: &Made| matches!(made, Made::Container { name, origin: Origin::Created, .. } if name == backend);
    let is_aside = |made: &Made| matches!(made, Made::SetAside { name, .. } if name == backend);
    made.iter().any(is_created) && !made.iter().any(is_aside)
}

/// Tells it. Whether `--use` has made the backend a builder of buildx already, is in `in_use`.
pub(super) fn tell(console: &Console, desired: &Desired, in_use: bool) {
    console.note(format_args!("\n{HEADING}"));
    if !in_use {
        console.note("    Make it the builder of docker buildx → docker assemble backend use");
    }
    if desired.forwards.iter().any(|forward| forward.ports.contains(REGISTRY_PORT)) {
        console.note(format_args!(
            "    Build, and push to your registry → docker buildx build --push -t localhost:{REGISTRY_PORT}/app ."
        ));
    }
    console.note("    See what builds reach → docker assemble backend info");
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
}
