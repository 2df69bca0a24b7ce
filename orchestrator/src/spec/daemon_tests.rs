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

    let mirrors = |tls| vec![mirror("localhost:5000", "", Some(tls))];
    let trusted = Registry { authorities: vec!["x".to_owned()], ..Registry::default() };
    let insecure = Registry { insecure: true, ..Registry::default() };
    for (tls, other, option, first) in [(false, trusted, "ca", "http"), (true, insecure, "insecure", "https")]
    {
        let mirrored = Registry { mirrors: mirrors(tls), ..Registry::default() };
        let mut both = registry("docker.io", mirrored);
        both.registries.insert("localhost:5000".to_owned(), other);
        let words = format!(
            "conflicting settings: --registry-{option} for \"localhost:5000\" and \
             --registry-mirror docker.io={first}://localhost:5000"
        );
        assert_eq!(refused(&both), words);
    }

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

#[test]
fn files_of_this_machine_that_the_users_file_names_come_along() {
    let base = "[registry.\"r:1\"]\nhttp = false\nca = [\"own.pem\", \"more/own.pem\"]\n\
                [[registry.\"r:1\".keypair]]\ncert = \"own.pem\"\nkey = \"secret.key\"\n\
                [registry.s]\nmirrors = [\"own.pem\"]\n";
    let names: Vec<_> = named(base).unwrap().into_iter().map(|it| (it.path, it.key)).collect();
    let name = |path: &str, key: &str| (path.to_owned(), format!("registry.r:1.{key}"));
    assert_eq!(
        names,
        [
            name("more/own.pem", "ca"),
            name("own.pem", "ca"),
            name("own.pem", "keypair.cert"),
            name("secret.key", "keypair.key"),
        ]
    );
    let brought =
        ["own.pem", "more/own.pem", "secret.key"].map(|path| (path.to_owned(), format!("<{path}>")));
    let settings = Settings {
        base: Some(base.to_owned()),
        brought: brought.into(),
        ..registry("r:1", Registry { authorities: vec!["option".to_owned()], ..Registry::default() })
    };
    let files = files(&settings).unwrap();
    let document: Table = files[0].content.parse().unwrap();
    let said = |path: &Value| {
        let file = files.iter().find(|file| path.as_str() == Some(&file.path));
        file.map_or_else(|| panic!("{path} is not there"), |file| file.content.clone())
    };
    let r = &document["registry"]["r:1"];
    let authorities: Vec<_> = r["ca"].as_array().unwrap().iter().map(said).collect();
    assert_eq!(authorities, ["<own.pem>", "<more/own.pem>", "option"]);
    let pair = &r["keypair"][0];
    assert_eq!(
        (said(&pair["cert"]), said(&pair["key"])),
        ("<own.pem>".to_owned(), "<secret.key>".to_owned())
    );
    assert_eq!(document["registry"]["s"]["mirrors"][0].as_str(), Some("own.pem"));
}

/// What docker's engine has for these registries.
fn engine_has(hosts: &[&str], authority: &str) -> Settings {
    let found =
        Found { authorities: vec![authority.to_owned()], pairs: vec![("cert".to_owned(), "key".to_owned())] };
    let found = hosts.iter().map(|host| ((*host).to_owned(), found.clone())).collect();
    Settings { found, ..Settings::default() }
}

#[test]
fn what_the_engine_trusts_is_trusted_where_nothing_else_is_said() {
    let settings = Settings {
        base: Some("[registry.\"localhost:1\"]\nhttp = true".to_owned()),
        registries: registry("localhost:2", Registry { insecure: true, ..Registry::default() }).registries,
        ..engine_has(&["localhost:1", "localhost:2", "localhost:3"], "ca")
    };
    let expected = "[registry.\"localhost:1\"]\nhttp = true\n\
                    [registry.\"localhost:2\"]\ninsecure = true\nhttp = true\n\
                    [registry.\"localhost:3\"]\nhttp = false\nca = [\"/etc/buildkit/certs/docker/1.pem\"]\n\
                    [[registry.\"localhost:3\".keypair]]\ncert = \"/etc/buildkit/certs/docker/2.pem\"\n\
                    key = \"/etc/buildkit/certs/docker/3.pem\"";
    assert_eq!(document(&settings), toml(expected));
}

#[test]
fn what_the_engine_trusts_makes_no_other_backend() {
    let with = |authority| files(&engine_has(&["localhost:1"], authority)).unwrap();
    let (one, other) = (with("one"), with("other"));
    assert!(!is_asked_for(&one));
    let Differences { asked, found } = differences(&one, &other);
    assert_eq!((asked, found), (Vec::new(), vec!["registry-ca localhost:1".to_owned()]));
    assert_eq!(fingerprint(&one), fingerprint(&other));
    assert!(differences(&one, &[]).asked.is_empty());

    // Somebody asks for another one.
    let authorities = vec!["asked".to_owned()];
    let asked = files(&registry("localhost:1", Registry { authorities, ..Registry::default() })).unwrap();
    assert!(is_asked_for(&asked));
    assert_eq!(differences(&one, &asked).asked[0], "config registry.localhost:1.keypair");
    assert_ne!(fingerprint(&one), fingerprint(&asked));
}
