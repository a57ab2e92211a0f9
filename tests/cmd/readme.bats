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
