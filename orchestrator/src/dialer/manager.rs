//! The user's service manager (systemd), where there is one.

use std::path::Path;
use std::process::Stdio;

use docker_plugin::bounded;
use tokio::process::Command;

/// Has it run this command, and again after a crash; false where there is none, or it refuses.
pub(super) async fn run(directory: &str, command: &[String]) -> bool {
    if !is_there(directory) {
        return false;
    }
    let mut unit_of = asking(directory, "systemd-run");
    unit_of.args(["--quiet", "--collect", "--property=Restart=on-failure", "--unit", &unit(directory), "--"]);
    let done = output(unit_of.args(command)).await;
    done.inspect_err(|said| tracing::debug!(said, "the user's service manager does not run it")).is_ok()
}

/// Ends what it runs there: it would start again what somebody else ends, and may have one that does not
/// listen yet.
pub(super) async fn stop(directory: &str) {
    if is_there(directory) {
        output(asking(directory, "systemctl").args(["--quiet", "stop", &unit(directory)])).await.ok();
    }
}

/// What there is to say of what it has given up; nothing of what it runs, or is about to run again.
pub(super) async fn failure(directory: &str) -> Option<String> {
    let unit = unit(directory);
    let asked = ["show", "--property=ActiveState", "--value", &unit];
    let state = output(asking(directory, "systemctl").args(asked)).await.ok()?;
    // One that has failed is collected soon, and inactive then as if it had never been.
    let ended = matches!(state.as_str(), "failed" | "inactive");
    ended.then(|| format!("its unit has failed, and 'journalctl --user --unit {unit}' tells why"))
}

/// Where the manager and the programs that ask it find each other.
fn runtime(directory: &str) -> &Path {
    Path::new(directory).parent().unwrap_or_else(|| Path::new("/"))
}

fn is_there(directory: &str) -> bool {
    runtime(directory).join("systemd/private").exists()
}

/// The name of the unit of a dialer.
fn unit(directory: &str) -> String {
    let name = Path::new(directory).file_name().unwrap_or_default();
    format!("{}.service", name.to_string_lossy())
}

fn asking(directory: &str, program: &str) -> Command {
    let mut command = Command::new(program);
    command.arg("--user").env("XDG_RUNTIME_DIR", runtime(directory));
    command
}

/// What a program printed; what it complained of if it failed.
async fn output(command: &mut Command) -> Result<String, String> {
    let done = bounded::output(command.stdin(Stdio::null())).await.map_err(|error| error.to_string())?;
    let said = if done.status.success() { &done.stdout } else { &done.stderr };
    let said = String::from_utf8_lossy(said).trim().to_owned();
    if done.status.success() { Ok(said) } else { Err(said) }
}
