#!/bin/sh
# after-install.sh - makes the new user, rules and units known to the running system; only after a `make install` without DESTDIR.
set -eu
[ "$(id -u)" -eq 0 ] || exit 0
if command -v systemd-sysusers >/dev/null 2>&1; then
	systemd-sysusers stager.conf
else
	getent group stager >/dev/null || groupadd --system stager
	getent passwd stager >/dev/null || useradd --system --gid stager --home-dir /var/lib/stager --shell /usr/sbin/nologin stager
fi
[ ! -d /run/systemd/system ] || systemctl daemon-reload
[ ! -d /run/udev ] || ! command -v udevadm >/dev/null 2>&1 || udevadm control --reload
