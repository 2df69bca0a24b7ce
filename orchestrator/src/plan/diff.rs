//! Which differences between a container and its spec count, and what they lead to.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Value, json};

use crate::desired::{Choice, Chosen, Desired, NETWORK_HOST, SETTINGS, Setting};
use crate::labels;
use crate::observed::{Container, Observed};
use crate::proxy_image::is_built_in;
use crate::spec::daemon::differences;
use crate::spec::proxies::environment;
use crate::spec::{Candidates, ContainerSpec, same_settings as same_fingerprint, usual_entitlement};

/// What a difference leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Only a new backend can have it: the cache and running builds are at stake.
    Recreate,
    /// The engine changes it while the backend goes on.
    Change,
    /// A sidecar is replaced; the backend goes on.
    Update,
    /// It stays.
    Ignore,
}

/// What differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The reference of the image.
    Image,
    /// What the reference points to: a tag moved.
    ImageContent,
    /// A setting that is an option, by its name.
    Setting(&'static str),
    /// One that is as the backend has it unless a start names it.
    Choice {
        /// Which.
        choice: Choice,
        /// Whether the engine can do that while the container runs.
        live: bool,
    },
    /// Builds may not use the backend's own network, as those of a new one may.
    NetworkHost,
    /// The configuration that the daemon was given.
    Config,
    /// The certificates that docker's engine has for registries on localhost.
    Certificates,
    /// The proxies in docker's configuration.
    Proxies,
    /// Something this program chose, in another version of it.
    Defaults,
}

impl Field {
    const fn effect(self) -> Effect {
        match self {
            Self::Choice { live: true, .. } => Effect::Change,
            // The user named each of these.
            Self::Image | Self::Setting(_) | Self::Choice { .. } | Self::Config => Effect::Recreate,
            // Nobody asked for them at this moment, and a running build is worth more.
            Self::ImageContent | Self::NetworkHost | Self::Certificates | Self::Proxies | Self::Defaults => {
                Effect::Ignore
            }
        }
    }
}

/// One difference, with both sides in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What differs.
    pub field: Field,
    /// What the container has.
    pub has: String,
    /// What was asked for.
    pub asked: String,
    /// The settings that differ, where the field has several. Their values are not told: there
    /// may be secrets among them.
    pub names: Vec<String>,
}

impl Difference {
    /// What it leads to.
    #[must_use]
    pub const fn effect(&self) -> Effect {
        self.field.effect()
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.field {
            Field::Image => "image",
            Field::ImageContent => "content of the image",
            Field::Setting(name) => name,
            Field::Choice { choice, .. } => choice.row().name,
            Field::NetworkHost => Choice::Entitlements.row().name,
            Field::Config => "configuration",
            Field::Certificates => "certificates of docker's engine",
            Field::Proxies => "proxies",
            Field::Defaults => "version of docker assemble",
        };
        let Self { has, asked, names, .. } = self;
        if names.is_empty() {
            return write!(f, "{what}: has \"{has}\", asked for \"{asked}\"");
        }
        let names = names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
        match (has.as_str(), asked.as_str()) {
            (NONE, _) => write!(f, "{what}: has none, asked for {names}"),
            (_, NONE) => write!(f, "{what}: has {names}, asked for none"),
            _ => write!(f, "{what}: differs in {names}"),
        }
    }
}

/// How the backend differs from the wish that `candidates` were made from.
#[must_use]
pub fn backend(
    desired: &Desired,
    observed: &Observed,
    container: &Container,
    candidates: &Candidates,
) -> Vec<Difference> {
    let mut differences = Vec::new();

    let same_image = container.image.stands_for(&desired.image);
    if !same_image {
        differences.extend(unequal(Field::Image, &container.image.0, &desired.image.0));
    } else if let Some(here) = observed.images.get(&desired.image) {
        differences.extend(unequal(Field::ImageContent, &container.image_id, here));
    }

    // Either is what `auto` may have come to; whoever names it for a new backend has it tried again.
    let tried_again = desired.recreate && desired.named.security;
    let same_security =
        |spec: &&ContainerSpec| !tried_again && spec.settings.security == container.settings.security;
    let asked = candidates.iter().find(same_security).unwrap_or(&candidates.preferred);
    for Setting { name, value, .. } in &SETTINGS {
        let side = |settings| value(settings).unwrap_or_else(|| NONE.to_owned());
        differences.extend(unequal(Field::Setting(name), &side(&container.settings), &side(&asked.settings)));
    }

    let (has, all) = (&container.settings.chosen, &asked.settings.chosen);
    let named = desired.settings.chosen.iter();
    differences.extend(named.filter_map(|(choice, asked)| chosen(has, all, choice, asked)));
    differences.extend(entitlements(&desired.settings.chosen, has, asked));
    differences.extend(config(desired, observed, container, &candidates.preferred));
    differences.extend(certificates(desired, observed));
    differences.extend(proxies(desired, container));
    if same_image && !candidates.iter().any(|spec| same_settings(spec, container) == Some(true)) {
        let version = |labels: &BTreeMap<String, String>| {
            labels.get(labels::VERSION).map_or_else(|| "unknown".to_owned(), Clone::clone)
        };
        // The same version means the same settings in other words, such as a longer image name.
        let (has, asked) = (version(&container.labels), version(&candidates.preferred.labels));
        differences.extend(unequal(Field::Defaults, &has, &asked));
    }
    differences
}

