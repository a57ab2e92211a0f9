# batch.bats - a batch through the command line: from a French spreadsheet's list to the papers at the end.

setup() {
	: "${STAGER:=$BATS_TEST_DIRNAME/../../build/stager}"
	DIR=$(mktemp -d "${TMPDIR:-/tmp}/stgbatch.XXXXXX")
	export STAGER_STATE=$DIR/state
	"$STAGER" init --rehearsal >/dev/null
	# Windows-1252, semicolons, CRLF
	{
		printf 'N\260 de s\351rie;IMEI 1;\311tiquette;Nom;Propri\351t\351;Service\r\n'
		for i in $(seq 10 69); do printf 'F2LXK0AAAA%s;;A-10%s;"Lit %s; c\364t\351 jardin";parc;P\351diatrie\r\n' "$i" "$i" "$i"; done
	} >"$DIR/order.csv"
}

teardown() {
	rm -rf "$DIR"
}

@test "a list with mistakes is refused with every line and changes nothing" {
	printf 'Serial,IMEI\nF2LXK0AAAA01,3.56E+14\nF2LXK0AAAA02,\nF2LXK0AAAA02,\n' >"$DIR/bad.csv"
	run "$STAGER" batch check "$DIR/bad.csv"
	[ "$status" -eq 3 ]
	[[ "$output" == *"bad.csv:2:"* ]]
	[[ "$output" == *"bad.csv:4:"* ]]
	run "$STAGER" batch import "$DIR/bad.csv" --name BAD --blueprint ipad-hospital-ward
	[ "$status" -eq 3 ]
	[[ "$output" == *"bad.csv:2:"* ]]
	run "$STAGER" batch list --json
	[[ "$output" != *BAD* ]]
}

# french ARGS...: what a person reads who asks in French; `english` fails on a word that only an English text has.
french() { run "$STAGER" --lang fr "$@" 3>&-; }
english() {
	! grep -E -i -w -n 'the|is|was|were|are|has|have|this|that|there|not|no|and|with|already|expected|line|row|column|file|device|devices|give|use|correct|batch' <<<"$1"
}

@test "a list with mistakes is refused in French for who reads French, for every kind of mistake" {
	one() {
		printf "$1" >"$DIR/liste.csv"
		shift
		french batch check "$DIR/liste.csv" "$@"
		[ "$status" -eq 3 ] || { echo "$output"; false; }
		[[ "$output" == *"(STG-16"* ]] || { echo "$output"; false; }
		english "${output//$DIR/}" || { echo "$output"; false; }
		french batch import "$DIR/liste.csv" --name MAL --blueprint ipad-hospital-ward "$@"
		[ "$status" -eq 3 ]
		[[ "$output" == *"(STG-1600)"*"(STG-16"* ]] || { echo "$output"; false; }
		english "$(sed 's/ipad-hospital-ward//' <<<"$output")" || { echo "$output"; false; }
	}
	head='Numéro de série;IMEI 1;UDID;ECID;Nom;Propriété;Service\n'
	for row in 'F2LXK0AAAA01;3,56E+14;;;;;' 'F2LXK0AAAA01;353245010000011;;;;;' 'F2LXK0AAAA01;12;;;;;' 'inconnu;;;;;;' 'A!;;;;;;' ';;xyz;;;;' \
		';;;12x4;;;' 'F2LXK0AAAA01;;;;;parcc;' 'F2LXK0AAAA01;;;;"a\nb";;' 'F2LXK0AAAA01;;;;a\xe2\x80\xaeb;;' 'F2LXK0AAAA01;;;;a;;\001' ';;;;a;;' \
		'F2LXK0AAAA01;;;;a' 'F2LXK0AAAA01;;;;"a' 'F2LXK0AAAA01;;00008030-001A2B3C4D5E6F70;1234;;;' 'F2LXK0AAAA01;;;;;;\nF2LXK0AAAA01;;;;;;' ''; do
		one "$head$row\n"
	done
	one "${head}F2LXK0AAAA01;;;;$(printf '%0129d' 0);;\n"
	one ''
	one 'a;b\n1;2\n'
	one 'PK\003\004x'
	one 'Nom\nx\n' --map 'serial=Z'
	one 'Nom\nx\n' --map 'couleur=Nom'
	one 'Nom;x\nx;y\n' --map 'serial=1' --map 'udid=1'
	one 'Série;S/N\nF2LXK0AAAA01;F2LXK0AAAA01\n'

	printf "${head}F2LXK0AAAA01;3,56E+14;;;;;\n" >"$DIR/liste.csv"
	french --json batch check "$DIR/liste.csv"
	[ "$(jq -r '.problems[0] | "\(.line) \(.code) \(.where)"' <<<"$output")" = "2 STG-1628 liste.csv:2: IMEI 1 '3,56E+14'" ]
	[[ "$(jq -r '.problems[0].text' <<<"$output")" == *"A spreadsheet rounded this"* ]]
	french --json batch import "$DIR/liste.csv" --name MAL --blueprint ipad-hospital-ward
	[ "$(jq -r .code <<<"$output")" = STG-1600 ]
	[[ "$(jq -r .detail <<<"$output")" == *"A spreadsheet rounded this"* ]]
}

