#!/usr/bin/env bats
# The root helper announces iPhones and iPads again, and can be made to do nothing else.

setup() {
	dir=$(mktemp -d)
	devices=$dir/bus/usb/devices
	for one in 2-1.4:05ac:12a8 2-1.5:18d1:4ee7 2-1.6:05ac:1281; do
		port=${one%%:*} ids=${one#*:}
		mkdir -p "$devices/$port"
		echo "${ids%:*}" >"$devices/$port/idVendor"
		echo "${ids#*:}" >"$devices/$port/idProduct"
		: >"$devices/$port/uevent"
	done
	helper=$BATS_TEST_DIRNAME/../../images/usb-announce.sh
}

teardown() {
	rm -rf "$dir"
}

ask() {
	printf '%s\n' "$1" | sh "$helper" "$dir"
}

@test "other words, other devices and other files are refused" {
	for line in '' 'add' 'change 2-1.4' 'add 2-1.4 more' 'add ../devices/2-1.4' 'add .' 'add ..' 'add 2-1..4' 'add /2-1.4' 'add -1.4' \
		'add 2-1.9' 'add 2-1.5' 'add 2-1.6' 'add *' 'remove 2-1.5'; do
		run ask "$line"
		[ "$status" -ne 0 ] || { echo "taken: $line"; false; }
	done
	for port in 2-1.4 2-1.5 2-1.6; do [ ! -s "$devices/$port/uevent" ]; done
}

@test "an iPhone in normal mode is announced as left, then as come" {
	ask 'remove 2-1.4'
	[ "$(cat "$devices/2-1.4/uevent")" = remove ]
	ask 'add 2-1.4'
	[ "$(cat "$devices/2-1.4/uevent")" = add ]
}
