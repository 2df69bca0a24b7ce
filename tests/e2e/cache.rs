//! The build cache: where it lives, what it holds and how it is emptied.

use serde_json::Value;

use crate::support::{
    Backend, Background, Context, Outcome, PATIENCE, Terminal, Volume, eventually, run, unique,
};

/// A build whose second run can come out of the cache from end to end.
pub(crate) fn build() -> Context {
    Context::new(
        "FROM scratch\nADD busybox.tar /\nRUN head -c 3000000 /dev/zero >/zeros\nRUN echo done >/done\n",
    )
}

/// The steps of a build that were done, and those that were found in the cache.
pub(crate) fn steps(build: &Outcome) -> (usize, usize) {
    // Written as `#5 [2/3] RUN …` and, on a line of its own, `#5 CACHED`.
    let steps = build.stderr.lines().filter(|line| line.starts_with('#') && line.contains("/3] "));
    let mut numbers: Vec<&str> = steps.filter_map(|line| line.split_whitespace().next()).collect();
    numbers.dedup();
    let is_cached = |number: &&&str| build.stderr.lines().any(|line| line == format!("{number} CACHED"));
    (numbers.len(), numbers.iter().filter(is_cached).count())
}

/// Builds, starts the backend anew, and demands that the second build finds it all.
#[track_caller]
fn cache_survives(backend: &Backend, start: &[&str]) {
    let context = build();
    backend.run(start).ok();
    let first = backend.build(&context).ok();
    assert_eq!(steps(&first), (3, 0), "{first:?}");
    let id = backend.id();
    backend.run(&["stop"]).ok();
    backend.run(start).ok();
    assert_ne!(backend.id(), id);
    let second = backend.build(&context).ok();
    assert_eq!(steps(&second), (3, 3), "{second:?}");
}

#[test]
#[ignore = "needs a docker engine"]
fn a_named_volume_keeps_the_cache_through_a_stop() {
    let backend = Backend::new();
    let volume = backend.volume(format!("{}-assemble-cache", backend.user));
    let option = format!("--cache-volume={volume}");
    cache_survives(&backend, &["start", "--allow-host-port", "0", &option]);
    assert_eq!(backend.volumes(), [volume.as_str()]);
    backend.run(&["stop"]).ok();
    assert!(Volume::exists(&volume));
}

#[test]
#[ignore = "needs a docker engine"]
fn a_volume_of_the_conventional_name_is_used_unasked() {
    let backend = Backend::new();
    let volume = backend.volume(format!("docker-assemble-backend-cache-{}", backend.user));
    cache_survives(&backend, &["start", "--allow-host-port", "0"]);
    assert_eq!(backend.volumes(), [volume.as_str()]);
}

#[test]
#[ignore = "needs a docker engine"]
fn a_backend_that_is_made_anew_keeps_a_named_volume() {
    let (backend, context) = (Backend::new(), build());
    let volume = backend.volume(format!("{}-assemble-cache", backend.user));
    backend.run(&["start", "--allow-host-port", "0", "--cache-volume", &volume]).ok();
    backend.build(&context).ok();
    let id = backend.id();
    // Without a word of the volume: it goes over, and nothing is lost that there were to warn of.
    let other = ["start", "--allow-host-port", "0", "--cache-max-used", "2gb"];
    let refusal = backend.run(&other).fails(1);
    assert!(
        refusal.only_complaint().contains("configuration: has none, asked for \"cache-max-used\""),
        "{refusal:?}"
    );
    let recreate = backend.run(&[&other[..], &["--recreate"]].concat()).ok();
    assert!(!recreate.stderr.contains("the build cache of"), "{recreate:?}");
    assert_ne!(backend.id(), id);
    assert_eq!(backend.volumes(), [volume.as_str()]);
    let second = backend.build(&context).ok();
    assert_eq!(steps(&second), (3, 3), "{second:?}");
}

#[test]
#[ignore = "needs a docker engine"]
fn without_a_volume_the_cache_goes_with_the_backend() {
    let (backend, context) = (Backend::new(), build());
    for _ in 0..2 {
        backend.start(&[]);
        let build = backend.build(&context).ok();
        assert_eq!(steps(&build), (3, 0), "{build:?}");
        backend.run(&["stop"]).ok();
    }
}

#[test]
#[ignore = "needs a docker engine"]
fn the_readmes_volume_keeps_the_cache_of_any_login() {
    let readme = include_str!("../../README.md");
    let line = readme.lines().find_map(|line| line.strip_prefix("$ docker volume create ")).unwrap();
    let id = unique();
    for login in [format!("{id} corp"), id] {
        let backend = Backend::of(&login);
        backend.install_plugin();
        let made = run(&mut backend.command_of("sh", &["-c", &format!("docker volume create {line}")])).ok();
        let name = made.stdout.trim_end();
        backend.keep(Volume(name.to_owned()));
        assert_eq!(name, format!("docker-assemble-backend-cache-{}", backend.user));
        backend.start(&[]);
        assert_eq!(backend.volumes(), [name]);
    }
}

