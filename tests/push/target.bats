# target.bats - targets through the command line: refused when wrong, their secrets never shown.

setup() {
	: "${STAGER:=$BATS_TEST_DIRNAME/../../build/stager}"
	DIR=$(mktemp -d "${TMPDIR:-/tmp}/stgtarget.XXXXXX")
	export STAGER_STATE=$DIR/state
	"$STAGER" init --rehearsal >/dev/null
	SECRET=whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=
}

teardown() {
	rm -rf "$DIR"
}

@test "a target that is wrong is refused before anything is kept" {
	run "$STAGER" target add away --url https://mdm.example.com/hook <<<"$SECRET"
	[ "$status" -eq 5 ]
	run "$STAGER" target add plain --url http://10.0.0.1/hook <<<"$SECRET"
	[ "$status" -eq 3 ]
	run "$STAGER" target add short --url http://127.0.0.1:9/ <<<"whsec_AAEC"
	[ "$status" -eq 3 ]
	run "$STAGER" target add odd --url http://127.0.0.1:9/ --config ulr=x <<<"$SECRET"
	[ "$status" -eq 3 ]
	[[ "$output" == *ulr* ]]
	run "$STAGER" target add none --connector nosuch --url http://127.0.0.1:9/ <<<"$SECRET"
	[ "$status" -ne 0 ]
	run "$STAGER" target add bare --url http://127.0.0.1:9/ --auth bearer </dev/null
	[ "$status" -eq 3 ]
	run "$STAGER" target list --json
	[[ "$output" != *'"name"'* ]]
}

@test "secrets are kept and never shown" {
	printf '%s\n%s\n' "$SECRET" MARKED-TOKEN-77 | "$STAGER" target add hq --url http://127.0.0.1:9/hook
	for words in "list" "check hq" "try hq" "list --json"; do
		run "$STAGER" target $words
		[ "$status" -eq 0 ]
		[[ "$output" != *MARKED* ]]
		[[ "$output" != *whsec_* ]]
	done
	run "$STAGER" audit export
	[[ "$output" != *MARKED* ]]
	if grep -rqa -e MARKED -e AAECAwQFBgcICQoL "$STAGER_STATE"; then false; fi

	# another address does not get the old secret
	run "$STAGER" target add hq --url http://127.0.0.1:10/hook --replace </dev/null
	[ "$status" -eq 3 ]
	"$STAGER" target add hq --url http://127.0.0.1:9/hook --replace </dev/null
	run "$STAGER" target add hq --url http://127.0.0.1:9/hook <<<"$SECRET"
	[ "$status" -ne 0 ]
	"$STAGER" target remove hq
	[ "$("$STAGER" target list --json | jq -r 'select(.name == "hq") | .enabled')" = false ]
}

@test "a shared inventory: its tables are printed, its password is nowhere" {
	printf '%s\n\n' MARKED-PASSWORD-5 | "$STAGER" target add site --connector postgresql --url postgresql://127.0.0.1:9/inventory --config user=station7
	run "$STAGER" target schema site
	[ "$status" -eq 0 ]
	[[ "$output" == *"CREATE TABLE IF NOT EXISTS result"* ]]
	[[ "$output" == *'GRANT SELECT, INSERT ON result TO "station7"'* ]]
	run "$STAGER" target schema site --apply
	[ "$status" -ne 0 ]
	run "$STAGER" target try site
	[ "$status" -eq 0 ]
	[[ "$output" == *SAMPLE000000* ]]
	run "$STAGER" target test site
	[ "$status" -eq 6 ]
	[[ "$output" != *MARKED* ]]
	if grep -rqa MARKED "$STAGER_STATE"; then false; fi
	"$STAGER" target add usb2 --connector file
	run "$STAGER" target schema usb2
	[ "$status" -eq 3 ]
	run "$STAGER" target add away --connector postgresql --url postgresql://db.example.org/x --config user=u <<<"pw"
	[ "$status" -eq 5 ]
}

