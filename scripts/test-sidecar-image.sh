#!/usr/bin/env bash
# Builds Dockerfile.sidecar and checks the image that comes out. Its first stage
# needs a Rust image from a registry, so a binary compiled on this machine as that
# stage does it stands in for it. Everything after that stage is built as written.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

name=assemble-sidecar-test-$$
work=$(mktemp -d)
export BUILDX_CONFIG=$work/buildx

cleanup() {
	docker rm --force --volumes "$name" >/dev/null 2>&1 || true
	docker image rm "$name" >/dev/null 2>&1 || true
	rm -rf "$work"
}
trap cleanup EXIT

buildkit_answers() { docker exec "$name" buildctl debug workers >/dev/null 2>&1; }

# A BuildKit of our own: engines before 23.0 have one that is too old for
# --build-context.
start_buildkit() {
	docker run --detach --name "$name" \
		--cap-add SYS_ADMIN --cap-add NET_ADMIN --cap-add SYS_PTRACE \
		--security-opt seccomp=unconfined --security-opt apparmor=unconfined \
		--security-opt systempaths=unconfined \
		--cgroupns host --volume /sys/fs/cgroup:/sys/fs/cgroup "$1" >/dev/null
	until_deadline 30 buildkit_answers || {
		docker logs --tail 20 "$name" >&2
		die "BuildKit did not start from $1"
	}
}

expect() { # WHAT WANTED FOUND
	[ "$2" = "$3" ] || die "the sidecar image's $1 is '$3', not '$2'"
}

buildx=$("$root/scripts/plugin.sh" buildx)
backend_image=$("$root/scripts/backend-image.sh")

cd "$root"
mkdir -p "$work/build/out"
logged sidecar "$root/scripts/sidecar.sh" shipped
cp "$(tail -n 1 "$state/sidecar.log")" "$work/build/out/assemble-proxy"
install -d -m 700 "$work/build/out/run/assemble"

start_buildkit "$backend_image"
"$buildx" create --name "$name" --driver remote "docker-container://$name" >/dev/null
logged sidecar-image "$buildx" build --builder "$name" --file Dockerfile.sidecar \
	--build-context "build=$work/build" --tag "$name" --load .

expect user 65532:65532 "$(docker image inspect --format '{{.Config.User}}' "$name")"
expect entrypoint '[/assemble-proxy]' "$(docker image inspect --format '{{.Config.Entrypoint}}' "$name")"
size=$(docker image inspect --format '{{.Size}}' "$name")
[ "$size" -lt 3000000 ] || die "the sidecar image has $size bytes, more than 3 MB"
help=$(docker run --rm --read-only --cap-drop ALL --network none "$name" --help) ||
	die "the sidecar image does not run"
[[ $help == *Usage:* ]] || die "the sidecar image prints no usage: $help"
say "The image of Dockerfile.sidecar works: $((size / 1000)) kB, user 65532:65532"
