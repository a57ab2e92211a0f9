#!/usr/bin/env bats
# Phones nobody can open stand in a queue with a name, and people are told what to do.

load lib.bash

setup() { desk; "$STAGER" --quiet init --rehearsal; }
teardown() { desk_away; }

@test "without a reason, or with an order nobody knows, nothing is queued" {
	stager queue add F2LXK0AA9999
	is_status 2
	stager queue add F2LXK0AA9999 --reason "cracked" --queue somewhere
	is_status 2
	stager queue add F2LXK0AA9999 --reason "cracked" --queue mdm
	[ "$status" -ne 0 ]
	one_sentence
	stager queue done 7
	[ "$status" -ne 0 ]
	[[ "$stderr" == *STG-1593* ]]
	stager queue --json
	[ "$(jq -rs '.[-1].summary.count' <<<"$output")" = 0 ]
}

@test "the MDM is not asked to erase what is not of the pool" {
	stager queue add F2LXK0AA9999 --reason lost --queue mdm --order erase
	is_status 5
	[[ "$stderr" == *STG-1132* ]]
}

@test "a number read off the case waits for a restore, and the status says so" {
	stager queue add f2lxk0aa9999 --reason "dead touch screen"
	is_status 0
	[[ "$output" == *"waits for a full restore"* ]]
	stager status
	[[ "$output" == *"Queues   1 to restore"* ]]
	stager --lang fr status
	[[ "$output" == *"Files    1 à restaurer"* ]]
	stager queue list restore
	[[ "$output" == *F2LXK0AA9999* && "$output" == *"dead touch screen"* ]]
	id=$("$STAGER" queue --json | jq -r 'select(.id) | .id')
	stager queue done "$id" --why scrapped
	is_status 0
	stager status
	[[ "$output" != *Queues* ]]
}