@test "names that cannot be used, unknown blueprints and a missing file are refused" {
	run "$STAGER" batch import "$DIR/order.csv" --name '../up' --blueprint ipad-hospital-ward
	[ "$status" -eq 2 ]
	run "$STAGER" batch import "$DIR/order.csv" --name N --blueprint nosuch
	[ "$status" -ne 0 ]
	run "$STAGER" batch import "$DIR/nothing.csv" --name N --blueprint ipad-hospital-ward
	[ "$status" -eq 3 ]
	run "$STAGER" batch list --json
	[[ "$output" != *'"name"'* ]]
}

@test "sixty tablets: checked, imported, started, closed with its papers" {
	run "$STAGER" batch check "$DIR/order.csv" --json
	[ "$status" -eq 0 ]
	[[ "$output" == *'"windows-1252"'* ]]
	"$STAGER" batch import "$DIR/order.csv" --name NORD-12 --blueprint ipad-hospital-ward
	run "$STAGER" batch import "$DIR/order.csv" --name NORD-12 --blueprint ipad-hospital-ward
	[ "$status" -ne 0 ]
	"$STAGER" batch start NORD-12
	run "$STAGER" batch show NORD-12 --json
	[ "$(jq -r '.balance | "\(.expected) \(.missing)"' <<<"$output")" = "60 60" ]
	[ "$(jq -r '.rows[59] | "\(.name) \(.ownership) \(.attributes.service)"' <<<"$output")" = "Lit 69; côté jardin pool Pédiatrie" ]
	[ "$(jq -r '.blueprint_sha256 | length' <<<"$output")" = 64 ]

	# nothing came: open devices keep it from closing
	run "$STAGER" batch close NORD-12 --dir "$DIR/out"
	[ "$status" -ne 0 ]
	[[ "$output" == *"(STG-1603, NORD-12: 60: "* ]]
	[ ! -e "$DIR/out" ]
	"$STAGER" batch close NORD-12 --open --dir "$DIR/out"
	[ "$(grep -c missing "$DIR/out/result.csv")" -eq 60 ]
	pdftotext "$DIR/out/handover.pdf" - | grep -q 'F2LXK0AAAA69'
	run "$STAGER" batch start NORD-12
	[ "$status" -ne 0 ]
	"$STAGER" batch reopen NORD-12

	# what is left over is the next batch, letter for letter
	"$STAGER" batch import "$DIR/out/exceptions.csv" --name NORD-13 --blueprint ipad-hospital-ward
	a=$("$STAGER" batch show NORD-12 --json | jq -c '[.rows[] | [.serial, .name, .asset_tag, .ownership, .attributes]]')
	b=$("$STAGER" batch show NORD-13 --json | jq -c '[.rows[] | [.serial, .name, .asset_tag, .ownership, .attributes]]')
	[ "$a" = "$b" ]
	"$STAGER" audit verify
}

