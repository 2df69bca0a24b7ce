//! Names of images, taken apart as docker does it (`distribution/reference`).

use std::fmt;

/// The registry of names without one.
const DEFAULT_REGISTRY: &str = "docker.io";

/// The key of docker's configuration file that stands for [`DEFAULT_REGISTRY`].
const DEFAULT_REGISTRY_KEY: &str = "https://index.docker.io/v1/";

/// What Podman writes before names without a registry, of images that it has from no registry.
const LOCAL: &str = "localhost/";

/// An image's name in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// `docker.io` or a `host[:port]`.
    pub registry: String,
    /// The path within the registry: `library/alpine`.
    pub repository: String,
    /// A tag, or a digest with its algorithm (`sha256:…`).
    pub tag_or_digest: String,
}

impl Reference {
    /// Takes a name apart; `None` when it is not one. Where a name has a tag and a digest, the
    /// digest counts.
    #[must_use]
    pub fn parse(image: &str) -> Option<Self> {
        let (name, digest) = match image.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (image, None),
        };
        // A colon before the last slash belongs to the registry's port.
        let (path, tag) = match name.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
            _ => (name, None),
        };
        let (registry, repository) = match path.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => {
                (first, rest.to_owned())
            }
            Some(_) => (DEFAULT_REGISTRY, path.to_owned()),
            None => (DEFAULT_REGISTRY, format!("library/{path}")),
        };
        let registry = if registry == "index.docker.io" { DEFAULT_REGISTRY } else { registry };
        let good = is_repository(&repository)
            && tag.is_none_or(is_tag)
            && digest.is_none_or(is_digest)
            && registry.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:[]".contains(&b));
        good.then(|| Self {
            registry: registry.to_owned(),
            repository,
            tag_or_digest: digest.or(tag).unwrap_or("latest").to_owned(),
        })
    }

    /// Whether an engine that was asked for an image by the one name may call it by the other. Docker
    /// leaves out what goes without saying; Podman writes it out, and `localhost/` where it is its own.
    #[must_use]
    pub fn stands_for(told: &str, asked: &str) -> bool {
        let Some(full) = Self::parse(asked) else { return told == asked };
        let has_registry = full.registry != DEFAULT_REGISTRY
            || [DEFAULT_REGISTRY, "index.docker.io"].iter().any(|name| asked.split('/').next() == Some(name));
        let local = told.strip_prefix(LOCAL).filter(|_| !has_registry);
        [Some(told), local].into_iter().flatten().any(|name| Self::parse(name).as_ref() == Some(&full))
    }

    /// The name without tag and digest, in full: `docker.io/library/alpine`. The engine calls it
    /// `fromImage`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// The key under which docker's configuration file keeps the registry's credentials.
    #[must_use]
    pub fn credentials_key(&self) -> &str {
        if self.registry == DEFAULT_REGISTRY { DEFAULT_REGISTRY_KEY } else { &self.registry }
    }
}

impl fmt::Display for Reference {
    /// As docker shows it to people: `alpine:latest`, `localhost:5000/x@sha256:…`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let repository = if self.registry == DEFAULT_REGISTRY {
            self.repository.strip_prefix("library/").unwrap_or(&self.repository)
        } else {
            write!(f, "{}/", self.registry)?;
            &self.repository
        };
        // A tag has no colon, and a digest has one.
        let separator = if self.tag_or_digest.contains(':') { '@' } else { ':' };
        write!(f, "{repository}{separator}{}", self.tag_or_digest)
    }
}

fn is_repository(path: &str) -> bool {
    path.split('/').all(|part| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
            && part.starts_with(|c: char| c.is_ascii_alphanumeric())
    })
}

fn is_tag(tag: &str) -> bool {
    !tag.is_empty()
        && tag.len() <= 128
        && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        && !tag.starts_with(['.', '-'])
}

fn is_digest(digest: &str) -> bool {
    digest.split_once(':').is_some_and(|(algorithm, hex)| {
        !algorithm.is_empty()
            && algorithm.bytes().all(|b| b.is_ascii_alphanumeric() || b"+._-".contains(&b))
            && hex.len() >= 32
            && hex.bytes().all(|b| b.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(image: &str) -> Option<(String, String, String)> {
        let Reference { registry, repository, tag_or_digest } = Reference::parse(image)?;
        Some((registry, repository, tag_or_digest))
    }

    fn full(registry: &str, repository: &str, tag: &str) -> Option<(String, String, String)> {
        Some((registry.into(), repository.into(), tag.into()))
    }

    #[test]
    fn names_are_completed_as_docker_does() {
        assert_eq!(parts("alpine"), full("docker.io", "library/alpine", "latest"));
        assert_eq!(parts("grafana/loki:v3.1"), full("docker.io", "grafana/loki", "v3.1"));
        assert_eq!(parts("localhost/x"), full("localhost", "x", "latest"));
        assert_eq!(parts("localhost:5000/x/y:1"), full("localhost:5000", "x/y", "1"));
        assert_eq!(parts("ghcr.io/a/b/c"), full("ghcr.io", "a/b/c", "latest"));
        assert_eq!(parts("index.docker.io/a/b"), full("docker.io", "a/b", "latest"));
        let digest = format!("sha256:{}", "0a".repeat(32));
        assert_eq!(parts(&format!("a@{digest}")), full("docker.io", "library/a", &digest));
        assert_eq!(parts(&format!("h:1/a:t@{digest}")), full("h:1", "a", &digest));
    }

    #[test]
    fn people_see_no_more_than_is_needed() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        for (image, shown) in [
            ("docker.io/library/alpine", "alpine:latest".to_owned()),
            ("index.docker.io/a/b:1", "a/b:1".to_owned()),
            ("localhost:5000/library/x", "localhost:5000/library/x:latest".to_owned()),
            (&format!("a:t@{digest}"), format!("a@{digest}")),
        ] {
            assert_eq!(Reference::parse(image).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn engines_have_spellings_of_their_own() {
        for (told, asked) in [
            ("alpine", "docker.io/library/alpine:latest"),
            ("docker.io/library/alpine:latest", "alpine"),
            ("index.docker.io/moby/buildkit:x", "moby/buildkit:x"),
            ("localhost/a/b:1", "a/b:1"),
            ("localhost/a:latest", "a"),
            ("localhost/a:1", "localhost/a:1"),
            ("sha256:", "sha256:"),
        ] {
            assert!(Reference::stands_for(told, asked), "{told} for {asked}");
        }
        for (told, asked) in [
            ("a:2", "a:1"),
            ("localhost/a:2", "a:1"),
            ("localhost/a:1", "docker.io/library/a:1"),
            ("localhost/a:1", "index.docker.io/library/a:1"),
            ("localhost/a:1", "h.x/a:1"),
            ("localhost:5000/a:1", "a:1"),
            ("a:1", "localhost/a:1"),
            ("", "a"),
        ] {
            assert!(!Reference::stands_for(told, asked), "{told} for {asked}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for bad in
            ["", "A", "a:", "a b", "a/../b", "a?x=y", "a@", "a@sha256:zz", "/a", "a//b", "h.x/", "a:-b"]
        {
            assert_eq!(parts(bad), None, "{bad}");
        }
    }

    #[test]
    fn credentials_have_keys_of_their_own() {
        let key = |image: &str| Reference::parse(image).unwrap().credentials_key().to_owned();
        assert_eq!(key("alpine"), "https://index.docker.io/v1/");
        assert_eq!(key("localhost:5000/x"), "localhost:5000");
    }
}
