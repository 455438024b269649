#!/bin/sh
# make-venv.sh PYTHON VENV LOCK: a virtual environment with exactly what LOCK pins, and this project.
set -eu
python=$1 venv=$2 lock=$3
[ -n "$python" ] || { echo "Python 3.11 or newer is needed; none was found." >&2; exit 1; }
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
	{ echo "Python 3.11 or newer is needed; $python is $("$python" -V 2>&1)." >&2; exit 1; }
"$python" -c 'import ensurepip' 2>/dev/null ||
	{ echo "$python cannot make virtual environments: apt-get install python3-venv" >&2; exit 1; }
echo "Setting up $venv …"
rm -rf "$venv"
"$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check "uv>=0.9,<1"
"$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --require-hashes -r "$lock"
"$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --no-deps -e .
touch "$venv/ready"
