#!/usr/bin/env bash
# soak.sh [PART-OF-A-NAME...]  run the relay's long cases, and Go's suite for connections through it;
#                              or only those with such names
#
# Those that merely wait do so beside each other, and beside those that work, which come one after
# the other. SOAK_SCALE=0.01 is a trial: so much of every case's length.
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
install_packages "${missing[@]}"

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

# --- What waits beside what works --------------------------------------------

declare -A names_of=() started_at=()
# shellcheck disable=SC2317 # run by the trap
interrupted() {
	trap - INT TERM
	[ ${#names_of[@]} = 0 ] || kill "${!names_of[@]}" 2>/dev/null || true
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

# Their sources say which ones wait.
waiting=$(awk '/#\[ignore = "waits/ { waits = 1 }
	waits && match($0, /fn [a-z0-9_]+/) { print substr($0, RSTART + 3, RLENGTH - 3); waits = 0 }' tests/relay/*.rs)
[ -n "$waiting" ] || die "no case in tests/relay says that it waits"

waiters=()
workers=()
while read -r name; do
	wanted "$name" || continue
	if grep -qxF -- "${name##*::}" <<<"$waiting"; then waiters+=("$name"); else workers+=("$name"); fi
done < <(sed -n 's/: test$//p' <<<"$listed")
! wanted nettest || workers+=(nettest)
[ $# -gt 0 ] || [ ${#waiters[@]} = "$(wc -l <<<"$waiting")" ] ||
	die "cases of tests/relay that say that they wait are not among those of their program"
total=$((${#waiters[@]} + ${#workers[@]}))
[ $total -gt 0 ] || die "no long case is called anything like: $*"

# Far beyond what any takes: a case that hangs must not keep the others from their turn.
limit=$((300 + $(scaled 10800)))

# run NAME: becomes it, so that whoever ends this ends that.
run() {
	if [ "$1" = nettest ]; then
		# Its authors advise to repeat it: what it finds depends on the timing.
		ASSEMBLE_PROXY=$root/target/release/assemble-proxy exec timeout --kill-after=10 "$limit" \
			"$suite" -test.v -test.count "$(scaled 100)" -test.timeout "${limit}s"
	else
		exec timeout --kill-after=10 "$limit" "$cases" --ignored --exact "$1" --nocapture
	fi
}

log_of() { # NAME
	printf '%s' "$logs/${1//::/.}.log"
}

begin() { # NAME
	run "$1" >"$(log_of "$1")" 2>&1 &
	last=$!
	names_of[$last]=$1
	started_at[$last]=$SECONDS
}

failed=()
ended=0
# reap [PID]: waits for one of those that run, or for this one and all that end before it.
reap() {
	local pid status name
	while :; do
		status=0
		pid=''
		wait -n -p pid "${!names_of[@]}" || status=$?
		# One that a signal has ended may be forgotten already.
		[ -n "$pid" ] || for pid in "${!names_of[@]}"; do
			kill -0 "$pid" 2>/dev/null || break
		done
		name=${names_of[$pid]}
		unset "names_of[$pid]"
		ended=$((ended + 1))
		printf '[%d/%d] %-90s ' $ended $total "$name" >&2
		case $status in
		0) say "ok      $((SECONDS - started_at[$pid])) s" ;;
		124) say "TIMEOUT after $limit s" ;;
		*) say "FAILED  $((SECONDS - started_at[$pid])) s" ;;
		esac
		[ "$status" = 0 ] || {
			failed+=("$name")
			show_end "$(log_of "$name")"
		}
		[ $# -gt 0 ] && [ "$pid" != "$1" ] || return 0
	done
}

started=$SECONDS
for name in "${waiters[@]}"; do begin "$name"; done
for name in "${workers[@]}"; do
	begin "$name"
	reap "$last"
done
while [ ${#names_of[@]} -gt 0 ]; do reap; done

say ''
if [ ${#failed[@]} -gt 0 ]; then
	say "$((total - ${#failed[@]})) of $total long cases passed in $((SECONDS - started)) s; the logs are in ${logs#"$root"/}"
	die "failed: ${failed[*]}"
fi
say "All $total long cases passed in $((SECONDS - started)) s, at $RELAY_SOAK_PERCENT % of their length"
