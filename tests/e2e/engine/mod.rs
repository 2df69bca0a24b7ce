//! The calls of the plugin's own clients, against the engine and the BuildKit they are for.

mod buildkit;
mod docker;
mod proxy_image;
mod pull;
mod purge;

mod real_engine;
mod scope;
