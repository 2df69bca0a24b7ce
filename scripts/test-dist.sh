#!/usr/bin/env bash
# Tries what scripts/dist.sh has written, in an empty root and in those of Debian 11, 12 and 13: whether the
# static programs find hosts, users and certificates there, and whether the packages come, stay and go.
#
# Needs root. All that it starts is in namespaces of its own; the roots are kept in .dev/dist.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/debian-root.sh
. "$root/scripts/debian-root.sh"

dist=$root/target/dist
suites=(bullseye bookworm trixie)
arch=$(dpkg --print-architecture)
plugin=$dist/docker-assemble-linux-$arch

fetch() {
	local suite docker
	[ "$(id -u)" = 0 ] || die "roots of other systems need root"
	[ -e "$plugin" ] || die "\"${plugin#"$root"/}\" is missing; scripts/dist.sh makes it"
	have openssl || install_packages openssl
	have python3 || install_packages python3
	for suite in "${suites[@]}"; do
		docker=(docker.io)
		[ "$suite" != trixie ] || docker+=(docker-cli)
		debian_root "$suite" "$state/dist/$suite" apt busybox-static ca-certificates curl libnss-mdns libnss-systemd systemd \
			openssh-client man-db skopeo "${docker[@]}"
	done
}

# --- In a network and mounts of its own ---------------------------------------

# A copy of each root that is forgotten.
prepare() {
	local suite
	work=$(mktemp -d)
	mount -t tmpfs tmpfs "$work"
	ip link set lo up
	for suite in "${suites[@]}"; do
		mkdir -p "$work/$suite" "$work/.$suite/"{upper,work}
		mount -t overlay overlay -o \
			"lowerdir=$state/dist/$suite,upperdir=$work/.$suite/upper,workdir=$work/.$suite/work" "$work/$suite"
		cp "$plugin" "$work/$suite/usr/bin/docker-assemble"
		echo 'nameserver 127.0.0.1' >"$work/$suite/etc/resolv.conf"
		printf '127.0.0.1 localhost listed.test\n' >"$work/$suite/etc/hosts"
	done
	certificates
	python3 "$root/tests/dist/peers.py" "$work/engine.pem" "$work/engine.key" >"$work/said" 2>"$work/complaints" &
	until_deadline 60 said_something "$work/said" $! || true
	[ -s "$work/said" ] || die "the scripted peers do not answer: $(cat "$work/complaints")"
}

certificates() {
	local key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
	openssl req -x509 "${key[@]}" -days 2 -subj '/CN=an authority' -keyout "$work/ca.key" -out "$work/ca.pem"
	openssl req "${key[@]}" -subj '/CN=engine.test' -keyout "$work/engine.key" -out "$work/engine.csr"
	openssl x509 -req -days 2 -in "$work/engine.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" -CAcreateserial \
		-extfile <(echo 'subjectAltName=DNS:engine.test') -out "$work/engine.pem"
} 2>/dev/null

# there SUITE COMMAND...: in that root, with nothing of this environment.
there() {
	local suite=$1
	shift
	(in_debian_root "$work/$suite" -- "$@")
}

# says WHAT COMMAND...: fails unless COMMAND, whatever its status, says this.
says() {
	local said
	said=$("${@:2}" 2>&1) || true
	[[ $said == *"$1"* ]] || die "'${*:2}' does not say \"$1\" but: $said"
}

# Nothing there but the programs: no shell, no name service, no files of it.
in_an_empty_root() {
	mkdir "$work/empty"
	cp "$plugin" "$dist/assemble-proxy-linux-$arch" "$work/empty/"
	local alone
	alone=("$(command -v chroot)" "$work/empty")
	says 'docker assemble v' env -i "${alone[@]}" "/${plugin##*/}" version
	says 'Usage: assemble-proxy' env -i "${alone[@]}" "/assemble-proxy-linux-$arch" --help
	says 'cannot tell who you are' env -i "${alone[@]}" "/${plugin##*/}" backend cache volume
	# The C library asks 127.0.0.1 where no file names a server.
	env -i USER=ann "${alone[@]}" "/${plugin##*/}" -H tcp://engine.test:2375 backend ls
}

finds_hosts() { # SUITE
	local run=(there "$1" docker-assemble)
	# As desktops and servers have it: modules that no static program can load.
	sed -i -e 's/^hosts:.*/hosts: files mdns4_minimal [NOTFOUND=return] dns/' \
		-e 's/^passwd:.*/passwd: files systemd/' "$work/$1/etc/nsswitch.conf"
	"${run[@]}" -H tcp://engine.test:2375 backend ls
	"${run[@]}" -H tcp://listed.test:2375 backend ls
	"${run[@]}" -H tcp://127.0.0.1:2375 backend ls
	says 'no name service tells' "${run[@]}" -H tcp://nobody.test:2375 backend ls
	says 'no name service tells' "${run[@]}" -H tcp://nobody.local:2375 backend ls
	says 'Connection refused' "${run[@]}" -H ssh://ann@engine.test backend ls
}

