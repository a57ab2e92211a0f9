# Identity files the station issues, read by go-ios (golang.org/x/crypto/pkcs12, frozen, knows the old form alone): what it opens,
# devices and their tools open.

load bench

setup_file() {
	cd "$BATS_FILE_TMPDIR"
	export STAGER_STATE="$BATS_FILE_TMPDIR/state"
	local stager="${STAGER:-$PEERS_TOP/build/stager}"
	"$stager" --quiet init --rehearsal
	"$stager" org create "Clinique Sud" --domain sud.example >/dev/null
	"$stager" --json ca issue DX3F old.p12 >old.json
	"$stager" --json ca issue DX3G new.p12 --modern >new.json
	"$stager" --json ca issue DX3H chain.p12 --chain >chain.json
	cat >ward.mobileconfig <<-END
		<?xml version="1.0" encoding="UTF-8"?>
		<plist version="1.0"><dict>
		<key>PayloadType</key><string>Configuration</string><key>PayloadVersion</key><integer>1</integer>
		<key>PayloadIdentifier</key><string>org.example.ward</string>
		<key>PayloadUUID</key><string>0f0c7a52-93c4-4c8d-9e51-0b1f2a3c4d5e</string>
		<key>PayloadContent</key><array/></dict></plist>
	END
}

setup() {
	cd "$BATS_FILE_TMPDIR"
	bench_start --iphones 1
	go pair --udid="$UDID"
	[ "$status" -eq 0 ]
}

teardown() {
	bench_stop
}

password() { jq -r .password "$1.json"; }

@test "another password does not open it" {
	go profile add ward.mobileconfig --p12file=old.p12 --password=wrong --udid="$UDID"
	[ "$status" -ne 0 ]
	has "password"
}

@test "the default form is opened: the device hears of the identity and refuses it, being somebody else's" {
	go profile add ward.mobileconfig --p12file=old.p12 --password="$(password old)" --udid="$UDID"
	has CertificateRejected
}

@test "with the chain in it this reader takes no more of it, and says so" {
	go profile add ward.mobileconfig --p12file=chain.p12 --password="$(password chain)" --udid="$UDID"
	has "exactly two safe bags"
	run openssl pkcs12 -in chain.p12 -nokeys -passin "pass:$(password chain)"
	[ "$(grep -c BEGIN <<<"$output")" -eq 2 ]
}

@test "the modern form is for new systems: this reader cannot open it" {
	go profile add ward.mobileconfig --p12file=new.p12 --password="$(password new)" --udid="$UDID"
	[ "$status" -ne 0 ]
	! has CertificateRejected
}
