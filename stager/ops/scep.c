/*
 * scep.c - operations by which devices get certificates for keys they made themselves.
 *
 * For:    `stager scep`, whose server passes on what devices send; profiles with a SCEP payload.
 * Uses:   <stager/scep.h> for the messages, <stager/ca.h> for the certificate, the store for challenges.
 * Called: through the table of operations.
 * Thread: the store's; the answer is encrypted and signed on a thread that no writer waits for.
 *
 *   scep.show       {}                                             -> {listen, url, old_clients, minutes, org, ra, challenges: open ones}
 *   scep.set        {listen, url, old_clients, certs, minutes, org} -> as scep.show
 *   scep.challenge  {serial, template, minutes, vars, unit, job}   -> {challenge, url, serial, expires_ms, fingerprint}
 *   scep.list       {serial, open}                                 -> [challenge without its text]
 *   scep.about      {}                                             -> {caps, certs: base64, type}
 *   scep.request    {message: base64, peer}                        -> {status, type, body: base64, said}
 *
 * Default deny. A certificate is made when a known type of message, signed by the key it asks for, carries a challenge that is ours,
 * unused, in time and for that device; or when a certificate of ours that still counts asks for its successor. What stands in the
 * certificate is the template's; of the request only the key is taken. The same transaction with the same key again gets the same
 * certificate: a lost answer burns no second challenge.
 */
#include <stdio.h>
#include <stdlib.h>

#include <openssl/pem.h>
#include <openssl/x509.h>

#include <stager/ca.h>
#include <stager/clock.h>
#include <stager/ids.h>
#include <stager/listen.h>
#include <stager/scep.h>

#include "_revocation.h"
#include "_scep.h"
#include "_secretly.h"

#define SEALED_MAX (1u << 20)
#define RA_LEFT_MS (30LL * 24 * 3600 * 1000)
#define RENEW_AGAIN_MS (24LL * 3600 * 1000)   /* so long after a renewal the old certificate may ask once more: its answer was lost */
#define MINUTES_DEFAULT 60
#define MINUTES_MAX (14 * 24 * 60)
#define PORT_DEFAULT 8090
#define LIST_MAX (44u << 10)                   /* encrypted and signed it still fits a message of 64 KiB */

/* ---- settings ---- */

static bool setting(struct stg_op_ctx *c, const char *name, const char *otherwise, char *ret, size_t size, struct stg_error *err)
{
	char key[64];
	snprintf(key, sizeof(key), "scep_%s", name);
	STG_AUTO(stg_free_at) char *v = stg_store_get(c->store, key, err);
	if (!v)
		return false;
	return stg_copy(ret, size, *v ? v : otherwise) || stg_fail(err, STG_E_BUG, 0, "setting %s", key);
}

bool scep_settings(struct stg_op_ctx *c, struct scep_settings *ret, struct stg_error *err)
{
	char old[16], minutes[16], certs[16];
	*ret = (struct scep_settings){ .old = STG_SCEP_MODERN };
	if (!setting(c, "listen", "", ret->listen, sizeof(ret->listen), err) || !setting(c, "url", "", ret->url, sizeof(ret->url), err) ||
	    !setting(c, "org", "", ret->org, sizeof(ret->org), err) || !setting(c, "old_clients", "none", old, sizeof(old), err) ||
	    !setting(c, "minutes", "", minutes, sizeof(minutes), err) || !setting(c, "certs", "all", certs, sizeof(certs), err))
		return false;
	ret->ra_only = strcmp(certs, "ra") == 0;
	(void)stg_scep_old_of(old, &ret->old);
	ret->minutes = *minutes ? atoll(minutes) : MINUTES_DEFAULT;
	if (!ret->url[0] && ret->listen[0])
		snprintf(ret->url, sizeof(ret->url), "http://%s/scep", ret->listen);
	return true;
}

/* The organisation with a registration authority that lives for a while yet. */
static json_t *org_with_ra(struct stg_op_ctx *c, const struct scep_settings *set, struct stg_buf *ret_sealed, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(SEALED_MAX);
	STG_AUTO(stg_json_free_at) json_t *org = ops_org(c, set->org, &sealed, err), *leaf = NULL;
	if (!org || !stg_org_ra_due(org, RA_LEFT_MS))
		return org && stg_buf_add(ret_sealed, sealed.data, sealed.len, err) ? stg_steal(org) : NULL;
	if (!stg_store_clock_ok(c->store, err) || !stg_org_ra_make(c->keys, org, stg_buf_view(&sealed), ret_sealed, &leaf, err) ||
	    !stg_store_org_put(c->store, org, stg_buf_view(ret_sealed), err) || !stg_store_certificate_add(c->store, leaf, err) ||
	    !ops_audit(c, "scep.authority", stg_json_str(leaf, "serial_hex"), NULL, err))
		return NULL;
	return stg_steal(org);
}

