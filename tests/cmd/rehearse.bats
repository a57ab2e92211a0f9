#!/usr/bin/env bats
# stager rehearse: tomorrow's list on virtual devices, with the real blueprint; nothing real hears of it.

load lib.bash

setup() { desk; cd "$DESK"; }
teardown() { cd /; desk_away; }

# list ROW...: a list with these rows
list() {
	printf 'Serial Number;Asset;Ownership;Model;State\n' >list.csv
	printf '%s\n' "$@" >>list.csv
}

@test "a list without Apple devices, a wrong list, or a blueprint nobody knows are told before anything starts" {
	list 'R5CR1234567;A-1;pool;Samsung Galaxy A54;'
	stager rehearse list.csv --blueprint ipad-hospital-ward
	is_status 3
	[[ "$stderr" == *STG-1529* ]]
	list 'F2LXK0AAAA01;A-1;pool;iPad;'
	stager rehearse list.csv --blueprint nosuch
	is_status 3
	stager rehearse list.csv
	is_status 2
	stager rehearse nowhere.csv --blueprint ipad-hospital-ward
	is_status 3
	for words in "--ports 0" "--hand x" "--pace slow" "--line never" "--faults all"; do
		# shellcheck disable=SC2086
		stager rehearse list.csv --blueprint ipad-hospital-ward $words
		is_status 2
	done
	run ls -d /tmp/stager-rehearsal-"$$"*
	[ "$status" -ne 0 ]
}

@test "what would go wrong is told with code and act; other makers' devices are left out and said" {
	stager init
	stager org create North
	list 'F2LXK0AAAA01;A-1;pool;iPad13,18;' 'F2LXK0AAAA02;A-2;pool;iPad;supervised' 'R5CR1234567;A-3;pool;Samsung Galaxy A54;'
	stager --json rehearse list.csv --blueprint ipad-hospital-ward
	is_status 6
	[ "$(jq -c '[.devices, (.skipped | length), .skipped[0].line, .balance.staged, .balance.hold]' <<<"$output")" = '[2,1,4,1,1]' ] || { echo "$output"; false; }
	# the station's own troubles stand beside those of the devices
	[ "$(jq -r '[.problems[].code] | sort | join(" ")' <<<"$output")" = "STG-1112 STG-1412" ] || { echo "$output"; false; }
	[ "$(jq -r '.problems[] | select(.code == "STG-1412") | [.devices, .serials[0]] | map(tostring) | join(" ")' <<<"$output")" = "1 F2LXK0AAAA02" ]
	[ "$(jq -r '.problems | all(.act != "")' <<<"$output")" = true ]
	[ "$(jq -r '.touches.sum >= 2 and .ends_in_ms > 0 and .rehearsal' <<<"$output")" = true ]
	# nothing of it is in the real state
	stager --json inventory list
	[ "$(jq -s 'map(select(.serial)) | length' <<<"$output")" -eq 0 ]
	stager --json batch list
	[ "$(jq -s 'map(select(.name)) | length' <<<"$output")" -eq 0 ]
}

@test "the real blueprint, its parents and profiles are rehearsed, with its params" {
	stager init
	stager org create North
	stager org backup b <<<"a passphrase of some length"
	mkdir -p "$STAGER_STATE/blueprints" "$STAGER_STATE/profiles"
	printf 'name: site\nabstract: true\nparams:\n  floor:\nsteps:\n  - identify:\n  - pair:\n' >"$STAGER_STATE/blueprints/site.yaml"
	printf 'name: mine\nextends: site\nsteps:\n  - set_name: {name: "{{floor}}-{{asset_tag}}"}\n' >"$STAGER_STATE/blueprints/mine.yaml"
	list 'F2LXK0AAAA01;A-1;pool;iPhone;'
	stager rehearse list.csv --blueprint mine
	is_status 3
	[[ "$stderr" == *site.yaml:4*floor* ]]
	stager --json rehearse list.csv --blueprint mine --params floor=3 --keep kept
	is_status 0
	stager --state kept/state --json inventory show F2LXK0AAAA01
	[ "$(jq -r '.jobs[-1].end, .name' <<<"$output" | paste -sd' ')" = "staged 3-A-1" ] || { echo "$output"; false; }
}

@test "its records are marked and refused by every real target; the real target hears nothing" {
	bench --ipads 0 --receiver 127.0.0.1:0
	url=$(jq -r .receiver.url <<<"$READY")
	unset USBMUXD_SOCKET_ADDRESS STAGER_SYSFS
	stager init
	stager org create North
	stager org backup b <<<"a passphrase of some length"
	printf 'whsec_%s\ntoken-of-eight\n' "$(head -c 24 /dev/zero | base64 -w0)" >two
	run --separate-stderr timeout 60 "$STAGER" target add head --url "$url" <two
	is_status 0
	list 'F2LXK0AAAA01;A-1;pool;iPad;'
	stager rehearse list.csv --blueprint ipad-hospital-ward --keep kept
	is_status 0
	[[ "$output" == *"nothing real was touched"* ]]
	stager push
	[ "$("$STAGER_BENCH" ctl "$CTL" receiver records | jq '.records | length')" -eq 0 ]
	[ "$(sqlite3 kept/state/stager.db "SELECT count(*) FROM record")" -ge 1 ]
	[ "$(sqlite3 kept/state/stager.db "SELECT bytes FROM record" | jq -rs 'all(.rehearsal == true)')" = true ]
	# a real address is refused in that state, with its code; and its kind never changes
	run --separate-stderr timeout 60 "$STAGER" --state kept/state target add head --url https://mdm.example/hook <two
	is_status 5
	[[ "$stderr" == *STG-1712* ]] || { echo "$stderr"; false; }
	stager --state kept/state push
	[ "$("$STAGER_BENCH" ctl "$CTL" receiver records | jq '.records | length')" -eq 0 ]
}

