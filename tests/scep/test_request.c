/* test_request.c - what the station answers to a device's request: refusals first, then one certificate and no more. */
#include <unistd.h>

#include <openssl/objects.h>
#include <openssl/pem.h>

#include <stager/clock.h>
#include <stager/op.h>
#include <stager/station.h>

#include "desk.h"

static char folder[] = "/tmp/stg-scep-XXXXXX";
static struct stg_store *store;
static struct stg_keys *keys;
static EVP_PKEY *device_key, *other_key;
static X509 *device, *ra;

static bool call(const char *name, json_t *in /* taken */, json_t **ret, struct stg_error *err)
{
	const struct stg_op *op = stg_op_find(name);
	struct stg_op_ctx c = { .store = store, .keys = keys, .state_dir = folder, .actor = "test" };
	json_t *out = NULL;
	assert_non_null(op);
	assert_true(stg_store_begin(store, err));
	bool ok = op->run(&c, in, &out, err);
	if (ok)
		ok = stg_store_commit(store, err);
	else
		stg_store_rollback(store);
	c.store = NULL;
	if (ok && c.outside)
		ok = c.outside(&c, in, &out, err);
	if (c.carry)
		c.carry_free(c.carry);
	json_decref(in);
	if (ok && ret)
		*ret = out;
	else
		json_decref(out);
	return ok;
}

static json_t *good(const char *name, json_t *in)
{
	struct stg_error err = { 0 };
	json_t *ret = NULL;
	if (!call(name, in, &ret, &err))
		fail_msg("%s: %s", name, err.msg);
	return ret;
}

static int start(void **state)
{
	struct stg_error err = { 0 };
	(void)state;
	assert_non_null(mkdtemp(folder));
	if (!stg_state_open(folder, STG_STORE_PRODUCTION, &store, &keys, &err))
		fail_msg("%s", err.msg);
	json_decref(good("org.create", json_pack("{s:s,s:s}", "name", "Nord", "domain", "nord.example")));
	json_decref(good("scep.set", json_pack("{s:s}", "url", "http://127.0.0.1:1/scep")));
	STG_AUTO(stg_json_free_at) json_t *about = good("scep.about", json_object());
	STG_AUTO(stg_buf_clear) struct stg_buf der = STG_BUF(65536);
	assert_true(stg_unbase64(stg_json_str(about, "certs"), &der, NULL));
	STG_AUTO(stg_scep_certs_free_at) STACK_OF(X509) *certs = stg_scep_certs_unpack(stg_buf_view(&der), &err);
	assert_int_equal(sk_X509_num(certs), 3);
	for (int i = 0; i < 3; i++)
		if (!X509_check_ca(sk_X509_value(certs, i)))
			ra = X509_dup(sk_X509_value(certs, i));
	assert_non_null(ra);
	device_key = EVP_RSA_gen(2048);
	other_key = EVP_RSA_gen(2048);
	device = desk_cert(device_key, "DX3F00000001", 7);
	return 0;
}

