#!/usr/bin/env bats
# stager doctor: what is wrong stands there with a sentence, one act and a code; what is right stands there too.

load lib.bash

setup() { desk; cd "$DESK"; }
teardown() { cd /; desk_away; }

# line CHECK: the (first) JSON line of a check
line() { jq -c --arg c "$1" 'select(.check == $c)' <<<"$output" | head -1; }
level() { jq -r .level <<<"$(line "$1")"; }
code() { jq -r .code <<<"$(line "$1")"; }

# called ARGS...: a bench under the name usbmuxd; a folder of the receiver plays the part of an option
called() {
	ln -sf "$STAGER_BENCH" "$DESK/usbmuxd"
	STAGER_BENCH=$DESK/usbmuxd bench --ipads 0 --receiver 127.0.0.1:0 --receiver-dir "$@"
}

# run_station: a station of this state, waited for by the line it says
run_station() {
	mkfifo "$DESK/said"
	"$STAGER" run >"$DESK/said" 2>"$DESK/station.log" 3>&- 9>&- </dev/null &
	exec 8<>"$DESK/said"
	read -r -t 120 -u 8 _ || { cat "$DESK/station.log"; return 1; }
}

@test "a station that cannot work: what fails has a sentence, an act and a code, and the status is 4" {
	stager init --rehearsal
	export USBMUXD_SOCKET_ADDRESS=UNIX:$DESK/nobody
	stager --json doctor
	is_status 4
	[ "$(level usbmuxd)" = fail ]
	[ "$(code usbmuxd)" = STG-1400 ]
	[ -n "$(jq -r .act <<<"$(line usbmuxd)")" ]
	[ "$(jq -rs '.[-1].summary.fit' <<<"$output")" = false ]
	# keys that programs rely on, on every line
	[ "$(jq -rs 'map(select(.check) | (keys == ["act","check","code","level","text","v"]) and (.level | IN("ok","warn","fail"))) | all' <<<"$output")" = true ]
	# what is well needs no act and has no code; what is not has both
	[ "$(jq -rs 'map(select(.check) | if .level == "ok" then .act == "" and .code == "" else .act != "" and (.code | test("^STG-[0-9]{4}$")) end) | all' <<<"$output")" = true ]
}

@test "a state that others may read fails" {
	bench --ipads 0
	stager init
	chmod 755 "$STAGER_STATE"
	stager --json doctor
	is_status 4
	[ "$(level permissions)" = fail ]
	[ "$(code permissions)" = STG-1533 ]
	chmod 700 "$STAGER_STATE"
	stager --json doctor
	is_status 0
	[ "$(level permissions)" = ok ]
}

@test "no backup of the keys is told; when it is verified, since when" {
	bench --ipads 0
	stager init
	stager org create North
	stager --json doctor
	[ "$(jq -r 'select(.check == "backup" and .level == "warn") | .code' <<<"$output")" = STG-1112 ]
	stager org backup b --name North <<<"a passphrase of some length"
	is_status 0
	stager --json doctor
	[ -z "$(jq -r 'select(.check == "backup" and .level != "ok") | .code' <<<"$output")" ]
}

@test "dates that end are told a month ahead, and fail when they have passed" {
	bench --ipads 0
	stager init
	stager --json doctor
	is_status 0
	[ "$(jq -rs 'map(select(.check == "identity" or .check == "CA")) | length > 3 and all(.level == "ok")' <<<"$output")" = true ]
	# the issuing authority lives three years; the clock may go forward, never back
	at +1080d --json doctor
	is_status 0
	[ "$(jq -rs 'map(select(.check == "CA" and .level == "warn" and .code == "STG-1535")) | length > 0' <<<"$output")" = true ] || { echo "$output"; false; }
	at +1200d --json doctor
	is_status 4
	[ "$(jq -rs 'map(select(.check == "CA" and .level == "fail" and .code == "STG-1536")) | length > 0' <<<"$output")" = true ]
}

@test "usbmuxd that would pair by itself, or leave, is told with its cure" {
	called plain
	stager init
	stager --json doctor
	is_status 0
	[ "$(level usbmuxd)" = warn ]
	[ "$(code usbmuxd)" = STG-1531 ]
	[[ "$(jq -r .text <<<"$(line usbmuxd)")" == *pair* ]]
}

@test "usbmuxd with the right options is right" {
	called --no-preflight
	stager init
	stager --json doctor
	is_status 0
	[ "$(level usbmuxd)" = ok ] || { echo "$output"; false; }
}

@test "usbmuxd without hot-plug sees nothing: that fails" {
	called --disable-hotplug
	stager init
	stager --json doctor
	is_status 4
	[ "$(level usbmuxd)" = fail ]
}

@test "a person reads it in French, on a running station as well" {
	bench --ipads 0
	stager init
	run_station
	stager --lang fr doctor
	is_status 0
	[[ "$output" == *"sauvegarde"*"expire le"* ]] || { echo "$output"; false; }
	stager --json doctor
	[ "$(level socket)" = ok ]
	[ "$(level station)" = ok ]
}
