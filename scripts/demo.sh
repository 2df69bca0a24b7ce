#!/usr/bin/env bash
# demo.sh        show what the plugin is for, from nothing, on this machine
# demo.sh clean  undo all of it
#
# DEMO_PORT is the host's port for the registry, 5000 unless set. Another one on
# 127.0.0.1 alone takes the port after it.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

dir=$state/demo
plugin=${DOCKER_CONFIG:-$HOME/.docker}/cli-plugins/docker-assemble
backend=docker-assemble-backend-$(id -un | sed 's/[^a-zA-Z0-9_.-]\+/-/g')
default_port=5000
port=${DEMO_PORT:-$default_port}
local_port=$((port + 1))

# What takes long, on a quiet machine with two cores and a near mirror of its packages.
from_nothing="about five minutes where nothing of it is there yet: half a minute for packages, two and
a half for the plugin, and what BuildKit's image takes beyond that where it cannot be pulled"

# --- How it speaks -----------------------------------------------------------

bold='' plain=''
if [ -t 1 ]; then
	bold=$'\e[1m' plain=$'\e[0m'
fi

heading() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }

explain() { printf '\n%s\n' "$*"; }

# Runs a line exactly as it is shown.
run() {
	printf '%s$ %s%s\n' "$bold" "$1" "$plain"
	eval "$1"
}

# The same for a line that has to fail, for the reason given.
run_refused() {
	local output=$dir/refused.log status=0
	printf '%s$ %s%s\n' "$bold" "$1" "$plain"
	eval "$1" >"$output" 2>&1 || status=$?
	cat "$output"
	[ "$status" != 0 ] || die "this should have failed, and did not"
	grep -q "$2" "$output" || die "this should have failed with '$2'"
}

# --- What it takes back ------------------------------------------------------

undo() {
	local of_demo
	of_demo=$(cat "$dir/port")
	if [ -e "$dir/started-backend" ]; then
		if [ -x "$plugin" ]; then
			docker assemble backend stop
		else
			docker ps --all --quiet --filter "name=^/$backend(-proxy-port-[0-9]+(-to-[0-9]+)?|-dialer)?\$" |
				xargs --no-run-if-empty docker rm --force --volumes >/dev/null
			docker volume rm --force "$backend-dialer" >/dev/null
		fi
	fi
	"$root/scripts/registry.sh" stop "$of_demo"
	"$root/scripts/registry.sh" stop "$((of_demo + 1))"
	# The sidecars' image stays if somebody else's backend uses it.
	docker image ls --format '{{.Repository}}:{{.Tag}}' \
		--filter "reference=localhost:$of_demo/hello" --filter "reference=localhost:$of_demo/app" \
		--filter "reference=localhost:$((of_demo + 1))/hello" \
		--filter 'reference=docker-assemble-proxy' |
		xargs --no-run-if-empty docker image rm >/dev/null 2>&1 || true
	if [ -e "$dir/previous-plugin" ]; then
		mv "$dir/previous-plugin" "$plugin"
	elif [ -e "$dir/installed-plugin" ]; then
		rm -f "$plugin"
	fi
	rm -rf "$dir"
}

clean() {
	if [ -d "$dir" ]; then
		"$root/scripts/engine.sh" ensure demo
		undo
		say "Undone: backend, registry, images and plugin (kept: the backend's image, for the next time)"
	else
		say "Nothing to undo"
	fi
	"$root/scripts/engine.sh" release demo
}

# --- What it needs -----------------------------------------------------------

# Refuses early what would only fail in the middle.
check() {
	case $port in
	'' | *[!0-9]*) die "DEMO_PORT is '$port', not a port number" ;;
	esac
	local each
	for each in "$port" "$local_port"; do
		if (: <"/dev/tcp/127.0.0.1/$each") 2>/dev/null; then
			die "port $each is in use on this host; choose two that are free, as by: make demo DEMO_PORT=$((each + 1))"
		fi
	done
	if docker container inspect "$backend" >/dev/null 2>&1; then
		die "you have a backend already ($backend); the demo would stop it. Stop it first: docker assemble backend stop"
	fi
}

install_plugin() {
	say "Compiling the plugin and installing it as $plugin (made for a short build, not for speed)"
	if [ -e "$plugin" ]; then
		cp -p "$plugin" "$dir/previous-plugin"
	fi
	touch "$dir/installed-plugin"
	logged install "$root/scripts/install.sh" --quick
}

# The compiler and the packages of an image wait for different things, so both are made at once.
# In a session of its own, since a script's children in the background do not hear Ctrl-C.
start_backend_image() {
	setsid "$root/scripts/backend-image.sh" >"$dir/backend-image" 2>"$state/backend.log" </dev/null &
	image_pid=$!
}

finish_backend_image() {
	say "Waiting for BuildKit's image"
	local status=0
	followed backend "$image_pid" || status=$?
	image_pid=''
	[ "$status" = 0 ] || {
		show_end "$state/backend.log"
		die "BuildKit's image cannot be had"
	}
	DOCKER_ASSEMBLE_BACKEND_IMAGE=$(cat "$dir/backend-image")
	export DOCKER_ASSEMBLE_BACKEND_IMAGE
}

