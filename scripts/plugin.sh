#!/usr/bin/env bash
# Prints the path of a buildx binary: the installed Docker plugin, else the one
# from Debian 13, unpacked into our own state directory. The system's packages
# and apt sources stay as they are.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

own=$state/buildx/usr/libexec/docker/cli-plugins/docker-buildx

installed() {
	docker info --format '{{range .ClientInfo.Plugins}}{{if eq .Name "buildx"}}{{.Path}}{{end}}{{end}}' 2>/dev/null || true
}

download() {
	local mirror
	mirror=$(debian_mirror)
	[ -n "$mirror" ] || die "buildx is not installed; add Docker's buildx plugin to this machine"
	ensure_state
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	# apt drops its privileges for downloads, to a user who must get in here.
	chmod 755 "$work"
	mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
	echo "deb $mirror trixie main" >"$work/sources.list"
	local apt=(apt-get -q -o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=-
		-o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache")
	say "Fetching buildx from Debian 13"
	cd "$work"
	logged buildx-update "${apt[@]}" update
	logged buildx-download "${apt[@]}" download docker-buildx
	dpkg -x docker-buildx_*.deb "$state/buildx.new"
	rm -rf "$state/buildx"
	mv "$state/buildx.new" "$state/buildx"
}

path=$(installed)
if [ -z "$path" ]; then
	[ -x "$own" ] || download
	path=$own
fi
echo "$path"