trusts_certificates() { # SUITE
	local run=(there "$1" docker-assemble --tlsverify)
	says 'UnknownIssuer' "${run[@]}" -H tcp://engine.test:2376 backend ls
	cp "$work/ca.pem" "$work/$1/root/ca.pem"
	"${run[@]}" --tlscacert /root/ca.pem -H tcp://engine.test:2376 backend ls
	cp "$work/ca.pem" "$work/$1/usr/local/share/ca-certificates/an-authority.crt"
	there "$1" update-ca-certificates >/dev/null 2>&1
	"${run[@]}" -H tcp://engine.test:2376 backend ls
}

knows_users() { # SUITE
	local run=(there "$1" setpriv --clear-groups --regid 4242)
	says 'docker-assemble-backend-cache-daemon' "${run[@]}" --reuid daemon docker-assemble backend cache volume
	says 'cannot tell who you are' "${run[@]}" --reuid 4243 docker-assemble backend cache volume
	# Users in no file: systemd knows them, as others do those of a directory service.
	[ "$1" != bullseye ] || return 0
	mkdir -p "$work/$1/etc/userdb"
	printf '{"userName":"ann","uid":4242,"gid":4242,"homeDirectory":"/home/ann","disposition":"regular"}' \
		>"$work/$1/etc/userdb/ann.user"
	ln -sf ann.user "$work/$1/etc/userdb/4242.user"
	says 'docker-assemble-backend-cache-ann' "${run[@]}" --reuid 4242 docker-assemble backend cache volume
}

# Helpers are found by the search path and run as children.
asks_credential_helpers() { # SUITE
	# shellcheck disable=SC2016 # for the shell in there
	printf '#!/bin/sh\nread -r host\n[ "$1 $host" = "get engine.test" ] && echo %s\n' \
		"'{\"Username\":\"ann\",\"Secret\":\"sesame\"}'" >"$work/$1/usr/local/bin/docker-credential-mine"
	chmod 755 "$work/$1/usr/local/bin/docker-credential-mine"
	mkdir -p "$work/$1/root/.docker"
	echo '{"credsStore":"mine"}' >"$work/$1/root/.docker/config.json"
	says 'no image for ann, sesame' there "$1" env "PATH=/usr/local/bin:$PATH" docker-assemble \
		-H tcp://127.0.0.1:2375 backend start --pull always --image engine.test/small:1 --allow-host-port 0
}

# What stands in a root, but for what dpkg, apt and man keep of their own.
files() { # SUITE
	there "$1" find / -xdev -path /var/lib/dpkg -prune -o -path /var/log -prune -o -path /var/cache -prune -o \
		-path /var/lib/apt -prune -o -path /etc/ld.so.cache -prune -o -path /tmp -prune -o -print | sort
}

# comes_and_goes SUITE PACKAGE CHECK: from a lower version to the one that was made, and away again.
comes_and_goes() {
	local suite=$1 package=$2 deb
	deb=$(echo "$dist/$package"_*_"$arch.deb")
	files "$suite" >"$work/before"
	dpkg-deb -R "$deb" "$work/lower"
	sed -i 's/^Version: .*/Version: 0.0.1/' "$work/lower/DEBIAN/control"
	dpkg-deb --root-owner-group -Znone -b "$work/lower" "$work/$suite/tmp/lower.deb" >/dev/null
	rm -rf "$work/lower"
	cp "$deb" "$work/$suite/tmp/new.deb"
	there "$suite" dpkg -i /tmp/lower.deb >"$work/dpkg" 2>&1 || die "$(cat "$work/dpkg")"
	there "$suite" apt-get install -y /tmp/new.deb >"$work/dpkg" 2>&1 || die "$(cat "$work/dpkg")"
	says "$(dpkg-deb -f "$deb" Version)" there "$suite" dpkg-query -W "$package"
	there "$suite" dpkg --verify "$package" >"$work/dpkg" 2>&1 || die "$(cat "$work/dpkg")"
	[ ! -s "$work/dpkg" ] || die "$(cat "$work/dpkg")"
	"$3" "$suite"
	pages_are_whole "$suite" "$package"
	there "$suite" apt-get purge -y "$package" >"$work/dpkg" 2>&1 || die "$(cat "$work/dpkg")"
	files "$suite" | diff "$work/before" - >&2 || die "$package leaves something behind in $suite"
}

# No page of a package leads to one that is not in it.
pages_are_whole() { # SUITE PACKAGE
	local page link
	while IFS=: read -r page link; do
		[ -e "${page%/*}/$link" ] || die "\"${page##*/}\" of $2 names \"$link\", which is not there"
	done < <(grep -roP --include='*.md' '\]\(\K[^)#:]+(?=[)#])' "$work/$1/usr/share/doc/$2")
}

