//! `images/compose.yaml`, run as Compose would: the proxy beside BuildKit without the plugin.

use serde_norway::Value;

use crate::support::{Backend, Context, PATIENCE, Registry, backend_image, docker, eventually, inspect};

const COMPOSE: &str = include_str!("../../images/compose.yaml");

/// A service of the file as options of `docker run`, and the words that follow the image.
///
/// # Panics
/// A setting that is not known here: it would go untested.
fn service(compose: &Value, name: &str, service_name: impl Fn(&str) -> String) -> (Vec<String>, Vec<String>) {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => serde_norway::to_string(value).unwrap().trim().to_owned(),
        other => panic!("{other:?}"),
    };
    let list = |value: &Value| value.as_sequence().unwrap().iter().map(text).collect::<Vec<_>>();
    let pairs = |value: &Value| {
        let pairs = value.as_mapping().unwrap().iter();
        pairs.map(|(name, value)| format!("{}={}", text(name), text(value))).collect::<Vec<_>>()
    };
    let (mut options, mut words) = (Vec::new(), Vec::new());
    for (key, value) in compose["services"][name].as_mapping().unwrap() {
        let mut option = |name: &str, value: String| options.push(format!("--{name}={value}"));
        match key.as_str().unwrap() {
            "command" => words = list(value),
            // Who it is, and what depends on the engine, is the test's business.
            "image" | "container_name" | "volumes" | "privileged" => {}
            "restart" => option("restart", text(value)),
            "user" => option("user", text(value)),
            "pids_limit" => option("pids-limit", text(value)),
            "read_only" => option("read-only", text(value)),
            "logging" => {
                assert_eq!(value.as_mapping().unwrap().len(), 1, "the driver alone");
                option("log-driver", text(&value["driver"]));
            }
            "network_mode" => {
                let value = text(value);
                let service = value.strip_prefix("service:").unwrap();
                option("network", format!("container:{}", service_name(service)));
            }
            "sysctls" => pairs(value).into_iter().for_each(|pair| option("sysctl", pair)),
            "environment" => pairs(value).into_iter().for_each(|pair| option("env", pair)),
            "cap_drop" => list(value).into_iter().for_each(|name| option("cap-drop", name)),
            "security_opt" => list(value).into_iter().for_each(|name| option("security-opt", name)),
            other => panic!("the test does not know what \"{other}\" means"),
        }
    }
    (options, words)
}

/// What the plugin's own backend was allowed to do here: not every engine gives privileges.
fn privileges(backend: &Backend) -> Vec<String> {
    if backend.inspect()["HostConfig"]["Privileged"] == true {
        return vec!["--privileged".to_owned()];
    }
    let restricted = "--cap-add=SYS_ADMIN --cap-add=NET_ADMIN --cap-add=SYS_PTRACE \
                      --security-opt=seccomp=unconfined --security-opt=apparmor=unconfined \
                      --security-opt=systempaths=unconfined --cgroupns=host \
                      --volume=/sys/fs/cgroup:/sys/fs/cgroup";
    restricted.split_whitespace().map(str::to_owned).collect()
}

#[track_caller]
fn run(options: &[String], image: &str, words: &[String]) {
    let all = [&["run".to_owned(), "--detach".to_owned()], options, &[image.to_owned()], words].concat();
    docker(&all.iter().map(String::as_str).collect::<Vec<_>>()).ok();
}

#[test]
#[ignore = "needs a docker engine"]
fn the_proxy_is_an_ordinary_sidecar_of_compose() {
    let (backend, registry) = (Backend::new(), Registry::start());
    // For the image of the proxy, and to see what this engine gives.
    backend.start(&[registry.port]);
    let image = inspect(&backend.sidecar(registry.port))["Config"]["Image"].as_str().unwrap().to_owned();

    // The port is the only thing that is another one: 5000 may be anybody's.
    let compose: Value =
        serde_norway::from_str(&COMPOSE.replace("\"5000\"", &format!("\"{}\"", registry.port))).unwrap();
    let container = |service: &str| format!("{}-{service}", backend.name());
    let known_by = |service: &str| {
        let label = format!("--label=io.github.docker-assemble.user={}", backend.user);
        vec![format!("--name={}", container(service)), label]
    };
    let (options, words) = service(&compose, "buildkitd", container);
    run(&[known_by("buildkitd"), options, privileges(&backend)].concat(), &backend_image(), &words);
    let (options, words) = service(&compose, "proxy-port-5000", container);
    run(&[known_by("proxy"), options].concat(), &image, &words);

    eventually("the health check of the proxy's image succeeds", PATIENCE, || {
        let health = docker(&["exec", &container("proxy"), "/assemble-proxy", "health"]);
        (health.code == Some(0)).then_some(())
    });
    let hello = Context::new("FROM scratch\nADD busybox.tar /\n");
    let output = format!("type=image,name={},push=true", registry.image("hello"));
    eventually("BuildKit answers", PATIENCE, || {
        let built = hello.build(&container("buildkitd"), Some(&output));
        (built.code == Some(0)).then_some(())
    });
    assert!(registry.catalog().contains("hello"), "{}", registry.catalog());

    // A new network of the builder's is found.
    docker(&["restart", "--time", "1", &container("buildkitd")]).ok();
    let front = format!("timeout 60 wget -q -O - http://localhost:{}/v2/", registry.port);
    eventually("the proxy serves the new network", PATIENCE, || {
        let network = format!("container:{}", container("buildkitd"));
        let image = crate::support::base_image();
        let get = docker(&["run", "--rm", "--network", &network, &image, "sh", "-c", &front]);
        (get.code == Some(0)).then_some(())
    });
}
