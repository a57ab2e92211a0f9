# directory.bats - a real directory asked by command, with and without a station that runs: who a device is for ends in its order.

setup() {
	TOP=$BATS_TEST_DIRNAME/../..
	: "${STAGER:=$TOP/build/stager}"
	DIR=$(mktemp -d "${TMPDIR:-/tmp}/stgdir.XXXXXX")
	export STAGER_STATE=$DIR/state LANGUAGE= LC_ALL=C.UTF-8
	unset USBMUXD_SOCKET_ADDRESS
	cd "$DIR"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=localhost" -addext "subjectAltName=IP:127.0.0.1" \
		-keyout key.pem -out cert.pem 2>/dev/null
	mkdir data
	cat >slapd.conf <<-END
		include /etc/ldap/schema/core.schema
		include /etc/ldap/schema/cosine.schema
		include /etc/ldap/schema/inetorgperson.schema
		modulepath /usr/lib/ldap
		moduleload back_mdb
		TLSCertificateFile $DIR/cert.pem
		TLSCertificateKeyFile $DIR/key.pem
		database mdb
		suffix dc=example,dc=org
		directory $DIR/data
		access to attrs=userPassword by anonymous auth
		access to * by users read
	END
	cat >data.ldif <<-END
		dn: dc=example,dc=org
		objectClass: dcObject
		objectClass: organization
		o: x
		dc: example

		dn: cn=station,dc=example,dc=org
		objectClass: person
		cn: station
		sn: s
		userPassword: MARKED-ldap-4711

		dn: uid=jdoe,dc=example,dc=org
		objectClass: inetOrgPerson
		uid: jdoe
		cn: Jane
		sn: Doe
		displayName:: SmFuZSBEb8Op
		mail: jane@example.org
		employeeNumber: 0042
	END
	cp "$(command -v slapd || echo /usr/sbin/slapd)" ./slapd
	./slapd -T add -q -f slapd.conf -l data.ldif
	# a port that somebody has ends the program: then another one
	for _ in 1 2 3 4 5; do
		PORT=$((20000 + RANDOM % 30000))
		./slapd -d 0 -f slapd.conf -h "ldaps://127.0.0.1:$PORT/" 3>&- >slapd.log 2>&1 &
		SLAPD=$!
		for _ in $(seq 300); do
			kill -0 "$SLAPD" 2>/dev/null || continue 2
			! openssl s_client -connect "127.0.0.1:$PORT" </dev/null >/dev/null 2>&1 || break 2
			sleep 0.1
		done
	done
	"$STAGER" --quiet init
	"$STAGER" --quiet window open
}

teardown() {
	[ ! -S "$STAGER_STATE/stager.sock" ] || timeout 60 "$STAGER" stop --now >/dev/null 2>&1 || true
	kill "$SLAPD" 2>/dev/null || true
	wait "$SLAPD" 2>/dev/null || true
	cd /
	rm -rf "$DIR"
}

directory() { # PASSWORD CA
	"$STAGER" --quiet target add ad --connector ldap --url "ldaps://127.0.0.1:$PORT" --config base=dc=example,dc=org \
		--config user=cn=station,dc=example,dc=org --ca "$2" --replace <<<"$1"
}

@test "a directory that refuses, or is another, gives no list; the right one names an order's owner, and no secret is written" {
	run directory "" cert.pem
	directory wrong cert.pem
	run "$STAGER" people fetch ad
	[ "$status" -ne 0 ]
	[[ "$output" == *STG-1716* ]]
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=other" -keyout other.key -out other.pem 2>/dev/null
	directory MARKED-ldap-4711 other.pem
	run "$STAGER" people fetch ad
	[ "$status" -ne 0 ]
	[[ "$output" == *STG-1715* ]]
	# what a person's own files say of directories is nobody's business
	export HOME=$DIR
	echo "TLS_REQCERT never" >.ldaprc
	run "$STAGER" people fetch ad
	[[ "$output" == *STG-1715* ]]
	directory MARKED-ldap-4711 cert.pem
	run "$STAGER" target test ad
	[ "$status" -eq 0 ]
	run "$STAGER" people fetch ad
	[ "$status" -eq 0 ]
	[[ "$output" == *"List ad: 1 person"* ]]
	printf 'Serial Number,Utilisateur\nF2LXK0AAAA01,0042\n' >order.csv
	run "$STAGER" batch import order.csv --name N --blueprint census
	[[ "$output" == *"1 found"* ]]
	[ "$("$STAGER" batch show N --json | jq -r '.rows[0].attributes.owner_name')" = "Jane Doé" ]
	! grep -raq MARKED-ldap-4711 "$STAGER_STATE"
	# it is told nothing
	[ "$("$STAGER" outbox list --json | jq -s '[.[] | select(.target == "ad")] | length')" = 0 ]
}