static json_t *shown(struct stg_op_ctx *c, struct stg_error *err)
{
	struct scep_settings set;
	STG_AUTO(stg_json_free_at) json_t *open = stg_store_scep_challenges(c->store, "", true, err);
	if (!open || !scep_settings(c, &set, err))
		return NULL;
	json_t *j = json_object();
	stg_json_put_int(j, "v", 1);
	stg_json_put(j, "listen", set.listen);
	stg_json_put(j, "url", set.url);
	stg_json_put(j, "old_clients", stg_scep_old_word(set.old));
	stg_json_put(j, "certs", set.ra_only ? "ra" : "all");
	stg_json_put_int(j, "minutes", set.minutes);
	stg_json_put(j, "org", set.org);
	stg_json_put_int(j, "challenges", (int64_t)json_array_size(open));
	return j;
}

static bool show(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	(void)in;
	*ret = shown(c, err);
	return *ret != NULL;
}

static bool is_url(const char *url)
{
	char clean[256];
	stg_printable(url, false, clean, sizeof(clean));
	return (strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0) && strlen(url) < 200 && strcmp(clean, url) == 0 &&
	       !strpbrk(url, " ?#\"<>");
}

static bool set(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	static const char *const names[] = { "listen", "url", "old_clients", "certs", "org" };
	const char *listen = stg_json_str(in, "listen"), *url = stg_json_str(in, "url"), *old = stg_json_str(in, "old_clients"), *certs = stg_json_str(in, "certs");
	int64_t minutes = stg_json_int(in, "minutes", 0);
	enum stg_scep_old level;
	STG_AUTO(stg_json_free_at) json_t *detail = json_object();
	if (!stg_op_may(c, "admin", err))
		return false;
	if (*listen && strcmp(listen, "off") != 0 && !stg_listen_address_ok(listen, err))
		return false;
	if (*url && strcmp(url, "off") != 0 && !is_url(url))
		return stg_fail_id(err, STG_E_USAGE, STG_ID_SCEP_SETTING, 0, "url: an address such as http://192.168.77.1:8090/scep");
	if (*old && !stg_scep_old_of(old, &level))
		return stg_fail_id(err, STG_E_USAGE, STG_ID_SCEP_SETTING, 0, "old-clients: none, sha1 or des");
	if (*certs && strcmp(certs, "all") != 0 && strcmp(certs, "ra") != 0)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_SCEP_SETTING, 0, "certs: all or ra");
	if (minutes < 0 || minutes > MINUTES_MAX)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_SCEP_SETTING, 0, "minutes: 1 to %d", MINUTES_MAX);
	if (*stg_json_str(in, "org")) {
		STG_AUTO(stg_json_free_at) json_t *org = ops_org(c, stg_json_str(in, "org"), NULL, err);
		if (!org)
			return false;
	}
	for (size_t i = 0; i < STG_ARRAY_LEN(names); i++) {
		const char *v = stg_json_str(in, names[i]);
		char key[64];
		snprintf(key, sizeof(key), "scep_%s", names[i]);
		if (!*v)
			continue;
		if (!stg_store_set(c->store, key, strcmp(v, "off") == 0 ? NULL : v, err))
			return false;
		stg_json_put(detail, names[i], v);
	}
	if (minutes) {
		char text[24];
		snprintf(text, sizeof(text), "%lld", (long long)minutes);
		if (!stg_store_set(c->store, "scep_minutes", text, err))
			return false;
		stg_json_put(detail, "minutes", text);
	}
	*ret = shown(c, err);
	return *ret && ops_audit(c, "scep.set", "scep", stg_steal(detail), err);
}

/* ---- challenges ---- */

/* 24 random octets in letters that need no escaping anywhere: 192 bits. */
static bool random_text(char ret[33])
{
	uint8_t octets[24];
	STG_AUTO(stg_buf_clear) struct stg_buf b = STG_BUF(64);
	stg_random(octets, sizeof(octets));
	if (!stg_base64(stg_bytes(octets, sizeof(octets)), &b, NULL) || b.len != 32)
		return false;
	for (size_t i = 0; i < 32; i++)
		ret[i] = b.data[i] == '+' ? '-' : b.data[i] == '/' ? '_' : (char)b.data[i];
	ret[32] = 0;
	return true;
}

