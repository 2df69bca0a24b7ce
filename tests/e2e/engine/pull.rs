//! Pulls with the user's credentials, from a registry of the test's own (Debian's
//! `docker-registry`) that lets nobody in without them.

use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use docker_assemble::desired::ImageRef;
use docker_assemble::engine::{CredentialSource, DockerEngine, Endpoint, Engine, EngineError, Result};
use futures_util::TryStreamExt;

use super::real_engine::{BUSYBOX, engine};
use crate::support::free_port;

/// The password gives both letters in which the base64 alphabets differ.
const PASSWORD: &str = "??>>~~ÿÿ";
const HTPASSWD: &str = "u:$2b$04$Jqp4pUuXG/s8Z8EfDp6PFeLiHzVTXgFXdgqqSFjnikbnk8fVGoMCO\n";

struct Registry {
    process: Child,
    dir: PathBuf,
    image: String,
}

impl Registry {
    /// Starts a registry that has one image, which the engine has no longer.
    fn start() -> Self {
        let dir = std::env::temp_dir().join(format!("assemble-registry-{}", std::process::id()));
        fs::create_dir_all(dir.join("docker")).unwrap();
        fs::write(dir.join("htpasswd"), HTPASSWD).unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let settings = format!(
            "version: 0.1\nlog: {{level: error}}\nhttp: {{addr: \"{address}\"}}\n\
             storage: {{filesystem: {{rootdirectory: {0}/data}}}}\n\
             auth: {{htpasswd: {{realm: test, path: {0}/htpasswd}}}}\n",
            dir.display()
        );
        fs::write(dir.join("config.yml"), settings).unwrap();
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(dir.join("config.yml"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let registry = Self { process, dir, image: format!("{address}/assemble-test/small:1") };
        let until = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(&address).is_err() {
            assert!(Instant::now() < until, "the registry does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        registry.docker(&["tag", BUSYBOX, &registry.image]);
        registry.docker(&["push", "--quiet", &registry.image]);
        registry.docker(&["image", "rm", &registry.image]);
        registry
    }

    fn host(&self) -> &str {
        self.image.split('/').next().unwrap()
    }

    fn login(&self, password: &str) -> String {
        format!(r#"{{"auths":{{"{}":{{"username":"u","password":"{password}"}}}}}}"#, self.host())
    }

    /// Docker's own client; it wants its passwords in base64.
    fn docker(&self, args: &[&str]) {
        let config = self.dir.join("docker-cli");
        fs::create_dir_all(&config).unwrap();
        // base64 of "u:" and the password.
        let auths = format!(r#"{{"auths":{{"{}":{{"auth":"dTo/Pz4+fn7Dv8O/"}}}}}}"#, self.host());
        fs::write(config.join("config.json"), auths).unwrap();
        let output = Command::new("docker").arg("--config").arg(&config).args(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    async fn pull(&self, credentials: CredentialSource) -> Result<Vec<String>> {
        let host = engine().endpoint().to_owned();
        let engine = DockerEngine::new(&Endpoint::new(host), credentials)?;
        let lines: Vec<_> = engine.pull(&ImageRef(self.image.clone())).try_collect().await?;
        Ok(lines.into_iter().map(|line| line.status).collect())
    }

    fn written(&self, config: &str) -> CredentialSource {
        fs::write(self.dir.join("docker/config.json"), config).unwrap();
        CredentialSource { config_dir: Some(self.dir.join("docker")), auth_config: None }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["image", "rm", &self.image]).output();
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

#[tokio::test]
#[ignore = "needs a docker engine and a docker-registry"]
async fn an_image_is_pulled_with_the_password_and_not_without() {
    let registry = Registry::start();
    let broken_helper = r#"{"credsStore":"there-is-no-such-helper"}"#.to_owned();
    for config in ["{}".to_owned(), registry.login("wrong"), broken_helper] {
        let error = registry.pull(registry.written(&config)).await.unwrap_err();
        assert!(matches!(error, EngineError::Refused { .. } | EngineError::NotFound { .. }), "{error:?}");
        assert!(error.to_string().starts_with(&format!("pull image \"{}\"", registry.image)), "{error}");
    }

    let lines = registry.pull(registry.written(&registry.login(PASSWORD))).await.unwrap();
    assert!(lines.iter().any(|line| line.starts_with("Status: Downloaded newer image")), "{lines:?}");
    assert!(engine().image(&ImageRef(registry.image.clone())).await.unwrap().is_some());

    let environment = CredentialSource { config_dir: None, auth_config: Some(registry.login(PASSWORD)) };
    let lines = registry.pull(environment).await.unwrap();
    assert!(lines.iter().any(|line| line.starts_with("Status: Image is up to date")), "{lines:?}");
}
