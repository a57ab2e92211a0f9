/*
 * leaves.h - what issuing costs: 1,000 leaves, each in the register on disk before it is handed out.
 *
 * Header only, for measure.c: leaves over a device's own key (SCEP), with a P-256 key as PKCS#12, and signing of profiles.
 */
#ifndef BENCH_LEAVES_H
#define BENCH_LEAVES_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <stager/ca.h>

#define LEAVES 1000

struct issuing {
	char dir[128];
	struct stg_store *store;
	struct stg_keys *keys;
	json_t *org;
	struct stg_buf sealed, request;
};

static bool issuing_open(struct issuing *b)
{
	STG_AUTO(stg_json_free_at) json_t *details = json_pack("{s:s,s:s}", "name", "Bench", "domain", "bench.example");
	STG_AUTO(stg_secret_clear) struct stg_secret mac = { 0 };
	struct stg_error err = { 0 };
	EVP_PKEY *key = EVP_RSA_gen(2048);
	X509_REQ *req = X509_REQ_new();
	uint8_t *der = NULL;
	int n = 0;
	*b = (struct issuing){ .sealed = STG_BUF(1 << 20), .request = STG_BUF(65536) };
	snprintf(b->dir, sizeof(b->dir), "/tmp/stager-leaves-XXXXXX");
	bool ok = mkdtemp(b->dir) && (b->store = stg_store_open(b->dir, STG_STORE_PRODUCTION, &err)) && (b->keys = stg_keys_open(b->dir, &err)) &&
		  stg_keys_derive(b->keys, "row-mac", &mac, &err) && stg_store_set_mac_key(b->store, &mac, &err) &&
		  stg_org_make(b->keys, details, &b->org, &b->sealed, &err) && X509_REQ_set_pubkey(req, key) == 1 && X509_REQ_sign(req, key, EVP_sha256()) > 0 &&
		  (n = i2d_X509_REQ(req, &der)) > 0 && stg_buf_add(&b->request, der, (size_t)n, &err);
	OPENSSL_free(der);
	X509_REQ_free(req);
	EVP_PKEY_free(key);
	return ok;
}

static void issuing_close(struct issuing *b)
{
	char command[200];
	stg_store_close(b->store);
	stg_keys_close(b->keys);
	json_decref(b->org);
	stg_buf_clear(&b->sealed);
	stg_buf_clear(&b->request);
	snprintf(command, sizeof(command), "rm -rf '%s'", b->dir);
	(void)!system(command);
}

static bool issuing_one(struct issuing *b, bool sign, int i)
{
	STG_AUTO(stg_secret_clear) struct stg_secret p12 = { 0 }, password = { 0 };
	STG_AUTO(stg_json_free_at) json_t *row = NULL;
	STG_AUTO(stg_buf_clear) struct stg_buf der = STG_BUF(65536);
	struct stg_error err = { 0 };
	char serial[32];
	snprintf(serial, sizeof(serial), "BENCH%06d", i);
	struct stg_ca_for whom = { .serial = serial, .template_name = sign ? "device" : "device-ec", .actor = "bench" };
	return sign ? stg_ca_sign(b->store, b->keys, b->org, stg_buf_view(&b->sealed), &whom, stg_buf_view(&b->request), &der, &row, &err)
		    : stg_ca_issue(b->store, b->keys, b->org, stg_buf_view(&b->sealed), &whom, NULL, &p12, &password, &row, &err);
}

/* A second's worth of this many, every one committed by itself or fifty together; 0: something was refused. */
static double issuing_rate(struct issuing *b, bool sign, int together, int from)
{
	struct stg_error err = { 0 };
	int64_t began = stg_boot_ms();
	for (int i = 0; i < LEAVES; i++) {
		if (together > 1 && i % together == 0 && !stg_store_begin(b->store, &err))
			return 0;
		if (!issuing_one(b, sign, from + i))
			return 0;
		if (together > 1 && (i + 1) % together == 0 && !stg_store_commit(b->store, &err))
			return 0;
	}
	return LEAVES * 1000.0 / (double)(stg_boot_ms() - began + 1);
}

static double signing_rate(struct issuing *b)
{
	static char profile[12288];
	struct stg_error err = { 0 };
	int64_t began = stg_boot_ms();
	memset(profile, 'x', sizeof(profile) - 1);
	for (int i = 0; i < LEAVES; i++) {
		STG_AUTO(stg_buf_clear) struct stg_buf cms = STG_BUF(1 << 20);
		/* another content each time: what was signed before would come from memory */
		snprintf(profile, 32, "%d", i);
		if (!stg_org_sign_profile(b->keys, b->org, stg_buf_view(&b->sealed), stg_bytes(profile, sizeof(profile)), &cms, &err))
			return 0;
	}
	return LEAVES * 1000.0 / (double)(stg_boot_ms() - began + 1);
}

#endif
