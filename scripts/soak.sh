#!/usr/bin/env bash
# soak.sh [PART-OF-A-NAME...]  run the relay's long cases one after the other, and Go's suite for
#                              connections through it; or only those with such names
#
# SOAK_SCALE=0.01 is a trial: so much of every case's length. In full it takes hours.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scale=${SOAK_SCALE:-1}
# scaled FULL: FULL times the scale, rounded, at least 1.
scaled() {
	awk -v full="$1" -v scale="$scale" 'BEGIN { n = int(full * scale + 0.5); print n < 1 ? 1 : n }'
}
case $scale in
'' | *[!0-9.]* | *.*.*) die "SOAK_SCALE=\"$scale\" is not a number" ;;
esac
# What the cases themselves read (tests/relay/main.rs).
RELAY_SOAK_PERCENT=$(scaled 100)
export RELAY_SOAK_PERCENT

# --- What it needs -----------------------------------------------------------

ensure_state
logs=$state/soak
rm -rf "$logs"
mkdir -p "$logs"

missing=()
have go || missing+=(golang-go)
# Debian's Go libraries are sources in a workspace of the old kind.
gopath=/usr/share/gocode
[ -d "$gopath/src/golang.org/x/net/nettest" ] || missing+=(golang-golang-x-net-dev)
if [ ${#missing[@]} -gt 0 ]; then
	have apt-get || die "missing: ${missing[*]}; only Debian's apt is known here, install them by hand"
	[ "$(id -u)" = 0 ] || die "missing: ${missing[*]}; run this as root once to install them"
	say "Installing ${missing[*]}"
	export DEBIAN_FRONTEND=noninteractive
	logged apt-update apt-get update -q
	logged apt-install apt-get install -qy --no-install-recommends "${missing[@]}"
fi

say "Building the relay and its cases"
logged soak-relay cargo build --release --locked --package assemble-proxy
# Cargo tells where it has put the test's binary, and only in this form.
built() {
	cargo test --release --locked --package assemble-proxy --test relay --no-run --message-format=json \
		>"$logs/build.json"
}
logged soak-cases built
cases=$(sed -n '/"kind":\["test"\]/s/.*"executable":"\([^"]*\)".*/\1/p' "$logs/build.json")
listed=$("$cases" --ignored --list --format terse)

suite=$logs/nettest
(
	cd tests/nettest
	GO111MODULE=off GOPATH=$gopath GOFLAGS='' logged soak-nettest go test -c -o "$suite" .
)

# --- One after the other -----------------------------------------------------

running=''
# shellcheck disable=SC2317 # run by the trap
interrupted() {
	trap - INT TERM
	[ -z "$running" ] || kill "$running" 2>/dev/null || true
	say ''
	die "interrupted"
}
trap interrupted INT TERM

wanted() { # NAME
	local part
	[ ${#parts[@]} -gt 0 ] || return 0
	for part in "${parts[@]}"; do
		case $1 in *"$part"*) return 0 ;; esac
	done
	return 1
}
parts=("$@")

names=()
while read -r name; do
	! wanted "$name" || names+=("$name")
done < <(sed -n 's/: test$//p' <<<"$listed")
! wanted nettest || names+=(nettest)
[ ${#names[@]} -gt 0 ] || die "no long case is called anything like: $*"

# Far beyond what any takes: a case that hangs must not keep the others from their turn.
limit=$((300 + $(scaled 10800)))

run() { # NAME
	if [ "$1" = nettest ]; then
		# Its authors advise to repeat it: what it finds depends on the timing.
		ASSEMBLE_PROXY=$root/target/release/assemble-proxy timeout --kill-after=10 "$limit" \
			"$suite" -test.v -test.count "$(scaled 100)" -test.timeout "${limit}s"
	else
		timeout --kill-after=10 "$limit" "$cases" --ignored --exact "$1" --nocapture
	fi
}

failed=()
started=$SECONDS
for i in "${!names[@]}"; do
	name=${names[$i]}
	log=$logs/${name//::/.}.log
	printf '[%d/%d] %-60s ' $((i + 1)) ${#names[@]} "$name" >&2
	since=$SECONDS
	run "$name" >"$log" 2>&1 &
	running=$!
	status=0
	wait "$running" || status=$?
	running=''
	case $status in
	0) say "ok      $((SECONDS - since)) s" ;;
	124) say "TIMEOUT after $limit s" ;;
	*) say "FAILED  $((SECONDS - since)) s" ;;
	esac
	[ "$status" = 0 ] || {
		failed+=("$name")
		show_end "$log"
	}
done

say ''
if [ ${#failed[@]} -gt 0 ]; then
	say "$((${#names[@]} - ${#failed[@]})) of ${#names[@]} long cases passed in $((SECONDS - started)) s; the logs are in ${logs#"$root"/}"
	die "failed: ${failed[*]}"
fi
say "All ${#names[@]} long cases passed in $((SECONDS - started)) s, at $RELAY_SOAK_PERCENT % of their length"
