#!/bin/sh
# lock.sh UV: pin every dependency, with hashes, for Python 3.11 and newer on any platform.
set -eu
compile() {
	out=$1; shift
	"$1" pip compile ../pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --custom-compile-command "make lock" --output-file "$out" $2
}
compile streamer.lock "$1" "--extra streamer"
compile run.lock "$1" "--extra streamer --extra central --extra operator"
compile dev.lock "$1" "--extra dev"
