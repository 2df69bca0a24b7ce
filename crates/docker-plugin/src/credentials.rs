//! The user's credentials for registries, found as docker's own client finds them (docker/cli,
//! `cli/config/credentials`).
//!
//! Found here because the crates for it ask the configuration file before the credential store,
//! block the thread, and wait for a helper without end.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use explained::Explained;
use serde::Deserialize;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::bounded;

/// How long a credential helper may take: long enough to unlock a key ring by hand.
const HELPER_DEADLINE: Duration = Duration::from_secs(60);

/// The user name by which a helper says that its secret is an identity token.
const TOKEN_USER: &str = "<token>";

/// Padding may be missing: other tools write the same file.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why credentials are not found.
#[derive(Debug, thiserror::Error, Explained)]
#[status = "part"]
pub enum CredentialsError {
    /// Docker's configuration cannot be read.
    #[error("read \"{path}\": {error}")]
    #[advice = "what `{error}` says"]
    Read {
        /// The file, or the variable.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// The entry is not base64 of `user:password`.
    #[error("\"auth\" of \"{key}\" is damaged")]
    #[advice = "`docker login` again"]
    Damaged {
        /// The registry's.
        key: String,
    },
    /// The credential helper is not installed.
    #[error("run \"{program}\": {error}")]
    #[advice = "install it, or change `credsStore`"]
    Run {
        /// The helper.
        program: String,
        /// The system's reason.
        error: io::Error,
    },
    /// It waits, for a locked key ring for instance.
    #[error("\"{program}\" gave no answer within {seconds} s", seconds = HELPER_DEADLINE.as_secs())]
    #[advice = "unlock it"]
    Late {
        /// The helper.
        program: String,
    },
    /// Its own words.
    #[error("\"{program}\" failed: {words}")]
    #[advice = "what they say"]
    Failed {
        /// The helper.
        program: String,
        /// What it said.
        words: String,
    },
    /// It is no credential helper.
    #[error("\"{program}\" gave an answer that is not understood")]
    #[advice = "change `credsStore`"]
    Nonsense {
        /// The helper.
        program: String,
    },
}

/// A credential helper failed, or docker's configuration is damaged.
#[derive(Debug, thiserror::Error, Explained)]
#[error("going on without credentials for \"{registry}\": {error}")]
#[advice = "what `{error}` says, under \"Credentials for a pull\""]
#[status = "warning"]
pub struct CredentialsWarning<'a> {
    registry: &'a str,
    error: CredentialsError,
}

/// Where to look for credentials. Nothing is read from the environment here.
#[derive(Clone, Debug, Default)]
pub struct CredentialSource {
    /// The directory of docker's `config.json`.
    pub config_dir: Option<PathBuf>,
    /// A configuration that goes before the file: `DOCKER_AUTH_CONFIG`.
    pub auth_config: Option<String>,
}

/// What a registry takes for a login.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// The user's name.
    pub username: Option<String>,
    /// The user's password.
    pub password: Option<String>,
    /// A token in the place of both, which the engine exchanges for one of the registry's.
    pub identity_token: Option<String>,
    /// A token that the registry takes as it is.
    pub registry_token: Option<String>,
    /// The key that they were kept under.
    pub server_address: Option<String>,
}

/// The part of `config.json` that is about credentials.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Config {
    auths: HashMap<String, Auth>,
    creds_store: String,
    cred_helpers: HashMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Auth {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
    registrytoken: String,
}

/// What a helper prints for `get`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    username: String,
    secret: String,
}

impl CredentialSource {
    /// The credentials kept under `key`. Whatever goes wrong is a warning and means none: an
    /// image that needs no credentials must not become impossible to pull.
    pub async fn find(&self, key: &str) -> Option<Credentials> {
        match self.try_find(key).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!("{}", CredentialsWarning { registry: key, error });
                None
            }
        }
    }

    async fn try_find(&self, key: &str) -> Result<Option<Credentials>, CredentialsError> {
        if let Some(text) = self.auth_config.as_deref().filter(|text| !text.is_empty()) {
            let config = parse(text.as_bytes(), "DOCKER_AUTH_CONFIG")?;
            if let Some(found) = config.written(key)? {
                return Ok(Some(found));
            }
        }
        let Some(dir) = &self.config_dir else { return Ok(None) };
        let path = dir.join("config.json");
        let text = match bounded::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(CredentialsError::Read { path: path.display().to_string(), error }),
        };
        let config = parse(&text, &path.display().to_string())?;
        match config.helper(key) {
            Some(helper) => ask(&format!("docker-credential-{helper}"), key).await,
            None => config.written(key),
        }
    }
}

