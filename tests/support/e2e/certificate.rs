//! Certificates of a test's own.

use std::process::Command;

use super::process::run;
use super::temp::TempDir;

/// A certificate for localhost that nobody but its holder has signed, and its key.
pub(crate) struct Certificate(TempDir);

impl Certificate {
    pub(crate) fn new() -> Self {
        let made = Self(TempDir::new());
        let mut openssl = Command::new("openssl");
        openssl.args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
        ]);
        openssl.args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]);
        openssl.args(["-keyout", &made.key(), "-out", &made.certificate()]);
        run(&mut openssl).ok();
        made
    }

    pub(crate) fn certificate(&self) -> String {
        self.0.path().join("cert.pem").display().to_string()
    }

    pub(crate) fn key(&self) -> String {
        self.0.path().join("key.pem").display().to_string()
    }
}
