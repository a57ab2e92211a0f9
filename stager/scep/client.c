/*
 * client.c - asks other SCEP servers: what they can, who they are, for a certificate.
 *
 * For:    `stager scep get` and `ca`, the proxy.
 * Uses:   <stager/net.h>; open.c and make.c for the messages.
 * Called: operations, outside the store's thread.
 * Thread: any.
 * Facts:  an answer of GetCACaps may come without a type, or not at all from servers of 2008; GetCACert's is one certificate, or a
 *         degenerate SignedData of CA and registration authorities. NDES shows two of those: encrypt to the one with keyEncipherment.
 *         POST with a length, never chunked; GET when the server offers nothing else.
 */
#include <ctype.h>
#include <poll.h>
#include <stdio.h>
#include <strings.h>

#include <openssl/err.h>

#include <stager/clock.h>
#include <stager/keys.h>
#include <stager/net.h>

#include "inner.h"

#define CAPS_MAX 4096u
#define TIMEOUT_MS 30000
#define POLL_EACH_MS 5000
#define URL_MAX 1024
#define GET_MAX (15u << 10)
#define CHAIN_MAX 4

static bool no_use(struct stg_error *err, const char *what)
{
	ERR_clear_error();
	return stg_fail_id(err, STG_E_PROTOCOL, STG_ID_SCEP_SERVER, 0, "%.200s", what);
}

/* ---- over the wire ---- */

static bool ask(const struct stg_scep_server *s, const char *operation, const char *message, struct stg_bytes body, size_t most, struct stg_buf *ret,
		struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf url = STG_BUF(GET_MAX + URL_MAX);
	STG_AUTO(stg_json_free_at) json_t *headers = json_object();
	if (strlen(s->url) > URL_MAX || !stg_buf_printf(&url, err, "%s%coperation=%s%s%s", s->url, strchr(s->url, '?') ? '&' : '?', operation,
							message ? "&message=" : "", message ? message : ""))
		return no_use(err, "its address is too long");
	if (body.len)
		stg_json_put(headers, "Content-Type", "application/x-pki-message");
	const struct stg_net_ask a = { .method = body.len ? "POST" : "GET", .url = stg_buf_str(&url), .headers = headers, .body = body, .ca_pem = s->ca_pem,
				       .allow_loopback_http = true, .allow_http = true, .timeout_ms = s->timeout_ms ? s->timeout_ms : TIMEOUT_MS,
				       .answer_max = most, .stop = s->stop, .repeat_harmless = true };
	struct stg_net_answer answer;
	if (!stg_net(&a, &answer, err))
		return stg_say(err, STG_ID_SCEP_SERVER);
	bool ok = answer.class == STG_NET_OK && stg_buf_add(ret, answer.body.data, answer.body.len, err);
	if (answer.class != STG_NET_OK)
		stg_fail_id(err, answer.class == STG_NET_OFFLINE ? STG_E_TIMEOUT : STG_E_PROTOCOL, STG_ID_SCEP_SERVER, answer.status, "%s: %s", operation,
			    answer.text);
	stg_net_answer_clear(&answer);
	return ok;
}

bool stg_scep_pass(const struct stg_scep_server *s, struct stg_bytes message, bool post, struct stg_buf *ret, struct stg_error *err)
{
	if (post)
		return ask(s, "PKIOperation", NULL, message, STG_SCEP_MESSAGE_MAX, ret, err);
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(STG_SCEP_MESSAGE_MAX * 2), query = STG_BUF(GET_MAX);
	if (!stg_base64(message, &text, err))
		return false;
	for (size_t i = 0; i < text.len; i++) {
		char c = (char)text.data[i];
		if (!stg_buf_add_str(&query, c == '+' ? "%2B" : c == '/' ? "%2F" : c == '=' ? "%3D" : (char[]){ c, 0 }, NULL))
			return no_use(err, "the message is too long for a server that takes no POST");
	}
	return ask(s, "PKIOperation", stg_buf_str(&query), stg_bytes(NULL, 0), STG_SCEP_MESSAGE_MAX, ret, err);
}

/* ---- who it is ---- */

