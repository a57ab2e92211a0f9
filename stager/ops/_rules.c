/*
 * _rules.c - the payload rules a station keeps beside the shipped ones; that they cannot be read stands in the log.
 *
 * For:    operations that check profiles.
 * Uses:   profiles/.
 * Called: by operations.
 * Thread: any; no state.
 */
#include <stdio.h>

#include <stager/error.h>
#include <stager/file.h>
#include <stager/log.h>

#include "_rules.h"
#include "_secretly.h"

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

bool ops_profile_rules_keep(struct stg_op_ctx *c, struct stg_bytes table, struct stg_error *err)
{
	char path[1024];
	STG_AUTO(stg_profile_rules_free_at) struct stg_profile_rules *r = stg_profile_rules_read("rules", table, stg_profile_overlay(), err);
	if (!r)
		return false;
	STG_AUTO(stg_json_free_at) json_t *about = stg_profile_rules_about(r);
	snprintf(path, sizeof(path), "%s/schema", c->state_dir);
	if (!stg_folder_make(path, 0700, err))
		return stg_say(err, STG_ID_DISK_REFUSES);
	snprintf(path, sizeof(path), "%s/" STG_PROFILE_RULES, c->state_dir);
	return ops_audit(c, "profile_rules_imported", stg_json_str(about, "release"), json_incref(about), err) &&
	       (stg_file_write(path, table, 0600, err) || stg_say(err, STG_ID_DISK_REFUSES));
}
