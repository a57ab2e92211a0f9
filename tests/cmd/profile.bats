#!/usr/bin/env bats
# Profiles built of parts, signed, verified, encrypted: what devices would refuse is refused, and openssl agrees with the rest.

load lib.bash

setup() { desk; }
teardown() { [ -z "${MDM_PID:-}" ] || mdm_away; desk_away; }

org() { "$STAGER" org create "$1" --domain example.org >/dev/null; }
pin() { stager profile build passcode --out "$DESK/pin.mobileconfig"; is_status 0; }

@test "words that make no sense are told in one sentence each, and nothing is written" {
	org acme
	local words
	for words in "build" "build ../x" "build nosuch" "build x nosuch" "build passcode --set broken" "build passcode --colour red" \
		"build lock-screen --keep --sign" "build passcode --serial NOBODY" "build passcode --update /nonexistent" \
		"build passcode --identifier with space" "build http-proxy --set proxy_host=p --set proxy_port=many --out $DESK/x" "wants" "wants nosuch" "sign" \
		"sign /etc/hostname $DESK/x" "verify" "verify /etc/hostname" "encrypt /etc/hostname $DESK/x" "encrypt /etc/hostname $DESK/x --serial A --to /etc/hostname"; do
		# shellcheck disable=SC2086
		stager profile $words
		[ "$status" -ne 0 ] && [ "$status" -lt 6 ] || { echo "$words: status $status"; false; }
		one_sentence || { echo "$words"; false; }
		[ ! -e "$DESK/x" ]
	done
}

@test "a value of the wrong kind names its place, in French as well" {
	org acme
	stager profile build http-proxy --set proxy_host=p.example --set proxy_port=80a --out "$DESK/x"
	is_status 3
	[[ "$stderr" == *"STG-1347"*"PayloadContent[0].ProxyServerPort: {{proxy_port}} must be a whole number"* ]] || { echo "$stderr"; false; }
	stager --lang fr profile build http-proxy --set proxy_host=p.example --set proxy_port=80a --out "$DESK/x"
	[[ "$stderr" == *"doit être un nombre entier"* ]] || { echo "$stderr"; false; }
	stager profile build http-proxy --set proxy_host=p.example --set proxy_port=80000 --out "$DESK/x"
	is_status 3
	[[ "$stderr" == *"STG-1343"*"out of range 0..65535"* ]] || { echo "$stderr"; false; }
	[ ! -e "$DESK/x" ]
	stager --json profile wants http-proxy
	[ "$(jq -r 'select(.name == "proxy_port") | .kind' <<<"$output")" = "a whole number" ]
}

@test "the same words give the same file; a change is its next version, in place" {
	org acme
	pin
	cp "$DESK/pin.mobileconfig" "$DESK/first"
	pin
	cmp "$DESK/first" "$DESK/pin.mobileconfig"
	stager profile lint "$DESK/first"
	is_status 0
	stager profile build desk passcode usb-open --keep
	is_status 0
	[[ "$output" == *"io.stager.desk, version 1; payloads: 2"* ]] || { echo "$output"; false; }
	cp "$STAGER_STATE/profiles/desk.mobileconfig" "$DESK/one"
	stager profile build desk passcode usb-open --keep
	[[ "$output" == *"as it was: version 1"* ]] || { echo "$output"; false; }
	cmp "$DESK/one" "$STAGER_STATE/profiles/desk.mobileconfig"
	stager profile build desk passcode usb-open domains --keep
	[[ "$output" == *"version 2; payloads: 3"* ]] || { echo "$output"; false; }
	[ "$(stat -c %a "$STAGER_STATE/profiles/desk.mobileconfig")" = 600 ]
	# what is kept is found by its name, by lint and by blueprints
	stager profile list
	[[ "$output" == *desk* ]]
	stager profile build other desk --identifier io.stager.desk --set x=y --update "$DESK/first"
	is_status 3
	[[ "$stderr" == *"STG-1360"*"another profile"* ]] || { echo "$stderr"; false; }
}