bool scep_challenge_make(struct stg_op_ctx *c, const json_t *row, int64_t minutes, char ret[33], int64_t *ret_expires_ms, struct stg_error *err)
{
	char hash[65];
	STG_AUTO(stg_json_free_at) json_t *full = json_deep_copy(row);
	if (!stg_store_clock_ok(c->store, err))
		return false;
	if (!random_text(ret))
		return stg_fail(err, STG_E_NOMEM, 0, "make a challenge");
	stg_sha256_hex(stg_bytes_str(ret), hash);
	*ret_expires_ms = stg_wall_ms() + minutes * 60000;
	stg_json_put(full, "hash", hash);
	stg_json_put(full, "actor", c->actor);
	stg_json_put_int(full, "expires_ms", *ret_expires_ms);
	json_t *detail = json_object();
	stg_json_put(detail, "device_serial", stg_json_str(row, "device_serial"));
	stg_json_put(detail, "template", stg_json_str(row, "template"));
	stg_json_put(detail, "via", stg_json_str(row, "via"));
	stg_json_put_int(detail, "expires_ms", *ret_expires_ms);
	return stg_store_scep_challenge_add(c->store, full, err) && ops_audit(c, "scep.challenge", stg_json_str(row, "device_serial"), detail, err);
}

static bool challenge(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(SEALED_MAX);
	struct scep_settings s;
	const char *serial = stg_json_str(in, "serial"), *template = stg_json_str_or(in, "template", "device");
	char text[33];
	int64_t expires = 0;
	if (!*serial || strlen(serial) > 64)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "SERIAL");
	if (!scep_settings(c, &s, err))
		return false;
	int64_t minutes = stg_json_int(in, "minutes", 0) ? stg_json_int(in, "minutes", 0) : s.minutes;
	if (minutes < 1 || minutes > MINUTES_MAX)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_SCEP_SETTING, 0, "minutes: 1 to %d", MINUTES_MAX);
	if (!s.url[0])
		return stg_fail_id(err, STG_E_STATION, STG_ID_SCEP_OFF, 0, "%s", "");
	STG_AUTO(stg_json_free_at) json_t *t = stg_ca_template(c->store, template, err);
	STG_AUTO(stg_json_free_at) json_t *org = t ? org_with_ra(c, &s, &sealed, err) : NULL;
	STG_AUTO(stg_json_free_at) json_t *row = json_object();
	struct stg_ra ra = { 0 };
	if (!org || !stg_org_ra(c->keys, org, stg_buf_view(&sealed), &ra, err))
		return false;
	stg_json_put(row, "device_serial", serial);
	stg_json_put(row, "template", template);
	stg_json_put(row, "org", stg_json_str(org, "name"));
	stg_json_put(row, "unit", stg_json_str(in, "unit"));
	if (stg_json_int(in, "job", 0))
		stg_json_put_int(row, "job", stg_json_int(in, "job", 0));
	if (json_is_object(json_object_get(in, "vars")))
		stg_json_put_new(row, "vars", json_deep_copy(json_object_get(in, "vars")));
	uint8_t sha1[EVP_MAX_MD_SIZE];
	char print[2 * EVP_MAX_MD_SIZE + 1] = "";
	unsigned int n = 0;
	if (X509_digest(ra.cert, EVP_sha1(), sha1, &n) == 1)
		stg_hex(stg_bytes(sha1, n), print);
	stg_ra_clear(&ra);
	if (!scep_challenge_make(c, row, minutes, text, &expires, err))
		return false;
	*ret = json_pack("{s:i,s:s,s:s,s:s,s:s,s:I,s:s}", "v", 1, "serial", serial, "template", template, "challenge", text, "url", s.url, "expires_ms",
			 (json_int_t)expires, "fingerprint", print);
	return true;
}

static bool list(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	*ret = stg_store_scep_challenges(c->store, stg_json_str(in, "serial"), stg_json_bool(in, "open", false), err);
	return *ret != NULL;
}

/* ---- what devices ask ---- */

static bool put_base64(json_t *j, const char *key, struct stg_bytes bytes, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(STG_SCEP_MESSAGE_MAX * 2);
	if (!stg_base64(bytes, &text, err))
		return false;
	stg_json_put(j, key, stg_buf_str(&text));
	return true;
}

