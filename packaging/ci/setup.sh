#!/bin/sh
# setup.sh install  put the plugin of a release among this user's plugins of docker
# setup.sh action   what action.yml does, before the other steps of a job and after them
#
# For the images that CI has docker's command in: they have a POSIX shell, and curl or wget.
# What 'install' heeds:
#   ASSEMBLE_RELEASES  where the releases are, as https://github.com/OWNER/REPOSITORY/releases
#   ASSEMBLE_VERSION   which of them, as 1.2.3 or latest (the one that this file is of)
#   ASSEMBLE_BINARY    a file that is the plugin, in place of a release
set -eu

# A release has its own version here (scripts/release.sh).
own=latest

die() {
	echo "error: $*" >&2
	exit 1
}

# --- Installing --------------------------------------------------------------

architecture() {
	[ "$(uname -s)" = Linux ] || die "releases are for Linux, and this is $(uname -s)"
	case $(uname -m) in
	x86_64) echo amd64 ;;
	aarch64 | arm64) echo arm64 ;;
	*) die "there are releases for amd64 and arm64, and this is $(uname -m)" ;;
	esac
}

get() { # URL FILE
	if command -v curl >/dev/null; then
		curl --fail --silent --show-error --location --retry 3 --output "$2" "$1"
	else
		wget -q -O "$2" "$1"
	fi || die "\"$1\" cannot be had"
}

# release DIRECTORY: the plugin out of a release, into that directory; its path.
release() {
	[ -n "${ASSEMBLE_RELEASES:-}" ] ||
		die "ASSEMBLE_RELEASES names no releases; export it, as https://github.com/OWNER/REPOSITORY/releases"
	command -v sha256sum >/dev/null || die "sha256sum is not installed, and a release is looked at with it"
	name=docker-assemble-linux-$(architecture) || exit
	version=${ASSEMBLE_VERSION:-$own}
	case $version in
	latest) files=$ASSEMBLE_RELEASES/latest/download ;;
	*) files=$ASSEMBLE_RELEASES/download/v${version#v} ;;
	esac
	get "$files/$name" "$1/$name"
	get "$files/SHA256SUMS" "$1/SHA256SUMS"
	grep " [ *]$name\$" "$1/SHA256SUMS" >"$1/sum" || die "SHA256SUMS of the release does not name \"$name\""
	(cd "$1" && sha256sum -c sum) >&2 || die "\"$files/$name\" is not what SHA256SUMS says"
	echo "$1/$name"
}

install() {
	plugins=${DOCKER_CONFIG:-$HOME/.docker}/cli-plugins
	mkdir -p "$plugins"
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	binary=${ASSEMBLE_BINARY:-}
	[ -n "$binary" ] || binary=$(release "$work")
	# One that runs may not be written to, but for its name; and others may be at this too.
	new=$(mktemp "$plugins/.docker-assemble.XXXXXX")
	trap 'rm -rf "$work" "$new"' EXIT
	cp "$binary" "$new"
	chmod 755 "$new"
	mv -f "$new" "$plugins/docker-assemble"
	docker assemble version
}

# --- The action --------------------------------------------------------------

# option NAME VALUE: an option of start, where the job gives it; else a variable of the job may.
option() {
	[ -z "$2" ] || export "DOCKER_ASSEMBLE_$1=$2"
}

action() {
	option NAME "${INPUT_NAME:-}"
	# After the job, whatever became of it, GitHub gives what was saved before it.
	if [ -n "${STATE_begun:-}" ]; then
		[ -n "${STATE_backend:-}" ] || exit 0
		[ "${INPUT_CLEANUP:-true}" != true ] || exec docker assemble backend stop --wait --timeout 1m
		exit
	fi
	echo "begun=true" >>"$GITHUB_STATE"
	# The action of a release installs that release.
	here=$(dirname "$0")/../..
	ASSEMBLE_RELEASES=${GITHUB_SERVER_URL:-}/${GITHUB_ACTION_REPOSITORY:-${GITHUB_REPOSITORY:-}}/releases
	ASSEMBLE_VERSION=${INPUT_VERSION:-$(sed -n '/^\[workspace.package\]/,/^$/s/^version = "\(.*\)"/\1/p' "$here/Cargo.toml")}
	ASSEMBLE_BINARY=${INPUT_BINARY:-}
	install
	option ALLOW_HOST_PORT "${INPUT_PORTS:-}"
	option FORWARD "${INPUT_FORWARD:-}"
	option CACHE_VOLUME "${INPUT_CACHE:-}"
	option CONFIG "${INPUT_CONFIG:-}"
	option DRIVER_OPT "${INPUT_DRIVER_OPTS:-}"
	option BUILDKITD_FLAGS "${INPUT_BUILDKITD_FLAGS:-}"
	option USE "${INPUT_USE:-}"
	echo "backend=started" >>"$GITHUB_STATE"
	docker assemble backend start
	builder=$(docker assemble backend info --format '{{.Name}}')
	echo "name=$builder" >>"$GITHUB_OUTPUT"
	# Another job of the same login may choose another builder meanwhile.
	[ -z "${INPUT_NAME:-}" ] || {
		echo "DOCKER_ASSEMBLE_NAME=$INPUT_NAME"
		[ "${INPUT_USE:-true}" != true ] || echo "BUILDX_BUILDER=$builder"
	} >>"$GITHUB_ENV"
}

case ${1:-} in
install) install ;;
action) action ;;
*) die "usage: setup.sh install|action" ;;
esac
