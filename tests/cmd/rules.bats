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
	rules 'jailbraik: no'
	stager blueprint check mine
	is_status 3
	[[ "$stderr" == *"mine.yaml:6"*"jailbreak"* ]] || { echo "$stderr"; false; }
	rules 'jailbreak: true'
	stager blueprint check mine
	is_status 3
	[[ "$stderr" == *"jailbreak"*"expected false"* ]] || { echo "$stderr"; false; }
	rules 'patch_age: 90' 'released: {"99": "soon"}'
	stager blueprint check mine
	is_status 3
	[[ "$stderr" == *"released"*"2024-08-07"* ]] || { echo "$stderr"; false; }
}

@test "age of the system, battery, signs of a jailbreak and protection are judged, in the reader's language" {
	"$STAGER_BENCH" ctl "$CTL" set all os 17.4.1 >/dev/null
	"$STAGER_BENCH" ctl "$CTL" set all battery_health 71 >/dev/null
	"$STAGER_BENCH" ctl "$CTL" set all jailbroken true >/dev/null
	rules 'patch_age: 90' 'battery_health: 80' 'jailbreak: false' 'encrypted: true'
	stager stage --blueprint mine --all
	is_status 6
	seen=$(judged)
	[ "$(jq -r '[.rules[] | select(.result == "broken") | .rule] | sort | join(" ")' <<<"$seen")" = "battery_health jailbreak patch_age" ] || { echo "$seen"; false; }
	[ "$(jq -r '.rules[] | select(.rule == "encrypted") | .result' <<<"$seen")" = unreadable ]
	[[ "$(jq -r '.rules[] | select(.rule == "patch_age") | .reason' <<<"$seen")" == "17.4.1 was published on 2024-03-21, "* ]]
	[[ "$seen" == *"signs of a jailbreak found"* && "$seen" != *clean* ]]
	stager --lang fr inventory show "$SERIAL"
	[[ "$output" == *"71 % de sa capacité"* && "$output" == *"publié le 2024-03-21"* && "$output" == *"indices de débridage"* ]] || { echo "$output"; false; }
	! grep -E 'was published|jailbreak found|protected is' <<<"$output"
}

@test "a system nobody told the day of is not readable, and the rules can tell it" {
	rules 'patch_age: 100000'
	"$STAGER_BENCH" ctl "$CTL" set all os 26.1 >/dev/null
	stager stage --blueprint mine --all
	is_status 0
	rules 'patch_age: 30' 'released: {"26.1": "2001-01-01"}'
	stager stage --blueprint mine --all
	is_status 6
	[[ "$(judged)" == *"published on 2001-01-01"* ]] || { judged; false; }
}

@test "rules stand in a file of their own, pinned with the blueprint that names it; its own lines come first" {
	rules 'rules: hospital'
	stager blueprint check mine
	is_status 3
	[[ "$stderr" == *"mine.yaml:5"*"hospital"* ]] || { echo "$stderr"; false; }
	mkdir "$STAGER_STATE/rules"
	printf 'about: phones of the wards\nos: "99.0"\nfind_mi: false\n' >"$STAGER_STATE/rules/hospital.yaml"
	stager blueprint check mine
	is_status 3
	[[ "$stderr" == *"hospital.yaml:3"*"find_my"* ]] || { echo "$stderr"; false; }
	printf 'about: phones of the wards\nos: "99.0"\nfind_my: false\n' >"$STAGER_STATE/rules/hospital.yaml"
	stager stage --blueprint mine --all
	is_status 6
	[ "$(jq -r '.file' <<<"$(judged)")" = hospital ] || { judged; false; }
	[ "$(jq -r '.rules[] | select(.rule == "os") | .result' <<<"$(judged)")" = broken ]
	[ "$(jq -r '.rules[] | select(.rule == "find_my") | .result' <<<"$(judged)")" = kept ]
	stager job cancel 1
	is_status 0
	rules 'rules: hospital' 'os: "9.0"'
	stager stage --blueprint mine --all
	is_status 0
}

@test "the shipped example is right" {
	stager blueprint check compliance-check
	is_status 0
}
