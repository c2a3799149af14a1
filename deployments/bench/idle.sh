#!/usr/bin/env bash
# How long does the gateway take from its start until it is ready, and how much memory does it hold when nothing happens?
# Builds it as the image does, starts it five times with the embedded database, and exits 1 if a limit is exceeded.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

STARTS=5
READY_LIMIT=300                # milliseconds, the median
RESIDENT_LIMIT=$((64 * 1024)) # KiB, the largest
PATIENCE=10000                 # milliseconds to wait for a gateway that does not become ready

export LC_ALL=C GOTOOLCHAIN=auto # EPOCHREALTIME has the locale's decimal point
work=$(mktemp -d)
gateway=
trap 'stop; rm -rf "$work"' EXIT

stop() {
	[[ -n $gateway ]] || return 0
	kill "$gateway" 2>"$work/kill" || true
	wait "$gateway" || true
	gateway=
}

fail() {
	echo "$1; its log:" >&2
	cat "$work/log" >&2
	exit 1
}

# open connects descriptor 3 to a port of this machine, without a process that would disturb the measurement.
open() {
	{ exec 3<>"/dev/tcp/127.0.0.1/$1"; } 2>>"$work/refused"
}

# free_port prints a port between FROM and FROM+4999, below those that the system hands out, that nothing listens on.
free_port() {
	local port
	while port=$(($1 + RANDOM % 5000)) && (open "$port"); do :; done
	echo "$port"
}

ready() {
	local status=
	open "$1" || return 1
	printf 'GET /readyz HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nConnection: close\r\n\r\n' "$1" >&3
	read -r -t 1 _ status _ <&3 || true
	exec 3>&-
	[[ $status == 200 ]]
}

# pause sleeps for some seconds inside the shell: nothing is ever written to the pipe.
pause() {
	read -r -t "$1" -u "$pipe" || true
}

# measure sets elapsed to the milliseconds since began; EPOCHREALTIME without its point is in microseconds.
measure() {
	elapsed=$(((${EPOCHREALTIME/./} - ${began/./}) / 1000))
}

mkfifo "$work/pipe"
exec {pipe}<>"$work/pipe"
CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w' -o "$work/gate451" ./gateway/cmd/gate451

cat >"$work/policy.yaml" <<'YAML'
version: 1
time_zone: America/New_York
packs: [kaspersky-us-2024]
activities:
  sale: [{hosts: [shop.example], paths: [/cart, /checkout, /buy]}]
  update: [{hosts: [updates.example], paths: [/updates]}]
products:
  kaspersky: [{all: true}]
YAML

times=() resident=0
for ((i = 0; i < STARTS; i++)); do
	admin=$(free_port 20000)
	cat >"$work/gateway.yaml" <<YAML
listen: "127.0.0.1:$(free_port 26000)"
admin: {listen: "127.0.0.1:$admin"}
routes: [{hosts: [shop.example, updates.example], upstreams: ["http://127.0.0.1:9"]}]
policy: policy.yaml
YAML
	began=$EPOCHREALTIME
	"$work/gate451" serve --config "$work/gateway.yaml" >"$work/log" 2>&1 &
	gateway=$!
	until ready "$admin"; do
		kill -0 "$gateway" 2>"$work/kill" || fail "the gateway ended before it was ready"
		measure
		((elapsed < PATIENCE)) || fail "the gateway was not ready after $PATIENCE ms"
		pause 0.005
	done
	measure
	times+=("$elapsed")
	pause 2
	held=$(awk '$1 == "VmRSS:" { print $2 }' "/proc/$gateway/status")
	((held <= resident)) || resident=$held
	stop
done

median=$(printf '%s\n' "${times[@]}" | sort -n | sed -n "$(((STARTS + 1) / 2))p")
echo "start to ready: $median ms (limit $READY_LIMIT)"
awk -v held="$resident" -v limit="$RESIDENT_LIMIT" 'BEGIN { printf "resident at idle: %.1f MiB (limit %d)\n", held / 1024, limit / 1024 }'
((median <= READY_LIMIT && resident <= RESIDENT_LIMIT))
