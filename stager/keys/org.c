/*
 * org.c - organisations: the supervision identity and the CA.
 *
 * For:    supervising and pairing without a tap, and issuing certificates without a network.
 * Uses:   OpenSSL.
 * Called: by the operations org.*, by the station for steps that need an identity.
 * Thread: any.
 *
 * Facts: profiles-and-certificates 4.1 (hierarchy and constraints) and 5 (shape of the identity). The supervision
 * certificate is long-lived because devices compare it byte by byte: replacing it means erasing them.
 */
#include <ctype.h>
#include <stdio.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include <stager/clock.h>
#include <stager/ids.h>

#include "inner.h"

#define SUPERVISOR_YEARS 20
#define ROOT_YEARS 20
#define ISSUING_YEARS 3
#define YEAR_MS (365 * KEYS_DAY_MS)

static bool bad(struct stg_error *err, const char *what, const char *expected)
{
	return stg_fail_id(err, STG_E_USAGE, STG_ID_ORG_DETAILS, 0, "%s: expected %s", what, expected);
}

static bool is_host_name(const char *s)
{
	size_t n = strlen(s), label = 0;
	if (n == 0 || n > 200)
		return false;
	for (size_t i = 0; i < n; i++) {
		char c = s[i];
		if (c == '.') {
			if (label == 0 || s[i - 1] == '-')
				return false;
			label = 0;
			continue;
		}
		if (!isalnum((unsigned char)c) && (c != '-' || label == 0))
			return false;
		if (++label > 63)
			return false;
	}
	return label > 0 && s[n - 1] != '-';
}

/* Without a domain of its own an organisation gets a private one: the CA is constrained to something in any case. */
static void private_domain(const char *name, char *ret, size_t size)
{
	char slug[40];
	size_t at = 0;
	for (const char *p = name; *p && at + 1 < sizeof(slug); p++) {
		if (isalnum((unsigned char)*p))
			slug[at++] = (char)tolower((unsigned char)*p);
		else if (at && slug[at - 1] != '-')
			slug[at++] = '-';
	}
	while (at && slug[at - 1] == '-')
		at--;
	slug[at] = 0;
	snprintf(ret, size, "%s.internal", at ? slug : "station");
}

static bool check_details(const json_t *details, struct stg_error *err)
{
	const char *name = stg_json_str(details, "name"), *country = stg_json_str(details, "country");
	const char *domain = stg_json_str(details, "domain");
	char shown[400];
	stg_printable(name, true, shown, sizeof(shown));
	if (!*name || strlen(name) > KEYS_NAME_MAX || strcmp(shown, name) != 0)
		return bad(err, "name", "1 to 64 bytes of printable text");
	if (*country && (strlen(country) != 2 || !isupper((unsigned char)country[0]) || !isupper((unsigned char)country[1])))
		return bad(err, "country", "two capital letters such as FR");
	if (*domain && !is_host_name(domain))
		return bad(err, "domain", "a domain such as example.org");
	static const char *const texts[] = { "email", "phone", "address", "crl_url", "department" };
	for (size_t i = 0; i < STG_ARRAY_LEN(texts); i++) {
		const char *t = stg_json_str(details, texts[i]);
		char clean[1024];
		stg_printable(t, true, clean, sizeof(clean));
		if (strcmp(clean, t) != 0)
			return bad(err, texts[i], "printable text of at most 200 bytes");
	}
	const char *crl = stg_json_str(details, "crl_url");
	if (*crl && strncmp(crl, "http://", 7) != 0 && strncmp(crl, "https://", 8) != 0)
		return bad(err, "crl_url", "an address that begins with http://");
	return true;
}

static GENERAL_SUBTREE *subtree_new(int type, void *value)
{
	GENERAL_SUBTREE *t = GENERAL_SUBTREE_new();
	if (!t)
		return NULL;
	GENERAL_NAME_set0_value(t->base, type, value);
	return t;
}

static bool subtree_add(STACK_OF(GENERAL_SUBTREE) **list, int type, void *value)
{
	if (!value)
		return false;
	if (!*list)
		*list = sk_GENERAL_SUBTREE_new_null();
	GENERAL_SUBTREE *t = *list ? subtree_new(type, value) : NULL;
	if (!t || sk_GENERAL_SUBTREE_push(*list, t) <= 0) {
		GENERAL_SUBTREE_free(t);
		return false;
	}
	return true;
}

