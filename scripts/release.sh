#!/usr/bin/env bash
# release.sh notes [TAG]        print what the changelog says of this version; fails if it says nothing, or
#                               if TAG, as v1.2.3, names another one
# release.sh gather FROM TO     the packages that 'make dist' made for each architecture, in the directories
#                               of FROM, as the files of one release
# release.sh image FILES NAME   push the sidecar's image of all architectures in FILES as NAME:VERSION
# release.sh publish FILES TAG  make the release on GitHub
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

version=$(sed -n '/^\[workspace.package\]/,/^$/s/^version = "\(.*\)"/\1/p' "$root/Cargo.toml")

notes() { # [TAG]
	local said
	[ "${1:-v$version}" = "v$version" ] || die "the tag is \"$1\", and the tree is of version $version"
	said=$(awk -v heading="## $version " '/^## / { within = index($0, heading) == 1; next } within' "$root/CHANGELOG.md")
	[ -n "$said" ] || die "CHANGELOG.md has no section \"$version\""
	printf '%s\n' "${said#$'\n'}"
}

gather() { # FROM TO
	local directory
	mkdir -p "$2"
	for directory in "$1"/*/; do
		(cd "$directory" && sha256sum --check --quiet SHA256SUMS) || die "the files in $directory are not what was made"
		cp "$directory"* "$2"
	done
	# It installs what it came with, also when there is a later one.
	sed "s/^own=latest\$/own=$version/" "$root/packaging/ci/setup.sh" >"$2/setup.sh"
	rm "$2/SHA256SUMS"
	(cd "$2" && sha256sum -- * >SHA256SUMS)
}

# The names of repositories are in small letters, those of their owners need not be.
image() { # FILES NAME
	local name=${2,,} file arch all=()
	for file in "$1"/*.oci.tar; do
		arch=${file%.oci.tar}
		arch=${arch##*-}
		skopeo copy "oci-archive:$file" "docker://$name:$version-$arch"
		all+=("$name:$version-$arch")
	done
	docker buildx imagetools create --tag "$name:$version" "${all[@]}"
}

publish() { # FILES TAG
	local said kind=()
	said=$(notes "$2")
	# One such as 1.0.0-rc.1 is not what "latest" means.
	case $version in *-*) kind=(--prerelease) ;; esac
	gh release create "$2" --verify-tag --title "$version" --notes "$said" "${kind[@]}" "$1"/*
}

case ${1:-} in
notes) notes "${@:2}" ;;
gather) gather "${@:2}" ;;
image) image "${@:2}" ;;
publish) publish "${@:2}" ;;
*) die "usage: release.sh notes [TAG], gather FROM TO, image FILES NAME, publish FILES TAG" ;;
esac
