#!/usr/bin/env bash
# How does the cost of a request grow with the rules, the SKUs, the countries, the connections and the replicas? README.md here
# has what it printed, and what follows from it.
set -euo pipefail

usage() {
	cat <<'TEXT'
usage: scale.sh [--quick] [--rounds N] [--seconds N] [--cases A,B]

  --quick       one round of short measurements
  --rounds N    how often each is measured, by turns (default 5)
  --seconds N   how long a measurement takes, 0.1 or more (default 3)
  --cases A,B   of rules, skus, countries, connections, idle, replicas (default all of them)

The variables PROXY_CPU and LOAD_CPU name the cores of the gateway and of all the rest, as taskset takes them.
TEXT
}

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=SCRIPTDIR/parts.sh
source "$HERE/parts.sh"

ROUNDS=5 SECONDS_EACH=3 CASES=rules,skus,countries,connections,idle,replicas

while (($# > 0)); do
	case $1 in
	-h | --help) usage && exit ;;
	--quick)
		ROUNDS=1 SECONDS_EACH=0.5
		shift
		continue
		;;
	esac
	(($# > 1)) || wrong "$1 is no option, or lacks its value; see scale.sh --help"
	case $1 in
	--rounds) ROUNDS=$2 ;;
	--seconds) SECONDS_EACH=$2 ;;
	--cases) CASES=$2 ;;
	*) wrong "there is no option $1; see scale.sh --help" ;;
	esac
	shift 2
done
measurable
among "$CASES" rules skus countries connections idle replicas
need taskset=util-linux nginx=nginx h2load=nghttp2-client redis-server=redis-server
prepare
ulimit -n "$(ulimit -Hn)" # thousands of connections are open at once

# What is measured, in order: its name, of whose process, and what h2load is told.
names=()
declare -A of load

# subject NAME GATEWAY ARGUMENTS has something measured.
subject() {
	names+=("$1")
	of[$1]=$2 load[$1]=$3
}

refusal="-c 64 -H X-Forwarded-For:$AMERICAN /buy/1k"
served="-H X-Forwarded-For:$GERMAN /buy/1k"
post="-c 64 -H X-Forwarded-For:$AMERICAN -H Content-Type:application/json -d cart.json /cart"

# with NAME POLICY VARIABLES... starts a gateway whose policy is a text after what all have.
with() {
	{
		cat "$HERE/policy.yaml"
		printf '%s\n' "$2"
	} >"$work/$1.yaml"
	gateway "$1" "GATE451_POLICY=$1.yaml" "${@:3}"
	http[$1]=$port
}

# rules N prints a policy's further rules, each of a product of its own, on pages of its own.
rules() {
	awk -v n="$1" 'BEGIN {
		for (i = 1; i <= n; i++) print "  p" i ": [{paths: [\"/products/p" i "-*\"]}]"
		print "rules:"
		for (i = 1; i <= n; i++) print "  - {id: r" i ", activity: sale, products: [p" i "], countries: [CU, IR], from: 2024-01-01}"
	}'
}

# skus N prints a product of so many SKUs, restricted in the United States.
skus() {
	awk -v n="$1" 'BEGIN {
		printf "  listed:\n    - skus: ["
		for (i = 1; i <= n; i++) printf "%sZZ-%07d", (i > 1 ? ", " : ""), i
		print "]\nrules: [{id: listed, activity: sale, products: [listed], countries: [US], from: 2024-01-01}]"
	}'
}

# countries N prints a rule on so many countries, among which the United States are the last.
countries() {
	awk -v n="$1" 'BEGIN {
		all = "AD AE AF AG AI AL AM AO AR AT AU AW AZ BA BB BD BE BF BG BH BI BJ BM BN BO BR BS BT BW BY BZ CA CD CF CG CH CI CL CM CN CO CR CU CV CY CZ DK DJ DM DO DZ EC EE EG ER ES ET FI FJ FR GA GB GD GE GH GM GN GQ GR GT GW GY HK HN HR HT HU ID IE IL IN IQ IR IS IT JM JO JP KE KG KH KI KM KN KP KR KW KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MG MK ML MM MN MR MT MU MV MW MX MY MZ NA NE NG NI NL NO NP NR NZ OM PA PE PG PH PK PL PT PW PY QA RO RS RU RW SA SB SC SD SE SG SI SK SL SM SN SO SR SS ST SV SY SZ TD TG TH TJ TL TM TN TO TR TT TV TW TZ UA UG UY UZ VA VC VE VN VU WS YE ZA ZM ZW"
		most = split(all, code, " ")
		printf "rules: [{id: listed, activity: sale, from: 2024-01-01, countries: ["
		for (i = 1; i < n && i <= most; i++) printf "%s, ", code[i]
		print "US, PR, GU, VI, AS, MP, UM]}]"
	}'
}

