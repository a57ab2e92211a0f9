#!/usr/bin/env bats
# Canaries: the first of a new kind run with extra checks, the rest waits; one that fails stops the rest; a lead may let it go.

load lib.bash

setup() {
	desk
	cd "$DESK"
	cat >three.json <<-'END'
		{"devices": [
		 {"kind": "ipad", "model": "iPad13,18", "os": "17.5.1", "serial": "F2LXK0AAAA01", "auto_trust": true},
		 {"kind": "ipad", "model": "iPad13,18", "os": "17.5.1", "serial": "F2LXK0AAAA02", "auto_trust": true},
		 {"kind": "ipad", "model": "iPad13,18", "os": "17.5.1", "serial": "F2LXK0AAAA03", "auto_trust": true}]}
	END
	bench --scenario three.json
	stager init
	stager port allow all
	printf 'Serial Number;Ownership\nF2LXK0AAAA01;pool\nF2LXK0AAAA02;pool\nF2LXK0AAAA03;pool\n' >order.csv
	mkdir -p "$STAGER_STATE/blueprints"
	printf 'name: mine\ncanaries: 1\nsteps:\n  - identify:\n  - pair:\n  - set_time: {zone: UTC}\n  - supervise:\n  - install_profile: {profile: root-ca, template: yes}\n  - verify: {}\n' \
		>"$STAGER_STATE/blueprints/mine.yaml"
	stager batch import order.csv --name N --blueprint mine
	is_status 0
}
teardown() { cd /; desk_away; }

# station: one that runs; told by its first line
station() {
	mkfifo said
	"$STAGER" run >said 2>station.log 3>&- 9>&- </dev/null &
	exec 8<>said
	read -r -t 120 -u 8 _
}

# until_devices FILTER: what `stager devices` tells of the three, until jq's FILTER over the list holds
until_devices() {
	local tries
	for tries in $(seq 120); do
		stager --json devices
		[ "$(jq -s "map(select(.serial)) | $1" <<<"$output")" = true ] && return
		read -r -t 0.5 <> <(:) || true
	done
	echo "$tries: $output"
	tail -20 station.log
	return 1
}

@test "a number that is none is told with its line" {
	printf 'name: x\ncanaries: some\nsteps:\n  - identify:\n' >"$STAGER_STATE/blueprints/x.yaml"
	stager blueprint check x
	is_status 3
	[[ "$stderr" == *x.yaml:2* ]]
	printf 'name: x\ncanaries: -1\nsteps:\n  - identify:\n' >"$STAGER_STATE/blueprints/x.yaml"
	stager blueprint check x
	is_status 3
}

@test "a canary that fails stops the rest with its reason; only a lead lets them go" {
	stager user add ann --role admin <<<123456
	stager user add tom --role technician <<<123456
	for s in 1 2 3; do
		for request in InstallProfile InstallProfileSilent; do
			"$STAGER_BENCH" ctl "$CTL" fault F2LXK0AAAA0$s refuse $request code=4001 domain=MCInstallationErrorDomain count=50 >/dev/null
		done
	done
	station
	stager batch start N
	is_status 0
	until_devices '(map(select(.state == "failed")) | length) == 1 and (map(select(.state == "hold" and .code == "STG-1539")) | length) == 2'
	stager --json canary list
	[ "$(jq -rs '.[0] | [.model, .os, .state, .wanted] | map(tostring) | join(" ")' <<<"$output")" = "iPad13,18 17.5.1 failed 1" ] || { echo "$output"; false; }
	[ "$(sqlite3 "$STAGER_STATE/stager.db" 'SELECT count(*) FROM job')" -eq 1 ]
	for s in 1 2 3; do "$STAGER_BENCH" ctl "$CTL" fault F2LXK0AAAA0$s clear >/dev/null; done
	# seen, and held by what failed: not missing, and in a queue of their own
	"$STAGER" --json batch show N >rows
	[ "$(jq -rs '[.[] | .balance? // empty | .expected, .failed, .hold, .missing] | map(tostring) | join(" ")' rows)" = "3 1 2 0" ] || { cat rows; false; }
	"$STAGER" --json queue list canary >rows
	[ "$(jq -rs '[.[] | select(.queue == "canary") | .code] | map(tostring) | join(" ")' rows)" = "1539 1539" ] || { cat rows; false; }
	stager status
	[[ "$output" == *"2 for a canary"* ]] || { echo "$output"; false; }
	stager --as tom canary release 1 --why "in a hurry"
	is_status 5
	stager --as ann canary release 7 --why "which"
	[ "$status" -ne 0 ]
	stager --as ann canary release 1 --why "cable was bad"
	is_status 0
	until_devices '(map(select(.state == "staged")) | length) == 2'
	stager --json queue list canary
	[ "$(jq -s 'map(select(.queue)) | length' <<<"$output")" -eq 0 ]
	stager --json audit list
	[ "$(jq -rs 'map(select(.verb == "canary.release")) | .[0] | [.actor, .detail.why] | join(" ")' <<<"$output")" = "ann cable was bad" ]
}

@test "one goes first with extra checks, then the others; the kind is known from then on" {
	station
	stager batch start N
	until_devices '(map(select(.state == "staged")) | length) == 3'
	[ "$(sqlite3 "$STAGER_STATE/stager.db" "SELECT count(DISTINCT job) FROM step WHERE key LIKE '%-canary'")" -eq 1 ]
	[ "$(sqlite3 "$STAGER_STATE/stager.db" "SELECT outcome FROM step WHERE key LIKE '%verify-canary'")" = proven ]
	# the others began when it had ended
	[ "$(sqlite3 "$STAGER_STATE/stager.db" "SELECT min(b.created_ms) >= (SELECT ended_ms FROM job JOIN canary_job ON job = job.id) FROM job b
		WHERE b.id NOT IN (SELECT job FROM canary_job)")" -eq 1 ]
	stager canary list
	[[ "$output" == *"iPad13,18"*passed* ]] || { echo "$output"; false; }
	stager --lang fr canary list
	[[ "$output" == *réussi* ]] || { echo "$output"; false; }
}

@test "without the word nobody waits" {
	sed -i '/canaries/d' "$STAGER_STATE/blueprints/mine.yaml"
	stager batch start N --watch
	is_status 0
	stager --json canary list
	[ "$(jq -s 'map(select(.id)) | length' <<<"$output")" -eq 0 ]
}
