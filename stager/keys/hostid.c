/*
 * hostid.c - host identities: what a station shows to a device it has paired with.
 *
 * For:    the pool that is filled while no device waits.
 * Uses:   OpenSSL.
 * Called: by the station's idle thread (make) and before a pairing (open).
 * Thread: any.
 *
 * Facts: shape of the certificates as all clients make them (RSA-2048, empty names, root CA:TRUE, host CA:FALSE with
 * digitalSignature and keyEncipherment, ten years), but SHA-256 and a random serial instead of SHA-1 and 0, and valid
 * from yesterday, because the device's clock decides (libimobiledevice common/userpref.c, go-ios, pymobiledevice3).
 */
#include <ctype.h>

#include <stager/clock.h>
#include <stager/ids.h>

#include "inner.h"

#define HOSTID_YEARS 10
static const char PURPOSE[] = "host-identity";

static bool put_cert(struct stg_buf *bag, const char *name, X509 *cert, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf pem = STG_BUF(KEYS_PEM_MAX);
	return keys_cert_to_pem(cert, &pem, err) && keys_bag_put(bag, name, stg_buf_view(&pem), err);
}

static bool put_key(struct stg_buf *bag, const char *name, EVP_PKEY *key, struct stg_error *err)
{
	STG_AUTO(stg_secret_clear) struct stg_secret pem = { 0 };
	return keys_to_pem(key, &pem, err) && keys_bag_put(bag, name, stg_secret_reveal(&pem), err);
}

bool stg_hostid_make(const struct stg_keys *k, const char *system_buid, char ret_host_id[64], struct stg_buf *ret_sealed, struct stg_error *err)
{
	STG_AUTO(EVP_PKEY_free_at) EVP_PKEY *root_key = keys_make_rsa(2048, err);
	STG_AUTO(EVP_PKEY_free_at) EVP_PKEY *host_key = root_key ? keys_make_rsa(2048, err) : NULL;
	STG_AUTO(X509_NAME_free_at) X509_NAME *nobody = X509_NAME_new();
	STG_AUTO(stg_buf_clear) struct stg_buf bag = STG_BUF(KEYS_SEALED_MAX);
	char host_id[STG_UUID_TEXT];
	if (!root_key || !host_key || !nobody)
		return host_key ? stg_fail(err, STG_E_NOMEM, 0, "no memory for a name") : false;
	int64_t from = stg_wall_ms() - KEYS_DAY_MS, until = from + HOSTID_YEARS * 365 * KEYS_DAY_MS;

	STG_AUTO(X509_free_at) X509 *root = keys_cert_begin(nobody, root_key, NULL, from, until, err);
	if (!root || !keys_cert_ext(root, NULL, NID_basic_constraints, "critical,CA:TRUE", err) || !keys_cert_sign(root, root_key, err))
		return false;
	STG_AUTO(X509_free_at) X509 *host = keys_cert_begin(nobody, host_key, root, from, until, err);
	if (!host || !keys_cert_ext(host, root, NID_basic_constraints, "critical,CA:FALSE", err) ||
	    !keys_cert_ext(host, root, NID_key_usage, "critical,digitalSignature,keyEncipherment", err) || !keys_cert_sign(host, root_key, err))
		return false;

	stg_uuid4(host_id);
	for (char *p = host_id; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	if (!keys_bag_put(&bag, "host_id", stg_bytes_str(host_id), err) ||
	    !keys_bag_put(&bag, "system_buid", stg_bytes_str(system_buid), err) || !put_cert(&bag, "root_certificate", root, err) ||
	    !put_cert(&bag, "host_certificate", host, err) || !put_key(&bag, "root_key", root_key, err) ||
	    !put_key(&bag, "host_key", host_key, err) || !stg_keys_seal(k, PURPOSE, stg_buf_view(&bag), ret_sealed, err))
		return false;
	stg_copy(ret_host_id, 64, host_id);
	return true;
}

static bool get_text(struct stg_bytes bag, const char *name, char *ret, size_t size, struct stg_error *err)
{
	struct stg_bytes v;
	if (!keys_bag_get(bag, name, &v, err))
		return false;
	if (v.len >= size)
		return stg_fail(err, STG_E_PROTOCOL, 0, "%s of %zu bytes in a host identity", name, v.len);
	memcpy(ret, v.data, v.len);
	ret[v.len] = 0;
	return true;
}

static bool get_buf(struct stg_bytes bag, const char *name, struct stg_buf *ret, struct stg_error *err)
{
	struct stg_bytes v;
	*ret = STG_BUF(KEYS_PEM_MAX);
	return keys_bag_get(bag, name, &v, err) && stg_buf_add(ret, v.data, v.len, err);
}

static bool get_secret(struct stg_bytes bag, const char *name, struct stg_secret *ret, struct stg_error *err)
{
	struct stg_bytes v;
	return keys_bag_get(bag, name, &v, err) && stg_secret_set(ret, v, err);
}

bool stg_hostid_open(const struct stg_keys *k, struct stg_bytes sealed, struct stg_host_identity *ret, struct stg_error *err)
{
	STG_AUTO(stg_secret_clear) struct stg_secret plain = { 0 };
	struct stg_host_identity h = { 0 };
	if (!stg_keys_open_sealed(k, PURPOSE, sealed, &plain, err))
		return false;
	struct stg_bytes bag = stg_secret_reveal(&plain);
	if (get_text(bag, "host_id", h.host_id, sizeof(h.host_id), err) &&
	    get_text(bag, "system_buid", h.system_buid, sizeof(h.system_buid), err) &&
	    get_buf(bag, "root_certificate", &h.root_certificate, err) && get_buf(bag, "host_certificate", &h.host_certificate, err) &&
	    get_secret(bag, "root_key", &h.root_key, err) && get_secret(bag, "host_key", &h.host_key, err)) {
		*ret = h;
		return true;
	}
	stg_host_identity_clear(&h);
	return false;
}