static int stop(void **state)
{
	char command[128];
	(void)state;
	EVP_PKEY_free(device_key);
	EVP_PKEY_free(other_key);
	X509_free(device);
	X509_free(ra);
	stg_store_close(store);
	stg_keys_close(keys);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static void word_for(const char *serial, char ret[64])
{
	STG_AUTO(stg_json_free_at) json_t *j = good("scep.challenge", json_pack("{s:s}", "serial", serial));
	assert_true(stg_copy(ret, 64, stg_json_str(j, "challenge")));
}

/* The answer to a message, and what the operation said of it. */
struct heard {
	struct stg_scep_msg *msg;
	json_t *ret;
	int http;
	const char *what;
	int64_t code;
};

static void heard_clear(struct heard *h)
{
	stg_scep_msg_free(h->msg);
	json_decref(h->ret);
}

static struct heard hear(struct stg_bytes message)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(200000), body = STG_BUF(STG_SCEP_MESSAGE_MAX);
	struct heard h = { 0 };
	struct stg_error err = { 0 };
	assert_true(stg_base64(message, &text, NULL));
	h.ret = good("scep.request", json_pack("{s:s,s:s}", "message", stg_buf_str(&text), "peer", "192.0.2.9"));
	h.http = (int)stg_json_int(h.ret, "status", 0);
	h.what = stg_json_str(json_object_get(h.ret, "said"), "what");
	h.code = stg_json_int(json_object_get(h.ret, "said"), "code", 0);
	if (h.http == 200) {
		assert_true(stg_unbase64(stg_json_str(h.ret, "body"), &body, NULL));
		h.msg = stg_scep_open(stg_buf_view(&body), STG_SCEP_MODERN, NULL, &err);
		if (!h.msg)
			fail_msg("%s", err.msg);
		assert_int_equal(h.msg->refused.code, STG_OK);
		assert_int_equal(X509_cmp(h.msg->signer, ra), 0);
	}
	return h;
}

struct asking {
	struct desk_ask csr;
	const char *transaction;
	int type;                      /* 0: PKCSReq */
	EVP_PKEY *csr_key, *signer_key;
	X509 *signer;
};

static struct heard asks(const struct asking *a)
{
	STG_AUTO(stg_buf_clear) struct stg_buf csr = STG_BUF(32768), der = STG_BUF(STG_SCEP_MESSAGE_MAX);
	struct stg_error err = { 0 };
	desk_csr(a->csr_key ? a->csr_key : device_key, &a->csr, &csr);
	const struct stg_scep_making m = { .type = a->type ? a->type : STG_SCEP_PKCSREQ, .transaction_id = a->transaction, .content = stg_buf_view(&csr), .to = ra,
					   .signer = a->signer ? a->signer : device, .signer_key = a->signer_key ? a->signer_key : device_key };
	if (!stg_scep_make(&m, &der, NULL, &err))
		fail_msg("%s", err.msg);
	return hear(stg_buf_view(&der));
}

static void refused(const struct asking *a, enum stg_id id, int fail)
{
	struct heard h = asks(a);
	assert_int_equal(h.http, 200);
	assert_int_equal(h.msg->type, STG_SCEP_CERTREP);
	assert_int_equal(h.msg->status, STG_SCEP_FAILURE);
	assert_int_equal(h.msg->fail, fail);
	assert_int_equal(h.code, id);
	assert_string_equal(h.msg->transaction_id, a->transaction);
	assert_int_equal(h.msg->recipient.len, 16);
	heard_clear(&h);
}

/* The certificate that was handed out; freed by the caller. */
static X509 *issued(const struct asking *a, const char *what)
{
	STG_AUTO(stg_buf_clear) struct stg_buf plain = STG_BUF(65536);
	struct stg_error err = { 0 };
	struct heard h = asks(a);
	assert_int_equal(h.http, 200);
	if (h.msg->status != STG_SCEP_SUCCESS)
		fail_msg("%s %s", h.msg->fail_text, stg_json_str(json_object_get(h.ret, "said"), "text"));
	assert_string_equal(h.what, what);
	if (!stg_scep_decrypt(h.msg, a->signer ? a->signer : device, a->signer_key ? a->signer_key : device_key, STG_SCEP_MODERN, &plain, &err))
		fail_msg("%s", err.msg);
	STG_AUTO(stg_scep_certs_free_at) STACK_OF(X509) *certs = stg_scep_certs_unpack(stg_buf_view(&plain), &err);
	assert_int_equal(sk_X509_num(certs), 1);
	X509 *c = X509_dup(sk_X509_value(certs, 0));
	heard_clear(&h);
	return c;
}

static size_t certificates_of(const char *serial)
{
	STG_AUTO(stg_json_free_at) json_t *list = good("ca.list", json_pack("{s:s}", "serial", serial));
	return json_array_size(list);
}

