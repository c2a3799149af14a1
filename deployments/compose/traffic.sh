#!/bin/sh
# Asks a gateway as buyers from Germany, the United States, Puerto Rico, Japan and nowhere do, until it is stopped.
set -eu
gateway=$1
while :; do
	for buyer in 88.64.0.1 50.114.0.1 66.50.0.1 133.1.0.1 192.0.2.1; do
		for page in /about /cart /checkout /blog/cart; do
			curl -s -o /dev/null -H 'Host: shop.example' -H "X-Forwarded-For: $buyer" "$gateway$page" || sleep 1
		done
		curl -s -o /dev/null -H 'Host: updates.example' -H "X-Forwarded-For: $buyer" "$gateway/updates/" || sleep 1
	done
	sleep 0.2
done
