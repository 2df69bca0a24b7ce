//! What is written down for other machinery than an engine: the manifest for Kubernetes, and
//! `images/compose.yaml`.

use serde_norway::Value;

use crate::manifests::{COMPOSE, at, documents, made, parsed, pod, strings, yaml};

#[test]
fn nothing_may_connect_to_the_pods_of_the_set() {
    let [policy, set] = documents("--name builders");
    assert_eq!(at(&policy, "kind"), "NetworkPolicy");
    // Ingress is governed and no rule lets any in; egress is not governed.
    assert_eq!(at(&policy, "spec.policyTypes"), &yaml("[Ingress]"));
    assert_eq!((at(&policy, "spec.ingress"), at(&policy, "spec.egress")), (&Value::Null, &Value::Null));

    assert_eq!(at(&set, "kind"), "StatefulSet");
    let selected = at(&policy, "spec.podSelector.matchLabels");
    assert_eq!(selected, at(&set, "spec.selector.matchLabels"));
    let labels = at(&set, "spec.template.metadata.labels").as_mapping().unwrap();
    for (label, value) in selected.as_mapping().unwrap() {
        assert_eq!(labels.get(label), Some(value));
    }
    assert!(selected.as_mapping().unwrap().values().any(|value| value == "builders"), "told from other sets");
}

#[test]
fn each_port_has_a_sidecar_that_relays_to_its_node() {
    let pod = pod("--allow-host-port 8080,5000 --proxy-image registry.example/proxy:1");
    let sidecars = at(&pod, "initContainers").as_sequence().unwrap();
    assert_eq!(sidecars.len(), 2);
    for (sidecar, port) in sidecars.iter().zip(["5000", "8080"]) {
        assert_eq!(at(sidecar, "name"), format!("proxy-port-{port}").as_str());
        assert_eq!(at(sidecar, "image"), "registry.example/proxy:1");
        assert_eq!(at(sidecar, "restartPolicy"), "Always", "a native sidecar");
        assert_eq!(strings(at(sidecar, "args")), ["--port", port, "--to", "$(HOST_IP)"]);
        assert_eq!(
            at(sidecar, "env"),
            &yaml("[{name: HOST_IP, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}]")
        );
        for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
            let command = strings(at(sidecar, &format!("{probe}.exec.command")));
            assert_eq!(command, ["/assemble-proxy", "health", "--port", port]);
        }
        let hardened = "{runAsNonRoot: true, runAsUser: 65532, runAsGroup: 65532, \
                         allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, \
                         capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}";
        assert_eq!(at(sidecar, "securityContext"), &yaml(hardened));
        assert_eq!(at(sidecar, "resources"), &yaml("{requests: {cpu: 10m, memory: 16Mi}}"), "no limits");
    }
    assert_eq!(at(&pod, "automountServiceAccountToken"), &yaml("false"));
}

#[test]
fn a_range_has_one_sidecar() {
    let pod = pod("--allow-host-port 8000-8099 --forward 9000-9009=db:9100-9109");
    let sidecars = at(&pod, "initContainers").as_sequence().unwrap();
    let args: Vec<_> = sidecars.iter().map(|sidecar| strings(at(sidecar, "args")).join(" ")).collect();
    assert_eq!(args, ["--port 8000-8099 --to $(HOST_IP)", "--port 9000-9009:9100-9109 --to db"]);
    assert_eq!(at(&sidecars[0], "name"), "proxy-port-8000-8099");
    let probe = strings(at(&sidecars[1], "livenessProbe.exec.command"));
    assert_eq!(probe, ["/assemble-proxy", "health", "--port", "9000-9009"]);
    let (text, _) = made("--forward 9000-9009=db:9100-9109");
    assert!(text.contains("# localhost:9000-9009 is db:9100-9109, by the name service"), "{text}");
}

/// A service of the cluster by its name, which only the pod can look up.
#[test]
fn a_port_leads_to_a_service_by_its_name() {
    let options = "--forward 5000=registry.default.svc:5000,5432=db --forward 6000=[2001:db8::7]:1";
    let pod = pod(options);
    let sidecars = at(&pod, "initContainers").as_sequence().unwrap();
    let args: Vec<_> = sidecars.iter().map(|sidecar| strings(at(sidecar, "args"))).collect();
    assert_eq!(
        args,
        [
            ["--port", "5000", "--to", "registry.default.svc:5000"],
            ["--port", "5432", "--to", "db:5432"],
            ["--port", "6000", "--to", "[2001:db8::7]:1"],
        ]
    );
    assert!(sidecars.iter().all(|sidecar| at(sidecar, "env") == &Value::Null), "no address of the node");
    let (text, _) = made(options);
    assert!(
        text.contains("\n# localhost:5000 is registry.default.svc:5000, by the name service of the pod.\n")
    );
    assert!(!text.contains("that port of the node"), "{text}");
    // The usual port stays beside them.
    let (both, _) = made("--forward 5432=db");
    assert!(both.contains("that port of the node") && both.contains("localhost:5432 is db:5432"), "{both}");
    for bad in ["5000=localhost", "5000=1234567", "5000=a..b"] {
        assert!(parsed(&format!("--kubernetes --forward {bad}")).is_err(), "{bad}");
    }
}