static void bytes_that_are_no_message_get_no_answer(void **state)
{
	(void)state;
	struct heard h = hear(stg_bytes_str("hello"));
	assert_int_equal(h.http, 400);
	heard_clear(&h);
	h = hear(stg_bytes("", 0));
	assert_int_equal(h.http, 400);
	heard_clear(&h);
}

static void a_type_that_is_not_known_is_refused(void **state)
{
	(void)state;
	static const int types[] = { 3, 18, 99 };
	char word[64];
	word_for("DX3F00000001", word);
	for (size_t i = 0; i < STG_ARRAY_LEN(types); i++)
		refused(&(struct asking){ .type = types[i], .transaction = "T1", .csr = { .cn = "DX3F00000001", .challenge = word } }, STG_ID_SCEP_REQUEST, STG_SCEP_BAD_REQUEST);
	/* a question about what is there already, with a request inside */
	refused(&(struct asking){ .type = STG_SCEP_CERTPOLL, .transaction = "T1", .csr = { .cn = "DX3F00000001", .challenge = word } }, STG_ID_SCEP_NOTHING, STG_SCEP_BAD_CERT_ID);
	refused(&(struct asking){ .type = STG_SCEP_GETCERT, .transaction = "T1", .csr = { .cn = "DX3F00000001" } }, STG_ID_SCEP_REQUEST, STG_SCEP_BAD_CHECK);
	refused(&(struct asking){ .type = STG_SCEP_GETCRL, .transaction = "T1", .csr = { .cn = "DX3F00000001" } }, STG_ID_SCEP_REQUEST, STG_SCEP_BAD_CHECK);
	assert_int_equal(certificates_of("DX3F00000001"), 0);
}

static void without_the_right_word_nobody_gets_anything(void **state)
{
	char word[64], short_word[64];
	(void)state;
	refused(&(struct asking){ .transaction = "T2", .csr = { .cn = "DX3F00000001" } }, STG_ID_SCEP_CHALLENGE_UNKNOWN, STG_SCEP_BAD_REQUEST);
	refused(&(struct asking){ .transaction = "T3", .csr = { .cn = "DX3F00000001", .challenge = "guess" } }, STG_ID_SCEP_CHALLENGE_UNKNOWN, STG_SCEP_BAD_REQUEST);
	word_for("DX3F00000001", word);
	stg_copy(short_word, sizeof(short_word), word);
	short_word[strlen(word) - 1] = 0;
	refused(&(struct asking){ .transaction = "T4", .csr = { .cn = "DX3F00000001", .challenge = short_word } }, STG_ID_SCEP_CHALLENGE_UNKNOWN,
		STG_SCEP_BAD_REQUEST);
	/* signed by somebody else than the key that is asked for */
	refused(&(struct asking){ .transaction = "T5", .csr_key = other_key, .csr = { .cn = "DX3F00000001", .challenge = word } }, STG_ID_SCEP_REQUEST,
		STG_SCEP_BAD_CHECK);
	assert_int_equal(certificates_of("DX3F00000001"), 0);
}

