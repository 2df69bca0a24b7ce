use super::*;

fn registry(host: &str, registry: Registry) -> Settings {
    Settings { registries: BTreeMap::from([(host.to_owned(), registry)]), ..Settings::default() }
}

fn mirror(host: &str, path: &str, tls: Option<bool>) -> Mirror {
    Mirror { host: host.to_owned(), path: path.to_owned(), tls }
}

/// The configuration, read back.
fn document(settings: &Settings) -> Table {
    files(settings).unwrap()[0].content.parse().unwrap()
}

fn refused(settings: &Settings) -> String {
    files(settings).unwrap_err().to_string()
}

fn toml(text: &str) -> Table {
    text.parse().unwrap()
}

#[test]
fn without_a_wish_there_is_no_file() {
    assert_eq!(files(&Settings::default()), Ok(Vec::new()));
}

#[test]
fn an_insecure_registry_may_speak_tls_or_not() {
    let settings = registry("r:5000", Registry { insecure: true, ..Registry::default() });
    assert_eq!(document(&settings), toml("[registry.\"r:5000\"]\ninsecure = true\nhttp = true"));
}

#[test]
fn authorities_are_files_of_their_own_and_mean_tls_even_on_localhost() {
    let authorities = vec!["one".to_owned(), "two".to_owned()];
    let settings = registry("localhost:5000", Registry { authorities, ..Registry::default() });
    let files = files(&settings).unwrap();
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, [CONFIG_FILE, "/etc/buildkit/certs/1.pem", "/etc/buildkit/certs/2.pem"]);
    assert_eq!(files[2].content, "two");
    let expected = "[registry.\"localhost:5000\"]\nhttp = false\n\
                    ca = [\"/etc/buildkit/certs/1.pem\", \"/etc/buildkit/certs/2.pem\"]";
    assert_eq!(document(&settings), toml(expected));
}

#[test]
fn mirrors_are_asked_in_order_and_with_their_scheme() {
    let mirrors = vec![mirror("m:1", "/proxy", Some(false)), mirror("n", "", None)];
    let settings = registry("docker.io", Registry { mirrors, ..Registry::default() });
    let expected = "[registry.\"docker.io\"]\nmirrors = [\"m:1/proxy\", \"n\"]\n\
                    [registry.\"m:1\"]\nhttp = true";
    assert_eq!(document(&settings), toml(expected));
}

#[test]
fn limits_are_told_to_old_and_new_daemons() {
    let space = Space { reserved_bytes: Some(1), max_used_bytes: Some(2), min_free_bytes: Some(3) };
    let expected = "[worker.oci]\nreservedSpace = 1\nmaxUsedSpace = 2\nminFreeSpace = 3\ngckeepstorage = 2";
    assert_eq!(document(&Settings { space, ..Settings::default() }), toml(expected));
    let space = Space { reserved_bytes: Some(1), ..Space::default() };
    let expected = "[worker.oci]\nreservedSpace = 1\ngckeepstorage = 1";
    assert_eq!(document(&Settings { space, ..Settings::default() }), toml(expected));
}

#[test]
fn what_the_users_file_says_stays() {
    let base = "debug = true\n[registry.\"r\"]\nhttp = true\nmirrors = [\"a\"]\n[worker.oci]\ngc = true\n";
    let mirrors = vec![mirror("b", "", None)];
    let settings = Settings {
        base: Some(base.to_owned()),
        space: Space { max_used_bytes: Some(9), ..Space::default() },
        ..registry("r", Registry { insecure: true, mirrors, ..Registry::default() })
    };
    let expected = "debug = true\n\
                    [registry.\"r\"]\nhttp = true\ninsecure = true\nmirrors = [\"a\", \"b\"]\n\
                    [worker.oci]\ngc = true\nmaxUsedSpace = 9\ngckeepstorage = 9";
    assert_eq!(document(&settings), toml(expected));
}

#[test]
fn contradictions_name_both_sides() {
    let both = Registry { insecure: true, authorities: vec!["x".to_owned()], ..Registry::default() };
    let words = "conflicting settings: --registry-insecure for \"r\" and --registry-ca for \"r\"";
    assert_eq!(refused(&registry("r", both)), words);

    let space = Space { reserved_bytes: Some(2), max_used_bytes: Some(1), ..Space::default() };
    let words = "conflicting settings: --cache-reserved of 2 bytes and --cache-max-used of 1 bytes";
    assert_eq!(refused(&Settings { space, ..Settings::default() }), words);

    let limited = |base: &str| Settings {
        base: Some(base.to_owned()),
        space: Space { max_used_bytes: Some(1), ..Space::default() },
        ..registry("r", Registry { authorities: vec!["x".to_owned()], ..Registry::default() })
    };
    for (base, words) in [
        ("[registry.r]\nhttp = true", "--registry-ca for \"r\" and \"http = true\" of \"registry.r\""),
        ("[worker.oci]\nmaxUsedSpace = 2", "--cache-max-used and \"maxUsedSpace = 2\" of \"worker.oci\""),
        (
            "[[worker.oci.gcpolicy]]\nall = true",
            "a limit on the cache and \"worker.oci.gcpolicy\" in the file",
        ),
        ("[worker.oci]\ngc = false", "a limit on the cache and \"worker.oci.gc\" in the file"),
        ("registry = 1", "--registry-ca for \"r\" and a \"registry.r\" of another kind in the file"),
    ] {
        let said = refused(&limited(base));
        assert!(said.starts_with(&format!("conflicting settings: {words}")), "{said}");
    }
}

#[test]
fn a_file_that_the_backend_cannot_work_with_is_refused() {
    let base = |text: &str| refused(&Settings { base: Some(text.to_owned()), ..Settings::default() });
    assert!(base("a = [").starts_with("cannot understand the file of --config: TOML parse error"));
    assert!(base("root = \"/x\"").starts_with("the file of --config sets \"root\", but the cache volume"));
    assert!(base("[grpc]\naddress = [\"tcp://0.0.0.0:1\"]").contains("\"grpc.address\""));
}