static bool about(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(SEALED_MAX), certs = STG_BUF(STG_SCEP_MESSAGE_MAX);
	struct scep_settings s;
	struct stg_ra ra = { 0 };
	(void)in;
	if (!scep_settings(c, &s, err))
		return false;
	STG_AUTO(stg_json_free_at) json_t *org = org_with_ra(c, &s, &sealed, err), *j = json_object();
	if (!org || !stg_org_ra(c->keys, org, stg_buf_view(&sealed), &ra, err))
		return false;
	/* the authority first: it is who a request is encrypted to */
	struct x509_st *const all[] = { ra.cert, ra.issuing, ra.root };
	uint8_t *der = NULL;
	int n = s.ra_only ? i2d_X509(ra.cert, &der) : 0;
	bool ok = (s.ra_only ? n > 0 && stg_buf_add(&certs, der, (size_t)n, err) : stg_scep_certs_pack(all, STG_ARRAY_LEN(all), &certs, err)) &&
		  put_base64(j, "certs", stg_buf_view(&certs), err);
	OPENSSL_free(der);
	stg_ra_clear(&ra);
	stg_json_put_int(j, "v", 1);
	stg_json_put(j, "caps", stg_scep_caps_text(s.old));
	stg_json_put(j, "type", s.ra_only ? "application/x-x509-ca-cert" : "application/x-x509-ca-ra-cert");
	stg_json_put(j, "listen", s.listen);
	if (ok)
		*ret = stg_steal(j);
	return ok;
}

/* A request under way: read and decided on the store's thread, answered on another. */
struct talk {
	struct scep_settings set;
	struct stg_scep_msg *msg;
	struct stg_ra ra;
	json_t *org;
	struct stg_buf sealed;
	struct stg_buf leaf;          /* what is handed out, DER; empty: refused, or a list */
	struct stg_buf list;          /* a list of what was revoked, as answers carry it */
	int fail;
	char fail_text[160];
	json_t *said;                 /* for whoever watches */
};

static void talk_free(void *carry)
{
	struct talk *t = carry;
	stg_scep_msg_free(t->msg);
	stg_ra_clear(&t->ra);
	json_decref(t->org);
	json_decref(t->said);
	stg_buf_clear(&t->sealed);
	stg_buf_clear(&t->leaf);
	stg_buf_clear(&t->list);
	free(t);
}

static bool said(struct talk *t, const char *what, const char *serial)
{
	stg_json_put(t->said, "what", what);
	stg_json_put(t->said, "serial", serial);
	return true;
}

/* The device is told; that is a success of this operation. */
static bool refuse(struct talk *t, const struct stg_error *why)
{
	t->fail = why->origin >= STG_SCEP_BAD_ALG && why->origin <= STG_SCEP_BAD_CERT_ID ? why->origin : STG_SCEP_BAD_REQUEST;
	snprintf(t->fail_text, sizeof(t->fail_text), "STG-%u %.140s", why->id, stg_id_sentence_in(why->id, "en"));
	stg_json_put_int(t->said, "code", why->id);
	stg_json_put(t->said, "text", why->msg);
	return said(t, "refused", stg_json_str(t->said, "serial"));
}

static bool refuse_as(struct talk *t, enum stg_id id, int fail, const char *what)
{
	struct stg_error why = { 0 };
	stg_fail_id(&why, STG_E_REFUSED, id, fail, "%s", what);
	return refuse(t, &why);
}

static X509 *cert_of(const json_t *row)
{
	const char *pem = stg_json_str(row, "pem");
	BIO *in = BIO_new_mem_buf(pem, -1);
	X509 *c = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
	BIO_free(in);
	return c;
}

static json_t *register_row(struct stg_op_ctx *c, const char *serial_hex, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *filter = json_pack("{s:s}", "serial_hex", serial_hex);
	STG_AUTO(stg_json_free_at) json_t *rows = stg_store_certificates(c->store, filter, err);
	return rows ? json_incref(json_array_size(rows) ? json_array_get(rows, 0) : json_null()) : NULL;
}

/* The same question again: the same certificate. */
static bool again(struct stg_op_ctx *c, struct talk *t, const json_t *done, bool *ret_answered, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *row = register_row(c, stg_json_str(done, "serial_hex"), err);
	if (!row)
		return false;
	if (!json_is_object(row) || strcmp(stg_json_str(row, "status"), "revoked") == 0) {
		*ret_answered = true;
		return refuse_as(t, STG_ID_SCEP_CHALLENGE_USED, STG_SCEP_BAD_REQUEST, "that certificate was revoked");
	}
	X509 *cert = cert_of(row);
	uint8_t *der = NULL;
	int n = cert ? i2d_X509(cert, &der) : 0;
	bool ok = n > 0 && stg_buf_add(&t->leaf, der, (size_t)n, err);
	OPENSSL_free(der);
	X509_free(cert);
	if (!ok)
		return n > 0 ? false : stg_fail(err, STG_E_PROTOCOL, 0, "a certificate of the register is unreadable");
	*ret_answered = true;
	stg_json_put(t->said, "certificate", stg_json_str(row, "serial_hex"));
	return said(t, "again", stg_json_str(row, "device_serial"));
}