static void a_request_for_more_than_its_device_is_refused_and_burns_no_word(void **state)
{
	char word[64];
	(void)state;
	word_for("DX3F00000001", word);
	refused(&(struct asking){ .transaction = "T6", .csr = { .cn = "DX3F00000001", .challenge = word, .constraints = "critical,CA:TRUE" } }, STG_ID_SCEP_REQUEST,
		STG_SCEP_BAD_REQUEST);
	refused(&(struct asking){ .transaction = "T7", .csr = { .cn = "x", .serial_number = "DX3F00000099", .challenge = word } }, STG_ID_SCEP_OTHER_DEVICE,
		STG_SCEP_BAD_REQUEST);
	refused(&(struct asking){ .transaction = "T8", .csr = { .cn = "x", .san = "URI:urn:x-device:serial:DX3F00000099", .challenge = word } },
		STG_ID_SCEP_OTHER_DEVICE, STG_SCEP_BAD_REQUEST);
	EVP_PKEY *weak = EVP_RSA_gen(1024);
	X509 *weak_signer = desk_cert(weak, "x", 3);
	refused(&(struct asking){ .transaction = "T9", .csr_key = weak, .signer = weak_signer, .signer_key = weak, .csr = { .cn = "DX3F00000001", .challenge = word } },
		STG_ID_SCEP_REQUEST, STG_SCEP_BAD_REQUEST);
	X509_free(weak_signer);
	EVP_PKEY_free(weak);
	assert_int_equal(certificates_of("DX3F00000001"), 0);
	/* the word is still good; what the request wished for beyond is not taken over */
	X509 *c = issued(&(struct asking){ .transaction = "T10", .csr = { .cn = "com.example.payload", .san = "DNS:www.example.org", .challenge = word } }, "issued");
	char cn[80] = "";
	X509_NAME_get_text_by_NID(X509_get_subject_name(c), NID_commonName, cn, sizeof(cn));
	assert_string_equal(cn, "DX3F00000001");
	assert_int_not_equal(X509_check_host(c, "www.example.org", 0, 0, NULL), 1);
	assert_int_equal(X509_check_ca(c), 0);
	X509_free(c);
	assert_int_equal(certificates_of("DX3F00000001"), 1);
}

static void the_same_question_gets_the_same_certificate_and_another_none(void **state)
{
	char word[64];
	(void)state;
	word_for("DX3F00000002", word);
	const struct asking first = { .transaction = "T20", .csr = { .cn = "DX3F00000002", .challenge = word } };
	X509 *a = issued(&first, "issued"), *b = issued(&first, "again");
	assert_int_equal(X509_cmp(a, b), 0);
	assert_int_equal(certificates_of("DX3F00000002"), 1);
	/* the word with another transaction, or another key */
	refused(&(struct asking){ .transaction = "T21", .csr = first.csr }, STG_ID_SCEP_CHALLENGE_USED, STG_SCEP_BAD_REQUEST);
	X509 *other = desk_cert(other_key, "DX3F00000002", 7);
	refused(&(struct asking){ .transaction = "T20", .csr_key = other_key, .signer = other, .signer_key = other_key, .csr = first.csr },
		STG_ID_SCEP_CHALLENGE_USED, STG_SCEP_BAD_REQUEST);
	assert_int_equal(certificates_of("DX3F00000002"), 1);
	/* revoked: not even the same question */
	json_decref(good("ca.revoke", json_pack("{s:s,s:s}", "serial", "DX3F00000002", "reason", "key_compromise")));
	refused(&first, STG_ID_SCEP_CHALLENGE_USED, STG_SCEP_BAD_REQUEST);
	X509_free(a);
	X509_free(b);
	X509_free(other);
}

static void a_word_is_good_for_its_time_only(void **state)
{
	char word[64], hash[65];
	struct stg_error err = { 0 };
	(void)state;
	stg_copy(word, sizeof(word), "an-old-word");
	stg_sha256_hex(stg_bytes_str(word), hash);
	STG_AUTO(stg_json_free_at) json_t *row = json_pack("{s:s,s:s,s:s,s:s,s:I}", "hash", hash, "device_serial", "DX3F00000003", "template", "device", "org", "Nord",
							   "expires_ms", (json_int_t)(stg_wall_ms() - 1));
	assert_true(stg_store_scep_challenge_add(store, row, &err));
	refused(&(struct asking){ .transaction = "T30", .csr = { .cn = "DX3F00000003", .challenge = word } }, STG_ID_SCEP_CHALLENGE_EXPIRED, STG_SCEP_BAD_REQUEST);
	assert_int_equal(certificates_of("DX3F00000003"), 0);
}

