#!/usr/bin/env bats
# The station's certificate authority from the command line, judged by programs that were not written here: OpenSSL, GnuTLS,
# a PKCS#11 token (SoftHSM).

load ../cmd/lib.bash

setup() {
	desk
	cd "$DESK"
}
teardown() { desk_away; }

org() { "$STAGER" org create "Clinique Sud" --domain sud.example >/dev/null; }

# p12 FILE SERIAL [OPTIONS]: its password is left in PASSWORD, its certificate in FILE.pem
p12() {
	local file=$1
	shift
	PASSWORD=$("$STAGER" --json ca issue "$1" "$file.p12" "${@:2}" | jq -r .password)
	openssl pkcs12 -in "$file.p12" -clcerts -nokeys -passin "pass:$PASSWORD" -out "$file.pem" 2>/dev/null
}

chain() {
	"$STAGER" org certificate root root.pem >/dev/null
	"$STAGER" org certificate issuing issuing.pem >/dev/null
}

customer_root() {
	openssl req -x509 -newkey rsa:2048 -nodes -keyout croot.key -out croot.pem -days 3650 -subj "/O=Groupe/CN=Groupe Root" \
		-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
}

# sign REQUEST OUT EXTENSIONS...: as the customer's PKI would
sign() {
	printf '%s\n' "${@:3}" >ext
	openssl x509 -req -in "$1" -CA croot.pem -CAkey croot.key -days 1000 -extfile ext -out "$2" 2>/dev/null
}

CA_EXT=("basicConstraints=critical,CA:TRUE,pathlen:0" "keyUsage=critical,keyCertSign,cRLSign" "subjectKeyIdentifier=hash" "authorityKeyIdentifier=keyid")

@test "a certificate signed for another key, for nobody, or not for a CA is not accepted" {
	org
	customer_root
	stager ca accept croot.pem
	is_status 5 || is_status 3 || is_status 1
	[[ $stderr == *STG-1945* ]]
	"$STAGER" ca request station.csr >/dev/null
	openssl req -new -newkey rsa:2048 -nodes -keyout x.key -out other.csr -subj "/O=Clinique Sud/CN=x" 2>/dev/null
	sign other.csr other.pem "${CA_EXT[@]}"
	stager ca accept other.pem --root croot.pem
	is_status 3
	[[ $stderr == *"not for the key"* ]]
	sign station.csr leaf.pem "basicConstraints=critical,CA:FALSE"
	stager ca accept leaf.pem --root croot.pem
	is_status 3
	[[ $stderr == *"no CA certificate"* ]]
	sign station.csr good.pem "${CA_EXT[@]}"
	stager ca accept good.pem
	is_status 3
	[[ $stderr == *"root is missing"* ]]
}

@test "a CA that could issue nothing a verifier takes is refused before it is used: constraints, usages" {
	org
	customer_root
	"$STAGER" ca request station.csr >/dev/null
	sign station.csr narrow.pem "${CA_EXT[@]}" "nameConstraints=critical,permitted;DNS:elsewhere.example"
	stager ca accept narrow.pem --root croot.pem
	is_status 3
	[[ $stderr == *"permitted subtree violation"* ]]
	# the trap of a URI constraint: every urn: name becomes invalid
	sign station.csr uri.pem "${CA_EXT[@]}" "nameConstraints=critical,permitted;URI:.sud.example"
	stager ca accept uri.pem --root croot.pem
	is_status 3
	[[ $stderr == *"name syntax"* || $stderr == *"violation"* ]]
	sign station.csr server.pem "${CA_EXT[@]}" "extendedKeyUsage=serverAuth"
	stager ca accept server.pem --root croot.pem
	is_status 3
	[[ $stderr == *purpose* ]]
	stager ca issue DX3F still.p12 --key p-256
	is_status 0
}

@test "below a root that stays offline: the request goes out, the certificate comes back, the leaf verifies" {
	org
	customer_root
	stager ca request station.csr
	is_status 0
	run openssl req -in station.csr -noout -verify -text
	[[ $output == *"CA:TRUE, pathlen:0"* ]]
	sign station.csr good.pem "${CA_EXT[@]}"
	stager ca accept good.pem --root croot.pem
	is_status 0
	p12 a DX3F
	run openssl verify -x509_strict -purpose sslclient -CAfile croot.pem -untrusted good.pem a.pem
	[ "$status" -eq 0 ]
	[ "$("$STAGER" --json ca show | jq -r .root_key)" = elsewhere ]
	# the one before can still list what it revoked
	[ "$("$STAGER" --json ca show | jq '.previous | length')" -eq 1 ]
	before=$("$STAGER" --json ca show | jq -r .previous[0].issuer)
	stager ca crl old.crl --issuer "$before"
	is_status 0
	openssl crl -inform DER -in old.crl -noout -issuer | grep -q "Station CA$"
}

