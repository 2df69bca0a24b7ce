//! What the plugin says, to the byte: the files in `tests/golden/plugin` are the transcript of a session.
//! A change of words shows there as a diff; `UPDATE_GOLDEN=1` writes it.

mod commands;
mod healthy;
mod in_use;
mod named;
mod program;
mod ranges;
mod troubles;
mod worlds;
