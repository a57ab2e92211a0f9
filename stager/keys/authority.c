/*
 * authority.c - another CA for an organisation: a new root, a customer's root, a key in a token.
 *
 * For:    stations below a customer's own root, roots that came to their end, issuing keys that must not be copied.
 * Uses:   org.c for the certificates' shape, token.c, leaf.c for a trial, OpenSSL.
 * Called: by the operations ca.root_*, ca.request, ca.accept.
 * Thread: any; no state.
 *
 * What is replaced is kept under "previous" with its key, so that its revocation list can still be signed. The key that
 * signs profiles stays, and only its certificate is renewed: devices judge an update by it (profiles-and-certificates 3.1).
 * Nothing is adopted that could not issue: a leaf is made for trial and verified up to the root as strictly as verifiers do.
 *
 * Facts: RFC 5280 4.2.1.9 and 4.2.1.10; profiles-and-certificates 4.1, with the traps of name constraints.
 */
#include <stdio.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include <stager/clock.h>
#include <stager/ids.h>

#include "inner.h"

#define FILE_MOST (256u << 10)
#define BUNDLE_MAX 6
#define PREVIOUS_MAX 8
#define ROOT_YEARS 20

static bool unsuitable(struct stg_error *err, const char *why)
{
	ERR_clear_error();
	return stg_fail_id(err, STG_E_INPUT, STG_ID_CA_UNSUITABLE, 0, "%s", why);
}

static bool bag_set(struct stg_secret *bag, const char *name, struct stg_bytes value, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf next = STG_BUF(KEYS_SEALED_MAX);
	return keys_bag_set(stg_secret_reveal(bag), name, value, &next, err) && stg_secret_set(bag, stg_buf_view(&next), err);
}

static bool bag_set_key(struct stg_secret *bag, const char *name, EVP_PKEY *key, struct stg_error *err)
{
	STG_AUTO(stg_secret_clear) struct stg_secret pem = { 0 };
	return keys_to_pem(key, &pem, err) && bag_set(bag, name, stg_secret_reveal(&pem), err);
}

/* A piece under another name; nothing when there is none. */
static bool bag_move(struct stg_secret *bag, const char *from, const char *to, struct stg_error *err)
{
	STG_AUTO(stg_secret_clear) struct stg_secret kept = { 0 };
	struct stg_bytes piece;
	if (!keys_bag_get(stg_secret_reveal(bag), from, &piece, NULL))
		return true;
	return stg_secret_set(&kept, piece, err) && bag_set(bag, to, stg_secret_reveal(&kept), err) &&
	       bag_set(bag, from, (struct stg_bytes){ 0 }, err);
}

EVP_PKEY *keys_org_issuing_key(const json_t *row, const struct stg_secret *bag, struct stg_error *err)
{
	const char *uri = stg_json_str(row, "issuing_uri");
	struct stg_bytes pin = { 0 };
	if (!*uri)
		return keys_org_key(bag, "issuing", err);
	(void)keys_bag_get(stg_secret_reveal(bag), "issuing_pin", &pin, NULL);
	return keys_token_key(uri, pin, err);
}

static int generation_of(const json_t *row)
{
	return (int)json_array_size(json_object_get(row, "previous")) + 2;
}

/* The CA that was, with what its list needs. */
static bool put_aside(json_t *row, struct stg_secret *bag, struct stg_error *err)
{
	char name[160], pin[160];
	const char *id = stg_json_str(row, "issuer");
	json_t *all = json_object_get(row, "previous"), *was = json_object();
	snprintf(name, sizeof(name), "issuing:%.128s", id);
	snprintf(pin, sizeof(pin), "issuing_pin:%.128s", id);
	stg_json_put(was, "issuer", id);
	stg_json_put(was, "issuing_pem", stg_json_str(row, "issuing_pem"));
	stg_json_put(was, "root_pem", stg_json_str(row, "root_pem"));
	stg_json_put(was, "issuing_uri", stg_json_str(row, "issuing_uri"));
	if (!json_is_array(all)) {
		all = json_array();
		stg_json_put_new(row, "previous", all);
	}
	json_array_insert_new(all, 0, was);
	if (json_array_size(all) > PREVIOUS_MAX)
		json_array_remove(all, PREVIOUS_MAX);
	return bag_move(bag, "issuing", name, err) && bag_move(bag, "issuing_pin", pin, err);
}

