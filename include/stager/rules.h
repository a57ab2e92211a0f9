/*
 * rules.h - the rules a device is judged by, apart from how it is read: on the bench (step check_rules) or from the inventory.
 *
 * Rules are the params of check_rules: written in the blueprint, or in a file rules/NAME.yaml of their own, which is pinned with the
 * blueprint that names it. A verdict is {"verdict": "compliant" | "broken" | "unreadable", "rules": [{"rule","result": "kept" |
 * "broken" | "unreadable","reason"}]}: what a device does not tell is never taken for good. Any thread; no state.
 */
#ifndef STAGER_RULES_H
#define STAGER_RULES_H

#include <stager/identity.h>
#include <stager/json.h>

/* What is known of one device. */
struct stg_rules_seen {
	const struct stg_identity *who;
	const json_t *facts;             /* facts.h */
	const json_t *profiles, *apps;   /* lists as the driver gives them; NULL: not readable */
	int64_t today_ms;                /* UTC; 0: the station's clock is not to be trusted */
};

struct stg_verdict {
	unsigned int broken, unreadable;
	char first[160];                 /* the first rule that is not kept */
};

/* New reference. */
json_t *stg_rules_judge(const json_t *rules, const struct stg_rules_seen *seen, struct stg_verdict *ret);
/* Beyond their types: false with msg = what was wrong, what was expected. */
bool stg_rules_check(const json_t *rules, struct stg_error *err);
/* What has to be read for them: enum stg_detail or-ed; *ret_owner: also what only the supervisor may ask. */
unsigned int stg_rules_want(const json_t *rules, bool *ret_owner);
bool stg_rules_want_list(const json_t *rules, const char *one, const char *other);

/* A file of rules: state/rules/NAME.yaml, /etc/stager/rules/NAME.yaml, or a path when it holds a '/' or ends in .yaml. Typed and checked,
 * as check_rules has them in its params, with "file" and "sha256"; STG_E_INPUT "file:line: what was wrong, what was expected". */
json_t *stg_rules_load(const char *state_dir, const char *name_or_path, struct stg_error *err);
/* [{"name","about","where":"state|site","path"}], "error" for a wrong file. */
json_t *stg_rules_list(const char *state_dir);

#endif
