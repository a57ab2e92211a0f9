#!/usr/bin/env bats
# Profiles held against the rules of a release, many at once; and newer rules from a stick.

load lib.bash

setup() { desk; }
teardown() { desk_away; }

head='<?xml version="1.0" encoding="UTF-8"?>
<plist version="1.0"><dict>
<key>PayloadType</key><string>Configuration</string><key>PayloadVersion</key><integer>1</integer>
<key>PayloadIdentifier</key><string>org.example.a</string><key>PayloadUUID</key><string>AAAAAAAA-0000-4000-8000-000000000001</string>
<key>PayloadContent</key><array><dict>
<key>PayloadVersion</key><integer>1</integer><key>PayloadIdentifier</key><string>org.example.a.b</string>
<key>PayloadUUID</key><string>BBBBBBBB-0000-4000-8000-000000000002</string>'
foot='</dict></array></dict></plist>'

# profile NAME TYPE KEYS
profile() { printf '%s\n<key>PayloadType</key><string>%s</string>\n%s\n%s\n' "$head" "$2" "$3" "$foot" >"$DESK/$1.mobileconfig"; }

@test "a profile's mistakes are told with line and column, for the release and the supervision that was named" {
	profile acme com.apple.security.acme '<key>KeySize</key><string>2048</string>'
	stager profile lint "$DESK/acme.mobileconfig" --os 15.8
	is_status 3
	[[ "$output" == *"needs iOS 16.0, the device has 15.8"* && "$output" == *"9"*"19"*"PayloadContent[0].KeySize"*"must be a whole number, is text"* ]] || { echo "$output"; false; }
	profile home com.apple.homescreenlayout '<key>Pages</key><array/>'
	stager profile lint "$DESK/home.mobileconfig"
	is_status 0
	stager profile lint --unsupervised "$DESK/home.mobileconfig"
	is_status 3
	stager profile lint --supervised --os 17.4.1 "$DESK/home.mobileconfig"
	is_status 0
	[[ "$output" == *"checked against the rules of iOS 18.1; the device has 17.4.1"* ]] || { echo "$output"; false; }
	stager profile lint --os soon "$DESK/home.mobileconfig"
	is_status 2
	stager profile lint
	is_status 2
	stager profile lint --colour "$DESK/home.mobileconfig"
	is_status 2
}

@test "many files are checked in one go, and one that cannot be read hides no other" {
	profile one com.apple.font '<key>Font</key><data>AAAA</data>'
	profile two com.apple.font ''
	printf 'hello' >"$DESK/three.mobileconfig"
	stager --json profile lint "$DESK/three.mobileconfig" "$DESK/one.mobileconfig" "$DESK/two.mobileconfig"
	is_status 3
	[ "$(jq -rs '[.[] | select(.level == "error")] | length' <<<"$output")" = 1 ]
	[[ "$(jq -rs '[.[] | select(.level == "error")][0].file' <<<"$output")" == */two.mobileconfig ]]
	[ "$(jq -rs '.[-1].summary.files' <<<"$output")" = 2 ]
	[ "$(jq -rs '.[0].code' <<<"$output")" = STG-1340 ]
}

@test "the device of the inventory says what it has" {
	stager init --rehearsal
	stager inventory add F2LXK0AAAA01 --ownership pool
	is_status 0
	profile one com.apple.font '<key>Font</key><data>AAAA</data>'
	stager profile lint --device F2LXK0AAAA01 "$DESK/one.mobileconfig"
	is_status 0
	[[ "$output" == *"checked against the rules of iOS 18.1"* ]] || { echo "$output"; false; }
	stager profile lint --device NOBODY "$DESK/one.mobileconfig"
	[ "$status" -ne 0 ]
}

