#!/usr/bin/env bats
# The calendar: what ends when, and a batch that would outlive something it needs is refused before the first device.

load lib.bash

setup() {
	desk
	cd "$DESK"
	stager init --rehearsal
	mkdir -p "$STAGER_STATE/blueprints" "$STAGER_STATE/profiles"
	printf 'name: mine\nsteps:\n  - identify:\n  - pair:\n  - install_profile: {profile: p}\n' >"$STAGER_STATE/blueprints/mine.yaml"
	printf 'Serial Number;Ownership\nAAAA111122;pool\n' >list.csv
	profile ''
}
teardown() { cd /; desk_away; }

day() { date -d "$1" +%F; }
utc() { date -u -d "$1" +%FT%TZ; }

# profile KEYS-OF-THE-PROFILE [PAYLOADS]: the profile that the blueprint installs
profile() {
	local payloads=${2:-'<dict><key>PayloadType</key><string>com.apple.font</string><key>PayloadVersion</key><integer>1</integer><key>PayloadIdentifier</key><string>a.b</string><key>PayloadUUID</key><string>BBBBBBBB-0000-4000-8000-000000000002</string><key>Font</key><data>AAAA</data></dict>'}
	printf '<?xml version="1.0"?>\n<plist version="1.0"><dict>
<key>PayloadType</key><string>Configuration</string><key>PayloadVersion</key><integer>1</integer>
<key>PayloadIdentifier</key><string>org.example.p</string><key>PayloadUUID</key><string>AAAAAAAA-0000-4000-8000-000000000001</string>
%s<key>PayloadContent</key><array>%s</array></dict></plist>\n' "$1" "$payloads" >"$STAGER_STATE/profiles/p.mobileconfig"
}
payload() { # payload TYPE KEYS
	printf '<dict><key>PayloadType</key><string>%s</string><key>PayloadVersion</key><integer>1</integer><key>PayloadIdentifier</key><string>a.b</string><key>PayloadUUID</key><string>BBBBBBBB-0000-4000-8000-000000000002</string>%s</dict>' "$1" "$2"
}
certificate() { # certificate NAME DAYS
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" -out "$1.pem" -subj "/CN=$1" -days "$2" 2>/dev/null
}
# entry KIND WHAT: the day it ends and whether it stops a batch, of `expiry --blueprint mine`
entry() {
	stager --json expiry --blueprint mine
	is_status 0
	jq -rs --arg k "$1" --arg w "$2" '[.[] | select(.kind == $k and (.what == $w or $w == ""))][0] | "\(.ends_ms / 1000 | floor | strflocaltime("%F")) \(.blocks)"' <<<"$output"
}

@test "everything that ends stands in the calendar, the first first" {
	stager --json expiry
	is_status 0
	[ "$(jq -rs '[.[] | select(.kind) | .kind] | sort | join(" ")' <<<"$output")" = "authority identity root signer" ] || { echo "$output"; false; }
	[ "$(jq -rs '[.[] | select(.kind) | .ends_ms] | . == sort' <<<"$output")" = true ]
	stager --json expiry --days 30
	[ "$(jq -rs '[.[] | select(.kind)] | length' <<<"$output")" = 0 ]
	profile "<key>PayloadExpirationDate</key><date>$(utc '+9 days')</date><key>RemovalDate</key><date>$(utc '+11 days')</date>"
	stager expiry --days 10
	[[ "$output" == *"$(day '+9 days')"*"Profile p, its own end"* && "$output" != *removal* ]] || { echo "$output"; false; }
	[ "$(entry profile expiration)" = "$(day '+9 days') true" ]
	[ "$(entry profile removal)" = "$(day '+11 days') true" ]
	stager status
	[[ "$output" == *"Expires  first: Profile p, its own end on $(day '+9 days')"* ]] || { echo "$output"; false; }
	stager --lang fr expiry --days 10
	[[ "$output" == *"Le profil p, sa propre fin"* ]] || { echo "$output"; false; }
}

