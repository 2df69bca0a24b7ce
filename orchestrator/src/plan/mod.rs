//! Wish and state turned into a list of actions. Pure: the same facts give the same plan.

pub mod action;
