#!/usr/bin/env bash
# engine.sh ensure [HOLDER]   make sure a Docker engine answers
# engine.sh release [HOLDER]  stop the engine, if `ensure` started it and nobody
#                             else holds it
#
# A HOLDER is a name; one that ends in .PID stops counting when that process has
# ended, so a killed test run does not hold the engine for ever.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

holder=${2:-manual}
dir=$state/engine
system_pidfile=/var/run/docker.pid

answers() { timeout 10 docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

own_pid() { cat "$dir/pid" 2>/dev/null || true; }

# One `ensure` or `release` at a time; the engine must not inherit the lock.
lock() {
	ensure_state
	mkdir -p "$dir/holders"
	exec 9>"$dir/lock"
	flock 9
}

# Where the command line would look for an engine, when that is not this machine's.
elsewhere() {
	local context
	context=$(docker_context)
	[ -z "${DOCKER_HOST:-}" ] || [ "$DOCKER_HOST" = unix:///var/run/docker.sock ] || context=$DOCKER_HOST
	[ "$context" = default ] || echo "$context"
}

engine_answers_or_ended() { answers || ended "$pid"; }

start() {
	have dockerd || die "no Docker engine answers and dockerd is not installed"
	[ "$(id -u)" = 0 ] || die "no Docker engine answers, and starting one needs root"

	# dockerd refuses to start while the pid in this file is alive, whatever
	# process has that number by now. A real dockerd may only be slow to answer.
	local pid=''
	[ ! -f "$system_pidfile" ] || pid=$(cat "$system_pidfile")
	if runs "$pid" dockerd; then
		until_deadline 30 answers || die "dockerd is running (pid $pid) but does not answer"
		return
	fi
	# Whoever held an engine that is gone, holds nothing now.
	rm -f "$system_pidfile" "$dir"/holders/*

	say "Starting a Docker engine (log: ${dir#"$root"/}/dockerd.log)"
	setsid dockerd >"$dir/dockerd.log" 2>&1 </dev/null 9>&- &
	pid=$!
	echo "$pid" >"$dir/pid"
	if ! until_deadline 60 engine_answers_or_ended || ! answers; then
		show_end "$dir/dockerd.log"
		ended "$pid" || kill "$pid"
		rm -f "$dir/pid"
		die "the engine did not start"
	fi
}

ensure() {
	have docker || die "docker is not installed"
	if answers && ! runs "$(own_pid)" dockerd; then
		return
	fi
	# From here on the answer may change while we wait for the lock.
	lock
	if ! answers; then
		local other
		other=$(elsewhere)
		[ -z "$other" ] || die "the Docker engine at '$other' does not answer"
		start
	fi
	if runs "$(own_pid)" dockerd; then
		: >"$dir/holders/$holder"
	fi
}

release() {
	[ -d "$dir" ] || return 0
	lock
	rm -f "$dir/holders/$holder"
	local pid file
	pid=$(own_pid)
	runs "$pid" dockerd || return 0
	for file in "$dir"/holders/*; do
		[ -e "$file" ] || continue
		case ${file##*.} in
		*[!0-9]*) ;;
		*) kill -0 "${file##*.}" 2>/dev/null || rm -f "$file" ;;
		esac
	done
	local others
	others=$(ls "$dir/holders")
	if [ -n "$others" ]; then
		say "The engine stays up for: ${others//$'\n'/, }"
		return
	fi
	stop_pid "$pid" dockerd 60
	rm -f "$dir/pid"
	say "Stopped the Docker engine"
}

case ${1:-} in
ensure) ensure ;;
release) release ;;
*) die "usage: engine.sh ensure|release [HOLDER]" ;;
esac