/// What another backend in the place of this one would not have any more, in people's words: of what each start
/// has to name, what this one does not.
#[must_use]
pub fn lost(desired: &Desired, observed: &Observed, container: &Container) -> Vec<String> {
    let is_other = !desired.named.image && !container.image.stands_for(&desired.image);
    let image = is_other.then(|| format!("image {}", container.image));
    let is_own = desired.proxy_image.named().is_none();
    let own = observed.helper_image().filter(|image| is_own && !is_built_in(image));
    let proxy_image = own.map(|image| format!("proxy-image {image}"));
    let named = differences(&[], &desired.files).asked;
    let mut config = match &observed.files {
        Some(has) => differences(has, &desired.files).asked,
        None if desired.files.is_empty() && container.labels.contains_key(labels::CONFIG) => {
            vec!["config".to_owned()]
        }
        None => Vec::new(),
    };
    // What is in a file is the business of whoever names one: of the rest, options are told that there were.
    let names_file = desired.config_options.split(' ').any(|word| word == "--config");
    let had = container.labels.get(labels::CONFIG_OPTIONS).map_or("", String::as_str);
    let is_option = |name: &str| had.contains(&format!("--{name}"));
    config.retain(|name| !named.contains(name) && (!names_file || (!is_file(name) && is_option(name))));
    image.into_iter().chain(proxy_image).chain(config).collect()
}

/// Whether only the file of `--config` can have this.
fn is_file(name: &str) -> bool {
    name == "config" || name.starts_with("config ")
}

/// In the place of what one side does not have.
const NONE: &str = "none";

fn unequal(field: Field, has: &str, asked: &str) -> Option<Difference> {
    let (has, asked) = (has.to_owned(), asked.to_owned());
    (has != asked).then(|| Difference { field, has, asked, names: Vec::new() })
}

/// A setting that was named; `all` are those that the backend is to have. Of what may be a secret only the
/// name is told.
fn chosen(container: &Chosen, all: &Chosen, choice: Choice, asked: &Value) -> Option<Difference> {
    let has = container.get(choice).unwrap_or(&Value::Null);
    let field = Field::Choice { choice, live: choice.is_live(container, asked) };
    // Entitlements differ or not whether they are named or not.
    if choice == Choice::Entitlements || container.agrees(all, choice) {
        return None;
    }
    if !choice.is_secret() {
        let otherwise = container.told_otherwise(choice).filter(|_| has.is_null());
        return Some(Difference {
            field,
            has: otherwise.unwrap_or_else(|| choice.told(has)),
            asked: choice.told(asked),
            names: Vec::new(),
        });
    }
    let all = |value: &Value| value.as_object().cloned().unwrap_or_default();
    let (has, asked) = (all(has), all(asked));
    let names: BTreeSet<&String> = has.keys().chain(asked.keys()).collect();
    let names = names.into_iter().filter(|name| has.get(*name) != asked.get(*name)).cloned().collect();
    Some(several(field, !has.is_empty(), !asked.is_empty(), names))
}

