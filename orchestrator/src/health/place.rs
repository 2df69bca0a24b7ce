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
    /// The virtual machine of Docker Desktop.
    Desktop,
}

impl Place {
    /// The place of an engine by what `GET /info` tells: `SecurityOptions`, `OperatingSystem` and
    /// `Name`. `own` tells whether the gateway's address is this machine's.
    #[must_use]
    pub fn of(security_options: &[String], operating_system: &str, name: &str, own: bool) -> Self {
        let mut options = security_options.iter().flat_map(|option| option.split(','));
        if operating_system.contains("Docker Desktop") || name == "docker-desktop" {
            Self::Desktop
        } else if options.any(|option| option == "name=rootless") {
            Self::Rootless
        } else if own {
            Self::Here
        } else {
            Self::Elsewhere
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_say_what_they_are() {
        let debian = "Debian GNU/Linux 12 (bookworm)";
        let seccomp = "name=seccomp,profile=default";
        let table: [(&[&str], &str, &str, bool, Place); 6] = [
            (&[seccomp], debian, "box", true, Place::Here),
            (&[seccomp], debian, "box", false, Place::Elsewhere),
            (&[seccomp, "name=rootless"], debian, "box", true, Place::Rootless),
            (&[], "Docker Desktop", "docker-desktop", true, Place::Desktop),
            (&[], "Docker Desktop 4.30", "mine", false, Place::Desktop),
            (&["name=rootless"], "Linux", "docker-desktop", false, Place::Desktop),
        ];
        for (options, system, name, own, want) in table {
            let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
            assert_eq!(Place::of(&options, system, name, own), want, "{options:?} {system} {name}");
        }
    }
}
