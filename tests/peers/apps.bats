# Apps, both ways: what the station installed, Debian's ideviceinstaller and go-ios list; what they installed, the station
# finds there and leaves, or brings up to date; what they removed, it installs again.

load bench

setup() {
	bench_start --ipads 1
	export STAGER_STATE="$BENCH/state" STAGER_SYSFS="$BENCH/sys"
	: "${STAGER:=$PEERS_TOP/build/stager}"
	"$STAGER" init 3>&- 9>&-
	"$STAGER" port allow all 3>&- 9>&-
	mkdir -p "$STAGER_STATE/blueprints"
	cat >"$STAGER_STATE/blueprints/apps.yaml" <<-END
		name: apps
		about: one app
		steps:
		  - identify:
		  - pair: {keep_trust: true}
		  - install_app: {app: org.example.tiny}
		  - verify: {apps: [org.example.tiny]}
	END
	tiny_ipa "$BENCH/tiny.ipa"
	"$STAGER" app add "$BENCH/tiny.ipa" 3>&- 9>&-
}

teardown() {
	bench_stop
}

stage() {
	run timeout "$PEER_SECONDS" "$STAGER" stage --blueprint apps --all 9>&-
	[ "$status" -eq 0 ]
}

# How often the device was told to.
told() {
	ctl log "$UDID" | jq -r ".counts[\"com.apple.mobile.installation_proxy $1\"] // 0"
}

@test "what the station installed, both list with its version; what they removed, it installs again" {
	stage
	[ "$(told Install)" -eq 1 ]
	peer ideviceinstaller -u "$UDID" -l
	[ "$status" -eq 0 ]
	has 'org.example.tiny, "42", "Tiny"'
	go apps --list --udid="$UDID"
	[ "$status" -eq 0 ]
	has "org.example.tiny"
	has "1.2"

	go uninstall org.example.tiny --udid="$UDID"
	[ "$status" -eq 0 ]
	is "$UDID" '.apps | length' 0
	stage
	is "$UDID" '.apps[0]' org.example.tiny
	[ "$(told Install)" -eq 2 ]

	peer ideviceinstaller -u "$UDID" -U org.example.tiny
	is "$UDID" '.apps | length' 0
}

@test "what ideviceinstaller installed is found there, and brought up to date when the repository has a newer one" {
	peer idevicepair -u "$UDID" pair
	peer ideviceinstaller -u "$UDID" -i "$BENCH/tiny.ipa"
	[ "$status" -eq 0 ]
	stage
	[ "$(told Install)" -eq 1 ]
	[ "$(told Upgrade)" -eq 0 ]

	tiny_ipa "$BENCH/newer.ipa" "" "" 1.10
	"$STAGER" app add "$BENCH/newer.ipa" 3>&- 9>&-
	stage
	[ "$(told Upgrade)" -eq 1 ]
	peer ideviceinstaller -u "$UDID" -l -o xml
	has "1.10"
}

@test "what go-ios installed is found there; a newer one than the repository's is left" {
	peer idevicepair -u "$UDID" pair
	go install --path="$BENCH/tiny.ipa" --udid="$UDID"
	[ "$status" -eq 0 ]
	is "$UDID" '.apps[0]' org.example.tiny
	stage
	[ "$(told Install)" -eq 0 ]

	tiny_ipa "$BENCH/newer.ipa" "" "" 2.0
	go install --path="$BENCH/newer.ipa" --udid="$UDID"
	[ "$status" -eq 0 ]
	stage
	[ "$(told Upgrade)" -eq 0 ]
	go apps --list --udid="$UDID"
	has "2.0"
}

@test "a document the station put there, go-ios reads back as it was" {
	printf 'ward 3, second floor\n' >"$BENCH/plan.txt"
	"$STAGER" app add --document "$BENCH/plan.txt" 3>&- 9>&-
	sed -i 's/^  - verify.*/  - put_document: {app: org.example.tiny, document: plan.txt}/' "$STAGER_STATE/blueprints/apps.yaml"
	stage
	go fsync --app=org.example.tiny pull --srcPath=Documents/plan.txt --dstPath="$BENCH/back" --udid="$UDID"
	[ "$status" -eq 0 ]
	cmp "$BENCH/plan.txt" "$(find "$BENCH/back" -type f | head -1)"
}
