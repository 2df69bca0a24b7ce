#!/usr/bin/env bash
# plugin.sh buildx|compose
#
# Prints the path of that plugin of docker's: the installed one, else the one from Debian 13, unpacked into
# our own state directory. The system's packages and apt sources stay as they are.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

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
	local mirror
	mirror=$(debian_mirror)
	[ -n "$mirror" ] || die "$plugin is not installed; add Docker's $plugin plugin to this machine"
	ensure_state
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	# apt drops its privileges for downloads, to a user who must get in here.
	chmod 755 "$work"
	mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
	echo "deb $mirror trixie main" >"$work/sources.list"
	local apt=(apt-get -q -o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=-
		-o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache")
	say "Fetching $plugin from Debian 13"
	cd "$work"
	logged "$plugin-update" "${apt[@]}" update
	logged "$plugin-download" "${apt[@]}" download "docker-$plugin"
	dpkg -x "docker-${plugin}"_*.deb "$dir.new"
	rm -rf "$dir"
	mv "$dir.new" "$dir"
}

path=$(installed)
if [ -z "$path" ]; then
	[ -x "$own" ] || download
	path=$own
fi
echo "$path"
