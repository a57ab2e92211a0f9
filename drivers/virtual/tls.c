/*
 * tls.c - TLS as a device does it, and the keys of the devices.
 *
 * For:    sessions and services with the certificates that were exchanged at pairing.
 * Uses:   OpenSSL, <stager/file.h>.
 * Called: by conn.c, lockdownd.c, device.c.
 * Thread: the bench's only one.
 * Facts:  the device is the server and shows the record's DeviceCertificate; libimobiledevice 1.3.0 shows the root
 *         certificate, go-ios and pymobiledevice3 the host certificate. Certificates have serial 0, SHA-1 signatures and
 *         empty names, so they are compared, not verified. TLS 1.0 to 1.3 are met.
 */
#include "tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stager/error.h>
#include <stager/file.h>

struct virt_keys {
	char *dir;
	struct virt_key keys[VIRT_KEYS];
	struct virt_key few_bits;
};

struct virt_keys *virt_keys_open(const char *dir)
{
	struct virt_keys *k = stg_calloc(1, sizeof(*k));

	k->dir = dir ? stg_strdup(dir) : NULL;
	/* An unwritable folder only costs time: keys then live in memory. */
	if (dir)
		stg_folder_make(dir, 0755, NULL);
	return k;
}

void virt_keys_close(struct virt_keys *k)
{
	if (!k)
		return;
	for (size_t i = 0; i < VIRT_KEYS; i++) {
		EVP_PKEY_free(k->keys[i].pkey);
		stg_buf_clear(&k->keys[i].public_pem);
	}
	EVP_PKEY_free(k->few_bits.pkey);
	stg_buf_clear(&k->few_bits.public_pem);
	free(k->dir);
	free(k);
}

static EVP_PKEY *read_key(const char *path)
{
	FILE *f = fopen(path, "re");
	EVP_PKEY *pkey = f ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;

	if (f)
		fclose(f);
	ERR_clear_error();
	return pkey;
}

/* Whoever links first wins, the others read what is there: benches started together share their keys. */
static void publish_key(const char *path, EVP_PKEY *pkey)
{
	char temp[512];
	int fd;
	FILE *f;

	if ((size_t)snprintf(temp, sizeof(temp), "%s.XXXXXX", path) >= sizeof(temp))
		return;
	fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0)
		return;
	f = fdopen(fd, "w");
	if (!f) {
		close(fd);
	} else {
		bool written = PEM_write_PKCS8PrivateKey(f, pkey, NULL, NULL, 0, NULL, NULL) == 1;

		if (fclose(f) == 0 && written)
			(void)!link(temp, path);
	}
	unlink(temp);
}

static bool public_pem(EVP_PKEY *pkey, struct stg_buf *ret)
{
	unsigned char *der = NULL;
	int len = i2d_PublicKey(pkey, &der);   /* PKCS#1 for an RSA key */
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	long text_len;
	bool ok = len > 0 && bio && PEM_write_bio(bio, "RSA PUBLIC KEY", "", der, len) > 0;

	if (ok) {
		text_len = BIO_get_mem_data(bio, &text);
		*ret = STG_BUF(8192);
		ok = stg_buf_add(ret, text, (size_t)text_len, NULL);
	}
	BIO_free(bio);
	OPENSSL_free(der);
	return ok;
}

struct virt_key *virt_keys_get(struct virt_keys *k, unsigned int i, struct stg_error *err)
{
	struct virt_key *key = &k->keys[i % VIRT_KEYS];
	char path[480] = "";

	if (key->pkey)
		return key;
	if (k->dir && (size_t)snprintf(path, sizeof(path), "%s/%02u.pem", k->dir, i % VIRT_KEYS) < sizeof(path))
		key->pkey = read_key(path);
	if (!key->pkey) {
		key->pkey = EVP_RSA_gen(2048);
		if (key->pkey && path[0]) {
			EVP_PKEY *kept;

			publish_key(path, key->pkey);
			kept = read_key(path);
			if (kept) {
				EVP_PKEY_free(key->pkey);
				key->pkey = kept;
			}
		}
	}
	if (!key->pkey || !public_pem(key->pkey, &key->public_pem)) {
		EVP_PKEY_free(key->pkey);
		key->pkey = NULL;
		stg_fail(err, STG_E_STATION, 0, "cannot make a device key");
		return NULL;
	}
	return key;
}