/* What a device would be told, letters and line ends alone. */
static bool keep_text(struct stg_bytes caps, struct stg_buf *ret, struct stg_error *err)
{
	for (size_t i = 0; i < caps.len; i++)
		if ((caps.data[i] >= 0x20 && caps.data[i] < 0x7f) || caps.data[i] == '\n')
			if (!stg_buf_add(ret, caps.data + i, 1, err))
				return false;
	return true;
}

static bool look(const struct stg_scep_server *s, struct stg_scep_met *m, STACK_OF(X509) **ret_shown, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf caps = STG_BUF(CAPS_MAX);
	struct stg_error why = { 0 };
	m->raw = STG_BUF(STG_SCEP_MESSAGE_MAX);
	m->caps_text = STG_BUF(CAPS_MAX);
	/* a server that does not know the question can nothing of it */
	if (!ask(s, "GetCACaps", NULL, stg_bytes(NULL, 0), CAPS_MAX, &caps, &why)) {
		if (why.code == STG_E_TIMEOUT || why.code == STG_E_INPUT) {
			if (err)
				*err = why;
			return false;
		}
		stg_buf_reset(&caps);
	}
	stg_scep_caps_read(stg_buf_view(&caps), &m->caps);
	if (!keep_text(stg_buf_view(&caps), &m->caps_text, err) ||
	    !ask(s, "GetCACert", NULL, stg_bytes(NULL, 0), STG_SCEP_MESSAGE_MAX, &m->raw, err))
		return false;
	*ret_shown = stg_scep_certs_unpack(stg_buf_view(&m->raw), err);
	m->n_shown = *ret_shown ? sk_X509_num(*ret_shown) : 0;
	return *ret_shown || no_use(err, "GetCACert: no certificates");
}

bool stg_scep_look(const struct stg_scep_server *s, struct stg_scep_caps *ret_caps, struct stack_st_X509 **ret_certs, struct stg_error *err)
{
	struct stg_scep_met m = { 0 };
	bool ok = look(s, &m, ret_certs, err);
	*ret_caps = m.caps;
	stg_scep_met_clear(&m);
	return ok;
}

/* Hex digits alone, small. */
static void bare(const char *print, char *ret, size_t size)
{
	size_t n = 0;
	for (const char *p = print; *p && n + 1 < size; p++)
		if (isxdigit((unsigned char)*p))
			ret[n++] = (char)tolower((unsigned char)*p);
	ret[n] = 0;
}

static void print_of(X509 *c, const EVP_MD *md, char ret[2 * EVP_MAX_MD_SIZE + 1])
{
	uint8_t d[EVP_MAX_MD_SIZE];
	unsigned int n = 0;
	*ret = 0;
	if (X509_digest(c, md, d, &n) == 1)
		stg_hex(stg_bytes(d, n), ret);
}

static bool fits(X509 *c, const char *print)
{
	char wanted[2 * EVP_MAX_MD_SIZE + 1], has[2 * EVP_MAX_MD_SIZE + 1];
	bare(print, wanted, sizeof(wanted));
	print_of(c, strlen(wanted) == 40 ? EVP_sha1() : EVP_sha256(), has);
	return *has && strcmp(has, wanted) == 0;
}

static bool has(const STACK_OF(X509) *list, const X509 *c)
{
	for (int i = 0; i < sk_X509_num(list); i++)
		if (X509_cmp(sk_X509_value(list, i), c) == 0)
			return true;
	return false;
}

static bool is_ca(X509 *c)
{
	return X509_check_ca(c) == 1;
}

static bool signed_by(X509 *c, X509 *by)
{
	bool ok = is_ca(by) && X509_NAME_cmp(X509_get_issuer_name(c), X509_get_subject_name(by)) == 0 && X509_get0_pubkey(by) &&
		  X509_verify(c, X509_get0_pubkey(by)) == 1;
	ERR_clear_error();
	return ok;
}