@test "with the line in windows boxes take two touches" {
	stager init
	list 'F2LXK0AAAA01;A-1;pool;iPad;new' 'F2LXK0AAAA02;A-2;pool;iPad;new'
	stager --json rehearse list.csv --blueprint ipad-hospital-ward
	always=$(jq .touches.sum <<<"$output")
	stager --json rehearse list.csv --blueprint ipad-hospital-ward --line windows
	[ "$(jq .balance.staged <<<"$output")" -eq 2 ] || { echo "$output"; false; }
	[ "$(jq .touches.sum <<<"$output")" -eq $((always + 2)) ] || { echo "$always $output"; false; }
	stager --lang fr rehearse list.csv --blueprint ipad-hospital-ward
	[[ "$output" == *"Répétition de 2 appareils"*"Gestes"* ]] || { echo "$output"; false; }
}

@test "fewer ports take longer" {
	stager init
	list 'F2LXK0AAAA01;A-1;pool;iPad;' 'F2LXK0AAAA02;A-2;pool;iPad;'
	stager --json rehearse list.csv --blueprint ipad-hospital-ward --ports 2 --hand 0
	two=$(jq .ends_in_ms <<<"$output")
	stager --json rehearse list.csv --blueprint ipad-hospital-ward --ports 1 --hand 0
	[ "$(jq ".ends_in_ms * 2 > $two * 3" <<<"$output")" = true ] || { echo "$two $output"; false; }
}

@test "the repository's documents and apps are taken along, and their bytes are told; its own files stay" {
	stager init
	stager org create North
	stager org backup b <<<"a passphrase of some length"
	mkdir -p "$STAGER_STATE/blueprints" ipa/Payload/Route.app
	printf 'name: apps\nsteps:\n  - identify:\n  - pair:\n  - install_app: {app: org.example.route}\n' >"$STAGER_STATE/blueprints/apps.yaml"
	printf '<?xml version="1.0"?>\n<plist version="1.0"><dict><key>CFBundleIdentifier</key><string>org.example.route</string>
<key>CFBundleShortVersionString</key><string>1.2</string><key>CFBundleVersion</key><string>12</string></dict></plist>' >ipa/Payload/Route.app/Info.plist
	head -c 3000000 /dev/urandom >ipa/Payload/Route.app/data
	(cd ipa && zip -qr ../route.ipa Payload)
	stager app add route.ipa
	is_status 0
	list 'F2LXK0AAAA01;A-1;pool;iPad;'
	stager --json rehearse list.csv --blueprint apps --keep kept
	# an app nobody signed goes onto no device: that is what the rehearsal is there to tell, and it got as far as the device
	[ "$(jq -c '[.balance.missing, .app_bytes > 3000000]' <<<"$output")" = '[0,true]' ] || { echo "$output $stderr"; false; }
	[[ "$(jq -r '[.problems[].code] | join(" ")' <<<"$output")" != *STG-1560* ]] || { echo "$output"; false; }
	f=$(ls "$STAGER_STATE"/apps/*.file)
	cmp "$f" route.ipa
	[ -f "kept/state/apps/$(basename "$f")" ]
	rm kept/state/apps/*
	cmp "$f" route.ipa
	stager --lang fr rehearse list.csv --blueprint apps
	[[ "$output" == *"3.0 Mo par appareil"* || "$output" == *"3,0 Mo par appareil"* ]] || { echo "$output"; false; }
}

@test "with canaries the rest waits for them, plugged in, and is staged" {
	stager init
	stager org create North
	stager org backup b <<<"a passphrase of some length"
	mkdir -p "$STAGER_STATE/blueprints"
	printf 'name: mine\ncanaries: 1\nsteps:\n  - identify:\n  - pair:\n  - set_name: {name: "{{asset_tag}}"}\n' >"$STAGER_STATE/blueprints/mine.yaml"
	list 'F2LXK0AAAA01;A-1;pool;iPad13,18;' 'F2LXK0AAAA02;A-2;pool;iPad13,18;' 'F2LXK0AAAA03;A-3;pool;iPad13,18;'
	stager --json rehearse list.csv --blueprint mine
	[ "$(jq -c '[.balance.staged, .balance.waiting]' <<<"$output")" = '[3,0]' ] || { echo "$output $stderr"; false; }
}
