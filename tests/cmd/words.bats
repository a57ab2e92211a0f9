#!/usr/bin/env bats
# What a person meets when something cannot be done: a sentence, what to do, a code; in French no word of English.

load lib.bash

setup() {
	desk
	cd "$DESK"
	stager init --rehearsal
	printf 'Serial Number;Ownership\nAAAA111122;pool\n' >list.csv
	stager batch import list.csv --name NORD --blueprint ipad-hospital-ward
	is_status 0
}
teardown() { desk_away; }

# no_english TEXT: fails on a word that no French text has; what stands between grave accents is typed, not read.
no_english() {
	! sed 's/`[^`]*`//g' <<<"$1" |
		grep -E -i -n '\b(the|is|was|were|are|has|have|this|that|there|not|no|and|with|already|expected|which|needed|needs|give|use|never|exists|held|cannot|must|nothing|been|for|from|wait|still|state|ready|waiting|delivered|oldest|name|default|created|valid|fingerprint)\b' ||
		{ printf 'English in: %s\n' "$1"; return 1; }
}

# said STATUS CODE ARGS...: refused, in French, with that code, a sentence and an act of its own; in --json the code is the same.
said() {
	local wanted=$1 code=$2 english
	shift 2
	stager --lang en "$@" </dev/null
	is_status "$wanted"
	english=$stderr
	stager --lang fr "$@" </dev/null
	is_status "$wanted"
	one_sentence
	[[ "$stderr" == "stager: "*". "*"("*"$code"*")"* ]] || { printf 'no %s for %s: %s\n' "$code" "$*" "$stderr"; false; }
	no_english "${stderr//$DESK/}"
	[ "$stderr" != "$english" ]
	stager --lang fr --json "$@" </dev/null
	[ "$(jq -r .code <<<"$output")" = "$code" ] || { echo "$output"; false; }
	[ -n "$(jq -r .act <<<"$output")" ]
}

@test "what is not there is said in French, with what to do" {
	said 2 STG-1802 outbox explain 7
	said 2 STG-1802 outbox retry --id 7
	said 2 STG-1230 batch show SUD
	said 2 STG-1230 batch start SUD
	said 2 STG-1235 job show 7
	said 2 STG-1235 job retry ZZZ
	said 2 STG-1231 inventory show ZZZ
	said 2 STG-1231 label preview ZZZ x.png
	said 2 STG-1239 hold release ZZZ --why x
	said 2 STG-1236 port allow Z9
	said 2 STG-1721 target check nul
	said 2 STG-1320 ca revoke ZZZ
	said 2 STG-1310 org show Nulle
	said 2 STG-1319 secret remove nul
	said 3 STG-1521 blueprint show nul
	said 3 STG-1005 batch check nul.csv
}

@test "what cannot be done now is said in French, with what to do" {
	said 1 STG-1805 batch update NORD
	said 2 STG-1213 batch import list.csv --name NORD --blueprint ipad-hospital-ward
	said 2 STG-1601 batch import list.csv --name 'a b' --blueprint ipad-hospital-ward
	said 6 STG-1603 batch close NORD
	said 2 STG-1212 batch pause NORD
	said 2 STG-1212 batch reopen NORD
	said 2 STG-1311 org create Rehearsal
	said 5 STG-1121 wipe --batch NORD --count 9
	said 2 STG-1800 outbox retry
	said 2 STG-1811 blueprint dry-run ipad-hospital-ward
	said 2 STG-1244 port label 1-1 "$(printf 'A%.0s' {1..40})"
}

@test "what was given wrongly is said in French, with what to do" {
	said 2 STG-1801 org certificate racine ca.pem
	said 2 STG-1801 ca revoke AAAA111122 --reason parce-que
	said 2 STG-1633 inventory add BBBB --imei 12
	said 2 STG-1635 inventory add BBBB --ownership parcours
	stager --lang fr secret set 'a b' <<<x
	[[ "$stderr" == *"STG-1318"* ]] && no_english "$stderr"
	stager --lang fr user add ann --role reine <<<1234
	[[ "$stderr" == *"STG-1242"* ]] && no_english "$stderr"
	stager --lang fr user add ann --role admin <<<1
	[[ "$stderr" == *"STG-1243"* ]] && no_english "$stderr"
	stager --lang fr user add ann --role admin <<<1234
	is_status 0
	stager --lang fr user add ann --role lead --second ann < <(printf '5678\n1234\n')
	[[ "$stderr" == *"STG-1804"* ]] && no_english "$stderr"
}

@test "a mistyped serial number is not put on hold unless it is meant" {
	said 2 STG-1812 hold add AAAA111123 --reason verre
	stager hold list
	[[ "$output" != *AAAA1111* ]]
	stager --lang fr hold add aaaa111122 --reason verre
	is_status 0
	[[ "$output" == *"AAAA111122"* ]]
	stager --json hold list
	[ "$(jq -r 'select(.serial) | .serial' <<<"$output")" = AAAA111122 ]
	stager hold add AAAA111123 --reason verre --unknown
	is_status 0
	stager --json hold list
	[ "$(jq -rs '[.[] | select(.serial)] | length' <<<"$output")" = 2 ]
}

@test "the outbox and the organisation are shown in words, in the person's language" {
	stager --lang fr outbox
	is_status 0
	no_english "$output"
	stager target add recu --connector webhook --config url=http://127.0.0.1:9/x <<<$'\n\n' || true
	stager --lang fr outbox
	no_english "$output"
	[[ "$output" != *_ms* && "$output" != *by_target* ]]
	stager --lang fr org show
	is_status 0
	[[ "$output" == *"sauvegarde vérifiée : "* || "$output" == *"sauvegarde vérifiée: "* ]] || { echo "$output"; false; }
	no_english "$output"
	! grep -E '^ *[a-z]+_[a-z]+' <<<"$output"
	stager --lang en org show
	[[ "$output" == *"backup verified: "* ]]
	stager --json org show
	[ "$(jq -r '.supervisor.not_after_ms > 0 and .backup_verified_ms > 0' <<<"$output")" = true ]
	stager --json outbox
	[ "$(jq -c '[.waiting, .delivered]' <<<"$output")" = "[0,0]" ]
}
