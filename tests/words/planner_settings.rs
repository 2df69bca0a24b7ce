//! The planner: settings that stay as a backend has them where a start does not name them.

use docker_assemble::desired::{Choice, Desired, Named, Security, Settings};
use docker_assemble::labels;
use docker_assemble::observed::{Container, Observed, State};
use docker_assemble::plan::action::Action;
use docker_assemble::plan::{PlanError, plan};

use crate::steps::{backend_candidates, steps};
use crate::world::{chosen, empty, secured, started, wish};

fn naming(options: &[(Choice, &str)]) -> Desired {
    Desired { settings: Settings { chosen: chosen(options), ..Settings::default() }, ..wish() }
}

fn refused(wish: &Desired, world: &Observed) -> String {
    match plan(wish, world) {
        Err(PlanError::NeedsNewBackend { differences, .. }) => {
            differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        }
        other => panic!("{other:?}"),
    }
}

const LIMITED: [(Choice, &str); 3] =
    [(Choice::Memory, "2g"), (Choice::AddHost, "r:192.0.2.7"), (Choice::Env, "TOKEN=secret")];

#[test]
fn what_a_start_does_not_name_stays() {
    let world = started(&naming(&LIMITED));
    for same in [wish(), naming(&LIMITED), naming(&[(Choice::Memory, "2048m")])] {
        let plan = plan(&same, &world).unwrap();
        assert!(plan.is_empty() && plan.left_alone.is_empty(), "{plan:?}");
    }
    // Nor does it go with another backend.
    let anew = Desired { recreate: true, ..naming(&[(Choice::AddHost, "")]) };
    let made = &backend_candidates(&anew, &world).preferred.settings.chosen;
    assert_eq!(*made, chosen(&[LIMITED[0], LIMITED[2]]));
}

#[test]
fn a_new_backend_has_no_more_privileges_than_the_old_one_unless_they_are_asked_for() {
    let world = started(&Desired { settings: secured(Security::Restricted), ..wish() });
    let anew = Desired { recreate: true, ..naming(&LIMITED) };
    assert_eq!(backend_candidates(&anew, &world).preferred.settings.security, Security::Restricted);
    let named = Named { security: true, ..Named::default() };
    for asked in [
        Desired { recreate: true, settings: secured(Security::Privileged), ..wish() },
        Desired { named, ..anew },
    ] {
        assert_eq!(backend_candidates(&asked, &world).preferred.settings.security, Security::Privileged);
    }
    assert!(plan(&wish(), &world).unwrap().is_empty());
    // Whether more are to be had is found out by a new one, also where nothing else is to change.
    let tried = Desired { recreate: true, named, ..wish() };
    assert_eq!(backend_candidates(&tried, &world).preferred.settings.security, Security::Privileged);
    assert!(plan(&Desired { recreate: false, ..tried }, &world).unwrap().is_empty());
}

/// Versions up to 0.2.0 made one that cannot mount where SELinux is in force.
#[test]
fn a_restricted_backend_of_before_is_made_anew_when_that_is_asked_for() {
    let restricted = Desired { settings: secured(Security::Restricted), ..wish() };
    let mut world = started(&restricted);
    let labels = &mut world.backend.as_mut().unwrap().labels;
    labels.insert(labels::SETTINGS.to_owned(), "v1:7fffb0b465518643".to_owned());
    labels.insert(labels::VERSION.to_owned(), "0.1.0".to_owned());
    assert_eq!(plan(&restricted, &world).unwrap().left_alone.len(), 1);
    assert!(!plan(&Desired { recreate: true, ..restricted }, &world).unwrap().is_empty());
}

#[test]
fn what_the_engine_can_change_is_changed_when_all_serves() {
    let world = started(&naming(&LIMITED));
    let change = [vec!["change memory \"4g\", restart \"no\"".to_owned()]];
    for recreate in [false, true] {
        let wish = Desired { recreate, ..naming(&[(Choice::Memory, "4g"), (Choice::Restart, "no")]) };
        assert_eq!(steps(&wish, &world), change);
        let after = world.after(&plan(&wish, &world).unwrap());
        assert!(plan(&wish, &after).unwrap().is_empty());
    }
    let wish = naming(&[(Choice::Memory, "4g")]);
    // The limit on swap goes with that on memory, since the engine takes none below it.
    let swapped = started(&naming(&[(Choice::Memory, "2g"), (Choice::MemorySwap, "5g")]));
    assert_eq!(steps(&wish, &swapped), [["change memory \"4g\", memory-swap \"5g\""]]);
}

