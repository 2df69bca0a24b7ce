#!/usr/bin/env bash
# Compiles the sidecar for debug builds of the plugin, and prints its path, which is where they look
# for it: static, quickly made, and not as small and fast as the one that is shipped. To be run again
# after a change of the sidecar.
#
# Static is only how the program is linked, so that its libraries are those of every other build here.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$root"
cargo rustc --locked --package assemble-proxy --bin assemble-proxy -- \
	-C target-feature=+crt-static -C strip=debuginfo >&2

# Other builds put a program of the same name there, which is not static. One that is as before must
# look so, or the plugin would be compiled anew.
target=$(realpath "${CARGO_TARGET_DIR:-target}")
install -C -m 755 "$target/debug/assemble-proxy" "$target/debug/assemble-proxy-static"
echo "$target/debug/assemble-proxy-static"