struct virt_key *virt_keys_short(struct virt_keys *k, unsigned int bits, struct stg_error *err)
{
	struct virt_key *key = &k->few_bits;

	if (key->pkey && EVP_PKEY_get_bits(key->pkey) == (int)bits)
		return key;
	EVP_PKEY_free(key->pkey);
	stg_buf_clear(&key->public_pem);
	key->pkey = bits >= 512 && bits < 2048 ? EVP_RSA_gen(bits) : NULL;
	if (key->pkey && public_pem(key->pkey, &key->public_pem))
		return key;
	EVP_PKEY_free(key->pkey);
	key->pkey = NULL;
	stg_fail(err, STG_E_INPUT, 0, "key_bits wants 512 to 2047");
	return NULL;
}

bool virt_keys_make_all(struct virt_keys *k, struct stg_error *err)
{
	for (unsigned int i = 0; i < VIRT_KEYS; i++)
		if (!virt_keys_get(k, i, err))
			return false;
	return true;
}

struct virt_key *virt_device_key(struct virt_device *d, struct stg_error *err)
{
	if (!d->key) {
		struct virt_random r = virt_random_from(d->bench->opt.seed, d->number, 7000);

		/* Another generation never has the key of the one before. */
		d->key = virt_keys_get(d->bench->keys, virt_random_below(&r, VIRT_KEYS) + d->generation, err);
	}
	return d->key;
}

static bool is_der(X509 *cert, const struct stg_buf *der)
{
	unsigned char *mine = NULL;
	int len = i2d_X509(cert, &mine);
	bool same = len > 0 && (size_t)len == der->len && memcmp(mine, der->data, der->len) == 0;

	OPENSSL_free(mine);
	return same;
}

/* Instead of OpenSSL's own check. */
static int client_is_of_record(X509_STORE_CTX *store, void *unused)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	const struct virt_record *r = SSL_get_app_data(ssl);
	X509 *cert = X509_STORE_CTX_get0_cert(store);

	(void)unused;
	if (r && cert && (is_der(cert, &r->root_der) || is_der(cert, &r->host_der)))
		return 1;
	X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
	return 0;
}

SSL_CTX *virt_tls_context(struct stg_error *err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (!ctx) {
		stg_fail(err, STG_E_STATION, 0, "cannot make a TLS context");
		return NULL;
	}
	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
	SSL_CTX_set_cipher_list(ctx, "ALL:@SECLEVEL=0");
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, client_is_of_record, NULL);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);   /* tickets carry it instead */
	SSL_CTX_set_num_tickets(ctx, 1);
	return ctx;
}

SSL *virt_tls_new(struct virt_bench *b, struct virt_device *d, struct virt_record *r)
{
	struct virt_key *key = virt_device_key(d, NULL);
	SSL *ssl = key ? SSL_new(b->tls) : NULL;
	char whose[256];
	uint8_t sum[32];
	int n;

	if (!ssl)
		return NULL;
	SSL_set_app_data(ssl, r);
	/* A resumed session shows no certificate again, so it may only be resumed for the same trust. */
	n = snprintf(whose, sizeof(whose) - sizeof(r->escrow_bag), "%u/%u/%s", d->number, d->generation, r->host_id);
	memcpy(whose + n, r->escrow_bag, sizeof(r->escrow_bag));
	stg_sha256(stg_bytes(whose, (size_t)n + sizeof(r->escrow_bag)), sum);
	SSL_set_session_id_context(ssl, sum, sizeof(sum));
	if (SSL_use_certificate(ssl, r->device_cert) != 1 || SSL_use_PrivateKey(ssl, key->pkey) != 1) {
		ERR_clear_error();
		SSL_free(ssl);
		return NULL;
	}
	return ssl;
}
