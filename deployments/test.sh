#!/usr/bin/env bash
# Every check that a change has to pass. On a Debian machine with Go it installs what the checks run, builds the linter,
# the vulnerability scanner, h2spec and Pebble into .bin/, and fetches axe-core, once per version, and goes on after a
# failure, so that one run shows all of them.
#
# Of the fuzz targets it runs the seeds and what was ever found, as go test does. The search for more is fuzz.sh's: what it
# happens to find is no fault of the change that is being checked, and three seconds of it find little.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

GOLANGCI_LINT_VERSION=v2.15.0
GOVULNCHECK_VERSION=v1.9.0
PEBBLE_VERSION=v2.10.1
H2SPEC_VERSION=v2.2.1+incompatible # the latest that the module proxy offers
NODE_VERSION=20.20.2               # of the Node that npm brings where the installed one is older than 20, which Vendure needs
AXE_VERSION=4.14.1                 # axe-core, which looks for what keeps people from reading a page
LEAST_COVERAGE=85 # percent of the statements of each package, by its own tests; rules has no statement untested

# What the checks run, as program=package or file=package.
NEEDS=(
	gcc=gcc
	/usr/include/stdlib.h=libc6-dev
	curl=curl
	wget=wget
	apt-get=apt
	freshclam=clamav-freshclam
	/etc/ssl/certs/ca-certificates.crt=ca-certificates
	shellcheck=shellcheck
	redis-server=redis-server
	nginx=nginx
	haproxy=haproxy
	caddy=caddy
	apache2=apache2-bin
	lighttpd=lighttpd
	/usr/bin/php=php-cli
	/usr/bin/php-cgi=php-cgi
	/usr/share/php/Symfony/Component/HttpFoundation/autoload.php=php-symfony-http-foundation
	java=default-jre-headless
	/usr/share/tomcat10/bin/bootstrap.jar=tomcat10-common
	node=nodejs
	npm=npm
	/usr/bin/python3=python3
	/usr/lib/python3/dist-packages/django=python3-django
	/usr/lib/python3/dist-packages/werkzeug=python3-werkzeug
	promtool=prometheus
	prometheus=prometheus
	chromium=chromium
	/usr/share/tor/geoip=tor-geoipdb
	strace=strace
	prlimit=util-linux
	taskset=util-linux
	openssl=openssl
	h2load=nghttp2-client
	wrk=wrk
	/usr/lib/nginx/modules/ngx_http_geoip2_module.so=libnginx-mod-http-geoip2
	mount=mount
	systemd-analyze=systemd
)

export GOTOOLCHAIN=auto # go.mod names the toolchain; a machine's GOTOOLCHAIN=local must not choose an older one
export PATH="$PATH:/usr/local/go/bin:/usr/sbin:/sbin"
BIN=$PWD/.bin
WORK=$(mktemp -d)
ROOT=()
((EUID == 0)) || ROOT=(sudo)

failed=() skipped=() passed=0
trap finish EXIT

