/*
 * fuzz_device_key.c - the public key a device gives before anybody trusts it: read, measured, and put into a certificate.
 *
 * For:    make fuzz, and the replay of its corpus in the normal check.
 * Called: by libFuzzer or replay.c.
 * Thread: one.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "../../drivers/apple/device.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of the root that signs; made once. */
static struct stg_bytes root_key(void)
{
	static struct stg_buf pem = { .max = 1u << 16 };
	if (pem.len)
		return stg_buf_view(&pem);
	EVP_PKEY *key = EVP_RSA_gen(2048);
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;
	if (!key || !bio || PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL) != 1)
		abort();
	long len = BIO_get_mem_data(bio, &text);
	if (!stg_buf_add(&pem, text, (size_t)len, NULL))
		abort();
	BIO_free(bio);
	EVP_PKEY_free(key);
	return stg_buf_view(&pem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf pem = STG_BUF(APPLE_RECORD_MAX);
	char hash[65] = "";
	if (size > 16384)
		return 0;
	bool hashed = apple_key_sha256(stg_bytes(data, size), hash);
	if (hashed && strspn(hash, "0123456789abcdef") != 64)
		abort();
	if (!apple_device_certificate(stg_bytes(data, size), root_key(), &pem, &err)) {
		if (err.code == STG_OK || !err.msg[0])
			abort();
	} else if (!pem.len || !hashed) {
		abort();
	}
	ERR_clear_error();
	return 0;
}
