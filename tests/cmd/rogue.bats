#!/usr/bin/env bats
# What in a profile, or on a device, leads to an MDM, an authority, a proxy, a VPN or a name server that nobody here has allowed.

load lib.bash

setup() { desk; cd "$DESK"; }
teardown() { cd /; desk_away; }

head='<?xml version="1.0" encoding="UTF-8"?>
<plist version="1.0"><dict>
<key>PayloadType</key><string>Configuration</string><key>PayloadVersion</key><integer>1</integer>
<key>PayloadIdentifier</key><string>org.example.a</string><key>PayloadUUID</key><string>AAAAAAAA-0000-4000-8000-000000000001</string>
<key>PayloadContent</key><array><dict>
<key>PayloadVersion</key><integer>1</integer><key>PayloadIdentifier</key><string>org.example.a.b</string>
<key>PayloadUUID</key><string>BBBBBBBB-0000-4000-8000-000000000002</string>'
foot='</dict></array></dict></plist>'

# profile NAME TYPE KEYS
profile() { printf '%s\n<key>PayloadType</key><string>%s</string>\n%s\n%s\n' "$head" "$2" "$3" "$foot" >"$1.mobileconfig"; }
key() { printf '<key>%s</key><string>%s</string>' "$1" "$2"; }
codes() { jq -rs '[.[] | select(.level == "error") | .code] | join(" ")' <<<"$output"; }
whats() { jq -rs '[.[] | select(.level == "error") | .what] | join(" ")' <<<"$output"; }

# rogue CODE WHAT: the file p.mobileconfig is refused for this alone
rogue() {
	stager --json profile rogue p.mobileconfig
	is_status 5
	[ "$(codes)" = "$1" ] && [ "$(whats)" = "$2" ] || { echo "$output"; false; }
}

@test "each way to take a device elsewhere is found, with the host and the place" {
	stager init --rehearsal
	profile p com.apple.mdm "$(key ServerURL 'https://user:pw@MDM.evil.example:8443/s?x=1')"
	rogue STG-1385 mdm.evil.example
	[ "$(jq -rs '[.[] | select(.level == "error")][0] | "\(.path) \(.line)"' <<<"$output")" = "PayloadContent[0].ServerURL 9" ] || { echo "$output"; false; }
	! grep -q 'pw' <<<"$output"
	profile p com.apple.proxy.http.global "$(key ProxyType Manual)$(key ProxyServer 10.9.8.7)"
	rogue STG-1387 10.9.8.7
	profile p com.apple.wifi.managed "$(key SSID_STR Ward)$(key ProxyType Auto)$(key ProxyPACURL http://p.example/x.pac)"
	rogue STG-1387 p.example
	profile p com.apple.wifi.managed "$(key SSID_STR Ward)$(key ProxyType Auto)"
	rogue STG-1387 WPAD
	profile p com.apple.vpn.managed "$(key VPNType IKEv2)<key>IKEv2</key><dict>$(key RemoteAddress vpn.example)</dict>"
	rogue STG-1388 vpn.example
	profile p com.apple.vpn.managed "$(key VPNType AlwaysOn)<key>AlwaysOn</key><dict><key>TunnelConfigurations</key><array><dict>$(key RemoteAddress deep.example)</dict></array></dict>"
	rogue STG-1388 deep.example
	profile p com.apple.relay.managed "<key>Relays</key><array><dict>$(key HTTP3RelayURL https://relay.example/)</dict></array>"
	rogue STG-1388 relay.example
	profile p com.apple.dnsSettings.managed "<key>DNSSettings</key><dict>$(key DNSProtocol TLS)$(key ServerName dns.example)<key>ServerAddresses</key><array><string>10.1.1.1</string></array></dict>"
	rogue "STG-1389 STG-1389" "dns.example 10.1.1.1"
	profile p com.apple.dnsProxy.managed "$(key AppBundleIdentifier org.dns)"
	rogue STG-1389 org.dns
	profile p com.apple.security.scep "<key>PayloadContent</key><dict>$(key URL http://ca.example/scep)</dict>"
	rogue STG-1390 ca.example
	profile p com.apple.webcontent-filter "$(key FilterType Plugin)$(key PluginBundleID org.filter)"
	rogue STG-1391 org.filter
	profile p com.apple.declarations "<key>Declarations</key><array><data>AAAA</data></array>"
	rogue STG-1393 com.apple.declarations
	profile p org.example.unheard ''
	rogue STG-1393 org.example.unheard
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out ca.pem -subj "/CN=Evil CA" -days 30 2>/dev/null
	profile p com.apple.security.root "<key>PayloadContent</key><data>$(openssl x509 -in ca.pem -outform DER | base64 -w0)</data>"
	rogue STG-1386 "Evil CA, SHA-256 $(openssl x509 -in ca.pem -outform DER | sha256sum | cut -d' ' -f1)"
	# a root in the guise of a plain certificate, and a root that is none
	sed -i 's/com.apple.security.root/com.apple.security.pkcs1/' p.mobileconfig
	rogue STG-1386 "Evil CA, SHA-256 $(openssl x509 -in ca.pem -outform DER | sha256sum | cut -d' ' -f1)"
	profile p com.apple.security.root "<key>PayloadContent</key><data>AAAA</data>"
	rogue STG-1393 com.apple.security.root
	printf 'hello' >p.mobileconfig
	stager profile rogue p.mobileconfig
	is_status 3
}

