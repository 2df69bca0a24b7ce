#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

pub mod authority;
pub mod cancel;
pub mod cli;
pub mod connect;
pub mod credentials;
pub mod endpoint;
pub mod exit;
pub mod globals;
pub mod hooks;
pub mod metadata;
pub mod output;
pub mod parent;
pub mod reference;
pub mod stop;
pub mod vars;
