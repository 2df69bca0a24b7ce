//! Which engine is meant: docker's own order of options, variables, configuration and contexts.

mod config;
mod context;
mod engine;
mod headers;
mod host;

pub use config::{Config, ConfigWarning};
pub use context::ContextError;
pub use engine::{Endpoint, Tls};
pub(crate) use engine::{TCP_PORT, TLS_PORT};
pub use headers::HeadersError;
pub use host::HostError;

use std::path::{Path, PathBuf};

use explained::Explained;

use crate::credentials::CredentialSource;
use crate::globals::Globals;
use crate::vars::Vars;

/// The name of the context that stands for the options, `DOCKER_HOST` or the platform's socket.
const DEFAULT_CONTEXT: &str = "default";

/// Why it cannot be told which engine is meant.
#[derive(Debug, thiserror::Error, Explained)]
pub enum EndpointError {
    /// Both were given.
    #[error("conflicting options: cannot specify both --host and --context")]
    #[advice = "give one of them"]
    HostAndContext,
    /// `--context`, `DOCKER_CONTEXT` or `currentContext` names no context.
    #[error("context \"{name}\" does not exist; 'docker context ls' lists those that do")]
    #[advice = "name another"]
    NoContext {
        /// Its name.
        name: String,
    },
    /// Its files are damaged or may not be read.
    #[error("cannot read context \"{name}\": {why}")]
    #[advice = "make the context anew"]
    BadContext {
        /// Its name.
        name: String,
        /// What is wrong with it.
        why: ContextError,
    },
    /// What `{why}` says.
    #[error("cannot use DOCKER_CUSTOM_HEADERS: {why}")]
    #[advice = "correct or unset it"]
    BadHeaders {
        /// What is wrong with them.
        why: HeadersError,
    },
    /// `--host` or `DOCKER_HOST`.
    #[error("cannot understand the docker host \"{host}\": {why}")]
    #[advice = "write `unix://`, `tcp://` or `ssh://`"]
    BadHost {
        /// As it was given.
        host: String,
        /// What is wrong with it.
        why: HostError,
    },
}

/// How an engine was named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Named {
    /// By nothing, or by `DOCKER_HOST`: by what every docker command finds in the same place.
    #[default]
    Environment,
    /// By the context of this name.
    Context(String),
    /// By `--host`, which leads elsewhere than a command without it, and which no context has.
    Host,
}

/// Everything that docker's configuration says about reaching an engine.
#[derive(Debug)]
pub struct Resolved {
    /// The engine.
    pub endpoint: Endpoint,
    /// How it was named.
    pub named: Named,
    /// Where the credentials for registries are.
    pub credentials: CredentialSource,
    /// Filters for every purge (`pruneFilters`), as they are written there.
    pub prune_filters: Vec<String>,
    /// The plugin that `docker build` is an alias of (`aliases`).
    pub builder_alias: Option<String>,
    /// Variables with the proxies for containers (`proxies`), `NAME=value`.
    pub proxies: Vec<String>,
    /// What was wrong with the configuration and passed over, as docker does.
    pub warning: Option<ConfigWarning>,
}

/// Finds the engine. `home` is the user's home directory.
///
/// The order is that of the docker command: `--context`, `--host`, `DOCKER_HOST`,
/// `DOCKER_CONTEXT`, `currentContext` of the configuration, the default.
///
/// # Errors
/// Contradictory options, and a context that is missing or broken.
pub fn resolve(globals: &Globals, vars: &impl Vars, home: Option<&Path>) -> Result<Resolved, EndpointError> {
    let directory = directory(globals, vars, home);
    let (config, warning) = directory.as_deref().map(Config::read).unwrap_or_default();

    let context = context_name(globals, vars, &config)?;
    let (host, tls) = if context == DEFAULT_CONTEXT {
        let host = globals.host.clone().or_else(|| vars.get("DOCKER_HOST")).unwrap_or_default();
        (host, default_tls(globals, vars, directory.as_deref()))
    } else {
        context::read(directory.as_deref(), &context)?
    };
    let host = host::normalize(&host, tls.is_some())?;
    // A socket file needs no TLS, whatever the options say.
    let tls = tls.filter(|_| !host.starts_with("unix:") && !host.starts_with("npipe:"));

    let named = match &globals.host {
        _ if context != DEFAULT_CONTEXT => Named::Context(context),
        Some(_) => of_host(&host, vars, &config, directory.as_deref()),
        // Whoever names it by an option means it wherever else docker leads by now.
        None if globals.context.is_some() => Named::Context(context),
        None => Named::Environment,
    };
    let proxies = config.proxy_variables(&host);
    let mut headers = config.headers;
    if let Some(more) = vars.get("DOCKER_CUSTOM_HEADERS") {
        headers.extend(headers::read(&more)?);
    }
    Ok(Resolved {
        endpoint: Endpoint { host, tls, headers, through: None, api_version: vars.get("DOCKER_API_VERSION") },
        named,
        credentials: CredentialSource { config_dir: directory, auth_config: vars.get("DOCKER_AUTH_CONFIG") },
        prune_filters: config.prune_filters,
        builder_alias: config.builder_alias,
        proxies,
        warning,
    })
}

