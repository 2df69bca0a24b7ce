//! The starts that bring back what a user has: hints tell them, and the next start may ask for one.

use std::collections::BTreeMap;
use std::path::{PathBuf, absolute};

use super::Daemon;
use super::words::{StartLine, read};
use crate::desired::{BACKEND_IMAGE, Desired, ImageRef, Port, SETTINGS, Setting, Settings, UserName};
use crate::forward::{Forward, Target};
use crate::labels;
use crate::observed::{Container, Observed};
use crate::proxy_image::is_built_in;
use crate::spec::daemon::Space;
use crate::spec::proxies::on_localhost;

/// The command that helps where there is no backend.
pub(in crate::commands) const START: &str = "docker assemble backend start";

/// The start that has all again that is known of a user's backend, as far as a start without options would
/// do something else.
pub(in crate::commands) fn again(observed: &Observed, user: &UserName) -> StartLine {
    let usual = ImageRef(BACKEND_IMAGE.to_owned());
    let image = observed.backend.as_ref().map(|backend| &backend.image);
    let settings = observed.backend.as_ref().map(|backend| backend.settings.clone()).unwrap_or_default();
    let line = of_more(of_settings(&settings, user), observed)
        .with("image", image.filter(|image| !image.stands_for(&usual)));
    let forwards = observed.wanted();
    // Without any, only the backend's note tells whether none was wanted.
    if forwards.is_empty() && observed.noted.is_none() { line } else { line.forwarding(&forwards) }
}

/// The options that are no settings of the backend's container, each with its values, as far as a start
/// without them would do something else.
pub(in crate::commands) fn more_options(observed: &Observed) -> BTreeMap<&'static str, Vec<String>> {
    of_more(StartLine::default(), observed).others()
}

fn of_more(line: StartLine, observed: &Observed) -> StartLine {
    with_configuration(line, config_options(observed.backend.as_ref()))
        .with("proxy-image", observed.helper_image().filter(|image| !is_built_in(image)))
}

/// The start that has all again that this wish has come to, with the backend that was made or found for
/// it, where there is one. `usual` is the image that is taken where none is named.
pub(super) fn left_by(desired: &Desired, backend: Option<&Container>, usual: &ImageRef) -> StartLine {
    let asked = Some(desired.config_options.as_str()).filter(|options| !options.is_empty());
    with_configuration(without_files(desired, backend, usual), asked.or_else(|| config_options(backend)))
}

/// The same without what comes out of files, which may be others by the time that somebody has it again.
pub(super) fn without_files(desired: &Desired, backend: Option<&Container>, usual: &ImageRef) -> StartLine {
    let forwards: Vec<_> = desired.forwards.iter().cloned().collect();
    // A backend has more than was asked for now, and one that is yet to be made has that.
    let has = backend.map(|backend| backend.settings.clone()).unwrap_or_default();
    of_settings(&desired.settings.clone().or(has), &desired.user)
        .with("image", (desired.image != *usual).then_some(&desired.image))
        .with("proxy-image", desired.proxy_image.named())
        .forwarding(&forwards)
}

/// The options that a backend's configuration came of; versions that did not note them are older.
fn config_options(backend: Option<&Container>) -> Option<&str> {
    backend?.labels.get(labels::CONFIG_OPTIONS).map(String::as_str)
}

fn with_configuration(line: StartLine, options: Option<&str>) -> StartLine {
    match options.and_then(read) {
        Some(start) => configured(line, &start.daemon),
        None => line,
    }
}

/// The file of `--config` among such options.
pub(super) fn config_file(options: &str) -> Option<PathBuf> {
    read(options)?.daemon.config
}

/// The same start with these options about the daemon, by paths that lead to the same files from anywhere.
pub(super) fn configured(line: StartLine, daemon: &Daemon) -> StartLine {
    let Daemon { config, insecure, mirrors, authorities, space } = daemon;
    let Space { reserved_bytes, max_used_bytes, min_free_bytes } = space;
    let absolute = |path: &PathBuf| absolute(path).unwrap_or_else(|_| path.clone()).display().to_string();
    line.with("config", config.as_ref().map(absolute))
        .with("registry-insecure", insecure)
        .with("registry-mirror", mirrors.iter().map(|(host, mirror)| format!("{host}={mirror}")))
        .with("registry-ca", authorities.iter().map(|(host, path)| format!("{host}={}", absolute(path))))
        .with("cache-reserved", *reserved_bytes)
        .with("cache-max-used", *max_used_bytes)
        .with("cache-min-free", *min_free_bytes)
}