static void a_certificate_renews_itself_with_a_new_key_until_it_is_revoked(void **state)
{
	char word[64];
	(void)state;
	/* a stranger's certificate renews nothing */
	refused(&(struct asking){ .type = STG_SCEP_RENEWAL, .transaction = "T40", .csr = { .cn = "DX3F00000004" } }, STG_ID_SCEP_RENEWAL, STG_SCEP_BAD_CHECK);
	word_for("DX3F00000004", word);
	X509 *first = issued(&(struct asking){ .transaction = "T41", .csr = { .cn = "DX3F00000004", .challenge = word } }, "issued");
	EVP_PKEY *next_key = EVP_RSA_gen(2048);
	/* for another device: no */
	refused(&(struct asking){ .type = STG_SCEP_RENEWAL, .transaction = "T42", .csr_key = next_key, .signer = first,
				  .csr = { .cn = "x", .serial_number = "DX3F00000001" } }, STG_ID_SCEP_OTHER_DEVICE, STG_SCEP_BAD_REQUEST);
	X509 *second = issued(&(struct asking){ .type = STG_SCEP_RENEWAL, .transaction = "T43", .csr_key = next_key, .signer = first,
						.csr = { .cn = "DX3F00000004" } }, "renewed");
	assert_int_equal(certificates_of("DX3F00000004"), 2);
	/* its answer was lost */
	X509 *repeated = issued(&(struct asking){ .type = STG_SCEP_RENEWAL, .transaction = "T43", .csr_key = next_key, .signer = first,
						  .csr = { .cn = "DX3F00000004" } }, "again");
	assert_int_equal(X509_cmp(repeated, second), 0);
	X509_free(repeated);
	/* as certmonger does it: the same key, and so the same transaction, and its first word once more */
	X509 *same_key = issued(&(struct asking){ .transaction = "T43", .csr_key = next_key, .signer = second, .signer_key = next_key,
						  .csr = { .cn = "DX3F00000004", .challenge = word } }, "renewed");
	assert_int_not_equal(X509_cmp(same_key, second), 0);
	X509_free(second);
	second = same_key;
	/* as macOS does it: a PKCSReq that the certificate signs */
	X509 *third = issued(&(struct asking){ .transaction = "T44", .csr_key = next_key, .signer = second, .signer_key = next_key,
					       .csr = { .cn = "DX3F00000004" } }, "renewed");
	json_decref(good("ca.revoke", json_pack("{s:s}", "serial", "DX3F00000004")));
	refused(&(struct asking){ .type = STG_SCEP_RENEWAL, .transaction = "T45", .csr_key = next_key, .signer = third, .signer_key = next_key,
				  .csr = { .cn = "DX3F00000004" } }, STG_ID_SCEP_RENEWAL, STG_SCEP_BAD_REQUEST);
	X509_free(first);
	X509_free(second);
	X509_free(third);
	EVP_PKEY_free(next_key);
}

static void the_authority_itself_renews_nothing(void **state)
{
	(void)state;
	struct stg_error err = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(1 << 20);
	STG_AUTO(stg_json_free_at) json_t *org = stg_store_org(store, "", &sealed, &err);
	struct stg_ra own = { 0 };
	assert_true(stg_org_ra(keys, org, stg_buf_view(&sealed), &own, &err));
	refused(&(struct asking){ .type = STG_SCEP_RENEWAL, .transaction = "T50", .signer = own.cert, .signer_key = own.key, .csr = { .cn = "x" } },
		STG_ID_SCEP_RENEWAL, STG_SCEP_BAD_CERT_ID);
	stg_ra_clear(&own);
}

/* ---- about what is there already ---- */

static struct heard question(int type, const char *transaction, struct stg_bytes content, X509 *signer, EVP_PKEY *signer_key)
{
	STG_AUTO(stg_buf_clear) struct stg_buf der = STG_BUF(STG_SCEP_MESSAGE_MAX);
	struct stg_error err = { 0 };
	const struct stg_scep_making m = { .type = type, .transaction_id = transaction, .content = content, .to = ra, .signer = signer, .signer_key = signer_key };
	if (!stg_scep_make(&m, &der, NULL, &err))
		fail_msg("%s", err.msg);
	return hear(stg_buf_view(&der));
}

