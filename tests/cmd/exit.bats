#!/usr/bin/env bats
# Bad input gets one clear sentence, the right exit status, and changes nothing.

load lib.bash

setup() { desk; cd "$DESK"; }
teardown() { cd /; desk_away; }

rehearsal() { stager init --rehearsal; is_status 0; }

# unchanged COMMAND...: it fails and the audit log and the inventory are what they were.
count() { "$STAGER" audit list --json 2>/dev/null | jq -s 'map(select(.seq)) | length'; }

@test "an unknown command, verb, option or word is usage: 2, one sentence, no state made" {
	for words in "nonsense" "batch nonsense" "batch start" "batch start A B C" "secret set" "blueprint check" "batch list --nonsense" \
		"stage" "wipe" "wipe --count x" "stop now" "push x" "doctor x" "status x" "inventory export" "demo --devices 0" "--lang de status"; do
		# shellcheck disable=SC2086
		stager $words
		is_status 2 || { echo "stager $words"; false; }
		[ -n "$stderr" ] || { echo "stager $words says nothing"; false; }
	done
	[ ! -e "$STAGER_STATE" ]
}

@test "a mistyped command, verb or option is guessed" {
	guessed() { # WORD ARGS...
		local word=$1
		shift
		stager "$@"
		is_status 2
		[[ "$stderr" == *"$word'"* ]] || { echo "stager $*: $stderr"; false; }
	}
	guessed "'batch" batches
	guessed "'batch" btach list
	guessed "'status" statsu
	guessed "'start" batch strat NAME
	guessed "'--name" batch import --nmae x
	guessed "'--rehearsal" init --rehersal
	guessed "'--devices" demo --device-s 6
	stager nothinglikeit
	is_status 2
	[[ "$stderr" != *"Did you mean"* ]]
	[ ! -e "$STAGER_STATE" ]
}

@test "options with a wrong value or words too many are 2, in the language asked for" {
	printf 'Serial Number\nAAAA111122\n' >list.csv
	for words in "run --workers 0" "run --workers x" "demo --pace slow" "demo --devices x" "demo extra" "devices x" "init x" "stage x" \
		"window open --minutes -3" "hold add S" "batch import list.csv --name N" "wipe --count"; do
		# shellcheck disable=SC2086
		stager $words
		is_status 2 || { echo "stager $words"; false; }
		english=$stderr
		# shellcheck disable=SC2086
		stager --lang fr $words
		is_status 2
		[ "$stderr" != "$english" ] || { echo "not French: $stderr"; false; }
	done
	[ ! -e "$STAGER_STATE" ]
}

@test "--help of each command shows how it is used, without a state" {
	for name in $("$STAGER" help --completion | cut -d' ' -f1); do
		stager "$name" --help
		is_status 0
		[[ "$output" == *"stager"* ]] || { echo "$name"; false; }
	done
	[ ! -e "$STAGER_STATE" ]
}

@test "a broken blueprint is 3, with file and line" {
	rehearsal
	printf 'name: x\nsteps:\n  - ident\n   bad: [' >broken.yaml
	stager blueprint check broken.yaml
	is_status 3
	one_sentence
	[[ "$stderr" == *broken.yaml:4* ]]
}

@test "a step that does not exist is 3, with its line" {
	rehearsal
	printf 'name: x\nabout: y\nsteps:\n  - identify:\n  - fly: {}\n' >fly.yaml
	stager blueprint check fly.yaml
	is_status 3
	[[ "$stderr" == *fly.yaml:5* ]]
}

@test "a profile that is not a plist, one of 50 MB, one that is not there: 3" {
	rehearsal
	echo hello >a.mobileconfig
	stager profile lint a.mobileconfig
	is_status 3
	one_sentence
	truncate -s 50M b.mobileconfig
	stager profile lint b.mobileconfig
	is_status 3
	one_sentence
	stager profile lint none.mobileconfig
	is_status 3
	one_sentence
	stager profile lint .
	is_status 3
	one_sentence
}

