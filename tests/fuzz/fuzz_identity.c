/*
 * fuzz_identity.c - any bytes as an identity somebody wants to import (PKCS#12, PEM, DER), as a certificate, as something
 * signed. Nothing may crash, leak, or be busy for long. The organisation has no name, so nothing is made at the end.
 */
#include <stdlib.h>
#include <unistd.h>

#include <stager/error.h>
#include <stager/keys.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct stg_keys *keys(void)
{
	char folder[] = "/tmp/stager-fuzz-XXXXXX", path[64];
	struct stg_error err = { 0 };
	if (!mkdtemp(folder))
		abort();
	struct stg_keys *k = stg_keys_open(folder, &err);
	if (!k || !stg_copy(path, sizeof(path), folder))
		abort();
	strcat(path, "/station.key");
	unlink(path);
	rmdir(folder);
	return k;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct stg_keys *k;
	static json_t *nobody;
	if (!k) {
		k = keys();
		nobody = json_object();
	}
	struct stg_error err = { 0 };
	struct stg_bytes file = stg_bytes(data, size), none = stg_bytes(data, 0);
	STG_AUTO(stg_secret_clear) struct stg_secret password = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(1 << 20), content = STG_BUF(4 << 20);
	json_t *row = NULL, *signer = NULL;
	if (!stg_secret_set(&password, stg_bytes_str("pw"), &err))
		abort();
	if (stg_org_import(k, nobody, file, none, &password, &row, &sealed, &err) ||
	    stg_org_import(k, nobody, file, file, &password, &row, &sealed, &err))
		abort();
	json_decref(stg_certificate_json(file, &err));
	if (stg_cms_unwrap(file, &content, &signer, &err))
		json_decref(signer);
	return 0;
}