@test "what is inside a profile ends as well: certificates, identities, signers, an enrolment of two weeks" {
	certificate Clinic 40
	profile '' "$(payload com.apple.security.root "<key>PayloadContent</key><data>$(openssl x509 -in Clinic.pem -outform DER | base64 -w0)</data>")"
	[ "$(entry profile certificate)" = "$(day '+40 days') true" ] || { echo "$output"; false; }
	openssl pkcs12 -export -in Clinic.pem -inkey Clinic.key -keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -macalg sha1 -passout pass:pw -out c.p12
	profile '' "$(payload com.apple.security.pkcs12 "<key>Password</key><string>pw</string><key>PayloadContent</key><data>$(base64 -w0 c.p12)</data>")"
	[ "$(entry profile identity)" = "$(day '+40 days') true" ] || { echo "$output"; false; }
	profile '' "$(payload com.apple.security.pkcs12 "<key>Password</key><string>wrong</string><key>PayloadContent</key><data>$(base64 -w0 c.p12)</data>")"
	stager --json expiry --blueprint mine
	! grep -q '"identity","name":"p"\|"what":"identity"' <<<"$output"
	# as Microsoft's portal exports it: signed, and good for two weeks
	certificate Signer 300
	profile '' "$(payload com.apple.mdm '<key>ServerURL</key><string>https://i.manage.microsoft.com/x</string><key>Topic</key><string>com.apple.mgmt.x</string><key>IdentityCertificateUUID</key><string>CCCCCCCC-0000-4000-8000-000000000003</string>')$(payload com.apple.security.pkcs12 "<key>PayloadContent</key><data>$(base64 -w0 c.p12)</data>" | sed 's/BBBBBBBB-0000-4000-8000-000000000002/CCCCCCCC-0000-4000-8000-000000000003/; s/a\.b/a.c/')"
	openssl cms -sign -nodetach -binary -in "$STAGER_STATE/profiles/p.mobileconfig" -signer Signer.pem -inkey Signer.key -outform DER -out signed
	mv signed "$STAGER_STATE/profiles/p.mobileconfig"
	[ "$(entry profile enrolment)" = "$(day '+14 days') true" ] || { echo "$output"; false; }
	[ "$(entry profile signer)" = "$(day '+300 days') true" ] || { echo "$output"; false; }
	# one that cannot be read hides nothing
	printf 'junk' >"$STAGER_STATE/profiles/q.mobileconfig"
	stager --json expiry
	is_status 0
	[ "$(jq -rs '[.[] | select(.name == "q")][0].code' <<<"$output")" = 1340 ]
}

@test "a batch that would outlive something it needs is refused with the day, and begins only with a reason" {
	profile "<key>PayloadExpirationDate</key><date>$(utc '+12 hours')</date>"
	stager batch import list.csv --name N --blueprint mine
	stager batch start N
	is_status 1
	[[ "$stderr" == *"STG-1906"*"Profile p, its own end ends on $(date -d '+12 hours' +%F)"* ]] || { echo "$stderr"; false; }
	stager --lang fr batch start N
	[[ "$stderr" == *"expire"*"Le profil p, sa propre fin"* ]] || { echo "$stderr"; false; }
	stager --json batch show N
	[ "$(jq -r .state <<<"$output")" = new ]
	stager batch start N --despite x
	is_status 2
	stager batch start N --despite "forty devices, one hour, the MDM is told"
	is_status 0
	[[ "$stderr" == *"ends on"* ]] || { echo "$stderr"; false; }
	stager audit export -
	[[ "$(grep batch.start <<<"$output")" == *"forty devices, one hour"*"expiration"* ]] || { echo "$output"; false; }
}

@test "staging without a batch asks the calendar too" {
	profile "<key>PayloadExpirationDate</key><date>$(utc '-2 days')</date>"
	stager stage --blueprint mine --all
	is_status 1
	[[ "$stderr" == *"STG-1906"*"Profile p, its own end ends on $(day '-2 days')"* ]] || { echo "$stderr"; false; }
	stager stage --blueprint mine --all --despite "the device's clock is behind"
	[[ "$stderr" != *"STG-1906"* && "$stderr" == *"! Profile p, its own end ends on"* ]] || { echo "$stderr"; false; }
	stager audit export -
	[[ "$(grep expiry.despite <<<"$output")" == *"clock is behind"* ]] || { echo "$output"; false; }
}

