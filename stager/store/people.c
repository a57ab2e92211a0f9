/*
 * people.c - who may do what, and their PINs.
 *
 * For:    `stager user`, the second person of destructive acts.
 * Uses:   OpenSSL's scrypt; SQLite.
 * Called: stager/ops.
 * Thread: the one that has the store; a PIN check takes about 50 ms and 16 MiB.
 * Facts:  threat-model.md 7 and 12: 5 failures in 15 minutes, constant-time compare, same answer for an unknown name.
 *
 * A wrong PIN stays counted although the act it belonged to, and so its transaction, fails: tries of the open
 * transaction are kept in memory and written again after an undo.
 */
#include <stdio.h>
#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "db.h"

#define COST_N 16384
#define COST_R 8
#define COST_P 1
#define SALT 16
#define HASH 32
#define WRONG_MAX 5
#define WRONG_MS (15 * 60 * 1000)
#define PIN_MIN 4
#define PIN_MAX 128

static const char *const roles[] = { "technician", "lead", "admin", "auditor" };

/* ---- verifiers ---- */

static bool scrypt(struct stg_bytes pin, struct stg_bytes salt, uint64_t n, uint32_t r, uint32_t p, uint8_t ret[HASH], struct stg_error *err)
{
	uint64_t memory = 64u << 20;
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "SCRYPT", NULL);
	EVP_KDF_CTX *c = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PASSWORD, (void *)(uintptr_t)pin.data, pin.len),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)salt.data, salt.len),
		OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
		OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &r),
		OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &p),
		OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &memory),
		OSSL_PARAM_construct_end(),
	};
	bool ok = c && EVP_KDF_derive(c, ret, HASH, params) == 1;
	EVP_KDF_CTX_free(c);
	EVP_KDF_free(kdf);
	return ok || stg_fail(err, STG_E_BUG, 0, "scrypt failed");
}

static bool verifier_make(const struct stg_secret *pin, char *ret, size_t size, struct stg_error *err)
{
	uint8_t salt[SALT], hash[HASH];
	char salt_hex[2 * SALT + 1], hash_hex[2 * HASH + 1];
	stg_random(salt, sizeof(salt));
	if (!scrypt(stg_secret_reveal(pin), stg_bytes(salt, sizeof(salt)), COST_N, COST_R, COST_P, hash, err))
		return false;
	stg_hex(stg_bytes(salt, sizeof(salt)), salt_hex);
	stg_hex(stg_bytes(hash, sizeof(hash)), hash_hex);
	snprintf(ret, size, "scrypt$%d$%d$%d$%s$%s", COST_N, COST_R, COST_P, salt_hex, hash_hex);
	return true;
}

/* A text that does not parse, or is absent, costs as much time as one that does. */
static bool verifier_fits(const char *verifier, const struct stg_secret *pin, bool *ret, struct stg_error *err)
{
	unsigned int n = COST_N, r = COST_R, p = COST_P;
	char salt_hex[2 * SALT + 1] = "00000000000000000000000000000000", hash_hex[2 * HASH + 1] = "";
	uint8_t hash[HASH];
	char got[2 * HASH + 1];
	STG_AUTO(stg_buf_clear) struct stg_buf salt = STG_BUF(SALT);
	bool whole = sscanf(verifier, "scrypt$%u$%u$%u$%32[0-9a-f]$%64[0-9a-f]", &n, &r, &p, salt_hex, hash_hex) == 5 && n >= 1024 && n <= 65536 && r >= 1 &&
		     r <= 16 && p >= 1 && p <= 4 && strlen(salt_hex) == 2 * SALT && strlen(hash_hex) == 2 * HASH;
	if (!whole) {
		n = COST_N;
		r = COST_R;
		p = COST_P;
		memset(salt_hex, '0', 2 * SALT);
		salt_hex[2 * SALT] = 0;
	}
	if (!stg_unhex(salt_hex, &salt, err) || !scrypt(stg_secret_reveal(pin), stg_buf_view(&salt), n, r, p, hash, err))
		return false;
	stg_hex(stg_bytes(hash, sizeof(hash)), got);
	*ret = whole && CRYPTO_memcmp(got, hash_hex, 2 * HASH) == 0;
	return true;
}

/* ---- throttling ---- */

static bool count_wrong(struct stg_store *s, const char *name, int64_t *ret, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT count(*) FROM pin_try WHERE name = :name AND"
							  " CASE WHEN boot_id = :boot_id THEN boot_ms > :boot_ms ELSE abs(:now - at_ms) < :window END");
	stmt_text(&q, ":name", name);
	stmt_text(&q, ":boot_id", stg_boot_id());
	stmt_int(&q, ":boot_ms", stg_boot_ms() - WRONG_MS);
	stmt_int(&q, ":now", stg_wall_ms());
	stmt_int(&q, ":window", WRONG_MS);
	if (!stmt_one(&q, STG_ID_NONE, "tries", err))
		return false;
	*ret = col_int(&q, 0);
	return true;
}

static bool add_try(struct stg_store *s, const struct pin_try *try, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "INSERT INTO pin_try (name, boot_id, boot_ms, at_ms) VALUES (:name, :boot_id, :boot_ms, :at)"
							  " ON CONFLICT DO NOTHING");
	stmt_text(&q, ":name", try->name);
	stmt_text(&q, ":boot_id", stg_boot_id());
	stmt_int(&q, ":boot_ms", try->boot_ms);
	stmt_int(&q, ":at", stg_wall_ms());
	return stmt_done(&q, err);
}

