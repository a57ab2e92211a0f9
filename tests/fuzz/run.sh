#!/bin/sh
# run.sh BUILD_DIR ENTRY... - lets libFuzzer work on each entry, FUZZ_JOBS (2) at a time, one line each; the first finding ends it.
#
#   FUZZ_SECONDS=N   for each entry (10)
#   FUZZ_UNTIL=T     a moment (seconds since 1970) by which all must be done: the entries share what is left, at least 1 s each
#
# What is found is kept as BUILD_DIR/ENTRY-crash-...; put it into tests/fuzz/corpus/ENTRY with a name that says what it is.
set -u
if [ "${1:-}" = --one ]; then
	B=$2 name=$3 seconds=$4
	log=$B/$name.log
	mkdir -p "$B/corpus/$name" "tests/fuzz/corpus/$name"
	if ! "$B/tests/fuzz/$name" -max_total_time="$seconds" -rss_limit_mb=512 -timeout=10 -print_final_stats=1 -artifact_prefix="$B/$name-" \
		"$B/corpus/$name" "tests/fuzz/corpus/$name" >"$log" 2>&1; then
		echo "  FOUND $name"
		tail -40 "$log" | sed 's/^/      | /'
		exit 255        # xargs stops here
	fi
	echo "  fuzz  $name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs in $seconds s"
	exit 0
fi
B=$1
shift
jobs=${FUZZ_JOBS:-2} seconds=${FUZZ_SECONDS:-10} all=$#
if [ -n "${FUZZ_UNTIL:-}" ]; then
	share=$(((FUZZ_UNTIL - $(date +%s)) * jobs / all - 2))
	[ "$share" -ge 1 ] || share=1
	[ "$share" -ge "$seconds" ] || seconds=$share
fi
printf '%s\n' "$@" | xargs -P "$jobs" -I NAME sh tests/fuzz/run.sh --one "$B" NAME "$seconds" || exit 1
echo "fuzz: $all parsers, $seconds s each, nothing found"
