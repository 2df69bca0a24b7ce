use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::desired::{Port, Ports, REGISTRY_PORT};

fn name(login: &str) -> Option<String> {
    UserName::from_login(login).map(|name| name.to_string())
}

#[test]
fn a_plain_login_is_the_name() {
    for login in ["username", "jane", "m_x.y-z", "Jane", "a--b", "x-0123abcd", "_1"] {
        assert_eq!(name(login).as_deref(), Some(login));
    }
    for nobody in ["", "@@", " ", "\\", "-"] {
        assert_eq!(name(nobody), None, "{nobody}");
    }
}

#[test]
fn a_login_that_cannot_be_a_name_becomes_one_of_its_own() {
    for (login, start) in [
        ("Usha Mandya", "Usha-Mandya--"),
        ("CORP\\jane", "jane--"),
        ("a@b!!c", "a-b-c--"),
        ("jane@", "jane--"),
        ("Jörg", "J-rg--"),
        ("用户", "--"),
    ] {
        let name = name(login).unwrap();
        assert!(name.starts_with(start), "{login}: {name}");
        assert_eq!(name.len(), start.len() + 2 * HASH_BYTES, "{login}: {name}");
    }
    // The same on every machine and in every version: containers are found by it.
    assert_eq!(name("CORP\\jane").as_deref(), Some("jane--732c89ae"));
}

#[test]
fn two_logins_never_share() {
    let logins = [
        "jane",
        "CORP\\jane",
        "LAB\\jane",
        "jane@corp",
        "jane corp",
        "jane-corp",
        "jane  corp",
        "用户",
        "名",
    ];
    // Whoever takes a made name for a login gets another one.
    let made: Vec<String> = logins.iter().map(|login| name(login).unwrap()).collect();
    let again: Vec<String> = made[1..5].iter().map(|login| name(login).unwrap()).collect();
    let all: BTreeSet<&String> = made.iter().chain(&again).collect();
    assert_eq!(all.len(), made.len() + again.len(), "{made:?} {again:?}");
}

#[test]
fn one_users_helpers_are_no_other_users_backend() {
    let ann = UserName::from_login("ann").unwrap();
    let plain = Forward::plain(REGISTRY_PORT);
    let mapped = Forward { ports: Port::new(80).unwrap().into(), ..plain.clone() };
    for helper in [ann.dialer(), ann.sidecar(&plain), ann.sidecar(&mapped)] {
        let login = helper.0.strip_prefix("docker-assemble-backend-").unwrap();
        assert_ne!(UserName::from_login(login).unwrap().backend(), helper, "{login}");
    }
    let (one, other) = (UserName::from_login("cache-ann"), UserName::from_login("ann-dialer"));
    assert_ne!(one.unwrap().dialer_volume(), other.unwrap().cache_volume());
}

fn named(login: &str, backend: &str) -> UserName {
    UserName::from_login(login).unwrap().with_backend(&backend.parse().unwrap())
}

#[test]
fn a_named_backend_is_its_users_and_the_usual_one_needs_no_name() {
    let (ann, ci) = (UserName::from_login("ann").unwrap(), named("ann", "ci"));
    // The same on every machine and in every version: containers are found by it.
    assert_eq!(ci.backend().0, "docker-assemble-backend-ann-ci--6c70a75c");
    assert_eq!(ci.cache_volume().0, "docker-assemble-backend-cache-ann-ci--6c70a75c");
    assert_eq!((ci.owner(), ann.owner()), ("ann", "ann"));
    assert_eq!((&named("ann", "default"), &ci.with_backend(&BackendName::usual())), (&ann, &ann));
    assert_eq!(ci.with_backend(&"b".parse().unwrap()), named("ann", "b"));
    let labels = |user: &UserName| user.labels().into_values().collect::<Vec<_>>();
    assert_eq!(labels(&ann), ["ann"]);
    assert_eq!(labels(&ci), ["ci", "ann", "ann-ci--6c70a75c"]);
}

#[test]
fn the_longest_login_makes_names_that_fit() {
    let long = "x".repeat(1000);
    for login in [&long, &long[..LONGEST]] {
        let user = named(login, &"y".repeat(63));
        assert_eq!(user.to_string().len(), LONGEST);
        assert_ne!(user, named(login, &"z".repeat(63)));
    }
    let user = UserName::from_login(&long).unwrap();
    let forward = Forward::from_label("10000-14095".parse::<Ports>().unwrap(), "gateway:60000").unwrap();
    assert!(user.sidecar(&forward).0.len() < 255 && user.cache_volume().0.len() < 255);
    assert_ne!(UserName::from_login(&format!("{long}y")), Some(user));
}

