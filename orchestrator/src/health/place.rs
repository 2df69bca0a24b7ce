//! Where the engine is, seen from the services that builds want to reach.

/// What the gateway of the engine's networks is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// This machine: its tables can be read here.
    Here,
    /// Another machine, or this one seen from within a container.
    Elsewhere,
    /// The network namespace of an engine without root.
    Rootless,
    /// The network namespace of Podman without root, whose containers may be in that of the host too.
    RootlessPodman,
    /// The virtual machine of a program of this name. In there "host.docker.internal" is the computer that
    /// it runs on, with what listens on its 127.0.0.1: so say the documents of Docker Desktop, OrbStack, Lima
    /// and Colima and Rancher Desktop, which are made with it.
    Virtual(&'static str),
}

impl Place {
    /// The place of an engine by what `GET /info` tells: `SecurityOptions`, `OperatingSystem` and
    /// `Name`, and whether it is Podman. `own` tells whether the gateway's address is this machine's, and
    /// `hostname` is what this one is called.
    #[must_use]
    pub fn of(
        security_options: &[String],
        operating_system: &str,
        name: &str,
        podman: bool,
        own: bool,
        hostname: &str,
    ) -> Self {
        let mut options = security_options.iter().flat_map(|option| option.split(','));
        if let Some(program) = virtual_machine(operating_system, name, own || name == hostname) {
            Self::Virtual(program)
        } else if options.any(|option| option == "name=rootless") {
            if podman { Self::RootlessPodman } else { Self::Rootless }
        } else if own {
            Self::Here
        } else {
            Self::Elsewhere
        }
    }
}

/// Whose virtual machine this is. Lima names the machine after its instance, with `lima-` before it, as does
/// Rancher Desktop, and Colima after its profile. Whoever is in there, or has called a machine so, is `here`
/// and reaches it as any other.
fn virtual_machine(operating_system: &str, name: &str, here: bool) -> Option<&'static str> {
    let is = |instance: &str| {
        name.strip_prefix(instance).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    if operating_system.contains("Docker Desktop") || name == "docker-desktop" {
        Some("Docker Desktop")
    } else if operating_system == "OrbStack" {
        Some("OrbStack")
    } else if here {
        None
    } else if is("colima") {
        Some("Colima")
    } else if name == "lima-rancher-desktop" {
        Some("Rancher Desktop")
    } else if is("lima") {
        Some("Lima")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_say_what_they_are() {
        let debian = "Debian GNU/Linux 12 (bookworm)";
        let seccomp = "name=seccomp,profile=default";
        let table: [(&[&str], &str, &str, bool, Place); 14] = [
            (&[seccomp], debian, "box", true, Place::Here),
            (&[seccomp], debian, "box", false, Place::Elsewhere),
            (&[seccomp, "name=rootless"], debian, "box", true, Place::Rootless),
            (&[], "Docker Desktop", "docker-desktop", true, Place::Virtual("Docker Desktop")),
            (&[], "Docker Desktop 4.30", "mine", false, Place::Virtual("Docker Desktop")),
            (&["name=rootless"], "Linux", "docker-desktop", false, Place::Virtual("Docker Desktop")),
            (&[], "OrbStack", "orbstack", false, Place::Virtual("OrbStack")),
            (&[], "Ubuntu 24.04.1 LTS", "colima", false, Place::Virtual("Colima")),
            (&[], "Ubuntu 24.04.1 LTS", "colima-work", false, Place::Virtual("Colima")),
            (&["name=rootless"], "Ubuntu 24.04.1 LTS", "lima-docker", false, Place::Virtual("Lima")),
            (&[], "Ubuntu 24.04.1 LTS", "lima-docker", true, Place::Here),
            (&[], "Ubuntu 24.04.1 LTS", "lima-here", false, Place::Elsewhere),
            (&["name=rootless"], "Ubuntu 24.04.1 LTS", "lima-here", false, Place::Rootless),
            (&[], "Alpine Linux v3.20", "lima-rancher-desktop", false, Place::Virtual("Rancher Desktop")),
        ];
        for (options, system, name, own, want) in table {
            let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
            let place = Place::of(&options, system, name, false, own, "lima-here");
            assert_eq!(place, want, "{options:?} {system} {name}");
        }
        let rootless = ["name=seccomp,profile=default,name=rootless".to_owned()];
        assert_eq!(Place::of(&rootless, "debian", "box", true, true, "box"), Place::RootlessPodman);
        assert_eq!(Place::of(&[], "debian", "box", true, true, "box"), Place::Here);
    }
}
