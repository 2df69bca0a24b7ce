//! The docker command that runs this plugin, by what it says in the environment (docker/cli,
//! `cli-plugins/manager` and `cli-plugins/plugin`).

use crate::globals::Globals;
use crate::vars::Vars;

/// The docker command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parent {
    /// `DOCKER_CLI_PLUGIN_SOCKET`: where it listens for as long as the plugin should run.
    pub socket: Option<String>,
    /// `DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND`: the name that it was started by.
    pub command: Option<String>,
    /// `DOCKER_CLI_PLUGIN_USE_DIAL_STDIO`: whether the way to the engine is through it.
    pub dials: bool,
}

impl Parent {
    /// What the variables say; nothing when no docker command runs this.
    #[must_use]
    pub fn of(vars: &impl Vars) -> Self {
        Self {
            socket: vars.get("DOCKER_CLI_PLUGIN_SOCKET"),
            command: vars.get("DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND"),
            dials: vars.get("DOCKER_CLI_PLUGIN_USE_DIAL_STDIO").is_some(),
        }
    }

    /// What starts docker once more.
    #[must_use]
    pub fn docker(&self) -> &str {
        self.command.as_deref().unwrap_or("docker")
    }

    /// The program and the arguments that join their standard input and output to the engine, where the
    /// docker command asks for that: `docker GLOBALS system dial-stdio`, the globals being those in front
    /// of this plugin's own `arguments`. For [`Endpoint::through`](crate::endpoint::Endpoint::through).
    #[must_use]
    pub fn through(&self, arguments: &[String]) -> Option<Vec<String>> {
        let globals = Globals::words(arguments).iter().map(String::as_str);
        let words = std::iter::once(self.docker()).chain(globals).chain(["system", "dial-stdio"]);
        self.dials.then(|| words.map(str::to_owned).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_way_is_through_docker_where_it_says_so() {
        let arguments = ["-H", "tcp://h:1", "hello", "-D"].map(str::to_owned);
        assert_eq!(Parent::of(&BTreeMap::new()).through(&arguments), None);
        let dials = Parent::of(&BTreeMap::from([("DOCKER_CLI_PLUGIN_USE_DIAL_STDIO", "1")]));
        let words = ["docker", "-H", "tcp://h:1", "system", "dial-stdio"].map(str::to_owned);
        assert_eq!(dials.through(&arguments), Some(words.to_vec()));
        let other = Parent { command: Some("/opt/docker".to_owned()), ..dials };
        assert_eq!(other.through(&[]).unwrap()[0], "/opt/docker");
    }
}
