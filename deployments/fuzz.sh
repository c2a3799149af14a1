#!/usr/bin/env bash
# Runs every fuzz target of the tree, one after another: fuzz.sh TIME [PACKAGE...], where TIME is what go test -fuzztime
# takes, such as 10s or 10m. What a run finds stays under testdata/fuzz of its package, and from then on fails the tests.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

time=${1:?"give the time for each target, such as 10s or 10m"}
shift
packages=("$@")
((${#packages[@]} > 0)) || packages=(./...)

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# fuzz PACKAGE TARGET repeats a run that the end of its time made fail: now and then the tool takes its own deadline for an
# error (golang/go#75804, mended in Go 1.27). Whatever a target does wrong leaves an input behind.
fuzz() {
	local tries
	for tries in 1 2 3; do
		# Minimising what is merely new can eat the whole time; what fails is minimised in any case.
		go test -run '^$' -fuzz "^$2\$" -fuzztime "$time" -fuzzminimizetime 10x "$1" 2>&1 | tee "$log" && return
		grep -qx '    context deadline exceeded' "$log" && ! grep -q 'Failing input written' "$log" || return 1
		printf 'the deadline was taken for an error, in run %d\n' "$tries"
	done
	return 1
}

failed=()
for package in $(go list "${packages[@]}"); do
	for target in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
		printf '==> %s %s\n' "$package" "$target"
		fuzz "$package" "$target" || failed+=("$package $target")
	done
done
if ((${#failed[@]} > 0)); then
	printf 'failed: %s\n' "${failed[@]}" >&2
	exit 1
fi
