//! The backend as a builder of docker's own buildx.

use std::os::unix::fs::symlink;

use crate::support::{Backend, Context, Outcome, Registry, docker, run};

/// A user whose docker command has this plugin and buildx.
pub(crate) struct Client(pub(crate) Backend);

impl Client {
    pub(crate) fn new() -> Self {
        let backend = Backend::new();
        let plugins = backend.install_plugin();
        let buildx = std::env::var("ASSEMBLE_TEST_BUILDX")
            .expect("ASSEMBLE_TEST_BUILDX names a buildx; scripts/plugin.sh prints one");
        symlink(buildx, plugins.join("docker-buildx")).unwrap();
        Self(backend)
    }

    /// `docker ARGS`.
    #[track_caller]
    pub(crate) fn run(&self, args: &[&str]) -> Outcome {
        run(&mut self.0.command_of("docker", args))
    }

    /// Whether its buildx is of this release or a later one.
    pub(crate) fn is_at_least(&self, release: (u32, u32)) -> bool {
        let version = self.run(&["buildx", "version"]).ok().stdout;
        release_of(version.split_whitespace().nth(1).expect("a version")) >= release
    }

    /// The line of `docker buildx ls` for the backend, a star behind the name of the one in use.
    pub(crate) fn builder(&self) -> Option<String> {
        let list = self.run(&["buildx", "ls"]).ok();
        list.stdout.lines().find(|line| line.starts_with(&self.0.name())).map(str::to_owned)
    }

    /// Builds a directory, pushes the result and demands that it arrives.
    #[track_caller]
    pub(crate) fn push(&self, registry: &Registry, name: &str) {
        let context = Context::new("FROM scratch\nADD busybox.tar /\nRUN echo built > /said\n");
        let (image, directory) = (registry.image(name), context.path().to_str().unwrap().to_owned());
        self.run(&["buildx", "build", "--progress=plain", "--push", "-t", &image, &directory]).ok();
        assert!(registry.catalog().contains(name), "{}", registry.catalog());
    }
}

/// The first two numbers of a version.
pub(crate) fn release_of(version: &str) -> (u32, u32) {
    let numbers = version.trim_start_matches('v').split('.');
    let mut numbers = numbers.map(|number| number.parse().unwrap_or_default());
    (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default())
}

#[test]
#[ignore = "needs a docker engine and buildx"]
fn a_backend_in_use_builds_and_pushes_to_the_hosts_localhost() {
    let (client, registry) = (Client::new(), Registry::start());
    let Client(backend) = &client;
    client.run(&["assemble", "backend", "start", "--allow-host-port", &registry.port.to_string()]).ok();
    assert_eq!(client.builder(), None, "nobody asked for a builder");

    let selected = client.run(&["assemble", "backend", "use"]).ok();
    assert_eq!(selected.stdout, format!("Builder \"{}\" is in use by docker buildx\n", backend.name()));
    let builder = client.builder().expect("buildx lists the backend");
    assert!(builder.starts_with(&format!("{}*", backend.name())) && builder.contains("remote"), "{builder}");
    client.push(&registry, "pushed");

    // The host runs what arrived.
    let image = registry.image("pushed");
    let said = docker(&["run", "--rm", "--pull", "always", "--quiet", &image, "cat", "/said"]);
    docker(&["image", "rm", "--force", &image]);
    assert_eq!(said.ok().stdout, "built\n");

    // Once more changes nothing, and the backend is one that buildx can describe.
    client.run(&["assemble", "backend", "use"]).ok();
    let inspected = client.run(&["buildx", "inspect"]).ok();
    assert!(inspected.stdout.contains(&format!("docker-container://{}", backend.name())), "{inspected:?}");
    assert!(inspected.stdout.contains("running"), "{inspected:?}");

    client.run(&["assemble", "backend", "stop"]).ok();
    assert_eq!(client.builder(), None, "a stop unregisters");
}

#[test]
#[ignore = "needs a docker engine and buildx"]
fn what_is_built_is_in_the_engine_where_that_was_asked_for() {
    let client = Client::new();
    client.0.start(&[]);
    if !client.is_at_least((0, 14)) {
        let refused = client.run(&["assemble", "backend", "use", "--default-load"]).fails(1);
        assert!(refused.stderr.contains("default-load"), "{refused:?}");
        assert_eq!(client.builder(), None);
        return;
    }
    let image = format!("{}:loaded", client.0.name());
    let context = Context::new("FROM scratch\nADD busybox.tar /\n");
    let directory = context.path().to_str().unwrap();
    let is_there = || {
        client.run(&["buildx", "build", "--progress=plain", "-t", &image, directory]).ok();
        let there = !docker(&["image", "ls", "--quiet", &image]).ok().stdout.is_empty();
        docker(&["image", "rm", "--force", &image]);
        there
    };
    client.run(&["assemble", "backend", "use", "--default-load"]).ok();
    assert!(is_there());
    client.run(&["assemble", "backend", "use", "--default-load=false"]).ok();
    assert!(!is_there());
}

