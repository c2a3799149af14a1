#!/usr/bin/env bash
# Runs every fuzz target of the tree, one after another: fuzz.sh TIME [PACKAGE...], where TIME is what go test -fuzztime
# takes, such as 10s or 10m. What a run finds stays under testdata/fuzz of its package, and from then on fails the tests.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

time=${1:?"give the time for each target, such as 10s or 10m"}
shift
packages=("$@")
((${#packages[@]} > 0)) || packages=(./...)

failed=()
for package in $(go list "${packages[@]}"); do
	for target in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
		printf '==> %s %s\n' "$package" "$target"
		# Minimising what is merely new can eat the whole time; what fails is minimised in any case.
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 10x "$package" || failed+=("$package $target")
	done
done
if ((${#failed[@]} > 0)); then
	printf 'failed: %s\n' "${failed[@]}" >&2
	exit 1
fi
