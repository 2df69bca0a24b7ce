# shellcheck shell=bash
# What scripts share that run a command beside an engine of their own. Sourced after lib.sh by one that
# has a function `fetch`.

# prepare LETTER TRACES IMAGE... -- COMMAND...: COMMAND is in the array `command`, and copies of these
# images of the engine in use are in $work/images.tar. TRACES removes $work, and what else is left, when
# the script ends.
prepare() {
	local letter=$1 traces=$2 copied=()
	shift 2
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		copied+=("$1")
		shift
	done
	[ $# -gt 1 ] || die "usage: ${0##*/} run IMAGE... -- COMMAND..."
	# shellcheck disable=SC2034 # for the caller
	command=("${@:2}")
	[ "$(id -u)" = 0 ] || die "an engine of one's own needs root"
	fetch
	# Short, since the paths of sockets in it may have some hundred letters only.
	work=$(mktemp -d "/tmp/asm$letter.XXXXXX")
	# shellcheck disable=SC2064 # the name of a function
	trap "$traces" EXIT
	mkdir "$work/tmp"
	docker save --output "$work/images.tar" "${copied[@]}"
}

# apart [--one-tree] PROGRAM ARGUMENT...: run it in namespaces that end with it; with --one-tree the control groups
# that it sees are a branch of this machine's one tree (cgroup v2), of its own. Ids of processes begin anew in there,
# and with them the names that the tests make of them: hence a place of their own for temporary files.
apart() (
	local tree own=()
	if [ "$1" = --one-tree ]; then
		shift
		tree=$(findmnt --noheadings --raw --first-only --types cgroup2 --output TARGET) ||
			skipped "this machine has no cgroup v2" || exit
		[ "$tree" != /sys/fs/cgroup ] || skipped "this machine has no other control groups than these" || exit
		mkdir "$tree/${work##*/}"
		echo 0 >"$tree/${work##*/}/cgroup.procs"
		# As on a host nothing is in the root of the tree: a Podman that finds itself there moves out.
		# shellcheck disable=SC2016 # for the shell in there
		own=(unshare --cgroup -- sh -ec '
			mount -t cgroup2 cgroup2 /sys/fs/cgroup
			mkdir /sys/fs/cgroup/user
			echo 0 >/sys/fs/cgroup/user/cgroup.procs
			exec "$@"' sh)
	fi
	TMPDIR=$work/tmp exec unshare --net --mount --pid --fork --kill-child --mount-proc \
		${own[@]+"${own[@]}"} "$@"
)

# began PID: whether the engine of this process of ours answers, before that has ended.
began() { until_deadline 90 answers_or_ended "$1" && answers; }

answers() { docker version >/dev/null 2>&1; }

answers_or_ended() { answers || ended "$1"; }
