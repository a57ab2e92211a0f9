/*
 * old.c - which digests and ciphers may be used, and the corner where single DES lives.
 *
 * For:    open.c, make.c.
 * Uses:   OpenSSL's legacy provider, in a context of its own.
 * Called: for each message.
 * Thread: any.
 */
#include <pthread.h>
#include <strings.h>

#include <openssl/err.h>
#include <openssl/provider.h>

#include "inner.h"

static const char *const words[] = { [STG_SCEP_MODERN] = "none", [STG_SCEP_SHA1] = "sha1", [STG_SCEP_DES] = "des" };

const char *stg_scep_old_word(enum stg_scep_old old)
{
	return (size_t)old < STG_ARRAY_LEN(words) ? words[old] : words[STG_SCEP_MODERN];
}

bool stg_scep_old_of(const char *word, enum stg_scep_old *ret)
{
	for (size_t i = 0; i < STG_ARRAY_LEN(words); i++)
		if (strcmp(words[i], word) == 0) {
			*ret = (enum stg_scep_old)i;
			return true;
		}
	return false;
}

bool scep_digest_allowed(int nid, enum stg_scep_old old)
{
	return nid == NID_sha256 || nid == NID_sha384 || nid == NID_sha512 || (nid == NID_sha1 && old >= STG_SCEP_SHA1);
}

bool scep_cipher_allowed(int nid, enum stg_scep_old old)
{
	return nid == NID_aes_128_cbc || nid == NID_aes_192_cbc || nid == NID_aes_256_cbc ||
	       (nid == NID_des_ede3_cbc && old >= STG_SCEP_SHA1) || (nid == NID_des_cbc && old >= STG_SCEP_DES);
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static OSSL_LIB_CTX *legacy;

/* Lives as long as the process. */
static void load(void)
{
	OSSL_LIB_CTX *c = OSSL_LIB_CTX_new();
	if (c && OSSL_PROVIDER_load(c, "default") && OSSL_PROVIDER_load(c, "legacy"))
		legacy = c;
	else
		OSSL_LIB_CTX_free(c);
	ERR_clear_error();
}

OSSL_LIB_CTX *scep_legacy(void)
{
	(void)pthread_once(&once, load);
	return legacy;
}

bool scep_fail(struct stg_error *err, enum stg_id id, int fail, const char *what)
{
	ERR_clear_error();
	return stg_fail_id(err, id == STG_ID_SCEP_MESSAGE ? STG_E_PROTOCOL : STG_E_REFUSED, id, fail, "%s", what);
}
