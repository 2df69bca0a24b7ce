#!/usr/bin/env bash
# sidecar.sh          compile the sidecar for debug builds of the plugin: quickly, and not as small and fast as the
#                     one that is shipped. To be run again after a change of the sidecar
# sidecar.sh shipped  have them use the one that is shipped, compiled as Dockerfile.sidecar does it
#
# Prints its path, which is where such a build looks for it. Either is static.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$root"
target=$(realpath "${CARGO_TARGET_DIR:-target}")
case ${1:-} in
'')
	# Static is only how the program is linked, so that its libraries are those of every other build here.
	cargo rustc --locked --package assemble-proxy --bin assemble-proxy -- \
		-C target-feature=+crt-static -C strip=debuginfo >&2
	made=$target/debug/assemble-proxy
	;;
shipped)
	platform=$(uname -m)-unknown-linux-gnu
	RUSTFLAGS='-C target-feature=+crt-static' \
		cargo build --locked --profile sidecar --package assemble-proxy --target "$platform" >&2
	made=$target/$platform/sidecar/assemble-proxy
	;;
*) die "usage: sidecar.sh [shipped]" ;;
esac

# Other builds put a program of the same name into debug/, which is not static. One that is as before must
# look so, or the plugin would be compiled anew.
install -d "$target/debug"
install -C -m 755 "$made" "$target/debug/assemble-proxy-static"
echo "$target/debug/assemble-proxy-static"
