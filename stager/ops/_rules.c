/*
 * _rules.c - the payload rules a station keeps beside the shipped ones.
 *
 * For:    operations that check profiles.
 * Uses:   profiles/.
 * Called: by operations.
 * Thread: any; no state. Reading them takes a third of a millisecond.
 */
#include <stdio.h>

#include <stager/error.h>
#include <stager/file.h>
#include <stager/log.h>

#include "_rules.h"

#define RULES_BYTES_MAX (1u << 20)

struct stg_profile_rules *ops_profile_rules_kept(const char *state_dir)
{
	STG_AUTO(stg_buf_clear) struct stg_buf table = STG_BUF(RULES_BYTES_MAX);
	struct stg_error why = { 0 };
	char path[1024];
	snprintf(path, sizeof(path), "%s/" PROFILE_RULES, state_dir);
	if (!stg_file_read(path, &table, &why))
		return NULL;
	struct stg_profile_rules *r = stg_profile_rules_read(PROFILE_RULES, stg_buf_view(&table), stg_profile_overlay(), &why);
	if (!r)
		stg_log(STG_LOG_WARNING, NULL, "%s: the shipped rules are used, ignoring", why.msg);
	return r;
}

struct stg_profile_rules *ops_profile_rules(const char *state_dir)
{
	STG_AUTO(stg_profile_rules_free_at) struct stg_profile_rules *kept = ops_profile_rules_kept(state_dir);
	return kept && stg_profile_rules_newer(kept, stg_profile_rules_shipped()) ? stg_steal(kept) : NULL;
}