/// What builds may ask for. A backend that was made before any was given lacks the usual one.
fn entitlements(named: &Chosen, has: &Chosen, spec: &ContainerSpec) -> Option<Difference> {
    let choice = Choice::Entitlements;
    let usual = || json!([NETWORK_HOST]);
    let has = has.get(choice).cloned().unwrap_or_else(usual);
    let is_given = spec.args.contains(&usual_entitlement());
    let asked = spec.settings.chosen.get(choice).cloned();
    let asked = asked.unwrap_or_else(|| if is_given { usual() } else { json!([]) });
    let field = match named.names(choice) {
        true => Field::Choice { choice, live: false },
        false => Field::NetworkHost,
    };
    unequal(field, &choice.told(&has), &choice.told(&asked))
}

fn several(field: Field, has: bool, asked: bool, names: Vec<String>) -> Difference {
    let side = |there: bool| if there { "other" } else { NONE }.to_owned();
    Difference { field, has: side(has), asked: side(asked), names }
}

/// What the container has counts, and not what it was made with. Where that cannot be read, labels
/// tell whether there is a difference, but not in what; those of old versions do not.
fn config(
    desired: &Desired,
    observed: &Observed,
    container: &Container,
    spec: &ContainerSpec,
) -> Option<Difference> {
    let label = |labels: &BTreeMap<String, String>| labels.get(labels::CONFIG).cloned();
    let (had, wanted) = (label(&container.labels), label(&spec.labels));
    let names = match (&observed.files, &had, &wanted) {
        (Some(has), ..) => differences(has, &desired.files).asked,
        (None, Some(had), Some(wanted)) if same_fingerprint(had, wanted) != Some(false) => Vec::new(),
        (None, None, None) => Vec::new(),
        (None, ..) => vec!["config".to_owned()],
    };
    let has = observed.files.as_ref().map_or_else(|| had.is_some(), |files| !files.is_empty());
    (!names.is_empty()).then(|| several(Field::Config, has, !desired.files.is_empty(), names))
}

/// Nobody asked for these, so that they are told only where they can be seen.
fn certificates(desired: &Desired, observed: &Observed) -> Option<Difference> {
    let names = differences(observed.files.as_ref()?, &desired.files).found;
    (!names.is_empty()).then(|| several(Field::Certificates, true, true, names))
}

/// Only what docker's configuration sets, or did, is compared: an image may bring others.
fn proxies(desired: &Desired, container: &Container) -> Option<Difference> {
    let label = container.labels.get(labels::PROXIES).map_or("", String::as_str);
    let asked = desired.proxies.iter().filter_map(|line| Some(line.split_once('=')?.0));
    // With the exceptions that are ours.
    let wanted = environment(&desired.proxies);
    let all: BTreeSet<&str> = label.split(',').chain(asked).filter(|name| !name.is_empty()).collect();
    let value = |env: &[String], name: &str| {
        let of = |line: &String| Some(line.strip_prefix(name)?.strip_prefix('=')?.to_owned());
        env.iter().find_map(of)
    };
    // What the user has named goes first.
    let chosen = desired.settings.chosen.over(&container.settings.chosen);
    let differs =
        |name: &&str| !chosen.has_variable(name) && value(&container.env, name) != value(&wanted, name);
    let differing: Vec<&str> = all.into_iter().filter(differs).collect();
    let has = differing.iter().any(|name| value(&container.env, name).is_some());
    // Each is there in both spellings.
    let names: BTreeSet<String> = differing.iter().map(|name| name.to_uppercase()).collect();
    let names: Vec<String> = names.into_iter().collect();
    (!names.is_empty()).then(|| several(Field::Proxies, has, !desired.proxies.is_empty(), names))
}

/// Whether a sidecar or the dialer has to be replaced. Its image's content counts for nothing: the built-in
/// image has a new name whenever its content changes, and for a user's own a tag that moved is
/// no reason to cut connections.
#[must_use]
pub fn helper(spec: &ContainerSpec, container: &Container) -> Effect {
    let target = |labels: &BTreeMap<String, String>| labels.get(labels::TARGET).cloned();
    let same = same_settings(spec, container).unwrap_or_else(|| {
        // Made by a version whose fingerprints mean nothing today: what there is to see of a
        // sidecar decides. The dialer's ports are not, and nobody misses it for a moment.
        let (has, asked) = (target(&container.labels), target(&spec.labels));
        asked.is_some() && has == asked && container.image.stands_for(&spec.image)
    });
    if same { Effect::Ignore } else { Effect::Update }
}

/// `None` when that cannot be told from the fingerprints.
fn same_settings(spec: &ContainerSpec, container: &Container) -> Option<bool> {
    same_fingerprint(container.labels.get(labels::SETTINGS)?, spec.settings())
}