struct chain {
	X509 *issuing, *root;
	STACK_OF(X509) *between;        /* may be NULL */
	EVP_PKEY *issuing_key;
	const char *uri;                /* the issuing key is in a token; NULL: in `issuing_key` */
	const struct stg_secret *pin;
};

/* As a RADIUS server or an MDM does it: up to the root, strictly, no weak algorithm. */
static bool verify_trial(X509 *leaf, const struct chain *c, struct stg_error *err)
{
	X509_STORE *roots = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	STACK_OF(X509) *between = c->between ? sk_X509_dup(c->between) : sk_X509_new_null();
	bool ok = roots && ctx && between && sk_X509_push(between, c->issuing) > 0 && X509_STORE_add_cert(roots, c->root) == 1 &&
		  X509_STORE_CTX_init(ctx, roots, leaf, between) == 1;
	if (!ok) {
		keys_ssl_fail(err, STG_E_NOMEM, "verify a certificate for trial");
	} else {
		X509_VERIFY_PARAM *p = X509_STORE_CTX_get0_param(ctx);
		X509_VERIFY_PARAM_set_purpose(p, X509_PURPOSE_SSL_CLIENT);
		X509_VERIFY_PARAM_set_flags(p, X509_V_FLAG_X509_STRICT);
		X509_VERIFY_PARAM_set_auth_level(p, 2);
		ok = X509_verify_cert(ctx) == 1;
		if (!ok) {
			char why[200];
			snprintf(why, sizeof(why), "what it would issue does not verify: %s",
				 X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
			unsuitable(err, why);
		}
	}
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(roots);
	sk_X509_free(between);
	ERR_clear_error();
	return ok;
}

static bool trial(const json_t *row, const struct chain *c, struct stg_error *err)
{
	char dns[300];
	struct stg_error why = { 0 };
	snprintf(dns, sizeof(dns), "dns:trial.devices.%.200s", stg_json_str(row, "domain"));
	STG_AUTO(stg_json_free_at) json_t *san = json_pack("[s,s]", dns, "uri:urn:x-device:serial:TRIAL");
	struct stg_leaf_ask ask = { .common_name = "TRIAL", .san = san, .days = 1 };
	struct keys_opened o = { .issuing = c->issuing, .issuing_key = c->issuing_key, .issuers = keys_anchors(c->issuing) };
	STG_AUTO(EVP_PKEY_free_at) EVP_PKEY *key = o.issuers ? keys_make_ec("P-256", err) : NULL;
	STG_AUTO(X509_free_at) X509 *leaf = NULL;
	STG_AUTO(stg_json_free_at) json_t *leaf_row = NULL;
	bool ok = key && keys_leaf_over(&o, row, &ask, key, &leaf, &leaf_row, &why);
	X509_STORE_free(o.issuers);
	if (!ok)
		return unsuitable(err, why.msg);
	return verify_trial(leaf, c, err);
}

/* The CA becomes the organisation's: tried, the old one put aside, the certificate that signs profiles renewed. */
static bool adopt(const struct stg_keys *k, json_t *row, struct stg_secret *bag, const struct chain *c, struct stg_buf *ret_sealed,
		  struct stg_error *err)
{
	char id[128];
	if (!trial(row, c, err) || !put_aside(row, bag, err))
		return false;
	STG_AUTO(EVP_PKEY_free_at) EVP_PKEY *signer_key = keys_org_key(bag, "signer", err);
	STG_AUTO(X509_free_at) X509 *signer =
		signer_key ? keys_cert_signer(stg_json_str(row, "name"), signer_key, c->issuing, c->issuing_key, stg_wall_ms() - KEYS_DAY_MS, err) : NULL;
	if (!signer || !keys_row_put_cert(row, "issuing_pem", c->issuing, err) || !keys_row_put_cert(row, "root_pem", c->root, err) ||
	    !keys_row_put_cert(row, "signer_pem", signer, err))
		return false;
	if (!keys_key_id(c->issuing, id, sizeof(id)))
		return unsuitable(err, "it has no subject key identifier");
	json_t *between = json_array();
	for (int i = 0; c->between && i < sk_X509_num(c->between); i++) {
		STG_AUTO(stg_buf_clear) struct stg_buf pem = STG_BUF(KEYS_PEM_MAX);
		if (keys_cert_to_pem(sk_X509_value(c->between, i), &pem, NULL))
			json_array_append_new(between, json_string(stg_buf_str(&pem)));
	}
	stg_json_put_new(row, "between", between);
	stg_json_put(row, "issuer", id);
	stg_json_put(row, "issuing_uri", c->uri ? c->uri : "");
	/* what was backed up is no longer what is used */
	stg_json_put_int(row, "backup_verified_ms", 0);
	if (c->uri ? (c->pin && stg_secret_is_set(c->pin) && !bag_set(bag, "issuing_pin", stg_secret_reveal(c->pin), err))
		   : !bag_set_key(bag, "issuing", c->issuing_key, err))
		return false;
	return keys_org_seal(k, row, stg_secret_reveal(bag), ret_sealed, err);
}

/* The issuing key that was asked for: made here, or one that is in a token already. */
static EVP_PKEY *issuing_key_of(const struct stg_ca_ask *ask, struct stg_error *err)
{
	if (!ask->token_uri || !*ask->token_uri)
		return keys_make(ask->issuing_key && *ask->issuing_key ? ask->issuing_key : "p-256", err);
	struct stg_bytes pin = { 0 };
	if (ask->token_pin && stg_secret_is_set(ask->token_pin))
		pin = stg_secret_reveal(ask->token_pin);
	return keys_token_key(ask->token_uri, pin, err);
}

static bool issue_and_adopt(const struct stg_keys *k, json_t *row, struct stg_secret *bag, X509 *root, EVP_PKEY *root_key, const struct stg_ca_ask *ask,
			    struct stg_buf *ret_sealed, struct stg_error *err)
{
	STG_AUTO(EVP_PKEY_free_at) EVP_PKEY *key = issuing_key_of(ask, err);
	STG_AUTO(X509_free_at) X509 *issuing =
		key ? keys_cert_issuing(stg_json_str(row, "name"), stg_json_str(row, "country"), stg_json_str(row, "domain"), generation_of(row), key, root,
					root_key, stg_wall_ms() - KEYS_DAY_MS, err)
		    : NULL;
	struct chain c = { .issuing = issuing, .root = root, .issuing_key = key, .pin = ask->token_pin,
			   .uri = ask->token_uri && *ask->token_uri ? ask->token_uri : NULL };
	return issuing && adopt(k, row, bag, &c, ret_sealed, err);
}

bool stg_ca_root_make(const struct stg_keys *k, json_t *row, struct stg_bytes sealed, const struct stg_ca_ask *ask, struct stg_buf *ret_sealed,
		      struct stg_error *err)
{
	STG_AUTO(stg_secret_clear) struct stg_secret bag = { 0 };
	const char *kind = ask->root_key && *ask->root_key ? ask->root_key : "p-384";
	int64_t years = ask->root_years ? ask->root_years : ROOT_YEARS;
	if (strcmp(kind, "p-384") != 0 && strcmp(kind, "rsa-4096") != 0)
		return keys_refuse_ask(err, kind, "p-384 or rsa-4096 for a root");
	if (years < 4 || years > 30)
		return keys_refuse_ask(err, "years", "4 to 30");
	if (!keys_org_open(k, row, sealed, &bag, err))
		return false;
	STG_AUTO(EVP_PKEY_free_at) EVP_PKEY *root_key = keys_make(kind, err);
	STG_AUTO(X509_free_at) X509 *root = root_key ? keys_cert_root(stg_json_str(row, "name"), stg_json_str(row, "country"), generation_of(row), root_key,
								     stg_wall_ms() - KEYS_DAY_MS, years, err)
						     : NULL;
	if (!root || !bag_set_key(&bag, "root", root_key, err) || !issue_and_adopt(k, row, &bag, root, root_key, ask, ret_sealed, err))
		return stg_while(err, "make a root");
	stg_json_put(row, "root_key", "here");
	return true;
}

static void sort_bundle(STACK_OF(X509) *all, X509 **first, X509 **root, STACK_OF(X509) *between)
{
	for (int i = 0; i < sk_X509_num(all); i++) {
		X509 *one = sk_X509_value(all, i);
		if (X509_self_signed(one, 0) == 1)
			*root = one;
		else if (!*first)
			*first = one;
		else
			sk_X509_push(between, one);
	}
}

/* Every certificate of a file, one in DER or some in PEM. */
static STACK_OF(X509) *read_bundle(struct stg_bytes file, STACK_OF(X509) *into, struct stg_error *err)
{
	STACK_OF(X509) *all = into ? into : sk_X509_new_null();
	if (!file.len || file.len > FILE_MOST || !all) {
		sk_X509_pop_free(all, X509_free);
		unsuitable(err, "an empty file, or one of more than 256 KiB");
		return NULL;
	}
	if (file.data[0] == 0x30) {
		const unsigned char *p = file.data;
		X509 *one = d2i_X509(NULL, &p, (long)file.len);
		if (one)
			sk_X509_push(all, one);
	} else {
		STG_AUTO(BIO_free_all_at) BIO *in = BIO_new_mem_buf(file.data, (int)file.len);
		X509 *one;
		while (in && sk_X509_num(all) < BUNDLE_MAX && (one = PEM_read_bio_X509(in, NULL, NULL, NULL)))
			sk_X509_push(all, one);
	}
	ERR_clear_error();
	if (sk_X509_num(all) > 0)
		return all;
	sk_X509_pop_free(all, X509_free);
	unsuitable(err, "no certificate in it");
	return NULL;
}

static bool is_ca(X509 *cert, const char *what, struct stg_error *err)
{
	char why[200];
	uint32_t usage = X509_get_key_usage(cert);
	const char *wrong = X509_check_ca(cert) != 1                                        ? "is no CA certificate" :
			    usage != UINT32_MAX && (~usage & (KU_KEY_CERT_SIGN | KU_CRL_SIGN)) ? "may not sign certificates and lists" :
			    X509_cmp_current_time(X509_get0_notAfter(cert)) <= 0             ? "has expired" :
			    X509_cmp_current_time(X509_get0_notBefore(cert)) >= 0            ? "is not valid yet" :
											      NULL;
	ERR_clear_error();
	if (!wrong)
		return true;
	snprintf(why, sizeof(why), "the %s %s", what, wrong);
	return unsuitable(err, why);
}

static int give_passphrase(char *ret, int size, int writing, void *ctx)
{
	const struct stg_secret *s = ctx;
	(void)writing;
	if (!s || !stg_secret_is_set(s) || stg_secret_reveal(s).len >= (size_t)size)
		return -1;
	memcpy(ret, stg_secret_reveal(s).data, stg_secret_reveal(s).len);
	return (int)stg_secret_reveal(s).len;
}

bool stg_ca_root_import(const struct stg_keys *k, json_t *row, struct stg_bytes sealed, struct stg_bytes root_file, struct stg_bytes key_file,
			const struct stg_secret *passphrase, const struct stg_ca_ask *ask, struct stg_buf *ret_sealed, struct stg_error *err)
{
	STG_AUTO(stg_secret_clear) struct stg_secret bag = { 0 };
	STG_AUTO(x509s_free_at) STACK_OF(X509) *all = read_bundle(root_file, NULL, err);
	if (!all)
		return false;
	X509 *root = sk_X509_value(all, 0);
	if (sk_X509_num(all) != 1 || X509_self_signed(root, 1) != 1)
		return unsuitable(err, "one self-signed root is expected");
	if (!is_ca(root, "root", err))
		return false;
	if (X509_get_pathlen(root) == 0)
		return unsuitable(err, "the root allows no CA below it (pathlen 0)");
	if (key_file.len == 0 || key_file.len > FILE_MOST)
		return unsuitable(err, "the root's key is missing; without it use: stager ca request");
	STG_AUTO(BIO_free_all_at) BIO *in = BIO_new_mem_buf(key_file.data, (int)key_file.len);
	STG_AUTO(EVP_PKEY_free_at) EVP_PKEY *key = in ? PEM_read_bio_PrivateKey(in, NULL, give_passphrase, (void *)(uintptr_t)passphrase) : NULL;
	ERR_clear_error();
	if (!key)
		return stg_fail_id(err, STG_E_INPUT, STG_ID_P12_PASSWORD, 0, "the root's key does not open");
	if (!keys_key_fits(root, key))
		return stg_fail_id(err, STG_E_INPUT, STG_ID_IDENTITY_PAIR, 0, "root and key are not of one pair");
	if (!keys_org_open(k, row, sealed, &bag, err) || !bag_set(&bag, "root", (struct stg_bytes){ 0 }, err) ||
	    !issue_and_adopt(k, row, &bag, root, key, ask, ret_sealed, err))
		return stg_while(err, "take over a root");
	stg_json_put(row, "root_key", "elsewhere");
	return true;
}

/* ---- a root that stays offline: a request goes out, a certificate comes back ---- */

static bool write_request(const json_t *row, EVP_PKEY *key, struct stg_buf *ret_pem, struct stg_error *err)
{
	char cn[KEYS_NAME_MAX * 2];
	keys_generation_name(cn, sizeof(cn), stg_json_str(row, "name"), "Station CA", generation_of(row));
	STG_AUTO(X509_NAME_free_at) X509_NAME *subject = keys_name(stg_json_str(row, "name"), stg_json_str(row, "country"), cn, err);
	STG_AUTO(X509_REQ_free_at) X509_REQ *req = X509_REQ_new();
	STG_AUTO(BIO_free_all_at) BIO *out = BIO_new(BIO_s_mem());
	static const struct { int nid; const char *value; } wanted[] = { { NID_basic_constraints, "critical,CA:TRUE,pathlen:0" },
									{ NID_key_usage, "critical,digitalSignature,keyCertSign,cRLSign" },
									{ NID_ext_key_usage, "clientAuth,emailProtection" } };
	STACK_OF(X509_EXTENSION) *exts = sk_X509_EXTENSION_new_null();
	bool ok = subject && req && out && exts && X509_REQ_set_subject_name(req, subject) == 1 && X509_REQ_set_pubkey(req, key) == 1;
	for (size_t i = 0; ok && i < STG_ARRAY_LEN(wanted); i++) {
		X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, wanted[i].nid, wanted[i].value);
		ok = e && sk_X509_EXTENSION_push(exts, e) > 0;
	}
	ok = ok && X509_REQ_add_extensions(req, exts) == 1 && X509_REQ_sign(req, key, EVP_sha256()) > 0 && PEM_write_bio_X509_REQ(out, req) == 1;
	sk_X509_EXTENSION_pop_free(exts, X509_EXTENSION_free);
	char *text = NULL;
	long n = ok ? BIO_get_mem_data(out, &text) : 0;
	return n > 0 ? stg_buf_add(ret_pem, text, (size_t)n, err) : keys_ssl_fail(err, STG_E_NOMEM, "write a request");
}

