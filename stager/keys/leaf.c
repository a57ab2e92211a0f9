/*
 * leaf.c - one certificate and key for one device, as PKCS#12.
 *
 * For:    the step issue_certificate, and `stager ca issue`.
 * Uses:   OpenSSL; blank.c for the key and the file.
 * Called: by the station (a row is registered before anything is delivered), by the operations ca.*.
 * Thread: any.
 */
#include <ctype.h>
#include <stdio.h>

#include <openssl/err.h>

#include <stager/clock.h>
#include <stager/ids.h>

#include "inner.h"

#define DAYS_DEFAULT 397
#define DAYS_MAX 1095
#define KIND_SIZE 32
#define SAN_MAX 8
#define SAN_BYTES_MAX 255

static bool refuse(struct stg_error *err, const char *what, const char *expected)
{
	char shown[120];
	stg_printable(what, true, shown, sizeof(shown));
	return stg_fail_id(err, STG_E_USAGE, STG_ID_CERTIFICATE_ASK, 0, "'%s': expected %s", shown, expected);
}

static ASN1_STRING *ascii(const char *text)
{
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f)
			return NULL;
	ASN1_STRING *s = ASN1_IA5STRING_new();
	if (s && ASN1_STRING_set(s, text, -1) != 1) {
		ASN1_STRING_free(s);
		return NULL;
	}
	return s;
}

/* otherName 1.3.6.1.4.1.311.20.2.3: how a directory account is written into a certificate. */
static GENERAL_NAME *principal(const char *text)
{
	GENERAL_NAME *g = GENERAL_NAME_new();
	ASN1_TYPE *value = ASN1_TYPE_new();
	ASN1_UTF8STRING *s = ASN1_UTF8STRING_new();
	ASN1_OBJECT *oid = OBJ_txt2obj("1.3.6.1.4.1.311.20.2.3", 1);
	if (!g || !value || !s || !oid || ASN1_STRING_set(s, text, -1) != 1) {
		GENERAL_NAME_free(g);
		ASN1_TYPE_free(value);
		ASN1_UTF8STRING_free(s);
		ASN1_OBJECT_free(oid);
		return NULL;
	}
	ASN1_TYPE_set(value, V_ASN1_UTF8STRING, s);
	if (GENERAL_NAME_set0_othername(g, oid, value) != 1) {
		GENERAL_NAME_free(g);
		ASN1_TYPE_free(value);
		ASN1_OBJECT_free(oid);
		return NULL;
	}
	return g;
}

static GENERAL_NAME *name_of(const char *text)
{
	static const struct { const char *word; int type; } kinds[] = { { "dns:", GEN_DNS }, { "uri:", GEN_URI }, { "email:", GEN_EMAIL } };
	if (strncmp(text, "upn:", 4) == 0 && text[4])
		return principal(text + 4);
	for (size_t i = 0; i < STG_ARRAY_LEN(kinds); i++) {
		size_t n = strlen(kinds[i].word);
		if (strncmp(text, kinds[i].word, n) != 0 || !text[n])
			continue;
		GENERAL_NAME *g = GENERAL_NAME_new();
		ASN1_STRING *s = g ? ascii(text + n) : NULL;
		if (!s) {
			GENERAL_NAME_free(g);
			return NULL;
		}
		GENERAL_NAME_set0_value(g, kinds[i].type, s);
		return g;
	}
	return NULL;
}

static bool add_names(X509 *cert, const json_t *san, struct stg_error *err)
{
	STG_AUTO(GENERAL_NAMES_free_at) GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	if (!names)
		return stg_fail(err, STG_E_NOMEM, 0, "no memory for names");
	if (json_array_size(san) > SAN_MAX)
		return refuse(err, "san", "at most 8 names");
	for (size_t i = 0; i < json_array_size(san); i++) {
		const char *text = json_string_value(json_array_get(san, i));
		GENERAL_NAME *g = text && strlen(text) <= SAN_BYTES_MAX ? name_of(text) : NULL;
		if (!g)
			return refuse(err, text ? text : "san", "dns:, uri:, email: (plain ASCII) or upn: and a name");
		if (sk_GENERAL_NAME_push(names, g) <= 0) {
			GENERAL_NAME_free(g);
			return stg_fail(err, STG_E_NOMEM, 0, "no memory for names");
		}
	}
	return sk_GENERAL_NAME_num(names) == 0 || keys_cert_ext_object(cert, NID_subject_alt_name, false, names, err);
}

