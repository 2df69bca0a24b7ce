#!/usr/bin/env bash
# check-manifest.sh [PLUGIN]
#
# Checks what `backend manifest --kubernetes` of this plugin, else of one built here, prints against the
# schemas of Kubernetes' own API, which the Python package kubernetes-validate carries, by kubectl's
# client-side dry run, and where a kube-apiserver is on the PATH by a dry run of that.
#
# Most of kubectl asks a server which kinds of objects there are, even for a dry run. With --local
# 'kubectl set' does not: it reads an object with a pod into kubectl's own types and writes it out
# again, so that what it does not know is missing then.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/debian-packages.sh
. "$root/scripts/debian-packages.sh"

# The last release of Kubernetes that the package knows is its own version.
version=1.37.0

# What kubectl loses of the stateful set, a path per line; what is newer than Debian's kubectl does
# not count.
lost_by_kubectl() { # FILE
	KUBECONFIG=/dev/null "$venv/bin/python" - "$kubectl" "$1" <<-'END'
		import json, subprocess, sys, yaml

		NEWER = {"restartPolicy": "initContainers", "appArmorProfile": "securityContext"}
		kubectl, file = sys.argv[1:]
		with open(file) as text:
		    wanted = next(d for d in yaml.safe_load_all(text) if d["kind"] == "StatefulSet")
		command = [kubectl, "set", "serviceaccount", "default", "--local", "--dry-run=client", "-o", "json", "-f", "-"]
		shown = subprocess.run(command, input=json.dumps(wanted), text=True, stdout=subprocess.PIPE, check=True)

		def lost(wanted, shown, path):
		    if isinstance(wanted, dict):
		        for name, value in wanted.items():
		            if name in shown:
		                yield from lost(value, shown[name], [*path, name])
		            elif NEWER.get(name) not in path:
		                yield ".".join([*path, name])
		    elif isinstance(wanted, list) and len(wanted) == len(shown):
		        for one, other in zip(wanted, shown):
		            yield from lost(one, other, path)
		    # Quantities come back in their shortest form.
		    elif wanted != shown and not {"requests", "limits"} & set(path):
		        yield ".".join(path)

		print(*lost(wanted, json.loads(shown.stdout), []))
	END
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
	cp "$work/manifest.yaml" "$work/forms/$*.yaml"
	[ -n "$kubectl" ] || return 0
	local lost
	lost=$(lost_by_kubectl "$work/manifest.yaml") ||
		die "kubectl would not take what 'backend manifest --kubernetes $*' prints"
	[ -z "$lost" ] || die "kubectl does not know these fields of 'backend manifest --kubernetes $*': $lost"
}

# Runs the commands of docs/kubernetes.md that make certificates. Each is good for its own side of a connection alone.
certificates() { # DIR
	(
		cd "$1"
		awk '/^```sh$/ { on = 1; next } /^```$/ { on = 0 } on' "$root/docs/kubernetes.md" >commands
		sh -eu commands &&
			openssl verify -CAfile ca.pem -purpose sslserver -verify_ip 127.0.0.1 daemon.pem &&
			openssl verify -CAfile ca.pem -purpose sslclient client.pem &&
			! openssl verify -CAfile ca.pem -purpose sslclient daemon.pem &&
			! openssl verify -CAfile ca.pem -purpose sslserver client.pem
	) >"$work/certificates.log" 2>&1 && return
	show_end "$work/certificates.log"
	die "the commands of docs/kubernetes.md make no certificates that do"
}

