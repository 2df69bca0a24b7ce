//! BuildKit with a way to a registry of the host's, and a large layer to push.

use std::cell::Cell;
use std::fs::{File, read_to_string};
use std::io::{Read, copy};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::report::What;
use crate::support::{
    Backend, Background, Context, PATIENCE, Registry, docker, eventually, free_port, inspect,
};

/// What is between the builder and the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// A sidecar that leads to the gateway.
    Gateway,
    /// A sidecar that leads to the host's loopback, by way of a dialer.
    Loopback,
    /// Nothing: the builder is in the host's network.
    Host,
    /// docker-proxy, and the builder is in the host's network.
    DockerProxy,
}

impl Way {
    pub(crate) const ALL: [Self; 4] = [Self::Host, Self::Gateway, Self::Loopback, Self::DockerProxy];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Loopback => "@loopback",
            Self::Host => "host network",
            Self::DockerProxy => "docker-proxy",
        }
    }
}

/// A builder that is ready to push.
pub(crate) struct Builder {
    pub(crate) way: Way,
    backend: Backend,
    /// The container that builds.
    container: String,
    /// The port of its localhost that leads to the registry, and the registry's own.
    inside: u16,
    registry: u16,
    proxy: Option<Background>,
    context: Context,
    pushed: Cell<usize>,
}

impl Builder {
    /// Starts it, with a layer of so many MiB that no compression makes smaller.
    pub(crate) fn start(way: Way, size: u64) -> Self {
        let (backend, registry) = (Backend::new(), free_port());
        let context = Context::new("FROM scratch\nCOPY layer mark /\n");
        let mut random = File::open("/dev/urandom").unwrap().take(size << 20);
        copy(&mut random, &mut File::create(context.path().join("layer")).unwrap()).unwrap();
        std::fs::write(context.path().join("mark"), "").unwrap();
        let (mut inside, mut container, mut proxy) = (registry, backend.name(), None);
        match way {
            Way::Gateway => drop(backend.forward(&registry.to_string())),
            Way::Loopback => drop(backend.forward(&format!("{registry}@loopback"))),
            Way::Host => container = in_host_network(&backend),
            Way::DockerProxy => {
                (inside, container) = (free_port(), in_host_network(&backend));
                proxy = Some(docker_proxy(inside, registry));
            }
        }
        Self { way, backend, container, inside, registry, proxy, context, pushed: Cell::new(0) }
    }

    /// One push into an empty registry, and one pull into an empty cache: how long they take, and the CPU time
    /// of what forwards.
    pub(crate) fn measure(&self) -> Vec<(What, f64)> {
        // The builder does all that comes before a push: the layer is there, and is not compressed.
        self.context.build(&self.container, Some("type=image,name=unpushed,compression=uncompressed")).ok();
        let registry = Registry::start_on(self.registry);
        self.pushed.set(self.pushed.get() + 1);
        let image = format!("localhost:{}/layer:{}", self.inside, self.pushed.get());
        let output =
            format!("type=image,name={image},push=true,compression=uncompressed,registry.insecure=true");
        let (push, push_cpu) = self.timed(|| drop(self.context.build(&self.container, Some(&output)).ok()));
        docker(&["exec", &self.container, "buildctl", "prune", "--all"]).ok();
        // What is asked of it is small, and the layer has to be unpacked for it.
        let pulling =
            Context::new(&format!("FROM {image} AS whole\nFROM scratch\nCOPY --from=whole /mark /\n"));
        let (pull, pull_cpu) = self.timed(|| drop(pulling.build(&self.container, None).ok()));
        docker(&["exec", &self.container, "buildctl", "prune", "--all"]).ok();
        drop(registry);
        let mut measured = vec![(What::Push, push), (What::Pull, pull)];
        if !self.forwarders().is_empty() {
            measured.extend([(What::PushCpu, push_cpu), (What::PullCpu, pull_cpu)]);
        }
        measured
    }

