/*
 * identity.c - profiles that bring a device its own certificate and key.
 *
 * For:    the step issue_certificate, alone or with the Wi-Fi (or MDM) payload that uses the identity.
 * Uses:   fill.c, OpenSSL to read the issuers' certificates.
 * Called: by the station.
 * Thread: any; the issuers read last are kept behind a lock.
 *
 * Facts: com.apple.security.pkcs12 holds exactly one identity; a reference works only inside one profile, so identity and
 * Wi-Fi travel together; intermediates are shipped as payloads of their own as well (profiles-and-certificates 2.4, 4.5).
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "inner.h"

#define ISSUERS_MAX 8
#define PLACEHOLDER "00000000-0000-4000-8000-000000000000"

static plist_t payload_new(const char *type, const char *identifier, const char *uuid, const char *name)
{
	plist_t d = plist_new_dict();
	plist_dict_set_item(d, "PayloadType", plist_new_string(type));
	plist_dict_set_item(d, "PayloadVersion", plist_new_uint(1));
	plist_dict_set_item(d, "PayloadIdentifier", plist_new_string(identifier));
	plist_dict_set_item(d, "PayloadUUID", plist_new_string(uuid));
	if (name && *name)
		plist_dict_set_item(d, "PayloadDisplayName", plist_new_string(name));
	return d;
}

static bool holds(plist_t list, struct stg_bytes der)
{
	for (uint32_t i = 0; i < plist_array_get_size(list); i++) {
		plist_t data = tree_get(plist_array_get_item(list, i), "PayloadContent");
		uint64_t n = 0;
		const char *bytes = data && plist_get_node_type(data) == PLIST_DATA ? plist_get_data_ptr(data, &n) : NULL;
		if (bytes && stg_bytes_equal(stg_bytes(bytes, (size_t)n), der))
			return true;
	}
	return false;
}

/* What a profile needs of an issuer's certificate. */
struct issuer {
	char *pem;
	uint8_t *der;
	int der_len;
	char name[160], hash[65];
	bool is_root;
};

/* The same two issuers stand in the profile of every device, and reading a certificate costs OpenSSL 3 half a millisecond. */
static struct {
	pthread_mutex_t lock;
	struct issuer place[ISSUERS_MAX];
	size_t next;
} known = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void issuer_free(struct issuer *i)
{
	free(i->pem);
	OPENSSL_free(i->der);
	*i = (struct issuer){ 0 };
}

static bool issuer_read(const char *pem, struct issuer *ret, struct stg_error *err)
{
	BIO *in = BIO_new_mem_buf(pem, -1);
	X509 *cert = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
	char raw[128] = "";
	*ret = (struct issuer){ 0 };
	ret->der_len = cert ? i2d_X509(cert, &ret->der) : 0;
	BIO_free(in);
	if (ret->der_len <= 0) {
		X509_free(cert);
		ERR_clear_error();
		return stg_fail(err, STG_E_PROTOCOL, 0, "an issuer's certificate cannot be read");
	}
	ret->is_root = X509_NAME_cmp(X509_get_subject_name(cert), X509_get_issuer_name(cert)) == 0;
	X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, raw, sizeof(raw));
	stg_printable(raw, true, ret->name, sizeof(ret->name));
	stg_sha256_hex(stg_bytes(ret->der, (size_t)ret->der_len), ret->hash);
	ret->pem = stg_strdup(pem);
	X509_free(cert);
	return true;
}

/* With the lock held; valid as long as it is. */
static const struct issuer *issuer_of(const char *pem, struct stg_error *err)
{
	struct issuer fresh;
	for (size_t i = 0; i < ISSUERS_MAX; i++)
		if (known.place[i].pem && strcmp(known.place[i].pem, pem) == 0)
			return &known.place[i];
	if (!issuer_read(pem, &fresh, err))
		return NULL;
	struct issuer *at = &known.place[known.next++ % ISSUERS_MAX];
	issuer_free(at);
	*at = fresh;
	return at;
}

static void append_issuer(plist_t list, const struct issuer *i, const char *identifier, const char *unit, unsigned int number)
{
	char id[320], uuid[40];
	if (holds(list, stg_bytes(i->der, (size_t)i->der_len)))
		return;
	snprintf(id, sizeof(id), "%.240s.issuer-%u", identifier, number);
	derive_uuid(unit, id, i->hash, uuid);
	plist_t p = payload_new(i->is_root ? "com.apple.security.root" : "com.apple.security.pkcs1", id, uuid, i->name);
	plist_dict_set_item(p, "PayloadCertificateFileName", plist_new_string(i->is_root ? "root.cer" : "issuer.cer"));
	plist_dict_set_item(p, "PayloadContent", plist_new_data((const char *)i->der, (uint64_t)i->der_len));
	plist_array_append_item(list, p);
}

