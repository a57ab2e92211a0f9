/*
 * keyring.c - the station key, and what is sealed under it.
 *
 * For:    keys, tokens, pair records and passwords at rest.
 * Uses:   OpenSSL (AES-256-GCM, HKDF-SHA-256).
 * Called: at start by everything that opens a state; by all who keep a secret.
 * Thread: read-only after open, but for the cache of opened organisations, which has its lock.
 *
 * A sealed record: "S1", 4 bytes that name the station key, 12 bytes nonce, ciphertext, 16 bytes tag. The purpose is
 * authenticated with it. The name of the key lets us say "another station key" instead of "damaged".
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/kdf.h>

#include <stager/file.h>
#include <stager/ids.h>

#include "inner.h"

#define KEY_LEN 32
#define NONCE_LEN 12
#define TAG_LEN 16
#define HEAD_LEN 6
#define KEY_FILE_MAX 256
static const char FILE_HEAD[] = "stager station key 1\n";

struct stg_keys {
	struct stg_secret station, seal;
	uint8_t head[HEAD_LEN];
	struct keys_cache *cache;
};

bool keys_ssl_fail(struct stg_error *err, enum stg_code code, const char *doing)
{
	unsigned long e = ERR_peek_last_error();
	const char *why = ERR_reason_error_string(e);
	stg_fail(err, code, ERR_GET_REASON(e), "%s: %s", doing, why ? why : "refused by the cryptographic library");
	ERR_clear_error();
	return false;
}

static bool hkdf(struct stg_bytes key, const char *info, uint8_t *ret, size_t len, struct stg_error *err)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *c = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	char digest[] = "SHA256";
	OSSL_PARAM how[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)key.data, key.len),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)info, strlen(info)),
		OSSL_PARAM_construct_end(),
	};
	bool ok = c && EVP_KDF_derive(c, ret, len, how) == 1;
	EVP_KDF_CTX_free(c);
	EVP_KDF_free(kdf);
	return ok || keys_ssl_fail(err, STG_E_NOMEM, "derive a key");
}

bool keys_gcm_seal(struct stg_bytes key32, struct stg_bytes aad, struct stg_bytes plain, struct stg_buf *ret, struct stg_error *err)
{
	STG_AUTO(EVP_CIPHER_CTX_free_at) EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	uint8_t nonce[NONCE_LEN];
	int n = 0, last = 0;
	if (plain.len > KEYS_SEALED_MAX)
		return stg_fail(err, STG_E_PROTOCOL, 0, "%zu bytes are too many to seal", plain.len);
	stg_random(nonce, sizeof(nonce));
	if (!stg_buf_add(ret, nonce, sizeof(nonce), err) || !stg_buf_reserve(ret, plain.len + TAG_LEN, err))
		return false;
	uint8_t *out = ret->data + ret->len;
	if (!c || EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, key32.data, nonce) != 1 ||
	    EVP_EncryptUpdate(c, NULL, &n, aad.data, (int)aad.len) != 1 ||
	    (plain.len && EVP_EncryptUpdate(c, out, &n, plain.data, (int)plain.len) != 1) ||
	    EVP_EncryptFinal_ex(c, out + plain.len, &last) != 1 ||
	    EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG_LEN, out + plain.len) != 1)
		return keys_ssl_fail(err, STG_E_NOMEM, "seal");
	ret->len += plain.len + TAG_LEN;
	ret->data[ret->len] = 0;
	return true;
}

bool keys_gcm_open(struct stg_bytes key32, struct stg_bytes aad, struct stg_bytes sealed, struct stg_secret *ret, struct stg_error *err)
{
	STG_AUTO(EVP_CIPHER_CTX_free_at) EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	STG_AUTO(stg_buf_clear) struct stg_buf plain = STG_BUF(KEYS_SEALED_MAX);
	uint8_t tag[TAG_LEN];
	int n = 0, last = 0;
	if (sealed.len < NONCE_LEN + TAG_LEN || sealed.len - NONCE_LEN - TAG_LEN > KEYS_SEALED_MAX)
		return stg_fail(err, STG_E_REFUSED, 0, "%zu bytes are no sealed record", sealed.len);
	size_t len = sealed.len - NONCE_LEN - TAG_LEN;
	memcpy(tag, sealed.data + sealed.len - TAG_LEN, TAG_LEN);
	if (!stg_buf_reserve(&plain, len + 1, err))
		return false;
	if (!c || EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, key32.data, sealed.data) != 1 ||
	    EVP_DecryptUpdate(c, NULL, &n, aad.data, (int)aad.len) != 1 ||
	    (len && EVP_DecryptUpdate(c, plain.data, &n, sealed.data + NONCE_LEN, (int)len) != 1) ||
	    EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG_LEN, tag) != 1)
		return keys_ssl_fail(err, STG_E_NOMEM, "open");
	if (EVP_DecryptFinal_ex(c, plain.data + len, &last) != 1) {
		ERR_clear_error();
		return stg_fail(err, STG_E_REFUSED, 0, "the seal does not fit");
	}
	return stg_secret_set(ret, stg_bytes(plain.data, len), err);
}

/* Only ours to read: anything else may have been read or replaced by somebody. */
static bool is_private(int fd, const char *path, struct stg_error *err)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return stg_fail_id(err, STG_E_STATION, STG_ID_KEY_FILE, errno, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode) || (st.st_mode & 077) != 0 || (st.st_uid != geteuid() && st.st_uid != 0))
		return stg_fail_id(err, STG_E_STATION, STG_ID_KEY_FILE, 0, "%s: mode %04o, expected a file of mode 0600 of this user", path,
				   (unsigned)(st.st_mode & 07777));
	return true;
}

