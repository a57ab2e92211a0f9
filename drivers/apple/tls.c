/*
 * tls.c - the client half of the trust: our certificate, and the one key we accept on the other side.
 *
 * For:    every TLS connection to a device.
 * Uses:   OpenSSL 3; stager/keys reads our private key.
 * Called: by link.c; apple_warm() in the nursery, so that workers inherit what OpenSSL looks up and builds on first use.
 * Thread: the worker's.
 * Facts:  protocols/apple.md 3.6: the device shows the DeviceCertificate of the record, the host any certificate of it; no
 *         names are checked, so the key is all there is. iOS 12 and later speak TLS 1.2 and 1.3.
 */
#include <openssl/err.h>
#include <openssl/pem.h>

#include <stager/keys.h>

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

/* Made before the fork, used by the one device of the worker that inherits it. */
static SSL_CTX *spare;

static SSL_CTX *new_context(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	if (!ctx)
		return NULL;
	/* no compression, no renegotiation, no anonymous suites; one read per record instead of two */
	SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, keep_session);
	SSL_CTX_set_security_level(ctx, 1);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
	    SSL_CTX_set_cipher_list(ctx, "HIGH:!aNULL:!PSK:!SRP") == 1)
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

static X509 *read_certificate(struct stg_bytes pem)
{
	BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	X509 *x = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	BIO_free(bio);
	return x;
}

/* Below that a key keeps nobody out: whoever has an evening can be this device. What Apple makes has 2048 bits. */
bool apple_key_is_long(const EVP_PKEY *key)
{
	return EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA || EVP_PKEY_get_bits(key) >= 1024;
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
	EVP_PKEY *key = stg_rsa_from_pem(dev->record.host_key, NULL);
	dev->device_key = device ? X509_get_pubkey(device) : NULL;
	dev->device_key_sha256[0] = 0;
	if (device)
		(void)apple_spki_sha256(X509_get_X509_PUBKEY(device), dev->device_key_sha256);
	dev->tls = spare ? stg_steal(spare) : new_context();
	bool is_short = dev->device_key && !apple_key_is_long(dev->device_key);
	bool ok = dev->device_key && !is_short && host && key && dev->tls && SSL_CTX_use_certificate(dev->tls, host) == 1 &&
		  SSL_CTX_use_PrivateKey(dev->tls, key) == 1;
	if (ok)
		SSL_CTX_set_cert_verify_callback(dev->tls, check_key, dev);
	X509_free(device);
	X509_free(host);
	EVP_PKEY_free(key);
	if (ok)
		return true;
	apple_tls_forget(dev);
	ERR_clear_error();
	if (is_short)
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_DEVICE_KEY_SHORT, 0, "the pair record expects a key of too few bits");
	return stg_fail_id(err, STG_E_REFUSED, STG_ID_TRUST_LOST, 0, "the pair record cannot be used");
}

/* ---- once, before the workers are forked ---- */

static int accept_any(X509_STORE_CTX *store, void *arg)
{
	(void)arg;
	X509_STORE_CTX_set_error(store, X509_V_OK);
	return 1;
}

/* A certificate for a key that is thrown away: small, so that making it takes milliseconds. */
static X509 *throw_away_certificate(EVP_PKEY *key)
{
	X509 *x = X509_new();
	if (x && X509_set_version(x, X509_VERSION_3) && X509_gmtime_adj(X509_getm_notBefore(x), 0) &&
	    X509_gmtime_adj(X509_getm_notAfter(x), 60) && X509_set_pubkey(x, key) && X509_sign(x, key, EVP_sha256()) > 0)
		return x;
	X509_free(x);
	return NULL;
}

/* A handshake with ourselves: what OpenSSL fetches and computes on first use is then there for every worker. */
void apple_warm(void)
{
	EVP_PKEY *key = EVP_RSA_gen(1024);
	X509 *x = key ? throw_away_certificate(key) : NULL;
	SSL_CTX *client_ctx = new_context(), *server_ctx = SSL_CTX_new(TLS_server_method());
	SSL *client = client_ctx ? SSL_new(client_ctx) : NULL, *server = NULL;
	BIO *near = NULL, *far = NULL;
	if (x && server_ctx && client && SSL_CTX_use_certificate(server_ctx, x) == 1 &&
	    SSL_CTX_use_PrivateKey(server_ctx, key) == 1 && SSL_use_certificate(client, x) == 1 &&
	    SSL_use_PrivateKey(client, key) == 1 && BIO_new_bio_pair(&near, 0, &far, 0) == 1) {
		SSL_CTX_set_cert_verify_callback(client_ctx, accept_any, NULL);
		SSL_CTX_set_cert_verify_callback(server_ctx, accept_any, NULL);
		SSL_CTX_set_verify(server_ctx, SSL_VERIFY_PEER, NULL);
		SSL_CTX_set_session_cache_mode(client_ctx, SSL_SESS_CACHE_OFF);
		server = SSL_new(server_ctx);
		SSL_set_bio(client, near, near);
		SSL_set_connect_state(client);
		if (server) {
			SSL_set_bio(server, far, far);
			SSL_set_accept_state(server);
		} else {
			BIO_free(far);
		}
		for (int i = 0; server && i < 10; i++) {
			char c = 0;
			SSL_do_handshake(client);
			SSL_do_handshake(server);
			if (SSL_is_init_finished(client) && SSL_is_init_finished(server)) {
				SSL_write(server, "x", 1);
				SSL_read(client, &c, 1);
				break;
			}
		}
	}
	SSL_free(client);
	SSL_free(server);
	SSL_CTX_free(client_ctx);
	SSL_CTX_free(server_ctx);
	X509_free(x);
	EVP_PKEY_free(key);
	ERR_clear_error();
	if (!spare)
		spare = new_context();
}
