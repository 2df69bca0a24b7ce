#!/usr/bin/env bash
# podman-engine.sh [--suite SUITE] fetch
#                                   unpack the Podman of a Debian suite, bookworm unless named, into our
#                                   own state directory; fails where no mirror gives it
# podman-engine.sh [--suite SUITE] run IMAGE... -- COMMAND...
#                                   run COMMAND beside its service, with DOCKER_HOST naming that and
#                                   copies of these images of the engine in use loaded into it
#
# The engine in use and the system's packages stay as they are. Podman lives in a root directory of its
# own, and in network, process and mount namespaces of its own; COMMAND is in the first two with it. All
# of that ends with this script. Needs root.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/own-engine.sh
. "$root/scripts/own-engine.sh"
# shellcheck source=scripts/debian-root.sh
. "$root/scripts/debian-root.sh"

suite=bookworm
if [ "${1:-}" = --suite ]; then
	suite=${2:-}
	shift 2
fi
case $suite in '' | *[!a-z]*) die "\"$suite\" is not the name of a Debian suite" ;; esac
dir=$state/podman-engine/$suite
log=$dir/service.log
# What it keeps, once there is something.
data=''

fetch() {
	# The names of the parts have changed with the suites; netavark is what Debian recommends.
	debian_root "$suite" "$dir/root" mount podman netavark aardvark-dns runc iptables nftables ca-certificates
}

# Podman's settings. Where the engine's bounding set lacks a capability to raise limits, its own
# defaults are refused.
settings() {
	cat <<-END
		[engine]
		runtime = "runc"
		cgroup_manager = "cgroupfs"
		events_logger = "file"
		events_logfile_path = "$work/events"
		[containers]
		default_ulimits = ["nofile=20000:20000", "nproc=10000:10000"]
	END
}

# inside WORK DATA COMMAND...: the first process of the namespaces. What is left when it ends, the
# kernel ends.
inside() {
	local work=$1 data=$2 pid status=0
	shift 2
	ip link set lo up
	# Its bridge has the lowest address of what is plugged in, before netavark 1.9, and that changes under
	# those who know the one before.
	sysctl -qw net.ipv4.conf.all.arp_notify=1
	export DOCKER_HOST=unix://$work/podman.sock
	unset DOCKER_CONTEXT
	settings >"$work/containers.conf"
	(in_debian_root "$dir/root" "$work" "$data" -- CONTAINERS_CONF="$work/containers.conf" \
		podman --root "$data" --runroot "$work/run" \
		system service --time 0 "$DOCKER_HOST") >"$log" 2>&1 &
	pid=$!
	if ! began "$pid"; then
		show_end "$log"
		die "Podman's service did not start; its whole log is ${log#"$root"/}"
	fi
	docker load --quiet --input "$work/images.tar" >/dev/null
	say "Podman $(docker version --format '{{.Server.Version}}, API {{.Server.APIVersion}}')"
	"$@" || status=$?
	exit "$status"
}

# The control groups of its containers are beside those of any other Podman, and their parent is for all.
remove_traces() {
	grep -oE '[0-9a-f]{64}' "$work/events" 2>/dev/null | sort -u >"$work/ids" || true
	find /sys/fs/cgroup -depth -type d -path '*/libpod_parent/*' | grep -Ff "$work/ids" |
		xargs --no-run-if-empty rmdir || true
	rm -rf "$work" "$data"
}

run() {
	prepare p remove_traces "$@"
	data=$(mktemp -d "$dir/data.XXXXXX")
	apart "${BASH_SOURCE[0]}" --suite "$suite" inside "$work" "$data" "${command[@]}"
}

case ${1:-} in
fetch) fetch ;;
run) run "${@:2}" ;;
inside) inside "${@:2}" ;;
*) die "usage: podman-engine.sh [--suite SUITE] fetch|run IMAGE... -- COMMAND..." ;;
esac