#[test]
#[ignore = "needs a docker engine and buildx"]
fn a_builder_leads_to_the_engine_of_its_context_by_what_is_advised() {
    let client = Client::new();
    client.0.start(&[]);
    let context = Context::new("FROM scratch\nADD busybox.tar /\nRUN echo built\n");
    // Docker leads elsewhere meanwhile, and afterwards.
    let host = docker(&["context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]).ok().stdout;
    let shell = |line: &str| {
        let mut command = client.0.command_of("sh", &["-c", line]);
        run(command.env("DOCKER_HOST", "unix:///nowhere.sock").current_dir(context.path()))
    };
    let refused = shell(&format!("docker --host {} assemble backend use", host.trim())).fails(1);
    let advised = advised(&refused.stderr).into_iter().skip(1).collect::<Vec<_>>();
    let commands: Vec<_> = advised.iter().filter(|line| line.starts_with("docker ")).collect();
    assert_eq!(commands.len(), 2, "{refused:?}");
    for line in commands {
        shell(line).ok();
    }
    let build = format!("docker buildx build --builder {} --progress=plain .", client.0.name());
    assert!(shell(&build).ok().words().contains("echo built"));
    shell(&advised.last().unwrap().replace("backend use", "backend stop")).ok();
    assert_eq!(client.builder(), None);
}

/// The commands that are advised, which stand in single quotes.
fn advised(words: &str) -> Vec<&str> {
    words.split('\'').skip(1).step_by(2).collect()
}

#[test]
#[ignore = "needs a docker engine and buildx"]
fn every_way_to_the_builder_that_is_advised_leads_there() {
    let client = Client::new();
    client.0.start(&[]);
    let context = Context::new("FROM scratch\nADD busybox.tar /\n");
    std::fs::write(context.path().join("docker-bake.hcl"), "target \"default\" {}\n").unwrap();
    let shell = |vars: &[(&str, &str)], line: &str| {
        let mut command = client.0.command_of("sh", &["-c", line]);
        command.env("BUILDKIT_PROGRESS", "plain").envs(vars.iter().copied());
        run(command.current_dir(context.path())).ok().words()
    };
    let is_ours = |words: &str| words.contains(&format!("building with \"{}\" instance", client.0.name()));

    let told = client.run(&["assemble", "backend", "use"]).ok().stderr;
    let [other, bake, build, export] = advised(&told)[..] else { panic!("{told}") };
    assert!(!is_ours(&shell(&[], &format!("{other} ."))), "{told}");
    assert!(!is_ours(&shell(&[], bake)), "{told}");
    let built = shell(&[], build);
    assert!(is_ours(&built), "{built}");
    for taken_along in [format!("{other} ."), bake.to_owned()] {
        let built = shell(&[], &format!("{export}; {taken_along}"));
        assert!(is_ours(&built), "{built}");
    }

    let elsewhere = [("BUILDX_BUILDER", "default")];
    let told = shell(&elsewhere, "docker assemble backend use");
    let unset = advised(&told)[0];
    let asked = "docker buildx inspect | head -n 1";
    assert!(!shell(&elsewhere, asked).contains(&client.0.name()), "{told}");
    let inspected = shell(&elsewhere, &format!("{unset}; {asked}"));
    assert!(inspected.contains(&client.0.name()), "{inspected}");
}

#[test]
#[ignore = "needs a docker engine and buildx"]
fn a_start_with_use_does_both_and_the_builder_in_use_before_is_not_lost() {
    let (client, registry) = (Client::new(), Registry::start());
    let Client(backend) = &client;
    client
        .run(&["buildx", "create", "--name", "mine", "--driver", "remote", "--use", "tcp://127.0.0.1:1"])
        .ok();
    let start = ["assemble", "backend", "start", "--use", "--allow-host-port", &registry.port.to_string()];
    let started = client.run(&start).ok();
    assert!(
        started.stdout.ends_with(&format!("Builder \"{}\" is in use by docker buildx\n", backend.name())),
        "{started:?}"
    );
    client.push(&registry, "pushed");
    // A second start finds both in place.
    client.run(&start).ok();

    client.run(&["assemble", "backend", "stop"]).ok();
    assert_eq!(client.builder(), None);
    let list = client.run(&["buildx", "ls"]).ok();
    assert!(list.stdout.lines().any(|line| line.starts_with("mine")), "{list:?}");
    // No builder is left in use that is gone: buildx would fail with every command.
    let inspected = client.run(&["buildx", "inspect"]);
    assert!(!inspected.words().contains(&backend.name()), "{inspected:?}");
}

#[test]
#[ignore = "needs a docker engine and buildx"]
fn buildctls_environment_is_one_that_buildx_takes_too() {
    let client = Client::new();
    client.0.start(&[]);
    let env = client.run(&["assemble", "backend", "env"]).ok();
    let address = env.stdout.trim().strip_prefix("export BUILDKIT_HOST=").expect("a line for a shell");
    client.run(&["buildx", "create", "--name", "by-address", "--driver", "remote", address]).ok();
    let inspected = client.run(&["buildx", "inspect", "by-address"]).ok();
    assert!(inspected.stdout.contains("running"), "{inspected:?}");
}

/// As who stops everything at night and prunes: `docker system prune`, but for this user alone.
fn clean_up(backend: &Backend) {
    let ids = backend.containers();
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    docker(&[&["stop"], &ids[..]].concat()).ok();
    let label = format!("label=io.github.docker-assemble.user={}", backend.user);
    docker(&["container", "prune", "--force", "--filter", &label]).ok();
    assert_eq!(backend.containers(), [""; 0]);
}

#[test]
#[ignore = "needs a docker engine and buildx"]
fn a_backend_that_was_pruned_is_missed_and_comes_back_as_it_was() {
    let (client, registry) = (Client::new(), Registry::start());
    let Client(backend) = &client;
    let volume = backend.volume(format!("{}-cache", backend.user));
    let port = registry.port.to_string();
    let config = backend.home().join("buildkitd.toml");
    std::fs::write(&config, "debug = true\n").unwrap();
    let start = ["start", "--use", "--cache-volume", &volume, "--allow-host-port", &port];
    let start = [&start[..], &["--security", "restricted", "--config", config.to_str().unwrap()]].concat();
    client.run(&[&["assemble", "backend"], &start[..]].concat()).ok();
    clean_up(backend);

    // The builder in use leads nowhere, and that is told.
    let rm = format!("'docker buildx rm {}'", backend.name());
    let info = client.run(&["assemble", "backend", "info"]).fails(1);
    assert!(info.only_complaint().contains(&rm), "{info:?}");
    let doctor = client.run(&["assemble", "backend", "doctor"]).fails(1);
    let told: Vec<_> =
        doctor.stdout.lines().skip_while(|line| !line.starts_with("fail  builder")).take(2).collect();
    assert!(told[0].contains("in use") && told[1].contains(&rm), "{doctor:?}");

    // What is advised, word for word.
    let advised = told[1].split('\'').nth(1).unwrap();
    assert_eq!(advised, "docker assemble backend start");
    let words: Vec<_> = advised.split(' ').skip(1).collect();
    let again = client.run(&words).ok();
    let line = format!("--allow-host-port {port} --cache-volume {volume} --security restricted'");
    assert!(again.stderr.contains("without 'stop'") && again.stderr.contains(&line), "{again:?}");
    // And what is not as it was.
    assert!(again.stderr.contains("WARNING: the configuration that"), "{again:?}");
    client.push(&registry, "pushed");
    assert!(backend.volumes().contains(&volume), "{:?}", backend.volumes());

    // The next one takes the cache too.
    clean_up(backend);
    docker(&["volume", "rm", &volume]).ok();
    let bare = client.run(&["assemble", "backend", "start", "--dry-run"]).ok();
    let gone = format!("WARNING: volume \"{volume}\" has gone too; ");
    assert!(bare.stderr.contains(&gone) && !bare.stdout.contains(&volume), "{bare:?}");

    // A stop is meant: the next start knows nothing more.
    client.run(&["assemble", "backend", "stop"]).ok();
    let fresh = client.run(&["assemble", "backend", "start", "--dry-run"]).ok();
    assert!(fresh.stderr.is_empty() && fresh.stdout.contains("port-5000"), "{fresh:?}");
}

#[test]
#[ignore = "needs a docker engine"]
fn what_outlives_a_backend_is_named_and_replaced_by_the_start_that_is_advised() {
    let backend = Backend::new();
    backend.forward("5000@loopback");
    docker(&["rm", "--force", "--volumes", &backend.name()]).ok();
    let info = backend.run(&["info"]).fails(1);
    for name in [backend.dialer(), backend.sidecar(5000)] {
        assert!(info.only_complaint().contains(&name), "{info:?}");
    }
    let doctor = backend.run(&["doctor"]).ok();
    let told = |check: &str| -> Vec<String> {
        let lines = doctor.stdout.lines().skip_while(|line| !line.starts_with(check));
        lines.take(2).map(str::to_owned).collect()
    };
    assert!(told("warn  left behind")[0].contains(&backend.dialer()), "{doctor:?}");
    assert!(!doctor.stdout.contains("backend stop"), "{doctor:?}");
    let backend_missing = told("warn  backend");
    let advised = backend_missing[1].split('\'').nth(1).unwrap();
    let words: Vec<_> = advised.strip_prefix("docker assemble backend ").unwrap().split(' ').collect();
    backend.run(&words).ok();
    assert!(!backend.run(&["doctor"]).stdout.contains("left behind"));
    assert_eq!(backend.containers().len(), 3, "{:?}", backend.containers());
}
