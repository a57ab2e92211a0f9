#!/usr/bin/env bats
# census: a pile is read, matched to the inventory and to a list of leavers, and nothing in it is changed.

load lib.bash

setup() {
	desk
	bench --iphones 4
	stager init --rehearsal
	stager port allow all
	mkdir -p "$STAGER_STATE/blueprints"
	printf 'name: trusts\nsteps:\n  - identify:\n  - pair:\n' >"$STAGER_STATE/blueprints/trusts.yaml"
}
teardown() { desk_away; }

ctl() { "$STAGER_BENCH" ctl "$CTL" "$@"; }

# state_of X: everything a device holds, without what counts and measures
state_of() { ctl show "$1" | jq -S '.device | del(.counts, .touched_us, .longest_idle_us, .device_id, .attach_count, .faults, .faults_met)'; }

@test "a list that is not there or not a list is told before anything is asked" {
	stager census --read --leavers "$DESK/nosuch.csv"
	is_status 3
	one_sentence
	printf 'colour;size\nred;5\n' >"$DESK/odd.csv"
	stager census --leavers "$DESK/odd.csv"
	is_status 3
	stager census --nonsense
	is_status 2
}

@test "a pile nobody knows: known, unknown, silent, and who of it is leaving; nothing is changed" {
	mapfile -t all < <(serials)
	# the first was staged here once and trusts us; the second is known by its tag; the third is a stranger; the fourth says nothing
	ctl set "${all[0]}" auto_trust true >/dev/null
	ctl set "${all[0]}" app com.example.game/2.1 >/dev/null
	stager stage --blueprint trusts --port "$(ctl show "${all[0]}" | jq -r .device.port)"
	is_status 0
	stager inventory add "${all[0]}" --asset-tag T-1 --ownership pool
	is_status 0
	ctl set all auto_trust false >/dev/null
	ctl fault "${all[3]}" refuse GetValue count=-1 error=InvalidResponse >/dev/null
	udid=$(ctl show "${all[2]}" | jq -r .device.udid)
	printf 'Nom;Numéro de série;UDID\nAnna Martin;%s;\nBob Durand;;%s\nClara Petit;F2LXK0NOBODY;\n' "${all[0]}" "$udid" >"$DESK/leavers.csv"
	before=$(for d in "${all[@]}"; do state_of "$d"; done)
	mark=$(for d in "${all[@]}"; do ctl show "$d" | jq -c .device.counts; done)

	stager census --read --leavers "$DESK/leavers.csv" --json
	is_status 0
	doc=$output
	[ "$(jq -r 'select(.summary) | .summary | "\(.known) \(.unknown) \(.silent) \(.leavers)"' <<<"$doc")" = "1 2 1 2" ] || { echo "$doc"; false; }
	[ "$(jq -r --arg s "${all[0]}" 'select(.serial == $s) | .standing + " " + .leaver' <<<"$doc")" = "known 2 Anna Martin" ] || { echo "$doc"; false; }
	[ "$(jq -r --arg u "$udid" 'select(.udid != null) | select((.udid | ascii_downcase) == ($u | ascii_downcase)) | .leaver' <<<"$doc")" = "3 Bob Durand" ] || { echo "$doc"; false; }
	[ "$(jq -r 'select(.summary) | .summary.absent[].serial' <<<"$doc")" = F2LXK0NOBODY ]
	[ "$(jq -r --arg s "${all[0]}" 'select(.serial == $s) | .facts.installed_apps[0].bundle_id' <<<"$doc")" = com.example.game ]
	[ "$(jq -r --arg s "${all[0]}" 'select(.serial == $s) | .facts.jailbreak' <<<"$doc")" = "none found" ]
	[[ "$(jq -c --arg s "${all[0]}" 'select(.serial == $s) | .not_readable' <<<"$doc")" == *'"eid"'* ]]

	after=$(for d in "${all[@]}"; do state_of "$d"; done)
	[ "$before" = "$after" ] || { diff <(echo "$before") <(echo "$after"); false; }
	# every request it was asked is one that reads
	asked=$({ echo "$mark"; for d in "${all[@]}"; do ctl show "$d" | jq -c .device.counts; done; } | jq -sr '
		(length / 2) as $n | [range(0; $n) as $i | .[$i] as $was | .[$i + $n] | to_entries[] | select(.value > ($was[.key] // 0)) | .key] | unique[]')
	[ -n "$asked" ]
	! grep -vE '^lockdownd (QueryType|GetValue|StartSession|StopSession|StartService|Goodbye)$|^StartService |MCInstall (GetCloudConfiguration|GetProfileList|Flush|HelloHostIdentifier)$|installation_proxy (Browse|Lookup)$|diagnostics_relay (IORegistry|Goodbye)$' <<<"$asked" || { echo "$asked"; false; }

	stager --lang fr census --leavers "$DESK/leavers.csv"
	is_status 0
	[[ "$output" == *"connus : 1"* ]] || { echo "$output"; false; }
}

@test "a file for a spreadsheet has a row for each and says what it does not tell" {
	stager census --read --out "$DESK/out.csv"
	is_status 0
	[ "$(wc -l <"$DESK/out.csv")" = 5 ]
	head -1 "$DESK/out.csv" | grep -q 'serial.*iccid.*eid.*battery_health.*jailbreak'
	[ "$(grep -c 'not readable' "$DESK/out.csv")" = 4 ]
	# having been read makes nobody known
	stager census --json
	[ "$(jq -r 'select(.summary) | .summary.known' <<<"$output")" = 0 ]
}

@test "two lines that mean one device are a doubt, not a guess" {
	serial=$(serials | head -1)
	udid=$(ctl show "$serial" | jq -r .device.udid)
	stager census --read
	is_status 0
	unit=$(($(ctl show "$serial" | jq -r .device.ecid)))
	printf 'Name;UDID;ECID\nAnna;%s;\nBob;;%s\n' "$udid" "$unit" >"$DESK/two.csv"
	stager census --leavers "$DESK/two.csv"
	is_status 0
	[[ "$output" == *"more than one line"*"2 and 3"* ]] || { echo "$output"; false; }
}
