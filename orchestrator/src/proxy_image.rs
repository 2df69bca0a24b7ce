//! The sidecar's image, made in memory from one program.
//!
//! No registry is asked and nothing is built on the engine: a layer with one file, a
//! configuration and a manifest in a tar archive are all that `POST /images/load` wants.

mod elf;
mod published;
mod shipped;

use std::time::Duration;

use assemble_contract::argv;
use assemble_contract::image::{DIALER_DIRECTORY, NAME, PROGRAM, USER, USER_ID, health};
use bytes::Bytes;
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

use crate::desired::ImageRef;
use crate::digest;

pub use published::{published, published_name};
pub use shipped::{Missing, program, shipped};

use Entry::{Directory, File};
use elf::arch;

/// The repository under which the image is known on the engine.
pub const REPOSITORY: &str = "docker-assemble-proxy";

/// The tag of one that is published.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How many digits of its digest are the image's tag.
const TAG: usize = 12;

/// Whether an image is one of these, of this version or of another.
#[must_use]
pub fn is_built_in(image: &ImageRef) -> bool {
    let tag = image.0.rsplit_once(':').map(|(_, tag)| tag).unwrap_or_default();
    let named = image.stands_for(&ImageRef(format!("{REPOSITORY}:{tag}")));
    named && tag.len() == TAG && tag.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// An image ready to be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    /// Its name. One that is not published has a tag made from its content: two of one name are the same.
    pub image: ImageRef,
    /// What its program runs on, in OCI's words: `amd64`, `arm64`.
    pub arch: &'static str,
    /// The archive, which `docker load` takes.
    pub bytes: Bytes,
}

/// An image with `binary` as its only file and entry point. The same bytes give the same
/// archive, byte for byte.
#[must_use]
pub fn archive(binary: &[u8]) -> Archive {
    let Content { layer, layer_digest, config, digest, arch } = content(binary);
    // The configuration names the layer's digest, so its own stands for everything.
    let image = format!("{REPOSITORY}:{}", &digest[..TAG]);
    let (config_name, layer_name) = (format!("{digest}.json"), format!("{layer_digest}.tar"));
    let manifest =
        json!([{ "Config": config_name, "RepoTags": [image], "Layers": [layer_name] }]).to_string();
    let bytes = tar([
        File("manifest.json", manifest.as_bytes(), 0o444),
        File(&config_name, config.as_bytes(), 0o444),
        File(&layer_name, &layer, 0o444),
    ]);
    Archive { image: ImageRef(image), arch, bytes: bytes.into() }
}

/// What an image is made of, whatever the archive.
struct Content {
    layer: Vec<u8>,
    layer_digest: String,
    config: String,
    digest: String,
    arch: &'static str,
}

fn content(binary: &[u8]) -> Content {
    let socket_directory = format!("{}/", DIALER_DIRECTORY.trim_start_matches('/'));
    let layer = tar([
        File(NAME, binary, 0o555),
        Directory("run/", 0, 0o755),
        Directory(&socket_directory, USER_ID.into(), 0o700),
    ]);
    let layer_digest = sha256(&layer);
    let arch = arch(binary);
    let config = config(arch, &layer_digest).to_string();
    let digest = sha256(config.as_bytes());
    Content { layer, layer_digest, config, digest, arch }
}

fn labels() -> Value {
    json!({
        "org.opencontainers.image.title": REPOSITORY,
        "org.opencontainers.image.description": "Forwards a port of a network namespace to the host",
        "org.opencontainers.image.version": VERSION,
        "org.opencontainers.image.licenses": env!("CARGO_PKG_LICENSE"),
    })
}

/// The image's configuration, after the OCI image specification, and docker's health check.
fn config(arch: &str, layer_digest: &str) -> Value {
    // As the engine counts times.
    let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    // A fixed time, or no two builds would give the same image.
    let created = "1970-01-01T00:00:00Z";
    json!({
        "architecture": arch,
        "os": "linux",
        "created": created,
        "config": {
            "User": USER,
            "WorkingDir": "/",
            "Entrypoint": [PROGRAM],
            "Healthcheck": {
                "Test": ["CMD", PROGRAM, argv::HEALTH],
                "Interval": nanoseconds(health::INTERVAL),
                "Timeout": nanoseconds(health::TIMEOUT),
                "StartPeriod": nanoseconds(health::START_PERIOD),
                // Known since engine 25; an older one asks first after a whole interval.
                "StartInterval": nanoseconds(Duration::from_secs(1)),
            },
            "Labels": labels(),
        },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{layer_digest}")] },
        "history": [{ "created": created, "created_by": "docker-assemble" }],
    })
}