@test "what was signed here openssl and certtool verify, and only whom we trust passes" {
	org acme
	pin
	stager profile verify "$DESK/pin.mobileconfig"
	is_status 3
	[[ "$stderr" == *STG-1363* ]]
	stager profile sign "$DESK/pin.mobileconfig" "$DESK/signed"
	is_status 0
	"$STAGER" --json ca show >"$DESK/ca.json"
	stager profile verify "$DESK/signed"
	is_status 0
	[[ "$output" == *"Profile signing"* ]] || { echo "$output"; false; }
	# DER, attached, the chain inside and no root
	[ "$(head -c 1 "$DESK/signed" | od -An -tx1 | tr -d ' ')" = 30 ]
	openssl cms -verify -inform der -in "$DESK/signed" -noverify -binary -out "$DESK/inside" 2>/dev/null
	cmp "$DESK/inside" "$DESK/pin.mobileconfig"
	openssl cms -verify -inform der -in "$DESK/signed" -noverify -certsout "$DESK/certs" -out /dev/null 2>/dev/null
	[ "$(grep -c BEGIN "$DESK/certs")" = 2 ]
	! command -v certtool >/dev/null || certtool --p7-info --inder --infile "$DESK/signed" | grep -q "Number of certificates: 2\|Signers:"
	stager profile sign "$DESK/signed" "$DESK/twice"
	is_status 3
	[[ "$stderr" == *STG-1362* ]]
	# one octet of the content
	cp "$DESK/signed" "$DESK/edited"
	LC_ALL=C sed -i 's/minLength/minLongth/' "$DESK/edited"
	stager profile verify "$DESK/edited"
	is_status 3
	[[ "$stderr" == *STG-1344* ]] || { echo "$stderr"; false; }
	# another station's organisation is nobody here
	STAGER_STATE=$DESK/elsewhere stager org create stranger --domain example.com
	STAGER_STATE=$DESK/elsewhere stager profile sign "$DESK/pin.mobileconfig" "$DESK/foreign"
	is_status 0
	stager profile verify "$DESK/foreign"
	is_status 3
	[[ "$stderr" == *STG-1364* ]] || { echo "$stderr"; false; }
	openssl cms -verify -inform der -in "$DESK/foreign" -noverify -certsout "$DESK/theirs" -out /dev/null 2>/dev/null
	stager profile verify "$DESK/foreign" --ca "$DESK/theirs"
	is_status 0
	stager profile verify "$DESK/signed" --ca "$DESK/theirs"
	is_status 3
}

@test "a template cannot be signed: who fills it in would break the signature" {
	org acme
	stager profile build lock-screen --out "$DESK/open"
	is_status 0
	[[ "$output" == *"filled in for each device: asset_tag"* ]] || { echo "$output"; false; }
	stager profile sign "$DESK/open" "$DESK/x"
	is_status 3
	[[ "$stderr" == *STG-1361* ]]
	stager profile build lock-screen --sign --out "$DESK/x"
	is_status 3
	[[ "$stderr" == *STG-1361* ]]
	[ ! -e "$DESK/x" ]
	stager inventory add F2LXK0AAAA01 --ownership pool
	stager profile build lock-screen --sign --serial F2LXK0AAAA01 --out "$DESK/x"
	is_status 0
	stager profile verify "$DESK/x"
	is_status 0
	openssl cms -verify -inform der -in "$DESK/x" -noverify 2>/dev/null | grep -q F2LXK0AAAA01
}

