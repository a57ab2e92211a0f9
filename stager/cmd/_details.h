/* _details.h - details of messages, in the reader's language. */
#ifndef STAGER_CMD_DETAILS_H
#define STAGER_CMD_DETAILS_H

#include <stddef.h>

#include <stager/json.h>

/* `text` may come from anywhere and is already printable; what is not known stays as it is, what is too long is cut. */
void detail_text(const char *text, char *ret, size_t size);

/* _sentences.c; each ends with NULL */
extern const char *const detail_places[], *const detail_sentences[], *const detail_foreign[];

/* What each device would stumble over, said once and before the first one: texts of an operation, on standard error. */
void detail_warnings(const json_t *warnings);

#endif
