#!/bin/sh
# A supervision identity in the old PKCS#12 form that go-ios reads, three small profiles and one with a certificate and its
# key. $1: folder
set -e
cd "$1"
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 30 -subj "/CN=Bench" 2>/dev/null
openssl x509 -in cert.pem -outform DER -out cert.der
openssl pkcs12 -export -legacy -macalg sha1 -inkey key.pem -in cert.pem -out id.p12 -passout pass:a
for i in 1 2 3; do
cat >"p$i.mobileconfig" <<END
<?xml version="1.0" encoding="UTF-8"?>
<plist version="1.0"><dict>
<key>PayloadType</key><string>Configuration</string><key>PayloadVersion</key><integer>1</integer>
<key>PayloadIdentifier</key><string>org.example.bench$i</string>
<key>PayloadUUID</key><string>0f0c7a52-93c4-4c8d-9e51-0b1f2a3c4d0$i</string>
<key>PayloadDisplayName</key><string>Bench $i</string>
<key>PayloadContent</key><array><dict>
<key>PayloadType</key><string>com.apple.shareddeviceconfiguration</string><key>PayloadVersion</key><integer>1</integer>
<key>PayloadIdentifier</key><string>org.example.bench$i.lock</string>
<key>PayloadUUID</key><string>1f0c7a52-93c4-4c8d-9e51-0b1f2a3c4d0$i</string>
<key>IfLostReturnToMessage</key><string>Bench $i</string>
</dict></array></dict></plist>
END
done
cat >p4.mobileconfig <<END
<?xml version="1.0" encoding="UTF-8"?>
<plist version="1.0"><dict>
<key>PayloadType</key><string>Configuration</string><key>PayloadVersion</key><integer>1</integer>
<key>PayloadIdentifier</key><string>org.example.bench4</string>
<key>PayloadUUID</key><string>0f0c7a52-93c4-4c8d-9e51-0b1f2a3c4d04</string>
<key>PayloadDisplayName</key><string>Bench 4</string>
<key>PayloadContent</key><array><dict>
<key>PayloadType</key><string>com.apple.security.pkcs12</string><key>PayloadVersion</key><integer>1</integer>
<key>PayloadIdentifier</key><string>org.example.bench4.identity</string>
<key>PayloadUUID</key><string>1f0c7a52-93c4-4c8d-9e51-0b1f2a3c4d04</string>
<key>Password</key><string>a</string>
<key>PayloadContent</key><data>$(base64 -w 0 id.p12)</data>
</dict></array></dict></plist>
END
