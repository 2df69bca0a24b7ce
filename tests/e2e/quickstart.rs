//! `docs/quickstart.md`: each of its commands as it is written there, and what it shows on a terminal; and
//! `docs/quickstart.svg`, which is the same as a picture. `UPDATE_GOLDEN=1` writes both anew.

mod picture;

use std::os::unix::fs::symlink;

use regex::Regex;

use crate::ci::{Release, root, without_plugin};
use crate::screen::stays;
use crate::support::{Registry, TempDir, Terminal, backend_image};
use crate::transcript::compare;

/// What is another one each time, or elsewhere, and what stands for it.
const OTHER: [(&str, &str); 13] = [
    ("asmt[0-9]+x[0-9]+", "jane"),
    ("-to-[0-9]+", ""),
    (", to port [0-9]+ of the host", ""),
    ("gateway:[0-9]+", "gateway:5000"),
    ("commit: [0-9a-f]+", "commit: 8f0d5e7"),
    ("sha256:[0-9a-f]{64}", "sha256:5d1b…"),
    ("[0-9a-f]{64}", "1f0c9e5b7a34…"),
    (r"[0-9a-f]{12}( docker-|\))", "1f0c9e5b7a34${1}"),
    ("linux([-/])(amd64|arm64)", "linux${1}amd64"),
    ("[0-9]+ open, [0-9]+ in all", "4 open, 4 in all"),
    ("[0-9.]+[kM]?B", "4.1kB"),
    ("[0-9]+ entries", "4 entries"),
    // The machine that builds, what is to be said of this engine alone, and what buildx may say of a
    // connection as it ends.
    (r"Found (.|\n)*\n\n|WARNING: .*\n|[0-9/]{10} [0-9:]{8} http2: .*\n", ""),
];

/// A command, and what it shows.
struct Step {
    command: String,
    shown: String,
}

#[test]
#[ignore = "needs a docker engine and buildx"]
fn the_quickstart_shows_what_its_commands_do() {
    let (client, registry, release) = (without_plugin(), Registry::start(), Release::new());
    let (backend, directory) = (&client.0, TempDir::new());
    // Where docker's configuration is for a reader.
    symlink(".", backend.home().join(".docker")).unwrap();
    let do_it = |command: &str| {
        let mut shell = backend.command_of("sh", &["-c", command]);
        shell.env("ASSEMBLE_RELEASES", release.server()).env("TERM", "xterm");
        // The registry that is on port 5000 for a reader.
        shell.env("DOCKER_ASSEMBLE_ALLOW_HOST_PORT", format!("5000:{}", registry.port));
        let screen = Terminal::start_wholly(shell.current_dir(directory.path())).whole_screen();
        let shown = stays(&screen).join("\n").replace(&backend_image(), "moby/buildkit:buildx-stable-1");
        let shown = if shown.is_empty() { shown } else { format!("{}\n", shown.trim_end()) };
        let usual = |text: String, (other, usual): &(&str, &str)| {
            Regex::new(other).unwrap().replace_all(&text, *usual).into_owned()
        };
        Step { command: command.to_owned(), shown: OTHER.iter().fold(shown, usual) }
    };

    let path = root().join("docs/quickstart.md");
    let (mut page, mut steps, mut is_session) = (String::new(), Vec::new(), false);
    for line in std::fs::read_to_string(&path).unwrap().lines() {
        if line.starts_with("```") {
            is_session = line == "```console";
        } else if is_session {
            if let Some(command) = line.strip_prefix("$ ") {
                let step = do_it(command);
                page.push_str(&format!("{line}\n{}", step.shown));
                steps.push(step);
            }
            continue;
        }
        page.push_str(&format!("{line}\n"));
    }
    assert!(registry.catalog().contains("hello"), "{}", registry.catalog());
    assert_eq!(backend.containers(), Vec::<String>::new());
    compare(page, &path);
    compare(picture::of(&steps), &root().join("docs/quickstart.svg"));
}
