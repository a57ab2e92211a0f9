# What an administrator sees of blueprints on the command line.

setup() {
	STAGER=${STAGER:-$PWD/build/stager}
	export STAGER_STATE=$BATS_TEST_TMPDIR/state LANGUAGE=en
	unset USBMUXD_SOCKET_ADDRESS
	"$STAGER" --quiet init --rehearsal
}

@test "a mistake is told with file, line and what was expected, and exits 3" {
	printf 'name: x\nsteps:\n  - identfy:\n' >"$BATS_TEST_TMPDIR/x.yaml"
	run "$STAGER" blueprint check "$BATS_TEST_TMPDIR/x.yaml"
	[ "$status" -eq 3 ]
	[[ $output == *"x.yaml:3: unknown step 'identfy', did you mean 'identify'?"* ]]
}

@test "a name nobody knows exits 3 and names the nearest" {
	run "$STAGER" blueprint show iphone-new-in-bx
	[ "$status" -eq 3 ]
	[[ $output == *"'iphone-new-in-box'?"* ]]
}

@test "a file that is not there exits 3" {
	run "$STAGER" blueprint check ./nowhere.yaml
	[ "$status" -eq 3 ]
	[[ $output == *nowhere.yaml* ]]
}

@test "a profile that is no property list is found when the blueprint is checked" {
	mkdir -p "$STAGER_STATE/profiles"
	echo nonsense >"$STAGER_STATE/profiles/mine.mobileconfig"
	printf 'name: x\nsteps:\n  - pair:\n  - install_profile: {profile: mine}\n' >"$BATS_TEST_TMPDIR/x.yaml"
	run "$STAGER" blueprint check "$BATS_TEST_TMPDIR/x.yaml"
	[ "$status" -eq 3 ]
	[[ $output == *mine.mobileconfig* ]]
}

@test "a secret nobody has set is a warning" {
	printf 'name: x\nsteps:\n  - pair:\n  - set_name: {name: "{{secret.wifi}}"}\n' >"$BATS_TEST_TMPDIR/x.yaml"
	run "$STAGER" blueprint check "$BATS_TEST_TMPDIR/x.yaml"
	[ "$status" -eq 0 ]
	[[ $output == *"secret 'wifi' is not set"* ]]
}

@test "the shipped ones are listed, right, and readable in both languages" {
	run "$STAGER" blueprint list
	for name in ipad-hospital-ward iphone-new-in-box returned-phone-wipe leaver-phone-redeploy; do
		[[ $output == *$name* ]]
	done
	for name in ipad-hospital-ward iphone-new-in-box returned-phone-wipe leaver-phone-redeploy locked-phone-restore iphone-field-staff; do
		run "$STAGER" blueprint check $name
		[ "$status" -eq 0 ]
	done
	run "$STAGER" blueprint show returned-phone-wipe
	[[ $output == *"ERASE everything"* ]]
	run "$STAGER" --lang fr blueprint show returned-phone-wipe
	[[ $output == *"EFFACER tout"* ]]
}

@test "show --yaml gives the file to start one's own from" {
	mkdir -p "$STAGER_STATE/blueprints"
	"$STAGER" blueprint show ipad-hospital-ward --yaml >"$STAGER_STATE/blueprints/ipad-hospital-ward.yaml"
	run "$STAGER" --json blueprint list
	[[ $output == *'"where":"state"'* ]]
	run "$STAGER" blueprint check ipad-hospital-ward
	[ "$status" -eq 0 ]
}

@test "a dry run over an order names each line that lacks a value" {
	printf 'serial;asset_tag;bed\nF2LXK0AAAA01;A-1;7\nF2LXK0AAAA02;A-2;\n' >"$BATS_TEST_TMPDIR/order.csv"
	printf 'name: x\nsteps:\n  - pair:\n  - set_name: {name: "bed {{batch.bed}}"}\n' >"$BATS_TEST_TMPDIR/x.yaml"
	mkdir -p "$STAGER_STATE/blueprints"
	cp "$BATS_TEST_TMPDIR/x.yaml" "$STAGER_STATE/blueprints/x.yaml"
	"$STAGER" batch import "$BATS_TEST_TMPDIR/order.csv" --name NORTH --blueprint x
	run "$STAGER" blueprint dry-run x --batch NORTH
	[ "$status" -eq 3 ]
	[[ $output == *"line 3, F2LXK0AAAA02: 02-set_name"*"batch.bed"* ]]
	[[ $output == *"2 lines, 1 problems"* ]]
}

@test "a dry run needs a device or an order" {
	run "$STAGER" blueprint dry-run ipad-hospital-ward
	[ "$status" -eq 2 ]
}

@test "profiles in an order that cannot hold are told, the shipped ones are right" {
	printf 'name: x\nparams: {enrolment_ssid: {default: A}}\nsteps:\n  - pair:\n  - install_profile: {profile: wifi-enrolment, template: yes}\n  - install_profile: {profile: root-ca, template: yes}\n' >"$BATS_TEST_TMPDIR/x.yaml"
	run "$STAGER" blueprint check "$BATS_TEST_TMPDIR/x.yaml"
	[ "$status" -eq 0 ]
	[[ $output == *"root-ca holds a root certificate"*"a Wi-Fi"* ]]
	printf 'name: y\nparams: {mdm_url: {default: "https://a.example/x"}, mdm_topic: {default: com.apple.mgmt.x}}\nsteps:\n  - pair:\n  - set_time:\n  - issue_certificate: {common_name: a, profile: mdm-enrolment}\n' >"$BATS_TEST_TMPDIR/y.yaml"
	run "$STAGER" blueprint check "$BATS_TEST_TMPDIR/y.yaml"
	[[ $output == *"no Wi-Fi comes before it"* ]]
	for b in ipad-hospital-ward iphone-new-in-box automated-enrolment; do
		run "$STAGER" blueprint check "$b"
		[ "$status" -eq 0 ]
		[[ $output != *"may need it"* && $output != *"no Wi-Fi"* ]]
	done
}

@test "a misspelt setup pane and anchors without an address are refused" {
	printf 'name: x\nsteps:\n  - pair:\n  - supervise: {skip: [Sirri]}\n' >"$BATS_TEST_TMPDIR/x.yaml"
	run "$STAGER" blueprint check "$BATS_TEST_TMPDIR/x.yaml"
	[ "$status" -eq 3 ]
	[[ $output == *"did you mean 'Siri'"* ]]
	printf 'name: x\nsteps:\n  - pair:\n  - supervise: {anchors: [org_root]}\n' >"$BATS_TEST_TMPDIR/x.yaml"
	run "$STAGER" blueprint check "$BATS_TEST_TMPDIR/x.yaml"
	[ "$status" -eq 3 ]
	[[ $output == *enrolment_url* ]]
	printf 'name: x\nsteps:\n  - pair:\n  - supervise: {anchors: [org_root], enrolment_url: "https://mdm.example.org/e"}\n' >"$BATS_TEST_TMPDIR/x.yaml"
	run "$STAGER" blueprint check "$BATS_TEST_TMPDIR/x.yaml"
	[ "$status" -eq 0 ]
}