bool stg_ca_request(const struct stg_keys *k, json_t *row, struct stg_bytes sealed, const struct stg_ca_ask *ask, struct stg_buf *ret_pem,
		    struct stg_buf *ret_sealed, struct stg_error *err)
{
	STG_AUTO(stg_secret_clear) struct stg_secret bag = { 0 };
	STG_AUTO(EVP_PKEY_free_at) EVP_PKEY *key = issuing_key_of(ask, err);
	bool in_token = ask->token_uri && *ask->token_uri;
	if (!key || !keys_org_open(k, row, sealed, &bag, err) || !write_request(row, key, ret_pem, err))
		return stg_while(err, "ask for a CA certificate");
	struct stg_bytes pin = in_token && ask->token_pin && stg_secret_is_set(ask->token_pin) ? stg_secret_reveal(ask->token_pin) : (struct stg_bytes){ 0 };
	if (!(in_token ? bag_set(&bag, "pending", (struct stg_bytes){ 0 }, err) : bag_set_key(&bag, "pending", key, err)) ||
	    !bag_set(&bag, "pending_pin", pin, err) || !keys_org_seal(k, row, stg_secret_reveal(&bag), ret_sealed, err))
		return false;
	stg_json_put_new(row, "pending", json_pack("{s:I,s:s}", "since_ms", (json_int_t)stg_wall_ms(), "uri", in_token ? ask->token_uri : ""));
	return true;
}

