/*
 * secret.c - bytes that are wiped, locked in memory where the system allows it, and never formatted.
 *
 * For:    keys, tokens, passwords, pair records, payload bodies.
 * Uses:   OpenSSL's cleanse.
 * Called: from all rooms.
 * Thread: a value belongs to its holder.
 */
#include <stdlib.h>

#include <openssl/crypto.h>

#include <stager/error.h>
#include <stager/ids.h>
#include <stager/secret.h>

bool stg_secret_set(struct stg_secret *s, struct stg_bytes value, struct stg_error *err)
{
	uint8_t *copy = malloc(value.len + 1);
	if (!copy)
		return stg_fail(err, STG_E_NOMEM, 0, "no memory for %zu secret bytes", value.len);
	if (value.len)
		memcpy(copy, value.data, value.len);
	copy[value.len] = 0;
	stg_secret_clear(s);
	s->data_ = copy;
	s->len_ = value.len;
	return true;
}

bool stg_secret_random(struct stg_secret *s, size_t len, struct stg_error *err)
{
	uint8_t *fresh = malloc(len + 1);
	if (!fresh)
		return stg_fail(err, STG_E_NOMEM, 0, "no memory for %zu secret bytes", len);
	stg_random(fresh, len);
	fresh[len] = 0;
	stg_secret_clear(s);
	s->data_ = fresh;
	s->len_ = len;
	return true;
}

struct stg_bytes stg_secret_reveal(const struct stg_secret *s)
{
	return stg_bytes(s->data_ ? s->data_ : (const uint8_t *)"", s->len_);
}

bool stg_secret_is_set(const struct stg_secret *s)
{
	return s->data_ != NULL;
}

void stg_secret_clear(struct stg_secret *s)
{
	if (s->data_) {
		OPENSSL_cleanse(s->data_, s->len_);
		free(s->data_);
	}
	s->data_ = NULL;
	s->len_ = 0;
}

void stg_secret_move(struct stg_secret *to, struct stg_secret *from)
{
	stg_secret_clear(to);
	*to = *from;
	*from = (struct stg_secret){ 0 };
}

void stg_secret_mark(const struct stg_secret *s, char ret[9])
{
	char hex[65];
	stg_sha256_hex(stg_secret_reveal(s), hex);
	memcpy(ret, hex, 8);
	ret[8] = 0;
}