static ASN1_IA5STRING *ia5(const char *text)
{
	ASN1_IA5STRING *s = ASN1_IA5STRING_new();
	if (s && ASN1_STRING_set(s, text, -1) != 1) {
		ASN1_IA5STRING_free(s);
		return NULL;
	}
	return s;
}

static ASN1_OCTET_STRING *zeros(int n)
{
	static const uint8_t nothing[32];
	ASN1_OCTET_STRING *s = ASN1_OCTET_STRING_new();
	if (s && ASN1_OCTET_STRING_set(s, nothing, n) != 1) {
		ASN1_OCTET_STRING_free(s);
		return NULL;
	}
	return s;
}

/* Permitted: this organisation's O, names under devices.DOMAIN, mail of DOMAIN. Excluded: every IP address.
 * No URI constraint: one would make every urn: name invalid (OpenSSL error 53). */
static bool add_constraints(X509 *cert, const char *organisation, const char *domain, struct stg_error *err)
{
	STG_AUTO(NAME_CONSTRAINTS_free_at) NAME_CONSTRAINTS *nc = NAME_CONSTRAINTS_new();
	char devices[300];
	snprintf(devices, sizeof(devices), "devices.%s", domain);
	X509_NAME *o = keys_name(organisation, NULL, NULL, err);
	if (!o)
		return false;
	bool ok = nc && subtree_add(&nc->permittedSubtrees, GEN_DIRNAME, o) && subtree_add(&nc->permittedSubtrees, GEN_DNS, ia5(devices)) &&
		  subtree_add(&nc->permittedSubtrees, GEN_EMAIL, ia5(domain)) && subtree_add(&nc->excludedSubtrees, GEN_IPADD, zeros(8)) &&
		  subtree_add(&nc->excludedSubtrees, GEN_IPADD, zeros(32));
	if (!ok)
		return stg_fail(err, STG_E_NOMEM, 0, "no memory for name constraints");
	return keys_cert_ext_object(cert, NID_name_constraints, true, nc, err);
}

static X509 *make_supervisor(const char *name, const char *country, EVP_PKEY *key, int64_t from_ms, struct stg_error *err)
{
	STG_AUTO(X509_NAME_free_at) X509_NAME *subject = keys_name(name, country, name, err);
	STG_AUTO(X509_free_at) X509 *c = subject ? keys_cert_begin(subject, key, NULL, from_ms, from_ms + SUPERVISOR_YEARS * YEAR_MS, err) : NULL;
	bool ok = c && keys_cert_ext(c, NULL, NID_basic_constraints, "critical,CA:FALSE", err) &&
		  keys_cert_ext(c, NULL, NID_key_usage, "critical,digitalSignature", err) &&
		  keys_cert_ext(c, NULL, NID_ext_key_usage, "clientAuth", err) &&
		  keys_cert_ext(c, NULL, NID_subject_key_identifier, "hash", err) && keys_cert_sign(c, key, err);
	return ok ? stg_steal(c) : NULL;
}

/* "Hospital Root CA", the next one "Hospital Root CA 2": two CAs of one name would be hard to tell apart for people. */
void keys_generation_name(char *ret, size_t size, const char *organisation, const char *what, int generation)
{
	char number[16] = "";
	if (generation > 1)
		snprintf(number, sizeof(number), " %d", generation);
	if (strlen(organisation) + strlen(what) + strlen(number) + 1 > KEYS_NAME_MAX)
		snprintf(ret, size, "%s%s", what, number);
	else
		snprintf(ret, size, "%s %s%s", organisation, what, number);
}

