use serde_json::{Value, json};

use super::*;
use crate::desired::{ContainerName, ImageRef, Security};
use crate::spec::VolumeSpec;

fn spec(privileges: Privileges) -> ContainerSpec {
    ContainerSpec {
        name: ContainerName("b".into()),
        image: ImageRef("img:1".into()),
        args: vec![],
        env: vec![],
        labels: BTreeMap::new(),
        user: None,
        sysctls: BTreeMap::new(),
        network: Network::Own,
        mounts: vec![],
        settings: Settings {
            security: if privileges == Privileges::Privileged {
                Security::Privileged
            } else {
                Security::Auto
            },
            ..Settings::default()
        },
        privileges,
        read_only: false,
        pids: None,
        descriptors: None,
        restart: Restart::No,
        files: vec![],
        note: None,
    }
}

fn body(spec: &ContainerSpec, facts: &EngineFacts) -> Value {
    serde_json::to_value(create_body(spec, facts, None)).unwrap()
}

#[test]
fn a_builder_is_sent_empty_path_lists() {
    let privileges = Privileges::Builder { add: vec!["SYS_ADMIN".into()], cgroups: Cgroups::V1 };
    let mut spec = spec(privileges);
    spec.mounts = vec![
        Mount::Bind { source: "/sys/fs/cgroup".into(), target: "/sys/fs/cgroup".into(), read_only: false },
        Mount::Volume { name: VolumeName("v".into()), target: "/var/lib/buildkit".into() },
    ];
    assert_eq!(
        body(&spec, &EngineFacts::default()),
        json!({
            "Image": "img:1",
            "Labels": {},
            "HostConfig": {
                "CapAdd": ["SYS_ADMIN"],
                "SecurityOpt": ["seccomp=unconfined", "apparmor=unconfined", "no-new-privileges=false"],
                "MaskedPaths": [],
                "ReadonlyPaths": [],
                "CgroupnsMode": "host",
                "ReadonlyRootfs": false,
                "RestartPolicy": {"Name": "no"},
                "Mounts": [
                    {"Type": "bind", "Source": "/sys/fs/cgroup", "Target": "/sys/fs/cgroup"},
                    {"Type": "volume", "Source": "v", "Target": "/var/lib/buildkit"},
                ],
            },
        })
    );
}

/// By both of upstream's, `buildkitd` and `buildkitd-entrypoint`.
#[test]
fn a_builder_with_one_tree_of_control_groups_makes_its_branch_writable_and_runs_what_the_image_does() {
    let own = spec(Privileges::Builder { add: Vec::new(), cgroups: Cgroups::V2 });
    let image = Image {
        id: "sha256:1".into(),
        repo_digests: vec![],
        arch: "amd64".into(),
        entrypoint: vec!["tini".into(), "buildkitd".into()],
    };
    let created = |spec: &ContainerSpec| create_body(spec, &EngineFacts::default(), Some(&image));
    let words = created(&own).entrypoint.unwrap();
    assert_eq!(words[3..], ["sh", "tini", "buildkitd"]);
    assert_eq!(words[..3], ["sh", "-c", "mount -o remount,bind,rw /sys/fs/cgroup && exec \"$@\""]);
    let mode = |spec: &ContainerSpec| created(spec).host_config.unwrap().cgroupns_mode;
    assert_eq!(mode(&own), Some(HostConfigCgroupnsModeEnum::PRIVATE));
    for other in [Privileges::Privileged, Privileges::Builder { add: Vec::new(), cgroups: Cgroups::V1 }] {
        assert_eq!(created(&spec(other)).entrypoint, None);
    }
}

#[test]
fn a_sidecar_gets_nothing_but_the_network_of_another() {
    let spec = ContainerSpec {
        args: vec!["--port".into(), "5000".into()],
        env: vec!["A=b".into()],
        labels: BTreeMap::from([("l".into(), "1".into())]),
        user: Some("65532:65532".into()),
        network: Network::Container(ContainerName("backend".into())),
        sysctls: BTreeMap::from([("net.x".into(), "1".into())]),
        read_only: true,
        pids: Some(64),
        descriptors: Some(2048),
        restart: Restart::OnFailure,
        ..spec(Privileges::Nothing)
    };
    assert_eq!(
        body(&spec, &EngineFacts::default()),
        json!({
            "Image": "img:1",
            "Cmd": ["--port", "5000"],
            "Env": ["A=b"],
            "Labels": {"l": "1"},
            "User": "65532:65532",
            "HostConfig": {
                "CapDrop": ["ALL"],
                "SecurityOpt": ["no-new-privileges"],
                "NetworkMode": "container:backend",
                "Sysctls": {"net.x": "1"},
                "ReadonlyRootfs": true,
                "PidsLimit": 64,
                "Ulimits": [{"Name": "nofile", "Soft": 2048, "Hard": 2048}],
                "RestartPolicy": {"Name": "on-failure"},
            },
        })
    );
}

