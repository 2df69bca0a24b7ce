//! Ranges of ports, each with one sidecar.

use serde_json::json;

use super::commands::Shell;
use super::healthy::{accepted, daemon, dialled, name, used_lately};

/// What the sidecar of a range says: one of its ports is used, one has failed, and nobody listens on the rest.
fn status(first: u16) -> String {
    let probe = |result: &str, text: Option<&str>| json!({ "addrs": [], "latency_us": 90, "result": result, "speaks": null, "text": text });
    let refused = |port: u16| json!({ "port": port, "probe": probe("refused", Some("Connection refused")) });
    let mut ports: Vec<_> = (first..first + 10).map(refused).collect();
    ports[3] = json!({
        "port": first + 3, "active": 1, "opened": 12, "bytes_up": 3_400_000, "bytes_down": 12_000,
        "probe": probe("accepted", None),
    });
    ports[5]["opened"] = 2.into();
    ports[5]["failed"] = json!({ "refused": 2 });
    ports[5]["last_error"] = json!({ "reason": "refused", "text": "Connection refused", "age_ms": 180_000 });
    json!({
        "version": "0.1.0", "target": format!("gateway:{first}"), "addrs": [format!("192.0.2.1:{first}")],
        "capacity": 9976, "active": 1, "opened": 14, "failed": { "refused": 2 },
        "bytes_up": 3_400_000, "bytes_down": 12_000, "ports": ports,
    })
    .to_string()
}

#[tokio::test(start_paused = true)]
async fn ranges_are_one_sidecar_each() {
    let mut shell = Shell::new();
    shell.engine.world().buildkit = Some(dialled(daemon(used_lately())));
    shell.run("backend start --allow-host-port 8000-8009,9000-9009:9100-9109@loopback,7000").await;
    let idle = status(9100).replace("gateway", "loopback").replace("\"accepted\"", "\"refused\"");
    let idle = idle.replace("\"port\":91", "\"port\":90");
    for (rest, said) in [("8000-8009", status(8000)), ("9000-9009-to-9100-9109", idle)] {
        shell.engine.world().said.insert(name(&format!("-proxy-port-{rest}")), (0, said));
    }
    shell.says("7000", "gateway:7000", "192.0.2.1:7000", &accepted());
    shell
        .run_all(&[
            "backend port ls",
            "backend port ls --format '{{json .}}'",
            "backend port ls -q",
            "backend info",
            "backend info --verbose",
            "backend info --format '{{json .Sidecars}}'",
            "backend stats",
            "backend stats --verbose",
            "backend stats --format '{{json .Forwards}}'",
            "backend stats --verbose --format 'table {{.Port}}\\t{{.Opened}}'",
            "backend doctor",
        ])
        .await;
    let asked = r#""registry":true,"protocol":"http","status":200"#;
    let spoken =
        status(8000).replacen("\"speaks\":null,\"text\":null", &format!("\"speaks\":{{{asked}}}"), 1);
    shell.engine.world().said.insert(name("-proxy-port-8000-8009"), (0, spoken));
    shell.run("backend doctor 8003 8008-8011").await;
    shell.engine.world().said.insert(name("-proxy-port-8000-8009"), (0, status(8000)));
    shell
        .run_all(&[
            "backend logs --proxy 8003",
            "backend logs --proxy 8000-8009",
            "backend logs --proxy 8000-8010",
            "backend port add 8005",
            "backend port add 8005:80",
            "backend port add 8008-8011",
            "backend port rm 8005 --dry-run",
            "backend port rm 8005",
            "backend port ls",
            "backend start --allow-host-port 7000,8000-8011 --dry-run",
            "backend start --allow-host-port 7000,8000-8011",
            "backend start --allow-host-port 7000,8003,8000-8005,8004-8011",
        ])
        .await;
    shell.told.about("packets to a range are dropped, and its sidecar is of an older version");
    let probe =
        |port: u16, result: &str| json!({ "port": port, "probe": { "result": result, "latency_us": 0 } });
    let ports: Vec<_> = [(7990, "timed_out"), (7991, "timed_out"), (7992, "not_tried"), (7993, "not_tried")]
        .map(|(port, result)| probe(port, result))
        .to_vec();
    let said =
        json!({ "version": "0.1.0", "target": "gateway:7990", "addrs": ["192.0.2.1:7990"], "ports": ports });
    shell.run("backend start --allow-host-port 7990-7993").await;
    shell.engine.world().said.insert(name("-proxy-port-7990-7993"), (0, said.to_string()));
    shell.engine.world().older.insert(name("-proxy-port-7990-7993"));
    shell.run_all(&["backend doctor 7991", "backend info"]).await;
    shell.told.compare_with("plugin/ranges.txt");
}