/* Makes and registers it, and remembers the question. Refusals of the CA go to the device, troubles of the station do not. */
static bool sign(struct stg_op_ctx *c, struct talk *t, const json_t *ask, struct stg_bytes csr, const char *serial, const char *unit, const char *template,
		 const json_t *vars, const char *what, char *ret_hex, size_t size, bool *ret_made, struct stg_error *err)
{
	const struct stg_ca_for whom = { .serial = serial, .unit = unit, .template_name = template, .values = vars, .actor = "scep" };
	STG_AUTO(stg_json_free_at) json_t *row = NULL, *done = json_object();
	struct stg_error why = { 0 };
	*ret_made = false;
	stg_json_put(t->said, "serial", serial);
	if (!stg_ca_sign(c->store, c->keys, t->org, stg_buf_view(&t->sealed), &whom, csr, &t->leaf, &row, &why)) {
		stg_buf_reset(&t->leaf);
		if (why.code != STG_E_REFUSED && why.code != STG_E_INPUT && why.code != STG_E_USAGE) {
			*err = why;
			return false;
		}
		json_t *detail = json_object();
		stg_json_put(detail, "code", stg_id_name(why.id));
		stg_json_put(detail, "text", why.msg);
		if (why.id == STG_ID_REQUEST_OTHER)
			return ops_audit(c, "scep.refuse", serial, detail, err) &&
			       refuse_as(t, stg_json_bool(ask, "wants_ca", false) ? STG_ID_SCEP_REQUEST : STG_ID_SCEP_OTHER_DEVICE, STG_SCEP_BAD_REQUEST, why.msg);
		why.origin = STG_SCEP_BAD_REQUEST;
		return ops_audit(c, "scep.refuse", serial, detail, err) && refuse(t, &why);
	}
	stg_json_put(done, "transaction_id", t->msg->transaction_id);
	stg_json_put(done, "spki_sha256", stg_json_str(ask, "spki_sha256"));
	stg_json_put(done, "serial_hex", stg_json_str(row, "serial_hex"));
	stg_json_put(done, "template", template);
	if (vars)
		stg_json_put_new(done, "vars", json_deep_copy(vars));
	stg_json_put(t->said, "certificate", stg_json_str(row, "serial_hex"));
	*ret_made = true;
	return stg_copy(ret_hex, size, stg_json_str(row, "serial_hex")) && stg_store_scep_done_add(c->store, done, err) && said(t, what, serial);
}

static bool first_time(struct stg_op_ctx *c, struct talk *t, const json_t *ask, struct stg_bytes csr, const struct stg_secret *word, struct stg_error *err)
{
	char hash[65], hex[64];
	bool made;
	struct stg_error why = { 0 };
	if (!stg_scep_key_is(t->msg->signer, stg_json_str(ask, "spki_sha256")))
		return refuse_as(t, STG_ID_SCEP_REQUEST, STG_SCEP_BAD_CHECK, "it is signed by another key than the one it asks for");
	if (!stg_secret_is_set(word) || !stg_secret_reveal(word).len)
		return refuse_as(t, STG_ID_SCEP_CHALLENGE_UNKNOWN, STG_SCEP_BAD_REQUEST, "it carries no challenge");
	stg_sha256_hex(stg_secret_reveal(word), hash);
	STG_AUTO(stg_json_free_at) json_t *row = stg_store_scep_challenge(c->store, hash, &why);
	if (!row && why.code != STG_E_NOT_FOUND)
		return *err = why, false;
	if (!row || *stg_json_str(row, "via"))
		return refuse_as(t, STG_ID_SCEP_CHALLENGE_UNKNOWN, STG_SCEP_BAD_REQUEST, "its challenge is not one of ours");
	const char *serial = stg_json_str(row, "device_serial");
	stg_json_put(t->said, "serial", serial);
	if (strcmp(stg_json_str(row, "org"), stg_json_str(t->org, "name")) != 0)
		return refuse_as(t, STG_ID_SCEP_CHALLENGE_UNKNOWN, STG_SCEP_BAD_REQUEST, "its challenge is another organisation's");
	if (stg_json_int(row, "used_ms", 0))
		return ops_audit(c, "scep.refuse", serial, json_pack("{s:s}", "code", "SCEP_CHALLENGE_USED"), err) &&
		       refuse_as(t, STG_ID_SCEP_CHALLENGE_USED, STG_SCEP_BAD_REQUEST, "its challenge was used");
	if (stg_json_int(row, "expires_ms", 0) <= stg_wall_ms())
		return refuse_as(t, STG_ID_SCEP_CHALLENGE_EXPIRED, STG_SCEP_BAD_REQUEST, "its challenge has expired");
	return sign(c, t, ask, csr, serial, stg_json_str(row, "unit"), stg_json_str(row, "template"), json_object_get(row, "vars"), "issued", hex, sizeof(hex),
		    &made, err) &&
	       (!made || stg_store_scep_challenge_spend(c->store, stg_json_int(row, "id", 0), t->msg->transaction_id, hex, err));
}

