# bench.bash - a virtual bench for a test of programs not written here: started, asked, stopped.
#
#   setup()    { bench_start --iphones 2; }      a bench of its own for each test, at pace instant
#   teardown() { bench_stop; }
#
# After bench_start: BENCH (its folder), BENCH_READY (the ready line), USBMUXD_SOCKET_ADDRESS (found by every client),
# UDID (of the first device). STAGER_BENCH and B come from tests/run.sh; by hand: bats tests/peers.

bats_require_minimum_version 1.5.0
PEERS_TOP=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
: "${STAGER_BENCH:=$PEERS_TOP/build/stager-bench}"
PEER_SECONDS=120   # the most one call of a peer may take on a busy machine

bench_start() {
	[ -x "$STAGER_BENCH" ] || { echo "not built: $STAGER_BENCH" >&2; return 1; }
	BENCH=$(mktemp -d "${TMPDIR:-/tmp}/peers.XXXXXX")
	mkfifo "$BENCH/ready"
	"$STAGER_BENCH" --usbmuxd "unix:$BENCH/mux" --usbmuxd tcp:127.0.0.1:0 --control "unix:$BENCH/ctl" --pace instant --with-parent "$@" \
		>"$BENCH/ready" 2>"$BENCH/errors" 3>&- </dev/null &
	BENCH_PID=$!
	exec 9<>"$BENCH/ready"   # both ends, so that neither side ever waits for the other to open
	if ! read -r -t "$PEER_SECONDS" -u 9 BENCH_READY; then
		echo "the bench did not start: $(cat "$BENCH/errors")" >&2
		return 1
	fi
	export USBMUXD_SOCKET_ADDRESS="UNIX://$BENCH/mux"   # the spelling libusbmuxd and go-ios share
	UDID=$(ctl list | jq -r '.devices[0].udid')
}

# Fails when the bench did not end well: it crashed, or a sanitizer found something.
bench_stop() {
	local ended=0
	if [ -n "${BENCH_PID:-}" ]; then
		kill "$BENCH_PID" 2>/dev/null || true
		wait "$BENCH_PID" 2>/dev/null || ended=$?
	fi
	exec 9>&-
	[ ! -s "${BENCH:-/nowhere}/errors" ] || sed 's/^/bench: /' "$BENCH/errors" >&2
	rm -rf "${BENCH:-/nowhere}"
	[ "$ended" -eq 0 ] || echo "the bench ended with $ended" >&2
	return "$ended"
}

# A word to the bench; fails when the bench says no.
ctl() {
	"$STAGER_BENCH" ctl "unix:$BENCH/ctl" "$@"
}

# state DEVICE FILTER: a jq filter on what the bench knows of the device.
state() {
	ctl show "$1" | jq -r ".device | $2"
}

# is DEVICE FILTER VALUE: says both when they differ.
is() {
	local now
	now=$(state "$1" "$2")
	[ "$now" = "$3" ] || { echo "$2 of $1 is '$now', not '$3'" >&2; return 1; }
}

# has TEXT: the last `run` printed it.
has() {
	[[ "$output" == *"$1"* ]] || { printf 'no "%s" in:\n%s\n' "$1" "$output" >&2; return 1; }
}
has_not() {
	[[ "$output" != *"$1"* ]] || { printf '"%s" is in:\n%s\n' "$1" "$output" >&2; return 1; }
}

# peer PROGRAM ARGS...: `run` with a deadline; status and output as run leaves them.
peer() {
	run timeout "$PEER_SECONDS" "$@" 9>&-
}

# go ARGS...: the go-ios program.
go() {
	local arch ios
	case $(uname -m) in aarch64) arch=arm64 ;; *) arch=amd64 ;; esac
	for ios in "${B:-$PEERS_TOP/build}/peers" "$PEERS_TOP/build/peers"; do
		ios=$ios/node_modules/go-ios/dist/go-ios-linux-${arch}_linux_${arch}/ios
		[ ! -x "$ios" ] || break
	done
	[ -x "$ios" ] || { echo "go-ios is missing: make deps-check" >&2; return 127; }
	peer "$ios" "$@"
}

# provisioning_profile FILE UUID: as Apple signs them, with a key of our own; for every device, until 2060, open to developers' tools.
provisioning_profile() {
	cat >"$BENCH/profile.plist" <<-END
		<?xml version="1.0" encoding="UTF-8"?>
		<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
		<plist version="1.0"><dict>
		<key>Name</key><string>Ward app</string>
		<key>TeamName</key><string>A hospital with a name long enough for a real profile</string>
		<key>UUID</key><string>$2</string>
		<key>ProvisionsAllDevices</key><true/>
		<key>ExpirationDate</key><date>2060-01-01T00:00:00Z</date>
		<key>Entitlements</key><dict><key>get-task-allow</key><true/></dict>
		</dict></plist>
	END
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$BENCH/k.pem" -out "$BENCH/c.pem" \
		-subj /CN=provisioning -days 2 2>/dev/null
	openssl cms -sign -binary -nodetach -outform DER -in "$BENCH/profile.plist" -signer "$BENCH/c.pem" \
		-inkey "$BENCH/k.pem" -out "$1"
}

# tiny_ipa FILE [KEY VALUE [VERSION]]: a package of one app, org.example.tiny 42, with one more text in its Info.plist.
tiny_ipa() {
	local dir=$BENCH/ipa
	rm -rf "$dir" "$1"
	mkdir -p "$dir/Payload/Tiny.app"
	cat >"$dir/Payload/Tiny.app/Info.plist" <<-END
		<?xml version="1.0" encoding="UTF-8"?>
		<plist version="1.0"><dict>
		<key>CFBundleIdentifier</key><string>org.example.tiny</string>
		<key>CFBundleExecutable</key><string>Tiny</string>
		<key>CFBundleName</key><string>Tiny</string>
		<key>CFBundleVersion</key><string>42</string>
		<key>CFBundleShortVersionString</key><string>${4:-1.2}</string>
		<key>UIFileSharingEnabled</key><true/>
		${2:+<key>$2</key><string>$3</string>}
		</dict></plist>
	END
	provisioning_profile "$dir/Payload/Tiny.app/embedded.mobileprovision" 0f0c7a52-93c4-4c8d-9e51-0b1f2a3c4d5e
	printf 'not really a program\n' >"$dir/Payload/Tiny.app/Tiny"
	(cd "$dir" && zip -qr "$1" Payload)
}
