#!/usr/bin/env bash
# Builds the BuildKit image in this folder and prints its reference. Does
# nothing when the engine already holds an image of the same recipe.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib.sh
. "$here/../../scripts/lib.sh"

suite=trixie
recipe=$({ echo "$suite" && cat "$here/Dockerfile"; } | sha256sum | cut -c1-12)
image=assemble-backend:$recipe

sources() { printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\n' "$1" "$suite"; }

# The folder laid over /etc/apt while the image is built: the mirror, proxy and
# credentials of this machine's apt, and its CA certificates (a slim base image
# has none). The last stage of the Dockerfile leaves all of it behind.
write_apt_settings() {
	local apt=$1 mirror
	mkdir -p "$apt/apt.conf.d" "$apt/sources.list.d"
	mirror=$(debian_mirror)
	[ -z "$mirror" ] || sources "$mirror" >"$apt/sources.list.d/debian.sources"
	apt-config dump --no-empty --format '%F "%v";%n' |
		grep -E '^Acquire::(http|https|Check-[^:]*|Retries|ForceIPv[46])(::| )' |
		grep -v -E '::(CAInfo|CAPath|SslCert|SslKey|Proxy-Auto-Detect|ProxyAutoDetect)' \
			>"$apt/apt.conf.d/zz-building-machine" || true
	if [ -s /etc/ssl/certs/ca-certificates.crt ]; then
		cp /etc/ssl/certs/ca-certificates.crt "$apt/building-machine.crt"
		echo 'Acquire::https::CAInfo "/etc/apt/building-machine.crt";' >>"$apt/apt.conf.d/zz-building-machine"
	fi
	[ ! -d /etc/apt/auth.conf.d ] || cp -r /etc/apt/auth.conf.d "$apt/"
	[ ! -f /etc/apt/auth.conf ] || cp /etc/apt/auth.conf "$apt/"
}

# Prints the base image: Debian's own, or the same made with debootstrap where
# it cannot be pulled.
base_image() {
	local official=debian:$suite-slim own=assemble-backend-base:$suite mirror
	if local_image "$official" || pull "$official"; then
		echo "$official"
		return
	fi
	if ! local_image "$own"; then
		[ "$(id -u)" = 0 ] || die "$official cannot be pulled, and making it with debootstrap needs root"
		have debootstrap || die "$official cannot be pulled and debootstrap is not installed"
		say "Making the base image with debootstrap ($official cannot be pulled; half a minute)"
		# shellcheck disable=SC2046 # no mirror known: no argument at all
		logged debootstrap debootstrap --variant=minbase "$suite" "$work/base" $(debian_mirror)
		# The same file as in Debian's own image, for the settings to replace.
		read -r _ mirror _ <"$work/base/etc/apt/sources.list"
		sources "$mirror" >"$work/base/etc/apt/sources.list.d/debian.sources"
		rm "$work/base/etc/apt/sources.list"
		tar -C "$work/base" -c --exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' . |
			docker import - "$own" >/dev/null
	fi
	echo "$own"
}

if ! local_image "$image"; then
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	base=$(base_image)
	mkdir "$work/context"
	cp "$here/Dockerfile" "$work/context/"
	write_apt_settings "$work/context/apt"

	proxies=()
	for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
		[ -z "${!name:-}" ] || proxies+=(--build-arg "$name")
	done
	say "Building the backend image from Debian's packages (once; two to five minutes)"
	# Where buildx is the builder, the one inside the engine: only that one has
	# the base image, and leaves its result there.
	BUILDX_BUILDER=$(docker_context) logged backend-image \
		docker build --force-rm "${proxies[@]}" --build-arg "BASE=$base" \
		--label "$label_prefix.recipe=$recipe" --tag "$image" "$work/context"
	# The stages that built it take gigabytes.
	docker image prune --force --filter "label=$label_prefix.stage=backend" >/dev/null
fi
docker tag "$image" assemble-backend:local
echo "$image"