@test "what an administrator allows is found no more, and what lies beside it still is" {
	stager init --rehearsal
	profile p com.apple.mdm "$(key ServerURL https://mdm.example.org/s)$(key CheckInURL https://in.example.org/c)"
	rogue "STG-1385 STG-1385" "mdm.example.org in.example.org"
	stager profile allow host mdm.example.org --note "central MDM"
	is_status 0
	rogue STG-1385 in.example.org
	stager profile allow host '*.example.org'
	stager profile rogue p.mobileconfig
	is_status 0
	for host in example.org evilexample.org in.example.org.evil.test; do
		profile p com.apple.mdm "$(key ServerURL "https://$host/s")"
		rogue STG-1385 $host
	done
	stager --json profile allow
	[ "$(jq -r 'select(.value == "mdm.example.org") | "\(.kind) \(.note) \(.by != "")"' <<<"$output")" = "host central MDM true" ] || { echo "$output"; false; }
	# the station's own authorities and domain need no word
	[ "$(jq -r 'select(.by == "organisation") | .kind' <<<"$output" | sort -u | tr '\n' ' ')" = "certificate host " ]
	stager profile forbid host '*.example.org'
	is_status 0
	stager profile forbid host '*.example.org'
	[ "$status" -ne 0 ]
	[[ "$stderr" == *STG-1398* ]]
	profile p com.apple.mdm "$(key ServerURL https://x.example.org/s)"
	rogue STG-1385 x.example.org
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out ca.pem -subj "/CN=Clinic CA" -days 30 2>/dev/null
	profile p com.apple.security.root "<key>PayloadContent</key><data>$(openssl x509 -in ca.pem -outform DER | base64 -w0)</data>"
	stager profile allow certificate ca.pem
	is_status 0
	stager profile rogue p.mobileconfig
	is_status 0
	stager audit export -
	grep -q 'profile.allow' <<<"$output"
	grep -q 'profile.forbid' <<<"$output"
}

@test "rubbish does not get onto the list" {
	stager init --rehearsal
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out c.pem -subj "/CN=A" -days 30 2>/dev/null
	for words in "host http://x" "host *" "host *.org." "planet earth" "certificate abcd" "app ." "profile *"; do
		# shellcheck disable=SC2086 # words
		set -f; stager profile allow $words; set +f
		[ "$words" = "app ." ] || is_status 2
	done
	stager profile allow signer nosuch.pem
	is_status 3
	stager profile allow signer key.pem
	is_status 5
	printf 'hello' >junk.pem
	stager profile allow signer junk.pem
	is_status 3
	[[ "$stderr" == *STG-1399* ]]
	stager profile allow host
	is_status 2
	stager --lang fr profile allow host 'http://x'
	[[ "$stderr" == *"autorisée"* ]]
	stager user add watcher --role auditor <<<"123456"
	is_status 0
	stager --as watcher profile allow host mdm.example.org
	is_status 5
}

@test "a signer is trusted by command, and no longer" {
	stager init --rehearsal
	profile p com.apple.font '<key>Font</key><data>AAAA</data>'
	stager --json profile rogue p.mobileconfig
	is_status 0
	[ "$(jq -rs '.[0] | "\(.level) \(.code)"' <<<"$output")" = "warning STG-1392" ]
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.der -outform DER -subj "/CN=Ward 7: IT" -days 30 2>/dev/null
	openssl cms -sign -nodetach -binary -in p.mobileconfig -signer <(openssl x509 -inform DER -in cert.der) -inkey key.pem -outform DER -out s.mobileconfig
	stager profile rogue s.mobileconfig
	is_status 5
	[[ "$output" == *"Nobody trusted here has signed this profile."*"Ward 7: IT"* ]] || { echo "$output"; false; }
	stager profile allow signer cert.der
	is_status 0
	[ -f "$STAGER_STATE/signers/Ward-7--IT.pem" ]
	stager profile rogue s.mobileconfig
	is_status 0
	stager profile lint s.mobileconfig
	[[ "$output" == *"who is trusted here"* ]]
	# the same name for somebody else is no way in
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout other.key -out other.pem -subj "/CN=Ward 7: IT" -days 30 2>/dev/null
	stager profile allow signer other.pem
	[ "$status" -ne 0 ]
	stager profile allow signer other.pem --name other
	is_status 0
	stager profile forbid signer Ward-7--IT
	stager profile rogue s.mobileconfig
	is_status 5
	stager profile forbid signer ../stager.db
	is_status 2
	[ -f "$STAGER_STATE/stager.db" ]
}

