# shellcheck shell=bash
# Virtual machines of a Debian suite, for the scripts that want another kernel or cgroup v2. Sourced
# after lib.sh, never run.
#
# They are emulated, so that no KVM is needed, and some ten to twenty times slower than the real one.
# A machine is a directory with a kernel, its initrd and a disk. Nothing that one writes is kept. Its kernel
# leaves out what keeps programs from spying on each other: with it, each system call would have qemu forget
# what it knows of the memory.

# machine_tools: installs what making and running them needs.
machine_tools() {
	local missing=()
	[ "$(uname -m)" = x86_64 ] || die "only for x86_64: the machine that is emulated runs what is compiled here"
	have qemu-system-x86_64 || missing+=(qemu-system-x86)
	have mmdebstrap || missing+=(mmdebstrap)
	have mke2fs || missing+=(e2fsprogs)
	install_packages "${missing[@]}"
}

# make_machine DIRECTORY SUITE SIZE CHANGE [PACKAGE,...]: one with these packages beside those that all
# have. CHANGE is called with the root directory of its disk.
make_machine() {
	local machine=$1 suite=$2 size=$3 change=$4 work=$1.new mirror
	rm -rf "$work"
	mkdir -p "$work"
	mirror=$(debian_mirror)
	mmdebstrap --variant=essential --include="linux-image-cloud-amd64,iproute2,procps${5:+,$5}" \
		--format=directory "$suite" "$work/root" "${mirror:-http://deb.debian.org/debian}"
	"$change" "$work/root"
	cp "$work"/root/boot/vmlinuz-* "$work/vmlinuz"
	cp "$work"/root/boot/initrd.img-* "$work/initrd"
	mke2fs -q -t ext4 -d "$work/root" "$work/disk" "$size"
	rm -rf "$work/root"
	mv "$work" "$machine"
}

# emulate DIRECTORY FILE WORDS OPTION...: runs the machine to its end, its console on standard output.
# FILE is its second disk, which it may read; WORDS go to its kernel, the rest to qemu. It may take $limit
# seconds, where that is set.
emulate() {
	local machine=$1 file=$2 words=$3
	shift 3
	timeout "${limit:-0}" qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 \
		-display none -monitor none -serial stdio \
		-kernel "$machine/vmlinuz" -initrd "$machine/initrd" \
		-append "root=/dev/vda rw console=ttyS0 quiet panic=-1 mitigations=off $words" \
		-drive "file=$machine/disk,if=virtio,format=raw,snapshot=on" \
		-drive "file=$file,if=virtio,format=raw,readonly=on" "$@" </dev/null
}