@test "how long a batch lasts is said at its start; what ends soon after it is told, not refused" {
	profile "<key>PayloadExpirationDate</key><date>$(utc '+12 days')</date>"
	stager batch import list.csv --name N --blueprint mine
	stager batch start N --until "$(day '+20 days')"
	is_status 1
	[[ "$stderr" == *"the batch on $(day '+20 days')"* ]] || { echo "$stderr"; false; }
	stager batch start N --until yesterday
	is_status 2
	stager batch start N --until 2020-01-01
	is_status 2
	stager batch start N --until "$(day '+8 days')"
	is_status 0
	[[ "$stderr" == *"Profile p, its own end ends on $(day '+12 days')"* ]] || { echo "$stderr"; false; }
	stager --json expiry --batch N
	[ "$(jq -rs '[.[] | select(.what == "expiration")] | length' <<<"$output")" = 1 ]
	stager batch update N --until "$(day '+30 days')"
	is_status 1
	[[ "$stderr" == *STG-1906* ]]
	# days pass: what was fine at the start is refused when it is started again
	at +5d batch pause N
	is_status 0
	at +13d batch start N
	is_status 1
	[[ "$stderr" == *STG-1906* ]] || { echo "$stderr"; false; }
	at +13d --json doctor
	[[ "$(jq -r 'select(.check == "profile") | .code' <<<"$output")" == *STG-1536* ]] || { echo "$output"; false; }
}

@test "the station's own identities stop a batch when their day comes" {
	stager batch import list.csv --name N --blueprint mine
	at +1090d batch start N
	is_status 0
	[[ "$stderr" == *"The signer of profiles of Rehearsal"* ]] || { echo "$stderr"; false; }
	at +1091d batch pause N
	at +1096d batch start N
	is_status 1
	[[ "$stderr" == *"STG-1906"*"The signer of profiles of Rehearsal ends on"* ]] || { echo "$stderr"; false; }
}

@test "credentials of targets, trusted signers and noted dates stand there too" {
	soon=$(date -d '+6 days' +%s)
	jwt=$(printf '{"alg":"none"}' | base64 -w0 | tr -d '=').$(printf '{"exp":%s,"sub":"x"}' "$soon" | base64 -w0 | tr '+/' '-_' | tr -d '=').sig
	certificate Client 20
	cat Client.pem Client.key >both.pem
	stager target add t --connector webhook --url https://127.0.0.1:9/x --auth bearer --cert both.pem <<<$'\n'"$jwt"
	is_status 0
	stager profile allow signer Client.pem --name client
	stager expiry note "Push certificate" --until "$(day '+3 days')" --note "identity.apple.com"
	is_status 0
	stager --json expiry --days 30
	[ "$(jq -rs '[.[] | select(.kind) | .kind] | sort | join(" ")' <<<"$output")" = "noted target token trusted" ] || { echo "$output"; false; }
	[ "$(jq -rs '[.[] | select(.kind) | .kind][:2] | join(" ")' <<<"$output")" = "noted token" ]
	! grep -q "$jwt" <<<"$output"
	stager expiry note x --until soon
	is_status 2
	stager expiry note x --until 2001-01-01
	is_status 2
	stager expiry note x --until 2040-01-01 --blueprint nosuch
	[ "$status" -ne 0 ]
	stager expiry --batch nosuch
	[ "$status" -ne 0 ]
	stager expiry --batch a --blueprint b
	is_status 2
	stager expiry --days many
	is_status 2
	# a date of a blueprint stops its batches; of none, nobody's
	stager batch import list.csv --name N --blueprint mine
	stager batch start N --until "$(day '+10 days')"
	is_status 0
	stager batch pause N
	stager expiry note "ADE token" --until "$(day '+5 days')" --blueprint mine
	stager batch start N --until "$(day '+10 days')"
	is_status 1
	[[ "$stderr" == *"ADE token (noted) ends on $(day '+5 days')"* ]] || { echo "$stderr"; false; }
	stager expiry forget "ADE token"
	is_status 0
	stager expiry forget "ADE token"
	[[ "$stderr" == *STG-1907* ]]
	stager batch start N --until "$(day '+10 days')"
	is_status 0
}
