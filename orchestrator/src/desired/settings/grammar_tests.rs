use super::super::table::Choice;
use super::*;

/// What is written back for what was read.
fn words(choice: Choice, text: &str) -> Vec<String> {
    let grammar = choice.row().grammar;
    let value = grammar.canonical(grammar.read(text).unwrap());
    let words = grammar.words(&value);
    if !choice.is_secret() {
        let again = words.iter().map(|word| grammar.read(word).unwrap());
        let again = again.reduce(|one, other| grammar.both(one, other)).unwrap_or_default();
        assert_eq!(grammar.canonical(again), value, "{text}");
    }
    words
}

#[test]
fn values_are_written_by_dockers_rules() {
    for (choice, text, want) in [
        (Choice::AddHost, "r:192.0.2.7", "r:192.0.2.7"),
        (Choice::AddHost, "r=[2001:db8::7]", "r:2001:db8::7"),
        (Choice::AddHost, "r:2001:db8::7", "r:2001:db8::7"),
        (Choice::AddHost, "r:host-gateway", "r:host-gateway"),
        (Choice::Entitlements, "security.insecure", "security.insecure"),
        (Choice::Flags, "--debug --oci-worker-gc='a b'", "--debug '--oci-worker-gc=a b'"),
        (Choice::CgroupParent, "/builds", "/builds"),
        (Choice::CpuQuota, "50000", "50000"),
        (Choice::Cpus, "1.50", "1.5"),
        (Choice::Cpus, "2", "2"),
        (Choice::Cpus, ".25", "0.25"),
        (Choice::CpusetCpus, "0-3,5", "0-3,5"),
        (Choice::Env, "TOKEN=secret", "TOKEN"),
        (Choice::Env, "TOKEN", "TOKEN"),
        (Choice::Gpus, "all", "all"),
        (Choice::Gpus, "2", "2"),
        (Choice::Gpus, "\"device=0,1\",capabilities=utility", "\"device=0,1\",capabilities=utility"),
        (Choice::Gpus, "driver=nvidia,options=a=b", "driver=nvidia,1,options=a=b"),
        (Choice::Label, "team=secret", "team"),
        (Choice::Memory, "2g", "2g"),
        (Choice::Memory, "2.5GB", "2560m"),
        (Choice::MemorySwap, "-1", "-1"),
        (Choice::Network, "builds", "builds"),
        (Choice::Restart, "on-failure:3", "on-failure:3"),
        (Choice::Restart, "no", "no"),
    ] {
        assert_eq!(words(choice, text), [want], "{text}");
    }
}

#[test]
fn what_is_usual_is_no_value() {
    for (choice, text) in [
        (Choice::Memory, "0"),
        (Choice::Cpus, "0.0"),
        (Choice::Network, "bridge"),
        (Choice::Network, "podman"),
        (Choice::Restart, "unless-stopped"),
    ] {
        let grammar = choice.row().grammar;
        assert_eq!(grammar.canonical(grammar.read(text).unwrap()), Value::Null, "{text}");
    }
    for choice in Choice::all() {
        assert_eq!(choice.read(""), Ok(Value::Null), "{choice:?}");
    }
}

#[test]
fn bad_values_are_told() {
    for (choice, bad) in [
        (Choice::AddHost, &["r", "r:", ":1.2.3.4", "r:1.2.3", "r:other"][..]),
        (Choice::Entitlements, &["network", "host"]),
        (Choice::Flags, &["'", "--root=/x", "-addr x", "--config y"]),
        (Choice::CpuQuota, &["x", "1.5"]),
        (Choice::Cpus, &["x", "-1", ".", "0.0000000001", "1e9", "99999999999"]),
        (Choice::CpusetCpus, &["x", "3-1", "1-", "0,,1", "+1"]),
        (Choice::Env, &["=x"]),
        (Choice::Label, &["=x", " ", "a b=c", "io.github.docker-assemble.user=x"]),
        (Choice::Gpus, &["x", "count=x", "1,count=2", "what=1", "\"device=0"]),
        (Choice::Memory, &["x", "-1", "5m"]),
        (Choice::MemorySwap, &["-2"]),
        (Choice::Network, &["host", "none", "container:x"]),
        (Choice::Restart, &["x", "always:3", "on-failure:x", ":3"]),
    ] {
        for text in bad {
            assert!(choice.read(text).is_err(), "{choice:?} {text}");
        }
    }
}
