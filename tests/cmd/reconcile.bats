#!/usr/bin/env bats
# What the MDM has of what was handed over, and jobs that come and go with their keys.

load lib.bash

setup() {
	desk
	"$STAGER" --quiet init --rehearsal
	printf '\n\n' | "$STAGER" --quiet target add mdm --url http://127.0.0.1:9/
}
teardown() { desk_away; }

@test "without a list, a target or a line that can be read, nothing is said to be confirmed" {
	stager reconcile show
	[ "$status" -ne 0 ]
	[[ "$stderr" == *STG-2070* ]]
	one_sentence
	stager reconcile import nobody --file /dev/null
	[ "$status" -ne 0 ]
	[[ "$stderr" == *STG-1721* ]]
	stager reconcile import mdm
	[ "$status" -ne 0 ]
	[[ "$stderr" == *STG-2071* ]]
	one_sentence
	printf 'colour,size\nred,7\n' >"$DESK/other.csv"
	stager reconcile import mdm --file "$DESK/other.csv"
	is_status 3
	one_sentence
	stager reconcile show
	[[ "$stderr" == *STG-2070* ]]
}

@test "a list that was exported there is taken, and what of it cannot be read is counted" {
	printf 'Device name,Serial number,IMEI\r\nWard 1,F2LXK0AA0001,\r\nWard 2,F2LXK0AA0002,"3,56E+14"\r\n' >"$DESK/devices.csv"
	stager reconcile import mdm --file "$DESK/devices.csv"
	is_status 0
	[[ "$output" == *"1 device is in its list"* && "$output" == *"devices.csv:3"* ]]
	stager reconcile show
	is_status 0
	[[ "$output" == *"Handed over 0, confirmed 0 (100.0 %, goal 95 %)"* && "$output" == *"1 lines of it could not be read"* ]]
	stager --lang fr reconcile show
	[[ "$output" == *"Remis 0, confirmés 0"* ]]
	stager reconcile show --json
	[ "$(jq -r '.lists[0].target' <<<"$output")" = mdm ]
	! grep -rq "Ward 1" "$STAGER_STATE"
}

@test "jobs with keys: each its own, and the result carries it" {
	printf 'Serial Number,Key\nF2LXK0AA0001,HR-7\nF2LXK0AA0002,HR-7\n' >"$DESK/joiners.csv"
	stager batch import "$DESK/joiners.csv" --name joiners --blueprint census
	is_status 3
	[[ "$stderr" == *STG-2075* && "$stderr" == *"joiners.csv:3"* ]]
	printf 'Serial Number,Clé\nF2LXK0AA0001,HR-7\nF2LXK0AA0002,\n' >"$DESK/joiners.csv"
	stager batch import "$DESK/joiners.csv" --name joiners --blueprint census
	is_status 3
	[[ "$stderr" == *STG-2075* ]]
	printf 'Serial Number,Key\nF2LXK0AA0001,HR-7\nF2LXK0AA0002,HR-8\n' >"$DESK/joiners.csv"
	stager batch import "$DESK/joiners.csv" --name joiners --blueprint census
	is_status 0
	"$STAGER" --quiet batch start joiners
	stager batch close joiners --open --dir "$DESK/out"
	is_status 0
	grep -q '"F2LXK0AA0002".*"HR-8".*"missing"' "$DESK/out/result.csv"
}

@test "a device the MDM had and has no more is told apart from one it never saw" {
	bench --iphones 2
	stager port allow all
	mkdir -p "$STAGER_STATE/blueprints"
	printf 'name: named\nsteps:\n  - identify:\n  - pair:\n  - set_name: {name: "W-{{serial}}"}\n' >"$STAGER_STATE/blueprints/named.yaml"
	mapfile -t all < <(serials)
	for d in "${all[@]}"; do
		"$STAGER_BENCH" ctl "$CTL" set "$d" auto_trust true >/dev/null
		stager stage --blueprint named --port "$("$STAGER_BENCH" ctl "$CTL" show "$d" | jq -r .device.port)"
		is_status 0
	done
	printf 'Serial number\n%s\n' "${all[0]}" >"$DESK/devices.csv"
	stager reconcile import mdm --file "$DESK/devices.csv"
	printf 'Serial number\nF2LXK0STRANGE\n' >"$DESK/devices.csv"
	stager reconcile import mdm --file "$DESK/devices.csv"
	stager reconcile show --json
	[ "$(jq -r --arg s "${all[0]}" '.devices[] | select(.serial == $s) | "\(.standing) \(.code)"' <<<"$output")" = "gone 2046" ] || { echo "$output"; false; }
	[ "$(jq -r --arg s "${all[1]}" '.devices[] | select(.serial == $s) | "\(.standing) \(.code)"' <<<"$output")" = "never_seen 2073" ] || { echo "$output"; false; }
}