#[test]
#[ignore = "needs a docker engine"]
fn a_cache_volume_that_does_not_exist_is_an_error_with_the_remedy() {
    let backend = Backend::new();
    let name = format!("{}-nowhere", backend.user);
    let refusal = backend.run(&["start", "--allow-host-port", "0", "--cache-volume", &name]).fails(125);
    assert!(refusal.only_complaint().contains(&format!("docker volume create {name}")), "{refusal:?}");
    assert_eq!(backend.containers(), [""; 0]);
    assert!(!Volume::exists(&name));

    let path = backend.run(&["start", "--cache-volume", "/tmp/cache"]).fails(125);
    assert!(path.stderr.contains("invalid argument \"/tmp/cache\" for \"--cache-volume\" flag"), "{path:?}");
}

/// The bytes in docker's words for a size.
#[track_caller]
fn bytes(size: &str) -> f64 {
    let digits = size.find(|c: char| !c.is_ascii_digit() && c != '.').expect("a unit");
    let scale = match &size[digits..] {
        "B" => 1.0,
        "kB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        unit => panic!("{unit} in {size}"),
    };
    size[..digits].parse::<f64>().unwrap() * scale
}

/// Whether a size in words is this number, but for its rounding to four digits.
fn means(size: &str, exact: f64) -> bool {
    (bytes(size) - exact).abs() <= exact * 0.0005
}

/// The value of `NAME:   VALUE`.
#[track_caller]
fn value<'a>(output: &'a str, name: &str) -> &'a str {
    let line = output.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name} in:\n{output}")).trim()
}

/// The rows of the table of records.
#[track_caller]
fn rows(output: &str) -> Vec<Vec<&str>> {
    let mut lines = output.lines();
    let header: Vec<_> =
        lines.next().unwrap_or_default().split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    assert_eq!(header, ["ID", "RECLAIMABLE", "SIZE", "LAST ACCESSED"], "{output}");
    lines.take_while(|line| !line.contains(':')).map(|line| line.split_whitespace().collect()).collect()
}

