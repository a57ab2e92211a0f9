#!/usr/bin/env bats
# bundle: what goes on a stick is refused in a sentence when it is wrong, and opens with stock tools when it is right.

load lib.bash

setup() {
	desk
	for machine in office bench; do
		"$STAGER" --state "$DESK/$machine" init --rehearsal >/dev/null
		"$STAGER" --state "$DESK/$machine" bundle card >"$DESK/$machine.pem" 2>/dev/null
	done
	mkdir "$DESK/stick"
}
teardown() { desk_away; }

@test "what is no card, nobody's name, no folder, a full or a locked stick is told and leaves nothing behind" {
	export STAGER_STATE=$DESK/office
	stager bundle trust bench /etc/passwd --role station
	is_status 3
	[[ "$stderr" == *STG-2064* ]] && one_sentence
	openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out "$DESK/weak.key" 2>/dev/null
	openssl req -new -x509 -key "$DESK/weak.key" -subj /O=weak -out "$DESK/weak.pem"
	stager bundle trust weak "$DESK/weak.pem" --role station
	[[ "$stderr" == *STG-2064* ]]
	cat "$DESK/weak.key" >>"$DESK/weak.pem"
	stager bundle trust weak "$DESK/weak.pem" --role station
	[[ "$stderr" == *STG-2064* ]]
	stager bundle trust bench "$DESK/bench.pem" --role boss
	is_status 2
	stager bundle trust ../bench "$DESK/bench.pem" --role station
	is_status 2
	stager bundle export "$DESK/stick"
	[[ "$stderr" == *STG-2065* ]]
	stager bundle trust bench "$DESK/bench.pem" --role station
	is_status 0
	stager bundle trust again "$DESK/bench.pem" --role station
	[[ "$stderr" == *STG-2067* ]]
	stager bundle export "$DESK/stick" --to nobody
	[[ "$stderr" == *STG-2063* ]]
	stager bundle export "$DESK/stick" --to bench
	is_status 6
	[[ "$stderr" == *STG-2060* ]]
	stager bundle export "$DESK/nosuch" --to bench --blueprint census
	[[ "$stderr" == *STG-2062* ]]
	stager bundle export "$DESK/bench.pem" --to bench --blueprint census
	[[ "$stderr" == *STG-2062* ]]
	stager bundle export "$DESK/stick" --to bench --blueprint census --nosuch
	is_status 2
	stager bundle export
	is_status 2
	[ -z "$(ls -A "$DESK/stick")" ]
	for file in /dev/null /etc/passwd "$DESK/stick" /nonexistent; do
		stager bundle import "$file"
		is_status 3
		one_sentence
	done
}

