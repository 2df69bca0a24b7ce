#!/usr/bin/env bash
# test-engines.sh [--write] [ROW...]
#
# Tries what users do (tests/e2e/capability) on every engine that can be had here, and prints a table of
# the engines by capability; --write puts it into docs/engines.md. ROW is a part of a row's name below,
# for just those; the others stay as that file has them.
#
# One that fails keeps none of the others from running. What could not be run is listed with the reason.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/engine-settings.sh
. "$root/scripts/engine-settings.sh"

cd "$root"
tried=$state/engines
document=docs/engines.md
chosen=()
rows=()

# row NAME [SCRIPT [OPTION...]]: try the engine of scripts/SCRIPT-engine.sh, else the one in use.
rows() {
	local setting
	row "Docker, the engine in use"
	row "Docker, Debian's newest" newest
	for setting in "${engine_settings[@]}"; do
		row "Docker, Debian's newest, $setting" newest --setting "$setting"
	done
	row "Docker, Debian's newest, without root" rootless
	row "Docker, Debian 12 in a virtual machine" machine --suite bookworm
	row "Docker, Debian 13 in a virtual machine" machine
	row "Docker, Debian 13 in a virtual machine, SELinux enforced" machine --setting selinux
	row "Docker, Debian 13 in a virtual machine, without root" machine --rootless
	row "Podman, Debian 12" podman
	row "Podman, Debian 12, without root" podman --rootless
	row "Podman, Debian 13" podman --suite trixie
	row "Podman, Debian 13, without root" podman --suite trixie --rootless
	row "Podman, Debian 12 in a virtual machine" machine --suite bookworm --setting podman
	row "Podman, Debian 12 in a virtual machine, without root" machine --suite bookworm --setting podman --rootless
	row "Podman, Debian 13 in a virtual machine" machine --setting podman
	row "Podman, Debian 13 in a virtual machine, without root" machine --setting podman --rootless
}