#[test]
fn without_ports_there_is_no_sidecar() {
    let (text, _) = made("--allow-host-port 0");
    assert!(!text.contains("proxy") && !text.contains("localhost"), "{text}");
    assert_eq!(at(&pod("--allow-host-port 0"), "initContainers"), &Value::Null);
    assert_eq!(at(&pod(""), "initContainers.0.name"), "proxy-port-5000", "as for an engine");
}

#[test]
fn the_kernel_keeps_the_ports_free_and_lets_low_ones_be_listened_on() {
    let settings = |options: &str| {
        let pod = pod(options);
        let list = at(&pod, "securityContext.sysctls").as_sequence().unwrap().clone();
        list.iter()
            .filter_map(|entry| {
                let name = at(entry, "name").as_str()?.strip_prefix("net.ipv4.ip_")?;
                Some(format!("{name}={}", at(entry, "value").as_str()?))
            })
            .collect::<Vec<_>>()
    };
    let range = "local_port_range=10000 65000";
    assert_eq!(settings("--allow-host-port 0"), [range]);
    assert_eq!(settings("--allow-host-port 1024,5000"), [range, "local_reserved_ports=1024,5000"]);
    assert_eq!(
        settings("--allow-host-port 5000,80,443"),
        [range, "local_reserved_ports=80,443,5000", "unprivileged_port_start=80"]
    );
}

#[test]
fn the_variants_differ_in_image_privileges_and_where_the_cache_is() {
    let privileged = pod("");
    assert_eq!(privileged, pod("--privileged"));
    assert_eq!(privileged, pod("--rootless=false"));
    assert_eq!(at(&privileged, "containers.0.image"), "moby/buildkit:buildx-stable-1");
    assert_eq!(at(&privileged, "containers.0.securityContext"), &yaml("{privileged: true}"));
    assert_eq!(
        at(&privileged, "containers.0.volumeMounts"),
        &yaml("[{name: cache, mountPath: /var/lib/buildkit}]")
    );
    assert_eq!(at(&privileged, "securityContext.fsGroup"), &Value::Null);

    let rootless = pod("--rootless");
    assert_eq!(rootless, pod("--privileged=false"));
    assert_eq!(at(&rootless, "containers.0.image"), "moby/buildkit:buildx-stable-1-rootless");
    let unconfined = "{runAsUser: 1000, runAsGroup: 1000, seccompProfile: {type: Unconfined}, \
                       appArmorProfile: {type: Unconfined}}";
    assert_eq!(at(&rootless, "containers.0.securityContext"), &yaml(unconfined));
    assert_eq!(
        at(&rootless, "containers.0.volumeMounts"),
        &yaml("[{name: cache, mountPath: /home/user/.local/share/buildkit}]")
    );
    assert_eq!(at(&rootless, "securityContext.fsGroup"), 1000, "or the volume is root's");

    for pod in [&privileged, &rootless] {
        let args = strings(at(pod, "containers.0.args"));
        // RUN steps see the forwards, and may ask for what is the pod's network, as on an engine.
        assert_eq!(args[..2], ["--oci-worker-net=host", "--allow-insecure-entitlement=network.host"]);
    }
    assert_eq!(at(&pod("--rootless --image mine:1"), "containers.0.image"), "mine:1");
}

#[test]
fn each_replica_claims_its_own_cache() {
    let [_, set] = documents("--storage 2Ti");
    let claims = at(&set, "spec.volumeClaimTemplates").as_sequence().unwrap();
    assert_eq!(claims.len(), 1);
    assert_eq!(at(&claims[0], "metadata.name"), "cache");
    assert_eq!(at(&claims[0], "spec.resources.requests.storage"), "2Ti");
    let [_, set] = documents("--storage 1000000000");
    let size = at(&set, "spec.volumeClaimTemplates.0.spec.resources.requests.storage");
    assert_eq!(size, "1000000000", "a text that looks like a number");
}

