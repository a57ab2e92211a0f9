/*
 * variable.h - the grammar of {{...}} in values of blueprints and profiles, in one place.
 *
 *     {{name}}              the value of that name
 *     {{name|other|text}}   the first of these names that has a value; the first that is no name stands for itself
 *     {{name|'a text'}}     what is in quotes is a text, whatever is in it
 *     {{{{                  a literal {{
 *
 * A name is letters, digits, '.', '_', '-'. After a '|' a word is a text unless it has a dot ("batch.ward", "secret.wifi":
 * it could only be a name, and a typing error in it must not end up on a device) or is a name that every job may have.
 * Errors: none of their own: the caller knows file, line or path, and makes the sentence. Thread: any; no state.
 */
#ifndef STAGER_VARIABLE_H
#define STAGER_VARIABLE_H

#include <stager/bytes.h>
#include <stager/json.h>

#define STG_VARIABLE_NAME_MAX 128       /* bytes of a name or of a text after '|', with the NUL */

struct stg_variable {
	size_t before;                  /* bytes of plain text in front of it */
	bool is_literal;                /* {{{{ */
	const char *inner;              /* what stands between the braces, borrowed from the text */
	size_t inner_len;
	const char *after;              /* what follows it; NULL: it is never closed */
};

struct stg_variable_value {
	const json_t *value;            /* borrowed from `values`; NULL when `text` came from the variable itself */
	const char *text;               /* as text, borrowed from `values` or from `word`; NULL: an object, it has none */
	char word[STG_VARIABLE_NAME_MAX];
};

/* The next variable or literal of a text; false: only plain text is left. */
bool stg_variable_next(const char *text, struct stg_variable *ret);
/* Does any variable stand in this text? NULL: no. One that is never closed counts. */
bool stg_variable_any(const char *text);
/* Its first name. False: it is never closed, or what stands between the braces is not a variable. */
bool stg_variable_name(const struct stg_variable *v, char ret[STG_VARIABLE_NAME_MAX]);
/* Cuts the next name or text off; *at is 0 before the first. False: there is none left, or it is too long. */
bool stg_variable_word(const struct stg_variable *v, size_t *at, char ret[STG_VARIABLE_NAME_MAX], bool *ret_is_quoted);
/* Could this word only be a name? */
bool stg_variable_is_name(const char *word);
/* What it stands for, from a flat object of strings, numbers, booleans and {"data": base64}. An empty string counts as no
 * value. False: nothing is known. Do not move *ret: `text` may point into it. */
bool stg_variable_value(const struct stg_variable *v, const json_t *values, struct stg_variable_value *ret);

/* Names a job may have without the blueprint's own params: one of the list, or of a family ("batch.", "secret.", "org.", "scep."). */
bool stg_variable_is_known(const char *name);
extern const char *const stg_variable_known[];  /* NULL ends */

#endif