row() {
	local name=$1 file part
	file=$tried/${name//[^[:alnum:]]/-}
	rows+=("$file")
	shift
	for part in ${chosen[@]+"${chosen[@]}"}; do
		if [[ $name == *"$part"* ]]; then
			chosen_row "$name" "$@"
			return
		fi
	done
	[ ${#chosen[@]} != 0 ] || chosen_row "$name" "$@"
}

# Its file has what is told of the engine, then the walks.
chosen_row() {
	local name=$1 walk=("$root/scripts/test-engines.sh" walk "$file.new")
	shift
	rm -f "$file.new"
	if [ $# = 0 ]; then
		suite "$name" "${walk[@]}"
	else
		suite "$name" beside "$@" -- "${walk[@]}"
	fi
	[ -s "$file.new" ] || awk '/^== / { why = "" } sub(/^(NOT RUN|error): /, "") { why = $0 } END { print "not run: " why }' "$log" >"$file.new"
	sed -i "1i $name" "$file.new"
	mv "$file.new" "$file"
}

walks() {
	local status=0 test=(cargo test --workspace --locked --no-fail-fast --test=e2e -- --ignored --show-output)
	"${test[@]}" capability:: --skip capability::reboot || status=$?
	[ -z "${MACHINE_REBOOT:-}" ] || reboots || status=$?
	return "$status"
}

# In a home that the machine keeps.
reboots() {
	export ASSEMBLE_TEST_REBOOT=/var/tmp/assemble-reboot
	"${test[@]}" capability::reboot::before_it && $MACHINE_REBOOT && "${test[@]}" capability::reboot::reboot
}

# walk FILE: on the engine that DOCKER_HOST names.
walk() {
	local status=0 said=$1.said about
	about=$(described)
	walks 2>&1 | tee "$said" || status=$?
	# What did not run to its end says nothing.
	plain_lines <"$said" | grep -q '^test result:' || die "the walks did not end"
	echo "$about" >"$1"
	# The walks that passed by what was demanded of the engine's words say so in their output. A test's names
	# and times, which differ from run to run, are left out.
	plain_lines <"$said" | awk '
		/^---- capability::.* stdout ----$/ { sub(/^.*::/, "", $2); walk = $2 }
		sub(/^not here: /, "") {
			gsub(/  +/, " ")
			gsub(/-asmt[0-9]+x[0-9]+/, "")
			sub(/"latency_us":[0-9]+,/, "")
			told[walk] = $0
		}
		/^test capability::/ && $2 !~ /::before_it$/ { sub(/^.*::/, "", $2); ended[$2] = $NF }
		END { for (walk in ended) print walk "\t" (ended[walk] == "ok" && walk in told ? "told\t" told[walk] : ended[walk]) }' |
		sort >>"$1"
	rm -f "$said"
	return "$status"
}

# The document's tables, taken apart into the files of their rows.
recalled() {
	awk -v tried="$tried/" -F ' *[|] *' '
		/^<!-- tried:/ { within = 1 }
		/^<!-- end of / || !within { within = 0; next }
		/^[|] [0-9]/ { name[$2] = $3; said[$2] = $4 " | " $5 " | " $6 " | " $7 " | " $8; next }
		/^[|] [a-z]/ && $2 != "capability" {
			gsub(/ /, "_", $2)
			for (i = 1; i < NF - 2; i++) if ($(i + 2) != "") walk[i, $2] = $(i + 2) == "yes" ? "ok" : $(i + 2) == "told" ? "told" : "FAILED"
		}
		match($0, /^- [0-9]+, [a-z_]+: `/) {
			split(substr($0, 3, RLENGTH - 5), of, ", ")
			walk[of[1], of[2]] = "told\t" substr($0, RLENGTH + 1, length($0) - RLENGTH - 1)
			next
		}
		/^- / { at = index($0, ": "); name[$0] = substr($0, 3, at - 3); said[$0] = "not run: " substr($0, at + 2) }
		END {
			for (row in name) {
				file = name[row]
				gsub(/[^[:alnum:]]/, "-", file)
				print name[row] "\n" said[row] >(tried file)
				for (key in walk) {
					split(key, of, SUBSEP)
					if (of[1] == row) print of[2] "\t" walk[key] >(tried file)
				}
				close(tried file)
			}
		}' "$document"
}

# Version, kernel, control groups, storage, date.
described() {
	local format='{{.KernelVersion}} | v{{.CgroupVersion}}, {{.CgroupDriver}}'
	format+='{{if not (or .MemoryLimit .CPUShares .PidsLimit)}}, without controllers{{end}} | {{.Driver}}'
	format+='{{range .DriverStatus}}{{if eq (index . 0) "driver-type"}} (containerd){{end}}{{end}}'
	echo "$(docker version --format '{{.Server.Version}}, API {{.Server.APIVersion}}') |" \
		"$(docker info --format "$format" | sed -E 's/^([0-9.]+)[^ ]*/\1/') | $(date +%F)"
}

# The engines, what each walk came to on each, and what is to be said of either.
table() {
	awk -F '\t' '
		FNR == 1 { engine++; name[engine] = $0; next }
		FNR == 2 && sub(/^not run: /, "") { without[engine] = $0; next }
		FNR == 2 { about[engine] = $0; columns[++n] = engine; next }
		$1 != "" { walks[$1]; came[$1, engine] = $2; word[$1, engine] = $3; count[engine]++; good[engine] += ($2 != "FAILED") }
		END {
			print "| | engine | version | kernel | control groups | storage | tried | capabilities |"
			print "|---|---|---|---|---|---|---|---|"
			for (i = 1; i <= n; i++) {
				e = columns[i]
				print "| " i " | " name[e] " | " about[e] " | " good[e] " of " count[e] " |"
			}
			head = "\n| capability |"; line = "|---|"
			for (i = 1; i <= n; i++) { head = head " " i " |"; line = line "---|" }
			print head; print line
			sorter = "sort"
			for (walk in walks) {
				row = "| " walk " |"
				for (i = 1; i <= n; i++) {
					found = came[walk, columns[i]]
					row = row " " (found == "ok" ? "yes" : found == "told" ? "told" : found == "" ? "" : "**no**") " |"
				}
				gsub(/_/, " ", row)
				print row | sorter
			}
			close(sorter)
			for (walk in walks) for (i = 1; i <= n; i++) if (came[walk, columns[i]] == "told")
				lines[++l] = "- " i ", " walk ": `" word[walk, columns[i]] "`"
			if (l) print "\nTold, since the engine cannot do it:\n"
			sorter = "sort -V"
			for (i = 1; i <= l; i++) print lines[i] | sorter
			close(sorter)
			for (e = 1; e <= engine; e++) if (e in without) missing = missing "- " name[e] ": " without[e] "\n"
			if (missing) printf "\nNot run:\n\n%s", missing
		}' "$@"
}

write_table() {
	{
		sed '/^<!-- tried:/q' "$document"
		echo
		table "$@"
		echo
		sed -n '/^<!-- end of what was tried -->$/,$p' "$document"
	} >"$state/engines.md"
	cp "$state/engines.md" "$document"
}

finish() {
	local status=$? file known=()
	trap - EXIT
	[ -z "$bad" ] || [ "$status" != 0 ] || status=1
	"$root/scripts/engine.sh" release "test-engines.$$" || status=1
	say ''
	summarize
	for file in ${rows[@]+"${rows[@]}"}; do
		[ ! -e "$file" ] || known+=("$file")
	done
	if [ ${#known[@]} != 0 ]; then
		table "${known[@]}"
		[ -z "$write" ] || write_table "${known[@]}"
	fi
	verdict "walks" "$status"
	exit "$status"
}

if [ "${1:-}" = walk ]; then
	walk "$2"
	exit
fi
write=''
while [ $# -gt 0 ]; do
	case $1 in
	--write) write=yes ;;
	-*) die "usage: test-engines.sh [--write] [ROW...]" ;;
	*) chosen+=("$1") ;;
	esac
	shift
done
ensure_state
rm -rf "$tried"
mkdir "$tried"
recalled
log=$state/test-engines.log
: >"$log"
trap finish EXIT
ready_for_engines "test-engines.$$"
logged test-engines-build cargo test --workspace --locked --no-run --test=e2e
rows
