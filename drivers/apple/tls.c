/*
 * tls.c - the client half of the trust: our certificate, and the one key we accept on the other side.
 *
 * For:    every TLS connection to a device.
 * Uses:   OpenSSL 3.
 * Called: by link.c.
 * Thread: the worker's.
 * Facts:  protocols/apple.md 3.6: the device shows the DeviceCertificate of the record, the host any certificate of it; no
 *         names are checked, so the key is all there is. iOS 12 and later speak TLS 1.2 and 1.3.
 */
#include <openssl/err.h>
#include <openssl/pem.h>

#include "device.h"

/* Called in the handshake, before our certificate leaves the house: the chain means nothing here, the key everything. */
static int check_key(X509_STORE_CTX *store, void *arg)
{
	struct apple_device *dev = arg;
	X509 *shown = X509_STORE_CTX_get0_cert(store);
	EVP_PKEY *key = shown ? X509_get0_pubkey(shown) : NULL;
	if (key && dev->device_key && EVP_PKEY_eq(key, dev->device_key) == 1) {
		X509_STORE_CTX_set_error(store, X509_V_OK);
		return 1;
	}
	dev->wrong_key = true;
	X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_UNTRUSTED);
	ERR_clear_error();
	return 0;
}

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
	struct apple_device *dev = SSL_get_app_data(ssl);
	SSL_SESSION_free(dev->tls_session);
	dev->tls_session = session;
	return 1;
}

static X509 *read_certificate(struct stg_bytes pem)
{
	BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	X509 *x = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	BIO_free(bio);
	return x;
}

static int no_password(char *buf, int size, int writing, void *arg)
{
	(void)buf, (void)size, (void)writing, (void)arg;
	return -1;
}

static EVP_PKEY *read_key(struct stg_bytes pem)
{
	BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	EVP_PKEY *k = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
	BIO_free(bio);
	return k;
}

void apple_tls_forget(struct apple_device *dev)
{
	SSL_SESSION_free(dev->tls_session);
	SSL_CTX_free(dev->tls);
	EVP_PKEY_free(dev->device_key);
	dev->tls_session = NULL;
	dev->tls = NULL;
	dev->device_key = NULL;
}

bool apple_tls_ready(struct apple_device *dev, struct stg_error *err)
{
	if (dev->tls)
		return true;
	if (!dev->record.present)
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_NO_TRUST, 0, "no pair record");
	X509 *device = read_certificate(dev->record.device_certificate);
	X509 *host = read_certificate(dev->record.host_certificate);
	EVP_PKEY *key = read_key(dev->record.host_key);
	dev->device_key = device ? X509_get_pubkey(device) : NULL;
	dev->tls = SSL_CTX_new(TLS_client_method());
	bool ok = dev->device_key && host && key && dev->tls && SSL_CTX_set_min_proto_version(dev->tls, TLS1_2_VERSION) == 1;
	if (ok) {
		/* no compression, no renegotiation, no anonymous suites; one read per record instead of two */
		SSL_CTX_set_options(dev->tls, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
		SSL_CTX_set_read_ahead(dev->tls, 1);
		SSL_CTX_set_verify(dev->tls, SSL_VERIFY_PEER, NULL);
		SSL_CTX_set_cert_verify_callback(dev->tls, check_key, dev);
		SSL_CTX_set_session_cache_mode(dev->tls, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
		SSL_CTX_sess_set_new_cb(dev->tls, keep_session);
		SSL_CTX_set_security_level(dev->tls, 1);
		ok = SSL_CTX_set_cipher_list(dev->tls, "HIGH:!aNULL:!PSK:!SRP") == 1 && SSL_CTX_use_certificate(dev->tls, host) == 1 &&
		     SSL_CTX_use_PrivateKey(dev->tls, key) == 1;
	}
	X509_free(device);
	X509_free(host);
	EVP_PKEY_free(key);
	if (ok)
		return true;
	apple_tls_forget(dev);
	ERR_clear_error();
	return stg_fail_id(err, STG_E_REFUSED, STG_ID_TRUST_LOST, 0, "the pair record cannot be used");
}
