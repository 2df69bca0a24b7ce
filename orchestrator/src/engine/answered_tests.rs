use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::desired::{Choice, Security};

fn inspected(host: &Value, state: &Value) -> Container {
    let answer = json!({
        "Id": "abc", "Name": "/b", "Image": "sha256:1",
        "Config": {"Image": "img", "Labels": {"l": "1"}, "Env": ["A=b"]},
        "State": state, "HostConfig": host,
        "Mounts": [{"Type": "volume", "Name": "anonymous", "Destination": "/var/lib/buildkit"}],
    });
    container(serde_json::from_value(answer).unwrap(), None).unwrap()
}

#[test]
fn an_inspection_becomes_a_container() {
    let state = json!({"Status": "running", "StartedAt": "2024-01-02T03:04:05.6Z"});
    let seen = inspected(&json!({"Privileged": true}), &state);
    assert_eq!(
        seen,
        Container {
            id: ContainerId("abc".into()),
            name: ContainerName("b".into()),
            image: ImageRef("img".into()),
            image_id: "sha256:1".into(),
            state: State::Running,
            unhealthy: false,
            restarts: 0,
            out_of_memory: false,
            started_at: "2024-01-02T03:04:05.6Z".into(),
            labels: BTreeMap::from([("l".into(), "1".into())]),
            env: vec!["A=b".into()],
            settings: Settings { security: Security::Privileged, ..Settings::default() },
        }
    );
    let never = json!({"Status": "created", "StartedAt": NEVER});
    assert_eq!(inspected(&json!({}), &never).started_at, "");
    for (health, unhealthy) in [("none", false), ("starting", false), ("healthy", false), ("unhealthy", true)]
    {
        let state = json!({"Status": "running", "Health": {"Status": health}});
        assert_eq!(inspected(&json!({}), &state).unhealthy, unhealthy, "{health}");
    }
}

#[test]
fn only_a_volume_that_was_asked_for_is_the_cache() {
    let cache = |host: Value| inspected(&host, &json!({})).settings.cache_volume.map(|volume| volume.0);
    let mount = |typ: &str| json!({"Mounts": [{"Type": typ, "Source": "c", "Target": "/var/lib/buildkit"}]});
    assert_eq!(cache(json!({})), None);
    assert_eq!(cache(mount("volume")), Some("c".into()));
    assert_eq!(cache(mount("bind")), None);
    assert_eq!(cache(json!({"Binds": ["c:/home/user/.local/share/buildkit:rw"]})), Some("c".into()));
    assert_eq!(cache(json!({"Binds": ["/c:/var/lib/buildkit", "d:/etc"]})), None);
    // Podman lists what the image declares like that too.
    let anonymous = format!("{}:/var/lib/buildkit:rprivate,rw,nodev,exec,nosuid,rbind", "0f".repeat(32));
    assert_eq!(cache(json!({"Binds": [anonymous]})), None);
}

#[test]
fn a_state_that_no_model_has_is_told_as_it_is() {
    let answer = json!({"Id": "abc", "Name": "/b", "State": {}});
    let seen = container(serde_json::from_value(answer).unwrap(), Some("stopped".into())).unwrap();
    assert_eq!(seen.state, State::Other("stopped".into()));
}

#[test]
fn a_network_is_found_where_each_engine_tells_it() {
    let network = |mode: &str, names: &[&str]| {
        let networks: BTreeMap<_, _> = names.iter().map(|name| (*name, json!({}))).collect();
        let answer = json!({
            "Id": "abc", "Name": "/b", "State": {},
            "HostConfig": {"NetworkMode": mode}, "NetworkSettings": {"Networks": networks},
        });
        let seen = container(serde_json::from_value(answer).unwrap(), None).unwrap();
        seen.settings.chosen.words(Choice::Network).concat()
    };
    assert_eq!(network("builds", &["builds", "more"]), "builds", "docker");
    assert_eq!(network("bridge", &["bridge", "more"]), "", "docker, connected to another one later");
    assert_eq!(network("bridge", &["builds"]), "builds", "podman");
    assert_eq!(network("bridge", &["podman"]), "", "podman's usual one");
    assert_eq!(network("bridge", &[]), "");
}

#[test]
fn an_engine_that_tells_of_no_control_groups_has_a_tree_for_each_controller() {
    let told = [Some(SystemInfoCgroupVersionEnum::_2), Some(SystemInfoCgroupVersionEnum::_1), None];
    assert_eq!(told.map(cgroups), [Cgroups::V2, Cgroups::V1, Cgroups::V1]);
}
