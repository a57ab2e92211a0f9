#!/bin/sh
# scep.sh BUILD [N] - N (500) SCEP enrolments: the station's responder, every certificate in its register on disk before it is handed out, and
# Debian's scepserver beside it; the same client asks both. Added to BUILD/bench.json as "scep".
set -eu
B=$1 n=${2:-500} askers=4
make -s "$B/tests/bench/scep_ask" B="$B"
T=$(mktemp -d /tmp/scep-bench.XXXXXX)
pids=
trap 'for p in $pids; do kill "$p" 2>/dev/null || true; done; rm -rf "$T"' EXIT
export STAGER_STATE="$T/state"
stager=$B/stager

ready() { i=0; until [ -s "$1" ]; do i=$((i + 1)); [ $i -lt 300 ] || { echo "not started: $1" >&2; exit 1; }; sleep 0.2; done; }
cpu() { for p in "$@"; do cut -d')' -f2 "/proc/$p/stat" | cut -d' ' -f13,14; done | awk -v hz="$(getconf CLK_TCK)" '{ t += $1 + $2 } END { print t * 1000 / hz }'; }
# name, fingerprint, old, url, pids
measure() {
	name=$1 print=$2 old=$3 url=$4
	shift 4
	before=$(cpu "$@")
	"$B/tests/bench/scep_ask" "$url" "$print" "$old" "$T/words.$name" "$askers" >"$T/$name.json" || true   # what was refused is in the figures
	jq -c --arg name "$name" --argjson cpu "$(cpu "$@")" --argjson before "$before" \
		'{name: $name, asked: .asked, enrolments: .got, per_second: (.got / .seconds | round), server_cpu_ms_each: (($cpu - $before) / .got * 100 | round / 100)}' "$T/$name.json"
}

"$stager" org create Bench --domain bench.example >/dev/null
"$stager" org certificate issuing "$T/issuing.pem" >/dev/null
# the pool of keys for other work is no part of this: one key of each kind
STAGER_POOL=1 "$stager" run >"$T/run" 2>"$T/run.err" </dev/null &
run=$!
pids="$pids $run"
ready "$T/run"
"$stager" scep serve --listen 127.0.0.1:0 --json >"$T/serve" 2>"$T/serve.err" </dev/null &
serve=$!
pids="$pids $serve"
ready "$T/serve"
url=$(jq -r .url "$T/serve")
"$stager" scep set --url "$url" >/dev/null
i=0
while [ $i -lt "$n" ]; do
	i=$((i + 1))
	echo "BENCH$i $("$stager" scep challenge "BENCH$i" --json | jq -r .challenge)"
done >"$T/words.stager"
print=$(openssl x509 -in "$T/issuing.pem" -noout -fingerprint -sha256 | sed 's/.*=//')
measure stager "$print" none "$url" "$run" "$serve" >"$T/rows"

if command -v scepserver >/dev/null; then
	(cd "$T" && scepserver ca -init -depot depot >/dev/null 2>&1)
	port=$((20000 + $$ % 20000))
	scepserver -depot "$T/depot" -port $port -challenge word -allowrenew 0 >"$T/peer" 2>&1 </dev/null &
	peer=$!
	pids="$pids $peer"
	i=0
	until curl -s -o /dev/null "http://127.0.0.1:$port/scep?operation=GetCACaps"; do i=$((i + 1)); [ $i -lt 100 ] || exit 1; sleep 0.2; done
	awk '{ print $1, "word" }' "$T/words.stager" >"$T/words.scepserver"
	print=$(openssl x509 -in "$T/depot/ca.pem" -noout -fingerprint -sha256 | sed 's/.*=//')
	measure scepserver "$print" des "http://127.0.0.1:$port/scep" "$peer" >>"$T/rows"
fi
cat "$T/rows"
[ -s "$B/bench.json" ] || echo '{}' >"$B/bench.json"
jq --slurpfile rows "$T/rows" '.scep = $rows' "$B/bench.json" >"$T/all" && cat "$T/all" >"$B/bench.json"