/* What the pinned certificate vouches for; everything when HTTPS already did. */
static STACK_OF(X509) *trusted(STACK_OF(X509) *shown, const char *fingerprint)
{
	STACK_OF(X509) *ok = sk_X509_new_null();
	for (int round = 0; ok && round <= CHAIN_MAX; round++)
		for (int i = 0; i < sk_X509_num(shown); i++) {
			X509 *c = sk_X509_value(shown, i);
			bool take = !fingerprint || (round == 0 && fits(c, fingerprint));
			for (int k = 0; !take && k < sk_X509_num(ok); k++)
				take = signed_by(c, sk_X509_value(ok, k));
			if (take && !has(ok, c) && X509_up_ref(c) == 1 && sk_X509_push(ok, c) <= 0)
				X509_free(c);
		}
	return ok;
}

static bool decrypts(X509 *c)
{
	EVP_PKEY *key = X509_get0_pubkey(c);
	uint32_t usage = X509_get_key_usage(c);
	return key && EVP_PKEY_is_a(key, "RSA") && (usage == UINT32_MAX || usage & KU_KEY_ENCIPHERMENT || is_ca(c));
}

static void roles(struct stg_scep_met *m)
{
	for (int i = 0; i < sk_X509_num(m->certs); i++) {
		X509 *c = sk_X509_value(m->certs, i);
		/* the one that issues is the lowest CA */
		if (is_ca(c) && (!m->ca || signed_by(c, m->ca)))
			m->ca = c;
		if (!is_ca(c) && decrypts(c) && !m->to)
			m->to = c;
	}
	if (!m->to && m->ca && decrypts(m->ca))
		m->to = m->ca;
}

bool stg_scep_meet(const struct stg_scep_server *s, struct stg_scep_met *ret, struct stg_error *err)
{
	struct stg_scep_met m = { 0 };
	STG_AUTO(stg_scep_certs_free_at) STACK_OF(X509) *shown = NULL;
	if (!s->fingerprint && strncasecmp(s->url, "https://", 8) != 0)
		return stg_fail_id(err, STG_E_SAFETY, STG_ID_SCEP_PIN, 0, "%s", "");
	if (!look(s, &m, &shown, err)) {
		stg_scep_met_clear(&m);
		return false;
	}
	m.certs = trusted(shown, s->fingerprint);
	if (!m.certs || sk_X509_num(m.certs) == 0) {
		stg_scep_met_clear(&m);
		return stg_fail_id(err, STG_E_SAFETY, STG_ID_SCEP_FINGERPRINT, 0, "none of the %d certificates it shows", sk_X509_num(shown));
	}
	roles(&m);
	if (!m.to) {
		stg_scep_met_clear(&m);
		return no_use(err, "GetCACert: none of its certificates can be encrypted to");
	}
	*ret = m;
	return true;
}

void stg_scep_met_clear(struct stg_scep_met *m)
{
	stg_scep_certs_free_at(&m->certs);
	stg_buf_clear(&m->raw);
	stg_buf_clear(&m->caps_text);
	*m = (struct stg_scep_met){ 0 };
}

json_t *stg_scep_certs_json(const struct stack_st_X509 *certs)
{
	json_t *list = json_array();
	for (int i = 0; i < sk_X509_num(certs); i++) {
		X509 *c = sk_X509_value(certs, i);
		uint8_t *der = NULL;
		int n = i2d_X509(c, &der);
		json_t *one = n > 0 ? stg_certificate_json(stg_bytes(der, (size_t)n), NULL) : NULL;
		char sha1[2 * EVP_MAX_MD_SIZE + 1], sha256[2 * EVP_MAX_MD_SIZE + 1];
		OPENSSL_free(der);
		if (!one)
			one = json_object();
		print_of(c, EVP_sha1(), sha1);
		print_of(c, EVP_sha256(), sha256);
		stg_json_put(one, "sha1", sha1);
		stg_json_put(one, "sha256", sha256);
		stg_json_put_bool(one, "ca", is_ca(c));
		json_array_append_new(list, one);
	}
	return list;
}

/* ---- asking for a certificate ---- */

static bool put_name(X509_NAME *n, int nid, const char *value)
{
	return !value || !*value || X509_NAME_add_entry_by_NID(n, nid, MBSTRING_UTF8, (const unsigned char *)value, -1, -1, 0) == 1;
}