@test "what is encrypted for a device only its identity opens" {
	org acme
	pin
	stager profile encrypt "$DESK/pin.mobileconfig" "$DESK/x" --serial F2LXK0AAAA01
	is_status 3
	[[ "$stderr" == *STG-1365* ]] || { echo "$stderr"; false; }
	stager ca issue F2LXK0AAAA01 "$DESK/ec.p12" --template device-ec
	is_status 0
	stager profile encrypt "$DESK/pin.mobileconfig" "$DESK/x" --serial F2LXK0AAAA01
	is_status 3
	[[ "$stderr" == *"no RSA key"* ]] || { echo "$stderr"; false; }
	"$STAGER" --json ca issue F2LXK0AAAA01 "$DESK/rsa.p12" >"$DESK/issued"
	openssl pkcs12 -in "$DESK/rsa.p12" -passin "pass:$(jq -r .password "$DESK/issued")" -nodes -nocerts -out "$DESK/key.pem" 2>/dev/null
	stager profile encrypt "$DESK/pin.mobileconfig" "$DESK/sealed" --serial F2LXK0AAAA01 --sign
	is_status 0
	stager profile verify "$DESK/sealed"
	is_status 0
	openssl cms -verify -inform der -in "$DESK/sealed" -noverify -binary -out "$DESK/plain" 2>/dev/null
	! grep -q minLength "$DESK/plain"
	sed -n '/<key>EncryptedPayloadContent/,/<\/data>/p' "$DESK/plain" | sed '1d;/data>/d' | tr -d '\t\n ' | base64 -d >"$DESK/cms"
	openssl cms -decrypt -inform der -in "$DESK/cms" -inkey "$DESK/key.pem" -out "$DESK/list"
	grep -q minLength "$DESK/list"
	# a certificate that was revoked is not written to any more
	stager ca revoke F2LXK0AAAA01
	stager profile encrypt "$DESK/pin.mobileconfig" "$DESK/x" --serial F2LXK0AAAA01
	is_status 3
	stager profile lint "$DESK/sealed" --key "$DESK/key.pem"
	is_status 0
}

@test "a secret gets into a file for an administrator only, and never into what is kept" {
	org acme
	echo geheim-wlan | "$STAGER" secret set wifi
	stager profile build wifi-psk --set wifi_ssid=W --keep
	is_status 0
	! grep -rq geheim-wlan "$STAGER_STATE/profiles"
	stager inventory add F2LXK0AAAA01 --ownership pool
	stager profile build wifi-psk --set wifi_ssid=W --serial F2LXK0AAAA01 --out "$DESK/psk"
	is_status 0
	grep -q geheim-wlan "$DESK/psk"
	[ "$(stat -c %a "$DESK/psk")" = 600 ]
	printf '4711\n4711\n' | "$STAGER" user add boss --role admin >/dev/null || true
	printf '4711\n4711\n' | "$STAGER" user add tess --role technician >/dev/null || true
	stager --as tess profile build wifi-psk --set wifi_ssid=W --serial F2LXK0AAAA01 --out "$DESK/psk2"
	[ "$status" -ne 0 ]
	[ ! -e "$DESK/psk2" ]
}

# mdm FILE: a server that gives this file to everybody, MDM its address.
mdm() {
	cat >"$DESK/mdm.pl" <<'PL'
use IO::Socket::INET; use strict;
my $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 5, ReuseAddr => 1) or die;
$| = 1; print $s->sockport, "\n";
while (my $c = $s->accept) {
	while (my $l = <$c>) { last if $l =~ /^\r?\n$/ }
	open my $f, '<', $ARGV[0] or die; local $/; my $b = <$f>;
	print $c "HTTP/1.1 200 OK\r\nContent-Type: application/x-apple-aspen-config\r\nContent-Length: " . length($b) . "\r\nConnection: close\r\n\r\n$b";
	close $c;
}
PL
	perl "$DESK/mdm.pl" "$1" >"$DESK/mdm.port" 2>/dev/null 3>&- </dev/null &
	MDM_PID=$!
	local tries=0
	until [ -s "$DESK/mdm.port" ]; do
		tries=$((tries + 1))
		[ $tries -lt 300 ]
		sleep 0.1
	done
	MDM="http://127.0.0.1:$(head -1 "$DESK/mdm.port")/enrol"
}

mdm_away() {
	kill "$MDM_PID" 2>/dev/null || true
	wait "$MDM_PID" 2>/dev/null || true
}