fn parse(text: &[u8], path: &str) -> Result<Config, CredentialsError> {
    serde_json::from_slice(text)
        .map_err(|error| CredentialsError::Read { path: path.to_owned(), error: error.into() })
}

impl Config {
    /// The helper in charge of `key`: one of its own, else the common store.
    fn helper(&self, key: &str) -> Option<&str> {
        let own = self.cred_helpers.get(key).or_else(|| self.cred_helpers.get(hostname(key)));
        Some(own.unwrap_or(&self.creds_store).as_str()).filter(|helper| !helper.is_empty())
    }

    fn written(&self, key: &str) -> Result<Option<Credentials>, CredentialsError> {
        let same_host = || self.auths.iter().find(|(other, _)| hostname(other) == hostname(key));
        let Some((_, auth)) = self.auths.get_key_value(key).or_else(same_host) else { return Ok(None) };
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let (username, password) = if auth.auth.is_empty() {
            (some(&auth.username), some(&auth.password))
        } else {
            let (username, password) =
                decode(&auth.auth).ok_or_else(|| CredentialsError::Damaged { key: key.to_owned() })?;
            (Some(username), Some(password))
        };
        let identity_token = some(&auth.identitytoken);
        let registry_token = some(&auth.registrytoken);
        // A file beside a credential store keeps empty entries for what the store has.
        if username.is_none() && identity_token.is_none() && registry_token.is_none() {
            return Ok(None);
        }
        Ok(Some(Credentials {
            username,
            password,
            identity_token,
            registry_token,
            server_address: Some(key.to_owned()),
        }))
    }
}

/// `user:password` in base64; older clients ended it with NUL bytes.
fn decode(auth: &str) -> Option<(String, String)> {
    let text = String::from_utf8(BASE64.decode(auth).ok()?).ok()?;
    let (username, password) = text.split_once(':')?;
    Some((username.to_owned(), password.trim_end_matches('\0').to_owned()))
}

/// The host of a key, which may be a URL.
fn hostname(key: &str) -> &str {
    let rest = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    rest.split('/').next().unwrap_or(rest)
}

/// Asks a helper, which is found by the search path.
async fn ask(program: &str, key: &str) -> Result<Option<Credentials>, CredentialsError> {
    let name = || program.to_owned();
    let output = tokio::time::timeout(HELPER_DEADLINE, run(program, key))
        .await
        .map_err(|_| CredentialsError::Late { program: name() })?
        .map_err(|error| CredentialsError::Run { program: name(), error })?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        // The fixed phrase of docker-credential-helpers.
        if words.contains("credentials not found in native keychain") {
            return Ok(None);
        }
        let more = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        let words =
            [words, more].into_iter().filter(|words| !words.is_empty()).collect::<Vec<_>>().join(": ");
        let words = if words.is_empty() { output.status.to_string() } else { words };
        return Err(CredentialsError::Failed { program: name(), words });
    }
    let answer: HelperAnswer =
        serde_json::from_slice(&output.stdout).map_err(|_| CredentialsError::Nonsense { program: name() })?;
    let server_address = Some(key.to_owned());
    Ok(Some(if answer.username == TOKEN_USER {
        Credentials { identity_token: Some(answer.secret), server_address, ..Credentials::default() }
    } else {
        Credentials {
            username: Some(answer.username),
            password: Some(answer.secret),
            server_address,
            ..Credentials::default()
        }
    }))
}

async fn run(program: &str, key: &str) -> io::Result<std::process::Output> {
    let mut child = Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that ends without reading says why in its output.
        let _ = stdin.write_all(key.as_bytes()).await;
    }
    bounded::said_by(child).await
}

#[cfg(test)]
#[path = "credentials_tests.rs"]
mod tests;
