# The receiving server, asked by curl: takes every result once, and misbehaves only when told.

load bench

SECRET=whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=
KEY=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
BODY='{"type":"staging.result","data":{"serial":"C02TESTSERIAL"}}'

start() {
	bench_start --receiver 127.0.0.1:0 --receiver-dir "$BATS_TEST_TMPDIR/in" "$@"
	HOOK=$(jq -r .receiver.url <<<"$BENCH_READY")
}

teardown() {
	bench_stop
}

web() {
	peer curl -sS --noproxy '*' --max-time 60 "$@"
}

send() { # ID [CURL ARGS...]: prints the status in the last line
	local id=$1
	shift
	web -w '\n%{http_code}' -H "webhook-id: $id" -H 'Content-Type: application/json' --data-raw "$BODY" "$@" "$HOOK"
}

sign() { # ID TIMESTAMP
	printf '%s' "$1.$2.$BODY" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$KEY" -binary | base64
}

count() { # NAME
	ctl receiver stats | jq ".$1"
}

# ---- what fails, as it should ----

@test "without the token nothing is taken" {
	echo tok-en >"$BATS_TEST_TMPDIR/bearer"
	start --receiver-bearer-file "$BATS_TEST_TMPDIR/bearer"
	send a1
	[ "${lines[-1]}" = 401 ]
	send a1 -H 'Authorization: Bearer tok-em'
	[ "${lines[-1]}" = 401 ]
	[ "$(count distinct)" -eq 0 ]
	send a1 -H 'Authorization: Bearer tok-en'
	[ "${lines[-1]}" = 200 ]
	[ "$(count distinct)" -eq 1 ]
}

@test "a signature must fit the id, the time and the body" {
	local now old
	echo "$SECRET" >"$BATS_TEST_TMPDIR/secret"
	start --receiver-secret-file "$BATS_TEST_TMPDIR/secret"
	now=$(date +%s)
	old=$((now - 1000))
	send a1
	[ "${lines[-1]}" = 401 ]
	send a2 -H "webhook-timestamp: $now" -H "webhook-signature: v1,$(sign a1 "$now")"
	[ "${lines[-1]}" = 401 ]
	send a1 -H "webhook-timestamp: $old" -H "webhook-signature: v1,$(sign a1 "$old")"
	[ "${lines[-1]}" = 401 ]
	has "five minutes"
	[ "$(count distinct)" -eq 0 ]
	send a1 -H "webhook-timestamp: $now" -H "webhook-signature: v1,AAAA v1,$(sign a1 "$now")"
	[ "${lines[-1]}" = 200 ]
}

@test "mutual TLS: no certificate, no connection" {
	local dir=$BATS_TEST_TMPDIR/in
	start --receiver-mtls
	send a1 --cacert "$dir/ca.pem"
	[ "$status" -ne 0 ]
	send a1
	[ "$status" -eq 60 ]   # who does not know the authority does not talk to it
	send a1 --cacert "$dir/ca.pem" --cert "$dir/client.pem" --key "$dir/client.key"
	[ "${lines[-1]}" = 200 ]
}

@test "an expired certificate is shown when asked for" {
	start --receiver-tls
	ctl receiver expired
	send a1 --cacert "$BATS_TEST_TMPDIR/in/ca.pem"
	[ "$status" -eq 60 ]
	has expired
	ctl receiver valid
	send a1 --cacert "$BATS_TEST_TMPDIR/in/ca.pem"
	[ "${lines[-1]}" = 200 ]
}

@test "what is not JSON is refused for good" {
	BODY='{"serial":'
	start
	send a1
	[ "${lines[-1]}" = 422 ]
	[ "$(count distinct)" -eq 0 ]
}

@test "what is not HTTP is refused, and the next request is answered" {
	local port answer
	start
	port=$(jq -r .receiver.port <<<"$BENCH_READY")
	exec 8<>"/dev/tcp/127.0.0.1/$port"
	printf 'GET\r\n\r\n' >&8
	answer=$(timeout "$PEER_SECONDS" head -n 1 <&8)
	exec 8>&-
	[[ "$answer" == "HTTP/1.1 400 "* ]]
	exec 8<>"/dev/tcp/127.0.0.1/$port"
	head -c 100000 /dev/zero | tr '\0' 'A' >&8 || true
	answer=$(timeout "$PEER_SECONDS" head -n 1 <&8)
	exec 8>&-
	[[ "$answer" == "HTTP/1.1 431 "* ]]
	web -w '%{http_code}' -H 'Content-Length: 99999999' -d x "$HOOK"
	has 413
	web -w '%{http_code}' -X DELETE "$HOOK"
	has 405
	send a1
	[ "${lines[-1]}" = 200 ]
}

