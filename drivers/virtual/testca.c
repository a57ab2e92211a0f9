/*
 * testca.c - a throw-away certificate authority for servers of the bench.
 *
 * For:    receiver.c with TLS and mutual TLS, in the demo, rehearsals and tests.
 * Uses:   OpenSSL, <stager/file.h>.
 * Thread: the bench's one, at start.
 */
#include "testca.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stager/bytes.h>
#include <stager/error.h>
#include <stager/file.h>
#include <stager/ids.h>
#include <stdio.h>
#include <unistd.h>

#define DAY_S 86400L

struct leaf {
	const char *file, *name, *san, *usage;
	long from_s, to_s;
	bool is_ca;
};

static void key_free_at(EVP_PKEY **p) { EVP_PKEY_free(*p); }
static void cert_free_at(X509 **p) { X509_free(*p); }
static void bio_free_at(BIO **p) { BIO_free(*p); }

static bool openssl_failed(const char *what, struct stg_error *err)
{
	char text[160];

	ERR_error_string_n(ERR_get_error(), text, sizeof(text));
	ERR_clear_error();
	return stg_fail(err, STG_E_IO, 0, "%s: %s", what, text);
}

static bool write_bio(const char *dir, const char *file, BIO *from, unsigned int mode, struct stg_error *err)
{
	char path[4096], *text = NULL;
	long len = BIO_get_mem_data(from, &text);

	return stg_path_join(path, sizeof(path), dir, file, err)
		&& stg_file_write(path, stg_bytes(text, (size_t)len), mode, err);
}

static bool extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;
	bool ok;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ok = ext && X509_add_ext(cert, ext, -1) == 1;
	X509_EXTENSION_free(ext);
	return ok;
}

/* A certificate for `key`, signed by the issuer (NULL: by itself), written as PEM. */
static X509 *certify(const char *dir, const struct leaf *l, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key,
		     struct stg_error *err)
{
	STG_AUTO(cert_free_at) X509 *cert = X509_new();
	STG_AUTO(bio_free_at) BIO *out = BIO_new(BIO_s_mem());
	uint8_t serial[16];
	BIGNUM *n;
	bool ok;

	if (!cert || !out) {
		openssl_failed("certificate", err);
		return NULL;
	}
	stg_random(serial, sizeof(serial));
	serial[0] = (uint8_t)((serial[0] & 0x3f) | 0x40);
	n = BN_bin2bn(serial, sizeof(serial), NULL);
	ok = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert)) && X509_set_version(cert, 2)
		&& X509_gmtime_adj(X509_getm_notBefore(cert), l->from_s) && X509_gmtime_adj(X509_getm_notAfter(cert), l->to_s)
		&& X509_set_pubkey(cert, key)
		&& X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_UTF8, (const unsigned char *)l->name,
					      -1, -1, 0)
		&& X509_set_issuer_name(cert, X509_get_subject_name(issuer ? issuer : cert))
		&& extend(cert, issuer ? issuer : cert, NID_basic_constraints, l->is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE")
		&& extend(cert, issuer ? issuer : cert, NID_key_usage,
			  l->is_ca ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature")
		&& extend(cert, issuer ? issuer : cert, NID_subject_key_identifier, "hash")
		&& (!issuer || extend(cert, issuer, NID_authority_key_identifier, "keyid"))
		&& (!l->usage || extend(cert, issuer ? issuer : cert, NID_ext_key_usage, l->usage))
		&& (!l->san || extend(cert, issuer ? issuer : cert, NID_subject_alt_name, l->san))
		&& X509_sign(cert, issuer_key, EVP_sha256()) > 0 && PEM_write_bio_X509(out, cert) == 1;
	BN_free(n);
	if (!ok) {
		openssl_failed(l->file, err);
		return NULL;
	}
	return write_bio(dir, l->file, out, 0644, err) ? stg_steal(cert) : NULL;
}

static EVP_PKEY *new_key(const char *dir, const char *file, struct stg_error *err)
{
	STG_AUTO(key_free_at) EVP_PKEY *key = EVP_EC_gen("P-256");
	STG_AUTO(bio_free_at) BIO *out = BIO_new(BIO_s_mem());

	if (!key || !out || PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) != 1) {
		openssl_failed(file ? file : "key", err);
		return NULL;
	}
	return !file || write_bio(dir, file, out, 0600, err) ? stg_steal(key) : NULL;
}

bool virt_testca_make(const char *dir, struct stg_error *err)
{
	static const char SERVER_SAN[] = "IP:127.0.0.1,IP:::1,DNS:localhost";
	static const struct leaf ca = { "ca.pem", "stager bench test CA", NULL, NULL, -DAY_S, 365 * DAY_S, true };
	static const struct leaf server = { "server.pem", "stager bench receiver", SERVER_SAN, "serverAuth", -DAY_S,
					    365 * DAY_S, false };
	static const struct leaf expired = { "expired.pem", "stager bench receiver", SERVER_SAN, "serverAuth", -30 * DAY_S,
					     -DAY_S, false };
	static const struct leaf client = { "client.pem", "stager bench station", NULL, "clientAuth", -DAY_S, 365 * DAY_S,
					    false };
	char done[4096];

	if (!stg_folder_make(dir, 0700, err) || !stg_path_join(done, sizeof(done), dir, "client.pem", err))
		return false;
	if (access(done, R_OK) == 0)   /* the last one written */
		return true;

	STG_AUTO(key_free_at) EVP_PKEY *ca_key = new_key(dir, NULL, err);
	STG_AUTO(key_free_at) EVP_PKEY *server_key = ca_key ? new_key(dir, "server.key", err) : NULL;
	STG_AUTO(key_free_at) EVP_PKEY *client_key = server_key ? new_key(dir, "client.key", err) : NULL;
	STG_AUTO(cert_free_at) X509 *ca_cert = client_key ? certify(dir, &ca, ca_key, NULL, ca_key, err) : NULL;
	STG_AUTO(cert_free_at) X509 *a = ca_cert ? certify(dir, &server, server_key, ca_cert, ca_key, err) : NULL;
	STG_AUTO(cert_free_at) X509 *b = a ? certify(dir, &expired, server_key, ca_cert, ca_key, err) : NULL;
	STG_AUTO(cert_free_at) X509 *c = b ? certify(dir, &client, client_key, ca_cert, ca_key, err) : NULL;

	return c || stg_while(err, "make test certificates in %s", dir);
}

SSL_CTX *virt_testca_server(const char *cert, const char *key, const char *client_ca, struct stg_error *err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (!ctx || SSL_CTX_use_certificate_chain_file(ctx, cert) != 1
	    || SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(ctx) != 1
	    || (client_ca && SSL_CTX_load_verify_locations(ctx, client_ca, NULL) != 1)) {
		SSL_CTX_free(ctx);
		openssl_failed("server certificate", err);
		return NULL;
	}
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"bench", 5);
	if (client_ca)
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	return ctx;
}
