/*
 * android.h - what Android wants of certificates: forms of a CA, an enterprise Wi-Fi, the checksums of a device-policy controller.
 *
 * Everything here is public material; installing it belongs to the Android driver. Identities for Android are the PKCS#12
 * files of <stager/ca.h> in their default form: Android up to 12 and many later ones read no other.
 * Facts: profiles-and-certificates 7; android.md 4.5 (QR payload).
 * Errors: STG_E_INPUT + STG_ID_APK (no package we can read), STG_ID_ANDROID_WIFI (Android would refuse it). Thread: any; no state.
 */
#ifndef STAGER_ANDROID_H
#define STAGER_ANDROID_H

#include <stager/json.h>

/* A CA as "der" or "pem"; `ret_name` (at least 16 bytes): the file name it has in a system image, SUBJECTHASH.0. */
bool stg_android_ca(struct stg_bytes pem_or_der, bool as_pem, struct stg_buf *ret, char ret_name[16], struct stg_error *err);

struct stg_android_wifi_ask {
	const char *ssid, *identity, *anonymous_identity;
	const json_t *domains;          /* ["radius.example.org"]: the server's certificate ends so; required by Android 11 and later */
	const json_t *authorities;      /* [PEM]: who signs the RADIUS server's certificate; required as well */
	const char *key_alias;          /* the installed identity, as it was named; TLS needs one */
	bool hidden;
};
/* EAP-TLS for WifiEnterpriseConfig, each member named after its setter: {"ssid","eapMethod":"TLS","identity","domainSuffixMatch":"a;b",
 * "caCertificates":[base64 DER],"clientKeyAlias",...}. Never a subjectMatch: a part of a name is no check. New reference. */
json_t *stg_android_wifi(const struct stg_android_wifi_ask *ask, struct stg_error *err);

/* Of an .apk: {"package_checksum","signature_checksum" (base64url of SHA-256, as QR codes carry them),"scheme":"v2|v3","signer":{certificate},
 * "rotated": true when the newest key is another}. The signature itself is not judged: Android does that. Blocks for the file. */
json_t *stg_android_apk(int fd, struct stg_error *err);

#endif
