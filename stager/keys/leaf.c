/*
 * leaf.c - one certificate for one device: with its key as PKCS#12, or over the key of a request.
 *
 * For:    the step issue_certificate, `stager ca issue`, SCEP.
 * Uses:   OpenSSL; blank.c for the key and the file, request.c for keys made elsewhere, names.c.
 * Called: by the station (a row is registered before anything is delivered), by stager/ca.
 * Thread: any.
 */
#include <stdio.h>

#include <openssl/err.h>

#include <stager/clock.h>
#include <stager/ids.h>

#include "inner.h"

#define DAYS_DEFAULT 397
#define DAYS_MAX 1095
#define KIND_SIZE 32

/* What a certificate is good for. The issuing CA holds clientAuth and emailProtection: nothing else would verify below it. */
struct purpose {
	const char *word, *eku;         /* as templates say it; NULL: no EKU at all */
	int check;                      /* OpenSSL's purpose that must accept it */
};
static const struct purpose purposes[] = {
	{ "client", "clientAuth", X509_PURPOSE_SSL_CLIENT },
	{ "email", "emailProtection", X509_PURPOSE_SMIME_SIGN },
	{ "client email", "clientAuth,emailProtection", X509_PURPOSE_SSL_CLIENT },
	{ "ra", NULL, X509_PURPOSE_ANY },
};

static const struct purpose *purpose_of(const char *word, struct stg_error *err)
{
	if (!word || !*word)
		return &purposes[0];
	for (size_t i = 0; i < STG_ARRAY_LEN(purposes); i++)
		if (strcmp(purposes[i].word, word) == 0)
			return &purposes[i];
	keys_refuse_ask(err, word, "client, email or \"client email\": the CA issues nothing else");
	return NULL;
}

/* As a reader sees it: from its bytes, the key decoded. */
static X509 *read_again(X509 *cert)
{
	uint8_t *der = NULL;
	int n = i2d_X509(cert, &der);
	const unsigned char *p = der;
	X509 *read = n > 0 ? d2i_X509(NULL, &p, n) : NULL;
	OPENSSL_free(der);
	return read;
}

/* What we issue is checked the way its readers check it, before it leaves: name constraints, times, chain. */
static bool verify_own(X509 *issued, X509_STORE *issuers, int purpose, struct stg_error *err)
{
	STG_AUTO(X509_free_at) X509 *leaf = read_again(issued);
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	bool ok = false;
	if (!ctx || !leaf || X509_STORE_CTX_init(ctx, issuers, leaf, NULL) != 1) {
		keys_ssl_fail(err, STG_E_NOMEM, "verify a certificate");
	} else {
		X509_VERIFY_PARAM_set_purpose(X509_STORE_CTX_get0_param(ctx), purpose);
		ok = X509_verify_cert(ctx) == 1;
		if (!ok) {
			int why = X509_STORE_CTX_get_error(ctx);
			stg_fail_id(err, STG_E_USAGE, STG_ID_CERTIFICATE_ASK, why, "the CA may not issue this: %s",
				    X509_verify_cert_error_string(why));
		}
	}
	X509_STORE_CTX_free(ctx);
	ERR_clear_error();
	return ok;
}

static bool validity(X509 *issuing, int64_t days, int64_t *ret_from, int64_t *ret_until, struct stg_error *err)
{
	int64_t now = stg_wall_ms(), first = 0, last = 0;
	if (days == 0)
		days = DAYS_DEFAULT;
	if (days < 1 || days > DAYS_MAX)
		return keys_refuse_ask(err, "days", "1 to 1095");
	if (now < stg_build_ms())
		return stg_fail_id(err, STG_E_STATION, STG_ID_CLOCK_ISSUING, 0, "the clock is before this program was built");
	if (!keys_time_ms(X509_get0_notBefore(issuing), &first) || !keys_time_ms(X509_get0_notAfter(issuing), &last))
		return stg_fail(err, STG_E_PROTOCOL, 0, "the issuing certificate has unreadable dates");
	if (now < first)
		return stg_fail_id(err, STG_E_STATION, STG_ID_CLOCK_ISSUING, 0, "the clock is before the issuing certificate begins");
	if (now >= last)
		return stg_fail_id(err, STG_E_STATION, STG_ID_CA_EXPIRED, 0, "the issuing certificate has expired");
	*ret_from = now - KEYS_DAY_MS > first ? now - KEYS_DAY_MS : first;
	*ret_until = now + days * KEYS_DAY_MS < last ? now + days * KEYS_DAY_MS : last;
	return true;
}