X509 *keys_cert_root(const char *name, const char *country, int generation, EVP_PKEY *key, int64_t from_ms, int64_t years, struct stg_error *err)
{
	char cn[KEYS_NAME_MAX * 2];
	keys_generation_name(cn, sizeof(cn), name, "Root CA", generation);
	STG_AUTO(X509_NAME_free_at) X509_NAME *subject = keys_name(name, country, cn, err);
	STG_AUTO(X509_free_at) X509 *c = subject ? keys_cert_begin(subject, key, NULL, from_ms, from_ms + years * YEAR_MS, err) : NULL;
	bool ok = c && keys_cert_ext(c, NULL, NID_basic_constraints, "critical,CA:TRUE", err) &&
		  keys_cert_ext(c, NULL, NID_key_usage, "critical,keyCertSign,cRLSign", err) &&
		  keys_cert_ext(c, NULL, NID_subject_key_identifier, "hash", err) && keys_cert_sign(c, key, err);
	return ok ? stg_steal(c) : NULL;
}

X509 *keys_cert_issuing(const char *name, const char *country, const char *domain, int generation, EVP_PKEY *key, X509 *root, EVP_PKEY *root_key,
			int64_t from_ms, struct stg_error *err)
{
	char cn[KEYS_NAME_MAX * 2];
	int64_t first = 0, last = 0, until_ms = from_ms + ISSUING_YEARS * YEAR_MS;
	keys_generation_name(cn, sizeof(cn), name, "Station CA", generation);
	if (!keys_time_ms(X509_get0_notBefore(root), &first) || !keys_time_ms(X509_get0_notAfter(root), &last)) {
		stg_fail(err, STG_E_PROTOCOL, 0, "the root has unreadable dates");
		return NULL;
	}
	/* never outside its issuer's days */
	from_ms = from_ms < first ? first : from_ms;
	until_ms = until_ms > last ? last : until_ms;
	STG_AUTO(X509_NAME_free_at) X509_NAME *subject = keys_name(name, country, cn, err);
	STG_AUTO(X509_free_at) X509 *c = subject ? keys_cert_begin(subject, key, root, from_ms, until_ms, err) : NULL;
	bool ok = c && keys_cert_ext(c, root, NID_basic_constraints, "critical,CA:TRUE,pathlen:0", err) &&
		  keys_cert_ext(c, root, NID_key_usage, "critical,digitalSignature,keyCertSign,cRLSign", err) &&
		  keys_cert_ext(c, root, NID_ext_key_usage, "clientAuth,emailProtection", err) &&
		  add_constraints(c, name, domain, err) && keys_cert_ext(c, root, NID_subject_key_identifier, "hash", err) &&
		  keys_cert_ext(c, root, NID_authority_key_identifier, "keyid:always", err) && keys_cert_sign(c, root_key, err);
	return ok ? stg_steal(c) : NULL;
}

/* Only the label in Settings depends on it; it lives as long as its issuer so that nobody has to renew it apart. */
X509 *keys_cert_signer(const char *name, EVP_PKEY *key, X509 *issuing, EVP_PKEY *issuing_key, int64_t from_ms, struct stg_error *err)
{
	int64_t until_ms = 0;
	STG_AUTO(X509_NAME_free_at) X509_NAME *subject = keys_name(name, NULL, "Profile signing", err);
	if (!subject || !keys_time_ms(X509_get0_notAfter(issuing), &until_ms))
		return NULL;
	STG_AUTO(X509_free_at) X509 *c = keys_cert_begin(subject, key, issuing, from_ms, until_ms, err);
	bool ok = c && keys_cert_ext(c, issuing, NID_basic_constraints, "critical,CA:FALSE", err) &&
		  keys_cert_ext(c, issuing, NID_key_usage, "critical,digitalSignature", err) &&
		  keys_cert_ext(c, issuing, NID_ext_key_usage, "emailProtection", err) &&
		  keys_cert_ext(c, issuing, NID_subject_key_identifier, "hash", err) &&
		  keys_cert_ext(c, issuing, NID_authority_key_identifier, "keyid:always", err) && keys_cert_sign(c, issuing_key, err);
	return ok ? stg_steal(c) : NULL;
}

bool keys_row_put_cert(json_t *row, const char *field, X509 *cert, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf pem = STG_BUF(KEYS_PEM_MAX);
	if (!keys_cert_to_pem(cert, &pem, err))
		return false;
	stg_json_put(row, field, stg_buf_str(&pem));
	return true;
}

static bool put_key(struct stg_buf *bag, const char *which, EVP_PKEY *key, struct stg_error *err)
{
	STG_AUTO(stg_secret_clear) struct stg_secret pem = { 0 };
	return keys_to_pem(key, &pem, err) && keys_bag_put(bag, which, stg_secret_reveal(&pem), err);
}

