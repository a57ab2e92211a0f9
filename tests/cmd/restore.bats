#!/usr/bin/env bats
# A restore by idevicerestore: refused where an erase would be, told in words when it fails, kept in the journal either way.
# The program is a small one that prints what the real one (1.0.0) prints.

load lib.bash

setup() {
	desk
	mkdir -p "$DESK/bin"
	export PATH="$DESK/bin:$PATH"
}
teardown() { desk_away; }

# the code of RESTORE_...
code_of() { sed -n "s/^STG_ERR(\([0-9]*\), $1,.*/STG-\1/p" "$TOP"/stager/*/errors.def "$TOP"/drivers/*/errors.def; }
code() { sed -n "s/^STG_ERR(\([0-9]*\), RESTORE_$1,.*/STG-\1/p" "$TOP"/stager/*/errors.def "$TOP"/drivers/*/errors.def; }

ctl() { timeout 60 "$STAGER_BENCH" ctl "$CTL" "$@"; }

# fake STATUS [LINE...]: what the program prints before it ends so; with which words it was called stands in $DESK/called.
fake() {
	local status=$1
	shift
	{
		echo '#!/bin/sh'
		echo "echo \"\$@\" >>'$DESK/called'"
		echo 'echo "idevicerestore 1.0.0"; echo "progress: 0 0.000000"; echo "progress: 0 0.100000"; echo "Found device in Recovery mode"'
		for line in "$@"; do printf 'echo "%s"%s\n' "$line" "$([[ "$line" == ERROR* ]] && echo ' >&2')"; done
		echo "exit $status"
	} >"$DESK/bin/idevicerestore"
	chmod +x "$DESK/bin/idevicerestore"
}

# ipsw NAME PRODUCT: as far as it is read.
ipsw() {
	cat >"$DESK/BuildManifest.plist" <<-X
	<?xml version="1.0" encoding="UTF-8"?>
	<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
	<plist version="1.0"><dict><key>ProductVersion</key><string>17.6.1</string><key>ProductBuildVersion</key><string>21G93</string>
	<key>SupportedProductTypes</key><array><string>$2</string></array></dict></plist>
	X
	(cd "$DESK" && python3 -m zipfile -c "$1" BuildManifest.plist)
}

# A staged device that comes back in recovery mode, in a batch of pool devices that is started.
returned() {
	bench --ipads 1 --slots 4
	serial=$(serials)
	printf 'Serial Number,Asset Tag,Ownership\n%s,A-1,%s\n' "$serial" "$1" >"$DESK/order.csv"
	"$STAGER" --quiet port allow '*'
	mkdir -p "$STAGER_STATE/blueprints"
	[ ! -e "$DESK/two.yaml" ] || cp "$DESK/two.yaml" "$STAGER_STATE/blueprints/"
	printf 'name: look\nsteps:\n  - identify:\n  - pair:\n' >"$STAGER_STATE/blueprints/look.yaml"
	stager stage --blueprint look --all
	is_status 0
	product=$("$STAGER" inventory list --json | jq -r 'select(.model) | .model' | head -1)
	"$STAGER" --quiet batch import "$DESK/order.csv" --name BACK --blueprint "${blueprint:-returned-phone-wipe}" >/dev/null
	"$STAGER" --quiet batch start BACK >/dev/null
	ctl set "$serial" usb_mode recovery >/dev/null
	ipsw "$DESK/x.ipsw" "$product"
}

@test "a file that is no image is refused, one that is says that it needs a line" {
	echo nonsense >"$DESK/no.ipsw"
	"$STAGER" --quiet init --rehearsal
	stager image add "$DESK/no.ipsw"
	is_status 3
	[[ "$stderr" == *STG-1596* ]]
	ipsw "$DESK/x.ipsw" iPhone14,5
	stager image add "$DESK/x.ipsw"
	is_status 0
	[[ "$output" == *"17.6.1 21G93"*"needs a line"* ]]
	stager image list
	[[ "$output" == *iPhone14,5* ]]
	stager image remove 17.6.1
	is_status 0
	[ -z "$(ls "$STAGER_STATE/images" | grep -v cache)" ]
}

