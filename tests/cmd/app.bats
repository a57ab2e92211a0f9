# stager app, as a person types it: what is turned away and how that is said, what is listed, what is kept while a batch needs it.

load lib

setup() {
	desk
	STATE=$DESK
	printf 'depot;street\n1;Quay 3\n' >"$STATE/depots.csv"
	ipa org.example.route 1.2 12 "$STATE/route.ipa"
}

teardown() {
	desk_away
}

# An unsigned package: enough for the repository, which warns.
ipa() { # IDENTIFIER VERSION BUILD FILE
	local dir=$STATE/ipa
	rm -rf "$dir" "$4"
	mkdir -p "$dir/Payload/Route.app"
	cat >"$dir/Payload/Route.app/Info.plist" <<-END
		<?xml version="1.0" encoding="UTF-8"?>
		<plist version="1.0"><dict><key>CFBundleIdentifier</key><string>$1</string><key>CFBundleShortVersionString</key><string>$2</string>
		<key>CFBundleVersion</key><string>$3</string></dict></plist>
	END
	(cd "$dir" && zip -qr "$4" Payload)
}

@test "a file that is no app is exit 3 with a code, and nothing is kept" {
	run "$STAGER" app add "$STATE/depots.csv"
	[ "$status" -eq 3 ]
	[[ "$output" == *STG-1561* ]]
	run "$STAGER" app add "$STATE/nothing.ipa"
	[ "$status" -eq 3 ]
	run --separate-stderr "$STAGER" --json app list
	[ "$(jq -s 'map(select(.sha256)) | length' <<<"$output")" -eq 0 ]
	run "$STAGER" app show org.example.route
	[ "$status" -ne 0 ]
	[[ "$output" == *STG-1560* ]]
	run "$STAGER" app add --document "$STATE/depots.csv" --name ../x
	[ "$status" -eq 3 ]
	[[ "$output" == *STG-1569* ]]
}

@test "an app and a document are kept, listed newest first, shown, and removed" {
	run "$STAGER" app add "$STATE/route.ipa"
	[ "$status" -eq 0 ]
	[[ "$output" == *"org.example.route 1.2 (12)"* ]]
	[[ "$output" == *"devices will refuse it"* ]]
	ipa org.example.route 1.10 110 "$STATE/newer.ipa"
	"$STAGER" app add "$STATE/newer.ipa"
	"$STAGER" app add --document "$STATE/depots.csv"
	run --separate-stderr "$STAGER" --json app list
	[ "$(jq -rs 'map(select(.sha256) | .version // .name) | join(" ")' <<<"$output")" = "1.10 1.2 depots.csv" ]
	run --separate-stderr "$STAGER" --json app show depots.csv
	[ "$(jq -r .sha256 <<<"$output")" = "$(sha256sum "$STATE/depots.csv" | cut -d' ' -f1)" ]
	run "$STAGER" --lang fr app show org.example.route --version 1.2
	[ "$status" -eq 0 ]
	[[ "$output" == *"non signée"* ]]
	"$STAGER" app remove org.example.route --version 1.2
	"$STAGER" app remove depots.csv
	run --separate-stderr "$STAGER" --json app list
	[ "$(jq -rs 'map(select(.sha256).version) | join(" ")' <<<"$output")" = "1.10" ]
	[ "$(find "$STAGER_STATE/apps" -type f | wc -l)" -eq 2 ]
}

@test "a blueprint with an app nobody has is wrong before a device is touched" {
	mkdir -p "$STAGER_STATE/blueprints"
	printf 'name: a\nabout: a\nsteps:\n  - identify:\n  - pair:\n  - install_app: {app: org.example.route}\n' >"$STAGER_STATE/blueprints/a.yaml"
	run "$STAGER" blueprint check a
	[ "$status" -ne 0 ]
	[[ "$output" == *STG-1560* ]]
	"$STAGER" app add "$STATE/route.ipa"
	run "$STAGER" blueprint check a
	[ "$status" -eq 0 ]
	[[ "$output" == *"devices will refuse it"* ]]
}