static bool read_key(const char *path, struct stg_secret *ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(KEY_FILE_MAX);
	STG_AUTO(stg_buf_clear) struct stg_buf key = STG_BUF(KEY_LEN);
	STG_AUTO(stg_close_at) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return stg_fail(err, STG_E_NOT_FOUND, errno, "%s: %s", path, strerror(errno));
	if (fd < 0)
		return stg_fail_id(err, STG_E_STATION, STG_ID_KEY_FILE, errno, "%s: %s", path, strerror(errno));
	if (!is_private(fd, path, err))
		return false;
	size_t head = sizeof(FILE_HEAD) - 1;
	struct stg_error why = { 0 };
	bool ok = stg_file_read_fd(fd, &text, &why) && text.len >= head + 2 * KEY_LEN && memcmp(text.data, FILE_HEAD, head) == 0;
	if (ok) {
		text.data[head + 2 * KEY_LEN] = 0;
		ok = stg_unhex((const char *)text.data + head, &key, NULL) && key.len == KEY_LEN;
	}
	if (!ok)
		return stg_fail_id(err, STG_E_STATION, STG_ID_KEY_FILE, 0, "%s: not a station key", path);
	return stg_secret_set(ret, stg_buf_view(&key), err);
}

/* link() never replaces: two programs that start at once end with one key. */
static bool make_key(const char *state_dir, const char *path, struct stg_error *err)
{
	char beside[4096], hex[2 * KEY_LEN + 1], name[32];
	uint8_t key[KEY_LEN];
	uint32_t tag;
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(KEY_FILE_MAX);
	stg_random(&tag, sizeof(tag));
	snprintf(name, sizeof(name), "station.key.%08x.new", tag);
	if (!stg_path_join(beside, sizeof(beside), state_dir, name, err))
		return false;
	stg_random(key, sizeof(key));
	stg_hex(stg_bytes(key, sizeof(key)), hex);
	bool ok = stg_buf_add_str(&text, FILE_HEAD, err) && stg_buf_add_str(&text, hex, err) && stg_buf_add_str(&text, "\n", err) &&
		  stg_file_write(beside, stg_buf_view(&text), 0600, err);
	OPENSSL_cleanse(key, sizeof(key));
	OPENSSL_cleanse(hex, sizeof(hex));
	if (!ok)
		return false;
	int why = link(beside, path) == 0 || errno == EEXIST ? 0 : errno;
	(void)unlink(beside);
	if (why)
		return stg_fail_id(err, STG_E_STATION, STG_ID_KEY_FILE, why, "%s: %s", path, strerror(why));
	STG_AUTO(stg_close_at) int folder = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder >= 0)
		(void)fsync(folder);
	return true;
}

