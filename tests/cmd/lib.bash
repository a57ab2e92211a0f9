# lib.bash - a desk for a test of commands: a state of its own, no word from outside, a virtual bench on request.
#
#   setup()    { desk; }           DESK is its folder, also the state's parent; STAGER_STATE names a state not made yet
#   teardown() { desk_away; }
#   bench --ipads 2                starts a virtual bench; CTL is its control socket

bats_require_minimum_version 1.5.0
TOP=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
: "${STAGER:=$TOP/build/stager}" "${STAGER_BENCH:=$TOP/build/stager-bench}"

desk() {
	unset USBMUXD_SOCKET_ADDRESS STAGER_SYSFS STAGER_ACTIVATION_URL NOTIFY_SOCKET
	DESK=$(mktemp -d "${TMPDIR:-/tmp}/desk.XXXXXX")
	export STAGER_STATE=$DESK/state XDG_STATE_HOME=$DESK/xdg LANGUAGE= LC_ALL=C.UTF-8
	BENCH_PID=
}

desk_away() {
	[ ! -S "$STAGER_STATE/stager.sock" ] || timeout 60 "$STAGER" stop --now >/dev/null 2>&1 || true
	if [ -n "$BENCH_PID" ]; then
		kill "$BENCH_PID" 2>/dev/null || true
		wait "$BENCH_PID" 2>/dev/null || true
	fi
	chmod -R u+w "$DESK" 2>/dev/null || true
	rm -rf "$DESK"
}

bench() {
	CTL=unix:$DESK/ctl
	mkfifo "$DESK/ready"
	"$STAGER_BENCH" --usbmuxd "unix:$DESK/mux" --control "$CTL" --sysfs "$DESK/sys" --pace instant --with-parent "$@" \
		>"$DESK/ready" 2>"$DESK/bench.log" 3>&- </dev/null &
	BENCH_PID=$!
	exec 9<>"$DESK/ready"
	if ! read -r -t 120 -u 9 READY; then
		echo "the bench did not start: $(cat "$DESK/bench.log")" >&2
		return 1
	fi
	export USBMUXD_SOCKET_ADDRESS=UNIX:$DESK/mux STAGER_SYSFS=$DESK/sys
	STAGER_ACTIVATION_URL=$(jq -r '.activation // empty' <<<"$READY")
	export STAGER_ACTIVATION_URL
}

serials() { "$STAGER_BENCH" ctl "$CTL" list | jq -r '.devices[].serial'; }

# stager ARGS...: `run` with a deadline; output and stderr apart.
stager() {
	run --separate-stderr timeout 120 "$STAGER" "$@" 3>&- 9>&-
}

# at +20d ARGS...: the same with its clock put forward (never back again in one test). faketime comes before a sanitizer's library.
at() {
	local when=$1
	shift
	ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0 run --separate-stderr timeout 120 faketime -f "$when" "$STAGER" "$@" 3>&- 9>&-
}

# is_status N: says what was printed when it is another one.
is_status() {
	[ "$status" -eq "$1" ] || { printf 'status %s, not %s\n%s\n%s\n' "$status" "$1" "$output" "$stderr"; return 1; }
}

# one_sentence: something was said on standard error, in few lines, and nobody crashed.
one_sentence() {
	[ -n "$stderr" ] && [ "$(wc -l <<<"$stderr")" -le 2 ] || { printf 'not one sentence:\n%s\n' "$stderr"; return 1; }
}
