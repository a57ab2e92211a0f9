#!/usr/bin/env bats
# A blueprint's profile asks for its challenge by itself; a certificate step is made by a template of the CA.

load ../cmd/lib.bash

setup() {
	desk
	bench --ipads 1
	SERIAL=$(serials)
	"$STAGER" init --rehearsal >/dev/null
	"$STAGER" org create "Clinique Sud" --domain sud.example >/dev/null
	"$STAGER" port allow all >/dev/null
	mkdir -p "$STAGER_STATE/blueprints"
}
teardown() { desk_away; }

# blueprint NAME STEPS
blueprint() {
	printf 'name: %s\nsteps:\n  - identify:\n  - pair:\n  - set_time:\n  - activate:\n  - supervise:\n%s\n' "$1" "$2" >"$STAGER_STATE/blueprints/$1.yaml"
}

@test "the profile of each device gets a challenge of its own, bound to its serial number" {
	blueprint scep "  - install_profile: {profile: scep-identity, template: yes, certificate_template: user}"
	# nobody answers devices yet: told before anything is installed
	stager stage --all --blueprint scep
	[ "$status" -ne 0 ]
	[[ "$output$stderr" == *1982* || "$output$stderr" == *SCEP* ]] || { echo "$output$stderr"; false; }
	stager scep set --url http://192.168.77.1:8090/scep
	is_status 0
	stager stage --all --blueprint scep
	is_status 0
	stager scep list --json
	[ "$(jq -rs '[.[] | select(.device_serial)] | length' <<<"$output")" = 1 ] || { echo "$output"; false; }
	[ "$(jq -rs '.[0] | "\(.device_serial) \(.template) \(.state) \(.actor)"' <<<"$output")" = "$SERIAL user open station" ] || { echo "$output"; false; }
	# the word itself is on the device and nowhere here
	! grep -rqa '"challenge":"[A-Za-z0-9_-]\{32\}"' "$STAGER_STATE"
}

@test "a server whose pool is empty holds the device, and says so" {
	stager scep set --url http://192.168.77.1:8090/scep
	stager scep proxy add ndes --url https://ndes.example.org/certsrv/mscep/mscep.dll </dev/null
	is_status 0
	blueprint scep "  - install_profile: {profile: scep-identity, template: yes, scep_server: ndes}"
	stager stage --all --blueprint scep
	[ "$status" -ne 0 ]
	[[ "$output$stderr" == *1989* || "$output$stderr" == *challenge* ]] || { echo "$output$stderr"; false; }
	blueprint none "  - install_profile: {profile: scep-identity, template: yes, scep_server: nosuch}"
	stager stage --all --blueprint none
	[ "$status" -ne 0 ]
}

@test "a certificate is made by the template the step names, and what the step says itself goes before it" {
	stager ca template set ward --cn '{{serial}}-ward' --san 'uri:urn:ward:{{serial}}' --key p-256 --days 30
	is_status 0
	blueprint cert "  - issue_certificate: {certificate_template: ward}"
	stager stage --all --blueprint cert
	is_status 0
	stager ca list --serial "$SERIAL" --json
	[ "$(jq -rs '.[0].subject' <<<"$output")" != null ]
	[[ "$output" == *"$SERIAL-ward"* && "$output" == *"urn:ward:$SERIAL"* ]] || { echo "$output"; false; }
	[ "$(jq -rs '.[0] | (.not_after_ms - .not_before_ms) / 86400000 | floor' <<<"$output")" -le 31 ]
	blueprint wrong "  - issue_certificate: {certificate_template: nosuch}"
	stager stage --all --blueprint wrong
	[ "$status" -ne 0 ]
	blueprint nobody "  - issue_certificate: {days: 3}"
	stager blueprint check nobody
	is_status 3
	[[ "$stderr" == *certificate_template* ]] || { echo "$stderr"; false; }
}
