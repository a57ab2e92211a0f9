#!/usr/bin/env bats
# compliance: the inventory, or what is plugged in, judged by a file of rules.

load lib.bash

setup() {
	desk
	bench --ipads 1
	"$STAGER_BENCH" ctl "$CTL" set all auto_trust true >/dev/null
	SERIAL=$(serials)
	stager init --rehearsal
	stager port allow all
	mkdir -p "$STAGER_STATE/rules" "$STAGER_STATE/blueprints"
	printf 'name: look\nsteps:\n  - identify:\n  - pair:\n  - read_details:\n' >"$STAGER_STATE/blueprints/look.yaml"
}
teardown() { desk_away; }

@test "no rules, unknown rules and a mistake in them are told, and a device nobody knows does not pass unseen" {
	stager compliance check
	is_status 2
	stager compliance check nosuch
	is_status 3
	[[ "$stderr" == *"nosuch"* ]]
	printf 'os: "9.0"\nbatery: 3\n' >"$DESK/wrong.yaml"
	stager compliance check "$DESK/wrong.yaml"
	is_status 3
	[[ "$stderr" == *"wrong.yaml:2"* ]] || { echo "$stderr"; false; }
	printf 'os: "9.0"\n' >"$STAGER_STATE/rules/old.yaml"
	stager compliance check old F2LXK0NOBODY
	[ "$status" -ne 0 ]
}

@test "the inventory is judged by what was read last, with a reason for each, in both languages" {
	printf 'about: wards\nos: "9.0"\njailbreak: false\npasscode: true\nforbidden_apps: ["com.example.*"]\n' >"$STAGER_STATE/rules/wards.yaml"
	"$STAGER_BENCH" ctl "$CTL" set all app com.example.game/2.1 >/dev/null
	stager stage --blueprint look --all
	is_status 0
	stager compliance check wards --json
	is_status 6
	first=$(jq -c 'select(.serial != null)' <<<"$output")
	[ "$(jq -r .verdict <<<"$first")" = broken ] || { echo "$output"; false; }
	[ "$(jq -r '[.rules[] | .rule + "=" + .result] | join(" ")' <<<"$first")" = "os=kept passcode=unreadable jailbreak=kept forbidden_apps=broken" ] || { echo "$first"; false; }
	stager --lang fr compliance check wards
	is_status 6
	[[ "$output" == *"com.example.game est présent"* && "$output" == *"1 enfreint"* ]] || { echo "$output"; false; }
	printf 'os: "9.0"\njailbreak: false\n' >"$DESK/easy.yaml"
	stager compliance check "$DESK/easy.yaml" "$SERIAL"
	is_status 0
	stager compliance list
	[[ "$output" == *"wards"* ]]
	# a person reads what the device says of itself, and what it does not
	stager --lang fr inventory show "$SERIAL"
	[[ "$output" == *"état batterie"*"%"* && "$output" == *"aucun trouvé"* && "$output" == *"non indiqué"*"EID"* ]] || { echo "$output"; false; }
}

@test "what is plugged in is read and judged now, and the verdict goes into its record" {
	printf 'os: "99.0"\n' >"$DESK/new.yaml"
	stager compliance check "$DESK/new.yaml" --plugged
	is_status 6
	[ "$(sqlite3 "$STAGER_STATE/stager.db" 'SELECT bytes FROM record ORDER BY seq DESC LIMIT 1' | jq -r .compliance.verdict)" = broken ]
}