@test "without the program, without an image, without a line and without an order nothing begins" {
	returned pool
	[ -n "$product" ]
	stager restore "$serial"
	[ "$status" -ne 0 ]
	[[ "$stderr" == *STG-1599* ]] || command -v idevicerestore
	fake 0 DONE
	stager restore "$serial"
	[ "$status" -ne 0 ]
	[[ "$stderr" == *STG-1595* ]] || { echo "$stderr"; false; }
	"$STAGER" --quiet image add "$DESK/x.ipsw"
	"$STAGER" --quiet window close
	stager restore "$serial"
	[[ "$stderr" == *STG-1598* ]] || { echo "$stderr"; false; }
	"$STAGER" --quiet window open
	# a restore is an erase: nobody has confirmed it
	stager restore "$serial"
	is_status 5
	[[ "$stderr" == *STG-1135* ]] || { echo "$stderr"; false; }
	[ ! -e "$DESK/called" ]
}

# who was registered: ann and bob are leads, so either may order alone where the device can be asked whose it is
two_leads() {
	"$STAGER" --quiet user add ann --role lead <<<111111
	"$STAGER" --quiet user add bob --role lead <<<222222
}

@test "two persons agree to a restore, also when a lead orders it: who manages it cannot be asked" {
	returned pool
	fake 0 DONE
	"$STAGER" --quiet image add "$DESK/x.ipsw"
	two_leads
	"$STAGER" --quiet --as ann wipe --serial "$serial" --confirm "${serial: -4}" >/dev/null
	stager --as ann restore "$serial"
	is_status 5
	[[ "$stderr" == *"$(code_of ERASE_SECOND)"* ]] || { echo "$stderr"; false; }
	[ ! -e "$DESK/called" ]
	"$STAGER" --quiet --as ann wipe --serial "$serial" --confirm "${serial: -4}" --second bob <<<222222 >/dev/null
	stager --as ann restore "$serial"
	is_status 0
	[ "$(wc -l <"$DESK/called")" -eq 1 ]
}

@test "a blueprint that asks for two persons asks at a restore too" {
	printf 'name: two\nrequires: {ownership: pool}\nsteps:\n  - identify:\n  - pair:\n  - erase: {two_persons: yes}\n  - wait_back:\n' >"$DESK/two.yaml"
	blueprint=two returned pool
	fake 0 DONE
	"$STAGER" --quiet image add "$DESK/x.ipsw"
	"$STAGER" --quiet wipe --serial "$serial" --confirm "${serial: -4}" >/dev/null
	stager restore "$serial"
	is_status 5
	[[ "$stderr" == *"$(code_of ERASE_SECOND)"* ]] || { echo "$stderr"; false; }
	[ ! -e "$DESK/called" ]
}

@test "not pool equipment is not restored" {
	returned personal
	fake 0 DONE
	"$STAGER" --quiet image add "$DESK/x.ipsw"
	stager restore "$serial"
	is_status 5
	[[ "$stderr" == *STG-1132* ]] || { echo "$stderr"; false; }
	[ ! -e "$DESK/called" ]
}

@test "each further no of the erase gate is a no to a restore, and spends nothing" {
	returned pool
	fake 0 DONE
	"$STAGER" --quiet image add "$DESK/x.ipsw"
	"$STAGER" --quiet wipe --serial "$serial" --confirm "${serial: -4}" >/dev/null
	# a station that never erases
	STAGER_NO_ERASE=1 stager restore "$serial"
	is_status 5
	[[ "$stderr" == *"$(code_of ERASE_SWITCHED_OFF)"* ]] || { echo "$stderr"; false; }
	# a port outside the bench
	"$STAGER" --quiet port deny '*'
	stager restore "$serial"
	[ "$status" -ne 0 ]
	[[ "$stderr" == *"$(code_of ERASE_PORT)"* ]] || { echo "$stderr"; false; }
	"$STAGER" --quiet port allow '*'
	# an order that has been put aside
	"$STAGER" --quiet batch pause BACK
	stager restore "$serial"
	is_status 5
	[ ! -e "$DESK/called" ]
	"$STAGER" --quiet batch start BACK
	stager restore "$serial"
	is_status 0
	[ "$(wc -l <"$DESK/called")" -eq 1 ]
}