plugin_works() { # SUITE
	rm "$work/$1/usr/bin/docker-assemble"
	says 'docker assemble v' there "$1" docker assemble version
	says 'Manage the build backend' there "$1" man docker-assemble-backend
	cp "$plugin" "$work/$1/usr/bin/docker-assemble"
}

proxy_works() { # SUITE
	says 'Usage: assemble-proxy' there "$1" assemble-proxy --help
	says 'Forwards localhost:PORT' there "$1" man assemble-proxy
	there "$1" systemd-analyze verify assemble-proxy@5000.service assemble-proxy@5000.socket
	# As systemd does it, which does not run here.
	# shellcheck disable=SC2016 # for the shell in there
	says OK there "$1" sh -c 'systemd-socket-activate --listen 127.0.0.1:5000 \
		assemble-proxy --port 5000 --to 127.0.0.1:2375 & curl --silent --retry 20 --retry-connrefused \
		http://127.0.0.1:5000/_ping; status=$?; kill $!; exit $status'
	there "$1" systemctl enable assemble-proxy@5000.service assemble-proxy@6000.socket 2>/dev/null
}

# An image of its own for engines of another architecture and for clusters.
image_is_read() { # SUITE
	cp "$dist/assemble-proxy-linux-$arch.oci.tar" "$work/$1/tmp/image.tar"
	says '"Architecture": "'"$arch" there "$1" skopeo inspect oci-archive:/tmp/image.tar
	there "$1" skopeo copy --quiet oci-archive:/tmp/image.tar dir:/tmp/image
	says '"Architecture": "'"$arch" there "$1" skopeo inspect docker-archive:/tmp/image.tar
}

# As scripts/release.sh publishes it: its script installs it although there is none that is the latest, also with
# what Alpine has, which is busybox.
release_installs_itself() { # SUITE
	local version files file publish install
	version=$("$plugin" version | sed -n 's/^docker assemble v//p')
	files=$work/$1/releases/download/v$version
	mkdir -p "$work/made" "$work/programs" "$work/$1/alpine"
	cp -r "$dist" "$work/made/$arch"
	"$root/scripts/release.sh" gather "$work/made" "$files"

	# shellcheck disable=SC2016 # for the shell that runs it
	printf '#!/bin/sh\necho "$*"\n' >"$work/programs/gh"
	chmod 755 "$work/programs/gh"
	publish=(env "PATH=$work/programs:$PATH" "$root/scripts/release.sh" publish "$files")
	says "release create v$version --verify-tag --title $version --notes" "${publish[@]}" "v$version"
	for file in "$files"/*; do
		says " $file" "${publish[@]}" "v$version"
	done
	says 'the tag is "v0.0.1", and the tree is of version' "${publish[@]}" v0.0.1

	there "$1" busybox --install -s /alpine
	ln -s /usr/bin/docker "$work/$1/alpine/docker"
	python3 -m http.server --bind 127.0.0.1 --directory "$work/$1/releases" 8080 >/dev/null 2>&1 &
	until_deadline 60 curl --silent --output /dev/null http://127.0.0.1:8080 || die "no releases are served"
	install=(sh "/releases/download/v$version/setup.sh" install)
	says "docker assemble v$version" there "$1" env ASSEMBLE_RELEASES=http://127.0.0.1:8080 "${install[@]}"
	says "docker assemble v$version" there "$1" env PATH=/alpine ASSEMBLE_RELEASES=http://127.0.0.1:8080 "${install[@]}"
	echo >>"$files/${plugin##*/}"
	says 'is not what SHA256SUMS says' there "$1" env ASSEMBLE_RELEASES=http://127.0.0.1:8080 "${install[@]}"
}

# A function as a process of its own, so that it ends with the first of its commands that fails.
try() { # NAME FUNCTION ARGUMENT...
	suite "$1" "$0" try "${@:2}"
}

all() {
	local suite
	prepare
	export work
	try "an empty root" in_an_empty_root
	for suite in "${suites[@]}"; do
		try "hosts in $suite" finds_hosts "$suite"
		try "certificates in $suite" trusts_certificates "$suite"
		try "users in $suite" knows_users "$suite"
		try "credential helpers in $suite" asks_credential_helpers "$suite"
		try "the sidecar's image in $suite" image_is_read "$suite"
	done
	for suite in bookworm trixie; do
		try "the plugin's package in $suite" comes_and_goes "$suite" docker-assemble plugin_works
		try "the proxy's package in $suite" comes_and_goes "$suite" assemble-proxy proxy_works
	done
	try "a release" release_installs_itself trixie
	conclude "tests of what is released"
}

ensure_state
log=$state/test-dist.log
case ${1:-} in
'')
	: >"$log"
	fetch
	exec unshare --net --mount --pid --fork --kill-child --mount-proc "$0" inside
	;;
inside) all ;;
try) "${@:2}" ;;
*) die "usage: test-dist.sh" ;;
esac
