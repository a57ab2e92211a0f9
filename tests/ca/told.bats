#!/usr/bin/env bats
# What is revoked is told to every receiver through the outbox, with the issuer's new list; openssl reads it.

load ../cmd/lib.bash

setup() {
	desk
	"$STAGER" org create acme --domain example.org >/dev/null
	"$STAGER" target add hook --connector webhook --config url=http://127.0.0.1:9/x --config auth=none >/dev/null
	"$STAGER" inventory add F2LXK0AAAA01 --ownership pool >/dev/null
	"$STAGER" ca issue F2LXK0AAAA01 "$DESK/a.p12" >/dev/null
}
teardown() { desk_away; }

told() { sqlite3 "$STAGER_STATE/stager.db" "SELECT CAST(bytes AS TEXT) FROM record ORDER BY seq DESC LIMIT 1"; }

@test "a revoked certificate waits in the outbox with a list that openssl reads" {
	stager ca revoke F2LXK0AAAA01 --reason key_compromise --json
	is_status 0
	[ "$(jq -r .queued <<<"$output")" = 1 ]
	local number
	number=$(jq -r '.revoked[0]' <<<"$output")
	[ "$("$STAGER" outbox list --json | jq -rs '[.[] | select(.target == "hook" and .state == "queued")] | length')" = 1 ]
	told >"$DESK/record"
	[ "$(jq -r '.schema + " " + .revocation.certificates[0].serial_hex + " " + .revocation.certificates[0].reason' "$DESK/record")" = "stager.revocation/1 $number key_compromise" ]
	jq -r .revocation.crl.der "$DESK/record" | base64 -d >"$DESK/crl"
	openssl crl -inform der -in "$DESK/crl" -noout -text | grep -qi "Serial Number: $number"
	"$STAGER" org certificate issuing "$DESK/issuing.pem" >/dev/null
	openssl crl -inform der -in "$DESK/crl" -CAfile "$DESK/issuing.pem" -noout 2>&1 | grep -q "verify OK"
	# once: what is revoked already says nothing new
	stager ca revoke F2LXK0AAAA01 --json
	[ "$(jq -r .queued <<<"$output")" = 0 ]
	stager audit verify
	is_status 0
}

@test "what belongs to no known device waits for the hand-over list" {
	"$STAGER" ca issue OTHER "$DESK/b.p12" >/dev/null
	stager ca revoke OTHER --json
	is_status 0
	[ "$(jq -r .queued <<<"$output")" = 0 ]
	[ -z "$(told)" ]
	stager ca handover "$DESK/list.csv"
	is_status 0
	grep -q OTHER "$DESK/list.csv"
}

@test "a lost device's certificates are told, and its job stays what it was" {
	stager device lost F2LXK0AAAA01 --reason stolen
	is_status 0
	[ "$(sqlite3 "$STAGER_STATE/stager.db" "SELECT count(*) FROM record WHERE bytes LIKE '%stager.revocation/1%'")" = 1 ]
	[ "$("$STAGER" outbox list --json | jq -rs '[.[] | select(.state == "queued")] | length')" -ge 2 ]
}
