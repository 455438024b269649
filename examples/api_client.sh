#!/bin/sh
# LOGIN=login:password api_client.sh SERVER NAME INPUT: makes a stream, waits until it plays.
set -eu
server=$1 name=$2 input=$3
api=$server/streamer/api/v3/streams/$name
curl -sfS -u "$LOGIN" -X PUT "$api" -H 'Content-Type: application/json' \
	-d "{\"inputs\": [{\"url\": \"$input\"}]}" >/dev/null
for _ in $(seq 60); do
	if curl -sfS -u "$LOGIN" "$api?select=stats.alive" | grep -q '"alive":true'; then
		echo "$server/$name/index.m3u8"
		exit 0
	fi
	sleep 0.5
done
curl -sfS -u "$LOGIN" "$api?select=stats.source_error,stats.status" >&2
exit 1
