//! The labels by which this project finds what it made. Names alone prove nothing.

/// What a container is for: [`ROLE_BACKEND`], [`ROLE_SIDECAR`] or [`ROLE_DIALER`].
pub const ROLE: &str = "io.github.docker-assemble.role";
/// The [`ROLE`] of the BuildKit container.
pub const ROLE_BACKEND: &str = "backend";
/// The [`ROLE`] of a forwarding container.
pub const ROLE_SIDECAR: &str = "sidecar";
/// The [`ROLE`] of the container that leads to the host's loopback for sidecars, and of the
/// volume with its socket.
pub const ROLE_DIALER: &str = "dialer";
/// The user a container belongs to, with the name of the backend in it where that has one.
pub const USER: &str = "io.github.docker-assemble.user";
/// The user alone, on what belongs to a backend with a name.
pub const OWNER: &str = "io.github.docker-assemble.owner";
/// That name.
pub const NAME: &str = "io.github.docker-assemble.name";
/// The port that a sidecar listens on, or the range of them.
pub const PORT: &str = "io.github.docker-assemble.port";
/// Where a sidecar forwards its first port to, as in `--to`, with `NAME=` in front for a host that was asked for
/// by its name.
pub const TARGET: &str = "io.github.docker-assemble.target";
/// The directory with the socket of the dialer that a sidecar asks, where that is a process on the
/// engine's host.
pub const DIALER_DIRECTORY: &str = "io.github.docker-assemble.dialer-directory";
/// Fingerprint of the settings a container was made from: two containers with the same one
/// are interchangeable.
pub const SETTINGS: &str = "io.github.docker-assemble.settings-hash";
/// Fingerprint of the configuration that the daemon was given; absent without one.
pub const CONFIG: &str = "io.github.docker-assemble.config-hash";
/// The options of the start that its configuration came of, as they are typed; absent without one.
pub const CONFIG_OPTIONS: &str = "io.github.docker-assemble.config-options";
/// The variables by which the daemon was told its proxies, with `,` between; absent without one.
pub const PROXIES: &str = "io.github.docker-assemble.proxies";
/// The names of the variables that a start gave the daemon, as a list in JSON; absent without one.
pub const ENV: &str = "io.github.docker-assemble.env";
/// The keys of the labels that a start gave the backend, as a list in JSON; absent without one.
pub const LABELS: &str = "io.github.docker-assemble.labels";
/// The version of this program that made the container.
pub const VERSION: &str = "io.github.docker-assemble.version";

/// By these watchtower, ouroboros and What's up Docker leave a container alone. One that they make
/// anew keeps its name and its labels, and has lost the files that it was given and its network.
pub const UPDATERS: [(&str, &str); 3] = [
    ("com.centurylinklabs.watchtower.enable", "false"),
    ("com.ouroboros.enable", "false"),
    ("wud.watch", "false"),
];
