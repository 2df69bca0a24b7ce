# shellcheck shell=bash
# Settings of an engine that people have, by name: what dockerd is told for each. Sourced, after lib.sh.

engine_settings=(containerd-store iptables nftables ipv6 userns-remap live-restore no-bridge
	no-userland-proxy no-new-privileges no-logs few-descriptors authorization cgroup-v2)

# setting NAME DIRECTORY: fills `options` with dockerd's own, after making what they name in DIRECTORY.
# Runs in the namespaces of the engine that is about to start, and ends the script where it cannot be had.
setting() {
	options=(--iptables=false --ip6tables=false)
	case $1 in
	'') ;;
	containerd-store) options+=(--feature containerd-snapshotter=true) ;;
	iptables) options=(--iptables=true) ;;
	nftables)
		options=(--firewall-backend nftables)
		dockerd --help | grep -q -- --firewall-backend ||
			skipped "this engine has no --firewall-backend" || exit
		sysctl -qw net.ipv4.ip_forward=1
		;;
	ipv6) options+=(--ipv6 --fixed-cidr-v6 fd6d:6174:7269::/64) ;;
	userns-remap)
		# Ids that the user has in these namespaces alone.
		echo daemon:700000:65536 >"$2/ids"
		mount --bind "$2/ids" /etc/subuid
		mount --bind "$2/ids" /etc/subgid
		options+=(--userns-remap daemon)
		;;
	live-restore) options+=(--live-restore) ;;
	no-bridge) options+=(--bridge none) ;;
	no-userland-proxy) options=(--iptables=true --userland-proxy=false) ;;
	no-new-privileges) options+=(--no-new-privileges) ;;
	no-logs) options+=(--log-driver none) ;;
	few-descriptors) options+=(--default-ulimit nofile=1024:1024 --default-ulimit nproc=4096:4096) ;;
	authorization)
		authorize_all "$2"
		options+=(--authorization-plugin assembletest)
		;;
	# As the namespaces were made.
	cgroup-v2) ;;
	*) die "no setting \"$1\"; these are: ${engine_settings[*]}" ;;
	esac
}

# An authorization plugin that has every request and answer shown to it, and allows them. It ends with
# the namespace for processes that it is in.
authorize_all() {
	local python socket=/run/docker/plugins/assembletest.sock
	python=$(python_with_venv) || skipped "the authorization plugin needs Python" || exit
	mkdir -p "${socket%/*}"
	"$python" - "$socket" >"$1/authorization.log" 2>&1 <<'PLUGIN' &
import http.server, json, socketserver, sys

class Plugin(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer = {"Implements": ["authz"]} if self.path == "/Plugin.Activate" else {"Allow": True}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/vnd.docker.plugins.v1.1+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self):
        return "engine"

class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

Server(sys.argv[1], Plugin).serve_forever()
PLUGIN
	until_deadline 20 test -S "$socket" || die "the authorization plugin did not start"
}
