//! Names that lead nowhere, and name servers that do not tell.

use super::*;

/// Whoever asks the doctor learns that it is the name server that keeps silent, and not the target.
#[test]
fn a_name_server_that_keeps_silent_is_not_taken_for_the_target() {
    let world = World::new();
    world.server.say("db.lan", Say::Silence);
    world.etc.write_conf(&format!("search lan\nnameserver {SERVER}\noptions timeout:30 attempts:1\n"));
    let _relay = world.start("db");
    assert_eq!(world.ask(&["--probe", "--timeout", "1"])["probe"]["result"], "name_service");
}

/// Names that nobody has by definition are known to be none, whatever name servers do.
#[test]
fn a_name_that_ends_in_invalid_is_asked_of_nobody() {
    let world = World::new();
    let _relay = world.start("db.invalid");
    assert_eq!(world.status()["probe"]["result"], "no_such_name");
    assert_eq!(world.server.asked(), 0);
}

/// A name that is not there is a reset, counted and told apart from a target that refuses.
#[test]
fn a_name_that_is_not_there_is_told_apart() {
    let world = World::new();
    let relay = world.start("db");
    assert_eq!(world.answer(&relay), RESET);
    eventually("it is counted", PATIENCE, || unresolved(&relay) == 1);
    let said = world.status();
    assert_eq!(said["last_error"]["reason"], "no_such_name");
    assert_eq!(said["last_error"]["text"], "no such name: \"db\"");
    assert_eq!((&said["failed"]["unresolved"], &said["addrs"]), (&json!(1), &json!([])));
    assert_eq!(said["probe"]["result"], "no_such_name");
    relay.expect_log("the target is not found");

    world.server.say("db.lan", Say::addr("198.18.0.1", 60));
    eventually("the name is there, its target not yet", PATIENCE, || {
        world.answer(&relay) == RESET && relay.metric(r#"connections_failed_total{reason="refused"}"#) > 0
    });
    let target = world.listen("198.18.0.1:5000");
    open(&relay, &target);
    world.server.forget("db.lan");
}

/// So is a name server that is not there, or cannot tell.
#[test]
fn a_name_server_that_does_not_tell_is_told_apart() {
    let world = World::new();
    world.server.say("db.lan", Say::Failure);
    world.server.say("db", Say::Failure);
    let relay = world.start("db");
    assert_eq!(world.answer(&relay), RESET);
    eventually("it is counted", PATIENCE, || unresolved(&relay) == 1);
    let said = world.status();
    assert_eq!(
        (&said["last_error"]["reason"], &said["probe"]["result"]),
        (&json!("name_service"), &json!("name_service"))
    );
    let words = said["probe"]["text"].as_str().unwrap().to_owned();
    assert!(words.contains("198.18.0.1 says SERVFAIL"), "{words}");

    world.etc.write_conf("nameserver 198.18.0.3\noptions timeout:1 attempts:1\n");
    let said = world.status();
    assert_eq!(said["probe"]["result"], "name_service");
    assert!(said["probe"]["text"].as_str().unwrap().contains("198.18.0.3"), "{said}");
}
