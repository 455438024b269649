#!/bin/sh
# wheels.sh UV: for each Python and machine of our images every pinned package has a wheel, so that
# nothing is compiled when an image is built. Asks the registry; downloads no package.
set -eu
cd "$(dirname "$0")"
for lock in streamer.lock run.lock; do
	for python in 3.11 3.12 3.13 3.14; do
		for machine in x86_64 aarch64; do
			"$1" pip install --quiet --dry-run --target /nonexistent --no-deps --require-hashes \
				--only-binary :all: --python-version "$python" \
				--python-platform "$machine-manylinux_2_28" -r "$lock" ||
				{ echo "$lock: not all packages have wheels for Python $python on $machine" >&2; exit 1; }
		done
	done
done