@test "a customer's root signs once with its own key, which is not kept; a wrong passphrase says so" {
	org
	customer_root
	openssl pkcs8 -topk8 -in croot.key -passout pass:geheim-genug -out locked.key
	run --separate-stderr bash -c "echo wrong | '$STAGER' ca root import croot.pem locked.key"
	[ "$status" -ne 0 ]
	[[ $stderr == *STG-1303* ]]
	run --separate-stderr bash -c "echo geheim-genug | '$STAGER' ca root import croot.pem locked.key"
	is_status 0
	chain
	p12 a DX3F
	run openssl verify -x509_strict -purpose sslclient -CAfile croot.pem -untrusted issuing.pem a.pem
	[ "$status" -eq 0 ]
	openssl x509 -in issuing.pem -noout -text | grep -q "Permitted:"
	openssl x509 -in croot.pem -noout -fingerprint >one
	openssl x509 -in root.pem -noout -fingerprint >two
	cmp one two
	# another key of the same name
	openssl genrsa -out foreign.key 2048 2>/dev/null
	run --separate-stderr "$STAGER" ca root import croot.pem foreign.key </dev/null
	[[ $stderr == *STG-1306* ]]
}

@test "names outside the constraints are refused by the station as verifiers would refuse them" {
	org
	stager ca issue DX3F a.p12 --key p-256 --san dns:www.bank.example
	is_status 2
	[[ $stderr == *"permitted subtree"* ]]
	stager ca issue DX3F a.p12 --key p-256 --san dns:dx3f.devices.sud.example,upn:ada@ad.sud.example,uri:urn:x:1,email:ada@sud.example
	is_status 0
}

@test "GnuTLS reads the identity, verifies the chain with its constraints, and sees a revocation" {
	command -v certtool >/dev/null || skip "no gnutls-bin"
	org
	chain
	p12 a DX3F
	p12 b DX3G --key p-256
	cat issuing.pem root.pem >ca.pem
	for one in a b; do
		cat $one.pem issuing.pem root.pem >chain.pem
		run certtool --verify --load-ca-certificate root.pem --infile chain.pem
		[ "$status" -eq 0 ] || { echo "$output"; false; }
	done
	"$STAGER" ca revoke DX3F --reason key_compromise >/dev/null
	"$STAGER" ca crl list.crl >/dev/null
	run certtool --crl-info --inder --infile list.crl
	[[ $output == *"Revoked certificates (1)"* ]]
	openssl crl -inform DER -in list.crl -out list.pem
	run certtool --verify-crl --load-ca-certificate issuing.pem --infile list.pem
	[ "$status" -eq 0 ] || { echo "$output"; false; }
	run openssl verify -crl_check -partial_chain -CAfile <(cat issuing.pem; openssl crl -inform DER -in list.crl) a.pem
	[[ $output == *revoked* ]]
	run openssl verify -crl_check -partial_chain -CAfile <(cat issuing.pem; openssl crl -inform DER -in list.crl) b.pem
	[ "$status" -eq 0 ]
}

@test "GnuTLS opens the identity file with its password and with no other" {
	command -v certtool >/dev/null || skip "no gnutls-bin"
	org
	p12 a DX3F
	run certtool --p12-info --inder --infile a.p12 --password "$PASSWORD"
	[ "$status" -eq 0 ]
	[[ $output == *"3DES"* ]]
	run certtool --p12-info --inder --infile a.p12 --password wrong
	[[ $status -ne 0 || $output == *"error"* ]]
	p12 m DX3G --key p-256 --modern
	run certtool --p12-info --inder --infile m.p12 --password "$PASSWORD"
	[[ $output == *"AES-256"* ]]
}

token() {
	command -v softhsm2-util >/dev/null && command -v pkcs11-tool >/dev/null || skip "no SoftHSM"
	MODULE=$(find /usr/lib -name libsofthsm2.so 2>/dev/null | head -1)
	mkdir "$DESK/tokens"
	printf 'directories.tokendir = %s\nobjectstore.backend = file\n' "$DESK/tokens" >"$DESK/softhsm.conf"
	export SOFTHSM2_CONF=$DESK/softhsm.conf
	softhsm2-util --init-token --free --label bench --so-pin 12345678 --pin 5678 >/dev/null
	pkcs11-tool --module "$MODULE" --login --pin 5678 --token-label bench --keypairgen --key-type "$1" --label issuing --id 01 >/dev/null 2>&1
	URI="pkcs11:token=bench;object=issuing?module-path=$MODULE"
}

