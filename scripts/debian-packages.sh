# shellcheck shell=bash
# What scripts share that unpack packages of Debian's and install none. Sourced after lib.sh.

# room_for_apt: $work is a new directory, which goes with this script.
room_for_apt() {
	work=$(mktemp -d)
	# shellcheck disable=SC2064 # the directory as it is called now
	trap "rm -rf '$work'" EXIT
	# apt drops its privileges for downloads, to a user who must get in here.
	chmod 755 "$work"
}

# program NAME PACKAGE: the path of a program: the one on the PATH, else that of the system's package, which is kept
# unpacked. Fails where it cannot be had, and has said why.
program() {
	# shellcheck disable=SC2154 # of lib.sh
	local unpacked=$state/$1
	command -v "$1" && return
	if [ ! -x "$unpacked/usr/bin/$1" ]; then
		have apt-get || {
			say "neither $1 nor apt-get is here"
			return 1
		}
		ensure_state
		(cd "$work" && { download "$2" || { apt-get -q update && download "$2"; }; }) >&2 || return 1
		unpack "$unpacked.new" || return 1
		{ rm -rf "$unpacked" && mv "$unpacked.new" "$unpacked"; } || return 1
	fi
	echo "$unpacked/usr/bin/$1"
}

download() { # PACKAGE
	apt-get -q -o Acquire::Retries=1 -o Acquire::http::Timeout=20 download "$1"
}

# apt_of SUITE MIRROR: `apt` is apt-get with that suite alone, and leaves the system's lists as they are.
apt_of() {
	mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
	echo "deb $2 $1 main" >"$work/sources.list"
	# shellcheck disable=SC2034 # for the caller
	apt=(apt-get -q -o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=-
		-o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache"
		-o APT::Update::Error-Mode=any -o Acquire::Languages=none
		-o Acquire::Retries=1 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20
		-o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false)
}

# unpack DIR: the packages in $work are in DIR, and nothing else is.
unpack() {
	local package
	rm -rf "$1"
	for package in "$work"/*.deb; do
		dpkg -x "$package" "$1"
	done
}
