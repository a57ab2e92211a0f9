# The responder as programs see it that were not written here: curl, openssl, Debian's scepclient.

load scep.bash

setup_file() { scep_desk; }
teardown_file() { scep_desk_away; }

old() { "$STAGER" scep set --old-clients "$1" >/dev/null; }

ask() { curl -s --max-time "$PEER_SECONDS" -o "$BATS_TEST_TMPDIR/body" -w '%{http_code} %{content_type}' "$@"; }

@test "what is no SCEP question is a plain no" {
	[[ $(ask "$URL") == "400"* ]]
	[[ $(ask "$URL?operation=GetNextCACert") == "400"* ]]
	[[ $(ask "$URL?operation=PKIOperation&message=AAAA") == "400"* ]]
	[[ $(ask "$URL?operation=PKIOperation&message=%zz") == "400"* ]]
	[[ $(ask -X DELETE "$URL?operation=GetCACaps") == "405"* ]]
	[[ $(ask -X POST --data-binary "hello" "$URL?operation=PKIOperation") == "400"* ]]
	head -c 70000 /dev/zero >"$BATS_TEST_TMPDIR/large"
	[[ $(ask -X POST --data-binary "@$BATS_TEST_TMPDIR/large" "$URL?operation=PKIOperation") == "413"* ]]
	head -c 300000 /dev/zero | tr '\0' A >"$BATS_TEST_TMPDIR/longer"
	[[ $(ask -G --data-urlencode "message@$BATS_TEST_TMPDIR/longer" "$URL?operation=PKIOperation") != "200"* ]]
	# and it still answers
	[[ $(ask "$URL?operation=GetCACaps") == "200 text/plain"* ]]
}

@test "nobody listens everywhere" {
	run --separate-stderr "$STAGER" scep serve --listen 0.0.0.0:8090
	[ "$status" -eq 2 ]
	[[ $stderr == *STG-1980* ]]
	run --separate-stderr "$STAGER" scep set --listen "[::]:8090"
	[ "$status" -eq 2 ]
	run --separate-stderr "$STAGER" scep serve --listen 192.0.2.1:8090
	[ "$status" -eq 4 ]
	[[ $stderr == *STG-1981* ]]
}

@test "capabilities name no old word unless it is switched on" {
	[[ $(ask "$URL/pkiclient.exe?operation=GetCACaps&message=x") == "200 text/plain"* ]]
	run cat "$BATS_TEST_TMPDIR/body"
	[[ $output == *SHA-256* && $output == *AES* && $output == *Renewal* && $output == *SCEPStandard* ]]
	[[ $output != *SHA-1* && $output != *DES* ]]
}

@test "the registration authority comes first, then the CA, and openssl takes the chain" {
	[[ $(ask "$URL?operation=GetCACert") == "200 application/x-x509-ca-ra-cert"* ]]
	openssl pkcs7 -inform DER -in "$BATS_TEST_TMPDIR/body" -print_certs -out "$BATS_TEST_TMPDIR/all.pem"
	[ "$(grep -c BEGIN "$BATS_TEST_TMPDIR/all.pem")" -eq 3 ]
	run openssl x509 -in "$BATS_TEST_TMPDIR/all.pem" -noout -text
	[[ $output == *"SCEP registration"* && $output == *"Digital Signature, Key Encipherment"* && $output == *"CA:FALSE"* ]]
	openssl verify -CAfile "$ROOT" -untrusted "$ISSUING" "$BATS_TEST_TMPDIR/all.pem"
}

@test "an old client is refused with a word to the technician, and taken when it is switched on" {
	word=$(challenge DX3F00000001)
	run scepclient_in "$BATS_TEST_TMPDIR/a" -challenge "$word" -cn DX3F00000001
	[ "$status" -ne 0 ]
	run served
	[[ $output == *STG-1973* ]]
	"$STAGER" scep set --old-clients des >/dev/null
	# the answer to GetCACaps is kept for half a minute; scepclient does not look at it
	run scepclient_in "$BATS_TEST_TMPDIR/b" -challenge "$word" -cn DX3F00000001
	[ "$status" -eq 0 ] || { echo "$output"; served; false; }
	openssl verify -x509_strict -purpose sslclient -CAfile "$ROOT" -untrusted "$ISSUING" "$BATS_TEST_TMPDIR/b/cert.pem"
	run openssl x509 -in "$BATS_TEST_TMPDIR/b/cert.pem" -noout -subject -ext subjectAltName,extendedKeyUsage
	[[ $output == *"O = Clinique Sud, CN = DX3F00000001"* ]]
	[[ $output == *"URI:urn:x-device:serial:DX3F00000001"* && $output == *"TLS Web Client Authentication"* ]]
	[[ $output != *scep-client* ]]
	# it is in the register, by serial
	run "$STAGER" ca list --serial DX3F00000001 --json
	[[ $output == *issued* ]]
}

@test "a challenge is good once, for its device, in its time" {
	old des
	word=$(challenge DX3F00000002)
	scepclient_in "$BATS_TEST_TMPDIR/first" -challenge "$word" -cn DX3F00000002
	run scepclient_in "$BATS_TEST_TMPDIR/second" -challenge "$word" -cn DX3F00000002
	[ "$status" -ne 0 ]
	run served
	[[ $output == *"refused DX3F00000002 STG-1976"* ]]
	# somebody else's word: the CN is the serial of another device of ours
	word=$(challenge DX3F00000003)
	run scepclient_in "$BATS_TEST_TMPDIR/third" -challenge "$word" -cn DX3F00000002
	[ "$status" -ne 0 ]
	run served
	[[ $output == *"refused DX3F00000003 STG-1978"* ]]
	# that word was not burnt by it
	scepclient_in "$BATS_TEST_TMPDIR/fourth" -challenge "$word" -cn DX3F00000003
	run scepclient_in "$BATS_TEST_TMPDIR/fifth" -challenge "nobody-knows-this-word" -cn DX3F00000004
	[ "$status" -ne 0 ]
	run served
	[[ $output == *STG-1975* ]]
	run scepclient_in "$BATS_TEST_TMPDIR/sixth" -cn DX3F00000004
	[ "$status" -ne 0 ]
	run "$STAGER" scep list --json
	[[ $output != *"$word"* ]]
	# nothing anywhere keeps the word itself
	! grep -aqF "$word" "$STAGER_STATE"/stager.db* "$DESK/serve.err" "$DESK/run.err"
}

@test "our own client gets the list of what was revoked, and openssl reads it" {
	run --separate-stderr timeout "$PEER_SECONDS" "$STAGER" scep crl "$URL" "$BATS_TEST_TMPDIR/list.crl" --fingerprint "${RA//a/b}"
	[ "$status" -eq 5 ]
	[ ! -e "$BATS_TEST_TMPDIR/list.crl" ]
	timeout "$PEER_SECONDS" "$STAGER" scep crl "$URL" "$BATS_TEST_TMPDIR/list.crl" --fingerprint "$(openssl x509 -in "$ISSUING" -noout -fingerprint -sha256 | sed 's/.*=//')"
	openssl crl -inform der -in "$BATS_TEST_TMPDIR/list.crl" -CAfile "$ISSUING" -noout 2>&1 | grep -q "verify OK"
}

@test "the audit log has a row for each word and each certificate" {
	run "$STAGER" audit verify
	[ "$status" -eq 0 ]
	"$STAGER" audit export "$BATS_TEST_TMPDIR/audit"
	run cat "$BATS_TEST_TMPDIR/audit"
	[[ $output == *scep.challenge* && $output == *ca.sign* ]]
}
