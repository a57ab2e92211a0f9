# Debian's certmonger against the responder: a first certificate to MONITORING, then its renewal.

load scep.bash

setup_file() { scep_desk; }
teardown_file() { scep_desk_away; }

# certmonger_does SCRIPT: runs it with a certmonger of its own on a message bus of its own.
certmonger_does() {
	local where=$DESK/cm
	mkdir -p "$where/requests" "$where/cas" "$where/tmp" "$where/config" "$where/local" "$where/out"
	export CERTMONGER_REQUESTS_DIR=$where/requests CERTMONGER_CAS_DIR=$where/cas CERTMONGER_TMPDIR=$where/tmp \
		CERTMONGER_CONFIG_DIR=$where/config CERTMONGER_LOCAL_CA_DIR=$where/local OUT=$where/out TMPDIR=$where/tmp
	cat >"$where/run" <<-'END'
		# the bus starts it at the first word, and it ends with the bus
		tries=0
		until getcert list-cas -s >/dev/null 2>&1; do
			tries=$((tries + 1))
			[ $tries -lt 300 ] || { getcert list-cas -s; exit 1; }
			sleep 0.2
		done
		status() { getcert list -s -i "$1" | sed -n 's/^.*status: //p'; }
		# until it monitors a certificate whose serial is not $2
		monitored() {
			tries=0
			while :; do
				now=$(status "$1")
				[ "$now" = MONITORING ] && [ "$(openssl x509 -in "$OUT/cert.pem" -noout -serial)" != "$2" ] && return 0
				case $now in CA_REJECTED | CA_UNREACHABLE | CA_UNCONFIGURED | NEED_GUIDANCE) break ;; esac
				tries=$((tries + 1))
				[ $tries -lt 300 ] || break
				sleep 0.2
			done
			getcert list -s -i "$1"
			return 1
		}
	END
	cat >>"$where/run"
	run timeout 150 dbus-run-session -- bash -eu "$where/run" 3>&-
}

@test "certmonger is refused without a good word" {
	certmonger_does <<-'END'
		getcert add-scep-ca -s -c stager -u "$URL" -N "$ROOT" -I "$ISSUING" >/dev/null
		getcert request -s -c stager -I none -f "$OUT/none.pem" -k "$OUT/none.key" -N CN=DX3F00000010 -L not-a-word >/dev/null
		tries=0
		until grep -q "refused  STG-1975" "$DESK/serve.err"; do
			tries=$((tries + 1))
			[ $tries -lt 300 ] || { getcert list -s -i none; exit 1; }
			sleep 0.2
		done
		# an answer without content, as RFC 8894 wants a refusal, is to it one of nobody: CA_UNREACHABLE
		until case $(status none) in CA_REJECTED | CA_UNREACHABLE) true ;; *) false ;; esac; do
			tries=$((tries + 1))
			[ $tries -lt 600 ] || { getcert list -s -i none; exit 1; }
			sleep 0.2
		done
		[ ! -e "$OUT/none.pem" ]
		getcert stop-tracking -s -i none >/dev/null
	END
	[ "$status" -eq 0 ] || { echo "$output"; served; false; }
}

@test "certmonger gets a certificate, watches it, renews it by its old certificate; the old one is superseded" {
	WORD=$(challenge DX3F00000011)
	export WORD
	certmonger_does <<-'END'
		getcert list-cas -s -c stager 2>/dev/null | grep -q stager || getcert add-scep-ca -s -c stager -u "$URL" -N "$ROOT" -I "$ISSUING" >/dev/null
		getcert request -s -c stager -I first -f "$OUT/cert.pem" -k "$OUT/key.pem" -N CN=DX3F00000011 -L "$WORD" >/dev/null
		monitored first none
		cp "$OUT/cert.pem" "$OUT/before.pem"
		getcert resubmit -s -i first >/dev/null
		monitored first "$(openssl x509 -in "$OUT/before.pem" -noout -serial)"
	END
	[ "$status" -eq 0 ] || { echo "$output"; served; false; }
	openssl verify -x509_strict -purpose sslclient -CAfile "$ROOT" -untrusted "$ISSUING" "$DESK/cm/out/before.pem"
	openssl verify -x509_strict -purpose sslclient -CAfile "$ROOT" -untrusted "$ISSUING" "$DESK/cm/out/cert.pem"
	run served
	[[ $output == *"issued DX3F00000011"* && $output == *"renewed DX3F00000011"* ]]
	run "$STAGER" ca list --serial DX3F00000011 --json
	[[ $output == *superseded* && $output == *issued* ]]
}

@test "a revoked certificate renews nothing" {
	"$STAGER" ca revoke DX3F00000011 --reason key_compromise >/dev/null
	certmonger_does <<-'END'
		getcert resubmit -s -i first >/dev/null
		before=$(openssl x509 -in "$OUT/cert.pem" -noout -serial)
		tries=0
		until grep -q "refused DX3F00000011 STG-1979" "$DESK/serve.err"; do
			tries=$((tries + 1))
			[ $tries -lt 300 ] || { getcert list -s -i first; exit 1; }
			sleep 0.2
		done
		[ "$(openssl x509 -in "$OUT/cert.pem" -noout -serial)" = "$before" ]
	END
	[ "$status" -eq 0 ] || { echo "$output"; served; false; }
}
