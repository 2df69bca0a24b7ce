//! Settings of the backend's container that a start chooses: they reach BuildKit, are seen, change with the
//! least that it takes, and stay until another start names them.

use serde_json::{Value, json};

use crate::buildx::Client;
use crate::support::{Backend, Context, Registry, docker};

/// A network of the engine's, removed when dropped.
struct Network(String);

impl Network {
    fn create(name: String, args: &[&str]) -> Self {
        docker(&[&["network", "create"], args, &[&name]].concat()).ok();
        Self(name)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        docker(&["network", "rm", &self.0]);
    }
}

const TINY: &str = "FROM scratch\nADD busybox.tar /\nRUN echo built > /said\n";

fn host(backend: &Backend) -> Value {
    backend.inspect()["HostConfig"].clone()
}

fn settings(backend: &Backend) -> Value {
    let told = backend.run(&["info", "--format", "json"]).ok().stdout;
    assert!(!told.contains("s3cret"), "{told}");
    serde_json::from_str::<Value>(&told).unwrap()["Settings"].clone()
}

#[test]
#[ignore = "needs a docker engine"]
fn a_start_chooses_names_variables_and_labels_of_a_backend() {
    let (backend, registry) = (Backend::new(), Registry::start());
    let (port, named) = (registry.port.to_string(), format!("reg.internal:{}", registry.port));
    let options = ["--allow-host-port", &port, "--registry-insecure", &named];
    let chosen =
        ["--add-host", "reg.internal=host-gateway", "--env", "TOKEN=s3cret", "--label", "team=builds"];
    let more = ["--buildkitd-flags", "--debug", "--cgroup-parent", "/docker/asmt"];
    let start = [&["start"], &options[..], &chosen[..], &more[..]].concat();
    let would = backend.run(&[&start[..], &["--dry-run"]].concat()).ok();
    assert!(
        would.stdout.contains("add-host \"reg.internal:host-gateway\"")
            && would.stdout.contains("env \"TOKEN\""),
        "{would:?}"
    );
    assert!(!would.words().contains("s3cret"), "{would:?}");
    backend.run(&start).ok();
    // The daemon knows the name, and pushes there.
    backend.push(&Context::new(TINY), &format!("{named}/by-name"));
    backend.push(&Context::new(TINY), &registry.image("by-port"));
    assert!(registry.catalog().contains("by-name") && registry.catalog().contains("by-port"));
    let env = docker(&["exec", &backend.name(), "sh", "-c", "tr '\\0' '\\n' </proc/1/environ"]).ok();
    assert!(env.stdout.contains("TOKEN=s3cret"), "{env:?}");
    assert!(docker(&["logs", &backend.name()]).stderr.contains("level=debug"));
    assert_eq!(backend.inspect()["Config"]["Labels"]["team"], "builds");
    assert_eq!(host(&backend)["CgroupParent"], "/docker/asmt");
    assert_eq!(
        settings(&backend),
        json!({
            "add-host": ["reg.internal:host-gateway"], "buildkitd-flags": "--debug",
            "cgroup-parent": "/docker/asmt", "env": ["TOKEN"], "label": ["team"], "registry-insecure": [named],
        })
    );

    // Whoever does not name them changes nothing; whoever names others is told of them, and of no secret.
    let id = backend.id();
    let again = backend.run(&[&["start"], &options[..]].concat()).ok();
    assert!(again.stdout.contains("is already running"), "{again:?}");
    let other = ["--env", "TOKEN=0ther", "--add-host", "reg.internal:192.0.2.7"];
    let refused = backend.run(&[&["start"], &options[..], &other[..]].concat()).fails(1);
    assert!(refused.stderr.contains("env: differs in \"TOKEN\""), "{refused:?}");
    assert!(refused.stderr.contains("add-host: has \"reg.internal:host-gateway\", asked for"), "{refused:?}");
    assert!(!refused.words().contains("0ther"), "{refused:?}");
    for bad in [["--add-host", "reg"], ["--env", "=x"], ["--memory", "lots"], ["--driver-opt", "what=1"]] {
        let refused = backend.run(&[&["start"], &bad[..]].concat()).fails(125);
        assert!(refused.stderr.contains(&format!("invalid argument \"{}\"", bad[1])), "{refused:?}");
    }
    assert_eq!(backend.id(), id);

    // A new one has what is named, and the rest of the old.
    backend.run(&[&["start", "--recreate"], &options[..], &other[..2]].concat()).ok();
    let env = docker(&["exec", &backend.name(), "sh", "-c", "tr '\\0' '\\n' </proc/1/environ"]).ok();
    assert!(env.stdout.contains("TOKEN=0ther"), "{env:?}");
    assert_eq!(settings(&backend)["add-host"], json!(["reg.internal:host-gateway"]));

    // Where the engine was cleaned up, all comes back but what may be a secret.
    docker(
        &[
            &["rm", "--force", "--volumes"],
            &backend.containers().iter().map(String::as_str).collect::<Vec<_>>()[..],
        ]
        .concat(),
    )
    .ok();
    let back = backend.run(&["start", "--registry-insecure", &named]).ok();
    assert!(
        back.stderr.contains("the variables and the labels that") && !back.words().contains("0ther"),
        "{back:?}"
    );
    let kept = settings(&backend);
    assert_eq!((&kept["add-host"], &kept["env"]), (&json!(["reg.internal:host-gateway"]), &Value::Null));
    assert_eq!(backend.forwarded(), [registry.port]);
}

