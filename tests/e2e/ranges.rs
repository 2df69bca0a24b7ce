//! Ports in a row, which one sidecar serves.

use serde_json::Value;

use crate::support::{Backend, PATIENCE, Registry, eventually, inspect};

fn run(name: &str) -> (Value, Value) {
    let container = inspect(name);
    (container["Id"].clone(), container["State"]["StartedAt"].clone())
}

fn names(backend: &Backend) -> Vec<String> {
    let rows = backend.run(&["port", "ls", "--format", "{{.Name}}"]).ok().stdout;
    rows.lines().map(|name| name.replacen(&backend.name(), "B", 1)).collect()
}

#[test]
#[ignore = "needs a docker engine"]
fn a_range_is_one_container_and_each_of_its_ports_leads_to_its_own() {
    let (backend, (registry, first, last)) = (Backend::new(), Registry::start_between());
    backend.forward(&format!("{first}-{last},8000-8002:{first}-{last}"));
    let mapped = format!("B-proxy-port-8000-8002-to-{first}-{last}");
    assert_eq!(names(&backend), [mapped, format!("B-proxy-port-{first}-{last}")]);
    for port in [registry.port, 8001] {
        assert_eq!(backend.get(port).ok().stdout, "{}");
    }
    assert_eq!(backend.forwarded(), [8000, first]);
}

#[test]
#[ignore = "needs a docker engine"]
fn a_port_beside_a_range_touches_neither_it_nor_the_backend() {
    let (backend, (registry, first, last)) = (Backend::new(), Registry::start_between());
    let range = format!("{first}-{last}");
    backend.forward(&range);
    let sidecar = format!("{}-proxy-port-{range}", backend.name());
    let before = (run(&backend.name()), run(&sidecar));
    backend.forward(&format!("{range},81"));
    backend.run(&["port", "add", &format!("82,{}", registry.port)]).ok();
    assert_eq!((run(&backend.name()), run(&sidecar)), before);
    assert_eq!(backend.forwarded(), [81, 82, first]);
}

#[test]
#[ignore = "needs a docker engine"]
fn a_port_is_taken_out_of_a_range() {
    let (backend, (registry, first, last)) = (Backend::new(), Registry::start_between());
    backend.forward(&format!("8000-8009:{first}-{}", first + 9));
    let before = run(&backend.name());
    backend.run(&["port", "rm", "8005"]).ok();
    assert_eq!(run(&backend.name()), before);
    let outside = |from: u16, to: u16| format!("{}-{}", first + from, first + to);
    let [low, high] = [
        format!("B-proxy-port-8000-8004-to-{}", outside(0, 4)),
        format!("B-proxy-port-8006-8009-to-{}", outside(6, 9)),
    ];
    assert_eq!(names(&backend), [low, high]);
    assert_eq!(backend.get(8001).ok().stdout, "{}", "{}", registry.port);
    let free = backend.run(&["port", "rm", "8005"]).fails(1);
    assert!(free.only_complaint().starts_with("port 8005 is not forwarded"), "{free:?} {last}");
}

/// As versions before ranges were one forward made them: a sidecar for each port, with its port in a label.
#[test]
#[ignore = "needs a docker engine"]
fn sidecars_of_single_ports_become_one_and_the_backend_goes_on() {
    let (backend, (registry, first, last)) = (Backend::new(), Registry::start_between());
    let singles: Vec<_> = (first..=last).map(|port| port.to_string()).collect();
    backend.forward(&format!("{},81", singles.join(",")));
    assert_eq!(backend.forwarded(), [81, first, registry.port, last]);
    let before = (run(&backend.name()), run(&backend.sidecar(81)));
    let start = backend.forward(&format!("{first}-{last},81"));
    assert!(start.stderr.contains(", which leaves its ports to others\n"), "{start:?}");
    assert_eq!((run(&backend.name()), run(&backend.sidecar(81))), before);
    assert_eq!(names(&backend), ["B-proxy-port-81".to_owned(), format!("B-proxy-port-{first}-{last}")]);
    assert_eq!(backend.get(registry.port).ok().stdout, "{}");
    // And back.
    backend.forward(&format!("{},81", singles.join(",")));
    assert_eq!(backend.forwarded(), [81, first, registry.port, last]);
    assert_eq!(backend.get(registry.port).ok().stdout, "{}");
    assert_eq!((run(&backend.name()), run(&backend.sidecar(81))), before);
}

#[test]
#[ignore = "needs a docker engine"]
fn a_range_is_looked_at_as_one() {
    let (backend, (registry, first, last)) = (Backend::new(), Registry::start_between());
    backend.forward(&format!("8000-8002:{first}-{last}"));
    assert_eq!(backend.get(8001).ok().stdout, "{}");

    let info = || -> Value {
        let info = backend.run(&["info", "--format", "json"]).ok();
        serde_json::from_str(&info.stdout).unwrap()
    };
    // A connection is counted as it ends, which the client does not wait for.
    let forward = eventually("the connection has ended", PATIENCE, || {
        Some(info()["Sidecars"][0]["Forward"].clone()).filter(|forward| forward["Active"] == 0)
    });
    assert_eq!((&forward["Health"], &forward["Opened"]), (&"accepted".into(), &1.into()), "{forward:#}");
    assert!(forward["Accepting"].as_u64() >= Some(1), "{forward:#}");
    let used = forward["Ports"].as_array().unwrap().iter().find(|port| port["Port"] == 8001).unwrap();
    assert_eq!((&used["Health"], &used["Opened"]), (&"accepted".into(), &1.into()), "{forward:#}");

    let all = backend.run(&["info", "--verbose"]).ok().stdout;
    let summed = format!("Target gateway:{first}-{last} accepts");
    assert!(all.contains(&summed) && all.contains("   Port 8001: 0 open, 1 in all; "), "{all}");
    assert!(all.contains("   Without a connection so far: 2 ports\n"), "{all}");
    let short = backend.run(&["info"]).ok().stdout;
    assert!(short.contains(&summed) && !short.contains("Port 8001:"), "{short}");

    let stats = backend.run(&["stats", "--verbose"]).ok().stdout;
    assert!(stats.contains(&format!("\n8000-8002   gateway:{first}-{last} ")), "{stats}");
    assert!(stats.contains(&format!("\n  8001      gateway:{} ", registry.port)), "{stats}");
    assert!(stats.contains("\n  others    (2 without a connection) "), "{stats}");

    // Whether anything listens on the others is their business.
    let doctor = backend.run(&["doctor", "8001"]).ok().stdout;
    assert!(doctor.contains("ok    sidecar 8000-8002 ") && doctor.contains("target 8000-8002 "), "{doctor}");
    // The one that was named is asked what it speaks, and no other.
    assert!(doctor.contains("registry 8001 ") && !doctor.contains("registry 8000 "), "{doctor}");
    let doctor = backend.run(&["doctor"]).ok().stdout;
    assert!(!doctor.contains("registry "), "{doctor}");
}
