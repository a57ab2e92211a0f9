#!/bin/sh
# make bench: measures, with peers beside, into BUILD/bench.json.
set -eu
B=$(cd "${1:-build}" && pwd)    # some of what is measured runs elsewhere
make -s B="${1:-build}" "${1:-build}/tests/bench/measure" "${1:-build}/tests/bench/million" "${1:-build}/tests/bench/push"
B=$B sh images/deps-npm.sh || echo "bench: go-ios is not there; its figures are left out" >&2
B=$B STAGER=$B/stager STAGER_BENCH=$B/stager-bench "$B/tests/bench/measure" "$B/bench.json" "$B/peers"
"$B/tests/bench/million" "$B/bench.json" "$B/stager"
"$B/tests/bench/push" "$B/bench.json"
sh tests/bench/scep.sh "$B" || echo "bench: the SCEP figures are left out" >&2
echo "written to $B/bench.json"