static json_t *row_of(const json_t *details, const char *kind, const char *domain)
{
	static const char *const kept[] = { "name", "country", "email", "phone", "address", "department", "crl_url" };
	char magic[STG_UUID_TEXT];
	json_t *row = json_object();
	stg_json_put_int(row, "v", 1);
	for (size_t i = 0; i < STG_ARRAY_LEN(kept); i++)
		stg_json_put(row, kept[i], stg_json_str(details, kept[i]));
	stg_json_put(row, "domain", domain);
	stg_json_put(row, "kind", kind);
	stg_uuid4(magic);
	for (char *p = magic; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	stg_json_put(row, "magic", magic);
	stg_json_put_int(row, "created_ms", stg_wall_ms());
	stg_json_put_int(row, "backup_verified_ms", 0);
	stg_json_put(row, "root_key", "here");
	return row;
}

bool keys_org_build(const struct stg_keys *k, const json_t *details, X509 *supervisor, EVP_PKEY *supervisor_key, json_t **ret_row,
		    struct stg_buf *ret_sealed, struct stg_error *err)
{
	if (!check_details(details, err))
		return false;
	if (stg_wall_ms() < stg_build_ms())
		return stg_fail_id(err, STG_E_STATION, STG_ID_CLOCK_ISSUING, 0, "the clock is before this program was built");
	const char *name = stg_json_str(details, "name"), *country = stg_json_str(details, "country");
	char domain[256];
	if (!stg_copy(domain, sizeof(domain), stg_json_str(details, "domain")) || !*domain)
		private_domain(name, domain, sizeof(domain));
	int64_t from = stg_wall_ms() - KEYS_DAY_MS;

	STG_AUTO(EVP_PKEY_free_at) EVP_PKEY *own_key = supervisor_key ? NULL : keys_make_rsa(2048, err);
	EVP_PKEY *identity_key = supervisor_key ? supervisor_key : own_key;
	STG_AUTO(X509_free_at) X509 *own = supervisor || !identity_key ? NULL : make_supervisor(name, country, identity_key, from, err);
	X509 *identity = supervisor ? supervisor : own;
	STG_AUTO(EVP_PKEY_free_at) EVP_PKEY *root_key = identity ? keys_make_ec("P-384", err) : NULL;
	STG_AUTO(X509_free_at) X509 *root = root_key ? keys_cert_root(name, country, 1, root_key, from, ROOT_YEARS, err) : NULL;
	STG_AUTO(EVP_PKEY_free_at) EVP_PKEY *issuing_key = root ? keys_make_ec("P-256", err) : NULL;
	STG_AUTO(X509_free_at) X509 *issuing =
		issuing_key ? keys_cert_issuing(name, country, domain, 1, issuing_key, root, root_key, from, err) : NULL;
	STG_AUTO(EVP_PKEY_free_at) EVP_PKEY *signer_key = issuing ? keys_make_rsa(2048, err) : NULL;
	STG_AUTO(X509_free_at) X509 *signer = signer_key ? keys_cert_signer(name, signer_key, issuing, issuing_key, from, err) : NULL;
	if (!signer)
		return stg_while(err, "make organisation '%s'", name);

	STG_AUTO(stg_buf_clear) struct stg_buf bag = STG_BUF(KEYS_SEALED_MAX);
	STG_AUTO(stg_json_free_at) json_t *row = row_of(details, supervisor ? "imported" : "made", domain);
	char sha256[65], id[128];
	if (!keys_row_put_cert(row, "supervisor_pem", identity, err) || !keys_row_put_cert(row, "root_pem", root, err) ||
	    !keys_row_put_cert(row, "issuing_pem", issuing, err) || !keys_row_put_cert(row, "signer_pem", signer, err) || !keys_cert_sha256(identity, sha256) ||
	    !keys_key_id(issuing, id, sizeof(id)))
		return stg_while(err, "make organisation '%s'", name);
	stg_json_put(row, "supervisor_sha256", sha256);
	stg_json_put(row, "issuer", id);
	if (!put_key(&bag, "supervisor", identity_key, err) || !put_key(&bag, "root", root_key, err) ||
	    !put_key(&bag, "issuing", issuing_key, err) || !put_key(&bag, "signer", signer_key, err) ||
	    !keys_org_seal(k, row, stg_buf_view(&bag), ret_sealed, err))
		return stg_while(err, "make organisation '%s'", name);
	*ret_row = stg_steal(row);
	return true;
}

bool stg_org_make(const struct stg_keys *k, const json_t *details, json_t **ret_row, struct stg_buf *ret_sealed, struct stg_error *err)
{
	return keys_org_build(k, details, NULL, NULL, ret_row, ret_sealed, err);
}

static void purpose_of(const json_t *row, char *ret, size_t size)
{
	snprintf(ret, size, "organisation:%s:%s", stg_json_str(row, "name"), stg_json_str(row, "supervisor_sha256"));
}

bool keys_org_seal(const struct stg_keys *k, const json_t *row, struct stg_bytes bag, struct stg_buf *ret_sealed, struct stg_error *err)
{
	char purpose[256];
	purpose_of(row, purpose, sizeof(purpose));
	return stg_keys_seal(k, purpose, bag, ret_sealed, err);
}

bool keys_org_open(const struct stg_keys *k, const json_t *row, struct stg_bytes sealed, struct stg_secret *ret_bag, struct stg_error *err)
{
	char purpose[256];
	purpose_of(row, purpose, sizeof(purpose));
	return stg_keys_open_sealed(k, purpose, sealed, ret_bag, err);
}

EVP_PKEY *keys_org_key(const struct stg_secret *bag, const char *which, struct stg_error *err)
{
	struct stg_bytes pem;
	return keys_bag_get(stg_secret_reveal(bag), which, &pem, err) ? keys_from_pem(pem, err) : NULL;
}

/* The bytes between the PEM lines, as they are: cheaper than reading the certificate and writing it again. */
static bool der_of(const json_t *row, const char *field, struct stg_buf *ret_der, struct stg_error *err)
{
	STG_AUTO(BIO_free_all_at) BIO *in = BIO_new_mem_buf(stg_json_str(row, field), -1);
	char *name = NULL, *header = NULL;
	uint8_t *der = NULL;
	long n = 0;
	bool ok = in && PEM_read_bio(in, &name, &header, &der, &n) == 1 && strcmp(name, PEM_STRING_X509) == 0;
	if (ok)
		ok = stg_buf_add(ret_der, der, (size_t)n, err);
	else
		keys_ssl_fail(err, STG_E_PROTOCOL, "read a certificate of the organisation");
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_free(der);
	return ok;
}

bool stg_org_supervisor(const json_t *row, struct stg_buf *ret_der, struct stg_error *err)
{
	return der_of(row, "supervisor_pem", ret_der, err);
}

json_t *stg_org_issuers(const json_t *row)
{
	json_t *list = json_array();
	json_array_append_new(list, json_string(stg_json_str(row, "issuing_pem")));
	json_array_extend(list, json_object_get(row, "between"));
	json_array_append_new(list, json_string(stg_json_str(row, "root_pem")));
	return list;
}

static bool put_data(json_t *values, const char *name, const json_t *row, const char *field, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf der = STG_BUF(KEYS_PEM_MAX);
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(KEYS_PEM_MAX * 2);
	if (!der_of(row, field, &der, err) || !stg_base64(stg_buf_view(&der), &text, err))
		return false;
	json_t *data = json_object();
	stg_json_put(data, "data", stg_buf_str(&text));
	stg_json_put_new(values, name, data);
	return true;
}

bool stg_org_values(const json_t *row, json_t *values, struct stg_error *err)
{
	static const char *const texts[] = { "name", "country", "domain", "email", "phone", "address", "department" };
	for (size_t i = 0; i < STG_ARRAY_LEN(texts); i++) {
		char name[64];
		snprintf(name, sizeof(name), "org.%s", texts[i]);
		stg_json_put(values, name, stg_json_str(row, texts[i]));
	}
	stg_json_put(values, "organisation", stg_json_str(row, "name"));
	return put_data(values, "org.root_der", row, "root_pem", err) && put_data(values, "org.issuing_der", row, "issuing_pem", err);
}
