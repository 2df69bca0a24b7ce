#!/usr/bin/env bash
# Prints a tiny base image for test and demo builds, made from Debian's static
# busybox, so that they need no image registry.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/debian-packages.sh
. "$root/scripts/debian-packages.sh"

image=assemble-test/busybox:local

if ! local_image "$image"; then
	ensure_state
	room_for_apt
	cd "$work"
	say "Making the test image from Debian's busybox-static"
	[ -n "$(apt-cache policy busybox-static 2>/dev/null)" ] || logged apt-update apt-get update -q
	logged busybox apt-get download -q busybox-static
	unpack package
	mkdir -p rootfs/bin rootfs/etc rootfs/tmp
	chmod 1777 rootfs/tmp
	echo 'root:x:0:0:root:/:/bin/sh' >rootfs/etc/passwd
	# In /bin or /usr/bin, depending on the release of Debian.
	find package -path '*/bin/busybox' -exec cp {} rootfs/bin/ \;
	rootfs/bin/busybox --list | grep -vx busybox | while read -r applet; do
		ln -s busybox "rootfs/bin/$applet"
	done
	tar -C rootfs --owner=0 --group=0 --numeric-owner -c . |
		docker import --change 'ENV PATH=/bin' --change 'CMD ["sh"]' - "$image" >/dev/null
fi
echo "$image"