/// What leads to a host that an option names: what every command finds, or a context.
fn of_host(host: &str, vars: &impl Vars, config: &Config, directory: Option<&Path>) -> Named {
    let is_same = |other: &str, tls: bool| host::normalize(other, tls).is_ok_and(|other| other == host);
    if is_same(&vars.get("DOCKER_HOST").unwrap_or_default(), false) {
        let leads_here = context_name(&Globals::default(), vars, config);
        let is_usual = leads_here.is_ok_and(|context| context == DEFAULT_CONTEXT);
        return if is_usual { Named::Environment } else { Named::Context(DEFAULT_CONTEXT.to_owned()) };
    }
    let mut names = directory.map(context::names).unwrap_or_default();
    names.sort_unstable();
    let is_it = |name: &String| {
        context::read(directory, name).is_ok_and(|(other, tls)| is_same(&other, tls.is_some()))
    };
    names.into_iter().find(is_it).map_or(Named::Host, Named::Context)
}

/// The names of all contexts, in order.
pub fn contexts(globals: &Globals, vars: &impl Vars, home: Option<&Path>) -> Vec<String> {
    let mut names = directory(globals, vars, home).map(|found| context::names(&found)).unwrap_or_default();
    names.push(DEFAULT_CONTEXT.to_owned());
    names.sort_unstable();
    names
}

/// Where docker's configuration is.
fn directory(globals: &Globals, vars: &impl Vars, home: Option<&Path>) -> Option<PathBuf> {
    let named = globals.config.clone().or_else(|| vars.get("DOCKER_CONFIG").map(PathBuf::from));
    named.or_else(|| home.map(|home| home.join(".docker")))
}

fn context_name(globals: &Globals, vars: &impl Vars, config: &Config) -> Result<String, EndpointError> {
    if globals.host.is_some() && globals.context.is_some() {
        return Err(EndpointError::HostAndContext);
    }
    if let Some(context) = &globals.context {
        return Ok(context.clone());
    }
    if globals.host.is_some() || vars.get("DOCKER_HOST").is_some() {
        return Ok(DEFAULT_CONTEXT.to_owned());
    }
    let named = vars.get("DOCKER_CONTEXT").or_else(|| config.current_context.clone());
    Ok(named.unwrap_or_else(|| DEFAULT_CONTEXT.to_owned()))
}

/// TLS of the default context. The usual files are used when they exist, files that were named
/// are used in any case.
fn default_tls(globals: &Globals, vars: &impl Vars, directory: Option<&Path>) -> Option<Tls> {
    let verify = globals.tls_verify.unwrap_or_else(|| vars.get("DOCKER_TLS_VERIFY").is_some());
    let tls = globals.tls.unwrap_or_else(|| vars.get("DOCKER_TLS").is_some());
    // As docker has it, whoever speaks of verification wants TLS, with or without it.
    if !(verify || tls || globals.tls_verify.is_some()) {
        return None;
    }
    let usual = vars.get("DOCKER_CERT_PATH").map(PathBuf::from).or_else(|| directory.map(Path::to_owned));
    let file = |named: &Option<PathBuf>, name: &str| {
        let usual = || usual.as_ref().map(|usual| usual.join(name)).filter(|path| path.exists());
        named.clone().or_else(usual)
    };
    Some(Tls {
        ca: file(&globals.tls_ca, "ca.pem"),
        cert: file(&globals.tls_cert, "cert.pem"),
        key: file(&globals.tls_key, "key.pem"),
        skip_verify: !verify,
    })
}