/// What an archive holds.
#[derive(Clone, Copy)]
enum Entry<'a> {
    /// Name, content and mode of a file, which belongs to root.
    File(&'a str, &'a [u8], u32),
    /// Name, owner and mode of a directory.
    Directory(&'a str, u64, u32),
}

/// A tar archive of what was last changed in 1970.
fn tar<const N: usize>(entries: [Entry<'_>; N]) -> Vec<u8> {
    let size = |entry: &Entry<'_>| if let File(_, content, _) = entry { content.len() } else { 0 };
    let room: usize = entries.iter().map(|entry| size(entry) + 1024).sum();
    let mut builder = Builder::new(Vec::with_capacity(room + 1024));
    for entry in entries {
        let (kind, name, content, owner, mode) = match entry {
            File(name, content, mode) => (EntryType::Regular, name, content, 0, mode),
            Directory(name, owner, mode) => (EntryType::Directory, name, &[][..], owner, mode),
        };
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(owner);
        header.set_gid(owner);
        header.set_mtime(0);
        header.set_size(content.len() as u64);
        // Memory never fails to be written, and our names are short.
        builder.append_data(&mut header, name, content).expect("a tar archive in memory");
    }
    builder.into_inner().expect("a tar archive in memory")
}

fn sha256(bytes: &[u8]) -> String {
    digest::hex(bytes, digest::WHOLE)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read;

    use super::elf::elf;
    use super::*;

    pub(super) fn files(archive: &[u8]) -> BTreeMap<String, (Header, Vec<u8>)> {
        let mut archive = tar::Archive::new(archive);
        let entry = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            (entry.path().unwrap().display().to_string(), (entry.header().clone(), content))
        };
        archive.entries().unwrap().map(entry).collect()
    }

    #[test]
    fn the_same_program_gives_the_same_bytes() {
        assert_eq!(archive(&elf(62)), archive(&elf(62)));
        assert_ne!(archive(&elf(62)).image, archive(&elf(183)).image);
    }

    #[test]
    fn manifest_config_and_layer_belong_together() {
        let program = elf(62);
        let made = archive(&program);
        let files = files(&made.bytes);
        assert_eq!(files.len(), 3);
        let read = |name: &str| serde_json::from_slice::<Value>(&files[name].1).unwrap();
        let manifest = &read("manifest.json")[0];
        assert_eq!(manifest["RepoTags"][0], made.image.0.as_str());

        let config_name = manifest["Config"].as_str().unwrap();
        assert_eq!(config_name, format!("{}.json", sha256(&files[config_name].1)));
        assert_eq!(made.image.0, format!("docker-assemble-proxy:{}", &config_name[..12]));
        let config = read(config_name);
        assert_eq!((&config["architecture"], &config["os"]), (&json!("amd64"), &json!("linux")));
        assert_eq!(config["config"]["User"], USER);
        assert_eq!(config["config"]["Entrypoint"], json!(["/assemble-proxy"]));
        assert_eq!(config["config"]["Healthcheck"]["Interval"], 30_000_000_000_u64);

        let layer = &files[manifest["Layers"][0].as_str().unwrap()].1;
        assert_eq!(config["rootfs"]["diff_ids"], json!([format!("sha256:{}", sha256(layer))]));
        let in_layer = self::files(layer);
        let (header, content) = &in_layer["assemble-proxy"];
        assert_eq!((in_layer.len(), content), (3, &program));
        let (directory, _) = &in_layer["run/assemble/"];
        assert_eq!(
            (directory.mode().unwrap(), directory.uid().unwrap(), directory.gid().unwrap()),
            (0o700, 65532, 65532)
        );
        assert_eq!(
            (header.mode().unwrap(), header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap()),
            (0o555, 0, 0, 0)
        );
    }
}