/* The one given, or one made now; checked to be what is asked for. */
static bool find_blank(const struct stg_leaf_ask *ask, const struct stg_secret *given, struct stg_secret *own, const struct stg_secret **ret,
		       char kind[KIND_SIZE], struct stg_error *err)
{
	const char *type = ask->key_type && *ask->key_type ? ask->key_type : "rsa-2048";
	if (!keys_blank_knows(type))
		return keys_refuse_ask(err, type, "rsa-2048, rsa-3072, rsa-4096, p-256 or p-384");
	*ret = given && stg_secret_is_set(given) ? given : own;
	if (*ret == own && !keys_blank_make(type, own, err))
		return false;
	return keys_blank_kind(*ret, kind, KIND_SIZE, err) &&
	       (strcmp(kind, type) == 0 || stg_fail(err, STG_E_BUG, 0, "a key from the pool is %s, not %s", kind, type));
}

static json_t *row_of(X509 *leaf, const char *kind, const json_t *org, const struct stg_leaf_ask *ask, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *row = json_object();
	STG_AUTO(stg_buf_clear) struct stg_buf pem = STG_BUF(KEYS_PEM_MAX);
	char serial[64], sha256[65], spki[65], subject[256];
	int64_t from = 0, until = 0;
	snprintf(subject, sizeof(subject), "O=%s,CN=%s", stg_json_str(org, "name"), ask->common_name);
	if (!keys_serial_hex(X509_get0_serialNumber(leaf), serial, sizeof(serial)) || !keys_cert_sha256(leaf, sha256) ||
	    !keys_spki_sha256(leaf, spki) || !keys_time_ms(X509_get0_notBefore(leaf), &from) ||
	    !keys_time_ms(X509_get0_notAfter(leaf), &until)) {
		keys_ssl_fail(err, STG_E_NOMEM, "describe a certificate");
		return NULL;
	}
	if (!keys_cert_to_pem(leaf, &pem, err))
		return NULL;
	stg_json_put(row, "issuer", stg_json_str(org, "issuer"));
	stg_json_put(row, "organisation", stg_json_str(org, "name"));
	stg_json_put(row, "serial_hex", serial);
	stg_json_put(row, "subject", subject);
	if (json_array_size(ask->san))
		stg_json_put_new(row, "san", json_deep_copy(ask->san));
	stg_json_put(row, "sha256", sha256);
	stg_json_put(row, "spki_sha256", spki);
	stg_json_put_int(row, "not_before_ms", from);
	stg_json_put_int(row, "not_after_ms", until);
	stg_json_put(row, "purpose", ask->purpose && *ask->purpose ? ask->purpose : "client");
	stg_json_put(row, "key", kind);
	stg_json_put(row, "status", "issued");
	stg_json_put(row, "pem", stg_buf_str(&pem));
	return stg_steal(row);
}

/* O stays the first: the CA's constraint on names is a prefix. */
static X509_NAME *subject_of(const json_t *org, const struct stg_leaf_ask *ask, struct stg_error *err)
{
	if (!ask->common_name || !*ask->common_name) {
		keys_refuse_ask(err, "common_name", "a name for the certificate");
		return NULL;
	}
	STG_AUTO(X509_NAME_free_at) X509_NAME *n = keys_name(stg_json_str(org, "name"), NULL, ask->common_name, err);
	if (!n || !keys_name_add(n, NID_organizationalUnitName, ask->department, err) ||
	    !keys_name_add(n, NID_serialNumber, ask->serial_number, err)) {
		stg_say(err, STG_ID_CERTIFICATE_ASK);
		return NULL;
	}
	return stg_steal(n);
}

/* Everything of a leaf but its key. */
static X509 *begin(const struct keys_opened *o, const json_t *org, const struct stg_leaf_ask *ask, struct stg_error *err)
{
	int64_t from = 0, until = 0;
	STG_AUTO(X509_NAME_free_at) X509_NAME *subject = subject_of(org, ask, err);
	if (!subject || !validity(o->issuing, ask->days, &from, &until, err))
		return NULL;
	return keys_cert_begin(subject, NULL, o->issuing, from, until, err);
}

