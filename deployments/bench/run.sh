#!/usr/bin/env bash
# How much does a request cost the gateway, and how much does it cost nginx, HAProxy, Caddy and the reverse proxy of Go's own
# library, which are asked for the same?
# README.md here says what is compared, and how to read what this prints.
set -euo pipefail

usage() {
	cat <<'TEXT'
usage: run.sh [--quick] [--rounds N] [--seconds N] [--cases A,B] [--peers A,B] [--rate N] [--samples FILE] [--svg FILE]

  --quick         one round of short measurements: about a minute
  --rounds N      how often each is measured, by turns (default 5)
  --seconds N     how long a measurement takes, 0.1 or more (default 5)
  --cases A,B     of refusal, 1k, 64k, download, post, h2, new (default all of them)
  --peers A,B     of nginx, haproxy, caddy, reverseproxy (default all of them)
  --rate N        requests a second under which the latency is measured (default 500)
  --samples FILE  where every single measurement is written
  --svg FILE      where a chart is written

The variables PROXY_CPU and LOAD_CPU name the cores of the proxy and of all the rest, as taskset takes them. The defaults are
the first two that this process may use. GEOIP2_MODULE names nginx's module where it is not in Debian's place.
TEXT
}

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=SCRIPTDIR/parts.sh
source "$HERE/parts.sh"

ROUNDS=5 SECONDS_EACH=5 CASES=refusal,1k,64k,download,post,h2,new PEERS=nginx,haproxy,caddy,reverseproxy RATE=500 SAMPLES='' SVG=''

while (($# > 0)); do
	case $1 in
	-h | --help) usage && exit ;;
	--quick)
		ROUNDS=1 SECONDS_EACH=0.5
		shift
		continue
		;;
	esac
	(($# > 1)) || wrong "$1 is no option, or lacks its value; see run.sh --help"
	case $1 in
	--rounds) ROUNDS=$2 ;;
	--seconds) SECONDS_EACH=$2 ;;
	--cases) CASES=$2 ;;
	--peers) PEERS=$2 ;;
	--rate) RATE=$2 ;;
	--samples) SAMPLES=$(realpath -- "$2") ;;
	--svg) SVG=$(realpath -- "$2") ;;
	*) wrong "there is no option $1; see run.sh --help" ;;
	esac
	shift 2
done
measurable
[[ $RATE =~ ^[1-9][0-9]{1,5}$ ]] || wrong "--rate $RATE; expected a number from 10 to 999999"
among "$CASES" refusal 1k 64k download post h2 new
among "$PEERS" nginx haproxy caddy reverseproxy

MODULE=${GEOIP2_MODULE:-/usr/lib/nginx/modules/ngx_http_geoip2_module.so}
CONNECTIONS=64 # that are kept busy, for the throughput

NEEDS=(curl=curl openssl=openssl taskset=util-linux nginx=nginx h2load=nghttp2-client wrk=wrk)
[[ ,$PEERS, != *,nginx,* ]] || NEEDS+=("$MODULE=libnginx-mod-http-geoip2")
[[ ,$PEERS, != *,haproxy,* ]] || NEEDS+=(haproxy=haproxy)
[[ ,$PEERS, != *,caddy,* ]] || NEEDS+=(caddy=caddy)
need "${NEEDS[@]}"
prepare

# gateways NAME FOLDER... starts the gateway without and with TLS, as it listens on one port only, with evidence if a folder for
# it is named.
gateways() {
	local -a evidence=()
	[[ -z ${2:-} ]] || evidence=("GATE451_EVIDENCE_DIR=$work/$2")
	gateway "$1" "${evidence[@]}"
	http[$1]=$port
	[[ ,$CASES, == *,h2,* ]] || return 0
	[[ -z ${2:-} ]] || evidence=("GATE451_EVIDENCE_DIR=$work/$2-tls")
	gateway "$1-tls" "${evidence[@]}" GATE451_TLS_CERT_FILE=tls.crt GATE451_TLS_KEY_FILE=tls.key
	https[$1]=$port
}

# peer NAME CONFIGURATION COMMAND... starts one of the others, which listens on both ports. Further values for the
# configuration stand in the array values.
peer() {
	free_port
	http[$1]=$port
	free_port
	https[$1]=$port
	fill "$2" PORT "${http[$1]}" TLS "${https[$1]}" BODY "$body" "${values[@]}"
	start "$1" "$PROXY_CPU" "${@:3}"
	listening "$1" "${https[$1]}"
}

