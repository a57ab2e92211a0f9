# Our client against Debian's scepserver, and the proxy between Debian's scepclient and that server.

load scep.bash

setup_file() {
	scep_desk
	export DEPOT=$DESK/depot WORD=STATICWORD1
	(cd "$DESK" && scepserver ca -init -depot "$DEPOT" -organization "Site CA" >/dev/null 2>&1)
	# it takes a port, not "any free one": the first of a few that it can have
	local try port
	for try in 1 2 3 4 5 6 7 8 9 10; do
		port=$((20000 + (RANDOM + $$ * 7) % 20000))
		scepserver -depot "$DEPOT" -port "$port" -challenge "$WORD" -allowrenew 0 >"$DESK/peer" 2>&1 3>&- </dev/null &
		echo $! >"$DESK/peer.pid"
		for _ in $(seq 100); do
			curl -s --max-time 5 -o /dev/null "http://127.0.0.1:$port/scep?operation=GetCACaps" && break 2
			kill -0 "$(cat "$DESK/peer.pid")" 2>/dev/null || break
			sleep 0.2
		done
	done
	export SITE=http://127.0.0.1:$port/scep
	PRINT=$(openssl x509 -in "$DEPOT/ca.pem" -noout -fingerprint -sha256 | sed 's/.*=//')
	export PRINT
	# what NDES shows: UTF-16, a new word each time, at most three; only for who may
	cat >"$DESK/ndes.pl" <<-'END'
		use IO::Socket::INET;
		$| = 1;
		my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1", Listen => 8, ReuseAddr => 1) or die;
		print $s->sockport, "\n";
		while (my $c = $s->accept) {
			my $may = 0;
			while (<$c>) { last if /^\r?\n$/; $may = 1 if /^Authorization: Basic c3RhZ2VyOmxldG1laW4=/i; }
			my $page = $n < 3 ? "The enrollment challenge password is: <B> " . ($n ? sprintf("%016X", 0xABCD0000 + $n) : $ENV{WORD}) . " </B>" : "The password cache is full.";
			$page = join "", map { "$_\0" } split //, "<HTML>thumbprint <B> 00112233 44556677 </B> $page</HTML>";
			$n++ if $may;
			print $c $may ? "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: " . length($page) . "\r\nConnection: close\r\n\r\n$page"
				: "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
			close $c;
		}
	END
	WORD=STATICWORD1 perl "$DESK/ndes.pl" >"$DESK/ndes" 2>"$DESK/ndes.err" 3>&- </dev/null &
	echo $! >"$DESK/ndes.pid"
	PAGE=http://127.0.0.1:$(started "$DESK/ndes")/certsrv/mscep_admin/
	export PAGE
}

teardown_file() {
	local one
	for one in peer ndes; do
		[ ! -s "$DESK/$one.pid" ] || kill "$(cat "$DESK/$one.pid")" 2>/dev/null || true
	done
	scep_desk_away
}

get() { run --separate-stderr timeout "$PEER_SECONDS" "$STAGER" scep get "$SITE" "$@"; }

@test "without a fingerprint, or with a wrong one, nothing is asked of a server over plain HTTP" {
	get "$BATS_TEST_TMPDIR/a.p12" --common-name DX3F00000020 <<<"$WORD"
	[ "$status" -eq 5 ]
	[[ $stderr == *STG-1987* ]]
	get "$BATS_TEST_TMPDIR/a.p12" --common-name DX3F00000020 --fingerprint "${PRINT//[0-9]/0}" <<<"$WORD"
	[ "$status" -eq 5 ]
	[[ $stderr == *STG-1986* ]]
	[ ! -e "$BATS_TEST_TMPDIR/a.p12" ]
}

@test "a wrong word is refused there and told here, a server that is not there is told" {
	get "$BATS_TEST_TMPDIR/a.p12" --common-name DX3F00000020 --fingerprint "$PRINT" --old-clients des <<<"wrong"
	[ "$status" -ne 0 ]
	[[ $stderr == *STG-19* ]]
	run --separate-stderr timeout "$PEER_SECONDS" "$STAGER" scep ca http://127.0.0.1:1/scep
	[ "$status" -ne 0 ]
	[[ $stderr == *STG-1983* ]]
	[ ! -e "$BATS_TEST_TMPDIR/a.p12" ]
}

@test "a server's certificates are shown to be compared" {
	run "$STAGER" scep ca "$SITE" --json
	[ "$status" -eq 0 ] || { echo "$output"; false; }
	print=$(tr -d : <<<"$PRINT" | tr A-F a-f)
	[[ $output == *"$print"* ]]
}

