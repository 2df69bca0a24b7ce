#!/usr/bin/env bash
# compare-push.sh             measure pushes and pulls through forwards beside a builder in the host's network,
#                             and starts by the number of ports, and write docs/bench/DATE-push.*
# compare-push.sh OPTIONS...  measure what they choose and only print it; --help tells all
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$root"
trap '"$root/scripts/engine.sh" release "push.$$"' EXIT
ready_for_engines "push.$$"

options=("$@")
[ $# -gt 0 ] || options=(--out "$root/docs/bench/$(date +%F)-push")
cargo bench --locked --package docker-assemble --bench push -- \
	--commit "$(git describe --always --dirty --abbrev=12)" "${options[@]}"
