#!/usr/bin/env bash
# newest-engine.sh fetch            unpack the newest engine that Debian ships, its docker command
#                                   and its buildx into our own state directory; fails where no
#                                   mirror gives them
# newest-engine.sh [--setting NAME] run IMAGE... -- COMMAND...
#                                   run COMMAND beside that engine with these, DOCKER_HOST naming it and
#                                   copies of these images of the engine in use loaded into it; the
#                                   settings are those of scripts/engine-settings.sh
#
# The engine in use, the system's packages and its apt sources stay as they are. The new engine
# lives in network, process and mount namespaces of its own, COMMAND with it, and all of that ends
# with this script. Needs root.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/debian-packages.sh
. "$root/scripts/debian-packages.sh"
# shellcheck source=scripts/own-engine.sh
. "$root/scripts/own-engine.sh"
# shellcheck source=scripts/engine-settings.sh
. "$root/scripts/engine-settings.sh"

setting=''
if [ "${1:-}" = --setting ]; then
	setting=${2:-}
	shift 2
fi
dir=$state/newest-engine
log=$dir/dockerd.log

# --- Fetching ----------------------------------------------------------------

buildx_of() { echo "$1/usr/libexec/docker/cli-plugins/docker-buildx"; }

runs_here() {
	"$1/usr/sbin/dockerd" --version && "$1/usr/bin/containerd" --version &&
		"$1/usr/bin/docker" --version && "$(buildx_of "$1")" version
}

# from SUITE MIRROR: its engine and clients into $dir/new. The runtime below it stays the installed one,
# since Debian's newest is linked with a newer libc than this machine may have.
from() {
	local apt
	apt_of "$@"
	(
		cd "$work"
		rm -f ./*.deb
		"${apt[@]}" update
		"${apt[@]}" download docker.io containerd docker-cli docker-buildx
	) || return 1
	unpack "$dir/new"
	runs_here "$dir/new"
}

from_newest_suite() {
	local mirror suite
	mirror=$(debian_mirror)
	for suite in sid testing stable; do
		! from "$suite" "${mirror:-http://deb.debian.org/debian}" || return 0
	done
	return 1
}

fetch() {
	[ ! -x "$(buildx_of "$dir/root")" ] || return 0
	have apt-get || die "Debian's newest engine is fetched with apt, which is not here"
	local work
	room_for_apt
	mkdir -p "$dir"
	say "Fetching the newest engine that Debian ships"
	logged newest-engine from_newest_suite
	rm -rf "$dir/root"
	mv "$dir/new" "$dir/root"
	# Whoever runs the engine next has a trap of its own.
	rm -rf "$work"
}

# --- Running -----------------------------------------------------------------

# inside IMAGES COMMAND...: the first process of the namespaces. What is left when it ends, the
# kernel ends.
inside() {
	local images=$1 work pid shared status=0 options
	shift
	work=$(dirname "$images")
	ip link set lo up
	# The engine in use has its own things in these, containerd among them.
	for shared in /run/docker /run/containerd; do
		[ ! -d "$shared" ] || mount -t tmpfs tmpfs "$shared"
	done
	PATH=$dir/root/usr/sbin:$dir/root/usr/bin:$PATH
	export DOCKER_HOST=unix://$work/docker.sock
	unset DOCKER_CONTEXT
	# Which is what the tests of buildx take.
	ASSEMBLE_TEST_BUILDX=$(buildx_of "$dir/root")
	export ASSEMBLE_TEST_BUILDX
	setting "$setting" "$work"
	# With no packet filter the containers reach nothing but this namespace, and may reach all of it.
	dockerd --host "$DOCKER_HOST" --data-root "$dir/data" --exec-root "$work/exec" --pidfile "$work/pid" \
		--cgroup-parent "/${work##*/}" "${options[@]}" >"$log" 2>&1 &
	pid=$!
	if ! began "$pid"; then
		show_end "$log"
		[ -z "$setting" ] || skipped "the engine does not start with \"$setting\"" || exit
		die "the newest engine did not start; its whole log is ${log#"$root"/}"
	fi
	docker load --quiet --input "$images" >&2
	say "Engine $(docker version --format '{{.Server.Version}}, API {{.Server.APIVersion}}')"
	"$@" || status=$?
	stop_pid "$pid" dockerd 60
	exit "$status"
}

remove_traces() {
	# Beside its directories the engine makes others for the users that it remaps.
	rm -rf "$work" "$work".* "$dir/data"
	find /sys/fs/cgroup -depth -type d -path "*/${work##*/}*" -exec rmdir {} + 2>/dev/null || true
}

run() {
	local one_tree=()
	[ "$setting" != cgroup-v2 ] || one_tree=(--one-tree)
	prepare n remove_traces "$@"
	apart ${one_tree[@]+"${one_tree[@]}"} "${BASH_SOURCE[0]}" --setting "$setting" inside "$work/images.tar" "${command[@]}"
}

case ${1:-} in
fetch) fetch ;;
run) run "${@:2}" ;;
inside) inside "${@:2}" ;;
*) die "usage: newest-engine.sh [--setting NAME] fetch|run IMAGE... -- COMMAND..." ;;
esac