static void answered(struct heard h, int code, int fail)
{
	assert_int_equal(h.msg->status, STG_SCEP_FAILURE);
	assert_int_equal(h.code, code);
	assert_int_equal(h.msg->fail, fail);
	heard_clear(&h);
}

static X509 *issuing(void)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *org = stg_store_org(store, "", NULL, &err);
	BIO *in = BIO_new_mem_buf(stg_json_str(org, "issuing_pem"), -1);
	X509 *c = PEM_read_bio_X509(in, NULL, NULL, NULL);
	BIO_free(in);
	assert_non_null(c);
	return c;
}

static void number_of(X509 *c, char ret[80])
{
	BIGNUM *n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(c), NULL);
	char *hex = BN_bn2hex(n);
	assert_true(stg_copy(ret, 80, hex));
	OPENSSL_free(hex);
	BN_free(n);
}

/* Its answer was lost: the same transaction and the same key get it, no other does. */
static void who_lost_the_answer_may_ask_on(void **state)
{
	(void)state;
	char word[64];
	struct stg_error err = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf poll = STG_BUF(8192), plain = STG_BUF(65536);
	X509 *ca = issuing(), *other = desk_cert(other_key, "DX3F00000060", 9);
	word_for("DX3F00000060", word);
	X509 *c = issued(&(struct asking){ .transaction = "T60", .csr = { .cn = "DX3F00000060", .challenge = word } }, "issued");
	assert_true(stg_scep_poll_pack(ca, device, &poll, &err));
	answered(question(STG_SCEP_CERTPOLL, "T61", stg_buf_view(&poll), device, device_key), STG_ID_SCEP_NOTHING, STG_SCEP_BAD_CERT_ID);
	answered(question(STG_SCEP_CERTPOLL, "T60", stg_buf_view(&poll), other, other_key), STG_ID_SCEP_NOTHING, STG_SCEP_BAD_CERT_ID);
	struct heard h = question(STG_SCEP_CERTPOLL, "T60", stg_buf_view(&poll), device, device_key);
	assert_int_equal(h.msg->status, STG_SCEP_SUCCESS);
	assert_true(stg_scep_decrypt(h.msg, device, device_key, STG_SCEP_MODERN, &plain, &err));
	STG_AUTO(stg_scep_certs_free_at) STACK_OF(X509) *certs = stg_scep_certs_unpack(stg_buf_view(&plain), &err);
	assert_int_equal(X509_cmp(sk_X509_value(certs, 0), c), 0);
	heard_clear(&h);
	assert_int_equal(certificates_of("DX3F00000060"), 1);
	X509_free(c);
	X509_free(ca);
	X509_free(other);
}