@test "a FIFO nobody writes to, an endless file, a folder: 3 and no waiting" {
	rehearsal
	mkfifo fifo
	for file in fifo /dev/zero .; do
		for words in "batch check $file" "batch import $file --name N --blueprint ipad-hospital-ward" "profile lint $file" \
			"org import N --identity $file" "blueprint check ./$file"; do
			# shellcheck disable=SC2086
			run --separate-stderr timeout 30 "$STAGER" $words 3>&- </dev/null
			is_status 3 || { echo "stager $words"; false; }
		done
	done
	printf 'Serial Number\nAAAA111122\n' >list.csv
	# what comes through a pipe is a file like any other
	stager batch check <(cat list.csv)
	is_status 0
	run --separate-stderr bash -c "cat list.csv | '$STAGER' batch import - --name PIPED --blueprint ipad-hospital-ward" 3>&-
	is_status 0
}

@test "a picture or a PDF instead of a list is 3 with one mistake, not empty tables" {
	rehearsal
	printf '%%PDF-1.5\n%%\265\355\256\373\n\235\001' >list.csv
	stager batch check list.csv
	is_status 3
	[[ "$output" == *"1 mistake"* && "$output$stderr" != *"(nothing)"* ]] || { echo "$output"; false; }
}

@test "a file that is not written keeps what was in it" {
	rehearsal
	echo precious >kept
	stager org backup kept <<<"short"
	[ "$status" -ne 0 ]
	stager label preview NOSUCH kept
	is_status 2
	stager report handover NOSUCH kept
	is_status 2
	[ "$(cat kept)" = precious ]
	stager org backup kept <<<"a passphrase of length"
	is_status 0
	[ "$(cat kept)" != precious ]
	[ "$(stat -c %a kept)" = 600 ]
	[ "$(ls | wc -l)" -eq 2 ]      # the state and the file: nothing half made lies about
	for file in . nowhere/x; do
		stager org backup "$file" <<<"a passphrase of length"
		is_status 3
		one_sentence
		[[ "$stderr" == *STG-1006* ]]
	done
}

@test "a paper or a label on a full disk is 4" {
	rehearsal
	printf 'Serial Number\nAAAA111122\n' >list.csv
	stager batch import list.csv --name N --blueprint ipad-hospital-ward
	for words in "report handover N /dev/full" "label preview AAAA111122 /dev/full" "label print AAAA111122 /dev/full"; do
		# shellcheck disable=SC2086
		stager $words
		is_status 4
		one_sentence
		[[ "$stderr" == *STG-1205* ]]
	done
}

@test "what is named and does not exist, or exists already, is 2" {
	rehearsal
	printf 'Serial Number\nAAAA111122\n' >list.csv
	stager batch import list.csv --name N --blueprint ipad-hospital-ward
	is_status 0
	for words in "batch start NOPE" "batch import list.csv --name N --blueprint ipad-hospital-ward" "inventory show NOPE" "job retry NOPE" \
		"label preview NOPE x.png" "target test NOPE" "secret remove NOPE" "ca revoke NOPE" "port allow NOPE" "outbox explain 9"; do
		# shellcheck disable=SC2086
		stager $words
		is_status 2 || { echo "stager $words"; false; }
		one_sentence
	done
	stager batch start N
	is_status 0
	# nothing runs: a person must not wait at a dark board
	[[ "$output" == *"no station runs"* ]]
	stager batch close N
	is_status 6
	one_sentence
}

@test "a command writes nothing but the paper to standard output" {
	rehearsal
	printf 'Serial Number\nAAAA111122\n' >list.csv
	stager batch import list.csv --name N --blueprint ipad-hospital-ward
	stager label print AAAA111122 -
	is_status 0
	[[ "$output" == "^XA"* && -z "$stderr" ]]
}

@test "two devices of one name, one serial twice: 3, both lines named, nothing imported" {
	rehearsal
	printf 'Serial;Name\nAAAA111122;Bob\nBBBB111123;Bob\nAAAA111122;Eve\n' >list.csv
	stager batch check list.csv
	is_status 3
	[[ "$output" == *"list.csv:3: Name 'Bob' = :2"*"(STG-1626)"* && "$output" == *"list.csv:4: Serial"* ]]
	stager batch import list.csv --name N --blueprint ipad-hospital-ward
	is_status 3
	one_sentence
	stager batch list --json
	is_status 0
	[ "$(jq -s '.[-1].summary.count' <<<"$output")" -eq 0 ]
}

