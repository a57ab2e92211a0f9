#!/bin/sh
# usb-announce.sh [SYSFS] - as root: reads one line "add PORT" or "remove PORT" and lets the kernel announce the iPhone or iPad
# on that port again. It can do nothing else: other words, other devices, other files are refused. Nothing is sent to the device.
set -eu
sysfs=${1:-/sys}
read -r word port rest || exit 2
[ -z "${rest:-}" ] || exit 2
case $word in add | remove) ;; *) exit 2 ;; esac
case $port in '' | *[!0-9.-]* | [!0-9]* | *..*) exit 2 ;; esac
device=$sysfs/bus/usb/devices/$port
[ -r "$device/idVendor" ] || exit 2
[ "$(cat "$device/idVendor")" = 05ac ] || exit 2
case $(cat "$device/idProduct") in 12[9a]?) ;; *) exit 2 ;; esac
printf '%s' "$word" >"$device/uevent"
