/*
 * ends.c - everything in a profile that ends one day.
 *
 * For:    the calendar (`stager expiry`), and the start of a batch that would outlive it.
 * Uses:   stager/keys for dates of certificates; certs.c to open an identity.
 * Called: by operations.
 * Thread: any; no state.
 *
 * Facts: mdm-push 13.2 and 13.4: the earliest of the signer's end, that of a certificate or identity inside, RemovalDate,
 * PayloadExpirationDate and the documented life; Intune's profiles for direct enrolment live two weeks from their making, and only the
 * signature says when that was.
 */
#include <stdio.h>
#include <string.h>

#include <stager/keys.h>

#include "words.h"

#define DAY_MS 86400000LL
#define INTUNE_LIFE_MS (14 * DAY_MS)

static void put(json_t *list, const char *kind, const char *path, const char *name, int64_t ends_ms)
{
	char clean[300];
	if (ends_ms <= 0)
		return;
	json_t *one = json_object();
	stg_json_put(one, "kind", kind);
	stg_json_put(one, "path", path);
	stg_printable(name ? name : "", true, clean, sizeof(clean));
	stg_json_put(one, "name", clean);
	stg_json_put_int(one, "ends_ms", ends_ms);
	json_array_append_new(list, one);
}

static void put_date(json_t *list, const char *kind, plist_t root, const char *key)
{
	plist_t node = tree_get(root, key);
	int32_t sec = 0, usec = 0;
	if (!node || plist_get_node_type(node) != PLIST_DATE)
		return;
	plist_get_date_val(node, &sec, &usec);
	put(list, kind, key, key, (sec + PLIST_EPOCH_S) * 1000);
}

static void put_payload(json_t *list, plist_t one, uint32_t i)
{
	const char *type = text_of(one, "PayloadType"), *name = tree_str(one, "PayloadDisplayName");
	char path[64];
	int64_t ends_ms = 0;
	snprintf(path, sizeof(path), "PayloadContent[%u].PayloadContent", i);
	if (strcmp(type, "com.apple.security.pkcs12") == 0) {
		if (identity_ends(one, &ends_ms))
			put(list, "identity", path, name, ends_ms);
		return;
	}
	if (strcmp(type, "com.apple.security.root") != 0 && strcmp(type, "com.apple.security.pkcs1") != 0 && strcmp(type, "com.apple.security.pem") != 0)
		return;
	plist_t data = tree_get(one, "PayloadContent");
	uint64_t n = 0;
	const char *bytes = data && plist_get_node_type(data) == PLIST_DATA ? plist_get_data_ptr(data, &n) : NULL;
	STG_AUTO(stg_json_free_at) json_t *cert = bytes && n ? stg_certificate_json(stg_bytes(bytes, (size_t)n), NULL) : NULL;
	if (cert)
		put(list, "certificate", path, text_or(stg_json_str(cert, "cn"), name), stg_json_int(cert, "not_after_ms", 0));
}

/* Of Microsoft's, and made for enrolling directly: what its portal exports. */
static bool is_two_weeks(plist_t one)
{
	char host[256];
	const char *url = tree_str(one, "ServerURL");
	size_t n = url && strcmp(text_of(one, "PayloadType"), "com.apple.mdm") == 0 && host_of(url, host) ? strlen(host) : 0;
	static const char intune[] = ".manage.microsoft.com";
	return n && (strcmp(host, intune + 1) == 0 || (n > sizeof(intune) - 1 && strcmp(host + n - (sizeof(intune) - 1), intune) == 0));
}

json_t *stg_profile_ends(const char *file_name, struct stg_bytes file, struct stg_error *err)
{
	struct profile p;
	plist_t one;
	if (!profile_open(file_name, file, &p, err))
		return NULL;
	json_t *list = json_array();
	int64_t signed_ms = stg_json_int(p.signer, "signed_ms", 0);
	put_date(list, "expiration", p.root, "PayloadExpirationDate");
	put_date(list, "removal", p.root, "RemovalDate");
	put(list, "signer", "", stg_json_str(p.signer, "name"), stg_json_int(p.signer, "not_after_ms", 0));
	put(list, "signer", "", stg_json_str(p.signer, "chain_name"), stg_json_int(p.signer, "chain_not_after_ms", 0));
	for (uint32_t i = 0; i < 500 && (one = payload_at(&p, i)); i++) {
		put_payload(list, one, i);
		if (signed_ms && is_two_weeks(one))
			put(list, "enrolment", "", "Intune", signed_ms + INTUNE_LIFE_MS);
	}
	profile_close(&p);
	return list;
}