# Two people, or a script and a person: who comes second waits for the moment the first one needs.
@test "commands that meet do not turn one another away" {
	rehearsal
	for i in 1 2 3 4 5 6; do
		"$STAGER" batch list --json >"out$i" 2>&1 3>&- &
	done
	stager hold add AAAA111122 --reason glass --unknown
	is_status 0
	wait
	for i in 1 2 3 4 5 6; do
		grep -q '"summary"' "out$i" || { cat "out$i"; false; }
	done
}

@test "what is no list of serial numbers is not swallowed whole" {
	rehearsal
	head -c 3000000 /dev/zero | tr '\0' A >long
	run --separate-stderr bash -c "'$STAGER' wipe sign - --batch N --count 1 --minutes 5 --reason x <long" 3>&-
	is_status 2
	[[ "$stderr" == *"at most"* ]]
	run --separate-stderr bash -c "seq -f AAAA%08g 10001 | '$STAGER' wipe sign - --batch N --count 1 --minutes 5 --reason x" 3>&-
	is_status 2
	[[ "$stderr" == *"at most"* ]]
}

@test "a list of 400 lines is imported, shown and closed" {
	rehearsal
	{ echo "Serial Number;Name"; for i in $(seq 400); do printf 'NZ%08d;Écran %d\n' "$i" "$i"; done; } >list.csv
	stager batch check list.csv
	is_status 0
	[ "$(wc -l <<<"$output")" -lt 20 ]
	stager batch import list.csv --name BIG --blueprint ipad-hospital-ward
	is_status 0
	stager batch close BIG
	is_status 6
	one_sentence
	stager batch start BIG
	is_status 0
	stager batch close BIG --open --dir papers
	is_status 0
	[ "$(wc -l <papers/exceptions.csv)" -eq 401 ]
	pdftotext papers/handover.pdf - | grep -q 'Écran 400'
}

@test "an identity with the wrong password is 3 and makes no organisation" {
	rehearsal
	openssl req -x509 -newkey rsa:2048 -nodes -keyout k.pem -out c.pem -subj /CN=Old -days 30 2>/dev/null
	openssl pkcs12 -export -inkey k.pem -in c.pem -out i.p12 -passout pass:right
	before=$(count)
	stager org import Old --identity i.p12 <<<wrong
	is_status 3
	one_sentence
	[[ "$stderr" != *wrong\ * ]] || [[ "$stderr" != *right* ]]
	[ "$(count)" = "$before" ]
	stager org list --json
	[ "$(jq -s 'map(select(.name == "Old")) | length' <<<"$output")" -eq 0 ]
}

@test "a list with faults is 3, names the lines, and imports nothing" {
	rehearsal
	printf 'Serial Number;IMEI\nAAAA111122;3,56E+14\nBBBB111122;\nBBBB111122;\n' >list.csv
	stager batch check list.csv
	is_status 3
	[[ "$output" == *"3"* ]]
	stager batch import list.csv --name BAD --blueprint ipad-hospital-ward
	is_status 3
	stager batch show BAD
	[ "$status" -ne 0 ]
	stager batch list --json
	[ "$(jq -s '.[-1].summary.count' <<<"$output")" -eq 0 ]
}

@test "a state folder that is a file, or cannot be made, is 4" {
	echo x >file
	for state in "$DESK/file" "$DESK/file/below" /proc/stager; do
		stager --state "$state" status
		is_status 4 || { echo "$state"; false; }
		one_sentence
	done
	[ "$(cat file)" = x ]
}

@test "a state folder that may not be written is 4" {
	local other=()
	if [ "$(id -u)" -eq 0 ]; then
		command -v setpriv >/dev/null || skip "root may write everywhere"
		other=(setpriv --reuid=65534 --regid=65534 --clear-groups)
		chmod 755 "$DESK"
		"${other[@]}" test -x "$STAGER" || skip "another user cannot reach the program"
	fi
	mkdir closed
	chmod 555 closed
	run --separate-stderr "${other[@]}" "$STAGER" --state "$DESK/closed/state" status 3>&-
	is_status 4
	one_sentence
	[ -z "$(ls -A closed)" ]
	# a state of somebody else: told, and not touched
	rehearsal
	run --separate-stderr "${other[@]}" "$STAGER" --state "$STAGER_STATE" status 3>&-
	[ "$(id -u)" -ne 0 ] || { is_status 4 && one_sentence; }
}

