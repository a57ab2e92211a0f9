# go-ios, the program from the npm package of that name, against virtual devices: what it prints, how it ends, and what
# the device knows afterwards.

load bench

setup_file() {
	cd "$BATS_FILE_TMPDIR"
	bench_start   # create-cert wants to see a device, whichever
	go prepare create-cert
	[ "$status" -eq 0 ]
	bench_stop
	# it reads only the old form of PKCS#12
	openssl pkcs12 -export -legacy -macalg sha1 -inkey supervision-private-key.pem -in supervision-cert.pem \
		-out supervision.p12 -passout pass:a
	cat >ward.mobileconfig <<-END
		<?xml version="1.0" encoding="UTF-8"?>
		<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
		<plist version="1.0"><dict>
		<key>PayloadType</key><string>Configuration</string>
		<key>PayloadVersion</key><integer>1</integer>
		<key>PayloadIdentifier</key><string>org.example.ward</string>
		<key>PayloadUUID</key><string>0f0c7a52-93c4-4c8d-9e51-0b1f2a3c4d5e</string>
		<key>PayloadDisplayName</key><string>Ward</string>
		<key>PayloadContent</key><array><dict>
		<key>PayloadType</key><string>com.apple.shareddeviceconfiguration</string>
		<key>PayloadVersion</key><integer>1</integer>
		<key>PayloadIdentifier</key><string>org.example.ward.lock</string>
		<key>PayloadUUID</key><string>1f0c7a52-93c4-4c8d-9e51-0b1f2a3c4d5e</string>
		<key>IfLostReturnToMessage</key><string>Ward 3</string>
		</dict></array>
		</dict></plist>
	END
}

setup() {
	cd "$BATS_FILE_TMPDIR"
	bench_start --iphones 1 --ipads 1
}

teardown() {
	bench_stop
}

pair() {
	go pair --udid="$UDID"
	[ "$status" -eq 0 ]
}

prepare() {
	go prepare --skip-all --certfile=supervision-cert.der --orgname=Ward --udid="$UDID"
}

asked() { # how often the profile service was asked for REQUEST
	state "$UDID" ".counts[\"com.apple.mobile.MCInstall $1\"] // 0"
}

# ---- what fails, as it should ----

@test "pair: the dialog is open until somebody taps Trust" {
	ctl set "$UDID" at_home_screen true
	go pair --udid="$UDID"
	[ "$status" -eq 1 ]
	has "Please accept the PairingDialog"
	is "$UDID" .dialog open
	ctl tap trust "$UDID"
	pair
	is "$UDID" '.hosts | length' 1
}

@test "pair: denied by the person" {
	ctl set "$UDID" at_home_screen true
	go pair --udid="$UDID"
	ctl tap deny "$UDID"
	go pair --udid="$UDID"
	[ "$status" -eq 1 ]
	has UserDeniedPairing
	is "$UDID" '.hosts | length' 0
}

@test "pair: the device is locked" {
	ctl lock "$UDID"
	go pair --udid="$UDID"
	[ "$status" -eq 1 ]
	has PasswordProtected
	is "$UDID" '.hosts | length' 0
}

@test "an erased device does not know the host any more" {
	pair
	ctl erase "$UDID"
	ctl wait "$UDID" erased
	go profile list --udid="$UDID"
	[ "$status" -eq 1 ]
	has InvalidHostID
}

@test "profile list: the device is locked" {
	pair
	ctl lock "$UDID"
	go profile list --udid="$UDID"
	[ "$status" -eq 1 ]
	has PasswordProtected
}

@test "prepare: already supervised is 14002, and the first organisation stays" {
	pair
	prepare
	[ "$status" -eq 0 ]
	go prepare --skip-all --certfile=supervision-cert.der --orgname=Another --udid="$UDID"
	[ "$status" -eq 1 ]
	has "ErrorCode:14002"
	is "$UDID" .cloud_configuration.OrganizationName Ward
}

@test "prepare: not activated is seen before anything is written" {
	pair
	ctl set "$UDID" activated false
	prepare
	[ "$status" -eq 1 ]
	has "please activate the device first"
	[ "$(asked SetCloudConfiguration)" -eq 0 ]
	is "$UDID" .supervised false
}

@test "prepare: not activated on the wire is 33003" {
	pair
	ctl fault "$UDID" refuse SetCloudConfiguration code=33003 domain=MCCloudConfigErrorDomain
	prepare
	[ "$status" -eq 1 ]
	has "ErrorCode:33003"
	is "$UDID" .supervised false
}

@test "prepare: a device assigned to an organisation is 33004" {
	pair
	ctl set "$UDID" abm_assigned true
	prepare
	[ "$status" -eq 1 ]
	has "ErrorCode:33004"
	is "$UDID" .supervised false
}

@test "profile remove: what is not installed" {
	pair
	go profile remove org.example.ward --udid="$UDID"
	[ "$status" -eq 1 ]
	has "remove failed"
}

@test "silent add: not without supervision" {
	pair
	go profile add ward.mobileconfig --p12file=supervision.p12 --password=a --udid="$UDID"
	[ "$status" -eq 1 ]
	has CertificateRejected
	is "$UDID" '.profiles | length' 0
}

@test "silent add: not with somebody else's identity" {
	pair
	ctl set "$UDID" supervised_by_other "Another shop"
	go profile add ward.mobileconfig --p12file=supervision.p12 --password=a --udid="$UDID"
	[ "$status" -eq 1 ]
	has CertificateRejected
	is "$UDID" '.profiles | length' 0
}