#[test]
#[ignore = "needs a docker engine"]
fn limits_change_while_a_backend_runs() {
    let backend = Backend::new();
    let limits = ["--memory", "512m", "--cpus", "0.5", "--cpuset-cpus", "0", "--restart", "on-failure:3"];
    backend.run(&[&["start", "--allow-host-port", "0"], &limits[..]].concat()).ok();
    let fields = |backend: &Backend| {
        let host = host(backend);
        ["Memory", "NanoCpus", "CpusetCpus", "RestartPolicy"].map(|field| host[field].clone())
    };
    let policy = json!({"Name": "on-failure", "MaximumRetryCount": 3});
    assert_eq!(fields(&backend), [json!(512 << 20), json!(500_000_000), json!("0"), policy]);
    let id = backend.id();
    let change =
        ["start", "--allow-host-port", "0", "--memory", "768m", "--driver-opt", "restart-policy=always"];
    let would = backend.run(&[&change[..], &["--dry-run"]].concat()).ok();
    // Behind it stands where options come from that are not typed.
    assert_eq!(
        would.stdout.lines().next(),
        Some(&*format!(
            "Would change container \"{}\" to memory \"768m\", restart \"always\"",
            backend.name()
        ))
    );
    let changed = backend.run(&change).ok();
    assert!(changed.stdout.starts_with("Changed container"), "{changed:?}");
    assert_eq!((backend.id(), &fields(&backend)[0]), (id.clone(), &json!(768 << 20)));
    assert_eq!(host(&backend)["RestartPolicy"]["Name"], "always");
    backend.build(&Context::new(TINY)).ok();
    assert_eq!(backend.id(), id);
    // A limit is taken back by a new container alone.
    let refused = backend.run(&["start", "--allow-host-port", "0", "--memory", ""]).fails(1);
    assert!(refused.stderr.contains("memory: has \"768m\", asked for \"none\""), "{refused:?}");
    backend.run(&["start", "--allow-host-port", "0", "--memory", "", "--recreate"]).ok();
    assert_eq!(fields(&backend)[0], json!(0));
}

/// Well formed values, with what is said of each: only the engine can tell that they will not do here.
const UNFIT: [(&str, &str, &str); 5] = [
    ("--cpuset-cpus", "999", "asked for cpuset-cpus \"999\""),
    ("--cpus", "4096", "asked for cpus \"4096\""),
    ("--driver-opt", "cpu-period=5,cpu-quota=5000", "asked for cpu-period \"5\", cpu-quota \"5000\""),
    ("--driver-opt", "cpuset-mems=63", "asked for cpuset-mems \"63\""),
    ("--network", "asmt-no-such", "no network \"asmt-no-such\""),
];