bool stg_ca_accept(const struct stg_keys *k, json_t *row, struct stg_bytes sealed, struct stg_bytes file, struct stg_bytes root_file,
		   struct stg_buf *ret_sealed, struct stg_error *err)
{
	STG_AUTO(stg_secret_clear) struct stg_secret bag = { 0 }, pin = { 0 };
	STG_AUTO(x509s_free_at) STACK_OF(X509) *all = NULL;
	const json_t *pending = json_object_get(row, "pending");
	struct stg_bytes piece;
	if (!pending)
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_CA_NO_REQUEST, 0, "%.64s", stg_json_str(row, "name"));
	all = read_bundle(file, NULL, err);
	if (all && root_file.len)
		all = read_bundle(root_file, all, err);
	if (!all || !keys_org_open(k, row, sealed, &bag, err))
		return false;
	STG_AUTO(stg_free_at) char *uri = stg_strdup(stg_json_str(pending, "uri"));
	if (keys_bag_get(stg_secret_reveal(&bag), "pending_pin", &piece, NULL) && !stg_secret_set(&pin, piece, err))
		return false;
	STG_AUTO(EVP_PKEY_free_at) EVP_PKEY *key =
		*uri ? keys_token_key(uri, stg_secret_is_set(&pin) ? stg_secret_reveal(&pin) : (struct stg_bytes){ 0 }, err) : keys_org_key(&bag, "pending", err);
	STACK_OF(X509) *between = sk_X509_new_null();
	struct chain c = { .issuing_key = key, .uri = *uri ? uri : NULL, .pin = &pin, .between = between };
	if (between)
		sort_bundle(all, &c.issuing, &c.root, between);
	bool ok = key && between;
	if (ok && (!c.issuing || !c.root))
		ok = unsuitable(err, c.issuing ? "its root is missing: give it as well" : "the certificate signed for this station is missing");
	if (ok && !keys_key_fits(c.issuing, key))
		ok = unsuitable(err, "it is not for the key of the request that went out");
	ok = ok && is_ca(c.issuing, "certificate", err) && is_ca(c.root, "root", err) && bag_set(&bag, "pending", (struct stg_bytes){ 0 }, err) &&
	     bag_set(&bag, "pending_pin", (struct stg_bytes){ 0 }, err) && bag_set(&bag, "root", (struct stg_bytes){ 0 }, err) &&
	     adopt(k, row, &bag, &c, ret_sealed, err);
	sk_X509_free(between);
	if (!ok)
		return stg_while(err, "take over a CA certificate");
	json_object_del(row, "pending");
	stg_json_put(row, "root_key", "elsewhere");
	return true;
}
