#!/bin/sh
# make-venv.sh VENV LOCK: a virtual environment with exactly what LOCK pins, and this project.
# PYTHON names the interpreter; without it the first one that is 3.11 or newer is taken.
set -eu
venv=$1 lock=$2
for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
	if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
		python=$candidate
		break
	fi
done
[ -n "${python:-}" ] ||
	{ echo "Python 3.11 or newer is needed (tried: ${PYTHON:-python3, python3.11 to 3.14})." >&2; exit 1; }
"$python" -c 'import ensurepip' 2>/dev/null ||
	{ echo "$python cannot make virtual environments: apt-get install python3-venv" >&2; exit 1; }
echo "Setting up $venv …"
rm -rf "$venv"
"$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check "uv>=0.9,<1"
"$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --require-hashes -r "$lock"
"$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --no-deps -e .
touch "$venv/ready"
