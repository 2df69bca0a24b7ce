//! Ports that lead to other ports and to other hosts.

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::thread;

use crate::support::{
    Backend, Context, PATIENCE, Registry, base_image, docker, eventually, free_port, inspect, unique, wget,
};

#[test]
#[ignore = "needs a docker engine"]
fn a_port_leads_to_another_one_and_may_be_a_privileged_one() {
    let (backend, registry) = (Backend::new(), Registry::start());
    let (inside, outside) = (free_port(), registry.port);
    // Below 1024 a process needs a capability, which the relay has not.
    backend.forward(&format!("{inside}:{outside},81:{outside}"));
    for port in [inside, 81] {
        assert_eq!(backend.get(port).ok().stdout, "{}");
    }
    let image = format!("localhost:{inside}/hello");
    backend.push(&Context::new("FROM scratch\nADD busybox.tar /\n"), &image).ok();
    assert!(registry.catalog().contains("hello"));

    let info = backend.run(&["info"]).ok();
    let line = format!(" {} (running), to port {outside} of the host\n", backend.mapped(inside, outside));
    assert!(info.stdout.contains(&line), "{info:?}");
    let json: serde_json::Value =
        serde_json::from_str(&backend.run(&["info", "--format", "json"]).ok().stdout).unwrap();
    let target = &json["Sidecars"][0]["Target"];
    assert_eq!((&target["Kind"], &target["Port"]), (&"gateway".into(), &outside.into()));
    assert!(json["Dialer"].is_null());

    // Another target replaces that sidecar alone.
    let (kept, id) = (inspect(&backend.mapped(inside, outside)), backend.id());
    backend.forward(&format!("{inside}:{outside},81:{}", free_port()));
    backend.get(81).fails(1);
    assert_eq!(inspect(&backend.mapped(inside, outside))["Id"], kept["Id"]);
    assert_eq!(backend.id(), id);
}

#[test]
#[ignore = "needs a docker engine"]
fn another_host_is_reached_by_a_name_that_is_looked_up_here() {
    let (backend, registry, inside) = (Backend::new(), Registry::start(), free_port());
    backend.start(&[]);
    let gateway = &backend.inspect()["NetworkSettings"]["Networks"]["bridge"]["Gateway"];
    let bridge: Ipv4Addr = gateway.as_str().unwrap().parse().unwrap();
    // A name that every resolver knows without asking: the address as one number (inet_aton(3)).
    let name = u32::from(bridge).to_string();
    let target = format!("{inside}={name}:{}", registry.port);
    backend.run(&["start", "--allow-host-port", "0", "--forward", &target]).ok();
    assert_eq!(backend.get(inside).ok().stdout, "{}");
    let info = backend.run(&["info"]).ok();
    let words = format!("(running), to port {} of {name} ({bridge})\n", registry.port);
    assert!(info.stdout.contains(&words), "{info:?}");

    let again = backend.run(&["start", "--allow-host-port", "0", "--forward", &target]).ok();
    assert!(again.stdout.contains("already running"), "{again:?}");

    // 127.0.0.1, which is found out only when it is looked up.
    let own = format!("{inside}={}", u32::from(Ipv4Addr::LOCALHOST));
    let refusal = backend.run(&["start", "--forward", &own]).fails(125);
    let hint = format!("'--allow-host-port {inside}@loopback' reaches the host's loopback");
    assert!(refusal.only_complaint().contains(&hint), "{refusal:?}");
    // Nobody can look it up, the relay neither.
    let unknown = backend.run(&["start", "--forward", "1=no-such-host.999"]).fails(125);
    assert!(unknown.stderr.contains("cannot look up host \"no-such-host.999\" of --forward"), "{unknown:?}");

    // A name of the engine's side alone, as Docker Desktop has one for its computer.
    let only_inside = format!("echo {bridge} only-the-engine-knows.invalid >>/etc/hosts");
    docker(&["exec", &backend.name(), "sh", "-c", &only_inside]).ok();
    let target = format!("{inside}=only-the-engine-knows.invalid:{}", registry.port);
    backend.run(&["start", "--allow-host-port", "0", "--forward", &target]).ok();
    assert_eq!(backend.get(inside).ok().stdout, "{}");

    // A prune takes the backend, and with it whom this machine could ask: the same start is no error.
    let ids = backend.containers();
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    docker(&[&["rm", "--force", "--volumes"], &ids[..]].concat()).ok();
    let again = backend.run(&["start"]).ok();
    assert!(again.stderr.contains(&format!("--forward {target}")), "{again:?}");
    // Where no name server answers, nothing else is known of it.
    let told = format!("builds do not reach only-the-engine-knows.invalid:{}", registry.port);
    assert!(again.stderr.contains(&told), "{again:?}");
    docker(&["exec", &backend.name(), "sh", "-c", &only_inside]).ok();
    eventually("the relay knows it", PATIENCE, || (backend.get(inside).stdout == "{}").then_some(()));
}

