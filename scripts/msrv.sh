#!/usr/bin/env bash
# msrv.sh          compile everything that is shipped with the oldest compiler that Cargo.toml promises
# msrv.sh install  install that one
#
# Without it only clippy's incompatible_msrv looks, which knows the library and not the language.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$root"
oldest=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
install=(rustup toolchain install "$oldest" --profile minimal)
case ${1:-} in
'') ;;
install) exec "${install[@]}" ;;
*) die "usage: msrv.sh [install]" ;;
esac
rustup run "$oldest" cargo --version >/dev/null 2>&1 ||
	skipped "Rust $oldest is not installed; '${install[*]}' does it"
cargo "+$oldest" check --workspace --locked --target-dir target/msrv
