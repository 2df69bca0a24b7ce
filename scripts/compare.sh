#!/usr/bin/env bash
# compare.sh             measure the relay beside other forwarders, and write docs/bench/DATE-compare.*
# compare.sh OPTIONS...  measure what they choose and only print it; --save writes the files too, and
#                        --save=NAME docs/bench/DATE-NAME.*; --help tells all others
#
# Needs root: it makes network namespaces and pins processes to cores. COMPARE_INSTALL=no leaves
# out the forwarders that are not installed.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[ "$(id -u)" = 0 ] || die "this makes network namespaces and pins processes: run it as root"
cd "$root"

# --- What it needs -----------------------------------------------------------

missing=()
need() { # FILE-OR-COMMAND PACKAGE
	[ -e "$1" ] || have "$1" || missing+=("$2")
}
need ip iproute2
need haproxy haproxy
need nginx nginx
need /usr/lib/nginx/modules/ngx_stream_module.so libnginx-mod-stream
need socat socat
need /usr/lib/systemd/systemd-socket-proxyd systemd
need docker-proxy docker.io
need pasta passt

if [ ${#missing[@]} -gt 0 ] && [ "${COMPARE_INSTALL:-yes}" != no ]; then
	without_daemons install_packages "${missing[@]}"
fi

# --- The relay, as it is shipped ---------------------------------------------

target=x86_64-unknown-linux-gnu
RUSTFLAGS=-Ctarget-feature=+crt-static cargo build --locked --quiet \
	--profile sidecar --package assemble-proxy --target "$target"

options=()
name=''
[ $# -gt 0 ] || name=compare
for option in "$@"; do
	case $option in
	--save) name=compare ;;
	--save=*) name=${option#--save=} ;;
	*) options+=("$option") ;;
	esac
done
command="scripts/compare.sh${*:+ $*}"
if [ -n "$name" ]; then
	options+=(--out "$root/docs/bench/$(date +%F)-$name" --told "$command"
		--commit "$(git describe --always --dirty --abbrev=12)")
fi

exec cargo bench --locked --quiet --package assemble-proxy --bench compare -- \
	--proxy "$root/target/$target/sidecar/assemble-proxy" "${options[@]}"
