//! Asks the linker for short relocations where the program is shipped: they are a thirtieth of the file
//! otherwise.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| {
        std::env::var(name).is_ok_and(|values| values.split(',').any(|one| one == value))
    };
    // Those who can apply them: glibc, since 2.36, to a program of its own making. A shared one may meet an
    // older glibc. GNU ld knows them on this architecture since 2.38, and an older one goes on without.
    if is("CARGO_CFG_TARGET_FEATURE", "crt-static")
        && is("CARGO_CFG_TARGET_ENV", "gnu")
        && is("CARGO_CFG_TARGET_ARCH", "x86_64")
    {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
