#!/usr/bin/env bats
# port.bats - the sockets of the bench: learnt by walking, listed with what fits, others left alone; modes of devices.

load lib

setup() { desk; }
teardown() { desk_away; }

ctl() { timeout 60 "$STAGER_BENCH" ctl "$CTL" "$@"; }

# learning LABELS...: the walk in the background, until it has said that it watches.
learning() {
	timeout 120 "$STAGER" port learn --wait 60 "$@" >"$DESK/learnt" 2>"$DESK/said" 3>&- 9>&- </dev/null &
	LEARN=$!
	for _ in $(seq 600); do
		grep -q . "$DESK/said" && return 0
		sleep 0.1
	done
	return 1
}

@test "one device is walked over the sockets; the names stay with them" {
	bench --iphones 1 --slots 16 --unplugged 1
	learning A1-A3
	serial=$(serials)
	ctl plug "$serial" 2-1.2
	for _ in $(seq 300); do grep -q A1 "$DESK/learnt" && break; sleep 0.1; done
	# the same socket again, then another mode: still A1
	ctl replug "$serial" 10 2-1.2
	for _ in $(seq 300); do grep -q already "$DESK/learnt" && break; sleep 0.1; done
	ctl move "$serial" 2-1.7.1
	for _ in $(seq 300); do grep -q A2 "$DESK/learnt" && break; sleep 0.1; done
	ctl move "$serial" 2-1.7.7.4
	wait "$LEARN"
	stager port list --json
	is_status 0
	[ "$(jq -rs '[.[]|select((.label? // "") != "")|.port+"="+.label]|join(" ")' <<<"$output")" = "2-1.2=A1 2-1.7.1=A2 2-1.7.7.4=A3" ]
	[ "$(jq -rs '[.[]|select((.label? // "") != "")|.allowed]|all' <<<"$output")" = true ]
	# a label that is learnt on another socket leaves the old one
	learning A1
	ctl move "$serial" 2-1.3
	wait "$LEARN"
	stager port list --json
	[ "$(jq -r 'select(.label?=="A1")|.port' <<<"$output")" = 2-1.3 ]
}

@test "a second device does not get a name, and an unfinished walk says so" {
	bench --iphones 2 --slots 16 --unplugged 2
	read -r one two <<<"$(serials | tr '\n' ' ')"
	timeout 60 "$STAGER" port learn --wait 3 A1 A2 A3 >"$DESK/learnt" 2>"$DESK/said" 3>&- 9>&- </dev/null &
	LEARN=$!
	for _ in $(seq 300); do grep -q . "$DESK/said" && break; sleep 0.1; done
	ctl plug "$one" 2-1.1
	for _ in $(seq 300); do grep -q A1 "$DESK/learnt" && break; sleep 0.1; done
	ctl plug "$two" 2-1.4
	status=0
	wait "$LEARN" || status=$?
	[ "$status" -eq 6 ]
	grep -q "Another device was plugged in" "$DESK/said"
	stager port list --json
	[ "$(jq -rs '[.[]|select((.label? // "") != "")|.port]|join(" ")' <<<"$output")" = 2-1.1 ] || { echo "$output"; cat "$DESK/learnt" "$DESK/said"; false; }
	stager port learn --wait 0
	is_status 2
}

@test "port list says how much more fits, by the hub's name" {
	bench --iphones 13 --slots 16
	stager port label 2-1 "left hub"
	is_status 0
	stager port list
	is_status 0
	[[ $output == *"Room for 3 more on left hub."* ]]
	stager port list --json
	[ "$(jq -r 'select(.summary)|.summary.bus.hubs[0]|"\(.hub) \(.room) \(.limit) \(.label)"' <<<"$output")" = "2-1 3 sockets left hub" ]
}

