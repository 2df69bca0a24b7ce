#!/usr/bin/env bash
# with-apiserver.sh COMMAND...
#
# Runs COMMAND with a KUBECONFIG of a kube-apiserver of its own: the one on the PATH, with the etcd there, else
# Debian's, unpacked and not installed. No nodes and no controllers: objects are judged and kept, and nothing comes
# of them. All of it is in a network of its own and ends with COMMAND, whose status this has.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/debian-packages.sh
. "$root/scripts/debian-packages.sh"

# Endpoints may have no loopback address, so the host that is only in there has one of those for tests.
address=198.18.0.1

serve() {
	ip link set lo up
	ip address add "$address/32" dev lo
	openssl genrsa -out "$work/key" 2048 2>/dev/null
	echo "token,somebody,somebody" >"$work/tokens"
	cat >"$work/config" <<-END
		apiVersion: v1
		kind: Config
		clusters: [{name: own, cluster: {server: "https://127.0.0.1:6443", insecure-skip-tls-verify: true}}]
		users: [{name: own, user: {token: token}}]
		contexts: [{name: own, context: {cluster: own, user: own}}]
		current-context: own
	END
	"$etcd" --data-dir "$work/data" --unsafe-no-fsync >"$work/etcd.log" 2>&1 &
	kube-apiserver --etcd-servers http://127.0.0.1:2379 --bind-address 127.0.0.1 --advertise-address "$address" \
		--cert-dir "$work/certificates" --service-cluster-ip-range 198.18.1.0/24 \
		--service-account-issuer https://localhost --service-account-key-file "$work/key" \
		--service-account-signing-key-file "$work/key" \
		--allow-privileged --authorization-mode AlwaysAllow --token-auth-file "$work/tokens" >"$work/apiserver.log" 2>&1 &
	server=$!
	export KUBECONFIG=$work/config
	until_deadline 90 ready_or_ended || true
	ready || {
		show_end "$work/etcd.log"
		show_end "$work/apiserver.log"
		die "kube-apiserver does not serve"
	}
	"$@"
}

ready() { "${KUBECTL:-kubectl}" get --raw /readyz >/dev/null 2>&1; }

ready_or_ended() { ready || ended "$server"; }

case ${1:-} in
'') die "usage: ${0##*/} COMMAND..." ;;
--inside)
	work=$2 etcd=$3
	shift 3
	serve "$@"
	;;
*)
	[ "$(id -u)" = 0 ] || die "an API server in a network of its own needs root"
	have kube-apiserver || die "there is no kube-apiserver on the PATH"
	room_for_apt
	etcd=$(program etcd etcd-server)
	unshare --net --mount --pid --fork --kill-child --mount-proc "$0" --inside "$work" "$etcd" "$@"
	;;
esac
