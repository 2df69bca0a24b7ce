//! What a plan takes away from builds.

use assemble_contract::Port;
use docker_assemble::desired::{Desired, Security, Settings};
use docker_assemble::forward::asked::Asked;
use docker_assemble::forward::word;
use docker_assemble::observed::{Observed, Sidecar, State};
use docker_assemble::plan::{STOP_GRACE, plan, teardown};

use crate::world::{forwards, started, wish};

fn ports(sidecars: &[&Sidecar]) -> Vec<u16> {
    sidecars.iter().map(|sidecar| sidecar.ports.first()).map(Port::get).collect()
}

/// Whether the backend goes, and which forwards go for good or come back.
fn cuts(wish: &Desired, world: &Observed) -> (bool, Vec<u16>, Vec<u16>) {
    let plan = plan(wish, world).unwrap();
    let cuts = plan.cuts(world);
    (cuts.backend.is_some(), ports(&cuts.removed), ports(&cuts.replaced))
}

#[test]
fn what_goes_is_told_from_what_comes_back() {
    let has = Desired { forwards: forwards("5000,6000,7000:70"), ..wish() };
    let world = started(&has);
    assert_eq!(cuts(&has, &world), (false, vec![], vec![]));
    let fewer = Desired { forwards: forwards("5000,8000"), ..wish() };
    assert_eq!(cuts(&fewer, &world), (false, vec![6000, 7000], vec![]));
    let elsewhere = Desired { forwards: forwards("5000:50,6000,7000:70"), ..wish() };
    assert_eq!(cuts(&elsewhere, &world), (false, vec![5000], vec![]));
    let settings = Settings { security: Security::Restricted, ..Settings::default() };
    let anew = Desired { settings, recreate: true, ..fewer };
    assert_eq!(cuts(&anew, &world), (true, vec![6000, 7000], vec![5000]));
    let cuts = teardown(&world, STOP_GRACE);
    let cuts = cuts.cuts(&world);
    assert_eq!((cuts.backend.is_some(), ports(&cuts.removed)), (true, vec![5000, 6000, 7000]));
}

#[test]
fn a_range_comes_back_where_all_of_its_ports_do() {
    let with = |words| Desired { forwards: forwards(words), ..wish() };
    let singles = started(&with("8000,8001,8002:90"));
    assert_eq!(cuts(&with("8000-8001,8002:90"), &singles), (false, vec![], vec![8000, 8001]));
    assert_eq!(cuts(&with("8000-8002"), &singles), (false, vec![8002], vec![8000, 8001]));
    let range = started(&with("8000-8009"));
    assert_eq!(cuts(&with("8000-8004,8005-8009"), &range), (false, vec![], vec![8000]));
    assert_eq!(cuts(&with("8000-8004,8006-8009"), &range), (false, vec![8000], vec![]));
    assert_eq!(cuts(&with("8000-8009,8010"), &range), (false, vec![], vec![]));
}

#[test]
fn what_grows_could_come_beside_what_is_there() {
    let with = |words| Desired { forwards: forwards(words), ..wish() };
    let world = started(&with("5000,8000-8009,9000-9009@loopback"));
    let beside = |words| {
        let plan = plan(&with(words), &world).unwrap();
        let beside = plan.cuts(&world).beside;
        beside.iter().map(|forward| word(&Asked::from(forward))).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(beside("5000,8000-8019,8990-9010@loopback"), "8010-8019 8990-8999@loopback 9010@loopback");
    assert_eq!(beside("5000,7000,7990-8009,9000-9009@loopback"), "7000 7990-7999");
    // Nothing that goes comes back in these.
    for words in [
        "5000,8000-8019",
        "5000,8000-8004,8005-8009,9000-9009@loopback",
        "5000,8000-8009,9000-9009@loopback,1",
    ] {
        assert_eq!(beside(words), "", "{words}");
    }
}

#[test]
fn what_serves_nobody_is_taken_from_nobody() {
    let none = Desired { forwards: forwards(""), ..wish() };
    let mut world = started(&Desired { forwards: forwards("5000,6000,7000,8000"), ..wish() });
    world.sidecars[0].container.state = State::Exited;
    world.sidecars[1].container.unhealthy = true;
    world.sidecars[2].beside_backend = Some(false);
    assert_eq!(cuts(&none, &world), (false, vec![8000], vec![]));
    world.backend.as_mut().unwrap().state = State::Exited;
    assert_eq!(cuts(&none, &world), (false, vec![], vec![]));
}

#[test]
fn a_plan_for_forwards_alone_touches_nothing_else() {
    let mut world = started(&Desired { forwards: forwards("5000,6000"), ..wish() });
    for sidecar in &mut world.sidecars {
        // As another version has made it.
        sidecar.container.labels.insert(docker_assemble::labels::SETTINGS.to_owned(), "1:other".to_owned());
    }
    world.backend.as_mut().unwrap().labels.clear();
    let add = Desired { forwards: forwards("5000,6000,7000"), forwards_only: true, ..wish() };
    assert_eq!(cuts(&add, &world), (false, vec![], vec![]));
    assert_eq!(
        cuts(&Desired { forwards: forwards("6000"), ..add.clone() }, &world),
        (false, vec![5000], vec![])
    );
    world.backend.as_mut().unwrap().state = State::Exited;
    let error = plan(&add, &world).unwrap_err().to_string();
    assert!(error.contains("has ended meanwhile"), "{error}");
}
