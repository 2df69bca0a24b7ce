#!/usr/bin/env bash
# machine-engine.sh [--suite SUITE] fetch
#                                   make a machine of a Debian suite, trixie unless named, with cgroup v2, systemd
#                                   and that suite's engines; fails where that cannot be had
# machine-engine.sh [--suite SUITE] [--setting SETTING] [--rootless] run IMAGE... -- COMMAND...
#                                   run COMMAND beside it, with DOCKER_HOST naming its engine and copies
#                                   of these images of the engine in use loaded into it, and MACHINE_REBOOT
#                                   the next. SETTING is "selinux", enforced and known to the engine, or
#                                   "podman", that suite's; --rootless has the engine be a user's
# machine-engine.sh reboot          for COMMAND: reboot the machine, and wait for its engine
#
# The machine is User Mode Linux: Debian's newest kernel as a program here, so that nothing is emulated and no KVM is
# needed. COMMAND runs here, but programs that cargo runs for it, tests above all, run in the machine: their host is the
# engine's. The machine reaches no network, nothing but this script reaches it, and it ends with this script. Needs root.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/own-engine.sh
. "$root/scripts/own-engine.sh"
# shellcheck source=scripts/debian-root.sh
. "$root/scripts/debian-root.sh"

self=$root/scripts/machine-engine.sh
# Also for what this script calls, and COMMAND.
export MACHINE_SUITE=${MACHINE_SUITE:-trixie} MACHINE_SETTING=${MACHINE_SETTING:-} MACHINE_ROOTLESS=${MACHINE_ROOTLESS:-}
while :; do
	case ${1:-} in
	--suite)
		MACHINE_SUITE=${2:-}
		shift 2
		;;
	--setting)
		MACHINE_SETTING=${2:-}
		shift 2
		;;
	--rootless)
		MACHINE_ROOTLESS=yes
		shift
		;;
	*) break ;;
	esac
done
dir=$state/machine-engine
disk=$dir/$MACHINE_SUITE.ext4
# Who may log in there.
key=$dir/$MACHINE_SUITE.key
# A root directory with the kernel, which wants a newer libc than this machine may have.
kernel=$dir/kernel
log=$dir/console.$MACHINE_SUITE${MACHINE_SETTING:+.$MACHINE_SETTING}${MACHINE_ROOTLESS:+.rootless}.log
# Booting takes half a minute, on a busy machine far more, and systemd must not lose patience with its services before.
patience=1800
words=("systemd.default_timeout_start_sec=$patience" "systemd.default_device_timeout_sec=$patience"
	systemd.service_watchdogs=no net.ifnames=0)

# What systemd, the engine and the tests need.
packages=(systemd-sysv dbus udev kmod iproute2 procps netbase ca-certificates docker.io iptables
	openssh-server openssh-client openssl docker-registry selinux-policy-default policycoreutils podman netavark
	aardvark-dns crun libpam-systemd dbus-user-session rootlesskit slirp4netns passt uidmap)
# In a package of its own since.
[ "$MACHINE_SUITE" = bookworm ] || packages+=(docker-cli)

# --- The machine -------------------------------------------------------------

settle() {
	local root=$1
	cp -a "$kernel/usr/lib/uml/modules" "$root/usr/lib/"
	chroot "$root" depmod "$(ls "$kernel/usr/lib/uml/modules")"
	printf '%s\n' br_netfilter overlay tun >"$root/etc/modules-load.d/engine.conf"
	# The only other end of its network is this script.
	printf '[Match]\nName=vec0\n[Network]\nAddress=10.0.2.15/24\nGateway=10.0.2.2\n' \
		>"$root/etc/systemd/network/lan.network"
	mkdir -p "$root/etc/docker"
	# Where SELinux is off the engine goes on without. This kernel translates no addresses, and nobody asks for it.
	echo '{"selinux-enabled": true, "iptables": false, "ip6tables": false}' >"$root/etc/docker/daemon.json"
	printf '[network]\nfirewall_driver = "none"\n' >"$root/etc/containers/containers.conf"
	echo machine >"$root/etc/hostname"
	printf '127.0.0.1 localhost machine\n::1 localhost\n' >"$root/etc/hosts"
	ssh-keygen -q -t ed25519 -N '' -f "$key"
	install -D -m 600 "$key.pub" "$root/root/.ssh/authorized_keys"
	# Somebody whose services run without a login, and who may see this project where it is here.
	chroot "$root" useradd --create-home --shell /bin/bash user
	mkdir -p "$root/var/lib/systemd/linger" "$root/home/user/.config/docker"
	touch "$root/var/lib/systemd/linger/user"
	cp -r "$root/root/.ssh" "$root/home/user/"
	echo '{"ip6tables": false}' >"$root/home/user/.config/docker/daemon.json"
	# Debian's way to an engine of his looks for the command beside itself.
	ln -s /usr/bin/docker "$root/usr/share/docker.io/contrib/"
	chroot "$root" chown -R user:user /home/user
	chmod 755 "$root/root"
	# For what looks at a reboot; tests start registries of their own.
	printf 'version: 0.1\nstorage: {filesystem: {rootdirectory: /var/lib/docker-registry}}\nhttp: {addr: ":5000"}\n' \
		>"$root/etc/docker/registry/config.yml"
	chroot "$root" systemctl --quiet enable systemd-networkd ssh docker docker-registry
	chroot "$root" systemctl --quiet disable podman podman.socket podman-restart podman-auto-update.timer
	chroot "$root" systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer
	case $MACHINE_SUITE in
	bookworm) without_iptables "$root" ;;
	*) with_selinux "$root" ;;
	esac
	mke2fs -q -t ext4 -d "$root" "$disk.new" 8G
}

