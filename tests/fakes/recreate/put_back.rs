//! A start that ends early puts back what it would have replaced.

use docker_plugin::cancel;

use super::*;

/// How many calls the start makes, and how many of them come when all that is new serves.
async fn calls(before: &Desired, after: &Desired) -> (usize, usize) {
    let engine = fresh();
    must_start(&engine, before).await;
    let earlier = engine.world().log.len();
    must_start(&engine, after).await;
    let world = engine.world();
    let last = world.log.iter().rev().take_while(|call| call.starts_with("remove ")).count();
    (world.log.len() - earlier, last)
}

/// Runs a start that ends at each of its calls in turn, by a failure or because the user gives up.
async fn ends_early(gives_up: bool) {
    for (before, after) in replacing() {
        let (all, last) = calls(&before, &after).await;
        assert!(all - last >= 5 && last > 0, "{after:?}");
        for call in 1..=all {
            let engine = fresh();
            must_start(&engine, &before).await;
            let there = same(&engine);
            let note = engine.world().files.clone();
            let (canceller, cancel) = cancel::pair();
            {
                let mut world = engine.world();
                let number = world.log.len() + call;
                if gives_up { world.cancel = Some((number, canceller)) } else { world.fail = Some(number) }
            }
            let (result, screen) = run_start(&engine, &after, &cancel).await;
            let story = format!("call {call} of {after:?}: {:?}", engine.world().log);
            if call > all - last {
                // It is too late to go back, and the next start finishes it.
                assert!(!screen.err().contains("removed again"), "{story}: {}", screen.err());
                if gives_up {
                    let told = "Cancelled; the backend serves, and another start removes what was to go\n";
                    assert!(screen.err().ends_with(told), "{story}: {}", screen.err());
                } else {
                    result.expect(&story);
                    let told = "; the backend serves, and another start removes \"docker-assemble-";
                    assert!(screen.err().contains(told), "{story}: {}", screen.err());
                }
                engine.world().fail = None;
                must_start(&engine, &after).await;
                assert_eq!(engine.containers_now().len(), after.container_names().len(), "{story}");
                continue;
            }
            let error = result.expect_err(&story);
            assert_eq!(same(&engine), there, "{story} {error:#}");
            let world = engine.world();
            assert!(note.iter().all(|(file, text)| world.files.get(file) == Some(text)), "{story}");
            if world.log.iter().any(|call| call.starts_with("rename")) {
                assert!(screen.err().contains("Put back container \""), "{story}: {}", screen.err());
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_failed_start_would_have_replaced_runs_as_before() {
    ends_early(false).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_start_that_was_given_up_would_have_replaced_runs_as_before() {
    ends_early(true).await;
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_does_not_come_up_gives_its_place_back() {
    let (before, after) = replacing()[0].clone();
    let engine = fresh();
    must_start(&engine, &before).await;
    let there = same(&engine);
    // The daemon refuses its configuration.
    let name = before.user.backend();
    engine.world().ending_once.insert(name.clone());
    let (result, screen) = run_start(&engine, &after, &Cancel::never()).await;
    let error = format!("{:#}", result.unwrap_err());
    assert!(error.contains("ended right after its start"), "{error}: {:?}", engine.world().log);
    assert!(screen.err().contains("last words"), "{}", screen.err());
    assert!(screen.err().contains(&format!("Put back container \"{name}\"\n")), "{}", screen.err());
    assert_eq!(same(&engine), there);
}

/// A start that was killed while the new backend went from one end to the next: it is known to the
/// next start alone that it does not serve.
#[tokio::test(start_paused = true)]
async fn a_backend_that_a_killed_start_left_in_anothers_place_is_found_out() {
    let (engine, old, other) = replaced_and_kept(State::Restarting).await;
    let (result, screen) = run_start(&engine, &other, &Cancel::never()).await;
    let error = format!("{:#}", result.unwrap_err());
    assert!(error.ends_with("ended right after its start"), "{error}");
    assert!(screen.err().contains("Put back container"), "{}", screen.err());
    assert_eq!(same(&engine), [(old.id, old.name.0, State::Running)]);
}

/// What held the ports of a range until then has them again where the range does not serve.
#[tokio::test(start_paused = true)]
async fn sidecars_that_made_way_for_a_range_come_back_where_that_fails() {
    let engine = fresh();
    let singles = Desired { forwards: forwards("5000,8000,8001"), ..wish() };
    must_start(&engine, &singles).await;
    let before = names(&engine);
    let range = Desired { forwards: forwards("5000,8000-8001"), ..wish() };
    engine.world().ending.insert(user().sidecar(range.forwards.last().unwrap()));
    let (result, screen) = run_start(&engine, &range, &Cancel::never()).await;
    assert!(
        format!("{:#}", result.unwrap_err()).contains("proxy-port-8000-8001\" ended right after its start")
    );
    for port in [8000, 8001] {
        assert!(
            screen.err().contains(&format!("Put back container \"{}-proxy-port-{port}\"", user().backend()))
        );
    }
    let (mut now, mut was) = (names(&engine), before);
    now.sort_by(|one, other| one.0.cmp(&other.0));
    was.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(now, was);
    // They are what the backend is told of, too.
    must_start(&engine, &singles).await;
    assert_eq!(names(&engine).len(), was.len());
}