/// A name that moves in the backend's network is followed, and is no reason to make its sidecar anew.
#[test]
#[ignore = "needs a docker engine"]
fn a_name_is_followed_where_the_backend_finds_it() {
    let (backend, registry, inside) = (Backend::new(), Registry::start(), free_port());
    backend.start(&[]);
    let network = backend.inspect()["NetworkSettings"]["Networks"]["bridge"].clone();
    let [gateway, own] = ["Gateway", "IPAddress"].map(|key| network[key].as_str().unwrap().to_owned());
    let name = "moves.invalid";
    // In place, as the engine does: the file is a mount.
    let lead_to = |address: &str| {
        let edit = format!(
            "hosts=$(grep -v {name} /etc/hosts); printf '%s\\n{address} {name}\\n' \"$hosts\" >/etc/hosts"
        );
        docker(&["exec", &backend.name(), "sh", "-c", &edit]).ok();
    };
    lead_to(&own);
    let target = format!("{inside}={name}:{}", registry.port);
    let start = ["start", "--allow-host-port", "0", "--forward", &target];
    backend.run(&start).ok();
    let info = backend.run(&["info"]).ok();
    let refused = format!("Target {name}:{} ({own}): refused", registry.port);
    assert!(info.stdout.contains(&refused), "{info:?}");

    lead_to(&gateway);
    let sidecar = inspect(&backend.mapped(inside, registry.port))["Id"].clone();
    let again = backend.run(&start).ok();
    assert!(again.stdout.contains("already running"), "{again:?}");
    // An address out of that file holds for a few seconds.
    eventually("the name is followed", PATIENCE, || (backend.get(inside).stdout == "{}").then_some(()));
    assert_eq!(inspect(&backend.mapped(inside, registry.port))["Id"], sidecar);
    let info = backend.run(&["info"]).ok();
    let accepts = format!("Target {name}:{} ({gateway}) accepts", registry.port);
    assert!(info.stdout.contains(&accepts), "{info:?}");
}

/// A network with name service of the engine's own, and the containers in it, gone when dropped.
struct UserNetwork {
    name: String,
    containers: Vec<String>,
}

impl UserNetwork {
    fn new() -> Self {
        let name = unique();
        docker(&["network", "create", &name]).ok();
        Self { name, containers: Vec::new() }
    }

    /// Runs a container there, known by the last part of its name, and tells its address.
    fn run(&mut self, name: &str, image_and_command: &[&str]) -> String {
        let whole = format!("{}-{name}", self.name);
        self.containers.push(whole.clone());
        let run = ["run", "--detach", "--name", &whole, "--network", &self.name, "--network-alias", name];
        docker(&[&run[..], image_and_command].concat()).ok();
        let address = &inspect(&whole)["NetworkSettings"]["Networks"][&self.name]["IPAddress"];
        address.as_str().unwrap().to_owned()
    }