# start_peers starts all that were named.
start_peers() {
	awk -v format=map -f "$HERE/country.awk" >"$work/country.map"
	# What the gateway says, for the others to say the same, without what their configurations would read.
	body=$(curl -sS --max-time 10 -H 'Host: shop.example' -H "X-Forwarded-For: $AMERICAN" "http://127.0.0.1:${http[gate451]}/buy/1k" | tr -cd '[:alnum:] .,:;()\n')
	printf '%s\n' "$body" >"$work/body.txt"
	local values=() one
	for one in ${PEERS//,/ }; do
		case $one in
		nginx) peer nginx nginx.conf nginx -c "$work/nginx.conf" ;;
		haproxy) peer haproxy haproxy.cfg haproxy -db -f "$work/haproxy.cfg" ;;
		caddy)
			# Since 2.7 whose word about the address is believed stands apart from what is compared with it.
			values=(MATCHER 'remote_ip forwarded' SERVERS '')
			if caddy list-modules | grep -q 'http.matchers.client_ip'; then
				values=(MATCHER client_ip SERVERS 'servers { 
		trusted_proxies static 127.0.0.1/32
	}')
			fi
			values+=(AMERICAN "$(awk -v format=american -f "$HERE/country.awk")")
			peer caddy Caddyfile env "XDG_DATA_HOME=$work" "XDG_CONFIG_HOME=$work" caddy run --adapter caddyfile --config "$work/Caddyfile"
			;;
		reverseproxy)
			free_port
			http[reverseproxy]=$port
			free_port
			https[reverseproxy]=$port
			start reverseproxy "$PROXY_CPU" "$work/reverseproxy" "127.0.0.1:${http[reverseproxy]}" "127.0.0.1:$port" "127.0.0.1:$upstream" "$work"
			listening reverseproxy "$port"
			;;
		esac
	done
}

# answers WANT SUBJECT ADDRESS PATH ARGUMENTS... fails unless a subject gives somebody at an address the wanted status.
answers() {
	local got
	got=$(curl -sS --max-time 20 -o "$work/answer" -w '%{http_code}' -H 'Host: shop.example' -H "X-Forwarded-For: $3" "${@:5}" "http://127.0.0.1:${http[$2]}$4") ||
		fail "$2 does not answer; it said:" "$work/$2.log"
	[[ $got == "$1" ]] || fail "$2 answers $got and not $1 to $3 for $4: what it does cannot be compared" "$work/$2.log"
}

# verify fails unless each subject refuses an American and serves a German, and reads the SKU if it can.
verify() {
	local one got
	for one in "${subjects[@]}"; do
		answers 451 "$one" "$AMERICAN" /buy/1k
		answers 200 "$one" "$GERMAN" /buy/1k
		[[ $(wc -c <"$work/answer") == 1024 ]] || fail "$one serves something else than the upstream does"
		answers 200 "$one" "$AMERICAN" /cart -H 'Content-Type: application/json' --data-binary "@$work/cart.json"
		case $one in
		nginx | caddy | reverseproxy) ;;
		*) answers 451 "$one" "$AMERICAN" /cart -H 'Content-Type: application/json' --data-binary "@$work/restricted.json" ;;
		esac
		[[ ,$CASES, == *,h2,* ]] || continue
		got=$(curl -sS --max-time 20 -o "$work/answer" -w '%{http_code} %{http_version}' --cacert "$work/tls.crt" --resolve "shop.example:${https[$one]}:127.0.0.1" \
			-H "X-Forwarded-For: $GERMAN" "https://shop.example:${https[$one]}/buy/1k") || fail "$one does not speak TLS; it said:" "$work/$one.log"
		[[ $got == '200 2' ]] || fail "$one answers $got and not 200 over HTTP/2"
	done
	echo "each of ${subjects[*]} refuses an American with 451 and serves a German; nginx, caddy and reverseproxy read no SKU"
}

# load CASE SUBJECT MILLISECONDS HOW measures throughput (full) or latency (rate). It sets requests and microseconds, and the
# latencies p50 and p99 in microseconds.
load() {
	local where=${http[$2]} scheme=http path=/buy/1k from=$GERMAN want=2xx number
	local -a options=(--h1) amount
	case $1 in
	refusal) from=$AMERICAN want=4xx ;;
	64k) path=/buy/64k ;;
	download) path=/buy/100m ;;
	post) path=/cart from=$AMERICAN options+=(-d "$work/cart.json" -H 'Content-Type: application/json') ;;
	h2) scheme=https where=${https[$2]} options=() ;;
	new)
		load_new "$where" "$3" "$4" "$2"
		return
		;;
	esac
	case $1/$4 in
	download/*) # those under way at the end would be counted in part
		number=$((($3 + 99) / 100))
		amount=(-n "$((number < 2 ? 2 : number))" -c 2)
		[[ $4 == full ]] || amount=(-n "$(((number + 3) / 4))" -c 1)
		;;
	h2/full) amount=(-D "${3}ms" -c 8 -m $((CONNECTIONS / 8))) ;;
	*/full) amount=(-D "${3}ms" -c "$CONNECTIONS") ;;
	*) amount=(-D "${3}ms" -c 2 --rps $((RATE / 2))) ;;
	esac
	rm -f "$work/each"
	[[ $4 == full ]] || amount+=(--log-file "$work/each")
	ask "$want" "$2 in case $1" "${options[@]}" "${amount[@]}" -H "X-Forwarded-For: $from" --connect-to "127.0.0.1:$where" "$scheme://shop.example$path"
	[[ $4 == full || $requests == 0 ]] && return
	read -r p50 p99 < <(cut -f 3 "$work/each" | sort -n | awk '{ t[NR] = $1 } END { if (NR) print t[int((NR + 1) / 2)], t[int((NR * 99 + 99) / 100)]; else print "0 0" }')
	requests=$(wc -l <"$work/each")
}

