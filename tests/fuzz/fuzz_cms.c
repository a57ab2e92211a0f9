/*
 * fuzz_cms.c - any bytes as a signed or encrypted profile: opened, its signer looked at, its recipient read, decrypted.
 */
#include <stdlib.h>

#include <openssl/evp.h>
#include <openssl/pem.h>

#include <stager/error.h>
#include <stager/keys.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct stg_buf key = STG_BUF(65536);
static json_t *anchors;

static void once(void)
{
	EVP_PKEY *k = EVP_EC_gen("P-256");
	BIO *out = BIO_new(BIO_s_mem());
	char *text = NULL;
	if (!k || !out || PEM_write_bio_PrivateKey(out, k, NULL, NULL, 0, NULL, NULL) != 1)
		abort();
	long n = BIO_get_mem_data(out, &text);
	if (!stg_buf_add(&key, text, (size_t)n, NULL))
		abort();
	anchors = json_array();
	json_array_append_new(anchors, json_string("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"));
	BIO_free(out);
	EVP_PKEY_free(k);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	STG_AUTO(stg_buf_clear) struct stg_buf content = STG_BUF(4u << 20), plain = STG_BUF(4u << 20);
	struct stg_bytes in = stg_bytes(data, size);
	struct stg_error err = { 0 };
	json_t *signer = NULL;
	char serial[64], issuer[128];
	if (!anchors)
		once();
	if (stg_cms_unwrap(in, &content, &signer, &err)) {
		json_decref(signer);
		(void)stg_cms_signer_trust(in, anchors);
	} else if (!err.msg[0]) {
		abort();
	}
	if (size) {
		(void)stg_cms_signer_trust(in, anchors);
		(void)stg_cms_recipient(in, serial, issuer);
		(void)stg_cms_decrypt(in, stg_buf_view(&key), &plain, &err);
	}
	return 0;
}
