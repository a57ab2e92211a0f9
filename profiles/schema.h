/*
 * schema.h - the rules of payloads, as the files of this room see them. Nobody else includes it.
 *
 * A table is text, one rule a line, columns divided by tabs:
 *
 *   rules 1 ios 18.1                      first line: format version, platform, newest release it knows
 *   depth name kinds flags introduced deprecated removed [limit ...]
 *
 * Depth 0 is a payload type ("Configuration": the profile's own keys, "*": keys of every payload), depth 1 its keys, and so
 * on; the one rule under a list is its items, the name ANY stands for every key. Kinds are letters, more than one where
 * several are taken: s text, i whole number, r number, b true or false, d data, t date, a list, D dictionary, * anything;
 * "^2" behind them: the rules under it are those of the rule at depth 2 it stands in (folders hold folders).
 * Flags: R required, S supervised devices only, M not honoured when installed by hand, 1 one per device, X not on this
 * platform, u U v user enrolment: forbidden, required, ignored, h H g the same for a shared iPad.
 * Limits: "=a|b|c" one of these, "0..10" range (either end may be absent), "~uuid" form, "#2..2" number of items,
 * "?KEY=VALUE" this variant of a type counts when the payload holds that, "<16.0" S holds for older releases only.
 *
 * An overlay is text in the same room: "add" or "set", type, key/key/..., then NAME=VALUE columns (quirks.overlay).
 */
#ifndef STAGER_PROFILES_SCHEMA_H
#define STAGER_PROFILES_SCHEMA_H

#include "inner.h"

#define RULE_DEPTH_MAX 16
#define RULES_MAX 20000
#define RULES_TEXT_MAX (1u << 20)
#define RULE_NONE UINT32_MAX

enum {
	KIND_TEXT = 1, KIND_INTEGER = 2, KIND_REAL = 4, KIND_BOOL = 8, KIND_DATA = 16, KIND_DATE = 32, KIND_LIST = 64,
	KIND_DICT = 128, KIND_ANY = 256,
};
enum {
	RULE_REQUIRED = 1, RULE_SUPERVISED = 2, RULE_NOT_BY_HAND = 4, RULE_SINGLE = 8, RULE_ELSEWHERE = 16,
	RULE_USER_FORBIDDEN = 32, RULE_USER_REQUIRED = 64, RULE_USER_IGNORED = 128,
	RULE_SHARED_FORBIDDEN = 256, RULE_SHARED_REQUIRED = 512, RULE_SHARED_IGNORED = 1024,
};
enum rule_form { FORM_NONE, FORM_UUID, FORM_HTTPS, FORM_MAC, FORM_SIX_DIGITS, FORM_OI, FORMS };

struct rule {
	const char *name;
	unsigned int kinds, flags;
	uint32_t introduced, deprecated, removed;   /* release_of(); 0: none */
	uint32_t supervised_before;                 /* RULE_SUPERVISED counts below this release only; 0: always */
	uint32_t first, next;                       /* places in the table, RULE_NONE: none */
	uint8_t depth, use_depth;                   /* use_depth: 1 + the depth of whose rules stand under this one; 0: its own */
	uint8_t form;                               /* enum rule_form */
	bool has_least, has_most;
	double least, most;
	uint32_t items_least, items_most;           /* both 0: any number */
	const char *values;                         /* "a|b|c" or NULL */
	const char *when_key, *when_value;          /* the variant; NULL: always */
	const char *also;                           /* a type whose keys may stand here as well; NULL: none */
};

struct stg_profile_rules {
	char *text, *overlay;                       /* where the names lie */
	struct rule *rule;
	size_t n, room;
	uint32_t last_type;                         /* while it is read */
	char release[24];
	uint32_t newest;
	char sha256[65];
	size_t n_types, n_keys;
};

/* "17.4.1" as a number that sorts; 0 when it is none. */
uint32_t release_of(const char *text);
/* Back to text. */
const char *release_text(uint32_t release, char ret[24]);
const char *const *rule_form_names(void);          /* NULL-ended, from enum value 1 on */

/* The next rule of this payload type after `after` (RULE_NONE: the first); variants of one type follow one another. */
const struct rule *rules_type(const struct stg_profile_rules *r, const char *type, const struct rule *after);
/* The variant whose condition this payload meets, else the one without, else the last; NULL: no such type. */
const struct rule *rules_variant(const struct stg_profile_rules *r, plist_t payload, const char *type);
/* The rule of the value at `path` ("PayloadContent[1].ProxyServerPort"); NULL: none is known. */
const struct rule *rules_at(const struct stg_profile_rules *r, const struct profile *p, const char *path);
/* "text or a whole number" */
void rules_kinds(unsigned int kinds, char *ret, size_t size);
/* The rule under `under` for this key; an ANY rule when there is no better one. */
const struct rule *rules_key(const struct stg_profile_rules *r, const struct rule *under, const char *key);
/* The rule under `under` whose name differs only in letter case or blanks; NULL: none. */
const struct rule *rules_near(const struct stg_profile_rules *r, const struct rule *under, const char *key);
/* First rule under this one, and the next beside it. */
const struct rule *rules_first(const struct stg_profile_rules *r, const struct rule *under);
const struct rule *rules_next(const struct stg_profile_rules *r, const struct rule *after);

#endif
