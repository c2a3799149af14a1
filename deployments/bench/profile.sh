#!/usr/bin/env bash
# What does the gateway spend its time on? Measures it under the loads of run.sh, and writes the profile by which the compiler
# chooses what to optimise, where go build finds it by itself. To be run when what is hot has changed.
set -euo pipefail

usage() {
	cat <<'TEXT'
usage: profile.sh [--seconds N] [--out FILE]

  --seconds N   how long each load takes, 0.1 or more (default 20)
  --out FILE    where the profile is written (default gateway/cmd/gate451/default.pgo, which the compiler reads)

The variables PROXY_CPU and LOAD_CPU name the cores of the gateway and of all the rest, as taskset takes them.
TEXT
}

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=SCRIPTDIR/parts.sh
source "$HERE/parts.sh"

ROUNDS=1 SECONDS_EACH=20 OUT=$HERE/../../gateway/cmd/gate451/default.pgo

while (($# > 0)); do
	case $1 in
	-h | --help) usage && exit ;;
	esac
	(($# > 1)) || wrong "$1 is no option, or lacks its value; see profile.sh --help"
	case $1 in
	--seconds) SECONDS_EACH=$2 ;;
	--out) OUT=$(realpath -- "$2") ;;
	*) wrong "there is no option $1; see profile.sh --help" ;;
	esac
	shift 2
done
measurable
need openssl=openssl taskset=util-linux nginx=nginx h2load=nghttp2-client
prepare

# run NAME VARIABLES... starts a gateway that measures itself.
run() {
	gateway "$1" "GATE451_CPU_PROFILE=$work/$1.pprof" "${@:2}"
	http[$1]=$port
}

# load GATEWAY WANT URL ARGUMENTS... asks it for something again and again. Answers of another class than WANT end this.
load() {
	local requests
	insist "$2" "$1, asked for $3," -D "${MILLISECONDS}ms" --connect-to "127.0.0.1:${http[$1]}" "${@:4}" "$3"
	echo "$1: $requests requests for $3"
}

# stop GATEWAY waits until it has ended, and so written its profile.
stop() {
	kill "${pid[$1]}"
	wait "${pid[$1]}" || fail "$1 does not end well; it said:" "$work/$1.log"
}

build gate451 ./gateway/cmd/gate451 -tags profile -pgo off
start_upstream
data
certificate
run plain
run secret GATE451_TLS_CERT_FILE=tls.crt GATE451_TLS_KEY_FILE=tls.key
load plain 4xx http://shop.example/buy/1k --h1 -c 64 -H "X-Forwarded-For: $AMERICAN"
load plain 2xx http://shop.example/buy/1k --h1 -c 64 -H "X-Forwarded-For: $GERMAN"
load plain 2xx http://shop.example/buy/64k --h1 -c 64 -H "X-Forwarded-For: $GERMAN"
load plain 2xx http://shop.example/cart --h1 -c 64 -H "X-Forwarded-For: $AMERICAN" -H 'Content-Type: application/json' -d "$work/cart.json"
load secret 4xx https://shop.example/buy/1k -c 8 -m 8 -H "X-Forwarded-For: $AMERICAN"
load secret 2xx https://shop.example/buy/1k -c 8 -m 8 -H "X-Forwarded-For: $GERMAN"
load secret 2xx https://shop.example/buy/1k --h1 -c 64 -H "X-Forwarded-For: $GERMAN"
stop plain
stop secret
go tool pprof -proto -output "$work/merged.pgo" "$work/plain.pprof" "$work/secret.pprof" 2>"$work/pprof" || fail "the profiles cannot be merged:" "$work/pprof"
cp "$work/merged.pgo" "$OUT"
