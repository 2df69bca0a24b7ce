//! Asks the linker for short relocations where the program is shipped: they are a thirtieth of the file
//! otherwise.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // A program that is not static may meet an older glibc.
    let is_static = env::var("CARGO_CFG_TARGET_FEATURE")
        .is_ok_and(|features| features.split(',').any(|feature| feature == "crt-static"));
    // All linkers of this architecture know them, GNU ld since 2.38; an older one goes on without.
    let is_known = env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "x86_64");
    if is_static && is_known && env::var("HOST") == env::var("TARGET") && glibc_applies_them() {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// Whether the glibc of this machine does, which is linked in: since 2.36. An older one would crash.
fn glibc_applies_them() -> bool {
    let Ok(told) = Command::new("getconf").arg("GNU_LIBC_VERSION").output() else { return false };
    let told = String::from_utf8_lossy(&told.stdout);
    let version = told.trim().strip_prefix("glibc 2.").and_then(|minor| minor.parse::<u32>().ok());
    version.is_some_and(|minor| minor >= 36)
}
