#!/bin/sh
# run.sh BUILD_DIR - runs every test: the programs built from tests/**/test_*.c, the replays of tests/fuzz/corpus and
# tests/**/*.bats, two at a time, one line each. What failed shows what it said. The last line is the sum.
#
#   STG_ONLY=NAME      only those with NAME in their path; STG_ONLY=tsan: those named in tests/tsan.list
#   STG_VALGRIND=1     C programs only, each with all processes it starts under valgrind
#   STG_SANITIZED=1    BUILD_DIR was built with a sanitizer
#   STG_JOBS=N         how many at a time (2)
#   STG_TIMEOUT=N      seconds for one program (300; ten times as long under valgrind)
#
# What a sanitizer or valgrind says goes into a file for each process, never to standard error, where a test may read it,
# throw it away or lose it with a log: a file with a word in it makes the test red, whichever process wrote it and however
# the test itself ended. STG_REPORTS is where they are.
#
# Each gets B, STAGER and STAGER_BENCH (absolute paths), an empty TMPDIR and HOME of its own, UTC and UTF-8.
set -u

# Helpers leave when they hear that nobody needs them; their last word about leaks comes then. TMPDIR tells whose they are.
settled() {
	tries=100
	while [ $tries -gt 0 ] && env -u TMPDIR grep -qsxzF "TMPDIR=$TMPDIR" /proc/[0-9]*/environ; do
		sleep 0.1
		tries=$((tries - 1))
	done
}

# timeout gives the command a process group of its own: what the command leaves behind ends with it.
timed() {
	timeout -k 10 "$STG_TIMEOUT" "$@" >"$log" 2>&1 </dev/null &
	group=$!
	wait "$group"
	status=$?
	[ -z "${STG_VALGRIND:-}${STG_SANITIZED:-}" ] || settled
	kill -KILL -- "-$group" 2>/dev/null
}

# One program: `run.sh --one KIND PATH NAME`, with the settings of the whole run in the environment.
one() {
	kind=$1 path=$2 name=$3
	log=$R/$(echo "$name" | tr / -).log
	TMPDIR=$(mktemp -d /tmp/stg.XXXXXX) || exit 1
	HOME=$TMPDIR/home
	mkdir "$HOME"
	export TMPDIR HOME
	# one folder for each test: children inherit the place, forked or started anew
	reports=$STG_REPORTS/$(echo "$name" | tr / -)
	mkdir -p "$reports"
	ASAN_OPTIONS=$ASAN_OPTIONS:log_path=$reports/report
	UBSAN_OPTIONS=$UBSAN_OPTIONS:log_path=$reports/report
	TSAN_OPTIONS=$TSAN_OPTIONS:log_path=$reports/report
	export ASAN_OPTIONS UBSAN_OPTIONS TSAN_OPTIONS
	group=
	trap '[ -z "$group" ] || kill -KILL -- "-$group" 2>/dev/null; rm -rf "$TMPDIR"; exit 130' INT TERM HUP
	begin=$(date +%s)
	case $kind in
	missing) echo "not built: $path" >"$log"; status=1 ;;
	bats) timed bats --tap "$path" ;;
	*)
		wrap=
		[ -z "${STG_VALGRIND:-}" ] ||
			wrap="env LD_PRELOAD=$B/tests/quick_keys.so STG_QUICK_KEYS=$B/bench-keys valgrind -q --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite --num-callers=24
				--suppressions=tests/valgrind.supp --log-file=$reports/report.%p --trace-children=yes
				--trace-children-skip=/bin/*,/usr/*"
		# shellcheck disable=SC2086 # $wrap is a list of words
		timed $wrap "$path" ;;
	esac
	seconds=$(($(date +%s) - begin))
	chmod -R u+w "$TMPDIR" 2>/dev/null
	rm -rf "$TMPDIR"

	# cmocka and bats both speak TAP here, but cmocka says "not ok 5 # SKIP"
	skipped=$(grep -ciE '^(not )?ok .*# skip' "$log")
	failed=$(grep -E '^not ok ' "$log" | grep -civ '# skip')
	passed=$(grep -E '^ok ' "$log" | grep -civ '# skip')
	why=
	# a process that is killed while the leak checker looks at it says only that, and valgrind 3.19 does not know
	# pidfd_open (434), without which the program waits in another way; every other word counts
	found=0
	for report in "$reports"/*; do
		[ -f "$report" ] && grep -qvE '^$|Unable to get registers|syscall: 434$|^--[0-9]+-- (You may be able|Read the file README_MISS|Nevertheless we consider|it at http:)|was not suspended\. False leaks' "$report" || continue
		found=$((found + 1))
		[ $found -gt 4 ] || { echo "== ${report##*/}"; head -60 "$report"; } >>"$log"
	done
	if [ "$found" -gt 0 ]; then
		why=" ($found reports)"
		[ "$failed" -gt 0 ] || failed=1
	fi
	[ "$status" -ne 124 ] && [ "$status" -ne 137 ] || why=" (stopped after $STG_TIMEOUT s)"
	[ "$status" -lt 128 ] || [ -n "$why" ] || why=" (signal $((status - 128)))"
	if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then
		failed=1
		[ -n "$why" ] || why=" (exit $status)"
	elif [ "$status" -eq 0 ] && [ $((passed + failed + skipped)) -eq 0 ]; then
		failed=1
		why=" (ran no test)"
	fi
	echo "$passed $failed $skipped" >"${log%.log}.sum"
	text="$passed passed"
	[ "$failed" -eq 0 ] || text="$text, $failed failed$why"
	[ "$skipped" -eq 0 ] || text="$text, $skipped skipped"
	verdict=ok
	[ "$failed" -eq 0 ] || verdict=FAIL
	{
		flock 9
		printf '%-4s  %-44s %s, %s s\n' "$verdict" "$name" "$text" "$seconds"
		[ "$failed" -eq 0 ] || sed 's/^/      | /' "$log"
	} 9>"$R/lock"
}

