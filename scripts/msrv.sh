#!/usr/bin/env bash
# Compiles everything that is shipped with the oldest compiler that Cargo.toml promises, which rustup installs where it
# is missing. Without it only clippy's incompatible_msrv looks, which knows the library and not the language.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$root"
oldest=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
install=(rustup toolchain install "$oldest" --profile minimal)
rustup run "$oldest" cargo --version >/dev/null 2>&1 || "${install[@]}" ||
	skipped "Rust $oldest is not installed, and '${install[*]}' does not do it"
cargo "+$oldest" check --workspace --locked --target-dir target/msrv
