use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

/// A configuration directory that is removed at the end.
struct ConfigDir(PathBuf);

impl ConfigDir {
    fn new(test: &str, config: &str) -> Self {
        let dir =
            std::env::temp_dir().join(format!("docker-plugin-credentials-{}-{test}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("config.json"), config).unwrap();
        Self(dir)
    }

    /// A helper script in the directory: its path.
    fn helper(&self, script: &str) -> String {
        let path = self.0.join("helper");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.display().to_string()
    }

    fn source(&self) -> CredentialSource {
        CredentialSource { config_dir: Some(self.0.clone()), auth_config: None }
    }
}

impl Drop for ConfigDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// `u:p` and `v:q`.
const UP: &str = "dTpw";
const VQ: &str = "djpx";

fn user(found: Option<Credentials>) -> Option<String> {
    found.and_then(|found| found.username)
}

#[tokio::test]
async fn the_file_is_asked_by_key_and_by_host() {
    let config =
        format!(r#"{{"auths":{{"https://r.example/v2/":{{"auth":"{UP}"}},"h:5000":{{"auth":"{VQ}"}}}}}}"#);
    let dir = ConfigDir::new("file", &config);
    assert_eq!(user(dir.source().find("r.example").await), Some("u".into()));
    let found = dir.source().find("h:5000").await.unwrap();
    assert_eq!((found.username.as_deref(), found.password.as_deref()), (Some("v"), Some("q")));
    assert_eq!(found.server_address.as_deref(), Some("h:5000"));
    assert_eq!(dir.source().find("elsewhere").await, None);
}

#[tokio::test]
async fn the_environment_goes_before_the_file() {
    let dir =
        ConfigDir::new("env", &format!(r#"{{"auths":{{"a":{{"auth":"{UP}"}},"b":{{"auth":"{UP}"}}}}}}"#));
    let mut source = dir.source();
    source.auth_config = Some(format!(r#"{{"auths":{{"a":{{"auth":"{VQ}"}}}}}}"#));
    assert_eq!(user(source.find("a").await), Some("v".into()));
    assert_eq!(user(source.find("b").await), Some("u".into()));
}

#[tokio::test]
async fn nothing_configured_is_no_error() {
    assert_eq!(CredentialSource::default().try_find("a").await.unwrap(), None);
    let dir = ConfigDir::new("empty", r#"{"auths":{"a":{}}}"#);
    assert_eq!(dir.source().try_find("a").await.unwrap(), None);
    let missing = CredentialSource { config_dir: Some("/nonexistent".into()), auth_config: None };
    assert_eq!(missing.try_find("a").await.unwrap(), None);
}

#[tokio::test]
async fn damage_is_named_and_leaves_the_pull_possible() {
    let dir = ConfigDir::new("damage", r#"{"auths":{"a":{"auth":"%%%"}}}"#);
    assert_eq!(dir.source().try_find("a").await.unwrap_err().to_string(), "\"auth\" of \"a\" is damaged");
    assert_eq!(dir.source().find("a").await, None);
    let dir = ConfigDir::new("json", "{");
    assert!(dir.source().try_find("a").await.unwrap_err().to_string().contains("config.json"));
}

#[test]
fn helpers_go_before_the_store() {
    let config = parse(br#"{"credsStore":"s","credHelpers":{"a":"own"}}"#, "x").unwrap();
    assert_eq!(config.helper("a"), Some("own"));
    assert_eq!(config.helper("b"), Some("s"));
    assert_eq!(parse(b"{}", "x").unwrap().helper("a"), None);
}

/// One test for all that starts programs: a script that is still open for writing in a process
/// that another thread is just starting cannot be run.
#[tokio::test]
async fn helpers_answer_have_nothing_or_fail() {
    let dir = ConfigDir::new("helper", "{}");
    let user =
        dir.helper(r#"read -r key; echo "{\"ServerURL\":\"$key\",\"Username\":\"$key\",\"Secret\":\"p\"}""#);
    let found = ask(&user, "h:5000").await.unwrap().unwrap();
    assert_eq!((found.username.as_deref(), found.password.as_deref()), (Some("h:5000"), Some("p")));

    let token = dir.helper(r#"echo '{"ServerURL":"a","Username":"<token>","Secret":"t"}'"#);
    let found = ask(&token, "a").await.unwrap().unwrap();
    assert_eq!((found.username, found.identity_token.as_deref()), (None, Some("t")));

    let nothing = dir.helper("echo credentials not found in native keychain; exit 1");
    assert_eq!(ask(&nothing, "a").await.unwrap(), None);
    let fails = dir.helper("echo locked >&2; exit 3");
    assert!(ask(&fails, "a").await.unwrap_err().to_string().ends_with("failed: locked"));
    let silent = dir.helper("exit 3");
    assert!(ask(&silent, "a").await.unwrap_err().to_string().ends_with("failed: exit status: 3"));

    let config = format!(r#"{{"credsStore":"there-is-no-such-helper","auths":{{"a":{{"auth":"{UP}"}}}}}}"#);
    let missing = ConfigDir::new("no-helper", &config);
    let error = missing.source().try_find("a").await.unwrap_err().to_string();
    assert!(error.starts_with("run \"docker-credential-there-is-no-such-helper\""), "{error}");
    assert_eq!(missing.source().find("a").await, None);
}
