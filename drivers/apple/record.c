/*
 * record.c - pair records: read through usbmuxd's protocol, made from a host identity and the device's public key.
 *
 * For:    tls.c, lockdown.c and pairing.c.
 * Uses:   libusbmuxd (behind the mux door the station answers), libplist behind the scan, OpenSSL; stager/keys reads
 *         the root key.
 * Called: from this folder.
 * Thread: the worker's.
 * Facts:  protocols/apple.md 3.5: keys and forms of records; certificates with empty names; DevicePublicKey is a PKCS#1 PEM.
 */
#include <stdlib.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <usbmuxd.h>

#include <stager/keys.h>

#include "device.h"

#define DAY_S 86400
#define YEARS_10_S (3650L * DAY_S)

static const struct stg_plist_limits record_limits = {
	.size_bytes = APPLE_RECORD_MAX, .depth = 4, .nodes = 200, .key_bytes = 256, .string_bytes = 1024, .data_bytes = 16384,
};

void apple_record_clear(struct apple_device *dev)
{
	apple_tls_forget(dev);
	if (dev->record.whole) {
		/* libplist frees without wiping: overwrite the keys in place first */
		struct stg_bytes secrets[] = { dev->record.host_key, dev->record.root_key, dev->record.escrow_bag };
		for (size_t i = 0; i < STG_ARRAY_LEN(secrets); i++)
			if (secrets[i].len)
				explicit_bzero((void *)(uintptr_t)secrets[i].data, secrets[i].len);
		plist_free(dev->record.whole);
	}
	dev->record = (struct apple_record){ 0 };
}

bool apple_record_take(struct apple_device *dev, plist_t whole, struct stg_error *err)
{
	apple_record_clear(dev);
	struct apple_record r = {
		.device_certificate = apple_data(whole, "DeviceCertificate"),
		.host_certificate = apple_data(whole, "HostCertificate"),
		.root_certificate = apple_data(whole, "RootCertificate"),
		.host_key = apple_data(whole, "HostPrivateKey"),
		.root_key = apple_data(whole, "RootPrivateKey"),
		.escrow_bag = apple_data(whole, "EscrowBag"),
		.whole = whole,
	};
	r.present = r.device_certificate.len && r.host_certificate.len && r.host_key.len &&
		    stg_copy(r.host_id, sizeof(r.host_id), apple_str(whole, "HostID")) && r.host_id[0] &&
		    stg_copy(r.system_buid, sizeof(r.system_buid), apple_str(whole, "SystemBUID"));
	dev->record = r;
	if (r.present)
		return true;
	apple_record_clear(dev);
	return stg_fail_id(err, STG_E_REFUSED, STG_ID_TRUST_LOST, 0, "a pair record without host, keys or certificates");
}

bool apple_record_load(struct apple_device *dev, struct stg_error *err)
{
	if (dev->record_read)
		return true;
	char *bytes = NULL;
	uint32_t len = 0;
	int rc = usbmuxd_read_pair_record(dev->udid, &bytes, &len);
	/* libusbmuxd calls an answer without data a success */
	if (rc < 0 || !bytes || !len) {
		free(bytes);
		dev->record_read = true;
		return true;
	}
	plist_t whole = len <= APPLE_RECORD_MAX ? apple_plist_read(stg_bytes(bytes, len), &record_limits, err) : NULL;
	explicit_bzero(bytes, len);
	free(bytes);
	dev->record_read = true;
	if (!whole)
		return stg_while(err, "pair record of %u bytes", len);
	return apple_record_take(dev, whole, err);
}

static BIO *memory(struct stg_bytes b)
{
	return BIO_new_mem_buf(b.data, (int)b.len);
}

/* "BEGIN RSA PUBLIC KEY": the bare PKCS#1 form, as all devices give it; read once as a key, to see that it is one, and
 * put as it is where a certificate wants it: through OpenSSL 3's encoders that costs ten times as much. NULL and
 * *ret_short: it is one, and too short to be believed. */
static X509_PUBKEY *device_public_key(struct stg_bytes pem, bool *ret_short)
{
	char *name = NULL, *header = NULL;
	unsigned char *der = NULL;
	long len = 0;
	X509_PUBKEY *ret = NULL;
	*ret_short = false;
	BIO *bio = pem.len && pem.len < 8192 ? memory(pem) : NULL;
	if (bio && PEM_read_bio(bio, &name, &header, &der, &len) == 1) {
		const unsigned char *p = der;
		if (strcmp(name, "PUBLIC KEY") == 0)
			ret = d2i_X509_PUBKEY(NULL, &p, len);
		EVP_PKEY *key = strcmp(name, "RSA PUBLIC KEY") == 0 ? d2i_PublicKey(EVP_PKEY_RSA, NULL, &p, len) : X509_PUBKEY_get(ret);
		bool good = key && p == der + len;
		*ret_short = good && !apple_key_is_long(key);
		good = good && !*ret_short;
		if (good && !ret) {
			ret = X509_PUBKEY_new();
			if (ret && X509_PUBKEY_set0_param(ret, OBJ_nid2obj(NID_rsaEncryption), V_ASN1_NULL, NULL, der, (int)len) == 1)
				der = NULL;     /* theirs now */
			else
				good = false;
		}
		if (!good) {
			X509_PUBKEY_free(ret);
			ret = NULL;
		}
		EVP_PKEY_free(key);
	}
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_free(der);
	BIO_free(bio);
	ERR_clear_error();
	return ret;
}

