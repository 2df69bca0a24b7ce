#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

pub mod cancel;
pub mod exit;
pub mod globals;
pub mod output;
pub mod stop;
pub mod vars;
