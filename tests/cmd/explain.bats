#!/usr/bin/env bats
# explain: a code, ours or somebody else's, is a sentence, an act, and what the station does by itself.

load lib.bash

setup() { desk; }
teardown() { desk_away; }

@test "a code nobody has, a protocol nobody speaks and too many words are told, with exit 2" {
	stager explain STG-9
	is_status 2
	stager explain modem 7
	is_status 2
	[[ "$stderr" == *"lockdown"* && "$stderr" == *"MCInstall"* ]]
	stager explain MCInstall a b c
	is_status 2
}

@test "a foreign code leads to ours, by number and by word, whatever its letters" {
	stager explain lockdown -17
	is_status 0
	[[ "$output" == *"STG-1409"*"You:"*"The station:"* ]] || { echo "$output"; false; }
	stager explain LOCKDOWN passwordprotected
	[[ "$output" == *"STG-1409"* ]]
	stager explain MCInstall 14002
	[[ "$output" == *"STG-1414"* ]]
	stager explain MCInstall DMCCloudConfigErrorDomain 33004
	[[ "$output" == *"STG-1416"* ]]
	stager explain keybag 37002
	[[ "$output" == *"STG-1497"* ]]
	stager explain usb 71
	[[ "$output" == *"STG-1666"* ]]
	stager explain installation_proxy DeviceOSVersionTooLow
	[[ "$output" == *"STG-1493"* ]]
}

@test "a number that stands in no list is said to be unknown, and still has an act" {
	stager explain restore 777777
	is_status 0
	[[ "$stderr" == *"777777"* && "$output" == *"STG-1665"* ]]
	stager --json explain restore 777777
	[ "$(jq -r .known <<<"$output" | head -1)" = false ]
}

@test "what the station does by itself is told in both languages, in --json too" {
	stager --lang fr explain lockdown -19
	[[ "$output" == *"Vous :"*"La station :"* ]] || { echo "$output"; false; }
	stager --json explain STG-1403
	[ "$(jq -r 'select(.code) | .auto_en' <<<"$output")" != null ]
	[ "$(jq -r 'select(.code) | .auto_fr' <<<"$output")" != null ]
	stager explain AFC
	is_status 0
	[[ "$output" == *"NoSpaceLeft"*"STG-1490"* ]]
}
