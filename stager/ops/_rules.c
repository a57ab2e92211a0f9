/*
 * _rules.c - the payload rules a station keeps beside the shipped ones; that they cannot be read stands in the log.
 *
 * For:    operations that check profiles.
 * Uses:   profiles/.
 * Called: by operations.
 * Thread: any; no state.
 */
#include <stager/error.h>
#include <stager/log.h>

#include "_rules.h"

static void note(const struct stg_error *why)
{
	if (why->code != STG_OK)
		stg_log(STG_LOG_WARNING, NULL, "%s: the shipped rules are used, ignoring", why->msg);
}

struct stg_profile_rules *ops_profile_rules_kept(const char *state_dir)
{
	struct stg_error why = { 0 };
	struct stg_profile_rules *r = stg_profile_rules_kept(state_dir, &why);
	note(&why);
	return r;
}

struct stg_profile_rules *ops_profile_rules(const char *state_dir)
{
	struct stg_error why = { 0 };
	struct stg_profile_rules *r = stg_profile_rules_own(state_dir, &why);
	note(&why);
	return r;
}