@test "newer rules come from a folder and are used; older ones are kept aside" {
	mkdir "$DESK/apple"
	printf 'payload:\n  payloadtype: CommonPayloadKeys\n  supportedOS: {iOS: {introduced: "4.0"}}\npayloadkeys: []\n' >"$DESK/apple/CommonPayloadKeys.yaml"
	printf 'payload:\n  payloadtype: TopLevel\n  supportedOS: {iOS: {introduced: "4.0"}}\npayloadkeys:\n- {key: PayloadContent, type: <array>}\n' >"$DESK/apple/TopLevel.yaml"
	printf 'payload:\n  payloadtype: org.example.new\n  supportedOS: {iOS: {introduced: "%s"}}\npayloadkeys:\n- {key: Colour, type: <string>, presence: required}\n' 17.0 >"$DESK/apple/new.yaml"
	stager init --rehearsal
	stager profile schema import "$DESK/apple"
	is_status 0
	[[ "$output" == *"no newer than the shipped ones"* ]] || { echo "$output"; false; }
	profile new org.example.new ''
	stager profile lint "$DESK/new.mobileconfig"
	is_status 0
	sed -i 's/17\.0/99.1/' "$DESK/apple/new.yaml"
	stager --json profile schema import "$DESK/apple"
	is_status 0
	[ "$(jq -r .in_use <<<"$output")" = imported ]
	[ "$(jq -r .imported.release <<<"$output")" = 99.1 ]
	stager profile lint "$DESK/new.mobileconfig"
	is_status 3
	[[ "$output" == *"the required key Colour is missing"* ]]
	stager profile schema show
	[[ "$output" == *"iOS 99.1"* && "$output" == *"in use: the imported rules"* ]] || { echo "$output"; false; }
	# damaged on the disk: the shipped ones, not none
	printf 'junk' >"$STAGER_STATE/schema/ios.rules"
	stager profile lint "$DESK/new.mobileconfig"
	is_status 0
	stager profile schema import "$DESK"
	is_status 3
	[[ "$stderr" == *"CommonPayloadKeys.yaml"* ]]
	stager profile schema export
	is_status 2
	stager --lang fr profile schema show
	[[ "$output" == *"fournies : iOS 18.1"* ]] || { echo "$output"; false; }
}

@test "a signer is known by the certificates an administrator put there" {
	stager init --rehearsal
	profile one com.apple.font '<key>Font</key><data>AAAA</data>'
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$DESK/key.pem" -out "$DESK/cert.pem" -subj /CN=Ward -days 30 2>/dev/null
	openssl cms -sign -nodetach -binary -in "$DESK/one.mobileconfig" -signer "$DESK/cert.pem" -inkey "$DESK/key.pem" -outform DER -out "$DESK/signed.mobileconfig"
	stager profile lint "$DESK/signed.mobileconfig"
	is_status 0
	[[ "$output" == *"signed by Ward, who is not among the trusted signers"* ]] || { echo "$output"; false; }
	mkdir -p "$STAGER_STATE/signers"
	cp "$DESK/cert.pem" "$STAGER_STATE/signers/ward.pem"
	stager profile lint "$DESK/signed.mobileconfig"
	[[ "$output" == *"signed by Ward, who is trusted here"* ]] || { echo "$output"; false; }
}