/* Into a certificate that has none yet. */
static bool put_public_key(X509 *cert, const X509_PUBKEY *key)
{
	ASN1_OBJECT *what = NULL;
	X509_ALGOR *how = NULL;
	const unsigned char *bits = NULL;
	const void *param = NULL;
	int len = 0, param_type = V_ASN1_UNDEF;
	if (X509_PUBKEY_get0_param(&what, &bits, &len, &how, key) != 1)
		return false;
	X509_ALGOR_get0(NULL, &param_type, &param, how);
	ASN1_OBJECT *what_copy = OBJ_dup(what);
	unsigned char *bits_copy = OPENSSL_memdup(bits, (size_t)len);
	bool ok = param_type == V_ASN1_NULL && what_copy && bits_copy &&
		  X509_PUBKEY_set0_param(X509_get_X509_PUBKEY(cert), what_copy, V_ASN1_NULL, NULL, bits_copy, len) == 1;
	if (ok)
		return true;
	ASN1_OBJECT_free(what_copy);
	OPENSSL_free(bits_copy);
	return X509_set_pubkey(cert, X509_PUBKEY_get0(key)) == 1;
}

static bool add_extension(X509 *cert, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	bool ok = e && X509_add_ext(cert, e, -1);
	X509_EXTENSION_free(e);
	return ok;
}

/* Names stay empty, as those of the root are (keys/hostid.c). */
static bool fill(X509 *cert, const X509_PUBKEY *key, EVP_PKEY *root_key)
{
	uint64_t number = 0;
	return RAND_bytes((unsigned char *)&number, sizeof(number)) == 1 && X509_set_version(cert, X509_VERSION_3) &&
	       ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), number >> 1) &&
	       X509_gmtime_adj(X509_getm_notBefore(cert), -DAY_S) && X509_gmtime_adj(X509_getm_notAfter(cert), YEARS_10_S) &&
	       put_public_key(cert, key) && add_extension(cert, NID_basic_constraints, "critical,CA:FALSE") &&
	       add_extension(cert, NID_key_usage, "critical,digitalSignature,keyEncipherment") &&
	       add_extension(cert, NID_subject_key_identifier, "hash") && X509_sign(cert, root_key, EVP_sha256()) > 0;
}

bool apple_device_certificate(struct stg_bytes public_pem, struct stg_bytes root_key, struct stg_buf *ret_pem, struct stg_error *err)
{
	bool is_short;
	X509_PUBKEY *key = device_public_key(public_pem, &is_short);
	if (is_short)
		return stg_fail_id(err, STG_E_REFUSED, STG_ID_DEVICE_KEY_SHORT, 0, "the device's public key has too few bits");
	if (!key)
		return stg_fail_id(err, STG_E_PROTOCOL, STG_ID_DEVICE_NONSENSE, 0, "the device's public key cannot be read");
	BIO *out = BIO_new(BIO_s_mem());
	X509 *cert = X509_new();
	EVP_PKEY *signer = stg_rsa_from_pem(root_key, NULL);
	char *text = NULL;
	bool ok = signer && cert && out && fill(cert, key, signer) && PEM_write_bio_X509(out, cert) == 1;
	long len = ok ? BIO_get_mem_data(out, &text) : 0;
	ok = ok && len > 0 && stg_buf_add(ret_pem, text, (size_t)len, err);
	X509_PUBKEY_free(key);
	EVP_PKEY_free(signer);
	X509_free(cert);
	BIO_free(out);
	ERR_clear_error();
	return ok || stg_fail(err, STG_E_BUG, 0, "the device's certificate could not be made");
}

bool apple_spki_sha256(const X509_PUBKEY *key, char ret[65])
{
	unsigned char *der = NULL;
	int len = key ? i2d_X509_PUBKEY(key, &der) : 0;
	if (len > 0)
		stg_sha256_hex(stg_bytes(der, (size_t)len), ret);
	OPENSSL_free(der);
	return len > 0;
}

bool apple_key_sha256(struct stg_bytes public_pem, char ret[65])
{
	bool is_short;
	X509_PUBKEY *key = device_public_key(public_pem, &is_short);
	bool ok = apple_spki_sha256(key, ret);
	X509_PUBKEY_free(key);
	return ok;
}

bool apple_record_key_sha256(const struct apple_device *dev, char ret[65])
{
	return dev->device_key && stg_copy(ret, 65, dev->device_key_sha256) && ret[0];
}