@test "an identity from Debian's scepserver: its single DES only by switch, the file opens with the password shown" {
	get "$BATS_TEST_TMPDIR/a.p12" --common-name DX3F00000020 --fingerprint "$PRINT" <<<"$WORD"
	[ "$status" -ne 0 ]
	[[ $stderr == *STG-1973* ]]
	run timeout "$PEER_SECONDS" "$STAGER" --json scep get "$SITE" "$BATS_TEST_TMPDIR/a.p12" --common-name DX3F00000020 --organisation Nord \
		--fingerprint "$PRINT" --old-clients des <<<"$WORD"
	[ "$status" -eq 0 ] || { echo "$output"; cat "$DESK/peer"; false; }
	password=$(jq -r .password <<<"$output")
	openssl pkcs12 -in "$BATS_TEST_TMPDIR/a.p12" -clcerts -nokeys -passin "pass:$password" -out "$BATS_TEST_TMPDIR/a.pem"
	openssl verify -CAfile "$DEPOT/ca.pem" "$BATS_TEST_TMPDIR/a.pem"
	run openssl x509 -in "$BATS_TEST_TMPDIR/a.pem" -noout -subject
	[[ $output == *"O = Nord, CN = DX3F00000020"* ]]
}

@test "challenges are fetched by who may, kept sealed, counted, given once each" {
	run --separate-stderr "$STAGER" scep give site DX3F00000021
	[ "$status" -ne 0 ]
	[[ $stderr == *STG-1988* ]]
	run --separate-stderr "$STAGER" scep proxy add site --url "$SITE" --page "$PAGE" --user stager <<<"letmein"
	[ "$status" -eq 5 ]
	"$STAGER" scep proxy add site --url "$SITE" --fingerprint "$PRINT" --page "$PAGE" --user stager --old-clients des <<<"wrong"
	run --separate-stderr timeout "$PEER_SECONDS" "$STAGER" scep proxy fill site --count 2
	[ "$status" -ne 0 ]
	[[ $stderr == *STG-1992* ]]
	"$STAGER" scep proxy add site --url "$SITE" --fingerprint "$PRINT" --page "$PAGE" --user stager --old-clients des <<<"letmein"
	"$STAGER" window close
	run --separate-stderr "$STAGER" scep proxy fill site --count 2
	[ "$status" -eq 6 ] || { echo "$status $stderr"; false; }
	"$STAGER" window open
	# it has three, five are asked for
	run --separate-stderr timeout "$PEER_SECONDS" "$STAGER" scep proxy fill site --count 5
	[ "$status" -eq 6 ] || { echo "$status $output $stderr"; false; }
	[[ $stderr == *STG-1991* ]]
	run "$STAGER" scep proxy list --json
	[ "$(jq -r 'select(.name == "site") | .open' <<<"$output")" = 3 ]
	! grep -aqF STATICWORD1 "$STAGER_STATE"/stager.db*
	! grep -aqF letmein "$STAGER_STATE"/stager.db* "$DESK/run.err" "$DESK/serve.err"
}

@test "a device gets the other server's certificate through this station, with one token for one request" {
	"$STAGER" --json scep give site DX3F00000021 >"$BATS_TEST_TMPDIR/given"
	via=$(jq -r .url "$BATS_TEST_TMPDIR/given")
	[ "$(jq -r .challenge "$BATS_TEST_TMPDIR/given")" = STATICWORD1 ]
	mkdir "$BATS_TEST_TMPDIR/c" "$BATS_TEST_TMPDIR/d"
	through() { (cd "$1" && timeout "$PEER_SECONDS" scepclient -server-url "$2" -private-key key.pem -certificate cert.pem -cn DX3F00000021 -challenge "$WORD"); }
	# a token that nobody gave out
	run through "$BATS_TEST_TMPDIR/d" "${via%?????}AAAAA"
	[ "$status" -ne 0 ]
	# no line: later
	"$STAGER" window close
	run curl -s --max-time 30 -o /dev/null -w '%{http_code} %header{retry-after}' --data-binary "x" "$via?operation=PKIOperation"
	[[ $output == "503 "* ]]
	# what is known of the server is told without a line
	[[ $(curl -s --max-time 30 "$via?operation=GetCACaps") == *SHA-* ]]
	"$STAGER" window open
	run through "$BATS_TEST_TMPDIR/c" "$via"
	[ "$status" -eq 0 ] || { echo "$output"; served; cat "$DESK/peer"; false; }
	openssl verify -CAfile "$DEPOT/ca.pem" "$BATS_TEST_TMPDIR/c/cert.pem"
	# another key with the same token
	run through "$BATS_TEST_TMPDIR/d" "$via"
	[ "$status" -ne 0 ]
	run served
	[[ $output == *"passed on DX3F00000021"* && $output == *"the token was used for another request"* ]]
}
