#!/usr/bin/env bash
# machine-engine.sh fetch           make a virtual machine of Debian's stable suite with cgroup v2, systemd
#                                   and that suite's engine; fails where that cannot be had
# machine-engine.sh run IMAGE... -- COMMAND...
#                                   run COMMAND beside it, with DOCKER_HOST naming its engine and copies
#                                   of these images of the engine in use loaded into it, and
#                                   ASSEMBLE_TEST_REBOOT the next
# machine-engine.sh reboot          for COMMAND: reboot the machine, and wait for its engine
#
# COMMAND runs here, but programs that cargo runs for it, tests above all, run in the machine: their
# host is the engine's. The machine reaches no network, nothing but this script reaches it, and it ends
# with this script. Needs root.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/own-engine.sh
. "$root/scripts/own-engine.sh"
# shellcheck source=scripts/machine.sh
. "$root/scripts/machine.sh"

self=$root/scripts/machine-engine.sh
suite=trixie
dir=$state/machine-engine
machine=$dir/$suite
log=$dir/console.log
# Booting takes a minute or two, on a busy machine far more, and systemd must not lose patience with its
# services before.
patience=1800
words="net.ifnames=0 systemd.default_timeout_start_sec=$patience systemd.default_device_timeout_sec=$patience"
words+=' systemd.service_watchdogs=no systemd.mask=serial-getty@ttyS0.service'

# What systemd, the engine and the tests need.
packages=systemd-sysv,dbus,udev,netbase,ca-certificates,docker.io,docker-cli,iptables,nftables,openssh-server
packages+=,openssh-client,openssl,docker-registry

# --- The machine -------------------------------------------------------------

settle() {
	local root=$1
	# The only other end of its network is this script.
	printf '[Match]\nName=eth0\n[Network]\nAddress=10.0.2.15/24\nGateway=10.0.2.2\n' \
		>"$root/etc/systemd/network/lan.network"
	echo machine >"$root/etc/hostname"
	printf '127.0.0.1 localhost machine\n::1 localhost\n' >"$root/etc/hosts"
	ssh-keygen -q -t ed25519 -N '' -f "$dir/key"
	install -D -m 600 "$dir/key.pub" "$root/root/.ssh/authorized_keys"
	# For what looks at a reboot; tests start registries of their own.
	printf 'version: 0.1\nstorage: {filesystem: {rootdirectory: /var/lib/docker-registry}}\nhttp: {addr: ":5000"}\n' \
		>"$root/etc/docker/registry/config.yml"
	chroot "$root" systemctl --quiet enable systemd-networkd ssh docker docker-registry
	chroot "$root" systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer
}

fetch() {
	[ ! -d "$machine" ] || return 0
	[ "$(id -u)" = 0 ] || die "making a machine needs root"
	machine_tools
	mkdir -p "$dir"
	rm -f "$dir/key" "$dir/key.pub"
	say "Making a virtual machine of Debian's $suite"
	logged machine-engine make_machine "$machine" "$suite" 8G settle "$packages"
}

# --- Running -----------------------------------------------------------------

# ssh OPTION...: into the machine. The address and the port are those of a namespace of our own. One
# login is enough for all that comes after it: it takes the machine half a minute where it is slow.
into() {
	ssh -q -F none -i "$dir/key" -o BatchMode=yes -o ConnectTimeout=60 -o StrictHostKeyChecking=no \
		-o UserKnownHostsFile=/dev/null -o ExitOnForwardFailure=yes -o StreamLocalBindUnlink=yes \
		-S "$MACHINE_ENGINE/ssh" "$@"
}

log_in() { into -f -N -M -L "$MACHINE_ENGINE/docker.sock:/run/docker.sock" root@127.0.0.1; }

within() { into root@127.0.0.1 "$@"; }

logged_in_or_ended() { log_in || ended "$1"; }

# beside IMAGES COMMAND...: the first process of the namespaces. What is left when it ends, the kernel
# ends.
beside() {
	local images=$1 pid status=0
	shift
	# For log_in, and for what COMMAND calls.
	MACHINE_ENGINE=$(dirname "$images")
	export MACHINE_ENGINE DOCKER_HOST=unix://$MACHINE_ENGINE/docker.sock ASSEMBLE_TEST_REBOOT="$self reboot"
	export ASSEMBLE_TEST_TIMES_LONGER=6
	unset DOCKER_CONTEXT
	ip link set lo up
	TMPDIR=$MACHINE_ENGINE emulate "$machine" "$images" "$words" -m 4G \
		-nic user,model=virtio-net-pci,restrict=on,hostfwd=tcp:127.0.0.1:22-:22 >"$log" 2>&1 &
	pid=$!
	if ! until_deadline "$patience" logged_in_or_ended "$pid" || ! until_deadline "$patience" answers; then
		show_end "$log"
		die "the machine's engine did not start; its console is in ${log#"$root"/}"
	fi
	within docker load --quiet --input /dev/vdb >&2
	say "Engine $(docker version --format '{{.Server.Version}}, API {{.Server.APIVersion}}') in a virtual machine"
	CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="$self program" "$@" || status=$?
	exit "$status"
}

remove_traces() { rm -rf "$work"; }

run() {
	prepare m remove_traces "$@"
	apart "$self" beside "$work/images.tar" "${command[@]}"
}

# program PROGRAM ARGUMENT...: cargo's way to run a program. What it reads goes along, to the same places
# as here.
program() {
	local target line settings
	mapfile -t settings < <(env | grep ^ASSEMBLE_TEST_)
	target=$(dirname "$1")
	target=${target%/deps}
	{
		printf '%s\n' "$1" "$root/tests" "$root/orchestrator/Cargo.toml"
		find "$target" -maxdepth 1 -name 'docker-assemble' -o -maxdepth 1 -name 'assemble-proxy*' ! -name '*.d'
		[ -z "${ASSEMBLE_TEST_BUILDX:-}" ] || echo "$ASSEMBLE_TEST_BUILDX"
	} | sed 's|^/||' | tar -cz -C / --files-from - | within tar -xz --keep-directory-symlink -C /
	printf -v line ' %q' "${settings[@]}" "$@"
	# One after the other: with two at once, BuildKit's clients give up before they are answered.
	within "mkdir -p ${target%/*}/tmp && cd $PWD && env RUST_TEST_THREADS=1 $line"
}

reboot() {
	local before
	before=$(within "$boot")
	within systemctl reboot || true
	until_deadline "$patience" is_another "$before" || die "the machine has not come back"
	# The connection may not have noticed that its other end is gone.
	into -O exit root@127.0.0.1 || true
	log_in
	until_deadline "$patience" answers || die "the machine's engine has not come back"
}

boot='cat /proc/sys/kernel/random/boot_id'

# is_another BOOT: by a login of its own.
is_another() {
	local now
	now=$(into -S none root@127.0.0.1 "$boot") && [ "$now" != "$1" ]
}

case ${1:-} in
fetch | reboot) "$1" ;;
run | beside | program) "$@" ;;
*) die "usage: machine-engine.sh fetch, or machine-engine.sh run IMAGE... -- COMMAND..." ;;
esac