@test "a path too long for a socket is told in a sentence" {
	long=$DESK/$(printf 'a%.0s' {1..120})
	stager --state "$long" run
	[ "$status" -ne 0 ]
	[[ "$stderr$output" == *STG-1003* ]] || [[ "$stderr$output" == *"path"* ]]
}

@test "no room left on the disk is 4, and what was there stays" {
	rehearsal
	stager secret set WIFI <<<"first value"
	is_status 0
	run --separate-stderr bash -c "ulimit -f 1; trap '' XFSZ; '$STAGER' org create Big" 3>&-
	is_status 4
	one_sentence
	stager audit verify
	is_status 0
	stager org list --json
	[ "$(jq -s 'map(select(.name == "Big")) | length' <<<"$output")" -eq 0 ]
	stager inventory export /dev/full
	is_status 4
	one_sentence
}

@test "a second station on one state is 4" {
	bench --ipads 1
	stager init
	"$STAGER" run >run.out 2>run.err 3>&- 9>&- &
	for _ in $(seq 200); do [ ! -s run.out ] || break; read -rt 0.1 <> <(:) || true; done
	[ "$(jq .ready run.out)" = true ]
	stager run
	is_status 4
	one_sentence
	stager stop
	is_status 0
	# the state is free as soon as stop returns
	stager secret set A <<<"b"
	is_status 0
}

@test "a state of a newer stager is refused, 4, untouched" {
	rehearsal
	sqlite3 "$STAGER_STATE/stager.db" 'PRAGMA user_version = 9999'
	before=$(sha256sum <"$STAGER_STATE/stager.db")
	stager status
	is_status 4
	one_sentence
	[ "$(sha256sum <"$STAGER_STATE/stager.db")" = "$before" ]
}

@test "a production state refuses to run with a virtual bench: 5" {
	stager init
	is_status 0
	[[ "$output" == *production* ]]
	bench --ipads 1
	stager run
	is_status 5
	stager devices
	is_status 5
	stager stage --blueprint ipad-hospital-ward --all
	is_status 5
}

@test "a state made beside a virtual bench is a rehearsal and works" {
	bench --ipads 1
	stager init
	is_status 0
	[[ "$output" == *rehearsal* ]]
	stager devices --json
	is_status 0
	[ "$(jq -s 'map(select(.udid)) | length' <<<"$output")" -eq 1 ]
}

@test "nothing plugged in: devices is an empty list and 0, stage is 6" {
	bench --ipads 1
	"$STAGER_BENCH" ctl "$CTL" unplug all >/dev/null
	stager devices --json
	is_status 0
	[ "$(jq -s '.[-1].summary.count' <<<"$output")" -eq 0 ]
	stager stage --blueprint ipad-hospital-ward --all
	is_status 6
	one_sentence
}

@test "no usbmuxd: the devices command ends and says so or lists nothing" {
	stager init --rehearsal
	export USBMUXD_SOCKET_ADDRESS=UNIX:$DESK/nobody STAGER_SYSFS=$DESK/none
	stager devices
	is_status 4
	[[ "$stderr" == *usbmuxd* ]]
	stager doctor
	is_status 4
	[[ "$output" == *usbmuxd* ]]
}

@test "staging with a blueprint that erases is 5 and nothing is sent" {
	bench --ipads 1
	stager stage --blueprint returned-phone-wipe --all
	is_status 5
	one_sentence
	[ "$("$STAGER_BENCH" ctl "$CTL" list | jq '.devices | length')" -eq 1 ]
}

@test "an erase without a confirmation, or of an unknown device, is not ordered" {
	rehearsal
	stager wipe --serial NOSUCHSER1 --confirm XXXX
	[ "$status" -ne 0 ] && [ "$status" -ne 1 ]
	stager wipe --serial NOSUCHSER1 </dev/null
	is_status 5
	one_sentence
}