/* Certificates of ours are known by signature and by the register, not by name. */
static bool is_ours(const struct talk *t)
{
	EVP_PKEY *key = X509_get0_pubkey(t->ra.issuing);
	return X509_NAME_cmp(X509_get_issuer_name(t->msg->signer), X509_get_subject_name(t->ra.issuing)) == 0 && X509_verify(t->msg->signer, key) == 1;
}

static void hex_of(X509 *cert, char *ret, size_t size)
{
	BIGNUM *n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
	uint8_t octets[32];
	int len = n && BN_num_bytes(n) <= (int)sizeof(octets) ? BN_bn2bin(n, octets) : 0;
	*ret = 0;
	if (len > 0 && (size_t)len * 2 < size)
		stg_hex(stg_bytes(octets, (size_t)len), ret);
	BN_free(n);
}

static bool renewal(struct stg_op_ctx *c, struct talk *t, const json_t *ask, struct stg_bytes csr, struct stg_error *err)
{
	char old_hex[80], hex[64];
	bool made;
	struct stg_error why = { 0 };
	int64_t now = stg_wall_ms();
	if (!is_ours(t))
		return refuse_as(t, STG_ID_SCEP_RENEWAL, STG_SCEP_BAD_CHECK, "it is not signed with a certificate of this station");
	hex_of(t->msg->signer, old_hex, sizeof(old_hex));
	STG_AUTO(stg_json_free_at) json_t *old = register_row(c, old_hex, err);
	if (!old)
		return false;
	const char *serial = stg_json_str(old, "device_serial"), *status = stg_json_str(old, "status");
	stg_json_put(t->said, "serial", serial);
	if (!json_is_object(old) || !*serial)
		return refuse_as(t, STG_ID_SCEP_RENEWAL, STG_SCEP_BAD_CERT_ID, "its certificate is not one of a device");
	if (strcmp(status, "revoked") == 0)
		return ops_audit(c, "scep.refuse", serial, json_pack("{s:s,s:s}", "code", "SCEP_RENEWAL", "text", "revoked"), err) &&
		       refuse_as(t, STG_ID_SCEP_RENEWAL, STG_SCEP_BAD_REQUEST, "its certificate was revoked");
	if (stg_json_int(old, "not_after_ms", 0) <= now)
		return refuse_as(t, STG_ID_SCEP_RENEWAL, STG_SCEP_BAD_TIME, "its certificate has expired");
	if (strcmp(status, "superseded") == 0 && stg_json_int(old, "changed_ms", 0) + RENEW_AGAIN_MS < now)
		return refuse_as(t, STG_ID_SCEP_RENEWAL, STG_SCEP_BAD_REQUEST, "its certificate was replaced more than a day ago");
	/* how it was made; those that came another way are of the usual kind */
	STG_AUTO(stg_json_free_at) json_t *done = stg_store_scep_done(c->store, "", "", old_hex, &why);
	if (!done && why.code != STG_E_NOT_FOUND)
		return *err = why, false;
	return sign(c, t, ask, csr, serial, stg_json_str(old, "unit"), done ? stg_json_str(done, "template") : "device",
		    done ? json_object_get(done, "vars") : NULL, "renewed", hex, sizeof(hex), &made, err) &&
	       (!made || strcmp(status, "superseded") == 0 || stg_store_certificate_status(c->store, old_hex, "superseded", "renewed", err));
}

/* Only who asked before may hear it again: its own key, or the certificate that was renewed. The certificate that was made then asks for
 * its successor, under the same transaction when it keeps its key (certmonger makes the number of the key). */