# load_new PORT MILLISECONDS HOW SUBJECT does so with a connection for each request. wrk counts in whole seconds.
load_new() {
	local connections=$CONNECTIONS pace='' errors
	[[ $3 == full ]] || connections=8 pace=$((8000 / RATE))
	await env "PACE=$pace" timeout $(($2 / 1000 + 300)) taskset -c "$LOAD_CPU" wrk -t 1 -c "$connections" --timeout 60s -d "$((($2 + 999) / 1000))s" -s "$HERE/new.lua" \
		-H 'Host: shop.example' -H "X-Forwarded-For: $GERMAN" -H 'Connection: close' "http://127.0.0.1:$1/buy/1k" || fail "the load on $4 fails:" "$work/load"
	read -r requests microseconds p50 p99 errors < <(awk '$1 == "measured" { print $2, $3, $4, $5, $6 }' "$work/load")
	((errors == 0)) || fail "$4 fails $errors times in case new:" "$work/load"
}

# patient CASE SUBJECT HOW measures until something was answered, twice as long each time: a machine may be that busy.
patient() {
	local milliseconds=$MILLISECONDS tries
	for tries in 1 2 3 4 5 6 7; do
		load "$1" "$2" "$milliseconds" "$3"
		((requests == 0)) || return 0
		milliseconds=$((milliseconds * 2))
	done
	fail "$2 answers nothing in case $1 ($tries attempts):" "$work/load"
}

# sample ROUND CASE SUBJECT measures and writes a line: round, case, subject, requests, microseconds, microseconds of CPU, KiB,
# and the 50th and 99th percentile of the latency in microseconds. The way without a proxy, direct, has a latency only.
sample() {
	local requests=0 microseconds=0 p50 p99 cpu=0 resident=0 before=0 name=$3
	if [[ $3 != direct ]]; then
		[[ $2 == h2 && $3 == gate451* ]] && name=$3-tls
		used "${pid[$name]}"
		before=$cpu
		patient "$2" "$3" full
		used "${pid[$name]}"
	fi
	local answered=$requests took=$microseconds
	patient "$2" "$3" rate
	printf '%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\n' "$1" "$2" "$3" "$answered" "$took" $((cpu - before)) "$resident" "$p50" "$p99" >>"$work/samples"
}

build gate451 ./gateway/cmd/gate451
[[ ,$PEERS, != *,reverseproxy,* ]] || build reverseproxy ./deployments/bench/reverseproxy.go
start_upstream
data
certificate
gateways gate451
gateways gate451-strict evidence
start_peers
http[direct]=$upstream
subjects=(gate451 gate451-strict)
for one in nginx haproxy caddy reverseproxy; do
	[[ ,$PEERS, != *,$one,* ]] || subjects+=("$one")
done
verify

for ((round = 1; round <= ROUNDS; round++)); do
	for one in ${CASES//,/ }; do
		for ((turn = 0; turn < ${#subjects[@]}; turn++)); do # each begins once
			sample "$round" "$one" "${subjects[(turn + round) % ${#subjects[@]}]}"
		done
		case $one in
		refusal | h2) ;; # the upstream refuses nobody, and speaks no TLS
		*) sample "$round" "$one" direct ;;
		esac
	done
done

[[ -z $SAMPLES ]] || cp "$work/samples" "$SAMPLES"
echo "$ROUNDS rounds of $SECONDS_EACH s; proxy on core $PROXY_CPU, load and upstream on core $LOAD_CPU; evidence of gate451-strict on $(stat -f -c %T "$work")"
awk -v cases="$CASES" -v subjects="${subjects[*]} direct" -f "$HERE/median.awk" -f "$HERE/report.awk" "$work/samples"
if [[ -n $SVG ]]; then
	awk -v cases="$CASES" -v subjects="${subjects[*]}" -f "$HERE/median.awk" -f "$HERE/chart.awk" "$work/samples" >"$SVG"
fi
