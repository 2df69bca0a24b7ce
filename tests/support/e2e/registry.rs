//! A real registry on this host, for one test.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use super::port::{free_port, free_ports};
use super::process::{Background, PATIENCE, eventually};
use super::temp::TempDir;

/// Who may use a registry with a password.
pub(crate) const USER: &str = "u";

/// Its password. It gives both letters in which the base64 alphabets differ.
pub(crate) const PASSWORD: &str = "??>>~~ÿÿ";

/// Both in base64, joined by a colon, as `auth` of docker's configuration has them.
pub(crate) const AUTH: &str = "dTo/Pz4+fn7Dv8O/";

/// The same as the registry wants it, with bcrypt.
const HTPASSWD: &str = "u:$2b$04$Jqp4pUuXG/s8Z8EfDp6PFeLiHzVTXgFXdgqqSFjnikbnk8fVGoMCO\n";

/// A registry. Dropping it stops it and deletes its images.
pub(crate) struct Registry {
    pub(crate) port: u16,
    process: RefCell<Background>,
    dir: TempDir,
    secrets: Option<TempDir>,
}

impl Registry {
    pub(crate) fn start() -> Self {
        Self::start_on(free_port())
    }

    /// The one in the middle of three ports, of which nobody uses the first and the last: both are given, too.
    pub(crate) fn start_between() -> (Self, u16, u16) {
        let first = free_ports(3);
        (Self::start_on(first + 1), first, first + 2)
    }

    /// On all addresses.
    pub(crate) fn start_on(port: u16) -> Self {
        Self::plain("0.0.0.0", port)
    }

    /// On 127.0.0.1 alone.
    pub(crate) fn start_on_loopback() -> Self {
        Self::plain("127.0.0.1", free_port())
    }

    /// One that lets in only [`USER`] with [`PASSWORD`].
    pub(crate) fn start_with_password() -> Self {
        let port = free_port();
        // A directory of its own would have to be known before the registry's is made.
        let secrets = TempDir::new();
        let file = secrets.path().join("htpasswd");
        std::fs::write(&file, HTPASSWD).unwrap();
        let auth = format!("auth: {{htpasswd: {{realm: test, path: {}}}}}\n", file.display());
        let mut registry = Self::launch("0.0.0.0", port, "", &auth);
        registry.secrets = Some(secrets);
        registry.await_answer(|| (get(port, "/v2/")?.starts_with("HTTP/1.1 401")).then_some(()));
        registry
    }

    fn plain(address: &str, port: u16) -> Self {
        let registry = Self::launch(address, port, "", "");
        registry.await_answer(|| (get(port, "/v2/")?.starts_with("HTTP/1.1 200")).then_some(()));
        registry
    }

    /// One that speaks TLS only, with this certificate and its key.
    pub(crate) fn start_with_tls(certificate: &str, key: &str) -> Self {
        Self::with_tls(&format!("certificate: {certificate}, key: {key}"))
    }

    /// One that asks its clients for a certificate of this authority, which is its own as well.
    pub(crate) fn start_with_mutual_tls(certificate: &str, key: &str) -> Self {
        Self::with_tls(&format!("certificate: {certificate}, key: {key}, clientcas: [{certificate}]"))
    }

    fn with_tls(tls: &str) -> Self {
        let port = free_port();
        let tls = format!(", tls: {{{tls}}}");
        let registry = Self::launch("0.0.0.0", port, &tls, "");
        registry.await_answer(|| TcpStream::connect(("127.0.0.1", port)).ok().map(drop));
        registry
    }

    /// `tls` is the rest of its `http` section, `more` are other sections.
    fn launch(address: &str, port: u16, tls: &str, more: &str) -> Self {
        let dir = TempDir::new();
        let config = dir.path().join("config.yml");
        let data = dir.path().join("data");
        let text = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: {address}:{port}{tls}}}\n{more}",
            data.display()
        );
        std::fs::write(&config, text).unwrap();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&config).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let process = RefCell::new(Background::start_with(&mut command));
        Self { port, process, dir, secrets: None }
    }

    fn await_answer(&self, mut answers: impl FnMut() -> Option<()>) {
        eventually("the registry serves", PATIENCE, || {
            assert!(
                !self.process.borrow_mut().has_ended(),
                "the registry ended: {}",
                std::fs::read_to_string(self.dir.path().join("log")).unwrap()
            );
            answers()
        });
    }

    /// The name of an image in it, as the host and the builder both write it.
    pub(crate) fn image(&self, name: &str) -> String {
        format!("localhost:{}/{name}", self.port)
    }

    /// What it says about its repositories.
    pub(crate) fn catalog(&self) -> String {
        get(self.port, "/v2/_catalog").expect("the registry answers")
    }
}

/// The whole answer to a request, headers and all.
fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}