struct stg_keys *stg_keys_open(const char *state_dir, struct stg_error *err)
{
	STG_AUTO(stg_keys_close_at) struct stg_keys *k = stg_calloc(1, sizeof(*k));
	char path[4096];
	uint8_t seal[KEY_LEN], id[HEAD_LEN - 2];
	struct stg_error why = { 0 };
	if (!stg_path_join(path, sizeof(path), state_dir, "station.key", err))
		return NULL;
	if (!read_key(path, &k->station, &why)) {
		bool absent = why.code == STG_E_NOT_FOUND;
		if (absent && (!stg_folder_make(state_dir, 0700, err) || !make_key(state_dir, path, err) || !read_key(path, &k->station, err)))
			return NULL;
		if (!absent) {
			if (err)
				*err = why;
			return NULL;
		}
	}
	struct stg_bytes key = stg_secret_reveal(&k->station);
	if (!hkdf(key, "stager/seal/1", seal, sizeof(seal), err) || !hkdf(key, "stager/key-id/1", id, sizeof(id), err))
		return NULL;
	bool ok = stg_secret_set(&k->seal, stg_bytes(seal, sizeof(seal)), err);
	OPENSSL_cleanse(seal, sizeof(seal));
	k->cache = keys_cache_new();
	memcpy(k->head, "S1", 2);
	memcpy(k->head + 2, id, sizeof(id));
	return ok ? stg_steal(k) : NULL;
}

void stg_keys_close(struct stg_keys *k)
{
	if (!k)
		return;
	keys_cache_free(k->cache);
	stg_secret_clear(&k->station);
	stg_secret_clear(&k->seal);
	free(k);
}

struct keys_cache *keys_cache_of(const struct stg_keys *k)
{
	return k->cache;
}

void stg_keys_close_at(struct stg_keys **k)
{
	stg_keys_close(*k);
	*k = NULL;
}

bool stg_keys_seal(const struct stg_keys *k, const char *purpose, struct stg_bytes plain, struct stg_buf *ret, struct stg_error *err)
{
	if (!purpose || !*purpose)
		return stg_fail(err, STG_E_BUG, 0, "sealing without a purpose");
	STG_AUTO(stg_buf_clear) struct stg_buf out = STG_BUF(KEYS_SEALED_MAX + 64);
	return stg_buf_add(&out, k->head, HEAD_LEN, err) &&
	       keys_gcm_seal(stg_secret_reveal(&k->seal), stg_bytes_str(purpose), plain, &out, err) &&
	       stg_buf_add(ret, out.data, out.len, err);
}

bool stg_keys_open_sealed(const struct stg_keys *k, const char *purpose, struct stg_bytes sealed, struct stg_secret *ret, struct stg_error *err)
{
	if (sealed.len < HEAD_LEN || memcmp(sealed.data, "S1", 2) != 0)
		return stg_fail_id(err, STG_E_PROTOCOL, STG_ID_SEALED_DAMAGED, 0, "%s: not a sealed record", purpose);
	if (memcmp(sealed.data, k->head, HEAD_LEN) != 0)
		return stg_fail_id(err, STG_E_STATION, STG_ID_OTHER_STATION_KEY, 0, "%s: sealed under another station key", purpose);
	struct stg_error why = { 0 };
	if (keys_gcm_open(stg_secret_reveal(&k->seal), stg_bytes_str(purpose), stg_bytes(sealed.data + HEAD_LEN, sealed.len - HEAD_LEN), ret, &why))
		return true;
	if (why.code != STG_E_REFUSED)
		return stg_fail(err, why.code, why.origin, "%s", why.msg);
	return stg_fail_id(err, STG_E_PROTOCOL, STG_ID_SEALED_DAMAGED, 0, "%s: the sealed record is damaged or was made for something else", purpose);
}

bool stg_keys_derive(const struct stg_keys *k, const char *purpose, struct stg_secret *ret, struct stg_error *err)
{
	char info[256];
	uint8_t key[KEY_LEN];
	if (snprintf(info, sizeof(info), "stager/derived/1/%s", purpose) >= (int)sizeof(info))
		return stg_fail(err, STG_E_BUG, 0, "a purpose of %zu bytes", strlen(purpose));
	bool ok = hkdf(stg_secret_reveal(&k->station), info, key, sizeof(key), err) && stg_secret_set(ret, stg_bytes(key, sizeof(key)), err);
	OPENSSL_cleanse(key, sizeof(key));
	return ok;
}
