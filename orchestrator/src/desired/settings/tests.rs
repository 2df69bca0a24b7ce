use serde_json::{Value, json};

use super::*;

/// What these options name.
fn chosen(options: &[(Choice, &str)]) -> Chosen {
    let read = |(choice, text): &(Choice, &str)| (*choice, choice.read(text).unwrap());
    options.iter().map(read).collect()
}

/// A container as an engine makes it from such a body.
fn made(chosen: &Chosen) -> Chosen {
    let mut body = json!({
        "Cmd": ["--oci-worker-net=host", format!("{LAST_OWN_ARGUMENT}1")],
        "Env": ["HTTP_PROXY=p"],
        "Labels": {"l": "1"},
        "HostConfig": {"Memory": null},
    });
    chosen.put(&mut body);
    Chosen::seen(&body, &body["HostConfig"])
}

#[test]
fn what_a_container_is_made_with_is_seen_on_it() {
    let all = chosen(&[
        (Choice::AddHost, "b:192.0.2.8"),
        (Choice::AddHost, "a:192.0.2.7"),
        (Choice::Entitlements, "security.insecure"),
        (Choice::Entitlements, "network.host"),
        (Choice::Flags, "--debug"),
        (Choice::CgroupParent, "/builds"),
        (Choice::Cpus, "1.5"),
        (Choice::CpusetCpus, "0"),
        (Choice::Env, "HTTP_PROXY=mine"),
        (Choice::Env, "NOTHING"),
        (Choice::Gpus, "all"),
        (Choice::Label, "team=a"),
        (Choice::Memory, "2g"),
        (Choice::MemorySwap, "3g"),
        (Choice::Network, "builds"),
        (Choice::Restart, "on-failure:3"),
    ]);
    assert_eq!(made(&all), all);
    assert_eq!(made(&all).words(Choice::AddHost), ["a:192.0.2.7", "b:192.0.2.8"]);
    // What an engine makes of a limit on memory alone.
    let seen = Chosen::seen(&json!({}), &json!({"Memory": 1_u64 << 30, "MemorySwap": 2_u64 << 30}));
    assert_eq!(seen, chosen(&[(Choice::Memory, "1g")]));
}

#[test]
fn the_usual_entitlement_is_told_from_none() {
    let seen = |cmd: &[&str]| {
        let last = format!("{LAST_OWN_ARGUMENT}1");
        let cmd: Vec<_> = cmd.iter().map(|word| if *word == "LAST" { last.as_str() } else { word }).collect();
        Chosen::seen(&json!({ "Cmd": cmd }), &json!({})).get(Choice::Entitlements).cloned()
    };
    assert_eq!(seen(&["--allow-insecure-entitlement=network.host", "LAST"]), None);
    let named = Some(json!(["network.host"]));
    assert_eq!(seen(&["LAST", "--config=/x", "--allow-insecure-entitlement=network.host"]), named);
    assert_eq!(seen(&["LAST", "--config=/x"]), Some(json!([])));
    assert_eq!(seen(&["--not-ours"]), None, "a container that is no backend");
    // A backend that had none is made anew with the usual one.
    let old = Chosen::seen(&json!({"Cmd": [format!("{LAST_OWN_ARGUMENT}1")]}), &json!({}));
    assert!(Chosen::default().over(&old).is_empty());
}

#[test]
fn entitlements_among_the_flags_are_entitlements() {
    for flags in [
        "--debug --allow-insecure-entitlement security.insecure",
        "--allow-insecure-entitlement=security.insecure --debug",
        "-allow-insecure-entitlement security.insecure --debug",
    ] {
        let named = chosen(&[(Choice::Flags, flags)]);
        assert_eq!(named.words(Choice::Flags), ["--debug"], "{flags}");
        assert_eq!(named.words(Choice::Entitlements), ["security.insecure"], "{flags}");
    }
}

#[test]
fn what_is_not_named_stays() {
    let before = chosen(&[(Choice::Memory, "2g"), (Choice::Cpus, "1"), (Choice::Env, "A=1")]);
    let named = chosen(&[(Choice::Memory, ""), (Choice::CpuQuota, "5000"), (Choice::Env, "B=2")]);
    let all = named.over(&before);
    assert_eq!(all, chosen(&[(Choice::CpuQuota, "5000"), (Choice::Env, "B=2")]));
    assert_eq!(Chosen::default().over(&before), before);
    // No engine takes a limit on swap without that on memory.
    for (swap, left) in [("5g", None), ("-1", Some(json!(-1)))] {
        let swapped = chosen(&[(Choice::Memory, "2g"), (Choice::MemorySwap, swap)]);
        let all = chosen(&[(Choice::Memory, "")]).over(&swapped);
        assert_eq!(all.get(Choice::MemorySwap).cloned(), left);
    }
    let both = chosen(&[(Choice::Cpus, "1"), (Choice::CpuQuota, "5000")]);
    assert_eq!(both.conflict(), Some((Choice::Cpus, Choice::CpuQuota)));
    assert_eq!(all.conflict(), None);
}

