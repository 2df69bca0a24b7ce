//! The address that stands in for a name that nobody here knows.

use super::*;

/// An address from elsewhere serves while nobody here knows the name, and not a moment longer: a
/// name that moves is not looked for where it was.
#[test]
fn a_fallback_serves_until_the_name_is_known() {
    let world = World::new();
    let (found, moved) = (world.listen("198.18.0.1:5000"), world.listen("198.18.0.3:5000"));
    let relay = world.launch("db").args(["--fallback", "198.18.0.1"]).with_metrics().start();
    open(&relay, &found);
    let said = world.status();
    assert_eq!((&said["resolved"], &said["fallback"]), (&json!(false), &json!("198.18.0.1")));
    assert_eq!((&said["addrs"], &said["probe"]["result"]), (&json!(["198.18.0.1:5000"]), &json!("accepted")));
    assert_eq!(said["probe"]["addrs"], json!([]));
    // The attempt was a connection too.
    drop(accept(&found));

    world.server.say("db.lan", Say::addr("198.18.0.1", 0));
    eventually("the name is known", PATIENCE, || {
        open(&relay, &found);
        world.told()["resolved"] == json!(true)
    });
    world.server.say("db.lan", Say::addr("198.18.0.3", 0));
    world.world.time_to_reach(&moved, &relay);
    world.server.forget("db.lan");
    eventually("the name is gone", PATIENCE, || world.answer(&relay) == RESET && unresolved(&relay) > 0);
    // Whoever tries it beside the relay does not go back either.
    let said = world.status();
    assert_eq!((&said["fallback"], &said["probe"]["result"]), (&Value::Null, &json!("no_such_name")));
}

/// The name has moved since the fallback was found, and refuses where it is now: nobody is sent to
/// where it was.
#[test]
fn a_fallback_does_not_stand_in_for_a_target_that_refuses() {
    let world = World::new();
    let old = world.listen("198.18.0.1:5000");
    world.server.say("db.lan", Say::addr("198.18.0.3", 0));
    let relay = world.launch("db").args(["--fallback", "198.18.0.1"]).with_metrics().start();
    assert_eq!(world.answer(&relay), RESET);
    eventually("it is counted", PATIENCE, || {
        relay.metric(r#"connections_failed_total{reason="refused"}"#) == 1
    });
    let said = world.status();
    assert_eq!((&said["fallback"], &said["probe"]["result"]), (&Value::Null, &json!("refused")));
    // Nor when the name is gone.
    world.server.forget("db.lan");
    eventually("the name is gone", PATIENCE, || world.answer(&relay) == RESET && unresolved(&relay) > 0);
    old.set_nonblocking(true).unwrap();
    assert!(old.accept().is_err(), "somebody was sent to where it was");
}

/// Nor for an answer that is late.
#[test]
fn a_fallback_does_not_stand_in_for_a_late_answer() {
    let world = World::new();
    let (old, new) = (world.listen("198.18.0.1:5000"), world.listen("198.18.0.3:5000"));
    world.server.say("db.lan", Say::Silence);
    world.etc.write_conf(&format!("search lan\nnameserver {SERVER}\noptions timeout:1 attempts:5\n"));
    let relay = world.launch("db").args(["--fallback", "198.18.0.1"]).start();
    // By the second time it has been silent for a second.
    eventually("it is asked, and again", PATIENCE, || world.server.asked() > 2);
    let client = relay.connect();
    eventually("and once more", PATIENCE, || world.server.asked() > 4);
    world.server.say("db.lan", Say::addr("198.18.0.3", 60));
    assert!(accept_within(&new, PATIENCE).is_some());
    old.set_nonblocking(true).unwrap();
    assert!(old.accept().is_err(), "it did not wait");
    drop(client);
}
