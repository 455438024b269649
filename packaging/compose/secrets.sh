#!/bin/sh
# The secrets that docker-compose.yml asks for, as lines of .env; new ones at each call.
set -eu
for name in ADMIN_PASSWORD VIEW_PASSWORD DATABASE_PASSWORD API_KEY CLUSTER_KEY; do
	echo "$name=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')"
done
