#!/usr/bin/env bats
# stager support: one file to send, with what helps and without a secret; on request nobody's device can be recognised in it.

load lib.bash

setup() { desk; cd "$DESK"; }
teardown() { cd /; desk_away; }

# A passphrase as nasty as people make them: quotes, markup, a percent sign and a letter beyond ASCII.
WIFI='Zm"ked&<7f3a91>/%Zü-wifi'
TOKEN=Zmarked7f3a91-the-token
KEY=whsec_$(printf 'Zmarked7f3a91-webhook-24' | base64 -w0)

hex() { printf '%s' "$1" | od -An -v -tx1 | tr -d ' \n'; }
url() { jq -rn --arg v "$1" '$v | @uri'; }

# opened: the newest bundle's text, all files in one
opened() {
	rm -rf "$DESK/bundle"
	mkdir "$DESK/bundle"
	tar -xf "$1" -C "$DESK/bundle"
	BUNDLE=$(echo "$DESK"/bundle/*)
}

# absent TEXT...: none of them is in the bundle
absent() {
	for text in "$@"; do
		run grep -raF -- "$text" "$BUNDLE"
		[ -z "$output" ] || { echo "'$text' is in: $output"; return 1; }
	done
}

secrets_everywhere() {
	stager init --rehearsal
	stager secret set WIFI <<<"$WIFI"
	is_status 0
	printf '%s\n%s\n' "$KEY" "$TOKEN" >two
	run --separate-stderr timeout 60 "$STAGER" target add head --url http://127.0.0.1:9/x <two
	is_status 0
	rm two
	printf 'Serial Number;Ownership\nAAAA111122;pool\n' >list.csv
	stager batch import list.csv --name N --blueprint ipad-hospital-ward
	is_status 0
	stager hold add AAAA111122 --reason "try $WIFI or $TOKEN"
	is_status 0
	mkdir -p "$STAGER_STATE/blueprints"
	printf 'name: mine\nabout: "with %s"\nsteps:\n  - identify:\n' "$TOKEN" >"$STAGER_STATE/blueprints/mine.yaml"
	{
		echo "plain $WIFI and $TOKEN and $KEY"
		echo "hex $(hex "$WIFI") $(hex "$TOKEN" | tr a-f A-F)"
		for before in '' x xy; do echo "base64 $(printf '%s%s and more' "$before" "$TOKEN" | base64 -w0)"; done
		echo "url https://h.example/p?a=$(url "$WIFI") $(url "$WIFI")"
		echo "json $(jq -cn --arg v "$WIFI" '{v: $v}') xml $(sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g' <<<"$WIFI")"
		printf 'utf16 %s\n' "$TOKEN" | iconv -f UTF-8 -t UTF-16LE
		echo
		echo "station $(base64 -w0 <"$STAGER_STATE/station.key")"
		openssl genpkey -algorithm ed25519 2>/dev/null
		echo 'password=other7f3a91 "apiKey": "other7f3a91b", Authorization: Bearer other7f3a91c.d'
		echo 'from https://someone:other7f3a91e@h.example/path?sig=other7f3a91f to nowhere'
		printf -- '-----BEGIN RSA PRIVATE KEY-----\nhalf7f3a91g\n'
	} >"$STAGER_STATE/station.log"
}

@test "no secret is in it, in whatever form it stood in the logs" {
	secrets_everywhere
	stager support out.tar
	is_status 0
	opened out.tar
	grep -q 'plain \[secret\] and \[secret\] and \[secret\]' "$BUNDLE/log/station.log" || { cat "$BUNDLE/log/station.log"; false; }
	absent "$WIFI" "$TOKEN" "$KEY" 7f3a91 "$(hex "$WIFI")" "$(hex "$TOKEN" | tr a-f A-F)" "$(url "$WIFI")" "$(base64 -w0 <"$STAGER_STATE/station.key")" \
		"$(printf %s "$TOKEN" | base64 -w0 | cut -c1-30)" "$(printf x%s "$TOKEN" | base64 -w0 | cut -c3-30)" "$(printf xy%s "$TOKEN" | base64 -w0 | cut -c4-30)"
	run grep -ra 'PRIVATE KEY' "$BUNDLE"
	[ -z "$output" ]
	# nor the sealed state or its key themselves
	run tar -tf out.tar
	[[ "$output" != *station.key* && "$output" != *stager.db* ]]
	# what helps is there
	grep -q 'CREATE TABLE' "$BUNDLE/state/schema.sql"
	[ "$(jq -r '.counts[] | select(.table == "batch") | .rows' "$BUNDLE/state/counts.json")" = 1 ]
	jq -es 'map(select(.check == "disk")) | length == 1' "$BUNDLE/doctor.jsonl" >/dev/null
	grep -q '^stager [0-9]' "$BUNDLE/versions.txt"
	for name in "$BUNDLE"/state/*.json; do jq -e . "$name" >/dev/null || { cat "$name"; false; }; done
}

@test "with --hash-serials a device keeps one pseudonym in every form and every bundle, and is not to be recognised" {
	bench --ipads 1
	stager init
	stager port allow all
	serial=$(serials)
	udid=$("$STAGER_BENCH" ctl "$CTL" list | jq -r '.devices[0].udid')
	ecid=$((16#${udid#*-}))
	printf 'Serial Number;Asset;Ownership\n%s;TAG-0017;pool\n' "$serial" >order.csv
	stager batch import order.csv --name N --blueprint ipad-hospital-ward
	stager batch start N --watch
	is_status 0
	printf 'saw %s as %s, %s; unit %s (%x), serial=NEVERSEEN99, imei 490154203237518, mac aa:bb:cc:01:02:03, %s; sum %s; 2026-11-22\n' "$serial" "$udid" \
		"${udid/-/}" "$ecid" "$ecid" TAG-0017 "$(printf x | sha256sum | cut -d' ' -f1)" >>"$STAGER_STATE/station.log"
	stager --json support a.tar --hash-serials
	is_status 0
	[ "$(jq -r .hashed <<<"$output")" = true ]
	opened a.tar
	absent "$serial" "$udid" "${udid/-/}" "$ecid" "$(printf %x "$ecid")" NEVERSEEN99 490154203237518 aa:bb:cc:01:02:03 TAG-0017
	line=$(tail -1 "$BUNDLE/log/station.log")
	# a sum and a day are no identifiers
	[[ "$line" == *"$(printf x | sha256sum | cut -d' ' -f1)"*2026-11-22* ]] || { echo "$line"; false; }
	read -r _ one _ two three _ four five _ <<<"${line//[;,()]/}"
	[[ "$one" == id-* && "$two" == id-* && "$two" = "$three" && "$four" == id-* && "$four" = "$five" && "$one" != "$two" ]] || { echo "$line"; false; }
	# the same device in the tree of sockets and in the jobs
	grep -q "udid=$two" "$BUNDLE/topology.txt" || { cat "$BUNDLE/topology.txt"; false; }
	stager support b.tar --hash-serials
	opened b.tar
	grep -q "saw $one as $two" "$BUNDLE/log/station.log"
	# without the word they are there
	stager support c.tar
	opened c.tar
	grep -q "saw $serial as $udid" "$BUNDLE/log/station.log"
}

@test "a running station writes it too; the file is for its owner alone, and a wrong place is told" {
	bench --ipads 0
	stager init
	mkfifo said
	"$STAGER" run >said 2>station.err 3>&- 9>&- </dev/null &
	exec 8<>said
	read -r -t 120 -u 8 _
	stager support out.tar
	is_status 0
	[ "$(stat -c %a out.tar)" = 600 ]
	opened out.tar
	grep -q '"running"' "$BUNDLE/doctor.jsonl"
	stager support no/such/folder.tar
	is_status 3
	one_sentence
	stager support a b
	is_status 2
	stager --lang fr support fr.tar
	[[ "$output" == *"lisez"* || "$output" == *"Lisez"* ]] || { echo "$output"; false; }
	stager audit list --json
	[[ "$output" == *support.collect* ]]
}
