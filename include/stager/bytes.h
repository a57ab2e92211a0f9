/*
 * bytes.h - views, owned buffers with a ceiling, and the cleanup attribute.
 *
 * A `struct stg_bytes` borrows, a `struct stg_buf` owns. A buffer is born with the most it may ever hold,
 * because a length that came from a device or a file is a claim, not a fact.
 * Threads: nothing here is shared; a value belongs to whoever holds it.
 */
#ifndef STAGER_BYTES_H
#define STAGER_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct stg_error;

/* Runs f(&variable) when the variable goes out of scope; f takes NULL and half-built things. */
#define STG_AUTO(f) __attribute__((cleanup(f)))

/* Hands a pointer on and forgets it here: `return stg_steal(svc);` */
#define stg_steal(p) __extension__({ __typeof__(p) stolen_ = (p); (p) = NULL; stolen_; })

#define STG_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

struct stg_bytes {
	const uint8_t *data;
	size_t len;
};

struct stg_buf {
	uint8_t *data;  /* always followed by a NUL that does not count */
	size_t len;
	size_t cap;
	size_t max;     /* the ceiling in bytes */
};

#define STG_BUF(max_bytes) ((struct stg_buf){ .max = (max_bytes) })

static inline struct stg_bytes stg_bytes(const void *data, size_t len)
{
	return (struct stg_bytes){ .data = data, .len = len };
}

static inline struct stg_bytes stg_bytes_str(const char *s)
{
	return stg_bytes(s, s ? strlen(s) : 0);
}

static inline struct stg_bytes stg_buf_view(const struct stg_buf *b)
{
	return stg_bytes(b->data, b->len);
}

bool stg_bytes_equal(struct stg_bytes a, struct stg_bytes b);

/* All return false with STG_E_PROTOCOL when the ceiling would be passed, STG_E_NOMEM without memory;
 * the buffer then still holds what it held. */
bool stg_buf_add(struct stg_buf *b, const void *data, size_t len, struct stg_error *err);
bool stg_buf_add_str(struct stg_buf *b, const char *s, struct stg_error *err);
bool stg_buf_printf(struct stg_buf *b, struct stg_error *err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
bool stg_buf_reserve(struct stg_buf *b, size_t more, struct stg_error *err);
void stg_buf_reset(struct stg_buf *b);  /* keeps the memory, forgets the bytes */
void stg_buf_clear(struct stg_buf *b);  /* wipes and frees; the ceiling stays */

/* The text, never NULL: "" for an empty buffer. */
const char *stg_buf_str(const struct stg_buf *b);

/* Lower-case hexadecimal of `in`; ret holds 2 * in.len + 1 bytes. */
void stg_hex(struct stg_bytes in, char *ret);
bool stg_unhex(const char *hex, struct stg_buf *ret, struct stg_error *err);
bool stg_base64(struct stg_bytes in, struct stg_buf *ret, struct stg_error *err);
bool stg_unbase64(const char *text, struct stg_buf *ret, struct stg_error *err);

/* SHA-256; ret holds 32 bytes. The _hex form holds 65. */
void stg_sha256(struct stg_bytes in, uint8_t ret[32]);
void stg_sha256_hex(struct stg_bytes in, char ret[65]);

/* Copies with a NUL, cutting at size - 1 or before the character that does not fit; false when it had to cut. */
bool stg_copy(char *ret, size_t size, const char *s);
/* Drops the half of a UTF-8 character that a cut left at the end: what is stored and sent must stay UTF-8. */
void stg_mend_end(char *s);
/* strdup that aborts the program when there is no memory: for small strings of our own, never for outside bytes. */
char *stg_strdup(const char *s);
void *stg_calloc(size_t n, size_t size);
void stg_free_at(void *pp);    /* for STG_AUTO on any malloc'ed pointer */
void stg_close_at(int *fd);    /* for STG_AUTO on a descriptor; -1 is nothing */

/* Escapes everything but printable ASCII and caps at `size`: for text that came from a device, before it is
 * logged or printed on a terminal. UTF-8 letters are kept when `keep_utf8`, control and bidi characters never. */
void stg_printable(const char *s, bool keep_utf8, char *ret, size_t size);

#endif
