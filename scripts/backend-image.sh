#!/usr/bin/env bash
# Prints the BuildKit image to run as the backend: the one asked for in the
# environment, else BuildKit's own, else one built here from Debian's packages.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

official=moby/buildkit:buildx-stable-1

if [ -n "${DOCKER_ASSEMBLE_BACKEND_IMAGE:-}" ]; then
	echo "$DOCKER_ASSEMBLE_BACKEND_IMAGE"
elif local_image "$official" || pull "$official"; then
	echo "$official"
else
	exec "$root/images/backend/build.sh"
fi
