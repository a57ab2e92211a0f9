# The tools of libimobiledevice as Debian ships them, against virtual devices: what they print, how they end, and what
# the device knows afterwards.

load bench

setup() {
	bench_start --iphones 2
}

teardown() {
	bench_stop
}

pair() {
	peer idevicepair -u "$UDID" pair
	[ "$status" -eq 0 ]
}

# ---- what fails, as it should ----

@test "pair: the dialog is open until somebody taps Trust" {
	ctl set "$UDID" at_home_screen true
	peer idevicepair -u "$UDID" pair
	[ "$status" -eq 1 ]
	has "Please accept the trust dialog"
	is "$UDID" .dialog open
	is "$UDID" '.hosts | length' 0

	ctl tap trust "$UDID"
	peer idevicepair -u "$UDID" pair
	[ "$status" -eq 0 ]
	has "SUCCESS: Paired with device $UDID"
	is "$UDID" '.hosts | length' 1
}

@test "pair: denied by the person" {
	ctl set "$UDID" at_home_screen true
	peer idevicepair -u "$UDID" pair
	ctl tap deny "$UDID"
	peer idevicepair -u "$UDID" pair
	[ "$status" -eq 1 ]
	has "user denied the trust dialog"
	is "$UDID" '.hosts | length' 0
}

@test "pair: the device is locked" {
	ctl lock "$UDID"
	peer idevicepair -u "$UDID" pair
	[ "$status" -eq 1 ]
	has "because a passcode is set"
	is "$UDID" '.hosts | length' 0

	ctl unlock "$UDID"
	pair
}

@test "validate: a device that was erased no longer knows the host" {
	pair
	ctl erase "$UDID"
	ctl wait "$UDID" erased
	peer idevicepair -u "$UDID" validate
	[ "$status" -eq 1 ]
	has "is not paired with this host"
	is "$UDID" '.hosts | length' 0
}

@test "unpair: the host is forgotten on both sides" {
	pair
	peer idevicepair -u "$UDID" unpair
	[ "$status" -eq 0 ]
	is "$UDID" '.hosts | length' 0
	ctl set "$UDID" at_home_screen true   # in the Setup Assistant it would be trusted again unasked
	peer idevicepair -u "$UDID" validate
	[ "$status" -eq 1 ]
	is "$UDID" '.hosts | length' 0
}

@test "a locked device opens no app list" {
	pair
	ctl lock "$UDID"
	peer ideviceinstaller -u "$UDID" -l
	[ "$status" -ne 0 ]
	has "Could not start com.apple.mobile.installation_proxy"
}

@test "install: an app for a newer system is refused and not there afterwards" {
	pair
	tiny_ipa "$BENCH/new.ipa" MinimumOSVersion 99.0
	peer ideviceinstaller -u "$UDID" -i "$BENCH/new.ipa"
	[ "$status" -ne 0 ]
	has "DeviceOSVersionTooLow"
	is "$UDID" '.apps | length' 0
}

@test "install: no room on the device" {
	pair
	tiny_ipa "$BENCH/tiny.ipa"
	ctl set "$UDID" disk_full true
	peer ideviceinstaller -u "$UDID" -i "$BENCH/tiny.ipa"
	has "afc_file_open on 'PublicStaging/org.example.tiny' failed"   # and exits with 0 all the same
	is "$UDID" '.apps | length' 0
}

@test "uninstall: an app of the system stays" {
	pair
	peer ideviceinstaller -u "$UDID" -U com.apple.Preferences
	[ "$status" -ne 0 ]
	has "UninstallProhibited"
}

@test "provisioning: a profile that nobody signed is refused" {
	pair
	provisioning_profile "$BENCH/p.mobileprovision" 0f0c7a52-93c4-4c8d-9e51-0b1f2a3c4d5e
	peer ideviceprovision -u "$UDID" install "$BENCH/profile.plist"
	has "Could not install profile"
	is "$UDID" '.provisions | length' 0
}

# ---- what works ----

@test "idevice_id lists what is plugged in, and only that" {
	peer idevice_id -l
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 2 ]
	has "$UDID"

	ctl unplug "$UDID"
	peer idevice_id -l
	[ "${#lines[@]}" -eq 1 ]
	has_not "$UDID"
}

@test "the mux listens on loopback TCP too" {
	export USBMUXD_SOCKET_ADDRESS
	USBMUXD_SOCKET_ADDRESS=$(jq -r .tcp <<<"$BENCH_READY")
	peer idevice_id -l
	[ "$status" -eq 0 ]
	has "$UDID"
}

@test "ideviceinfo shows the serial number after pairing, not before" {
	local serial
	serial=$(state "$UDID" .serial)
	peer ideviceinfo -s -u "$UDID"
	[ "$status" -eq 0 ]
	has "ProductType: $(state "$UDID" .model)"
	has_not "$serial"

	pair
	peer ideviceinfo -u "$UDID"
	[ "$status" -eq 0 ]
	has "SerialNumber: $serial"
	has "ActivationState: Activated"
	peer ideviceinfo -u "$UDID" -q com.apple.mobile.battery -k BatteryCurrentCapacity
	[ "$output" = "$(state "$UDID" .battery)" ]
}

@test "pair, validate" {
	pair
	peer idevicepair -u "$UDID" validate
	[ "$status" -eq 0 ]
	has "SUCCESS: Validated pairing"
	is "$UDID" '.hosts | length' 1
}