static bool add_issuer(plist_t list, const char *pem, const char *identifier, const char *unit, unsigned int number, struct stg_error *err)
{
	pthread_mutex_lock(&known.lock);
	const struct issuer *i = issuer_of(pem, err);
	if (i)
		append_issuer(list, i, identifier, unit, number);
	pthread_mutex_unlock(&known.lock);
	return i != NULL;
}

/* Which identity: a new certificate is a new payload, so that no device keeps an old key under an old reference. */
static void identity_uuid(const char *identifier, const char *unit, struct stg_bytes p12, const char *certificate_sha256, char ret[40])
{
	char hash[65];
	stg_sha256_hex(p12, hash);
	derive_uuid(unit, identifier, certificate_sha256 && *certificate_sha256 ? certificate_sha256 : hash, ret);
}

static bool add_identity(struct profile *p, const char *identifier, const char *unit, const char *uuid, const char *name, struct stg_bytes p12,
			 struct stg_bytes password, const json_t *issuer_pems, struct stg_error *err)
{
	char id[320], text[256];
	plist_t list = tree_get(p->root, "PayloadContent");
	if (!list || plist_get_node_type(list) != PLIST_ARRAY)
		return profile_fail(p, STG_ID_PROFILE_RULE, "PayloadContent", err, "must be a list of payloads");
	if (password.len == 0 || password.len >= sizeof(text))
		return stg_fail(err, STG_E_BUG, 0, "a password of %zu bytes", password.len);
	snprintf(id, sizeof(id), "%.240s.identity", identifier);
	plist_t one = payload_new("com.apple.security.pkcs12", id, uuid, name);
	memcpy(text, password.data, password.len);
	text[password.len] = 0;
	plist_dict_set_item(one, "Password", plist_new_string(text));
	OPENSSL_cleanse(text, sizeof(text));
	plist_dict_set_item(one, "PayloadCertificateFileName", plist_new_string("identity.p12"));
	plist_dict_set_item(one, "PayloadContent", plist_new_data((const char *)p12.data, p12.len));
	plist_array_append_item(list, one);
	size_t i;
	json_t *pem;
	if (json_array_size(issuer_pems) > ISSUERS_MAX)
		return stg_fail(err, STG_E_BUG, 0, "more than %d issuers", ISSUERS_MAX);
	json_array_foreach(issuer_pems, i, pem)
		if (!add_issuer(list, json_string_value(pem) ? json_string_value(pem) : "", identifier, unit, (unsigned int)i + 1, err))
			return false;
	return true;
}

bool stg_profile_identity(const char *identifier, const char *display_name, const char *unit, struct stg_bytes p12, struct stg_bytes password,
			  const json_t *issuer_pems, struct stg_payload *ret, struct stg_error *err)
{
	struct profile p = { .root = payload_new("Configuration", identifier, PLACEHOLDER, display_name) };
	char uuid[40];
	stg_printable(identifier, true, p.file, sizeof(p.file));
	plist_dict_set_item(p.root, "PayloadContent", plist_new_array());
	plist_dict_set_item(p.root, "TargetDeviceType", plist_new_uint(1));
	identity_uuid(identifier, unit, p12, NULL, uuid);
	bool ok = add_identity(&p, identifier, unit, uuid, display_name, p12, password, issuer_pems, err) && profile_finish(&p, unit, ret, err);
	profile_wipe(&p);
	profile_close(&p);
	return ok;
}

bool stg_profile_with_identity(const char *file_name, struct stg_bytes file, const json_t *values, const char *unit, struct stg_bytes p12,
			       struct stg_bytes password, const json_t *issuer_pems, const char *certificate_sha256,
			       struct stg_payload *ret, struct stg_error *err)
{
	struct profile p;
	char uuid[40], identifier[256];
	if (!profile_open(file_name, file, &p, err))
		return false;
	const char *id = tree_str(p.root, "PayloadIdentifier");
	stg_copy(identifier, sizeof(identifier), id ? id : "");
	identity_uuid(identifier, unit, p12, certificate_sha256, uuid);
	STG_AUTO(stg_json_free_at) json_t *all = values ? json_copy((json_t *)(uintptr_t)values) : json_object();
	stg_json_put(all, "certificate_uuid", uuid);
	bool ok = profile_substitute(&p, all, err) && add_identity(&p, identifier, unit, uuid, "Identity", p12, password, issuer_pems, err) &&
		  profile_finish(&p, unit, ret, err);
	if (ok && certificate_sha256)
		stg_copy(ret->certificate_sha256, sizeof(ret->certificate_sha256), certificate_sha256);
	profile_wipe(&p);
	profile_close(&p);
	return ok;
}
