# shellcheck shell=bash
# What the scripts share. Sourced, never run; results go to stdout, words to stderr.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# What the scripts keep between runs: logs, pids, downloads. Git ignores it all,
# and it is not under target/, where `cargo clean` would lose track of an engine.
state=$root/.dev

# What this project's labels on Docker objects start with.
# shellcheck disable=SC2034 # used by those who source this
label_prefix=io.github.docker-assemble

# Daemons live in sbin, which a user's PATH may leave out.
PATH=$PATH:/usr/sbin:/sbin

# How a script ends that could not run what it is for, through no fault of what it would have run.
# shellcheck disable=SC2034 # used by those who source this
not_run=77

say() { printf '%s\n' "$*" >&2; }

die() {
	say "error: $*"
	exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# The path of a Python that can make virtual environments: the user's own, else the system's.
python_with_venv() {
	local python
	for python in python3 /usr/bin/python3; do
		if "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
			command -v "$python"
			return
		fi
	done
	return 1
}

# python_package NAME VERSION: a virtual environment with that package, made once; its path. Fails with
# the reason in the log NAME.log where no index of packages can be reached.
python_package() {
	local venv=$state/$1-$2 python
	python=$(python_with_venv) || die "no Python can make virtual environments; scripts/setup.sh installs one"
	ensure_state
	if [ ! -e "$venv/complete" ]; then
		rm -rf "$venv"
		{ "$python" -m venv "$venv" && "$venv/bin/pip" install --quiet --disable-pip-version-check \
			--retries 1 --timeout 10 "$1==$2"; } >"$state/$1.log" 2>&1 || return 1
		touch "$venv/complete"
	fi
	echo "$venv"
}

ensure_state() {
	mkdir -p "$state"
	[ -e "$state/.gitignore" ] || echo '*' >"$state/.gitignore"
}

# logged NAME COMMAND...: run it with its words in a log, and show how it gets on; show the end of the
# log if it fails.
logged() {
	local log=$state/$1.log status=0
	shift
	ensure_state
	: >"$log"
	tick "$log" &
	local ticker=$!
	# Where it sees no terminal, cargo counts what it has compiled only when told to.
	CARGO_TERM_PROGRESS_WHEN=always CARGO_TERM_PROGRESS_WIDTH=76 "$@" >"$log" 2>&1 || status=$?
	end_tick "$ticker"
	[ "$status" = 0 ] || {
		show_end "$log"
		die "'$1' failed; the whole log is ${log#"$root"/}"
	}
}

# followed NAME PID: show how a process in the background gets on that writes this log; its status.
followed() {
	tick "$state/$1.log" &
	local ticker=$! status=0
	wait "$2" || status=$?
	end_tick "$ticker"
	return "$status"
}

# Tells of a long step, so that it does not look stuck: on a terminal in one line that changes, else
# in a line now and then.
tick() { # LOG
	local start=$SECONDS every=20 seconds
	[ ! -t 2 ] || every=1
	while sleep 1 && kill -0 $$ 2>/dev/null; do
		seconds=$((SECONDS - start))
		[ $((seconds % every)) = 0 ] || continue
		if [ -t 2 ]; then
			printf '\r\033[K  %d s  %s' "$seconds" "$(last_line "$1")" >&2
		else
			printf '  %d s  %s\n' "$seconds" "$(last_line "$1")" >&2
		fi
	done
}

end_tick() { # PID
	kill "$1" 2>/dev/null || true
	wait "$1" 2>/dev/null || true
	[ ! -t 2 ] || printf '\r\033[K' >&2
}

# Progress bars overwrite themselves, in colours.
plain_lines() { tr '\r' '\n' | sed -n 's/\x1b\[[0-9;]*[A-Za-z]//g; /[^ ]/p'; }

last_line() { { tail -c 1000 "$1" | plain_lines | tail -n 1 | cut -c -76; } 2>/dev/null || true; }

show_end() { plain_lines <"$1" | sed '/^ *Building \[/d' | tail -n 20 | sed 's/^/  | /' >&2; }

# --- Suites, for scripts that run all of several and say at the end how each went ---

summary=()
bad=''
untested=''

# suite NAME COMMAND...: run it, shown and written to $log, and note how it ended.
suite() {
	local name=$1 started=$SECONDS status=0 result
	shift
	say ''
	say "== $name"
	printf '\n== %s\n' "$name" >>"$log"
	"$@" 2>&1 | tee -a "$log" || status=$?
	case $status in
	0) result=passed ;;
	"$not_run") result='NOT RUN' untested=yes ;;
	*)
		bad=yes
		result=FAILED
		;;
	esac
	summary+=("$(printf '%-8s %5d s  %s' "$result" $((SECONDS - started)) "$name")")
}

skipped() { # WHY
	say "NOT RUN: $1"
	return "$not_run"
}