static bool add_crl_place(X509 *cert, const char *url, struct stg_error *err)
{
	if (!*url)
		return true;
	DIST_POINT *place = DIST_POINT_new();
	DIST_POINT_NAME *name = DIST_POINT_NAME_new();
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	GENERAL_NAME *g = GENERAL_NAME_new();
	ASN1_STRING *s = ascii(url);
	CRL_DIST_POINTS *list = sk_DIST_POINT_new_null();
	bool ok = false;
	if (place && name && names && g && s && list) {
		GENERAL_NAME_set0_value(g, GEN_URI, s);
		s = NULL;
		if (sk_GENERAL_NAME_push(names, g) > 0) {
			g = NULL;
			name->type = 0;
			name->name.fullname = names;
			names = NULL;
			place->distpoint = name;
			name = NULL;
			if (sk_DIST_POINT_push(list, place) > 0) {
				place = NULL;
				ok = keys_cert_ext_object(cert, NID_crl_distribution_points, false, list, err);
			}
		}
	}
	ASN1_STRING_free(s);
	GENERAL_NAME_free(g);
	sk_GENERAL_NAME_pop_free(names, GENERAL_NAME_free);
	DIST_POINT_NAME_free(name);
	DIST_POINT_free(place);
	sk_DIST_POINT_pop_free(list, DIST_POINT_free);
	return ok || (err && err->code ? false : refuse(err, url, "a plain address for the revocation list"));
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
static bool verify_own(X509 *issued, X509_STORE *issuers, struct stg_error *err)
{
	STG_AUTO(X509_free_at) X509 *leaf = read_again(issued);
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	bool ok = false;
	if (!ctx || !leaf || X509_STORE_CTX_init(ctx, issuers, leaf, NULL) != 1) {
		keys_ssl_fail(err, STG_E_NOMEM, "verify a certificate");
	} else {
		X509_VERIFY_PARAM_set_purpose(X509_STORE_CTX_get0_param(ctx), X509_PURPOSE_SSL_CLIENT);
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
		return refuse(err, "days", "1 to 1095");
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
	if (strcmp(type, "rsa-2048") != 0 && strcmp(type, "p-256") != 0)
		return refuse(err, type, "rsa-2048 or p-256");
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

bool stg_leaf_issue(const struct stg_keys *k, const json_t *org, struct stg_bytes sealed, const struct stg_leaf_ask *ask,
		    const struct stg_secret *blank, struct stg_secret *ret_p12, struct stg_secret *ret_password, json_t **ret_row,
		    struct stg_error *err)
{
	STG_AUTO(stg_secret_clear) struct stg_secret own = { 0 };
	int64_t from = 0, until = 0;
	char kind[KIND_SIZE];
	if (!ask->common_name || !*ask->common_name)
		return refuse(err, "common_name", "a name for the certificate");
	if (ask->purpose && *ask->purpose && strcmp(ask->purpose, "client") != 0)
		return refuse(err, ask->purpose, "client: the CA issues nothing else");

	STG_AUTO(keys_opened_release_at) struct keys_opened *o = keys_opened_hold(k, org, sealed, err);
	if (!o || !validity(o->issuing, ask->days, &from, &until, err))
		return false;
	STG_AUTO(X509_NAME_free_at) X509_NAME *subject = keys_name(stg_json_str(org, "name"), NULL, ask->common_name, err);
	if (!subject)
		return stg_say(err, STG_ID_CERTIFICATE_ASK);
	if (!find_blank(ask, blank, &own, &blank, kind, err))
		return false;
	X509 *issuing = o->issuing;
	STG_AUTO(X509_free_at) X509 *leaf = keys_cert_begin(subject, NULL, issuing, from, until, err);
	const char *usage = strncmp(kind, "rsa", 3) == 0 ? "critical,digitalSignature,keyEncipherment" : "critical,digitalSignature";
	if (!leaf || !keys_blank_into(blank, leaf, err) || !keys_cert_ext(leaf, issuing, NID_basic_constraints, "critical,CA:FALSE", err) ||
	    !keys_cert_ext(leaf, issuing, NID_key_usage, usage, err) || !keys_cert_ext(leaf, issuing, NID_ext_key_usage, "clientAuth", err) ||
	    !add_names(leaf, ask->san, err) || !add_crl_place(leaf, stg_json_str(org, "crl_url"), err) ||
	    !keys_cert_ext(leaf, issuing, NID_subject_key_identifier, "hash", err) ||
	    !keys_cert_ext(leaf, issuing, NID_authority_key_identifier, "keyid:always", err) || !keys_cert_sign(leaf, o->issuing_key, err) ||
	    !verify_own(leaf, o->issuers, err))
		return stg_while(err, "issue for '%.64s'", ask->common_name);

	STG_AUTO(stg_json_free_at) json_t *row = row_of(leaf, kind, org, ask, err);
	if (!row || !keys_blank_p12(blank, leaf, issuing, ask->common_name, ask->modern_p12, ret_p12, ret_password, err))
		return stg_while(err, "issue for '%.64s'", ask->common_name);
	*ret_row = stg_steal(row);
	return true;
}
