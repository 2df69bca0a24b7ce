//! The sidecar's image on a real engine.

use std::process::Command;

use docker_assemble::engine::{Engine, EngineError};
use docker_assemble::proxy_image;
use docker_assemble::spec::ContainerSpec;

use super::real_engine::engine;
use super::scope::Scope;

fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// An image that is removed at the end.
struct Loaded(String);

impl Drop for Loaded {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["image", "rm", "--force", &self.0]).output();
    }
}

#[tokio::test]
#[ignore = "needs a docker engine"]
async fn the_image_is_loaded_and_runs() {
    let (engine, scope) = (engine(), Scope::new("proxy-image"));
    // A program runs as well with something behind it, and the image is this test's own.
    let sidecar = std::fs::read(env!("DOCKER_ASSEMBLE_PROXY_PATH")).unwrap();
    let program = [&sidecar, scope.0.as_bytes()].concat();
    let made = proxy_image::archive(&program);
    let _loaded = Loaded(made.image.0.clone());
    assert_eq!(engine.image(&made.image).await.unwrap(), None);
    for _ in 0..2 {
        engine.load(made.bytes.clone()).await.unwrap();
        assert_eq!(engine.image(&made.image).await.unwrap().unwrap().arch, made.arch);
    }

    let args = vec!["--help".to_owned()];
    let spec = ContainerSpec { image: made.image.clone(), args, ..scope.spec("c", "") };
    let id = engine.create(&spec).await.unwrap().id;
    engine.start(&id).await.unwrap();
    assert_eq!(docker(&["wait", &id.0]), "0");
    let user = docker(&["inspect", "--format", "{{.Config.User}} {{json .Config.Healthcheck.Test}}", &id.0]);
    assert_eq!(user, r#"65532:65532 ["CMD","/assemble-proxy","health"]"#);
}

#[tokio::test]
#[ignore = "needs a docker engine"]
async fn a_damaged_archive_is_refused() {
    let error = engine().load("no archive".into()).await.unwrap_err();
    assert!(matches!(error, EngineError::Refused { .. }), "{error:?}");
}
