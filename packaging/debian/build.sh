#!/bin/sh
# build.sh UV VERSION DIRECTORY [PACKAGE…]: the Debian packages `flussonic` and `flussonic-central`.
#
# Each brings what requirements/*.lock pins in a virtual environment of its own below /opt and runs on
# the Debian or Ubuntu whose Python made it (PYTHON, else /usr/bin/python3): its package depends on
# that minor version. dpkg-deb alone is enough; nothing runs as root.
set -eu
uv=$1 version=$2 out=$3
shift 3
cd "$(dirname "$0")/../.."
root=$PWD
python=${PYTHON:-/usr/bin/python3}
minor=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
architecture=$(dpkg --print-architecture)
umask 022

environment() { # STAGE PACKAGE LOCK
	venv=$1/opt/$2/venv
	"$python" -m venv --without-pip "$venv"
	"$uv" pip install --quiet --python "$venv/bin/python" --link-mode copy --require-hashes -r "requirements/$3"
	"$uv" pip install --quiet --python "$venv/bin/python" --link-mode copy --no-deps "$root"
	# Where it will lie, and whose Python it will run on.
	grep -rlIZ "^#!$venv" "$venv/bin" | xargs -0 sed -i "1s|^#!$venv|#!/opt/$2/venv|"
	ln -sf "/usr/bin/$minor" "$venv/bin/python3"
	ln -sf python3 "$venv/bin/python"
	ln -sf python3 "$venv/bin/$minor"
	rm -f "$venv"/bin/activate* "$venv"/bin/Activate* "$venv/.lock"
	printf 'home = /usr/bin\ninclude-system-site-packages = false\n' >"$venv/pyvenv.cfg"
	# The service may not write there: what Python compiles is part of the package.
	find "$venv" -name __pycache__ -prune -exec rm -rf {} +
	"$python" -m compileall -q -j 0 --invalidation-mode unchecked-hash \
		-s "$1" -p / "$venv/lib" >/dev/null
}

package() { # PACKAGE LOCK COMMANDS SERVICE ENVIRONMENT COMMAND ABOUT
	name=$1
	stage=$(mktemp -d) && chmod 755 "$stage"
	trap 'rm -rf "$stage"' EXIT INT TERM
	environment "$stage" "$name" "$2"
	mkdir -p "$stage/usr/bin" "$stage/DEBIAN" "$stage/usr/share/doc/$name"
	for command in $3; do
		ln -s "/opt/$name/venv/bin/$command" "$stage/usr/bin/$command"
		install -D -m 644 packaging/completion/media-appliance.bash \
			"$stage/usr/share/bash-completion/completions/$command"
	done
	cp -R "packaging/debian/$name/files/." "$stage/"
	install -D -m 644 "packaging/systemd/${4}.service" "$stage/lib/systemd/system/${4}.service"
	install -d "$stage/etc/init.d"
	sed -e "s/@SERVICE@/$4/g; s|@ENVIRONMENT@|$5|; s|@COMMAND@|$6|; s/@ABOUT@/$7/" \
		packaging/debian/init.sh >"$stage/etc/init.d/$4"
	chmod 755 "$stage/etc/init.d/$4"
	cp LICENSE "$stage/usr/share/doc/$name/copyright"
	gzip -9nc CHANGELOG.md >"$stage/usr/share/doc/$name/changelog.gz"
	if [ -d web/media_web/site ]; then
		cp -R web/media_web/site "$stage/usr/share/doc/$name/html"
	fi
	for script in postinst prerm postrm; do
		sed "s/@SERVICE@/$4/g" "packaging/debian/$script" >"$stage/DEBIAN/$script"
		if [ -f "packaging/debian/$name/$script" ]; then
			# What is this package's own stands where the common script says so.
			sed -i -e "/^@OWN@$/{r packaging/debian/$name/$script" -e 'd}' "$stage/DEBIAN/$script"
		else
			sed -i '/^@OWN@$/d' "$stage/DEBIAN/$script"
		fi
		chmod 755 "$stage/DEBIAN/$script"
	done
	(cd "$stage" && find etc -type f | sed 's|^|/|') >"$stage/DEBIAN/conffiles"
	size=$(du -ks "$stage" | cut -f1)
	sed -e "s/@VERSION@/$version/; s/@ARCHITECTURE@/$architecture/; s/@PYTHON@/$minor/; s/@SIZE@/$size/" \
		"packaging/debian/$name/control" >"$stage/DEBIAN/control"
	mkdir -p "$out"
	dpkg-deb --root-owner-group -Zxz -z2 --build "$stage" "$out/${name}_${version}_${architecture}.deb" >/dev/null
	rm -rf "$stage"
	trap - EXIT INT TERM
	echo "$out/${name}_${version}_${architecture}.deb"
}

for wanted in "${@:-flussonic flussonic-central}"; do
	for one in $wanted; do
		case $one in
		flussonic)
			package flussonic streamer.lock "streamer media-cache" flussonic \
				"STREAMER_STATE_DIR=/var/lib/flussonic STREAMER_RUNTIME_DIR=/run/flussonic" \
				"/opt/flussonic/venv/bin/streamer -c /etc/flussonic/flussonic.conf" "Media server"
			;;
		flussonic-central)
			package flussonic-central run.lock central central \
				"DATA_DIR=/var/lib/central STREAMER_ACCESS_LOG=-" \
				"/opt/flussonic-central/venv/bin/central -c /etc/central/central.conf" "Central of media servers"
			;;
		*) echo "build.sh: there is no package $one" >&2; exit 1 ;;
		esac
	done
done