#[test]
fn what_may_keep_a_backend_from_serving_is_changed_first() {
    let world = started(&naming(&LIMITED));
    let with = |make: fn(&mut Container)| {
        let mut world = world.clone();
        make(world.backend.as_mut().unwrap());
        world
    };
    let stopped = with(|backend| backend.state = State::Exited);
    let worlds = [
        with(|backend| backend.state = State::Restarting),
        with(|backend| backend.restarts = 3),
        with(|backend| backend.unhealthy = true),
    ];
    for recreate in [false, true] {
        let wish = Desired { recreate, ..naming(&[(Choice::Memory, "4g")]) };
        let steps = steps(&wish, &stopped).concat();
        let at = |step: &str| steps.iter().position(|done| done == step).unwrap();
        assert_eq!(at("change memory \"4g\"") + 1, at("start B"), "{steps:?}");
        for world in &worlds {
            let plan = plan(&wish, world).unwrap();
            let is_change = |action: &Action| matches!(action, Action::Change { .. });
            assert!(plan.changes.is_empty() && plan.stages.iter().flatten().any(is_change), "{plan:?}");
        }
    }
}

#[test]
fn an_engine_that_changes_nothing_needs_another_backend() {
    let world = Observed { fixed: true, ..started(&naming(&LIMITED)) };
    let wish = naming(&[(Choice::Memory, "4g")]);
    assert_eq!(refused(&wish, &world), "memory: has \"2g\", asked for \"4g\"");
    let anew = Desired { recreate: true, ..wish };
    let made = &backend_candidates(&anew, &world).preferred.settings.chosen;
    assert_eq!(made.words(Choice::Memory), ["4g"]);
}

/// A share of processors is told in one way or in the other, and Podman before 5.1 changes neither in place.
#[test]
fn a_share_of_processors_that_needs_another_backend_names_what_there_is() {
    let quota = naming(&[(Choice::CpuQuota, "50000")]);
    let period = naming(&[(Choice::CpuPeriod, "50000"), (Choice::CpuQuota, "50000")]);
    let cpus = naming(&[(Choice::Cpus, "0.7")]);
    let fixed = |wish: &Desired| Observed { fixed: true, ..started(wish) };
    for (world, wish, told) in [
        (started(&quota), &cpus, "cpus: has \"cpu-quota 50000\", asked for \"0.7\""),
        (started(&period), &cpus, "cpus: has \"cpu-period 50000, cpu-quota 50000\", asked for \"0.7\""),
        (started(&cpus), &quota, "cpu-quota: has \"cpus 0.7\", asked for \"50000\""),
        (fixed(&cpus), &naming(&[(Choice::Cpus, "1")]), "cpus: has \"0.7\", asked for \"1\""),
        (
            fixed(&period),
            &naming(&[(Choice::CpuPeriod, "60000"), (Choice::CpuQuota, "50000")]),
            "cpu-period: has \"50000\", asked for \"60000\"",
        ),
    ] {
        assert_eq!(refused(wish, &world), told);
        let anew = Desired { recreate: true, ..wish.clone() };
        assert!(plan(&anew, &world).is_ok(), "{told}");
    }
}

#[test]
fn a_usual_policy_is_known_for_the_way_back() {
    let before = |policy: &str, world: &Observed| {
        let plan = plan(&naming(&[(Choice::Restart, policy), (Choice::Memory, "4g")]), world).unwrap();
        match &plan.changes[..] {
            [Action::Change { before, .. }] => before.clone(),
            other => panic!("{other:?}"),
        }
    };
    let limit = (Choice::Memory, "2g");
    assert_eq!(before("no", &started(&naming(&LIMITED))), chosen(&[(Choice::Restart, ""), limit]));
    let always = started(&naming(&[(Choice::Restart, "always"), limit]));
    assert_eq!(before("no", &always), chosen(&[(Choice::Restart, "always"), limit]));
}

#[test]
fn the_rest_needs_another_backend_and_no_secret_is_told() {
    let world = started(&naming(&LIMITED));
    for (option, want) in [
        ((Choice::Memory, ""), "memory: has \"2g\", asked for \"none\""),
        ((Choice::AddHost, "r:host-gateway"), "add-host: has \"r:192.0.2.7\", asked for \"r:host-gateway\""),
        ((Choice::Env, "TOKEN=other"), "env: differs in \"TOKEN\""),
        ((Choice::Env, ""), "env: has \"TOKEN\", asked for none"),
        ((Choice::Label, "team=x"), "label: has none, asked for \"team\""),
        ((Choice::Network, "builds"), "network: has \"bridge\", asked for \"builds\""),
        (
            (Choice::Entitlements, "security.insecure"),
            "allow-insecure-entitlement: has \"network.host\", asked for \"security.insecure\"",
        ),
    ] {
        assert_eq!(refused(&naming(&[option]), &world), want);
    }
}

