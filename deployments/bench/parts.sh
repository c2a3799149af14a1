# shellcheck shell=bash disable=SC2034 # what reads this uses the rest
# What run.sh and scale.sh have in common: parts that are started on a core each and ended, and what they use of it. It is read by
# them, with HERE set to this folder, and prints nothing.
export LC_ALL=C GOTOOLCHAIN=auto # figures have a point
export PATH="$PATH:/usr/local/go/bin:/usr/sbin:/sbin"
AMERICAN=50.114.0.1 GERMAN=85.214.132.117

wrong() {
	echo "${0##*/}: $1" >&2
	exit 2
}

# among LIST WORDS... fails unless each word of a list with commas is one of the words.
among() {
	local word
	for word in ${1//,/ }; do
		[[ " ${*:2} " == *" $word "* ]] || wrong "there is no \"$word\"; expected some of ${*:2}, with commas between"
	done
	[[ -n ${1//,/} ]] || wrong "an empty list; expected some of ${*:2}, with commas between"
}

# measurable checks ROUNDS and SECONDS_EACH, and sets MILLISECONDS.
measurable() {
	[[ $ROUNDS =~ ^[1-9][0-9]{0,3}$ ]] || wrong "--rounds $ROUNDS; expected a number from 1 to 9999"
	[[ $SECONDS_EACH =~ ^[0-9]{1,4}(\.[0-9])?$ && ! $SECONDS_EACH =~ ^0+(\.0)?$ ]] || wrong "--seconds $SECONDS_EACH; expected a number such as 5 or 0.5"
	MILLISECONDS=$(awk -v s="$SECONDS_EACH" 'BEGIN { printf "%d", s * 1000 }')
}

# need PROGRAM=PACKAGE... or FILE=PACKAGE... fails if something is not installed, and says what would install it.
need() {
	local one missing=()
	for one in "$@"; do
		case $one in
		/*) [[ -e ${one%%=*} ]] || missing+=("${one#*=}") ;;
		*) [[ -n $(type -P "${one%%=*}") ]] || missing+=("${one#*=}") ;;
		esac
	done
	if ((${#missing[@]} > 0)); then
		echo "${0##*/}: not installed: ${missing[*]}; on Debian: apt-get install --no-install-recommends ${missing[*]}" >&2
		exit 1
	fi
	[[ -n $(type -P go) ]] || wrong "go is not installed; install Go 1.26 or later"
}

# The cores that this process may use, one a line.
cores() {
	taskset -cp $$ | sed 's/.*: //' | tr ',' '\n' | while IFS=- read -r from to; do seq "$from" "${to:-$from}"; done
}

# prepare chooses the cores of the proxy and of all the rest, makes a folder for files, and sees to it that everything is ended.
prepare() {
	local may
	mapfile -t may < <(cores)
	PROXY_CPU=${PROXY_CPU:-${may[0]}}
	LOAD_CPU=${LOAD_CPU:-${may[1]:-}}
	[[ -n $LOAD_CPU ]] || wrong "there is one core only; two are needed, one for the proxy and one for the load and the upstream"
	work=$(mktemp -d)
	chmod 755 "$work"
	trap finish EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	free_port
	upstream=$port
}
started=() loading=''

# finish ends what was started here, whichever way this ends, and takes its files away.
finish() {
	local status=$? pid
	[[ -z $loading ]] || started+=("$loading")
	for pid in "${started[@]}"; do
		kill "$pid" 2>>"$work/ended" || true
	done
	for pid in "${started[@]}"; do
		wait "$pid" 2>>"$work/ended" || true
	done
	rm -rf "$work"
	exit "$status"
}

fail() {
	echo "${0##*/}: $1" >&2
	[[ -z ${2:-} ]] || tail -n 20 "$2" >&2
	exit 1
}

# free_port sets port to one below those that the system hands out, that nothing listens on and none here was given.
given=' '
free_port() {
	while port=$((20000 + RANDOM % 12000)) && { [[ $given == *" $port "* ]] || (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>>"$work/refused"; }; do :; done
	given+="$port "
}

declare -A pid http https

# start NAME CORE COMMAND... runs a part on a core until this ends.
start() {
	taskset -c "$2" "${@:3}" >"$work/$1.log" 2>&1 </dev/null &
	pid[$1]=$!
	started+=("$!")
}

# listening NAME PORT waits until a part listens.
listening() {
	local tries
	for ((tries = 0; tries < 600; tries++)); do
		(exec 3<>"/dev/tcp/127.0.0.1/$2") 2>>"$work/refused" && return
		kill -0 "${pid[$1]}" 2>>"$work/ended" || break
		sleep 0.1
	done
	fail "$1 does not listen; it said:" "$work/$1.log"
}

# build PROGRAM WHAT OPTIONS... builds a part of this tree as it is shipped, but for what the options say.
build() {
	(cd "$HERE/../.." && CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w' "${@:3}" -o "$work/$1" "$2")
}

# fill FILE NAME VALUE... writes a configuration with what stands for its @NAME@.
fill() {
	local text
	text=$(<"$HERE/$1")
	set -- "$@" WORK "$work" USER "$user" MODULE "${MODULE:-}" UPSTREAM "$upstream"
	local to=$1
	shift
	while (($# > 0)); do
		text=${text//"@$1@"/"$2"}
		shift 2
	done
	printf '%s\n' "$text" >"$work/$to"
}

user=''
((EUID != 0)) || user='user root;' # its files are root's
# start_upstream serves what buyers ask for.
start_upstream() {
	mkdir "$work/files"
	truncate -s 1K "$work/files/1k"
	truncate -s 64K "$work/files/64k"
	truncate -s 100M "$work/files/100m"
	printf '{"sku":"AB-1","note":"%s"}' "$(printf '%2024s' '' | tr ' ' x)" >"$work/cart.json"
	printf '{"sku":"KL-1"}' >"$work/restricted.json"
	fill upstream.conf
	start upstream "$LOAD_CPU" nginx -c "$work/upstream.conf"
	listening upstream "$upstream"
}

# data makes what a gateway reads.
data() {
	{
		date -u '+# Generated: %a, %d %b %Y %H:%M:%S GMT'
		awk -v format=csv -f "$HERE/country.awk"
	} >"$work/country.csv"
	"$work/gate451" geoip build --geoip "$work/country.csv" --out "$work/country.mmdb" >"$work/built"
	cp "$HERE/policy.yaml" "$work/policy.yaml"
	sed "s/127\.0\.0\.1:3000/127.0.0.1:$upstream/" "$HERE/gateway.yaml" >"$work/gateway.yaml"
}

# certificate makes one for TLS.
certificate() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=shop.example -addext subjectAltName=DNS:shop.example \
		-keyout "$work/tls.key" -out "$work/tls.crt" 2>"$work/openssl"
	cat "$work/tls.crt" "$work/tls.key" >"$work/tls.pem"
}

# gateway NAME VARIABLES... starts a gateway, with what the file says that config names.
config=gateway.yaml
gateway() {
	local name=$1
	shift
	free_port
	set -- "$@" "GATE451_ADMIN_LISTEN=127.0.0.1:$port"
	free_port
	start "$name" "$PROXY_CPU" env "$@" "GATE451_LISTEN=127.0.0.1:$port" "$work/gate451" serve --config "$work/$config"
	listening "$name" "$port"
}

# family PID prints a process and its children.
family() {
	echo "$1"
	cat "/proc/$1/task/$1/children"
}

# used sets cpu to the microseconds that a process and its children have run, to a tick of the clock, and resident to the
# KiB that they hold.
used() {
	local one fields
	cpu=0 resident=0
	for one in $(family "$1"); do
		read -ra fields <"/proc/$one/stat"
		cpu=$((cpu + (fields[13] + fields[14]) * (1000000 / TICKS)))
		resident=$((resident + $(awk '$1 == "VmRSS:" { print $2 }' "/proc/$one/status")))
	done
}
TICKS=$(getconf CLK_TCK)

# await runs a load beside this shell, which then hears of signals at once.
await() {
	local status=0
	"$@" >"$work/load" 2>&1 </dev/null &
	loading=$!
	wait "$loading" || status=$?
	loading=''
	return "$status"
}

# ask WANT WHOM ARGUMENTS... has h2load ask, and sets requests and microseconds. An answer of another class than WANT ends this. A load
# that fails has got no answers: a machine may be too busy to let it begin in time.
ask() {
	requests=0 microseconds=0
	await timeout $((MILLISECONDS / 1000 + 300)) taskset -c "$LOAD_CPU" h2load "${@:3}" || return 0
	counted "$1" "$2"
}

# insist does so until there are answers.
insist() {
	local tries
	for tries in 1 2 3 4 5; do
		ask "$@"
		((requests == 0)) || return 0
	done
	fail "$2 answers nothing ($tries attempts):" "$work/load"
}

# counted WANT WHOM sets requests and microseconds to what h2load has said. An answer of another class than WANT is a failure.
counted() {
	read -r requests microseconds < <(awk -v want="$1" '
		$1 == "finished" { t = $3; sub(/,$/, "", t); scale = t ~ /us$/ ? 1 : t ~ /ms$/ ? 1e3 : 1e6; took = t * scale }
		$1 == "requests:" { for (i = 2; i < NF; i++) { if ($(i + 1) ~ /^done/) done = $i; if ($(i + 1) ~ /^failed/) failed = $i } }
		$1 == "status" { for (i = 3; i < NF; i++) status[substr($(i + 1), 1, 3)] = $i }
		END {
			# A status counts when it comes, and a request when its answer is whole. nginx gives 451 no words, and a status without words
			# counts as failed only.
			wrong = status["3xx"] + status["5xx"] + (want == "2xx" ? status["4xx"] + failed : status["2xx"] + done - failed)
			printf "%d %d\n", wrong == 0 ? done : -1, took
		}' "$work/load")
	((requests >= 0)) || fail "not every answer is a $1, of $2:" "$work/load"
}
