/*
 * kept.c - the payload rules a station keeps beside the shipped ones.
 *
 * For:    whoever checks a profile: the commands, and the station right before a device is touched.
 * Uses:   stager/base to read a file.
 * Called: by operations and the station.
 * Thread: any; no state. Reading them takes a third of a millisecond.
 */
#include <stdio.h>

#include <stager/error.h>
#include <stager/file.h>

#include "schema.h"

struct stg_profile_rules *stg_profile_rules_kept(const char *state_dir, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf table = STG_BUF(RULES_TEXT_MAX);
	char path[1024];
	snprintf(path, sizeof(path), "%s/" STG_PROFILE_RULES, state_dir);
	if (!stg_file_read(path, &table, NULL))
		return NULL;
	return stg_profile_rules_read(STG_PROFILE_RULES, stg_buf_view(&table), stg_profile_overlay(), err);
}

struct stg_profile_rules *stg_profile_rules_own(const char *state_dir, struct stg_error *err)
{
	STG_AUTO(stg_profile_rules_free_at) struct stg_profile_rules *kept = stg_profile_rules_kept(state_dir, err);
	return kept && stg_profile_rules_newer(kept, stg_profile_rules_shipped()) ? stg_steal(kept) : NULL;
}
