#!/bin/sh
# The ten profiles of supervised.h with go-ios. `begin` makes the device its own, `add` is what is measured.
# $1: begin or add, $2: folder of the npm package, $3: UDID, $4: folder of identity.sh, $5: the station's state, where the profiles are
set -e
case $(uname -m) in aarch64) a=arm64 ;; *) a=amd64 ;; esac
IOS=$2/node_modules/go-ios/dist/go-ios-linux-${a}_linux_${a}/ios
cd "$4"
if [ "$1" = begin ]; then
	"$IOS" pair --udid="$3"
	"$IOS" prepare --skip-all --certfile=cert.der --orgname=Bench --udid="$3"
	exit 0
fi
for i in 0 1 2 3 4 5 6 7 8 9; do
	"$IOS" profile add "$5/profiles/extra$i.mobileconfig" --p12file=id.p12 --password=a --udid="$3"
done
"$IOS" profile list --udid="$3" | grep -q org.example.extra9
