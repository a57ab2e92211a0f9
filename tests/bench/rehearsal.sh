#!/bin/sh
# rehearsal.sh BUILD - does a rehearsal at a twentieth of the time foretell the run at real pace within 10 %?
#
# For:    make soak. Not in the timed check: a loaded machine makes both numbers its own.
set -eu
build=$(cd "$1" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT INT TERM
export STAGER_STATE="$dir/state"
unset USBMUXD_SOCKET_ADDRESS STAGER_SYSFS || true
"$build/stager" --quiet init >/dev/null
"$build/stager" --quiet org create Rehearsed >/dev/null
{
	echo 'Serial Number;Asset;Ownership;Model'
	for n in 1 2 3 4 5 6; do echo "F2LXK0AAAA0$n;A-$n;pool;iPad13,18"; done
} >"$dir/list.csv"
run() { "$build/stager" --json rehearse "$dir/list.csv" --blueprint ipad-hospital-ward --hand 0 --ports 6 "$@" || [ $? -eq 6 ]; }
foretold=$(run | jq .ends_in_ms)
took=$(run --pace real | jq .took_ms)
echo "rehearsal: foretold $foretold ms, at real pace $took ms"
[ $((foretold * 100)) -ge $((took * 90)) ] && [ $((foretold * 100)) -le $((took * 110)) ]
