#!/usr/bin/env bats
# The live board: fits its terminal, cuts no sentence a hand needs, keeps accents whole, speaks French.

load lib.bash

setup() { desk; }
teardown() {
	tmux -L "desk$$" kill-server 2>/dev/null || true
	desk_away
}

# board COLUMNS ROWS COMMAND...: what stands on a terminal of that size when the command has ended.
board() {
	command -v tmux >/dev/null || skip "no tmux"
	local columns=$1 rows=$2
	shift 2
	tmux -L "desk$$" -f /dev/null new-session -d -x "$columns" -y "$rows" "$*; tmux -L desk$$ wait-for -S ended; sleep 1000"
	timeout 120 tmux -L "desk$$" wait-for ended
	tmux -L "desk$$" capture-pane -p -S - >"$DESK/screen"
}

staged_ward() { # one iPad through the ward's blueprint on a terminal of 80 columns
	bench --ipads 1
	printf 'Serial Number;Asset;Name;Ownership\n%s;Écran-éàü;Élodie;pool\n' "$(serials | head -1)" >"$DESK/order.csv"
	stager init
	stager port allow all
	stager batch import "$DESK/order.csv" --name N --blueprint ipad-hospital-ward
	is_status 0
}

@test "on 80 columns every line stands once" {
	staged_ward
	board 80 24 "$STAGER" batch start N --watch
	[ "$(grep -c '^2-1' "$DESK/screen")" -eq 1 ] || { cat "$DESK/screen"; false; }
	grep -q '✔ staged' "$DESK/screen"
}

@test "the board says how many more fit on the hub, by its name" {
	bench --ipads 1
	"$STAGER_BENCH" ctl "$CTL" set "$(serials | head -1)" supervised_by_other true >/dev/null
	stager init
	stager port allow all
	stager port label 2-1 "left hub"
	is_status 0
	command -v tmux >/dev/null || skip "no tmux"
	tmux -L "desk$$" -f /dev/null new-session -d -x 80 -y 24 "$STAGER stage --blueprint ipad-hospital-ward --all"
	for _ in $(seq 600); do
		tmux -L "desk$$" capture-pane -p >"$DESK/screen"
		! grep -q '^Room for [0-9]* more on left hub\.$' "$DESK/screen" || break
		read -rt 0.1 <> <(:) || true
	done
	grep -q '^Room for [0-9]* more on left hub\.$' "$DESK/screen" || { cat "$DESK/screen"; false; }
}

@test "on 60 columns what a hand must do stands whole on a line of its own" {
	bench --ipads 1
	"$STAGER_BENCH" ctl "$CTL" set "$(serials | head -1)" supervised_by_other true >/dev/null
	stager init
	stager port allow all
	command -v tmux >/dev/null || skip "no tmux"
	tmux -L "desk$$" -f /dev/null new-session -d -x 60 -y 24 "$STAGER stage --blueprint ipad-hospital-ward --all"
	for _ in $(seq 600); do
		tmux -L "desk$$" capture-pane -p >"$DESK/screen"
		! grep -q '^ *Not ours? Do not tap Trust. Ours: tap Trust\.$' "$DESK/screen" || break
		read -rt 0.1 <> <(:) || true
	done
	grep -q '^ *Not ours? Do not tap Trust. Ours: tap Trust\.$' "$DESK/screen" || { cat "$DESK/screen"; false; }
	[ "$(grep -c '^2-1' "$DESK/screen")" -eq 1 ]
}

@test "a tag with accents is cut between characters" {
	staged_ward
	stager batch start N --watch
	is_status 0
	[[ "$output" == *"Écran-éà "* ]] || { echo "$output"; false; }
	iconv -f utf-8 -t utf-8 <<<"$output" >/dev/null
}

@test "the steps are French for who asks in French" {
	staged_ward
	stager --lang fr batch start N --watch
	is_status 0
	[[ "$output" == *"superviser"* && "$output" == *"poser profil"* && "$output" == *"✔ préparé"* ]] || { echo "$output"; false; }
	[[ "$output" != *"install"* && "$output" != *"certificate"* ]]
}

@test "a device is shown on one screen: who it is, its jobs, each step, its certificates" {
	staged_ward
	stager batch start N --watch
	is_status 0
	stager inventory show "$(serials | head -1)"
	is_status 0
	[ "$(wc -l <<<"$output")" -lt 60 ] || { echo "$output"; false; }
	for word in "Élodie" "Écran-éàü" "✔ staged" supervise install_profile installed; do
		[[ "$output" == *"$word"* ]] || { echo "$word is not in: $output"; false; }
	done
	[[ "$output" != *1970* ]]
	stager --lang fr inventory show "$(serials | head -1)"
	[[ "$output" == *"Travaux"* ]]
	stager --json inventory show "$(serials | head -1)"
	[ "$(jq -r '.jobs[0].steps | length > 10' <<<"$output")" = true ]
}