#[test]
fn builds_may_use_the_backends_own_network_unless_entitlements_are_named() {
    let flag = "--allow-insecure-entitlement=network.host".to_owned();
    let has = |wish: &Desired| backend_candidates(wish, &empty()).preferred.args.contains(&flag);
    assert!(has(&wish()));
    assert!(!has(&naming(&[(Choice::Entitlements, "security.insecure")])));
    assert!(!has(&naming(&[(Choice::Flags, "--allow-insecure-entitlement security.insecure")])));
    assert!(!has(&configured(wish())));
}

/// With a configuration that says what builds may ask for.
fn configured(wish: Desired) -> Desired {
    let path = "/etc/buildkit/buildkitd.toml".to_owned();
    let content = "insecure-entitlements = []".to_owned();
    Desired { files: vec![docker_assemble::desired::File { path, content }], ..wish }
}

/// As an engine has what no entitlement was given to.
fn without_entitlements(mut world: Observed) -> Observed {
    let backend = world.backend.as_mut().unwrap();
    backend.settings.chosen = [(Choice::Entitlements, serde_json::json!([]))].into_iter().collect();
    world
}

#[test]
fn entitlements_that_are_named_go_before_those_of_a_configuration() {
    let named = configured(naming(&[(Choice::Entitlements, "network.host")]));
    let world = without_entitlements(started(&configured(wish())));
    assert!(plan(&configured(wish()), &world).unwrap().left_alone.is_empty());
    assert_eq!(
        refused(&named, &world),
        "allow-insecure-entitlement: has \"none\", asked for \"network.host\""
    );
    let made = &backend_candidates(&Desired { recreate: true, ..named.clone() }, &world).preferred;
    assert_eq!(made.settings.chosen.words(Choice::Entitlements), ["network.host"]);
    assert!(plan(&named, &started(&named)).unwrap().is_empty());
    // Where nobody has named any, the usual one is there without a word.
    let usual = naming(&[(Choice::Entitlements, "network.host")]);
    assert!(plan(&usual, &started(&wish())).unwrap().is_empty());
}

#[test]
fn the_usual_limit_on_swap_is_no_difference() {
    let world = started(&naming(&[(Choice::Memory, "2g")]));
    let usual = naming(&[(Choice::Memory, "2g"), (Choice::MemorySwap, "4g")]);
    assert!(plan(&usual, &world).unwrap().is_empty());
    let other = naming(&[(Choice::MemorySwap, "5g")]);
    assert_eq!(steps(&other, &world), [["change memory-swap \"5g\""]]);
    let other = started(&naming(&[(Choice::Memory, "2g"), (Choice::MemorySwap, "5g")]));
    assert_eq!(steps(&usual, &other), [["change memory-swap \"4g\""]]);
}

#[test]
fn a_backend_that_allows_nothing_is_told_of_and_left_alone() {
    let mut world = started(&wish());
    let none = (Choice::Entitlements, serde_json::Value::Array(Vec::new()));
    world.backend.as_mut().unwrap().settings.chosen = [none].into_iter().collect();
    let plain = plan(&wish(), &world).unwrap();
    assert!(plain.is_empty());
    let told = plain.left_alone.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(told, ["allow-insecure-entitlement: has \"none\", asked for \"network.host\""]);
    // Whoever asks for it is refused, and a new one has it.
    let told = refused(&naming(&[(Choice::Entitlements, "network.host")]), &world);
    assert_eq!(told, "allow-insecure-entitlement: has \"none\", asked for \"network.host\"");
    let anew = backend_candidates(&Desired { recreate: true, ..wish() }, &world);
    assert!(anew.preferred.args.contains(&"--allow-insecure-entitlement=network.host".to_owned()));
}

#[test]
fn a_network_that_is_named_has_to_exist() {
    let wish = naming(&[(Choice::Network, "builds")]);
    let world = Observed { network: Some(false), ..empty() };
    assert_eq!(plan(&wish, &world), Err(PlanError::NoSuchNetwork { name: "builds".to_owned() }));
    assert!(plan(&wish, &Observed { network: Some(true), ..empty() }).is_ok());
}