/* With its key in it: what it may be used for, whose it is, signed and read back. */
static bool finish(const struct keys_opened *o, const json_t *org, const struct stg_leaf_ask *ask, const struct purpose *p, const char *kind,
		   X509 *leaf, struct stg_error *err)
{
	X509 *issuing = o->issuing;
	const char *usage = strncmp(kind, "rsa", 3) == 0 ? "critical,digitalSignature,keyEncipherment" : "critical,digitalSignature";
	return keys_cert_ext(leaf, issuing, NID_basic_constraints, "critical,CA:FALSE", err) &&
	       keys_cert_ext(leaf, issuing, NID_key_usage, usage, err) &&
	       (!p->eku || keys_cert_ext(leaf, issuing, NID_ext_key_usage, p->eku, err)) && keys_add_names(leaf, ask->san, err) &&
	       keys_add_crl_place(leaf, stg_json_str(org, "crl_url"), err) &&
	       keys_cert_ext(leaf, issuing, NID_subject_key_identifier, "hash", err) &&
	       keys_cert_ext(leaf, issuing, NID_authority_key_identifier, "keyid:always", err) && keys_cert_sign(leaf, o->issuing_key, err) &&
	       verify_own(leaf, o->issuers, p->check, err);
}

bool stg_leaf_issue(const struct stg_keys *k, const json_t *org, struct stg_bytes sealed, const struct stg_leaf_ask *ask,
		    const struct stg_secret *blank, struct stg_secret *ret_p12, struct stg_secret *ret_password, json_t **ret_row,
		    struct stg_error *err)
{
	STG_AUTO(stg_secret_clear) struct stg_secret own = { 0 };
	char kind[KIND_SIZE];
	const struct purpose *p = purpose_of(ask->purpose, err);
	if (!p)
		return false;
	STG_AUTO(keys_opened_release_at) struct keys_opened *o = keys_opened_hold(k, org, sealed, err);
	STG_AUTO(X509_free_at) X509 *leaf = o ? begin(o, org, ask, err) : NULL;
	if (!leaf || !find_blank(ask, blank, &own, &blank, kind, err))
		return false;
	if (!keys_blank_into(blank, leaf, err) || !finish(o, org, ask, p, kind, leaf, err))
		return stg_while(err, "issue for '%.64s'", ask->common_name);

	STG_AUTO(stg_json_free_at) json_t *row = row_of(leaf, kind, org, ask, err);
	if (!row || !keys_blank_p12(blank, leaf, ask->with_chain ? o->issuing : NULL, ask->common_name, ask->modern_p12, ret_p12, ret_password, err))
		return stg_while(err, "issue for '%.64s'", ask->common_name);
	*ret_row = stg_steal(row);
	return true;
}

bool keys_leaf_over(const struct keys_opened *o, const json_t *org, const struct stg_leaf_ask *ask, EVP_PKEY *key, X509 **ret_leaf,
		    json_t **ret_row, struct stg_error *err)
{
	char kind[KIND_SIZE];
	const struct purpose *p = purpose_of(ask->purpose, err);
	STG_AUTO(X509_free_at) X509 *leaf = p ? begin(o, org, ask, err) : NULL;
	if (!leaf)
		return false;
	keys_kind(key, kind, sizeof(kind));
	if (X509_set_pubkey(leaf, key) != 1)
		return keys_ssl_fail(err, STG_E_NOMEM, "put a key into a certificate");
	STG_AUTO(stg_json_free_at) json_t *row =
		finish(o, org, ask, p, kind, leaf, err) ? row_of(leaf, kind, org, ask, err) : NULL;
	if (!row)
		return stg_while(err, "issue for '%.64s'", ask->common_name);
	*ret_leaf = stg_steal(leaf);
	*ret_row = stg_steal(row);
	return true;
}

bool stg_leaf_sign(const struct stg_keys *k, const json_t *org, struct stg_bytes sealed, const struct stg_leaf_ask *ask,
		   struct stg_bytes request_der, struct stg_buf *ret_der, json_t **ret_row, struct stg_error *err)
{
	STG_AUTO(EVP_PKEY_free_at) EVP_PKEY *key = keys_request_key(request_der, err);
	STG_AUTO(keys_opened_release_at) struct keys_opened *o = key ? keys_opened_hold(k, org, sealed, err) : NULL;
	STG_AUTO(X509_free_at) X509 *leaf = NULL;
	STG_AUTO(stg_json_free_at) json_t *row = NULL;
	if (!o || !keys_leaf_over(o, org, ask, key, &leaf, &row, err) || !keys_cert_to_der(leaf, ret_der, err))
		return false;
	*ret_row = stg_steal(row);
	return true;
}