@test "what the program says went wrong is told in words and kept; then it works, once for one order" {
	returned pool
	"$STAGER" --quiet image add "$DESK/x.ipsw"
	"$STAGER" --quiet queue add "$serial" --queue restore --reason "locked"
	"$STAGER" --quiet wipe --serial "$serial" --confirm "${serial: -4}" >/dev/null
	fake 255 "ERROR: TSS request failed (status=94, message=This device isn't eligible for the requested build.)" "ERROR: Unable to get SHSH blobs for this device" "DONE"
	stager restore "$serial"
	[ "$status" -ne 0 ]
	[[ "$stderr" == *"eligible for the requested build"* && "$stderr" == *"$(code NOT_SIGNED)"* ]] || { echo "$status $stderr"; false; }
	grep -q -- "-i 0x.* -y -P -C .* -e .*\.ipsw" "$DESK/called"
	stager status
	[[ "$output" == *"1 to restore"* ]]
	# its order is spent, whatever came of it
	fake 0 "progress: 1 0.900000" "progress: 2 0.500000" "progress: 3 1.000000" "Status: Restore Finished" "DONE" "progress: 6 1.000000"
	stager restore "$serial"
	is_status 5
	"$STAGER" --quiet wipe --serial "$serial" --confirm "${serial: -4}" >/dev/null
	stager restore "$serial"
	is_status 0
	[[ "$output" == *"restored with 17.6.1"* ]]
	stager status
	[[ "$output" != *"to restore"* ]]
	[ "$(wc -l <"$DESK/called")" -eq 2 ]
	stager audit list --json
	[[ "$output" == *restore.begin* && "$output" == *restore.end* ]] || { echo "$output"; false; }
}

