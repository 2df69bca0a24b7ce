//! What is where in the sidecar's image, and in the containers that are made from it.
//!
//! Dockerfile.sidecar makes the same image in its own words; a test here compares the two.

use std::time::Duration;

/// The name of the program. The image has it at its root: see [`PROGRAM`].
pub const NAME: &str = "assemble-proxy";

/// The path of the program, which is the image's entry point.
pub const PROGRAM: &str = "/assemble-proxy";

/// The user and the group that the program runs as: nobody in particular, as in distroless images.
pub const USER_ID: u32 = 65532;

/// That user and group as engines take them.
pub const USER: &str = "65532:65532";

/// Where the volume with the dialer's socket is mounted. The image has a directory there that belongs
/// to [`USER`] alone, and an engine gives an empty volume the owner and the mode of what it covers: so
/// no side needs root, and no other user of the host gets at the socket.
pub const DIALER_DIRECTORY: &str = "/run/assemble";

/// Where the dialer listens, in its own container and in those of the relays that ask it.
pub const DIALER_SOCKET: &str = "/run/assemble/dial.sock";

/// How the engine checks a sidecar's health.
pub mod health {
    use super::Duration;

    /// The time between two checks.
    pub const INTERVAL: Duration = Duration::from_secs(30);
    /// The time a check may take: [`crate::answer::TIMEOUT`], and some for the program's start.
    pub const TIMEOUT: Duration = Duration::from_secs(3);
    /// The time after the start in which failures do not count.
    pub const START_PERIOD: Duration = Duration::from_secs(5);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::argv;

    #[test]
    fn paths_and_users_agree_with_each_other() {
        assert_eq!(PROGRAM, format!("/{NAME}"));
        assert_eq!(USER, format!("{USER_ID}:{USER_ID}"));
        assert_eq!(DIALER_SOCKET.strip_prefix(DIALER_DIRECTORY), Some("/dial.sock"));
        assert!(health::TIMEOUT > crate::answer::TIMEOUT);
    }

    #[test]
    fn the_dockerfile_makes_the_same_image() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Dockerfile.sidecar");
        let file = std::fs::read_to_string(path).unwrap();
        let seconds = |time: Duration| time.as_secs();
        for line in [
            format!("USER {USER}"),
            format!("ENTRYPOINT [\"{PROGRAM}\"]"),
            format!("COPY --from=build /out/{NAME} {PROGRAM}"),
            format!("COPY --from=build --chown={USER} /out/run /run"),
            format!(" && install -d -m 700 /out{DIALER_DIRECTORY}"),
            format!(
                "HEALTHCHECK --interval={}s --timeout={}s --start-period={}s CMD [\"{PROGRAM}\", \"{}\"]",
                seconds(health::INTERVAL),
                seconds(health::TIMEOUT),
                seconds(health::START_PERIOD),
                argv::HEALTH,
            ),
        ] {
            assert!(file.lines().any(|there| there == line), "Dockerfile.sidecar has no line {line:?}");
        }
    }
}