/// Of several remote nodes buildx would use the first alone.
#[test]
fn several_replicas_are_one_builder_by_buildx_kubernetes_driver() {
    let options = "--replicas 3 --name b --namespace ci --storage 2Ti";
    let [_, set] = documents(options);
    assert_eq!(at(&set, "spec.replicas"), 3);
    assert_eq!(at(&set, "spec.template.metadata.labels.app"), "b", "by it buildx lists the pods");
    assert_eq!(at(&set, "spec.selector.matchLabels.app"), &Value::Null, "a set in use cannot change it");
    let (text, command) = made(options);
    assert_eq!(
        command,
        "docker buildx create --name b --node b --driver kubernetes --use \
         --driver-opt persistent-volume-claim.requests.storage=2Ti,namespace=ci"
    );
    assert!(text.contains(&format!("#   {command}\n")) && text.contains("rm --keep-daemon"), "{text}");
    assert!(made("--replicas 2").1.ends_with(".requests.storage=50Gi"), "where the kubeconfig points");
    assert_eq!(made("--replicas 1"), made(""));
}

#[test]
fn names_and_namespaces_go_everywhere() {
    let [policy, set] = documents("");
    for object in [&policy, &set] {
        assert_eq!(at(object, "metadata.name"), "docker-assemble-backend");
        assert_eq!(at(object, "metadata.namespace"), &Value::Null, "where kubectl points");
    }
    let [policy, set] = documents("--name b --namespace 2024");
    for object in [&policy, &set] {
        assert_eq!(
            (at(object, "metadata.name"), at(object, "metadata.namespace")),
            (&"b".into(), &"2024".into())
        );
    }
    let (text, command) = made("--name b --namespace ci");
    let address = "kube-pod://b-0?container=buildkitd&namespace=ci";
    assert_eq!(command, format!("docker buildx create --name b --driver remote --use '{address}'"));
    assert!(text.contains(&format!("#   {command}\n")), "{text}");
    assert!(text.contains("# BuildKit for Kubernetes 1.29 and later"), "{text}");
    assert!(made("--rootless").0.contains("# BuildKit for Kubernetes 1.30 and later"));
    let (_, command) = made("");
    assert!(command.ends_with("'kube-pod://docker-assemble-backend-0?container=buildkitd'"), "{command}");
}

#[test]
fn what_no_cluster_takes_is_a_usage_error() {
    for (options, words) in [
        ("", "flag needed: --kubernetes\n"),
        ("--kubernetes --privileged --rootless", "conflicting options: --privileged and --rootless"),
        (
            "--kubernetes --privileged=false --rootless=false",
            "conflicting options: --privileged and --rootless",
        ),
        ("--kubernetes --name A", "invalid argument \"A\" for \"--name\" flag: must be small letters"),
        ("--kubernetes --namespace no", "invalid argument \"no\" for \"--namespace\" flag: is a truth value"),
        (
            "--kubernetes --replicas 0",
            "invalid argument \"0\" for \"--replicas\" flag: must be a whole number, 1 or more",
        ),
        ("--kubernetes --storage 20gb", "invalid argument \"20gb\" for \"--storage\" flag: must be a size"),
        (
            "--kubernetes --allow-host-port 0,1",
            "invalid argument \"0,1\" for \"--allow-host-port\" flag: 0 means",
        ),
    ] {
        let error = parsed(options).unwrap_err();
        assert!(error.text.starts_with(words), "{options}: {}", error.text);
        assert_eq!(error.exit.code(), 125);
    }
}

#[test]
fn the_service_of_compose_is_as_confined_as_any_sidecar() {
    let compose = yaml(COMPOSE);
    let (builder, proxy) = (at(&compose, "services.buildkitd"), at(&compose, "services.proxy-port-5000"));
    assert_eq!(at(proxy, "network_mode"), "service:buildkitd");
    assert_eq!(at(proxy, "environment.ASSEMBLE_PROXY_PORT"), at(proxy, "command.1"));
    assert_eq!((at(proxy, "user"), at(proxy, "read_only")), (&"65532:65532".into(), &true.into()));
    assert_eq!(at(proxy, "cap_drop"), &yaml("[ALL]"));
    assert_eq!(at(proxy, "security_opt"), &yaml("[no-new-privileges:true]"));
    assert_eq!(strings(at(builder, "command")), ["--oci-worker-net=host"]);
    assert_eq!(at(builder, "volumes.0"), "cache:/var/lib/buildkit");
    // The image that Dockerfile.sidecar says it makes, which is the manifest's too.
    assert_eq!(at(proxy, "image"), at(&pod(""), "initContainers.0.image"));
    assert!(include_str!("../../Dockerfile.sidecar").contains("-t docker-assemble-proxy ."));
}

#[test]
fn only_ports_that_lead_to_themselves_can_be_written_down() {
    for list in ["5000:5001", "5000@loopback", "80,6000-6001:7000-7001"] {
        let error = format!("{:?}", parsed(&format!("--kubernetes --allow-host-port {list}")).unwrap_err());
        assert!(error.contains("the same ports of the node"), "{error}");
    }
}