if [ "${1:-}" = --one ]; then
	one "$2" "$3" "$4"
	exit 0
fi

[ $# -eq 1 ] || { echo "usage: sh tests/run.sh BUILD_DIR" >&2; exit 2; }
top=$(cd "$(dirname "$0")/.." && pwd) || exit 2
B=$(cd "$1" && pwd) || exit 2
cd "$top" || exit 2
R=$B/test-results
rm -rf "$R"
mkdir -p "$R"
# TAP is asked of cmocka in the environment; the rest is what must not leak in from the person's own
unset USBMUXD_SOCKET_ADDRESS STAGER_STATE STAGER_SYSFS XDG_STATE_HOME LANGUAGE CMOCKA_XML_FILE
STG_REPORTS=$R/reports
CMOCKA_MESSAGE_OUTPUT=TAP LC_ALL=C.UTF-8 TZ=UTC
STAGER=$B/stager STAGER_BENCH=$B/stager-bench
if [ -z "${STG_TIMEOUT:-}" ]; then
	STG_TIMEOUT=300
	[ -z "${STG_VALGRIND:-}${STG_SANITIZED:-}" ] || STG_TIMEOUT=3000
fi
# a station under a sanitizer or valgrind needs its time
[ -z "${STG_VALGRIND:-}${STG_SANITIZED:-}" ] || : "${STG_SETTLE_MS:=900000}"
if [ -n "${STG_VALGRIND:-}" ]; then
	# every process is thirty times slower: what grows with a number gets a small one, the soak runs have the large ones
	: "${STG_DEVICES:=8}" "${STG_KILLS:=4}" "${STG_CUTS:=10}" "${STG_EVENTS:=20000}" "${STAGER_POOL:=1}"
	export STG_DEVICES STG_KILLS STG_CUTS STG_EVENTS
fi
[ -z "${STG_SETTLE_MS:-}" ] || export STG_SETTLE_MS
# a station that lives for a test of seconds need not make keys for a day: making them is most of what the run costs
: "${STAGER_POOL:=1}"
export STAGER_POOL
: "${ASAN_OPTIONS:=abort_on_error=0:detect_stack_use_after_return=1:handle_abort=1}" "${TSAN_OPTIONS:=second_deadlock_stack=1:suppressions=$top/tests/tsan.supp}"
# GCC's two runtimes in one program share the place to write to and only the first obeys it: so the undefined-behaviour one
# aborts, and the address sanitizer writes down where (handle_abort)
: "${LSAN_OPTIONS:=print_suppressions=0}" "${UBSAN_OPTIONS:=halt_on_error=1:print_stacktrace=1:abort_on_error=1}"
export B R STG_REPORTS STAGER STAGER_BENCH STG_TIMEOUT CMOCKA_MESSAGE_OUTPUT LC_ALL TZ ASAN_OPTIONS LSAN_OPTIONS UBSAN_OPTIONS TSAN_OPTIONS

list() {
	find tests -name 'test_*.c' -not -path 'tests/fuzz/*' | sort | while read -r source; do
		echo "$B/${source%.c} ${source%.c}"
	done
	for source in tests/fuzz/fuzz_*.c; do
		[ -f "$source" ] && echo "$B/tests/replay/$(basename "$source" .c) tests/replay/$(basename "$source" .c)"
	done
}
wanted() {
	case ${STG_ONLY:-} in
	'') ;;
	tsan) grep -qxF "$1" tests/tsan.list 2>/dev/null ;;
	*) case $1 in *"$STG_ONLY"*) ;; *) return 1 ;; esac ;;
	esac
}
{
	list | while read -r path name; do
		wanted "$name" || continue
		kind=program
		[ -x "$path" ] || kind=missing
		printf '%s\n%s\n%s\n' "$kind" "$path" "$name"
	done
	[ -n "${STG_VALGRIND:-}" ] || find tests -name '*.bats' | sort | while read -r path; do
		! wanted "$path" || printf '%s\n%s\n%s\n' bats "$path" "$path"
	done
} | xargs -r -d '\n' -n 3 -P "${STG_JOBS:-2}" sh tests/run.sh --one

cat "$R"/*.sum 2>/dev/null | awk '
	{ passed += $1; failed += $2; skipped += $3 }
	END {
		if (NR == 0)
			print "no test was run" > "/dev/stderr"
		printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
		exit NR == 0 || failed > 0
	}'