@test "an update keeps the data and asks no gate; a damaged image is found out first" {
	returned personal
	"$STAGER" --quiet image add "$DESK/x.ipsw"
	fake 0 "DONE" "progress: 6 1.000000"
	stager restore "$serial" --update
	is_status 0
	[[ "$output" == *"updated to 17.6.1"* ]]
	! grep -q -- " -e " "$DESK/called"
	f=$(ls "$STAGER_STATE"/images/*.ipsw)
	printf x >>"$f"
	stager restore "$serial" --update
	[ "$status" -ne 0 ]
	[[ "$stderr" == *STG-1597* ]]
	[ "$(wc -l <"$DESK/called")" -eq 1 ]
}

# back WORD: the station runs until the device rests in this word
back() {
	timeout 120 "$STAGER" run >"$DESK/run.log" 2>&1 3>&- 9>&- </dev/null &
	local tries
	for tries in $(seq 200); do
		stager --json devices
		[ "$(jq -rs --arg s "$serial" --arg w "$1" 'any(.serial == $s and .state == $w)' <<<"$output")" = true ] && return
		read -r -t 0.3 <> <(:) || true
	done
	echo "$tries $output"
	cat "$DESK/run.log"
	sqlite3 "$STAGER_STATE/stager.db" "SELECT unit, serial, udid FROM device; SELECT id, blueprint, state, end FROM job"
	return 1
}

@test "a restored phone is proven by who comes back, and has its record of the erasure" {
	returned pool
	"$STAGER" --quiet image add "$DESK/x.ipsw"
	"$STAGER" --quiet wipe --serial "$serial" --confirm "${serial: -4}" >/dev/null
	fake 0 "progress: 3 0.500000" "progress: 6 1.000000"
	stager restore "$serial"
	is_status 0
	# said, not proven: there is no record yet
	stager report erasure --serial "$serial"
	[ "$status" -ne 0 ] || [[ "$output" != *"full restore"* ]]
	ctl set "$serial" os 17.6.1 >/dev/null
	ctl erase "$serial" >/dev/null
	back staged
	stager --json report erasure --serial "$serial"
	is_status 0
	[ "$(jq -rs '[.. | objects | select(.technique?) | (.technique, .image.version)] | join(" ")' <<<"$output")" = \
	  "full restore of the system with the maker's image; the keys of what was stored are made anew 17.6.1" ] || { echo "$output"; false; }
	[[ "$output" == *"another device key"* ]]
	stager --lang fr report erasure --serial "$serial"
	[[ "$output" == *"restauration complète"* && "$output" == *"17.6.1 21G93"* ]] || { echo "$output"; false; }
	# the one erase was the restore: the blueprint sent no second one
	[ "$(ctl log "$serial" | jq '[.log[] | select(tostring | test("EraseDevice"))] | length')" -eq 0 ]
	[ "$(sqlite3 "$STAGER_STATE/stager.db" 'SELECT count(*) FROM erase_order WHERE spent_ms IS NOT NULL')" -eq 1 ]
}

@test "a program that says it went well proves nothing: the same device key is no erasure" {
	returned pool
	"$STAGER" --quiet image add "$DESK/x.ipsw"
	"$STAGER" --quiet wipe --serial "$serial" --confirm "${serial: -4}" >/dev/null
	fake 0 "progress: 6 1.000000"
	stager restore "$serial"
	is_status 0
	ctl set "$serial" usb_mode normal >/dev/null
	back hold
	stager report erasure --serial "$serial"
	[ "$status" -ne 0 ] || [[ "$output" != *"full restore"* ]]
	[ "$(sqlite3 "$STAGER_STATE/stager.db" 'SELECT count(*) FROM erasure')" -eq 0 ]
}

@test "beside a blueprint that erases nothing a restore is proven by the system that comes back" {
	printf 'name: two\nsteps:\n  - identify:\n  - pair:\n  - activate:\n' >"$DESK/two.yaml"
	blueprint=two returned pool
	ctl set "$serial" usb_mode normal >/dev/null
	ctl set "$serial" activation_state Unactivated >/dev/null
	"$STAGER" --quiet window close
	back waiting
	"$STAGER" --quiet window open
	"$STAGER" --quiet stop >/dev/null
	"$STAGER" --quiet image add "$DESK/x.ipsw"
	"$STAGER" --quiet wipe --serial "$serial" --confirm "${serial: -4}" >/dev/null
	ctl set "$serial" usb_mode recovery >/dev/null
	fake 0 "progress: 6 1.000000"
	stager restore "$serial"
	is_status 0
	ctl set "$serial" os 17.6.1 >/dev/null
	ctl erase "$serial" >/dev/null
	back staged
	stager --json report erasure --serial "$serial"
	[[ "$output" == *"full restore"*"key_after_sha256"* ]] || { echo "$output"; false; }
}

@test "a locked phone that trusts the station goes into recovery by itself and waits for its restore" {
	blueprint=locked-phone-restore returned pool
	ctl set "$serial" usb_mode normal >/dev/null
	ctl set "$serial" at_home_screen true >/dev/null
	ctl set "$serial" has_passcode true >/dev/null
	ctl set "$serial" locked true >/dev/null
	back recovery
	"$STAGER" --quiet stop >/dev/null
	[ "$(ctl show "$serial" | jq -r .device.usb_mode)" = recovery ]
	stager --json queue list restore
	[ "$(jq -rs --arg s "$serial" '.[0] | .serial == $s and .code != 0' <<<"$output")" = true ] || { echo "$output"; false; }
	"$STAGER" --quiet image add "$DESK/x.ipsw"
	fake 0 "progress: 6 1.000000"
	# in recovery, and still nobody has confirmed it
	stager restore "$serial"
	is_status 5
	"$STAGER" --quiet wipe --serial "$serial" --confirm "${serial: -4}" >/dev/null
	stager restore "$serial"
	is_status 0
	ctl set "$serial" os 17.6.1 >/dev/null
	ctl erase "$serial" >/dev/null
	back staged
	[ "$(ctl log "$serial" | jq '[.log[] | select(tostring | test("EnterRecovery"))] | length')" -eq 1 ]
	[ "$(sqlite3 "$STAGER_STATE/stager.db" 'SELECT count(*) FROM erasure')" -eq 1 ]
	stager queue list restore
	[[ "$output" != *"$serial"* ]]
}

@test "a phone that is not in recovery mode is told the keys of its model, and nothing runs" {
	returned pool
	ctl set "$serial" usb_mode normal >/dev/null
	fake 0 DONE
	"$STAGER" --quiet image add "$DESK/x.ipsw"
	stager restore "$serial"
	[ "$status" -ne 0 ]
	[[ "$stderr" == *"$(code_of NOT_IN_RECOVERY)"*"nearest to the top key"* ]] || { echo "$stderr"; false; }
	stager --lang fr restore "$serial"
	[[ "$stderr" == *"touche de volume"* ]] || { echo "$stderr"; false; }
	[ ! -e "$DESK/called" ]
	stager queue add "$serial" --reason "dead screen" --queue restore
	is_status 0
	[[ "$output" == *"nearest to the top key"* ]] || { echo "$output"; false; }
	stager queue add F2LXK0AA9999 --reason "off the case"
	[[ "$output" == *"iPhone 7"* ]] || { echo "$output"; false; }
}
