//! Who runs this program.

use std::path::PathBuf;

use docker_plugin::name_service::account;
use docker_plugin::vars::Vars;
use explained::Explained;

use crate::desired::UserName;

/// Neither the environment nor the system knows.
#[derive(Debug, thiserror::Error, Explained)]
#[error("cannot tell who you are; set USER to your login name")]
#[advice = "set it"]
pub struct NoUser;

/// The login name: `USER`, else `LOGNAME`, else (Windows) `USERNAME`, else what the password
/// database says of the process's user. `None` when nothing fit for a name is found.
#[must_use]
pub fn user(vars: &impl Vars) -> Option<UserName> {
    let variables = ["USER", "LOGNAME", "USERNAME"].into_iter().filter_map(|name| vars.get(name));
    // Last, since it may be another machine that knows.
    let known = std::iter::once_with(account).flatten().map(|(name, _)| name);
    variables.chain(known).find_map(|login| UserName::from_login(&login))
}

/// The home directory: `HOME`, else (Windows) `USERPROFILE`, else that of the password database.
#[must_use]
pub fn home(vars: &impl Vars) -> Option<PathBuf> {
    let variable = vars.get("HOME").or_else(|| vars.get("USERPROFILE")).map(PathBuf::from);
    variable.or_else(|| account().map(|(_, home)| home))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_first_usable_name_counts() {
        let name = |vars: &[(&str, &str)]| {
            let vars: BTreeMap<_, _> = vars.iter().copied().collect();
            user(&vars).map(|name| name.to_string())
        };
        assert!(name(&[("USER", "a b"), ("LOGNAME", "c")]).is_some_and(|name| name.starts_with("a-b--")));
        assert_eq!(name(&[("USER", "@"), ("LOGNAME", "c")]).as_deref(), Some("c"));
        assert_eq!(name(&[("USER", ""), ("LOGNAME", "c")]).as_deref(), Some("c"));
    }
}