@test "a target can be asked whether it answers" {
	"$STAGER" target add down --url http://127.0.0.1:9/hook <<<"$SECRET"
	run "$STAGER" target test down
	[ "$status" -eq 6 ]
	"$STAGER" target add usb --connector file --config path="$DIR/out/results.jsonl"
	"$STAGER" target test usb
	[ ! -e "$DIR/out" ]
	echo 'their notes' >"$DIR/theirs"
	"$STAGER" target add theirs --connector file --config path="$DIR/theirs"
	run "$STAGER" target test theirs
	[ "$status" -eq 1 ]
}

@test "dropping wants a reason, a second person and a delivery" {
	run "$STAGER" outbox drop --id 1
	[ "$status" -eq 2 ]
	run "$STAGER" outbox drop --id 1 --reason lost
	[ "$status" -eq 5 ]
	run "$STAGER" outbox retry --id 1
	[ "$status" -ne 0 ]
	run "$STAGER" outbox --json
	[ "$status" -eq 0 ]
	[ "$(jq .waiting <<<"$output")" = 0 ]
}

@test "a connector file that is wrong is told with its line, a right one with what it needs" {
	cd "$DIR"
	printf 'name: x\nabout: y\nauth: {kind: none}\nrequest: {method: POST, path: "/{{config.town}}", body: "."}\n' >x.yaml
	run "$STAGER" target check x.yaml
	[ "$status" -eq 3 ]
	[[ "$output" == *"x.yaml:4: {{config.town}}"* ]]
	printf 'name: x\nabout: y\nauth: {kind: jwt-bearer}\nrequest: {method: POST, path: /a, body: "."}\n' >x.yaml
	run "$STAGER" target check x.yaml
	[ "$status" -eq 3 ]
	[[ "$output" == *"x.yaml:3: 'token_url'"* ]]
	printf 'name: x\nabout: y\nauth: {kind: none}\nupdate: {method: PUT, path: /a, body: "."}\n' >x.yaml
	run "$STAGER" target check x.yaml
	[ "$status" -eq 3 ]
	[[ "$output" == *"x.yaml:4: 'update'"* ]]
	for c in "$BATS_TEST_DIRNAME"/../../stager/push/connectors/*.yaml; do
		"$STAGER" target check "$c"
	done
	run "$STAGER" target check "$BATS_TEST_DIRNAME/../../stager/push/connectors/intune.yaml" --json
	[ "$(jq -r .phases <<<"$output")" = PABE ]
	[ "$(jq -r '.settings[] | select(.required) | .name' <<<"$output")" = tenant ]
}

@test "every request of a target is shown, no secret, and none where the result is not for it" {
	cd "$DIR"
	run "$STAGER" target add graph --connector intune --url http://127.0.0.1:9 --config login=http://127.0.0.1:9 --config tenant=T --config client_id=APP </dev/null
	[ "$status" -eq 3 ]
	run "$STAGER" target add graph --connector intune --url http://127.0.0.1:9 --config login=https://login.example.com --config tenant=T --config client_id=APP <<<MARKED/S+1
	[ "$status" -eq 5 ]
	"$STAGER" target add graph --connector intune --url http://127.0.0.1:9 --config login=http://127.0.0.1:9 --config tenant=T --config client_id=APP <<<MARKED/S+1
	"$STAGER" target try graph --json >out
	[ "$(jq -r '[.requests[].what] | join(" ")' out)" = "sign_in lookup request update lookup update" ]
	! grep -q MARKED out
	printf '{"record_id":"0190b1c2-0000-7000-8000-000000000001","device":{"serial":"SN 1"},"outcome":"failed"}' >r.json
	run "$STAGER" target try graph --record r.json
	[ "$status" -eq 0 ]
	[[ "$output" != *POST*import* ]]
	echo '{"a":1}' >r.json
	run "$STAGER" target try graph --record r.json
	[ "$status" -eq 3 ]
	# credentials do not follow to another sign-in server
	run "$STAGER" target add graph --connector intune --url http://127.0.0.1:9 --config login=http://127.0.0.1:10 --config tenant=T --config client_id=APP --replace </dev/null
	[ "$status" -eq 3 ]
	run "$STAGER" outbox retry --take ours
	[ "$status" -eq 2 ]
}

@test "the list of connectors fits a terminal, and one of them is told whole" {
	for lang in en fr; do
		run "$STAGER" --lang $lang target connectors
		[ "$status" -eq 0 ]
		while IFS= read -r line; do
			[ "${#line}" -le 80 ] || { echo "$line"; false; }
		done <<<"$output"
	done
	[ "$("$STAGER" target connectors --json | jq -r 'select(.name == "intune") | [.where, (.about | length > 150)] | @csv')" = '"built-in",true' ]
	run "$STAGER" target connectors intune
	[ "$status" -eq 0 ]
	[[ "$(tr '\n' ' ' <<<"$output")" == *"keep a webhook or file target beside it"*"--config tenant=... (needed)"*"layout=intune"* ]]
	while IFS= read -r line; do
		[ "${#line}" -le 80 ] || { echo "$line"; false; }
	done <<<"$output"
	[ "$("$STAGER" target connectors jamf-pro --json | jq -r '[.phases, .auth[0], .settings[0].name] | join(" ")')" = "PAB oauth2-client-credentials url" ]
	[ "$("$STAGER" target connectors syslog --json | jq -r .where)" = built-in ]
	run "$STAGER" target connectors nosuch
	[ "$status" -ne 0 ]
	[[ "$output" == *STG-1710* ]]
}

@test "an order is told before its devices enrol, once, and shown as such" {
	mkdir -p "$STAGER_STATE/connectors"
	printf '%s\n' 'name: early' 'about: x' 'auth: {kind: none}' 'phases:' '  A:' '    ordered: true' "    item: '{serial: .device.serial}'" \
		"    request: {method: POST, path: /d, body: '.[0].item'}" '    natural_key: serial' >"$STAGER_STATE/connectors/early.yaml"
	sed 's/ordered: true/ordered: maybe/' "$STAGER_STATE/connectors/early.yaml" >"$DIR/wrong.yaml"
	run "$STAGER" target check "$DIR/wrong.yaml"
	[[ "$status" -eq 3 && "$output" == *wrong.yaml:6* ]]
	sed 's/^  A:/  B:/' "$STAGER_STATE/connectors/early.yaml" >"$DIR/wrong.yaml"
	run "$STAGER" target check "$DIR/wrong.yaml"
	[[ "$status" -eq 3 && "$output" == *"phase A"* ]]
	"$STAGER" target add mdm --connector early --url http://127.0.0.1:9/ </dev/null
	printf 'Serial Number,IMEI,Asset Tag\nAAAA111122,,A-1\nAAAA111123,,A-2\n,353245010000010,A-3\n' >"$DIR/list.csv"
	run "$STAGER" batch import "$DIR/list.csv" --name ONE --blueprint ipad-hospital-ward
	[[ "$output" == *"2 of them are registered before they enrol"* ]] || { echo "$output"; false; }
	"$STAGER" batch import "$DIR/list.csv" --name TWO --blueprint ipad-hospital-ward
	run "$STAGER" outbox list --json
	[ "$(jq -s 'map(select(.id)) | length' <<<"$output")" -eq 2 ] || { echo "$output"; false; }
	[ "$(jq -rs '.[0] | "\(.phase) \(.state) \(.serial) \(.end)"' <<<"$output")" = "P queued AAAA111122 ordered" ]
	run "$STAGER" batch show ONE
	[[ "$output" == *"Registered before enrolment: 0 of 2."* ]]
	# exactly what would go out, of an order as of a result
	printf '{"record_id":"00000000-0000-7000-8000-000000000001","outcome":"ordered","device":{"serial":"AAAA111122"}}' >"$DIR/ordered.json"
	run "$STAGER" target try mdm --record "$DIR/ordered.json" --json
	[ "$(jq -r '.phase + " " + .body' <<<"$output")" = 'P {"serial":"AAAA111122"}' ] || { echo "$output"; false; }
	# the person who gives one up needs a second one
	run "$STAGER" outbox drop --id 1 --reason "not ours" </dev/null
	[ "$status" -ne 0 ]
	run "$STAGER" outbox explain 1
	[[ "$status" -eq 0 && "$output" == *AAAA111122* ]]
}