#[test]
#[ignore = "needs a docker engine"]
fn values_that_only_the_engine_can_judge_are_named_and_nothing_changes() {
    let backend = Backend::new();
    let start = |args: &[&str]| backend.run(&[&["start", "--allow-host-port", "0"], args].concat());
    for (option, value, told) in UNFIT {
        let refused = start(&[option, value]).fails(125);
        assert!(refused.only_complaint().contains(told), "{refused:?}");
        assert_eq!(backend.containers(), [""; 0], "{value}");
    }
    // BuildKit ends with this one, and its log is shown.
    let refused = start(&["--buildkitd-flags", "--no-such-flag"]).fails(125);
    let last = refused.stderr.lines().last().unwrap();
    assert!(last.ends_with("; asked for buildkitd-flags \"--no-such-flag\""), "{refused:?}");
    assert_eq!(backend.containers(), [""; 0]);

    start(&[]).ok();
    let before = (backend.id(), host(&backend));
    for (option, value, told) in UNFIT {
        let refused = start(&[option, value, "--recreate"]).fails(125);
        assert!(refused.stderr.contains(told), "{refused:?}");
        assert_eq!((backend.id(), host(&backend)), before, "{value}");
    }
}

#[test]
#[ignore = "needs a docker engine"]
fn a_backend_is_in_the_network_that_is_named() {
    let (backend, registry) = (Backend::new(), Registry::start());
    let network = Network::create(format!("{}-net", backend.user), &[]);
    let inner = Network::create(format!("{}-inner", backend.user), &["--internal"]);
    let port = registry.port.to_string();
    let start = ["start", "--allow-host-port", &port, "--network"];
    let missing = backend.run(&[&start[..], &["asmt-no-such"]].concat()).fails(125);
    assert!(missing.stderr.contains("no network \"asmt-no-such\""), "{missing:?}");
    assert_eq!(backend.containers(), [""; 0]);
    backend.run(&[&start[..], &[&network.0]].concat()).ok();
    let networks = &backend.inspect()["NetworkSettings"]["Networks"];
    assert_eq!(networks.as_object().unwrap().keys().collect::<Vec<_>>(), [&network.0]);
    // By the gateway of that network.
    backend.push(&Context::new(TINY), &registry.image("there"));
    assert!(registry.catalog().contains("there"));
    backend.run(&["doctor", &port]).ok();

    // Where newer engines give no gateway, so that nothing can be forwarded through one.
    backend.run(&["start", "--allow-host-port", "0", "--network", &inner.0, "--recreate"]).ok();
    let told = backend.run(&["doctor", &port]).fails(1);
    let internal = format!("\"{}\" is internal", inner.0);
    assert_eq!(told.stdout.matches(&internal).count(), 1, "{told:?}");
    let left = backend.containers();
    docker(&[&["stop"], &left.iter().map(String::as_str).collect::<Vec<_>>()[..]].concat()).ok();
    for id in &left {
        docker(&["network", "disconnect", "--force", &inner.0, id]);
    }
    docker(&["network", "rm", &inner.0]).ok();
    let told = backend.run(&["doctor", &port]).fails(1);
    assert!(
        told.stdout.contains(&format!("\"{}\", which the backend was made for, is gone", inner.0)),
        "{told:?}"
    );
    backend.run(&[&start[..], &["bridge", "--recreate"]].concat()).ok();
    let networks = &backend.inspect()["NetworkSettings"]["Networks"];
    assert_eq!(networks.as_object().unwrap().keys().collect::<Vec<_>>(), ["bridge"]);
}