finish() {
	rm -rf "$WORK"
	printf 'test.sh: %d ok, %d failed, %d skipped in %d s' "$passed" "${#failed[@]}" "${#skipped[@]}" "$SECONDS"
	((${#failed[@]} == 0)) || printf '; failed: %s' "${failed[*]}"
	((${#skipped[@]} == 0)) || printf '; skipped: %s' "${skipped[*]}"
	printf '\n'
}

# step NAME COMMAND... runs a check and says how it went and how long it took. Status 77 says that it could not be run.
# It is never part of a condition: bash would ignore set -e inside it.
step() {
	local name=$1 start=$SECONDS status result
	shift
	set +e
	(
		set -e
		"$@"
	)
	status=$?
	set -e
	case $status in
	0) result=ok passed=$((passed + 1)) ;;
	77) result=skip skipped+=("$name") ;;
	*) result=FAIL failed+=("$name") ;;
	esac
	printf '==> %-4s %s (%d s)\n' "$result" "$name" $((SECONDS - start))
}

# must ends the run if a step has failed without which nothing after it can work.
must() {
	((${#failed[@]} == 0)) || exit 1
}

installed() {
	command -v "$1" >"$WORK/found"
}

missing() {
	local need
	for need in "${NEEDS[@]}"; do
		case $need in
		/*) [[ -e ${need%%=*} ]] || echo "${need#*=}" ;;
		*) installed "${need%%=*}" || echo "${need#*=}" ;;
		esac
	done
}

packages() {
	local -a wanted
	mapfile -t wanted < <(missing)
	((${#wanted[@]} > 0)) || return 0
	if ! installed apt-get; then
		echo "missing: ${wanted[*]}; install them, as this is no Debian machine" >&2
		return 1
	fi
	echo "installing ${wanted[*]}"
	# The packages would start their services; the tests start their own, on free ports. A policy that is there stays.
	local policy=/usr/sbin/policy-rc.d
	if [[ ! -e $policy ]]; then
		trap '"${ROOT[@]}" rm -f /usr/sbin/policy-rc.d' EXIT
		printf '#!/bin/sh\nexit 101\n' | "${ROOT[@]}" tee "$policy" >"$WORK/policy"
		"${ROOT[@]}" chmod 755 "$policy"
	fi
	apt_get update
	apt_get install -y --no-install-recommends "${wanted[@]}"
	mapfile -t wanted < <(missing)
	if ((${#wanted[@]} > 0)); then
		echo "still missing after installation: ${wanted[*]}" >&2
		return 1
	fi
}

# apt_get is silent unless it fails.
apt_get() {
	"${ROOT[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::Retries=3 "$@" >"$WORK/apt" 2>&1 && return
	cat "$WORK/apt" >&2
	return 1
}

toolchain() {
	if ! installed go; then
		echo "go is not installed; install Go 1.26 or later" >&2
		return 1
	fi
	if ! go version; then
		echo "the $(awk '$1 == "toolchain" { print $2 }' go.mod) that go.mod names cannot be fetched; let GOPROXY reach a module proxy, or install it" >&2
		return 1
	fi
}

# tool NAME PACKAGE VERSION builds a program into $TOOLS, where the next run finds it.
tool() {
	[[ -x $TOOLS/$1-$3 ]] && return
	echo "building $1 $3"
	GOTOOLCHAIN=$(go env GOVERSION) GOBIN=$WORK/bin GOFLAGS='' go install "$2@$3"
	mkdir -p "$TOOLS"
	mv "$WORK/bin/$1" "$TOOLS/$1-$3"
}

tools() {
	tool golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint "$GOLANGCI_LINT_VERSION"
	tool govulncheck golang.org/x/vuln/cmd/govulncheck "$GOVULNCHECK_VERSION"
	tool pebble github.com/letsencrypt/pebble/v2/cmd/pebble "$PEBBLE_VERSION"
	tool h2spec github.com/summerwind/h2spec/cmd/h2spec "$H2SPEC_VERSION"
	axe
}

# axe fetches the script that a browser runs on the page of a refusal, into $TOOLS.
axe() {
	[[ -e $AXE ]] && return
	echo "fetching axe-core $AXE_VERSION"
	npm pack --silent --pack-destination "$WORK" "axe-core@$AXE_VERSION" >"$WORK/npm"
	tar -xzf "$WORK/axe-core-$AXE_VERSION.tgz" -C "$WORK" package/axe.min.js
	mv "$WORK/package/axe.min.js" "$AXE"
}

# vendure installs the shop that TestVendure starts, outside the tree and once for each list of packages.
vendure() {
	if [[ ! -e $VENDURE/done ]]; then
		echo "installing Vendure into $VENDURE"
		rm -rf "$VENDURE"
		mkdir -p "$VENDURE"
		cp gateway/testdata/vendure/package*.json "$VENDURE/"
		npm_ ci --omit=dev
		if [[ $(node_major node) -lt 20 ]]; then
			npm_ install --no-save "node-linux-$(node -p process.arch)@$NODE_VERSION"
		fi
		touch "$VENDURE/done"
	fi
	[[ $(node_major "$(node_program)") -ge 20 ]] && return
	echo "Vendure needs Node 20 or later, and $(node_program) is $("$(node_program)" --version)" >&2
	return 1
}

# npm_ is npm without what only people want to read. Nothing that a package wants to run is run: the shop needs none of it.
npm_() {
	npm "$@" --prefix "$VENDURE" --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error
}

node_major() {
	"$1" -p 'process.versions.node.split(".")[0]'
}

# node_program is the Node that runs the shop: the one that npm had to bring, or the one that is installed.
node_program() {
	find "$VENDURE/node_modules" -path '*/node-linux-*/bin/node' -print -quit | grep . || echo node
}

format() {
	local files
	files=$("$(go env GOROOT)/bin/gofmt" -l .)
	[[ -z $files ]] && return
	printf 'not formatted by gofmt:\n%s\n' "$files" >&2
	return 1
}

scripts() {
	find .ci/run deployments -type f \( -name '*.sh' -o -path .ci/run -o -path 'deployments/debian/p*' \) -print0 | xargs -0 shellcheck
}

vulnerabilities() {
	local database=${GOVULNDB:-https://vuln.go.dev} # or a mirror of it
	if ! curl -fsS --max-time 15 -o "$WORK/database" "$database/index/db.json"; then
		echo "skipped: the vulnerability database at $database cannot be reached from here"
		return 77
	fi
	"$GOVULNCHECK" -db "$database" ./...
}

tests() {
	GATE451_REQUIRE_ALL=1 go test -race -count=1 -timeout 20m -coverprofile="$WORK/running" ./...
	mv "$WORK/running" "$WORK/coverage"
}

# reproducible rebuilds the embedded database, which takes too long under the race detector.
reproducible() {
	GATE451_REQUIRE_ALL=1 go test -count=1 -run '^TestEmbeddedIsReproducible$' ./gateway/geoip
}

# coverage counts, for each package, the statements that the package's own tests run. What the tests of other packages
# happen to run proves nothing about it, and is not counted (that would be -coverpkg).
coverage() {
	if [[ ! -e $WORK/coverage ]]; then
		echo "not measured, because the tests failed" >&2
		return 1
	fi
	awk -v least="$LEAST_COVERAGE" '
		/^mode:/ { next }
		{
			file = $1; sub(/:[^:]*$/, "", file)
			package = file; sub(/\/[^\/]*$/, "", package)
			if (!($1 in size)) { size[$1] = $2; of[$1] = package }
			if ($3 > 0) run[$1] = 1
		}
		END {
			for (block in size) {
				total[of[block]] += size[block]
				if (block in run) covered[of[block]] += size[block]
			}
			for (package in total) {
				if (total[package] == 0) continue
				want = package == "gate451/rules" ? 100 : least
				low = covered[package] * 100 < total[package] * want
				judged++; bad += low
				printf "%6.1f %%  %s%s\n", int(covered[package] * 1000 / total[package]) / 10, package, low ? "  (at least " want " % is asked for)" : "" | "sort -k3"
			}
			close("sort -k3")
			if (judged == 0) { print "no package has a statement" ; exit 1 }
			exit bad > 0
		}' "$WORK/coverage"
}

step packages packages
must
step toolchain toolchain
must
TOOLS=$BIN/$(go env GOVERSION)
export GOLANGCI_LINT=$TOOLS/golangci-lint-$GOLANGCI_LINT_VERSION # deployments/lint_test.go runs it, too
GOVULNCHECK=$TOOLS/govulncheck-$GOVULNCHECK_VERSION
export H2SPEC=$TOOLS/h2spec-$H2SPEC_VERSION # the gateway's tests run it
export PEBBLE=$TOOLS/pebble-$PEBBLE_VERSION # and those of certificates
export AXE=$TOOLS/axe-core-$AXE_VERSION.js # so do those of the refusal and of the console
step tools tools
must
VENDURE=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/gate451/vendure-$(cat gateway/testdata/vendure/package*.json | sha256sum | cut -c1-16)
step vendure vendure
if [[ -e $VENDURE/done ]]; then
	NODE=$(node_program)
	export VENDURE NODE # the gateway's tests start it
fi
step gofmt format
step shellcheck scripts
step 'go mod tidy' go mod tidy -diff
step 'go mod verify' go mod verify
step 'go vet' go vet ./...
step golangci-lint "$GOLANGCI_LINT" run ./...
step govulncheck vulnerabilities
step 'go test' tests
step coverage coverage
step 'embedded database' reproducible
must
