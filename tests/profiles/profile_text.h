/*
 * profile_text.h - profiles written in place, for tests.
 */
#ifndef TESTS_PROFILE_TEXT_H
#define TESTS_PROFILE_TEXT_H

#define HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<plist version=\"1.0\">\n"
#define UUID_A "AAAAAAAA-0000-4000-8000-000000000001"
#define UUID_B "BBBBBBBB-0000-4000-8000-000000000002"
#define UUID_C "CCCCCCCC-0000-4000-8000-000000000003"
#define UUID_D "DDDDDDDD-0000-4000-8000-000000000004"
#define K(key) "<key>" key "</key>"
#define S(key, text) "<key>" key "</key><string>" text "</string>\n"
#define I(key, text) "<key>" key "</key><integer>" text "</integer>\n"
#define R(key, text) "<key>" key "</key><real>" text "</real>\n"
#define D(key, text) "<key>" key "</key><data>" text "</data>\n"
#define YES(key) "<key>" key "</key><true/>\n"
#define NO(key) "<key>" key "</key><false/>\n"
#define DICT(key, inside) "<key>" key "</key><dict>\n" inside "</dict>\n"
#define LIST(key, inside) "<key>" key "</key><array>\n" inside "</array>\n"
#define ITEM(text) "<string>" text "</string>\n"
#define NUMBER(text) "<integer>" text "</integer>\n"
#define DITEM(inside) "<dict>\n" inside "</dict>\n"
#define LITEM(inside) "<array>\n" inside "</array>\n"
#define OWN_KEYS \
	S("PayloadType", "Configuration") I("PayloadVersion", "1") S("PayloadIdentifier", "org.example.a") S("PayloadUUID", UUID_A)
#define PAYLOAD_AS(type, id, uuid, more) \
	"<dict>\n" S("PayloadType", type) I("PayloadVersion", "1") S("PayloadIdentifier", id) S("PayloadUUID", uuid) more "</dict>\n"
#define PAYLOAD(type, more) PAYLOAD_AS(type, "org.example.a.b", UUID_B, more)
#define PROFILE_WITH(own, payloads) HEAD "<dict>\n" OWN_KEYS own K("PayloadContent") "<array>\n" payloads "</array>\n</dict>\n</plist>\n"
#define PROFILE(payloads) PROFILE_WITH("", payloads)
#define WIFI(more) PAYLOAD("com.apple.wifi.managed", S("SSID_STR", "Ward") more)
#define EAP(more) WIFI(S("EncryptionType", "WPA2") DICT("EAPClientConfiguration", more))

#endif
