#!/usr/bin/env bats
# Blueprints that extend others: mistakes are told with their line, a batch pins its parents, and each line says where it is from.

load ../cmd/lib.bash

setup() {
	desk
	stager --quiet init --rehearsal
	B=$STAGER_STATE/blueprints
	mkdir -p "$B"
	site
}
teardown() { desk_away; }

site() {
	cat >"$B/site.yaml" <<-'END'
		name: site
		abstract: true
		params:
		  ssid: SITE
		  zone: {default: Europe/Paris, about: time zone}
		  url:
		requires: {os: "15.0", battery: 20}
		steps:
		  - identify:
		  - pair:
		  - set_time: {zone: "{{zone}}"}
		  - restart:
		  - verify: {}
	END
	cat >"$B/ward.yaml" <<-'END'
		name: ward
		extends: site
		params: {ssid: WARD, url: "https://mdm.example"}
		requires: {os: "16.0"}
		without: [restart]
		steps:
		  - set_name: {name: "{{asset_tag|serial}}"}
		    after: set_time
	END
}

# wrong FILE TEXT...: checking it is 3, and every text is in what is said
wrong() {
	local file=$1 text
	shift
	stager blueprint check "$file"
	is_status 3
	[ "$(wc -l <<<"$stderr")" -eq 1 ] || { echo "$stderr"; return 1; }
	for text in "$@"; do
		[[ "$stderr" == *"$text"* ]] || { echo "no '$text' in: $stderr"; return 1; }
	done
}

@test "a parent that is not there is told with its line and the nearest name" {
	printf 'name: x\nextends:\n  - site\n  - wardd\n' >"$B/x.yaml"
	wrong x x.yaml:4 "'ward'?" STG-1524
	printf 'name: x\nextends: ../site\n' >"$B/x.yaml"
	wrong x x.yaml:2 STG-1524
	printf 'name: x\nextends: {site: yes}\n' >"$B/x.yaml"
	wrong x x.yaml:2 mapping
}

@test "whether a device waits for the MDM is inherited, and the child has the last word" {
	sed -i '1a hand_over: after_registered' "$B/site.yaml"
	printf 'name: x\nextends: ward\nhand_over: later\n' >"$B/x.yaml"
	wrong x x.yaml:3 "after_registered or at_once"
	stager blueprint show ward --json
	is_status 0
	[ "$(jq -r .blueprint.hand_over <<<"$output")" = after_registered ] || { echo "$output"; false; }
	[ "$(jq -r '.words[-1].key' <<<"$output")" = hand_over ]
	sum=$(jq -r .sha256 <<<"$output")
	printf 'hand_over: at_once\n' >>"$B/ward.yaml"
	stager blueprint show ward --json
	[ "$(jq -r '.blueprint.hand_over // ""' <<<"$output")" = "" ]
	[ "$(jq -r .sha256 <<<"$output")" != "$sum" ]
}

@test "a circle is told with the way it takes" {
	printf 'name: a\nextends: b\n' >"$B/a.yaml"
	printf 'name: b\nextends: c\n' >"$B/b.yaml"
	printf 'name: c\nabout: x\nextends: [a]\n' >"$B/c.yaml"
	wrong a c.yaml:3 "a > b > c > a" STG-1525
	printf 'name: a\nextends: a\n' >"$B/a.yaml"
	wrong a a.yaml:2 STG-1525
	# the list is whole all the same
	stager --json blueprint list
	is_status 0
	[ "$(jq -rs 'map(select(.name == "b")) | .[0].error | length > 0' <<<"$output")" = true ]
}

@test "too deep is refused at the line that goes too far" {
	printf 'name: d0\nabstract: true\n' >"$B/d0.yaml"
	for i in $(seq 1 12); do printf 'name: d%s\nextends: d%s\nabstract: true\n' "$i" "$((i - 1))" >"$B/d$i.yaml"; done
	stager blueprint check d8
	is_status 0
	wrong d9 d1.yaml:2 STG-1526
	wrong d12 d4.yaml:2 STG-1526
}

@test "names of steps that mean none or two are refused with the lines they stand on" {
	printf 'name: x\nextends: ward\nwithout: [nothing]\n' >"$B/x.yaml"
	wrong x x.yaml:3 "no inherited step is called 'nothing'"
	printf 'name: two\nextends: ward\nsteps:\n  - verify:\n' >"$B/two.yaml"
	printf 'name: x\nextends: two\nsteps:\n  - restart:\n    before: verify\n' >"$B/x.yaml"
	wrong x x.yaml:5 "means 2 steps" site.yaml:13 two.yaml:4
	printf 'name: x\nextends: ward\nsteps:\n  - restart:\n    before: verify\n    after: pair\n' >"$B/x.yaml"
	wrong x x.yaml:5 "two places"
	printf 'name: x\nsteps:\n  - identify:\n    after: pair\n' >"$B/x.yaml"
	wrong x x.yaml:4 "no inherited step"
}

@test "a mistake in a parent is told with the parent's file and line, and the order is that of the whole" {
	printf 'name: bad\nabstract: true\nsteps:\n  - identfy:\n' >"$B/bad.yaml"
	printf 'name: x\nextends: [site, bad]\n' >"$B/x.yaml"
	wrong x bad.yaml:4 identify
	printf 'name: x\nextends: ward\nsteps:\n  - set_name: {name: early}\n    before: pair\n' >"$B/x.yaml"
	wrong x x.yaml:4 "before the device trusts us"
	printf 'name: other\nabstract: true\n' >"$B/x.yaml"
	printf 'name: y\nextends: x\n' >"$B/y.yaml"
	wrong y x.yaml:1 "names itself 'other'"
}