prepare() {
	heading "Getting ready"
	say "This takes $from_nothing."
	"$root/scripts/setup.sh"
	"$root/scripts/engine.sh" ensure demo
	if [ -d "$dir" ]; then
		say "Undoing the previous demo"
		undo
	fi
	check
	mkdir -p "$dir/bin" "$dir/hello" "$dir/app"
	echo "$port" >"$dir/port"
	start_backend_image
	install_plugin
	finish_backend_image
	"$root/scripts/registry.sh" start "$port"
	say "Started an image registry on port $port of this host"
	"$root/scripts/registry.sh" start "$local_port" 127.0.0.1
	say "Started another one on port $local_port of this host's 127.0.0.1 alone"
	write_builds
}

# Two things to build: one whose result is pushed, and one that needs the
# registry at every turn.
write_builds() {
	local container
	container=$(docker create "$("$root/scripts/test-image.sh")")
	docker export "$container" >"$dir/hello/busybox.tar"
	docker rm "$container" >/dev/null
	cat >"$dir/hello/Dockerfile" <<-END
		FROM scratch
		ADD busybox.tar /
		CMD ["echo", "Hello from an image that went through localhost:$port"]
	END
	cat >"$dir/app/Dockerfile" <<-END
		FROM localhost:$port/hello
		RUN wget -q -O /catalog.json http://localhost:$port/v2/_catalog
		CMD ["cat", "/catalog.json"]
	END
}

# --- The story ---------------------------------------------------------------

build() { # NAME [PORT]
	echo "buildctl build --frontend dockerfile.v0 --local context=$1 --local dockerfile=$1" \
		"--output type=image,name=localhost:${2:-$port}/$1,push=true"
}

story() {
	cd "$dir"
	touch started-backend
	export PATH=$dir/bin:$PATH

	heading "Without a forwarded port"
	explain "The backend is BuildKit in a container with a network of its own. First without any forwarding:"
	run "export DOCKER_ASSEMBLE_BACKEND_IMAGE=$DOCKER_ASSEMBLE_BACKEND_IMAGE"
	run "docker assemble backend start --allow-host-port 0"
	explain "BuildKit's command line comes with its image:"
	run "docker cp $backend:/usr/bin/buildctl bin/"
	run "export BUILDKIT_HOST=docker-container://$backend"
	explain "A registry listens on localhost:$port of this host, but inside the container that is another localhost:"
	run "curl -s -o /dev/null -w '%{http_code}\n' http://localhost:$port/v2/"
	run "cat hello/Dockerfile"
	run_refused "$(build hello)" "connection refused"
	run "docker assemble backend stop"

	heading "With the port forwarded"
	if [ "$port" = "$default_port" ]; then
		explain "Port $port is forwarded unless told otherwise:"
		run "docker assemble backend start"
	else
		explain "Forward port $port (it would be $default_port unless told otherwise):"
		run "docker assemble backend start --allow-host-port $port"
	fi
	explain "The very same build now reaches the registry:"
	run "$(build hello)"
	pushed_after=$SECONDS
	explain "So do FROM and RUN:"
	run "cat app/Dockerfile"
	run "$(build app)"
	explain "What was pushed from inside the builder is in the host's registry:"
	run "docker run --rm localhost:$port/hello"
	run "docker run --rm localhost:$port/app"

	heading "A registry on 127.0.0.1 alone"
	explain "The other registry, on port $local_port, listens on 127.0.0.1 alone. The gateway does not reach that:"
	run "docker assemble backend start --allow-host-port $port,$local_port"
	run_refused "$(build hello "$local_port")" "connection re"
	explain "The doctor knows why, and what helps:"
	run_refused "docker assemble backend doctor $local_port" "on 127.0.0.1 only"
	explain "A dialer in the host's network does, for the ports it is told (docs/security.md: what that opens):"
	run "docker assemble backend start --allow-host-port $port,$local_port@loopback"
	run "$(build hello "$local_port")"
	run "curl -s http://127.0.0.1:$local_port/v2/_catalog"

	heading "Looking after it"
	run "docker assemble backend info"
	explain "The whole way from the engine to both registries, one check after the other:"
	run "docker assemble backend doctor $port"
	run "docker assemble backend stats"
	run "docker assemble backend cache usage"
}

farewell() {
	heading "Yours to play with"
	say ''
	say "From the command to the first push it took $((pushed_after / 60)) min $((pushed_after % 60)) s."
	cat <<-END

		The backend and the registry keep running. In this shell:

		  export PATH=$dir/bin:\$PATH BUILDKIT_HOST=$BUILDKIT_HOST
		  docker assemble backend logs
		  docker assemble backend --help

		With buildx: docker assemble backend use

		Undo all of it: make demo-clean
	END
}

ended() { # STATUS
	[ -z "$image_pid" ] || kill -- "-$image_pid" 2>/dev/null || true
	if [ "$1" != 0 ]; then
		if [ -d "$dir" ]; then
			say "The demo did not get to its end. 'make demo-clean' undoes what it did."
		else
			"$root/scripts/engine.sh" release demo
		fi
	fi
	exit "$1"
}

case ${1:-} in
'')
	# One stream, so that a transcript keeps the order of what happened.
	exec 2>&1
	image_pid=''
	trap 'ended $?' EXIT
	prepare
	story
	farewell
	;;
clean) clean ;;
*) die "usage: demo.sh [clean]" ;;
esac
