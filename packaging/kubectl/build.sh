#!/bin/sh
# build.sh VERSION DIRECTORY [URI]: kubectl-media.tar.gz and the manifest for krew that fits it.
# URI: where the archive will lie; without it the manifest names the file, for `krew install --archive`.
set -eu
version=$1 out=$2
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$out"
out=$(cd "$out" && pwd)
uri=${3:-file://$out/kubectl-media.tar.gz}
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT INT TERM
install -m 755 "$here/kubectl_media.py" "$stage/kubectl-media"
install -m 755 "$here/kubectl_complete-media" "$stage/"
install -m 644 "$here/../../LICENSE" "$stage/"
# The same bytes at each build: krew compares a digest.
tar -C "$stage" --sort=name --owner=0 --group=0 --mtime=@0 -cf - LICENSE kubectl-media kubectl_complete-media |
	gzip -9n >"$out/kubectl-media.tar.gz"
sum=$(sha256sum "$out/kubectl-media.tar.gz" | cut -d ' ' -f 1)
sed -e "s|@VERSION@|$version|; s|@URI@|$uri|; s|@SHA256@|$sum|" "$here/krew.yaml" >"$out/media.yaml"
echo "$out/kubectl-media.tar.gz"
