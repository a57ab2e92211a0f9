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

@test "a connector says which orders its MDM takes and what it calls them; no other order is written down" {
	mkdir -p "$STAGER_STATE/connectors"
	cat >"$STAGER_STATE/connectors/acme.yaml" <<-'Y'
	name: acme
	about: Acme
	auth: {kind: bearer}
	request: {method: POST, path: /v1, body: '[.[] | {serial: .device.serial, command: .mdm_order.command, why: .mdm_order.reason}]'}
	natural_key: record_id
	orders: {lock: DeviceLock, wipe: EraseDevice}
	Y
	stager inventory add F2LXK0AA9999
	stager queue add F2LXK0AA9999 --reason lost --queue mdm --order lock
	[ "$status" -ne 0 ]
	[[ "$stderr" == *STG-1578* ]] || { echo "$stderr"; false; }
	# a word nobody knows is told with its line
	run --separate-stderr timeout 60 "$STAGER" target add acme --connector acme --url http://127.0.0.1:9/ --auth bearer <<<"a-token-of-some-length"
	is_status 3
	[[ "$stderr" == *acme.yaml:6*wipe* ]] || { echo "$stderr"; false; }
	sed -i 's/wipe: EraseDevice/erase: EraseDevice/' "$STAGER_STATE/connectors/acme.yaml"
	run --separate-stderr timeout 60 "$STAGER" target add acme --connector acme --url http://127.0.0.1:9/ --auth bearer <<<"
a-token-of-some-length"
	is_status 0
	stager queue add F2LXK0AA9999 --reason "left in a taxi" --queue mdm --order clear_passcode
	[[ "$stderr" == *STG-1578* ]] || { echo "$stderr"; false; }
	stager queue add F2LXK0AA9999 --reason "left in a taxi" --queue mdm --order lock
	is_status 0
	[[ "$output" == *"gets this order with the results"* ]] || { echo "$output"; false; }
	stager target try acme --record-id "$(sqlite3 "$STAGER_STATE/stager.db" 'SELECT record_id FROM record ORDER BY seq DESC LIMIT 1')"
	[[ "$output" == *DeviceLock* && "$output" == *"left in a taxi"* ]] || { echo "$output $stderr"; false; }
}
