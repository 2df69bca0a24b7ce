#!/usr/bin/env bash
# Checks everything that needs no test: format, lints, documentation, dependencies, scripts, workflows.
# One that fails keeps none of the others from running.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$root"
ensure_state
log=$state/lint.log
: >"$log"
[ ! -t 1 ] || export CARGO_TERM_COLOR=always

# shellcheck disable=SC2317 # run by way of suite
scripts() {
	have shellcheck || die "shellcheck is not installed; scripts/setup.sh installs it"
	shellcheck --external-sources scripts/*.sh images/*/*.sh packaging/*/*.sh .ci/run
}

suite "format" cargo fmt --all --check
suite "lints" cargo clippy --workspace --all-targets --locked -- -D warnings
suite "lints of the fuzz targets" \
	cargo clippy --manifest-path fuzz/Cargo.toml --target-dir "${CARGO_TARGET_DIR:-target}" --all-targets --locked -- -D warnings
suite "documentation" env RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked
suite "dependencies" scripts/deny.sh
suite "scripts" scripts
suite "workflows" scripts/workflows.sh
suite "the text of the release" scripts/release.sh notes

conclude "lints"
