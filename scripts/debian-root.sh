# shellcheck shell=bash
# A root directory of another Debian suite, and how to run a program in it. Sourced after lib.sh.

# debian_root SUITE DIR PACKAGE...: a directory with that suite's packages, made once. Fails where no
# mirror gives them.
debian_root() {
	local suite=$1 dir=$2 log
	shift 2
	case $suite in '' | *[!a-z]*) die "\"$suite\" is not the name of a Debian suite" ;; esac
	[ ! -d "$dir" ] || return 0
	[ "$(id -u)" = 0 ] || die "a root directory of Debian's $suite needs root"
	have mmdebstrap || install_packages mmdebstrap debian-archive-keyring
	log=$(basename "$(dirname "$dir")")-$suite
	say "Fetching Debian's $suite with $*"
	logged "$log" new_debian_root "$suite" "$dir" "$(IFS=,; echo "$*")"
}

new_debian_root() { # SUITE DIR PACKAGE,...
	local mirror checks
	mirror=$(debian_mirror)
	# mmdebstrap has a configuration of apt of its own: how old a mirror may be is as this system's has it.
	mapfile -t checks < <(apt-config dump --no-empty --format '%F "%v"%n' | sed -n 's/^Acquire::Check-/--aptopt=&/p')
	rm -rf "$2.new"
	mkdir -p "$(dirname "$2")"
	mmdebstrap --variant=essential --include="$3" --format=directory \
		--aptopt='Acquire::Retries "1"' --aptopt='Acquire::http::Timeout "20"' \
		--aptopt='Acquire::https::Timeout "20"' --dpkgopt=force-unsafe-io --aptopt='APT::Install-Recommends "false"' \
		"${checks[@]}" "$1" "$2.new" "${mirror:-http://deb.debian.org/debian}" || return
	mv "$2.new" "$2"
}

# in_debian_root DIR PATH... -- COMMAND...: becomes COMMAND with DIR as its root, in a mount namespace
# of its own. These paths, /dev, /proc and /sys are the same in there as outside; /run is empty.
in_debian_root() {
	# A change of the root alone would not do: no user namespace can be made under one (clone(2)).
	# shellcheck disable=SC2016 # for the shell in there
	exec unshare --mount -- sh -ec '
		root=$1
		shift
		mount --bind "$root" "$root"
		mount -t tmpfs tmpfs "$root/run"
		while [ "$1" != -- ]; do
			mkdir -p "$root$1"
			mount --rbind "$1" "$root$1"
			shift
		done
		shift
		cd "$root"
		pivot_root . .
		umount -l .
		exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "$@"' sh "$1" /dev /proc /sys "${@:2}"
}
