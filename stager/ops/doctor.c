/*
 * doctor.c - what only the station can tell about its health.
 *
 * For:    `stager doctor`.
 * Uses:   the store; the state's folder, which may be closed to the person who asks.
 * Called: as an operation.
 * Thread: the recorder's.
 *
 *   doctor.store  {} -> {"v":1,"identities":n,"exposed":[paths]}: host identities made in advance and not used yet; files of
 *                 the state that others than its owner may read or change
 */
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stager/op.h>

/* The folder first: when it is closed, what is inside may be as it likes, but keys are looked at all the same. */
static json_t *exposed_files(const char *dir)
{
	static const struct { const char *name; unsigned int forbidden; } files[] = {
		{ "", S_IWGRP | S_IRWXO }, { "/station.key", S_IRWXG | S_IRWXO }, { "/stager.db", S_IWGRP | S_IRWXO }, { "/stager.db-wal", S_IWGRP | S_IRWXO },
	};
	json_t *list = json_array();
	for (size_t i = 0; i < STG_ARRAY_LEN(files); i++) {
		char path[PATH_MAX];
		struct stat st;
		if (snprintf(path, sizeof(path), "%s%s", dir, files[i].name) >= (int)sizeof(path) || stat(path, &st) != 0)
			continue;
		bool theirs = st.st_uid != geteuid() && st.st_uid != 0;
		if (theirs || (st.st_mode & files[i].forbidden))
			json_array_append_new(list, json_string(path));
	}
	return list;
}

static bool facts(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	int64_t unused = 0;
	(void)in;
	if (!stg_store_hostid_count(c->store, &unused, err))
		return false;
	*ret = json_pack("{s:i, s:I, s:o}", "v", 1, "identities", (json_int_t)unused, "exposed", exposed_files(c->state_dir));
	return true;
}

const struct stg_op stg_ops_doctor[] = {
	{ "doctor.store", STG_OP_STORE, facts },
	{ 0 },
};