#[test]
#[ignore = "needs a docker engine"]
fn usage_sums_up_what_info_counts_and_purge_empties_it() {
    let backend = Backend::new();
    backend.start(&[]);
    backend.build(&build()).ok();

    // The daemon lets go of what a build used a moment after the client has ended.
    let records: Vec<Value> = eventually("no record is in use", PATIENCE, || {
        let records = backend.run(&["cache", "usage", "--format", "json"]).ok();
        let records = records.stdout.lines().map(|line| serde_json::from_str(line).unwrap());
        let records: Vec<Value> = records.collect();
        records.iter().all(|record| record["Reclaimable"] == true).then_some(records)
    });
    let sum = |keep: &dyn Fn(&Value) -> bool| -> f64 {
        records.iter().filter(|record| keep(record)).map(|record| record["Size"].as_f64().unwrap()).sum()
    };
    let total = sum(&|_| true);
    assert!(records.len() >= 3 && total > 3e6, "{records:?}");

    let usage = backend.run(&["cache", "usage"]).ok();
    let table = rows(&usage.stdout);
    assert_eq!(table.len(), records.len(), "{usage:?}");
    for row in &table {
        let id = row[0].trim_end_matches('*');
        let record =
            records.iter().find(|record| record["ID"] == id).unwrap_or_else(|| panic!("{id} is new"));
        assert!(means(row[2].trim_end_matches('*'), record["Size"].as_f64().unwrap()), "{row:?} {record}");
        assert_eq!(row[1], record["Reclaimable"].to_string(), "{row:?} {record}");
    }
    assert!(means(value(&usage.stdout, "Total"), total), "{total} {usage:?}");
    let reclaimable = sum(&|record| record["Reclaimable"] == true);
    assert!(means(value(&usage.stdout, "Reclaimable"), reclaimable), "{reclaimable} {usage:?}");

    let verbose = backend.run(&["cache", "usage", "--verbose"]).ok();
    assert!(means(value(&verbose.stdout, "Total"), total), "{total} {verbose:?}");
    assert!(bytes(value(&verbose.stdout, "On disk")) >= total, "{total} {verbose:?}");
    // The daemon's own rules, with limits that count in 1024.
    let rules = verbose.stdout.split("\nGC Policy rule#0:\n").nth(1).expect("rules");
    assert!(rules.starts_with(" All:") && rules.contains("GiB\n"), "{rules}");

    let quiet = backend.run(&["cache", "usage", "--quiet"]).ok();
    let list = backend.run(&["cache", "usage", "--format", "{{.ID}}"]).ok();
    assert_eq!((quiet.stdout.lines().count(), &quiet.stdout), (records.len(), &list.stdout));
    let json = backend.run(&["cache", "usage", "--format", "{{json .}}"]).ok();
    assert_eq!(json.stdout.lines().count(), records.len());
    let custom = backend.run(&["cache", "usage", "--format", "table {{.ID}}\\t{{.Type}}"]).ok();
    assert!(custom.stdout.starts_with("ID ") && custom.stdout.contains("regular"), "{custom:?}");
    let format = "{{.State}} {{len .Workers}} {{.Cache.Entries}}{{range .Sidecars}}{{.Port}}{{end}}";
    let state = backend.run(&["info", "--format", format]).ok();
    assert_eq!(state.stdout, format!("running 1 {}\n", records.len()));

    let info = backend.run(&["info"]).ok();
    let last = info.stdout.lines().last().unwrap();
    let words: Vec<_> = last.split_whitespace().collect();
    assert!(
        last.starts_with(&format!("Build cache contains {} entries, total size ", records.len())),
        "{last}"
    );
    assert!(means(words[7], total), "{last}");
    assert!(last.ends_with("(0B currently in use)"), "{last}");

    // What docker's configuration keeps from every purge stays, unless the command line differs.
    let config = backend.home().join("config.json");
    std::fs::write(&config, r#"{"pruneFilters":["until=24h","label!=keep"]}"#).unwrap();
    let kept = backend.run(&["cache", "purge", "--force"]).ok();
    assert_eq!((kept.stdout.as_str(), kept.stderr.as_str()), ("Total:    0B\n", ""), "{kept:?}");
    let other = backend.run(&["cache", "purge", "--filter", "until=1ms", "--dry-run"]).ok();
    assert!(means(value(&other.stdout, "Total"), total), "{total} {other:?}");
    std::fs::remove_file(config).unwrap();

    let purge = backend.run(&["cache", "purge", "--force"]).ok();
    assert!(means(value(&purge.stdout, "Total"), total), "{total} {purge:?}");
    assert_eq!(rows(&purge.stdout).len(), records.len(), "{purge:?}");
    assert_eq!(purge.stderr, "");

    let usage = backend.run(&["cache", "usage"]).ok();
    assert_eq!((value(&usage.stdout, "Total"), rows(&usage.stdout).len()), ("0B", 0), "{usage:?}");
    assert!(backend.run(&["info"]).ok().stdout.contains("\nBuild cache contains 0 entries, total size 0B ("));
}

#[test]
#[ignore = "needs a docker engine"]
fn a_purge_asks_and_only_a_yes_is_one() {
    let backend = Backend::new();
    backend.start(&[]);
    backend.build(&build()).ok();
    let count = || rows(&backend.run(&["cache", "usage"]).ok().stdout).len();
    let before = count();
    assert!(before > 0);

    for no in ["n", ""] {
        let mut terminal = Terminal::start(&mut backend.command(&["cache", "purge"]));
        terminal.shows("Are you sure you want to continue? [y/N]");
        terminal.types(no);
        terminal.shows("Nothing was removed.");
        assert_eq!(terminal.outcome().ok().stdout, "");
        assert_eq!(count(), before);
    }
    // Nobody sits there; whoever wants it without a question says so.
    let unasked = backend.run(&["cache", "purge"]).ok();
    assert_eq!(unasked.stdout, "");
    assert!(
        unasked.stderr.ends_with("[y/N] \nNothing was removed without an answer; '--force' does not ask.\n"),
        "{unasked:?}"
    );
    assert_eq!(count(), before);
    let answered = |answer: &str| {
        let path = backend.home().join("answer");
        std::fs::write(&path, answer).unwrap();
        let input = std::fs::File::open(path).unwrap();
        Background::start(backend.command(&["cache", "purge"]).stdin(input)).outcome().ok()
    };
    for no in ["n\n", "\n", "yikes\ny\n"] {
        let declined = answered(no);
        assert_eq!((declined.stdout.as_str(), count()), ("", before), "{declined:?}");
        assert!(declined.stderr.ends_with("[y/N] \nNothing was removed.\n"), "{declined:?}");
    }
    assert!(answered("y\n").stdout.contains("Total:"));
    assert_eq!(count(), 0);

    backend.build(&build()).ok();
    assert!(count() > 0);
    let mut terminal = Terminal::start(&mut backend.command(&["cache", "purge"]));
    terminal.shows("[y/N]");
    terminal.types("y");
    terminal.outcome().ok();
    assert_eq!(count(), 0);

    // Who says so beforehand is not asked.
    let terminal = Terminal::start(&mut backend.command(&["cache", "purge", "--force"]));
    terminal.outcome().ok();
}
