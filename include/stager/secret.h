/*
 * secret.h - bytes that must appear nowhere.
 *
 * Passwords, tokens, private keys, pair records, payload bodies. The type has no format; its memory is wiped when
 * freed and kept out of core dumps. stg_secret_reveal() is the one word to search for in review.
 */
#ifndef STAGER_SECRET_H
#define STAGER_SECRET_H

#include <stager/bytes.h>

struct stg_secret {
	uint8_t *data_;   /* private: use stg_secret_reveal() */
	size_t len_;
};

bool stg_secret_set(struct stg_secret *s, struct stg_bytes value, struct stg_error *err);
bool stg_secret_random(struct stg_secret *s, size_t len, struct stg_error *err);
struct stg_bytes stg_secret_reveal(const struct stg_secret *s);
bool stg_secret_is_set(const struct stg_secret *s);
void stg_secret_clear(struct stg_secret *s);
/* Moves: `from` is empty afterwards. */
void stg_secret_move(struct stg_secret *to, struct stg_secret *from);
/* First 8 hex digits of the SHA-256, for logs. */
void stg_secret_mark(const struct stg_secret *s, char ret[9]);

#endif
