# A device that go-ios prepared, staged by the station that has the same identity: nobody taps, nothing is written twice. And
# the other way: what the station supervised and installed, go-ios reads, and cannot take away what may not be taken away.

load bench

setup_file() {
	cd "$BATS_FILE_TMPDIR"
	bench_start
	go prepare create-cert
	[ "$status" -eq 0 ]
	bench_stop
	openssl pkcs12 -export -legacy -macalg sha1 -inkey supervision-private-key.pem -in supervision-cert.pem \
		-out supervision.p12 -passout pass:a
	fixed_profile org.example.fixed true >fixed.mobileconfig
	fixed_profile org.example.loose false >loose.mobileconfig
}

# fixed_profile IDENTIFIER MAY_NOT_BE_REMOVED
fixed_profile() {
	cat <<-END
		<?xml version="1.0" encoding="UTF-8"?>
		<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
		<plist version="1.0"><dict>
		<key>PayloadType</key><string>Configuration</string>
		<key>PayloadVersion</key><integer>1</integer>
		<key>PayloadIdentifier</key><string>$1</string>
		<key>PayloadUUID</key><string>$(cat /proc/sys/kernel/random/uuid)</string>
		<key>PayloadDisplayName</key><string>$1</string>
		<key>PayloadRemovalDisallowed</key><$2/>
		<key>PayloadContent</key><array><dict>
		<key>PayloadType</key><string>com.apple.shareddeviceconfiguration</string>
		<key>PayloadVersion</key><integer>1</integer>
		<key>PayloadIdentifier</key><string>$1.lock</string>
		<key>PayloadUUID</key><string>$(cat /proc/sys/kernel/random/uuid)</string>
		<key>IfLostReturnToMessage</key><string>$1</string>
		</dict></array>
		</dict></plist>
	END
}

setup() {
	cd "$BATS_FILE_TMPDIR"
	bench_start --iphones 1
	export STAGER_STATE="$BENCH/state" STAGER_SYSFS="$BENCH/sys"
	: "${STAGER:=$PEERS_TOP/build/stager}"
	desk init
	desk port allow all
	echo a | desk org import Ward --identity supervision.p12
	mkdir -p "$STAGER_STATE/blueprints" "$STAGER_STATE/profiles"
	fixed_profile org.example.silent false >"$STAGER_STATE/profiles/silent.mobileconfig"
	blueprint ward "  - install_profile: {profile: silent, how: silent}" "  - verify: {supervised: true}"
}

teardown() {
	bench_stop
}

desk() { timeout "$PEER_SECONDS" "$STAGER" "$@" 3>&- 9>&-; }

# blueprint NAME LINES...: identify, pair, supervise, then these.
blueprint() {
	local name=$1
	shift
	{
		printf 'name: %s\nabout: a test\norganisation: Ward\nsteps:\n  - identify:\n  - pair: {keep_trust: true}\n  - activate:\n  - supervise:\n' "$name"
		printf '%s\n' "$@"
	} >"$STAGER_STATE/blueprints/$name.yaml"
}

stage() {
	run timeout "$PEER_SECONDS" "$STAGER" stage --blueprint "$1" --all 9>&-
}

prepared() { # by go-ios, and out of its box since: the host it was prepared with is gone
	go pair --udid="$UDID"
	[ "$status" -eq 0 ]
	go prepare --skip-all --certfile=supervision-cert.der --orgname=Ward --udid="$UDID"
	[ "$status" -eq 0 ]
	ctl set "$UDID" at_home_screen true
	ctl set "$UDID" trust_revoked true
	is "$UDID" '.hosts | length' 0
}

asked() { state "$UDID" ".counts[\"com.apple.mobile.MCInstall $1\"] // 0"; }

@test "prepared by go-ios, staged without a tap: paired, a profile goes in silently, its configuration is left alone" {
	prepared
	stage ward
	[ "$status" -eq 0 ] || { echo "$output"; false; }
	is "$UDID" .dialog none
	is "$UDID" '.hosts | length' 1
	is "$UDID" '.profiles[] | select(.identifier == "org.example.silent") | .silent' true
	[ "$(asked SetCloudConfiguration)" -eq 1 ]   # go-ios' own
	is "$UDID" .cloud_configuration.OrganizationName Ward
	go profile list --udid="$UDID"
	has org.example.silent
}

@test "prepared by go-ios with an identity this station does not have: held with its name, nothing is written" {
	go pair --udid="$UDID"
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$BENCH/k.pem" -outform DER -out "$BENCH/other.der" -subj /CN=other -days 9 2>/dev/null
	go prepare --skip-all --certfile="$BENCH/other.der" --orgname="North Clinic" --udid="$UDID"
	[ "$status" -eq 0 ]
	stage ward
	[ "$status" -ne 0 ]
	run desk inventory show "$(state "$UDID" .serial)"
	has "North Clinic"
	has "supervised by somebody else"
	[ "$(asked SetCloudConfiguration)" -eq 1 ]
	is "$UDID" '.profiles[] | select(.identifier == "org.example.silent")' ""
}

@test "a profile of go-ios that may not be removed: the device keeps it, which the blueprint may allow" {
	go pair --udid="$UDID"
	go profile add fixed.mobileconfig --udid="$UDID"
	[ "$status" -eq 0 ]
	go profile add loose.mobileconfig --udid="$UDID"
	[ "$status" -eq 0 ]
	blueprint strict "  - remove_profile: {identifier: org.example.loose}" "  - remove_profile: {identifier: org.example.fixed}"
	stage strict
	[ "$status" -ne 0 ]
	run desk inventory show "$(state "$UDID" .serial)"
	has "kept a profile it should have removed"
	go profile list --udid="$UDID"
	has org.example.fixed
	has_not org.example.loose

	blueprint lenient "  - remove_profile: {identifier: org.example.fixed, may_stay: true}" "  - verify: {supervised: true}"
	stage lenient
	[ "$status" -eq 0 ] || { echo "$output"; false; }
	go profile remove org.example.fixed --udid="$UDID"
	go profile list --udid="$UDID"
	has org.example.fixed
}

@test "supervised by the station, go-ios pairs without a tap and installs silently with the same identity" {
	stage ward
	[ "$status" -eq 0 ] || { echo "$output"; false; }
	ctl set "$UDID" at_home_screen true
	ctl set "$UDID" trust_revoked true
	go pair --p12file=supervision.p12 --password=a --udid="$UDID"
	[ "$status" -eq 0 ]
	is "$UDID" .dialog none
	go profile add loose.mobileconfig --p12file=supervision.p12 --password=a --udid="$UDID"
	[ "$status" -eq 0 ]
	is "$UDID" '.profiles[] | select(.identifier == "org.example.loose") | .silent' true
	go prepare cloudconfig --udid="$UDID"
	has Ward
}