static void a_certificate_is_given_to_its_own_device_alone(void **state)
{
	(void)state;
	char word[64], hex[80];
	struct stg_error err = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf named = STG_BUF(8192), unknown = STG_BUF(8192), foreign = STG_BUF(8192);
	X509 *ca = issuing();
	word_for("DX3F00000070", word);
	X509 *c = issued(&(struct asking){ .transaction = "T70", .csr = { .cn = "DX3F00000070", .challenge = word } }, "issued");
	X509 *other = desk_cert(other_key, "DX3F00000071", 11);
	word_for("DX3F00000071", word);
	X509 *theirs = issued(&(struct asking){ .transaction = "T71", .csr_key = other_key, .signer = other, .signer_key = other_key,
						.csr = { .cn = "DX3F00000071", .challenge = word } }, "issued");
	number_of(c, hex);
	assert_true(stg_scep_named_pack(ca, hex, &named, &err) && stg_scep_named_pack(ca, "77", &unknown, &err) && stg_scep_named_pack(device, hex, &foreign, &err));
	answered(question(STG_SCEP_GETCERT, "T72", stg_buf_view(&named), device, device_key), STG_ID_SCEP_NOTHING, STG_SCEP_BAD_CERT_ID);
	answered(question(STG_SCEP_GETCERT, "T72", stg_buf_view(&named), theirs, other_key), STG_ID_SCEP_NOTHING, STG_SCEP_BAD_CERT_ID);
	answered(question(STG_SCEP_GETCERT, "T72", stg_buf_view(&unknown), c, device_key), STG_ID_SCEP_NOTHING, STG_SCEP_BAD_CERT_ID);
	answered(question(STG_SCEP_GETCERT, "T72", stg_buf_view(&foreign), c, device_key), STG_ID_SCEP_NOTHING, STG_SCEP_BAD_CERT_ID);
	struct heard h = question(STG_SCEP_GETCERT, "T72", stg_buf_view(&named), c, device_key);
	assert_int_equal(h.msg->status, STG_SCEP_SUCCESS);
	heard_clear(&h);
	X509_free(c);
	X509_free(theirs);
	X509_free(other);
	X509_free(ca);
}

static void the_list_is_for_everybody_and_knows_what_was_revoked_a_moment_ago(void **state)
{
	(void)state;
	char word[64];
	struct stg_error err = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf named = STG_BUF(8192);
	X509 *ca = issuing(), *stranger = desk_cert(other_key, "anybody", 13);
	word_for("DX3F00000080", word);
	X509 *c = issued(&(struct asking){ .transaction = "T80", .csr = { .cn = "DX3F00000080", .challenge = word } }, "issued");
	assert_true(stg_scep_named_pack(ca, "", &named, &err));
	for (int revoked = 0; revoked < 2; revoked++) {
		STG_AUTO(stg_buf_clear) struct stg_buf plain = STG_BUF(65536), der = STG_BUF(65536);
		if (revoked)
			json_decref(good("ca.revoke", json_pack("{s:s}", "serial", "DX3F00000080")));
		struct heard h = question(STG_SCEP_GETCRL, "T81", stg_buf_view(&named), stranger, other_key);
		assert_int_equal(h.msg->status, STG_SCEP_SUCCESS);
		assert_true(stg_scep_decrypt(h.msg, stranger, other_key, STG_SCEP_MODERN, &plain, &err));
		assert_true(stg_scep_crl_unpack(stg_buf_view(&plain), &der, &err));
		const unsigned char *p = der.data;
		X509_CRL *crl = d2i_X509_CRL(NULL, &p, (long)der.len);
		X509_REVOKED *row = NULL;
		assert_int_equal(X509_CRL_verify(crl, X509_get0_pubkey(ca)), 1);
		assert_int_equal(X509_CRL_get0_by_cert(crl, &row, c) == 1, revoked);
		X509_CRL_free(crl);
		heard_clear(&h);
	}
	X509_free(c);
	X509_free(ca);
	X509_free(stranger);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_that_are_no_message_get_no_answer),
		cmocka_unit_test(a_type_that_is_not_known_is_refused),
		cmocka_unit_test(without_the_right_word_nobody_gets_anything),
		cmocka_unit_test(a_request_for_more_than_its_device_is_refused_and_burns_no_word),
		cmocka_unit_test(the_same_question_gets_the_same_certificate_and_another_none),
		cmocka_unit_test(a_word_is_good_for_its_time_only),
		cmocka_unit_test(a_certificate_renews_itself_with_a_new_key_until_it_is_revoked),
		cmocka_unit_test(the_authority_itself_renews_nothing),
		cmocka_unit_test(who_lost_the_answer_may_ask_on),
		cmocka_unit_test(a_certificate_is_given_to_its_own_device_alone),
		cmocka_unit_test(the_list_is_for_everybody_and_knows_what_was_revoked_a_moment_ago),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
