#!/usr/bin/env bats
# check_rules: a verdict with a reason for each rule, kept with the result, shown, and told to every receiver.

load lib.bash

setup() {
	desk
	bench --ipads 1
	"$STAGER_BENCH" ctl "$CTL" set all auto_trust true >/dev/null
	SERIAL=$(serials)
	stager init --rehearsal
	stager port allow all
	mkdir -p "$STAGER_STATE/blueprints"
}
teardown() { desk_away; }

# rules LINE...: a blueprint "mine" with these rules
rules() {
	{
		printf 'name: mine\nsteps:\n  - identify:\n  - pair:\n  - check_rules:\n'
		printf '      %s\n' "$@"
	} >"$STAGER_STATE/blueprints/mine.yaml"
}

judged() { stager inventory show "$SERIAL" --json && is_status 0 && jq -c '[.jobs[-1].steps[] | select(.step == "check_rules")][-1].evidence.reread' <<<"$output"; }

@test "broken and unreadable rules put it on hold, each with its reason, and nothing is installed" {
	rules 'os: "99.0"' 'profiles: [org.example.wifi]' 'passcode: true' 'find_my: false'
	stager stage --blueprint mine --all
	is_status 6
	seen=$(judged)
	[ "$(jq -r .verdict <<<"$seen")" = broken ] || { echo "$seen"; false; }
	[ "$(jq -r '.rules[] | select(.rule == "os") | .result' <<<"$seen")" = broken ]
	[[ "$(jq -r '.rules[] | select(.rule == "os") | .reason' <<<"$seen")" == *"at least 99.0"* ]]
	[ "$(jq -r '.rules[] | select(.rule == "profiles") | .result' <<<"$seen")" = broken ]
	[ "$(jq -r '.rules[] | select(.rule == "passcode") | .result' <<<"$seen")" = unreadable ]
	[ "$(jq -r '.rules[] | select(.rule == "find_my") | .result' <<<"$seen")" = kept ]
	"$STAGER_BENCH" ctl "$CTL" show "$SERIAL" >"$DESK/show"
	! grep -Eq 'InstallProfile|SetCloudConfiguration|SetValue|EraseDevice|RemoveProfile' "$DESK/show"
}

@test "what only a supervisor may ask is unreadable elsewhere, never taken for good" {
	rules 'passcode: false'
	stager stage --blueprint mine --all
	is_status 6
	[ "$(jq -r .verdict <<<"$(judged)")" = unreadable ]
}

@test "kept rules are a compliant device, in the record too and for a person in both languages" {
	rules 'os: "99.0"' 'os_for: {"iPad*": "9.0"}' 'activated: true' 'forbidden_apps: ["com.example.*"]'
	stager stage --blueprint mine --all
	is_status 0
	[ "$(jq -r .verdict <<<"$(judged)")" = compliant ] || { judged; false; }
	stager inventory show "$SERIAL" --json
	[ "$(jq -r '.records[-1].record.compliance.verdict // "none"' <<<"$output")" = compliant ] ||
		[ "$(sqlite3 "$STAGER_STATE/stager.db" 'SELECT bytes FROM record ORDER BY seq DESC LIMIT 1' | jq -r .compliance.verdict)" = compliant ]
	stager inventory show "$SERIAL"
	[[ "$output" == *"Rules"*"kept"* ]] || { echo "$output"; false; }
	stager --lang fr inventory show "$SERIAL"
	[[ "$output" == *"Règles"*"respectée"* ]] || { echo "$output"; false; }
}

@test "a mistake in the rules is told with its file and line before a device is asked" {
	rules 'os: "latest"'
	stager blueprint check mine
	is_status 3
	[[ "$stderr" == *"mine.yaml:5"*"17.6"* ]] || { echo "$stderr"; false; }
	rules 'os_for: {"iPad*": "new"}'
	stager blueprint check mine
	is_status 3
	rules 'jailbreak: no'
	stager blueprint check mine
	is_status 3
	[[ "$stderr" == *"mine.yaml:6"*"jailbreak"* ]] || { echo "$stderr"; false; }
}

@test "the shipped example is right" {
	stager blueprint check compliance-check
	is_status 0
}
