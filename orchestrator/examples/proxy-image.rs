//! Writes the sidecar's image as it is published, from a program for any architecture.
//!
//! `cargo run -p docker-assemble --example proxy-image -- target/debug/assemble-proxy-static image.tar`

use std::fs;
use std::process::ExitCode;

use docker_assemble::proxy_image::published;

fn main() -> ExitCode {
    let [_, program, archive] = &std::env::args().collect::<Vec<_>>()[..] else {
        eprintln!("usage: proxy-image PROGRAM ARCHIVE");
        return 2.into();
    };
    match fs::read(program).and_then(|program| fs::write(archive, published(&program).bytes)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("proxy-image: {error}");
            ExitCode::FAILURE
        }
    }
}