# The manifest with each thing that docs/kubernetes.md shows at the end of its kustomization: a directory each
# below this one.
patched() { # DIR
	awk -v dir="$1/" '/^```yaml$/ { count++; file = dir count; next } /^```$/ { file = "" } file { print > file }' \
		"$root/docs/kubernetes.md"
	mkdir "$work/certificates"
	certificates "$work/certificates"
	local shown
	for shown in "$1"/*; do
		"$assemble" backend manifest --kustomize "$shown.base" 2>/dev/null
		cat "$shown" >>"$shown.base/kustomization.yaml"
		echo 'debug = true' >"$shown.base/buildkitd.toml"
		cp "$work/certificates/"*.pem "$shown.base/"
		"$kubectl" kustomize "$shown.base" >"$shown.yaml"
	done
}

# Fails with the path of what a patch was to put there and is not.
took() { # SHOWN FILE
	"$venv/bin/python" - "$@" <<-'END'
		import sys, yaml

		with open(sys.argv[1]) as shown, open(sys.argv[2]) as made:
		    shown = yaml.safe_load(shown)
		    made = {d["kind"]: d for d in yaml.safe_load_all(made)}
		pod = made["StatefulSet"]["spec"]["template"]["spec"]
		for image in shown.get("images", []):
		    assert pod["containers"][0]["image"] == f"{image['name']}@{image['digest']}", image
		for patch in shown.get("patches", []):
		    for op in yaml.safe_load(patch["patch"]):
		        *parents, last = op["path"].strip("/").split("/")
		        there = made[patch["target"]["kind"]]
		        for part in parents:
		            there = there[int(part) if isinstance(there, list) else part]
		        # The names of generated objects are made from what is in them.
		        there = there if last == "-" else [there.get(last)]
		        assert op["value"] in there or last == "volumes", op["path"]
		for generator, kind, volume, name in (
		    ("configMapGenerator", "ConfigMap", "configMap", "name"),
		    ("secretGenerator", "Secret", "secret", "secretName"),
		):
		    if generator in shown:
		        assert pod["volumes"][0][volume][name] == made[kind]["metadata"]["name"], generator
	END
}

# What each release of Kubernetes that the package knows the schemas of does with the patches.
check_patched() {
	patched "$work/shown"
	local shown kubernetes
	for shown in "$work"/shown/*.yaml; do
		took "${shown%.yaml}" "$shown" || die "a patch of docs/kubernetes.md does nothing: $(cat "${shown%.yaml}")"
		for kubernetes in "${newest[@]}"; do
			valid "$kubernetes" "$shown" >&2 ||
				die "Kubernetes $kubernetes would not take the manifest with $(cat "${shown%.yaml}")"
		done
	done
	[ -e "$work/shown/6.yaml" ] || die "docs/kubernetes.md shows fewer patches than it did"
}

# What an API server does with every form that was checked, and with one that is at fault in a way which only a server
# knows: all that it admits, and what it would warn of, is known before anything is made.
served() {
	[ "$complete" = no ] || cp "$work"/shown/*.yaml "$work/forms/"
	# shellcheck disable=SC2016 # the words of the script
	KUBECTL=$kubectl "$root/scripts/with-apiserver.sh" bash -euo pipefail -c '
		dry_run() { "$KUBECTL" apply --dry-run=server --warnings-as-errors -f - <"$1"; }
		"$KUBECTL" create namespace 2024
		for form in "$1"/*.yaml; do
			dry_run "$form" || { printf "error: refused is %s\n" "$form"; exit 1; }
		done
		! dry_run "$2" || { printf "error: taken is %s\n" "$2"; exit 1; }
		"$KUBECTL" label namespace default pod-security.kubernetes.io/warn=baseline
		! dry_run "$form" || { printf "error: no warning of %s\n" "$form"; exit 1; }
	' served "$work/forms" "$work/wrong.yaml" >"$work/served.log" 2>&1
}

room_for_apt
mkdir "$work/forms" "$work/shown"
complete=no
minor=${version#1.}
minor=${minor%%.*}
newest=("1.$((minor - 2))" "1.$((minor - 1))" "1.$minor")

if ! venv=$(python_package kubernetes-validate "$version"); then
	say "NOT CHECKED: the manifests for Kubernetes, since kubernetes-validate $version cannot be had:"
	show_end "$state/kubernetes-validate.log"
	exit "$not_run"
fi

assemble=${1:-}
if [ -z "$assemble" ]; then
	cd "$root"
	cargo build --quiet --locked -p docker-assemble
	assemble=${CARGO_TARGET_DIR:-target}/debug/docker-assemble
fi

# Any will do.
kubectl=$(program kubectl kubernetes-client 2>"$work/kubectl.log") || {
	say "NOT CHECKED with kubectl, which cannot be had:"
	show_end "$work/kubectl.log"
	kubectl=''
}

for kubernetes in 1.29 "${newest[@]}"; do
	check "$kubernetes" --replicas 3
	check "$kubernetes" --allow-host-port 0
	check "$kubernetes" --allow-host-port 80,5000 --name other --namespace 2024 --storage 1000000000
done
# AppArmor has a field of its own since 1.30.
for kubernetes in 1.30 "${newest[@]}"; do
	check "$kubernetes" --rootless
done

# A check that never fails would check nothing.
sed 's/restartPolicy:/restartPolice:/' "$work/manifest.yaml" >"$work/wrong.yaml"
! valid "${version%.*}" "$work/wrong.yaml" >/dev/null 2>&1 || die "kubernetes-validate finds no fault in a wrong field"
if [ -n "$kubectl" ]; then
	sed 's/periodSeconds:/periodSecond:/' "$work/manifest.yaml" >"$work/wrong.yaml"
	[[ $(lost_by_kubectl "$work/wrong.yaml") == *periodSecond* ]] || die "kubectl finds no fault in a wrong field"
	sed 's/replicas: [0-9]*/replicas: one/' "$work/manifest.yaml" >"$work/wrong.yaml"
	! lost_by_kubectl "$work/wrong.yaml" >/dev/null 2>&1 || die "kubectl finds no fault in a wrong type"
	say "kubectl's client-side dry run takes them too"
fi
# Kustomize of kubectl 1.20 and before is too old for these patches.
if [ -n "$kubectl" ] && [[ $("$kubectl" version --client -o json) =~ \"minor\":\ *\"([0-9]+) ]] &&
	[ "${BASH_REMATCH[1]}" -ge 21 ]; then
	check_patched
	complete=yes
	say "Each patch of docs/kubernetes.md does what it says"
else
	say "NOT CHECKED: the patches of docs/kubernetes.md, since kubectl is missing or older than 1.21"
fi
say "Kubernetes 1.29 to ${version%.*} takes the manifests"
if [ -n "$kubectl" ] && have kube-apiserver; then
	# The name of a service is one of DNS, which no schema says.
	sed "s/^  serviceName:.*/  serviceName: UPPER/" "$work/manifest.yaml" >"$work/wrong.yaml"
	served || {
		show_end "$work/served.log"
		die "$(kube-apiserver --version) would not take the manifests"
	}
	say "$(kube-apiserver --version) takes them in a server-side dry run, $(find "$work/forms" -type f | wc -l) forms"
else
	say "NOT CHECKED by a server-side dry run, which needs kubectl, and a kube-apiserver on the PATH"
fi
[ "$complete" = yes ] || exit "$not_run"