@test "an abstract one is not started, and a value nobody gave is asked for where it was named" {
	printf 'Serial Number;Ownership\nAAAA111122;pool\n' >"$DESK/list.csv"
	stager batch import "$DESK/list.csv" --name N --blueprint site
	is_status 3
	[[ "$stderr" == *site.yaml:2*abstract* ]]
	printf 'name: x\nextends: site\n' >"$B/x.yaml"
	stager batch import "$DESK/list.csv" --name N --blueprint x
	is_status 3
	[[ "$stderr" == *site.yaml:6*url* ]]
}

@test "what comes later wins, parents reached twice count once, steps stand where they were put" {
	printf 'name: role\nextends: site\nabstract: true\nparams: {zone: Europe/Rome}\nsteps:\n  - set_time: {zone: UTC}\n    replaces: set_time\n' >"$B/role.yaml"
	printf 'name: x\nextends: [site, role, ward]\nsteps:\n  - restart:\n    before: verify\n' >"$B/x.yaml"
	stager --json blueprint show x
	is_status 0
	[ "$(jq -r '[.blueprint.steps[].step] | join(" ")' <<<"$output")" = "require identify pair require set_time set_name restart verify" ] || { echo "$output"; false; }
	[ "$(jq -r '.blueprint.params | [.ssid, .zone, .url] | join(" ")' <<<"$output")" = "WARD Europe/Rome https://mdm.example" ]
	[ "$(jq -r '[.blueprint.parents[].name] | join(" ")' <<<"$output")" = "site role ward" ]
	[ "$(jq -r '.blueprint.steps[0].params.os' <<<"$output")" = 16.0 ]
}

@test "show --for says what holds for a device and where each line is written" {
	printf 'Serial Number;Asset;Ownership\nAAAA111122;A-17;pool\n' >"$DESK/list.csv"
	stager batch import "$DESK/list.csv" --name N --blueprint ward
	stager --json blueprint show --for AAAA111122
	is_status 0
	from() { jq -r --arg k "$1" '.lines[] | select(.key == $k) | .from' <<<"$output"; }
	[ "$(from ssid)" = ward.yaml:3 ]
	[ "$(from zone)" = site.yaml:5 ]
	[ "$(from os)" = ward.yaml:4 ]
	[ "$(from battery)" = site.yaml:7 ]
	[ "$(from 01-identify)" = site.yaml:9 ]
	[ "$(from 04-set_name)" = ward.yaml:7 ]
	[[ "$(jq -r '.lines[] | select(.key == "04-set_name") | .text' <<<"$output")" == *A-17* ]]
	stager blueprint show ward --for AAAA111122 --params ssid=HERE
	is_status 0
	[[ "$output" == *"ssid: HERE"*"given with the batch"* ]] || { echo "$output"; false; }
	stager --lang fr blueprint show --for AAAA111122
	[[ "$output" == *"Valeurs"*"ward.yaml:3"* ]]
	stager blueprint show --for NOSUCHSER1
	is_status 2
}

@test "a started batch pins its parents: an edit changes nothing until it is updated, and the log has their sums" {
	printf 'Serial Number;Ownership\nAAAA111122;pool\n' >"$DESK/list.csv"
	stager batch import "$DESK/list.csv" --name N --blueprint ward
	stager batch start N
	is_status 0
	sum=$(sha256sum <"$B/site.yaml" | cut -d' ' -f1)
	stager --json audit list
	[ "$(jq -rs 'map(select(.verb == "batch.start")) | .[0].detail.parents_sha256.site' <<<"$output")" = "$sum" ] || { echo "$output"; false; }
	# a comment in a parent is no change of what is done
	sed -i '1i# a comment' "$B/site.yaml"
	stager --json batch update N
	[ "$(jq -r .changed <<<"$output")" = false ]
	sed -i 's/Europe\/Paris/Europe\/Rome/' "$B/site.yaml"
	stager --json blueprint show --for AAAA111122
	[ "$(jq -r '.pinned, (.lines[] | select(.key == "zone") | .value)' <<<"$output" | paste -sd' ')" = "true Europe/Paris" ]
	rm "$B/site.yaml"
	stager batch pause N
	stager batch start N
	is_status 0
	stager batch update N
	is_status 3
	[[ "$stderr" == *STG-1524* ]]
}

@test "a device is staged by an inherited blueprint" {
	bench --ipads 1
	export STAGER_STATE=$DESK/other
	stager init
	mkdir -p "$STAGER_STATE/blueprints"
	cp "$B"/site.yaml "$B"/ward.yaml "$STAGER_STATE/blueprints/"
	stager port allow all
	"$STAGER_BENCH" ctl "$CTL" set all auto_trust true >/dev/null
	stager stage --blueprint ward --all
	is_status 0
	stager --json inventory show "$(serials)"
	[ "$(jq -r '[.jobs[-1].steps[].step] | unique | join(" ")' <<<"$output")" = "identify pair require set_name set_time verify" ] || { echo "$output"; false; }
}
