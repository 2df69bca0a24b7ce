//! Another system than Linux has no rootless engine, and no dialer of one.

use std::path::Path;

use super::{DialerError, NotHere};
use crate::desired::UserName;
use crate::observed::HostDialer;
use crate::spec;

/// Nowhere.
///
/// # Errors
/// Always.
pub fn place(_: &UserName, _: &str, _: &str, _: Option<&Path>) -> Result<String, NotHere> {
    Err(NotHere::Elsewhere)
}

/// None.
pub fn directory(_: &UserName, _: &str, _: Option<&Path>) -> Option<String> {
    None
}

/// Nothing.
pub async fn look(_: &UserName, _: &str, _: &str) -> Option<HostDialer> {
    None
}

/// Runs none: [`place`] gives no directory for it.
///
/// # Errors
/// Always.
pub async fn start(dialer: &spec::HostDialer) -> Result<u32, DialerError> {
    let said = "rootless engines are on Linux".to_owned();
    Err(DialerError::Start { program: dialer.program.clone(), said })
}

/// Does nothing.
///
/// # Errors
/// None.
pub async fn stop(_: &str) -> Result<(), DialerError> {
    Ok(())
}

/// Does nothing.
///
/// # Errors
/// None.
pub async fn end(_: &str) -> Result<(), DialerError> {
    Ok(())
}
