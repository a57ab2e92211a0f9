#!/usr/bin/env bats
# A marked secret is in no file of the state, no log, no report, no answer; what programs read keeps its keys.

load lib.bash

setup() { desk; cd "$DESK"; }
teardown() { cd /; desk_away; }

MARK=ZmarkedZ-7f3a91

@test "marked secrets appear nowhere in clear" {
	bench --ipads 1 --receiver 127.0.0.1:0
	url=$(jq -r .receiver.url <<<"$READY")
	stager init
	stager port allow all
	stager secret set WIFI <<<"$MARK-wifi"
	is_status 0
	stager org create "North"
	stager org backup north.backup <<<"$MARK-passphrase"
	is_status 0
	key=whsec_$(printf '%s' "$MARK-webhook-key-24-bytes" | base64 -w0)
	printf '%s\n%s\n' "$key" "$MARK-token" >two
	run --separate-stderr timeout 60 "$STAGER" target add head --url "$url" <two
	is_status 0
	rm two
	printf 'Serial Number;Asset;Ownership\n%s;A-1;pool\n' "$(serials | head -1)" >order.csv
	stager batch import order.csv --name N --blueprint ipad-hospital-ward
	is_status 0
	STAGER_LOG=debug stager batch start N --watch
	is_status 0
	echo "$output$stderr" >board.txt
	for words in "secret list" "target list" "target check head" "org show" "inventory list" "outbox list" "audit list" "job list" "status" "doctor"; do
		# shellcheck disable=SC2086
		stager --json $words
		echo "$words $status $output $stderr" >>answers.txt
	done
	stager target try head
	echo "$output $stderr" >>answers.txt
	stager audit export audit.jsonl
	stager inventory export inventory.csv
	stager batch close N --dir papers
	is_status 0
	rm order.csv
	for part in wifi passphrase token webhook-key; do
		run grep -ral -- "$MARK-$part" .
		[ -z "$output" ] || { echo "$part is in: $output"; false; }
	done
	# the key as it was typed is a secret as well
	run grep -rl -- "$key" .
	[ -z "$output" ] || { echo "the key is in: $output"; false; }
}

@test "a wrong passphrase is not repeated in the answer" {
	stager init --rehearsal
	stager org backup b <<<"$MARK-right-passphrase"
	is_status 0
	stager --json org restore b <<<"$MARK-other-passphrase"
	[ "$status" -ne 0 ]
	[[ "$output$stderr" != *"$MARK"* ]]
}

@test "what programs read keeps its keys" {
	bench --ipads 1
	stager init
	stager --json status
	[ "$(jq -r '[.v, (.batches|type), (.ports|has("busy")), (.outbox|has("waiting")), (.line|has("open"))] | map(tostring) | join(" ")' <<<"$output")" = "1 array true true true" ]
	stager devices --json
	[ "$(jq -rs '.[0] | [.v, has("port"), has("state"), has("udid")] | map(tostring) | join(" ")' <<<"$output")" = "1 true true true" ]
	[ "$(jq -rs '.[-1] | keys | join(" ")' <<<"$output")" = summary ]
	stager blueprint list --json
	[ "$(jq -rs '.[0] | [.v, has("name"), has("where")] | map(tostring) | join(" ")' <<<"$output")" = "1 true true" ]
	stager --json blueprint check nosuch
	is_status 3
	[ "$(jq -r '[.v, (.code | test("^STG-[0-9]{4}$")), has("error"), has("act")] | map(tostring) | join(" ")' <<<"$output")" = "1 true true true" ]
	stager --json doctor
	[ "$(jq -rs 'map(select(.check)) | all(has("level") and has("text"))' <<<"$output")" = true ]
}

@test "--quiet says nothing that was not asked for" {
	stager init --rehearsal
	stager --quiet port allow all
	is_status 0
	[ -z "$output$stderr" ]
	stager --quiet batch list
	[ -z "$output$stderr" ]
}

@test "a piped board is plain words without colour" {
	bench --ipads 1
	stager init
	stager port allow all
	stager stage --blueprint ipad-hospital-ward --all
	is_status 0
	[[ "$stderr" == *"staged"* ]]
	[[ "$stderr" != *$'\033'* ]]
}

@test "a program that falls leaves no copy of what it knew" {
	stager init --rehearsal
	mkfifo typed
	(ulimit -c unlimited 2>/dev/null; exec "$STAGER" secret set WIFI <typed) &
	pid=$!
	exec 8>typed
	for _ in $(seq 500); do
		grep -q 'Max core file size *0 *0' /proc/$pid/limits && break
		sleep 0.02
	done
	run grep 'Max core file size' /proc/$pid/limits
	grep -q 'size *0 *0 ' <<<"$output"
	echo "$MARK-core" >&8
	exec 8>&-
	wait $pid
}
