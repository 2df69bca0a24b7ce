#!/usr/bin/env bash
# other-kernel.sh [SUITE [PART-OF-A-NAME...]]
#
# Runs the relay's tests, or those with such names, on the kernel of a Debian suite: in a virtual
# machine that is emulated (no KVM is needed), has nothing but that suite's packages and cgroup v2, and
# reaches no network. Without words it is trixie, whose Linux 6.12 has another `struct tcp_info` than
# most libraries; bookworm has 6.1. It is some ten times slower than the real machine. Making one takes
# some minutes, once, and needs root.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/debian-root.sh
. "$root/scripts/debian-root.sh"
cd "$root"

suite=${1:-trixie}
parts=("${@:2}")
machine=$state/other-kernel/$suite
log=$state/other-kernel/$suite.log
# Far beyond what a run takes on a busy machine.
limit=7200

case $suite in *[!a-z]*) die "\"$suite\" is not the name of a Debian suite" ;; esac

# --- The machine -------------------------------------------------------------

# Its first and only process: unpacks the second disk and does what that says.
first_process() {
	cat <<-'END'
		#!/bin/sh
		export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
		mountpoint -q /proc || mount -t proc proc /proc
		mountpoint -q /sys || mount -t sysfs sysfs /sys
		mount -t cgroup2 cgroup2 /sys/fs/cgroup
		mount -t tmpfs tmpfs /tmp
		ip link set lo up
		tar -xf /dev/vdb -C /
		sh /job
		echo "THE END $?"
		echo o >/proc/sysrq-trigger
		sleep 60
	END
}

# settle ROOT: a kernel, its initrd and a disk of this.
settle() {
	local work=$machine.new
	rm -rf "$work"
	mkdir "$work"
	first_process >"$1/first-process"
	chmod +x "$1/first-process"
	cp "$1"/boot/vmlinuz-* "$work/vmlinuz"
	cp "$1"/boot/initrd.img-* "$work/initrd"
	mke2fs -q -t ext4 -d "$1" "$work/disk" 3G
	rm -rf "$1"
	mv "$work" "$machine"
}

make_machine() {
	local missing=() made=$state/other-kernel/$suite.root
	[ "$(id -u)" = 0 ] || die "making a machine of $suite needs root"
	[ "$(uname -m)" = x86_64 ] || die "only for x86_64: the machine that is emulated runs what is compiled here"
	have qemu-system-x86_64 || missing+=(qemu-system-x86)
	have mke2fs || missing+=(e2fsprogs)
	install_packages ${missing[@]+"${missing[@]}"}
	debian_root "$suite" "$made" linux-image-cloud-amd64 iproute2 procps
	say "Making a machine of Debian's $suite"
	settle "$made"
}

# --- The tests ---------------------------------------------------------------

compile() {
	cargo test --locked --package assemble-proxy --no-run --message-format=json >"$state/other-kernel/build.json"
}

# The programs that cargo has made, with a profile of this kind in its own words: "test":true or false.
programs() {
	sed -n "/\"test\":$1},\"features\".*\"executable\":\"/s/.*\"executable\":\"\([^\"]*\)\".*/\1/p" "$state/other-kernel/build.json"
}

# What goes along: the programs and the sources that tests read, at the same places as here.
pack() {
	local work=$1 program filters=''
	[ ${#parts[@]} = 0 ] || printf -v filters ' %q' "${parts[@]}"
	[ -n "$(programs true)" ] || die "cargo has not told where it put the tests"
	{
		printf 'cd %q || exit\nuname -r\nstatus=0\n' "$root/sidecar"
		while read -r program; do
			printf '%q --color=never%s || status=1\n' "$program" "$filters"
		done < <(programs true)
		# shellcheck disable=SC2016 # for the shell in there
		echo 'exit $status'
	} >"$work/job"
	{
		programs true && programs false
		printf '%s\n' "$root/sidecar" "$root/tests" "$root/docs"
	} | sed 's|^/||' >"$work/files"
	tar -cf "$work/disk" -C / --files-from "$work/files" -C "$work" job
}

# boot FILE: the machine, to its end, its console on standard output. FILE is its second disk. Nothing that it writes is
# kept. Its kernel leaves out what keeps programs from spying on each other: with it, each system call would have qemu
# forget what it knows of the memory.
boot() {
	timeout "$limit" qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 2G -nic none -no-reboot \
		-display none -monitor none -serial stdio \
		-kernel "$machine/vmlinuz" -initrd "$machine/initrd" \
		-append "root=/dev/vda rw console=ttyS0 quiet panic=-1 mitigations=off init=/first-process" \
		-drive "file=$machine/disk,if=virtio,format=raw,snapshot=on" \
		-drive "file=$1,if=virtio,format=raw,readonly=on" </dev/null
}

ensure_state
mkdir -p "$state/other-kernel"
[ -d "$machine" ] || make_machine
say "Compiling the relay's tests"
logged other-kernel-tests compile
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
pack "$work"
say "Booting; its console is also in ${log#"$root"/}"
boot "$work/disk" | sed -u 's/\r//g' | tee "$log" || true
grep -q '^THE END' "$log" || die "the machine of $suite has not come to the end of the tests"
grep -q '^THE END 0$' "$log" || die "tests failed on the kernel of $suite"
say "The relay's tests passed on Linux $(sed -n '/^[0-9]*\.[0-9]*\.[0-9]/{p;q}' "$log")"
