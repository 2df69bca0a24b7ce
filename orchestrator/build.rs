//! Builds the sidecar that the plugin carries, as one static Linux binary, and notes the commit
//! that the plugin is built from.
//!
//! The plugin must find its sidecar without a registry, so it holds the binary, and an ordinary
//! `cargo build --release` or `cargo install` has to make it. `DOCKER_ASSEMBLE_PROXY_BINARY` may
//! name one that is ready, which is needed where the plugin is not built for Linux.
//!
//! A debug build is for those who edit the plugin: it embeds only what that variable names, and
//! else reads the one that `scripts/sidecar.sh` makes when it needs it.

use std::env;
use std::error::Error;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Names the commit, for builds without git; the plugin reads it at compile time.
const COMMIT: &str = "DOCKER_ASSEMBLE_COMMIT";

/// Names a sidecar that is built already.
const READY_MADE: &str = "DOCKER_ASSEMBLE_PROXY_BINARY";

/// Tells the plugin where its sidecar is, for builds that do not embed it.
const FOUND: &str = "DOCKER_ASSEMBLE_PROXY_PATH";

/// Where `scripts/sidecar.sh` puts it, under the target directory.
const BESIDE: &str = "debug/assemble-proxy-static";

/// The sidecar's package and program.
const SIDECAR: &str = "assemble-proxy";

/// The directory under the target directory that is the inner build's own, since the outer build
/// holds the lock of its own until this script has ended.
const INNER_TARGET: &str = "embedded-sidecar";

/// What cargo and clippy tell this script, and must not tell the inner build: it would take the
/// outer build's flags, or be linted in place of compiled.
const LEAKS: [&str; 7] = [
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_TARGET_DIR",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "CLIPPY_ARGS",
    "CLIPPY_CONF_DIR",
];

/// See [`LEAKS`]: whole families of variables.
const LEAKING_FAMILIES: [&str; 6] =
    ["CARGO_CFG_", "CARGO_FEATURE_", "CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "DEP_"];

fn main() -> ExitCode {
    note_commit();
    match embed() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the sidecar cannot be embedded: {error}");
            ExitCode::FAILURE
        }
    }
}

fn embed() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed={READY_MADE}");
    println!("cargo::rustc-check-cfg=cfg(embedded_sidecar)");
    let binary = match env::var_os(READY_MADE).filter(|path| !path.is_empty()) {
        Some(path) => ready_made(Path::new(&path))?,
        None if var("PROFILE")? == "release" => build()?,
        None => {
            let target = target_dir(Path::new(&var("OUT_DIR")?), &var("TARGET")?)?;
            println!("cargo::rustc-env={FOUND}={}", target.join(BESIDE).display());
            return Ok(());
        }
    };
    let bytes = fs::read(&binary).map_err(|error| format!("read \"{}\": {error}", binary.display()))?;
    check_static(&bytes).map_err(|why| format!("\"{}\" {why}", binary.display()))?;
    fs::write(Path::new(&var("OUT_DIR")?).join(SIDECAR), bytes)?;
    println!("cargo::rustc-cfg=embedded_sidecar");
    println!("cargo::rustc-env={FOUND}={}", binary.display());
    Ok(())
}

/// Hands the commit to the compiler, or `unknown`: a build never fails for it.
fn note_commit() {
    println!("cargo::rerun-if-env-changed={COMMIT}");
    let given = env::var(COMMIT).ok().filter(|commit| !commit.is_empty());
    let commit = given.or_else(commit).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env={COMMIT}={commit}");
}