bool pin_tries_again(struct stg_store *s, struct stg_error *err)
{
	for (size_t i = 0; i < s->n_pin_tries; i++)
		if (!add_try(s, &s->pin_tries[i], err))
			return false;
	return true;
}

/* Written at once when no transaction is open, else with it, and again should it be undone. */
static bool note_wrong(struct stg_store *s, const char *name, struct stg_error *err)
{
	struct pin_try try = { .boot_ms = stg_boot_ms() };
	stg_copy(try.name, sizeof(try.name), name);
	if (s->in_tx && s->n_pin_tries < PIN_TRIES_KEPT)
		s->pin_tries[s->n_pin_tries++] = try;
	return add_try(s, &try, err);
}

static bool forget_wrong(struct stg_store *s, const char *name, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "DELETE FROM pin_try WHERE name = :name");
	stmt_text(&q, ":name", name);
	return stmt_done(&q, err);
}

/* ---- people ---- */

bool stg_store_user_put(struct stg_store *s, const char *name, const char *role, const char *verifier, struct stg_error *err)
{
	bool known = false;
	for (size_t i = 0; i < STG_ARRAY_LEN(roles); i++)
		known = known || strcmp(roles[i], role) == 0;
	if (!*name || strlen(name) > 63)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_PERSON_NAME, 0, "%.64s", name);
	if (!known)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_ROLE_UNKNOWN, 0, "%.64s", role);
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return false;
	STG_AUTO(stmt_close) struct stmt q =
		stmt_open(s, "INSERT INTO person (name, role, verifier, created_ms, changed_ms) VALUES (:name, :role, coalesce(:verifier, ''), :now, :now)"
			     " ON CONFLICT (name) DO UPDATE SET role = excluded.role, verifier = coalesce(:verifier, verifier), changed_ms = excluded.changed_ms");
	stmt_text(&q, ":name", name);
	stmt_text(&q, ":role", role);
	stmt_text_or_null(&q, ":verifier", verifier);
	stmt_int(&q, ":now", stg_wall_ms());
	return stmt_done(&q, err) && tx_commit(&t, err);
}

#define PERSON_JSON "name, role, verifier <> '' AS \"has_pin:bool\", disabled AS \"disabled:bool\", created_ms, changed_ms"

json_t *stg_store_user(struct stg_store *s, const char *name, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT " PERSON_JSON " FROM person WHERE name = :name");
	stmt_text(&q, ":name", name);
	return stmt_one(&q, STG_ID_UNKNOWN_PERSON, name, err) ? stmt_object(&q, err) : NULL;
}

json_t *stg_store_users(struct stg_store *s, struct stg_error *err)
{
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT " PERSON_JSON " FROM person ORDER BY name");
	return stmt_list(&q, err);
}

bool stg_store_user_pin(struct stg_store *s, const char *name, const struct stg_secret *pin, struct stg_error *err)
{
	int64_t wrong = 0;
	char verifier[256] = "";
	bool fits = false;
	if (!count_wrong(s, name, &wrong, err))
		return false;
	if (wrong >= WRONG_MAX)
		return stg_fail_id(err, STG_E_SAFETY, STG_ID_PIN_LOCKED, 0, "%s: %d", name, (int)wrong);
	{
		STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "SELECT verifier FROM person WHERE name = :name AND NOT disabled");
		stmt_text(&q, ":name", name);
		int got = stmt_step(&q, err);
		if (got < 0)
			return false;
		if (got)
			stg_copy(verifier, sizeof(verifier), col_text(&q, 0));
	}
	if (!verifier_fits(verifier, pin, &fits, err))
		return false;
	if (!fits) {
		struct stg_error ignored;
		if (!note_wrong(s, name, err ? err : &ignored))
			return false;
		return stg_fail_id(err, STG_E_SAFETY, STG_ID_PIN_WRONG, 0, "%s", name);
	}
	return wrong == 0 || forget_wrong(s, name, err);
}

static bool changed_one(struct stg_store *s, struct stmt *q, const char *name, struct stg_error *err)
{
	return stmt_done(q, err) &&
	       (db_changes(s) == 1 || stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_UNKNOWN_PERSON, 0, "%s", name));
}

bool stg_store_user_set_pin(struct stg_store *s, const char *name, const struct stg_secret *pin, struct stg_error *err)
{
	char verifier[256];
	size_t len = stg_secret_reveal(pin).len;
	if (len < PIN_MIN || len > PIN_MAX)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_PIN_LENGTH, 0, "%d-%d", PIN_MIN, PIN_MAX);
	if (!verifier_make(pin, verifier, sizeof(verifier), err))
		return false;
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return false;
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "UPDATE person SET verifier = :verifier, changed_ms = :now WHERE name = :name");
	stmt_text(&q, ":verifier", verifier);
	stmt_int(&q, ":now", stg_wall_ms());
	stmt_text(&q, ":name", name);
	if (!changed_one(s, &q, name, err))
		return false;
	return forget_wrong(s, name, err) && tx_commit(&t, err);
}

bool stg_store_user_disable(struct stg_store *s, const char *name, bool disabled, struct stg_error *err)
{
	STG_AUTO(tx_end) struct tx t = { 0 };
	if (!tx_begin(&t, s, err))
		return false;
	STG_AUTO(stmt_close) struct stmt q = stmt_open(s, "UPDATE person SET disabled = :disabled, changed_ms = :now WHERE name = :name");
	stmt_int(&q, ":disabled", disabled);
	stmt_int(&q, ":now", stg_wall_ms());
	stmt_text(&q, ":name", name);
	if (!changed_one(s, &q, name, err))
		return false;
	return tx_commit(&t, err);
}