# replicas N starts so many that share a Redis of their own. All but the first are on the core of the rest.
replicas() {
	local i proxy=$PROXY_CPU config=replicas-$1.yaml
	free_port
	local redis=$port
	mkdir "$work/redis-$1"
	start "redis-$1" "$LOAD_CPU" redis-server --port "$redis" --bind 127.0.0.1 --save '' --dir "$work/redis-$1"
	listening "redis-$1" "$redis"
	{
		cat "$work/gateway.yaml"
		echo "redis: {addrs: [\"127.0.0.1:$redis\"]}"
	} >"$work/$config"
	for ((i = 1; i <= $1; i++)); do
		with "replica-$i-of-$1" '' "GATE451_REPLICA=replica-$i"
		PROXY_CPU=$LOAD_CPU
	done
	PROXY_CPU=$proxy
}

# idle N starts a gateway, and opens so many connections to it.
idle() {
	with "idle-$1" ''
	mkfifo "$work/pipe-$1"
	sleep 100000 >"$work/pipe-$1" &
	started+=("$!")
	: >"$work/held-$1"
	taskset -c "$LOAD_CPU" "$work/hold" "127.0.0.1:${http[idle-$1]}" "$1" <"$work/pipe-$1" >"$work/held-$1" 2>&1 &
	started+=("$!")
	local tries
	for ((tries = 0; tries < 1200; tries++)); do
		[[ $(<"$work/held-$1") != "$1" ]] || return 0
		kill -0 "$!" 2>>"$work/ended" || break
		sleep 0.1
	done
	fail "$1 connections cannot be opened:" "$work/held-$1"
}

build gate451 ./gateway/cmd/gate451
start_upstream
data
for one in ${CASES//,/ }; do
	case $one in
	rules)
		for n in 10 1000 10000; do
			with "rules-$n" "$(rules "$n")"
			subject "rules: a refusal, with $n more rules" "rules-$n" "$refusal"
		done
		;;
	skus)
		for n in 10 10000 100000; do
			with "skus-$n" "$(skus "$n")"
			subject "SKUs: a POST into the cart, with $n SKUs" "skus-$n" "$post"
		done
		;;
	countries)
		for n in 1 50 200; do
			with "countries-$n" "$(countries "$n")"
			subject "countries: a refusal, $n countries in a rule" "countries-$n" "$refusal"
		done
		;;
	connections)
		with connections ''
		for n in 16 64 256 1000; do
			subject "connections: 1 KiB, over $n busy ones" connections "-c $n $served"
		done
		;;
	idle)
		build hold ./deployments/bench/hold.go
		for n in 0 1000 10000; do
			idle "$n"
			subject "idle: 1 KiB over 64, and $n idle ones" "idle-$n" "-c 64 $served"
		done
		;;
	replicas)
		for n in 1 2 8; do
			replicas "$n"
			subject "replicas: a refusal by one of $n" "replica-1-of-$n" "$refusal"
		done
		;;
	esac
done

# measure ROUND NAME writes a line: round, name, requests, microseconds of CPU, KiB.
measure() {
	local requests cpu resident before where=${http[${of[$2]}]} want=2xx
	local -a options
	read -ra options <<<"${load[$2]}"
	[[ $2 != *refusal* ]] || want=4xx
	used "${pid[${of[$2]}]}"
	before=$cpu
	cd "$work"
	insist "$want" "$2" --h1 -D "${MILLISECONDS}ms" --connect-to "127.0.0.1:$where" "${options[@]:0:${#options[@]}-1}" "http://shop.example${options[-1]}"
	used "${pid[${of[$2]}]}"
	printf '%s\t%s\t%d\t%d\t%d\n' "$1" "$2" "$requests" $((cpu - before)) "$resident" >>"$work/samples"
}

for ((round = 1; round <= ROUNDS; round++)); do
	for ((turn = 0; turn < ${#names[@]}; turn++)); do # each begins once
		measure "$round" "${names[(turn + round) % ${#names[@]}]}"
	done
done
echo "$ROUNDS rounds of $SECONDS_EACH s; gateway on core $PROXY_CPU, load and upstream on core $LOAD_CPU"
printf '%s\n' "${names[@]}" >"$work/names"
awk -f "$HERE/scale.awk" "$work/names" "$work/samples"
