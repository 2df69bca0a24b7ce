#!/usr/bin/env bash
# Runs every test: those that need nothing, then those that need a Docker engine
# (#[ignore]d otherwise), then the manifests and the sidecar's image, then those that need
# an engine once more with the newest one that Debian ships.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

"$root/scripts/setup.sh"

cd "$root"
ensure_state
log=$state/test.log
: >"$log"

finished=''
untested=''
finish() {
	local status=$?
	trap - EXIT
	# A signal may end this script while the last status is still a good one.
	[ -n "$finished" ] || [ "$status" != 0 ] || status=1
	printf '\n' >&2
	# Cargo's own words, without the binaries and crates that have no tests.
	sed 's/\x1b\[[0-9;]*m//g' "$log" |
		awk '/^ *(Running|Doc-tests) / { name = $0 }
			/^test result:/ && !/ 0 passed; 0 failed/ { print name; print "     " $0 }
			/^error/ { print }'
	"$root/scripts/engine.sh" release "test.$$" || status=1
	[ -z "$untested" ] || say "NOT TESTED: $untested"
	if [ "$status" = 0 ]; then say "All tests passed"; else say "The tests failed"; fi
	exit "$status"
}
trap finish EXIT

shown() { "$@" 2>&1 | tee -a "$log"; }

[ ! -t 1 ] || export CARGO_TERM_COLOR=always

"$root/scripts/engine.sh" ensure "test.$$"
ASSEMBLE_TEST_BACKEND_IMAGE=$("$root/scripts/backend-image.sh")
ASSEMBLE_TEST_BASE_IMAGE=$("$root/scripts/test-image.sh")
ASSEMBLE_TEST_BUILDX=$("$root/scripts/buildx.sh")
export ASSEMBLE_TEST_BACKEND_IMAGE ASSEMBLE_TEST_BASE_IMAGE ASSEMBLE_TEST_BUILDX

shown cargo test --workspace --locked
# Only the plugin: what the relay ignores are its long cases, for scripts/soak.sh.
shown cargo test --package docker-assemble --locked -- --ignored
"$root/scripts/check-manifest.sh"
"$root/scripts/test-sidecar-image.sh"

if [ "$(id -u)" != 0 ]; then
	untested="the newest engine, since starting it needs root"
elif ! "$root/scripts/newest-engine.sh" fetch; then
	untested="the newest engine, since no Debian mirror gave it"
else
	shown "$root/scripts/newest-engine.sh" run "$ASSEMBLE_TEST_BACKEND_IMAGE" "$ASSEMBLE_TEST_BASE_IMAGE" -- \
		cargo test --package docker-assemble --locked -- --ignored
fi
finished=yes
