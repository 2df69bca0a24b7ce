#!/usr/bin/env bash
# dist.sh          write what a release consists of into target/dist: both programs, linked statically,
#                  Debian's packages of them, the sidecar's image, what they are made of, and checksums
# dist.sh --check  do it twice, the second time from a clone in another directory, and compare the two
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

case $(uname -m) in
x86_64) arch=amd64 ;;
aarch64) arch=arm64 ;;
*) die "nothing is released for \"$(uname -m)\", only for x86_64 and aarch64" ;;
esac
triple=$(uname -m)-unknown-linux-gnu
dist=$root/target/dist
stage=$root/target/stage
tools=${DIST_TOOLS:-$state/tools}

# tool NAME VERSION: has cargo compile it once.
tool() {
	[ "$(cat "$tools/$1" 2>/dev/null)" = "$2" ] && return
	ensure_state
	logged "$1" env -u RUSTFLAGS -u CFLAGS cargo install --debug --locked --root "$tools" --version "$2" "$1"
	echo "$2" >"$tools/$1"
}

# Of this commit, whenever and wherever it is compiled.
as_of_this_commit() {
	local cargo=${CARGO_HOME:-$HOME/.cargo}
	SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
	DOCKER_ASSEMBLE_COMMIT=${DOCKER_ASSEMBLE_COMMIT:-$(git rev-parse --short=12 HEAD)}
	RUSTFLAGS="-C target-feature=+crt-static --remap-path-prefix=$root=/src --remap-path-prefix=$cargo=/cargo"
	CFLAGS="-ffile-prefix-map=$root=/src -ffile-prefix-map=$cargo=/cargo"
	# What is in the target directory from an earlier commit would be of that one's time.
	# shellcheck disable=SC2089,SC2090 # no shell reads them again
	CFLAGS+=' -Wno-builtin-macro-redefined -D__DATE__="-" -D__TIME__="-"'
	# shellcheck disable=SC2090 # nor here
	export CARGO_PROFILE_RELEASE_STRIP=symbols SOURCE_DATE_EPOCH DOCKER_ASSEMBLE_COMMIT RUSTFLAGS CFLAGS
	unset CARGO_TARGET_DIR
	umask 022
}

# Named by its target, so that the flags are not those of build scripts and macros.
build() { cargo build --locked --target "$triple" "$@"; }

programs() {
	local built=$root/target/$triple
	say "Compiling the sidecar"
	logged dist-sidecar build --profile sidecar --package assemble-proxy
	export DOCKER_ASSEMBLE_PROXY_BINARY=$built/sidecar/assemble-proxy
	say "Compiling the plugin"
	logged dist-plugin build --release --package docker-assemble
	install -m 755 "$built/sidecar/assemble-proxy" "$built/release/docker-assemble" "$stage/"
	install -m 755 "$stage/docker-assemble" "$dist/docker-assemble-linux-$arch"
	install -m 755 "$stage/assemble-proxy" "$dist/assemble-proxy-linux-$arch"
	example docker-assemble proxy-image "$stage/assemble-proxy" "$dist/assemble-proxy-linux-$arch.oci.tar"
}

# example PACKAGE NAME ARGUMENT...: by a debug build; what tests use has other features than what is shipped.
example() {
	logged "dist-$2" env -u RUSTFLAGS -u CFLAGS cargo run --locked --package "$1" --example "$2" -- "${@:3}"
}

# The metadata is in each package's Cargo.toml.
debian_packages() {
	local package
	tool cargo-deb 3.8.0
	"$stage/docker-assemble" man-pages "$stage/man"
	example assemble-proxy man-pages "$stage/man"
	for package in docker-assemble assemble-proxy; do
		logged "$package-deb" "$tools/bin/cargo-deb" --package "$package" --target "$triple" \
			--no-build --no-strip --output "$dist/"
	done
}

# cargo-cyclonedx writes a file beside each Cargo.toml, with the paths that it has on this machine.
components() {
	local package
	tool cargo-cyclonedx 0.5.9
	logged components "$tools/bin/cargo-cyclonedx" cyclonedx --format json --target "$triple" \
		--manifest-path orchestrator/Cargo.toml --override-filename dist.cdx
	for package in docker-assemble:orchestrator assemble-proxy:sidecar; do
		sed "s|$root|/src|g" "${package#*:}/dist.cdx.json" >"$dist/${package%:*}-linux-$arch.cdx.json"
	done
	rm orchestrator/dist.cdx.json sidecar/dist.cdx.json crates/*/dist.cdx.json crates/*/*/dist.cdx.json
}

check() {
	local other
	[ -z "$(git status --porcelain)" ] || die "there are uncommitted changes, which a clone has not"
	other=$(mktemp -d)
	# shellcheck disable=SC2064 # the directory of now
	trap "rm -rf '$other'" EXIT
	git clone --quiet "$root" "$other/a-clone"
	DIST_TOOLS=$tools "$other/a-clone/scripts/dist.sh"
	diff --recursive --brief "$dist" "$other/a-clone/target/dist" >&2 || die "two builds of one commit differ"
	say "Two builds in two directories are the same, byte for byte"
}

cd "$root"
case ${1:-} in
'' | --check) ;;
*) die "usage: dist.sh [--check]" ;;
esac
rm -rf "$dist" "$stage"
mkdir -p "$dist" "$stage"
(
	as_of_this_commit
	programs
	debian_packages
	components
)
(cd "$dist" && sha256sum -- * >SHA256SUMS)
say "In ${dist#"$root"/}:"
(cd "$dist" && du -h -- * >&2)
[ "${1:-}" != --check ] || check
