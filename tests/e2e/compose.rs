//! `images/compose.yaml`, run by Compose: the proxy beside BuildKit without the plugin.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::ci::root;
use crate::support::{
    Backend, Context, PATIENCE, Registry, TempDir, backend_image, base_image, docker, eventually, host,
    inspect, run, wget,
};

/// The services of the file, gone when dropped.
struct Project {
    compose: String,
    name: String,
    files: [PathBuf; 2],
    _dir: TempDir,
}

impl Project {
    /// With images that are here, and what is allowed here: not every engine gives privileges. Names and
    /// labels are those of this backend's user, so that another one is in nobody's way.
    #[track_caller]
    fn new(compose: &str, backend: &Backend, proxy: &str, port: u16) -> Self {
        let (name, dir) = (backend.name(), TempDir::new());
        let labels = json!({ "io.github.docker-assemble.user": backend.user });
        let service =
            |name: String, image: &str| json!({ "image": image, "container_name": name, "labels": labels });
        let mut buildkitd = service(format!("{name}-buildkitd"), &backend_image());
        let mut sidecar = service(format!("{name}-proxy"), proxy);
        // The registry of a test is on no port that another one may have.
        sidecar["command"] = json!(["--port", "5000", "--to", format!("gateway:{port}")]);
        let given = &backend.inspect()["HostConfig"];
        if given["Privileged"] != true {
            buildkitd["privileged"] = json!(false);
            buildkitd["cap_add"] = json!(["SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE"]);
            // Enough where nothing is run in a build. Compose 1 knows no "systempaths".
            buildkitd["security_opt"] = json!(["seccomp=unconfined", "apparmor=unconfined"]);
            buildkitd["volumes"] = json!(["/sys/fs/cgroup:/sys/fs/cgroup"]);
        }
        let drivers = docker(&["info", "--format", "{{json .Plugins.Log}}"]).ok().stdout;
        for service in [&mut buildkitd, &mut sidecar] {
            if given["UsernsMode"] == "host" {
                service["userns_mode"] = json!("host");
            }
            // Podman knows no such driver.
            if !drivers.contains("\"local\"") {
                service["logging"] = json!({ "driver": "json-file" });
            }
        }
        let own = dir.path().join("own.yaml");
        let services: Value = json!({ "services": { "buildkitd": buildkitd, "proxy-port-5000": sidecar } });
        std::fs::write(&own, services.to_string()).unwrap();
        Self {
            compose: compose.to_owned(),
            name,
            files: [root().join("images/compose.yaml"), own],
            _dir: dir,
        }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.compose);
        command.args(["-p", &self.name]).env("DOCKER_HOST", host());
        for file in &self.files {
            command.arg("-f").arg(file);
        }
        command.args(args);
        command
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let _ = run(&mut self.command(&["down", "--volumes", "--timeout", "1"]));
    }
}

/// Has this Compose run the file. `backend` forwards a port, from which it is seen what this engine gives;
/// `is_host` is whether gateways of its networks lead to this host. Where they do not, what the proxy says.
#[track_caller]
pub(crate) fn walk(compose: &str, backend: &Backend, registry: &Registry, is_host: bool) -> Option<String> {
    let proxy = inspect(&backend.sidecar(registry.port))["Config"]["Image"].as_str().unwrap().to_owned();
    let project = Project::new(compose, backend, &proxy, registry.port);
    run(&mut project.command(&["up", "--detach"])).ok();
    let (buildkitd, proxy) = (format!("{}-buildkitd", project.name), format!("{}-proxy", project.name));
    eventually("the health check of the proxy's image succeeds", PATIENCE, || {
        let health = docker(&["exec", &proxy, "/assemble-proxy", "health"]);
        (health.code == Some(0)).then_some(())
    });
    if !is_host {
        let probe = ["exec", &proxy, "/assemble-proxy", "status", "--port", "5000", "--probe"];
        return Some(docker(&probe).ok().stdout);
    }
    let hello = Context::new("FROM scratch\nADD busybox.tar /\n");
    eventually("BuildKit builds and pushes", PATIENCE, || {
        let built = hello.build(&buildkitd, Some("type=image,name=localhost:5000/hello,push=true"));
        (built.code == Some(0)).then_some(())
    });
    assert!(registry.catalog().contains("hello"), "{}", registry.catalog());

    // A new network of the builder's is found.
    docker(&["restart", "--time", "1", &buildkitd]).ok();
    eventually("the proxy serves the new network", PATIENCE, || {
        let (network, get) = (format!("container:{buildkitd}"), wget(60, "http://localhost:5000/v2/"));
        // A namespace of the host's users takes no other ones.
        let users = backend.inspect()["HostConfig"]["UsernsMode"].as_str().unwrap_or_default().to_owned();
        let of_whom = ["run", "--rm", "--network", &network, "--userns", &users];
        let got = docker(&[&of_whom[..], &[&base_image(), "sh", "-c", &get]].concat());
        (got.code == Some(0)).then_some(())
    });
    None
}

#[test]
#[ignore = "needs a docker engine and docker-compose"]
fn the_compose_before_docker_compose_takes_the_file_too() {
    // Where Python is newer than it knows, it is installed and fails whatever it is asked.
    let version = Command::new("docker-compose").arg("version").output();
    if !version.as_ref().is_ok_and(|version| version.status.success()) {
        let why = version.map(|version| String::from_utf8_lossy(&version.stderr).trim().to_owned());
        eprintln!("NOT RUN: docker-compose does not start here: {why:?}");
        return;
    }
    let (backend, registry) = (Backend::new(), Registry::start());
    backend.start(&[registry.port]);
    walk("docker-compose", &backend, &registry, true);
}
