/*
 * scepget.c - operations by which the station asks another SCEP server for itself.
 *
 * For:    `stager scep ca` and `get`: who a server is, and an identity from it for a device that will have no line.
 * Uses:   <stager/scep.h>, the client; a key of <stager/keys.h> that is nowhere but in the file.
 * Called: through the table of operations.
 * Thread: the servers are asked on a thread that no writer waits for.
 *
 *   scep.look {url, old_clients} [+ ca: of the HTTPS server, PEM]   -> {url, caps: [word], certs: [certificate]}
 *   scep.crl  {url, fingerprint, old_clients}; file [+ ca]                                             -> {url, sha256, size_bytes}
 *   scep.get  {url, common_name, organisation, san, fingerprint, old_clients, modern, challenge, wait}; file [+ ca]
 *                                                                  -> {password, certificate: {name, issuer, not_after_ms, sha256}}
 */
#include <stdlib.h>

#include <openssl/x509.h>

#include <stager/file.h>
#include <stager/net.h>
#include <stager/scep.h>

#include "_secretly.h"

#define PEM_MAX (256u << 10)
#define WAIT_MAX_S 540             /* a command waits ten minutes for an answer */

struct errand {
	struct stg_buf ca;
	struct stg_secret challenge;
	enum stg_scep_old old;
};

static void errand_free(void *carry)
{
	struct errand *e = carry;
	stg_buf_clear(&e->ca);
	stg_secret_clear(&e->challenge);
	free(e);
}

static struct stg_scep_server server_of(const struct errand *e, const json_t *in)
{
	const char *print = stg_json_str(in, "fingerprint");
	return (struct stg_scep_server){ .url = stg_json_str(in, "url"), .fingerprint = *print ? print : NULL, .old = e->old, .ca_pem = stg_buf_view(&e->ca) };
}

/* What both have in common, before a byte leaves. */
static bool begin(struct stg_op_ctx *c, const json_t *in, struct stg_error *err)
{
	struct errand *e = stg_calloc(1, sizeof(*e));
	struct stg_error why = { 0 };
	const char *url = stg_json_str(in, "url"), *old = stg_json_str_or(in, "old_clients", "none");
	bool open = false;
	c->carry = e;
	c->carry_free = errand_free;
	e->ca = STG_BUF(PEM_MAX);
	if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_SCEP_SETTING, 0, "url: an address such as https://ca.example.org/scep");
	if (!stg_scep_old_of(old, &e->old))
		return stg_fail_id(err, STG_E_USAGE, STG_ID_SCEP_SETTING, 0, "old-clients: none, sha1 or des");
	int fd = stg_op_fd(c, in, "ca", 1);
	if (fd >= 0 && !stg_file_read_fd(fd, &e->ca, &why))
		return stg_fail_id(err, STG_E_INPUT, STG_ID_FILE_UNREADABLE, why.origin, "ca: %s", why.msg);
	if (!stg_store_window(c->store, &open, NULL, err))
		return false;
	return open || stg_net_is_loopback(url) || stg_fail_id(err, STG_E_WAITING, STG_ID_LINE_CLOSED, 0, "%.100s", url);
}

static json_t *words(const struct stg_scep_caps *c)
{
	const struct { const char *word; bool has; } all[] = { { "AES", c->aes },	{ "DES3", c->des3 },	     { "POSTPKIOperation", c->post },
							       { "Renewal", c->renewal }, { "SCEPStandard", c->standard }, { "SHA-1", c->sha1 },
							       { "SHA-256", c->sha256 },  { "SHA-512", c->sha512 } };
	json_t *list = json_array();
	for (size_t i = 0; i < STG_ARRAY_LEN(all); i++)
		if (all[i].has)
			json_array_append_new(list, json_string(all[i].word));
	return list;
}

static bool look_outside(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const struct stg_scep_server s = server_of(c->carry, in);
	STG_AUTO(stg_scep_certs_free_at) struct stack_st_X509 *certs = NULL;
	struct stg_scep_caps caps;
	if (!stg_scep_look(&s, &caps, &certs, err))
		return false;
	*ret = json_object();
	stg_json_put_int(*ret, "v", 1);
	stg_json_put(*ret, "url", s.url);
	stg_json_put_new(*ret, "caps", words(&caps));
	stg_json_put_new(*ret, "certs", stg_scep_certs_json(certs));
	return true;
}