@test "a bundle opens with stock openssl and tar, and with nothing else than its key" {
	command -v openssl
	openssl req -new -x509 -newkey rsa:2048 -nodes -keyout "$DESK/other.key" -subj /O=other -days 30 -out "$DESK/other.pem" 2>/dev/null
	export STAGER_STATE=$DESK/office
	"$STAGER" bundle trust other "$DESK/other.pem" --role station
	"$STAGER" bundle export "$DESK/stick" --to other --blueprint census
	file=$(ls "$DESK"/stick/*.STB)
	cd "$DESK"
	openssl cms -decrypt -inform DER -in "$file" -recip other.pem -inkey other.key -binary -out signed.der
	openssl cms -verify -inform DER -in signed.der -nointern -certfile office.pem -noverify -binary -out bundle.tar 2>/dev/null
	tar xf bundle.tar
	[ "$(jq -r .schema manifest.json)" = stager.bundle/1 ]
	[ "$(jq -r '.members[0].sha256' manifest.json)" = "$(sha256sum files/blueprint/census.yaml | cut -d' ' -f1)" ]
	openssl cms -cmsout -print -inform DER -in "$file" | grep -q 'id-smime-ct-authEnvelopedData'
	openssl cms -cmsout -print -inform DER -in "$file" | grep -q 'aes-256-gcm'
	! openssl cms -verify -inform DER -in signed.der -nointern -certfile bench.pem -noverify -binary -out forged.tar 2>/dev/null
}

@test "a blueprint comes in by stick, a replay changes nothing, and a refusal is French for who asks in French" {
	STAGER_STATE=$DESK/office "$STAGER" bundle trust bench "$DESK/bench.pem" --role station
	STAGER_STATE=$DESK/office "$STAGER" bundle export "$DESK/stick" --to bench --blueprint census
	file=$(ls "$DESK"/stick/*.STB)
	export STAGER_STATE=$DESK/bench
	stager bundle import "$file"
	[[ "$stderr" == *STG-2051* ]]
	stager --lang fr bundle import "$file"
	[[ "$stderr" == *"signé par personne"* ]]
	"$STAGER" bundle trust office "$DESK/office.pem" --role station
	stager bundle import "$file"
	is_status 5
	[[ "$stderr" == *STG-2057* ]]
	"$STAGER" bundle distrust office
	"$STAGER" bundle trust office "$DESK/office.pem" --role office
	stager bundle inspect "$file"
	is_status 0
	[ ! -e "$STAGER_STATE/blueprints/census.yaml" ]
	stager bundle import "$file"
	is_status 0
	[ -e "$STAGER_STATE/blueprints/census.yaml" ]
	stager bundle import "$file" --json
	[ "$(jq .again <<<"$output")" = true ]
	stager audit verify
	is_status 0
	STAGER_STATE=$DESK/office stager bundle import "$file"
	[[ "$stderr" == *STG-2052* ]]
}

@test "results of a bench without a line: by stick, pushed at the office, evidence kept; a receiver that is down is exit 6 and nothing is lost" {
	export STAGER_STATE=$DESK/bench
	"$STAGER" bundle trust office "$DESK/office.pem" --role office
	STAGER_STATE=$DESK/office "$STAGER" bundle trust bench "$DESK/bench.pem" --role station
	STAGER_STATE=$DESK/office "$STAGER" target add wire --connector webhook --url http://127.0.0.1:9/
	STAGER_STATE=$DESK/office "$STAGER" target add book --connector file --config path="$DESK/book.ndjson"
	"$STAGER" target add wire --connector webhook --url http://127.0.0.1:9/
	bench --ipads 1
	"$STAGER_BENCH" ctl "$CTL" set all auto_trust true >/dev/null
	"$STAGER" port allow all >/dev/null
	mkdir -p "$STAGER_STATE/blueprints"
	printf 'name: look\nsteps:\n  - identify:\n  - pair:\n  - read_details:\n' >"$STAGER_STATE/blueprints/look.yaml"
	stager stage --blueprint look --all
	is_status 0
	stager bundle export "$DESK/stick" --evidence
	is_status 0
	file=$(ls "$DESK"/stick/*.STB)

	export STAGER_STATE=$DESK/office
	stager bundle push "$file" --target nosuch
	is_status 2
	[[ "$stderr" == *STG-2066* ]]
	stager bundle push "$file" --target wire
	is_status 6
	kept=$(ls "$DESK"/office/evidence/*.ndjson)
	[[ "$output" == *"evidence/$(basename "$kept")"* ]] || { echo "$output"; false; }
	[ "$(jq -r '.steps | map(.step) | join(" ")' "$kept")" = "identify pair read_details" ] || { cat "$kept"; false; }
	[ "$(stat -c %a "$kept")" = 600 ]
	for words in status "outbox list"; do
		stager $words
		[[ "$output" == *"1 waiting, the oldest for 0 min"*"wire: 1, The target cannot be reached."* ]] || { echo "$output"; false; }
	done
	# a push that ends while it asks once more notes no wait
	for _ in 1 2 3 4 5 6 7 8; do
		stager outbox explain 1 --json
		[ "$(jq .next_ms <<<"$output")" = null ] || break
		"$STAGER" push wire || true
	done
	stager outbox explain 1 --json
	away=$(($(jq .next_ms <<<"$output") / 1000 - $(date +%s)))
	[ "$away" -gt -3600 ] && [ "$away" -lt 3600 ] || { echo "$output"; false; }
	stager bundle push "$file" --target book
	is_status 6                     # the wire still waits
	[ "$(jq -r .device.serial "$DESK/book.ndjson")" = "$(serials)" ]
	stager bundle push "$file" --target book
	[ "$(wc -l <"$DESK/book.ndjson")" = 1 ]
}