# Podman 4.3 wants rules for its networks and cannot be told otherwise: none is found, and each is added.
without_iptables() {
	cat >"$1/usr/sbin/iptables.none" <<-'END'
		#!/bin/sh
		case " $* " in
		*" --version "*) echo "iptables v1.8.9 (nf_tables)" ;;
		*" -C "*) exit 1 ;;
		esac
	END
	chmod 755 "$1/usr/sbin/iptables.none"
	ln -sf iptables.none "$1/usr/sbin/iptables"
	ln -sf iptables.none "$1/usr/sbin/ip6tables"
}

# By Debian's policy the ssh daemon reaches no engine for us, and the engine may not remove what it has copied. Containers
# are held to it.
with_selinux() {
	echo '(typepermissive sshd_t)(typepermissive dockerd_t)' >"$1/root/daemons.cil"
	chroot "$1" semodule --noreload --install /root/daemons.cil
	chroot "$1" setfiles -F /etc/selinux/default/contexts/files/file_contexts /
}

fetch() {
	local made=$dir/$MACHINE_SUITE
	[ ! -e "$disk" ] || return 0
	[ "$(id -u)" = 0 ] || die "making a machine needs root"
	[ "$(uname -m)" = x86_64 ] || die "only for x86_64: there is no User Mode Linux for others"
	have mke2fs || install_packages e2fsprogs
	debian_root sid "$kernel" mount user-mode-linux
	debian_root "$MACHINE_SUITE" "$made" "${packages[@]}"
	say "Making a machine of Debian's $MACHINE_SUITE"
	rm -f "$key" "$key.pub"
	logged machine-engine "$self" settle "$made"
	rm -rf "$made"
	mv "$disk.new" "$disk"
}

# --- Running -----------------------------------------------------------------

# into OPTION...: into the machine. One login is enough for all that comes after it.
into() {
	ssh -q -F none -i "$key" -o BatchMode=yes -o ConnectTimeout=60 -o StrictHostKeyChecking=no \
		-o UserKnownHostsFile=/dev/null -o ExitOnForwardFailure=yes -o StreamLocalBindUnlink=yes \
		-S "$MACHINE_ENGINE/%r" "$@"
}

# A user first, who is let in later than root: nothing is left of a login that failed.
log_in() {
	[ "$user" = root ] || into -f -N -M "$user@10.0.2.15" || return
	into -f -N -M -L "$MACHINE_ENGINE/docker.sock:$socket" root@10.0.2.15
}

log_out() {
	into -O exit root@10.0.2.15 || true
	[ "$user" = root ] || into -O exit "$user@10.0.2.15" || true
}

within() { into root@10.0.2.15 "$@"; }

# As who has the engine.
as_user() { into "$user@10.0.2.15" "$@"; }

# It sees this project where it is here. Tests keep BuildKit's client and what they build from in cargo's directory for
# that, which outlives a reboot.
share_project() {
	local made=$root/target/tmp
	mkdir -p "$made"
	# By way of mount(2), for which an option is the path here, with every version of mount(8).
	within "$(printf 'mkdir -p -m 1777 /var/tmp/made && mkdir -p %q &&
		LIBMOUNT_FORCE_MOUNT2=always mount -t hostfs -o ro,%q none %q &&
		mount --bind /var/tmp/made %q' "$root" "$root" "$root" "$made")"
}

logged_in_or_ended() { log_in || ended "$1"; }

# machine IMAGES: the machine, until it is powered off and nobody asked for it again: its own way to reboot does not let go
# of its network. What it writes to its disk goes with this script; IMAGES are its second one. Its memory is a file in
# /dev/shm. What seccomp traps, and not ptrace, costs a fifth.
machine() {
	ip link set lo up
	ip tuntap add tap0 mode tap
	ip address add 10.0.2.2/24 dev tap0
	# The machine loses packets that a network card was to divide.
	ip link set tap0 up gso_max_segs 1
	while
		(in_debian_root "$kernel" "$root" "$MACHINE_ENGINE" -- linux.uml mem=4G seccomp=on root=/dev/ubda rw \
			"ubd0=$MACHINE_ENGINE/written,$disk" "ubd1r=$1" \
			vec0:transport=tap,ifname=tap0,mac=52:54:00:12:34:56 \
			umid=machine "uml_dir=$MACHINE_ENGINE/uml" con=null con0=null,fd:1 quiet "${words[@]}" </dev/null) || true
		rm "$MACHINE_ENGINE/again" 2>/dev/null
	do :; done
}

