//! Pulls from a registry with a password, by every way in which docker's users keep one.

use crate::program::program;
use crate::support::{
    AUTH, Backend, Image, Outcome, PASSWORD, Registry, TempDir, USER, base_image, docker, run,
};

/// A registry with one image, which the engine has no longer, and a user without credentials.
struct Locked {
    backend: Backend,
    registry: Registry,
    image: String,
    /// Where programs are found besides the usual places.
    programs: TempDir,
}

impl Locked {
    fn new() -> Self {
        let (backend, registry) = (Backend::new(), Registry::start_with_password());
        let image = registry.image("small:1");
        backend.keep(Image(image.clone()));
        docker(&["tag", &base_image(), &image]).ok();
        let locked = Self { backend, registry, image, programs: TempDir::new() };
        locked.configure(&locked.auths());
        run(&mut locked.backend.command_of("docker", &["push", "--quiet", &locked.image])).ok();
        locked.forget();
        locked
    }

    fn auths(&self) -> String {
        format!(r#"{{"auths":{{"localhost:{}":{{"auth":"{AUTH}"}}}}}}"#, self.registry.port)
    }

    /// Takes the image off the engine.
    fn forget(&self) {
        docker(&["image", "rm", &self.image]).ok();
    }

    fn configure(&self, config: &str) {
        std::fs::write(self.backend.home().join("config.json"), config).unwrap();
    }

    /// A credential helper that does this.
    fn helper(&self, name: &str, script: &str) {
        let name = format!("docker-credential-{name}");
        program(self.programs.path(), &name, &format!("#!/bin/sh\n{script}\n"));
    }

    /// A start that pulls; the image is none of BuildKit's, so it never comes further.
    fn pull(&self, variables: &[(&str, &str)]) -> Outcome {
        let args = ["start", "--pull=always", "--allow-host-port=0", "--image", &self.image];
        let mut command = self.backend.command(&args);
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", self.programs.path().display()));
        run(command.envs(variables.iter().copied()))
    }

    /// Demands that a start pulls the image.
    #[track_caller]
    fn lets_in(&self, variables: &[(&str, &str)]) {
        let pulled = self.pull(variables).fails(1);
        assert!(pulled.stdout.starts_with(&format!("Pulling image {}@sha256:", self.image)), "{pulled:?}");
        assert!(pulled.stdout.lines().next().unwrap().ends_with(": Success"), "{pulled:?}");
        assert!(!pulled.stderr.contains("WARNING: going on"), "{pulled:?}");
        self.forget();
    }
}

#[test]
#[ignore = "needs a docker engine"]
fn a_password_is_found_wherever_docker_keeps_it() {
    let locked = Locked::new();
    let host = format!("localhost:{}", locked.registry.port);

    locked.configure("{}");
    let refused = locked.pull(&[]).fails(125);
    assert_eq!(refused.stdout, "", "{refused:?}");
    assert!(refused.stderr.contains(&format!("pull image \"{}\": ", locked.image)), "{refused:?}");

    locked.configure(&locked.auths());
    locked.lets_in(&[]);

    // Helpers answer for the host that they are asked about, and only then.
    let answer = format!(r#"{{"Username":"{USER}","Secret":"{PASSWORD}"}}"#);
    locked.helper("mine", &format!("read -r key\n[ \"$1 $key\" = 'get {host}' ] && echo '{answer}'"));
    locked.configure(&format!(r#"{{"credHelpers":{{"{host}":"mine"}},"credsStore":"nobodys"}}"#));
    locked.lets_in(&[]);
    locked.configure(r#"{"credsStore":"mine"}"#);
    locked.lets_in(&[]);

    // The variable goes before a store that would fail.
    locked.configure(r#"{"credsStore":"nobodys"}"#);
    locked.lets_in(&[("DOCKER_AUTH_CONFIG", &locked.auths())]);
}

#[test]
#[ignore = "needs a docker engine"]
fn a_helper_that_fails_is_named_and_an_image_that_is_here_is_used_all_the_same() {
    let locked = Locked::new();
    locked.helper("locked", "echo 'the key ring is locked' >&2; exit 1");
    locked.configure(r#"{"credsStore":"locked"}"#);
    let refused = locked.pull(&[]).fails(125);
    let helper = "\"docker-credential-locked\" failed: the key ring is locked";
    assert!(refused.stderr.contains(helper), "{refused:?}");

    docker(&["tag", &base_image(), &locked.image]).ok();
    let used = locked.pull(&[]).fails(1);
    assert!(
        used.stderr.contains(&format!("; the engine's copy of \"{}\" is used\n", locked.image)),
        "{used:?}"
    );
    assert!(used.stderr.contains("start container "), "the start went on: {used:?}");
}
