//! What `backend manifest` prints, done word for word as far as that goes without a cluster.

use crate::buildx::Client;
use crate::support::run;

/// A cluster that buildx is told of, and does not ask before it builds.
const NOBODY: &str = r#"
apiVersion: v1
kind: Config
clusters: [{name: nobody, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: nobody, user: {token: none}}]
contexts: [{name: nobody, context: {cluster: nobody, user: nobody}}]
current-context: nobody
"#;

/// What buildx tells of the builder that the printed command has made, or how it failed.
fn made(client: &Client, options: &[&str]) -> Result<String, String> {
    let config = client.0.home().join("kubeconfig");
    std::fs::write(&config, NOBODY).unwrap();
    let manifest = ["assemble", "backend", "manifest", "--kubernetes"];
    let printed = client.run(&[&manifest[..], options].concat()).ok();
    let line = printed.stderr.lines().map(str::trim).find(|line| line.starts_with("docker buildx create"));
    let line = line.expect("a command that makes the builder");
    assert!(printed.stdout.contains(line), "the same at the head of the manifest");
    let created = run(client.0.command_of("sh", &["-c", line]).env("KUBECONFIG", &config));
    if created.code != Some(0) {
        return Err(created.stderr);
    }
    let inspected = run(client.0.command_of("docker", &["buildx", "inspect"]).env("KUBECONFIG", &config));
    Ok(inspected.ok().stdout)
}

#[test]
#[ignore = "needs a docker engine and buildx"]
fn the_command_beside_a_manifest_makes_its_pod_the_builder() {
    let client = Client::new();
    for (options, endpoint) in [
        (&[][..], "kube-pod://docker-assemble-backend-0?container=buildkitd"),
        (&["--name", "o", "--namespace", "builds"], "kube-pod://o-0?container=buildkitd&namespace=builds"),
    ] {
        let inspected = made(&client, options).unwrap();
        assert!(inspected.contains(&format!("{endpoint}\n")), "{inspected}");
        assert!(inspected.contains("remote"), "{inspected}");
    }
}

#[test]
#[ignore = "needs a docker engine and buildx"]
fn the_command_beside_replicas_makes_a_builder_of_all_of_them_where_buildx_can() {
    let client = Client::new();
    let made = made(&client, &["--replicas", "3"]);
    if client.is_at_least((0, 34)) {
        let inspected = made.unwrap();
        assert!(inspected.contains("deployment=docker-assemble-backend"), "{inspected}");
        assert!(inspected.contains("persistent-volume-claim.requests.storage=\"50Gi\""), "{inspected}");
    } else {
        let refused = made.unwrap_err();
        assert!(refused.contains("persistent-volume-claim.requests.storage"), "{refused}");
    }
}