@test "a device whose release does not know a payload is told so before anything is installed" {
	bench --ipads 10 --seed 3
	"$STAGER_BENCH" ctl "$CTL" set all auto_trust true >/dev/null
	stager init --rehearsal
	stager port allow all
	mkdir -p "$STAGER_STATE/blueprints" "$STAGER_STATE/profiles"
	profile relay com.apple.relay.managed '<key>Relays</key><array><dict><key>HTTP3RelayURL</key><string>https://r.example/</string></dict></array>'
	mv "$DESK/relay.mobileconfig" "$STAGER_STATE/profiles/"
	printf 'name: mine\nsteps:\n  - identify:\n  - pair:\n  - install_profile: {profile: relay}\n' >"$STAGER_STATE/blueprints/mine.yaml"
	stager stage --blueprint mine --all
	is_status 6
	stager --json inventory list
	old=$(jq -rs '[.[] | (.devices // [.])[] | select(.serial) | select((.os_version | split(".")[0] | tonumber) < 17) | .serial] | join(" ")' <<<"$output")
	new=$(jq -rs '[.[] | (.devices // [.])[] | select(.serial) | select((.os_version | split(".")[0] | tonumber) >= 17) | .serial] | join(" ")' <<<"$output")
	[ -n "$old" ] && [ -n "$new" ]
	for serial in $old; do
		stager --json inventory show "$serial"
		[[ "$(jq -r '.jobs[-1].end' <<<"$output")" == hold ]] || { jq -c '.jobs[-1]' <<<"$output"; false; }
		[ "$(jq -r '.jobs[-1].steps[-1].code' <<<"$output")" = 1351 ] || { jq -c '.jobs[-1].steps[-1]' <<<"$output"; false; }
		"$STAGER_BENCH" ctl "$CTL" show "$serial" >"$DESK/show"
		! grep -q 'InstallProfile' "$DESK/show"
	done
	for serial in $new; do
		stager --json inventory show "$serial"
		[ "$(jq -r '.jobs[-1].steps[-1].code' <<<"$output")" != 1351 ] || { jq -c '.jobs[-1]' <<<"$output"; false; }
	done
}

@test "a device its user enrols and a shared iPad have rules of their own" {
	profile proxy com.apple.proxy.http.global '<key>ProxyType</key><string>Auto</string>'
	stager profile lint "$DESK/proxy.mobileconfig"
	is_status 0
	stager profile lint --user-enrolment "$DESK/proxy.mobileconfig"
	is_status 3
	[[ "$output" == *"is not allowed on a device its user enrols"* ]] || { echo "$output"; false; }
	profile limits com.apple.applicationaccess '<key>allowGenmoji</key><false/><key>allowCamera</key><false/>'
	stager --lang fr profile lint --shared-ipad "$DESK/limits.mobileconfig"
	is_status 0
	[[ "$output" == *"n'est pas permis sur un iPad partagé"* ]] || { echo "$output"; false; }
	stager profile lint "$DESK/limits.mobileconfig"
	[[ "$output" != *"shared iPad"* ]]
}

@test "imported rules count in the last look before a device is touched" {
	bench --ipads 1 --seed 4
	"$STAGER_BENCH" ctl "$CTL" set all auto_trust true >/dev/null
	stager init --rehearsal
	stager port allow all
	mkdir -p "$STAGER_STATE/blueprints" "$STAGER_STATE/profiles" "$DESK/apple"
	profile font com.apple.font '<key>Font</key><data>AAAA</data>'
	mv "$DESK/font.mobileconfig" "$STAGER_STATE/profiles/"
	printf 'name: mine\nsteps:\n  - identify:\n  - pair:\n  - install_profile: {profile: font}\n' >"$STAGER_STATE/blueprints/mine.yaml"
	printf 'payload:\n  payloadtype: CommonPayloadKeys\n  supportedOS: {iOS: {introduced: "4.0"}}\npayloadkeys: []\n' >"$DESK/apple/CommonPayloadKeys.yaml"
	printf 'payload:\n  payloadtype: TopLevel\n  supportedOS: {iOS: {introduced: "4.0"}}\npayloadkeys:\n- {key: PayloadContent, type: <array>}\n' >"$DESK/apple/TopLevel.yaml"
	printf 'payload:\n  payloadtype: com.apple.font\n  supportedOS: {iOS: {introduced: "99.1"}}\npayloadkeys:\n- {key: Font, type: <data>, presence: required}\n' >"$DESK/apple/font.yaml"
	stager profile schema import "$DESK/apple"
	is_status 0
	stager stage --blueprint mine --all
	is_status 6
	stager --json inventory show "$(serials)"
	[ "$(jq -r '.jobs[-1].steps[-1].code' <<<"$output")" = 1351 ] || { jq -c '.jobs[-1].steps[-1]' <<<"$output"; false; }
}