static bool put_san(X509_REQ *r, const json_t *san)
{
	static const struct { const char *word; int type; } kinds[] = { { "dns:", GEN_DNS }, { "uri:", GEN_URI }, { "email:", GEN_EMAIL } };
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	STACK_OF(X509_EXTENSION) *exts = sk_X509_EXTENSION_new_null();
	bool ok = names && exts;
	for (size_t i = 0; ok && i < json_array_size(san); i++) {
		const char *text = json_string_value(json_array_get(san, i));
		bool known = false;
		for (size_t k = 0; text && !known && k < STG_ARRAY_LEN(kinds); k++) {
			size_t len = strlen(kinds[k].word);
			if (strncmp(text, kinds[k].word, len) != 0)
				continue;
			GENERAL_NAME *g = GENERAL_NAME_new();
			ASN1_IA5STRING *v = ASN1_IA5STRING_new();
			known = g && v && ASN1_STRING_set(v, text + len, -1) == 1;
			if (known)
				GENERAL_NAME_set0_value(g, kinds[k].type, v);
			else
				ASN1_IA5STRING_free(v);
			if (!known || sk_GENERAL_NAME_push(names, g) <= 0) {
				GENERAL_NAME_free(g);
				known = false;
			}
		}
		ok = known;
	}
	if (ok && sk_GENERAL_NAME_num(names))
		ok = X509V3_add1_i2d(&exts, NID_subject_alt_name, names, 0, X509V3_ADD_APPEND) == 1 && X509_REQ_add_extensions(r, exts) == 1;
	sk_GENERAL_NAME_pop_free(names, GENERAL_NAME_free);
	sk_X509_EXTENSION_pop_free(exts, X509_EXTENSION_free);
	return ok;
}

/* PrintableString where it can be one: what the oldest servers read. */
static bool put_challenge(X509_REQ *r, const struct stg_secret *word)
{
	struct stg_bytes w = word ? stg_secret_reveal(word) : stg_bytes(NULL, 0);
	bool plain = true;
	if (!w.len)
		return true;
	for (size_t i = 0; i < w.len; i++)
		plain = plain && (isalnum(w.data[i]) || (w.data[i] && strchr(" '()+,-./:=?", w.data[i])));
	return X509_REQ_add1_attr_by_NID(r, NID_pkcs9_challengePassword, plain ? V_ASN1_PRINTABLESTRING : V_ASN1_UTF8STRING, w.data, (int)w.len) == 1;
}

static bool csr_make(const struct stg_scep_wanted *w, struct stg_buf *ret, struct stg_error *err)
{
	STG_AUTO(X509_REQ_free_at) X509_REQ *r = X509_REQ_new();
	uint8_t *der = NULL;
	int n = 0;
	if (r && X509_REQ_set_version(r, 0) == 1 && put_name(X509_REQ_get_subject_name(r), NID_organizationName, w->organisation) &&
	    put_name(X509_REQ_get_subject_name(r), NID_commonName, w->common_name) && X509_REQ_set_pubkey(r, w->key) == 1 && put_san(r, w->san) &&
	    put_challenge(r, w->challenge) && X509_REQ_sign(r, w->key, EVP_sha256()) > 0)
		n = i2d_X509_REQ(r, &der);
	ERR_clear_error();
	bool ok = n > 0 && stg_buf_add(ret, der, (size_t)n, err);
	OPENSSL_free(der);
	return ok || stg_fail_id(err, STG_E_USAGE, STG_ID_CERTIFICATE_ASK, 0, "'%.80s' cannot stand in a request", w->common_name);
}

/* Who signs the first request: a certificate over its own key, with the subject of the request. */
static X509 *own_signer(const struct stg_scep_wanted *w)
{
	X509 *c = X509_new();
	if (c && X509_set_version(c, X509_VERSION_3) == 1 && ASN1_INTEGER_set(X509_get_serialNumber(c), 1) == 1 &&
	    put_name(X509_get_subject_name(c), NID_organizationName, w->organisation) &&
	    put_name(X509_get_subject_name(c), NID_commonName, w->common_name) && X509_set_issuer_name(c, X509_get_subject_name(c)) == 1 &&
	    X509_gmtime_adj(X509_getm_notBefore(c), -3600) && X509_gmtime_adj(X509_getm_notAfter(c), 7 * 86400L) && X509_set_pubkey(c, w->key) == 1 &&
	    X509_sign(c, w->key, EVP_sha256()) > 0)
		return c;
	X509_free(c);
	return NULL;
}

