#!/usr/bin/env bash
# install.sh           build the plugin and install it for this user
# install.sh --remove  take it away again
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

plugin=${DOCKER_CONFIG:-$HOME/.docker}/cli-plugins/docker-assemble

case ${1:-} in
'')
	have cargo || die "cargo is not installed; see https://rustup.rs"
	cd "$root"
	cargo build --release --locked
	mkdir -p "$(dirname "$plugin")"
	install -m 755 "${CARGO_TARGET_DIR:-target}/release/docker-assemble" "$plugin"
	say "Installed $plugin"
	;;
--remove)
	rm -f "$plugin"
	say "Removed $plugin"
	;;
*) die "usage: install.sh [--remove]" ;;
esac
