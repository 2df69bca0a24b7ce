//! What an engine is: `GET /version`, and `GET /info` with what Podman alone tells there.

use bollard::errors::Error as BollardError;
use bollard::models::SystemInfo;
use serde::Deserialize;

use super::contact::{Contact, operation};
use super::{EngineFacts, Result, answered, transport, words};

/// How an engine without root is told.
const ROOTLESS: &str = "name=rootless";

/// What the client's model has no place for.
#[derive(Default, Deserialize)]
struct OfPodman {
    #[serde(default, rename = "Rootless")]
    rootless: bool,
}

/// The facts that decisions depend on.
pub(super) async fn facts(contact: &Contact) -> Result<EngineFacts> {
    let docker = contact.client().await?;
    let version = contact.ask(operation("ask for the version", ""), docker.version());
    let (version, info) = tokio::try_join!(version, ask(contact))?;
    let version = version.answer;
    let mut components = version.components.iter().flatten();
    Ok(EngineFacts {
        podman: components.any(|component| component.name == "Podman Engine"),
        version: version.version.unwrap_or_default(),
        api_version: contact.version(),
        arch: version.arch.unwrap_or_default(),
        os: version.os.unwrap_or_default(),
        logging_driver: info.logging_driver.unwrap_or_default(),
        security_options: info.security_options.unwrap_or_default(),
        directory: info.docker_root_dir.unwrap_or_default(),
        operating_system: info.operating_system.unwrap_or_default(),
        name: info.name.unwrap_or_default(),
        kernel: info.kernel_version.unwrap_or_default(),
        cgroups: answered::cgroups(info.cgroup_version),
    })
}

/// What the engine tells of itself.
async fn ask(contact: &Contact) -> Result<SystemInfo> {
    // A ping is the one question of the client's whose answer it gives as it was written.
    let docker = contact.client().await?.clone();
    let docker = docker.with_request_modifier(|request| transport::redirected(request, "/info"));
    let asking = async { read(docker.ping().await?) };
    contact.call(operation("ask for the engine's facts", ""), contact.usual(), asking).await
}

/// Podman before 4.6 tells in a field of its own that it has no root, and not among the security options
/// (containers/podman#18208).
fn read(text: String) -> Result<SystemInfo, BollardError> {
    let OfPodman { rootless } = serde_json::from_str(&text).unwrap_or_default();
    let mut info: SystemInfo = words::understood(text)?.answer;
    let options = info.security_options.get_or_insert_default();
    if rootless && !options.iter().any(|option| option == ROOTLESS) {
        options.push(ROOTLESS.to_owned());
    }
    Ok(info)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn podman_without_root_is_known_in_each_of_its_versions() {
        let podman = |options: &str, rootless: &str| {
            read(format!(r#"{{"SecurityOptions": [{options}], "Rootless": {rootless}}}"#)).unwrap()
        };
        for (options, rootless, without) in [
            (r#""name=seccomp""#, "true", true),
            (r#""name=seccomp", "name=rootless""#, "true", true),
            (r#""name=seccomp""#, "false", false),
            (r#""name=seccomp""#, r#""perhaps""#, false),
        ] {
            let options = podman(options, rootless).security_options.unwrap();
            let found = options.iter().filter(|option| *option == ROOTLESS).count();
            assert_eq!(found, usize::from(without), "{options:?}");
        }
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        assert!(read("{".to_owned()).is_err());
        assert_eq!(read("{}".to_owned()).unwrap().name, None);
    }
}
