#!/usr/bin/env bats
# `make install DESTDIR=...` as any user: everything is in its place and fits together.

load lib.bash

setup() { desk; }
teardown() { desk_away; }

installed() { # the programs of this run, whatever compiler and sanitizer made them
	make -s -C "$TOP" B="${B:-$TOP/build}" DESTDIR="$DESK/root" "$@" -o "$STAGER" -o "$STAGER_BENCH" -o build install >"$DESK/make.log" 2>&1 3>&- ||
		{ cat "$DESK/make.log"; return 1; }
}

@test "make install puts program, bench, unit, rules, user, pages and completion in place" {
	installed
	cd "$DESK/root/usr"
	[ -x bin/stager ] && [ -x libexec/stager/stager-bench ]
	grep -q '^ExecStart=/usr/bin/stager run$' lib/systemd/system/stager.service
	grep -q '^Type=notify' lib/systemd/system/stager.service
	grep -q '^ExecStart=$' lib/systemd/system/usbmuxd.service.d/stager.conf
	grep -q -- '--no-preflight' lib/systemd/system/usbmuxd.service.d/stager.conf
	[ -f lib/systemd/system/stager-usb.socket ] && [ -x libexec/stager/usb-announce ]
	grep -q "^ExecStart=/usr/bin/stager scep serve\$" lib/systemd/system/stager-scep.service
	grep -q '^ExecStart=/usr/libexec/stager/usb-announce$' lib/systemd/system/stager-usb@.service
	[ -f lib/udev/rules.d/60-stager.rules ] && [ -f lib/sysusers.d/stager.conf ]
	for name in $("$STAGER" help --completion | cut -d' ' -f1); do
		[ -f "share/man/man1/stager-$name.1.gz" ] || { echo "no page of $name"; false; }
	done
	[ -f share/man/man1/stager.1.gz ]
	[ -f share/locale/fr/LC_MESSAGES/stager.mo ]
}

@test "an installed program speaks French and finds its bench" {
	installed
	# the catalogue of an installed program is the system's; beside the program it is a build tree's
	run "$DESK/root/usr/bin/stager" --version
	[ "$status" -eq 0 ]
	run --separate-stderr timeout 120 "$STAGER" --lang fr --help 3>&-
	[[ "$output" == *"appareils"* ]]
}

@test "another prefix reaches the unit" {
	installed PREFIX=/opt/stager
	grep -q '^ExecStart=/opt/stager/bin/stager run$' "$DESK/root/opt/stager/lib/systemd/system/stager.service"
}

@test "another prefix speaks French and finds its bench, also after it was moved" {
	installed PREFIX=/opt/stager
	mv "$DESK/root/opt/stager" "$DESK/elsewhere"
	run --separate-stderr env -u LANGUAGE LC_ALL= LANG=fr_FR.UTF-8 timeout 60 "$DESK/elsewhere/bin/stager" --help 3>&-
	[[ "$output" == *"appareils"* ]]
	run --separate-stderr timeout 200 "$DESK/elsewhere/bin/stager" demo --once --clean --devices 1 --json --pace instant 3>&-
	[ "$status" -eq 0 ] && [ "$(jq .staged <<<"$output")" -eq 1 ]
}

@test "completion offers commands and verbs" {
	installed
	run bash -c "source '$DESK/root/usr/share/bash-completion/completions/stager'
		COMP_WORDS=(stager ba); COMP_CWORD=1; _stager; echo \"\${COMPREPLY[*]}\"
		COMP_WORDS=(stager --state x batch st); COMP_CWORD=4; _stager; echo \"\${COMPREPLY[*]}\""
	[ "${lines[0]}" = batch ] && [ "${lines[1]}" = start ]
}

@test "every page is clean roff" {
	command -v groff >/dev/null || skip "no groff"
	sh "$TOP/images/man.sh" "$STAGER" "$DESK/man"
	for page in "$DESK"/man/*.1; do
		run groff -man -Tutf8 -ww -z "$page"
		[ -z "$output" ] || { echo "$page: $output"; false; }
	done
}
