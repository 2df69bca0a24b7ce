#!/usr/bin/env bash
# Runs every test: those that need nothing, then those that need a Docker engine
# (#[ignore]d otherwise), then the manifests and the sidecar's image, then those that need
# an engine once more with the newest one that Debian ships, and what users do with Podman.
#
# One suite that fails keeps none of the others from running. What failed, and what could not be run
# for want of something that this machine has not got, is listed at the end.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$root"
ensure_state
log=$state/test.log
: >"$log"

ended=''

# Cargo's own words, without the binaries and crates that have no tests, and what failed with its first words.
results() {
	plain_lines <"$log" |
		awk '/^== / { print "\n" $0 }
			/^ *(Running|Doc-tests) / { name = $0 }
			/^test .* FAILED$/ { failed = failed "     failed: " $2 "\n" }
			/^thread .* panicked at / { left = 20 }
			/^(stack backtrace:|note: |)$/ { left = 0 }
			left > 0 { failed = failed "       " substr($0, 1, 300) "\n"; left--; next }
			/^test result:/ && !/ 0 passed; 0 failed/ { print name; print "     " $0; printf "%s", failed }
			/^test result:/ { failed = "" }
			/^error(:|\[)/ { print }'
}

finish() {
	local status=$?
	trap - EXIT
	# A signal may end this script while the last status is still a good one.
	[ -n "$ended" ] || [ "$status" != 0 ] || status=1
	[ -z "$bad" ] || [ "$status" != 0 ] || status=1
	results >&2
	"$root/scripts/engine.sh" release "test.$$" || status=1
	say ''
	summarize
	[ -n "$ended" ] || say "NOT RUN: all that would have come next"
	verdict "tests" "$status"
	exit "$status"
}
trap finish EXIT

# --- What they need ----------------------------------------------------------

# With the sidecar that is shipped: its image is tried below, and one of debug's would have to be compiled too.
ready_for_engines "test.$$" shipped

# The plugin's alone: what the relay ignores are its long cases, for scripts/soak.sh. They are named, since the
# features of libraries follow what is chosen: with --package, or with nothing of the relay's (it has no ignored
# test in golden), all would be compiled once more. No machine is rebooted here.
with_an_engine=(cargo test --workspace --locked --no-fail-fast --test=e2e --test=fakes --test=golden -- --ignored
	--skip capability::reboot)

# What is about this program more than about its engine: how it ends, is interrupted and repaired, its words and
# advice, what goes through docker's command line or ssh, what it says of the kernel, and what BuildKit and buildx do,
# which are the same ones on each engine. It takes minutes, and once is enough, since what users do is tried on each
# engine by the walks of `capability`.
of_this_program=()
for room in advice advice_kernel buildx buildx_commands ci configured crashes credentials endpoints faults firewalld \
	health in_use interrupts names plugin ports quickstart registries repair screen ssh targets trouble; do
	of_this_program+=(--skip "$room::")
done

# --- All of them -------------------------------------------------------------

suite "without an engine" cargo test --workspace --locked --no-fail-fast
suite "with an engine" "${with_an_engine[@]}"
suite "the manifests" "$root/scripts/check-manifest.sh" "${CARGO_TARGET_DIR:-target}/debug/docker-assemble"
suite "the sidecar's image" "$root/scripts/test-sidecar-image.sh"
suite "with the newest engine" beside newest -- "${with_an_engine[@]}" "${of_this_program[@]}"
suite "with Podman" beside podman -- "${with_an_engine[@]}" capability::
ended=yes
