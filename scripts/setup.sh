#!/usr/bin/env bash
# Installs what building, testing and the demo need, and only what is missing.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

missing=()
need() { # COMMAND PACKAGE...
	have "$1" || missing+=("${@:2}")
}

have cargo || die "cargo is not installed; see https://rustup.rs"

if ! { cargo fmt --version && cargo clippy --version; } >/dev/null 2>&1; then
	logged rustup rustup component add rustfmt clippy
fi

need cc gcc libc6-dev
need curl curl ca-certificates
need debootstrap debootstrap
# Compose 1 on Debian 12.
need docker-compose docker-compose
registry_was_here=$(command -v docker-registry || true)
need docker-registry docker-registry
need git git
need ip iproute2
need kill procps
# For what only Python packages have (scripts/check-manifest.sh); Debian's python3 comes without.
python_with_venv >/dev/null || missing+=(python3-venv)
need make make
need nft nftables
# For the action, which GitHub runs with its own.
need node nodejs
need shellcheck shellcheck
# Packages for one test each, and their services: nobody asked to have these running, not for a moment.
declare -A asleep=()
have sshd || asleep[openssh-server]='ssh.service ssh.socket'
have firewalld || asleep[firewalld]=firewalld.service
missing+=("${!asleep[@]}")
need wget wget
if ! have docker || ! timeout 10 docker version >/dev/null 2>&1; then
	{ have dockerd && have docker; } || missing+=(docker.io)
	# Without systemd something else has to mount the cgroups an engine needs.
	mountpoint -q /sys/fs/cgroup || missing+=(cgroupfs-mount)
fi

[ ${#missing[@]} -gt 0 ] || exit 0
have apt-get || die "missing: ${missing[*]}; only Debian's apt is known here, install them by hand"
[ "$(id -u)" = 0 ] || die "missing: ${missing[*]}; run scripts/setup.sh as root once to install them"

export DEBIAN_FRONTEND=noninteractive
say "Installing ${missing[*]}"
logged apt-update apt-get update -q
# The command line is a package of its own from Debian 13 on.
if ! have docker && [ -n "$(apt-cache pkgnames docker-cli)" ]; then
	missing+=(docker-cli)
fi
if [ ${#asleep[@]} -gt 0 ]; then
	without_daemons logged apt-asleep apt-get install -qy --no-install-recommends "${!asleep[@]}"
	# shellcheck disable=SC2048,SC2086 # several names of units in one
	[ ! -d /run/systemd/system ] || systemctl disable ${asleep[*]} >/dev/null 2>&1 || true
fi
logged apt-install apt-get install -qy --no-install-recommends "${missing[@]}"

# Its package also starts it as a service, on the port people want for their own.
if [ -z "$registry_was_here" ] && [ -d /run/systemd/system ]; then
	systemctl disable --now docker-registry >/dev/null 2>&1 || true
fi