@test "a started batch keeps its blueprint until it is updated" {
	mkdir -p "$STAGER_STATE/blueprints"
	mine() { printf 'name: mine\nabout: %s\nsteps:\n  - identify\n' "$1" >"$STAGER_STATE/blueprints/mine.yaml"; }
	mine first
	"$STAGER" batch import "$DIR/order.csv" --name A --blueprint mine || { mine first; cat "$STAGER_STATE/blueprints/mine.yaml"; false; }
	"$STAGER" batch start A
	before=$("$STAGER" batch show A --json | jq -r .blueprint_sha256)
	mine second
	"$STAGER" batch pause A
	"$STAGER" batch start A
	[ "$("$STAGER" batch show A --json | jq -r .blueprint_sha256)" = "$before" ]
	run "$STAGER" batch update A --json
	[ "$status" -eq 0 ]
	[ "$(jq -r '"\(.changed) \(.before_sha256) \(.staged_with_old | length)"' <<<"$output")" = "true $before 0" ]
	[ "$("$STAGER" batch show A --json | jq -r .blueprint_sha256)" != "$before" ]
}

@test "devices of the automated enrolment are marked, in whatever order the files are given" {
	printf 'Serial\nF2LXK0AAAA10\nF2LXK0AAAA11\nDQXNOTOURS99\n' >"$DIR/abm.csv"
	"$STAGER" batch import --abm "$DIR/abm.csv" "$DIR/order.csv" --name A --blueprint ipad-hospital-ward
	[ "$("$STAGER" batch show A --json | jq '[.rows[] | select(.attributes.abm == "yes")] | length')" = 2 ]
}

@test "an order is sorted into both routes before a carton is opened" {
	printf 'Serial\nF2LXK0AAAA10\nF2LXK0AAAA11\nDQXNOTOURS99\n' >"$DIR/abm.csv"
	# marked only: it is said that the blueprint does not fit them
	run "$STAGER" batch import "$DIR/order.csv" --name A --blueprint ipad-hospital-ward --abm "$DIR/abm.csv"
	[ "$status" -eq 0 ]
	[[ "$output" == *"2 of them are assigned"* ]]
	run "$STAGER" batch import "$DIR/order.csv" --name B --blueprint ipad-hospital-ward --abm "$DIR/abm.csv" --abm-blueprint automated-enrolment --json
	[ "$status" -eq 0 ]
	[ "$(jq -r '"\(.count) \(.second.name) \(.second.count) \(.second.blueprint)"' <<<"$output")" = "58 B-abm 2 automated-enrolment" ]
	[ "$("$STAGER" batch show B --json | jq '[.rows[] | select(.attributes.abm == "yes")] | length')" = 0 ]
	[ "$("$STAGER" batch show B-abm --json | jq -r '[.rows[].serial] | sort | join(" ")')" = "F2LXK0AAAA10 F2LXK0AAAA11" ]
	# each starts with its own blueprint
	"$STAGER" batch start B-abm
	[ "$("$STAGER" batch show B-abm --json | jq -r .blueprint)" = automated-enrolment ]
}

@test "the second route has to be one, and nothing is kept when it is not" {
	printf 'Serial\nF2LXK0AAAA10\n' >"$DIR/abm.csv"
	run "$STAGER" batch import "$DIR/order.csv" --name C --blueprint ipad-hospital-ward --abm "$DIR/abm.csv" --abm-blueprint ipad-hospital-ward
	[ "$status" -ne 0 ]
	[[ "$output" == *automated_enrolment* ]]
	run "$STAGER" batch import "$DIR/order.csv" --name C --blueprint ipad-hospital-ward --abm-blueprint automated-enrolment
	[ "$status" -ne 0 ]
	run "$STAGER" batch show C
	[ "$status" -ne 0 ]
	# all of the order is assigned: there is one batch only
	printf 'Serial\nF2LXK0AAAA10\n' >"$DIR/small.csv"
	"$STAGER" batch import "$DIR/small.csv" --name D --blueprint ipad-hospital-ward --abm "$DIR/abm.csv" --abm-blueprint automated-enrolment
	run "$STAGER" batch show D
	[ "$status" -ne 0 ]
	[ "$("$STAGER" batch show D-abm --json | jq '.rows | length')" = 1 ]
}

