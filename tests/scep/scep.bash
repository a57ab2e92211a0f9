# scep.bash - a station with a SCEP responder for a test of programs not written here.
#
#   setup_file()    { scep_desk; }       DESK its folder, URL where devices ask, ROOT and CHAIN the organisation's certificates
#   teardown_file() { scep_desk_away; }

bats_require_minimum_version 1.5.0
TOP=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
: "${STAGER:=$TOP/build/stager}"
PEER_SECONDS=120   # the most one call may take on a busy machine

# started FILE: the JSON line that a program says when it is ready.
started() {
	local tries=0
	until [ -s "$1" ]; do
		tries=$((tries + 1))
		[ $tries -lt 600 ] || { echo "not started: $(cat "$1.err")" >&2; return 1; }
		sleep 0.2
	done
	head -1 "$1"
}

scep_desk() {
	unset USBMUXD_SOCKET_ADDRESS STAGER_SYSFS NOTIFY_SOCKET
	DESK=$(mktemp -d "${TMPDIR:-/tmp}/scep.XXXXXX")
	export DESK STAGER_STATE=$DESK/state LANGUAGE= LC_ALL=C.UTF-8
	"$STAGER" org create "Clinique Sud" --domain sud.example >/dev/null
	"$STAGER" org certificate root "$DESK/root.pem" >/dev/null
	"$STAGER" org certificate issuing "$DESK/issuing.pem" >/dev/null
	"$STAGER" run >"$DESK/run" 2>"$DESK/run.err" 3>&- </dev/null &
	echo $! >"$DESK/run.pid"
	started "$DESK/run" >/dev/null
	"$STAGER" scep serve --listen 127.0.0.1:0 --json >"$DESK/serve" 2>"$DESK/serve.err" 3>&- </dev/null &
	echo $! >"$DESK/serve.pid"
	URL=$(started "$DESK/serve" | jq -r .url)
	export URL ROOT=$DESK/root.pem ISSUING=$DESK/issuing.pem
	"$STAGER" scep set --url "$URL" >/dev/null
	cat "$ISSUING" "$ROOT" >"$DESK/chain.pem"
	curl -s --max-time "$PEER_SECONDS" "$URL?operation=GetCACert" | openssl pkcs7 -inform DER -print_certs -out "$DESK/shown.pem"
	RA=$(openssl x509 -in "$DESK/shown.pem" -noout -fingerprint -sha256 | sed 's/.*=//; s/://g' | tr A-F a-f)
	export RA
}

scep_desk_away() {
	local one
	for one in serve run; do
		[ -s "$DESK/$one.pid" ] || continue
		kill "$(cat "$DESK/$one.pid")" 2>/dev/null || true
		wait "$(cat "$DESK/$one.pid")" 2>/dev/null || true
	done
	[ ! -S "$STAGER_STATE/stager.sock" ] || timeout 60 "$STAGER" stop --now >/dev/null 2>&1 || true
	rm -rf "$DESK"
}

# challenge SERIAL [OPTIONS]
challenge() {
	"$STAGER" scep challenge "$@" --json | jq -r .challenge
}

# Debian's scepclient, which keeps its request where it stands: a folder of its own for each. It encrypts to every certificate it
# is shown, also to those that cannot receive, unless it is told which.
scepclient_in() {
	local folder=$1
	shift
	mkdir -p "$folder"
	(cd "$folder" && timeout "$PEER_SECONDS" scepclient -server-url "$URL" -private-key key.pem -certificate cert.pem -ca-fingerprint "$RA" "$@")
}

served() { cat "$DESK/serve.err"; }
