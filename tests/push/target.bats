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
