//! The backend of `docker assemble`: one isolated BuildKit container and one small
//! forwarding sidecar per port or range of ports, run through the engine's API.
//!
//! A command goes one way through these rooms. A room may use only those that come after it here:
//!
//! | room | what lives there |
//! |---|---|
//! | [`commands`] | observe, plan, apply, print: one file per verb |
//! | [`account`] | who runs this program |
//! | [`plugin`] | the product's words where docker asks for some |
//! | [`apply`], [`ready`] | run a plan and undo it on failure; wait with a deadline |
//! | [`dialer`] | the dialer as a process on this host |
//! | [`cancelled`], [`remembered`], [`lock`] | that an early end was heard; what outlives the containers; one start at a time |
//! | [`buildkit`], [`engine`] | BuildKit's Control API; the engine's API (the only place that names bollard) |
//! | [`manifest`] | **pure**: wish to a manifest for Kubernetes |
//! | [`health`] | **pure**: what is the matter with a forward |
//! | [`plan`] | **pure**: wish and state to a list of actions |
//! | [`spec`] | **pure**: wish to complete container specs |
//! | [`proxy_image`] | the sidecar's image |
//! | [`files`] | files written whole or not at all |
//! | [`observed`], [`desired`], [`labels`], [`forward`], [`digest`] | **pure**: the state; the wish; ownership; what a port leads to; hashes in names |
//!
//! Pure rooms know neither tokio, bollard, clap, a clock nor the environment.

pub mod account;
pub mod apply;
pub mod buildkit;
pub mod cancelled;
pub mod commands;
pub mod desired;
pub mod dialer;
pub mod digest;
pub mod engine;
pub mod files;
pub mod forward;
pub mod health;
pub mod labels;
pub mod lock;
pub mod manifest;
pub mod observed;
pub mod plan;
pub mod plugin;
pub mod proxy_image;
pub mod ready;
pub mod remembered;
pub mod spec;
