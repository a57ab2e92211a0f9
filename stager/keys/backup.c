/*
 * backup.c - an organisation in one encrypted file.
 *
 * For:    the day the station is lost: without the supervision identity the whole fleet has to be erased.
 * Uses:   OpenSSL (scrypt, AES-256-GCM), jansson for the armour around it.
 * Called: by the operations org.backup and org.restore.
 * Thread: any.
 *
 * The file is JSON that can be read by a person: whose backup, of when, how the passphrase becomes a key; the keys are in
 * "data". The readable part is authenticated with it. The root key leaves the station with the first verified backup.
 */
#include <stdio.h>
#include <stdlib.h>

#include <openssl/err.h>

#include <stager/clock.h>
#include <stager/ids.h>

#include "inner.h"

#define FILE_MAX (256u << 10)
#define SALT_LEN 32
#define SCRYPT_N (1u << 16)
#define SCRYPT_N_LEAST (1u << 14)
#define SCRYPT_N_MOST (1u << 18)
#define SCRYPT_R 8
#define PASSPHRASE_LEAST 12
static const char FORMAT[] = "stager organisation backup";

static bool damaged(struct stg_error *err, const char *what)
{
	return stg_fail_id(err, STG_E_INPUT, STG_ID_BACKUP_DAMAGED, 0, "%s", what);
}

static bool key_of(const struct stg_secret *passphrase, struct stg_bytes salt, uint64_t n, struct stg_secret *ret, struct stg_error *err)
{
	uint8_t key[32];
	struct stg_bytes p = stg_secret_reveal(passphrase);
	if (EVP_PBE_scrypt((const char *)p.data, p.len, salt.data, salt.len, n, SCRYPT_R, 1, 128 * SCRYPT_R * (n + 16), key, sizeof(key)) != 1)
		return keys_ssl_fail(err, STG_E_NOMEM, "derive a key from the passphrase");
	bool ok = stg_secret_set(ret, stg_bytes(key, sizeof(key)), err);
	OPENSSL_cleanse(key, sizeof(key));
	return ok;
}

static json_t *head_of(const json_t *row, struct stg_bytes salt)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(256);
	char when[STG_TIME_TEXT];
	json_t *head = json_object(), *kdf = json_object();
	if (!stg_base64(salt, &text, NULL))
		abort();
	stg_time_text(stg_wall_ms(), when);
	stg_json_put(head, "format", FORMAT);
	stg_json_put_int(head, "v", 1);
	stg_json_put(head, "name", stg_json_str(row, "name"));
	stg_json_put(head, "supervisor_sha256", stg_json_str(row, "supervisor_sha256"));
	stg_json_put(head, "made", when);
	stg_json_put(kdf, "name", "scrypt");
	stg_json_put_int(kdf, "n", SCRYPT_N);
	stg_json_put_int(kdf, "r", SCRYPT_R);
	stg_json_put_int(kdf, "p", 1);
	stg_json_put(kdf, "salt", stg_buf_str(&text));
	stg_json_put_new(head, "kdf", kdf);
	return head;
}

/* What is backed up of a row: everything but the marks of this station. */
static json_t *row_kept(const json_t *row)
{
	json_t *kept = json_deep_copy(row);
	json_object_del(kept, "backup_verified_ms");
	json_object_del(kept, "root_key");
	json_object_del(kept, "default");
	json_object_del(kept, "id");
	return kept;
}