@test "profile add after the Setup Assistant, unsupervised: asked for, but not there" {
	pair
	ctl set "$UDID" at_home_screen true
	go profile add ward.mobileconfig --udid="$UDID"
	[ "$status" -eq 0 ]   # the wire says Acknowledged
	is "$UDID" '.profiles | length' 0
	is "$UDID" '.queued[0].identifier' org.example.ward
	go profile list --udid="$UDID"
	has_not org.example.ward
}

# ---- what works ----

@test "list and info" {
	go list
	[ "$status" -eq 0 ]
	has "\"$UDID\""
	pair
	go info --udid="$UDID"
	[ "$status" -eq 0 ]
	has "\"SerialNumber\":\"$(state "$UDID" .serial)\""
	has "\"ProductType\":\"$(state "$UDID" .model)\""
}

@test "the loopback address of the mux does as well" {
	USBMUXD_SOCKET_ADDRESS=$(jq -r .tcp <<<"$BENCH_READY")
	go list
	[ "$status" -eq 0 ]
	has "\"$UDID\""
}

@test "prepare makes a fresh device a supervised one" {
	pair
	prepare
	[ "$status" -eq 0 ]
	is "$UDID" .supervised true
	is "$UDID" .cloud_configuration.OrganizationName Ward
	is "$UDID" '.profiles[0].identifier' com.apple.configurator.usbrestrictedmode
	is "$UDID" '.files[0].path' iTunes_Control/iTunes/SkipSetup
	go prepare cloudconfig --udid="$UDID"
	[ "$status" -eq 0 ]
	has Ward
}

@test "profile add, list, remove in the Setup Assistant" {
	pair
	go profile add ward.mobileconfig --udid="$UDID"
	[ "$status" -eq 0 ]
	is "$UDID" '.profiles[0].identifier' org.example.ward
	go profile list --udid="$UDID"
	has '"Identifier":"org.example.ward"'
	go profile remove org.example.ward --udid="$UDID"
	[ "$status" -eq 0 ]
	is "$UDID" '.profiles | length' 0
}

@test "silent add with the supervision identity, at the home screen" {
	pair
	prepare
	ctl set "$UDID" at_home_screen true
	go profile add ward.mobileconfig --p12file=supervision.p12 --password=a --udid="$UDID"
	[ "$status" -eq 0 ]
	is "$UDID" '.profiles[] | select(.identifier == "org.example.ward") | .silent' true
	[ "$(asked InstallProfileSilent)" -eq 1 ]
}

@test "pair without a dialog with the supervision identity" {
	pair
	prepare
	ctl set "$UDID" at_home_screen true
	peer idevicepair -u "$UDID" unpair
	is "$UDID" '.hosts | length' 0
	go pair --p12file=supervision.p12 --password=a --udid="$UDID"
	[ "$status" -eq 0 ]
	is "$UDID" '.hosts | length' 1
	is "$UDID" .dialog none
}

@test "erase: everything is gone and the device is back" {
	pair
	prepare
	go profile add ward.mobileconfig --udid="$UDID"
	go erase --force --udid="$UDID"
	[ "$status" -eq 0 ]
	ctl wait "$UDID" erased
	is "$UDID" .supervised false
	is "$UDID" '.profiles | length' 0
	is "$UDID" '.files | length' 0
	is "$UDID" '.hosts | length' 0
	is "$UDID" .activation_state Unactivated
}

@test "apps, disk space, battery, reboot" {
	local before
	pair
	go apps --list --system --udid="$UDID"
	has com.apple.mobilesafari
	has com.apple.Maps   # the last one: chunks were put together
	go diskspace --udid="$UDID"
	[ "$status" -eq 0 ]
	go batterycheck --udid="$UDID"
	has "\"BatteryCurrentCapacity\":$(state "$UDID" .battery)"
	before=$(state "$UDID" .device_id)
	go reboot --udid="$UDID"
	[ "$status" -eq 0 ]
	for _ in $(seq 200); do
		[ "$(state "$UDID" .attach_count)" -lt 2 ] || break
		sleep 0.1
	done
	ctl wait "$UDID" attached
	[ "$(state "$UDID" .device_id)" -ne "$before" ]
}

@test "a pair record of one program serves the other" {
	pair
	peer ideviceinfo -u "$UDID" -k SerialNumber
	[ "$output" = "$(state "$UDID" .serial)" ]
	is "$UDID" '.hosts | length' 1
}

@test "the identity it made is taken in every form, and stays the same certificate" {
	local stager="${STAGER:-$PEERS_TOP/build/stager}" form
	export STAGER_STATE="$BATS_TEST_TMPDIR/state"
	"$stager" --quiet init --rehearsal
	openssl pkcs12 -export -inkey supervision-private-key.pem -in supervision-cert.pem -out new.p12 -passout pass:a
	openssl pkey -in supervision-private-key.pem -outform DER -out key.der
	cat supervision-private-key.pem supervision-cert.pem >both.pem
	echo a | "$stager" org import old --identity supervision.p12
	echo a | "$stager" org import new --identity new.p12
	echo | "$stager" org import pem --identity supervision-cert.pem --key supervision-private-key.pem
	echo | "$stager" org import both --identity both.pem
	echo | "$stager" org import der --identity supervision-cert.der --key key.der
	for form in old new pem both der; do
		"$stager" org certificate supervisor "$BATS_TEST_TMPDIR/$form.pem" --name "$form"
		openssl x509 -in "$BATS_TEST_TMPDIR/$form.pem" -outform DER | cmp - supervision-cert.der
	done
	run "$stager" org import wrong --identity supervision.p12 <<<b
	[ "$status" -ne 0 ]
}
