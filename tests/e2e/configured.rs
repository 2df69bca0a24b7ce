//! What a real buildx makes of a backend that BuildKit's configuration was chosen for, and what `info` tells.

use serde_json::{Value, json};

use crate::buildx::Client;
use crate::support::{Certificate, Context, Registry, backend_image, free_port};

#[test]
#[ignore = "needs a docker engine and buildx"]
fn buildx_builds_on_a_backend_with_every_option_about_its_configuration() {
    let (client, certificate) = (Client::new(), Certificate::new());
    let Client(backend) = &client;
    let (cert, key) = (certificate.certificate(), certificate.key());
    let (secure, mutual) =
        (Registry::start_with_tls(&cert, &key), Registry::start_with_mutual_tls(&cert, &key));
    let (mirror, local, inside) = (Registry::start(), Registry::start_on_loopback(), free_port());
    let file = backend.home().join("buildkitd.toml");
    let host = format!("localhost:{}", mutual.port);
    let pair = format!("[[registry.\"{host}\".keypair]]\ncert = \"{cert}\"\nkey = \"{key}\"\n");
    std::fs::write(&file, format!("[registry.\"{host}\"]\nhttp = false\nca = [\"{cert}\"]\n{pair}")).unwrap();

    let ports = [secure.port, mutual.port, mirror.port, local.port].map(|port| port.to_string()).join(",");
    backend.start(&[]);
    let gateway = backend.inspect()["NetworkSettings"]["Networks"]["bridge"]["Gateway"].clone();
    let gateway = gateway.as_str().unwrap();
    let (ca, elsewhere) =
        (format!("localhost:{}={cert}", secure.port), format!("{inside}={gateway}:{}", mirror.port));
    let mirrored = format!("registry.invalid=http://localhost:{}", mirror.port);
    let (path, image) = (file.to_str().unwrap(), backend_image());
    let options = [
        ["--allow-host-port", &ports],
        ["--forward", &elsewhere],
        ["--config", path],
        ["--registry-ca", &ca],
        ["--registry-mirror", &mirrored],
        ["--registry-insecure", "other.internal:5000"],
        ["--cache-reserved", "128mb"],
        ["--cache-max-used", "2gb"],
        ["--cache-min-free", "64mb"],
        ["--image", &image],
    ]
    .concat();
    let start =
        [&["assemble", "backend", "start", "--use", "--recreate", "--host-loopback"], &options[..]].concat();
    let would = client.run(&[&start[..], &["--dry-run"]].concat()).ok();
    assert!(would.stdout.contains("Would "), "{would:?}");
    client.run(&start).ok();

    for registry in [&secure, &mutual, &local] {
        let context = Context::new("FROM scratch\nADD busybox.tar /\nRUN echo built > /said\n");
        let (image, directory) = (registry.image("pushed"), context.path().to_str().unwrap().to_owned());
        client.run(&["buildx", "build", "--progress=plain", "--push", "-t", &image, &directory]).ok();
    }
    assert!(local.catalog().contains("pushed"), "{}", local.catalog());
    // Pushed by the port of another host, and found by the mirror.
    let context = Context::new("FROM scratch\nADD busybox.tar /\n");
    let by_name = format!("localhost:{inside}/base");
    let push =
        ["buildx", "build", "--progress=plain", "--push", "-t", &by_name, context.path().to_str().unwrap()];
    client.run(&push).ok();
    assert!(mirror.catalog().contains("base"), "{}", mirror.catalog());
    let context = Context::new("FROM registry.invalid/base\nRUN true\n");
    client.run(&["buildx", "build", "--progress=plain", context.path().to_str().unwrap()]).ok();

    let told = backend.run(&["info", "--format", "json"]).ok().stdout;
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        told["Settings"],
        json!({
            "cache-max-used": (2_u64 << 30).to_string(), "cache-min-free": (64 << 20).to_string(),
            "cache-reserved": (128 << 20).to_string(), "config": path, "registry-ca": [ca],
            "registry-insecure": ["other.internal:5000"], "registry-mirror": [mirrored],
        })
    );
    let configuration = &told["Configuration"];
    assert!(configuration["Digest"].as_str().unwrap().starts_with("v1:"), "{configuration}");
    let files: Vec<_> = configuration["Files"].as_array().unwrap().iter().map(|file| &file["Path"]).collect();
    assert!(files.len() >= 3 && *files[0] == "/etc/buildkit/buildkitd.toml", "{configuration}");
    let of_key = std::fs::read_to_string(&key).unwrap();
    assert!(!told.to_string().contains(of_key.lines().nth(1).unwrap()));
    let lines = backend.run(&["info"]).ok().stdout;
    assert!(
        lines.contains(&format!("config \"{path}\"")) && lines.contains("\nConfiguration: v1:"),
        "{lines}"
    );
    // The same once more is the same backend.
    let again = client.run(&start).ok();
    assert!(again.stdout.contains("is already running"), "{again:?}");
    client.run(&["assemble", "backend", "stop"]).ok();
}
