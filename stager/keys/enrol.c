/*
 * enrol.c - a key of ours for a certificate that somebody else's CA issues.
 *
 * For:    the SCEP client, which enrols identities of devices while there is a line.
 * Uses:   blank.c.
 * Called: by stager/scep through the operations that ask other servers.
 * Thread: any.
 */
#include <openssl/err.h>

#include "inner.h"

struct evp_pkey_st *stg_leaf_key_use(const struct stg_secret *blank, struct stg_error *err)
{
	struct stg_bytes sealed, word;
	if (!keys_bag_get(stg_secret_reveal(blank), "shrouded", &sealed, err) || !keys_bag_get(stg_secret_reveal(blank), "password", &word, err))
		return NULL;
	const unsigned char *p = sealed.data;
	X509_SIG *sig = d2i_X509_SIG(NULL, &p, (long)sealed.len);
	PKCS8_PRIV_KEY_INFO *plain = sig ? PKCS8_decrypt(sig, (const char *)word.data, (int)word.len) : NULL;
	EVP_PKEY *key = plain ? EVP_PKCS82PKEY(plain) : NULL;
	PKCS8_PRIV_KEY_INFO_free(plain);
	X509_SIG_free(sig);
	if (!key)
		keys_ssl_fail(err, STG_E_PROTOCOL, "open a key");
	return key;
}

bool stg_leaf_key_p12(const struct stg_secret *blank, struct x509_st *cert, struct x509_st *issuer, const char *friendly, bool modern,
		      struct stg_secret *ret_p12, struct stg_secret *ret_password, struct stg_error *err)
{
	return keys_blank_p12(blank, cert, issuer, friendly, modern, ret_p12, ret_password, err);
}