static bool is_repeated(const struct talk *t, const json_t *ask, const json_t *done)
{
	char hex[80];
	if (!is_ours(t))
		return stg_scep_key_is(t->msg->signer, stg_json_str(ask, "spki_sha256"));
	hex_of(t->msg->signer, hex, sizeof(hex));
	return strcmp(hex, stg_json_str(done, "serial_hex")) != 0;
}

/* Nothing is ever pending here; but who lost the answer and asks on gets it: under its transaction and its key, nobody else's. */
static bool polled(struct stg_op_ctx *c, struct talk *t, struct stg_error *err)
{
	struct stg_error why = { 0 };
	char print[65];
	bool answered = false;
	if (!stg_scep_key_print(t->msg->signer, print))
		return stg_fail(err, STG_E_NOMEM, 0, "read a key");
	STG_AUTO(stg_json_free_at) json_t *done = stg_store_scep_done(c->store, t->msg->transaction_id, print, "", &why);
	if (!done && why.code != STG_E_NOT_FOUND)
		return *err = why, false;
	return done ? again(c, t, done, &answered, err) : refuse_as(t, STG_ID_SCEP_NOTHING, STG_SCEP_BAD_CERT_ID, "nothing is pending under that transaction");
}

/* The list is for everybody. A certificate is given to its device alone: it says which one that is. */
static bool named(struct stg_op_ctx *c, struct talk *t, struct stg_bytes content, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf der = STG_BUF(1u << 20);
	struct stg_error why = { 0 };
	char hex[80], own[80];
	if (!stg_scep_named_read(content, t->ra.issuing, hex, &why))
		return refuse(t, &why);
	if (t->msg->type == STG_SCEP_GETCRL) {
		if (!ops_crl_now(c, t->org, stg_buf_view(&t->sealed), &der, err))
			return false;
		if (!stg_scep_crl_pack(stg_buf_view(&der), &t->list, &why) || t->list.len > LIST_MAX) {
			stg_buf_reset(&t->list);
			return refuse_as(t, STG_ID_SCEP_REQUEST, STG_SCEP_BAD_REQUEST, "the list is too long for a message: stager ca crl");
		}
		return said(t, "list", "");
	}
	hex_of(t->msg->signer, own, sizeof(own));
	STG_AUTO(stg_json_free_at) json_t *mine = is_ours(t) ? register_row(c, own, err) : json_null(), *row = mine ? register_row(c, hex, err) : NULL;
	if (!row)
		return false;
	if (!json_is_object(mine) || !json_is_object(row) || strcmp(stg_json_str(mine, "device_serial"), stg_json_str(row, "device_serial")) != 0 ||
	    strcmp(stg_json_str(mine, "status"), "revoked") == 0)
		return refuse_as(t, STG_ID_SCEP_NOTHING, STG_SCEP_BAD_CERT_ID, "no certificate of who asks");
	STG_AUTO(stg_json_free_at) json_t *done = json_object();
	bool answered = false;
	stg_json_put(done, "serial_hex", hex);
	return again(c, t, done, &answered, err);
}

static bool decide(struct stg_op_ctx *c, struct talk *t, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf csr = STG_BUF(STG_SCEP_MESSAGE_MAX);
	STG_AUTO(stg_secret_clear) struct stg_secret word = { 0 };
	struct stg_error why = { 0 };
	bool answered = false;
	if (t->msg->refused.code)
		return refuse(t, &t->msg->refused);
	if (t->msg->type != STG_SCEP_PKCSREQ && t->msg->type != STG_SCEP_RENEWAL && t->msg->type != STG_SCEP_CERTPOLL && t->msg->type != STG_SCEP_GETCERT &&
	    t->msg->type != STG_SCEP_GETCRL)
		return refuse_as(t, STG_ID_SCEP_REQUEST, STG_SCEP_BAD_REQUEST, "a messageType that is not served");
	if (!t->msg->sender.len)
		return refuse_as(t, STG_ID_SCEP_REQUEST, STG_SCEP_BAD_REQUEST, "it has no senderNonce");
	if (!stg_scep_decrypt(t->msg, t->ra.cert, t->ra.key, t->set.old, &csr, &why))
		return refuse(t, &why);
	if (t->msg->type == STG_SCEP_CERTPOLL)
		return polled(c, t, err);
	if (t->msg->type == STG_SCEP_GETCERT || t->msg->type == STG_SCEP_GETCRL)
		return named(c, t, stg_buf_view(&csr), err);
	STG_AUTO(stg_json_free_at) json_t *ask = stg_scep_csr_read(stg_buf_view(&csr), &word, &why);
	if (!ask)
		return refuse(t, &why);
	STG_AUTO(stg_json_free_at) json_t *done = stg_store_scep_done(c->store, t->msg->transaction_id, stg_json_str(ask, "spki_sha256"), "", &why);
	if (!done && why.code != STG_E_NOT_FOUND)
		return *err = why, false;
	if (done && is_repeated(t, ask, done) && !again(c, t, done, &answered, err))
		return false;
	if (answered)
		return true;
	/* macOS and certmonger renew with a PKCSReq that their old certificate signs; certmonger also repeats its first word */
	if (t->msg->type == STG_SCEP_RENEWAL || is_ours(t))
		return renewal(c, t, ask, stg_buf_view(&csr), err);
	return first_time(c, t, ask, stg_buf_view(&csr), &word, err);
}