#[test]
fn no_device_at_all_is_none_to_ask_for() {
    assert_eq!(chosen(&[(Choice::Gpus, "0")]), chosen(&[(Choice::Gpus, "")]));
}

#[test]
fn what_the_engine_cannot_change_needs_a_new_container() {
    let has = chosen(&[(Choice::Memory, "2g"), (Choice::Cpus, "1")]);
    let value = |choice: Choice, text: &str| choice.read(text).unwrap();
    assert!(Choice::Memory.is_live(&has, &value(Choice::Memory, "3g")));
    assert!(Choice::Restart.is_live(&has, &Value::Null));
    assert!(!Choice::Memory.is_live(&has, &Value::Null), "a limit that is taken back");
    assert!(!Choice::CpuQuota.is_live(&has, &value(Choice::CpuQuota, "5000")), "beside another form of it");
    assert!(!Choice::Env.is_live(&has, &value(Choice::Env, "A=1")));
    let change = chosen(&[(Choice::Memory, "3g"), (Choice::Restart, "")]);
    let limits = json!({"Memory": 3_u64 << 30, "MemorySwap": 6_u64 << 30, "RestartPolicy": {"Name": "unless-stopped"}});
    assert_eq!(change.update(&change, false), limits);
}

#[test]
fn podman_is_told_what_it_would_forget_and_in_its_own_words() {
    let has = chosen(&[(Choice::Restart, "always"), (Choice::Memory, "2g")]);
    let change = chosen(&[(Choice::Cpus, "1.5")]);
    let body = json!({
        "NanoCpus": null, "CpuPeriod": 100_000, "CpuQuota": 150_000, "RestartPolicy": {"Name": "always"},
    });
    assert_eq!(change.update(&change.over(&has), true), body);
    let usual = change.update(&change, true);
    assert_eq!(usual["RestartPolicy"], json!({"Name": "unless-stopped"}));
    assert_eq!(change.update(&change, false), json!({"NanoCpus": 1_500_000_000_u64}));
    let seen = Chosen::seen(&json!({}), &json!({"CpuPeriod": 100_000, "CpuQuota": 150_000}));
    assert_eq!(seen, change);
    let other = Chosen::seen(&json!({}), &json!({"CpuPeriod": 50_000, "CpuQuota": 150_000}));
    assert_eq!(other, chosen(&[(Choice::CpuPeriod, "50000"), (Choice::CpuQuota, "150000")]));
}

#[test]
fn a_share_of_processors_is_the_same_in_whatever_way_it_is_told() {
    let told = |options: &[(Choice, &str)], choice| {
        // As Podman tells a quota that was given alone.
        let seen = Chosen::seen(&json!({}), &json!({"CpuPeriod": 100_000, "CpuQuota": 50_000}));
        let named = chosen(options);
        seen.agrees(&named.over(&seen), choice)
    };
    assert!(told(&[(Choice::CpuQuota, "50000")], Choice::CpuQuota));
    assert!(told(&[(Choice::Cpus, "0.5")], Choice::Cpus));
    assert!(!told(&[(Choice::CpuQuota, "25000")], Choice::CpuQuota));
    assert!(!told(&[(Choice::CpuQuota, "50000"), (Choice::CpuPeriod, "50000")], Choice::CpuPeriod));
    assert!(!told(&[(Choice::Cpus, "")], Choice::Cpus));
}

#[test]
fn what_an_engine_has_not_changed_is_known() {
    let has = chosen(&[(Choice::Memory, "2g")]);
    let change = chosen(&[(Choice::Memory, "4g"), (Choice::MemorySwap, "8g"), (Choice::Restart, "")]);
    let wanted = change.over(&has);
    let now = Chosen::seen(&json!({}), &json!({"Memory": 4_u64 << 30, "MemorySwap": 8_u64 << 30}));
    assert!(now.ignored(&change, wanted.clone()).is_empty());
    let no = Chosen::seen(&json!({}), &json!({"RestartPolicy": {"Name": "no"}}));
    assert_eq!(no.ignored(&change, wanted), ["memory", "restart"]);
}

#[test]
fn a_variable_without_a_value_takes_the_one_that_is_known() {
    let mut named = chosen(&[(Choice::Env, "A"), (Choice::Env, "B=2"), (Choice::Env, "C")]);
    named.fill(|name| (name == "A").then(|| "1".to_owned()));
    assert_eq!(named.get(Choice::Env), Some(&json!({"A": "1", "B": "2", "C": null})));
    assert!(named.has_variable("C") && !named.has_variable("D"));
}
