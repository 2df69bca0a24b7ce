#!/usr/bin/env bash
# Checks what others' CI reads of this project against the schemas of those who read it, which the Python
# package check-jsonschema carries, and the workflows for what would let strangers in, by zizmor.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$root"

# tool NAME VERSION: the path of that program out of its package.
tool() {
	local venv
	venv=$(python_package "$1" "$2") || {
		show_end "$state/$1.log"
		skipped "$1 $2 cannot be had" || exit
	}
	echo "$venv/bin/$1"
}

check=$(tool check-jsonschema 0.39.0)
audit=$(tool zizmor 1.32.0)

is() { "$check" --builtin-schema "$1" "${@:2}"; } # SCHEMA FILE...
is vendor.github-workflows .github/workflows/*.yml
is custom.github-workflows-require-timeout .github/workflows/*.yml
is vendor.github-actions action.yml
is vendor.gitlab-ci packaging/ci/gitlab-ci.yml
is vendor.compose-spec images/compose.yaml
"$audit" --offline --no-progress --quiet .