@test "down: the port refuses, and comes back by itself" {
	start
	ctl receiver down
	send a1
	[ "$status" -eq 7 ]
	ctl receiver up
	send a1
	[ "${lines[-1]}" = 200 ]
	ctl receiver down 100
	web --retry 100 --retry-connrefused --retry-delay 1 -w '\n%{http_code}' -H 'webhook-id: a2' -d "$BODY" "$HOOK"
	[ "${lines[-1]}" = 200 ]
	[ "$(count distinct)" -eq 2 ]
}

@test "429 with Retry-After: nothing is taken" {
	start
	ctl receiver status 429 7 1
	send a1 -D -
	[ "${lines[-1]}" = 429 ]
	has "Retry-After: 7"
	[ "$(count distinct)" -eq 0 ]
	send a1
	[ "${lines[-1]}" = 200 ]
}

@test "half, cut and 500: the result was taken, the sender cannot know" {
	start
	ctl receiver half 1
	send a1
	[ "$status" -eq 18 ]
	ctl receiver cut 1
	send a2
	[ "$status" -eq 52 ]
	ctl receiver error-after 1
	send a3
	[ "${lines[-1]}" = 500 ]
	[ "$(count distinct)" -eq 3 ]
	for id in a1 a2 a3; do
		send "$id"
		[ "${lines[-1]}" = 200 ]
		has '"duplicate":true'
	done
	[ "$(count distinct)" -eq 3 ]
	[ "$(count deliveries)" -eq 6 ]
	[ "$(count conflicts)" -eq 0 ]
}

@test "the same id with another body is counted as a conflict" {
	start
	send a1
	BODY='{"other":true}'
	send a1
	[ "$(count distinct)" -eq 1 ]
	[ "$(count conflicts)" -eq 1 ]
}

# ---- what works ----

@test "every result is remembered once, in memory and in the file" {
	local dir=$BATS_TEST_TMPDIR/in
	start
	for id in a1 a2 a1 a3 a1; do
		send "$id"
		[ "${lines[-1]}" = 200 ]
	done
	[ "$(count deliveries)" -eq 5 ]
	[ "$(count duplicates)" -eq 2 ]
	web "$(jq -r .receiver.records_url <<<"$BENCH_READY")"
	[ "$(jq -r '[.records[] | "\(.id)=\(.deliveries)"] | join(" ")' <<<"$output")" = "a1=3 a2=1 a3=1" ]
	[ "$(jq -r '.records[0].body.data.serial' <<<"$output")" = C02TESTSERIAL ]
	[ "$(wc -l <"$dir/records.jsonl")" -eq 3 ]

	# a receiver that was restarted still knows them
	bench_stop
	start
	[ "$(count distinct)" -eq 3 ]
	send a2
	has '"duplicate":true'
}

@test "slow: the answer comes, later" {
	start
	ctl receiver slow 300 1
	send a1
	[ "${lines[-1]}" = 200 ]
	[ "$(count troubled)" -eq 1 ]
}

@test "two answers to one request: the next request still has its own" {
	start
	ctl receiver twice 1
	web -w '\n%{http_code}' -H 'webhook-id: a1' -d "$BODY" "$HOOK" --next \
		-sS --noproxy '*' --max-time 60 -w '\n%{http_code}' -H 'webhook-id: a2' -d "$BODY" "$HOOK"
	[ "$(count distinct)" -ge 1 ]
	send a2
	[ "${lines[-1]}" = 200 ]
	[ "$(count distinct)" -eq 2 ]
}

@test "the receiver runs alone, too" {
	bench_start   # for teardown, and to show that the two do not disturb one another
	mkfifo "$BENCH/out"
	"$STAGER_BENCH" receiver >"$BENCH/out" 2>&1 3>&- 9>&- </dev/null &
	local pid=$! line
	read -r -t "$PEER_SECONDS" line <"$BENCH/out"
	HOOK=$(jq -r .receiver.url <<<"$line")
	send a1
	[ "${lines[-1]}" = 200 ]
	web -d '["stats"]' "${HOOK%/hook}/fault"
	[ "$(jq .distinct <<<"$output")" -eq 1 ]
	kill "$pid"
	wait "$pid"
}