@test "provisioning: install, list, remove" {
	pair
	peer ideviceprovision -u "$UDID" list
	has "Device has 0 provisioning profiles installed"
	provisioning_profile "$BENCH/p.mobileprovision" 0f0c7a52-93c4-4c8d-9e51-0b1f2a3c4d5e
	peer ideviceprovision -u "$UDID" install "$BENCH/p.mobileprovision"
	has "installed successfully"
	peer ideviceprovision -u "$UDID" list
	has "0f0c7a52-93c4-4c8d-9e51-0b1f2a3c4d5e - Ward app"
	is "$UDID" '.provisions[0]' 0f0c7a52-93c4-4c8d-9e51-0b1f2a3c4d5e
	peer ideviceprovision -u "$UDID" remove 0f0c7a52-93c4-4c8d-9e51-0b1f2a3c4d5e
	has "removed"
	is "$UDID" '.provisions | length' 0
}

@test "an app is installed, listed with its version, and removed" {
	pair
	tiny_ipa "$BENCH/tiny.ipa"
	peer ideviceinstaller -u "$UDID" -i "$BENCH/tiny.ipa"
	[ "$status" -eq 0 ]
	has "Install: VerifyingApplication (40%)"
	has "Install: Complete"
	is "$UDID" '.apps[0]' org.example.tiny
	is "$UDID" '.files | length' 0   # the package is gone from PublicStaging

	peer ideviceinstaller -u "$UDID" -l
	has 'org.example.tiny, "42", "Tiny"'
	peer ideviceinstaller -u "$UDID" -l -o list_all
	has com.apple.mobilesafari
	has org.example.tiny

	peer ideviceinstaller -u "$UDID" -U org.example.tiny
	[ "$status" -eq 0 ]
	is "$UDID" '.apps | length' 0
}

@test "what was installed is gone after an erase" {
	pair
	tiny_ipa "$BENCH/tiny.ipa"
	peer ideviceinstaller -u "$UDID" -i "$BENCH/tiny.ipa"
	is "$UDID" '.apps | length' 1
	ctl erase "$UDID"
	ctl wait "$UDID" erased
	is "$UDID" '.apps | length' 0
}

@test "diagnostics: battery, hardware, all" {
	pair
	peer idevicediagnostics -u "$UDID" diagnostics All
	[ "$status" -eq 0 ]
	has "<key>GasGauge</key>"
	has "<key>CycleCount</key>"
	peer idevicediagnostics -u "$UDID" ioregentry AppleSmartBattery
	has "<key>NominalChargeCapacity</key>"
}

@test "diagnostics: MobileGestalt answers until 17.3 and says so after" {
	pair
	ctl set "$UDID" os 16.3
	peer idevicediagnostics -u "$UDID" mobilegestalt SerialNumber
	has "$(state "$UDID" .serial)"
	ctl set "$UDID" os 18
	peer idevicediagnostics -u "$UDID" mobilegestalt SerialNumber
	has_not "$(state "$UDID" .serial)"
	has MobileGestaltDeprecated
}

@test "restart: the device comes back with another number" {
	local before
	pair
	before=$(state "$UDID" .device_id)
	peer idevicediagnostics -u "$UDID" restart
	[ "$status" -eq 0 ]
	has "Restarting device."
	ctl wait "$UDID" request "com.apple.mobile.diagnostics_relay Restart"
	# gone and back: the attach counter cannot be missed
	for _ in $(seq 200); do
		[ "$(state "$UDID" .attach_count)" -lt 2 ] || break
		sleep 0.1
	done
	ctl wait "$UDID" attached
	is "$UDID" .attach_count 2
	[ "$(state "$UDID" .device_id)" -ne "$before" ]
	peer idevice_id -l
	has "$UDID"
	peer idevicepair -u "$UDID" validate   # trust survives a restart
	[ "$status" -eq 0 ]
}

@test "shutdown: the device is gone" {
	pair
	peer idevicediagnostics -u "$UDID" shutdown
	[ "$status" -eq 0 ]
	ctl wait "$UDID" detached
	peer idevice_id -l
	has_not "$UDID"
}

@test "the name is read and set" {
	pair
	peer idevicename -u "$UDID" "Ward 3, bed 12"
	[ "$status" -eq 0 ]
	peer idevicename -u "$UDID"
	[ "$output" = "Ward 3, bed 12" ]
	is "$UDID" .name "Ward 3, bed 12"
}

@test "the clock is read and set" {
	pair
	peer idevicedate -u "$UDID" -s 1700000000
	[ "$status" -eq 0 ]
	TZ=UTC peer idevicedate -u "$UDID"
	has "Nov 14 22:1"
	has 2023
}

@test "a notification posted by one host reaches another" {
	pair
	timeout "$PEER_SECONDS" stdbuf -oL idevicenotificationproxy -u "$UDID" observe org.example.something \
		>"$BENCH/observed" 2>&1 3>&- 9>&- </dev/null &
	local observer=$!
	ctl wait "$UDID" request "com.apple.mobile.notification_proxy ObserveNotification"
	peer idevicenotificationproxy -u "$UDID" post org.example.something
	for _ in $(seq 200); do
		! grep -q org.example.something "$BENCH/observed" || break
		sleep 0.1
	done
	kill "$observer" 2>/dev/null || true
	grep -q org.example.something "$BENCH/observed"
}

@test "crash logs: there are none, and the tool is content" {
	pair
	mkdir "$BENCH/crashes"
	peer idevicecrashreport -u "$UDID" "$BENCH/crashes"
	[ "$status" -eq 0 ]
	has Done.
}
