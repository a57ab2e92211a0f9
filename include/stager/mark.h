/*
 * mark.h - a quick sum over a stream of bytes.
 *
 * It tells a file that has changed by itself (a disk, a cable) at a twentieth of what SHA-256 costs where the processor does not help
 * with that; it does not tell one that somebody changed on purpose, for its key is known to all. GHASH of AES-256-GCM, 16 bytes.
 * Threads: a sum belongs to its holder.
 */
#ifndef STAGER_MARK_H
#define STAGER_MARK_H

#include <stager/bytes.h>

#define STG_MARK_TEXT 33

struct stg_mark;

struct stg_mark *stg_mark_new(struct stg_error *err);
bool stg_mark_add(struct stg_mark *m, struct stg_bytes piece, struct stg_error *err);
/* Lower-case hexadecimal; once. */
bool stg_mark_end(struct stg_mark *m, char ret[STG_MARK_TEXT], struct stg_error *err);
void stg_mark_free_at(struct stg_mark **m);

#endif
