#!/usr/bin/env bats
# French and English: nothing is half translated, and what stands on the board is short.

load lib.bash

setup() { desk; }
teardown() { desk_away; }

@test "no word of the sources lacks its French" {
	command -v msgcmp >/dev/null || skip "no gettext"
	find "$TOP/stager" "$TOP/drivers" "$TOP/profiles" -name '*.c' -not -path '*/drivers/virtual/*' |
		xgettext --from-code=UTF-8 --keyword=_ --keyword=N_ -f - -o "$DESK/stager.pot"
	msgcmp "$TOP/po/fr.po" "$DESK/stager.pot"
	msgfmt --check -o /dev/null "$TOP/po/fr.po"
}

@test "every error has its sentence and its act in both languages, short enough for the board" {
	stager explain --json
	is_status 0
	[ "$(jq -r 'select(.code) | .code' <<<"$output" | wc -l)" -gt 100 ]
	run jq -r 'select(.code) | select([.sentence_en, .act_en, .sentence_fr, .act_fr] | any(. == null or . == "")) | .code' <<<"$output"
	[ -z "$output" ] || { echo "a text is missing: $output"; false; }
}

@test "the first clause of an error is at most nine words" {
	stager explain --json
	run jq -r 'select(.code) | .code as $c | (.sentence_en, .sentence_fr) | select(split("[.;:?!]"; "")[0] | [splits(" +")] | map(select(test("\\w"))) | length > 9) | "\($c) \(.)"' <<<"$output"
	[ -z "$output" ] || { echo "$output"; false; }
}

@test "a person is answered in the language asked for, a program in English" {
	stager --lang fr
	is_status 0
	[[ "$output" == *"Lot      aucun"* ]]
	stager --lang en
	[[ "$output" == *"Batch    none"* ]]
	LC_ALL= LANG=fr_FR.UTF-8 stager --quiet
	[[ "$output" == *"Lot      aucun"* ]]
	stager --lang fr blueprint check nosuch
	[[ "$stderr" == *"Aucun"* || "$stderr" == *"Il n"* ]] || { echo "$stderr"; false; }
	stager --lang fr --json blueprint check nosuch
	[[ "$(jq -r .error <<<"$output")" == *"blueprint"* ]]
}

@test "--help of each command is French for who asks in French" {
	for name in $("$STAGER" help --completion | cut -d' ' -f1); do
		stager "$name" --help
		english=$output
		stager --lang fr "$name" --help
		is_status 0
		[ "$output" != "$english" ]
		# the second part, how it is used: the words to type stay, what is said of them does not
		[ "$(sed 1,2d <<<"$output")" != "$(sed 1,2d <<<"$english")" ] || [[ "$name" == status && -n "$output" ]] || { echo "$name"; false; }
		# the same commands in the same order in both
		[ "$(grep -o '^stager [a-z]*' <<<"$output")" = "$(grep -o '^stager [a-z]*' <<<"$english")" ] || { echo "$name: other commands"; false; }
	done
}

@test "what is asked on a terminal is asked in French" {
	printf 'x\n' | stager --lang fr org backup file
	stager --lang fr org backup file </dev/null
	is_status 2
	[[ "$stderr" == *"phrase secrète"* ]]
}

@test "words of states are French in tables, and as programs know them in --json" {
	cd "$DESK"
	printf 'Serial Number;Ownership\nAAAA111122;pool\n' >list.csv
	stager init --rehearsal
	stager batch import list.csv --name N --blueprint ipad-hospital-ward
	stager batch start N
	stager --lang fr batch list
	[[ "$output" == *"commencé"* && "$output" != *"started"* ]] || { echo "$output"; false; }
	stager --lang fr --json batch list
	[ "$(jq -rs '.[0].state' <<<"$output")" = started ]
	stager batch list
	[[ "$output" == *"started"* ]]
	stager --lang fr blueprint list
	[[ "$output" == *"fourni"* ]]
	stager --lang fr doctor
	[[ "$output" == *"horloge"* ]]
}
