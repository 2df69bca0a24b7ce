#!/usr/bin/env bash
# fuzz.sh [SECONDS] [TARGET...]  feed every fuzz target for so many seconds (30), or only those named
#
# Inputs that reach something new are kept in .dev/fuzz/corpus, so that each run goes on where the
# last one ended; one that breaks something is in .dev/fuzz/artifacts. To see it again:
# fuzz.sh TARGET INPUT
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

built=target/fuzz
kept=$state/fuzz
mapfile -t targets < <(sed -n '/^\[\[bin\]\]/,/^$/s/^name = "\(.*\)"/\1/p' fuzz/Cargo.toml)

input=''
seconds=30
if [ $# = 2 ] && [ -f "$2" ]; then
	targets=("$1")
	input=$(realpath "$2")
elif [ $# -gt 0 ]; then
	case $1 in
	*[!0-9]* | '') die "\"$1\" is not a number of seconds" ;;
	esac
	seconds=$1
	[ $# = 1 ] || targets=("${@:2}")
fi

# --- What it needs -----------------------------------------------------------

have rustup || die "fuzzing wants a nightly compiler next to the usual one; see https://rustup.rs"
ensure_state
if ! have c++; then
	# libFuzzer is compiled from its sources.
	have apt-get || die "missing: g++; only Debian's apt is known here, install it by hand"
	[ "$(id -u)" = 0 ] || die "missing: g++; run this as root once to install it"
	say "Installing g++"
	export DEBIAN_FRONTEND=noninteractive
	logged apt-update apt-get update -q
	logged apt-install apt-get install -qy --no-install-recommends g++
fi
cargo +nightly --version >/dev/null 2>&1 ||
	logged nightly rustup toolchain install nightly --profile minimal
have cargo-fuzz || logged cargo-fuzz cargo install --locked cargo-fuzz

# The relay's target opens thousands of connections a second, which stay in TIME_WAIT: in a network
# namespace of its own nobody else runs out of ports, and nothing leads out of it.
apart=(unshare --net)
[ "$(id -u)" = 0 ] || apart+=(--map-root-user)
"${apart[@]}" true 2>/dev/null || die "this makes a network namespace, and may not: run it as root"

# Its arguments are the command to run there.
# shellcheck disable=SC2016
apart+=(sh -c 'ip link set lo up && exec "$@"' sh)

# --- The targets -------------------------------------------------------------

say "Building ${#targets[@]} fuzz targets"
for target in "${targets[@]}"; do
	logged fuzz-build cargo +nightly fuzz build --target-dir "$built" "$target"
done
host=$(rustc +nightly -vV | sed -n 's/^host: //p')

if [ -n "$input" ]; then
	exec "${apart[@]}" "$built/$host/release/${targets[0]}" "$input"
fi

# One that does not even heed its own limits is stopped from outside.
feed() { # TARGET
	local corpus=$kept/corpus/$1 seeds=fuzz/corpus-seed/$1
	mkdir -p "$corpus" "$kept/artifacts" "$seeds"
	timeout --kill-after=10 $((seconds + 120)) "${apart[@]}" "$built/$host/release/$1" "$corpus" "$seeds" \
		-max_total_time="$seconds" -timeout=30 -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0 \
		-artifact_prefix="$kept/artifacts/$1-"
}

failed=()
for target in "${targets[@]}"; do
	log=$kept/$target.log
	mkdir -p "$kept"
	printf '%-16s ' "$target" >&2
	status=0
	feed "$target" >"$log" 2>&1 || status=$?
	stat() { sed -n "s/^stat::$1: *//p" "$log"; }
	if [ "$status" = 0 ]; then
		say "ok, $(stat number_of_executed_units) inputs, $(stat average_exec_per_sec) per second"
	else
		failed+=("$target")
		say "FAILED ($status)"
		grep -a -A 3 'panicked at\|^==.*ERROR' "$log" | head -n 12 | cut -c -300 | sed 's/^/  | /' >&2
		sed -n 's/.*Test unit written to /  the input: /p' "$log" >&2
		say "  the whole log: $log"
	fi
done

[ ${#failed[@]} = 0 ] || die "inputs were found that break: ${failed[*]}"