@test "on a device: what this station installed is known, anything else is told" {
	bench --ipads 1 --seed 5
	"$STAGER_BENCH" ctl "$CTL" set all auto_trust true >/dev/null
	stager init --rehearsal
	stager port allow all
	serial=$(serials)
	stager inventory add "$serial" --ownership pool
	stager profile rogue --device "$serial"
	[ "$status" -ne 0 ]
	[[ "$stderr" == *STG-1905* ]]
	mkdir -p "$STAGER_STATE/blueprints" "$STAGER_STATE/profiles"
	profile mine com.apple.webClip.managed "$(key URL https://ward.example/)$(key Label Ward)"
	mv mine.mobileconfig "$STAGER_STATE/profiles/"
	printf 'name: mine\nsteps:\n  - identify:\n  - pair:\n  - supervise:\n  - install_profile: {profile: mine}\n' >"$STAGER_STATE/blueprints/mine.yaml"
	stager stage --blueprint mine --all
	is_status 0
	stager --json profile rogue --device "$serial" --read
	is_status 0
	[ "$(jq -rs '.[-1].summary.errors' <<<"$output")" = 0 ] || { echo "$output"; false; }
	stager --json profile show mine --device "$serial"
	[ "$(jq -r .device.standing <<<"$output")" = same ] || { echo "$output"; false; }
	# another station, with the same keys, installs something; this one knows nothing of it
	profile evil com.apple.webClip.managed "$(key URL https://evil.example/)$(key Label Evil)"
	sed -i 's/org.example.a/org.evil.profile/; s/BBBBBBBB/CCCCCCCC/; s/AAAAAAAA/DDDDDDDD/; s|<key>PayloadContent</key>|<key>PayloadDisplayName</key><string>Evil</string>&|' evil.mobileconfig
	printf 'name: other\nsteps:\n  - identify:\n  - pair:\n  - install_profile: {profile: evil}\n' >"$STAGER_STATE/blueprints/other.yaml"
	mv evil.mobileconfig "$STAGER_STATE/profiles/"
	cp -r "$STAGER_STATE" "$DESK/before"
	stager stage --blueprint other --all
	is_status 0
	rm -rf "$STAGER_STATE" && mv "$DESK/before" "$STAGER_STATE"
	stager --json profile rogue --device "$serial" --read
	is_status 5
	[ "$(whats)" = Evil ] || { echo "$output"; false; }
	stager profile allow profile 'org.evil.*'
	stager profile rogue --device "$serial"
	is_status 0
}

@test "of a file that cannot be read nothing good is said" {
	echo rubbish >"$DESK/rubbish.mobileconfig"
	stager init
	stager profile rogue "$DESK/rubbish.mobileconfig"
	is_status 3
	[[ "$stderr" == *STG-1340* ]]
	[[ "$output" != *"Nothing in it leads"* ]] || { echo "$output"; false; }
}

@test "a blueprint's profiles are held against the list as well, once somebody has made one" {
	stager init --rehearsal
	mkdir -p "$STAGER_STATE/blueprints" "$STAGER_STATE/profiles"
	profile mine com.apple.proxy.http.global "$(key ProxyType Manual)$(key ProxyServer p.example)<key>ProxyServerPort</key><integer>3128</integer>"
	mv mine.mobileconfig "$STAGER_STATE/profiles/"
	printf 'name: mine\nsteps:\n  - identify:\n  - pair:\n  - install_profile: {profile: mine}\n' >"$STAGER_STATE/blueprints/mine.yaml"
	printf 'Serial Number;Ownership\nAAAA111122;pool\n' >list.csv
	stager blueprint check mine
	is_status 0
	[[ "$output" != *"allow-list"* ]]
	stager profile allow host other.example
	stager blueprint check mine
	is_status 0
	[[ "$output$stderr" == *"Profile mine: p.example is not on the allow-list"* ]] || { echo "$output$stderr"; false; }
	stager batch import list.csv --name N --blueprint mine
	stager --lang fr batch start N
	is_status 0
	[[ "$stderr" == *"Profil mine : p.example n'est pas sur la liste autorisée"* ]] || { echo "$stderr"; false; }
	stager batch pause N
	stager profile allow host p.example
	stager batch start N
	[[ "$stderr" != *"allow-list"* ]] || { echo "$stderr"; false; }
}
