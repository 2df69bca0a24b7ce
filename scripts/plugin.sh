#!/usr/bin/env bash
# plugin.sh buildx|compose
#
# Prints the path of that plugin of docker's: the installed one, else the one from Debian 13, unpacked into
# our own state directory. The system's packages and apt sources stay as they are.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/debian-packages.sh
. "$root/scripts/debian-packages.sh"

case ${1:-} in
buildx | compose) plugin=$1 ;;
*) die "usage: plugin.sh buildx|compose" ;;
esac
dir=$state/$plugin
own=$dir/usr/libexec/docker/cli-plugins/docker-$plugin

installed() {
	local format="{{range .ClientInfo.Plugins}}{{if eq .Name \"$plugin\"}}{{.Path}}{{end}}{{end}}"
	docker info --format "$format" 2>/dev/null || true
}

download() {
	local mirror apt
	mirror=$(debian_mirror)
	[ -n "$mirror" ] || die "$plugin is not installed; add Docker's $plugin plugin to this machine"
	ensure_state
	room_for_apt
	apt_of trixie "$mirror"
	say "Fetching $plugin from Debian 13"
	cd "$work"
	logged "$plugin-update" "${apt[@]}" update
	logged "$plugin-download" "${apt[@]}" download "docker-$plugin"
	unpack "$dir.new"
	rm -rf "$dir"
	mv "$dir.new" "$dir"
}

path=$(installed)
if [ -z "$path" ]; then
	[ -x "$own" ] || download
	path=$own
fi
echo "$path"
