#!/usr/bin/env bash
# registry.sh start [PORT [ADDRESS]]   serve an image registry on port 5000 of
#                            every address unless told otherwise
# registry.sh stop [PORT]    stop it and delete what was pushed to it
# registry.sh port           print the ports served by registries started here
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

port=${2:-5000}
address=${3:-0.0.0.0}
dir=$state/registry-$port

own_pid() { cat "$1/pid" 2>/dev/null || true; }

is_registry() {
	local headers
	headers=$(curl --silent --noproxy '*' --max-time 2 --output /dev/null --dump-header - \
		"http://127.0.0.1:$port/v2/") || return 1
	grep -qi '^docker-distribution-api-version:' <<<"$headers"
}

port_taken() { (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; }

serves_or_ended() { is_registry || ended "$pid"; }

start() {
	! runs "$(own_pid "$dir")" docker-registry || return 0
	if is_registry; then
		die "port $port is in use by another image registry"
	elif port_taken; then
		die "port $port is in use by another program"
	fi
	ensure_state
	mkdir -p "$dir"
	cat >"$dir/config.yml" <<-END
		version: 0.1
		storage:
		  filesystem:
		    rootdirectory: $dir/data
		  delete:
		    enabled: true
		http:
		  addr: $address:$port
	END
	setsid docker-registry serve "$dir/config.yml" >"$dir/log" 2>&1 </dev/null &
	local pid=$!
	echo "$pid" >"$dir/pid"
	if ! until_deadline 15 serves_or_ended || ! runs "$pid" docker-registry; then
		show_end "$dir/log"
		ended "$pid" || kill "$pid"
		rm -f "$dir/pid"
		die "the registry did not start on port $port"
	fi
}

stop() {
	stop_pid "$(own_pid "$dir")" docker-registry 15
	rm -rf "$dir"
}

ports() {
	local each
	for each in "$state"/registry-*; do
		! runs "$(own_pid "$each")" docker-registry || echo "${each##*-}"
	done
}

case ${1:-} in
start) start ;;
stop) stop ;;
port) ports ;;
*) die "usage: registry.sh start|stop [PORT], or registry.sh port" ;;
esac