@test "an issuing key in a token signs leaves and lists; a wrong PIN and a stranger's module are refused" {
	token EC:prime256v1
	org
	run --separate-stderr bash -c "echo 9999 | '$STAGER' ca root create --pkcs11 '$URI'"
	[ "$status" -ne 0 ]
	[[ $stderr == *STG-1949* ]]
	cp "$MODULE" "$DESK/mine.so"
	chmod 0777 "$DESK/mine.so"
	run --separate-stderr bash -c "echo 5678 | '$STAGER' ca root create --pkcs11 'pkcs11:token=bench;object=issuing?module-path=$DESK/mine.so'"
	[[ $stderr == *STG-1948* ]]
	run --separate-stderr "$STAGER" ca root create --pkcs11 "$URI&pin-value=5678" </dev/null
	[[ $stderr == *STG-1947* ]]
	run --separate-stderr bash -c "echo 5678 | '$STAGER' ca root create --pkcs11 '$URI'"
	is_status 0
	chain
	p12 a DX3F --key p-256
	run openssl verify -x509_strict -purpose sslclient -CAfile root.pem -untrusted issuing.pem a.pem
	[ "$status" -eq 0 ]
	"$STAGER" ca revoke DX3F >/dev/null
	stager ca crl list.crl
	is_status 0
	openssl crl -inform DER -in list.crl -CAfile issuing.pem -noout 2>&1 | grep -q "verify OK"
	# neither the PIN nor the key is anywhere on the disk of the station
	run grep -ral "pin-value\|PRIVATE KEY" "$STAGER_STATE"
	[ -z "$output" ]
	# and without the token nothing is issued
	mv "$DESK/tokens" "$DESK/gone"
	mkdir "$DESK/tokens"
	stager ca issue DX3G none.p12 --key p-256
	[ "$status" -ne 0 ]
	[[ $stderr == *STG-1949* ]]
}

@test "an RSA key in a token goes below an offline root" {
	token rsa:2048
	org
	customer_root
	run --separate-stderr bash -c "echo 5678 | '$STAGER' ca request station.csr --pkcs11 '$URI'"
	is_status 0
	sign station.csr good.pem "${CA_EXT[@]}"
	stager ca accept good.pem --root croot.pem
	is_status 0
	p12 a DX3F --key p-256
	run openssl verify -x509_strict -purpose sslclient -CAfile croot.pem -untrusted good.pem a.pem
	[ "$status" -eq 0 ]
}

@test "the hand-over list holds each revocation once, with what others need to find it" {
	org
	p12 a DX3F --key p-256
	p12 b DX3G --key p-256 --common-name "=cmd()"
	"$STAGER" ca revoke DX3F --reason key_compromise >/dev/null
	"$STAGER" ca revoke DX3G >/dev/null
	stager ca handover one.csv
	is_status 0
	[ "$(wc -l <one.csv)" -eq 3 ]
	grep -q "DX3F.*key_compromise" one.csv
	grep -q "$(openssl x509 -in a.pem -noout -serial | cut -d= -f2 | tr A-F a-f)" one.csv
	stager ca handover two.csv
	[ "$(wc -l <two.csv)" -eq 1 ]
	stager ca handover all.csv --all
	[ "$(wc -l <all.csv)" -eq 3 ]
}

@test "a list's number grows, also when an older state comes back" {
	org
	"$STAGER" ca crl one.crl >/dev/null
	cp -r "$STAGER_STATE" "$DESK/older"
	for i in 1 2 3; do "$STAGER" ca crl "two$i.crl" >/dev/null; done
	number() { openssl crl -inform DER -in "$1" -noout -crlnumber | cut -d= -f2; }
	[ $(($(number two3.crl))) -gt $(($(number one.crl))) ]
	STAGER_STATE=$DESK/older "$STAGER" ca crl three.crl >/dev/null
	[ $(($(number three.crl))) -gt $(($(number two3.crl))) ]
}

@test "lost: flagged, its certificates revoked, the order queued; a typing error is not help; found again" {
	org
	"$STAGER" inventory add DX3F --ownership pool >/dev/null 2>&1 || "$STAGER" ca issue DX3F x.p12 --key p-256 >/dev/null
	p12 a DX3F --key p-256
	stager device lost NOSUCH
	[ "$status" -ne 0 ]
	one_sentence
	stager device lost DX3F --reason "left in a taxi"
	is_status 0
	[ "$("$STAGER" --json ca list --serial DX3F | jq -r 'select(.status) | .status' | sort -u)" = revoked ]
	"$STAGER" --json ca list --serial DX3F | jq -r .reason | grep -q key_compromise
	"$STAGER" --json hold list | grep -q "left in a taxi"
	stager device found DX3F
	is_status 0
	run "$STAGER" --json hold list
	[[ $output != *taxi* ]]
	[ "$("$STAGER" --json ca list --serial DX3F | jq -r 'select(.status) | .status' | sort -u)" = revoked ]
}

@test "Android: the CA in its form and under its name, a Wi-Fi that it accepts, no Wi-Fi that it refuses" {
	org
	chain
	stager android ca root.crt
	is_status 0
	[[ $output == *"$(openssl x509 -in root.pem -noout -subject_hash_old).0"* ]]
	cmp <(openssl x509 -inform DER -in root.crt -outform DER) <(openssl x509 -in root.pem -outform DER)
	stager android wifi HOPITAL wifi.json --domain org --identity dx3f --alias ward
	is_status 2
	[[ $stderr == *STG-1952* ]]
	stager android wifi HOPITAL wifi.json --domain radius.sud.example --identity dx3f --alias ward
	is_status 0
	jq -e '.domainSuffixMatch == "radius.sud.example" and (.caCertificates | length) == 1' wifi.json
	printf 'no app' >no.apk
	stager android checksum no.apk
	is_status 3
	[[ $stderr == *STG-1951* ]]
}
