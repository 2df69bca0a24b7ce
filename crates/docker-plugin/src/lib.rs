#![doc = include_str!("../README.md")]
//!
//! ## What uses what
//!
//! A module may use only those that come after it here:
//!
//! | module | what it is for |
//! |---|---|
//! | [`cli`] | command lines in docker's way, around a tree of commands in clap's terms |
//! | [`connect`], [`endpoint`] | the way to an engine; which engine is meant |
//! | [`stop`], [`parent`] | the end of the docker command that runs the plugin; what it says of itself |
//! | [`hooks`], [`globals`], [`metadata`] | what it says after commands; its global options; what it says about itself |
//! | [`exit`], [`cancel`] | the exit status; a request to end early |
//! | [`credentials`], [`reference`](mod@reference) | logins for registries; names of images |
//! | [`output`] | templates, tables, sizes, ages, times, the two streams |
//! | [`name_service`] | what the system knows of hosts and users |
//! | [`authority`], [`usage`], [`vars`] | hosts and ports; what is wrong with a command line; the environment |
//! | [`bounded`] | files and answers, read no further than makes sense |
#![warn(missing_docs)]

pub mod authority;
pub mod bounded;
pub mod cancel;
pub mod cli;
pub mod connect;
pub mod credentials;
pub mod endpoint;
pub mod exit;
pub mod globals;
pub mod hooks;
pub mod metadata;
pub mod name_service;
pub mod output;
pub mod parent;
pub mod reference;
pub mod stop;
pub mod usage;
pub mod vars;