proptest! {
    #[test]
    fn names_are_what_the_engine_takes(login in "\\PC{0,40}") {
        if let Some(user) = UserName::from_login(&login) {
            prop_assert!(user.to_string().chars().all(is_fit));
        }
    }

    /// Letters that are replaced, domains that are dropped and made names among them.
    #[test]
    fn different_logins_have_different_names(one in "[ab@ \\\\-]{1,6}", other in "[ab@ \\\\-]{1,6}") {
        let (first, second) = (name(&one), name(&other));
        prop_assume!(first.is_some() && one != other);
        prop_assert_ne!(&first, &second);
        prop_assert_ne!(first.clone().and_then(|made| name(&made)), second);
    }

    /// Logins that look like what is made of others, and pairs that read alike when they are put
    /// together, among them.
    #[test]
    fn no_login_makes_a_container_or_a_volume_of_another_backend(
        one in maker(),
        other in maker(),
    ) {
        let made = |(login, backend): &(String, Option<BackendName>)| {
            let user = UserName::from_login(login)?;
            Some(backend.iter().fold(user, |user, backend| user.with_backend(backend)))
        };
        let (Some(first), Some(second)) = (made(&one), made(&other)) else { return Ok(()) };
        // A login may be what was made for another one, to the letter.
        let again = UserName::from_login(&first.to_string()).unwrap();
        for (first, second) in [(&first, &second), (&again, &second), (&first, &again)] {
            if first == second {
                continue;
            }
            let (first, second) = (containers(first), containers(second));
            prop_assert!(first.is_disjoint(&second), "{:?} {:?}: {:?}", one, other, first);
        }
        prop_assert!(one == other || first != second);
    }
}

/// A login, and perhaps a name.
fn maker() -> impl Strategy<Value = (String, Option<BackendName>)> {
    let login = prop_oneof!["[ab@-]{1,6}", "(a|b)(-a|-b|-dialer|-proxy-port-5000|-0--[0-9a-f]{8}){0,3}"];
    let backend = "[ab](-[ab]|-dialer|-proxy-port-5000|--[0-9a-f]{8}){0,2}";
    (login, proptest::option::of(backend.prop_map(|name| name.parse().unwrap())))
}

/// The names of all containers that a backend may have, and of its volumes.
fn containers(user: &UserName) -> BTreeSet<String> {
    let plain = Forward::plain(REGISTRY_PORT);
    let mapped = Forward { ports: Port::new(80).unwrap().into(), ..plain.clone() };
    let containers = [user.backend(), user.dialer(), user.sidecar(&plain), user.sidecar(&mapped)];
    let volumes = [user.cache_volume(), user.dialer_volume()];
    let volumes = volumes.map(|volume| format!("volume {volume}"));
    containers.map(|container| container.0).into_iter().chain(volumes).collect()
}

#[test]
fn names_follow_the_documented_pattern() {
    let user = UserName::from_login("username").unwrap();
    assert_eq!(user.backend().0, "docker-assemble-backend-username");
    let plain = Forward::plain(REGISTRY_PORT);
    assert_eq!(user.sidecar(&plain).0, "docker-assemble-backend-username-proxy-port-5000");
    let range = Forward::from_label("8000-8099".parse::<Ports>().unwrap(), "gateway:9000").unwrap();
    let name = user.sidecar(&Forward::plain(range.ports)).0;
    assert_eq!(name, "docker-assemble-backend-username-proxy-port-8000-8099");
    assert_eq!(user.sidecar(&range).0, name + "-to-9000-9099");
    let mapped = Forward { ports: Port::new(80).unwrap().into(), ..plain };
    assert_eq!(user.sidecar(&mapped).0, "docker-assemble-backend-username-proxy-port-80-to-5000");
    assert_eq!(user.dialer().0, "docker-assemble-backend-username-dialer");
    assert_eq!(user.dialer_volume().0, user.dialer().0);
    assert_eq!(user.cache_volume().0, "docker-assemble-backend-cache-username");
}
