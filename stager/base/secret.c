/*
 * secret.c - bytes that are wiped, locked in memory where the system allows it, and never formatted.
 *
 * For:    keys, tokens, passwords, pair records, payload bodies.
 * Uses:   OpenSSL's cleanse.
 * Called: from all rooms.
 * Thread: a value belongs to its holder.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include <openssl/crypto.h>

#include <stager/error.h>
#include <stager/ids.h>
#include <stager/secret.h>

/* Pages of its own, left out of core dumps and locked where the limits and the sandbox allow it: neither may fail
 * the work. Always one byte more than asked for, a NUL. */
static uint8_t *set_aside(size_t len)
{
#ifdef STG_SANITIZED
	return calloc(1, len + 1);      /* so that a read behind the end and a leak are seen */
#else
	uint8_t *p = mmap(NULL, len + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	(void)madvise(p, len + 1, MADV_DONTDUMP);
	(void)mlock(p, len + 1);
	return p;
#endif
}

static void give_back(uint8_t *p, size_t len)
{
	OPENSSL_cleanse(p, len);
#ifdef STG_SANITIZED
	free(p);
#else
	munmap(p, len + 1);
#endif
}

bool stg_secret_set(struct stg_secret *s, struct stg_bytes value, struct stg_error *err)
{
	uint8_t *copy = set_aside(value.len);
	if (!copy)
		return stg_fail(err, STG_E_NOMEM, 0, "no memory for %zu secret bytes", value.len);
	if (value.len)
		memcpy(copy, value.data, value.len);
	stg_secret_clear(s);
	s->data_ = copy;
	s->len_ = value.len;
	return true;
}

bool stg_secret_random(struct stg_secret *s, size_t len, struct stg_error *err)
{
	uint8_t *fresh = set_aside(len);
	if (!fresh)
		return stg_fail(err, STG_E_NOMEM, 0, "no memory for %zu secret bytes", len);
	stg_random(fresh, len);
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
	if (s->data_)
		give_back(s->data_, s->len_);
	s->data_ = NULL;
	s->len_ = 0;
}

void stg_secret_move(struct stg_secret *to, struct stg_secret *from)
{
	if (to == from)
		return;
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
