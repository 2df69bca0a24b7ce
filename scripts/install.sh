#!/usr/bin/env bash
# install.sh           build the plugin and install it for this user
# install.sh --quick   the same, made for a short build and not for speed: what tests build too
# install.sh --remove  take it away again
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

plugin=${DOCKER_CONFIG:-$HOME/.docker}/cli-plugins/docker-assemble

case ${1:-} in
'' | --quick)
	have cargo || die "cargo is not installed; see https://rustup.rs"
	cd "$root"
	if [ $# = 0 ]; then
		built=release
		cargo build --release --locked
	else
		built=debug
		DOCKER_ASSEMBLE_PROXY_BINARY=$("$root/scripts/sidecar.sh")
		export DOCKER_ASSEMBLE_PROXY_BINARY
		cargo build --locked --package docker-assemble
	fi
	mkdir -p "$(dirname "$plugin")"
	install -m 755 "${CARGO_TARGET_DIR:-target}/$built/docker-assemble" "$plugin"
	say "Installed $plugin"
	;;
--remove)
	rm -f "$plugin"
	say "Removed $plugin"
	;;
*) die "usage: install.sh [--quick | --remove]" ;;
esac