@test "an enrolment profile comes by its address or as a file, and says until when it works" {
	org acme
	stager profile build enrol mdm-enrolment scep-identity --set mdm_url=https://mdm.example.org/ --set mdm_topic=com.apple.mgmt.External.1 --out "$DESK/enrol"
	is_status 0
	mdm "$DESK/enrol"
	stager profile fetch intune --from "$MDM" --mdm intune
	is_status 0
	[[ "$output" == *"intune is kept; it works until 20"* ]] || { echo "$output"; false; }
	cmp "$DESK/enrol" "$STAGER_STATE/profiles/intune.mobileconfig"
	stager profile fetch intune
	is_status 0
	[[ "$output" == *"same profile as before"* ]] || { echo "$output"; false; }
	stager profile fetch --due
	is_status 0
	[[ "$output" == *"Nothing is due"* ]] || { echo "$output"; false; }
	stager profile fetch byhand --from "$DESK/enrol" --mdm nanomdm --life-days 3
	is_status 0
	stager profile fetched
	[[ "$output" == *byhand*nanomdm*intune*127.0.0.1* ]] || { echo "$output"; false; }
	stager profile forget byhand
	is_status 0
	[ ! -e "$STAGER_STATE/profiles/byhand.mobileconfig" ]
	local words
	for words in "fetch" "fetch a b" "fetch never" "fetch x --from ftp://a" "fetch x --from /nonexistent" "fetch x --from $DESK/mdm.pl" "fetch x --life-days 0 --from $MDM" \
		"fetch --due x" "fetch x --mdm jamf" "fetch x --from $MDM --mdm sccm" "fetch x --from $MDM --header a" "forget never" "fetch x --from http://mdm.example.org/"; do
		# shellcheck disable=SC2086
		stager profile $words
		[ "$status" -ne 0 ] && [ "$status" -lt 6 ] || { echo "$words: $status"; false; }
		one_sentence || { echo "$words"; false; }
	done
	mdm_away
	# the profile that was kept stays when the MDM is gone
	stager profile fetch intune
	[ "$status" -ne 0 ]
	[[ "$stderr" == *STG-1378* ]] || { echo "$stderr"; false; }
	cmp "$DESK/enrol" "$STAGER_STATE/profiles/intune.mobileconfig"
}

@test "a running station fetches what is due by itself when the line opens" {
	org acme
	stager profile build enrol mdm-enrolment scep-identity --set mdm_url=https://mdm.example.org/ --set mdm_topic=com.apple.mgmt.External.1 --out "$DESK/enrol"
	mdm "$DESK/enrol"
	stager profile fetch intune --from "$MDM" --mdm intune
	is_status 0
	stager window close
	# eight of its fourteen days are over
	sqlite3 "$STAGER_STATE/stager.db" "UPDATE setting SET value = json_set(value, '\$.intune.obtained_ms', json_extract(value, '\$.intune.obtained_ms') - 691200000,
		'\$.intune.not_after_ms', json_extract(value, '\$.intune.not_after_ms') - 691200000) WHERE key = 'fetched_profiles'"
	stager profile fetched --json
	[ "$(jq -rs '.[0].due' <<<"$output")" = true ] || { echo "$output"; false; }
	sed -i 's/External.1/External.2/' "$DESK/enrol"
	"$STAGER" run >"$DESK/run" 2>"$DESK/run.err" 3>&- </dev/null &
	local run=$! tries=0
	until [ -S "$STAGER_STATE/stager.sock" ]; do tries=$((tries + 1)); [ $tries -lt 300 ]; sleep 0.1; done
	cmp -s "$DESK/enrol" "$STAGER_STATE/profiles/intune.mobileconfig" && false
	stager window open
	is_status 0
	tries=0
	until cmp -s "$DESK/enrol" "$STAGER_STATE/profiles/intune.mobileconfig"; do
		tries=$((tries + 1))
		[ $tries -lt 600 ] || { cat "$DESK/run.err"; false; }
		sleep 0.1
	done
	stager stop --now
	wait $run || true
	mdm_away
	sqlite3 "$STAGER_STATE/stager.db" "SELECT body FROM audit WHERE body LIKE '%profile.keep%'" >"$DESK/kept"
	grep -q '"actor":"station"' "$DESK/kept" || { cat "$DESK/kept" "$DESK/run.err"; false; }
}
