#!/usr/bin/env bats
# A certificate the station issued opens a network: wpa_supplicant's EAP client (eapol_test) reads our identity file, FreeRADIUS
# verifies it below our root, and refuses it once our list says so.

load ../cmd/lib.bash

setup() {
	command -v eapol_test >/dev/null && command -v freeradius >/dev/null || skip "no eapoltest, no freeradius"
	desk
	cd "$DESK"
	RADIUS_PID=
	"$STAGER" org create "Clinique Sud" --domain sud.example >/dev/null
	"$STAGER" org certificate root root.pem >/dev/null
	"$STAGER" org certificate issuing issuing.pem >/dev/null
	# the network's own server, which has nothing to do with us
	openssl req -x509 -newkey rsa:2048 -nodes -keyout server.key -out server.pem -days 30 -subj /CN=radius.sud.example \
		-addext subjectAltName=DNS:radius.sud.example -addext extendedKeyUsage=serverAuth 2>/dev/null
}

teardown() {
	[ -z "${RADIUS_PID:-}" ] || { kill "$RADIUS_PID" 2>/dev/null; wait "$RADIUS_PID" 2>/dev/null; } || true
	[ -z "${DESK:-}" ] || desk_away
}

radius() {
	"$STAGER" ca crl list.crl >/dev/null
	openssl crl -inform DER -in list.crl -out list.pem
	cat root.pem issuing.pem list.pem >trusted.pem
	local libdir
	libdir=$(find /usr/lib -maxdepth 2 -name freeradius -type d | head -1)
	for try in 1 2 3 4 5; do
		PORT=$((20000 + RANDOM % 20000))
		cat >radiusd.conf <<-END
			prefix = $DESK
			logdir = $DESK
			raddbdir = $DESK
			run_dir = $DESK
			libdir = $libdir
			pidfile = $DESK/radiusd.pid
			log {
				destination = files
				file = $DESK/radius.log
			}
			security {
				allow_vulnerable_openssl = yes
			}
			thread pool {
				start_servers = 1
				max_servers = 2
				min_spare_servers = 1
				max_spare_servers = 2
			}
			client here {
				ipaddr = 127.0.0.1
				secret = testing123
			}
			modules {
				eap {
					default_eap_type = tls
					tls-config common {
						private_key_file = $DESK/server.key
						certificate_file = $DESK/server.pem
						ca_file = $DESK/trusted.pem
						check_crl = yes
						tls_min_version = "1.2"
						tls_max_version = "1.2"
					}
					tls {
						tls = common
					}
				}
			}
			server default {
				listen {
					type = auth
					ipaddr = 127.0.0.1
					port = $PORT
				}
				authorize {
					eap
				}
				authenticate {
					eap
				}
			}
		END
		freeradius -f -d "$DESK" -xx >radius.out 2>&1 3>&- &
		RADIUS_PID=$!
		for wait in $(seq 300); do
			grep -q "Ready to process requests" radius.log radius.out 2>/dev/null && return 0
			kill -0 "$RADIUS_PID" 2>/dev/null || break
			sleep 0.1
		done
	done
	cat radius.log radius.out >&2
	return 1
}

# knock FILE.p12 PASSWORD
knock() {
	cat >network.conf <<-END
		network={
			ssid="HOPITAL"
			key_mgmt=WPA-EAP
			eap=TLS
			identity="device"
			ca_cert="$DESK/server.pem"
			domain_suffix_match="radius.sud.example"
			private_key="$DESK/$1"
			private_key_passwd="$2"
		}
	END
	run timeout 90 eapol_test -c network.conf -a 127.0.0.1 -p "$PORT" -s testing123 -t 60
}

@test "an identity we issued opens the network, one that was revoked does not, and a stranger's does not" {
	radius_p12() { "$STAGER" --json ca issue "$1" "$1.p12" "${@:2}" | jq -r .password; }
	good=$(radius_p12 DX3F)
	ec=$(radius_p12 DX3G --key p-256)
	gone=$(radius_p12 DX3H --key p-256)
	openssl req -x509 -newkey rsa:2048 -nodes -keyout s.key -out s.pem -days 30 -subj "/O=Clinique Sud/CN=DX3F" 2>/dev/null
	openssl pkcs12 -export -inkey s.key -in s.pem -out stranger.p12 -passout pass:x -keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -macalg sha1
	"$STAGER" ca revoke DX3H --reason key_compromise >/dev/null
	radius
	knock stranger.p12 x
	[ "$status" -ne 0 ]
	knock DX3H.p12 "$gone"
	[ "$status" -ne 0 ]
	grep -qi "revoked" radius.log radius.out
	knock DX3F.p12 "$good"
	[ "$status" -eq 0 ] || { tail -5 <<<"$output"; tail -20 radius.log; false; }
	[[ $output == *SUCCESS* ]]
	knock DX3G.p12 "$ec"
	[ "$status" -eq 0 ] || { tail -5 <<<"$output"; tail -20 radius.log; false; }
}