    fn timed(&self, work: impl FnOnce()) -> (f64, f64) {
        let forwarders = self.forwarders();
        let cpu = || forwarders.iter().map(|pid| cpu_seconds(*pid)).sum::<f64>();
        let (before, began) = (cpu(), Instant::now());
        work();
        (began.elapsed().as_secs_f64(), cpu() - before)
    }

    /// The processes between the builder and the registry.
    fn forwarders(&self) -> Vec<u64> {
        match (self.way, &self.proxy) {
            (Way::Host, _) => Vec::new(),
            (_, Some(proxy)) => vec![proxy.id().into()],
            (_, None) => {
                let containers = self.backend.containers();
                let found = containers.iter().map(|id| inspect(id));
                let helpers = found.filter(|it| it["Name"] != *format!("/{}", self.container));
                helpers.filter_map(|it| it["State"]["Pid"].as_u64()).collect()
            }
        }
    }
}

/// A container, removed when dropped.
struct Removed(String);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = docker(&["rm", "--force", "--volumes", &self.0]);
    }
}

/// BuildKit in the host's network, which goes with `backend`.
fn in_host_network(backend: &Backend) -> String {
    // What the plugin asks for where an engine refuses privileged containers.
    backend.run(&["start", "--security", "restricted", "--allow-host-port", "0"]).ok();
    let made = inspect(&backend.name());
    let words = |value: &serde_json::Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(|it| it.as_str().map(str::to_owned)).collect()
    };
    let settings = &made["HostConfig"];
    let name = format!("{}-host", backend.name());
    let mut run = ["run", "--detach", "--network", "host", "--name", &name].map(str::to_owned).to_vec();
    for (option, values) in
        [("--cap-add", "CapAdd"), ("--security-opt", "SecurityOpt"), ("--volume", "Binds")]
    {
        run.extend(words(&settings[values]).into_iter().flat_map(|value| [option.to_owned(), value]));
    }
    run.extend(["--security-opt", "systempaths=unconfined"].map(str::to_owned));
    for mount in settings["Mounts"].as_array().into_iter().flatten().filter(|it| it["Type"] == "bind") {
        let text = |key: &str| mount[key].as_str().unwrap_or_default().to_owned();
        run.extend(["--volume".to_owned(), format!("{}:{}", text("Source"), text("Target"))]);
    }
    run.push(made["Config"]["Image"].as_str().unwrap().to_owned());
    // Its own socket, which the client in the container looks for.
    run.extend(["--addr", "unix:///run/buildkit/buildkitd.sock", "--oci-worker-net=host"].map(str::to_owned));
    let run: Vec<_> = run.iter().map(String::as_str).collect();
    backend.run(&["stop"]).ok();
    backend.keep(Removed(name.clone()));
    docker(&run).ok();
    eventually("BuildKit answers", PATIENCE, || {
        (docker(&["exec", &name, "buildctl", "debug", "workers"]).code == Some(0)).then_some(())
    });
    name
}

fn docker_proxy(from: u16, to: u16) -> Background {
    // The engine waits for a word on descriptor 3, and the proxy closes whatever it finds there.
    let line = format!(
        "exec docker-proxy -proto tcp -host-ip 127.0.0.1 -host-port {from} \
         -container-ip 127.0.0.1 -container-port {to} 3>/dev/null"
    );
    let proxy = Background::start(Command::new("sh").args(["-c", &line]).stdin(Stdio::null()));
    eventually("docker-proxy listens", PATIENCE, || TcpStream::connect(("127.0.0.1", from)).ok().map(drop));
    proxy
}

/// User and system time of a process so far, in seconds (proc_pid_stat(5)).
fn cpu_seconds(pid: u64) -> f64 {
    /// `USER_HZ`, which is 100 everywhere.
    const TICKS: f64 = 100.0;
    let stat = read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS
}