#[test]
fn an_engine_that_remaps_users_is_asked_not_to() {
    let facts = EngineFacts {
        security_options: vec!["name=seccomp,profile=default".into(), "name=userns".into()],
        ..EngineFacts::default()
    };
    for privileges in [Privileges::Privileged, Privileges::Nothing] {
        assert_eq!(body(&spec(privileges), &facts)["HostConfig"]["UsernsMode"], "host");
    }
    let host = &body(&spec(Privileges::Privileged), &EngineFacts::default())["HostConfig"];
    assert_eq!((&host["Privileged"], &host["UsernsMode"]), (&json!(true), &Value::Null));
}

#[test]
fn a_user_is_the_one_whose_files_are_where_an_engine_remaps_users() {
    let user = |directory: &str, option: &str| {
        let facts = EngineFacts {
            directory: directory.into(),
            security_options: vec![option.into()],
            ..EngineFacts::default()
        };
        let spec = ContainerSpec { user: Some("65532:65532".into()), ..spec(Privileges::Nothing) };
        body(&spec, &facts)["User"].clone()
    };
    assert_eq!(user("/var/lib/docker/100000.200000", "name=userns"), "165532:265532");
    for (directory, option) in [
        ("/var/lib/docker/100000.200000", "name=rootless"),
        ("/var/lib/docker", "name=userns"),
        ("", "name=userns"),
        ("/var/lib/docker/4294967295.100000", "name=userns"),
    ] {
        assert_eq!(user(directory, option), "65532:65532", "{directory} {option}");
    }
}

#[test]
fn a_builder_may_gain_privileges_whatever_the_engine_denies_to_others() {
    let host = &body(&spec(Privileges::Privileged), &EngineFacts::default())["HostConfig"];
    assert_eq!(host["SecurityOpt"], json!(["no-new-privileges=false"]));
}

fn selinux() -> EngineFacts {
    EngineFacts { security_options: vec!["name=selinux".into()], ..EngineFacts::default() }
}

#[test]
fn a_builder_mounts_where_selinux_denies_it_to_containers() {
    let builder = Privileges::Builder { add: Vec::new(), cgroups: Cgroups::V2 };
    let has_label = |facts: &EngineFacts| {
        let options = body(&spec(builder.clone()), facts)["HostConfig"]["SecurityOpt"].clone();
        options.as_array().unwrap().contains(&json!("label=disable"))
    };
    assert!(has_label(&selinux()) && !has_label(&EngineFacts::default()));
}

#[test]
fn containers_that_share_a_socket_have_one_selinux_level() {
    let selinux = selinux();
    let sharing = |volume: &str, read_only| {
        let volume = VolumeSpec { name: VolumeName(volume.into()), labels: BTreeMap::new() };
        let mounts = vec![Mount::Own { volume, target: "/run/assemble".into(), read_only }];
        ContainerSpec { mounts, ..spec(Privileges::Nothing) }
    };
    let options =
        |spec: &ContainerSpec, facts: &EngineFacts| body(spec, facts)["HostConfig"]["SecurityOpt"].clone();
    let dialer = options(&sharing("ann", false), &selinux);
    assert_eq!(dialer, options(&sharing("ann", true), &selinux));
    assert_ne!(dialer, options(&sharing("bob", false), &selinux));
    let levels = |name: String| {
        let level = level(&VolumeName(name));
        let (first, second) = level.strip_prefix("s0:c").unwrap().split_once(",c").unwrap();
        (first.parse::<u16>().unwrap(), second.parse::<u16>().unwrap())
    };
    for n in 0..5000 {
        let (first, second) = levels(n.to_string());
        assert!(first < second && second < 1024, "{n}: {first} {second}");
    }
    assert_eq!(dialer[1], format!("label=level:{}", level(&VolumeName("ann".into()))));
    for (spec, facts) in
        [(sharing("ann", true), EngineFacts::default()), (spec(Privileges::Nothing), selinux)]
    {
        assert_eq!(options(&spec, &facts), json!(["no-new-privileges"]));
    }
}

#[test]
fn a_log_that_would_grow_for_ever_has_a_limit() {
    let config = |driver: &str| {
        let facts = EngineFacts { logging_driver: driver.into(), ..EngineFacts::default() };
        body(&spec(Privileges::Nothing), &facts)["HostConfig"]["LogConfig"].clone()
    };
    assert_eq!(config("json-file"), json!({"Config": {"max-size": "10m", "max-file": "3"}}));
    // The driver is the engine's, and these would refuse such options or have no use for them.
    for driver in ["local", "journald", "none", "syslog", ""] {
        assert_eq!(config(driver), Value::Null, "{driver}");
    }
}

#[test]
fn podman_changes_containers_since_some_version() {
    let updates = |version: &str, podman| {
        EngineFacts { version: version.into(), podman, ..EngineFacts::default() }.updates()
    };
    assert!(updates("20.10.24", false) && updates("4.3.1", false));
    assert!(!updates("4.3.1", true) && !updates("5.0.3", true));
    assert!(updates("5.1.0", true) && updates("5.10.0-dev", true) && updates("6.1.0", true));
}