#[test]
#[ignore = "needs a docker engine and buildx"]
fn builds_use_the_backends_own_network_and_what_else_it_allows() {
    let (client, registry) = (Client::new(), Registry::start());
    let Client(backend) = &client;
    let port = registry.port.to_string();
    client.run(&["assemble", "backend", "start", "--use", "--allow-host-port", &port]).ok();
    let line = format!("FROM scratch\nADD busybox.tar /\nRUN wget -q -O - http://localhost:{port}/v2/\n");
    let context = Context::new(&line);
    let directory = context.path().to_str().unwrap();
    let build = |args: &[&str]| {
        client.run(&[&["buildx", "build", "--progress=plain", "--no-cache"], args, &[directory]].concat())
    };
    build(&["--network=host", "--allow", "network.host"]).ok();
    let refused = build(&["--allow", "security.insecure"]);
    assert!(refused.code != Some(0) && refused.stderr.contains("security.insecure"), "{refused:?}");

    let insecure = ["assemble", "backend", "start", "--allow-host-port", &port, "--recreate"];
    let both =
        ["--allow-insecure-entitlement", "security.insecure", "--allow-insecure-entitlement", "network.host"];
    client.run(&[&insecure[..], &both[..]].concat()).ok();
    build(&["--network=host", "--allow", "network.host", "--allow", "security.insecure"]).ok();
    assert_eq!(settings(backend)["allow-insecure-entitlement"], json!(["network.host", "security.insecure"]));
    // In buildx's spelling they are the same, and only what is named is allowed.
    let flags = "--allow-insecure-entitlement security.insecure";
    client.run(&[&insecure[..], &["--buildkitd-flags", flags]].concat()).ok();
    build(&["--allow", "security.insecure"]).ok();
    let refused = build(&["--network=host", "--allow", "network.host"]);
    assert!(refused.code != Some(0) && refused.stderr.contains("network.host"), "{refused:?}");
}

#[test]
#[ignore = "needs a docker engine and buildx"]
fn buildx_builds_on_a_backend_with_every_setting() {
    let (client, registry) = (Client::new(), Registry::start());
    let Client(backend) = &client;
    let network = Network::create(format!("{}-every", backend.user), &[]);
    let (port, named) = (registry.port.to_string(), format!("reg.internal:{}", registry.port));
    let file = backend.home().join("buildkitd.toml");
    std::fs::write(&file, format!("[registry.\"{named}\"]\nhttp = true\n")).unwrap();
    let start =
        ["assemble", "backend", "start", "--use", "--allow-host-port", &port, "--network", &network.0];
    let limits = ["--memory", "1g", "--cpus", "1.5", "--cpuset-cpus", "0", "--cgroup-parent", "/docker/asmt"];
    let rest = ["--label", "team=a", "--restart", "always", "--env", "TOKEN=s3cret", "--config"];
    let more = ["--driver-opt", "cpu-shares=512,memory-swap=2g,env.TZ=UTC", "--buildkitd-flags", "--debug"];
    let host_name = [file.to_str().unwrap(), "--add-host", "reg.internal:host-gateway"];
    client.run(&[&start[..], &limits, &rest, &host_name, &more].concat()).ok();
    let has = host(backend);
    let seen = ["Memory", "MemorySwap", "NanoCpus", "CpusetCpus", "CpuShares", "CgroupParent", "NetworkMode"];
    let want = json!([1 << 30, 2_i64 << 30, 1_500_000_000, "0", 512, "/docker/asmt", network.0]);
    assert_eq!(json!(seen.map(|field| has[field].clone())), want);

    // By the name that the daemon was given, and by the port; a step sees the port too.
    client.push(&registry, "by-port");
    let text = format!("FROM scratch\nADD busybox.tar /\nRUN wget -q -O - http://localhost:{port}/v2/\n");
    let (context, image) = (Context::new(&text), format!("{named}/by-name"));
    let build = ["buildx", "build", "--progress=plain", "--push", "-t", &image];
    client.run(&[&build[..], &[context.path().to_str().unwrap()]].concat()).ok();
    assert!(registry.catalog().contains("by-name"), "{}", registry.catalog());
    assert!(client.run(&["buildx", "inspect"]).ok().stdout.contains("running"));

    // A change while it is in use is one of the container, and the builder builds on.
    let change = ["assemble", "backend", "start", "--allow-host-port", &port, "--config", host_name[0]];
    let id = backend.id();
    client.run(&[&change[..], &["--memory", "768m", "--driver-opt", "memory-swap=1g"]].concat()).ok();
    assert_eq!((backend.id(), &host(backend)["Memory"]), (id, &json!(768 << 20)));
    client.push(&registry, "after");
    client.run(&["assemble", "backend", "stop"]).ok();
}
