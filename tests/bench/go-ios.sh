#!/bin/sh
# The work of blueprint `bench` with go-ios: identify, pair, supervise, three profiles and one with a certificate that was made
# beforehand, verify. Ends with 1 when the device does not list all four.
# $1: folder of the npm package, $2: UDID, $3: folder of identity.sh
set -e
case $(uname -m) in aarch64) a=arm64 ;; *) a=amd64 ;; esac
IOS=$1/node_modules/go-ios/dist/go-ios-linux-${a}_linux_${a}/ios
cd "$3"
"$IOS" pair --udid="$2"
"$IOS" info --udid="$2"
"$IOS" prepare --skip-all --certfile=cert.der --orgname=Bench --udid="$2"
for i in 1 2 3 4; do "$IOS" profile add "p$i.mobileconfig" --p12file=id.p12 --password=a --udid="$2"; done
list=$("$IOS" profile list --udid="$2")
echo "$list"
for i in 1 2 3 4; do
	case $list in *"org.example.bench$i"*) ;; *) exit 1 ;; esac
done