static bool reply(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	struct talk *t = c->carry;
	(void)in;
	if (!t->msg)
		return true;
	STG_AUTO(stg_buf_clear) struct stg_buf certs = STG_BUF(STG_SCEP_MESSAGE_MAX), body = STG_BUF(STG_SCEP_MESSAGE_MAX);
	struct stg_scep_making m = {
		.type = STG_SCEP_CERTREP, .transaction_id = t->msg->transaction_id, .recipient = t->msg->sender, .status = STG_SCEP_FAILURE, .fail = t->fail,
		.fail_text = t->fail_text, .to = t->msg->signer, .old = t->set.old, .signer = t->ra.cert, .signer_key = t->ra.key,
		.digest = t->msg->digest == NID_sha1 && t->set.old >= STG_SCEP_SHA1 ? NID_sha1 : 0,
	};
	if (t->leaf.len) {
		const unsigned char *p = t->leaf.data;
		X509 *leaf = d2i_X509(NULL, &p, (long)t->leaf.len);
		bool ok = leaf && stg_scep_certs_pack(&leaf, 1, &certs, err);
		X509_free(leaf);
		if (!ok)
			return stg_fail(err, STG_E_NOMEM, 0, "pack the certificate");
		m.status = STG_SCEP_SUCCESS;
		m.fail_text = NULL;
		m.content = stg_buf_view(&certs);
		m.cipher = t->msg->cipher;
	}
	if (t->list.len) {
		m.status = STG_SCEP_SUCCESS;
		m.fail_text = NULL;
		m.content = stg_buf_view(&t->list);
		m.cipher = t->msg->cipher;
	}
	*ret = json_object();
	stg_json_put_int(*ret, "v", 1);
	stg_json_put_int(*ret, "status", 200);
	stg_json_put(*ret, "type", "application/x-pki-message");
	stg_json_put_new(*ret, "said", json_incref(t->said));
	return stg_scep_make(&m, &body, NULL, err) && put_base64(*ret, "body", stg_buf_view(&body), err);
}

static bool request(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf der = STG_BUF(STG_SCEP_MESSAGE_MAX);
	struct stg_error why = { 0 };
	struct talk *t = stg_calloc(1, sizeof(*t));
	c->carry = t;
	c->carry_free = talk_free;
	c->outside = reply;
	t->sealed = STG_BUF(SEALED_MAX);
	t->leaf = STG_BUF(16384);
	t->list = STG_BUF(STG_SCEP_MESSAGE_MAX);
	t->said = json_object();
	stg_json_put(t->said, "peer", stg_json_str(in, "peer"));
	if (!scep_settings(c, &t->set, err) || !(t->org = org_with_ra(c, &t->set, &t->sealed, err)) ||
	    !stg_org_ra(c->keys, t->org, stg_buf_view(&t->sealed), &t->ra, err))
		return false;
	if (stg_unbase64(stg_json_str(in, "message"), &der, &why))
		t->msg = stg_scep_open(stg_buf_view(&der), t->set.old, NULL, &why);
	if (!t->msg) {
		said(t, "no message", "");
		stg_json_put(t->said, "text", why.msg);
		*ret = json_pack("{s:i,s:i,s:O}", "v", 1, "status", 400, "said", t->said);
		return true;
	}
	stg_json_put(t->said, "transaction", t->msg->transaction_id);
	return decide(c, t, err);
}

const struct stg_op stg_ops_scep[] = {
	{ "scep.show", STG_OP_STORE, show },
	{ "scep.set", STG_OP_STORE, set },
	{ "scep.challenge", STG_OP_STORE, challenge },
	{ "scep.list", STG_OP_STORE, list },
	{ "scep.about", STG_OP_STORE, about },
	{ "scep.request", STG_OP_STORE, request },
	{ 0 },
};