bool stg_org_backup(const struct stg_keys *k, const json_t *row, struct stg_bytes sealed, const struct stg_secret *passphrase,
		    struct stg_buf *ret_file, struct stg_error *err)
{
	STG_AUTO(stg_secret_clear) struct stg_secret bag = { 0 }, key = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf plain = STG_BUF(KEYS_SEALED_MAX), box = STG_BUF(FILE_MAX), text = STG_BUF(FILE_MAX * 2);
	uint8_t salt[SALT_LEN];
	if (stg_secret_reveal(passphrase).len < PASSPHRASE_LEAST)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_PASSPHRASE_SHORT, 0, "the passphrase has fewer than %d characters", PASSPHRASE_LEAST);
	if (!keys_org_open(k, row, sealed, &bag, err))
		return false;
	stg_random(salt, sizeof(salt));
	STG_AUTO(stg_json_free_at) json_t *kept = row_kept(row);
	STG_AUTO(stg_json_free_at) json_t *head = head_of(row, stg_bytes(salt, sizeof(salt)));
	STG_AUTO(stg_free_at) char *row_text = stg_json_text(kept);
	STG_AUTO(stg_free_at) char *head_text = stg_json_text(head);
	if (!keys_bag_put(&plain, "row", stg_bytes_str(row_text), err) || !keys_bag_put(&plain, "keys", stg_secret_reveal(&bag), err) ||
	    !key_of(passphrase, stg_bytes(salt, sizeof(salt)), SCRYPT_N, &key, err) ||
	    !keys_gcm_seal(stg_secret_reveal(&key), stg_bytes_str(head_text), stg_buf_view(&plain), &box, err) ||
	    !stg_base64(stg_buf_view(&box), &text, err))
		return stg_while(err, "back up '%.64s'", stg_json_str(row, "name"));
	stg_json_put(head, "data", stg_buf_str(&text));
	char *file = json_dumps(head, JSON_INDENT(1) | JSON_SORT_KEYS);
	bool ok = file && stg_buf_add_str(ret_file, file, err) && stg_buf_add_str(ret_file, "\n", err);
	free(file);
	return ok;
}

/* The armour, checked, and its parts; `data` is removed from the head so that it can be authenticated. */
static json_t *read_head(struct stg_bytes file, struct stg_buf *ret_salt, struct stg_buf *ret_box, uint64_t *ret_n, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *head = stg_json_parse(file, FILE_MAX * 2, NULL);
	const json_t *kdf = json_object_get(head, "kdf");
	int64_t n = stg_json_int(kdf, "n", 0);
	if (!head || strcmp(stg_json_str(head, "format"), FORMAT) != 0) {
		damaged(err, "this is no backup of an organisation");
		return NULL;
	}
	if (stg_json_int(head, "v", 0) != 1) {
		damaged(err, "the backup was made by a newer program");
		return NULL;
	}
	if (strcmp(stg_json_str(kdf, "name"), "scrypt") != 0 || n < SCRYPT_N_LEAST || n > SCRYPT_N_MOST || (n & (n - 1)) ||
	    stg_json_int(kdf, "r", 0) != SCRYPT_R || stg_json_int(kdf, "p", 0) != 1 || !stg_unbase64(stg_json_str(kdf, "salt"), ret_salt, NULL) ||
	    ret_salt->len < 16 || !stg_unbase64(stg_json_str(head, "data"), ret_box, NULL)) {
		damaged(err, "the backup is damaged");
		return NULL;
	}
	json_object_del(head, "data");
	*ret_n = (uint64_t)n;
	return stg_steal(head);
}

static bool open_file(struct stg_bytes file, const struct stg_secret *passphrase, struct stg_secret *ret_plain, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf salt = STG_BUF(64), box = STG_BUF(FILE_MAX);
	STG_AUTO(stg_secret_clear) struct stg_secret key = { 0 };
	struct stg_error why = { 0 };
	uint64_t n = 0;
	STG_AUTO(stg_json_free_at) json_t *head = read_head(file, &salt, &box, &n, err);
	if (!head)
		return false;
	STG_AUTO(stg_free_at) char *head_text = stg_json_text(head);
	if (!key_of(passphrase, stg_buf_view(&salt), n, &key, err))
		return false;
	if (keys_gcm_open(stg_secret_reveal(&key), stg_bytes_str(head_text), stg_buf_view(&box), ret_plain, &why))
		return true;
	return stg_fail_id(err, STG_E_INPUT, STG_ID_BACKUP_PASSPHRASE, 0, "the passphrase does not open it, or the file was changed");
}

