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
