#!/usr/bin/env bash
# Installs what building, testing and the demo need, and only what is missing.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

missing=()
need() { # COMMAND PACKAGE
	have "$1" || missing+=("$2")
}

have cargo || die "cargo is not installed; see https://rustup.rs"

need cc gcc
need curl curl
need debootstrap debootstrap
need docker-registry docker-registry
need git git
need ip iproute2
need make make
if ! have docker || ! timeout 10 docker version >/dev/null 2>&1; then
	need dockerd docker.io
	# The command line is a package of its own from Debian 13 on.
	need docker docker-cli
	# Without systemd something else has to mount the cgroups an engine needs.
	mountpoint -q /sys/fs/cgroup || missing+=(cgroupfs-mount)
fi

[ ${#missing[@]} -gt 0 ] || exit 0
have apt-get || die "missing: ${missing[*]}; only Debian's apt is known here, install them by hand"
[ "$(id -u)" = 0 ] || die "missing: ${missing[*]}; run scripts/setup.sh as root once to install them"

say "Installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
logged apt-update apt-get update -q
[ -n "$(apt-cache pkgnames docker-cli)" ] || missing=("${missing[@]/docker-cli/docker.io}")
logged apt-install apt-get install -qy --no-install-recommends "${missing[@]}"