summarize() { [ ${#summary[@]} = 0 ] || printf '%s\n' "${summary[@]}" >&2; }

# verdict WHAT STATUS: the last line.
verdict() {
	if [ "$2" != 0 ]; then
		say "The $1 failed; the whole log is ${log#"$root"/}"
	elif [ -n "$untested" ]; then
		say "All $1 that could be run passed"
	else
		say "All $1 passed"
	fi
}

# Ends a script that runs suites of that name and has nothing else to do at its end.
conclude() { # NAME
	local status=0
	[ -z "$bad" ] || status=1
	say ''
	summarize
	verdict "$1" "$status"
	exit "$status"
}

# --- Tests with an engine ---

# ready_for_engines HOLDER [shipped]: an engine, held until HOLDER releases it, and all that the tests with one
# want, among it a sidecar of scripts/sidecar.sh.
ready_for_engines() {
	"$root/scripts/setup.sh"
	[ ! -t 1 ] || export CARGO_TERM_COLOR=always
	# Most of a test's time goes by in waiting: for peers, limits, the engine.
	export RUST_TEST_THREADS=${RUST_TEST_THREADS:-$((2 * $(nproc)))}
	"$root/scripts/engine.sh" ensure "$1"
	ASSEMBLE_TEST_BACKEND_IMAGE=$("$root/scripts/backend-image.sh")
	ASSEMBLE_TEST_BASE_IMAGE=$("$root/scripts/test-image.sh")
	ASSEMBLE_TEST_BUILDX=$("$root/scripts/plugin.sh" buildx)
	ASSEMBLE_TEST_COMPOSE=$("$root/scripts/plugin.sh" compose)
	export ASSEMBLE_TEST_BACKEND_IMAGE ASSEMBLE_TEST_BASE_IMAGE ASSEMBLE_TEST_BUILDX ASSEMBLE_TEST_COMPOSE
	"$root/scripts/sidecar.sh" "${@:2}" >/dev/null
}

# beside SCRIPT [OPTION...] -- COMMAND...: run COMMAND beside the engine of scripts/SCRIPT-engine.sh.
beside() {
	local engine=("$root/scripts/$1-engine.sh")
	shift
	while [ "$1" != -- ]; do
		engine+=("$1")
		shift
	done
	shift
	[ "$(id -u)" = 0 ] || skipped "starting it needs root" || return
	"${engine[@]}" fetch || skipped "no Debian mirror gave it" || return
	"${engine[@]}" run "$ASSEMBLE_TEST_BACKEND_IMAGE" "$ASSEMBLE_TEST_BASE_IMAGE" -- "$@"
}

# --- Waiting ---

# until_deadline SECONDS COMMAND...: retry until it succeeds or the time is over.
until_deadline() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.2
	done
}

# runs PID COMMAND: is PID alive, and still this command?
runs() {
	[ -n "$1" ] && [ "$(cat "/proc/$1/comm" 2>/dev/null)" = "$2" ]
}

# stop_pid PID COMMAND SECONDS: ask it to end and wait until it has.
stop_pid() {
	runs "$1" "$2" || return 0
	kill "$1"
	until_deadline "$3" gone "$1" "$2" || die "$2 (pid $1) has not ended within $3 s"
}

gone() { ! runs "$1" "$2"; }

# The name of the context in use; command lines before 23.0 cannot tell.
docker_context() { docker context show 2>/dev/null || echo default; }

# local_image REFERENCE: does the engine hold this image?
local_image() { docker image inspect "$1" >/dev/null 2>&1; }

# pull REFERENCE: pull it, but give up in seconds where no registry answers.
# The engine prints its first line once it has read the manifest.
pull() {
	local log pid status=0
	log=$(mktemp)
	docker pull "$1" >"$log" 2>&1 &
	pid=$!
	if ! until_deadline 6 said_something "$log" "$pid" || ! until_deadline 300 ended "$pid"; then
		kill "$pid" 2>/dev/null || true
	fi
	wait "$pid" 2>/dev/null || status=$?
	rm -f "$log"
	return "$status"
}

# Whatever its name: a process that was just started is not its command yet, and `runs` would say no.
ended() { ! kill -0 "$1" 2>/dev/null; }

said_something() { [ -s "$1" ] || ended "$2"; }

# Runs a command while no package may start its daemon.
without_daemons() {
	local policy=/usr/sbin/policy-rc.d
	if [ -e "$policy" ]; then
		"$@"
	else
		(
			trap 'rm -f "$policy"' EXIT
			printf '#!/bin/sh\nexit 101\n' >"$policy"
			chmod +x "$policy"
			"$@"
		)
	fi
}

# install_packages PACKAGE...: with Debian's apt, as root; nothing to do for none.
install_packages() {
	[ $# -gt 0 ] || return 0
	have apt-get || die "missing: $*; only Debian's apt is known here, install them by hand"
	[ "$(id -u)" = 0 ] || die "missing: $*; run this as root once to install them"
	say "Installing $*"
	export DEBIAN_FRONTEND=noninteractive
	logged apt-update apt-get update -q
	logged apt-install apt-get install -qy --no-install-recommends "$@"
}

# The Debian mirror this machine uses for its own release; empty if it is not
# Debian, and then tools fall back on their own default.
debian_mirror() {
	local ID='' VERSION_CODENAME=''
	# shellcheck source=/dev/null
	. /etc/os-release
	[ "$ID" = debian ] || return 0
	# shellcheck disable=SC2016 # apt fills in the fields
	apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
		awk -v release="$VERSION_CODENAME" '
			$2 == "main" && $3 ~ /^https?:/ && ($1 == release || $1 ~ /stable$/) && !found++ { print $3 }'
}
