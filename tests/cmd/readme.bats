#!/usr/bin/env bats
# What README.md promises: the eight commands run as they stand there, on a virtual bench; every package is accounted for.

load lib.bash

setup() { desk; }
teardown() { desk_away; }

@test "the eight commands of README.md stage a device" {
	bench --ipads 1
	cd "$DESK"
	printf 'Serial Number;Asset;Ownership\n%s;A-1001;pool\n' "$(serials | head -1)" >order.csv
	sed -n '/<!-- eight commands/,/^```$/p' "$TOP/README.md" | grep '^stager ' >commands
	[ "$(wc -l <commands)" -eq 8 ]
	while read -r -u 8 line; do
		run --separate-stderr timeout 120 bash -c "stager() { '$STAGER' \"\$@\"; }; $line" <<<"correct horse battery"
		[ "$status" -eq 0 ] || { echo "$line: $status $output $stderr"; false; }
	done 8<commands
	grep -q ',staged,\|staged' papers/result.csv
	[ -s papers/handover.pdf ]
}

@test "the lines that start a virtual bench do, typed without a pause" {
	sed -n '/^No device at hand/,/^Results to your/p' "$TOP/README.md" | sed -n '/^```sh/,/^```$/p' | grep -v '^```' >"$DESK/lines"
	[ "$(wc -l <"$DESK/lines")" -eq 5 ]
	mkdir "$DESK/build"
	ln -s "$STAGER" "$DESK/build/stager"
	ln -s "$STAGER_BENCH" "$DESK/build/stager-bench"
	run --separate-stderr env TMPDIR="$DESK" timeout 120 bash -c "cd '$DESK'; . ./lines; kill %1" 3>&-
	[ "$(jq -r '.devices[0].serial' <<<"$output")" != null ] || { echo "$output $stderr"; false; }
}

@test "README.md says of every package what it is for" {
	for package in $(make -s -C "$TOP" -f "$TOP/Makefile" --eval='packages-listed: ; @echo $(DEPS) $(DEPS_CHECK)' packages-listed); do
		grep -q "^| .*\b$package\b" "$TOP/README.md" || { echo "README.md does not speak of $package"; false; }
	done
}

@test "README.md names every room" {
	for room in $(find "$TOP"/stager "$TOP"/drivers -mindepth 1 -maxdepth 1 -type d -printf '%P\n'); do
		grep -q "/$room\`" "$TOP/README.md" || { echo "README.md does not know the room $room"; false; }
	done
}
