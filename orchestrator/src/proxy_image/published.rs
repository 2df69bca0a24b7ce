//! The image as it is published: an OCI image layout.

use serde_json::json;

use super::Entry::File;
use super::{Archive, Content, REPOSITORY, VERSION, content, labels, sha256, tar};
use crate::desired::ImageRef;

/// What the image is called that is published with this version.
#[must_use]
pub fn published_name() -> String {
    format!("{REPOSITORY}:{VERSION}")
}

/// The same image to be published: an OCI image layout, and in it what engines before 25.0 read.
#[must_use]
pub fn published(binary: &[u8]) -> Archive {
    let Content { layer, layer_digest, config, digest, arch } = content(binary);
    let image = published_name();
    let described = |kind: &str, digest: &str, size: usize| {
        let media_type = format!("application/vnd.oci.image.{kind}");
        json!({ "mediaType": media_type, "digest": format!("sha256:{digest}"), "size": size })
    };
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": described("config.v1+json", &digest, config.len()),
        "layers": [described("layer.v1.tar", &layer_digest, layer.len())],
        "annotations": labels(),
    })
    .to_string();
    let manifest_digest = sha256(manifest.as_bytes());
    let mut entry = described("manifest.v1+json", &manifest_digest, manifest.len());
    entry["platform"] = json!({ "architecture": arch, "os": "linux" });
    // By these names containerd, and Podman and skopeo, call what they read.
    entry["annotations"] = json!({
        "io.containerd.image.name": format!("docker.io/library/{image}"),
        "org.opencontainers.image.ref.name": VERSION,
    });
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [entry],
    });
    let blob = |digest: &str| format!("blobs/sha256/{digest}");
    let (manifest_name, config_name, layer_name) =
        (blob(&manifest_digest), blob(&digest), blob(&layer_digest));
    let for_docker = json!([{ "Config": config_name, "RepoTags": [image], "Layers": [layer_name] }]);
    let bytes = tar([
        File("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#, 0o444),
        File("index.json", index.to_string().as_bytes(), 0o444),
        File("manifest.json", for_docker.to_string().as_bytes(), 0o444),
        File(&manifest_name, manifest.as_bytes(), 0o444),
        File(&config_name, config.as_bytes(), 0o444),
        File(&layer_name, &layer, 0o444),
    ]);
    Archive { image: ImageRef(image), arch, bytes: bytes.into() }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::elf::elf;
    use super::super::tests::files;
    use super::super::{TAG, archive};
    use super::*;

    #[test]
    fn a_published_image_has_the_same_content_in_oci_s_layout() {
        let program = elf(183);
        let made = published(&program);
        let files = files(&made.bytes);
        let read = |name: &str| serde_json::from_slice::<Value>(&files[name].1).unwrap();
        let blob = |of: &Value| {
            let name = of["digest"].as_str().unwrap().replace(':', "/");
            let content = &files[&format!("blobs/{name}")].1;
            assert_eq!((of["size"].as_u64(), &name[7..]), (Some(content.len() as u64), &*sha256(content)));
            content.clone()
        };
        assert_eq!(read("oci-layout")["imageLayoutVersion"], "1.0.0");
        let entry = &read("index.json")["manifests"][0];
        assert_eq!(entry["platform"], json!({ "architecture": "arm64", "os": "linux" }));
        let manifest: Value = serde_json::from_slice(&blob(entry)).unwrap();
        let (config, layer) = (blob(&manifest["config"]), blob(&manifest["layers"][0]));
        assert_eq!(self::files(&layer)["assemble-proxy"].1, program);

        // The same configuration is the same image to an engine.
        let tag = &archive(&program).image.0;
        assert_eq!(tag.rsplit_once(':').unwrap().1, &sha256(&config)[..TAG]);
        let for_docker = &read("manifest.json")[0];
        assert_eq!(for_docker["RepoTags"][0], made.image.0.as_str());
        assert_eq!(files[for_docker["Config"].as_str().unwrap()].1, config);
        assert_eq!(files[for_docker["Layers"][0].as_str().unwrap()].1, layer);
    }
}
