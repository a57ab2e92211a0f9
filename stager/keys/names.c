/*
 * names.c - what a certificate calls its holder besides the subject, and where its revocation list lies.
 *
 * For:    leaves, and what is signed from a request.
 * Uses:   OpenSSL.
 * Called: by leaf.c.
 * Thread: any; no state.
 *
 * Objects are built, never OpenSSL's extension language: what a person typed cannot add an extension.
 */
#include <stdio.h>

#include <openssl/err.h>

#include <stager/ids.h>

#include "inner.h"

#define SAN_MAX 8
#define SAN_BYTES_MAX 255
#define SHOWN_MAX 32

bool keys_refuse_ask(struct stg_error *err, const char *what, const char *expected)
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

bool keys_add_names(X509 *cert, const json_t *san, struct stg_error *err)
{
	STG_AUTO(GENERAL_NAMES_free_at) GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	if (!names)
		return stg_fail(err, STG_E_NOMEM, 0, "no memory for names");
	if (json_array_size(san) > SAN_MAX)
		return keys_refuse_ask(err, "san", "at most 8 names");
	for (size_t i = 0; i < json_array_size(san); i++) {
		const char *text = json_string_value(json_array_get(san, i));
		GENERAL_NAME *g = text && strlen(text) <= SAN_BYTES_MAX ? name_of(text) : NULL;
		if (!g)
			return keys_refuse_ask(err, text ? text : "san", "dns:, uri:, email: (plain ASCII) or upn: and a name");
		if (sk_GENERAL_NAME_push(names, g) <= 0) {
			GENERAL_NAME_free(g);
			return stg_fail(err, STG_E_NOMEM, 0, "no memory for names");
		}
	}
	return sk_GENERAL_NAME_num(names) == 0 || keys_cert_ext_object(cert, NID_subject_alt_name, false, names, err);
}

bool keys_add_crl_place(X509 *cert, const char *url, struct stg_error *err)
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
	return ok || (err && err->code ? false : keys_refuse_ask(err, url, "a plain address for the revocation list"));
}

json_t *keys_names_json(const GENERAL_NAMES *names)
{
	json_t *list = json_array();
	for (int i = 0; names && i < sk_GENERAL_NAME_num(names) && i < SHOWN_MAX; i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);
		int type = 0;
		const ASN1_STRING *s = GENERAL_NAME_get0_value(g, &type);
		const char *word = type == GEN_DNS ? "dns" : type == GEN_EMAIL ? "email" : type == GEN_URI ? "uri" : NULL;
		char raw[300] = "other:", clean[400];
		if (type == GEN_OTHERNAME) {
			const ASN1_TYPE *v = g->d.otherName->value;
			word = v && v->type == V_ASN1_UTF8STRING ? "upn" : NULL;
			s = word ? v->value.utf8string : NULL;
		}
		if (word)
			snprintf(raw, sizeof(raw), "%s:%.*s", word, ASN1_STRING_length(s), (const char *)ASN1_STRING_get0_data(s));
		stg_printable(raw, true, clean, sizeof(clean));
		json_array_append_new(list, json_string(clean));
	}
	if (json_array_size(list))
		return list;
	json_decref(list);
	return NULL;
}
