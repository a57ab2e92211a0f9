/* fuzz_scep.c - any bytes as a SCEP message, a request, an envelope, a list of certificates, a query: no crash, and what is taken keeps
 * its ceilings. */
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>

#include <stager/error.h>
#include <stager/scep.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static EVP_PKEY *key;
static X509 *own;

/* Who the envelopes of the corpus name: issuer CN=RA, number 8. Their keys are not this one, which OpenSSL hides by going on. */
static void start(void)
{
	key = EVP_RSA_gen(1024);
	own = X509_new();
	X509_NAME *n = own ? X509_get_subject_name(own) : NULL;
	if (!key || !n || X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_UTF8, (const unsigned char *)"RA", -1, -1, 0) != 1 ||
	    X509_set_issuer_name(own, n) != 1 || ASN1_INTEGER_set(X509_get_serialNumber(own), 8) != 1 || X509_set_pubkey(own, key) != 1)
		abort();
}

static void envelope(struct stg_bytes in)
{
	static const int ciphers[] = { NID_aes_256_cbc, NID_des_ede3_cbc, NID_des_cbc };
	struct stg_error err = { 0 };
	struct stg_scep_msg m = { .cipher = ciphers[in.len % 3], .envelope = STG_BUF(STG_SCEP_MESSAGE_MAX) };
	STG_AUTO(stg_buf_clear) struct stg_buf plain = STG_BUF(STG_SCEP_MESSAGE_MAX);
	if (stg_buf_add(&m.envelope, in.data, in.len, NULL))
		(void)stg_scep_decrypt(&m, own, key, STG_SCEP_DES, &plain, &err);
	stg_buf_clear(&m.envelope);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stg_error err = { 0 };
	if (!key)
		start();
	if (size < 2)
		return 0;
	struct stg_bytes in = stg_bytes(data + 1, size - 1);
	switch (data[0] % 6) {
	case 0: {
		STG_AUTO(stg_scep_msg_free_at) struct stg_scep_msg *m = stg_scep_open(in, STG_SCEP_DES, NULL, &err);
		if (m ? strlen(m->transaction_id) < 1 || m->sender.len > STG_SCEP_NONCE_MAX || !m->signer : err.id != STG_ID_SCEP_MESSAGE)
			abort();
		break;
	}
	case 5: {
		STG_AUTO(stg_buf_clear) struct stg_buf list = STG_BUF(STG_SCEP_MESSAGE_MAX);
		char hex[80] = "";
		if (stg_scep_named_read(in, own, hex, &err) ? !*hex : !err.id)
			abort();
		(void)stg_scep_crl_unpack(in, &list, &err);
		break;
	}
	case 1: {
		STG_AUTO(stg_secret_clear) struct stg_secret challenge = { 0 };
		STG_AUTO(stg_json_free_at) json_t *c = stg_scep_csr_read(in, &challenge, &err);
		if (c && strlen(stg_json_str(c, "spki_sha256")) != 64)
			abort();
		break;
	}
	case 2: {
		STG_AUTO(stg_scep_certs_free_at) struct stack_st_X509 *certs = stg_scep_certs_unpack(in, &err);
		json_t *shown = certs ? stg_scep_certs_json(certs) : NULL;
		if (certs && (json_array_size(shown) < 1 || json_array_size(shown) > 16))
			abort();
		json_decref(shown);
		break;
	}
	case 3:
		envelope(in);
		break;
	default: {
		char *text = strndup((const char *)in.data, in.len), operation[32];
		STG_AUTO(stg_buf_clear) struct stg_buf b = STG_BUF(STG_SCEP_MESSAGE_MAX);
		struct stg_scep_caps caps;
		if (!text)
			abort();
		stg_scep_get_operation(text, operation, sizeof(operation));
		if (stg_scep_get_message(text, &b, &err) && !b.len)
			abort();
		stg_scep_caps_read(in, &caps);
		free(text);
	}
	}
	return 0;
}
