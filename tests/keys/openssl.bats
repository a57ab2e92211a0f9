# What the station writes, read by the openssl program: a peer that was not written here.

setup_file() {
	export DIR=$BATS_FILE_TMPDIR STAGER_STATE=$BATS_FILE_TMPDIR/state
	unset USBMUXD_SOCKET_ADDRESS
	"$STAGER" org create "Clinique Sud" --domain sud.example >/dev/null
	"$STAGER" org certificate root "$DIR/root.pem" >/dev/null
	"$STAGER" org certificate issuing "$DIR/issuing.pem" >/dev/null
	"$STAGER" --json ca issue DX3F "$DIR/old.p12" >"$DIR/old.json"
	"$STAGER" --json ca issue DX3G "$DIR/new.p12" --key p-256 --modern >"$DIR/new.json"
}

password() {
	sed -n 's/.*"password": *"\([^"]*\)".*/\1/p' "$DIR/$1.json"
}

@test "an identity file does not open with another password" {
	run openssl pkcs12 -in "$DIR/old.p12" -noout -passin pass:wrong
	[ "$status" -ne 0 ]
}

@test "an identity file opens without old algorithms and is 3DES with a SHA-1 MAC" {
	run openssl pkcs12 -info -in "$DIR/old.p12" -nokeys -passin "pass:$(password old)"
	[ "$status" -eq 0 ]
	[[ $output == *"MAC: sha1, Iteration 2048"* ]]
	[[ $output == *"pbeWithSHA1And3-KeyTripleDES-CBC"* ]]
	[[ $output == *"CN = DX3F"* ]]
	[[ $output != *RC2* ]]
}

@test "--modern writes PBES2" {
	run openssl pkcs12 -info -in "$DIR/new.p12" -nokeys -passin "pass:$(password new)"
	[ "$status" -eq 0 ]
	[[ $output == *"PBES2"* ]]
}

@test "a leaf verifies as a client up to the root, strictly, and as no server" {
	openssl pkcs12 -in "$DIR/old.p12" -clcerts -nokeys -passin "pass:$(password old)" -out "$DIR/leaf.pem"
	run openssl verify -x509_strict -purpose sslclient -CAfile "$DIR/root.pem" -untrusted "$DIR/issuing.pem" "$DIR/leaf.pem"
	[ "$status" -eq 0 ]
	run openssl verify -purpose sslserver -CAfile "$DIR/root.pem" -untrusted "$DIR/issuing.pem" "$DIR/leaf.pem"
	[ "$status" -ne 0 ]
}

@test "a revoked leaf is refused by somebody who has the list" {
	openssl pkcs12 -in "$DIR/old.p12" -clcerts -nokeys -passin "pass:$(password old)" -out "$DIR/leaf.pem"
	"$STAGER" ca revoke DX3F --reason key_compromise
	"$STAGER" ca crl "$DIR/list.crl"
	openssl crl -inform DER -in "$DIR/list.crl" -out "$DIR/list.pem"
	cat "$DIR/root.pem" "$DIR/issuing.pem" "$DIR/list.pem" >"$DIR/all.pem"
	run openssl verify -crl_check -partial_chain -CAfile "$DIR/all.pem" "$DIR/leaf.pem"
	[ "$status" -ne 0 ]
	[[ $output == *revoked* ]]
}

@test "a station with another clock issues nothing" {
	# faketime comes before a sanitizer's library
	ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0 run faketime "2001-01-01 00:00:00" "$STAGER" ca issue DX3H "$DIR/none.p12"
	[ "$status" -eq 4 ]
}
