#!/usr/bin/env bash
# podman-engine.sh [--suite SUITE] [--rootless] fetch
#                                   unpack the Podman of a Debian suite, bookworm unless named, into our
#                                   own state directory; fails where no mirror gives it
# podman-engine.sh [--suite SUITE] [--rootless] run IMAGE... -- COMMAND...
#                                   run COMMAND beside its service, which is a user's with --rootless, with
#                                   DOCKER_HOST naming that and copies of these images of the engine in
#                                   use loaded into it
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
rootless=()
while :; do
	case ${1:-} in
	--suite)
		suite=${2:-}
		shift 2
		;;
	--rootless)
		rootless=(--rootless)
		shift
		;;
	*) break ;;
	esac
done
dir=$state/podman/$suite
log=$dir/service.log
# The user without root, whom this root directory alone knows, and the ids of its containers.
uid=61000
subuids=6100000
# What it keeps, once there is something.
data=''

fetch() {
	# The names of the parts have changed with the suites; netavark is what Debian recommends.
	debian_root "$suite" "$dir/root" mount podman netavark aardvark-dns runc iptables nftables ca-certificates \
		uidmap slirp4netns passt
	local etc=$dir/root/etc
	[ ! -e "$etc/subuid" ] || ! grep -q "^$uid:" "$etc/subuid" || return 0
	echo "assemble-rootless:x:$uid:$uid::/:/bin/sh" >>"$etc/passwd"
	echo "$uid:$subuids:65536" | tee -a "$etc/subuid" >>"$etc/subgid"
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
		events_logfile_max_size = "1g"
		[containers]
		default_ulimits = ["nofile=20000:20000", "nproc=10000:10000"]
	END
}

# Gives the user what its service writes to, and the right to make network devices.
may_be_rootless() {
	mkdir "$work/user"
	chown $uid "$work" "$work/user" "$data"
	mknod -m 666 "$work/tun" c 10 200
	mount --bind "$work/tun" /dev/net/tun
}

# inside WORK DATA COMMAND...: the first process of the namespaces. What is left when it ends, the
# kernel ends.
inside() {
	local work=$1 data=$2 pid status=0 as=()
	shift 2
	ip link set lo up
	# Podman's locks are there whatever it is told of directories, and nobody would give these back.
	mount -t tmpfs -o mode=1777 tmpfs /dev/shm
	# Its bridge has the lowest address of what is plugged in, before netavark 1.9, and that changes under
	# those who know the one before.
	sysctl -qw net.ipv4.conf.all.arp_notify=1
	export DOCKER_HOST=unix://$work/podman.sock
	unset DOCKER_CONTEXT
	settings >"$work/containers.conf"
	if [ ${#rootless[@]} != 0 ]; then
		may_be_rootless
		as=(setpriv --reuid "$uid" --regid "$uid" --clear-groups)
	fi
	(in_debian_root "$dir/root" "$work" "$data" -- CONTAINERS_CONF="$work/containers.conf" \
		HOME="$work/user" XDG_RUNTIME_DIR="$work/user" ${as[@]+"${as[@]}"} \
		podman --storage-driver overlay --root "$data" --runroot "$work/run" \
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

# The control groups of its containers are beside those of any other Podman, and their parent is for all;
# which are its own, all its events tell.
remove_traces() {
	grep -oE '[0-9a-f]{64}' "$work/events" 2>/dev/null | sort -u >"$work/ids" || true
	find /sys/fs/cgroup -depth -type d -path '*/libpod_parent/*' | grep -Ff "$work/ids" |
		xargs --no-run-if-empty rmdir || true
	# Nobody removes those that another Podman uses.
	rmdir /sys/fs/cgroup/*/libpod_parent/conmon /sys/fs/cgroup/*/libpod_parent 2>/dev/null || true
	rm -rf "$work" "$data"
	# Where these were mounted.
	rmdir "$dir/root$work" "$dir/root$data" 2>/dev/null || true
}

run() {
	prepare p remove_traces "$@"
	data=$(mktemp -d "$dir/data.XXXXXX")
	apart "${BASH_SOURCE[0]}" --suite "$suite" ${rootless[@]+"${rootless[@]}"} inside "$work" "$data" "${command[@]}"
}

case ${1:-} in
fetch) fetch ;;
run) run "${@:2}" ;;
inside) inside "${@:2}" ;;
*) die "usage: podman-engine.sh [--suite SUITE] [--rootless] fetch|run IMAGE... -- COMMAND..." ;;
esac
