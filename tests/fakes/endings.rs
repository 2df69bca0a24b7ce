//! How commands end whose words are lost, or that the user gives up when they are nearly done.

use std::cell::Cell;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use docker_assemble::commands::builder::Registered;
use docker_assemble::commands::info::Info;
use docker_assemble::commands::{self, Session, info, start, stop};
use docker_assemble::desired::{Desired, Security};
use docker_plugin::cancel::{self, Cancel};
use docker_plugin::exit::Exit;
use docker_plugin::output::{Console, Form};

use crate::fake_engine::FakeEngine;
use crate::screen::Screen;
use crate::world::{IMAGE, PROXY, forwards, secured, user, wish};

/// A disk on which there is no room.
struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Words that are kept.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs a start, and says whether what is due once all serves was done.
async fn run_start(
    engine: &FakeEngine,
    wish: &Desired,
    console: &Console,
    cancel: &Cancel,
) -> (anyhow::Result<()>, bool) {
    let (user, served) = (user(), Cell::new(false));
    let session = Session { engine, user: &user, console, cancel, limit: None };
    let remember = async || {
        // As long as two questions to the engine take.
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        served.set(true);
    };
    let archive = || Bytes::from_static(PROXY.as_bytes());
    let result = start::run_and(session, wish, start::How::default(), &archive, remember).await;
    (result.map(drop), served.get())
}

/// As for docker, whose `run` and `prune` have done their work whoever reads of it.
#[tokio::test(start_paused = true)]
async fn a_change_whose_words_are_lost_was_made_and_words_that_were_asked_for_are_missed() {
    let engine = FakeEngine::with_images(&[IMAGE]);
    let (err, never, user) = (Kept::default(), Cancel::never(), user());
    let console = Console::new(Box::new(Full), Box::new(err.clone()), false);
    let (result, served) = run_start(&engine, &wish(), &console, &never).await;
    result.unwrap();
    let told = String::from_utf8(err.0.lock().unwrap().clone()).unwrap();
    assert!(served && told.starts_with("WARNING: cannot write what was done: "), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
    run_start(&engine, &wish(), &console, &never).await.0.unwrap();

    let session = Session { engine: &engine, user: &user, console: &console, cancel: &never, limit: None };
    for error in [
        info::run(session, Info::All { form: Form::Text, verbose: false }, Registered::No).await.unwrap_err(),
        info::run(session, Info::Ids { whole: false }, Registered::No).await.unwrap_err(),
        start::preview(session, &wish(), Default::default()).await.unwrap_err(),
    ] {
        assert_eq!(error.to_string(), "cannot write the result");
        assert_eq!(commands::exit(&error), Exit::Failure);
    }
    stop::run(session, None).await.unwrap();
    assert_eq!(engine.containers_now(), []);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_is_given_up_is_either_taken_back_or_done_and_remembered() {
    let after = Desired { settings: secured(Security::Restricted), recreate: true, ..wish() };
    let (mut remembered, mut taken_back) = (0, 0);
    for call in 1.. {
        let engine = FakeEngine::with_images(&[IMAGE]);
        let first = Screen::default();
        run_start(&engine, &wish(), &first.console(), &Cancel::never()).await.0.unwrap();
        let (screen, (canceller, cancel)) = (Screen::default(), cancel::pair());
        {
            let mut world = engine.world();
            world.cancel = Some((world.log.len() + call, canceller));
        }
        let (result, served) = run_start(&engine, &after, &screen.console(), &cancel).await;
        if engine.world().cancel.is_some() {
            break;
        }
        assert!(commands::exit(&result.unwrap_err()) == Exit::Cancelled(cancel::Cause::Interrupt));
        assert_eq!(served, screen.err().contains("Cancelled; the backend serves"), "{}", screen.err());
        *if served { &mut remembered } else { &mut taken_back } += 1;
    }
    assert!(remembered >= 2 && taken_back >= 5, "{remembered} {taken_back}");
}

/// Given up while it is remembered.
#[tokio::test(start_paused = true)]
async fn a_start_that_serves_is_remembered_before_it_ends() {
    let engine = FakeEngine::with_images(&[IMAGE]);
    let (screen, (canceller, cancel), user) = (Screen::default(), cancel::pair(), user());
    let console = screen.console();
    let session = Session { engine: &engine, user: &user, console: &console, cancel: &cancel, limit: None };
    let done = Cell::new(false);
    let remember = async || {
        canceller.cancel(cancel::Cause::Interrupt);
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        done.set(true);
    };
    let archive = || Bytes::from_static(PROXY.as_bytes());
    start::run_and(session, &wish(), start::How::default(), &archive, remember).await.unwrap_err();
    assert!(done.get() && engine.containers_now().len() == 2);
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_is_given_up_names_what_may_be_left() {
    let wish = Desired { forwards: forwards("80:8080@loopback,5000"), ..wish() };
    for call in 1.. {
        let engine = FakeEngine::with_images(&[IMAGE]);
        let first = Screen::default();
        run_start(&engine, &wish, &first.console(), &Cancel::never()).await.0.unwrap();
        let (screen, (canceller, cancel), user) = (Screen::default(), cancel::pair(), user());
        let console = screen.console();
        {
            let mut world = engine.world();
            world.cancel = Some((world.log.len() + call, canceller));
        }
        let session =
            Session { engine: &engine, user: &user, console: &console, cancel: &cancel, limit: None };
        let result = stop::run(session, None).await;
        if engine.world().cancel.is_some() {
            assert!(call > 5);
            result.unwrap();
            break;
        }
        assert_eq!(commands::exit(&result.unwrap_err()), Exit::Cancelled(cancel::Cause::Interrupt));
        let told = screen.err();
        assert!(told.starts_with("Cancelled; ") && told.ends_with("another stop removes it\n"), "{told}");
        let volumes: Vec<_> = engine.world().volumes.keys().map(|name| name.0.clone()).collect();
        let left = engine.containers_now().into_iter().map(|(name, _)| name).chain(volumes);
        for name in left {
            assert!(told.contains(&format!("\"{name}\"")), "{name}: {told}");
        }
    }
}
