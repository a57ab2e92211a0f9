/*
 * text.h - what people read, in their language.
 *
 * Interface words go through gettext (`_("...")`, French in po/fr.po); error rows come from errors.def. Numbers in
 * --json output never go through here.
 */
#ifndef STAGER_TEXT_H
#define STAGER_TEXT_H

#include <libintl.h>
#include <stddef.h>

#define _(s) gettext(s)
#define N_(s) s

/* "en", "fr" or NULL for the locale; call once at start, before threads. A missing locale becomes C.UTF-8. */
void stg_language_set(const char *lang);
const char *stg_language(void);   /* "en" or "fr" */

/* Columns a UTF-8 text takes on a terminal. */
size_t stg_text_columns(const char *s);
/* Bytes from the start of `s` that fit into so many columns; never ends within a character. */
size_t stg_text_fits(const char *s, size_t columns);

#endif