    /// Removes one of them.
    fn remove(&self, name: &str) {
        docker(&["rm", "--force", &format!("{}-{name}", self.name)]).ok();
    }
}

impl Drop for UserNetwork {
    fn drop(&mut self) {
        for container in &self.containers {
            let _ = docker(&["rm", "--force", container]);
        }
        let _ = docker(&["network", "rm", &self.name]);
    }
}

/// The relay without the plugin, beside a service that the engine knows by a name and that comes back with
/// another address.
#[test]
#[ignore = "needs a docker engine"]
fn a_name_of_the_engines_own_service_is_followed() {
    let (backend, base) = (Backend::new(), base_image());
    // The image of the relay is loaded by a start.
    backend.start(&[5000]);
    let image = inspect(&backend.sidecar(5000))["Config"]["Image"].as_str().unwrap().to_owned();
    let mut network = UserNetwork::new();
    let serve = |says: &str| format!("echo {says} >/tmp/index.html; exec busybox httpd -f -p 8080 -h /tmp");
    let first = network.run("web", &[&base, "sh", "-c", &serve("first")]);
    network.run("relay", &[&image, "--port", "8000", "--to", "web:8080"]);
    let relay = format!("container:{}-relay", network.name);
    let says = |words: &str| {
        let line = wget(5, "http://localhost:8000/");
        let said = docker(&["run", "--rm", "--network", &relay, &base, "sh", "-c", &line]);
        (said.stdout.trim() == words).then_some(())
    };
    eventually("the service is reached by its name", PATIENCE, || says("first"));

    network.remove("web");
    // The engine gives the lowest address that is free.
    network.run("in-its-place", &[&base, "sleep", "600"]);
    let second = network.run("web", &[&base, "sh", "-c", &serve("second")]);
    assert_ne!(first, second);
    eventually("the name is followed", PATIENCE, || says("second"));
}

#[test]
#[ignore = "needs a docker engine"]
fn a_step_that_listens_on_a_forwarded_port_needs_a_network_of_its_own() {
    let (backend, port) = (Backend::new(), free_port());
    backend.start(&[port]);
    let step = |network: &str| {
        // It is in the background as soon as it listens.
        let serve = format!("echo of this step > /index.html && busybox httpd -p 127.0.0.1:{port} -h /");
        let get = format!("busybox wget -q -O - http://127.0.0.1:{port}/");
        Context::new(&format!("FROM scratch\nADD busybox.tar /\nRUN {network} {serve} && {get}\n"))
    };
    let shared = backend.build(&step("")).fails(1);
    assert!(shared.words().contains("Address already in use"), "{shared:?}");
    let own = backend.build(&step("--network=none")).ok();
    assert!(own.words().lines().any(|line| line.ends_with(" of this step")), "{own:?}");
}

#[test]
#[ignore = "needs a docker engine"]
fn a_service_sees_the_backends_address_and_a_local_user_with_loopback() {
    let (backend, service) = (Backend::new(), TcpListener::bind("0.0.0.0:0").unwrap());
    let port = service.local_addr().unwrap().port();
    // Those that look whether it accepts come from the same place as builds do; who says a word is a build.
    let seen = || {
        let word = || loop {
            let (mut client, peer) = service.accept().unwrap();
            let mut said = String::new();
            if client.read_to_string(&mut said).is_ok() && said == "a word\n" {
                return peer.ip();
            }
        };
        thread::scope(|scope| {
            let heard = scope.spawn(word);
            backend.inside(&format!("echo a word | nc 127.0.0.1 {port}"));
            heard.join().unwrap()
        })
    };
    backend.start(&[port]);
    let own = &backend.inspect()["NetworkSettings"]["Networks"]["bridge"]["IPAddress"];
    assert_eq!(seen().to_string(), own.as_str().unwrap());
    backend.forward(&format!("{port}@loopback"));
    assert_eq!(seen(), Ipv4Addr::LOCALHOST);
}