# beside IMAGES COMMAND...: the first process of the namespaces. What is left when it ends, the kernel
# ends.
beside() {
	local images=$1 pid status=0
	shift
	# For log_in, and for what COMMAND calls.
	MACHINE_ENGINE=$(dirname "$images")
	export MACHINE_ENGINE DOCKER_HOST=unix://$MACHINE_ENGINE/docker.sock MACHINE_REBOOT="$self reboot"
	unset DOCKER_CONTEXT
	machine "$images" >"$log" 2>&1 &
	pid=$!
	if ! { until_deadline "$patience" logged_in_or_ended "$pid" && as_user "$begin" >>"$log" 2>&1 &&
		until_deadline "$patience" answers_or_ended "$pid" && answers; }; then
		show_end "$log"
		die "the machine's engine did not start; its console is in ${log#"$root"/}"
	fi
	if [ "$MACHINE_SETTING" = selinux ]; then
		[[ "$(within getenforce) $(docker info --format '{{.SecurityOptions}}')" == Enforcing*name=selinux* ]] ||
			die "SELinux is not enforced in the machine, or its engine does not know of it"
	fi
	share_project
	within "DOCKER_HOST=unix://$socket" docker load --quiet --input /dev/ubdb >&2
	say "Engine $(docker version --format '{{.Server.Version}}, API {{.Server.APIVersion}}') in a machine of its own"
	CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="$self program" "$@" || status=$?
	exit "$status"
}

remove_traces() {
	rm -rf "$work"
	# Where it was mounted.
	rmdir "$kernel$work" 2>/dev/null || true
}

run() {
	prepare m remove_traces "$@"
	apart "$self" beside "$work/images.tar" "${command[@]}"
}

# program PROGRAM ARGUMENT...: cargo's way to run a program.
program() {
	local settings line
	mapfile -t settings < <(env | grep ^ASSEMBLE_TEST_)
	# One after the other: the machine has one processor.
	printf -v line '%q ' RUST_TEST_THREADS=1 "DOCKER_HOST=unix://$socket" "${settings[@]}" "$@"
	as_user "cd $(printf %q "$PWD") && env $line"
}

reboot() {
	local before
	before=$(within "$boot")
	touch "$MACHINE_ENGINE/again"
	within systemctl poweroff || true
	until_deadline "$patience" is_another "$before" || die "the machine has not come back"
	# The connection may not have noticed that its other end is gone.
	log_out
	until_deadline "$patience" log_in || die "nobody is let into the machine any more"
	share_project
	until_deadline "$patience" answers || die "the machine's engine has not come back"
}

boot='cat /proc/sys/kernel/random/boot_id'

# is_another BOOT: by a login of its own.
is_another() {
	local now
	now=$(into -S none root@10.0.2.15 "$boot") && [ "$now" != "$1" ]
}

# Who has the engine, what he does for it once, and where its socket is then.
user=${MACHINE_ROOTLESS:+user}
user=${user:-root}
begin=true
without_docker=(systemd.mask=docker.service systemd.mask=docker.socket)
case $MACHINE_SETTING/$user in
/root | selinux/root) socket=/run/docker.sock ;;
/user)
	begin='PATH=/usr/share/docker.io/contrib:/usr/sbin:/usr/bin dockerd-rootless-setuptool.sh install --skip-iptables'
	socket=/run/user/1000/docker.sock
	words+=("${without_docker[@]}")
	;;
podman/root)
	socket=/run/podman/podman.sock
	words+=("${without_docker[@]}" systemd.wants=podman.socket systemd.wants=podman-restart.service)
	;;
podman/user)
	begin='systemctl --user enable --now podman.socket podman-restart.service'
	socket=/run/user/1000/podman/podman.sock
	words+=("${without_docker[@]}")
	;;
*) die "\"$MACHINE_SETTING\" is no setting of the machine${MACHINE_ROOTLESS:+ without root}" ;;
esac
case $MACHINE_SETTING in
selinux) words+=(security=selinux enforcing=1) ;;
*) words+=(security=none) ;;
esac
case ${1:-} in
fetch | reboot) "$1" ;;
run | beside | program | settle) "$@" ;;
*) die "usage: machine-engine.sh [--suite SUITE] fetch, or [--suite SUITE] [--setting SETTING] [--rootless] run IMAGE... -- COMMAND..." ;;
esac