@test "recovery, DFU, WTF, port DFU and restore are listed with ECID, sentence and act" {
	bench --iphones 6 --slots 16
	mapfile -t s < <(serials)
	i=0
	for mode in recovery dfu wtf port_dfu restore; do
		ctl set "${s[$i]}" usb_mode "$mode"
		i=$((i + 1))
	done
	stager devices --json
	is_status 0
	[ "$(jq -rs '[.[]|select(.mode? // "normal"|. != "normal")|"\(.mode):\(.code)"]|sort|join(" ")' <<<"$output")" = \
		"dfu:STG-1441 port_dfu:STG-1443 recovery:STG-1440 restore:STG-1444 wtf:STG-1442" ]
	[ "$(jq -r 'select(.mode?=="recovery")|.serial' <<<"$output")" = "${s[0]}" ]
	[ -n "$(jq -r 'select(.mode?=="dfu")|.ecid // empty' <<<"$output")" ]
	[ "$(jq -s '[.[]|select(.port?)]|length' <<<"$output")" -eq 6 ]
	# nobody said a word to them
	for k in 0 1 2 3 4; do [ "$(ctl log "${s[$k]}" | jq '.log|length')" -eq 0 ]; done
}

@test "phones of other makers and ports outside the bench are left alone" {
	bench --iphones 1 --androids 1 --slots 16
	stager devices --json
	is_status 0
	[ "$(jq -r 'select(.family? == null or .family == "")|select(.port)|.code' <<<"$output")" = STG-1114 ]
	stager port allow 2-1.16
	stager stage --blueprint ipad-hospital-ward --all
	[ "$status" -ne 0 ]
	[ "$(ctl log "$(serials | head -1)" | jq '[.log[]|select(test("Pair"))]|length')" -eq 0 ]
}

@test "names may be typed as the walk goes; an empty line ends it" {
	bench --iphones 1 --slots 16 --unplugged 1
	serial=$(serials)
	mkfifo "$DESK/typed"
	timeout 120 "$STAGER" port learn --wait 60 >"$DESK/learnt" 2>"$DESK/said" 3>&- 9>&- <"$DESK/typed" &
	LEARN=$!
	exec 8>"$DESK/typed"
	for _ in $(seq 600); do grep -q . "$DESK/said" && break; sleep 0.1; done
	ctl plug "$serial" 2-1.3
	for _ in $(seq 600); do grep -q "2-1.3" "$DESK/said" && break; sleep 0.1; done
	echo "window left" >&8
	for _ in $(seq 600); do grep -q "window left" "$DESK/learnt" && break; sleep 0.1; done
	ctl move "$serial" 2-1.7.2
	for _ in $(seq 600); do grep -q "2-1.7.2" "$DESK/said" && break; sleep 0.1; done
	echo "door" >&8
	for _ in $(seq 600); do grep -q "door" "$DESK/learnt" && break; sleep 0.1; done
	ctl move "$serial" 2-1.5
	for _ in $(seq 600); do grep -q "2-1.5" "$DESK/said" && break; sleep 0.1; done
	echo >&8
	wait "$LEARN"
	exec 8>&-
	stager port list --json
	[ "$(jq -rs '[.[]|select((.label? // "") != "")|.port+"="+.label]|join(" ")' <<<"$output")" = "2-1.7.2=door 2-1.3=window left" ] || { echo "$output"; cat "$DESK/learnt" "$DESK/said"; false; }
}

@test "a phone that comes back in DFU is known by its ECID: the inventory's serial stands beside it" {
	bench --ipads 1 --slots 16
	serial=$(serials)
	stager init
	stager port allow all
	stager stage --blueprint ipad-hospital-ward --all
	is_status 0
	ctl set "$serial" usb_mode dfu
	stager devices --json
	is_status 0
	[ "$(jq -r 'select(.mode?=="dfu")|.serial' <<<"$output")" = "$serial" ] || { echo "$output"; false; }
	[ "$(jq -r 'select(.mode?=="dfu")|.code' <<<"$output")" = STG-1441 ]
}