/// The commit of the checkout that this package is the product of. A copy of the sources that
/// lies in some other project's checkout is not meant.
fn commit() -> Option<String> {
    let package = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR")?);
    let root = package.parent()?;
    // A directory, or a file in a worktree.
    if !root.join(".git").exists() {
        return None;
    }
    let git = |words: &[&str]| {
        let output = Command::new("git").args(words).current_dir(root).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
        (output.status.success() && !text.is_empty()).then_some(text)
    };
    // Git knows where its files are; in a worktree they lie in two places.
    let file = |name: &str| git(&["rev-parse", "--git-path", name]).map(|path| root.join(path));
    let mut watched = vec![file("HEAD")?];
    if let Some(branch) = git(&["symbolic-ref", "-q", "HEAD"]) {
        let loose = file(&branch)?;
        if loose.exists() {
            watched.push(loose);
        } else {
            // A packed branch gets a file of its own with its next commit. Its directory may
            // have to be made then, so all are watched.
            watched.extend([file("packed-refs")?, file("refs/heads")?]);
        }
    }
    for path in watched.iter().filter(|path| path.exists()) {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    git(&["rev-parse", "--short", "HEAD"])
}

fn ready_made(path: &Path) -> Result<PathBuf, Box<dyn Error>> {
    // A relative path would mean this package's directory, where nobody stands.
    if path.is_relative() {
        return Err(format!("{READY_MADE} must be an absolute path, not \"{}\"", path.display()).into());
    }
    println!("cargo::rerun-if-changed={}", path.display());
    Ok(path.to_owned())
}

fn build() -> Result<PathBuf, Box<dyn Error>> {
    if var("CARGO_CFG_TARGET_OS")? != "linux" {
        let why = "it runs on linux only, and this build is for another system";
        return Err(format!("{why}; name a binary with {READY_MADE}").into());
    }
    let package = PathBuf::from(var("CARGO_MANIFEST_DIR")?);
    let root = package.parent().ok_or("the workspace is missing")?;
    for source in [
        "crates/contract",
        "crates/explained",
        "sidecar/src",
        "sidecar/Cargo.toml",
        "sidecar/build.rs",
        "Cargo.toml",
        "Cargo.lock",
    ] {
        println!("cargo::rerun-if-changed={}", root.join(source).display());
    }
    let target = var("TARGET")?;
    let inner_target = target_dir(Path::new(&var("OUT_DIR")?), &target)?.join(INNER_TARGET);

    let mut cargo = Command::new(var("CARGO")?);
    cargo
        .args(["build", "--quiet", "--locked", "--profile", "sidecar"])
        .args(["--package", SIDECAR, "--bin", SIDECAR])
        .args(["--target", &target, "--target-dir"])
        .arg(&inner_target)
        .current_dir(root)
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .env("CARGO_BUILD_BUILD_DIR", &inner_target);
    for (name, _) in env::vars_os() {
        if leaks(&name) {
            cargo.env_remove(name);
        }
    }
    // What the compiler says goes to our standard error, which cargo prints when we fail.
    let status = cargo.status().map_err(|error| format!("run cargo: {error}"))?;
    if !status.success() {
        return Err(format!("its build failed ({status}), see above").into());
    }
    Ok(inner_target.join(target).join("sidecar").join(SIDECAR))
}

fn leaks(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| {
        LEAKS.contains(&name) || LEAKING_FAMILIES.iter().any(|family| name.starts_with(family))
    })
}

/// The outer build's target directory. Cargo marks it; one that is too old for this has
/// `TARGET_DIR[/TRIPLE]/PROFILE/build/PACKAGE/out`.
fn target_dir(out: &Path, triple: &str) -> Result<PathBuf, Box<dyn Error>> {
    if let Some(marked) = out.ancestors().find(|dir| dir.join("CACHEDIR.TAG").is_file()) {
        return Ok(marked.to_owned());
    }
    let above_profile = out.ancestors().nth(4).ok_or("the target directory is missing")?;
    Ok(match above_profile.parent() {
        Some(parent) if above_profile.ends_with(triple) => parent.to_owned(),
        _ => above_profile.to_owned(),
    })
}

fn var(name: &str) -> Result<String, Box<dyn Error>> {
    env::var(name).map_err(|error| format!("{name}: {error}").into())
}

/// Refuses what could not run in an empty image. A program that wants an interpreter (elf(5),
/// `PT_INTERP`) would fail there with nothing but "no such file or directory".
fn check_static(elf: &[u8]) -> Result<(), &'static str> {
    const PT_INTERP: u64 = 3;
    let wide = match elf.get(..6) {
        Some([0x7f, b'E', b'L', b'F', class, 1]) => *class == 2,
        Some([0x7f, b'E', b'L', b'F', _, _]) => return Ok(()), // big-endian: taken on trust
        _ => return Err("is no linux program"),
    };
    // Where elf(5) puts e_phoff, e_phentsize and e_phnum: for 64-bit programs, for 32-bit ones.
    let (offset, size, count) = if wide { ((32, 8), 54, 56) } else { ((28, 4), 42, 44) };
    let number = |at: usize, width: usize| {
        let bytes = elf.get(at..at.checked_add(width)?)?;
        Some(bytes.iter().rev().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte)))
    };
    let header = |index: u64| {
        let at = number(offset.0, offset.1)?.checked_add(index.checked_mul(number(size, 2)?)?)?;
        number(usize::try_from(at).ok()?, 4)
    };
    let count = number(count, 2).ok_or("is damaged")?;
    for index in 0..count {
        if header(index).ok_or("is damaged")? == PT_INTERP {
            return Err("is not linked statically");
        }
    }
    Ok(())
}
