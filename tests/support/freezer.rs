//! A control group of a test's own, whose processes can be frozen (cgroups(7)).

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::sockets::{PATIENCE, eventually};

/// A group with one process. Dropping it thaws the process and removes the group.
#[derive(Debug)]
pub(crate) struct Freezer {
    group: PathBuf,
    version: Version,
    pid: u32,
}

/// The two kinds of hierarchy; a machine may have both, and neither may be ours to write to.
#[derive(Clone, Copy, Debug)]
enum Version {
    V1,
    V2,
}

/// What a group's files are called and have in them.
struct Words {
    switch: &'static str,
    freeze: &'static str,
    thaw: &'static str,
    state: &'static str,
    frozen: &'static str,
}

impl Version {
    const fn words(self) -> Words {
        match self {
            Self::V1 => Words {
                switch: "freezer.state",
                freeze: "FROZEN",
                thaw: "THAWED",
                state: "freezer.state",
                frozen: "FROZEN",
            },
            Self::V2 => Words {
                switch: "cgroup.freeze",
                freeze: "1",
                thaw: "0",
                state: "cgroup.events",
                frozen: "frozen 1",
            },
        }
    }
}

impl Freezer {
    /// Puts a process into a group; says so and returns `None` where none can be made.
    pub(crate) fn around(pid: u32) -> Option<Self> {
        let mut why = "no hierarchy with a freezer is mounted".to_owned();
        for (mount, version) in hierarchies() {
            match Self::below(&mount, version, pid) {
                Ok(freezer) => return Some(freezer),
                Err(error) => why = format!("{}: {error}", mount.display()),
            }
        }
        // Past the test's capture: whoever runs it should know what was not tried.
        let _ = writeln!(io::stderr(), "NOTICE: nothing was frozen, as no control group can be made: {why}");
        None
    }

    fn below(mount: &Path, version: Version, pid: u32) -> io::Result<Self> {
        let group = mount.join(format!("assemble-test-{}-{pid}", std::process::id()));
        fs::create_dir(&group)?;
        // From here on dropping it removes the group.
        let freezer = Self { group, version, pid };
        fs::metadata(freezer.file(version.words().switch))?;
        fs::write(freezer.file("cgroup.procs"), pid.to_string())?;
        Ok(freezer)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.group.join(name)
    }

    /// Freezes the process and waits until it is.
    #[track_caller]
    pub(crate) fn freeze(&self) {
        let Words { switch, freeze, state, frozen, .. } = self.version.words();
        fs::write(self.file(switch), freeze).unwrap();
        let is_frozen = || fs::read_to_string(self.file(state)).unwrap().contains(frozen);
        eventually("the process is frozen", PATIENCE, is_frozen);
    }

    #[track_caller]
    pub(crate) fn thaw(&self) {
        let Words { switch, thaw, .. } = self.version.words();
        fs::write(self.file(switch), thaw).unwrap();
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        let Words { switch, thaw, .. } = self.version.words();
        let _ = fs::write(self.file(switch), thaw);
        // A group with a process in it stays: the process goes back, unless it has ended.
        let _ = fs::write(self.group.with_file_name("cgroup.procs"), self.pid.to_string());
        let started = Instant::now();
        while fs::remove_dir(&self.group).is_err() && started.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Where hierarchies are mounted that can freeze (proc(5), `mounts`).
fn hierarchies() -> Vec<(PathBuf, Version)> {
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    let hierarchy = |line: &str| {
        let mut fields = line.split(' ').skip(1);
        let (path, kind, options) = (fields.next()?, fields.next()?, fields.next()?);
        let version = match kind {
            "cgroup2" => Version::V2,
            "cgroup" if options.split(',').any(|option| option == "freezer") => Version::V1,
            _ => return None,
        };
        Some((PathBuf::from(path), version))
    };
    mounts.lines().filter_map(hierarchy).collect()
}
