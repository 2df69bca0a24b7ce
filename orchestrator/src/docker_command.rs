//! The docker command that this program is run by, or may run itself. Pure.

use crate::plugin::Globals;
use crate::vars::Vars;

/// How it is called.
#[must_use]
pub fn name(vars: &impl Vars) -> String {
    vars.get("DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND").unwrap_or_else(|| "docker".to_owned())
}

/// The docker command that runs this plugin, as the way to the engine: that is what
/// `DOCKER_CLI_PLUGIN_USE_DIAL_STDIO` asks for (`cli-plugins/plugin` of docker's command). `words` are
/// those of this program's command line.
#[must_use]
pub fn dial_stdio(words: &[String], vars: &impl Vars) -> Option<Vec<String>> {
    vars.get("DOCKER_CLI_PLUGIN_USE_DIAL_STDIO")?;
    let globals = Globals::words(words).iter().cloned();
    let dial = ["system", "dial-stdio"].map(str::to_owned);
    Some(std::iter::once(name(vars)).chain(globals).chain(dial).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn docker_leads_to_the_engine_where_it_says_so() {
        let words = ["-H", "tcp://h", "assemble", "version"].map(str::to_owned);
        let nothing: BTreeMap<&str, &str> = BTreeMap::new();
        assert_eq!((dial_stdio(&words, &nothing), name(&nothing)), (None, "docker".to_owned()));
        let mut vars = BTreeMap::from([("DOCKER_CLI_PLUGIN_USE_DIAL_STDIO", "1")]);
        let line = |vars: &BTreeMap<&str, &str>| dial_stdio(&words, vars).unwrap().join(" ");
        assert_eq!(line(&vars), "docker -H tcp://h system dial-stdio");
        vars.insert("DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND", "/usr/bin/docker");
        assert_eq!(line(&vars), "/usr/bin/docker -H tcp://h system dial-stdio");
    }
}
