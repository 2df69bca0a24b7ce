#!/usr/bin/env bash
# rootless-engine.sh fetch          unpack what an engine without root needs into our own state
#                                   directory: the newest engine that Debian ships, and RootlessKit;
#                                   fails where no mirror gives them
# rootless-engine.sh run IMAGE... -- COMMAND...
#                                   run COMMAND beside such an engine and as the same user, with
#                                   DOCKER_HOST naming it and copies of these images of the engine in
#                                   use loaded into it
#
# The user is known in a mount namespace only, and so are its directories in /run. COMMAND shares the
# network that is the host's to this engine. All of that ends with this script. Needs root.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/debian-packages.sh
. "$root/scripts/debian-packages.sh"
# shellcheck source=scripts/own-engine.sh
. "$root/scripts/own-engine.sh"

dir=$state/rootless-engine
newest=$state/newest-engine/root
# Ids that nobody has, and those of its containers.
user=assemble-rootless
uid=61000
subuids=6100000

# --- Fetching ----------------------------------------------------------------

rootless() {
	(cd "$work" && apt-get -q download rootlesskit slirp4netns libslirp0 uidmap) || return 1
	unpack "$dir/root"
	# They map ids for whoever asks, within what /etc/subuid gives.
	chmod u+s "$dir"/root/usr/bin/new[ug]idmap
}

fetch() {
	"$root/scripts/newest-engine.sh" fetch
	[ ! -x "$dir/root/usr/bin/rootlesskit" ] || return 0
	local work
	room_for_apt
	mkdir -p "$dir"
	logged rootless-engine rootless
	# As in newest-engine.sh.
	rm -rf "$work"
}

# --- Running -----------------------------------------------------------------

# known WORK: has the user known in this mount namespace, with ids for containers, a directory for
# sockets and the right to make network devices.
known() {
	local work=$1 name
	mkdir "$work/etc" "$work/home"
	{ cat /etc/passwd && echo "$user:x:$uid:$uid::$work/home:/bin/sh"; } >"$work/etc/passwd"
	{ cat /etc/group && echo "$user:x:$uid:"; } >"$work/etc/group"
	echo "$user:$subuids:65536" | tee "$work/etc/subuid" >"$work/etc/subgid"
	for name in passwd group subuid subgid; do
		mount --bind "$work/etc/$name" "/etc/$name"
	done
	mount -t tmpfs -o mode=755 tmpfs /run
	install -d -o $uid -g $uid -m 700 "/run/user/$uid"
	chown $uid:$uid "$work/home" "$work/tmp"
	mknod -m 666 "$work/tun" c 10 200
	mount --bind "$work/tun" /dev/net/tun
	mount --make-rshared /
	# Where tests keep files, which is root's.
	name=${CARGO_TARGET_DIR:-$root/target}/tmp
	[ ! -d "$name" ] || mount -t tmpfs -o mode=1777 tmpfs "$name"
}

# inside WORK COMMAND...: the first process of the namespaces. What is left when it ends, the kernel
# ends.
inside() {
	local work=$1
	shift
	ip link set lo up
	known "$work"
	unset DOCKER_CONTEXT DOCKER_CONFIG LOGNAME
	export CARGO_HOME=${CARGO_HOME:-$HOME/.cargo} RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup}
	export USER=$user HOME=$work/home XDG_RUNTIME_DIR=/run/user/$uid
	export DOCKER_HOST=unix://$XDG_RUNTIME_DIR/docker.sock
	# COMMAND may write what is root's: logs, and what cargo builds. The engine may not.
	exec setpriv --reuid $uid --regid $uid --clear-groups \
		--inh-caps +dac_override --ambient-caps +dac_override \
		"${BASH_SOURCE[0]}" as-user "$work" "$@"
}

# as-user WORK COMMAND...: the same, as the user.
as_user() {
	local work=$1 pid status=0
	shift
	# No packet filter: the containers reach nothing but the namespace of the engine.
	PATH=$dir/root/usr/bin:$newest/usr/sbin:$newest/usr/bin:$PATH \
		LD_LIBRARY_PATH=$(echo "$dir"/root/usr/lib/*/) \
		setpriv --inh-caps -dac_override --ambient-caps -dac_override \
		sh "$newest/usr/share/docker.io/contrib/dockerd-rootless.sh" \
		--data-root "$HOME/data" --iptables=false --ip6tables=false >"$work/tmp/dockerd.log" 2>&1 &
	pid=$!
	if ! began "$pid"; then
		show_end "$work/tmp/dockerd.log"
		die "the engine without root did not start"
	fi
	docker load --quiet --input "$work/images.tar" >&2
	say "Engine $(docker version --format '{{.Server.Version}}, API {{.Server.APIVersion}}') without root"
	"$@" || status=$?
	exit "$status"
}

remove_traces() { rm -rf "$work"; }

run() {
	prepare r remove_traces "$@"
	chmod 755 "$work"
	chmod 644 "$work/images.tar"
	apart "${BASH_SOURCE[0]}" inside "$work" "${command[@]}"
}

case ${1:-} in
fetch) fetch ;;
run) run "${@:2}" ;;
inside) inside "${@:2}" ;;
as-user) as_user "${@:2}" ;;
*) die "usage: rootless-engine.sh fetch, or rootless-engine.sh run IMAGE... -- COMMAND..." ;;
esac