static bool look(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	(void)ret;
	c->outside = look_outside;
	return begin(c, in, err);
}

static bool get_outside(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const struct errand *e = c->carry;
	const struct stg_scep_server s = server_of(e, in);
	STG_AUTO(stg_secret_clear) struct stg_secret blank = { 0 }, p12 = { 0 }, password = { 0 };
	struct stg_scep_met met = { 0 };
	struct evp_pkey_st *key = NULL;
	struct x509_st *cert = NULL;
	uint8_t *der = NULL;
	bool ok = stg_scep_meet(&s, &met, err) && stg_leaf_key_make(&blank, err) && (key = stg_leaf_key_use(&blank, err));
	if (ok) {
		const struct stg_scep_wanted w = { .organisation = stg_json_str(in, "organisation"), .common_name = stg_json_str(in, "common_name"),
						   .san = json_object_get(in, "san"), .challenge = &e->challenge, .key = key,
						   .poll_ms = stg_json_int(in, "wait", 0) * 1000 };
		cert = stg_scep_enrol(&s, &met, &w, err);
	}
	ok = cert && stg_leaf_key_p12(&blank, cert, met.ca ? met.ca : met.to, stg_json_str(in, "common_name"), stg_json_bool(in, "modern", false), &p12, &password,
				      err) &&
	     ops_write(stg_op_fd(c, in, "file", 0), stg_secret_reveal(&p12), err);
	int n = ok ? i2d_X509(cert, &der) : 0;
	json_t *shown = n > 0 ? stg_certificate_json(stg_bytes(der, (size_t)n), err) : NULL;
	if (shown) {
		*ret = json_object();
		stg_json_put_int(*ret, "v", 1);
		stg_json_put_new(*ret, "certificate", shown);
		stg_json_put_new(*ret, "password", json_stringn((const char *)stg_secret_reveal(&password).data, stg_secret_reveal(&password).len));
	}
	OPENSSL_free(der);
	X509_free(cert);
	EVP_PKEY_free(key);
	stg_scep_met_clear(&met);
	return shown != NULL;
}

static bool get(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	(void)ret;
	c->outside = get_outside;
	if (stg_json_int(in, "wait", 0) > WAIT_MAX_S)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_WRONG, 0, "--wait: at most %d seconds", WAIT_MAX_S);
	if (!*stg_json_str(in, "common_name"))
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "--common-name");
	if (stg_op_fd(c, in, "file", 0) < 0)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "FILE");
	if (!begin(c, in, err))
		return false;
	struct errand *e = c->carry;
	return (!*stg_json_str(in, "challenge") || ops_secret(in, "challenge", 255, &e->challenge, err)) &&
	       ops_audit(c, "scep.get", stg_json_str(in, "common_name"), json_pack("{s:s}", "url", stg_json_str(in, "url")), err);
}

static bool crl_outside(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const struct stg_scep_server s = server_of(c->carry, in);
	STG_AUTO(stg_buf_clear) struct stg_buf der = STG_BUF(STG_SCEP_MESSAGE_MAX);
	STG_AUTO(stg_json_free_at) json_t *out = json_object();
	struct stg_scep_met met = { 0 };
	struct evp_pkey_st *key = EVP_RSA_gen(2048);
	char hash[65];
	bool ok = key && stg_scep_meet(&s, &met, err) && stg_scep_crl(&s, &met, key, &der, err) && ops_deliver(c, in, "file", out, "crl", stg_buf_view(&der), err);
	EVP_PKEY_free(key);
	stg_scep_met_clear(&met);
	if (!ok)
		return false;
	stg_sha256_hex(stg_buf_view(&der), hash);
	stg_json_put_int(out, "v", 1);
	stg_json_put(out, "url", s.url);
	stg_json_put(out, "sha256", hash);
	stg_json_put_int(out, "size_bytes", (int64_t)der.len);
	*ret = stg_steal(out);
	return true;
}

static bool crl(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	(void)ret;
	c->outside = crl_outside;
	return begin(c, in, err);
}

const struct stg_op stg_ops_scepget[] = {
	{ "scep.crl", STG_OP_STORE, crl },
	{ "scep.look", STG_OP_STORE, look },
	{ "scep.get", STG_OP_STORE, get },
	{ 0 },
};