fn of_settings(settings: &Settings, user: &UserName) -> StartLine {
    let mut line = StartLine::default();
    for Setting { option, value, usual, .. } in &SETTINGS {
        line = line.with(option, value(settings).filter(|has| Some(has) != usual(user).as_ref()));
    }
    settings.chosen.iter().fold(line, |line, (choice, _)| line.choosing(choice, &settings.chosen))
}

/// Which proxies are on the builds' own localhost without a forward there, and the start that makes
/// one beside these.
pub(in crate::commands) fn proxies_in_vain(
    proxies: &[String],
    forwards: &[Forward],
    again: &StartLine,
) -> Option<(String, String)> {
    let is_forwarded = |port: &Port| forwards.iter().any(|forward| forward.ports.contains(*port));
    let mut vain = on_localhost(proxies);
    vain.retain(|port, _| !is_forwarded(port));
    let names: Vec<_> = vain.values().map(|name| format!("\"{name}\"")).collect();
    let more =
        vain.keys().map(|port| Forward { ports: (*port).into(), target: Target::Loopback { port: *port } });
    let mut all: Vec<_> = forwards.iter().cloned().chain(more).collect();
    all.sort();
    let told = format!(
        "proxy {} of the docker configuration is localhost of the backend itself",
        names.join(" and ")
    );
    (!names.is_empty()).then(|| (told, again.forwarding(&all).command()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::{Named, ProxyImage, PullPolicy, Security, VolumeName};

    #[test]
    fn what_is_left_is_what_differs_from_the_usual() {
        let image = |name: &str| ImageRef(name.to_owned());
        let port = |number| Forward::plain(Port::new(number).unwrap());
        let usual = Desired {
            user: UserName::from_login("ann").unwrap(),
            image: image("usual"),
            pull: PullPolicy::Missing,
            settings: Settings::default(),
            forwards: [port(5000)].into(),
            proxy_image: ProxyImage::BuiltIn { image: image("built-in"), arch: "amd64".to_owned() },
            files: Vec::new(),
            config_options: String::new(),
            proxies: Vec::new(),
            dialer_directory: None,
            recreate: false,
            forwards_only: false,
            named: Named::default(),
        };
        let plain = Container {
            image: image("usual"),
            settings: Settings {
                security: Security::Privileged,
                cache_volume: Some(usual.user.cache_volume()),
                ..Settings::default()
            },
            ..Container::running("b")
        };
        assert_eq!(left_by(&usual, Some(&plain), &image("usual")), StartLine::default());
        let other = Desired {
            image: image("mine"),
            forwards: [port(6000)].into(),
            proxy_image: ProxyImage::Custom(image("relay")),
            ..usual
        };
        let cache_volume = Some(VolumeName("v".to_owned()));
        let settings = Settings { security: Security::Restricted, cache_volume, ..Settings::default() };
        let restricted = Container { settings, ..plain };
        let left = left_by(&other, Some(&restricted), &image("usual"));
        assert_eq!(
            left.command(),
            "docker assemble backend start --allow-host-port 6000 --cache-volume v --image mine \
             --proxy-image relay --security restricted"
        );

        // One that was asked for is named before there is a backend.
        let asked = Desired { settings: restricted.settings.clone(), ..other.clone() };
        assert_eq!(left_by(&asked, None, &image("usual")), left);

        // Of the containers alone the same is known.
        let user = &other.user;
        let backend = Some(Container { image: image("mine"), ..restricted.clone() });
        let helper = Some(Container { image: image("relay"), ..restricted });
        let noted = Some(other.forwards.iter().cloned().collect());
        let observed = Observed { backend, dialer: helper, noted, ..Observed::default() };
        assert_eq!(again(&observed, user), left);
    }
}
