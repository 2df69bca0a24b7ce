#!/usr/bin/env bash
# Compiles what others compile: all that is shipped with the oldest compiler that Cargo.toml promises, which rustup
# installs where it is missing, and docker-plugin as its package has it. Both begin from nothing, which takes minutes.
# Where this has not run, clippy's incompatible_msrv alone looks, which knows the library and not the language.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$root"
ensure_state
log=$state/promises.log
: >"$log"
oldest=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)

# shellcheck disable=SC2317 # run by way of suite
oldest_compiler() {
	local install=(rustup toolchain install "$oldest" --profile minimal)
	rustup run "$oldest" cargo --version >/dev/null 2>&1 || "${install[@]}" ||
		skipped "Rust $oldest is not installed, and '${install[*]}' does not do it" || return
	cargo "+$oldest" check --workspace --locked --target-dir target/msrv
}

suite "the oldest compiler" oldest_compiler
suite "the package of docker-plugin" \
	cargo package --quiet --locked --allow-dirty --package docker-plugin --package explained --package explained-derive

conclude "promises"
