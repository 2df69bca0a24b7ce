//! Writes the manual pages of the program, which has no room for what writes them.
//!
//! `cargo run -p assemble-proxy --example man-pages -- target/man`

#[path = "../src/cli.rs"]
#[expect(dead_code, reason = "what the program does with its words")]
mod cli;

use clap::CommandFactory;

fn main() -> std::io::Result<()> {
    let directory = std::env::args_os().nth(1).expect("usage: man-pages DIRECTORY");
    std::fs::create_dir_all(&directory)?;
    clap_mangen::generate_to(cli::Cli::command(), directory)
}
