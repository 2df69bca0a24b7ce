#!/usr/bin/env bash
# Checks what `backend manifest --kubernetes` prints against the schemas of Kubernetes' own API,
# which the Python package kubernetes-validate carries, and images/compose.yaml where there is a
# docker compose. kubectl is of no use here: even its client-side dry run asks a server which kinds
# of objects there are.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# The last release of Kubernetes that the package knows is its own version.
version=1.37.0
venv=$state/kubernetes-validate-$version

# Fails where no index of Python's packages can be reached; the reason is in $work/pip.log.
ensure_validator() {
	local python
	"$venv/bin/python" -c 'import kubernetes_validate' 2>/dev/null && return
	python=$(python_with_venv) || die "no Python can make virtual environments; scripts/setup.sh installs one"
	ensure_state
	rm -rf "$venv"
	logged kubernetes-validate "$python" -m venv "$venv"
	"$venv/bin/pip" install --quiet --disable-pip-version-check --retries 1 --timeout 10 \
		"kubernetes-validate==$version" >"$work/pip.log" 2>&1 || {
		rm -rf "$venv"
		return 1
	}
}

valid() { # KUBERNETES FILE
	"$venv/bin/python" -m kubernetes_validate --strict --quiet -k "$1" "$2"
}

# check KUBERNETES OPTION...
check() {
	local kubernetes=$1
	shift
	"$assemble" backend manifest --kubernetes "$@" >"$work/manifest.yaml" 2>/dev/null
	valid "$kubernetes" "$work/manifest.yaml" >&2 ||
		die "Kubernetes $kubernetes would not take what 'backend manifest --kubernetes $*' prints"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if docker compose version >/dev/null 2>&1; then
	docker compose --file "$root/images/compose.yaml" config --quiet ||
		die "docker compose does not take images/compose.yaml"
	say "docker compose takes images/compose.yaml"
fi

if ! ensure_validator; then
	say "NOT CHECKED: the manifests for Kubernetes, since kubernetes-validate $version cannot be had:"
	show_end "$work/pip.log"
	exit 0
fi

cd "$root"
cargo build --quiet --locked -p docker-assemble
assemble=${CARGO_TARGET_DIR:-target}/debug/docker-assemble

for kubernetes in 1.29 1.33 "${version%.*}"; do
	check "$kubernetes"
	check "$kubernetes" --allow-host-port 0
	check "$kubernetes" --allow-host-port 80,5000 --name other --namespace 2024 --storage 1000000000
done
# AppArmor has a field of its own since 1.30.
for kubernetes in 1.30 1.33 "${version%.*}"; do
	check "$kubernetes" --rootless
done

# A check that never fails would check nothing.
sed 's/restartPolicy:/restartPolice:/' "$work/manifest.yaml" >"$work/wrong.yaml"
! valid "${version%.*}" "$work/wrong.yaml" >/dev/null 2>&1 || die "kubernetes-validate finds no fault in a wrong field"
say "Kubernetes 1.29 to ${version%.*} takes the manifests"
