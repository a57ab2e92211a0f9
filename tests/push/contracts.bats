# contracts.bats - what `stager target try NAME --record FILE` shows is judged by ajv against the descriptions in contracts/ (the
# program that sends is judged by test_contracts.c): an administrator reads there what will be sent.

setup_file() {
	DIR=$(mktemp -d "${TMPDIR:-/tmp}/stgcontract.XXXXXX")
	export DIR STAGER_STATE=$DIR/state
	: "${STAGER:=$BATS_TEST_DIRNAME/../../build/stager}"
	export STAGER
	for PEERS in "${B:-$BATS_TEST_DIRNAME/../../build}/peers" "$BATS_TEST_DIRNAME/../../build/peers"; do
		[ ! -d "$PEERS/node_modules/ajv" ] || break
	done
	export PEERS
	"$STAGER" init >/dev/null
	openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$DIR/ec.pem" 2>/dev/null
	openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$DIR/rsa.pem" 2>/dev/null
	cat >"$DIR/iphone.json" <<-END
		{"schema":"stager.result/1","record_id":"0190b1c2-0000-7000-8000-000000000001","station":"bench-07","seq":1881,"outcome":"staged",
		 "device":{"serial":"F2LXK0AA0007","imei":["353245010000010"],"udid":"00008110-00000000000A0007","platform":"ios","model":"iPhone14,5",
		 "model_name":"iPhone 13","os_version":"17.6.1"},"asset_tag":"A-1042;\\"x\\"","order":{"po":"4500012345"},
		 "wipe":{"verified":true},"time":{"wall":"2025-01-01T10:00:00Z"}}
	END
	sed -e 's/"ios"/"android"/; s/F2LXK0AA0007/R5CT0007/; s/"udid":"[^"]*",/"manufacturer":"samsung",/; s/iPhone14,5/SM-X200/' "$DIR/iphone.json" >"$DIR/android.json"
	printf '{"schema":"stager.result/1","record_id":"0190b1c2-0000-7000-8000-000000000002","outcome":"ordered","device":{"serial":"F2LXK0AA0008"},"asset_tag":"A-7","batch":"NORTH-12"}' >"$DIR/order.json"
}

teardown_file() {
	rm -rf "$DIR"
}

# judged NAME RECORD: is what would be sent as described? What is wrong is printed.
judged() {
	"$STAGER" target try "$1" --record "$DIR/$2.json" --json >"$DIR/shown.json" || return 9
	node "$BATS_TEST_DIRNAME/contracts/check.js" "$PEERS" "$BATS_TEST_DIRNAME/contracts" <"$DIR/shown.json"
}

# good REQUESTS RECORD CONNECTOR CONFIG...: so many requests, all as described; credentials come from standard input.
good() {
	local requests=$1 record=$2 connector=$3 args=()
	shift 3
	for word; do
		case $word in --*) args+=("${word%%=*}" "${word#*=}") ;; *) args+=(--config "$word") ;; esac
	done
	"$STAGER" target add "$connector" --connector "$connector" "${args[@]}"
	run judged "$connector" "$record"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "${lines[-1]}" = "$requests requests, 0 faults" ]
}

@test "what is shown of each connector is what its receiver describes" {
	good 6 iphone intune tenant=TENANT client_id=APP <<<MARKED
	good 6 iphone jamf-pro url=https://acme.jamfcloud.com client_id=CLIENT <<<MARKED
	# what only an order names, told before the device is here
	for connector in intune jamf-pro; do
		run judged $connector order
		echo "$output"
		[ "$status" -eq 0 ]
		[ "$(jq '[.requests[] | select(.what == "request" and (.body | contains("F2LXK0AA0008")))] | length' "$DIR/shown.json")" -ge 1 ]
	done
	good 5 iphone workspace-one url=https://as001.awmdm.com client_id=CLIENT tag=staged \
		group=6b9b1f8e-0000-4000-8000-000000000001 staging_user=6b9b1f8e-0000-4000-8000-000000000002 <<<MARKED
	good 4 android google-workspace --key="$DIR/rsa.pem" client_id=sa@project.iam key_id=k1 admin=admin@example.com </dev/null
	good 4 android android-zero-touch --key="$DIR/rsa.pem" client_id=sa@project.iam partner=77 customer=1234567 </dev/null
	good 5 iphone apple-business --key="$DIR/ec.pem" client_id=BUSINESSAPI.1 key_id=KEY1 server=OURS </dev/null
	good 1 iphone ivanti-neurons url=https://na1.mobileiron.com user=user partition=21 <<<MARKED
	good 2 iphone ivanti-epmm url=https://core.example.org user=user "label=Staged here" <<<MARKED
	good 4 iphone blackberry-uem url=https://uem.example.org/T/api/v1 user=user enrollment_configuration=CONF <<<MARKED
	good 3 iphone snipe-it url=https://assets.example.org model_id=3 status_id=2 < <(printf '\nMARKED\n')
	good 1 iphone glpi url=https://glpi.example.org user=user agent_id=7a1f0c0e-0000-4000-8000-000000000001 <<<MARKED
	good 1 iphone webhook --url=https://hook.example.org/hook <<<whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=
}

@test "one word that no receiver knows, and it is told" {
	mkdir -p "$STAGER_STATE/connectors"
	sed 's/importedDeviceIdentityType: "serialNumber"/importedDeviceIdentityKind: "serialNumber"/' "$BATS_TEST_DIRNAME/../../stager/push/connectors/intune.yaml" >"$STAGER_STATE/connectors/intune.yaml"
	"$STAGER" target add wrong --connector intune --config tenant=TENANT --config client_id=APP <<<MARKED
	run judged wrong iphone
	rm "$STAGER_STATE/connectors/intune.yaml"
	[ "$status" -eq 1 ]
	[[ "$output" == *"request A: POST https://graph.microsoft.com/"*"importedDeviceIdentityType"* ]]
}
