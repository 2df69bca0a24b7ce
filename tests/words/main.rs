//! The rooms that decide and do nothing: command lines, plans, manifests, errors. No engine, no
//! process, no socket.

mod command_lines;
mod explained;
mod help;
mod manifest;
mod planner;
mod planner_cuts;
mod planner_forwards;
mod planner_host_dialer;
mod planner_properties;
mod planner_recreate;
mod planner_settings;
mod planner_specs;
mod rooms;
mod variables;

#[path = "../support/catalogue.rs"]
mod catalogue;
#[path = "../support/manifests.rs"]
mod manifests;
#[path = "../support/steps.rs"]
mod steps;
#[path = "../support/transcript.rs"]
#[expect(dead_code, reason = "only documents are compared")]
mod transcript;
#[path = "../support/words.rs"]
mod words;
#[path = "../support/world.rs"]
mod world;