/* As good as both sides can. */
static bool talk_in(const struct stg_scep_server *s, const struct stg_scep_caps *c, struct stg_scep_making *m, struct stg_error *err)
{
	m->old = s->old;
	m->digest = c->sha512 && !c->sha256 ? NID_sha512 : c->sha256 ? NID_sha256 : NID_sha1;
	m->cipher = c->aes ? NID_aes_256_cbc : c->des3 ? NID_des_ede3_cbc : NID_des_cbc;
	/* many servers can more than they say; one that says nothing is asked in the good way first */
	if (m->digest == NID_sha1 && s->old < STG_SCEP_SHA1)
		m->digest = NID_sha256;
	if (!scep_cipher_allowed(m->cipher, s->old))
		m->cipher = c->des3 && s->old >= STG_SCEP_SHA1 ? NID_des_ede3_cbc : NID_aes_256_cbc;
	(void)err;
	return true;
}

static X509 *taken(struct stg_bytes plain, const struct stg_scep_wanted *w, struct stg_error *err)
{
	STG_AUTO(stg_scep_certs_free_at) STACK_OF(X509) *certs = stg_scep_certs_unpack(plain, err);
	for (int i = 0; i < sk_X509_num(certs); i++) {
		X509 *c = sk_X509_value(certs, i);
		if (X509_get0_pubkey(c) && EVP_PKEY_eq(X509_get0_pubkey(c), w->key) == 1 && X509_up_ref(c) == 1)
			return c;
	}
	no_use(err, "its answer holds no certificate for our key");
	return NULL;
}

/* What was enveloped in the answer. */
static bool understand(const struct stg_scep_server *s, const struct stg_scep_met *met, struct stg_bytes der, const struct stg_scep_making *asked,
		       const struct stg_scep_nonce *nonce, struct stg_buf *ret, struct stg_error *err)
{
	static const char *const fails[] = { "badAlg", "badMessageCheck", "badRequest", "badTime", "badCertId" };
	STG_AUTO(stg_scep_msg_free_at) struct stg_scep_msg *a = stg_scep_open(der, s->old, met->certs, err);
	if (!a)
		return stg_say(err, STG_ID_SCEP_SERVER);
	if (a->refused.code)
		return *err = a->refused, false;
	if (a->type != STG_SCEP_CERTREP || strcmp(a->transaction_id, asked->transaction_id) != 0 ||
	    !stg_bytes_equal(stg_bytes(a->recipient.data, a->recipient.len), stg_bytes(nonce->data, nonce->len)) || !has(met->certs, a->signer))
		return no_use(err, "its answer is to another question, or from somebody else");
	if (a->status == STG_SCEP_PENDING)
		return stg_fail_id(err, STG_E_WAITING, STG_ID_SCEP_PENDING, 0, "transaction %s", a->transaction_id);
	if (a->status != STG_SCEP_SUCCESS)
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_SCEP_REFUSED, a->fail, "%s %s",
				   a->fail >= 0 && a->fail < (int)STG_ARRAY_LEN(fails) ? fails[a->fail] : "no reason", a->fail_text);
	return stg_scep_decrypt(a, asked->signer, asked->signer_key, s->old, ret, err);
}

static bool converse(const struct stg_scep_server *s, const struct stg_scep_met *met, const struct stg_scep_making *m, struct stg_buf *ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf message = STG_BUF(STG_SCEP_MESSAGE_MAX), answer = STG_BUF(STG_SCEP_MESSAGE_MAX);
	struct stg_scep_nonce nonce;
	struct stg_error why = { 0 };
	if (!stg_scep_make(m, &message, &nonce, err) || !stg_scep_pass(s, stg_buf_view(&message), met->caps.post, &answer, err))
		return false;
	if (understand(s, met, stg_buf_view(&answer), m, &nonce, ret, &why))
		return true;
	if (err)
		*err = why;
	return false;
}