@test "profiles in an order that cannot hold are said when the batch starts, in both languages; the shipped blueprint has none" {
	mkdir -p "$STAGER_STATE/blueprints"
	printf 'name: upside-down\nparams: {enrolment_ssid: {default: A}}\nsteps:\n  - pair:\n  - install_profile: {profile: wifi-enrolment, template: yes}\n  - install_profile: {profile: root-ca, template: yes}\n' \
		>"$STAGER_STATE/blueprints/upside-down.yaml"
	"$STAGER" batch import "$DIR/order.csv" --name UP --blueprint upside-down
	run "$STAGER" batch start UP
	[ "$status" -eq 0 ]
	[[ "$output" == *"! "*"root-ca holds a root certificate"*"a Wi-Fi"*"put it first"* ]] || { echo "$output"; false; }
	"$STAGER" batch pause UP
	french batch start UP
	[ "$status" -eq 0 ]
	[[ "$output" == *"! "*root-ca*" contient un certificat racine"* ]] || { echo "$output"; false; }
	run "$STAGER" batch start UP --json
	"$STAGER" batch import "$DIR/order.csv" --name WARD --blueprint ipad-hospital-ward
	run "$STAGER" batch start WARD
	[[ "$output" != *"! "* ]] || { echo "$output"; false; }
}

@test "two devices of one name, and a name no device can bear, are told with their lines before anything is kept" {
	{
		printf 'Serial,Asset Tag,Name\nF2LXK0AAAA01,A-1,Ward 1\nF2LXK0AAAA02,A-2,Ward 2\nF2LXK0AAAA03,WARD 2,\n'
		printf 'F2LXK0AAAA04,A-4,%070d\nF2LXK0AAAA05,,\nF2LXK0AAAA06,,F2lxk0AAAA05\n' 0
	} >"$DIR/names.csv"
	run "$STAGER" batch import "$DIR/names.csv" --name NAMES --blueprint ipad-hospital-ward
	[ "$status" -eq 3 ]
	[[ "$output" == *"names.csv:4: 'WARD 2' = :3"*"earlier line"*"(+2)"* ]] || { echo "$output"; false; }
	french batch import "$DIR/names.csv" --name NAMES --blueprint ipad-hospital-ward
	english "$(sed 's/ipad-hospital-ward//; s/WARD 2//' <<<"${output//$DIR/}")" || { echo "$output"; false; }
	run "$STAGER" batch list --json
	[[ "$output" != *NAMES* ]]
	# a blueprint that gives no names does not mind; one that names by tag looks at the tags
	mkdir -p "$STAGER_STATE/blueprints"
	printf 'name: plain\nsteps:\n  - pair:\n' >"$STAGER_STATE/blueprints/plain.yaml"
	printf 'name: bedside\nsteps:\n  - pair:\n  - set_name: {name: "bed {{batch.bed}}"}\n' >"$STAGER_STATE/blueprints/bedside.yaml"
	"$STAGER" batch import "$DIR/names.csv" --name PLAIN --blueprint plain
	printf 'Serial,Bed\nF2LXK0AAAA01,7\nF2LXK0AAAA02,8\nF2LXK0AAAA03,7\n' >"$DIR/beds.csv"
	run "$STAGER" batch import "$DIR/beds.csv" --name BEDS --blueprint bedside
	[ "$status" -eq 3 ]
	[[ "$output" == *"beds.csv:4: 'bed 7' = :2"* ]] || { echo "$output"; false; }
}
