#!/usr/bin/env bats
# Exceptions for one device: with a reason and an end, by a lead, seen everywhere, and never a way around what protects others.

load lib.bash

setup() {
	desk
	cd "$DESK"
	bench --ipads 2
	"$STAGER_BENCH" ctl "$CTL" set all auto_trust true >/dev/null
	stager init
	stager port allow all
	FIRST=$(serials | head -1) SECOND=$(serials | tail -1)
	printf 'Serial Number;Asset;Ownership\n%s;TAG-1;pool\n%s;TAG-2;pool\n' "$FIRST" "$SECOND" >order.csv
	stager batch import order.csv --name N --blueprint ipad-hospital-ward
	is_status 0
}
teardown() { cd /; desk_away; }

TOMORROW=$(date -d '+1 day' +%F)

@test "without a reason, an end, or anything that differs it is refused" {
	stager override add "$FIRST" --set wifi_ssid=X --until "$TOMORROW"
	is_status 2
	stager override add "$FIRST" --set wifi_ssid=X --reason "no end"
	is_status 2
	stager override add "$FIRST" --reason nothing --until "$TOMORROW"
	is_status 2
	stager override add "$FIRST" --set wifi_ssid=X --reason past --until 2020-01-01
	is_status 2
	stager override add "$FIRST" --set wifi_ssid=X --reason "for ever" --until 2199-01-01
	is_status 2
	stager override add "$FIRST" --set wifi_ssid=X --reason "which day" --until soon
	is_status 2
	stager override list --json
	[ "$(jq -s 'map(select(.id)) | length' <<<"$output")" -eq 0 ]
}

@test "an unknown device, param or step, and a step others rest on, are refused" {
	stager override add NOSUCHSER1 --set wifi_ssid=X --reason typo --until "$TOMORROW"
	is_status 2
	[[ "$stderr" == *STG-1231* ]]
	stager override add "$FIRST" --set wifi_sid=X --reason typo --until "$TOMORROW"
	is_status 2
	[[ "$stderr" == *STG-1527*wifi_ssid* ]] || { echo "$stderr"; false; }
	stager override add "$FIRST" --skip lockscreen --reason typo --until "$TOMORROW"
	is_status 2
	for step in pair verify identify require; do
		stager override add "$FIRST" --skip "$step" --reason "in a hurry" --until "$TOMORROW"
		is_status 2
	done
	[[ "$stderr" == *STG-1527* ]]
}

@test "only a lead may, and what was done stands in the log with the name" {
	stager user add ann --role admin <<<123456
	stager user add tom --role technician <<<123456
	stager --as tom override add "$FIRST" --set wifi_ssid=X --reason lent --until "$TOMORROW"
	is_status 5
	stager --as ann override add "$FIRST" --set wifi_ssid=X --reason lent --until "$TOMORROW"
	is_status 0
	stager audit list --json
	[ "$(jq -rs 'map(select(.verb == "override.add")) | .[0] | [.actor, .detail.reason] | join(" ")' <<<"$output")" = "ann lent" ] || { echo "$output"; false; }
	stager --as tom override end 1
	is_status 5
	stager --as ann override end 1
	is_status 0
	stager --as ann override end 1
	is_status 2
	[[ "$stderr" == *STG-1528* ]]
}

@test "the device does otherwise, the other one does not; record, sheet, label and show --for say so" {
	stager override add "$FIRST" --set wifi_ssid=GUESTS --skip lock-screen --reason "Lent to the theatre" --until "$TOMORROW"
	is_status 0
	stager --json blueprint show --for "$FIRST"
	[ "$(jq -r '.lines[] | select(.key == "wifi_ssid") | "\(.value) \(.from)"' <<<"$output")" = "GUESTS override 1" ]
	[ "$(jq -r '[.lines[] | select(.key | endswith("lock-screen"))] | length' <<<"$output")" -eq 0 ]
	stager --json blueprint show --for "$SECOND"
	[ "$(jq -r '.overrides | length' <<<"$output")" -eq 0 ]
	stager batch start N --watch
	is_status 0
	stager --json inventory show "$FIRST"
	[ "$(jq -r '[.jobs[-1].steps[].key | select(endswith("lock-screen"))] | length' <<<"$output")" -eq 0 ]
	stager --json inventory show "$SECOND"
	[ "$(jq -r '[.jobs[-1].steps[].key | select(endswith("lock-screen"))] | length' <<<"$output")" -gt 0 ]
	[ "$(sqlite3 "$STAGER_STATE/stager.db" "SELECT bytes FROM record" | jq -rs --arg s "$FIRST" 'map(select(.device.serial == $s)) | .[-1].order.overrides[0].reason')" = "Lent to the theatre" ]
	stager report handover N sheet.pdf
	is_status 0
	pdftotext -layout sheet.pdf sheet.txt
	[ "$(grep -c 'Exception until' sheet.txt)" -eq 1 ] || { cat sheet.txt; false; }
	stager label print "$FIRST" label.zpl
	is_status 0
	grep -q "Exception until $TOMORROW" label.zpl || { cat label.zpl; false; }
	stager --lang fr label print "$SECOND" other.zpl
	! grep -q Exception other.zpl
}

@test "one that ended holds no more; one that no longer fits puts the device on hold with its reason" {
	stager override add "$FIRST" --set wifi_ssid=GUESTS --reason "for a while" --until "$TOMORROW"
	stager override end 1
	stager override add "$SECOND" --set wifi_ssid=GUESTS --reason "for a while" --until "$TOMORROW"
	printf 'name: bare\nsteps:\n  - identify:\n  - pair:\n' >"$STAGER_STATE/../bare.yaml"
	mkdir -p "$STAGER_STATE/blueprints"
	mv bare.yaml "$STAGER_STATE/blueprints/"
	stager stage --blueprint bare --all
	is_status 6
	[[ "$output$stderr" == *"$SECOND"*"does not fit"* ]] || { echo "$output"; echo "$stderr"; false; }
	stager --json inventory show "$FIRST"
	[ "$(jq -r '.jobs[-1].end' <<<"$output")" = staged ] || { jq .jobs <<<"$output"; false; }
	stager --json override list
	[ "$(jq -rs 'map(select(.id) | .active) | map(tostring) | join(" ")' <<<"$output")" = "true false" ]
}