/* Waits until it is time to ask again; false: the station stops. */
static bool wait_for(struct stg_stop *stop, int64_t ms)
{
	struct pollfd p = { .fd = stg_stop_fd(stop), .events = POLLIN };
	int64_t until = stg_boot_ms() + ms;
	for (int64_t left = ms; left > 0 && !stg_stop_pulled(stop); left = until - stg_boot_ms())
		(void)poll(&p, p.fd >= 0 ? 1 : 0, (int)(left < 1000 ? left : 1000));
	return !stg_stop_pulled(stop);
}

struct x509_st *stg_scep_enrol(const struct stg_scep_server *s, const struct stg_scep_met *met, const struct stg_scep_wanted *w, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf csr = STG_BUF(STG_SCEP_MESSAGE_MAX), plain = STG_BUF(STG_SCEP_MESSAGE_MAX), poll_for = STG_BUF(STG_SCEP_MESSAGE_MAX);
	STG_AUTO(X509_free_at) X509 *own = w->old ? NULL : own_signer(w);
	char transaction[65];
	struct stg_error why = { 0 };
	int64_t until = stg_boot_ms() + w->poll_ms;
	if (!w->old && !own) {
		stg_fail(err, STG_E_NOMEM, 0, "sign a request");
		return NULL;
	}
	struct stg_scep_making m = {
		.type = w->old && met->caps.renewal ? STG_SCEP_RENEWAL : STG_SCEP_PKCSREQ, .transaction_id = transaction, .to = met->to,
		.signer = w->old ? w->old : own, .signer_key = w->old ? w->old_key : w->key,
	};
	if (!csr_make(w, &csr, err) || !talk_in(s, &met->caps, &m, err))
		return NULL;
	stg_sha256_hex(stg_buf_view(&csr), transaction);
	m.content = stg_buf_view(&csr);
	bool got = converse(s, met, &m, &plain, &why);
	/* the same transaction, until somebody there has decided */
	while (!got && why.id == STG_ID_SCEP_PENDING && stg_boot_ms() < until) {
		if (m.type != STG_SCEP_CERTPOLL && !stg_scep_poll_pack(met->ca ? met->ca : met->to, m.signer, &poll_for, err))
			return NULL;
		m.type = STG_SCEP_CERTPOLL;
		m.content = stg_buf_view(&poll_for);
		if (!wait_for(s->stop, POLL_EACH_MS))
			break;
		why = (struct stg_error){ 0 };
		got = converse(s, met, &m, &plain, &why);
	}
	if (got)
		return taken(stg_buf_view(&plain), w, err);
	if (err)
		*err = why;
	return NULL;
}

bool stg_scep_crl(const struct stg_scep_server *s, const struct stg_scep_met *met, struct evp_pkey_st *key, struct stg_buf *ret, struct stg_error *err)
{
	const struct stg_scep_wanted w = { .common_name = "stager", .key = key };
	STG_AUTO(stg_buf_clear) struct stg_buf named = STG_BUF(STG_SCEP_MESSAGE_MAX), plain = STG_BUF(STG_SCEP_MESSAGE_MAX);
	STG_AUTO(X509_free_at) X509 *own = own_signer(&w);
	X509 *ca = met->ca ? met->ca : met->to;
	char transaction[65];
	struct stg_scep_making m = { .type = STG_SCEP_GETCRL, .transaction_id = transaction, .to = met->to, .signer = own, .signer_key = key };
	if (!own || !stg_scep_named_pack(ca, "", &named, err) || !talk_in(s, &met->caps, &m, err))
		return own ? false : stg_fail(err, STG_E_NOMEM, 0, "sign a question");
	if (!stg_scep_key_print(own, transaction))
		return stg_fail(err, STG_E_NOMEM, 0, "name a question");
	m.content = stg_buf_view(&named);
	if (!converse(s, met, &m, &plain, err) || !stg_scep_crl_unpack(stg_buf_view(&plain), ret, err))
		return false;
	const unsigned char *p = ret->data;
	X509_CRL *crl = d2i_X509_CRL(NULL, &p, (long)ret->len);
	bool ok = crl && X509_CRL_verify(crl, X509_get0_pubkey(ca)) == 1;
	X509_CRL_free(crl);
	ERR_clear_error();
	return ok || no_use(err, "its list is not signed by its authority");
}
