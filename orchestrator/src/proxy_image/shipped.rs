//! The sidecar that comes with this program: within it, or in a debug build beside it, so that no
//! check, test or edit of the plugin has to compile the sidecar. `build.rs` decides.

use std::borrow::Cow;
use std::sync::LazyLock;

use explained::Explained;

use super::{Archive, archive};

/// A debug build embeds none.
#[derive(Debug, thiserror::Error, Explained)]
#[error("this debug build's sidecar \"{path}\" cannot be read ({error}); run scripts/sidecar.sh")]
#[advice = "that script"]
pub struct Missing {
    path: &'static str,
    error: std::io::Error,
}

/// The image of the sidecar, made once.
///
/// # Errors
///
/// A debug build has nothing embedded and no sidecar was built.
pub fn shipped() -> Result<&'static Archive, &'static Missing> {
    static SHIPPED: LazyLock<Result<Archive, Missing>> =
        LazyLock::new(|| program().map(|program| archive(&program)));
    SHIPPED.as_ref()
}

/// The program alone.
///
/// # Errors
/// As [`shipped`].
#[cfg(embedded_sidecar)]
pub fn program() -> Result<Cow<'static, [u8]>, Missing> {
    Ok(Cow::Borrowed(include_bytes!(concat!(env!("OUT_DIR"), "/assemble-proxy"))))
}

/// The program alone.
///
/// # Errors
/// As [`shipped`].
#[cfg(not(embedded_sidecar))]
pub fn program() -> Result<Cow<'static, [u8]>, Missing> {
    let path = env!("DOCKER_ASSEMBLE_PROXY_PATH");
    std::fs::read(path).map(Cow::Owned).map_err(|error| Missing { path, error })
}
