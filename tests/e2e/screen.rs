//! What a terminal is sent, byte for byte, and that nothing else is.

use std::fs::File;
use std::io::Read;
use std::process::Command;

use crate::support::{Backend, Image, Registry, TempDir, Terminal, docker, free_port, run};

/// The codes that are used: back to the line's start and clear it (CR, EL), cut at the edge or not
/// (DECAWM), clear the screen and what is below (ED), go home (CUP). None of them is a colour.
const CODES: [&str; 6] = ["\x1b[K", "\x1b[?7l", "\x1b[?7h", "\x1b[2J", "\x1b[J", "\x1b[H"];

/// Demands that no other code is among these bytes.
#[track_caller]
fn no_other_codes(screen: &str) {
    let rest = CODES.iter().fold(screen.to_owned(), |text, code| text.replace(code, ""));
    assert!(!rest.contains('\x1b'), "{screen:?}");
}

/// What stays on a screen on which lines are written over: the last words of each.
pub(crate) fn stays(screen: &str) -> Vec<String> {
    let text = screen.replace("\x1b[?7l", "").replace("\x1b[?7h", "").replace("\r\n", "\n");
    text.lines().map(|line| line.rsplit("\r\x1b[K").next().unwrap_or_default().to_owned()).collect()
}

/// Pushes an image with a layer that the engine has no longer, and gives its name.
fn pushed(backend: &Backend, registry: &Registry) -> String {
    let (image, dir) = (registry.image("large:1"), TempDir::new());
    let mut noise = vec![0; 8 << 20];
    File::open("/dev/urandom").unwrap().read_exact(&mut noise).unwrap();
    std::fs::write(dir.path().join("noise"), noise).unwrap();
    let tar = dir.path().join("noise.tar").display().to_string();
    run(Command::new("tar").args(["-cf", &tar, "-C"]).arg(dir.path()).arg("noise")).ok();
    backend.keep(Image(image.clone()));
    docker(&["import", &tar, &image]).ok();
    docker(&["push", "--quiet", &image]).ok();
    docker(&["image", "rm", &image]).ok();
    image
}

#[test]
#[ignore = "needs a docker engine"]
fn a_pull_is_a_bar_on_a_terminal_and_lines_that_differ_elsewhere() {
    let (backend, registry) = (Backend::new(), Registry::start());
    let image = pushed(&backend, &registry);
    let start = ["start", "--allow-host-port=0", "--image", &image];
    let forget = || docker(&["image", "rm", &image]).ok();
    let success = format!("Pulling image {image}@sha256:");

    // The image is not BuildKit's, so that the start ends with an error.
    let terminal = Terminal::start(&mut backend.command(&start));
    terminal.shows("start container ");
    let screen = terminal.screen();
    let pulled = terminal.outcome().fails(1);
    assert!(pulled.stdout.starts_with(&success), "{pulled:?}");
    no_other_codes(&screen);
    assert!(screen.contains(&format!("\r\x1b[K\x1b[?7lPulling image {image}: Downloading ")), "{screen:?}");
    assert!(screen.contains("/8.39"), "the layer's size in MB: {screen:?}");
    assert!(!stays(&screen).iter().any(|line| line.contains("Downloading")), "{screen:?}");

    forget();
    let lines = backend.run(&start).fails(1);
    assert!(lines.stdout.starts_with(&success), "{lines:?}");
    let told: Vec<_> = lines.stderr.lines().filter(|line| line.starts_with("Pulling image ")).collect();
    assert!(told.iter().any(|line| line.ends_with(" Downloading")), "{lines:?}");
    assert!(told.iter().all(|line| told.iter().filter(|other| other == &line).count() == 1), "{lines:?}");
    assert!(!lines.words().contains(['\x1b', '\r']), "{lines:?}");

    forget();
    let quiet = backend.run(&[&start[..], &["--quiet"]].concat()).fails(1);
    assert!(quiet.stdout.starts_with(&success) && !quiet.stderr.contains("Pulling image"), "{quiet:?}");
}

#[test]
#[ignore = "needs a docker engine"]
fn a_watch_writes_over_itself_on_a_terminal_and_in_no_colour() {
    let (backend, port) = (Backend::new(), free_port());
    backend.start(&[port]);
    let row = format!("{port}     gateway:{port}   0  ");
    let mut command = backend.command(&["stats", "--watch"]);
    let terminal = Terminal::start_wholly(command.env("TERM", "xterm-256color").env("NO_COLOR", "1"));
    // The first frame, and a second one with the bars of two samples.
    terminal.shows("\x1b[2J\x1b[HPORT ");
    terminal.shows("\u{2581}\u{2581}\x1b[K\r\n\x1b[J");
    terminal.signal("INT");
    let screen = terminal.screen();
    terminal.outcome().fails(130);
    assert!(screen.contains(&row), "{screen:?}");
    assert_eq!(screen.matches("\x1b[2J").count(), 1, "cleared once: {screen:?}");
    assert!(screen.matches("\x1b[HPORT ").count() >= 2, "and drawn over: {screen:?}");
    no_other_codes(&screen);

    // A terminal that cannot do it, and none at all.
    let dumb = Terminal::start_wholly(command.env("TERM", "dumb"));
    dumb.shows("\r\n\r\nPORT ");
    dumb.signal("INT");
    let screen = dumb.screen();
    dumb.outcome().fails(130);
    assert!(!screen.contains('\x1b'), "{screen:?}");
}
