#!/bin/sh
### BEGIN INIT INFO
# Provides:          @SERVICE@
# Required-Start:    $remote_fs $network $syslog
# Required-Stop:     $remote_fs $network $syslog
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: @ABOUT@
### END INIT INFO
# For machines and containers without systemd; with it, `service` calls systemctl.
set -e
. /lib/lsb/init-functions 2>/dev/null || true
name=@SERVICE@
run=/run/$name
log=/var/log/$name/$name.log

start() {
	install -d -o $name -g $name -m 700 $run
	# A terminal that is closed must not end it; the log is a file, which logrotate may move.
	start-stop-daemon --start --oknodo --background --make-pidfile --pidfile $run.pid \
		--chuid $name --startas /bin/sh -- -c "exec env @ENVIRONMENT@ @COMMAND@ >>$log 2>&1 </dev/null"
}

stop() {
	start-stop-daemon --stop --oknodo --retry TERM/30/KILL/5 --remove-pidfile --pidfile $run.pid
}

case "$1" in
start) start ;;
stop) stop ;;
restart | force-reload) stop && start ;;
reload) start-stop-daemon --stop --signal HUP --pidfile $run.pid ;;
status) start-stop-daemon --status --pidfile $run.pid && echo "$name is running" || { echo "$name is stopped"; exit 3; } ;;
*) echo "usage: service $name start|stop|restart|reload|status" >&2; exit 2 ;;
esac