/* The row as it was backed up, and the bag of keys in it (borrowed). */
static json_t *parts_of(const struct stg_secret *plain, struct stg_bytes *ret_bag, struct stg_error *err)
{
	struct stg_bytes text;
	if (!keys_bag_get(stg_secret_reveal(plain), "row", &text, err) || !keys_bag_get(stg_secret_reveal(plain), "keys", ret_bag, err)) {
		damaged(err, "the backup lacks a part");
		return NULL;
	}
	return stg_json_parse(text, FILE_MAX, err);
}

static bool keys_work(const json_t *row, struct stg_bytes bag, struct stg_error *err)
{
	static const struct { const char *key, *field; } pairs[] = { { "supervisor", "supervisor_pem" }, { "issuing", "issuing_pem" }, { "signer", "signer_pem" } };
	STG_AUTO(stg_secret_clear) struct stg_secret own = { 0 };
	if (!stg_secret_set(&own, bag, err))
		return false;
	for (size_t i = 0; i < STG_ARRAY_LEN(pairs); i++) {
		/* a key in a token is not in the backup: the token has one of its own */
		if (strcmp(pairs[i].key, "issuing") == 0 && *stg_json_str(row, "issuing_uri"))
			continue;
		STG_AUTO(X509_free_at) X509 *cert = keys_row_cert(row, pairs[i].field, err);
		STG_AUTO(EVP_PKEY_free_at) EVP_PKEY *key = cert ? keys_org_key(&own, pairs[i].key, err) : NULL;
		if (!key || !keys_key_fits(cert, key))
			return damaged(err, "a key in the backup does not belong to its certificate");
	}
	return true;
}

bool stg_org_backup_verify(const struct stg_keys *k, const json_t *row, struct stg_bytes sealed, struct stg_bytes file,
			   const struct stg_secret *passphrase, struct stg_error *err)
{
	STG_AUTO(stg_secret_clear) struct stg_secret plain = { 0 }, bag = { 0 };
	struct stg_bytes kept = { 0 };
	if (!keys_org_open(k, row, sealed, &bag, err) || !open_file(file, passphrase, &plain, err))
		return false;
	STG_AUTO(stg_json_free_at) json_t *was = parts_of(&plain, &kept, err);
	STG_AUTO(stg_json_free_at) json_t *is = row_kept(row);
	if (!was)
		return false;
	if (!json_equal(was, is) || !stg_bytes_equal(kept, stg_secret_reveal(&bag)))
		return damaged(err, "the backup is of another organisation, or of an earlier state of it");
	return keys_work(was, kept, err);
}

bool stg_org_drop_root(const struct stg_keys *k, json_t *row, struct stg_bytes sealed, struct stg_buf *ret_sealed, struct stg_error *err)
{
	STG_AUTO(stg_secret_clear) struct stg_secret bag = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf left = STG_BUF(KEYS_SEALED_MAX);
	if (!keys_org_open(k, row, sealed, &bag, err) || !keys_bag_set(stg_secret_reveal(&bag), "root", (struct stg_bytes){ 0 }, &left, err) ||
	    !keys_org_seal(k, row, stg_buf_view(&left), ret_sealed, err))
		return false;
	json_object_set_new(row, "root_key", json_string("in_backup"));
	return true;
}

bool stg_org_restore(const struct stg_keys *k, struct stg_bytes file, const struct stg_secret *passphrase, json_t **ret_row,
		     struct stg_buf *ret_sealed, struct stg_error *err)
{
	STG_AUTO(stg_secret_clear) struct stg_secret plain = { 0 };
	STG_AUTO(stg_buf_clear) struct stg_buf sealed = STG_BUF(KEYS_SEALED_MAX + 64);
	struct stg_bytes bag = { 0 };
	if (!open_file(file, passphrase, &plain, err))
		return false;
	STG_AUTO(stg_json_free_at) json_t *row = parts_of(&plain, &bag, err);
	if (!row || !keys_work(row, bag, err) || !keys_org_seal(k, row, bag, &sealed, err))
		return false;
	/* it was read a moment ago: this backup is verified, and the root key stays in it */
	stg_json_put_int(row, "backup_verified_ms", stg_wall_ms());
	if (!stg_org_drop_root(k, row, stg_buf_view(&sealed), ret_sealed, err))
		return false;
	*ret_row = stg_steal(row);
	return true;
}
